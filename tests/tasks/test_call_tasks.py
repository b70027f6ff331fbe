"""What a call's timers do, and who hears of a call that nobody took: by the vendor's own ledger (S10, M11)."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from models.booking import Side
from models.call import EndReason, Status
from models.customer import Channel
from models.job import Name
from models.message import Kind, State
from models.shop import Shop
from tests.tasks.conftest import Workshop
from tests.worker.desk import phone, sqlite_only
from tests.worker.floor import OPEN, SECOND, SHOP, Floor
from worker import links
from worker.calls import ringing
from worker.customers import Contact
from worker.in_call import entering
from worker.jobs import enqueue
from worker.seals import shred

pytestmark = sqlite_only
MINUTE = timedelta(minutes=1)
CALLER = Contact(Channel.SMS, phone(31))


@pytest.fixture
def floor(shop_floor: Workshop) -> Floor:
    shop_floor.time.move_to(OPEN)
    floor = Floor(shop_floor.database)
    floor.staff("hana")
    return floor


def test_a_ring_that_nobody_answers_ends_by_its_timer(shop_floor: Workshop, floor: Floor) -> None:
    call = floor.ask()

    shop_floor.time.advance(seconds=59)
    shop_floor.work()
    assert floor.call(call.id).status is Status.RINGING
    shop_floor.time.advance(seconds=1 + ringing.TIMER_GRACE.seconds)
    shop_floor.work()

    assert floor.call(call.id).status is Status.UNANSWERED


def test_whoever_left_a_number_is_told_where_to_book_and_the_shop_what_it_missed(
    shop_floor: Workshop, floor: Floor
) -> None:
    floor.ask(contact=CALLER)

    shop_floor.time.advance(seconds=60 + ringing.TIMER_GRACE.seconds)
    shop_floor.work()

    assert shop_floor.delivered(Kind.CALL_MISSED) == 1
    with floor.database.snapshot() as session:
        shop = session.get_one(Shop, SHOP)
    assert links.shop_page_url(shop) in shop_floor.last_text(phone(31))
    assert shop_floor.delivered(Kind.SHOP_CALL_MISSED) == 1
    assert "60秒" in shop_floor.last_text(shop.notice_email)


def test_whoever_left_nothing_is_told_nothing(shop_floor: Workshop, floor: Floor) -> None:
    floor.ask()

    shop_floor.time.advance(seconds=60 + ringing.TIMER_GRACE.seconds)
    shop_floor.work()

    assert floor.states(Kind.CALL_MISSED) == []
    assert floor.states(Kind.SHOP_CALL_MISSED) == [State.SENT]


def test_whoever_hung_up_is_not_written_to_and_the_shop_is(shop_floor: Workshop, floor: Floor) -> None:
    call = floor.ask(contact=CALLER)
    floor.hang_up(call.id, at=OPEN + 9 * SECOND)

    shop_floor.work()

    assert floor.states(Kind.CALL_MISSED) == []
    assert shop_floor.delivered(Kind.SHOP_CALL_MISSED) == 1


@pytest.mark.parametrize("how", ["hung up", "page closed"])
def test_whoever_waited_for_the_whole_ring_is_written_to_however_they_went(
    shop_floor: Workshop, floor: Floor, how: str
) -> None:
    floor.set_shop(SHOP, escalate_after=1)
    call = floor.ask(contact=CALLER)
    if how == "hung up":
        floor.hang_up(call.id, at=OPEN + 60 * SECOND)
    else:
        # By the first word it is looked after before the ring's own timer comes, and then by the last one.
        for seconds in (33, 43):
            with floor.the(call.id) as (session, row):
                ringing.caller_seen(session, row, received_at=OPEN + seconds * SECOND)

    shop_floor.time.advance(seconds=80)
    shop_floor.work()

    after = floor.call(call.id)
    assert (after.status, after.end_reason, after.waited_seconds) == (Status.UNANSWERED, EndReason.NO_ANSWER, 60)
    assert (shop_floor.delivered(Kind.CALL_MISSED), shop_floor.delivered(Kind.SHOP_CALLS_UNANSWERED)) == (1, 1)


def test_a_missed_call_is_told_once_however_often_the_job_comes(shop_floor: Workshop, floor: Floor) -> None:
    call = floor.ask(contact=CALLER)
    shop_floor.time.advance(seconds=60 + ringing.TIMER_GRACE.seconds)
    shop_floor.work()

    with floor.database.transaction() as session:
        enqueue(session, Name.ANNOUNCE_MISSED_CALL, call_id=call.id)
    shop_floor.work()

    assert (shop_floor.delivered(Kind.CALL_MISSED), shop_floor.delivered(Kind.SHOP_CALL_MISSED)) == (1, 1)


def test_a_caller_who_was_erased_meanwhile_is_not_written_to(shop_floor: Workshop, floor: Floor) -> None:
    call = floor.ask(contact=CALLER)
    with floor.database.transaction() as session:
        assert shred(session, call.subject)

    shop_floor.time.advance(seconds=60 + ringing.TIMER_GRACE.seconds)
    shop_floor.work()

    assert floor.states(Kind.CALL_MISSED) == [State.FAILED]


def test_several_calls_in_a_row_raise_one_alarm_by_mail_and_in_the_log(
    shop_floor: Workshop, floor: Floor, caplog: pytest.LogCaptureFixture
) -> None:
    floor.set_shop(SHOP, escalate_after=2)

    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            floor.beat("hana", at=shop_floor.time.at)
            floor.ask(shop_floor.time.at)
            shop_floor.time.advance(seconds=60 + ringing.TIMER_GRACE.seconds)
            shop_floor.work()

    assert shop_floor.delivered(Kind.SHOP_CALLS_UNANSWERED) == 1
    alarms = [record for record in caplog.records if "several calls in a row" in record.message]
    assert [record.__dict__["shop_id"] for record in alarms] == [SHOP]


def test_an_answered_call_that_nobody_enters_fails_and_frees_whoever_answered(
    shop_floor: Workshop, floor: Floor
) -> None:
    call = floor.ask()
    floor.accept(call.id, "hana")

    shop_floor.time.advance(seconds=31 + ringing.TIMER_GRACE.seconds)
    shop_floor.work()

    after = floor.call(call.id)
    assert (after.status, after.end_reason) == (Status.FAILED, EndReason.NEVER_ENTERED)
    assert floor.presence_of("hana").call_id is None
    assert shop_floor.delivered(Kind.SHOP_CALL_MISSED) == 1


def test_a_page_that_was_closed_stops_the_ringing(shop_floor: Workshop, floor: Floor) -> None:
    call = floor.ask()
    with floor.the(call.id) as (session, row):
        ringing.caller_seen(session, row, received_at=OPEN + 2 * SECOND)

    shop_floor.time.advance(seconds=22 + ringing.TIMER_GRACE.seconds)
    shop_floor.work()

    assert floor.call(call.id).end_reason is EndReason.CALLER_GONE


def test_a_call_has_an_end_even_if_nobody_ends_it(shop_floor: Workshop, floor: Floor) -> None:
    call = floor.ask()
    floor.accept(call.id, "hana")
    for side in Side:
        with floor.the(call.id) as (session, row):
            entering.enter_at_once(session, row, side, now=OPEN + 2 * SECOND)

    shop_floor.time.advance(minutes=61)
    shop_floor.work()

    after = floor.call(call.id)
    assert (after.status, after.end_reason) == (Status.ENDED, EndReason.LONGEST)


def test_what_was_answered_has_no_timers_of_its_ringing(shop_floor: Workshop, floor: Floor) -> None:
    call = floor.ask()
    floor.accept(call.id, "hana")

    names: set[Any] = set(floor.owed())

    assert names == {Name.CHECK_ENTRY, Name.END_CALL}
    assert floor.call(call.id).status is Status.CONNECTED
