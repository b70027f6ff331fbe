"""SendGrid's `POST /v3/mail/send`: what a request must hold, what is answered, and how an event is worded.

Shapes follow SendGrid's OpenAPI description and its Event Webhook reference. Like SendGrid, it has no idempotency,
takes mail for a suppressed address with 202 and then drops it, and keeps nothing in `sandbox_mode`.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from sandbox import chance, faults
from sandbox.answers import Desk, serve
from sandbox.carrier import Fact
from sandbox.ledger import Letter, Receipt

HELP = "http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html"
MOST_PERSONALIZATIONS = 1000
MOST_CATEGORIES = 10
LONGEST_CATEGORY = 255
LARGEST_CUSTOM_ARGS_BYTES = 10_000
FURTHEST_SEND_AT_SECONDS = 72 * 60 * 60
# SendGrid's limit for a message with its attachments.
LARGEST_PAYLOAD_BYTES = 30 * 1024 * 1024

_ADDRESS = re.compile(r"[^@\s<>,;]+@[^@\s<>,;.]+(\.[^@\s<>,;.]+)+")
_SUPPRESSING = {"bounce": "Bounced Address", "spam_report": "Spam Reporting Address"}

Json = Mapping[str, Any]

_JSON_NAMES: Mapping[type, str] = {dict: "object", list: "array", str: "string", int: "integer"}
_BOTH_TYPES: Mapping[str, type] = {"headers": dict, "custom_args": dict, "subject": str, "send_at": int}
_PERSONALIZATION_TYPES = {**_BOTH_TYPES, "to": list, "cc": list, "bcc": list}
_MAIL_TYPES = {**_BOTH_TYPES, "reply_to": dict, "mail_settings": dict, "attachments": list, "categories": list}


@dataclass(frozen=True)
class Problem:
    """One of SendGrid's errors: its text, the field it is about, and an anchor on its page of errors."""

    message: str
    field: str | None = None
    anchor: str | None = None

    def answer(self, status: int = 400) -> Response:
        """Return the error as SendGrid answers it."""
        about = f"{HELP}#{self.anchor}" if self.anchor else None
        body = {"errors": [{"message": self.message, "field": self.field, "help": about}]}
        return JSONResponse(body, status_code=status)


UNAUTHORIZED = Problem("The provided authorization grant is invalid, expired, or revoked")
_PLAYED = {
    "refuse_400": (400, Problem("Bad Request")),
    "refuse_401": (401, UNAUTHORIZED),
    "refuse_403": (403, Problem("The from address does not match a verified Sender Identity.", "from")),
    "refuse_413": (413, Problem("The JSON payload you have included in your request is too large.")),
}


def problem_with(mail: object, *, now: float) -> Problem | None:
    """Return what SendGrid would object to in a mail, or None."""
    if not isinstance(mail, dict):
        return Problem("Bad Request")
    personalizations = mail.get("personalizations")
    if not isinstance(personalizations, list) or not personalizations:
        return Problem(
            "The personalizations field is required and must have at least one personalization.",
            "personalizations",
            "-Personalizations-Errors",
        )
    if len(personalizations) > MOST_PERSONALIZATIONS:
        return Problem("There are too many personalizations: 1000 are allowed.", "personalizations")
    return next(_problems(mail, personalizations, now=now), None)


def _problems(mail: Json, personalizations: Sequence[Any], *, now: float) -> Iterator[Problem]:
    yield from _type_problems(mail, _MAIL_TYPES, "")
    for place, personalization in enumerate(personalizations):
        yield from _type_problems(personalization, _PERSONALIZATION_TYPES, f"personalizations.{place}.")
        yield from _recipient_problems(personalization, f"personalizations.{place}")
    sender = mail.get("from")
    if not isinstance(sender, dict) or "email" not in sender:
        yield Problem(
            "The from object must be provided for every email send. It is an object that requires the email parameter,"
            ' but may also contain a name parameter. e.g. {"email" : "example@example.com"} or'
            ' {"email" : "example@example.com", "name" : "Example Recipient"}.',
            "from.email",
            "message.from",
        )
    elif not _is_address(sender["email"]):
        yield Problem("Does not contain a valid address.", "from.email", "message.from")
    if not mail.get("subject") and not all(each.get("subject") for each in personalizations):
        yield Problem(
            "The subject is required. You can get around this requirement if you use a template with a subject defined"
            " or if every personalization has a subject defined.",
            "subject",
            "message.subject",
        )
    yield from _content_problems(mail.get("content"))
    yield from _attachment_problems(mail.get("attachments") or [])
    yield from _option_problems(mail, personalizations, now=now)


