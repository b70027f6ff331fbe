"""A shop's calendar: its hours on its own clock, the slots they make, and when each may be booked.

It knows local time, changes of clocks and public holidays. It does not know who has booked what, nor what
time it is. Time zones come from the pinned `tzdata` package and never from the machine, so every process turns
a wall clock into the same instant.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from importlib import resources
from itertools import pairwise
from types import MappingProxyType
from zoneinfo import ZoneInfo

import holidays as public_holidays

TICK = timedelta(minutes=5)
"""The grain of every calendar: slots and buffers are whole ticks, and a claim is one row a tick (B10)."""

DAY_MINUTES = 24 * 60
AS_USUAL = "as_usual"
CLOSED = "closed"

# A caller may ask for any date that exists. Outside these years there is nothing to book, and near its ends
# datetime's arithmetic overflows, so the calendar is simply empty there.
FIRST_DAY = date(2000, 1, 1)
LAST_DAY = date(2200, 1, 1)

_CLOCK = re.compile(r"(?P<hour>[01][0-9]|2[0-4]):(?P<minute>[0-5][0-9])", re.ASCII)
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class RuleError(ValueError):
    """A shop's rules cannot be read; the mistake is the operator's, never a customer's.

    Attributes:
        pointer: the field at fault, as a JSON pointer into the rules, such as `/weekly/1/0`.
        problem: what is wrong with it, in words.
    """

    def __init__(self, pointer: str, problem: str) -> None:
        super().__init__(f"{pointer}: {problem}")
        self.pointer = pointer
        self.problem = problem


# --- local time -----------------------------------------------------------------------------------


@cache
def zone_named(name: str) -> ZoneInfo:
    """Return the IANA zone `name` from the pinned `tzdata` package.

    Raises:
        RuleError: there is no such zone.
    """
    if not _ZONE.fullmatch(name):
        raise RuleError("/zone", "is not the name of an IANA time zone")
    try:
        with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
            return ZoneInfo.from_file(file, key=name)
    except (OSError, ValueError):
        raise RuleError("/zone", f"{name!r} is not an IANA time zone") from None


def local_instant(day: date, minute: int, zone: str) -> datetime:
    """Return the instant, in UTC, at which the clock on the wall in `zone` shows a time of `day`.

    A time that the clock shows twice means its first occurrence. A time that the clock skips means the first
    instant that exists after the gap. A later wall time therefore never gives an earlier instant.

    Args:
        day: the local date.
        minute: minutes after midnight on the wall clock, from 0 to 1440; 1440 is midnight of the next day.
        zone: an IANA name.
    """
    info = zone_named(zone)
    wall = datetime(day.year, day.month, day.day) + timedelta(minutes=minute)  # noqa: DTZ001 - a wall clock's reading
    instant = wall.replace(tzinfo=info, fold=0).astimezone(UTC)
    if instant.astimezone(info).replace(tzinfo=None) == wall:
        return instant
    # A skipped time reads as after the gap with the old offset (fold 0) and as before it with the new one
    # (fold 1): the change of clocks lies between the two, on a whole second.
    after, before = instant, wall.replace(tzinfo=info, fold=1).astimezone(UTC)
    offset = before.astimezone(info).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(info).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after


def first_instant(day: date, zone: str) -> datetime:
    """Return the instant, in UTC, with which `day` begins in `zone`, even where midnight is skipped."""
    return local_instant(day, 0, zone)


def local_date(instant: datetime, zone: str) -> date:
    """Return the date that a wall calendar in `zone` shows at `instant`.

    Raises:
        ValueError: `instant` is naive.
    """
    return aware(instant).astimezone(zone_named(zone)).date()


def aware(instant: datetime) -> datetime:
    """Return `instant` in UTC.

    Raises:
        ValueError: it is naive; an instant without a zone is not an instant.
    """
    if instant.tzinfo is None:
        raise ValueError("a naive datetime was refused: give it a zone")
    return instant.astimezone(UTC)


def minute_of_day(text: object, pointer: str) -> int:
    """Return "HH:MM" as minutes after midnight; "24:00" is 1440.

    Raises:
        RuleError: at `pointer`, for anything else.
    """
    match = _CLOCK.fullmatch(text) if isinstance(text, str) else None
    minute = int(match["hour"]) * 60 + int(match["minute"]) if match else DAY_MINUTES + 1
    if minute > DAY_MINUTES:
        raise RuleError(pointer, 'must be a time "HH:MM" from "00:00" to "24:00"')
    return minute


def clock_text(minute: int) -> str:
    """Return minutes after midnight as "HH:MM"; 1440 is "24:00"."""
    return f"{minute // 60:02}:{minute % 60:02}"


@lru_cache(maxsize=256)
def holiday_dates(country: str, year: int) -> frozenset[date]:
    """Return the public holidays of `country` in `year`, substitute holidays (振替休日) included.

    The table of a year is built once and kept.
    """
    return frozenset(public_holidays.country_holidays(country, years=year))


# --- the rules ------------------------------------------------------------------------------------


@dataclass(frozen=True, order=True)
class Slot:
    """A call that may be booked: instants in UTC, `ends_at` exclusive."""

    starts_at: datetime
    ends_at: datetime

    def __post_init__(self) -> None:
        if aware(self.starts_at) >= aware(self.ends_at):
            raise ValueError("a slot ends after it starts")


@dataclass(frozen=True, order=True)
class Hours:
    """Opening hours on the wall clock of one day, as minutes after midnight; `closes` is exclusive."""

    opens: int
    closes: int

    def dump(self) -> list[str]:
        return [clock_text(self.opens), clock_text(self.closes)]


Day = tuple[Hours, ...]
"""The opening hours of one day, in order; empty when the shop is closed."""


@dataclass(frozen=True)
class HolidayRule:
    """What public holidays mean to a shop.

    Attributes:
        country: ISO 3166 code of the country whose holidays count.
        hours: the hours of every holiday, empty for closed; None when the shop opens as on any other day.
    """

    country: str
    hours: Day | None


@dataclass(frozen=True)
class Calendar:
    """When one shop takes calls, and when it takes bookings for them (B10, B11).

    An exception for a date beats the rule for holidays, which beats the hours of the weekday.

    Attributes:
        zone: IANA name of the shop's own zone; all hours and dates are on its clock.
        weekly: the hours of the seven weekdays, Monday first.
        slot_minutes: length of a call; slots follow one another from each opening.
        seats: how many calls run side by side; seats are numbered from 1.
        buffer_before_minutes: kept free before a call, on its seat.
        buffer_after_minutes: kept free after a call, on its seat.
        accept_from_days: acceptance opens at the start of the local day so many days before the slot's.
        accept_until_minutes: acceptance closes so many minutes before the slot starts, exclusively.
        same_day: whether a slot may still be booked on its own local date.
        exceptions: the hours of single dates.
        holidays: what public holidays mean, or None where they mean nothing.
    """

    zone: str
    weekly: tuple[Day, ...]
    slot_minutes: int
    seats: int = 1
    buffer_before_minutes: int = 0
    buffer_after_minutes: int = 0
    accept_from_days: int = 30
    accept_until_minutes: int = 60
    same_day: bool = True
    exceptions: Mapping[date, Day] = field(default_factory=dict, hash=False)
    holidays: HolidayRule | None = None

    def __post_init__(self) -> None:
        zone_named(self.zone)
        object.__setattr__(self, "exceptions", MappingProxyType(dict(sorted(self.exceptions.items()))))
        if len(self.weekly) != len(_WEEKDAYS):
            raise RuleError("/weekly", "must have seven days")
        for weekday, day in zip(_WEEKDAYS, self.weekly, strict=True):
            _check_day(day, f"/weekly/{weekday}")
        for date_, day in self.exceptions.items():
            _check_day(day, f"/exceptions/{date_.isoformat()}")
        if self.holidays is not None:
            _check_day(self.holidays.hours or (), "/holidays/hours")
            if self.holidays.country not in public_holidays.list_supported_countries(include_aliases=True):
                raise RuleError("/holidays/country", "is not a country whose holidays are known")
        check_number(self.slot_minutes, "/slot_minutes", least=5, most=DAY_MINUTES, step=5)
        check_number(self.seats, "/seats", least=1, most=1000)
        check_number(self.buffer_before_minutes, "/buffer_before_minutes", least=0, most=DAY_MINUTES, step=5)
        check_number(self.buffer_after_minutes, "/buffer_after_minutes", least=0, most=DAY_MINUTES, step=5)
        check_number(self.accept_from_days, "/accept_from_days", least=0, most=3650)
        check_number(self.accept_until_minutes, "/accept_until_minutes", least=0, most=3650 * DAY_MINUTES)
        if not isinstance(self.same_day, bool):
            raise RuleError("/same_day", "must be true or false")

    @classmethod
    def parse(cls, rules: object, *, zone: str) -> "Calendar":
        """Read a calendar from its JSON form.

        ```json
        {"weekly": {"1": [["11:00", "13:00"], ["14:00", "24:00"]], "7": []},
         "exceptions": {"2026-01-01": [], "2026-12-31": [["11:00", "15:00"]]},
         "holidays": {"country": "JP", "hours": "closed"},
         "slot_minutes": 30, "seats": 2, "buffer_before_minutes": 0, "buffer_after_minutes": 10,
         "accept_from_days": 30, "accept_until_minutes": 60, "same_day": true}
        ```

        Weekdays are ISO's, 1 is Monday; one that is not named is closed. `holidays.hours` is `"as_usual"`,
        `"closed"` or a list of hours. Only `weekly` and `slot_minutes` must be there.

        Raises:
            RuleError: it says which field is wrong.
        """
        given = check_object(rules, "", known=_FIELDS)
        for name in ("weekly", "slot_minutes"):
            if name not in given:
                raise RuleError(f"/{name}", "is missing")
        weekly = check_object(given["weekly"], "/weekly", known=_WEEKDAYS)
        exceptions = check_object(given.get("exceptions", {}), "/exceptions")
        plain = {name: given[name] for name in _PLAIN if name in given}
        return cls(
            zone=zone,
            weekly=tuple(_day(weekly.get(weekday, ()), f"/weekly/{weekday}") for weekday in _WEEKDAYS),
            exceptions={
                _date(text, f"/exceptions/{text}"): _day(hours, f"/exceptions/{text}")
                for text, hours in exceptions.items()
            },
            holidays=_holidays(given.get("holidays")),
            **plain,  # type: ignore[arg-type]  # __post_init__ checks each of them
        )

    def dump(self) -> dict[str, object]:
        """Return the JSON form that `parse` reads; the zone is kept beside it, not in it."""
        holidays = None
        if self.holidays is not None:
            hours = self.holidays.hours
            holidays = {
                "country": self.holidays.country,
                "hours": AS_USUAL if hours is None else _dump(hours) or CLOSED,
            }
        return {
            "weekly": {weekday: _dump(day) for weekday, day in zip(_WEEKDAYS, self.weekly, strict=True)},
            "exceptions": {date_.isoformat(): _dump(day) for date_, day in self.exceptions.items()},
            "holidays": holidays,
            **{name: getattr(self, name) for name in _PLAIN},
        }

    @property
    def seat_numbers(self) -> range:
        """The shop's seats, numbered from 1."""
        return range(1, self.seats + 1)

    def hours_on(self, day: date) -> Day:
        """Return the opening hours of the local date `day`, on the wall clock."""
        if day in self.exceptions:
            return self.exceptions[day]
        rule = self.holidays
        if rule is not None and rule.hours is not None and day in holiday_dates(rule.country, day.year):
            return rule.hours
        return self.weekly[day.weekday()]

    def slots(self, from_date: date, to_date: date) -> Iterator[Slot]:
        """Yield the slots of the local dates from `from_date` up to, without, `to_date`, in order.

        They lie in absolute time between the instants of opening and closing: on a day that loses an hour there
        are fewer of them, on a day that doubles one there are more, and none overlaps another.
        """
        day, end = max(from_date, FIRST_DAY), min(to_date, LAST_DAY)
        length = timedelta(minutes=self.slot_minutes)
        while day < end:
            for opens_at, closes_at in self._opening(day):
                starts_at = opens_at
                while starts_at + length <= closes_at:
                    yield Slot(starts_at, starts_at + length)
                    starts_at += length
            day += timedelta(days=1)

    def slot_at(self, starts_at: datetime) -> Slot | None:
        """Return the slot that starts exactly at `starts_at`, if there is one, looking at three days at most."""
        starts_at, length = aware(starts_at), timedelta(minutes=self.slot_minutes)
        for opens_at, closes_at in self._opening_near(starts_at):
            if opens_at <= starts_at and starts_at + length <= closes_at and not (starts_at - opens_at) % length:
                return Slot(starts_at, starts_at + length)
        return None

    def is_open(self, at: datetime) -> bool:
        """Return whether `at` falls within opening hours."""
        at = aware(at)
        return any(opens_at <= at < closes_at for opens_at, closes_at in self._opening_near(at))

    def next_opening(self, at: datetime) -> datetime | None:
        """Return when the shop opens next after `at`; None if it does not within the coming month."""
        at = aware(at)
        if not FIRST_DAY < at.date() < LAST_DAY - timedelta(days=_LOOKED_AHEAD_DAYS + 1):
            return None
        day = local_date(at, self.zone)
        for ahead in range(_LOOKED_AHEAD_DAYS):
            for opens_at, _closes_at in self._opening(day + timedelta(days=ahead)):
                if opens_at > at:
                    return opens_at
        return None

    def covers(self, slot: Slot) -> bool:
        """Return whether all of `slot` falls within one span of opening hours; it need not be of this calendar."""
        spans = self._opening_near(aware(slot.starts_at))
        return any(opens_at <= slot.starts_at and slot.ends_at <= closes_at for opens_at, closes_at in spans)

    def acceptance(self, slot: Slot) -> tuple[datetime, datetime]:
        """Return from when and until when, exclusively, `slot` may be booked; never, if the end comes first."""
        day = local_date(slot.starts_at, self.zone)
        opens_at = first_instant(day - timedelta(days=self.accept_from_days), self.zone)
        until = slot.starts_at - timedelta(minutes=self.accept_until_minutes)
        if not self.same_day:
            until = min(until, first_instant(day, self.zone))
        return opens_at, until

    def is_acceptable(self, slot: Slot, now: datetime) -> bool:
        """Return whether `slot`, which this calendar made, may be booked at `now`, free or not."""
        opens_at, until = self.acceptance(slot)
        return opens_at <= aware(now) < until

    def has_acceptable(self, now: datetime) -> bool:
        """Return whether at least one slot may be booked at `now`, free or not."""
        if not FIRST_DAY <= aware(now).date() < LAST_DAY:
            return False
        today = local_date(now, self.zone)
        last = today + timedelta(days=self.accept_from_days)
        return any(self.is_acceptable(slot, now) for slot in self.slots(today, last + timedelta(days=1)))

    def ticks(self, slot: Slot) -> list[datetime]:
        """Return the starts of all ticks that a call in `slot` takes on its seat, buffers included, in order.

        Ticks lie on one grid for all shops and all times, so two calls that meet anywhere share at least one.
        """
        begins_at = slot.starts_at - timedelta(minutes=self.buffer_before_minutes)
        ends_at = slot.ends_at + timedelta(minutes=self.buffer_after_minutes)
        tick = begins_at - (begins_at - _GRID) % TICK
        ticks = []
        while tick < ends_at:
            ticks.append(tick)
            tick += TICK
        return ticks

    def _opening(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        for hours in self.hours_on(day):
            yield local_instant(day, hours.opens, self.zone), local_instant(day, hours.closes, self.zone)

    def _opening_near(self, at: datetime) -> Iterator[tuple[datetime, datetime]]:
        # Where clocks go back across midnight an instant can belong to the hours of a neighbouring date.
        if FIRST_DAY < at.date() < LAST_DAY - timedelta(days=1):
            today = local_date(at, self.zone)
            for day in (today - timedelta(days=1), today, today + timedelta(days=1)):
                yield from self._opening(day)


_LOOKED_AHEAD_DAYS = 31
_GRID = datetime(2000, 1, 1, tzinfo=UTC)
_WEEKDAYS = ("1", "2", "3", "4", "5", "6", "7")
_PLAIN = (
    "slot_minutes",
    "seats",
    "buffer_before_minutes",
    "buffer_after_minutes",
    "accept_from_days",
    "accept_until_minutes",
    "same_day",
)
_FIELDS = ("weekly", "exceptions", "holidays", *_PLAIN)


# --- reading and checking -------------------------------------------------------------------------


def check_number(value: object, pointer: str, *, least: int, most: int, step: int = 1) -> int:
    """Return `value` if it is a whole number from `least` to `most` and a multiple of `step`.

    Raises:
        RuleError: at `pointer`, for anything else; true and false are no numbers.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most or value % step:
        multiple = f", a multiple of {step}" if step > 1 else ""
        raise RuleError(pointer, f"must be a whole number from {least} to {most}{multiple}")
    return value


def check_object(value: object, pointer: str, *, known: Sequence[str] | None = None) -> Mapping[str, object]:
    """Return `value` if it is a JSON object whose names are all `known`.

    Raises:
        RuleError: at `pointer`, or at the name that is not known.
    """
    if not isinstance(value, Mapping):
        raise RuleError(pointer or "/", "must be an object")
    for name in value:
        if not isinstance(name, str) or (known is not None and name not in known):
            raise RuleError(f"{pointer}/{name}", "is not known here")
    return value


def _day(value: object, pointer: str) -> Day:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise RuleError(pointer, 'must be a list of pairs ["HH:MM", "HH:MM"]')
    hours = []
    for index, pair in enumerate(value):
        here = f"{pointer}/{index}"
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != len(("opens", "closes")):
            raise RuleError(here, 'must be a pair ["HH:MM", "HH:MM"]')
        hours.append(Hours(minute_of_day(pair[0], f"{here}/0"), minute_of_day(pair[1], f"{here}/1")))
    return tuple(hours)


def _check_day(day: Day, pointer: str) -> None:
    for index, hours in enumerate(day):
        here = f"{pointer}/{index}"
        check_number(hours.opens, f"{here}/0", least=0, most=DAY_MINUTES, step=5)
        check_number(hours.closes, f"{here}/1", least=0, most=DAY_MINUTES, step=5)
        if hours.opens >= hours.closes:
            raise RuleError(here, "must close after it opens; hours past midnight belong to the next day")
    for index, (earlier, later) in enumerate(pairwise(day), start=1):
        if later.opens < earlier.closes:
            raise RuleError(f"{pointer}/{index}", "must not begin before the hours before it end")


def _date(text: str, pointer: str) -> date:
    try:
        return date.fromisoformat(text if _DATE.fullmatch(text) else "")
    except ValueError:
        raise RuleError(pointer, "must be a date YYYY-MM-DD") from None


def _holidays(value: object) -> HolidayRule | None:
    if value is None:
        return None
    given = check_object(value, "/holidays", known=("country", "hours"))
    country, hours = given.get("country"), given.get("hours")
    if not isinstance(country, str):
        raise RuleError("/holidays/country", "must be the code of a country, such as JP")
    if hours == AS_USUAL:
        return HolidayRule(country, None)
    if hours == CLOSED:
        return HolidayRule(country, ())
    if isinstance(hours, str) or hours is None:
        raise RuleError("/holidays/hours", f'must be "{AS_USUAL}", "{CLOSED}" or a list of hours')
    return HolidayRule(country, _day(hours, "/holidays/hours"))


def _dump(day: Day) -> list[list[str]]:
    return [hours.dump() for hours in day]


__all__ = [
    "AS_USUAL",
    "CLOSED",
    "TICK",
    "Calendar",
    "Day",
    "HolidayRule",
    "Hours",
    "RuleError",
    "Slot",
    "aware",
    "check_number",
    "check_object",
    "clock_text",
    "first_instant",
    "holiday_dates",
    "local_date",
    "local_instant",
    "minute_of_day",
    "zone_named",
]
