"""A real worker, on a real broker, that nobody kills."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from models.job import Job
from worker import jobs
from worker.chance import new_id
from worker.clock import clock, unix_ms
from worker.database import database as process_database
from worker.jobs import Link, enqueue, enqueue_chain
from worker.jobs.relay import Publisher, Ring


def new_key() -> UUID:
    return new_id(unix_ms())


@pytest.fixture
def key() -> UUID:
    return new_key()


def owe(name: str, **ids: Any) -> UUID:
    with process_database().transaction() as session:
        return enqueue(session, name, **ids)


def test_a_job_is_done_without_any_sweep(staged: Any, until: Any, key: UUID) -> None:
    owe("test.note", key=key)

    until(lambda: staged.done()[str(key)], "it was done")

    assert staged.done()[str(key)] == 1


def test_the_same_message_ten_times_is_one_effect(staged: Any, drain: Any, key: UUID) -> None:
    with process_database().transaction() as session:
        job_id = enqueue(session, "test.note_slowly", key=key, milliseconds=100)
    ring = Ring(job_id, "test.note_slowly", "codes", {"key": str(key), "milliseconds": 100})

    Publisher().publish([ring] * 10)
    drain(staged)

    assert staged.done()[str(key)] == 1


def test_what_a_body_owes_is_handed_over_by_its_worker(staged: Any, until: Any, key: UUID) -> None:
    owe("test.owe_more", key=key)

    until(lambda: staged.done()[str(key)], "the second job was done, though nobody swept")

    assert (staged.done("owed")[str(key)], staged.done()[str(key)]) == (1, 1)


def test_a_chain_is_done_link_by_link_without_any_sweep(staged: Any, bodies: Any, until: Any) -> None:
    keys = [new_key() for _ in range(4)]
    bodies.owe_chain(*keys)

    until(lambda: staged.owed() == 0, "the last link was done")

    assert [done for done in staged.in_order() if UUID(done) in keys] == [str(key) for key in keys]


def test_a_chain_with_a_call_in_it_is_done_without_any_sweep(staged: Any, until: Any, key: UUID) -> None:
    with process_database().transaction() as session:
        enqueue_chain(
            session,
            Link("test.call", {"key": key}),
            Link("test.call", {"key": key, "way": "raises"}),
            Link("test.note", {"key": key}),
        )

    until(lambda: staged.owed() == 0, "the last link was done")

    assert (staged.done("called")[str(key)], staged.done("lost")[str(key)], staged.done()[str(key)]) == (2, 1, 1)


def test_a_chain_whose_first_link_arrives_twice_is_done_once(staged: Any, drain: Any) -> None:
    keys = [new_key() for _ in range(3)]
    with process_database().transaction() as session:
        enqueue_chain(session, *(Link("test.note", {"key": key}) for key in keys))
        session.flush()
        rows = session.scalars(select(Job).order_by(Job.chain_position)).all()
        ring = Ring.of(rows[0], rows[1:])

    Publisher().publish([ring, ring, ring])
    drain(staged)

    assert [staged.done()[str(key)] for key in keys] == [1, 1, 1]


def test_a_chain_goes_on_after_a_link_that_failed_for_a_while(staged: Any, drain: Any, until: Any) -> None:
    fails, follows = new_key(), new_key()
    with process_database().transaction() as session:
        enqueue_chain(session, Link("test.fail_until_told", {"key": fails}), Link("test.note", {"key": follows}))
    until(lambda: _failures(staged) > 0, "it failed")
    before = staged.done()[str(follows)]

    staged.tell("told", fails)
    drain(staged)

    assert before == 0
    assert (staged.done()[str(fails)], staged.done()[str(follows)]) == (1, 1)


def _failures(staged: Any) -> int:
    with staged.database.snapshot() as session:
        return sum(session.scalars(select(Job.failures)).all())


def test_a_chunk_with_a_failing_member_is_done_but_for_it(staged: Any, bodies: Any, drain: Any, until: Any) -> None:
    later = clock().now()
    with process_database().transaction() as session:
        good = [new_key() for _ in range(20)]
        for key in good:
            enqueue(session, "test.note_many", due_at=later + timedelta(milliseconds=500), key=key)
        bad = enqueue(session, "test.note_many", due_at=later + timedelta(milliseconds=500), key=new_key(), fails=1)

    until(lambda: [jobs.sweep(), _failures(staged)][-1], "the chunk was done")
    until(lambda: [jobs.sweep(), staged.owed() == 1][-1], "only the failing member was left")

    # Each member leaves a trace and owes a job that leaves another.
    assert [staged.done()[str(key)] for key in good] == [2] * 20
    assert staged.job(bad).last_error == "ValueError"
    staged.change(bad, parked_at=later)


def test_no_worker_ever_wrote_an_errors_text(staged: Any, bodies: Any, stage_log: Any, until: Any, key: UUID) -> None:
    job_id = owe("test.fail", key=key)
    call_id = owe("test.call", key=key, way="unwritable")
    until(lambda: staged.job(job_id).failures and "test.call: ValueError" in stage_log(), "both had failed")

    assert bodies.SECRET not in stage_log()
    staged.change(job_id, parked_at=clock().now())
    staged.change(call_id, parked_at=clock().now())
