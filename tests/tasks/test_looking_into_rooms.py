"""A report that was lost ends no call: before a side is given up, its provider is asked who is in the room (B26)."""

import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from models.booking import RECONNECT, Side
from models.call import Call, EndReason, FailedSide, Status
from models.call_fact import PAGE, CallFact, FactKind
from models.job import Job, Name
from models.video_room import VideoRoom
from tests.tasks.conftest import Workshop
from tests.worker.desk import at_once, sqlite_only
from tests.worker.floor import OPEN, SECOND, Floor
from worker import jobs
from worker.calls import answering, ending, looking, ringing
from worker.calls.looking import PAUSES, Look
from worker.in_call import facts
from worker.video import RoomFact, hearing, rooms

CUSTOMER, STAFF = Side.CUSTOMER, Side.STAFF
GIVEN_UP_AFTER = 31 * SECOND + ringing.TIMER_GRACE
"""When the timer comes, seen from 開始: it was answered a second later."""
HALF_A_MINUTE = timedelta(seconds=30)


@dataclass(frozen=True)
class Talk:
    """A call at once that both sides entered by the provider's page; its webhooks reach us if a test says so."""

    shop_floor: Workshop
    floor: Floor
    call_id: UUID
    participants: dict[Side, str]

    @property
    def call(self) -> Call:
        """The row as it is committed."""
        return self.floor.call(self.call_id)

    @property
    def room(self) -> VideoRoom:
        """Its room, as it is on record."""
        with self.floor.database.snapshot() as session:
            [room] = rooms.rooms_of(session, self.call)
            return room

    def told(self, kind: FactKind, side: Side) -> RoomFact:
        """Return what a webhook would tell of a side just now."""
        who, at = self.participants[side], self.shop_floor.time.at
        return RoomFact("livekit", self.room.name, "RM_1", kind, side, who, None, f"EV_{kind}{side}", at)

    def hear(self, kind: FactKind, *sides: Side) -> None:
        """Let the webhooks about these sides arrive."""
        heard = [self.told(kind, side) for side in sides]
        with self.floor.database.transaction() as session:
            hearing.hear(session, heard, now=self.shop_floor.time.at)

    def go(self, side: Side) -> None:
        """Let a side leave the room."""
        self.shop_floor.carrier.post("/_video/leave", {"participant": self.participants[side]})

    def provider_is_away(self, times: int) -> None:
        """Let the provider refuse its next answers."""
        if times:
            self.shop_floor.carrier.post("/_video/faults", {"kinds": ["refuse_503"] * times})

    def wait(self, by: timedelta = GIVEN_UP_AFTER) -> None:
        """Let time pass, and workers do what falls due."""
        self.shop_floor.time.advance(seconds=by.total_seconds())
        self.shop_floor.work()

    def by_provider(self) -> list[CallFact]:
        """Return what is kept as the provider's word."""
        with self.floor.database.snapshot() as session:
            return [fact for fact in facts.facts_of(session, self.call) if fact.source != PAGE]

    def looks(self) -> int:
        """Return how often the provider was asked who is there."""
        url = f"{self.shop_floor.carrier.url}/_video"
        asked: list[str] = self.shop_floor.carrier.http.get(url, timeout=5).json()["calls"]
        return asked.count("ListParticipants")

    def look_begun(self) -> Look:
        """Do the first half of a look; the provider is being asked."""
        self.shop_floor.time.advance(seconds=GIVEN_UP_AFTER.total_seconds())
        with self.floor.the(self.call_id) as (session, call):
            ending.check_entry(session, call, now=self.shop_floor.time.at)
        with self.floor.database.transaction() as session:
            plan = looking.to_look(session, self.call_id, 1, now=self.shop_floor.time.at)
        assert plan is not None
        return plan

    def note(self, plan: Look, seen: Any) -> None:
        """Do the second half of a look."""
        with self.floor.database.transaction() as session:
            looking.note(session, plan, seen, now=self.shop_floor.time.at)


@pytest.fixture(autouse=True)
def livekit(carrier: Any, environment: pytest.MonkeyPatch) -> None:
    """Calls are carried by LiveKit, which the sandbox plays."""
    environment.setenv("VIDEO_PROVIDER", "livekit")


@pytest.fixture
def talk(shop_floor: Workshop) -> Talk:
    """Both sides are in the room; nothing was told of either."""
    shop_floor.time.move_to(OPEN)
    floor = Floor(shop_floor.database)
    floor.staff("hana")
    call_id = floor.ask().id
    floor.accept(call_id, "hana")
    participants = {}
    for side in Side:
        with floor.the(call_id) as (session, call):
            entry = answering.admit(session, call, side, now=OPEN + 2 * SECOND)
        [token] = parse_qs(urlsplit(rooms.enter(entry)).query)["token"]
        participants[side] = shop_floor.carrier.post("/_video/join", {"token": token}).json()["participant"]
    return Talk(shop_floor, floor, call_id, participants)


# What is seen


