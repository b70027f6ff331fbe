"""Dates and times as a reader in Japan or abroad expects to see them, in the shop's zone.

It knows weekdays, months and how a zone is called; it refuses to know the server's locale and the time of day.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from models.deadline import DeadlinePolicy, is_end_of_day

TOKYO = "Asia/Tokyo"

_WEEKDAYS_JA = "月火水木金土日"
_WEEKDAYS_EN = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS_EN = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_BETWEEN_ZONES = {"ja": " / ", "en": " / "}
_END_OF_DAY = "24:00"
_A_MOMENT = timedelta(microseconds=1)


def short(at: datetime, zone: ZoneInfo, language: str) -> str:
    """Return one line's worth of a time for an SMS or a subject: 「11/23(日)14:00」, "Nov 23 14:00 JST".

    Japanese readers are told the zone only where it is not Japan's.
    """
    there = _in(at, zone)
    if language == "ja":
        mark = "" if zone.key == TOKYO else f" {_zone_mark(there, zone, language)}"
        return f"{_date_ja(there)}{_clock(there)}{mark}"
    return f"{_date_en(there)} {_clock(there)} {_zone_mark(there, zone, language)}"


def long(at: datetime, zone: ZoneInfo, language: str, *, also: ZoneInfo | None = None) -> str:
    """Return a time with its year and its zone by name, for mails.

    「2025年11月23日(日)14:00(日本時間)」, "Sunday, November 23, 2025, 14:00 (Japan time)". Zones that may change
    their clocks bring their offset along, because an hour in autumn comes twice.

    Args:
        at: an aware instant.
        zone: the shop's zone.
        language: "ja" or "en".
        also: the customer's zone, where it is another one; its time is added.
    """
    return _BETWEEN_ZONES[language].join(_long(at, each, language) for each in _zones(zone, also))


def soon(at: datetime, zone: ZoneInfo, language: str, *, now: datetime) -> str:
    """Return a time as seen from `now` on the shop's calendar, for reminders.

    「本日14:00」, 「明日11/23(日)14:00」, "today at 14:00 JST", "tomorrow, Nov 23 14:00 JST"; any other day
    is 「11/23(日)14:00」, "on Nov 23 14:00 JST".
    A reminder half an hour before 00:10 is sent on the day before, so no file may say "today" by itself.
    """
    there, today = _in(at, zone), _in(now, zone).date()
    if there.date() == today:
        if language == "ja":
            mark = "" if zone.key == TOKYO else f" {_zone_mark(there, zone, language)}"
            return f"本日{_clock(there)}{mark}"
        return f"today at {_clock(there)} {_zone_mark(there, zone, language)}"
    if there.date() == today + timedelta(days=1):
        return ("明日" if language == "ja" else "tomorrow, ") + short(at, zone, language)
    return ("" if language == "ja" else "on ") + short(at, zone, language)


def deadline(at: datetime, zone: ZoneInfo, language: str) -> str:
    """Return an exclusive end in few characters.

    「11/22中まで」, "until Nov 22 24:00 JST" where it is the end of a local day (clause B20), also where clocks skip
    midnight; else 「11/22 18:30まで」, "until Nov 22 18:30 JST".
    """
    last = _last_day(at, zone)
    there = _in(at, zone)
    if language == "ja":
        mark = "" if zone.key == TOKYO else f" {_zone_mark(last or there, zone, language)}"
        words = f"{last.month}/{last.day}中" if last else f"{there.month}/{there.day} {_clock(there)}"
        return f"{words}{mark}まで"
    words = f"{_date_en(last)} 24:00" if last else f"{_date_en(there)} {_clock(there)}"
    return f"until {words} {_zone_mark(last or there, zone, language)}"


def deadline_soon(at: datetime, zone: ZoneInfo, language: str, *, now: datetime) -> str:
    """Return an exclusive end as seen from `now`, for reminders.

    「本日中」, 「本日18:30まで」, "until 24:00 JST today"; `deadline` where it is not today.
    """
    last = _last_day(at, zone)
    ends = last or _in(at, zone)
    if ends.date() != _in(now, zone).date():
        return deadline(at, zone, language)
    clock = "24:00" if last else _clock(ends)
    if language == "ja":
        mark = "" if zone.key == TOKYO else f" {_zone_mark(ends, zone, language)}"
        return f"本日中{mark}" if last else f"本日{clock}{mark}まで"
    return f"until {clock} {_zone_mark(ends, zone, language)} today"


def deadline_long(at: datetime, zone: ZoneInfo, language: str, *, also: ZoneInfo | None = None) -> str:
    """Return an exclusive end with its year and its zone by name, for mails.

    「2025年11月22日(土)24:00まで(日本時間)」, "until Saturday, November 22, 2025, 24:00 (Japan time)". `also` is the
    customer's zone, where it is another one.
    """
    return _BETWEEN_ZONES[language].join(_deadline_long(at, each, language) for each in _zones(zone, also))


def policy(rule: DeadlinePolicy, language: str) -> str:
    """Return a shop's rule for deadlines as it stands before a booking is made.

    「予約日前日まで」, "until the end of the day before" (clause B20); other shops' rules likewise:
    「予約日の3日前まで」, 「予約日前日の18:00まで」, 「ご予約の開始72時間前まで」, "until 72 hours before it starts".
    """
    if rule.hours_before is not None:
        hours = "hour" if rule.hours_before == 1 else "hours"
        ja, en = f"ご予約の開始{rule.hours_before}時間前", f"{rule.hours_before} {hours} before it starts"
    else:
        is_day_before, is_whole = rule.days_before == 1, rule.at == _END_OF_DAY
        ja = "予約日前日" if is_day_before else f"予約日の{rule.days_before}日前"
        en = "the day before" if is_day_before else f"the day {rule.days_before} days before"
        ja, en = (ja, f"the end of {en}") if is_whole else (f"{ja}の{rule.at}", f"{rule.at} on {en}")
    return f"{ja}まで" if language == "ja" else f"until {en}"


def late_bookings(starts_at: datetime, zone: ZoneInfo, language: str, *, now: datetime) -> str:
    """Return what bookings are called that are made when their deadline is past.

    「当日のご予約」, "Same-day bookings" on the day itself; where a shop's deadline is days before, 「期限後のご予約」,
    "Bookings made after the deadline".
    """
    same_day = _in(starts_at, zone).date() == _in(now, zone).date()
    if language == "ja":
        return "当日のご予約" if same_day else "期限後のご予約"
    return "Same-day bookings" if same_day else "Bookings made after the deadline"


def day(on: date, language: str) -> str:
    """Return a calendar day: 「2025年11月23日(日)」, "Sunday, November 23, 2025"."""
    if language == "ja":
        return f"{on.year}年{on.month}月{on.day}日({_WEEKDAYS_JA[on.weekday()]})"
    return f"{_WEEKDAYS_EN[on.weekday()]}, {_MONTHS_EN[on.month - 1]} {on.day}, {on.year}"


def clock(at: datetime, zone: ZoneInfo) -> str:
    """Return the time of day in the zone, for lists whose heading names day and zone: "14:00"."""
    return _clock(_in(at, zone))


def zone_name(zone: ZoneInfo, language: str) -> str:
    """Return how a zone is called: 「日本時間」, "Japan time"; other zones by the city of their IANA name."""
    if zone.key == TOKYO:
        return "日本時間" if language == "ja" else "Japan time"
    if "/" not in zone.key:
        return zone.key
    city = zone.key.rsplit("/", 1)[1].replace("_", " ")
    return f"{city}時間" if language == "ja" else f"{city} time"


def _in(at: datetime, zone: ZoneInfo) -> datetime:
    if at.tzinfo is None:
        raise ValueError("a naive datetime was refused: give it a zone")
    return at.astimezone(zone)


def _last_day(at: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the last moment before a deadline if it is the end of a local day, else None."""
    if not is_end_of_day(at, zone.key):
        return None
    # In UTC, because one moment before an hour that comes twice may lie in its first turn.
    return _in(at.astimezone(UTC) - _A_MOMENT, zone)


