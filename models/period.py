"""Periods counted in days and months as the Civil Code counts them, in Japan's calendar; their ends are instants.

A date in a notice, "until 30 June", is here the instant with which the first of July begins: an exclusive end.
"""

from calendar import monthrange
from datetime import date, datetime, timedelta

from models.calendar import first_instant, holiday_dates, local_date

JAPAN = "Asia/Tokyo"
_SATURDAY = 5


def last_day_of_months(begins: date, months: int, *, rest_days_extend: bool = False) -> date:
    """Return the last day of a period of so many months that an event on the day `begins` sets off.

    The first day is left out (article 140), the period ends with the day before the one that corresponds to the day
    it is counted from, or with the month where there is no such day (143). 29 February and three months end on 31 May.

    Args:
        begins: the local date of the event.
        months: at least 1.
        rest_days_extend: whether a period that would end on a rest day ends on the next day that is none (142).

    Source: 民法140条, 141条, 142条, 143条.
    """
    counted_from = begins + timedelta(days=1)
    month = counted_from.month - 1 + months
    year, month = counted_from.year + month // 12, month % 12 + 1
    longest = monthrange(year, month)[1]
    corresponding = counted_from.day
    last = date(year, month, longest) if corresponding > longest else date(year, month, corresponding) - timedelta(1)
    return _extended(last) if rest_days_extend else last


def last_day_of_days(begins: date, days: int) -> date:
    """Return the last day of a period of so many days; the day of the event is left out (民法140条)."""
    return begins + timedelta(days=days)


def end_of_months(begins_at: datetime, months: int, *, rest_days_extend: bool = False) -> datetime:
    """Return the exclusive end, in UTC, of a period of months that something at `begins_at` sets off."""
    return _after(last_day_of_months(local_date(begins_at, JAPAN), months, rest_days_extend=rest_days_extend))


def end_of_days(begins_at: datetime, days: int) -> datetime:
    """Return the exclusive end, in UTC, of a period of days that something at `begins_at` sets off."""
    return _after(last_day_of_days(local_date(begins_at, JAPAN), days))


def morning_before(deadline: datetime, days: int, *, hour: int = 9) -> datetime:
    """Return when a reminder is due that says "so many days left", on a morning in Japan.

    With 0 days it is the morning of the last day itself.
    """
    day = last_day_before(deadline) - timedelta(days=days)
    return first_instant(day, JAPAN) + timedelta(hours=hour)


def last_day_before(deadline: datetime) -> date:
    """Return the date that stands in a notice for an exclusive end."""
    return local_date(deadline - timedelta(microseconds=1), JAPAN)


def business_days_after(at: datetime, days: int) -> datetime:
    """Return the exclusive end of the n-th business day after the day of `at`: no Saturday, Sunday or holiday."""
    day = local_date(at, JAPAN)
    while days:
        day += timedelta(days=1)
        days -= not is_rest_day(day)
    return _after(day)


def is_rest_day(day: date) -> bool:
    """Whether offices are closed: Saturdays, Sundays, public holidays (国民の祝日, substitutes included)."""
    return day.weekday() >= _SATURDAY or day in holiday_dates("JP", day.year)


def _extended(day: date) -> date:
    while is_rest_day(day):
        day += timedelta(days=1)
    return day


def _after(day: date) -> datetime:
    return first_instant(day + timedelta(days=1), JAPAN)
