"""Events on their way to a real receiver: written with the move, signed, tried again, given up, sent once more."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select
from standardwebhooks import WebhookVerificationError

from models.access import ApiKey, Scope
from models.job import Job, Name, Queue
from models.message import Kind, Message
from models.message import State as MessageState
from models.webhook import (
    KEPT,
    LARGEST_BODY_BYTES,
    SCHEDULE,
    URGENT_AT_ONCE,
    DisabledBecause,
    EventType,
    Heard,
    State,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from tests.conftest import StoppedTime
from tests.worker.desk import Desk, phone, sqlite_only
from tests.worker.webhook_receiver import Post, WebhookReceiver, webhook_receiver
from worker import jobs
from worker.commands.keys import make_key
from worker.database import Database
from worker.settings import REPOSITORY
from worker.webhooks import deliveries, emit, endpoints, tell_of_message
from worker.webhooks.events import URGENT_EVENTS

NAME, MAIL, MEMO = "御園生花子", "canary.hanako@example.jp", "memo-canary"


@dataclass(frozen=True)
class Tower(Desk):
    """A desk whose moves are told to a receiver."""

    time: StoppedTime
    receiver: WebhookReceiver

    def key(self, key_id: str = "site", shops: list[str] | None = None) -> str:
        """Make a calling system's key."""
        with self.database.transaction() as session:
            make_key(session, key_id, label="", scopes=[Scope.WEBHOOKS], shops=shops)
        return key_id

    def endpoint(
        self, key_id: str | None = None, types: list[EventType] | None = None, url: str | None = None
    ) -> tuple[UUID, str]:
        """Add an endpoint; return its id and secret."""
        owner = key_id or self.key()
        with self.database.transaction() as session:
            made, secret = endpoints.add(
                session, api_key_id=owner, url=url or self.receiver.url, label="", types=types, now=self.time.at
            )
            return made.id, secret

    def tell(self, shop: str = "fred", type_: EventType = EventType.BOOKING_HELD, **data: Any) -> UUID | None:
        """Let an event happen."""
        with self.database.transaction() as session:
            return emit(session, type_, shop_id=shop, data=data, now=self.time.at)

    def work(self) -> list[jobs.Outcome]:
        """Do the webhooks' jobs that are due, and what they make due."""
        done = []
        while due := [job for job in self.jobs_owed() if job.due_at is not None and job.due_at <= self.time.at]:
            done += [jobs.perform(job.id) for job in due]
        return done

    def jobs_owed(self) -> list[Job]:
        """Return the webhooks' jobs that are owed."""
        names = (Name.FAN_OUT_WEBHOOK, Name.DELIVER_WEBHOOK, Name.RESEND_WEBHOOKS)
        with self.database.snapshot() as session:
            return list(session.scalars(select(Job).where(Job.name.in_(names)).order_by(Job.id)))

    def claim(self, job: Job) -> deliveries.Plan | None:
        """Open the attempt that a job is about, and be done with the job."""
        with self.database.transaction() as session:
            session.delete(session.get_one(Job, job.id))
            return deliveries.claim(session, UUID(job.args["delivery_id"]), job.args["number"], now=self.time.at)

    def next_attempt(self) -> datetime:
        """Move time to the next job's instant, and return it."""
        [job] = self.jobs_owed()
        assert job.due_at is not None
        self.time.move_to(job.due_at)
        return job.due_at

    def all(self, kind: type[Any]) -> list[Any]:
        """Return all rows of a table."""
        with self.database.snapshot() as session:
            return list(session.scalars(select(kind).order_by(kind.id)))

    def only(self, kind: type[Any]) -> Any:
        """Return the only row of a table."""
        [only] = self.all(kind)
        return only


