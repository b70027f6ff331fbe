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

from models.booking import HOLD_GRACE, Booking, SlotClaim
from models.calendar import Slot, local_date
from models.menu import Offer
from models.shop import Shop
from worker import suspending
from worker.database import insert_new
from worker.offers import offer_of

_SUGGESTED = 5
_FIRST_SPAN = timedelta(days=3)


def free_slots(
    session: Session, shop: Shop, from_date: date, to_date: date, *, now: datetime, offer: Offer | None = None
) -> Iterator[Slot]:
    """Yield the slots that can be booked at `now`, in order: in the calendar, open for acceptance, on a free seat.

    None that a suspension falls into, running or planned (B41); while one runs these can be changed to, not booked.

    Holds that have run out count as free, whether or not anything has cleared them away. `offer` is what is asked for;
    None: what the shop offers where no menu is named.
    """
    offer = offer or offer_of(session, shop)
    calendar = offer.calendar
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
    stops = suspending.stops(session, shop.id, from_at=slots[0].starts_at, until_at=slots[-1].ends_at)
    for slot in slots:
        if any(stop.covers(slot.starts_at, slot.ends_at) for stop in stops):
            continue
        ticks = calendar.ticks(slot)
        if any(taken[seat].isdisjoint(ticks) for seat in offer.seats_for(slot)):
            yield slot


def next_free(
    session: Session, shop: Shop, after: datetime, *, now: datetime, offer: Offer | None = None
) -> list[Slot]:
    """Return up to five free slots from `after` on, for whoever came second."""
    offer = offer or offer_of(session, shop)
    first = local_date(max(after, now), shop.zone)
    end = local_date(now, shop.zone) + timedelta(days=shop.calendar.accept_from_days + 1)
    found: list[Slot] = []
    # Most shops have some within days. One that has none is searched in ever longer spans, not a year at once.
    span = _FIRST_SPAN
    while first < end and len(found) < _SUGGESTED:
        until = min(first + span, end)
        free = free_slots(session, shop, first, until, now=now, offer=offer)
        later = (slot for slot in free if slot.starts_at >= after)
        found += islice(later, _SUGGESTED - len(found))
        first, span = until, 2 * span
    return found


def held_no_longer(
    session: Session, shop: Shop, slot: Slot, *, now: datetime, offer: Offer | None = None
) -> Sequence[Booking]:
    """Return the bookings, locked, whose hold on ticks of this slot has run out."""
    ticks = (offer or offer_of(session, shop)).calendar.ticks(slot)
    expired = select(SlotClaim.booking_id).where(
        SlotClaim.shop_id == shop.id, SlotClaim.tick_at.in_(ticks), SlotClaim.expires_at <= now
    )
    return session.scalars(select(Booking).where(Booking.id.in_(expired)).order_by(Booking.id).with_for_update()).all()


def claim(
    session: Session,
    shop: Shop,
    slot: Slot,
    booking_id: UUID,
    *,
    hold_expires_at: datetime | None,
    offer: Offer | None = None,
) -> int | None:
    """Claim every tick of the slot on one seat, or nothing; return the seat, or None when all are taken.

    Only seats that look free are tried, each booking beginning at another one: of many who come at once few meet.
    Whether it was free, the primary key decides.

    Args:
        session: the transaction of the booking.
        shop: whose calendar it is.
        slot: what is wanted.
        booking_id: who wants it; its row may be inserted later in the same transaction.
        hold_expires_at: end of the hold, None for a confirmed booking.
        offer: what the slot is one of; None: what the shop offers where no menu is named.
    """
    offer = offer or offer_of(session, shop)
    ticks = offer.calendar.ticks(slot)
    expires_at = hold_expires_at + HOLD_GRACE if hold_expires_at is not None else None
    seats = offer.seats_for(slot)
    taken = set(
        session.scalars(
            select(SlotClaim.seat)
            .where(SlotClaim.shop_id == shop.id, SlotClaim.tick_at >= ticks[0], SlotClaim.tick_at <= ticks[-1])
            .distinct()
        )
    )
    first = booking_id.int % max(len(seats), 1)
    for seat in (each for each in seats[first:] + seats[:first] if each not in taken):
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
        .values(expires_at=until + HOLD_GRACE if until is not None else None)
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
