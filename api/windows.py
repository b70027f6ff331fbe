"""Windows of days that a query asks for: both named, on days that shops have, and not too long."""

from datetime import date, timedelta

from api.problems import Problem
from models.calendar import FIRST_DAY, LAST_DAY

_LONGEST = timedelta(days=62)


def check_day(name: str, day: date) -> None:
    """Refuse days on which no shop takes bookings, among them the last that a date can name: it has no morrow.

    Raises:
        Problem: 422 `invalid_window`, at the parameter `name`.
    """
    if not FIRST_DAY <= day <= LAST_DAY:
        raise Problem(
            422,
            "invalid_window",
            f"Ask for days between {FIRST_DAY} and {LAST_DAY}.",
            errors=[{"pointer": f"/query/{name}", "detail": "out of range"}],
        )


def check_window(first: date, last: date) -> None:
    """Refuse what ends before it begins, and what takes too long to answer.

    Raises:
        Problem: 422 `invalid_window` or `window_too_long`.
    """
    if last < first:
        raise Problem(
            422,
            "invalid_window",
            "`to` is before `from`.",
            errors=[{"pointer": "/query/to", "detail": "before `from`"}],
        )
    if last - first >= _LONGEST:
        raise Problem(
            422,
            "window_too_long",
            f"Ask for {_LONGEST.days} days at most.",
            errors=[{"pointer": "/query/to", "detail": "too far"}],
        )
