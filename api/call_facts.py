"""What was told of a call, for operators (B26, B33), and the end of a booked one by the shop (B32)."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from api.access import needs, visible
from api.answers import BookingShown
from api.description import says
from api.idempotency import Answer, Submission, submitted
from api.in_call_answers import CallFactList
from api.problems import Problem
from api.resources import booking_out, instant
from models.access import ApiKey, Scope
from models.booking import Booking
from models.call import Call
from models.call_fact import CallFact
from worker import bookings
from worker.database import database
from worker.in_call import ending
from worker.in_call.facts import facts_of

router = APIRouter(prefix="/v1")

Operator = Annotated[ApiKey, Depends(needs(Scope.OPERATOR))]
Sent = Annotated[Submission, Depends(submitted(Scope.BOOKINGS_WRITE))]


@router.get(
    "/bookings/{booking_id}/call-facts",
    tags=["bookings"],
    **says(200, CallFactList, "booking_not_found", title="Read what was told of a booked call"),
)
def of_booking(booking_id: UUID, caller: Operator) -> dict[str, Any]:
    """Return who joined, left and could not connect, by whom it was told, with the provider's ids and codes."""
    with database().snapshot() as session:
        booking = visible(caller, session.get(Booking, booking_id))
        return {"facts": [_out(fact) for fact in facts_of(session, booking)]}


@router.get(
    "/calls/{call_id}/call-facts",
    tags=["calls"],
    **says(200, CallFactList, "call_not_found", title="Read what was told of a call at once"),
)
def of_call(call_id: UUID, caller: Operator) -> dict[str, Any]:
    """Return who joined, left and could not connect, by whom it was told, with the provider's ids and codes."""
    with database().snapshot() as session:
        call = visible_call(caller, session.get(Call, call_id))
        return {"facts": [_out(fact) for fact in facts_of(session, call)]}


@router.post(
    "/bookings/{booking_id}/end-call",
    tags=["bookings"],
    **says(200, BookingShown, "booking_not_found", "illegal_move", title="End a booked call"),
)
def end_call(booking_id: UUID, sent: Sent) -> JSONResponse:
    """End a call that goes on, for both sides (B32). What is over already stays as it ended."""

    def act(session: Session) -> Answer:
        booking = visible(sent.caller, bookings.locked(session, booking_id))
        ending.hang_up(session, booking, now=sent.received_at, actor=f"key:{sent.caller.id}")
        return Answer(booking_out(session, booking, None, now=sent.received_at))

    return sent.answer(None, act)


def visible_call(caller: ApiKey, call: Call | None) -> Call:
    """Return the call at once if the caller may see it.

    Raises:
        Problem: 404 if it does not exist or is another shop's.
    """
    if call is None or not caller.covers(call.shop_id):
        raise Problem(404, "call_not_found", "There is no such call.")
    return call


def _out(fact: CallFact) -> dict[str, Any]:
    return {
        "kind": fact.kind,
        "side": fact.side,
        "source": fact.source,
        "revision": fact.revision,
        "room": fact.room,
        "participant": fact.participant,
        "error": fact.error,
        "at": instant(fact.at),
        "received_at": instant(fact.received_at),
    }
