"""A suspension's interval, its moves, and what it does to the deadline of a booking (B40 to B44)."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from models.errors import IllegalMove
from models.suspension import MOVE_BEFORE, Reach, Status, Suspension, Treatment

NOON = datetime(2030, 6, 4, 3, tzinfo=UTC)
EVENING = NOON + timedelta(hours=6)
MOMENT = timedelta(microseconds=1)
HOUR = timedelta(hours=1)


def suspension(**changes: Any) -> Suspension:
    plain: dict[str, Any] = {
        "id": UUID(int=7),
        "reach": Reach.GLOBAL,
        "status": Status.PLANNED,
        "treatment": Treatment.CANCEL,
        "starts_at": NOON,
        "ends_at": EVENING,
        "notice_at": NOON - 24 * HOUR,
        "notice_url": "https://www.example.jp/news/maintenance",
        "reason": "maintenance 42",
        "created_at": NOON - 48 * HOUR,
    }
    return Suspension(**(plain | changes))


def run(stop: Suspension) -> Suspension:
    assert stop.begin(now=stop.starts_at)
    return stop


# The interval


@pytest.mark.parametrize(
    ("at", "stops"),
    [
        (NOON - MOMENT, False),
        (NOON, True),
        (EVENING - MOMENT, True),
        (EVENING, False),
    ],
)
def test_requests_are_stopped_from_its_start_to_its_end_whatever_its_timers_do(at: datetime, stops: bool) -> None:
    assert suspension().runs(at) is stops


def test_one_that_has_begun_also_stops_what_was_received_a_moment_before() -> None:
    assert run(suspension()).runs(NOON - MOMENT)


def test_one_without_an_end_stops_until_it_is_lifted() -> None:
    stop = run(suspension(ends_at=None, treatment=Treatment.KEEP))

    assert stop.runs(NOON + timedelta(days=300))


@pytest.mark.parametrize("end", ["undo", "lift"])
def test_nothing_is_stopped_by_one_that_was_taken_back(end: str) -> None:
    stop = suspension() if end == "undo" else run(suspension())
    getattr(stop, end)(at=stop.starts_at - MOMENT if end == "undo" else NOON + HOUR, actor="key:desk", reason="over")

    assert not stop.runs(NOON + 2 * HOUR)
    assert not stop.covers(NOON, EVENING)


@pytest.mark.parametrize(
    ("why", "starts_at", "ends_at", "falls_into_it"),
    [
        ("ends as it starts", NOON - HOUR, NOON, False),
        ("runs into it", NOON - HOUR, NOON + MOMENT, True),
        ("inside", NOON + HOUR, NOON + 2 * HOUR, True),
        ("around it", NOON - HOUR, EVENING + HOUR, True),
        ("begins with its last moment", EVENING - MOMENT, EVENING + HOUR, True),
        ("begins as it ends", EVENING, EVENING + HOUR, False),
    ],
)
def test_a_call_falls_into_it_even_if_only_in_part(
    why: str,
    starts_at: datetime,
    ends_at: datetime,
    falls_into_it: bool,
) -> None:
    assert suspension().covers(starts_at, ends_at) is falls_into_it, why


def test_with_cancel_a_booking_may_be_moved_until_it_begins() -> None:
    assert suspension(treatment=Treatment.CANCEL).move_until(NOON + 3 * HOUR) == NOON


def test_with_move_a_booking_may_be_moved_until_an_hour_before_its_own_time() -> None:
    assert suspension(treatment=Treatment.MOVE).move_until(NOON + 3 * HOUR) == NOON + 3 * HOUR - MOVE_BEFORE


def test_with_move_the_first_bookings_have_until_it_begins() -> None:
    assert suspension(treatment=Treatment.MOVE).move_until(NOON + MOMENT) == NOON


@pytest.mark.parametrize("treatment", [Treatment.CANCEL, Treatment.MOVE])
def test_a_call_that_would_be_under_way_when_it_begins_may_be_moved_until_an_hour_before_its_own_time(
    treatment: Treatment,
) -> None:
    starts_at = NOON - timedelta(minutes=10)

    assert suspension(treatment=treatment).move_until(starts_at) == starts_at - MOVE_BEFORE


# Its moves


def test_it_does_not_begin_before_its_time() -> None:
    stop = suspension()

    assert not stop.begin(now=NOON - MOMENT)
    assert stop.status is Status.PLANNED


def test_it_begins_once() -> None:
    stop = run(suspension())

    assert not stop.begin(now=NOON + HOUR)


def test_one_whose_whole_time_was_slept_through_just_ends() -> None:
    stop = suspension()

    assert not stop.begin(now=EVENING)
    assert (stop.status, stop.ended_at) == (Status.ENDED, EVENING)


def test_it_does_not_end_before_its_time() -> None:
    stop = run(suspension())

    assert not stop.end(now=EVENING - MOMENT)
    assert stop.status is Status.RUNNING


def test_it_ends_at_its_time_once() -> None:
    stop = run(suspension())

    assert stop.end(now=EVENING)
    assert not stop.end(now=EVENING + HOUR)


def test_it_can_be_undone_until_it_begins() -> None:
    stop = suspension()

    stop.undo(at=NOON - MOMENT, actor="key:desk", reason="not needed")

    assert stop.status is Status.UNDONE


def test_it_cannot_be_undone_from_its_start_on_even_if_its_timer_is_late() -> None:
    stop = suspension()

    with pytest.raises(IllegalMove):
        stop.undo(at=NOON, actor="key:desk", reason="not needed")


def test_it_cannot_be_lifted_before_it_begins() -> None:
    with pytest.raises(IllegalMove):
        suspension().lift(at=NOON - MOMENT, actor="key:desk", reason="over")


def test_it_can_be_lifted_from_its_start_on_even_if_its_timer_is_late() -> None:
    stop = suspension()

    stop.lift(at=NOON, actor="key:desk", reason="over")

    assert stop.status is Status.LIFTED


def test_no_end_is_left_again() -> None:
    stop = run(suspension())
    stop.end(now=EVENING)

    with pytest.raises(IllegalMove):
        stop.lift(at=EVENING, actor="key:desk", reason="over")


@pytest.mark.parametrize(("notice_at", "prior"), [(NOON - HOUR, True), (None, False)])
def test_it_says_whether_there_is_prior_notice(notice_at: datetime | None, prior: bool) -> None:
    """B42."""
    assert suspension(notice_at=notice_at).prior_notice is prior
