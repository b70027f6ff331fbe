"""The relay: what the broker does, or fails to do, is nothing to whoever enqueues."""

import json
import os
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import redis as redis_client
from sqlalchemy import select

import celeryconfig
from models.job import Job
from worker import jobs
from worker.app import app
from worker.chance import new_id
from worker.clock import clock, unix_ms
from worker.database import database as process_database
from worker.embedded import RedisServer
from worker.jobs import Link, enqueue, enqueue_chain
from worker.jobs import relay as relay_module
from worker.jobs.relay import Publisher, Relay, Ring, relay

SOCKET_SECONDS = celeryconfig.broker_transport_options["socket_timeout"]


@pytest.fixture
def key() -> UUID:
    return new_id(unix_ms())


@pytest.fixture
def frozen(broker: RedisServer) -> Iterator[RedisServer]:
    """A broker that can be frozen, and is thawed whatever the test does."""
    yield broker
    broker.thaw()


@pytest.fixture
def client(broker: RedisServer) -> redis_client.Redis:
    return redis_client.Redis.from_url(broker.url)


def owe(name: str = "test.note", **ids: Any) -> UUID:
    with process_database().transaction() as session:
        return enqueue(session, name, **ids)


def message_ids(client: Any) -> set[str]:
    return {json.loads(message)["headers"]["id"] for message in client.lrange("codes", 0, -1)}


def refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the app at an address where nobody listens."""
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://127.0.0.1:1/0")


def unrung(ledger: Any) -> int:
    with ledger.database.snapshot() as session:
        return len(session.scalars(select(Job.id).where(Job.rung_at.is_(None))).all())


def longest_enqueue(key: UUID, *, times: int = 20) -> float:
    """Return how long the slowest of some transactions took that owe one job each."""
    longest = 0.0
    for _ in range(times):
        begun = time.monotonic()
        owe(key=key)
        longest = max(longest, time.monotonic() - begun)
    return longest


def test_what_is_enqueued_reaches_the_broker(
    ledger: Any, enabled_relay: Relay, client: Any, until: Any, key: UUID
) -> None:
    job_id = owe(key=key)

    until(lambda: client.llen("codes"), "it was handed over")

    assert json.loads(client.lindex("codes", 0))["headers"]["id"] == str(job_id)


def test_a_thousand_jobs_of_one_transaction_are_all_handed_over(
    ledger: Any, bodies: Any, enabled_relay: Relay, client: Any, until: Any
) -> None:
    bodies.owe_notes(1000)

    until(lambda: client.llen("codes") == 1000, "all were handed over")

    assert ledger.owed() == 1000


def test_a_message_carries_ids_and_nothing_else(
    ledger: Any, enabled_relay: Relay, client: Any, until: Any, key: UUID
) -> None:
    job_id = owe("test.call", key=key, way="well")
    until(lambda: client.llen("codes"), "it was handed over")

    message = json.loads(client.lindex("codes", 0))

    arguments, keywords, _ = json.loads(b64decode(message["body"]))
    assert (arguments, keywords) == ([], {"key": str(key), "way": "well"})
    assert message["headers"]["task"] == "test.call"
    assert message["properties"]["correlation_id"] == str(job_id)


def test_a_chain_is_handed_over_as_one_celery_chain_with_the_links_ids(
    ledger: Any, enabled_relay: Relay, client: Any, until: Any, key: UUID
) -> None:
    with ledger.database.transaction() as session:
        chain_id = enqueue_chain(session, *(Link("test.note", {"key": key}) for _ in range(3)))
        rows = session.scalars(select(Job).order_by(Job.chain_position)).all()
        ids = [str(row.id) for row in rows]
    until(lambda: client.llen("codes"), "it was handed over")

    message = json.loads(client.lindex("codes", 0))

    _, _, canvas = json.loads(b64decode(message["body"]))
    # Celery keeps what is left of a chain with the next link last.
    left = [link["options"]["task_id"] for link in reversed(canvas["chain"])]
    assert [message["headers"]["id"], *left] == ids
    assert str(chain_id) == ids[0]
    assert all(link["immutable"] for link in canvas["chain"])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_broker_that_refuses_slows_nobody(
    ledger: Any, enabled_relay: Relay, environment: pytest.MonkeyPatch, key: UUID
) -> None:
    refuse(environment)

    assert longest_enqueue(key) < SOCKET_SECONDS / 2


def test_what_a_broker_refused_is_given_back_to_the_sweep(
    ledger: Any, bodies: Any, enabled_relay: Relay, environment: pytest.MonkeyPatch, until: Any
) -> None:
    refuse(environment)

    bodies.owe_notes(300)

    until(lambda: unrung(ledger) == 300, "all were given back")
    assert not relay().is_ready


def test_a_frozen_broker_slows_nobody(
    *, ledger: Any, enabled_relay: Relay, client: Any, frozen: RedisServer, until: Any, key: UUID
) -> None:
    longest_enqueue(key, times=5)
    until(lambda: client.llen("codes") == 5, "the connection stood")

    frozen.freeze()

    assert longest_enqueue(key) < SOCKET_SECONDS / 2


def test_what_a_frozen_broker_swallowed_is_handed_over_when_it_is_back(
    *,
    ledger: Any,
    bodies: Any,
    enabled_relay: Relay,
    client: Any,
    frozen: RedisServer,
    until: Any,
    monkeypatch: pytest.MonkeyPatch,
    key: UUID,
) -> None:
    monkeypatch.setitem(app.conf.broker_transport_options, "socket_timeout", 0.5)
    owe(key=key)
    until(lambda: client.llen("codes") == 1, "the connection stood")
    frozen.freeze()
    bodies.owe_notes(20)
    with ledger.database.snapshot() as session:
        owed = {str(job_id) for job_id in session.scalars(select(Job.id))}
    until(lambda: unrung(ledger) == 20, "the relay gave up on the broker")

    frozen.thaw()
    until(lambda: jobs.sweep() == 20, "the relay tried the broker again")

    # What the broker had read before it froze is there twice, perhaps.
    until(lambda: owed <= message_ids(client), "all were handed over")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_relay_whose_thread_has_died_starts_another(
    ledger: Any, enabled_relay: Relay, client: Any, until: Any, key: UUID
) -> None:
    dead = threading.Thread(target=lambda: None)
    dead.start()
    dead.join()
    enabled_relay._thread, enabled_relay._process = dead, os.getpid()

    owe(key=key)

    until(lambda: client.llen("codes"), "it was handed over")


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_relay_hands_over_after_a_fork(ledger: Any, enabled_relay: Relay, client: Any, until: Any, key: UUID) -> None:
    """The child inherits a thread that does not run, a lock that may be held and the parent's socket."""
    in_parent = owe(key=key)
    until(lambda: client.llen("codes") == 1, "the parent's thread ran")

    child = os.fork()
    if child == 0:
        ring = Ring(new_id(unix_ms()), "test.note", "codes", {"key": str(key)})
        enabled_relay.offer([ring])
        give_up = time.monotonic() + SOCKET_SECONDS * 4
        while redis_client.Redis.from_url(app.conf.broker_url).llen("codes") < 2 and time.monotonic() < give_up:
            time.sleep(0.02)
        os._exit(0)
    os.waitpid(child, 0)
    afterwards = owe(key=key)

    until(lambda: client.llen("codes") == 3, "parent and child handed over")
    assert {str(in_parent), str(afterwards)} < message_ids(client)


