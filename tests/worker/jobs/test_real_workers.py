"""Workers that are killed with -9, brokers that forget, beats by the pair: each job is done once all the same."""

import signal
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import redis as redis_client

from models.job import MOST_STARTS
from worker import jobs
from worker.chance import new_id
from worker.clock import clock, unix_ms
from worker.database import database as process_database
from worker.embedded import RedisServer
from worker.jobs import Link, enqueue, enqueue_chain
from worker.jobs.relay import Relay

SQLITE_ONLY = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
POSTGRESQL_ONLY = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def new_key() -> UUID:
    return new_id(unix_ms())


def owe(name: str, *, queue: str = "codes", **ids: Any) -> UUID:
    with process_database().transaction() as session:
        return enqueue(session, name, queue=queue, **ids)


def test_a_thousand_jobs_that_redis_forgot_are_each_done_once(
    *, ledger: Any, bodies: Any, broker: RedisServer, enabled_relay: Relay, workers: Any, drain: Any, until: Any
) -> None:
    keys = bodies.owe_notes(1000)
    client = redis_client.Redis.from_url(broker.url)
    until(lambda: client.llen("codes") == 1000, "all were handed over")

    client.flushall()
    workers.start()
    drain(ledger)

    assert ledger.done() == {str(key): 1 for key in keys}


@pytest.fixture
def struck(ledger: Any, enabled_relay: Relay, workers: Any) -> dict[str, UUID]:
    """Four workers, each killed with -9 at another instant, and a healthy one that comes after them."""
    keys = {point: new_key() for point in ("before", "inside", "after", "call", "first", "second", "third")}
    owe("test.die_inside", queue="bookings", key=keys["before"])
    owe("test.die_inside", queue="disclosure", key=keys["inside"])
    owe("test.call", queue="webhooks", key=keys["call"])
    # The worker on this queue dies when it has done a job, before Celery hands on the next link.
    with process_database().transaction() as session:
        enqueue_chain(
            session,
            *(Link("test.note", {"key": keys[link]}) for link in ("first", "second", "third")),
            queue="delivery",
        )
    doomed = [
        workers.start(queues=queue, TEST_KILL_AT=point)
        for queue, point in (
            ("bookings", "before"),
            ("disclosure", "inside"),
            ("webhooks", "call"),
            ("delivery", "after"),
        )
    ]
    for worker in doomed:
        assert worker.wait(60) == -signal.SIGKILL
    workers.start(queues="codes,bookings,disclosure,webhooks,delivery")
    return keys


def test_a_worker_killed_before_inside_or_after_a_transaction_leaves_each_effect_once(
    struck: dict[str, UUID], ledger: Any, drain: Any
) -> None:
    left_by_the_killed = ledger.done()

    drain(ledger)

    assert left_by_the_killed == {str(struck["first"]): 1}
    # A chain whose worker died after a link's commit goes on from the link after it.
    once = ("before", "inside", "first", "second", "third")
    assert ledger.done() == {str(struck[point]): 1 for point in once}
    chained = [key for key in ledger.in_order() if key in {str(struck[link]) for link in ("first", "second", "third")}]
    assert chained == [str(struck[link]) for link in ("first", "second", "third")]
    # A worker killed inside a call: nobody knows, so it is not called again.
    call = str(struck["call"])
    assert [ledger.done(step)[call] for step in ("called", "recorded", "lost")] == [1, 0, 1]