@pytest.fixture
def tower(environment: pytest.MonkeyPatch, seeded: Database, time: StoppedTime) -> Iterator[Tower]:
    """Everything at work, and a receiver on this machine."""
    import_module("tasks.webhooks")
    environment.setenv("WEBHOOK_ALLOW_PRIVATE", "true")
    import_module("worker.settings").settings.cache_clear()
    with webhook_receiver() as receiver:
        yield Tower(seeded, time, receiver)


@pytest.fixture
def event_ids(tower: Tower) -> Callable[[], list[str]]:
    def of_posts() -> list[str]:
        return [post.event_id for post in tower.receiver.posts]

    return of_posts


# Writing


def test_where_nobody_wants_to_know_nothing_is_written(tower: Tower) -> None:
    tower.hold()

    assert (tower.all(WebhookEvent), tower.jobs_owed()) == ([], [])


@sqlite_only
def test_an_event_is_written_with_its_move_or_not_at_all(tower: Tower) -> None:
    tower.endpoint()

    class Undone(Exception):  # noqa: N818 - it is raised to undo
        pass

    def move_that_is_undone() -> None:
        with tower.database.transaction() as session:
            emit(session, EventType.BOOKING_HELD, shop_id="fred", data={}, now=tower.time.at)
            raise Undone

    with pytest.raises(Undone):
        move_that_is_undone()

    assert (tower.all(WebhookEvent), tower.jobs_owed()) == ([], [])


@sqlite_only
def test_an_event_that_receivers_need_not_take_is_refused(tower: Tower) -> None:
    tower.endpoint()

    with pytest.raises(ValueError, match="bytes"):
        tower.tell(too_much="x" * LARGEST_BODY_BYTES)


@sqlite_only
def test_what_happens_while_an_endpoint_is_disabled_is_kept_for_a_resend(tower: Tower) -> None:
    endpoint_id, _ = tower.endpoint()
    with tower.database.transaction() as session:
        session.get_one(WebhookEndpoint, endpoint_id).disable(DisabledBecause.OWNER, at=tower.time.at)

    tower.tell()
    tower.work()

    assert (len(tower.all(WebhookEvent)), tower.all(WebhookDelivery)) == (1, [])


# Delivering


def test_an_event_reaches_the_receiver_signed_and_once(tower: Tower) -> None:
    _, secret = tower.endpoint()

    event_id = tower.tell(booking_id=UUID(int=7), revision=1)
    tower.work()

    [post] = tower.receiver.posts
    assert post.event_id == str(event_id)
    assert post.verified(secret) == {
        "type": "booking.held",
        "timestamp": "2030-06-03T01:00:00.000Z",
        "data": {"booking_id": str(UUID(int=7)), "revision": 1},
    }
    assert (tower.only(WebhookDelivery).state, tower.jobs_owed()) == (State.DELIVERED, [])


def test_every_endpoint_that_wants_an_event_gets_it_and_no_other(tower: Tower) -> None:
    everything, _ = tower.endpoint(tower.key("one"))
    held, _ = tower.endpoint("one", types=[EventType.BOOKING_HELD])
    tower.endpoint("one", types=[EventType.BOOKING_ENDED])
    tower.endpoint(tower.key("two", shops=["queens-court"]))

    tower.tell("fred")
    tower.work()

    assert {delivery.endpoint_id for delivery in tower.all(WebhookDelivery)} == {everything, held}
    assert len(tower.receiver.posts) == 2


@sqlite_only
def test_an_endpoint_of_a_revoked_key_hears_nothing_more(tower: Tower) -> None:
    tower.endpoint()
    tower.tell()
    fan_out, *_ = tower.jobs_owed()
    jobs.perform(fan_out.id)
    with tower.database.transaction() as session:
        session.get_one(ApiKey, "site").revoked_at = tower.time.at

    tower.tell()
    tower.work()

    assert tower.receiver.posts == []
    assert [(d.state, d.because) for d in tower.all(WebhookDelivery)] == [(State.STOPPED, "key_revoked")]


