"""Which standing bookings a shop's new rules would not allow, and what of a profile is kept for ever."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.booking import Booking
from models.calendar import Calendar
from models.menu import Offer, by_seats, by_staff
from models.shop_profile import EXAMPLE
from models.shop_version import Conflict, Rules, conflicts_of, without_people
from models.staff import StaffMember

TEN = datetime(2030, 6, 3, 1, tzinfo=UTC)
"""Monday, 10:00 in Tokyo."""


def calendar(**rules: Any) -> Calendar:
    given = {"weekly": {"1": [["10:00", "12:00"]]}, "slot_minutes": 30, "seats": 2} | rules
    return Calendar.parse(given, zone="Asia/Tokyo")


def rules(*, enabled: bool = True, menus: tuple[str, ...] = (), **given: Any) -> Rules:
    new = calendar(**given)
    return Rules(enabled, Offer(new, None, by_seats(new)), frozenset(menus))


def booking(**columns: Any) -> Booking:
    given = {"starts_at": TEN, "ends_at": TEN + timedelta(minutes=30), "seat": 2, "menu_id": None}
    return Booking(**(given | columns))


@pytest.mark.parametrize(
    ("stands", "under", "because"),
    [
        pytest.param(booking(), rules(), [], id="all as before"),
        pytest.param(
            booking(), rules(slot_minutes=45), [], id="calls are longer now: what was promised keeps its length"
        ),
        pytest.param(booking(), rules(weekly={"1": [["11:00", "12:00"]]}), [Conflict.OUTSIDE_HOURS], id="opens later"),
        pytest.param(booking(), rules(exceptions={"2030-06-03": []}), [Conflict.OUTSIDE_HOURS], id="closed that day"),
        pytest.param(
            booking(),
            rules(weekly={"1": [["10:00", "10:15"], ["10:15", "12:00"]]}),
            [Conflict.OUTSIDE_HOURS],
            id="a break in the midst of it",
        ),
        pytest.param(booking(), rules(seats=1), [Conflict.SEAT_GONE], id="fewer seats"),
        pytest.param(booking(seat=1), rules(seats=1), [], id="another's seat is gone"),
        pytest.param(booking(menu_id="fitting"), rules(), [Conflict.MENU_GONE], id="its menu is gone"),
        pytest.param(booking(menu_id="fitting"), rules(menus=("fitting",)), [], id="its menu is still there"),
        pytest.param(booking(), rules(enabled=False), [Conflict.SHOP_DISABLED], id="the shop takes no part any more"),
        pytest.param(
            booking(),
            rules(seats=1, weekly={}),
            [Conflict.OUTSIDE_HOURS, Conflict.SEAT_GONE],
            id="all that is wrong is said",
        ),
    ],
)
def test_a_standing_booking_conflicts_with_rules(stands: Booking, under: Rules, because: list[Conflict]) -> None:
    assert conflicts_of(stands, under) == because


@pytest.mark.parametrize(
    ("hours", "because"),
    [
        (None, []),
        ({"1": [["10:00", "11:00"]]}, []),
        ({"1": [["11:00", "12:00"]]}, [Conflict.STAFF_AWAY]),
    ],
)
def test_by_staff_a_booking_needs_whoever_has_its_seat(hours: Any, because: list[Conflict]) -> None:
    new = calendar()
    hana = StaffMember(shop_id="fred", id="hana", name_ja="花", name_en="Hana", seat=2, hours=hours)

    assert conflicts_of(booking(), Rules(True, Offer(new, None, by_staff(new, [hana])), frozenset())) == because


def test_a_version_keeps_no_name_of_a_person_and_no_mailbox() -> None:
    kept = json.dumps(without_people(EXAMPLE), ensure_ascii=False)

    assert "hana" in kept
    assert not any(personal in kept for personal in ("花", "Hana", EXAMPLE["notice_email"]))