def _type_problems(holder: object, types: Mapping[str, type], prefix: str) -> Iterator[Problem]:
    for name, wanted in types.items():
        given = holder.get(name) if isinstance(holder, dict) else None
        if given is not None and not isinstance(given, wanted):
            yield Problem(f"Invalid type. Expected: {_JSON_NAMES[wanted]}.", f"{prefix}{name}")


def _recipient_problems(personalization: object, field: str) -> Iterator[Problem]:
    anchor = "message.personalizations.to"
    if not isinstance(personalization, dict) or not personalization.get("to"):
        yield Problem(
            "The to array is required for all personalization objects, and must have at least one email object with a"
            " valid email address.",
            f"{field}.to",
            anchor,
        )
        return
    seen: set[str] = set()
    for list_name in ("to", "cc", "bcc"):
        for place, person in enumerate(personalization.get(list_name) or []):
            address = person.get("email") if isinstance(person, dict) else None
            if not _is_address(address):
                yield Problem("Does not contain a valid address.", f"{field}.{list_name}.{place}.email", anchor)
            elif str(address).lower() in seen:
                yield Problem(
                    "Each email address in the personalization block should be unique between to, cc, and bcc. We"
                    f" found the first duplicate instance in the {field}.{list_name} field.",
                    field,
                    "message.recipient-errors",
                )
            seen.add(str(address).lower())


def _content_problems(content: object) -> Iterator[Problem]:
    if not isinstance(content, list) or not content:
        yield Problem(
            "Unless a valid template_id is provided, the content parameter is required. There must be at least one"
            " defined content block. We typically suggest both text/plain and text/html blocks are included, but only"
            " one block is required.",
            "content",
            "message.content",
        )
        return
    types = [block.get("type") if isinstance(block, dict) else None for block in content]
    for place, block in enumerate(content):
        if not types[place] or not isinstance(block.get("value"), str) or not block["value"]:
            yield Problem(
                "The content value must be a string at least one character in length.",
                f"content.{place}.value",
                "message.content.value",
            )
    if "text/plain" in types[1:] or ("text/html" in types and types.index("text/html") > 1):
        yield Problem(
            "If present, text/plain must be first, followed by text/html, followed by any other content.",
            "content",
            "message.content.type",
        )


def _attachment_problems(attachments: Sequence[Any]) -> Iterator[Problem]:
    for place, attachment in enumerate(attachments):
        try:
            base64.b64decode(attachment["content"], validate=True)
        except (binascii.Error, ValueError, TypeError, KeyError):
            yield Problem(
                "The attachment content must be base64 encoded.",
                f"attachments.{place}.content",
                "message.attachments.content",
            )
            return
        if not attachment.get("filename"):
            yield Problem(
                "The attachment filename is required.",
                f"attachments.{place}.filename",
                "message.attachments.filename",
            )


def _option_problems(mail: Json, personalizations: Sequence[Json], *, now: float) -> Iterator[Problem]:
    for holder, prefix in [(mail, ""), *((each, f"personalizations.{i}.") for i, each in enumerate(personalizations))]:
        given = holder.get("custom_args")
        if given is None:
            continue
        if not all(isinstance(value, str) for value in given.values()):
            yield Problem("Each custom arg must be a string.", f"{prefix}custom_args", "message.custom_args")
        elif len(json.dumps(given).encode()) > LARGEST_CUSTOM_ARGS_BYTES:
            yield Problem("The custom_args are over the 10000 byte limit.", f"{prefix}custom_args")
    categories = mail.get("categories") or []
    if len(categories) > MOST_CATEGORIES:
        yield Problem("You may only have up to 10 categories.", "categories", "message.categories")
    elif any(not isinstance(each, str) or len(each) > LONGEST_CATEGORY for each in categories):
        yield Problem("A category is a string of at most 255 characters.", "categories", "message.categories")
    send_at = mail.get("send_at")
    if send_at is not None and send_at > now + FURTHEST_SEND_AT_SECONDS:
        yield Problem("Scheduling more than 72 hours in advance is forbidden.", "send_at", "message.send_at")


