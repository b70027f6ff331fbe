"""The end of a booked call: by the shop, by both leaving, by the clock. What must follow is owed here, beside it."""

from datetime import datetime

from sqlalchemy.orm import Session

from models.booking import Booking, Status
from models.job import Name
from models.webhook import EventType
from worker import presence
from worker.in_call import facts
from worker.jobs import drop_timers, enqueue
from worker.video import rooms
from worker.webhooks import tell_of_booking


def hang_up(session: Session, booking: Booking, *, now: datetime, actor: str) -> None:
    """End the call on the shop's side (B32); what is over already stays as it ended.

    Raises:
        IllegalMove: nobody is in a call.
    """
    if booking.status is not Status.COMPLETED:
        booking.hang_up(now=now, actor=actor)
        ended(session, booking, now=now)


def end(session: Session, booking: Booking, *, now: datetime, revision: int) -> None:
    """End the call, or what was to be one, if its time is over or both have left for good; the booking decides."""
    if booking.end(now=now, revision=revision, visits=facts.visits_of(session, booking)):
        ended(session, booking, now=now)


def ended(session: Session, booking: Booking, *, now: datetime) -> None:
    """Owe what follows from a booking's end, in the transaction of the end."""
    presence.release(session, booking.shop_id, booking.id)
    drop_timers(session, booking.id)
    rooms.owe_closing(session, booking, now=now)
    enqueue(session, Name.ANNOUNCE_END, booking_id=booking.id, revision=booking.revision)
    tell_of_booking(session, EventType.BOOKING_ENDED, booking, now=now)
