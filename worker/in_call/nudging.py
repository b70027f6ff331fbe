"""Whom to remind that the other side of a booked call is there and waits (M8, S6). It asks the booking, no more.

A timer is set when somebody comes and finds nobody, so a call to which both come in time costs no job.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.booking import Booking, Side, Status
from models.job import Name
from models.message import Kind, Message
from worker.jobs import enqueue

_NUDGES = {Side.CUSTOMER: Name.NUDGE_CUSTOMER, Side.STAFF: Name.HURRY_SHOP}


def wait_for_the_other(session: Session, booking: Booking, side: Side, *, now: datetime) -> None:
    """One side came; if the other is not there, see in time whether it is late: five minutes, or two for the shop."""
    other = Side.STAFF if side is Side.CUSTOMER else Side.CUSTOMER
    if booking.status is Status.CONFIRMED and not booking.is_there(other):
        enqueue(
            session,
            _NUDGES[other],
            due_at=max(now, booking.late_at(other)),
            timer_of=booking.id,
            booking_id=booking.id,
            revision=booking.revision,
        )


def nudge(session: Session, booking: Booking, *, now: datetime, actor: str) -> bool:
    """Tell the customer now, as staff wish, that they are waited for; False if that has been said, for it is said once.

    Raises:
        IllegalMove: see `Booking.nudge`.
    """
    if was_told(session, booking):
        return False
    booking.nudge(now=now, actor=actor)
    enqueue(session, Name.NUDGE_AS_WISHED, booking_id=booking.id, revision=booking.revision)
    return True


def was_told(session: Session, booking: Booking) -> bool:
    """Whether the customer has been told that they are waited for, as staff wished or in time (M8)."""
    about = Message.booking_id == booking.id, Message.revision == booking.revision
    query = select(Message.id).where(*about, Message.kind == Kind.BOOKING_LATE)
    return session.scalars(query.limit(1)).first() is not None