def test_giving_back_leaves_alone_what_is_being_called(ledger: Any, key: UUID) -> None:
    called, idle = owe("test.call", key=key), owe(key=key)
    now = clock().now()
    ledger.change(called, rung_at=now, claimed_until=now + timedelta(hours=1))
    ledger.change(idle, rung_at=now)

    relay_module._unring([Ring(called, "", "", {}), Ring(idle, "", "", {})])

    assert ledger.job(called).rung_at is not None
    assert ledger.job(idle).rung_at is None


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_giving_back_does_not_wait_for_a_body_that_is_running(ledger: Any, key: UUID) -> None:
    """SQLite has one writer, so no body runs while jobs are given back there."""
    running, idle = owe(key=key), owe(key=key)
    now = clock().now()
    ledger.change(running, rung_at=now)
    ledger.change(idle, rung_at=now)

    with ledger.database.transaction() as body:
        body.scalars(select(Job).where(Job.id == running).with_for_update()).one()
        relay_module._unring([Ring(running, "", "", {}), Ring(idle, "", "", {})])

    assert ledger.job(running).rung_at is not None
    assert ledger.job(idle).rung_at is None


def test_giving_back_a_chunk_gives_back_its_members(ledger: Any, key: UUID) -> None:
    members = (owe(key=key), owe(key=key))
    for member in members:
        ledger.change(member, rung_at=clock().now())

    relay_module._unring([Ring(key, "test.note", "codes", {}, members=members)])

    assert unrung(ledger) == 2


def test_a_database_that_is_away_does_not_stop_the_relay(environment: pytest.MonkeyPatch, key: UUID) -> None:
    environment.setenv("DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/nowhere")

    relay_module._unring([Ring(key, "test.note", "codes", {})])


def test_a_publisher_fails_once_and_opens_a_new_connection(
    broker: RedisServer, environment: pytest.MonkeyPatch, client: Any, key: UUID
) -> None:
    publisher = Publisher()
    ring = Ring(key, "test.note", "codes", {"key": str(key)})
    publisher.publish([ring])
    client.client_kill_filter(skipme=True)

    outcomes = [_try(lambda: publisher.publish([ring])) for _ in range(2)]

    assert outcomes[-1] == "published"


def _try(act: Callable[[], None]) -> str:
    try:
        act()
    except Exception as error:  # noqa: BLE001 - whatever the transport raises
        return type(error).__name__
    return "published"


# The end of a process


def test_what_waits_is_handed_over_before_the_process_ends(
    ledger: Any, enabled_relay: Relay, client: Any, key: UUID
) -> None:
    owed = [owe(key=key) for _ in range(20)]

    enabled_relay.close(within_seconds=30)

    assert message_ids(client) == {str(job_id) for job_id in owed}


def test_a_frozen_broker_keeps_no_process_from_ending(
    ledger: Any, enabled_relay: Relay, frozen: RedisServer, until: Any, key: UUID
) -> None:
    frozen.freeze()
    owe(key=key)
    begun = time.monotonic()

    enabled_relay.close(within_seconds=0.1)

    assert time.monotonic() - begun < SOCKET_SECONDS
    # It finds out by itself later, and gives the job back.
    until(lambda: unrung(ledger) == 1, "the job is given back")


def test_what_is_owed_after_the_end_is_left_to_the_sweep(ledger: Any, enabled_relay: Relay, key: UUID) -> None:
    enabled_relay.close(within_seconds=30)

    owe(key=key)

    assert not enabled_relay.is_ready
    assert unrung(ledger) == 1


def test_a_relay_that_was_closed_can_be_enabled_again(
    ledger: Any, enabled_relay: Relay, client: Any, until: Any, key: UUID
) -> None:
    owe(key=key)
    enabled_relay.close(within_seconds=30)
    enabled_relay.enable()

    owed = owe(key=key)

    until(lambda: str(owed) in message_ids(client), "it is handed over")
