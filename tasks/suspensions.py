"""What a suspension's timers propose, and what is done to each booking that it concerns."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from models.booking import Booking
from models.job import Name
from models.message import Kind
from models.suspension import Suspension
from worker import bookings, suspensions
from worker.jobs import job
from worker.messages import tell_customer


@job(Name.ANNOUNCE_SUSPENSION)
def announce_suspension(session: Session, now: datetime, suspension_id: UUID) -> None:
    """Tell beforehand whoever is affected, unless it was undone (B42)."""
    stop = suspensions.locked(session, suspension_id)
    if stop is not None:
        suspensions.announce(session, stop, now=now)


@job(Name.BEGIN_SUSPENSION)
def begin_suspension(session: Session, now: datetime, suspension_id: UUID) -> None:
    """Begin a planned suspension. The timer only proposes, so the suspension decides."""
    stop = suspensions.locked(session, suspension_id)
    if stop is not None:
        suspensions.begin(session, stop, now=now)


@job(Name.END_SUSPENSION)
def end_suspension(session: Session, now: datetime, suspension_id: UUID) -> None:
    """End a suspension whose time is over."""
    stop = suspensions.locked(session, suspension_id)
    if stop is not None:
        suspensions.end(session, stop, now=now)


@job(Name.REACH_BOOKINGS)
def reach_bookings(session: Session, now: datetime, suspension_id: UUID, deed_slug: str, after_id: UUID) -> None:
    """Owe each booking of a page what is to be done to it."""
    stop = session.get_one(Suspension, suspension_id)
    suspensions.reach_bookings(session, stop, suspensions.Deed(deed_slug), after_id, now=now)


@job(Name.RELEASE_SUSPENDED_HOLD, bulk=True)
def release_hold(session: Session, now: datetime, suspension_id: UUID, booking_id: UUID) -> None:
    """Release a hold that the suspension does not let become a booking (B40)."""
    stop, booking = _both(session, suspension_id, booking_id)
    suspensions.release_hold(session, stop, booking, now=now)


@job(Name.TELL_DISPLACED, bulk=True)
def tell_displaced(session: Session, now: datetime, suspension_id: UUID, booking_id: UUID) -> None:
    """Tell one customer that the booking will not stand, and until when another time may be chosen (B41, B42)."""
    stop, booking = _both(session, suspension_id, booking_id)
    _tell(session, stop, booking, now=now)


@job(Name.TREAT_BOOKING, bulk=True)
def treat_booking(session: Session, now: datetime, suspension_id: UUID, booking_id: UUID) -> None:
    """Keep, cancel or let move one booking of a suspension that has begun (B41)."""
    stop, booking = _both(session, suspension_id, booking_id)
    if suspensions.treat(session, stop, booking, now=now):
        _tell(session, stop, booking, now=now)


@job(Name.TAKE_BACK_NOTICE, bulk=True)
def take_back_notice(session: Session, now: datetime, suspension_id: UUID, booking_id: UUID) -> None:
    """Tell one customer that the booking stands after all, if they were told otherwise."""
    stop, booking = _both(session, suspension_id, booking_id)
    if suspensions.take_back(session, stop, booking, now=now):
        tell_customer(
            session, booking, Kind.SUSPENSION_UNDONE, now=now, expires_at=booking.starts_at, part=str(stop.id)
        )


def _tell(session: Session, stop: Suspension, booking: Booking, *, now: datetime) -> None:
    until = suspensions.will_displace(session, stop, booking, now=now)
    if until is not None:
        facts = {"suspension_id": str(stop.id), "until": int(until.timestamp())}
        tell_customer(
            session, booking, Kind.SUSPENSION_ANNOUNCED, now=now, expires_at=until, part=str(stop.id), facts=facts
        )


def _both(session: Session, suspension_id: UUID, booking_id: UUID) -> tuple[Suspension, Booking]:
    """Return both, locked: the suspension shared, so that nobody ends it while its bookings are treated."""
    stop = session.get_one(Suspension, suspension_id, with_for_update={"read": True}, populate_existing=True)
    booking = bookings.locked(session, booking_id)
    if booking is None:
        raise LookupError("a suspension without its booking")
    return stop, booking
