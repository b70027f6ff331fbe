"""A shop's hours become slots, on days of every length."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.calendar import (
    TICK,
    Calendar,
    HolidayRule,
    Hours,
    RuleError,
    Slot,
    first_instant,
    holiday_dates,
    local_date,
    local_instant,
    zone_named,
)

MINUTE = timedelta(minutes=1)

# (zone, local date, what its clocks do)
CHANGES_OF_CLOCKS = [
    ("Europe/Paris", date(2026, 3, 29), "02:00 becomes 03:00"),
    ("Europe/Paris", date(2026, 10, 25), "03:00 becomes 02:00"),
    ("America/Santiago", date(2026, 9, 6), "midnight becomes 01:00"),
    ("America/Santiago", date(2026, 4, 4), "the midnight that ends it becomes 23:00"),
    ("Africa/Cairo", date(2026, 4, 24), "midnight becomes 01:00"),
    ("Africa/Cairo", date(2026, 10, 29), "the midnight that ends it becomes 23:00"),
    ("America/Havana", date(2025, 3, 9), "midnight becomes 01:00"),
    ("America/Havana", date(2025, 11, 2), "01:00 becomes midnight again"),
    ("Australia/Lord_Howe", date(2026, 10, 4), "the clock moves by half an hour"),
    ("Australia/Lord_Howe", date(2026, 4, 5), "the clock moves back by half an hour"),
    ("Antarctica/Troll", date(2026, 3, 29), "the clock moves by two hours"),
    ("America/St_Johns", date(2010, 11, 7), "a minute after midnight becomes 23:01 of the day before"),
    ("Pacific/Apia", date(2011, 12, 30), "the whole day is skipped"),
    ("Asia/Tokyo", date(2026, 11, 23), "an ordinary day"),
]
ZONES_AND_DAYS = [(zone, day) for zone, day, _ in CHANGES_OF_CLOCKS]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def every_day(*hours: tuple[str, str]) -> dict[str, Any]:
    return {weekday: [list(pair) for pair in hours] for weekday in "1234567"}


def calendar(zone: str = "Asia/Tokyo", **changes: Any) -> Calendar:
    rules = {"weekly": every_day(("10:00", "12:00")), "slot_minutes": 30, "accept_until_minutes": 0}
    return Calendar.parse(rules | changes, zone=zone)


def slots_on(shop: Calendar, day: date) -> list[Slot]:
    return list(shop.slots(day, day + timedelta(days=1)))


def starts(shop: Calendar, day: date) -> list[str]:
    zone = zone_named(shop.zone)
    return [f"{slot.starts_at.astimezone(zone):%H:%M}" for slot in slots_on(shop, day)]


# --- local time ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "day", "minute", "expected"),
    [
        ("Asia/Tokyo", date(2026, 11, 23), 14 * 60, "2026-11-23T14:00+09:00"),
        ("Asia/Tokyo", date(2026, 11, 23), 24 * 60, "2026-11-24T00:00+09:00"),
        ("Europe/Paris", date(2026, 3, 29), 2 * 60, "2026-03-29T03:00+02:00"),
        ("Europe/Paris", date(2026, 3, 29), 2 * 60 + 59, "2026-03-29T03:00+02:00"),
        ("Europe/Paris", date(2026, 3, 29), 3 * 60, "2026-03-29T03:00+02:00"),
        ("Europe/Paris", date(2026, 10, 25), 2 * 60 + 30, "2026-10-25T02:30+02:00"),
        ("Europe/Paris", date(2026, 10, 25), 3 * 60, "2026-10-25T03:00+01:00"),
        ("America/Santiago", date(2026, 9, 6), 0, "2026-09-06T01:00-03:00"),
        ("America/Santiago", date(2026, 9, 5), 24 * 60, "2026-09-06T01:00-03:00"),
        ("America/Santiago", date(2026, 4, 4), 23 * 60 + 30, "2026-04-04T23:30-03:00"),
        ("America/Santiago", date(2026, 4, 4), 24 * 60, "2026-04-05T00:00-04:00"),
        ("Africa/Cairo", date(2026, 4, 24), 30, "2026-04-24T01:00+03:00"),
        ("America/Havana", date(2025, 11, 2), 0, "2025-11-02T00:00-04:00"),
        ("Australia/Lord_Howe", date(2026, 10, 4), 2 * 60 + 15, "2026-10-04T02:30+11:00"),
        ("Pacific/Apia", date(2011, 12, 30), 12 * 60, "2011-12-31T00:00+14:00"),
    ],
)
def test_a_time_on_the_wall_is_the_first_instant_that_shows_it_or_the_first_after_the_gap(
    zone: str, day: date, minute: int, expected: str
) -> None:
    assert local_instant(day, minute, zone) == at(expected)


@pytest.mark.parametrize(("zone", "day"), ZONES_AND_DAYS)
def test_a_time_on_the_wall_is_what_somebody_who_watches_the_clock_minute_by_minute_finds(zone: str, day: date) -> None:
    info = zone_named(zone)
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=20)
    watched = [begin + n * MINUTE for n in range(60 * 60)]
    walls = [(moment.astimezone(info).replace(tzinfo=None), moment) for moment in watched]

    for minute in range(0, 1441, 15):
        wall = datetime(day.year, day.month, day.day) + minute * MINUTE  # noqa: DTZ001 - a wall clock's reading
        assert local_instant(day, minute, zone) == next(moment for shown, moment in walls if shown >= wall)


@given(
    zone_and_day=st.sampled_from(ZONES_AND_DAYS),
    minutes=st.tuples(st.integers(0, 1440), st.integers(0, 1440)),
)
@settings(deadline=None)
def test_a_later_time_on_the_wall_is_never_an_earlier_instant(
    zone_and_day: tuple[str, date], minutes: tuple[int, int]
) -> None:
    zone, day = zone_and_day
    earlier, later = sorted(minutes)

    assert local_instant(day, earlier, zone) <= local_instant(day, later, zone)


@pytest.mark.parametrize(
    "name",
    ["", "Asia", "Asia/Atlantis", "../zones", "/etc/localtime", "Asia/Tokyo\n", "leapseconds", "__init__.py", "+09:00"],
)
def test_a_name_that_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(RuleError) as refused:
        zone_named(name)

    assert refused.value.pointer == "/zone"


def test_zones_come_from_the_pinned_package_and_not_from_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fault 18: a stale table of zones put mails an hour off."""
    monkeypatch.setattr("zoneinfo.TZPATH", ("/nowhere",))

    assert zone_named.__wrapped__("Asia/Tokyo").utcoffset(at("2026-01-01T00:00Z")) == timedelta(hours=9)


