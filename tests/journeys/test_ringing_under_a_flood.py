"""A call at once while everything else stands still: thousands of jobs wait, with no worker but of calls and sweeps.

So nothing of a call may wait in another queue: neither the webhook that tells of its ringing, nor its end.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
import requests
from sqlalchemy import func, select

from models.call import Call, EndReason, Status
from models.job import Job, Name, Queue
from tests.journeys.test_five_hundred_callers import open_for_ever
from tests.worker.webhook_receiver import Post, webhook_receiver
from worker.chance import new_id
from worker.clock import system_now, unix_ms

pytestmark = pytest.mark.timeout(300)

SHOP = "fred"
FLOOD = 3000
STANDING_STILL = ("worker-codes", "worker-bookings", "worker-delivery", "worker-webhooks", "flower")


@dataclass
class Rung:
    """What the shop's system was told, what became of the call, and what still waits."""

    told: list[Post]
    secret: str
    call: Call
    waiting: int


@pytest.fixture(scope="module")
def rung(
    run_stack: Callable[..., AbstractContextManager[Any]], until: Callable[[Callable[[], Any], str], Any]
) -> Iterator[Rung]:
    """Owe thousands of jobs that nobody does, then call, and let it ring in vain."""
    allowed = {"WEBHOOK_ALLOW_PRIVATE": "true"}
    with (
        webhook_receiver() as receiver,
        run_stack("postgresql", without=STANDING_STILL, settings=allowed) as running,
    ):
        open_for_ever(running.database, ring_seconds=2)
        endpoint = running.ask("/v1/webhook-endpoints", {"url": receiver.url, "types": ["call.ringing"]}).json()
        _flood(running.database)
        _put(running, f"/v1/shops/{SHOP}/staff/hana/presence", {"state": "idle"})
        governing = running.ask(f"/v1/shops/{SHOP}/availability").json()["terms"]
        terms = [{"id": each["id"], "version": each["version"]} for each in governing]
        wish = {"shop": SHOP, "accepted_terms": terms, "customer_ip": "192.0.2.1"}
        call_id = running.ask("/v1/calls", wish).json()["id"]
        until(lambda: receiver.posts, "the shop's system was told of the ringing")
        until(lambda: _call(running.database, call_id).status is Status.UNANSWERED, "the ringing ended")
        with running.database.snapshot() as session:
            others = select(func.count()).where(Job.name == Name.END_HOLD)
            yield Rung(
                list(receiver.posts),
                endpoint["secret"],
                _call(running.database, call_id),
                session.scalars(others).one(),
            )


def test_the_shops_system_is_told_of_the_ringing_though_no_other_job_is_done(rung: Rung) -> None:
    [post] = rung.told

    event = post.verified(rung.secret)
    assert (event["type"], event["data"]["call_id"]) == ("call.ringing", str(rung.call.id))
    assert rung.waiting == FLOOD


def test_a_ring_ends_by_itself_though_no_other_job_is_done(rung: Rung) -> None:
    assert rung.call.end_reason is EndReason.NO_ANSWER


def _flood(database: Any) -> None:
    """Owe jobs of the other queues, as a busy evening would; whoever did one would find no such booking."""
    queues = [queue for queue in Queue if queue not in {Queue.CALLS, Queue.SWEEPS}]
    now = system_now()
    with database.transaction() as session:
        session.add_all(
            Job(
                id=new_id(unix_ms()),
                name=Name.END_HOLD,
                queue=str(queues[number % len(queues)]),
                args={"booking_id": str(new_id(unix_ms()))},
                created_at=now,
                due_at=now,
            )
            for number in range(FLOOD)
        )


def _call(database: Any, call_id: str) -> Call:
    with database.snapshot() as session:
        found: Call = session.scalars(select(Call).where(Call.id == UUID(call_id))).one()
        return found


def _put(running: Any, path: str, body: dict[str, str]) -> None:
    headers = {"Authorization": f"Bearer {running.key}"}
    assert requests.put(f"{running.api}{path}", json=body, headers=headers, timeout=60).status_code == 200
