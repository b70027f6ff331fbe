"""Twilio's Messages resource: what a request must hold, what is answered, and how a status callback is worded.

Shapes follow Twilio's OpenAPI description of `api/v2010` and its pages on errors. Like Twilio, it has no idempotency:
`I-Twilio-Idempotency-Token` and `Idempotency-Key` on a request are ignored.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import phonenumbers
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from sandbox import chance, faults
from sandbox.answers import Desk, serve
from sandbox.carrier import Fact
from sandbox.ledger import Letter, Receipt
from sandbox.time import instant

VERSION = "2010-04-01"
LONGEST_BODY = 1600
LONGEST_VALIDITY_SECONDS = 36_000
LONGEST_PAGE = 1000
USUAL_PAGE = 50

_GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM7_EXTENDED = frozenset("\f^{}\\[~]|€")

_E164 = re.compile(r"\+[1-9]\d{6,14}")
_SENDER = re.compile(r"\+[1-9]\d{6,14}|\d{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 +\-_&]{1,11}")
_SERVICE = re.compile(r"MG[0-9a-f]{32}")


@dataclass(frozen=True)
class Problem:
    """One of Twilio's errors: its code, the HTTP status it comes with, and its text."""

    code: int
    status: int
    message: str

    def answer(self, headers: Mapping[str, str] | None = None) -> Response:
        """Return the error as Twilio answers it."""
        return JSONResponse(
            {
                "code": self.code,
                "message": self.message,
                "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
                "status": self.status,
            },
            status_code=self.status,
            headers=dict(headers or {}),
        )


UNAUTHORIZED = Problem(20003, 401, "Authenticate")
OPTED_OUT = Problem(21610, 400, "Attempt to send to unsubscribed recipient")
_PLAYED = {
    "refuse_21211": Problem(21211, 400, "Invalid 'To' Phone Number"),
    "refuse_21408": Problem(
        21408, 400, "Permission to send an SMS has not been enabled for the region indicated by the 'To' number"
    ),
    "refuse_21606": Problem(21606, 400, "The 'From' phone number provided is not a valid message-capable number"),
    "refuse_21610": OPTED_OUT,
    "refuse_21611": Problem(21611, 429, "This 'From' number has exceeded the maximum number of queued messages"),
    "refuse_21614": Problem(21614, 400, "'To' number is not a valid mobile number"),
    "refuse_400": Problem(20001, 400, "Bad request"),
    "refuse_401": UNAUTHORIZED,
    "refuse_403": Problem(20403, 403, "Forbidden"),
}