@pytest.mark.parametrize("lost", list(Side))
def test_a_lost_webhook_puts_nobody_out(talk: Talk, lost: Side, caplog: pytest.LogCaptureFixture) -> None:
    """Clause B26."""
    talk.hear(FactKind.JOINED, STAFF if lost is CUSTOMER else CUSTOMER)

    with caplog.at_level(logging.WARNING):
        talk.wait()

    assert talk.call.status is Status.CONNECTED
    [seen] = [fact for fact in talk.by_provider() if fact.side is FailedSide(lost)]
    assert (seen.kind, seen.source, seen.participant) == (FactKind.JOINED, "livekit", talk.participants[lost])
    assert talk.room.closed_at is None
    [said] = [record for record in caplog.records if "no webhook told of" in record.message]
    assert said.__dict__["call_id"] == str(talk.call_id)


@sqlite_only
def test_whoever_was_seen_by_a_look_leaves_by_a_webhook(talk: Talk) -> None:
    talk.hear(FactKind.JOINED, STAFF)
    talk.wait()

    talk.hear(FactKind.LEFT, *Side)
    talk.wait(RECONNECT)

    assert (talk.call.status, talk.call.end_reason) == (Status.ENDED, EndReason.BOTH_LEFT)


@sqlite_only
def test_a_webhook_that_was_only_late_changes_nothing_about_who_was_seen(talk: Talk) -> None:
    talk.hear(FactKind.JOINED, STAFF)
    talk.wait()

    talk.hear(FactKind.JOINED, CUSTOMER)
    talk.hear(FactKind.LEFT, CUSTOMER)

    assert talk.call.status is Status.CONNECTED
    assert talk.call.customer_left_at == talk.shop_floor.time.at


def test_a_side_that_is_not_in_the_room_fails_the_call(talk: Talk) -> None:
    """Clause B26."""
    talk.hear(FactKind.JOINED, STAFF)
    talk.go(CUSTOMER)

    talk.wait()

    after = talk.call
    assert (after.status, after.end_reason, after.failed_side) == (
        Status.FAILED,
        EndReason.CONNECTION,
        FailedSide.CUSTOMER,
    )
    assert talk.floor.presence_of("hana").call_id is None
    assert talk.room.closed_at == talk.shop_floor.time.at
    assert talk.floor.jobs(Name.LOOK_INTO_ROOM) == []


@sqlite_only
def test_a_side_whose_connection_was_reported_to_fail_is_named_after_the_look(talk: Talk) -> None:
    talk.hear(FactKind.JOINED, STAFF)
    talk.hear(FactKind.FAILED, CUSTOMER)
    talk.go(CUSTOMER)
    talk.go(STAFF)

    talk.wait()

    assert (talk.call.status, talk.call.failed_side) == (Status.FAILED, FailedSide.CUSTOMER)


@sqlite_only
@pytest.mark.parametrize("heard", [(), tuple(Side)], ids=["of nobody", "of both"])
def test_nobody_is_asked_where_the_provider_told_of_both_or_of_nobody(talk: Talk, heard: tuple[Side, ...]) -> None:
    talk.hear(FactKind.JOINED, *heard)

    talk.wait()

    assert (talk.call.status, talk.looks()) == (Status.CONNECTED, 0)


# When the provider is not heard


@sqlite_only
def test_a_provider_that_is_away_is_asked_a_few_times_and_then_it_is_judged_by_what_is_known(talk: Talk) -> None:
    talk.hear(FactKind.JOINED, STAFF)
    talk.provider_is_away(9)

    talk.wait()
    stands = [talk.call.status]
    for pause in PAUSES:
        talk.wait(pause)
        stands.append(talk.call.status)

    assert stands == [Status.CONNECTED, Status.CONNECTED, Status.FAILED]
    assert (talk.call.failed_side, talk.looks()) == (FailedSide.CUSTOMER, 1 + len(PAUSES))
    assert sum(PAUSES, timedelta()) < HALF_A_MINUTE


@sqlite_only
def test_no_look_comes_before_its_pause_is_over(talk: Talk) -> None:
    talk.hear(FactKind.JOINED, STAFF)
    talk.provider_is_away(9)
    talk.wait()

    talk.wait(PAUSES[0] - SECOND)

    assert talk.looks() == 1


@sqlite_only
def test_a_provider_that_is_back_in_time_saves_the_call(talk: Talk) -> None:
    talk.hear(FactKind.JOINED, STAFF)
    talk.provider_is_away(1)

    talk.wait()
    talk.wait(PAUSES[0])
    talk.wait(PAUSES[1])

    assert (talk.call.status, talk.looks()) == (Status.CONNECTED, 2)


@sqlite_only
def test_a_webhook_that_comes_while_the_provider_is_away_ends_the_looking(talk: Talk) -> None:
    talk.hear(FactKind.JOINED, STAFF)
    talk.provider_is_away(9)
    talk.wait()

    talk.hear(FactKind.JOINED, CUSTOMER)
    talk.wait(PAUSES[0])

    assert (talk.call.status, talk.looks()) == (Status.CONNECTED, 1)
    assert talk.floor.jobs(Name.LOOK_INTO_ROOM) == []


