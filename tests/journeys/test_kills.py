"""Every kind of process is killed with -9 in the middle of bookings; the vendor's own ledger says what came of them."""

import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from models.booking import Booking, Status
from models.message import Attempt, Kind, Message, State
from worker.clock import system_now

# A stack must come up and a story be played before the first claim; on a busy machine that takes its time.
pytestmark = pytest.mark.timeout(300)

SHOP = "queens-court"
AT_ONCE = 8
PREFORK = ("--pool threads --concurrency 8", "--pool prefork --concurrency 2")

Kill = Callable[[Any], None]


def kill(name: str) -> Kill:
    return lambda running: running.stack.kill(name)


def kill_a_child_of(name: str) -> Kill:
    def act(running: Any) -> None:
        parent = running.stack.pids[name]
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)

    return act


def kill_redis(running: Any) -> None:
    running.redis.kill()
    running.redis.start()


@dataclass(frozen=True)
class Plan:
    """What is killed once so many bookings are complete."""

    database: str
    bookings: int
    one_worker: bool
    kills: Sequence[tuple[int, Kill]]
    changed: dict[str, tuple[str, str]] = field(default_factory=dict)


EVERYTHING = Plan(
    database="postgresql",
    bookings=50,
    one_worker=False,
    kills=(
        (3, kill("worker-codes")),
        (8, kill_a_child_of("worker-bookings")),
        (13, kill("api")),
        (18, kill("worker-bookings")),
        (24, kill_redis),
        (30, kill("beat")),
        (30, kill("worker-sweeps")),
        (36, kill("worker-delivery")),
        (42, kill_redis),
    ),
    changed={"worker_bookings": PREFORK},
)
ON_SQLITE = Plan(
    database="sqlite",
    bookings=20,
    one_worker=True,
    kills=((3, kill("worker-all")), (7, kill("api")), (11, kill_redis), (15, kill("beat")), (15, kill("worker-all"))),
)


@dataclass
class Aftermath:
    """What stands in the rows and in the ledger when all is quiet again."""

    held: list[str]
    confirmed: list[str]
    statuses: dict[UUID, Status]
    messages: list[Message]
    attempts: list[Attempt]
    deliveries: dict[str, int]
    unfinished: dict[str, int]
    killed_at: list[datetime]

    def of(self, booking_id: str, kind: Kind) -> list[Message]:
        """Return the messages of this kind for a booking."""
        return [each for each in self.messages if each.booking_id == UUID(booking_id) and each.kind is kind]

    @property
    def unknown(self) -> list[Message]:
        """The messages of which nobody knows whether they were sent."""
        return [each for each in self.messages if each.state is State.UNKNOWN]


@pytest.fixture(
    scope="module", params=[EVERYTHING, ON_SQLITE], ids=["every-process-on-postgresql", "one-worker-on-sqlite"]
)
def aftermath(
    request: pytest.FixtureRequest,
    run_stack: Callable[..., AbstractContextManager[Any]],
    until: Callable[[Callable[[], Any], str], Any],
) -> Aftermath:
    """Let customers book, kill meanwhile, wait until all that was owed is done."""
    plan: Plan = request.param
    with run_stack(plan.database, one_worker=plan.one_worker, without=("flower",), **plan.changed) as running:
        held: list[str] = []
        confirmed: list[str] = []
        killed_at: list[datetime] = []
        slots = running.slots(SHOP)
        # Every SMS is delivered at once and answered late, so that kills fall between the two.
        running.script(
            {"plays": [{"kind": "accept_then_slow", "seconds": 0.3}], "match": {"channel": "sms"}}, times=10_000
        )

        def book(number: int) -> None:
            phone = f"+8190000{number:05}"
            answer = running.ask("/v1/bookings", running.wish(SHOP, slots[number], phone=phone))
            assert answer.status_code == 201, answer.text
            booking_id = answer.json()["id"]
            held.append(booking_id)
            code = until(lambda: running.code_sent_to(phone) or _nobody_knows(running, booking_id), "the code came")
            if code is True:
                return
            answer = running.ask(f"/v1/bookings/{booking_id}/code", {"code": code})
            assert answer.status_code == 200, answer.text
            confirmed.append(booking_id)

        with ThreadPoolExecutor(AT_ONCE) as customers:
            under_way = [customers.submit(book, number) for number in range(plan.bookings)]
            for completed, act in plan.kills:
                until(partial(_so_many, confirmed, completed, under_way), "bookings went on")
                killed_at.append(system_now())
                act(running)
            for each in under_way:
                each.result()
        running.stack.wait_until_ready()
        running.settle()
        with running.database.snapshot() as session:
            return Aftermath(
                held=held,
                confirmed=confirmed,
                statuses={booking.id: booking.status for booking in session.scalars(select(Booking))},
                messages=list(session.scalars(select(Message))),
                attempts=list(session.scalars(select(Attempt))),
                deliveries=running.deliveries(),
                unfinished=running.unfinished(),
                killed_at=killed_at,
            )


