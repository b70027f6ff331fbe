"""Bookings over HTTP. What the customer must know at once is decided here; what follows from it is owed as jobs."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from api.access import covered, needs, visible
from api.answers import BookingShown
from api.arrivals import ReceivedAt
from api.description import CONTACT_REFUSED, says
from api.idempotency import Answer, Explain, Submission, submitted
from api.problems import Problem, problem_of
from api.resources import (
    BookingRequest,
    CancelRequest,
    ChangeRequest,
    CodeGiven,
    MoveRequest,
    WithdrawRequest,
    booking_out,
    slot_out,
)
from models.access import ApiKey, Scope
from models.booking import Booking, Cause, Status
from models.customer import Channel
from models.errors import ContactRefused, HoldEnded, IllegalMove, Refusal, SlotTaken, SlotUnknown, Suspended
from models.shop import Shop
from worker import bookings, fairness, slots
from worker.customers import Contact
from worker.database import database
from worker.offers import menus_of, offer_of

router = APIRouter(prefix="/v1/bookings", tags=["bookings"])

Reader = Annotated[ApiKey, Depends(needs(Scope.BOOKINGS_READ))]
Hold = Annotated[Submission, Depends(submitted(Scope.BOOKINGS_WRITE, key_required=True))]
Sent = Annotated[Submission, Depends(submitted(Scope.BOOKINGS_WRITE))]
SentByOperator = Annotated[Submission, Depends(submitted(Scope.OPERATOR))]


@router.post(
    "",
    **says(
        201,
        BookingShown,
        "shop_closed",
        "menu_unknown",
        "slot_taken",
        "slot_unknown",
        "suspended",
        "prohibited_use",
        "too_many_open_bookings",
        "too_many_requests",
        *CONTACT_REFUSED,
        title="Hold a slot",
        location=True,
    ),
)
def hold(body: BookingRequest, sent: Hold) -> JSONResponse:
    """Hold a slot and send a code. The booking is complete when the code comes back (B15).

    201 with the held booking; 409 `slot_taken` with other free slots.
    """
    covered(sent.caller, body.shop)
    channel = Channel.SMS if body.contact.phone is not None else Channel.MAIL
    typed = body.contact.phone or body.contact.email or ""

    def act(session: Session) -> Answer:
        contact = Contact.parse(channel, typed)
        try:
            second = Contact.parse(Channel.MAIL, body.second_contact.email) if body.second_contact else None
        except ContactRefused as refusal:
            return _refused(problem_of(refusal), at="/second_contact")
        shop = bookings.shop_open(session, body.shop)
        wish = bookings.Wish(
            shop_id=shop.id,
            starts_at=body.starts_at,
            contact=contact,
            language=body.language or shop.language,
            second_contact=second,
            name=body.name,
            memo=body.memo,
            source_url=body.source_url,
            entry_point=body.entry_point,
            item_codes=body.item_codes,
            customer_ip=str(body.customer_ip),
            caller=sent.caller.id,
            menu_id=body.menu,
            purpose=body.purpose,
        )
        booking = bookings.hold(session, wish, received_at=sent.received_at)
        return _answer(
            session, booking, sent.received_at, status=201, headers={"Location": f"/v1/bookings/{booking.id}"}
        )

    def explain(session: Session, refusal: Refusal) -> Problem:
        network = str(body.customer_ip)
        fairness.note_refusal(session, body.shop, refusal, network=network, now=sent.received_at)
        return _with_free_slots(session, refusal, body.shop, body.starts_at, sent.received_at, menu=body.menu)

    return sent.answer(body, act, explain=explain)


@router.get("/{booking_id}", **says(200, BookingShown, "booking_not_found", title="Read a booking"))
def show(booking_id: UUID, caller: Reader, received_at: ReceivedAt) -> JSONResponse:
    """Return the booking as it stands."""
    with database().snapshot() as session:
        booking = visible(caller, session.get(Booking, booking_id))
        return _answer(session, booking, received_at).response()


@router.post(
    "/{booking_id}/code",
    **says(
        200,
        BookingShown,
        "booking_not_found",
        "code_wrong",
        "suspended",
        "code_exhausted",
        "code_expired",
        "too_many_requests",
        "prohibited_use",
        title="Enter the code",
    ),
)
def enter_code(booking_id: UUID, body: CodeGiven, sent: Sent) -> JSONResponse:
    """Complete the booking with the code (B15). The same code again gets the same answer."""

    def act(session: Session) -> Answer:
        booking = visible(sent.caller, bookings.locked(session, booking_id))
        refusal = bookings.enter_code(session, booking, body.code, received_at=sent.received_at)
        if refusal is None:
            return _answer(session, booking, sent.received_at)
        # Returned, not raised: the attempt that was counted must be committed.
        problem = _with_free_slots(
            session, refusal, booking.shop_id, booking.starts_at, sent.received_at, menu=booking.menu_id
        )
        return Answer(problem.body(), problem.status, problem.headers)

    return sent.answer(body, act, explain=_state_now(booking_id, sent.received_at))


@router.post(
    "/{booking_id}/code/resend",
    **says(
        200,
        BookingShown,
        "booking_not_found",
        "illegal_move",
        "code_expired",
        "resend_too_soon",
        "resend_too_often",
        "suspended",
        "too_many_requests",
        "prohibited_use",
        title="Send the code again",
    ),
)
def resend_code(booking_id: UUID, sent: Sent) -> JSONResponse:
    """Send the code again, or a new one if the old has little life left. Cool-down 60 seconds, three times at most."""

    def act(session: Session) -> Answer:
        booking = visible(sent.caller, bookings.locked(session, booking_id))
        bookings.resend_code(session, booking, received_at=sent.received_at)
        return _answer(session, booking, sent.received_at)

    return sent.answer(None, act, explain=_state_now(booking_id, sent.received_at))


@router.post(
    "/{booking_id}/change",
    **says(
        200,
        BookingShown,
        "booking_not_found",
        "illegal_move",
        "stale_revision",
        "window_closed",
        "too_many_changes",
        "slot_taken",
        "slot_unknown",
        "suspended",
        "confirmation_needed",
        "prohibited_use",
        title="Change a booking",
    ),
)
def change(booking_id: UUID, body: ChangeRequest, sent: Sent) -> JSONResponse:
    """Move the booking before its `change_deadline_at` (B18, B20). If the other slot is gone nothing changes."""

    def act(session: Session) -> Answer:
        booking = visible(sent.caller, bookings.locked(session, booking_id))
        bookings.change(
            session,
            booking,
            starts_at=body.starts_at,
            received_at=sent.received_at,
            expected_revision=body.expected_revision,
            knows_it_is_final=body.accept_final,
        )
        return _answer(session, booking, sent.received_at)

    return sent.answer(body, act, explain=_state_now(booking_id, sent.received_at, wanted=body.starts_at))


@router.post(
    "/{booking_id}/cancel",
    **says(
        200,
        BookingShown,
        "booking_not_found",
        "illegal_move",
        "stale_revision",
        "window_closed",
        title="Cancel a booking",
    ),
)
def cancel(booking_id: UUID, body: CancelRequest, sent: Sent) -> JSONResponse:
    """Cancel before `change_deadline_at` (B18, B20), or give up a hold. A second cancel returns what the first did."""

    def act(session: Session) -> Answer:
        booking = visible(sent.caller, bookings.locked(session, booking_id))
        if booking.status in {Status.HELD, Status.RELEASED}:
            bookings.give_up(session, booking, now=sent.received_at)
        else:
            bookings.cancel(session, booking, received_at=sent.received_at, expected_revision=body.expected_revision)
        return _answer(session, booking, sent.received_at)

    return sent.answer(body, act, explain=_state_now(booking_id, sent.received_at))


@router.post(
    "/{booking_id}/move",
    **says(
        200,
        BookingShown,
        "booking_not_found",
        "illegal_move",
        "stale_revision",
        "slot_taken",
        "slot_unknown",
        "suspended",
        "too_many_changes",
        title="Move a booking for the shop",
    ),
)
def move(booking_id: UUID, body: MoveRequest, sent: SentByOperator) -> JSONResponse:
    """Move a booking on the shop's side, also after the deadline.

    The customer gets an apology, a new call URL, and at least a day to change or cancel, or until half an hour before
    the start if that is sooner.
    """

    def act(session: Session) -> Answer:
        booking = visible(sent.caller, bookings.locked(session, booking_id))
        bookings.move(
            session,
            booking,
            starts_at=body.starts_at,
            expected_revision=body.expected_revision,
            now=sent.received_at,
            actor=f"key:{sent.caller.id}",
            reason=body.reason,
        )
        return _answer(session, booking, sent.received_at)

    return sent.answer(body, act, explain=_state_now(booking_id, sent.received_at, wanted=body.starts_at))


@router.post(
    "/{booking_id}/withdraw",
    **says(200, BookingShown, "booking_not_found", "illegal_move", title="Withdraw a booking"),
)
def withdraw(booking_id: UUID, body: WithdrawRequest, sent: SentByOperator) -> JSONResponse:
    """Cancel on the shop's side, also after the deadline; the customer gets an apology and a link to book again."""

    def act(session: Session) -> Answer:
        booking = visible(sent.caller, bookings.locked(session, booking_id))
        bookings.withdraw(
            session, booking, Cause.SHOP, now=sent.received_at, actor=f"key:{sent.caller.id}", reason=body.reason
        )
        return _answer(session, booking, sent.received_at)

    return sent.answer(body, act, explain=_state_now(booking_id, sent.received_at))


