"""A shop's profile: everything that is wrong with it is said at once, each at its place."""

from copy import deepcopy
from typing import Any

import pytest

from models.shop import Shop
from models.shop_profile import EXAMPLE, SETTINGS, canonical, differences, faults_of

HIS_OWN = {"enabled", "slots_by", "profile_version", "language", "zone"}
"""Columns with a default that stand at other places of a profile, or in none."""


def profile(**changes: Any) -> dict[str, Any]:
    """Return the example as the API hands it on: with every member."""
    given: dict[str, Any] = deepcopy(dict(EXAMPLE)) | changes
    given["menus"] = [{"buffer_before_minutes": None, "buffer_after_minutes": None} | each for each in given["menus"]]
    given["settings"] = {name: Shop.default_of(name) for name in SETTINGS} | given["settings"]
    return given


def test_the_example_is_faultless() -> None:
    assert list(faults_of(profile())) == []


def someone(**changes: Any) -> dict[str, Any]:
    return {"id": "hana", "name": {"ja": "花", "en": "Hana"}, "hours": None} | changes


def a_menu(**changes: Any) -> dict[str, Any]:
    return {"id": "fitting", "name": {"ja": "試着", "en": "Fitting"}, "minutes": 45} | changes


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"zone": "Asia/Edo"}, ["/zone"]),
        ({"calendar": {"weekly": {"1": [["10:00", "09:00"]]}, "slot_minutes": 30}}, ["/calendar/weekly/1/0"]),
        ({"calendar": {"weekly": {}}}, ["/calendar/slot_minutes"]),
        ({"calendar": {"weekly": {}, "slot_minutes": 30, "colour": "red"}}, ["/calendar/colour"]),
        ({"deadline": {"days_before": 0, "at": "24:00"}}, ["/deadline/days_before"]),
        ({"staff": [someone(hours={"1": [["25:00", "26:00"]]})]}, ["/staff/0/hours/1/0/0"]),
        ({"staff": [someone(), someone()]}, ["/staff/1/id"]),
        ({"staff": []}, ["/slots_by"]),
        ({"menus": [a_menu(minutes=7)]}, ["/menus/0/minutes"]),
        ({"menus": [a_menu(), a_menu(id="talk", buffer_after_minutes=3)]}, ["/menus/1/buffer_after_minutes"]),
        ({"menus": [a_menu(), a_menu()]}, ["/menus/1/id"]),
        ({"settings": {"code_minutes": 15, "hold_cap_minutes": 10}}, ["/settings/hold_cap_minutes"]),
        ({"notice_email": "staff at fred"}, ["/notice_email"]),
        (
            {"zone": "nowhere", "notice_email": "", "menus": [a_menu(minutes=0)]},
            ["/zone", "/menus/0/minutes", "/notice_email"],
        ),
    ],
)
def test_a_fault_is_said_at_its_place(changes: dict[str, Any], pointers: list[str]) -> None:
    assert [pointer for pointer, _ in faults_of(profile(**changes))] == pointers


def test_equal_profiles_are_equal_however_they_are_written() -> None:
    people = profile()["staff"]
    other = profile(calendar={**EXAMPLE["calendar"], "buffer_before_minutes": 0}, staff=list(reversed(people)))

    assert canonical(other) == canonical(profile())


def test_a_difference_is_named_by_what_it_is_of() -> None:
    before, after = canonical(profile()), canonical(profile())
    after["calendar"]["seats"] = 3
    after["menus"][1]["minutes"] = 60
    after["staff"] = after["staff"][:1]

    assert list(differences(before, after)) == ["/calendar/seats", "/menus/fitting/minutes", "/staff/sora"]


def test_another_order_of_menus_is_a_difference() -> None:
    before, after = canonical(profile()), canonical(profile())
    after["menus"].reverse()

    assert list(differences(before, after)) == ["/menus"]


def test_every_setting_of_a_shop_can_be_fed() -> None:
    from models.shop import _DEFAULTS

    assert set(_DEFAULTS) - HIS_OWN == set(SETTINGS)