def test_a_backlog_longer_than_the_lease_breeds_no_duplicates(
    *, ledger: Any, bodies: Any, enabled_relay: Relay, workers: Any, drain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rings: Counter[UUID] = Counter()
    offer = enabled_relay.offer

    def count_and_offer(offered: Any) -> None:
        rings.update(ring.job_id for ring in offered if ring.name == "test.note_slowly")
        offer(offered)

    monkeypatch.setattr(enabled_relay, "offer", count_and_offer)
    workers.start(concurrency=1)

    keys = bodies.owe_notes(60, name="test.note_slowly", milliseconds=50)
    drain(ledger)

    assert ledger.done() == {str(key): 1 for key in keys}
    assert sum(rings.values()) / len(keys) <= 1.2


def test_two_beats_after_a_day_in_which_everything_was_down_ring_each_timer_once(
    ledger: Any, enabled_relay: Relay, workers: Any, two_beats: Any, until: Any
) -> None:
    due_at = clock().now() + timedelta(hours=1)
    keys = [new_key() for _ in range(50)]
    with process_database().transaction() as session:
        for key in keys:
            enqueue(session, "test.note", due_at=due_at, key=key)
    clock().advance(timedelta(days=1))

    two_beats()
    workers.start(queues="sweeps,codes")
    workers.start(queues="sweeps,codes")

    until(lambda: ledger.owed() == 0, "all were done, though nobody swept but the beats")
    assert ledger.done() == {str(key): 1 for key in keys}


@pytest.fixture
def two_beats(tmp_path: Path, workers: Any) -> Any:
    """Start two schedulers at once, which is one more than Celery allows."""

    def start() -> None:
        for number in range(2):
            workers.run("beat", "-s", str(tmp_path / f"beat{number}"))

    return start


@POSTGRESQL_ONLY
def test_a_body_that_kills_its_process_is_parked_at_the_limit(
    ledger: Any, enabled_relay: Relay, workers: Any, until: Any, tmp_path: Path
) -> None:
    """With a limit of three starts and one worker at a time, so that each start can be counted."""
    job_id = owe("test.kill_itself", key=new_key())
    starts = tmp_path / "starts"
    restart = workers.keep_alive(concurrency=1, TEST_MOST_STARTS="3", TEST_STARTS_FILE=str(starts))

    until(lambda: [restart(), jobs.sweep(), ledger.job(job_id).parked_at][-1], "it was parked")

    assert len(starts.read_text().splitlines()) == 3


@SQLITE_ONLY
@pytest.mark.parametrize("short_lease", [0.3], indirect=True)
def test_a_body_that_kills_its_process_is_parked_after_twenty_starts(
    ledger: Any, enabled_relay: Relay, workers: Any, until: Any, tmp_path: Path
) -> None:
    """With workers that take turns, since most of the time goes into starting them."""
    job_id = owe("test.kill_itself", key=new_key())
    starts = tmp_path / "starts"
    restarts = [workers.keep_alive(concurrency=1, TEST_STARTS_FILE=str(starts)) for _ in range(3)]

    until(lambda: [*(restart() for restart in restarts), jobs.sweep(), ledger.job(job_id).parked_at][-1], "it parked")

    assert ledger.job(job_id).starts == MOST_STARTS
    # One that is killed along with another was counted, but did not get as far as its body.
    assert MOST_STARTS / 2 < len(starts.read_text().splitlines()) <= MOST_STARTS


def test_a_child_of_a_prefork_pool_hands_over_what_its_bodies_owe(
    ledger: Any, enabled_relay: Relay, workers: Any, until: Any
) -> None:
    keys = [new_key() for _ in range(20)]
    for key in keys:
        owe("test.owe_more", key=key)

    workers.start(pool="prefork", concurrency=2)

    until(lambda: ledger.owed() == 0, "the jobs of the jobs were done, though nobody swept")
    assert ledger.done() == {str(key): 1 for key in keys}


@POSTGRESQL_ONLY
def test_a_broker_killed_in_the_middle_loses_and_doubles_nothing(
    *, ledger: Any, bodies: Any, broker: RedisServer, enabled_relay: Relay, workers: Any, drain: Any, until: Any
) -> None:
    links = [new_key() for _ in range(40)]
    with process_database().transaction() as session:
        enqueue_chain(session, *(Link("test.note_slowly", {"key": key, "milliseconds": 50}) for key in links))
    keys = links + bodies.owe_notes(200, name="test.note_slowly", milliseconds=10)
    workers.start(concurrency=4)
    until(lambda: ledger.done()[str(links[2])], "it was in the middle")

    broker.kill()
    keys += bodies.owe_notes(50)
    broker.start()
    drain(ledger)

    assert ledger.done() == {str(key): 1 for key in keys}
    assert [key for key in ledger.in_order() if UUID(key) in links] == [str(key) for key in links]
