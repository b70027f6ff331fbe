"""The registry of shops: their names, addresses on the web, calendar and rules (B1, B11, B12, B23).

A shop says whether it takes bookings at all. Which of its slots are free, only the claims know.
"""

import json
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column, validates

from models.base import Base, Json
from models.calendar import Calendar, zone_named
from models.deadline import END_OF_THE_DAY_BEFORE, DeadlinePolicy
from models.fair_use import FairUse

# Given at construction, not at the flush, so that a shop that is not yet stored is already whole.
_DEFAULTS: dict[str, Any] = {
    "enabled": True,
    "language": "ja",
    "zone": "Asia/Tokyo",
    "code_minutes": 10,
    "hold_cap_minutes": 20,
    "entry_opens_minutes": 10,
    "entry_closes_minutes": 15,
    "max_changes": 5,
    "contact_days": 90,
    "trail_days": 1826,
    "slots_by": "seats",
    "profile_version": 0,
    "takes_calls": True,
    "ring_seconds": 60,
    "connect_seconds": 30,
    "longest_call_minutes": 60,
    "escalate_after": 3,
    "sends_thanks": False,
}


class Shop(Base):
    """One shop of one brand. Nothing of its calendar is shared with another (B12).

    Attributes:
        id: slug, such as "queens-court"; part of URLs, never changed.
        name_ja: the full name in Japanese, for mails and pages.
        name_en: the full name in English.
        short_name: the name in SMS, in ASCII, for every character counts.
        enabled: whether the shop takes part; if not, requests are refused (B1).
        language: "ja" or "en", for messages when a request names none.
        zone: IANA name of the zone all its hours and deadlines are in.
        calendar_rules: `Calendar` in its JSON form; assign a new value, a change in place goes unnoticed.
        deadline_rules: `DeadlinePolicy` in its JSON form; likewise.
        page_url: the shop's own page, where a customer sets out.
        booking_page_url: where a customer books, if the shop has a page for it; else ours serves.
        privacy_url: the brand's privacy policy (B36).
        contact_url: the form for inquiries (B30).
        notice_email: where the shop's staff receive notices.
        code_minutes: life of a code, and of the hold that waits for it.
        hold_cap_minutes: the longest life of a hold, resends included.
        entry_opens_minutes: how long before its start a call may be entered.
        entry_closes_minutes: how long after its end a call may still be entered.
        max_changes: how often one booking may be changed.
        contact_days: how long a customer's data is kept after the last of theirs has ended (B37).
        trail_days: how long a booking's trail is kept after its end; longer than the contact (B43).
        fair_use_rules: `FairUse` in its JSON form; assign a new value, as with the calendar (B39).
        takes_calls: whether it takes calls at once, besides bookings (B4).
        ring_seconds: how long such a call rings.
        connect_seconds: how long an answered call waits for both sides to enter.
        longest_call_minutes: how long such a call may take.
        escalate_after: how many calls in a row nobody answered until somebody is alarmed.
        slots_by: "seats" or "staff", as `models.menu.SlotsBy` names them (B11).
        catalogue_url: where items are looked up, if the shop has a catalogue for that (B21).
        profile_version: how often its own system has fed it; 0: it is as it was seeded.
        sends_thanks: whether customers are thanked after a call (M10).
        version: counted up by every change of the row; two changes at once cannot both succeed.
    """

    __tablename__ = "shops"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name_ja: Mapped[str] = mapped_column(String(100))
    name_en: Mapped[str] = mapped_column(String(100))
    short_name: Mapped[str] = mapped_column(String(20))
    enabled: Mapped[bool]
    language: Mapped[str] = mapped_column(String(8))
    zone: Mapped[str] = mapped_column(String(64))
    calendar_rules: Mapped[dict[str, Any]] = mapped_column("calendar", Json)
    deadline_rules: Mapped[dict[str, Any]] = mapped_column("deadline_policy", Json)
    page_url: Mapped[str] = mapped_column(String(500))
    booking_page_url: Mapped[str | None] = mapped_column(String(500))
    privacy_url: Mapped[str] = mapped_column(String(500))
    contact_url: Mapped[str] = mapped_column(String(500))
    notice_email: Mapped[str] = mapped_column(String(254))
    code_minutes: Mapped[int]
    hold_cap_minutes: Mapped[int]
    entry_opens_minutes: Mapped[int]
    entry_closes_minutes: Mapped[int]
    max_changes: Mapped[int]
    contact_days: Mapped[int]
    trail_days: Mapped[int]
    fair_use_rules: Mapped[dict[str, Any]] = mapped_column("fair_use", Json)
    slots_by: Mapped[str] = mapped_column(String(8))
    catalogue_url: Mapped[str | None] = mapped_column(String(500))
    profile_version: Mapped[int]
    takes_calls: Mapped[bool]
    ring_seconds: Mapped[int]
    connect_seconds: Mapped[int]
    longest_call_minutes: Mapped[int]
    escalate_after: Mapped[int]
    sends_thanks: Mapped[bool]
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's own declaration

    def __init__(self, **columns: Any) -> None:
        rules = {"deadline_rules": END_OF_THE_DAY_BEFORE.dump(), "fair_use_rules": {}}
        super().__init__(**(_DEFAULTS | rules | columns))

    @property
    def calendar(self) -> Calendar:
        """The shop's calendar.

        Raises:
            RuleError: the rules in the row, or its zone, cannot be read.
        """
        return _calendar(json.dumps(self.calendar_rules), self.zone)

    @property
    def deadline_policy(self) -> DeadlinePolicy:
        """Until when the shop's bookings may be changed or cancelled.

        Raises:
            RuleError: the rules in the row cannot be read.
        """
        return DeadlinePolicy.parse(self.deadline_rules)

    @property
    def fair_use(self) -> FairUse:
        """How much one contact or network may ask of the shop.

        Raises:
            RuleError: the rules in the row cannot be read.
        """
        return FairUse.parse(self.fair_use_rules)

    @staticmethod
    def default_of(column: str) -> Any:
        """Return what a column is where a shop says nothing."""
        return _DEFAULTS[column]

    def name(self, language: str) -> str:
        """Return the full name in `language`, "ja" or "en"."""
        return self.name_ja if language == "ja" else self.name_en

    def booking_page(self, public_url: str) -> str:
        """Return where a customer books with this shop: its own page, or ours under `public_url` (B12)."""
        return self.booking_page_url or f"{public_url.rstrip('/')}/s/{self.id}"

    def open_to_bookings(self, now: datetime) -> bool:
        """Return whether the shop takes part and at least one of its slots may be booked at `now`, free or not (B1)."""
        return self.enabled and self.calendar.has_acceptable(now)

    @validates("zone", "calendar_rules", "deadline_rules", "fair_use_rules")
    def _readable(self, column: str, value: Any) -> Any:
        # Rules that cannot be read are stopped at the door, not found out when a customer asks for a slot.
        if column == "zone":
            zone_named(value)
        elif column == "calendar_rules":
            Calendar.parse(value, zone="UTC")
        elif column == "fair_use_rules":
            FairUse.parse(value)
        else:
            DeadlinePolicy.parse(value)
        return value


@lru_cache(maxsize=256)
def _calendar(rules: str, zone: str) -> Calendar:
    # Every request loads the row anew; the text of the rules is the key, so a changed calendar is never stale.
    return Calendar.parse(json.loads(rules), zone=zone)


__all__ = ["Shop"]
