"""Until when a booking may be changed or cancelled, in the shop's own calendar, and when its reminders are due.

It turns 「予約日前日までにお手続きください」 into one instant. What happens then is not its business.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from models.calendar import (
    RuleError,
    aware,
    check_number,
    check_object,
    clock_text,
    first_instant,
    local_date,
    local_instant,
    minute_of_day,
)

EVE_REMINDER_MINUTE = 18 * 60
EVE_REMINDER_LEAD = timedelta(hours=3)
"""The eve reminder still leaves at least this long to act upon it."""
DAY_REMINDER_LEAD = timedelta(minutes=30)


@dataclass(frozen=True)
class DeadlinePolicy:
    """How long before its start a booking may be changed or cancelled; one of the two forms, never both.

    Attributes:
        days_before: local days before the booking's local date, at least 1, with `at`.
        at: "HH:MM" on the shop's clock that day, an exclusive end; "24:00" is the end of that day.
        hours_before: hours before the start, in absolute time.

    Raises:
        RuleError: on construction, with the field at fault.
    """

    days_before: int | None = None
    at: str | None = None
    hours_before: int | None = None

    def __post_init__(self) -> None:
        if self.hours_before is not None:
            if self.days_before is not None or self.at is not None:
                raise RuleError("/hours_before", "stands alone, without days_before and at")
            # At least one, so that the reminder of the day never goes out while something can still be changed (B19).
            check_number(self.hours_before, "/hours_before", least=1, most=24 * 365)
            return
        check_number(self.days_before, "/days_before", least=1, most=365)
        minute_of_day(self.at, "/at")

    @classmethod
    def parse(cls, rules: object) -> "DeadlinePolicy":
        """Read `{"days_before": 1, "at": "24:00"}` or `{"hours_before": 24}`.

        Raises:
            RuleError: it says which field is wrong.
        """
        given = check_object(rules, "", known=("days_before", "at", "hours_before"))
        return cls(**given)  # type: ignore[arg-type]  # __post_init__ checks each of them

    def dump(self) -> dict[str, int | str]:
        """Return the JSON form that `parse` reads."""
        if self.hours_before is not None:
            return {"hours_before": self.hours_before}
        minute = minute_of_day(self.at, "/at")
        return {"days_before": self.days_before or 1, "at": clock_text(minute)}


END_OF_THE_DAY_BEFORE = DeadlinePolicy(days_before=1, at="24:00")
"""B20, 「予約日前日までにお手続きください」: the end of the calendar day before the booking's."""


def change_deadline(starts_at: datetime, zone: str, policy: DeadlinePolicy = END_OF_THE_DAY_BEFORE) -> datetime:
    """Return the instant, in UTC, from which a booking can no longer be changed or cancelled: an exclusive end.

    With the default policy it is the first instant of the booking's date in the shop's zone: never computed from
    the date in UTC, the customer's zone or "24 hours before". It is never after the start.

    Args:
        starts_at: the start of the call, aware.
        zone: IANA name of the shop's zone.
        policy: the shop's form of the rule.

    Source: clause B20.
    """
    starts_at = aware(starts_at)
    if policy.hours_before is not None:
        return starts_at - timedelta(hours=policy.hours_before)
    day = local_date(starts_at, zone) - timedelta(days=policy.days_before or 1)
    return local_instant(day, minute_of_day(policy.at, "/at"), zone)


LEAST_NOTICE_OF_MOVE = timedelta(hours=1)
"""A shop moves no call to a time that is nearer than this: whoever it concerns could not answer."""
ANSWER_TO_MOVE = timedelta(hours=24)


def deadline_after_move(
    starts_at: datetime, zone: str, policy: DeadlinePolicy = END_OF_THE_DAY_BEFORE, *, moved_at: datetime
) -> datetime:
    """Return until when a customer whose booking the shop moved may change or cancel it: an exclusive end.

    The new slot's own deadline, but never less than a day from the move: the new time was not their choice, so the
    shop's short notice is not to their cost. It ends half an hour before the start at the latest.

    Args:
        starts_at: the new start, aware; at least `LEAST_NOTICE_OF_MOVE` after `moved_at`.
        zone: IANA name of the shop's zone.
        policy: the shop's form of the rule.
        moved_at: when the shop moved it, aware.
    """
    answer = min(aware(moved_at) + ANSWER_TO_MOVE, aware(starts_at) - DAY_REMINDER_LEAD)
    return max(change_deadline(starts_at, zone, policy), answer)


def is_before(received_at: datetime, deadline: datetime) -> bool:
    """Return whether a request received at `received_at` is in time; at the deadline it is too late."""
    return aware(received_at) < aware(deadline)


def last_day(deadline: datetime, zone: str) -> date:
    """Return the local date of the last moment before the deadline, which a message names: 「11/22中まで」."""
    return local_date(deadline - timedelta(microseconds=1), zone)


def is_end_of_day(deadline: datetime, zone: str) -> bool:
    """Return whether the deadline is where a local day begins, so that naming `last_day` says it all.

    Otherwise a message must name the hour too.
    """
    return aware(deadline) == first_instant(local_date(deadline, zone), zone)


def eve_reminder_at(starts_at: datetime, zone: str, deadline: datetime) -> datetime:
    """Return when the reminder of the day before is due, in UTC.

    At 18:00 on the shop's clock or 3 hours before `deadline`, whichever is earlier, so that who is reminded can
    still act. With a policy of more than a day it thus comes before the eve and must not say "tomorrow".
    """
    eve = local_date(starts_at, zone) - timedelta(days=1)
    return min(local_instant(eve, EVE_REMINDER_MINUTE, zone), aware(deadline) - EVE_REMINDER_LEAD)


def day_reminder_at(starts_at: datetime, deadline: datetime) -> datetime:
    """Return when the reminder with the call URL is due, in UTC: 30 minutes before the start (B17).

    Not before the deadline, for it does not carry the booking page (B19): a call at 00:15 is reminded of at midnight.
    """
    return max(aware(starts_at) - DAY_REMINDER_LEAD, aware(deadline))


__all__ = [
    "ANSWER_TO_MOVE",
    "DAY_REMINDER_LEAD",
    "END_OF_THE_DAY_BEFORE",
    "EVE_REMINDER_LEAD",
    "LEAST_NOTICE_OF_MOVE",
    "DeadlinePolicy",
    "change_deadline",
    "day_reminder_at",
    "deadline_after_move",
    "eve_reminder_at",
    "is_before",
    "is_end_of_day",
    "last_day",
]
