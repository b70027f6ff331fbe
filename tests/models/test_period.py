"""Days and months counted as the Civil Code counts them; a date in a notice is an instant's exclusive end."""

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.period import (
    business_days_after,
    end_of_days,
    end_of_months,
    is_rest_day,
    last_day_before,
    last_day_of_days,
    last_day_of_months,
    morning_before,
)

TOKYO = ZoneInfo("Asia/Tokyo")
MOMENT = timedelta(microseconds=1)
DAY = timedelta(days=1)

days = st.dates(date(2000, 1, 1), date(2099, 12, 31))
months = st.integers(1, 24)
instants = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - it gets its zone here


def tokyo(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=TOKYO)


def months_later(day: date, count: int) -> date:
    """Return what everybody writes first: the same day so many months later, or the month's last."""
    month = day.month - 1 + count
    year, month = day.year + month // 12, month % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


# Months, as articles 140, 141 and 143 count them


@pytest.mark.parametrize(
    ("begins", "last", "why"),
    [
        (date(2016, 2, 29), date(2016, 5, 31), "counted from 1 March, which corresponds to 1 June"),
        (date(2016, 4, 30), date(2016, 7, 31), "counted from 1 May, which corresponds to 1 August"),
        (date(2016, 11, 30), date(2017, 2, 28), "counted from 1 December, over the turn of the year"),
        (date(2016, 7, 31), date(2016, 10, 31), "counted from 1 August, which corresponds to 1 November"),
        (date(2016, 11, 29), date(2017, 2, 28), "there is no 30 February, so the month's end"),
        (date(2016, 11, 28), date(2017, 2, 28), "there is no 29 February 2017 either"),
        (date(2016, 11, 27), date(2017, 2, 27), "28 February corresponds, and the day before it is the last"),
        (date(2015, 11, 28), date(2016, 2, 28), "29 February 2016 corresponds"),
        (date(2015, 11, 29), date(2016, 2, 29), "there is no 30 February, so the month's end, a leap day"),
        (date(2016, 1, 30), date(2016, 4, 30), "there is no 31 April, so the month's end"),
        (date(2016, 1, 31), date(2016, 4, 30), "counted from 1 February, which corresponds to 1 May"),
        (date(2016, 9, 30), date(2016, 12, 31), "a month that ends on the 30th, into one that ends on the 31st"),
        (date(2016, 12, 31), date(2017, 3, 31), "counted from the first day of the next year"),
        (date(2016, 8, 15), date(2016, 11, 15), "in the midst of a month nothing surprises"),
    ],
)
def test_three_months_end(begins: date, last: date, why: str) -> None:
    assert last_day_of_months(begins, 3) == last, why


@pytest.mark.parametrize(("count", "last"), [(1, date(2016, 3, 31)), (12, date(2017, 2, 28)), (48, date(2020, 2, 29))])
def test_a_leap_day_sets_off_periods_of_every_length(count: int, last: date) -> None:
    assert last_day_of_months(date(2016, 2, 29), count) == last


@given(days, months)
@example(date(2016, 2, 29), 3)
@example(date(2016, 11, 29), 3)
def test_the_day_after_the_last_corresponds_to_the_day_counted_from_or_begins_a_month(begins: date, count: int) -> None:
    counted_from, following = begins + DAY, last_day_of_months(begins, count) + DAY

    assert following.day == counted_from.day or (following.day == 1 and counted_from.day > (following - DAY).day)


@given(days, months)
def test_a_period_of_months_never_ends_before_the_same_day_so_many_months_later(begins: date, count: int) -> None:
    last = last_day_of_months(begins, count)

    assert months_later(begins, count) <= last <= months_later(begins, count) + 3 * DAY


@given(days, days, months)
def test_who_begins_later_never_ends_earlier(one: date, other: date, count: int) -> None:
    earlier, later = sorted([one, other])

    assert last_day_of_months(earlier, count) <= last_day_of_months(later, count)


@given(days, months)
def test_a_month_more_ends_later(begins: date, count: int) -> None:
    assert last_day_of_months(begins, count) < last_day_of_months(begins, count + 1)


# Rest days, as article 142 has it; off by default


@pytest.mark.parametrize(
    ("begins", "last", "extended"),
    [
        (date(2016, 7, 29), date(2016, 10, 29), date(2016, 10, 31)),  # a Saturday
        (date(2016, 7, 30), date(2016, 10, 30), date(2016, 10, 31)),  # a Sunday
        (date(2016, 8, 3), date(2016, 11, 3), date(2016, 11, 4)),  # the Day of Culture, a Thursday
        (date(2016, 10, 1), date(2017, 1, 1), date(2017, 1, 3)),  # New Year on a Sunday and its substitute on Monday
        (date(2019, 1, 27), date(2019, 4, 27), date(2019, 5, 7)),  # ten days of rest at the change of era
        (date(2016, 7, 27), date(2016, 10, 27), date(2016, 10, 27)),  # a Thursday like any other
    ],
)
def test_a_period_that_ends_on_a_rest_day_is_extended_only_if_asked(begins: date, last: date, extended: date) -> None:
    assert last_day_of_months(begins, 3) == last
    assert last_day_of_months(begins, 3, rest_days_extend=True) == extended


