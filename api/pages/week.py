"""A shop's free slots as a calendar: seven days, the times of one of them (B10 to B12). It offers, it holds nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from api.pages.reader import Reader
from models.calendar import Slot, local_date
from models.menu import Offer
from models.shop import Shop
from worker import slots
from worker.wording import dates

_DAYS = 7
_NOON, _EVENING = 12, 17
_WEEKEND = ("", "", "", "", "", "saturday", "sunday")


@dataclass(frozen=True)
class Choice:
    """One free slot."""

    value: str
    """Its start in UTC, as addresses and forms carry it."""
    time: str
    """The time of day in the shop's zone."""
    label: str
    """Day and time, for a list over several days."""
    url: str


@dataclass(frozen=True)
class Day:
    """One day of the strip."""

    name: str
    number: str
    title: str
    free: int
    url: str
    is_chosen: bool
    kind: str


@dataclass(frozen=True)
class Week:
    """What the calendar shows."""

    days: Sequence[Day]
    title: str
    zone: str
    parts: Sequence[tuple[str, Sequence[Choice]]]
    """(key of the part of the day, its times); parts without times are left out."""
    earlier_url: str | None
    later_url: str | None
    next_free: Choice | None
    """The next free slot after a week without any."""


@dataclass(frozen=True)
class Chooser:
    """Where the links of a calendar lead.

    Attributes:
        week_url: from the query of a week, such as {"from": "2026-11-23"}, to the address of its page.
        slot_url: from a slot's start to the address that chooses it.
    """

    week_url: Callable[[dict[str, str]], str]
    slot_url: Callable[[str], str]


def week(
    session: Session,
    shop: Shop,
    reader: Reader,
    chooser: Chooser,
    *,
    first: str,
    day: str,
    now: datetime,
    without: datetime | None = None,
    offer: Offer | None = None,
) -> Week:
    """Return the seven days from `first` on with the times of `day`.

    Args:
        session: to read claims with.
        shop: whose calendar it is.
        reader: in whose language.
        chooser: where its links lead.
        first: ISO date; anything else, and what is past, means today.
        day: ISO date of the day whose times are shown; else the first with a free slot.
        now: what is free at this instant.
        without: the start of a slot to leave out.
        offer: what is asked for; None: what the shop offers where no menu is named.
    """
    zone = ZoneInfo(shop.zone)
    today = local_date(now, shop.zone)
    last = today + timedelta(days=shop.calendar.accept_from_days)
    begins = min(max(_date(first) or today, today), last)
    free: dict[date, list[Slot]] = {begins + timedelta(days=n): [] for n in range(_DAYS)}
    for slot in slots.free_slots(session, shop, begins, begins + timedelta(days=_DAYS), now=now, offer=offer):
        if slot.starts_at != without:
            free.setdefault(local_date(slot.starts_at, shop.zone), []).append(slot)
    chosen = _date(day)
    if chosen not in free:
        chosen = next((each for each, its in free.items() if its), begins)
    nothing = not any(free.values())
    upcoming = slots.next_free(session, shop, now, now=now, offer=offer) if nothing else []
    after = [slot for slot in upcoming if slot.starts_at != without]
    following = begins + timedelta(days=_DAYS)
    return Week(
        days=[
            _day(each, its, chosen=chosen, begins=begins, reader=reader, chooser=chooser) for each, its in free.items()
        ],
        title=dates.day(chosen, reader.language),
        zone=dates.zone_name(zone, reader.language),
        parts=_parts([choice(slot, shop, reader, chooser) for slot in free[chosen]]),
        earlier_url=chooser.week_url({"from": max(begins - timedelta(days=_DAYS), today).isoformat()})
        if begins > today
        else None,
        later_url=chooser.week_url({"from": following.isoformat()}) if following <= last else None,
        next_free=choice(after[0], shop, reader, chooser) if after else None,
    )


def choice(slot: Slot, shop: Shop, reader: Reader, chooser: Chooser | None = None) -> Choice:
    """Return a slot as something to choose."""
    zone = ZoneInfo(shop.zone)
    value = start_text(slot.starts_at)
    return Choice(
        value=value,
        time=dates.clock(slot.starts_at, zone),
        label=dates.long(slot.starts_at, zone, reader.language),
        url=chooser.slot_url(value) if chooser else "",
    )


def is_free(session: Session, shop: Shop, starts_at: datetime, *, now: datetime, offer: Offer | None = None) -> bool:
    """Return whether the slot that starts then could be had now."""
    day = local_date(starts_at, shop.zone)
    free = slots.free_slots(session, shop, day, day + timedelta(days=1), now=now, offer=offer)
    return any(slot.starts_at == starts_at for slot in free)


def others_free(
    session: Session, shop: Shop, wanted: datetime, *, now: datetime, offer: Offer | None = None
) -> list[Slot]:
    """Return a few free slots from the wanted start on, or from now on when there are none."""
    return slots.next_free(session, shop, wanted, now=now, offer=offer) or slots.next_free(
        session, shop, now, now=now, offer=offer
    )


def start_text(starts_at: datetime) -> str:
    """Return a start as addresses and forms carry it: "2026-11-23T05:00:00Z"."""
    return starts_at.astimezone(ZoneInfo("UTC")).replace(tzinfo=None).isoformat() + "Z"


def _day(each: date, its: Sequence[Slot], *, chosen: date, begins: date, reader: Reader, chooser: Chooser) -> Day:
    names = reader.says("calendar.weekdays").split(" ")
    return Day(
        name=names[each.weekday()],
        number=f"{each.month}/{each.day}",
        title=dates.day(each, reader.language),
        free=len(its),
        url=chooser.week_url({"from": begins.isoformat(), "day": each.isoformat()}),
        is_chosen=each == chosen,
        kind=_WEEKEND[each.weekday()],
    )


def _parts(choices: Sequence[Choice]) -> list[tuple[str, Sequence[Choice]]]:
    parts: dict[str, list[Choice]] = {"calendar.morning": [], "calendar.afternoon": [], "calendar.evening": []}
    for each in choices:
        hour = int(each.time[:2])
        key = "morning" if hour < _NOON else "afternoon" if hour < _EVENING else "evening"
        parts[f"calendar.{key}"].append(each)
    return [(key, its) for key, its in parts.items() if its]


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
