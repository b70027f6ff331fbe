"""Inquiries over HTTP: taken from a shop's site, listed, opened, handed over and closed by operators (B34)."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.access import covered, needs, visible
from api.arrivals import ReceivedAt
from api.description import says
from api.idempotency import Answer, Submission, submitted
from api.operators import SHOP_ID, Why, actor_of
from api.people_answers import InquiryList, InquiryOpened, InquiryShown
from api.problems import Problem
from api.resources import Given, PlainText, instant, shown
from models.access import ApiKey, Scope
from models.booking import Booking
from models.inquiry import LONGEST_INQUIRY, Inquiry, Recipient, State, Topic
from models.shop import Shop
from worker import bookings, inquiries
from worker.database import database
from worker.seals import Unreadable

router = APIRouter(prefix="/v1/inquiries", tags=["people"])

Operator = Annotated[ApiKey, Depends(needs(Scope.OPERATOR))]
Sent = Annotated[Submission, Depends(submitted(Scope.BOOKINGS_WRITE, key_required=True))]
SentByOperator = Annotated[Submission, Depends(submitted(Scope.OPERATOR))]


class InquiryRequest(Given):
    """What a customer asks about a booking."""

    model_config = shown(
        {
            "booking": "0197e3a2-5e00-7a10-8c44-1a0f5a0f4911",
            "topic": "video_call",
            "text": "通話の途中から音が聞こえなくなりました。",
        }
    )

    booking: UUID
    topic: Topic = Field(description="It decides who answers: the provider for `video_call`, else the shop.")
    text: PlainText = Field(min_length=1, max_length=LONGEST_INQUIRY, pattern=r"\S", description="It is sealed.")
    language: Literal["ja", "en"] | None = Field(default=None, description="The booking's when absent.")


class Which(BaseModel):
    """Which inquiries are listed; a filter that there is not is an error, or it would seem to filter."""

    model_config = ConfigDict(extra="forbid")

    shop: str | None = Field(default=None, pattern=SHOP_ID, description="One shop alone.", examples=["fred"])
    state: State = State.HANDED_OVER
    after: UUID | None = Field(default=None, description="The last inquiry of the page before.")
    limit: int = Field(default=100, ge=1, le=500)


class HandOver(Why):
    """Who answers instead."""

    model_config = shown({"recipient": "provider", "reason": "通話システムの不具合のため"})

    recipient: Recipient


@router.post(
    "",
    **says(
        201,
        InquiryShown,
        "booking_not_found",
        "illegal_move",
        "too_many_requests",
        title="Take an inquiry",
        location=True,
    ),
)
def receive(body: InquiryRequest, sent: Sent) -> JSONResponse:
    """Take an inquiry about a booking. A job hands it over at once, and the customer is told to whom."""

    def act(session: Session) -> Answer:
        booking = visible(sent.caller, bookings.locked(session, body.booking))
        inquiry = inquiries.receive(
            session,
            booking,
            body.topic,
            body.text,
            language=body.language or booking.language,
            received_at=sent.received_at,
        )
        session.flush()
        return Answer(_out(session, inquiry), 201, {"Location": f"/v1/inquiries/{inquiry.id}"})

    return sent.answer(body, act)


@router.get("", **says(200, InquiryList, "shop_closed", title="List inquiries"))
def list_inquiries(caller: Operator, which: Annotated[Which, Query()]) -> dict[str, Any]:
    """List inquiries in a state, the oldest first. What they say is opened one by one."""
    query = select(Inquiry).where(Inquiry.state == which.state).order_by(Inquiry.id).limit(which.limit)
    if which.shop is not None:
        covered(caller, which.shop)
        query = query.where(Inquiry.shop_id == which.shop)
    elif caller.shops is not None:
        query = query.where(Inquiry.shop_id.in_(caller.shops))
    if which.after is not None:
        query = query.where(Inquiry.id > which.after)
    with database().snapshot() as session:
        found = session.scalars(query).all()
        return {
            "inquiries": [_out(session, each) for each in found],
            "after": str(found[-1].id) if len(found) == which.limit else None,
        }


@router.get("/{inquiry_id}", **says(200, InquiryShown, "inquiry_not_found", title="Read who has an inquiry"))
def show(inquiry_id: UUID, caller: Operator) -> dict[str, Any]:
    """Return one inquiry without its text."""
    with database().snapshot() as session:
        return _out(session, _visible(caller, session.get(Inquiry, inquiry_id)))


@router.post("/{inquiry_id}/open", **says(200, InquiryOpened, "inquiry_not_found", title="Open an inquiry"))
def open_text(inquiry_id: UUID, body: Why, caller: Operator, received_at: ReceivedAt) -> JSONResponse:
    """Return what the customer wrote. Audited with its reason."""

    def act(session: Session) -> dict[str, Any]:
        inquiry = _visible(caller, session.get(Inquiry, inquiry_id))
        if inquiry.sealed_text is None:
            return {"id": str(inquiry_id), "text": None}
        try:
            said = inquiries.opened(session, inquiry, by=actor_of(caller), reason=body.reason, now=received_at)
        except Unreadable:
            return {"id": str(inquiry_id), "text": None}
        return {"id": str(inquiry_id), "text": said}

    return JSONResponse(database().transact(act), headers={"Cache-Control": "no-store"})


@router.post(
    "/{inquiry_id}/hand-over",
    **says(200, InquiryShown, "inquiry_not_found", "illegal_move", title="Hand an inquiry to somebody else"),
)
def hand_over(inquiry_id: UUID, body: HandOver, sent: SentByOperator) -> JSONResponse:
    """Let somebody else answer it; the customer is told who. Audited with its reason."""

    def act(session: Session) -> Answer:
        inquiry = _visible(sent.caller, inquiries.locked(session, inquiry_id))
        by, now = actor_of(sent.caller), sent.received_at
        inquiries.hand_over_again(session, inquiry, body.recipient, by=by, reason=body.reason, now=now)
        return Answer(_out(session, inquiry))

    return sent.answer(body, act)


@router.post(
    "/{inquiry_id}/answered",
    **says(200, InquiryShown, "inquiry_not_found", "illegal_move", title="Close an inquiry"),
)
def answered(inquiry_id: UUID, body: Why, sent: SentByOperator) -> JSONResponse:
    """Write down that it was answered, wherever that was. Audited with its reason."""

    def act(session: Session) -> Answer:
        inquiry = _visible(sent.caller, inquiries.locked(session, inquiry_id))
        by, now = actor_of(sent.caller), sent.received_at
        inquiries.answered(session, inquiry, by=by, reason=body.reason, now=now)
        return Answer(_out(session, inquiry))

    return sent.answer(body, act)


def _visible(caller: ApiKey, inquiry: Inquiry | None) -> Inquiry:
    if inquiry is None or not caller.covers(inquiry.shop_id):
        raise Problem(404, "inquiry_not_found", "There is no such inquiry, or the key does not cover its shop.")
    return inquiry


def _out(session: Session, inquiry: Inquiry) -> dict[str, Any]:
    booking = session.get_one(Booking, inquiry.booking_id)
    return {
        "id": str(inquiry.id),
        "shop": inquiry.shop_id,
        "booking": str(inquiry.booking_id),
        "reference": booking.reference,
        "topic": inquiry.topic,
        "state": inquiry.state,
        "recipient": inquiry.recipient,
        "provider": inquiry.provider,
        "received_at": instant(inquiry.received_at),
        "handed_over_at": instant(inquiry.handed_over_at),
        "answered_at": instant(inquiry.answered_at),
        "contact_url": session.get_one(Shop, inquiry.shop_id).contact_url,
    }
