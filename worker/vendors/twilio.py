"""SMS through Twilio: send, signature check, code table, and which failures prove that nothing was sent.

Twilio has no idempotency for messages, so an answer that did not come is *unknown*; our attempt's id rides in the
callback's URL and brings the truth later.
"""

import logging
import re
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from twilio.base.exceptions import TwilioException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from models.message import Accepted, Answer, Refused, State, TryLater, Unknown
from worker.settings import SmsAccount, settings
from worker.vendors import (
    ACCOUNT_RESTS,
    CannotTell,
    Fate,
    Finding,
    Found,
    NotThere,
    Outgoing,
    OutgoingSms,
    ReceiptFact,
)
from worker.vendors.wire import NoAnswer, NotSent, Reply, Sender, Wire

NAME: Final = "twilio"
RECEIPTS_PATH = "/v1/receipts/twilio"

_OFFICIAL_URL = "https://api.twilio.com"
_SID = re.compile(r"[SM]M[0-9a-fA-F]{32}")
_SHORTEST_VALIDITY_SECONDS, _LONGEST_VALIDITY_SECONDS = 1, 36_000
_LOWEST_CODE = 10_000
_LONGEST_STATUS = 40

_ACCOUNT = frozenset(
    {
        20003,  # authentication failed
        20404,  # no such account
        21212,  # the sender is not valid
        21603,  # no sender
        21606,  # the sender cannot send messages
    }
)
_OPERATOR = frozenset(
    {
        21408,  # this country is switched off in the account's permissions
        21612,  # no route from this sender to this country
    }
)
_RECIPIENT_OR_TEXT = frozenset(
    {
        21211,  # not a phone number
        21614,  # not a mobile number; a Japanese landline
        21617,  # longer than 1,600 characters
        21635,  # a landline
    }
)
_UNWILLING = frozenset(
    {
        21610,  # the recipient wrote STOP
    }
)
_SLOW_DOWN = frozenset(
    {
        14107,  # too many messages between the same two numbers
        20429,  # too many requests at once
        21611,  # the sender's queue is full
    }
)
CODES: Mapping[int, str] = MappingProxyType(
    dict.fromkeys(_ACCOUNT, "account")
    | dict.fromkeys(_OPERATOR, "operator")
    | dict.fromkeys(_RECIPIENT_OR_TEXT, "refused")
    | dict.fromkeys(_UNWILLING, "suppress")
    | dict.fromkeys(_SLOW_DOWN, "try_later")
)
"""What a code in a 4xx answer means to us. The HTTP status decides first; a code that is not here goes to a person.

Source: https://www.twilio.com/docs/api/errors.
"""

FATES: Mapping[str, Fate] = MappingProxyType(
    {
        "30001": Fate.LATER,  # the sender's queue overflowed: it never left
        "30003": Fate.LATER,  # the handset is off or has no signal
        "30004": Fate.DEAD,  # the number is barred from receiving it
        "30005": Fate.DEAD,  # unknown or out of service
        "30006": Fate.DEAD,  # a landline, or a carrier that cannot be reached: "do not retry"
        "30007": Fate.FILTERED,  # by Twilio or the carrier; in Japan mostly for a URL or its wording
        "30008": Fate.UNCLEAR,  # unknown; carriers in Japan give no reasons
        "30036": Fate.EXPIRED,  # its `ValidityPeriod` was over
        "30410": Fate.FINAL,  # a time-out on the way: "not retried to avoid duplicate delivery"
        "30450": Fate.PUMPING,  # SMS pumping protection
        "30453": Fate.PUMPING,  # likewise
    }
)
"""What the `ErrorCode` of a report means to us. A code that is not here is tried by nobody and seen by a person.

Source: https://www.twilio.com/docs/api/errors, one page for each code.
"""

SILENCES: Mapping[str, str] = MappingProxyType(
    {
        "21211": "invalid",
        "21610": "stop",
        "21614": "not_mobile",
        "21635": "not_mobile",
        **dict.fromkeys((code for code, fate in FATES.items() if fate is Fate.DEAD), "unreachable"),
    }
)
"""Which codes, of an answer or of a report, silence the number, and for what reason."""

STATES: Mapping[str, State | None] = MappingProxyType(
    {
        "accepted": None,
        "scheduled": None,
        "queued": None,
        "sending": None,
        "sent": State.SENT,
        "delivered": State.DELIVERED,
        "read": State.DELIVERED,
        "undelivered": State.UNDELIVERED,
        "failed": State.FAILED,
        "canceled": State.FAILED,
    }
)
"""What a `MessageStatus` means for the message; None moves nothing.

Source: https://www.twilio.com/docs/messaging/api/message-resource, "Message Status values".
"""