def test_a_naive_instant_has_no_local_date() -> None:
    with pytest.raises(ValueError, match="naive"):
        local_date(datetime(2026, 11, 23, 14), "Asia/Tokyo")  # noqa: DTZ001 - naive on purpose


# --- slots -----------------------------------------------------------------------------------------


def test_slots_follow_one_another_from_opening_to_closing() -> None:
    assert starts(calendar(), date(2026, 11, 24)) == ["10:00", "10:30", "11:00", "11:30"]


def test_a_slot_is_in_utc() -> None:
    first = slots_on(calendar(), date(2026, 11, 24))[0]

    assert (first.starts_at, first.starts_at.tzinfo) == (at("2026-11-24T10:00+09:00"), UTC)


def test_a_slot_that_would_end_after_closing_is_not_offered() -> None:
    assert starts(calendar(slot_minutes=50), date(2026, 11, 24)) == ["10:00", "10:50"]


def test_slots_begin_anew_after_a_break() -> None:
    shop = calendar(weekly=every_day(("10:00", "11:10"), ("14:05", "15:10")))

    assert starts(shop, date(2026, 11, 24)) == ["10:00", "10:30", "14:05", "14:35"]


def test_a_day_may_end_at_midnight_sharp() -> None:
    assert starts(calendar(weekly=every_day(("23:00", "24:00"))), date(2026, 11, 24)) == ["23:00", "23:30"]


