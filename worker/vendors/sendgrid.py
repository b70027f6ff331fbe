"""Mail through SendGrid: send, signature check, and which failures prove that nothing was sent.

Only 202 with an `X-Message-Id` is success. There is no idempotency, so an answer that did not come is *unknown*; the
attempt's id rides in `custom_args`, comes back with every event and brings the truth later.
"""

import base64
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import python_http_client
from sendgrid import SendGridAPIClient
from sendgrid.helpers import mail as parts
from sendgrid.helpers.eventwebhook import EventWebhook

from models.message import Accepted, Answer, Refused, State, TryLater, Unknown
from worker.derived_keys import fingerprint
from worker.settings import MailAccount, settings
from worker.vendors import ACCOUNT_RESTS, CannotTell, Finding, Found, NotThere, Outgoing, OutgoingMail, ReceiptFact
from worker.vendors.wire import NoAnswer, NotSent, Reply, Sender, Wire

NAME: Final = "sendgrid"
FRESH_FOR = timedelta(hours=25)
"""How far a signed post's own time may be from ours; after that it may be a replay.

As long as SendGrid repeats a post, whose time may be that of the first: a fact refused is a fact lost, while one that
comes twice is stored once.
"""

STATES: Mapping[str, State | None] = MappingProxyType(
    {
        "processed": State.SENT,
        "deferred": None,
        "delivered": State.DELIVERED,
        "bounce": State.UNDELIVERED,
        "dropped": State.FAILED,
        "spamreport": None,
        "unsubscribe": None,
        "group_unsubscribe": None,
        "group_resubscribe": None,
        "open": None,
        "click": None,
    }
)
"""What an event means for the message; None moves nothing. `dropped` never left SendGrid, `bounce` came back.

Source: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event.
"""

REFUSALS: Mapping[int, bool] = MappingProxyType(
    {400: False, 401: True, 403: True, 404: True, 405: True, 413: False, 415: True}
)
"""The statuses that SendGrid refuses with, and whether a person must see to our account or configuration.

Source: https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/responses.
"""

_DROPPED = MappingProxyType(
    {
        "bounced address": "bounced_address",
        "invalid": "invalid",
        "invalid smtpapi header": "invalid_header",
        "recipient list over package quota": "over_quota",
        "spam content (if spam checker app enabled)": "spam_content",
        "spam reporting address": "spam_reporting_address",
        "unsubscribed address": "unsubscribed_address",
    }
)
_SILENCES = MappingProxyType(
    {"bounced_address": "bounced", "invalid": "invalid", "spam_reporting_address": "spam_report"}
)
_HTTP_OK, _HTTP_ACCEPTED, _HTTP_TOO_LARGE, _HTTP_TOO_MANY = 200, 202, 413, 429
_ACTIVITY = MappingProxyType({"delivered": State.DELIVERED, "not_delivered": State.UNDELIVERED})
_REFERENCE = re.compile(r"[\x21-\x7e]{1,120}")
# Events add where the message passed through to the id that the call was answered with.
_SUFFIX = re.compile(r"\.(recvd|filter).*", re.DOTALL)
_FIELD = re.compile(r"[A-Za-z0-9_.]{1,50}")
_EVENT = re.compile(r"[a-z_]{1,40}")
_SMTP_CODE = re.compile(r"\d(\.\d{1,3}){2}")
_LONGEST_EVENT_ID = 100