def _so_many(confirmed: Sequence[str], least: int, under_way: Sequence[Future[None]]) -> bool:
    return len(confirmed) >= least or all(each.done() for each in under_way)


def _nobody_knows(running: Any, booking_id: str) -> bool:
    """Whether the kill fell into the very call that was to send the code, so that it may never come."""
    query = select(Message.id).where(
        Message.booking_id == UUID(booking_id), Message.kind == Kind.BOOKING_CODE, Message.state == State.UNKNOWN
    )
    with running.database.snapshot() as session:
        message_id = session.scalars(query).one_or_none()
    return message_id is not None and str(message_id) not in running.deliveries()


def test_every_booking_that_was_accepted_is_there(aftermath: Aftermath) -> None:
    assert sorted(map(UUID, aftermath.held)) == sorted(aftermath.statuses)


def test_every_booking_whose_code_was_accepted_is_confirmed(aftermath: Aftermath) -> None:
    assert {aftermath.statuses[UUID(each)] for each in aftermath.confirmed} == {Status.CONFIRMED}


def test_every_booking_is_completed_unless_nobody_knows_whether_its_code_was_sent(aftermath: Aftermath) -> None:
    codes_in_doubt = {str(each.booking_id) for each in aftermath.unknown if each.kind is Kind.BOOKING_CODE}

    assert set(aftermath.held) - set(aftermath.confirmed) <= codes_in_doubt


def test_every_confirmation_is_delivered_once(aftermath: Aftermath) -> None:
    confirmations = [aftermath.of(each, Kind.BOOKING_CONFIRMED) for each in aftermath.confirmed]

    assert {len(each) for each in confirmations} == {1}
    assert {
        aftermath.deliveries.get(str(message.id), 0) for (message,) in confirmations if message not in aftermath.unknown
    } == {1}


def test_the_shop_is_told_of_every_booking_once(aftermath: Aftermath) -> None:
    notices = [aftermath.of(each, Kind.SHOP_BOOKING_NEW) for each in aftermath.confirmed]

    assert {len(each) for each in notices} == {1}
    assert {
        aftermath.deliveries.get(str(message.id), 0) for (message,) in notices if message not in aftermath.unknown
    } == {1}


def test_no_message_is_delivered_twice(aftermath: Aftermath) -> None:
    assert {message: times for message, times in aftermath.deliveries.items() if times > 1} == {}


def test_nothing_is_delivered_that_stands_in_no_row(aftermath: Aftermath) -> None:
    assert set(aftermath.deliveries) <= {str(message.id) for message in aftermath.messages}


def test_nothing_is_stuck(aftermath: Aftermath) -> None:
    assert aftermath.unfinished == {}


def test_a_message_is_unknown_only_where_a_kill_fell_into_the_call_itself(aftermath: Aftermath) -> None:
    in_doubt = {message.id for message in aftermath.unknown}
    open_calls = [each for each in aftermath.attempts if each.message_id in in_doubt]

    assert {each.code for each in open_calls} <= {"no_answer_recorded"}
    assert all(any(each.started_at <= killed_at for killed_at in aftermath.killed_at) for each in open_calls)
