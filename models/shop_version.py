"""What a shop's own system last said of it, version by version, and which standing bookings a change would strand.

A change moves no booking: what stands was promised. It knows rules and rows, not who asks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Json
from models.booking import Booking
from models.calendar import Slot
from models.menu import Offer


class ShopVersion(Base):
    """One version of a shop's profile. Append-only; nothing personal is in it.

    Attributes:
        number: 1 for the first that was fed; the shop's row says which is in force.
        by: the key that fed it.
        profile: the whole document, without the names of people and the mailbox of the shop.
        accepted_conflicts: how many standing bookings the feeder was shown and kept as they were promised.
    """

    __tablename__ = "shop_versions"

    shop_id: Mapped[str] = mapped_column(ForeignKey("shops.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(64))
    profile: Mapped[dict[str, Any]] = mapped_column(Json)
    accepted_conflicts: Mapped[int]


class Conflict(StrEnum):
    """Why a booking that stands would not be made under the new rules."""

    SHOP_DISABLED = "shop_disabled"
    OUTSIDE_HOURS = "outside_hours"
    SEAT_GONE = "seat_gone"
    """Its seat is beyond the number of seats, or it was that of somebody who takes no calls any more."""
    STAFF_AWAY = "staff_away"
    """Whoever has its seat does not take calls then."""
    MENU_GONE = "menu_gone"


@dataclass(frozen=True)
class Rules:
    """What a shop's bookings are judged by.

    Attributes:
        enabled: whether the shop takes part.
        offer: the shop's hours and seats; of its length nothing is asked.
        menus: the menus on offer.
    """

    enabled: bool
    offer: Offer
    menus: frozenset[str]


def conflicts_of(booking: Booking, rules: Rules) -> list[Conflict]:
    """Return why a booking would not be made under these rules; a booking keeps its length, so that is no reason."""
    found = [] if rules.enabled else [Conflict.SHOP_DISABLED]
    slot = Slot(booking.starts_at, booking.ends_at)
    if not rules.offer.calendar.covers(slot):
        found.append(Conflict.OUTSIDE_HOURS)
    if booking.seat not in rules.offer.seats:
        found.append(Conflict.SEAT_GONE)
    elif (hours := rules.offer.seats[booking.seat]) is not None and not hours.covers(slot):
        found.append(Conflict.STAFF_AWAY)
    if booking.menu_id is not None and booking.menu_id not in rules.menus:
        found.append(Conflict.MENU_GONE)
    return found


def without_people(profile: Mapping[str, Any]) -> dict[str, Any]:
    """Return a profile as its version keeps it: people by id alone, and no mailbox."""
    kept = {name: value for name, value in profile.items() if name != "notice_email"}
    kept["staff"] = [{name: value for name, value in each.items() if name != "name"} for each in profile["staff"]]
    return kept


__all__ = ["Conflict", "Rules", "ShopVersion", "conflicts_of", "without_people"]
