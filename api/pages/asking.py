"""Whom a token lets in, and what the pages about a booking say in common. It admits; it decides nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from api.pages.failing import LinkUnknown
from api.pages.reader import Reader
from models.booking import Booking, Status
from models.calendar import FIRST_DAY, LAST_DAY
from models.shop import Shop
from worker import links
from worker.links import Link, LinkRole
from worker.seals import Place, Unreadable, unseal
from worker.wording import dates


def admitted(token: str, *roles: LinkRole) -> Link:
    """Return what a genuine token of one of these roles says.

    Raises:
        LinkUnknown: it is not ours, or for another page.
    """
    link = links.read(token)
    if link is None or link.role not in roles:
        raise LinkUnknown
    return link


def found(booking: Booking | None) -> Booking:
    """Return the booking that a token names.

    Raises:
        LinkUnknown: it is gone.
    """
    if booking is None:
        raise LinkUnknown
    return booking


def confirmed_once(booking: Booking | None) -> Booking:
    """Return the booking that a token names, whatever became of it since: before the code there is none (B15).

    Raises:
        LinkUnknown: it is gone, or its code was never entered.
    """
    booking = found(booking)
    if booking.status in {Status.HELD, Status.RELEASED}:
        raise LinkUnknown
    return booking


def parsed_instant(text: str) -> datetime | None:
    """Return an instant from an address or a form, None for what is not one or lies in no calendar."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo and FIRST_DAY < at.date() < LAST_DAY else None


def rebook_url(shop: Shop, reader: Reader) -> str:
    """Return where one books with this shop: its own page, or ours (B12)."""
    return shop.booking_page_url or reader.url(f"/s/{shop.id}")


@dataclass(frozen=True)
class Times:
    """A booking's times in words, in the shop's zone."""

    when: str
    minutes: int
    deadline: str
    opens: str
    closes: str

    @classmethod
    def of(cls, booking: Booking, reader: Reader) -> "Times":
        """Put the times of the booking's present revision into words."""
        zone = ZoneInfo(booking.shop_zone)
        return cls(
            when=dates.long(booking.starts_at, zone, reader.language),
            minutes=(booking.ends_at - booking.starts_at) // timedelta(minutes=1),
            deadline=dates.deadline_long(booking.change_deadline_at, zone, reader.language),
            opens=dates.long(booking.entry_opens_at, zone, reader.language),
            closes=dates.clock(booking.entry_closes_at, zone),
        )


def told(session: Session, booking: Booking, column: str) -> str | None:
    """Return what the customer wrote into `column`, such as "sealed_memo"; None too when it was erased since."""
    sealed = getattr(booking, column)
    if sealed is None:
        return None
    try:
        return unseal(session, Place(booking.customer_id, "bookings", column, booking.id), sealed)
    except Unreadable:
        return None