class SendGrid:
    """The official client on a wire of our own. One per thread.

    Args:
        account: whose.
        wire: what requests are made with; None makes one from the settings.
    """

    def __init__(self, account: MailAccount, wire: Sender | None = None) -> None:
        chosen = settings()
        self.name = account.name
        self._sender = account.sender
        self._has_activity = account.has_activity
        self._client = SendGridAPIClient(account.api_key.get_secret_value(), host=account.api_url)
        self._client.client = _Client(
            wire or Wire(connect_seconds=chosen.vendor_connect_seconds, read_seconds=chosen.vendor_read_seconds),
            host=account.api_url.rstrip("/"),
            request_headers=self._client.client.request_headers,
            version=3,
        )

    def send(self, outgoing: Outgoing) -> Answer:
        """Send one mail by one POST that is never repeated.

        Raises:
            TypeError: it is not a mail.

        Source: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send.
        """
        if not isinstance(outgoing, OutgoingMail):
            raise TypeError("SendGrid carries mail")
        try:
            reply: Reply = self._client.send(_mail(outgoing, self._sender))
        except NotSent:
            return TryLater("connect")
        except NoAnswer:
            return Unknown("no_answer")
        return _answer(reply)

    def look_up(self, reference: str) -> Finding:
        """Ask the activity feed about one message, where the account has it."""
        return self._activity(f"msg_id LIKE '{reference}%'")

    def search(
        self,
        *,
        attempt_id: UUID,
        to: str,  # noqa: ARG002 - our own id is enough, and an address in a query is one more copy of it
        since: datetime,  # noqa: ARG002
        until: datetime,  # noqa: ARG002
        known: frozenset[str],  # noqa: ARG002
        alone: bool,  # noqa: ARG002
    ) -> Finding:
        """Ask the activity feed for our attempt's id, where the account has it."""
        return self._activity(f"unique_args['attempt_id']=\"{attempt_id}\"")

    def _activity(self, query: str) -> Finding:
        """Query the Email Activity Feed, a paid add-on with 6 requests a minute.

        Source: https://www.twilio.com/docs/sendgrid/api-reference/email-activity/filter-all-messages.
        """
        if not self._has_activity:
            return CannotTell()
        try:
            reply = self._client.client.messages.get(query_params={"limit": "10", "query": query})
        except (NotSent, NoAnswer):
            return CannotTell()
        listed = reply.json.get("messages") if reply.status == _HTTP_OK and isinstance(reply.json, dict) else None
        if not isinstance(listed, list):
            return CannotTell()
        if not listed:
            return NotThere()
        reference = _SUFFIX.sub("", _text(listed[0], "msg_id")) if isinstance(listed[0], dict) else ""
        if len(listed) > 1 or not _REFERENCE.fullmatch(reference):
            return CannotTell()
        return Found(reference, _ACTIVITY.get(_text(listed[0], "status"), State.SENT))


def read_receipts(body: bytes, signature: str | None, timestamp: str | None, now: datetime) -> list[ReceiptFact] | None:
    """Return what one post of the Event Webhook says, or None if SendGrid did not sign it just now.

    Args:
        body: the raw bytes, line end included; the signature covers them.
        signature: the header `X-Twilio-Email-Event-Webhook-Signature`.
        timestamp: the header `X-Twilio-Email-Event-Webhook-Timestamp`, unix seconds.
        now: when the post was received.

    Source: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features.
    """
    keys = [account.webhook_key for account in settings().mail_carriers if account.webhook_key]
    if not keys or not signature or not timestamp or not _is_fresh(timestamp, now):
        return None
    try:
        genuine = any(EventWebhook(key).verify_signature(body.decode(), signature, timestamp) for key in keys)
        events = json.loads(body) if genuine else None
    except (TypeError, ValueError, AttributeError, RecursionError):
        return None
    if not isinstance(events, list):
        return None
    return [fact for event in events if isinstance(event, dict) and (fact := _fact(event)) is not None]


def silences(code: str | None, status: str) -> str | None:
    """Return for what reason an event, or the code of an answer, silences the mailbox; None if it does not."""
    if status == "spamreport":
        return "spam_report"
    if status == "unsubscribe":
        return "unsubscribed"
    if status == "bounce":
        # A block is about this mail or this hour; a bounce with a permanent status is about the mailbox.
        return "bounced" if code == "bounce" or (code or "").startswith("bounce:5") else None
    return _SILENCES.get(code or "")


class _Client(python_http_client.Client):  # type: ignore[misc]  # the package ships no types
    """Builds the same URLs and headers, but posts on our wire and logs nothing.

    The original follows redirects, waits for ever, and logs key and payload at DEBUG.
    """

    def __init__(self, wire: Sender, **rest: Any) -> None:
        self._wire = wire
        super().__init__(**rest)

    def _build_client(self, name: str | None = None) -> "_Client":
        return _Client(
            self._wire,
            host=self.host,
            version=self._version,
            request_headers=self.request_headers,
            url_path=[*self._url_path, name] if name else self._url_path,
        )

    def post(self, request_body: Any = None, query_params: Mapping[str, Any] | None = None) -> Reply:
        """Post JSON and return whatever was answered, of any status."""
        return self._wire.send(
            "POST",
            self._build_url(query_params),
            headers={**self.request_headers, "Content-Type": "application/json"},
            data=json.dumps(request_body).encode(),
        )

    def get(self, query_params: Mapping[str, Any] | None = None) -> Reply:
        """Get whatever is answered, of any status."""
        return self._wire.send("GET", self._build_url(query_params), headers=self.request_headers)


