"""The people of a shop who take calls, and whether they are there: a heartbeat that ends when a laptop is closed.

Knows who may be rung and since when nothing was heard of somebody; knows no call's course.
"""

import json
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, String
from sqlalchemy.orm import Mapped, mapped_column, validates

from models.base import Base, Json, enum_of
from models.calendar import Calendar

FRESH_FOR = timedelta(seconds=45)
"""How long a heartbeat counts: a closed laptop stops being 対応可能 after so long (B7)."""


class PresenceState(StrEnum):
    """What somebody says of themselves. Whoever is in a call is busy besides, whatever they have said."""

    IDLE = "idle"
    BUSY = "busy"
    AWAY = "away"


class StaffMember(Base):
    """Somebody of one shop who takes calls. The names are those that customers may read.

    Attributes:
        id: slug, such as "hana"; unique within the shop.
        enabled: whether they may take calls and open the staff page.
        seat: the seat that is theirs, when the shop's slots are by staff.
        hours: their weekly hours in the form of a calendar's `weekly`, on the shop's special days too; None: the
            shop's own.
        link_generation: part of every link to their staff page; raising it revokes the links that are out.
    """

    __tablename__ = "staff_members"

    shop_id: Mapped[str] = mapped_column(ForeignKey("shops.id"), primary_key=True)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name_ja: Mapped[str] = mapped_column(String(100))
    name_en: Mapped[str] = mapped_column(String(100))
    enabled: Mapped[bool]
    seat: Mapped[int | None]
    hours: Mapped[dict[str, Any] | None] = mapped_column(Json)
    link_generation: Mapped[int]

    def __init__(self, **columns: Any) -> None:
        super().__init__(**({"enabled": True, "link_generation": 0} | columns))

    def name(self, language: str) -> str:
        """Return the name in `language`, "ja" or "en"."""
        return self.name_ja if language == "ja" else self.name_en

    def calendar(self, shop: Calendar) -> Calendar:
        """Return when they take calls, on one seat: in their own weekly hours, or whenever the shop is open.

        A day on which the shop is open other than usual is none of their hours: whoever does not work Mondays is away
        on the Monday that is a holiday, too. That the shop itself is closed then is for its own calendar to say.
        """
        rules = shop.dump() | {"seats": 1}
        if self.hours is not None:
            rules |= {"weekly": self.hours, "exceptions": {}, "holidays": None}
        return _calendar(json.dumps(rules, sort_keys=True), shop.zone)

    def revoke_links(self) -> None:
        """Make every link to their staff page that is out worthless."""
        self.link_generation += 1

    @validates("hours")
    def _readable(self, _column: str, value: Any) -> Any:
        if value is not None:
            Calendar.parse({"weekly": value, "slot_minutes": 5}, zone="UTC")
        return value


class Presence(Base):
    """What was last heard of somebody who takes calls.

    Attributes:
        state: what they said last, and nobody else ever says; whoever has said nothing yet is away.
        said_at: when they said it.
        seen_at: when they were last heard of, whether or not they said anything.
        call_id: the call, or the booking, that they are in; while it is there they are busy, whatever they have said.
    """

    __tablename__ = "presences"
    __table_args__ = (ForeignKeyConstraint(["shop_id", "staff_id"], ["staff_members.shop_id", "staff_members.id"]),)

    shop_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    staff_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    state: Mapped[PresenceState] = mapped_column(enum_of(PresenceState))
    said_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    call_id: Mapped[UUID | None]

    @property
    def stands(self) -> PresenceState:
        """What they said, or busy while they are in a call."""
        return PresenceState.BUSY if self.call_id is not None else self.state

    def is_fresh(self, now: datetime) -> bool:
        """Whether they were heard of lately."""
        return now < self.seen_at + FRESH_FOR

    def stands_at(self, now: datetime) -> PresenceState:
        """How they stand at `now`; idle is who may be rung, and away whoever fell silent."""
        is_there = self.call_id is not None or self.is_fresh(now)
        return self.stands if is_there else PresenceState.AWAY

    def beat(self, *, now: datetime) -> None:
        """They are still there, and whatever they said last still holds."""
        # Beats overtake one another.
        self.seen_at = max(self.seen_at, now)

    def say(self, state: PresenceState, *, now: datetime) -> None:
        """They say how it is from now on; what they have said later, though it was heard sooner, stays."""
        self.beat(now=now)
        if now >= self.said_at:
            self.state, self.said_at = state, now

    def engage(self, call_id: UUID, *, now: datetime) -> None:
        """They are in a call from now on. To take one is to be there."""
        self.call_id = call_id
        self.beat(now=now)

    def release(self, call_id: UUID) -> bool:
        """This very call is over for them, and they are what they said last; False if they are in another, or none."""
        if self.call_id != call_id:
            return False
        self.call_id = None
        return True


@lru_cache(maxsize=1024)
def _calendar(rules: str, zone: str) -> Calendar:
    return Calendar.parse(json.loads(rules), zone=zone)


__all__ = ["FRESH_FOR", "Presence", "PresenceState", "StaffMember"]