@sqlite_only
def test_a_receiver_that_fails_gets_the_same_event_again_by_the_schedule(
    tower: Tower, event_ids: Callable[[], list[str]]
) -> None:
    _, secret = tower.endpoint()
    tower.receiver.answer(500, 302, 204)
    event_id = tower.tell()
    began = tower.time.at

    tower.work()
    second = tower.next_attempt()
    tower.work()
    third = tower.next_attempt()
    tower.work()

    assert event_ids() == [str(event_id)] * 3
    assert SCHEDULE[1] <= second - began <= SCHEDULE[1] * 1.2
    assert SCHEDULE[2] <= third - second <= SCHEDULE[2] * 1.2
    assert len({post.body for post in tower.receiver.posts}) == 1
    assert tower.receiver.posts[2].verified(secret)
    assert [(a.number, a.status) for a in tower.all(WebhookAttempt)] == [(1, 500), (2, 302), (3, 204)]


@sqlite_only
def test_after_ten_attempts_in_three_days_an_event_is_given_up_and_the_log_says_so(tower: Tower) -> None:
    tower.endpoint()
    tower.receiver.answer(500)
    tower.tell()
    began = tower.time.at

    tower.work()
    while tower.jobs_owed():
        tower.next_attempt()
        tower.work()

    delivery = tower.only(WebhookDelivery)
    assert (delivery.state, delivery.because, delivery.tries) == (State.FAILED, "given_up", 10)
    assert [attempt.number for attempt in tower.all(WebhookAttempt)] == list(range(1, 11))
    assert timedelta(days=3) < tower.time.at - began < timedelta(days=4)


@sqlite_only
def test_410_disables_the_endpoint_and_stops_what_waits_for_it(tower: Tower) -> None:
    endpoint_id, _ = tower.endpoint()
    tower.receiver.answer(410)
    tower.tell()
    tower.tell()

    tower.work()

    with tower.database.snapshot() as session:
        endpoint = session.get_one(WebhookEndpoint, endpoint_id)
    assert endpoint.disabled_because is DisabledBecause.GONE
    assert [d.state for d in tower.all(WebhookDelivery)] == [State.FAILED, State.STOPPED]
    assert len(tower.receiver.posts) == 1


@sqlite_only
def test_a_receiver_that_asks_for_patience_gets_it_for_all_its_events(tower: Tower) -> None:
    tower.endpoint()
    tower.receiver.answer((429, {"Retry-After": "600"}), 204)
    began = tower.time.at
    tower.tell()
    tower.tell()

    tower.work()

    assert len(tower.receiver.posts) == 1
    assert all(job.due_at and job.due_at >= began + timedelta(minutes=10) for job in tower.jobs_owed())
    assert [d.tries for d in tower.all(WebhookDelivery)] == [1, 0]

    tower.time.advance(minutes=30)
    tower.work()

    assert [d.state for d in tower.all(WebhookDelivery)] == [State.DELIVERED] * 2


@sqlite_only
def test_five_days_without_one_success_disable_the_endpoint(tower: Tower) -> None:
    tower.endpoint()
    tower.receiver.answer(500)
    for hour in range(0, 6 * 24, 6):
        if hour % 24 == 0:
            tower.tell()
        tower.work()
        tower.time.advance(hours=6)

    assert tower.only(WebhookEndpoint).disabled_because is DisabledBecause.FAILING


@sqlite_only
def test_a_receiver_inside_our_network_is_not_called_and_the_log_says_why(
    tower: Tower, environment: pytest.MonkeyPatch
) -> None:
    tower.endpoint(url=f"https://127.0.0.1:{tower.receiver.port}/")
    environment.setenv("WEBHOOK_ALLOW_PRIVATE", "false")
    import_module("worker.settings").settings.cache_clear()

    tower.tell()
    tower.work()

    assert (tower.only(WebhookAttempt).error, tower.receiver.posts) == ("address_refused", [])


# Secrets


