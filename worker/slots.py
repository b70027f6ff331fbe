"""Which slots are free, and who has them. Claims are rows; their primary key decides a race in any SQL database.

Knows claims; whether a booking may take a slot at all is the calendar's and the booking's to say.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from models.booking import GRACE, Booking, SlotClaim
from models.calendar import Slot, local_date
from models.shop import Shop
from worker.database import insert_new

_SUGGESTED = 5


def free_slots(session: Session, shop: Shop, from_date: date, to_date: date, *, now: datetime) -> Iterator[Slot]:
    """Yield the slots that can be booked at `now`, in order: in the calendar, open for acceptance, on a free seat.

    Holds that have run out count as free, whether or not anything has cleared them away.
    """
    calendar = shop.calendar
    slots = [slot for slot in calendar.slots(from_date, to_date) if calendar.is_acceptable(slot, now)]
    if not slots:
        return
    first, last = calendar.ticks(slots[0])[0], calendar.ticks(slots[-1])[-1]
    taken: dict[int, set[datetime]] = defaultdict(set)
    query = select(SlotClaim.seat, SlotClaim.tick_at).where(
        SlotClaim.shop_id == shop.id,
        SlotClaim.tick_at >= first,
        SlotClaim.tick_at <= last,
        or_(SlotClaim.expires_at.is_(None), SlotClaim.expires_at > now),
    )
    for seat, tick_at in session.execute(query):
        taken[seat].add(tick_at)
    for slot in slots:
        ticks = calendar.ticks(slot)
        if any(taken[seat].isdisjoint(ticks) for seat in calendar.seat_numbers):
            yield slot


def next_free(session: Session, shop: Shop, after: datetime, *, now: datetime) -> list[Slot]:
    """Return up to five free slots from `after` on, for whoever came second."""
    first = local_date(max(after, now), shop.zone)
    last = local_date(now, shop.zone) + timedelta(days=shop.calendar.accept_from_days)
    free = free_slots(session, shop, first, last + timedelta(days=1), now=now) if first <= last else iter(())
    return list(islice((slot for slot in free if slot.starts_at >= after), _SUGGESTED))


def held_no_longer(session: Session, shop: Shop, slot: Slot, *, now: datetime) -> Sequence[Booking]:
    """Return the bookings, locked, whose hold on ticks of this slot has run out."""
    ticks = shop.calendar.ticks(slot)
    expired = select(SlotClaim.booking_id).where(
        SlotClaim.shop_id == shop.id, SlotClaim.tick_at.in_(ticks), SlotClaim.expires_at <= now
    )
    return session.scalars(select(Booking).where(Booking.id.in_(expired)).order_by(Booking.id).with_for_update()).all()


def claim(
    session: Session, shop: Shop, slot: Slot, booking_id: UUID, *, hold_expires_at: datetime | None
) -> int | None:
    """Claim every tick of the slot on one seat, or nothing; return the seat, or None when all are taken.

    Args:
        session: the transaction of the booking.
        shop: whose calendar it is.
        slot: what is wanted.
        booking_id: who wants it; its row may be inserted later in the same transaction.
        hold_expires_at: end of the hold, None for a confirmed booking.
    """
    ticks = shop.calendar.ticks(slot)
    expires_at = hold_expires_at + GRACE if hold_expires_at is not None else None
    for seat in shop.calendar.seat_numbers:
        rows = [
            {"shop_id": shop.id, "tick_at": tick, "seat": seat, "booking_id": booking_id, "expires_at": expires_at}
            for tick in ticks
        ]
        if _insert_all(session, rows):
            return seat
    return None


def keep(session: Session, booking_id: UUID, *, until: datetime | None) -> bool:
    """Extend a hold's claims, or make them last (None); False if somebody took them over meanwhile."""
    kept = session.scalars(
        update(SlotClaim)
        .where(SlotClaim.booking_id == booking_id)
        .values(expires_at=until + GRACE if until is not None else None)
        .returning(SlotClaim.tick_at)
    ).all()
    return bool(kept)


def free(session: Session, booking_id: UUID) -> None:
    """Give back everything that a booking claimed."""
    session.execute(delete(SlotClaim).where(SlotClaim.booking_id == booking_id))


def _insert_all(session: Session, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Insert all rows, or none; a row that another transaction is inserting is waited for."""
    with session.begin_nested() as savepoint:
        statement = insert_new(session, SlotClaim).values(rows).on_conflict_do_nothing().returning(SlotClaim.tick_at)
        inserted = session.scalars(statement).all()
        if len(inserted) == len(rows):
            return True
        savepoint.rollback()
        return False