def _is_address(address: object) -> bool:
    return isinstance(address, str) and bool(_ADDRESS.fullmatch(address))


@dataclass(frozen=True)
class Addressee:
    """One recipient of a mail, with what holds for them alone."""

    address: str
    personalization: Json
    custom_args: Mapping[str, str]

    @property
    def attempt(self) -> str | None:
        """Our attempt id."""
        return self.custom_args.get("attempt_id")


def addressees(mail: Json) -> list[Addressee]:
    """Return everyone a mail goes to, copies included. A personalization's `custom_args` go over the mail's."""
    return [
        Addressee(
            address=person["email"],
            personalization=personalization,
            custom_args={**(mail.get("custom_args") or {}), **(personalization.get("custom_args") or {})},
        )
        for personalization in mail["personalizations"]
        for list_name in ("to", "cc", "bcc")
        for person in personalization.get(list_name) or []
    ]


def letter_of(
    mail: Json, addressee: Addressee, *, sid: str, account: str, play: faults.Play, suppressed: str | None, now: float
) -> Letter:
    """Return the mail to one recipient as it is accepted at an instant."""
    contents: dict[str, str] = {}
    for block in mail["content"]:
        contents.setdefault(str(block["type"]).partition(";")[0].strip().lower(), block["value"])
    fate = faults.fate_of(play)
    held_seconds = fate.wait_seconds() if fate is not None and fate.kind == "queue_for" else 0.0
    send_at = addressee.personalization.get("send_at") or mail.get("send_at") or 0
    return Letter(
        sid=sid,
        channel="mail",
        account=account,
        attempt=addressee.attempt,
        message=addressee.custom_args.get("message_id"),
        recipient=addressee.address.lower(),
        sender=mail["from"]["email"],
        text=contents.get("text/plain", ""),
        segments=0,
        details={
            "email": addressee.address,
            "sender_name": mail["from"].get("name"),
            "subject": addressee.personalization.get("subject") or mail.get("subject"),
            "html": contents.get("text/html"),
            "attachments": mail.get("attachments") or [],
            "headers": {**(mail.get("headers") or {}), **(addressee.personalization.get("headers") or {})},
            "reply_to": (mail.get("reply_to") or {}).get("email"),
            "custom_args": dict(addressee.custom_args),
            "categories": mail.get("categories") or [],
            "suppressed": suppressed,
        },
        play=play,
        accepted_at=now,
        due_at=max(now, float(send_at)) + held_seconds,
        status="accepted",
    )


def event_for(letter: Letter, fact: Fact, at: float, *, url: str | None) -> Receipt | None:
    """Return the event that tells a fact, if events are wanted at all."""
    if url is None:
        return None
    event: dict[str, Any] = {
        **letter.details["custom_args"],
        "email": letter.details["email"],
        "timestamp": int(at),
        "event": "bounce" if fact.says == "blocked" else fact.says,
        "sg_event_id": chance.token(),
        "sg_message_id": letter.sid,
        "smtp-id": f"<{letter.sid.partition('.')[0]}@geopod-ismtpd-sandbox>",
    }
    if letter.details["categories"]:
        event["category"] = letter.details["categories"]
    match fact.says:
        case "delivered":
            event |= {"response": "250 2.0.0 OK", "tls": 1, "ip": "192.0.2.1"}
        case "deferred":
            event |= {"response": fact.reason, "attempt": "1"}
        case "bounce":
            event |= {
                "type": "bounce",
                "reason": fact.reason,
                "status": "5.1.1",
                "bounce_classification": "Invalid Address",
            }
        case "blocked":
            event |= {
                "type": "blocked",
                "reason": fact.reason,
                "status": "4.7.0",
                "bounce_classification": "Reputation",
            }
        case "dropped":
            event |= {"reason": fact.reason, "status": "5.0.0"}
    return Receipt(says=fact.says, url=url, body=event, due_at=at)