@sqlite_only
def test_a_call_that_is_over_is_looked_into_no_more(talk: Talk) -> None:
    talk.hear(FactKind.JOINED, STAFF)
    talk.provider_is_away(9)
    talk.wait()

    talk.floor.hang_up(talk.call_id, at=talk.shop_floor.time.at)

    assert talk.floor.jobs(Name.LOOK_INTO_ROOM) == []


# Interrupted


@pytest.mark.parametrize("number", [1, 1 + len(PAUSES)], ids=["at the first look", "at the last"])
def test_a_worker_that_is_killed_while_it_asks_leaves_nothing_stuck(talk: Talk, number: int) -> None:
    talk.hear(FactKind.JOINED, STAFF)
    talk.provider_is_away(number - 1)
    talk.shop_floor.time.advance(seconds=GIVEN_UP_AFTER.total_seconds())
    talk.shop_floor.perform(Name.CHECK_ENTRY)
    for pause in PAUSES[: number - 1]:
        talk.shop_floor.perform(Name.LOOK_INTO_ROOM)
        talk.shop_floor.time.advance(seconds=pause.total_seconds())
    [owed] = talk.floor.jobs(Name.LOOK_INTO_ROOM)
    with talk.floor.database.transaction() as session:
        job = session.get_one(Job, owed.id)
        job.claimed_until = job.created_at

    outcome = jobs.perform(owed.id)
    talk.wait(PAUSES[0])

    assert outcome is jobs.Outcome.LOST
    # Where it was the last look, what is known is that one side alone was told of.
    assert talk.call.status is (Status.CONNECTED if number == 1 else Status.FAILED)
    assert talk.floor.jobs(Name.LOOK_INTO_ROOM) == []


def test_an_answer_that_comes_after_the_call_ended_changes_nothing(talk: Talk) -> None:
    talk.hear(FactKind.JOINED, STAFF)
    plan = talk.look_begun()
    with talk.floor.the(talk.call_id) as (session, call):
        ending.end(session, call, by=STAFF, now=talk.shop_floor.time.at)
    before, course = talk.by_provider(), talk.floor.course(talk.call_id)

    talk.note(plan, [talk.told(FactKind.JOINED, CUSTOMER)])

    assert (talk.call.status, talk.call.end_reason) == (Status.ENDED, EndReason.STAFF_ENDED)
    assert [fact.id for fact in talk.by_provider()] == [fact.id for fact in before]
    assert talk.floor.course(talk.call_id) == course
    assert talk.floor.jobs(Name.LOOK_INTO_ROOM) == []


@pytest.mark.parametrize("answer", [[], "unavailable"], ids=["nobody is there", "nobody answered"])
def test_of_an_end_and_an_answer_at_once_one_counts(talk: Talk, answer: Any) -> None:
    talk.hear(FactKind.JOINED, STAFF)
    plan = talk.look_begun()

    def end() -> None:
        with talk.floor.the(talk.call_id) as (session, call):
            ending.end(session, call, by=STAFF, now=talk.shop_floor.time.at)

    results = at_once(end, lambda: talk.note(plan, answer))
    talk.shop_floor.work()

    assert results == [None, None]
    assert talk.floor.course(talk.call_id)[-1] in {"ended", "failed"}
    assert len({"ended", "failed"} & set(talk.floor.course(talk.call_id))) == 1
    assert talk.floor.presence_of("hana").call_id is None
    assert talk.floor.jobs(Name.LOOK_INTO_ROOM) == []


def test_a_webhook_and_an_answer_at_once_keep_the_call(talk: Talk) -> None:
    talk.hear(FactKind.JOINED, STAFF)
    plan = talk.look_begun()
    seen = looking.look(plan)

    results = at_once(lambda: talk.hear(FactKind.JOINED, CUSTOMER), lambda: talk.note(plan, seen))
    talk.shop_floor.work()

    assert results == [None, None]
    assert talk.call.status is Status.CONNECTED
    assert {fact.side for fact in talk.by_provider()} == {FailedSide.CUSTOMER, FailedSide.STAFF}


# Who cannot be asked


@sqlite_only
def test_a_provider_that_cannot_tell_leaves_what_is_known(talk: Talk) -> None:
    talk.hear(FactKind.JOINED, STAFF)
    plan = replace(talk.look_begun(), provider="jitsi")

    talk.note(plan, looking.look(plan))

    assert talk.call.status is Status.FAILED


@sqlite_only
def test_where_no_room_is_on_record_it_is_judged_by_what_is_known(talk: Talk) -> None:
    talk.hear(FactKind.JOINED, STAFF)
    with talk.floor.database.transaction() as session:
        for room in rooms.rooms_of(session, talk.call):
            session.delete(room)

    talk.wait()

    assert (talk.call.status, talk.looks()) == (Status.FAILED, 0)