def test_while_a_secret_is_replaced_both_are_good_and_after_a_day_only_the_new_one(tower: Tower) -> None:
    endpoint_id, old = tower.endpoint()
    with tower.database.transaction() as session:
        new = endpoints.rotate(session, session.get_one(WebhookEndpoint, endpoint_id), now=tower.time.at)

    tower.tell()
    tower.work()
    tower.time.advance(hours=24)
    tower.tell()
    tower.work()

    within, after = tower.receiver.posts
    assert within.verified(old)
    assert within.verified(new)
    assert after.verified(new)
    with pytest.raises(WebhookVerificationError):
        after.verified(old)


@sqlite_only
def test_a_secret_is_not_readable_at_rest(tower: Tower) -> None:
    _, secret = tower.endpoint()

    with tower.database.engine.connect() as connection:
        [sealed] = connection.exec_driver_sql("SELECT sealed FROM webhook_secrets").scalars()

    assert secret.removeprefix("whsec_").encode() not in sealed


def test_an_endpoint_that_is_deleted_takes_its_secrets_and_its_log_along(tower: Tower) -> None:
    endpoint_id, _ = tower.endpoint()
    tower.tell()
    tower.work()
    tower.tell()

    with tower.database.transaction() as session:
        endpoints.remove(session, session.get_one(WebhookEndpoint, endpoint_id))
    tower.work()

    with tower.database.snapshot() as session:
        tables = ("webhook_endpoints", "webhook_secrets", "webhook_deliveries", "webhook_attempts", "data_keys")
        left = [session.connection().exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() for table in tables]
    assert left == [0] * len(tables)
    assert (len(tower.receiver.posts), tower.jobs_owed()) == (1, [])


# Crashes

_DIE_INSIDE_THE_CALL = """
import os, sys
from uuid import UUID
import tasks.webhooks
from worker import jobs
from worker.webhooks import posting
from worker.clock import Clock
from datetime import datetime
Clock.now = lambda _self: datetime.fromisoformat(sys.argv[2])
heard = posting.post
def post_and_die(*given, **more):
    heard(*given, **more)
    os.kill(os.getpid(), 9)
posting.post = post_and_die
jobs.perform(UUID(sys.argv[1]))
"""


def test_a_worker_killed_after_the_receiver_took_it_delivers_it_again_under_the_same_id(
    tower: Tower, database_url: str, event_ids: Callable[[], list[str]]
) -> None:
    tower.endpoint()
    event_id = tower.tell()
    jobs.perform(tower.jobs_owed()[0].id)
    [delivery_job] = tower.jobs_owed()
    died = subprocess.run(
        [sys.executable, "-c", _DIE_INSIDE_THE_CALL, str(delivery_job.id), tower.time.at.isoformat()],
        cwd=REPOSITORY,
        env={**os.environ, "DATABASE_URL": database_url},
        check=False,
    )
    assert (died.returncode, len(tower.receiver.posts)) == (-9, 1)
    assert jobs.perform(delivery_job.id) is jobs.Outcome.SKIPPED, "the call may still be under way"
    with tower.database.transaction() as session:
        session.get_one(Job, delivery_job.id).claimed_until = delivery_job.created_at

    outcome = jobs.perform(delivery_job.id)
    tower.next_attempt()
    tower.work()

    assert outcome is jobs.Outcome.LOST
    assert event_ids() == [str(event_id)] * 2
    assert [(a.number, a.error, a.status) for a in tower.all(WebhookAttempt)] == [
        (1, "no_answer_recorded", None),
        (2, None, 204),
    ]
    assert tower.only(WebhookDelivery).state is State.DELIVERED
    assert tower.only(WebhookEndpoint).failures == 0