@given(days, months)
def test_an_extended_period_ends_on_the_first_day_from_its_last_on_that_is_none_of_rest(begins: date, c: int) -> None:
    last, extended = last_day_of_months(begins, c), last_day_of_months(begins, c, rest_days_extend=True)

    between = [last + timedelta(days=number) for number in range((extended - last).days)]
    assert all(is_rest_day(day) for day in between)
    assert not is_rest_day(extended)


@pytest.mark.parametrize(
    ("day", "rests"),
    [
        (date(2026, 11, 23), True),  # Labour Thanksgiving, a Monday
        (date(2026, 11, 24), False),
        (date(2026, 9, 22), True),  # a citizens' holiday between two others
        (date(2026, 5, 6), True),  # a substitute on a Wednesday
        (date(2026, 11, 28), True),  # Saturday
        (date(2026, 11, 29), True),  # Sunday
    ],
)
def test_offices_rest_on_weekends_holidays_and_their_substitutes(day: date, rests: bool) -> None:
    assert is_rest_day(day) is rests


# Days


@given(days, st.integers(1, 400))
def test_the_day_of_the_event_is_left_out(begins: date, count: int) -> None:
    assert (last_day_of_days(begins, count) - begins).days == count


# Instants


@pytest.mark.parametrize(
    ("begins_at", "end"),
    [
        (tokyo("2016-07-31T00:00"), tokyo("2016-11-01T00:00")),
        (tokyo("2016-07-31T23:59:59"), tokyo("2016-11-01T00:00")),
        (tokyo("2016-08-01T00:00"), tokyo("2016-11-02T00:00")),
        (datetime(2016, 7, 31, 15, tzinfo=UTC), tokyo("2016-11-02T00:00")),  # in Japan it is August
    ],
)
def test_a_period_ends_with_a_day_in_japan(begins_at: datetime, end: datetime) -> None:
    assert end_of_months(begins_at, 3) == end


def test_an_end_extended_over_rest_days_is_that_of_the_later_day() -> None:
    assert end_of_months(tokyo("2016-07-29T12:00"), 3, rest_days_extend=True) == tokyo("2016-11-01T00:00")


@given(instants, st.integers(1, 120))
def test_a_period_of_days_gives_all_of_its_days_and_less_than_one_more(begins_at: datetime, count: int) -> None:
    end = end_of_days(begins_at, count)

    assert count * DAY < end - begins_at <= (count + 1) * DAY


@given(instants, st.integers(1, 120))
def test_the_date_in_a_notice_is_the_last_day_on_which_one_is_in_time(begins_at: datetime, count: int) -> None:
    end = end_of_days(begins_at, count)

    assert last_day_before(end) == (end - MOMENT).astimezone(TOKYO).date() == end.astimezone(TOKYO).date() - DAY


@given(instants, st.integers(1, 12))
def test_every_end_is_a_midnight_in_japan(begins_at: datetime, count: int) -> None:
    ends = [end_of_days(begins_at, count), end_of_months(begins_at, count), business_days_after(begins_at, count)]

    assert {end.astimezone(TOKYO).time().isoformat() for end in ends} == {"00:00:00"}


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        end_of_days(datetime(2016, 7, 31), 14)  # noqa: DTZ001 - that is the point


# Reminders


@pytest.mark.parametrize(("left", "morning"), [(14, "2030-06-16"), (1, "2030-06-29"), (0, "2030-06-30")])
def test_a_reminder_of_days_left_is_due_at_nine_in_japan(left: int, morning: str) -> None:
    deadline = tokyo("2030-07-01T00:00")

    assert morning_before(deadline, left) == tokyo(f"{morning}T09:00")


def test_a_reminder_counts_days_from_the_last_day_also_where_more_time_ends_within_a_day() -> None:
    assert morning_before(tokyo("2030-06-30T18:00"), 1) == tokyo("2030-06-29T09:00")


# Business days


@pytest.mark.parametrize(
    ("at", "count", "end"),
    [
        ("2026-11-18T10:00", 3, "2026-11-25T00:00"),  # Thursday, Friday, then over a weekend and a Monday's holiday
        ("2026-11-20T23:59", 1, "2026-11-25T00:00"),  # from a Friday
        ("2026-11-21T10:00", 1, "2026-11-25T00:00"),  # from a Saturday
        ("2026-11-24T10:00", 1, "2026-11-26T00:00"),  # an ordinary Tuesday
    ],
)
def test_business_days_leave_out_the_day_itself_weekends_and_holidays(at: str, count: int, end: str) -> None:
    assert business_days_after(tokyo(at), count) == tokyo(end)


@given(instants, st.integers(1, 10))
def test_so_many_business_days_lie_between(at: datetime, count: int) -> None:
    first, end = at.astimezone(TOKYO).date() + DAY, business_days_after(at, count).astimezone(TOKYO).date()

    between = [first + timedelta(days=number) for number in range((end - first).days)]
    assert sum(not is_rest_day(day) for day in between) == count
    assert not is_rest_day(between[-1])