def _zones(zone: ZoneInfo, also: ZoneInfo | None) -> Sequence[ZoneInfo]:
    return (zone,) if also is None or also.key == zone.key else (zone, also)


def _long(at: datetime, zone: ZoneInfo, language: str) -> str:
    there = _in(at, zone)
    label = _zone_label(there, zone, language)
    if language == "ja":
        return f"{day(there, language)}{_clock(there)}({label})"
    return f"{day(there, language)}, {_clock(there)} ({label})"


def _deadline_long(at: datetime, zone: ZoneInfo, language: str) -> str:
    last, there = _last_day(at, zone), _in(at, zone)
    on, time = (last, "24:00") if last else (there, _clock(there))
    label = _zone_label(on, zone, language)
    if language == "ja":
        return f"{day(on, language)}{time}まで({label})"
    return f"until {day(on, language)}, {time} ({label})"


def _zone_label(there: datetime, zone: ZoneInfo, language: str) -> str:
    name = zone_name(zone, language)
    if zone.key == TOKYO or "/" not in zone.key:
        return name
    return f"{name}、{_offset(there)}" if language == "ja" else f"{name}, {_offset(there)}"


def _zone_mark(there: datetime, zone: ZoneInfo, language: str) -> str:
    # Zones without letters of their own ("-03") would read as arithmetic.
    letters = there.tzname() or ""
    return letters if letters.isalpha() else zone_name(zone, language)


def _offset(there: datetime) -> str:
    minutes = round((there.utcoffset() or timedelta()).total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours}" + (f":{rest:02}" if rest else "")


def _clock(there: datetime) -> str:
    return f"{there.hour:02}:{there.minute:02}"


def _date_ja(there: date) -> str:
    return f"{there.month}/{there.day}({_WEEKDAYS_JA[there.weekday()]})"


def _date_en(there: date) -> str:
    return f"{_MONTHS_EN[there.month - 1][:3]} {there.day}"