def test_hours_past_midnight_belong_to_the_next_day() -> None:
    shop = calendar(weekly={"1": [["23:30", "24:00"]], "2": [["00:00", "00:30"]]})

    found = list(shop.slots(date(2026, 11, 23), date(2026, 11, 25)))

    assert [slot.starts_at for slot in found] == [at("2026-11-23T23:30+09:00"), at("2026-11-24T00:00+09:00")]


def test_the_first_date_is_included_and_the_last_is_not() -> None:
    found = {
        local_date(slot.starts_at, "Asia/Tokyo").day
        for slot in calendar().slots(date(2026, 11, 24), date(2026, 11, 26))
    }

    assert found == {24, 25}


def test_a_weekday_that_is_not_named_is_closed() -> None:
    shop = calendar(weekly={"2": [["10:00", "10:30"]]})

    assert [starts(shop, date(2026, 11, day)) for day in (23, 24, 25)] == [[], ["10:00"], []]


@pytest.mark.parametrize(
    ("from_date", "to_date"),
    [
        (date(2026, 11, 25), date(2026, 11, 24)),
        (date(2026, 11, 24), date(2026, 11, 24)),
        (date.min, date(1999, 12, 31)),
        (date(2300, 1, 1), date.max),
    ],
)
def test_a_window_without_days_of_business_has_no_slots(from_date: date, to_date: date) -> None:
    assert list(calendar().slots(from_date, to_date)) == []


def test_a_slot_cannot_end_before_it_starts() -> None:
    with pytest.raises(ValueError, match="ends after it starts"):
        Slot(at("2026-11-24T10:00Z"), at("2026-11-24T10:00Z"))


# --- exceptions and holidays -----------------------------------------------------------------------


def test_japans_holidays_include_the_substitute_ones() -> None:
    # 3 May 2026 is a Sunday; the 4th and 5th are holidays themselves, so the 6th takes its place (振替休日).
    assert date(2026, 5, 6) in holiday_dates("JP", 2026)


def test_japans_holidays_include_the_day_between_two() -> None:
    # 国民の休日: 22 September 2026 lies between 敬老の日 and 秋分の日.
    assert date(2026, 9, 22) in holiday_dates("JP", 2026)


def test_the_holidays_of_a_year_are_worked_out_once() -> None:
    assert holiday_dates("JP", 2031) is holiday_dates("JP", 2031)


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        ("as_usual", ["10:00", "10:30", "11:00", "11:30"]),
        ("closed", []),
        ([], []),
        ([["13:00", "13:30"]], ["13:00"]),
    ],
)
def test_a_holiday_is_kept_as_the_shop_keeps_it(hours: Any, expected: list[str]) -> None:
    shop = calendar(holidays={"country": "JP", "hours": hours})

    assert starts(shop, date(2026, 11, 23)) == expected


def test_the_day_after_a_holiday_is_an_ordinary_one() -> None:
    shop = calendar(holidays={"country": "JP", "hours": "closed"})

    assert len(starts(shop, date(2026, 11, 24))) == 4


def test_a_shop_without_a_rule_for_holidays_opens_on_them() -> None:
    assert len(starts(calendar(), date(2026, 11, 23))) == 4


@pytest.mark.parametrize(("hours", "expected"), [([], []), ([["15:00", "15:30"]], ["15:00"])])
def test_an_exception_beats_the_weekday(hours: Any, expected: list[str]) -> None:
    assert starts(calendar(exceptions={"2026-11-24": hours}), date(2026, 11, 24)) == expected


def test_an_exception_beats_a_holiday() -> None:
    shop = calendar(exceptions={"2026-11-23": [["15:00", "15:30"]]}, holidays={"country": "JP", "hours": "closed"})

    assert starts(shop, date(2026, 11, 23)) == ["15:00"]