class SendGridVoice:
    """SendGrid's words for yes, no and later."""

    def __init__(self, message_id: str, *, now: float) -> None:
        self._message_id = message_id
        self._now = now

    def accepted(self, letters: Sequence[Letter]) -> Response:  # noqa: ARG002 - the vendor's port
        """Answer 202 with nothing but the id."""
        return Response(status_code=202, headers={"X-Message-Id": self._message_id})

    def refused(self, kind: str) -> Response:
        """Answer with the error that the kind names."""
        status, problem = _PLAYED[kind]
        return problem.answer(status)

    def failed(self) -> Response:
        """Answer 500."""
        return Problem("Internal Server Error").answer(500)

    def busy(self, *, retry_seconds: float | None) -> Response:
        """Answer 429; the hint is the epoch second at which the limit is reset. There is never a Retry-After."""
        answer = Problem("too many requests").answer(429)
        if retry_seconds is not None:
            answer.headers["X-RateLimit-Limit"] = "600"
            answer.headers["X-RateLimit-Remaining"] = "0"
            answer.headers["X-RateLimit-Reset"] = str(int(self._now + retry_seconds + 0.999))
        return answer


def routes(desk: Desk) -> APIRouter:
    """Return the route."""
    router = APIRouter()

    @router.post("/v3/mail/send")
    async def send_mail(request: Request) -> Response:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        account = desk.settings.sendgrid_accounts.get(key)
        if scheme.lower() != "bearer" or account is None:
            return UNAUTHORIZED.answer(401)
        mail = _read(await request.body(), kind=request.headers.get("Content-Type", ""))
        if isinstance(mail, Response):
            return mail
        problem = problem_with(mail, now=desk.clock.now())
        if problem:
            return problem.answer()
        if ((mail.get("mail_settings") or {}).get("sandbox_mode") or {}).get("enable"):
            return Response(status_code=200)
        return await _take(desk, request, mail, account)

    return router


def _read(raw: bytes, *, kind: str) -> Any:  # whatever JSON holds, or the Response that refuses it
    if kind.partition(";")[0].strip().lower() != "application/json":
        return Problem("Content-Type should be application/json.").answer(415)
    if len(raw) > LARGEST_PAYLOAD_BYTES:
        status, problem = _PLAYED["refuse_413"]
        return problem.answer(status)
    try:
        return json.loads(raw)
    except ValueError:
        return Problem("Bad Request").answer()


async def _take(desk: Desk, request: Request, mail: Json, account: str) -> Response:
    everyone = addressees(mail)
    addresses = [each.address.lower() for each in everyone]
    scripted = desk.ledger.take_turn(channel="mail", recipients=addresses, account=account)
    plays = [scripted if scripted is not None else faults.magic(address) for address in addresses]
    now = desk.clock.now()
    for each, play in zip(everyone, plays, strict=True):
        desk.ledger.note_play(play, channel="mail", recipient=each.address, attempt=each.attempt, now=now)
    message_id = chance.token()

    def letters_at(accepted_at: float) -> list[Letter]:
        return [
            letter_of(
                mail,
                each,
                sid=f"{message_id}.recvd-sandbox-1-{place}",
                account=account,
                play=play,
                suppressed=desk.ledger.barred(each.address),
                now=accepted_at,
            )
            for place, (each, play) in enumerate(zip(everyone, plays, strict=True))
        ]

    answers = [faults.answer_of(play) for play in plays]
    answer = next((each for each in answers if each.kind != faults.ACCEPT.name), answers[0])
    response = await serve(
        desk, request, answer=answer, voice=SendGridVoice(message_id, now=now), letters_at=letters_at
    )
    if answer.accepts():
        for address, play in zip(addresses, plays, strict=True):
            fate = faults.fate_of(play)
            # A magic address plays its part every time, so it is not suppressed by it.
            if fate is not None and fate.kind in _SUPPRESSING and not faults.magic(address):
                desk.ledger.bar(address, reason=_SUPPRESSING[fate.kind])
    return response