@sqlite_only
def test_an_answer_that_comes_after_all_ends_the_delivery(tower: Tower) -> None:
    tower.endpoint()
    tower.tell()
    jobs.perform(tower.jobs_owed()[0].id)
    delivery = tower.only(WebhookDelivery)
    with tower.database.transaction() as session:
        plan = deliveries.claim(session, delivery.id, 1, now=tower.time.at)
    assert plan is not None
    with tower.database.transaction() as session:
        deliveries.lose(session, delivery.id, 1, now=tower.time.at)

    with tower.database.transaction() as session:
        deliveries.record(session, plan, Heard(status=200), now=tower.time.at)
    tower.time.advance(minutes=1)
    tower.work()

    assert (tower.only(WebhookDelivery).state, tower.receiver.posts) == (State.DELIVERED, [])


@sqlite_only
def test_a_failing_endpoint_is_called_once_at_a_time(tower: Tower) -> None:
    endpoint_id, _ = tower.endpoint()
    tower.tell()
    tower.tell()
    for fan_out in tower.jobs_owed():
        jobs.perform(fan_out.id)
    with tower.database.transaction() as session:
        session.get_one(WebhookEndpoint, endpoint_id).failures = 1
    first, second = tower.all(WebhookDelivery)

    with tower.database.transaction() as session:
        plans = [deliveries.claim(session, one.id, 1, now=tower.time.at) for one in (first, second)]

    assert [plan is not None for plan in plans] == [True, False]
    _, put_off = tower.all(WebhookDelivery)
    assert (put_off.state, put_off.tries, put_off.next_attempt_at > tower.time.at) == (State.WAITING, 0, True)


# Sending again


def resend(tower: Tower, endpoint_id: UUID, *, include_delivered: bool = False, days: int = 1) -> None:
    with tower.database.transaction() as session:
        deliveries.owe_span(
            session,
            session.get_one(WebhookEndpoint, endpoint_id),
            from_at=tower.time.at - timedelta(days=days),
            until_at=tower.time.at + timedelta(seconds=1),
            include_delivered=include_delivered,
            now=tower.time.at,
        )


def test_a_span_is_sent_again_under_the_same_ids_a_page_at_a_time(
    tower: Tower, event_ids: Callable[[], list[str]], environment: pytest.MonkeyPatch
) -> None:
    environment.setattr(deliveries, "PAGE", 2)
    endpoint_id, _ = tower.endpoint()
    told = [str(tower.tell()) for _ in range(5)]
    tower.work()
    tower.time.advance(hours=1)

    resend(tower, endpoint_id, include_delivered=True)
    tower.work()
    # Five at once are more than one endpoint is called at a time; what was put off comes a moment later.
    tower.time.advance(minutes=1)
    tower.work()

    assert sorted(event_ids()) == sorted(told * 2)


@sqlite_only
def test_of_a_span_only_what_the_endpoint_missed_is_sent_unless_all_is_asked_for(
    tower: Tower, event_ids: Callable[[], list[str]]
) -> None:
    endpoint_id, _ = tower.endpoint()
    tower.tell()
    tower.work()
    with tower.database.transaction() as session:
        session.get_one(WebhookEndpoint, endpoint_id).disable(DisabledBecause.GONE, at=tower.time.at)
    missed = tower.tell()
    tower.work()
    with tower.database.transaction() as session:
        session.get_one(WebhookEndpoint, endpoint_id).enable()
    tower.receiver.posts.clear()

    resend(tower, endpoint_id)
    tower.work()

    assert event_ids() == [str(missed)]


@sqlite_only
def test_a_span_brings_nothing_of_other_shops(tower: Tower) -> None:
    endpoint_id, _ = tower.endpoint(tower.key(shops=["queens-court"]))
    tower.tell("fred")
    tower.work()

    resend(tower, endpoint_id)
    tower.work()

    assert tower.receiver.posts == []


def test_a_test_event_goes_to_the_endpoint_that_asked_even_a_disabled_one(tower: Tower) -> None:
    endpoint_id, secret = tower.endpoint()
    tower.endpoint("site")
    with tower.database.transaction() as session:
        asked = session.get_one(WebhookEndpoint, endpoint_id)
        asked.disable(DisabledBecause.OWNER, at=tower.time.at)
        deliveries.owe_test(session, asked, now=tower.time.at)

    tower.work()

    [post] = tower.receiver.posts
    assert post.verified(secret)["type"] == "webhook.test"


