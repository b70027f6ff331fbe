"""Proving a contact for another system's own purpose. The same caps hold as for bookings; answers are uniform."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from pydantic import Field
from sqlalchemy.orm import Session

from api.access import covered
from api.answers import VerificationShown
from api.description import CONTACT_REFUSED, says
from api.idempotency import Answer, Submission, submitted
from api.problems import Problem, problem_of
from api.resources import CodeGiven, ContactGiven, CustomerIp, Given, code_out, instant, shown
from models.access import ApiKey, Scope
from models.customer import Channel, Customer
from models.shop import Shop
from models.verification import Purpose, Verification
from worker import bookings, verifications
from worker.customers import Contact, customer_at

router = APIRouter(prefix="/v1/verifications", tags=["verifications"])

Begun = Annotated[Submission, Depends(submitted(Scope.VERIFICATIONS, key_required=True))]
Sent = Annotated[Submission, Depends(submitted(Scope.VERIFICATIONS))]


class VerificationRequest(Given):
    """`POST /v1/verifications`."""

    model_config = shown(
        {
            "shop": "fred",
            "contact": {"email": "hanako@example.jp"},
            "customer_ip": "192.0.2.10",
            "page_host": "www.example.jp",
        }
    )

    shop: str = Field(
        max_length=64, pattern=r"^[a-z][a-z0-9-]*$", description="In whose name the code is sent.", examples=["fred"]
    )
    contact: ContactGiven
    customer_ip: CustomerIp = Field(
        description="The customer's own address, for limits; kept only as an HMAC.", examples=["192.0.2.10"]
    )
    language: Literal["ja", "en"] | None = Field(None, description="Of the message; the shop's when absent.")
    page_host: str | None = Field(
        None,
        max_length=100,
        pattern=r"^[a-z0-9.-]+$",
        description="The host of the page that asks for the code, so that phones fill it in.",
        examples=["www.example.jp"],
    )


@router.post(
    "",
    **says(
        201,
        VerificationShown,
        "shop_closed",
        "too_many_requests",
        *CONTACT_REFUSED,
        title="Begin a verification",
        location=True,
    ),
)
def begin(body: VerificationRequest, sent: Begun) -> JSONResponse:
    """Send a code to a contact. 201 with the verification; 429 when a cap on codes is reached."""
    covered(sent.caller, body.shop)
    channel = Channel.SMS if body.contact.phone is not None else Channel.MAIL

    def act(session: Session) -> Answer:
        contact = Contact.parse(channel, body.contact.phone or body.contact.email or "")
        shop = bookings.shop_open(session, body.shop)
        verification = verifications.begin(
            session,
            shop,
            customer_at(session, shop.id, contact, now=sent.received_at),
            contact,
            language=body.language or shop.language,
            received_at=sent.received_at,
            network=str(body.customer_ip),
            caller=sent.caller.id,
            page_host=body.page_host,
        )
        session.add(verification)
        verifications.owe_code(session, verification)
        return Answer(
            _out(verification, now=sent.received_at), 201, {"Location": f"/v1/verifications/{verification.id}"}
        )

    return sent.answer(body, act)


@router.post(
    "/{verification_id}/check",
    **says(
        200,
        VerificationShown,
        "verification_not_found",
        "code_wrong",
        "code_exhausted",
        "code_expired",
        "too_many_requests",
        title="Check a code",
    ),
)
def check(verification_id: UUID, body: CodeGiven, sent: Sent) -> JSONResponse:
    """Judge a code: 200 when the contact is proven, now or before. A try is counted before it is compared."""

    def act(session: Session) -> Answer:
        verification = _own(session, sent.caller, verification_id)
        refusal = verifications.judge(session, verification, body.code, received_at=sent.received_at)
        if refusal is None:
            return Answer(_out(verification, now=sent.received_at))
        # Returned, not raised: the try that was counted must be committed.
        problem = problem_of(refusal, received_at=sent.received_at)
        shop = session.get_one(Shop, _shop_of(session, verification))
        problem.extra["contact_url"] = shop.contact_url
        return Answer(problem.body(), problem.status, problem.headers)

    return sent.answer(body, act)


@router.post(
    "/{verification_id}/resend",
    **says(
        200,
        VerificationShown,
        "verification_not_found",
        "code_expired",
        "resend_too_soon",
        "resend_too_often",
        "too_many_requests",
        title="Send the code again",
    ),
)
def resend(verification_id: UUID, sent: Sent) -> JSONResponse:
    """Send the code again, or a new one if the old has little life left. Cool-down 60 seconds, three times at most."""

    def act(session: Session) -> Answer:
        verification = _own(session, sent.caller, verification_id)
        shop = session.get_one(Shop, _shop_of(session, verification))
        life = timedelta(minutes=shop.code_minutes)
        verifications.send_again(session, verification, life=life, received_at=sent.received_at)
        return Answer(_out(verification, now=sent.received_at))

    return sent.answer(None, act)


def _own(session: Session, caller: ApiKey, verification_id: UUID) -> Verification:
    """Return the caller's own verification; another's does not exist for it."""
    verification = verifications.locked(session, verification_id)
    is_own = verification is not None and verification.purpose is Purpose.ALONE
    if verification is None or not is_own or verification.api_key_id != caller.id:
        raise Problem(404, "verification_not_found", "There is no such verification.")
    return verification


def _shop_of(session: Session, verification: Verification) -> str:
    return session.get_one(Customer, verification.customer_id).shop_id


def _out(verification: Verification, *, now: datetime) -> dict[str, Any]:
    if verification.verified_at is not None:
        status = "approved"
    elif verification.is_exhausted:
        status = "exhausted"
    else:
        status = "pending" if now < verification.expires_at else "expired"
    return {
        "id": str(verification.id),
        "status": status,
        "channel": verification.channel,
        "approved_at": instant(verification.verified_at),
        "code": code_out(verification),
    }
