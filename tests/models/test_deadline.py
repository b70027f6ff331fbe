"""「予約日前日までにお手続きください」 is one instant, whatever the clocks do (B20)."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.calendar import RuleError, local_date
from models.deadline import (
    END_OF_THE_DAY_BEFORE,
    DeadlinePolicy,
    change_deadline,
    day_reminder_at,
    eve_reminder_at,
    is_before,
    is_end_of_day,
    last_day,
)

TOKYO = "Asia/Tokyo"
TWO_DAYS_BEFORE_AT_SIX = DeadlinePolicy(days_before=2, at="18:00")
THREE_HOURS_BEFORE = DeadlinePolicy(hours_before=3)

ZONES = st.sampled_from(
    [
        "Asia/Tokyo",
        "UTC",
        "Europe/Paris",
        "Europe/London",
        "America/New_York",
        "America/Santiago",
        "America/Havana",
        "America/Asuncion",
        "America/St_Johns",
        "America/Scoresbysund",
        "Africa/Cairo",
        "Africa/Casablanca",
        "Asia/Beirut",
        "Asia/Gaza",
        "Asia/Kathmandu",
        "Atlantic/Azores",
        "Antarctica/Troll",
        "Australia/Lord_Howe",
        "Pacific/Chatham",
        "Pacific/Kiritimati",
        "Pacific/Pago_Pago",
    ]
)
STARTS = st.datetimes(datetime(2021, 9, 28), datetime(2037, 12, 31)).map(lambda naive: naive.replace(tzinfo=UTC))  # noqa: DTZ001
POLICIES = st.one_of(
    st.builds(
        DeadlinePolicy,
        days_before=st.integers(1, 14),
        at=st.integers(0, 288).map(lambda five: f"{five * 5 // 60:02}:{five * 5 % 60:02}"),
    ),
    st.builds(DeadlinePolicy, hours_before=st.integers(1, 100)),
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("zone", "starts_at", "deadline", "why"),
    [
        (TOKYO, "2025-11-23T14:00+09:00", "2025-11-22T15:00Z", "the page's own example"),
        (TOKYO, "2025-11-23T05:00Z", "2025-11-22T15:00Z", "the same start, written in UTC"),
        (TOKYO, "2025-11-23T00:30+09:00", "2025-11-23T00:00+09:00", "only thirty minutes before the start"),
        (TOKYO, "2025-11-23T00:00+09:00", "2025-11-23T00:00+09:00", "a call at midnight: at its start"),
        (TOKYO, "2025-11-23T23:59+09:00", "2025-11-23T00:00+09:00", "almost a day before"),
        (TOKYO, "2026-01-01T10:00+09:00", "2026-01-01T00:00+09:00", "over the end of a year"),
        (TOKYO, "2028-03-01T10:00+09:00", "2028-02-29T15:00Z", "after a leap day"),
        ("Europe/Paris", "2026-03-29T14:00+02:00", "2026-03-29T00:00+01:00", "a day of 23 hours"),
        ("Europe/Paris", "2026-03-30T14:00+02:00", "2026-03-30T00:00+02:00", "the day after it"),
        ("Europe/Paris", "2026-10-25T14:00+01:00", "2026-10-25T00:00+02:00", "a day of 25 hours"),
        ("Europe/Paris", "2026-10-26T14:00+01:00", "2026-10-26T00:00+01:00", "the day after it"),
        ("America/Santiago", "2026-09-06T14:00-03:00", "2026-09-06T01:00-03:00", "midnight is missing"),
        ("America/Santiago", "2026-09-06T01:00-03:00", "2026-09-06T04:00Z", "a call at the first instant"),
        ("America/Santiago", "2026-09-05T23:30-04:00", "2026-09-05T00:00-04:00", "the evening before the gap"),
        ("America/Santiago", "2026-04-05T14:00-04:00", "2026-04-05T00:00-04:00", "23:00 came twice before"),
        ("Africa/Cairo", "2026-04-24T14:00+03:00", "2026-04-24T01:00+03:00", "midnight is missing"),
        ("Africa/Cairo", "2026-10-30T14:00+02:00", "2026-10-30T00:00+02:00", "23:00 came twice before"),
        ("America/Havana", "2025-11-02T14:00-05:00", "2025-11-02T00:00-04:00", "midnight comes twice: the first"),
    ],
)
def test_the_deadline_is_the_end_of_the_day_before_in_the_shops_zone(
    zone: str, starts_at: str, deadline: str, why: str
) -> None:
    assert change_deadline(at(starts_at), zone) == at(deadline), why


def test_the_deadline_is_in_utc() -> None:
    assert change_deadline(datetime.fromisoformat("2025-11-23T14:00+09:00"), TOKYO).tzinfo is UTC


@pytest.mark.parametrize(
    ("zone", "starts_at", "last_moment", "first_moment_after"),
    [
        (TOKYO, "2025-11-23T14:00+09:00", "2025-11-22T23:59:59.999+09:00", "2025-11-23T00:00:00+09:00"),
        ("Europe/Paris", "2026-03-29T14:00+02:00", "2026-03-28T23:59:59.999+01:00", "2026-03-29T00:00+01:00"),
        ("Europe/Paris", "2026-10-25T14:00+01:00", "2026-10-24T23:59:59.999+02:00", "2026-10-25T00:00+02:00"),
        (
            "America/Santiago",
            "2026-09-06T14:00-03:00",
            "2026-09-05T23:59:59.999-04:00",
            "2026-09-06T01:00-03:00",
        ),
    ],
)
@pytest.mark.parametrize("in_time", [True, False])
def test_a_request_of_the_last_millisecond_is_in_time_and_the_next_is_not(
    zone: str, starts_at: str, last_moment: str, first_moment_after: str, in_time: bool
) -> None:
    received_at = at(last_moment if in_time else first_moment_after)

    assert is_before(received_at, change_deadline(at(starts_at), zone)) is in_time


@given(starts_at=STARTS, zone=ZONES)
@example(starts_at=at("2026-09-06T04:00Z"), zone="America/Santiago")
@example(starts_at=at("2025-11-02T05:30Z"), zone="America/Havana")
@settings(deadline=None, max_examples=300)
def test_the_deadline_is_the_first_instant_of_the_bookings_local_date(starts_at: datetime, zone: str) -> None:
    deadline = change_deadline(starts_at, zone)

    assert local_date(deadline, zone) == local_date(starts_at, zone)
    assert local_date(deadline - timedelta(microseconds=1), zone) < local_date(starts_at, zone)


@given(starts_at=STARTS, zone=ZONES, policy=POLICIES)
@settings(deadline=None, max_examples=300)
def test_the_deadline_is_never_after_the_start(starts_at: datetime, zone: str, policy: DeadlinePolicy) -> None:
    assert change_deadline(starts_at, zone, policy) <= starts_at


@pytest.mark.parametrize(
    ("policy", "zone", "starts_at", "deadline"),
    [
        (TWO_DAYS_BEFORE_AT_SIX, TOKYO, "2025-11-23T14:00+09:00", "2025-11-21T18:00+09:00"),
        (TWO_DAYS_BEFORE_AT_SIX, "Europe/Paris", "2026-10-26T14:00+01:00", "2026-10-24T18:00+02:00"),
        (
            DeadlinePolicy(days_before=1, at="02:30"),
            "Europe/Paris",
            "2026-03-30T14:00+02:00",
            "2026-03-29T03:00+02:00",
        ),
        (
            DeadlinePolicy(days_before=1, at="02:30"),
            "Europe/Paris",
            "2026-10-26T14:00+01:00",
            "2026-10-25T02:30+02:00",
        ),
        (DeadlinePolicy(days_before=1, at="00:00"), TOKYO, "2025-11-23T14:00+09:00", "2025-11-22T00:00+09:00"),
        (THREE_HOURS_BEFORE, TOKYO, "2025-11-23T14:00+09:00", "2025-11-23T11:00+09:00"),
        (THREE_HOURS_BEFORE, "Europe/Paris", "2026-03-29T04:00+02:00", "2026-03-29T00:00+01:00"),
        (DeadlinePolicy(hours_before=1), TOKYO, "2025-11-23T14:00+09:00", "2025-11-23T13:00+09:00"),
    ],
)
def test_a_shop_may_set_another_day_and_hour_or_a_number_of_hours(
    policy: DeadlinePolicy, zone: str, starts_at: str, deadline: str
) -> None:
    assert change_deadline(at(starts_at), zone, policy) == at(deadline)


@pytest.mark.parametrize(
    ("zone", "deadline", "expected"),
    [
        (TOKYO, "2025-11-23T00:00+09:00", date(2025, 11, 22)),
        (TOKYO, "2025-11-23T11:00+09:00", date(2025, 11, 23)),
        ("America/Santiago", "2026-09-06T01:00-03:00", date(2026, 9, 5)),
        ("Europe/Paris", "2026-03-29T00:00+01:00", date(2026, 3, 28)),
    ],
)
def test_a_message_names_the_day_of_the_last_moment(zone: str, deadline: str, expected: date) -> None:
    assert last_day(at(deadline), zone) == expected


@pytest.mark.parametrize(
    ("zone", "deadline", "expected"),
    [
        (TOKYO, "2025-11-23T00:00+09:00", True),
        (TOKYO, "2025-11-23T00:00Z", False),
        (TOKYO, "2025-11-22T23:59:59.999999+09:00", False),
        ("America/Santiago", "2026-09-06T01:00-03:00", True),
        ("America/Santiago", "2026-09-07T01:00-03:00", False),
        ("America/Havana", "2025-11-02T00:00-05:00", False),
    ],
)
def test_only_a_deadline_at_the_end_of_a_day_is_told_by_the_day_alone(zone: str, deadline: str, expected: bool) -> None:
    assert is_end_of_day(at(deadline), zone) is expected


@pytest.mark.parametrize(
    ("policy", "zone", "starts_at", "due_at", "why"),
    [
        (END_OF_THE_DAY_BEFORE, TOKYO, "2025-11-23T14:00+09:00", "2025-11-22T18:00+09:00", "six in the evening"),
        (END_OF_THE_DAY_BEFORE, TOKYO, "2025-11-23T00:30+09:00", "2025-11-22T18:00+09:00", "for a night call too"),
        (
            DeadlinePolicy(days_before=1, at="20:00"),
            TOKYO,
            "2025-11-23T14:00+09:00",
            "2025-11-22T17:00+09:00",
            "three hours before an earlier deadline",
        ),
        (
            DeadlinePolicy(days_before=1, at="21:00"),
            TOKYO,
            "2025-11-23T14:00+09:00",
            "2025-11-22T18:00+09:00",
            "three hours before the deadline is six in the evening",
        ),
        (
            THREE_HOURS_BEFORE,
            TOKYO,
            "2025-11-23T14:00+09:00",
            "2025-11-22T18:00+09:00",
            "a later deadline does not delay it",
        ),
        (
            DeadlinePolicy(hours_before=48),
            TOKYO,
            "2025-11-23T14:00+09:00",
            "2025-11-21T11:00+09:00",
            "before the eve, when the deadline is",
        ),
        (
            END_OF_THE_DAY_BEFORE,
            "America/Santiago",
            "2026-09-06T14:00-03:00",
            "2026-09-05T18:00-04:00",
            "the eve is still on the old offset",
        ),
        (
            END_OF_THE_DAY_BEFORE,
            "Europe/Paris",
            "2026-10-26T14:00+01:00",
            "2026-10-25T18:00+01:00",
            "the eve has 25 hours",
        ),
    ],
)
def test_the_eve_reminder_leaves_time_to_act_upon_it(
    policy: DeadlinePolicy, zone: str, starts_at: str, due_at: str, why: str
) -> None:
    deadline = change_deadline(at(starts_at), zone, policy)

    assert eve_reminder_at(at(starts_at), zone, deadline) == at(due_at), why


@given(starts_at=STARTS, zone=ZONES, policy=POLICIES)
@settings(deadline=None)
def test_the_eve_reminder_is_due_at_least_three_hours_before_the_deadline(
    starts_at: datetime, zone: str, policy: DeadlinePolicy
) -> None:
    deadline = change_deadline(starts_at, zone, policy)

    assert deadline - eve_reminder_at(starts_at, zone, deadline) >= timedelta(hours=3)


def test_the_reminder_of_the_day_is_due_half_an_hour_before_the_start() -> None:
    start, deadline = at("2025-11-23T14:00+09:00"), at("2025-11-23T00:00+09:00")

    assert day_reminder_at(start, deadline) == at("2025-11-23T13:30+09:00")


def test_the_reminder_of_the_day_waits_for_the_deadline_since_it_does_not_carry_the_booking_page() -> None:
    start, midnight = at("2025-11-23T00:15+09:00"), at("2025-11-23T00:00+09:00")

    assert day_reminder_at(start, midnight) == midnight


@pytest.mark.parametrize("rules", [{"days_before": 1, "at": "24:00"}, {"hours_before": 24}, {"hours_before": 1}])
def test_a_policy_is_written_as_it_was_read(rules: dict[str, Any]) -> None:
    assert DeadlinePolicy.parse(rules).dump() == rules


@pytest.mark.parametrize(
    ("rules", "pointer"),
    [
        ({}, "/days_before"),
        ({"days_before": 0, "at": "24:00"}, "/days_before"),
        ({"days_before": "1", "at": "24:00"}, "/days_before"),
        ({"days_before": 1}, "/at"),
        ({"days_before": 1, "at": "24:01"}, "/at"),
        ({"days_before": 1, "at": "noon"}, "/at"),
        ({"at": "24:00"}, "/days_before"),
        ({"hours_before": 0}, "/hours_before"),
        ({"hours_before": -1}, "/hours_before"),
        ({"hours_before": 1.5}, "/hours_before"),
        ({"hours_before": True}, "/hours_before"),
        ({"hours_before": 3, "at": "24:00"}, "/hours_before"),
        ({"minutes_before": 3}, "/minutes_before"),
    ],
)
def test_a_mistake_in_a_policy_names_its_field(rules: dict[str, Any], pointer: str) -> None:
    with pytest.raises(RuleError) as refused:
        DeadlinePolicy.parse(rules)

    assert refused.value.pointer == pointer


@pytest.mark.parametrize(
    "judge", [lambda naive: day_reminder_at(naive, naive), lambda naive: change_deadline(naive, TOKYO)]
)
def test_a_naive_start_is_refused(judge: Any) -> None:
    with pytest.raises(ValueError, match="naive"):
        judge(datetime(2025, 11, 23, 14))  # noqa: DTZ001 - naive on purpose
