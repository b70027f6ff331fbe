"""What is owed is written with the change that makes it necessary, or not at all."""

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from models.job import Job
from worker.chance import new_id
from worker.clock import clock, unix_ms
from worker.database import database as process_database
from worker.jobs import Outcome, drop_timers, enqueue, perform


@pytest.fixture
def key() -> UUID:
    return new_id(unix_ms())


def test_a_transaction_that_is_rolled_back_owes_nothing_and_rings_nobody(ledger: Any, bell: Any, key: UUID) -> None:
    def enqueue_and_fail() -> None:
        with ledger.database.transaction() as session:
            enqueue(session, "test.note", key=key)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        enqueue_and_fail()

    assert (ledger.owed(), bell.rings) == (0, [])


def test_a_job_is_handed_over_after_the_commit_and_not_before(ledger: Any, bell: Any, key: UUID) -> None:
    with ledger.database.transaction() as session:
        job_id = enqueue(session, "test.note", key=key)
        session.flush()
        before = list(bell.rings)

    assert before == []
    assert [ring.job_id for ring in bell.rings] == [job_id]


def test_a_job_for_later_is_handed_over_by_nobody_yet(ledger: Any, bell: Any, key: UUID) -> None:
    with ledger.database.transaction() as session:
        job_id = enqueue(session, "test.note", due_at=clock().now() + timedelta(hours=1), key=key)

    assert bell.rings == []
    assert ledger.job(job_id).rung_at is None


def test_where_nobody_can_hand_over_a_job_it_stays_unrung(ledger: Any, key: UUID) -> None:
    with ledger.database.transaction() as session:
        job_id = enqueue(session, "test.note", key=key)

    assert (ledger.job(job_id).rung_at, ledger.job(job_id).rings) == (None, 0)


@pytest.mark.parametrize(
    "argument",
    [
        pytest.param("+819000001234", id="a phone number"),
        pytest.param("taro@example.jp", id="a mail address"),
        pytest.param("https://example.jp/t/abc", id="an URL"),
        pytest.param("山田", id="a name"),
        pytest.param("", id="nothing"),
        pytest.param("a" * 65, id="a text"),
        pytest.param(1.5, id="a fraction"),
        pytest.param(None, id="none"),
        pytest.param(["a"], id="a list"),
        pytest.param(b"a", id="bytes"),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_not_an_id_is_refused(ledger: Any, argument: Any) -> None:
    with pytest.raises(TypeError), ledger.database.transaction() as session:
        enqueue(session, "test.note", key=argument)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_refusal_does_not_quote_what_it_refused(ledger: Any) -> None:
    with pytest.raises(TypeError) as refusal, ledger.database.transaction() as session:
        enqueue(session, "test.note", key="taro@example.jp")

    assert "taro" not in str(refusal.value)


# Timers


def owe_timer(subject: UUID) -> UUID:
    due_at = clock().now() + timedelta(days=1)
    with process_database().transaction() as session:
        return enqueue(session, "test.leave_state", due_at=due_at, timer_of=subject, subject=subject)


def test_leaving_a_state_drops_its_timers_and_no_others(ledger: Any, key: UUID) -> None:
    other = owe_timer(new_id(unix_ms()))
    owe_timer(key)
    owe_timer(key)

    with ledger.database.transaction() as session:
        dropped = drop_timers(session, key)

    assert dropped == 2
    assert ledger.only_job().id == other


def test_a_timer_whose_body_drops_the_timers_of_its_subject_drops_itself(ledger: Any, key: UUID) -> None:
    job_id = owe_timer(key)
    owe_timer(key)
    ledger.change(job_id, due_at=clock().now())

    assert perform(job_id) is Outcome.DONE
    assert (ledger.done("left"), ledger.owed()) == ({str(key): 1}, 0)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_timer_that_is_running_is_skipped_and_not_waited_for(ledger: Any, key: UUID) -> None:
    """SQLite has one writer, so nothing runs while timers are dropped there."""
    running, waiting = owe_timer(key), owe_timer(key)

    with ledger.database.transaction() as body:
        body.scalars(select(Job).where(Job.id == running).with_for_update()).one()
        with ledger.database.transaction() as leaving:
            dropped = drop_timers(leaving, key)

    assert dropped == 1
    assert ledger.only_job().id == running
    assert ledger.job(waiting) is None


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_timer_and_whoever_leaves_its_state_do_not_deadlock(ledger: Any, bodies: Any, key: UUID) -> None:
    """The timer locks its row and wants the subject; the other holds the subject and drops the timer."""
    timer = owe_timer(key)
    has_row, has_subject = threading.Event(), threading.Event()
    errors: list[Exception] = []

    def run_timer() -> None:
        try:
            with ledger.database.transaction() as session:
                session.scalars(select(Job).where(Job.id == timer).with_for_update()).one()
                has_row.set()
                has_subject.wait()
                session.connection().exec_driver_sql("UPDATE clock SET offset_seconds = offset_seconds + 1")
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            errors.append(error)

    thread = threading.Thread(target=run_timer)
    thread.start()
    has_row.wait()
    with ledger.database.transaction() as session:
        session.connection().exec_driver_sql("UPDATE clock SET offset_seconds = offset_seconds + 1")
        has_subject.set()
        dropped = drop_timers(session, key)
    thread.join()

    assert (errors, dropped) == ([], 0)


# SQLite


def test_eight_processes_that_increment_a_hundred_times_each_make_800(
    tmp_path: Path, sqlite_template: Path, eight_processes: Any
) -> None:
    file = tmp_path / "counted.db"
    file.write_bytes(sqlite_template.read_bytes())

    counted = eight_processes(f"sqlite:///{file}", times=100)

    assert counted == 800