def _answer(
    session: Session, booking: Booking, at: datetime, *, status: int = 200, headers: dict[str, str] | None = None
) -> Answer:
    verification = bookings.verification_of(session, booking) if booking.status is Status.HELD else None
    return Answer(booking_out(session, booking, verification, now=at), status, headers or {})


def _refused(problem: Problem, *, at: str) -> Answer:
    """Return a refusal of what stands somewhere else in the body than the refusal itself can know."""
    problem.errors = [{"pointer": at, "detail": problem.detail}]
    return Answer(problem.body(), problem.status, problem.headers)


def _with_free_slots(
    session: Session, refusal: Refusal, shop_id: str, wanted: datetime, received_at: datetime, *, menu: str | None
) -> Problem:
    """Say the refusal; where the slot cannot be had, or no more, name those that can."""
    problem = problem_of(refusal, received_at=received_at)
    shop = session.get(Shop, shop_id)
    if isinstance(refusal, SlotTaken | SlotUnknown | HoldEnded | Suspended) and shop is not None and shop.enabled:
        # Of a menu that is gone there is nothing else to offer but what the shop offers first.
        named = menu if any(each.id == menu for each in menus_of(session, shop)) else None
        others = slots.next_free(session, shop, wanted, now=received_at, offer=offer_of(session, shop, named))
        problem.extra["free_slots"] = [slot_out(slot) for slot in others]
    if shop is not None:
        problem.extra["contact_url"] = shop.contact_url
    return problem


def _state_now(booking_id: UUID, received_at: datetime, *, wanted: datetime | None = None) -> Explain:
    """Return what explains a refusal with the booking as it stands, so that the caller can decide again."""

    def explain(session: Session, refusal: Refusal) -> Problem:
        session.expire_all()
        booking = session.get_one(Booking, booking_id)
        start = wanted or booking.starts_at
        problem = _with_free_slots(session, refusal, booking.shop_id, start, received_at, menu=booking.menu_id)
        if isinstance(refusal, IllegalMove) or problem.status == 409:  # noqa: PLR2004 - HTTP's Conflict
            problem.extra["booking"] = dict(_answer(session, booking, received_at).body)
        return problem

    return explain
