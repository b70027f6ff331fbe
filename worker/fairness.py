"""What one contact or one network may ask of a shop, counted over all processes (B39). Limits are the shop's own.

What codes are limited by stands in guards.py. A limit counts in the transaction that it admits: what is refused
counts nothing, except as a refusal.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.booking import Booking, Cause, Status
from models.errors import ProhibitedUse, Refusal, TooManyOpenBookings, TooManyRequests
from models.limit import Cap
from models.shop import Shop
from worker import limits
from worker.networks import network_digest

_AN_HOUR = timedelta(hours=1)
_OPEN = (Status.CONFIRMED, Status.IN_CALL)
_TELLING = (ProhibitedUse, TooManyOpenBookings, TooManyRequests)
"""Refusals that say something about whoever's contact was typed."""


def admit_hold(session: Session, shop: Shop, *, network: str | None, now: datetime) -> None:
    """Count one hold from a network.

    Args:
        session: the request's transaction.
        shop: whose slot.
        network: the address it is asked from; None if nobody knows it, then nothing is counted.
        now: when the request was received.

    Raises:
        TooManyRequests: the network has made as many holds in this hour, or was refused as often, as it may.
    """
    _admit(session, shop, "holds", shop.fair_use.holds_per_network, network, now=now)


def admit_call(session: Session, shop: Shop, *, network: str | None, now: datetime) -> None:
    """Count one call at once from a network.

    Raises:
        TooManyRequests: as with a hold.
    """
    _admit(session, shop, "calls", shop.fair_use.calls_per_network, network, now=now)


def admit_customer(session: Session, shop: Shop, customer_id: UUID, *, now: datetime) -> None:
    """Refuse another hold to a customer who has, or has cancelled, too many bookings.

    The caller has the customer's row locked, so that two holds that come at once are judged one after the other.

    Raises:
        TooManyOpenBookings: there are as many that are not over as the shop allows.
        TooManyRequests: bookings were cancelled again and again; `retry_at` says when the pause is over.
    """
    fair = shop.fair_use
    still_open = select(func.count()).where(
        Booking.customer_id == customer_id, Booking.status.in_(_OPEN), Booking.entry_closes_at > now
    )
    if session.scalars(still_open).one() >= fair.open_bookings:
        raise TooManyOpenBookings(shop_id=shop.id, most=fair.open_bookings)
    cancelled = select(Booking.ended_at).where(
        Booking.customer_id == customer_id,
        Booking.status == Status.CANCELLED,
        Booking.cancelled_by == Cause.CUSTOMER,
        # What a suspension or the shop's own move took away is no whim of theirs.
        Booking.displaced_at.is_(None),
        Booking.ended_at > now - fair.cancellations_count_for,
    )
    ended = [at for at in session.scalars(cancelled) if at is not None]
    if (until := fair.paused_until(ended, now=now)) is not None:
        raise TooManyRequests(shop_id=shop.id, retry_at=until)


def open_holds(session: Session, customer_id: UUID) -> Sequence[Booking]:
    """Return the customer's holds that have not ended, locked; the customer's row is locked before."""
    query = select(Booking).where(Booking.customer_id == customer_id, Booking.status == Status.HELD)
    return session.scalars(query.with_for_update().execution_options(populate_existing=True)).all()


def note_refusal(session: Session, shop_id: str, refusal: Refusal, *, network: str | None, now: datetime) -> None:
    """Count a refusal that tells something of a contact, in a transaction that is committed though it refuses.

    Otherwise anybody could ask, number by number, who is on the block list.
    """
    shop = session.get(Shop, shop_id)
    if network is not None and shop is not None and isinstance(refusal, _TELLING):
        most = shop.fair_use.refusals_per_network
        limits.count(session, _key("refusals", shop_id, network), Cap(most, _AN_HOUR), now=now)


def _admit(session: Session, shop: Shop, what: str, most: int, network: str | None, *, now: datetime) -> None:
    if network is None:
        return
    refused, ends_at = limits.counted(session, _key("refusals", shop.id, network), now=now)
    if refused >= shop.fair_use.refusals_per_network:
        raise TooManyRequests(shop_id=shop.id, retry_at=ends_at)
    key = _key(what, shop.id, network)
    if limits.count(session, key, Cap(most, _AN_HOUR), now=now) > most:
        _, ends_at = limits.counted(session, key, now=now)
        raise TooManyRequests(shop_id=shop.id, retry_at=ends_at)


def _key(what: str, shop_id: str, network: str) -> str:
    return f"{what}:{shop_id}:{network_digest(network)}"


__all__ = ["admit_call", "admit_customer", "admit_hold", "note_refusal", "open_holds"]
