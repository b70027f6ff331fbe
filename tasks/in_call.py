"""What is said while one side of a call waits for the other, and when the call is over."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from models.booking import Booking, Side, Status
from models.job import Name
from models.message import Kind
from models.shop import Shop
from worker.calls import ending as calls_ending
from worker.calls import ringing
from worker.jobs import job
from worker.messages import tell_customer, tell_shop

_THANKS_UNTIL = timedelta(hours=24)
_TOLD_UNTIL = timedelta(hours=12)


@job(Name.NUDGE_CUSTOMER)
def nudge_customer(session: Session, now: datetime, booking_id: UUID, revision: int) -> None:
    """Tell a customer who has not come that the shop is there and waits, once (M8)."""
    booking = session.get_one(Booking, booking_id)
    if booking.is_missed(Side.CUSTOMER, now=now, revision=revision):
        tell_customer(session, booking, Kind.BOOKING_LATE, now=now, expires_at=booking.entry_closes_at)


@job(Name.NUDGE_AS_WISHED)
def nudge_as_wished(session: Session, now: datetime, booking_id: UUID, revision: int) -> None:
    """Tell a customer the same before it is time, as staff wish. What has been said is not said again (M8)."""
    booking = session.get_one(Booking, booking_id)
    if booking.is_reminded_of(revision) and not booking.is_there(Side.CUSTOMER):
        tell_customer(session, booking, Kind.BOOKING_LATE, now=now, expires_at=booking.entry_closes_at)


@job(Name.HURRY_SHOP)
def hurry_shop(session: Session, now: datetime, booking_id: UUID, revision: int) -> None:
    """Tell the shop that a customer is there and nobody of the shop is (S6)."""
    booking = session.get_one(Booking, booking_id)
    if booking.is_missed(Side.STAFF, now=now, revision=revision):
        _tell_shop(session, booking, Kind.SHOP_IS_LATE, now=now, expires_at=booking.entry_closes_at)


@job(Name.ANNOUNCE_END, bulk=True)
def announce_end(session: Session, now: datetime, booking_id: UUID, revision: int) -> None:
    """Tell the shop how a call ended, apologise for what the shop missed, thank where the shop wishes it (M9, M10)."""
    booking = session.get_one(Booking, booking_id)
    if booking.revision != revision:
        return
    if booking.status is Status.NO_SHOW:
        _tell_shop(session, booking, Kind.SHOP_NO_SHOW, now=now, expires_at=now + _TOLD_UNTIL)
        if booking.absent == "shop":
            tell_customer(session, booking, Kind.BOOKING_SHOP_ABSENT, now=now, expires_at=now + _TOLD_UNTIL)
    elif booking.status is Status.COMPLETED:
        _tell_shop(session, booking, Kind.SHOP_CALL_ENDED, now=now, expires_at=now + _TOLD_UNTIL)
        if session.get_one(Shop, booking.shop_id).sends_thanks:
            tell_customer(session, booking, Kind.BOOKING_THANKS, now=now, expires_at=now + _THANKS_UNTIL)


@job(Name.END_LEFT_CALL)
def end_left_call(session: Session, now: datetime, call_id: UUID) -> None:
    """End a call at once that both sides left, unless somebody has come back."""
    call = ringing.locked(session, call_id)
    if call is not None and call.over_at is not None and now >= call.over_at:
        calls_ending.end_after_both_left(session, call, now=now)


def _tell_shop(session: Session, booking: Booking, kind: Kind, *, now: datetime, expires_at: datetime) -> None:
    shop = session.get_one(Shop, booking.shop_id)
    about = f"{booking.id}:{booking.revision}"
    tell_shop(session, shop, kind, now=now, expires_at=expires_at, about=about, booking=booking)