# --- changes of clocks -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "day", "hours", "minutes", "why"),
    [
        ("Europe/Paris", date(2026, 3, 29), ("01:00", "04:00"), 120, "an hour is missing"),
        ("Europe/Paris", date(2026, 10, 25), ("01:00", "04:00"), 240, "an hour comes twice"),
        ("Europe/Paris", date(2026, 3, 29), ("02:00", "03:00"), 0, "all of it is missing"),
        ("Europe/Paris", date(2026, 3, 29), ("02:30", "04:00"), 60, "it opens in the gap, so after it"),
        ("Europe/Paris", date(2026, 3, 29), ("01:00", "02:30"), 60, "it closes in the gap, so before it"),
        ("Europe/Paris", date(2026, 10, 25), ("02:00", "03:00"), 120, "all of it comes twice"),
        ("Europe/Paris", date(2026, 10, 25), ("01:00", "02:30"), 90, "it closes at the first 02:30"),
        ("Europe/Paris", date(2026, 10, 25), ("02:30", "04:00"), 150, "it opens at the first 02:30"),
        ("America/Santiago", date(2026, 9, 6), ("00:00", "02:00"), 60, "midnight is missing"),
        ("America/Santiago", date(2026, 9, 5), ("23:00", "24:00"), 60, "midnight is missing, the hour is not"),
        ("America/Santiago", date(2026, 4, 4), ("23:00", "24:00"), 120, "the last hour comes twice"),
        ("Africa/Cairo", date(2026, 4, 24), ("00:00", "02:00"), 60, "midnight is missing"),
        ("Africa/Cairo", date(2026, 10, 29), ("22:00", "24:00"), 180, "the last hour comes twice"),
        ("America/Havana", date(2025, 11, 2), ("00:00", "02:00"), 180, "the first hour comes twice"),
        ("Australia/Lord_Howe", date(2026, 10, 4), ("00:00", "24:00"), 1410, "half an hour is missing"),
        ("Pacific/Apia", date(2011, 12, 30), ("00:00", "24:00"), 0, "the day does not exist"),
    ],
)
def test_a_day_offers_as_many_slots_as_it_has_time(
    zone: str, day: date, hours: tuple[str, str], minutes: int, why: str
) -> None:
    shop = calendar(zone, weekly=every_day(hours), slot_minutes=30)

    assert len(slots_on(shop, day)) == minutes // 30, why


def test_a_shop_that_opens_at_a_missing_midnight_opens_at_the_first_instant_of_the_day() -> None:
    shop = calendar("America/Santiago", weekly=every_day(("00:00", "02:00")))

    assert slots_on(shop, date(2026, 9, 6))[0].starts_at == at("2026-09-06T01:00-03:00")


def test_the_hour_that_comes_twice_is_offered_twice() -> None:
    shop = calendar("Europe/Paris", weekly=every_day(("02:00", "03:00")))

    assert starts(shop, date(2026, 10, 25)) == ["02:00", "02:30", "02:00", "02:30"]


@st.composite
def days_of_hours(draw: st.DrawFn) -> list[list[str]]:
    fives = draw(st.lists(st.integers(0, 288), min_size=2, max_size=6, unique=True).map(sorted))
    texts = [f"{five * 5 // 60:02}:{five * 5 % 60:02}" for five in fives]
    return [list(pair) for pair in zip(texts[::2], texts[1::2], strict=False)]


@st.composite
def shops_and_days(draw: st.DrawFn) -> tuple[Calendar, date]:
    zone, day = draw(st.sampled_from(ZONES_AND_DAYS))
    shop = calendar(
        zone,
        weekly={weekday: draw(days_of_hours()) for weekday in "1234567"},
        slot_minutes=draw(st.integers(1, 40)) * 5,
        buffer_before_minutes=draw(st.integers(0, 6)) * 5,
        buffer_after_minutes=draw(st.integers(0, 6)) * 5,
    )
    return shop, day + timedelta(days=draw(st.integers(-1, 1)))