_MOST_LISTED = 50
# A failed list raises plain TwilioException; an answer that cannot be read raises whatever its parser does.
_SAYS_NOTHING = (NotSent, NoAnswer, TwilioException, ValueError, TypeError, AttributeError, LookupError)
_HTTP_TOO_MANY, _HTTP_TIMED_OUT = 429, 408
# The client's own log lines quote URLs with phone numbers; its transport is replaced, this is for what may be added.
_quiet = logging.getLogger("toritsugi.twilio")
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False


class Twilio:
    """The official client on a wire of our own. One per thread.

    Args:
        account: whose.
        wire: what requests are made with; None makes one from the settings.
    """

    def __init__(self, account: SmsAccount, wire: Sender | None = None) -> None:
        chosen = settings()
        self.name = account.name
        self._sender = account.sender
        self._http = _HttpClient(
            wire or Wire(connect_seconds=chosen.vendor_connect_seconds, read_seconds=chosen.vendor_read_seconds),
            base_url=account.api_url,
        )
        self._client = Client(
            account.account_sid,
            account.auth_token.get_secret_value(),
            http_client=self._http,
            # Otherwise TWILIO_EDGE and TWILIO_REGION would be picked up and move the host.
            environment={"TWILIO_ACCOUNT_SID": account.account_sid},
        )

    def send(self, outgoing: Outgoing) -> Answer:
        """Send one SMS by one POST that is never repeated.

        Raises:
            TypeError: it is not an SMS.

        Source: https://www.twilio.com/docs/messaging/api/message-resource#create-a-message.
        """
        if not isinstance(outgoing, OutgoingSms):
            raise TypeError("Twilio carries SMS")
        self._http.forget()
        try:
            sid = self._client.messages.create(**_parameters(outgoing, self._sender)).sid
        except NotSent:
            return TryLater("connect")
        except NoAnswer:
            return Unknown("no_answer")
        except TwilioException as error:
            return _answer(self._http.reply, getattr(error, "code", None))
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
            if self._http.reply is None:
                raise  # a fault of our own: nothing had been sent
            return Unknown("unreadable")
        # An empty 201 gives an instance whose sid is None, without an error.
        return Accepted(sid) if isinstance(sid, str) and _SID.fullmatch(sid) else Unknown("no_reference")

    def look_up(self, reference: str) -> Finding:
        """Fetch one message.

        Source: https://www.twilio.com/docs/messaging/api/message-resource#fetch-a-message-resource.
        """
        try:
            message = self._client.messages(reference).fetch()
        except _SAYS_NOTHING:
            return CannotTell()
        return _finding(message)

    def search(
        self,
        *,
        attempt_id: UUID,  # noqa: ARG002 - the list does not show the callback that holds it
        to: str,
        since: datetime,
        until: datetime,
        known: frozenset[str],
        alone: bool,
    ) -> Finding:
        """List what was made for the recipient, newest first, and look for the one that nobody else claims.

        Only `To` is filtered by: `DateSent` has a grain of a day, and is empty while a message is queued.

        Source: https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources.
        """
        candidates = []
        try:
            for message in self._client.messages.stream(to=to, limit=_MOST_LISTED):
                made_at = message.date_created
                if made_at is None or made_at < since:
                    break
                if made_at <= until and message.sid not in known:
                    candidates.append(message)
        except _SAYS_NOTHING:
            return CannotTell()
        if not candidates:
            return NotThere()
        # With two to choose from, or two to whom it may belong, a guess might call one message by the other's name.
        return _finding(candidates[0]) if alone and len(candidates) == 1 else CannotTell()


def callback_url(outgoing: OutgoingSms) -> str:
    """Return where Twilio tells how it went; the attempt's id in it settles an answer that was lost.

    The fragment is for Twilio itself and is neither sent nor signed: five retries after any failure, where the default
    is one after a failed connection. A report that is lost costs a poll, or leaves an unknown outcome unknown.

    Source: https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides.
    """
    base = settings().public_url.rstrip("/")
    return f"{base}{RECEIPTS_PATH}/{outgoing.attempt_id}?message={outgoing.message_id}#rc=5&rp=all"