def _mail(outgoing: OutgoingMail, sender: str) -> dict[str, Any]:
    mail = parts.Mail(subject=outgoing.subject)
    mail.from_email = _mailbox(parts.From(), sender)
    mail.add_to(_mailbox(parts.To(), outgoing.to))
    mail.add_content(outgoing.text, parts.MimeType.text)
    mail.add_content(outgoing.html, parts.MimeType.html)
    # These come back with every event and are kept for long by the vendor: opaque ids, and as text.
    mail.add_custom_arg(parts.CustomArg("attempt_id", str(outgoing.attempt_id)))
    mail.add_custom_arg(parts.CustomArg("message_id", str(outgoing.message_id)))
    for attachment in outgoing.attachments:
        mail.add_attachment(
            parts.Attachment(
                parts.FileContent(base64.b64encode(attachment.content).decode()),
                parts.FileName(attachment.filename),
                parts.FileType(attachment.content_type),
                parts.Disposition("attachment"),
            )
        )
    # A rewritten link looks like phishing and is followed by scanners; an unsubscribe would stop the next code.
    mail.tracking_settings = parts.TrackingSettings(
        click_tracking=parts.ClickTracking(enable=False, enable_text=False),
        open_tracking=parts.OpenTracking(enable=False),
        subscription_tracking=parts.SubscriptionTracking(enable=False),
        ganalytics=parts.Ganalytics(enable=False),
    )
    body: dict[str, Any] = mail.get()
    return body


def _mailbox(email: Any, address: str) -> Any:
    # The constructor would read `a,b@example.jp` as a name and an address; the attribute takes it as it is.
    email.email = address
    return email


def _answer(reply: Reply) -> Answer:
    if reply.status == _HTTP_ACCEPTED:
        reference = reply.headers.get("X-Message-Id", "")
        return Accepted(reference) if _REFERENCE.fullmatch(reference) else Unknown("no_reference")
    if reply.status == _HTTP_TOO_MANY:
        return TryLater("429", _wait(reply))
    errors = _errors(reply)
    # A refusal that is not SendGrid's came from somebody in between; one that is too large was read by nobody.
    if reply.status not in REFUSALS or (errors is None and reply.status != _HTTP_TOO_LARGE):
        return Unknown(str(reply.status))
    field = next((field for field in errors or () if field), None)
    code = f"{reply.status}:{field}" if field else str(reply.status)
    if REFUSALS[reply.status] or (field or "").startswith("from"):
        # Nothing was sent and nothing is wrong with the mail: it waits for the account to be mended.
        return TryLater(code, ACCOUNT_RESTS, operator=True)
    return Refused(code)


def _wait(reply: Reply) -> timedelta | None:
    """Return how long to wait: there is no Retry-After as a rule, but the epoch second at which the limit is reset."""
    reset, answered_at = reply.headers.get("X-RateLimit-Reset", ""), reply.answered_at
    if reply.retry_after is None and answered_at is not None and reset.isascii() and reset.isdecimal():
        return reply.wait_of(float(reset) - answered_at.timestamp())
    return reply.retry_after


def _errors(reply: Reply) -> list[str | None] | None:
    """Return the field that each error names, or None if the body is not SendGrid's. Its texts may quote the mail."""
    answer = reply.json
    errors = answer.get("errors") if isinstance(answer, dict) else None
    if not isinstance(errors, list):
        return None
    fields = [error.get("field") for error in errors if isinstance(error, dict)]
    return [field if isinstance(field, str) and _FIELD.fullmatch(field) else None for field in fields]


def _is_fresh(timestamp: str, now: datetime) -> bool:
    try:
        signed_at = datetime.fromtimestamp(int(timestamp), tz=UTC)
    except (ValueError, OverflowError, OSError):
        return False
    return abs(now - signed_at) <= FRESH_FOR


def _fact(event: Mapping[str, Any]) -> ReceiptFact | None:
    status = _text(event, "event")
    if not _EVENT.fullmatch(status):
        return None
    reference = _SUFFIX.sub("", _text(event, "sg_message_id"))
    return ReceiptFact(
        once_key=_once_key(event),
        vendor=NAME,
        attempt_id=_uuid(_text(event, "attempt_id")),
        reference=reference if _REFERENCE.fullmatch(reference) else None,
        status=status,
        state=STATES.get(status),
        code=_code(status, event),
    )


def _once_key(event: Mapping[str, Any]) -> str:
    event_id = _text(event, "sg_event_id")
    if 0 < len(event_id) <= _LONGEST_EVENT_ID:
        return f"{NAME}:{event_id}"
    # Some events have none. An event holds the address, so its digest must not be open to guessing.
    return f"{NAME}:digest:{fingerprint('receipts', json.dumps(event, sort_keys=True))}"


def _code(status: str, event: Mapping[str, Any]) -> str | None:
    """Return why it did not arrive. The vendor's `reason` quotes mail servers, and they quote addresses."""
    if status == "dropped":
        return _DROPPED.get(_text(event, "reason").strip().lower(), "dropped")
    if status != "bounce":
        return None
    kind = "blocked" if _text(event, "type") == "blocked" else "bounce"
    smtp = _text(event, "status")
    return f"{kind}:{smtp}" if _SMTP_CODE.fullmatch(smtp) else kind


def _text(event: Mapping[str, Any], name: str) -> str:
    value = event.get(name)
    return value if isinstance(value, str) else ""


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