@given(shop_and_day=shops_and_days())
@settings(deadline=None, max_examples=60)
def test_slots_come_in_order_and_never_overlap(shop_and_day: tuple[Calendar, date]) -> None:
    shop, day = shop_and_day

    found = list(shop.slots(day - timedelta(days=1), day + timedelta(days=2)))

    assert all(earlier.ends_at <= later.starts_at for earlier, later in pairwise(found))


@given(shop_and_day=shops_and_days())
@settings(deadline=None, max_examples=60)
def test_every_slot_has_its_full_length_between_opening_and_closing(
    shop_and_day: tuple[Calendar, date],
) -> None:
    shop, day = shop_and_day
    opening = [
        (local_instant(day, hours.opens, shop.zone), local_instant(day, hours.closes, shop.zone))
        for hours in shop.hours_on(day)
    ]

    for slot in slots_on(shop, day):
        assert slot.ends_at - slot.starts_at == timedelta(minutes=shop.slot_minutes)
        assert any(opens_at <= slot.starts_at and slot.ends_at <= closes_at for opens_at, closes_at in opening)


@given(shop_and_day=shops_and_days())
@settings(deadline=None, max_examples=60)
def test_no_room_for_another_slot_is_left_before_closing(shop_and_day: tuple[Calendar, date]) -> None:
    shop, day = shop_and_day
    length = timedelta(minutes=shop.slot_minutes)
    found = slots_on(shop, day)

    for hours in shop.hours_on(day):
        opens_at, closes_at = (local_instant(day, each, shop.zone) for each in (hours.opens, hours.closes))
        inside = [slot for slot in found if opens_at <= slot.starts_at < closes_at]
        last = inside[-1].ends_at if inside else opens_at
        assert closes_at - last < length


# --- one slot --------------------------------------------------------------------------------------


@given(shop_and_day=shops_and_days())
@settings(deadline=None, max_examples=40)
def test_a_slot_is_found_by_its_start_and_by_nothing_else(shop_and_day: tuple[Calendar, date]) -> None:
    shop, day = shop_and_day
    offered = {slot.starts_at: slot for slot in shop.slots(day - timedelta(days=1), day + timedelta(days=2))}
    begin = first_instant(day, shop.zone)

    for n in range(-12, 12 * 25):
        moment = begin + n * TICK
        if local_date(moment, shop.zone) == day:
            assert shop.slot_at(moment) == offered.get(moment)


@pytest.mark.parametrize(
    ("starts_at", "why"),
    [
        ("2026-11-24T10:15+09:00", "between two slots"),
        ("2026-11-24T10:00:00.000001+09:00", "a microsecond late"),
        ("2026-11-24T09:30+09:00", "before opening"),
        ("2026-11-24T12:00+09:00", "at closing"),
        ("0001-01-01T00:00Z", "before all calendars"),
        ("9999-12-31T23:59Z", "after all calendars"),
    ],
)
def test_there_is_no_slot_at(starts_at: str, why: str) -> None:
    assert calendar().slot_at(datetime.fromisoformat(starts_at)) is None, why


def test_a_slot_is_found_whatever_zone_its_start_is_written_in() -> None:
    found = calendar().slot_at(datetime.fromisoformat("2026-11-23T20:00-05:00"))

    assert found == Slot(at("2026-11-24T10:00+09:00"), at("2026-11-24T10:30+09:00"))


def test_a_slot_is_found_though_the_clock_has_gone_back_to_the_day_before() -> None:
    shop = calendar("America/St_Johns", weekly={"7": [["00:00", "01:00"]]})
    second = Slot(at("2010-11-06T23:30-03:30"), at("2010-11-07T00:00-03:30"))

    assert shop.slot_at(second.starts_at) == second


