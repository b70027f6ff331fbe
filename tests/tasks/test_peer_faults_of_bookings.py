"""Faults of other booking systems that no test beside one rule would catch, each made impossible here.

The others are named by tests beside the rule that prevents them; docs/peer_faults.md lists all 28.
"""

import ast
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from models.booking import Booking
from models.deadline import DeadlinePolicy
from models.job import Name
from models.message import Kind
from models.shop import Shop
from tests.tasks.conftest import Workshop
from tests.worker.desk import MINUTE, NOW, OTHER_SLOT, SLOT, sqlite_only
from worker.vendors import OutgoingMail, OutgoingSms

ROOT = Path(__file__).parents[2]
EVE = datetime(2030, 6, 3, 9, tzinfo=UTC)  # 18:00 in Tokyo
TIMERS = (Name.REMIND_ON_EVE, Name.REMIND_ON_DAY, Name.CLOSE_CANCELLATION_WINDOW, Name.END_BOOKING)
REMINDERS = (Kind.BOOKING_REMINDER_EVE, Kind.BOOKING_REMINDER_DAY)
LATER = frozenset({"eta", "countdown"})


@sqlite_only
def test_6_nothing_is_left_with_a_vendor_that_would_have_to_be_called_back(shop_floor: Workshop) -> None:
    """Fault 6: the vendor's quota of cancellations was used up, and scheduled mails went out anyway."""
    booking_id = shop_floor.confirm(email="hanako@example.jp")
    shop_floor.work()
    shop_floor.settled()
    asked_before = len(shop_floor.attempts())

    shop_floor.cancel(booking_id)
    shop_floor.work()
    shop_floor.time.move_to(SLOT)
    shop_floor.work()

    # Two words of the cancellation, to customer and shop, and no third call to take anything back.
    assert len(shop_floor.attempts()) - asked_before == 2
    assert [shop_floor.delivered(kind) for kind in REMINDERS] == [0, 0]


def test_6_no_vendor_is_asked_to_send_later() -> None:
    """Fault 6, for whoever would: what is handed to a vendor has no instant at which it should go."""
    handed_over = {each.name for shape in (OutgoingSms, OutgoingMail) for each in fields(shape)}
    said = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "worker" / "vendors").glob("*.py"))

    assert not [name for name in handed_over if name.endswith("_at")]
    assert not [word for word in ("send_at", "SendAt", "batch_id", "ScheduleType", "schedule_type") if word in said]


@sqlite_only
def test_7_new_settings_of_a_shop_leave_what_is_owed_as_it_is(shop_floor: Workshop) -> None:
    """Fault 7: saving settings cancelled reminders and made none anew; saving twice sent them twice."""
    booking_id = shop_floor.confirm()

    def owed() -> list[tuple[str, datetime | None]]:
        return [(job.name, job.due_at) for job in shop_floor.jobs(*TIMERS) if job.timer_of == booking_id]

    before = owed()
    for _ in range(2):
        shop_floor.set_shop(
            "queens-court", deadline_rules=DeadlinePolicy(hours_before=2).dump(), zone="Europe/Paris", enabled=False
        )
    after = owed()
    shop_floor.time.move_to(EVE)
    shop_floor.work()

    assert before == after
    assert shop_floor.delivered(Kind.BOOKING_REMINDER_EVE) == 1


@sqlite_only
def test_9_a_timer_far_ahead_is_a_row_and_nothing_in_a_process(shop_floor: Workshop) -> None:
    """Fault 9: timers in a process were lost for far dates."""
    far = OTHER_SLOT + timedelta(days=14)
    booking_id = shop_floor.confirm(starts_at=far)

    due = {job.name: job.due_at for job in shop_floor.jobs(*TIMERS) if job.timer_of == booking_id}

    assert set(due) == set(TIMERS)
    assert due[Name.REMIND_ON_DAY] == far - 30 * MINUTE


@sqlite_only
def test_11_what_is_due_later_is_handed_to_no_broker(shop_floor: Workshop) -> None:
    """Fault 11: an ETA beyond the visibility timeout ran again and again."""
    shop_floor.confirm(starts_at=OTHER_SLOT)
    shop_floor.work()

    waiting = [job for job in shop_floor.jobs() if job.due_at is not None and job.due_at > NOW]

    assert {job.name for job in waiting} >= set(TIMERS)
    assert {(job.rings, job.rung_at) for job in waiting} == {(0, None)}


def keywords_of(text: str) -> Iterator[str]:
    """Yield the names under which a file's calls pass arguments."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            yield from (keyword.arg for keyword in node.keywords if keyword.arg)


def test_11_nobody_gives_a_task_an_eta() -> None:
    """Fault 11, for whoever would."""
    rooms = [file for room in ("api", "worker", "tasks", "models") for file in (ROOT / room).rglob("*.py")]

    assert rooms
    assert [str(file) for file in rooms if LATER & set(keywords_of(file.read_text(encoding="utf-8")))] == []


def test_11_an_eta_would_be_found() -> None:
    """Fault 11: the reader is shown what it must catch."""
    assert set(keywords_of("task.apply_async(args, countdown=60)")) == {"countdown"}


def test_12_beat_knocks_by_intervals_in_utc() -> None:
    """Fault 12: beat stopped or skipped in zones other than UTC."""
    settings = import_module("celeryconfig")
    schedules = {name: entry["schedule"] for name, entry in import_module("beat_schedule").beat_schedule.items()}

    assert (settings.enable_utc, settings.timezone) == (True, "UTC")
    assert [name for name, schedule in schedules.items() if not isinstance(schedule, int | float)] == []


@sqlite_only
@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Santiago", "UTC"])
def test_12_a_local_day_is_the_shops_own(shop_floor: Workshop, zone: str) -> None:
    """Fault 12: what ends with a local day is computed from the row, whatever beat's zone is."""
    shop_floor.set_shop("queens-court", zone=zone)
    with shop_floor.database.snapshot() as session:
        calendar = session.get_one(Shop, "queens-court").calendar
    slot = next(iter(calendar.slots(SLOT.date() + timedelta(days=1), SLOT.date() + timedelta(days=9))))
    booking_id = shop_floor.confirm(starts_at=slot.starts_at)

    booking: Booking = shop_floor.booking(booking_id)
    closes = booking.change_deadline_at.astimezone(ZoneInfo(zone))

    assert (closes.hour, closes.minute) == (0, 0)
    assert closes.date() == booking.starts_at.astimezone(ZoneInfo(zone)).date()