def segments(text: str) -> int:
    """Return how many SMS a text takes: GSM-7 in 160 or 153 units, anything else in UCS-2 units of 70 or 67."""
    if all(letter in _GSM7 or letter in _GSM7_EXTENDED for letter in text):
        units = [2 if letter in _GSM7_EXTENDED else 1 for letter in text]
        return _parts(units, alone=160, joined=153)
    return _parts([len(letter.encode("utf-16-be")) // 2 for letter in text], alone=70, joined=67)


def _parts(units: Sequence[int], *, alone: int, joined: int) -> int:
    if sum(units) <= alone:
        return 1
    parts, used = 1, 0
    for size in units:
        # A character of two units is never split over two parts.
        if used + size > joined:
            parts, used = parts + 1, 0
        used += size
    return parts


def problem_with(form: Mapping[str, str]) -> Problem | None:
    """Return what Twilio would object to in a request to create a message, or None."""
    return _recipient_problem(form) or _sender_problem(form) or _content_problem(form) or _option_problem(form)


def _recipient_problem(form: Mapping[str, str]) -> Problem | None:
    to = form.get("To", "")
    if not to:
        return Problem(21604, 400, "A 'To' phone number is required.")
    if not _E164.fullmatch(to):
        return Problem(21211, 400, "Invalid 'To' Phone Number")
    try:
        number = phonenumbers.parse(to)
    except phonenumbers.NumberParseException:
        return Problem(21211, 400, "Invalid 'To' Phone Number")
    if phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.FIXED_LINE:
        return Problem(21614, 400, "'To' number is not a valid mobile number")
    return None


def _sender_problem(form: Mapping[str, str]) -> Problem | None:
    sender, service = form.get("From", ""), form.get("MessagingServiceSid", "")
    if not sender and not service:
        return Problem(21603, 400, "A 'From' phone number is required.")
    if service and not _SERVICE.fullmatch(service):
        return Problem(21705, 400, "The Messaging Service Sid is invalid.")
    if sender and not _SENDER.fullmatch(sender):
        return Problem(21212, 400, "Invalid From Number (caller ID)")
    if sender == form.get("To"):
        return Problem(21266, 400, "'To' and 'From' number cannot be the same")
    return None


def _content_problem(form: Mapping[str, str]) -> Problem | None:
    body = form.get("Body", "")
    if not body:
        # Media and content templates would do at Twilio; the sandbox has neither.
        return Problem(21602, 400, "Message body is required.")
    if len(body) > LONGEST_BODY:
        return Problem(21617, 400, "The concatenated message body exceeds the 1600 character limit")
    return None


def _option_problem(form: Mapping[str, str]) -> Problem | None:
    callback = form.get("StatusCallback")
    if callback is not None and not _is_url(callback):
        return Problem(21609, 400, "The 'StatusCallback' URL is not a valid URL.")
    validity = form.get("ValidityPeriod")
    if validity is not None and not (validity.isdecimal() and 1 <= int(validity) <= LONGEST_VALIDITY_SECONDS):
        return Problem(21624, 400, "Invalid validity period value")
    if form.keys() & {"SendAt", "ScheduleType"}:
        return Problem(20001, 400, "The sandbox does not schedule messages: send when it is time.")
    return None


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def letter_of(form: Mapping[str, str], *, account: str, play: faults.Play, now: float) -> Letter:
    """Return the message that a request creates at an instant."""
    callback = form.get("StatusCallback")
    attempt, message = ids_in(callback)
    fate = faults.fate_of(play)
    held_seconds = fate.wait_seconds() if fate is not None and fate.kind == "queue_for" else 0.0
    service = form.get("MessagingServiceSid")
    return Letter(
        sid=chance.hex_sid("SM"),
        channel="sms",
        account=account,
        attempt=attempt,
        message=message,
        recipient=form["To"],
        sender=form.get("From") or "",
        text=form["Body"],
        segments=segments(form["Body"]),
        details={
            "service": service,
            "callback": callback,
            "validity_seconds": int(form.get("ValidityPeriod", LONGEST_VALIDITY_SECONDS)),
        },
        play=play,
        accepted_at=now,
        due_at=now + held_seconds,
        status="accepted" if service else "queued",
    )


def ids_in(callback: str | None) -> tuple[str | None, str | None]:
    """Return our attempt id and message id from a callback's URL: its last path segment, its query's `message`."""
    if not callback:
        return None, None
    parts = urlsplit(callback)
    attempt = parts.path.rstrip("/").rpartition("/")[2] or None
    return attempt, parse_qs(parts.query).get("message", [None])[0]


def callback_for(letter: Letter, fact: Fact, at: float) -> Receipt | None:
    """Return the status callback that tells a fact, if the message wants callbacks."""
    if not letter.details["callback"]:
        return None
    body = {
        "MessageSid": letter.sid,
        "SmsSid": letter.sid,
        "AccountSid": letter.account,
        "MessageStatus": fact.says,
        "SmsStatus": fact.says,
        "To": letter.recipient,
        "From": letter.sender,
        "ApiVersion": VERSION,
    }
    if letter.details["service"]:
        body["MessagingServiceSid"] = letter.details["service"]
    if fact.error_code is not None:
        body["ErrorCode"] = str(fact.error_code)
    if fact.says in ("delivered", "undelivered"):
        body["RawDlrDoneDate"] = instant(at).strftime("%y%m%d%H%M")
    return Receipt(says=fact.says, url=letter.details["callback"], body=body, due_at=at)


def shown(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a ledger entry as Twilio's Message resource."""
    path = f"/{VERSION}/Accounts/{entry['account']}/Messages/{entry['sid']}"
    unassigned = entry["status"] == "accepted"
    return {
        "body": entry["text"],
        "num_segments": "0" if unassigned else str(entry["segments"]),
        "direction": "outbound-api",
        "from": entry["sender"] or None,
        "to": entry["recipient"],
        "date_created": _rfc2822(entry["accepted_at"]),
        "date_updated": _rfc2822(entry["updated_at"]),
        "date_sent": _rfc2822(entry["sent_at"]),
        "price": None,
        "price_unit": "USD",
        "error_code": entry["error_code"],
        "error_message": None,
        "account_sid": entry["account"],
        "num_media": "0",
        "status": entry["status"],
        "messaging_service_sid": entry["details"]["service"],
        "sid": entry["sid"],
        "api_version": VERSION,
        "uri": f"{path}.json",
        "subresource_uris": {"media": f"{path}/Media.json"},
    }


def _rfc2822(epoch_seconds: float | None) -> str | None:
    return None if epoch_seconds is None else format_datetime(instant(epoch_seconds))


class TwilioVoice:
    """Twilio's words for yes, no and later."""

    def accepted(self, letters: Sequence[Letter]) -> Response:
        """Answer 201 with the message as it is at first, whatever has become of it since."""
        (letter,) = letters
        entry = {
            "sid": letter.sid,
            "account": letter.account,
            "recipient": letter.recipient,
            "sender": letter.sender,
            "text": letter.text,
            "segments": letter.segments,
            "details": letter.details,
            "status": letter.status,
            "error_code": None,
            "accepted_at": letter.accepted_at,
            "updated_at": letter.accepted_at,
            "sent_at": None,
        }
        return JSONResponse(shown(entry), status_code=201, headers={"Twilio-Request-Id": chance.hex_sid("RQ")})

    def refused(self, kind: str) -> Response:
        """Answer with the error that the kind names."""
        return _PLAYED[kind].answer()

    def failed(self) -> Response:
        """Answer 500."""
        return Problem(20500, 500, "An internal server error has occurred").answer()

    def busy(self, *, retry_seconds: float | None) -> Response:
        """Answer 429; the hint is Retry-After in whole seconds."""
        hint = {} if retry_seconds is None else {"Retry-After": str(max(1, round(retry_seconds)))}
        return Problem(20429, 429, "Too Many Requests").answer({**hint, "Twilio-Concurrent-Requests": "100"})


def routes(desk: Desk) -> APIRouter:
    """Return the resource's routes."""
    router = APIRouter(prefix=f"/{VERSION}/Accounts/{{account}}")
    voice = TwilioVoice()

    @router.post("/Messages.json")
    async def create_message(account: str, request: Request) -> Response:
        unauthorized = _unauthorized(desk, request, account)
        if unauthorized:
            return unauthorized.answer()
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
        problem = problem_with(form)
        if problem:
            return problem.answer()
        recipient = form["To"]
        if desk.ledger.barred(recipient):
            return OPTED_OUT.answer()
        scripted = desk.ledger.take_turn(channel="sms", recipients=[recipient], account=account)
        play = scripted if scripted is not None else faults.magic(recipient)
        attempt, _ = ids_in(form.get("StatusCallback"))
        desk.ledger.note_play(play, channel="sms", recipient=recipient, attempt=attempt, now=desk.clock.now())
        return await serve(
            desk,
            request,
            answer=faults.answer_of(play),
            voice=voice,
            letters_at=lambda now: [letter_of(form, account=account, play=play, now=now)],
        )

    @router.get("/Messages.json")
    async def list_messages(account: str, request: Request) -> Response:
        unauthorized = _unauthorized(desk, request, account)
        return unauthorized.answer() if unauthorized else _page(desk, request, account)

    @router.get("/Messages/{sid}.json")
    async def fetch_message(account: str, sid: str, request: Request) -> Response:
        unauthorized = _unauthorized(desk, request, account)
        if unauthorized:
            return unauthorized.answer()
        entry = desk.ledger.found_by_sid(sid, account=account)
        if entry is None:
            return _not_found(request.url.path).answer()
        return JSONResponse(shown(entry))

    return router


def _unauthorized(desk: Desk, request: Request, account: str) -> Problem | None:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return UNAUTHORIZED
    known = desk.settings.twilio_tokens.get(user)
    if scheme.lower() != "basic" or known is None or not hmac.compare_digest(known.encode(), password.encode()):
        return UNAUTHORIZED
    return None if user == account else _not_found(request.url.path)


def _not_found(path: str) -> Problem:
    return Problem(20404, 404, f"The requested resource {path} was not found")


def _page(desk: Desk, request: Request, account: str) -> Response:
    query = request.query_params
    wanted = query.get("PageSize", "")
    size = min(max(int(wanted), 1), LONGEST_PAGE) if wanted.isdecimal() else USUAL_PAGE
    number = int(query["Page"]) if query.get("Page", "").isdecimal() else 0
    token = query.get("PageToken", "").removeprefix("PA")
    try:
        sent_from, sent_before = _sent_between(query)
    except ValueError:
        return Problem(20001, 400, "DateSent is not a date.").answer()
    entries = desk.ledger.newest(
        delivered=False,
        limit=size + 1,
        where={"channel": "sms", "account": account, "recipient": query.get("To"), "sender": query.get("From")},
        before=int(token) if token.isdecimal() else None,
        # Without a token a page is counted from the newest message, so it shifts when one is added.
        skip=0 if token.isdecimal() else number * size,
        sent_from=sent_from,
        sent_before=sent_before,
    )
    page = entries[:size]
    kept = [(name, value) for name, value in query.multi_items() if name not in ("Page", "PageToken", "PageSize")]
    path = f"/{VERSION}/Accounts/{account}/Messages.json"

    def uri(page_number: int, *more: tuple[str, str]) -> str:
        return f"{path}?{urlencode([*kept, ('PageSize', str(size)), ('Page', str(page_number)), *more])}"

    return JSONResponse(
        {
            "messages": [shown(entry) for entry in page],
            "page": number,
            "page_size": size,
            "start": number * size,
            "end": number * size + max(len(page) - 1, 0),
            "uri": uri(number),
            "first_page_uri": uri(0),
            "next_page_uri": uri(number + 1, ("PageToken", f"PA{page[-1]['id']}")) if len(entries) > size else None,
            "previous_page_uri": uri(number - 1) if number else None,
        }
    )


def _sent_between(query: Mapping[str, str]) -> tuple[float | None, float | None]:
    """Read DateSent, `DateSent>` and `DateSent<`. The first means the whole day, as Twilio documents it."""
    if "DateSent" in query:
        day = _moment(query["DateSent"]).replace(hour=0, minute=0, second=0, microsecond=0)
        return day.timestamp(), (day + timedelta(days=1)).timestamp()
    start = _moment(query["DateSent>"]).timestamp() if "DateSent>" in query else None
    end = _moment(query["DateSent<"]).timestamp() if "DateSent<" in query else None
    return start, end


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
