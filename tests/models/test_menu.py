"""What a shop offers: calls of a menu's length, on equal seats or with somebody who is there then (B11)."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from models import calendar as calendars
from models.calendar import Slot
from models.menu import Menu, Offer, SlotsBy
from models.shop import Shop
from models.staff import StaffMember

MONDAY = date(2030, 6, 3)
TEN = datetime(2030, 6, 3, 1, tzinfo=UTC)
"""10:00 in Tokyo."""


def shop(**columns: Any) -> Shop:
    rules = {"weekly": {"1": [["10:00", "12:00"]]}, "slot_minutes": 30, "seats": 2, "buffer_after_minutes": 10}
    return Shop(id="fred", name_ja="FRED", name_en="FRED", short_name="FRED", calendar_rules=rules, **columns)


def menu(minutes: int, **columns: Any) -> Menu:
    return Menu(shop_id="fred", id="fitting", minutes=minutes, **columns)


def staff(name: str, seat: int | None, hours: Any = None, **columns: Any) -> StaffMember:
    return StaffMember(shop_id="fred", id=name, name_ja=name, name_en=name, seat=seat, hours=hours, **columns)


def starts(offer: Offer) -> list[str]:
    return [f"{slot.starts_at:%H:%M}" for slot in offer.calendar.slots(MONDAY, date(2030, 6, 4))]


def test_without_menus_calls_are_as_long_as_the_calendar_says() -> None:
    offer = Offer.of(shop(), None)

    assert (offer.menu_id, starts(offer)) == (None, ["01:00", "01:30", "02:00", "02:30"])


def test_calls_of_a_menu_follow_one_another_at_its_own_length() -> None:
    offer = Offer.of(shop(), menu(45))

    assert (offer.menu_id, starts(offer)) == ("fitting", ["01:00", "01:45"])


@pytest.mark.parametrize(
    ("own", "ticks"),
    [
        pytest.param({}, 45 // 5 + 10 // 5, id="the calendar's own"),
        pytest.param({"buffer_after_minutes": 0}, 45 // 5, id="none at all"),
        pytest.param({"buffer_before_minutes": 15, "buffer_after_minutes": 5}, 45 // 5 + 4, id="its own"),
    ],
)
def test_a_menu_keeps_free_beside_its_calls_what_it_needs(own: dict[str, int], ticks: int) -> None:
    offer = Offer.of(shop(), menu(45, **own))
    slot = offer.slot_at(TEN)

    assert slot is not None
    assert len(offer.calendar.ticks(slot)) == ticks


def test_equal_seats_serve_whenever_the_shop_is_open() -> None:
    offer = Offer.of(shop(), None, [staff("hana", 7)])

    assert offer.seats_for(Slot(TEN, TEN.replace(minute=30))) == [1, 2]


def test_by_staff_each_member_serves_on_their_own_seat_in_their_own_hours() -> None:
    people = [staff("hana", 1), staff("sora", 2, {"1": [["11:00", "12:00"]]})]

    offer = Offer.of(shop(slots_by=SlotsBy.STAFF), None, people)

    assert offer.seats_for(Slot(TEN, TEN.replace(minute=30))) == [1]
    assert offer.seats_for(Slot(TEN.replace(hour=2), TEN.replace(hour=2, minute=30))) == [1, 2]


@pytest.mark.parametrize(
    "special",
    [
        pytest.param({"exceptions": {"2030-06-03": [["09:00", "15:00"]]}}, id="the shop opens longer that day"),
        pytest.param({"holidays": {"country": "JP", "hours": [["09:00", "15:00"]]}}, id="a public holiday"),
    ],
)
@pytest.mark.parametrize(
    ("hours", "serves"),
    [
        pytest.param(None, [1], id="the shop's hours"),
        pytest.param({"6": [["10:00", "12:00"]]}, [], id="Saturdays only"),
        pytest.param({}, [], id="on leave"),
        pytest.param({"1": [["10:00", "12:00"]]}, [1], id="Mondays"),
    ],
)
def test_the_shops_special_days_are_nobodys_own_hours(
    monkeypatch: pytest.MonkeyPatch, special: dict[str, Any], hours: Any, serves: list[int]
) -> None:
    monkeypatch.setattr(calendars, "holiday_dates", lambda _country, _year: frozenset({MONDAY}))
    open_longer = shop(slots_by=SlotsBy.STAFF)
    open_longer.calendar_rules = open_longer.calendar_rules | special

    offer = Offer.of(open_longer, None, [staff("sora", 1, hours)])

    assert offer.seats_for(Slot(TEN, TEN.replace(minute=30))) == serves
    assert (offer.slot_at(TEN) is not None) == bool(serves)


def test_own_hours_open_no_shop_that_is_closed() -> None:
    closed = shop(slots_by=SlotsBy.STAFF)
    closed.calendar_rules = closed.calendar_rules | {"exceptions": {"2030-06-03": []}}

    assert Offer.of(closed, None, [staff("sora", 1, {"1": [["10:00", "12:00"]]})]).slot_at(TEN) is None


def test_a_call_that_outlasts_somebodys_hours_is_not_theirs() -> None:
    people = [staff("sora", 2, {"1": [["10:00", "10:30"]]})]

    offer = Offer.of(shop(slots_by=SlotsBy.STAFF), menu(45), people)

    assert offer.slot_at(TEN) is None


def test_who_takes_no_calls_has_no_seat() -> None:
    people = [staff("hana", 1, enabled=False), staff("sora", None), staff("rin", 3)]

    assert list(Offer.of(shop(slots_by=SlotsBy.STAFF), None, people).seats) == [3]


def test_an_offer_of_another_length_keeps_its_seats() -> None:
    offer = Offer.of(shop(), None)

    longer = offer.lasting(60)

    assert (starts(longer), longer.seats) == (["01:00", "02:00"], offer.seats)
