"""What a shop offers for a booking: menus, each of a length of its own, on seats or with members of its staff (B11).

An offer says which slots there are and who could serve them. Which of them are free, only the claims know.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base
from models.calendar import Calendar, Slot
from models.shop import Shop
from models.staff import StaffMember

MOST_MENUS = 20
"""As many as a customer can still choose among."""


class SlotsBy(StrEnum):
    """What a slot needs: one of so many equal seats, or a member of the staff at a time when they take calls."""

    SEATS = "seats"
    STAFF = "staff"


class Menu(Base):
    """One kind of call that a shop offers, such as a short question or a long fitting.

    A menu that is no longer offered stays, switched off: bookings were made for it.

    Attributes:
        id: slug, unique within the shop, such as "fitting".
        minutes: the length of its calls, a multiple of five.
        buffer_before_minutes, buffer_after_minutes: kept free beside such a call; None: what the calendar says.
        position: the order in which menus are offered; the first is meant where none is named.
    """

    __tablename__ = "menus"

    shop_id: Mapped[str] = mapped_column(ForeignKey("shops.id"), primary_key=True)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name_ja: Mapped[str] = mapped_column(String(100))
    name_en: Mapped[str] = mapped_column(String(100))
    minutes: Mapped[int]
    buffer_before_minutes: Mapped[int | None]
    buffer_after_minutes: Mapped[int | None]
    enabled: Mapped[bool]
    position: Mapped[int]

    def name(self, language: str) -> str:
        """Return the name in `language`, "ja" or "en"."""
        return self.name_ja if language == "ja" else self.name_en


@dataclass(frozen=True)
class Offer:
    """The slots of one length that a shop offers, and who can serve them.

    Attributes:
        calendar: the shop's, with the length and the buffers of the menu.
        menu_id: which menu it is; None for a shop that has none.
        seats: the numbers of the seats, each with the hours of whoever sits there; None: whenever the shop is open.
    """

    calendar: Calendar
    menu_id: str | None
    seats: Mapping[int, Calendar | None]

    @classmethod
    def of(cls, shop: Shop, menu: Menu | None, staff: Iterable[StaffMember] = ()) -> "Offer":
        """Return what a shop offers under one of its menus.

        Args:
            shop: whose offer it is.
            menu: which; None where the shop has none: then calls are as long as its calendar says.
            staff: its people; needed where its slots are by staff.
        """
        calendar = shop.calendar
        if menu is not None:
            calendar = _lasting(calendar, menu.minutes, menu.buffer_before_minutes, menu.buffer_after_minutes)
        seats = by_staff(shop.calendar, staff) if shop.slots_by == SlotsBy.STAFF else by_seats(shop.calendar)
        return cls(calendar, menu.id if menu else None, MappingProxyType(seats))

    def lasting(self, minutes: int) -> "Offer":
        """Return the same for calls of another length, such as that of a booking whose menu is gone."""
        return replace(self, calendar=_lasting(self.calendar, minutes, None, None))

    def slot_at(self, starts_at: datetime) -> Slot | None:
        """Return the slot that starts exactly then, if there is one that somebody can serve."""
        slot = self.calendar.slot_at(starts_at)
        return slot if slot is not None and self.seats_for(slot) else None

    def seats_for(self, slot: Slot) -> list[int]:
        """Return the seats on which a slot could be served, were they free."""
        return [number for number, hours in self.seats.items() if hours is None or hours.covers(slot)]

    def is_acceptable(self, slot: Slot, now: datetime) -> bool:
        """Return whether `slot` may be booked at `now`, free or not."""
        return self.calendar.is_acceptable(slot, now)


def by_seats(calendar: Calendar) -> dict[int, Calendar | None]:
    """Return a shop's seats where all are alike."""
    return dict.fromkeys(calendar.seat_numbers)


def by_staff(calendar: Calendar, staff: Iterable[StaffMember]) -> dict[int, Calendar | None]:
    """Return a shop's seats where each is somebody's own, with their hours."""
    serving = sorted((each.seat, each) for each in staff if each.enabled and each.seat is not None)
    return {seat: each.calendar(calendar) if each.hours is not None else None for seat, each in serving}


@lru_cache(maxsize=1024)
def _lasting(calendar: Calendar, minutes: int, before: int | None, after: int | None) -> Calendar:
    return replace(
        calendar,
        slot_minutes=minutes,
        buffer_before_minutes=calendar.buffer_before_minutes if before is None else before,
        buffer_after_minutes=calendar.buffer_after_minutes if after is None else after,
    )


def length_of(starts_at: datetime, ends_at: datetime) -> int:
    """Return the minutes of a call."""
    return (ends_at - starts_at) // timedelta(minutes=1)


__all__ = ["MOST_MENUS", "Menu", "Offer", "SlotsBy", "by_seats", "by_staff", "length_of"]
