"""Inquiries about bookings: taken, handed over to the brand or to the provider of the calls, answered (B34).

Knows who answers what; the answers themselves are given elsewhere, by people.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from models.booking import Booking, Status
from models.customer import Customer
from models.errors import IllegalMove, TooManyRequests
from models.inquiry import ANSWERED_WITHIN, ROUTES, Inquiry, Recipient, State, Topic
from models.job import Name
from models.limit import Cap
from models.message import Kind
from models.shop import Shop
from worker import limits
from worker.chance import new_id
from worker.clock import unix_ms
from worker.jobs import enqueue
from worker.messages import tell_customer, tell_shop
from worker.people.noting import note_about
from worker.people.saying import inquiry_place, inquiry_text
from worker.seals import seal
from worker.settings import settings
from worker.video import provider_named

A_BOOKING = Cap(5, timedelta(days=1))
_TOLD_WITHIN = timedelta(days=14)
"""How long telling of it helps."""


def receive(
    session: Session, booking: Booking, topic: Topic, text: str, *, language: str, received_at: datetime
) -> Inquiry:
    """Take an inquiry about a booking, and owe its handing over.

    Args:
        session: the customer's request.
        booking: which one; a hold is none yet (B15).
        topic: what about.
        text: what the customer wrote; it is sealed.
        language: in which the customer is told who answers.
        received_at: when the request came.

    Raises:
        IllegalMove: the booking was never completed, or its customer was erased.
        TooManyRequests: five were made about this booking within a day.
    """
    is_erased = session.get_one(Customer, booking.customer_id).erased_at is not None
    if is_erased or booking.status in {Status.HELD, Status.RELEASED}:
        raise IllegalMove(booking_id=booking.id, booking_status=booking.status)
    key = f"inquiries:{booking.id}"
    if limits.count(session, key, A_BOOKING, now=received_at) > A_BOOKING.most:
        _, ends_at = limits.counted(session, key, now=received_at)
        raise TooManyRequests(shop_id=booking.shop_id, retry_at=ends_at)
    inquiry_id = new_id(unix_ms())
    inquiry = Inquiry(
        id=inquiry_id,
        shop_id=booking.shop_id,
        booking_id=booking.id,
        customer_id=booking.customer_id,
        language=language,
        topic=topic,
        state=State.RECEIVED,
        sealed_text=seal(session, inquiry_place(booking.customer_id, inquiry_id), text),
        handovers=0,
        received_at=received_at,
    )
    session.add(inquiry)
    enqueue(session, Name.ROUTE_INQUIRY, inquiry_id=inquiry_id)
    return inquiry


def locked(session: Session, inquiry_id: UUID) -> Inquiry | None:
    """Return an inquiry as it is committed now, locked."""
    return session.get(Inquiry, inquiry_id, with_for_update=True, populate_existing=True)


def route(session: Session, inquiry: Inquiry, *, now: datetime) -> None:
    """Hand a new inquiry over to whoever its topic is for; what a person handed over already stays there."""
    if inquiry.state is State.RECEIVED:
        hand_over(session, inquiry, ROUTES[inquiry.topic], now=now)


def reaches_provider() -> bool:
    """Whether the provider of the calls has a mailbox for inquiries; without one the shop gets them all."""
    return bool(settings().provider_support_email)


def hand_over(session: Session, inquiry: Inquiry, recipient: Recipient, *, now: datetime) -> bool:
    """Hand an inquiry over, tell who has to answer it, and tell the customer who that is; False if they have it.

    Where no mailbox of the provider's is known, the shop gets its inquiries too.

    Raises:
        IllegalMove: it was answered.
    """
    if recipient is Recipient.PROVIDER and not reaches_provider():
        recipient = Recipient.SHOP
    booking, shop = session.get_one(Booking, inquiry.booking_id), session.get_one(Shop, inquiry.shop_id)
    # Of the call it is about, which need not be carried by the one that is configured today.
    if not inquiry.hand_over(recipient, provider=provider_named(booking.provider).name, now=now):
        return False
    facts = {"inquiry_id": str(inquiry.id)}
    once = f"{inquiry.id}:{inquiry.handovers}"
    kind = Kind.PROVIDER_INQUIRY if recipient is Recipient.PROVIDER else Kind.SHOP_INQUIRY
    expires_at = now + _TOLD_WITHIN
    tell_shop(session, shop, kind, now=now, expires_at=expires_at, about=once, booking=booking, facts=facts)
    tell_customer(
        session,
        booking,
        Kind.INQUIRY_HANDED_OVER,
        now=now,
        expires_at=expires_at,
        part=once,
        language=inquiry.language,
        facts=facts,
    )
    return True


def hand_over_again(
    session: Session, inquiry: Inquiry, recipient: Recipient, *, by: str, reason: str, now: datetime
) -> None:
    """Hand it over to the other one, as a person decided; audited.

    Raises:
        IllegalMove: it was answered.
    """
    if hand_over(session, inquiry, recipient, now=now):
        _note(session, inquiry, "inquiry_handed_over", by=by, reason=reason, now=now)


def answered(session: Session, inquiry: Inquiry, *, by: str, reason: str, now: datetime) -> None:
    """Write down that it was answered; what was answered before stays so.

    Raises:
        IllegalMove: nobody has it yet.
    """
    if inquiry.answer(by=by, now=now):
        _note(session, inquiry, "inquiry_answered", by=by, reason=reason, now=now)


def opened(session: Session, inquiry: Inquiry, *, by: str, reason: str, now: datetime) -> str:
    """Return what the customer wrote, and write down who read it and why. The caller commits before showing it.

    Raises:
        Shredded: the customer was erased.
    """
    _note(session, inquiry, "inquiry_opened", by=by, reason=reason, now=now)
    return inquiry_text(session, inquiry)


def open_of(session: Session, customer_id: UUID, *, now: datetime) -> list[UUID]:
    """Return the customer's inquiries that wait for an answer, as far as that can be told; see `waiting`."""
    return list(session.scalars(select(Inquiry.id).where(Inquiry.customer_id == customer_id, waiting(now))))


def waiting(now: datetime) -> ColumnElement[bool]:
    """Return which inquiries keep what is known of their customer.

    Answers are given elsewhere, and nobody may ever write down that one was. After a while it is taken for granted, or
    a shop's forgetfulness would keep the contact for ever.
    """
    lately = and_(Inquiry.state == State.HANDED_OVER, Inquiry.handed_over_at > now - ANSWERED_WITHIN)
    return or_(Inquiry.state == State.RECEIVED, lately)


def overdue(now: datetime) -> ColumnElement[bool]:
    """Return which inquiries were handed over long ago, and nobody wrote down an answer."""
    return and_(Inquiry.state == State.HANDED_OVER, Inquiry.handed_over_at <= now - ANSWERED_WITHIN)


def _note(session: Session, inquiry: Inquiry, kind: str, *, by: str, reason: str, now: datetime) -> None:
    customer = session.get_one(Customer, inquiry.customer_id)
    note_about(session, customer, kind, by=by, reason=reason, now=now, inquiry_id=inquiry.id)


__all__ = [
    "A_BOOKING",
    "answered",
    "hand_over",
    "hand_over_again",
    "locked",
    "open_of",
    "opened",
    "overdue",
    "reaches_provider",
    "receive",
    "route",
    "waiting",
]
