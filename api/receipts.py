"""Where vendors report on messages and calls. Verified on the raw body, stored, and only then made anything of.

A well-signed fact is never answered with an error, whatever it says: the vendor would only send it again.
"""

from typing import Annotated, Any
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import Response

from api.arrivals import ReceivedAt
from api.description import says
from api.problems import Problem
from worker.clock import system_now
from worker.database import database
from worker.receipts import store
from worker.settings import VideoChoice, settings
from worker.vendors import sendgrid, twilio
from worker.video import hearing, provider_named

router = APIRouter(prefix="/v1/receipts", tags=["receipts"])


async def _raw_body(request: Request) -> bytes:
    return await request.body()


def _body(media_type: str, schema: dict[str, Any], example: Any) -> dict[str, Any]:
    """Describe a body that is read raw, since its signature is over its bytes; whatever is in it is taken."""
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema, "example": example}}}}


RawBody = Annotated[bytes, Depends(_raw_body)]


@router.post(
    "/twilio/{attempt_id}",
    **says(204, None, "bad_signature", title="Report on an SMS"),
    openapi_extra=_body(
        "application/x-www-form-urlencoded",
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"MessageSid": "SM" + "0" * 32, "MessageStatus": "delivered"},
    ),
)
def from_twilio(
    attempt_id: UUID,  # noqa: ARG001 - it is read from the URL that was signed
    request: Request,
    body: RawBody,
    received_at: ReceivedAt,
    signature: Annotated[str | None, Header(alias="X-Twilio-Signature")] = None,
) -> Response:
    """Take one status callback, signed with our account's token."""
    # The vendor signed the public URL, not what a proxy made of it.
    url = f"{settings().public_url.rstrip('/')}{request.url.path}"
    url = f"{url}?{request.url.query}" if request.url.query else url
    form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    fact = twilio.read_receipt(url, form, signature)
    if fact is None:
        raise Problem(403, "bad_signature", "The signature does not fit this request.")
    with database().transaction() as session:
        store(session, [fact], now=received_at)
    return Response(status_code=204)


@router.post(
    "/sendgrid",
    **says(204, None, "bad_signature", title="Report on mails"),
    openapi_extra=_body(
        "application/json",
        {"type": "array", "items": {"type": "object"}},
        [{"event": "delivered", "sg_event_id": "ZGVsaXZlcmVk", "sg_message_id": "c2VudA.recvd-1", "timestamp": 1}],
    ),
)
def from_sendgrid(
    body: RawBody,
    received_at: ReceivedAt,
    signature: Annotated[str | None, Header(alias="X-Twilio-Email-Event-Webhook-Signature")] = None,
    timestamp: Annotated[str | None, Header(alias="X-Twilio-Email-Event-Webhook-Timestamp")] = None,
) -> Response:
    """Take a batch of events, signed with the vendor's key."""
    facts = sendgrid.read_receipts(body, signature, timestamp, now=received_at)
    if facts is None:
        raise Problem(403, "bad_signature", "The signature does not fit this request, or it is too old.")
    with database().transaction() as session:
        store(session, facts, now=received_at)
    return Response(status_code=204)


@router.post(
    "/video/{provider}",
    **says(204, None, "bad_signature", title="Report on a call"),
    openapi_extra=_body(
        "application/webhook+json",
        {"type": "object"},
        {
            "event": "participant_joined",
            "room": {"sid": "RM_000000000000", "name": "toritsugi-example"},
            "participant": {"sid": "PA_000000000000", "identity": "customer"},
            "id": "EV_000000000000",
            "createdAt": "1764000000",
        },
    ),
)
def from_video(provider: VideoChoice, request: Request, body: RawBody, received_at: ReceivedAt) -> Response:
    """Take one webhook of a provider of video calls, signed with the key that it shares with us (B33)."""
    known = provider_named(provider)
    # Another is named where this one's settings are not there: then nobody can have signed for it.
    facts = known.read_facts(body, request.headers, now=system_now()) if known.name == provider else None
    if facts is None:
        raise Problem(403, "bad_signature", "The signature does not fit this request, or it is too old.")
    database().transact(lambda session: hearing.hear(session, facts, now=received_at))
    return Response(status_code=204)