def test_a_naive_start_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        calendar().slot_at(datetime(2026, 11, 24, 10))  # noqa: DTZ001 - naive on purpose


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-24T09:59:59.999999+09:00", False),
        ("2026-11-24T10:00+09:00", True),
        ("2026-11-24T11:59:59.999999+09:00", True),
        ("2026-11-24T12:00+09:00", False),
    ],
)
def test_a_shop_is_open_from_opening_until_closing(moment: str, is_open: bool) -> None:
    assert calendar().is_open(at(moment)) is is_open


# --- acceptance ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "now", "acceptable"),
    [
        ({"accept_from_days": 3}, "2026-11-20T23:59:59.999999+09:00", False),
        ({"accept_from_days": 3}, "2026-11-21T00:00+09:00", True),
        ({"accept_from_days": 0}, "2026-11-23T23:59:59.999999+09:00", False),
        ({"accept_from_days": 0}, "2026-11-24T00:00+09:00", True),
        ({"accept_until_minutes": 0}, "2026-11-24T09:59:59.999999+09:00", True),
        ({"accept_until_minutes": 0}, "2026-11-24T10:00+09:00", False),
        ({"accept_until_minutes": 90}, "2026-11-24T08:29:59.999999+09:00", True),
        ({"accept_until_minutes": 90}, "2026-11-24T08:30+09:00", False),
        ({"accept_until_minutes": 0, "same_day": False}, "2026-11-23T23:59:59.999999+09:00", True),
        ({"accept_until_minutes": 0, "same_day": False}, "2026-11-24T00:00+09:00", False),
        ({"accept_until_minutes": 1440, "same_day": False}, "2026-11-23T10:00+09:00", False),
        ({}, "2026-11-25T10:00+09:00", False),
    ],
)
def test_a_slot_is_accepted_from_the_first_day_until_the_closing_of_acceptance(
    rules: dict[str, Any], now: str, acceptable: bool
) -> None:
    shop = calendar(**rules)
    slot = shop.slot_at(at("2026-11-24T10:00+09:00"))

    assert slot is not None
    assert shop.is_acceptable(slot, at(now)) is acceptable


def test_the_same_day_is_the_shops_own_and_not_that_of_utc() -> None:
    shop = calendar(weekly=every_day(("00:00", "01:00")), same_day=False)
    slot = Slot(at("2026-11-24T00:30+09:00"), at("2026-11-24T01:00+09:00"))

    assert shop.is_acceptable(slot, at("2026-11-23T23:59+09:00"))


@pytest.mark.parametrize(
    ("rules", "now", "expected"),
    [
        ({}, "2026-11-24T12:00+09:00", True),
        ({"accept_from_days": 0}, "2026-11-24T11:29+09:00", True),
        ({"accept_from_days": 0}, "2026-11-24T11:30+09:00", False),
        ({"weekly": {}}, "2026-11-24T12:00+09:00", False),
        ({"accept_from_days": 0, "same_day": False}, "2026-11-24T00:00+09:00", False),
        ({}, "9999-12-31T00:00Z", False),
    ],
)
def test_a_calendar_knows_whether_anything_can_be_booked(rules: dict[str, Any], now: str, expected: bool) -> None:
    assert calendar(**rules).has_acceptable(at(now)) is expected


# --- ticks -----------------------------------------------------------------------------------------


def test_a_call_takes_the_ticks_of_its_slot_and_of_both_buffers() -> None:
    shop = calendar(slot_minutes=10, buffer_before_minutes=5, buffer_after_minutes=10)
    slot = Slot(at("2026-11-24T10:00Z"), at("2026-11-24T10:10Z"))

    assert [f"{tick:%H:%M}" for tick in shop.ticks(slot)] == ["09:55", "10:00", "10:05", "10:10", "10:15"]


def test_two_slots_without_buffers_that_only_touch_share_no_tick() -> None:
    shop = calendar()
    first, second, *_ = slots_on(shop, date(2026, 11, 24))

    assert not set(shop.ticks(first)) & set(shop.ticks(second))


