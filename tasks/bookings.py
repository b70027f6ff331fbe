"""What follows from a booking's moves, and what its timers propose."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.booking import Booking, Cause, Released, Status
from models.calendar import first_instant, local_date
from models.job import Job, Name
from models.message import Kind
from models.shop import Shop
from tasks.terms import tell_of_upcoming
from worker import bookings, suspending
from worker.in_call import ending
from worker.jobs import enqueue, job
from worker.messages import tell_customer, tell_shop


@job(Name.CONFIRM_BOOKING)
def confirm_booking(session: Session, now: datetime, booking_id: UUID, revision: int) -> None:
    """Send the call URL and the booking page, by the channel that was proven, and tell the shop (B16, B19)."""
    booking = session.get_one(Booking, booking_id)
    if booking.is_reminded_of(revision):
        in_time = booking.may_still_change(booking.confirmed_at or now)
        kind = Kind.BOOKING_CONFIRMED if in_time else Kind.BOOKING_CONFIRMED_SAME_DAY
        tell_customer(session, booking, kind, now=now, expires_at=booking.entry_closes_at)
        tell_of_upcoming(session, booking, now=now)
        _tell_shop(session, booking, Kind.SHOP_BOOKING_NEW, now=now)


@job(Name.ANNOUNCE_CHANGE)
def announce_change(session: Session, now: datetime, booking_id: UUID, revision: int, before: int) -> None:
    """Send the new time and the new call URL, and tell the shop (B18)."""
    booking = session.get_one(Booking, booking_id)
    if booking.is_reminded_of(revision):
        kind = Kind.BOOKING_CHANGED if booking.may_still_change(now) else Kind.BOOKING_CHANGED_FINAL
        facts = {"before": before}
        tell_customer(session, booking, kind, now=now, expires_at=booking.entry_closes_at, facts=facts)
        _tell_shop(session, booking, Kind.SHOP_BOOKING_CHANGED, now=now, facts=facts)


@job(Name.ANNOUNCE_MOVE)
def announce_move(session: Session, now: datetime, booking_id: UUID, revision: int, before: int) -> None:
    """Apologise for the other time that the shop chose, with the new call URL, and tell the shop's staff."""
    booking = session.get_one(Booking, booking_id)
    if booking.is_reminded_of(revision):
        facts = {"before": before}
        tell_customer(session, booking, Kind.BOOKING_MOVED, now=now, expires_at=booking.entry_closes_at, facts=facts)
        _tell_shop(session, booking, Kind.SHOP_BOOKING_CHANGED, now=now, facts=facts)


@job(Name.ANNOUNCE_CANCELLATION)
def announce_cancellation(session: Session, now: datetime, booking_id: UUID, revision: int) -> None:
    """Confirm the cancellation, or apologise for it, and tell the shop (B18, B44)."""
    booking = session.get_one(Booking, booking_id)
    if booking.status is Status.CANCELLED and booking.revision == revision:
        wished = booking.cancelled_by is Cause.CUSTOMER
        kind = Kind.BOOKING_CANCELLED if wished else Kind.BOOKING_WITHDRAWN
        tell_customer(session, booking, kind, now=now, expires_at=booking.entry_closes_at)
        _tell_shop(session, booking, Kind.SHOP_BOOKING_CANCELLED, now=now)


@job(Name.END_HOLD)
def end_hold(session: Session, now: datetime, booking_id: UUID) -> None:
    """Release a slot whose code never came. The timer only proposes, so the booking decides."""
    booking = bookings.locked(session, booking_id)
    if booking is not None and booking.hold_is_over(now):
        bookings.release(session, booking, Released.EXPIRED, now=now)


@job(Name.RELEASE_UNDELIVERABLE)
def release_undeliverable(session: Session, now: datetime, booking_id: UUID, number: int) -> None:
    """Release a slot whose code cannot arrive, unless another code was sent since."""
    booking = bookings.locked(session, booking_id)
    if booking is None or booking.status is not Status.HELD:
        return
    if bookings.locked_verification(session, booking).sends == number:
        bookings.release(session, booking, Released.UNDELIVERABLE, now=now)


