"""Whether a shop can be called now (対応可能): its hours, its staff, what rings, and who is booked in a moment (B7).

One look that locks nothing. Whoever begins a call looks again behind the shop's desk.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnExpressionArgument, ScalarSelect, exists, func, select
from sqlalchemy.orm import Session

from models.booking import Booking
from models.booking import Status as BookingStatus
from models.call import Call, Refused, Status
from models.shop import Shop
from models.staff import FRESH_FOR, Presence, PresenceState, StaffMember
from models.suspension import Suspension
from worker import suspending

GUARD = timedelta(minutes=10)
"""A booked call that begins so soon has a member of the staff kept for it."""

_LONGEST_BOOKING = timedelta(days=1)


class Because(StrEnum):
    """Why a shop can be called, or not."""

    OPEN = "open"
    CLOSED = "closed"
    ALL_BUSY = "all_busy"
    SUSPENDED = "suspended"
    DISABLED = "disabled"


REFUSED = {
    Because.CLOSED: Refused.CLOSED,
    Because.ALL_BUSY: Refused.ALL_BUSY,
    Because.SUSPENDED: Refused.SUSPENDED,
    Because.DISABLED: Refused.DISABLED,
}


@dataclass(frozen=True)
class Availability:
    """What was found.

    Attributes:
        free: how many more calls could ring now; never below 0.
        opens_at: when the shop opens next, if it is closed.
        suspension: what stops it, if something does.
    """

    because: Because
    free: int = 0
    opens_at: datetime | None = None
    suspension: Suspension | None = None

    @property
    def is_available(self) -> bool:
        """Whether a call would ring now."""
        return self.because is Because.OPEN


def of(session: Session, shop: Shop, *, now: datetime) -> Availability:
    """Return whether the shop can be called at `now`."""
    if not shop.takes_calls:
        return Availability(Because.DISABLED)
    if not shop.calendar.is_open(now):
        return Availability(Because.CLOSED, opens_at=shop.calendar.next_opening(now))
    stop = suspending.running(session, shop.id, at=now)
    if stop is not None:
        return Availability(Because.SUSPENDED, suspension=stop)
    free = free_staff(session, shop.id, now=now)
    return Availability(Because.OPEN, free) if free else Availability(Because.ALL_BUSY)


def free_staff(session: Session, shop_id: str, *, now: datetime) -> int:
    """Return idle staff, less the calls that ring, less booked calls that nobody is busy with; at least 0.

    One statement, so that the three counts are of one moment.
    """
    counts = select(_idle(shop_id, now), _ringing(shop_id, now), _booked(shop_id, now))
    idle, ringing, booked = session.execute(counts).one()
    return max(0, idle - ringing - booked)


def idle_staff(session: Session, shop_id: str, *, now: datetime) -> list[str]:
    """Return who can be rung now, in order."""
    query = select(Presence.staff_id).join(StaffMember).where(*_is_idle(shop_id, now)).order_by(Presence.staff_id)
    return list(session.scalars(query))


def is_ringing(shop_id: str, now: datetime) -> tuple[ColumnExpressionArgument[bool], ...]:
    """Return the conditions of a call that rings at a shop. A ring whose timer is late is over all the same."""
    return (
        Call.shop_id == shop_id,
        # Written out, so that the partial index serves it.
        Call.status.in_([Status.RINGING, Status.CONNECTED]),
        Call.status == Status.RINGING,
        Call.rings_until > now,
    )


def _idle(shop_id: str, now: datetime) -> ScalarSelect[int]:
    query = select(func.count()).select_from(Presence).join(StaffMember)
    return query.where(*_is_idle(shop_id, now)).scalar_subquery()


def _is_idle(shop_id: str, now: datetime) -> tuple[ColumnExpressionArgument[bool], ...]:
    return (
        Presence.shop_id == shop_id,
        Presence.state == PresenceState.IDLE,
        Presence.call_id.is_(None),
        Presence.seen_at > now - FRESH_FOR,
        StaffMember.enabled,
    )


def _ringing(shop_id: str, now: datetime) -> ScalarSelect[int]:
    return select(func.count()).select_from(Call).where(*is_ringing(shop_id, now)).scalar_subquery()


def _booked(shop_id: str, now: datetime) -> ScalarSelect[int]:
    query = select(func.count()).select_from(Booking)
    return query.where(
        Booking.shop_id == shop_id,
        Booking.starts_at > now - _LONGEST_BOOKING,
        Booking.starts_at <= now + GUARD,
        Booking.ends_at > now,
        Booking.status.in_([BookingStatus.CONFIRMED, BookingStatus.IN_CALL]),
        # Whoever is busy with it is not idle, so not counted. To have looked in and left keeps nobody for it.
        ~exists().where(Presence.shop_id == Booking.shop_id, Presence.call_id == Booking.id),
    ).scalar_subquery()
