"""One handing-over after the other, or many at once: each job is done once, and fails as it should."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from celery.app.task import Context
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from models.base import database_time
from models.job import LONGEST_BACKOFF, MOST_FAILURES, MOST_STARTS, Job
from worker.chance import new_id
from worker.clock import clock, unix_ms
from worker.database import database as process_database
from worker.jobs import Link, Outcome, doing, enqueue, enqueue_chain, perform, perform_chunk


@pytest.fixture
def key() -> UUID:
    return new_id(unix_ms())


def owe(name: str, **ids: Any) -> UUID:
    with process_database().transaction() as session:
        return enqueue(session, name, **ids)


def test_a_job_is_done_and_its_row_is_gone(ledger: Any, key: UUID) -> None:
    job_id = owe("test.note", key=key)

    outcome = perform(job_id)

    assert (outcome, ledger.done(), ledger.owed()) == (Outcome.DONE, {str(key): 1}, 0)


def test_a_job_that_is_handed_over_twice_is_done_once(ledger: Any, key: UUID) -> None:
    job_id = owe("test.note", key=key)

    outcomes = [perform(job_id), perform(job_id)]

    assert (outcomes, ledger.done()) == ([Outcome.DONE, Outcome.SKIPPED], {str(key): 1})


def test_a_job_that_is_handed_over_ten_times_at_once_is_done_once(ledger: Any, key: UUID) -> None:
    job_id = owe("test.note_slowly", key=key, milliseconds=100)

    with ThreadPoolExecutor(10) as crowd:
        outcomes = list(crowd.map(perform, [job_id] * 10))

    assert sorted(outcome.name for outcome in outcomes) == ["DONE"] + ["SKIPPED"] * 9
    assert ledger.done() == {str(key): 1}


def test_a_call_that_is_handed_over_ten_times_at_once_is_made_once(ledger: Any, key: UUID) -> None:
    job_id = owe("test.call", key=key)

    with ThreadPoolExecutor(10) as crowd:
        list(crowd.map(perform, [job_id] * 10))

    assert (ledger.done("called"), ledger.done("recorded"), ledger.owed()) == ({str(key): 1}, {str(key): 1}, 0)


def test_a_body_that_raises_leaves_nothing_of_its_effect(ledger: Any, key: UUID) -> None:
    job_id = owe("test.fail", key=key)

    outcome = perform(job_id)

    assert (outcome, ledger.done("failed")) == (Outcome.FAILED, {})


def test_a_body_that_raises_is_due_again_after_a_back_off(ledger: Any, key: UUID) -> None:
    job_id = owe("test.fail", key=key)

    before = clock().now()
    perform(job_id)

    owed = ledger.job(job_id)
    assert owed.failures == 1
    assert owed.rung_at is None
    assert owed.due_at >= before + timedelta(seconds=1)


def test_the_back_off_grows_up_to_ten_minutes() -> None:
    now = datetime(2026, 4, 1, tzinfo=UTC)
    owed = Job(failures=0)

    waits = []
    for _ in range(MOST_FAILURES - 1):
        owed.fail("ValueError", now=now, jitter=1.0)
        assert owed.due_at is not None
        waits.append(owed.due_at - now)

    assert waits == sorted(waits)
    assert waits[0] == timedelta(seconds=2)
    assert waits[-1] == timedelta(seconds=512)
    assert waits[-1] < LONGEST_BACKOFF


def test_a_body_that_always_raises_is_parked_after_ten_failures(ledger: Any, key: UUID) -> None:
    job_id = owe("test.fail", key=key)

    outcomes = []
    for _ in range(MOST_FAILURES):
        ledger.change(job_id, due_at=clock().now())
        outcomes.append(perform(job_id))

    assert outcomes == [Outcome.FAILED] * (MOST_FAILURES - 1) + [Outcome.PARKED]
    assert ledger.job(job_id).parked_at is not None


def test_a_timer_that_is_rung_too_early_stays_owed_and_is_rung_again(ledger: Any, key: UUID) -> None:
    job_id = owe("test.note", key=key)
    ledger.change(job_id, timer_of=key, due_at=clock().now() + timedelta(seconds=1), rung_at=clock().now())

    assert perform(job_id) is Outcome.SKIPPED
    assert (ledger.done(), ledger.job(job_id).rung_at) == ({}, None)


def test_what_was_due_at_once_by_a_clock_that_is_ahead_is_done_at_once(ledger: Any, key: UUID) -> None:
    job_id = owe("test.note", key=key)
    ledger.change(job_id, due_at=clock().now() + timedelta(seconds=2))

    assert perform(job_id) is Outcome.DONE


def test_a_parked_job_is_not_done_however_often_it_is_handed_over(ledger: Any, key: UUID) -> None:
    job_id = owe("test.note", key=key)
    ledger.change(job_id, parked_at=clock().now())

    assert perform(job_id, ring=5) is Outcome.SKIPPED
    assert ledger.done() == {}


def test_a_parked_job_that_a_person_retries_starts_with_a_clean_record(ledger: Any, key: UUID) -> None:
    job_id = owe("test.fail_until_told", key=key)
    for _ in range(MOST_FAILURES):
        ledger.change(job_id, due_at=clock().now())
        perform(job_id)
    ledger.tell("told", key)

    with ledger.database.transaction() as session:
        session.get_one(Job, job_id).retry(now=clock().now())

    owed = ledger.job(job_id)
    assert (owed.failures, owed.starts, owed.parked_at, owed.rung_at) == (0, 0, None, None)
    assert perform(job_id) is Outcome.DONE


def test_an_error_shows_its_class_and_nowhere_its_text(
    ledger: Any, bodies: Any, key: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = owe("test.fail", key=key)

    with caplog.at_level(logging.DEBUG):
        for _ in range(MOST_FAILURES):
            perform(job_id)

    assert ledger.job(job_id).last_error == "ValueError"
    assert bodies.SECRET not in "".join(str(vars(record)) for record in caplog.records)


def test_a_body_that_never_comes_to_an_end_is_parked_after_twenty_starts(ledger: Any, key: UUID) -> None:
    job_id = owe("test.note", key=key)

    begun = [doing._begin_again(job_id) for _ in range(MOST_STARTS)]

    assert begun == [True] * (MOST_STARTS - 1) + [False]
    assert perform(job_id, ring=MOST_STARTS + 1) is Outcome.SKIPPED
    assert ledger.job(job_id).parked_at is not None


@pytest.mark.parametrize(
    ("ring", "redelivered", "number"),
    [
        pytest.param(None, False, 1, id="a link that Celery handed on"),
        pytest.param(1, False, 1, id="the first ring"),
        pytest.param(1, True, 2, id="a first ring whose process died, delivered again by the broker"),
        pytest.param(7, True, 7, id="a later ring, delivered again"),
    ],
)
def test_a_start_is_counted_when_there_may_have_been_one_before(
    ring: int | None, redelivered: bool, number: int
) -> None:
    request = Context(ring=ring, delivery_info={"redelivered": redelivered})

    assert doing._ring_number(request) == number


def test_being_rung_again_is_not_failing(ledger: Any, key: UUID) -> None:
    job_id = owe("test.note", key=key)
    ledger.change(job_id, rings=500, failures=0)

    assert perform(job_id, ring=500) is Outcome.DONE


def test_a_job_of_a_name_that_nobody_knows_fails_and_stays(ledger: Any, key: UUID) -> None:
    job_id = owe("test.note", key=key)
    ledger.change(job_id, name="test.of_a_newer_version")

    assert perform(job_id) is Outcome.FAILED
    assert ledger.job(job_id).last_error == "KeyError"


def test_a_database_that_cannot_be_reached_is_nobodys_failure(environment: pytest.MonkeyPatch, key: UUID) -> None:
    environment.setenv("DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/nowhere")

    with pytest.raises(OperationalError):
        perform(key)


# Chunks


def test_a_chunk_with_one_failing_member_does_the_others(ledger: Any, bodies: Any, bell: Any) -> None:
    keys = bodies.owe_notes(9, name="test.note_many")
    failing = bodies.owe_notes(1, name="test.note_many", fails=1)
    ids = [ring.job_id for ring in bell.rings]
    bell.rings.clear()

    outcomes = perform_chunk("test.note_many", ids)

    assert sorted(outcome.name for outcome in outcomes.values()) == ["DONE"] * 9 + ["FAILED"]
    assert ledger.done() == {str(key): 1 for key in keys}
    assert failing[0] not in keys


def test_the_failing_member_of_a_chunk_stays_owed_as_a_job_of_its_own(ledger: Any, bodies: Any, bell: Any) -> None:
    bodies.owe_notes(3, name="test.note_many")
    bodies.owe_notes(1, name="test.note_many", fails=1)

    perform_chunk("test.note_many", [ring.job_id for ring in bell.rings])

    with ledger.database.snapshot() as session:
        left = session.query(Job).filter(Job.name == "test.note_many").all()
        assert [(owed.failures, owed.last_error) for owed in left] == [(1, "ValueError")]


def test_what_a_failing_member_enqueued_is_not_handed_over(ledger: Any, bodies: Any, bell: Any) -> None:
    bodies.owe_notes(2, name="test.note_many")
    bodies.owe_notes(1, name="test.note_many", fails=1)
    ids = [ring.job_id for ring in bell.rings]
    bell.rings.clear()

    perform_chunk("test.note_many", ids)

    assert [ring.name for ring in bell.rings] == ["test.note"] * 2
    assert ledger.owed("test.note") == 2


def test_a_chunk_that_is_handed_over_ten_times_at_once_is_done_once(ledger: Any, bodies: Any, bell: Any) -> None:
    keys = bodies.owe_notes(20, name="test.note_many")
    ids = [ring.job_id for ring in bell.rings]

    with ThreadPoolExecutor(10) as crowd:
        list(crowd.map(lambda _: perform_chunk("test.note_many", ids), range(10)))

    assert ledger.done() == {str(key): 1 for key in keys}


def test_calls_to_the_outside_world_make_no_chunk(ledger: Any, key: UUID) -> None:
    with pytest.raises(TypeError):
        perform_chunk("test.call", [key])


# Calls to the outside world


def test_a_call_is_claimed_made_and_recorded(ledger: Any, key: UUID) -> None:
    assert perform(owe("test.call", key=key)) is Outcome.DONE

    assert [ledger.done(step)[str(key)] for step in ("claimed", "called", "recorded", "lost")] == [1, 1, 1, 0]
    assert ledger.owed() == 0


def test_a_claim_that_finds_nothing_to_do_calls_nobody(ledger: Any, key: UUID) -> None:
    assert perform(owe("test.call", key=key, way="nothing")) is Outcome.DONE

    assert (ledger.done("called"), ledger.owed()) == ({}, 0)


def leave_a_claim(ledger: Any, key: UUID, way: str, *, seconds: float) -> UUID:
    """As a process that was killed inside its call leaves it."""
    job_id = owe("test.call", key=key, way=way)
    with ledger.database.transaction() as session:
        now = session.scalars(select(database_time())).one()
        session.get_one(Job, job_id).claimed_until = now + timedelta(seconds=seconds)
    return job_id


def test_a_redelivery_within_the_lease_of_a_claim_does_nothing(ledger: Any, key: UUID) -> None:
    job_id = leave_a_claim(ledger, key, "well", seconds=60)

    assert perform(job_id, ring=2) is Outcome.SKIPPED
    assert (ledger.done("called"), ledger.done("lost"), ledger.owed()) == ({}, {}, 1)


def test_past_the_lease_of_a_claim_the_outcome_is_lost_once_and_never_called_again(ledger: Any, key: UUID) -> None:
    job_id = leave_a_claim(ledger, key, "well", seconds=-1)

    outcomes = [perform(job_id, ring=2), perform(job_id, ring=3)]

    assert outcomes == [Outcome.LOST, Outcome.SKIPPED]
    assert (ledger.done("called"), ledger.done("lost"), ledger.owed()) == ({}, {str(key): 1}, 0)


def test_a_loss_that_cannot_be_written_down_is_tried_again_and_the_call_is_not(ledger: Any, key: UUID) -> None:
    job_id = leave_a_claim(ledger, key, "losing-fails", seconds=-1)

    first = perform(job_id, ring=2)
    ledger.tell("told", key)
    second = perform(job_id, ring=3)

    assert (first, second) == (Outcome.FAILED, Outcome.LOST)
    assert (ledger.done("called"), ledger.done("lost")) == ({}, {str(key): 1})


def test_a_call_that_raises_is_lost_because_it_may_have_taken_effect(
    ledger: Any, bodies: Any, key: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    assert perform(owe("test.call", key=key, way="raises")) is Outcome.LOST

    assert (ledger.done("called"), ledger.done("lost"), ledger.owed()) == ({str(key): 1}, {str(key): 1}, 0)


def test_an_answer_that_comes_after_the_loss_is_still_written_down(ledger: Any, key: UUID) -> None:
    perform(owe("test.call", key=key, way="late"))

    assert (ledger.done("lost"), ledger.done("recorded"), ledger.owed()) == ({str(key): 1}, {str(key): 1}, 0)


def test_an_answer_is_kept_while_the_database_blinks(
    ledger: Any, bodies: Any, key: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    blinks = iter([OperationalError("", None, Exception()), OperationalError("", None, Exception())])
    record = bodies.Call.record

    def record_when_it_is_back(*given: Any) -> None:
        if (blink := next(blinks, None)) is not None:
            raise blink
        record(*given)

    monkeypatch.setattr(bodies.Call, "record", record_when_it_is_back)
    monkeypatch.setattr(doing, "_RECORD_PAUSES_SECONDS", (0.0, 0.0, 0.0))

    perform(owe("test.call", key=key))

    assert (ledger.done("called"), ledger.done("recorded"), ledger.owed()) == ({str(key): 1}, {str(key): 1}, 0)


def test_an_answer_that_cannot_be_recorded_leaves_the_claim_and_becomes_a_loss(ledger: Any, key: UUID) -> None:
    job_id = owe("test.call", key=key, way="unwritable")

    with pytest.raises(ValueError, match="canary"):
        perform(job_id)
    ledger.change(job_id, claimed_until=clock().now() - timedelta(hours=1))

    assert perform(job_id, ring=2) is Outcome.LOST
    assert (ledger.done("called"), ledger.done("lost")) == ({str(key): 1}, {str(key): 1})


def test_a_failure_elsewhere_does_not_break_a_claim_under_way(ledger: Any, key: UUID) -> None:
    job_id = leave_a_claim(ledger, key, "well", seconds=60)

    doing._record_failure(job_id, ValueError())

    assert perform(job_id, ring=2) is Outcome.SKIPPED
    assert ledger.done("called") == {}


# Chains


def test_a_links_row_makes_the_next_one_due_as_it_goes(ledger: Any, bodies: Any, bell: Any, key: UUID) -> None:
    bodies.owe_chain(key, new_id(unix_ms()))

    perform(bell.rings[0].job_id)

    following = ledger.only_job()
    assert (following.chain_position, following.rings) == (1, 1)
    assert following.due_at is not None
    assert following.rung_at is not None


@pytest.mark.parametrize(
    ("way", "outcome"),
    [
        pytest.param("well", Outcome.DONE, id="a call that ends well"),
        pytest.param("nothing", Outcome.DONE, id="a call that need not be made"),
        pytest.param("raises", Outcome.LOST, id="a call whose outcome is unknown"),
    ],
)
def test_a_link_that_calls_the_outside_world_makes_the_next_one_due(
    ledger: Any, bell: Any, key: UUID, way: str, outcome: Outcome
) -> None:
    with ledger.database.transaction() as session:
        enqueue_chain(session, Link("test.call", {"key": key, "way": way}), Link("test.note", {"key": key}))

    assert perform(bell.rings[0].job_id) is outcome

    following = ledger.only_job()
    assert following.name == "test.note"
    assert following.due_at is not None


def test_a_link_that_fails_keeps_the_links_after_it_waiting(ledger: Any, bodies: Any, bell: Any, key: UUID) -> None:
    bodies.owe_chain(key, key, name="test.fail")

    perform(bell.rings[0].job_id)

    assert ledger.job(bell.rings[0].rest[0].job_id).due_at is None