@job(Name.REMIND_ON_EVE, bulk=True)
def remind_on_eve(session: Session, now: datetime, booking_id: UUID, revision: int) -> None:
    """Remind while change and cancel are still possible, and give the shop tomorrow's list."""
    booking = session.get_one(Booking, booking_id)
    if booking.is_reminded_of(revision):
        if not suspending.is_called_off(session, booking, now):
            tell_customer(session, booking, Kind.BOOKING_REMINDER_EVE, now=now, expires_at=booking.change_deadline_at)
        shop_id, day = _day_of(booking)
        _once(session, f"list {shop_id} {day}", lambda: enqueue(session, Name.LIST_DAY, shop_id=shop_id, day=day))


@job(Name.REMIND_ON_DAY, bulk=True)
def remind_on_day(session: Session, now: datetime, booking_id: UUID, revision: int) -> None:
    """Repeat the call URL half an hour before the call (B17)."""
    booking = session.get_one(Booking, booking_id)
    if booking.is_reminded_of(revision) and not suspending.is_called_off(session, booking, now):
        tell_customer(session, booking, Kind.BOOKING_REMINDER_DAY, now=now, expires_at=booking.ends_at)


@job(Name.CLOSE_CANCELLATION_WINDOW, bulk=True)
def close_cancellation_window(session: Session, now: datetime, booking_id: UUID, revision: int) -> None:
    """Record that a booking is firm, and tell the shop that the day is (B20)."""
    booking = bookings.locked(session, booking_id)
    if booking is not None and booking.close_window(now=now, revision=revision):
        shop_id, day = _day_of(booking)
        _once(session, f"fix {shop_id} {day}", lambda: enqueue(session, Name.FIX_DAY, shop_id=shop_id, day=day))


@job(Name.END_BOOKING, bulk=True)
def end_booking(session: Session, now: datetime, booking_id: UUID, revision: int) -> None:
    """End a booking whose entry window is over: completed, or somebody did not come."""
    booking = bookings.locked(session, booking_id)
    if booking is not None:
        ending.end(session, booking, now=now, revision=revision)


@job(Name.LIST_DAY)
def list_day(session: Session, now: datetime, shop_id: str, day: int) -> None:
    """Give the shop tomorrow's list, once a day; it is filled when it is sent."""
    _tell_shop_of_day(session, shop_id, date.fromordinal(day), Kind.SHOP_DAY_LIST, now=now)


@job(Name.FIX_DAY)
def fix_day(session: Session, now: datetime, shop_id: str, day: int) -> None:
    """Tell the shop that its day is fixed, when the last of the day's bookings is."""
    shop = session.get_one(Shop, shop_id)
    begins, ends = first_instant(date.fromordinal(day), shop.zone), first_instant(date.fromordinal(day + 1), shop.zone)
    still_open = select(Booking.id).where(
        Booking.shop_id == shop_id,
        Booking.starts_at >= begins,
        Booking.starts_at < ends,
        Booking.status == Status.CONFIRMED,
        Booking.change_deadline_at > now,
    )
    if session.scalars(still_open.limit(1)).one_or_none() is None:
        _tell_shop_of_day(session, shop_id, date.fromordinal(day), Kind.SHOP_DAY_FIXED, now=now)


def _tell_shop(
    session: Session, booking: Booking, kind: Kind, *, now: datetime, facts: dict[str, int] | None = None
) -> None:
    shop = session.get_one(Shop, booking.shop_id)
    about = f"{booking.id}:{booking.revision}"
    tell_shop(
        session, shop, kind, now=now, expires_at=booking.entry_closes_at, about=about, booking=booking, facts=facts
    )


def _day_of(booking: Booking) -> tuple[str, int]:
    """Return whose list a booking stands in, and the day's ordinal."""
    return booking.shop_id, local_date(booking.starts_at, booking.shop_zone).toordinal()


def _once(session: Session, what: str, owe: Callable[[], UUID]) -> None:
    """Owe a shop's list as a job of its own, once a transaction.

    The list is one row for all of the day's bookings. Bodies that are done by the hundred must not write such a row:
    two chunks that meet the same two shops in another order would wait for each other.
    """
    owed: dict[str, UUID] = session.info.setdefault("lists_owed", {})
    # A member of a chunk that was rolled back took its job with it.
    if what not in owed or session.get(Job, owed[what]) is None:
        owed[what] = owe()


def _tell_shop_of_day(session: Session, shop_id: str, day: date, kind: Kind, *, now: datetime) -> None:
    shop = session.get_one(Shop, shop_id)
    ends = first_instant(day + timedelta(days=1), shop.zone)
    about = f"{shop_id}:{day.isoformat()}"
    tell_shop(session, shop, kind, now=now, expires_at=ends, about=about, facts={"day": day.isoformat()})