@given(
    before=st.integers(0, 12),
    after=st.integers(0, 12),
    lengths=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    offset_minutes=st.integers(-300, 300),
)
@example(before=0, after=0, lengths=(4, 6), offset_minutes=10)
@settings(deadline=None)
def test_two_calls_share_a_tick_exactly_when_they_meet(
    before: int, after: int, lengths: tuple[int, int], offset_minutes: int
) -> None:
    shop = calendar(buffer_before_minutes=before * 5, buffer_after_minutes=after * 5)
    first_at = at("2026-11-24T10:00Z")
    second_at = first_at + timedelta(minutes=offset_minutes // 5 * 5)
    first = Slot(first_at, first_at + lengths[0] * TICK)
    second = Slot(second_at, second_at + lengths[1] * TICK)

    apart = (first.ends_at + (before + after) * TICK <= second.starts_at) or (
        second.ends_at + (before + after) * TICK <= first.starts_at
    )
    assert bool(set(shop.ticks(first)) & set(shop.ticks(second))) is not apart


@given(shop_and_day=shops_and_days())
@settings(deadline=None, max_examples=40)
def test_every_tick_lies_on_the_common_grid(shop_and_day: tuple[Calendar, date]) -> None:
    shop, day = shop_and_day

    for slot in slots_on(shop, day):
        ticks = shop.ticks(slot)
        assert all(tick.timestamp() % TICK.total_seconds() == 0 for tick in ticks)
        assert ticks[-1] + TICK - ticks[0] == timedelta(
            minutes=shop.slot_minutes + shop.buffer_before_minutes + shop.buffer_after_minutes
        )


def test_a_call_off_the_grid_still_meets_its_neighbours() -> None:
    shop = calendar()
    odd = Slot(at("2026-11-24T10:02Z"), at("2026-11-24T10:07Z"))

    assert [f"{tick:%H:%M}" for tick in shop.ticks(odd)] == ["10:00", "10:05"]


def test_seats_are_numbered_from_one() -> None:
    assert list(calendar(seats=3).seat_numbers) == [1, 2, 3]


# --- reading and writing ---------------------------------------------------------------------------


FULL = {
    "weekly": every_day(("10:00", "12:00"), ("13:00", "24:00")) | {"3": []},
    "exceptions": {"2026-12-31": [["10:00", "15:00"]], "2027-01-01": []},
    "holidays": {"country": "JP", "hours": "closed"},
    "slot_minutes": 20,
    "seats": 4,
    "buffer_before_minutes": 5,
    "buffer_after_minutes": 10,
    "accept_from_days": 45,
    "accept_until_minutes": 30,
    "same_day": False,
}


@pytest.mark.parametrize("hours", ["closed", "as_usual", [["11:00", "12:00"]]])
def test_a_calendar_is_written_as_it_was_read(hours: Any) -> None:
    rules = FULL | {"holidays": {"country": "JP", "hours": hours}}

    assert Calendar.parse(rules, zone="Asia/Tokyo").dump() == rules


def test_a_calendar_may_leave_all_but_hours_and_slot_length_to_defaults() -> None:
    shop = Calendar.parse({"weekly": {}, "slot_minutes": 30}, zone="Asia/Tokyo")

    assert Calendar.parse(shop.dump(), zone="Asia/Tokyo") == shop


def test_equal_calendars_are_one_in_a_set() -> None:
    assert len({Calendar.parse(FULL, zone="Asia/Tokyo"), Calendar.parse(FULL, zone="Asia/Tokyo")}) == 1


def test_a_calendar_made_in_code_is_checked_like_one_that_was_read() -> None:
    with pytest.raises(RuleError, match="/holidays/country"):
        Calendar(zone="Asia/Tokyo", weekly=((),) * 7, slot_minutes=30, holidays=HolidayRule("XX", None))


def test_a_calendar_made_in_code_has_seven_days() -> None:
    with pytest.raises(RuleError, match="/weekly"):
        Calendar(zone="Asia/Tokyo", weekly=((Hours(0, 60),),), slot_minutes=30)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"weekly": None}, "/weekly"),
        ({"weekly": {"0": []}}, "/weekly/0"),
        ({"weekly": {1: []}}, "/weekly/1"),
        ({"weekly": {"1": "10:00"}}, "/weekly/1"),
        ({"weekly": {"1": ["10:00", "11:00"]}}, "/weekly/1/0"),
        ({"weekly": {"1": [["10:00"]]}}, "/weekly/1/0"),
        ({"weekly": {"1": [["10:00", "25:00"]]}}, "/weekly/1/0/1"),
        ({"weekly": {"1": [["10:00", "24:05"]]}}, "/weekly/1/0/1"),
        ({"weekly": {"1": [["9:00", "10:00"]]}}, "/weekly/1/0/0"),
        ({"weekly": {"1": [["10:02", "11:00"]]}}, "/weekly/1/0/0"),
        ({"weekly": {"1": [[1000, "11:00"]]}}, "/weekly/1/0/0"),
        ({"weekly": {"1": [["22:00", "02:00"]]}}, "/weekly/1/0"),
        ({"weekly": {"1": [["10:00", "10:00"]]}}, "/weekly/1/0"),
        ({"weekly": {"1": [["10:00", "12:00"], ["11:00", "13:00"]]}}, "/weekly/1/1"),
        ({"weekly": {"1": [["14:00", "15:00"], ["10:00", "11:00"]]}}, "/weekly/1/1"),
        ({"exceptions": []}, "/exceptions"),
        ({"exceptions": {"2026-02-30": []}}, "/exceptions/2026-02-30"),
        ({"exceptions": {"20260228": []}}, "/exceptions/20260228"),
        ({"exceptions": {"2026-02-28": None}}, "/exceptions/2026-02-28"),
        ({"holidays": "JP"}, "/holidays"),
        ({"holidays": {"hours": "closed"}}, "/holidays/country"),
        ({"holidays": {"country": "XX", "hours": "closed"}}, "/holidays/country"),
        ({"holidays": {"country": "JP"}}, "/holidays/hours"),
        ({"holidays": {"country": "JP", "hours": "shut"}}, "/holidays/hours"),
        ({"slot_minutes": 7}, "/slot_minutes"),
        ({"slot_minutes": 0}, "/slot_minutes"),
        ({"slot_minutes": 30.0}, "/slot_minutes"),
        ({"slot_minutes": True}, "/slot_minutes"),
        ({"seats": 0}, "/seats"),
        ({"seats": "2"}, "/seats"),
        ({"buffer_before_minutes": 3}, "/buffer_before_minutes"),
        ({"buffer_after_minutes": -5}, "/buffer_after_minutes"),
        ({"accept_from_days": -1}, "/accept_from_days"),
        ({"accept_until_minutes": None}, "/accept_until_minutes"),
        ({"same_day": "no"}, "/same_day"),
        ({"zone": "Asia/Tokyo"}, "/zone"),
        ({"seat": 2}, "/seat"),
    ],
)
def test_a_mistake_in_a_calendar_names_its_field(changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(RuleError) as refused:
        Calendar.parse(FULL | changes, zone="Asia/Tokyo")

    assert refused.value.pointer == pointer


@pytest.mark.parametrize("missing", ["weekly", "slot_minutes"])
def test_a_calendar_without_hours_or_slot_length_is_refused(missing: str) -> None:
    rules = {name: value for name, value in FULL.items() if name != missing}

    with pytest.raises(RuleError, match=f"/{missing}: is missing"):
        Calendar.parse(rules, zone="Asia/Tokyo")


def test_what_is_no_object_is_no_calendar() -> None:
    with pytest.raises(RuleError, match="must be an object"):
        Calendar.parse([], zone="Asia/Tokyo")
