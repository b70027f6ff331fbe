"""The sweep rings what is due; a mark tells what was lost from what merely waits."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from models.base import database_time
from models.job import QUEUES, Job, Queue, QueueMark
from worker import jobs
from worker.chance import new_id
from worker.clock import clock, unix_ms
from worker.commands.jobs import main as list_jobs
from worker.database import database as process_database
from worker.jobs import enqueue, mark_returned, perform, perform_chunk, ringing
from worker.jobs.relay import Ring, relay


@pytest.fixture
def key() -> UUID:
    return new_id(unix_ms())


def owe(name: str, *, due_at: datetime | None = None, **ids: Any) -> UUID:
    with process_database().transaction() as session:
        return enqueue(session, name, due_at=due_at, **ids)


def ring_long_ago(*job_ids: UUID, by: timedelta = timedelta(seconds=10)) -> None:
    """Make rows look as if they had been rung a while ago."""
    with process_database().transaction() as session:
        now = session.scalars(select(database_time())).one()
        session.execute(update(Job).where(Job.id.in_(job_ids)).values(rung_at=now - by, rings=1))


def job_rings(bell: Any) -> list[Ring]:
    return [ring for ring in bell.rings if ring.name != "jobs.return_mark"]


def marks(bell: Any) -> list[Ring]:
    return [ring for ring in bell.rings if ring.name == "jobs.return_mark"]


def bring_back(mark: Ring) -> int:
    return mark_returned(mark.args["queue"], datetime.fromisoformat(mark.args["sent_at"]))


def test_a_crash_between_commit_and_handing_over_is_mended_by_a_mark(ledger: Any, bell: Any, key: UUID) -> None:
    job_id = owe("test.note", key=key)
    bell.rings.clear()  # what dies with a process after its commit
    ring_long_ago(job_id)

    jobs.sweep()
    bring_back(bell.rings.pop())
    jobs.sweep()

    assert [(ring.job_id, ring.number) for ring in job_rings(bell)] == [(job_id, 2)]


def test_a_job_that_could_not_be_handed_over_is_rung_by_the_next_sweep(ledger: Any, bell: Any, key: UUID) -> None:
    bell.error = ConnectionError()
    job_id = owe("test.note", key=key)
    bell.error = None
    relay()._quiet_until = float("-inf")

    jobs.sweep()

    assert [ring.job_id for ring in bell.rings] == [job_id]


def test_a_timer_that_fell_due_while_everything_was_down_for_a_day_is_rung_at_once(
    ledger: Any, bell: Any, key: UUID
) -> None:
    job_id = owe("test.note", due_at=clock().now() + timedelta(hours=1), key=key)

    jobs.sweep()
    early = list(bell.rings)
    clock().advance(timedelta(days=1))
    jobs.sweep()

    assert early == []
    assert [(ring.job_id, ring.number) for ring in bell.rings] == [(job_id, 1)]


def test_a_due_job_is_rung_by_one_of_many_sweeps_at_once(ledger: Any, bell: Any, bodies: Any) -> None:
    later = clock().now() + timedelta(seconds=1)
    ids = {owe("test.note", due_at=later, key=new_id(unix_ms())) for _ in range(30)}
    clock().advance(timedelta(minutes=1))

    with ThreadPoolExecutor(6) as crowd:
        list(crowd.map(lambda _: jobs.sweep(), range(6)))

    assert Counter(ring.job_id for ring in bell.rings) == dict.fromkeys(ids, 1)


def test_a_sweep_counts_each_ring_once(ledger: Any, bell: Any, key: UUID) -> None:
    later = clock().now() + timedelta(seconds=1)
    alone = owe("test.note", due_at=later, key=key)
    bulk = owe("test.note_many", due_at=later, key=key)
    clock().advance(timedelta(minutes=1))

    jobs.sweep()

    assert [ledger.job(alone).rings, ledger.job(bulk).rings] == [1, 1]


def test_a_rung_job_is_not_rung_again_because_it_waits_long(ledger: Any, bell: Any, key: UUID) -> None:
    job_id = owe("test.note", key=key)
    ring_long_ago(job_id, by=timedelta(hours=1))
    bell.rings.clear()

    for _ in range(5):
        jobs.sweep()

    assert job_rings(bell) == []


def test_a_mark_is_sent_once_while_it_is_under_way(ledger: Any, bell: Any, key: UUID) -> None:
    ring_long_ago(owe("test.note", key=key))
    bell.rings.clear()

    for _ in range(5):
        jobs.sweep()

    assert len(marks(bell)) == 1


def test_two_sweeps_at_once_send_one_mark(ledger: Any, bell: Any, key: UUID) -> None:
    ring_long_ago(owe("test.note", key=key))
    bell.rings.clear()

    with ThreadPoolExecutor(6) as crowd:
        list(crowd.map(lambda _: jobs.sweep(), range(6)))

    assert len(marks(bell)) == 1


def test_a_mark_that_was_lost_itself_is_followed_by_another(ledger: Any, bell: Any, key: UUID) -> None:
    ring_long_ago(owe("test.note", key=key))
    jobs.sweep()
    with ledger.database.transaction() as session:
        sent_at = ledger.mark().sent_at
        session.get_one(QueueMark, "codes").sent_at = sent_at - timedelta(minutes=1)
    bell.rings.clear()

    jobs.sweep()

    assert len(marks(bell)) == 1


def test_where_nothing_was_rung_long_ago_no_mark_is_sent(ledger: Any, bell: Any, key: UUID) -> None:
    owe("test.note", key=key)

    jobs.sweep()

    assert marks(bell) == []


def test_a_mark_brings_back_what_was_rung_a_lease_before_it_and_nothing_later(
    ledger: Any, bell: Any, key: UUID
) -> None:
    lost, fresh = owe("test.note", key=key), owe("test.note", key=key)
    ring_long_ago(lost)
    bell.rings.clear()
    jobs.sweep()

    brought_back = bring_back(bell.rings[0])

    assert brought_back == 1
    assert ledger.job(lost).rung_at is None
    assert ledger.job(fresh).rung_at is not None


def test_a_mark_of_one_queue_says_nothing_about_another(ledger: Any, bell: Any, key: UUID) -> None:
    with ledger.database.transaction() as session:
        elsewhere = enqueue(session, "test.note", queue=Queue.DELIVERY, key=key)
    ring_long_ago(elsewhere)

    assert mark_returned("codes", clock().now()) == 0


def test_a_mark_that_comes_out_twice_or_late_changes_nothing(ledger: Any, bell: Any, key: UUID) -> None:
    ring_long_ago(owe("test.note", key=key))
    bell.rings.clear()
    jobs.sweep()
    mark = bell.rings.pop()
    bring_back(mark)
    jobs.sweep()

    again = bring_back(mark)

    assert again == 0
    assert ledger.mark().returned_at == ledger.mark().sent_at


def claim(job_id: UUID, *, seconds: float) -> None:
    with process_database().transaction() as session:
        now = session.scalars(select(database_time())).one()
        session.get_one(Job, job_id).claimed_until = now + timedelta(seconds=seconds)


def test_a_mark_leaves_alone_what_is_being_called(ledger: Any, bell: Any, key: UUID) -> None:
    job_id = owe("test.call", key=key)
    ring_long_ago(job_id)
    claim(job_id, seconds=60)

    assert mark_returned("codes", clock().now()) == 0


def test_a_mark_brings_back_a_claim_that_outlived_its_lease(ledger: Any, bell: Any, key: UUID) -> None:
    job_id = owe("test.call", key=key)
    ring_long_ago(job_id)
    claim(job_id, seconds=-1)

    assert mark_returned("codes", clock().now()) == 1


def test_a_mark_leaves_a_parked_job_parked(ledger: Any, bell: Any, key: UUID) -> None:
    job_id = owe("test.note", key=key)
    ring_long_ago(job_id)
    ledger.change(job_id, parked_at=clock().now())

    assert mark_returned("codes", clock().now()) == 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_mark_neither_waits_for_a_body_that_is_running_nor_rings_it(ledger: Any, bell: Any, key: UUID) -> None:
    """SQLite has one writer, so no body runs while a mark comes back there."""
    running, lost = owe("test.note", key=key), owe("test.note", key=key)
    ring_long_ago(running, lost)

    with ledger.database.transaction() as body:
        body.scalars(select(Job).where(Job.id == running).with_for_update()).one()
        brought_back = mark_returned("codes", clock().now())

    assert brought_back == 1
    assert ledger.job(running).rung_at is not None


# Bulk


def test_fresh_bulk_jobs_that_fall_due_together_go_by_the_hundred(ledger: Any, bell: Any) -> None:
    later = clock().now() + timedelta(seconds=1)
    with ledger.database.transaction() as session:
        ids = {enqueue(session, "test.note_many", due_at=later, key=new_id(unix_ms())) for _ in range(250)}
    clock().advance(timedelta(minutes=1))

    jobs.sweep()

    assert sorted(len(ring.members) for ring in bell.rings) == [50, 100, 100]
    assert {member for ring in bell.rings for member in ring.members} == ids


def test_a_bulk_job_that_was_rung_before_goes_alone(ledger: Any, bell: Any, key: UUID) -> None:
    job_id = owe("test.note_many", key=key)
    ledger.change(job_id, rung_at=None, rings=1)
    bell.rings.clear()

    jobs.sweep()

    assert [(ring.job_id, ring.number, ring.members) for ring in bell.rings] == [(job_id, 2, ())]


def test_a_bulk_job_that_failed_in_its_chunk_goes_alone(ledger: Any, bell: Any, key: UUID) -> None:
    job_id = owe("test.note_many", key=key, fails=1)
    perform_chunk("test.note_many", [job_id])
    clock().advance(timedelta(hours=1))
    bell.rings.clear()

    jobs.sweep()

    assert [(ring.job_id, ring.members) for ring in bell.rings] == [(job_id, ())]


def test_a_chains_link_of_a_bulk_name_is_rung_as_a_chain(ledger: Any, bell: Any, bodies: Any, key: UUID) -> None:
    bodies.owe_chain(key, key, name="test.note_many")
    with ledger.database.transaction() as session:
        session.execute(update(Job).values(rung_at=None, rings=0))
    bell.rings.clear()

    jobs.sweep()

    assert [(ring.members, len(ring.rest)) for ring in bell.rings] == [((), 1)]


# Chains


def test_a_broken_chain_is_rung_from_its_first_remaining_link(ledger: Any, bell: Any, bodies: Any, key: UUID) -> None:
    bodies.owe_chain(key, key, key)
    first = bell.rings.pop()
    perform(first.job_id)
    ring_long_ago(first.rest[0].job_id)  # Celery's own hand-on was lost

    jobs.sweep()
    bring_back(bell.rings.pop())
    jobs.sweep()

    second = job_rings(bell)[0]
    assert second.job_id == first.rest[0].job_id
    assert [link.job_id for link in second.rest] == [first.rest[1].job_id]


# Not too many


def test_a_queue_holds_so_many_rung_jobs_and_the_rest_wait_in_the_database(
    ledger: Any, bell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ringing, "MOST_RUNG", 20)
    later = clock().now() + timedelta(seconds=1)
    for _ in range(30):
        owe("test.note", due_at=later, key=new_id(unix_ms()))
    clock().advance(timedelta(minutes=1))

    rung = [jobs.sweep(), jobs.sweep()]

    assert rung == [20, 0]


def test_a_sweep_where_nobody_can_hand_over_rings_nothing(ledger: Any, key: UUID) -> None:
    job_id = owe("test.note", key=key)

    assert jobs.sweep() == 0
    assert ledger.job(job_id).rings == 0


# Names that nobody knows

LEASES_AN_HOUR = 3600
"""The lease is a second here."""


@pytest.fixture
def unknown(ledger: Any, bell: Any, key: UUID, monkeypatch: pytest.MonkeyPatch) -> UUID:
    """A job that another version owes, or owed."""
    monkeypatch.setitem(QUEUES, "test.of_another_version", Queue.CODES)
    job_id = owe("test.of_another_version", key=key)
    bell.rings.clear()
    return job_id


def ring_all_through_an_hour(ledger: Any, job_id: UUID, *, rings: int = LEASES_AN_HOUR) -> None:
    clock().advance(timedelta(hours=1))
    ledger.change(job_id, rung_at=None, rings=rings)


def test_a_job_of_a_newer_version_is_rung_by_an_older_one_while_a_release_is_rolled_out(
    ledger: Any, bell: Any, unknown: UUID
) -> None:
    clock().advance(timedelta(minutes=59))
    ledger.change(unknown, rung_at=None, rings=LEASES_AN_HOUR - 60)

    jobs.sweep()

    assert [ring.job_id for ring in job_rings(bell)] == [unknown]
    assert ledger.job(unknown).parked_at is None


def test_a_name_that_nobody_knew_for_an_hour_is_parked_with_an_alarm(
    ledger: Any, bell: Any, unknown: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    ring_all_through_an_hour(ledger, unknown)

    for _ in range(3):
        jobs.sweep()

    alarms = [line for line in caplog.records if line.levelname == "ERROR"]
    assert [(line.__dict__["job"], line.__dict__["job_id"]) for line in alarms] == [
        ("test.of_another_version", str(unknown))
    ]
    assert job_rings(bell) == []
    assert ledger.job(unknown).parked_at is not None


def test_the_command_that_lists_parked_jobs_says_that_nobody_knows_the_name(
    ledger: Any, unknown: UUID, capsys: pytest.CaptureFixture[str]
) -> None:
    ring_all_through_an_hour(ledger, unknown)
    jobs.sweep()

    list_jobs(["list", "--state", "parked"])

    listed = capsys.readouterr().out
    assert f"{unknown}  test.of_another_version" in listed
    assert "no worker knows this name" in listed


def test_what_is_merely_late_after_a_pause_of_everything_is_rung(ledger: Any, bell: Any, unknown: UUID) -> None:
    ring_all_through_an_hour(ledger, unknown, rings=1)

    jobs.sweep()

    assert [ring.job_id for ring in job_rings(bell)] == [unknown]


def test_what_was_rung_often_at_a_broker_that_was_down_is_rung_until_the_hour_is_over(
    ledger: Any, bell: Any, unknown: UUID
) -> None:
    ledger.change(unknown, rung_at=None, rings=2 * LEASES_AN_HOUR)

    jobs.sweep()

    assert [ring.job_id for ring in job_rings(bell)] == [unknown]


def test_a_name_that_is_known_is_rung_however_often_it_was(ledger: Any, bell: Any, key: UUID) -> None:
    job_id = owe("test.note", key=key)
    bell.rings.clear()
    ring_all_through_an_hour(ledger, job_id, rings=10 * LEASES_AN_HOUR)

    jobs.sweep()

    assert [ring.job_id for ring in job_rings(bell)] == [job_id]


def test_beside_what_is_parked_the_others_are_rung(ledger: Any, bell: Any, unknown: UUID, key: UUID) -> None:
    later = clock().now() + timedelta(minutes=30)
    other = owe("test.note", due_at=later, key=key)
    ring_all_through_an_hour(ledger, unknown)

    jobs.sweep()

    assert [ring.job_id for ring in job_rings(bell)] == [other]
    assert ledger.job(other).rings == 1


def test_a_person_who_retries_it_gives_it_another_hour(ledger: Any, bell: Any, unknown: UUID) -> None:
    ring_all_through_an_hour(ledger, unknown)
    jobs.sweep()

    list_jobs(["retry", str(unknown), "--reason", "the worker is installed"])
    jobs.sweep()

    assert [ring.job_id for ring in job_rings(bell)] == [unknown]