def test_events_are_forgotten_after_thirty_days_with_their_log(tower: Tower) -> None:
    tower.endpoint()
    tower.tell()
    tower.work()
    tower.time.advance(seconds=KEPT.total_seconds() + 1)

    newest = tower.tell()
    tower.work()

    assert [event.id for event in tower.all(WebhookEvent)] == [newest]
    assert len(tower.all(WebhookAttempt)) == 1


# What is told


def types(posts: list[Post]) -> list[str]:
    return [json.loads(post.body)["type"] for post in posts]


def test_every_move_of_a_booking_is_told(tower: Tower) -> None:
    tower.endpoint()

    changed = tower.confirm()
    tower.change(changed)
    tower.cancel(changed, revision=2)
    tower.work()
    released = tower.hold(number=13)
    with tower.locked(released) as (session, booking):
        import_module("worker.bookings").release(
            session, booking, import_module("models.booking").Released.ABANDONED, now=tower.time.at
        )
    tower.time.advance(minutes=1)
    tower.work()

    assert sorted(types(tower.receiver.posts)) == sorted(
        [
            "booking.held",
            "booking.confirmed",
            "booking.changed",
            "booking.cancelled",
            "booking.held",
            "booking.released",
        ]
    )


@sqlite_only
@pytest.mark.parametrize(
    ("state", "type_"),
    [
        (MessageState.DELIVERED, "message.delivered"),
        (MessageState.UNDELIVERED, "message.undelivered"),
        (MessageState.EXPIRED, "message.undelivered"),
        (MessageState.FAILED, "message.failed"),
        (MessageState.UNKNOWN, "message.unknown"),
    ],
)
def test_what_became_of_a_message_is_told_once(tower: Tower, state: MessageState, type_: str) -> None:
    tower.endpoint()
    message = Message(
        id=UUID(int=5), kind=Kind.BOOKING_CONFIRMED, channel="sms", shop_id="fred", state=state, because="30003"
    )

    with tower.database.transaction() as session:
        tell_of_message(session, message, MessageState.SENDING, now=tower.time.at)
        tell_of_message(session, message, state, now=tower.time.at)
    tower.work()

    assert types(tower.receiver.posts) == [type_]


def test_a_body_bears_nothing_personal_and_no_link(tower: Tower) -> None:
    tower.endpoint()
    one = tower.confirm(
        name=NAME, memo=MEMO, source_url="https://shop.example.jp/item?who=canary", customer_ip="192.0.2.77"
    )
    two = tower.confirm(email=MAIL, starts_at=import_module("tests.worker.desk").OTHER_SLOT, name=NAME)
    tower.cancel(one)
    tower.cancel(two)

    tower.work()
    tower.time.advance(minutes=1)
    tower.work()

    sent = b"".join(post.body for post in tower.receiver.posts).decode()
    assert len(tower.receiver.posts) == 6
    codes = [tower.code(one), tower.code(two)]
    for canary in (NAME, MAIL, "canary", MEMO, phone(12), phone(12)[4:], "192.0.2.77", "http", "@", *codes):
        assert canary not in sent
    assert set(re.findall(r'"([a-z_]+)":', sent)) == {
        *("type", "timestamp", "data"),
        *("booking_id", "shop", "status", "revision", "starts_at", "ends_at"),
        *("released_because", "cancelled_by", "absent"),
    }


def test_jobs_bear_ids_only(tower: Tower) -> None:
    tower.endpoint()
    tower.tell()
    first = tower.jobs_owed()
    jobs.perform(first[0].id)

    arguments = [job.args for job in (*first, *tower.jobs_owed())]

    assert [sorted(args) for args in arguments] == [["event_id"], ["delivery_id", "number"]]


