"""How a job fails, backs off and is parked; that every name has a queue and says noun and deed."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.job import LONGEST_BACKOFF, MOST_FAILURES, MOST_STARTS, QUEUES, Job, Name, Queue

NOW = datetime(2025, 11, 20, 3, tzinfo=UTC)


def job(**columns: Any) -> Job:
    plain: dict[str, Any] = {"failures": 0, "starts": 0, "rings": 1, "rung_at": NOW, "due_at": NOW}
    return Job(id=UUID(int=1), name=Name.CONFIRM_BOOKING, **(plain | columns))


def test_every_job_has_a_queue() -> None:
    assert set(QUEUES) == set(Name)


def test_only_codes_have_the_queue_of_codes_to_themselves() -> None:
    assert [name for name, queue in QUEUES.items() if queue is Queue.CODES] == [Name.DISPATCH_CODE]


@pytest.mark.parametrize("name", [Name.CLOSE_ROOM, Name.LOOK_INTO_ROOM])
def test_what_waits_for_a_provider_keeps_nobody_waiting_at_a_screen(name: Name) -> None:
    assert QUEUES[name] not in {Queue.CODES, Queue.CALLS}


@pytest.mark.parametrize(
    "name", [Name.CLOSE_ROOM, Name.LOOK_INTO_ROOM, Name.TREAT_BOOKING, Name.RELEASE_SUSPENDED_HOLD]
)
def test_what_becomes_of_bookings_and_rooms_waits_behind_no_bulk_of_messages(name: Name) -> None:
    assert QUEUES[name] not in {Queue.DELIVERY, QUEUES[Name.REMIND_ON_EVE], QUEUES[Name.REACH_BOOKINGS]}


def test_a_failure_is_recorded_by_its_class_and_makes_the_job_due_again_later() -> None:
    it = job()

    it.fail("ValueError", now=NOW, jitter=1.0)

    assert (it.failures, it.last_error, it.rung_at, it.parked_at) == (1, "ValueError", None, None)
    assert it.due_at == NOW + timedelta(seconds=2)


@given(failures=st.integers(min_value=0, max_value=MOST_FAILURES - 2), jitter=st.floats(min_value=0, max_value=1))
def test_the_back_off_lies_between_a_second_and_ten_minutes(failures: int, jitter: float) -> None:
    it = job(failures=failures)

    it.fail("ValueError", now=NOW, jitter=jitter)

    assert it.due_at is not None
    assert timedelta(seconds=1) <= it.due_at - NOW <= LONGEST_BACKOFF


def test_the_tenth_failure_parks_it() -> None:
    it = job(failures=MOST_FAILURES - 1)

    it.fail("ValueError", now=NOW, jitter=0.5)

    assert (it.parked_at, it.rung_at) == (NOW, None)


def test_a_failure_leaves_a_claim_standing_because_the_call_may_still_be_under_way() -> None:
    claimed_until = NOW + timedelta(seconds=35)
    it = job(claimed_until=claimed_until)

    it.fail("OperationalError", now=NOW, jitter=0.5)

    assert it.claimed_until == claimed_until


def test_twenty_starts_without_an_end_park_it() -> None:
    """The first start is not counted: it writes nothing."""
    it = job()

    begun = [it.begin_again(now=NOW) for _ in range(MOST_STARTS)]

    assert begun.index(False) == MOST_STARTS - 1
    assert it.parked_at == NOW


@pytest.mark.parametrize(
    ("late", "rings", "is_rung"),
    [
        (timedelta(hours=2), 1, True),
        (timedelta(minutes=59), 1_000, True),
        (timedelta(hours=1), 239, True),
        (timedelta(hours=1), 240, False),
    ],
    ids=["everything was down", "the broker was down", "not quite an hour", "an hour"],
)
def test_a_name_that_is_unknown_is_rung_for_an_hour(late: timedelta, rings: int, is_rung: bool) -> None:
    it = job(rings=rings, due_at=NOW)

    rung = it.ring_unknown(lease=timedelta(seconds=15), now=NOW + late)

    assert (rung, it.parked_at is None) == (is_rung, is_rung)


def test_a_person_may_give_it_a_clean_start() -> None:
    it = job(failures=10, starts=7, parked_at=NOW)
    later = NOW + timedelta(hours=1)

    it.retry(now=later)

    assert (it.parked_at, it.failures, it.starts, it.rung_at, it.due_at) == (None, 0, 0, None, later)


@pytest.mark.parametrize("name", Name)
def test_a_wire_name_says_noun_and_deed(name: Name) -> None:
    noun, _, deed = name.partition(".")

    assert noun.isidentifier()
    assert deed.isidentifier()
    assert "_" in deed
