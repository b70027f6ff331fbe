"""Where vendors report what became of messages. Verified on the raw body, stored, and only then made anything of.

A well-signed fact is never answered with an error, whatever it says: the vendor would only send it again.
"""

from typing import Annotated
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import Response

from api.arrivals import ReceivedAt
from api.problems import Problem
from worker.database import database
from worker.receipts import store
from worker.settings import settings
from worker.vendors import sendgrid, twilio

router = APIRouter(prefix="/v1/receipts", tags=["receipts"])


async def _raw_body(request: Request) -> bytes:
    return await request.body()


RawBody = Annotated[bytes, Depends(_raw_body)]


@router.post("/twilio/{attempt_id}", status_code=204)
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


@router.post("/sendgrid", status_code=204)
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