@sqlite_only
def test_an_event_costs_one_look_where_there_is_no_endpoint(tower: Tower) -> None:
    with tower.database.transaction() as session:
        before = session.scalars(select(func.count()).select_from(Job)).one()

        told = emit(session, EventType.BOOKING_HELD, shop_id="fred", data={}, now=tower.time.at)

        assert (told, session.scalars(select(func.count()).select_from(Job)).one()) == (None, before)


# What rings


@sqlite_only
def test_a_ringing_goes_before_everything_else_once_and_then_like_any_other(tower: Tower) -> None:
    tower.endpoint()
    tower.receiver.answer(500)
    tower.tell(type_=EventType.CALL_RINGING)

    [fan_out] = tower.jobs_owed()
    jobs.perform(fan_out.id)
    [first] = tower.jobs_owed()
    jobs.perform(first.id)
    [second] = tower.jobs_owed()

    assert [job.queue for job in (fan_out, first, second)] == [Queue.CALLS, Queue.CALLS, Queue.WEBHOOKS]


@sqlite_only
def test_a_receiver_that_is_slow_takes_two_places_of_those_that_ring_and_gives_them_up_soon(tower: Tower) -> None:
    endpoint_id, _ = tower.endpoint()
    for type_ in (EventType.CALL_RINGING, EventType.CALL_ANSWERED, EventType.CALL_MISSED):
        tower.tell(type_=type_)
    for fan_out in tower.jobs_owed():
        jobs.perform(fan_out.id)
    waiting = [(each.id, each.tries + 1) for each in tower.all(WebhookDelivery) if each.endpoint_id == endpoint_id]

    with tower.database.transaction() as session:
        plans = [deliveries.claim(session, *each, now=tower.time.at) for each in waiting]

    assert [plan.seconds if plan else None for plan in plans] == [3.0, 3.0, None]
    assert [job.queue for job in tower.jobs_owed()][-1] == Queue.WEBHOOKS


def test_what_rings_waits_out_no_pause_that_other_events_have_earned(tower: Tower) -> None:
    """The ring would be over by then; two places and three seconds are all that a dead receiver can take."""
    tower.endpoint()
    tower.receiver.answer(*[500] * 5)
    for _ in range(5):
        tower.tell()
    tower.work()
    assert tower.only(WebhookEndpoint).paused_until > tower.time.at

    tower.tell(type_=EventType.CALL_RINGING)
    tower.work()

    assert types(tower.receiver.posts)[-1] == EventType.CALL_RINGING


@pytest.mark.parametrize("answer", [200, 500])
def test_what_rings_and_wanted_for_room_goes_on_as_soon_as_there_is_some(tower: Tower, answer: int) -> None:
    """Without waiting for a tick: a phone rings within a second, however many ring at once at one receiver."""
    tower.endpoint()
    for _ in range(6):
        tower.tell(type_=EventType.CALL_RINGING)
    for fan_out in tower.jobs_owed():
        jobs.perform(fan_out.id)
    under_way = [plan for job in tower.jobs_owed() if (plan := tower.claim(job))]
    assert len(under_way) == URGENT_AT_ONCE

    answered = 0
    while under_way:
        with tower.database.transaction() as session:
            deliveries.record(session, under_way.pop(), Heard(answer), now=tower.time.at)
        answered += 1
        due = [job for job in tower.jobs_owed() if job.queue == Queue.CALLS]
        under_way += [plan for job in due if (plan := tower.claim(job))]

    assert answered == len(tower.all(WebhookDelivery))
    assert {job.args["number"] for job in tower.jobs_owed()} <= {2}


@sqlite_only
@pytest.mark.parametrize("type_", sorted(set(EventType) - URGENT_EVENTS - {EventType.TEST}))
def test_nothing_else_is_in_such_a_hurry(tower: Tower, type_: EventType) -> None:
    tower.endpoint()
    tower.tell(type_=type_)

    assert {job.queue for job in tower.jobs_owed()} == {Queue.WEBHOOKS}
