"""Shops and their free slots over HTTP."""

from typing import Any

import pytest

from tests.api.calling import SLOT, Caller
from tests.conftest import StoppedTime
from tests.worker.desk import phone, sqlite_only
from worker.database import Database

pytestmark = sqlite_only


@pytest.fixture
def caller(seeded: Database, time: StoppedTime) -> Caller:
    return Caller.of(seeded, time)


def slots(caller: Caller, shop: str = "fred", **window: str) -> Any:
    answer = caller.http.get(f"/v1/shops/{shop}/slots", params=window)
    assert answer.status_code == 200, answer.text
    return answer.json()


def starts(told: Any) -> list[str]:
    return [slot["starts_at"] for slot in told["slots"]]


def test_all_shops_that_take_bookings_are_listed(caller: Caller) -> None:
    """B1."""
    caller.set_shop("vicky", enabled=False)

    shops = caller.http.get("/v1/shops").json()["shops"]

    assert [shop["id"] for shop in shops] == ["attachment", "fred", "lautreamont", "queens-court"]


def test_a_shop_is_shown_with_its_profile(caller: Caller) -> None:
    """B12, B23, B30, B36."""
    [shop] = [each for each in caller.http.get("/v1/shops").json()["shops"] if each["id"] == "queens-court"]

    assert shop == {
        "id": "queens-court",
        "name": {"ja": "QUEENS COURT(クイーンズコート)", "en": "QUEENS COURT"},
        "short_name": "QUEENS COURT",
        "zone": "Asia/Tokyo",
        "slot_minutes": 20,
        "page_url": "https://queens-court.example.jp/",
        "booking_page_url": "http://127.0.0.1:8000/s/queens-court",
        "privacy_url": "https://queens-court.example.jp/privacy",
        "contact_url": "https://www.example.jp/contact/queens-court",
    }


def test_the_slots_of_a_day_are_those_of_the_shops_own_hours(caller: Caller) -> None:
    told = slots(caller, **{"from": "2030-06-04", "to": "2030-06-04"})

    assert starts(told) == [f"2030-06-04T{hour:02d}:00:00Z" for hour in range(2, 11)]
    assert told["slots"][0] == {"starts_at": "2030-06-04T02:00:00Z", "ends_at": "2030-06-04T03:00:00Z"}
    assert (told["shop"], told["zone"]) == ("fred", "Asia/Tokyo")


def test_without_a_window_the_week_from_today_is_shown_and_nothing_of_the_past(caller: Caller) -> None:
    told = slots(caller, "queens-court")

    assert (told["from"], told["to"]) == ("2030-06-03", "2030-06-09")
    assert starts(told)[0] == "2030-06-03T01:40:00Z", "half an hour from now is the earliest"
    assert starts(told)[-1].startswith("2030-06-09")


def test_today_is_the_shops_today(caller: Caller) -> None:
    """At 23:30 UTC it is tomorrow in Tokyo."""
    caller.time.advance(hours=22.5)

    assert slots(caller)["from"] == "2030-06-04"


def test_a_slot_is_offered_exactly_while_it_can_be_held(caller: Caller) -> None:
    """Fault 2: what is only held counts as well."""
    window = {"from": "2030-06-04", "to": "2030-06-04"}
    caller.held(shop="fred")
    while_held = starts(slots(caller, **window))
    caller.time.advance(minutes=11)
    after = starts(slots(caller, **window))

    assert SLOT not in while_held
    assert SLOT in after
    assert caller.ask(shop="fred", contact={"phone": phone(13)}).status_code == 201


@pytest.mark.parametrize("starts_at", ["2030-06-04T02:00:00Z", "2030-06-04T10:00:00Z"])
def test_every_slot_that_is_listed_can_be_held(caller: Caller, starts_at: str) -> None:
    assert starts_at in starts(slots(caller, **{"from": "2030-06-04", "to": "2030-06-04"}))
    assert caller.ask(shop="fred", starts_at=starts_at).status_code == 201


@pytest.mark.parametrize(
    ("window", "code"),
    [
        ({"from": "2030-06-05", "to": "2030-06-04"}, "invalid_window"),
        ({"from": "2030-06-01", "to": "2030-08-02"}, "window_too_long"),
        ({"from": "today"}, "invalid_request"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused_with_a_pointer(
    caller: Caller, window: dict[str, str], code: str
) -> None:
    answer = caller.http.get("/v1/shops/fred/slots", params=window)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["errors"][0]["pointer"].startswith("/query/")


@pytest.mark.parametrize(
    "window",
    [
        {"from": "0001-01-01", "to": "0001-01-02"},
        {"from": "9999-12-30", "to": "9999-12-31"},
        {"from": "9999-12-30"},
        {"to": "9999-12-31"},
    ],
    ids=str,
)
def test_days_at_the_ends_of_time_are_refused_and_are_no_fault(caller: Caller, window: dict[str, str]) -> None:
    answer = caller.http.get("/v1/shops/fred/slots", params=window)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_window")


@pytest.mark.parametrize("shop", ["nowhere", "vicky"])
def test_a_shop_that_is_not_there_or_takes_none_has_no_slots(caller: Caller, shop: str) -> None:
    caller.set_shop("vicky", enabled=False)

    answer = caller.http.get(f"/v1/shops/{shop}/slots")

    assert (answer.status_code, answer.json()["code"]) == (404, "shop_closed")