def read_receipt(url: str, form: Mapping[str, str], signature: str | None) -> ReceiptFact | None:
    """Return what a status callback says, or None if Twilio did not sign it or it is no status callback.

    Nothing in the signature is dated, so an old callback can be replayed; `once_key` makes that harmless.

    Args:
        url: the public URL that Twilio called, with its query, as in `StatusCallback`.
        form: the fields of the body.
        signature: the header `X-Twilio-Signature`.

    Source: https://www.twilio.com/docs/usage/webhooks/webhooks-security.
    """
    if not signature:
        return None
    try:
        genuine = any(
            RequestValidator(account.auth_token.get_secret_value()).validate(url, dict(form), signature)
            for account in settings().sms_carriers
        )
        path = urlsplit(url).path
    except (TypeError, ValueError):
        return None
    sid, status = form.get("MessageSid", ""), form.get("MessageStatus", "")
    if not genuine or not _SID.fullmatch(sid) or not status:
        return None
    given = form.get("ErrorCode", "")
    code = given if given.isascii() and given.isdecimal() and int(given) else None
    return ReceiptFact(
        once_key=f"{NAME}:{sid}:{status[:_LONGEST_STATUS]}",
        vendor=NAME,
        attempt_id=_uuid(path.rpartition("/")[2]),
        reference=sid,
        status=status[:_LONGEST_STATUS],
        state=_state(status, code),
        code=code,
    )


def _finding(message: Any) -> Finding:
    if not isinstance(message.sid, str) or not _SID.fullmatch(message.sid):
        return CannotTell()
    code = str(message.error_code) if message.error_code else None
    return Found(message.sid, _state(str(message.status), code) or State.SENT, code)


def _state(status: str, code: str | None) -> State | None:
    state = STATES.get(status)
    is_over = state in {State.UNDELIVERED, State.FAILED} and FATES.get(code or "") is Fate.EXPIRED
    return State.EXPIRED if is_over else state


class _HttpClient(TwilioHttpClient):  # type: ignore[misc]  # the package ships no types
    """Sends to the configured host and keeps the last reply, whose headers the client would lose."""

    def __init__(self, wire: Sender, *, base_url: str) -> None:
        super().__init__(pool_connections=False, logger=_quiet)
        self._wire = wire
        self._base_url = base_url.rstrip("/")
        self.reply: Reply | None = None

    def forget(self) -> None:
        """Drop the last reply, so that none can be taken for the next one's."""
        self.reply = None

    def request(  # noqa: PLR0917 - the client's signature
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002 - the wire has its own
        allow_redirects: bool = False,  # noqa: ARG002, FBT001, FBT002 - the client's signature; none is followed
    ) -> Response:
        """Make the client's request on our wire."""
        if not url.startswith(f"{_OFFICIAL_URL}/"):
            raise NotSent
        target = self._base_url + url.removeprefix(_OFFICIAL_URL)
        self.reply = self._wire.send(method, target, headers=headers or {}, params=params, data=data, auth=auth)
        return Response(self.reply.status, self.reply.text, self.reply.headers)


def _parameters(outgoing: OutgoingSms, sender: str) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "to": outgoing.to,
        "body": outgoing.text,
        "status_callback": callback_url(outgoing),
        "messaging_service_sid" if sender.startswith("MG") else "from_": sender,
    }
    if outgoing.valid_seconds is not None:
        parameters["validity_period"] = min(
            max(outgoing.valid_seconds, _SHORTEST_VALIDITY_SECONDS), _LONGEST_VALIDITY_SECONDS
        )
    return parameters


def _answer(reply: Reply | None, code: object) -> Answer:
    """Say what an answer that is no success means. The status decides; the code only refines a 4xx."""
    if reply is None:
        return Unknown("no_answer")
    if reply.status == _HTTP_TOO_MANY:
        return TryLater(str(code) if _is_own(code) else "429", reply.retry_after)
    # 500 and 503 may come after the message was queued; a 4xx that is not Twilio's came from somebody in between.
    if not 400 <= reply.status < 500 or reply.status == _HTTP_TIMED_OUT or not _is_own(code):  # noqa: PLR2004 - HTTP
        return Unknown(str(reply.status))
    meaning = CODES.get(int(str(code)), "operator")
    if meaning == "account":
        # Nothing was sent and nothing is wrong with the message: it waits for the account to be mended.
        return TryLater(str(code), ACCOUNT_RESTS, operator=True)
    if meaning == "try_later":
        return TryLater(str(code), reply.retry_after)
    return Refused(str(code), suppress=meaning == "suppress", operator=meaning == "operator")


def _is_own(code: object) -> bool:
    # Where the body is not Twilio's, the client puts the HTTP status in the place of the code.
    return isinstance(code, int) and code >= _LOWEST_CODE


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
