"""A call at once by itself: which move leads where, what the first answer decides, and what an entry opens."""

from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest

from models.call import (
    CALLER_GONE_AFTER,
    ENTER_WITHIN,
    MOVES,
    SAME_PRESS,
    TERMINAL,
    Call,
    CallDesk,
    EndReason,
    FailedSide,
    Refused,
    Side,
    Status,
)
from models.errors import CallTaken, EntryUsed, IllegalMove, Refusal, RingOver

NOW = datetime(2030, 6, 3, 6, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MOMENT = timedelta(microseconds=1)
RINGS = timedelta(seconds=60)
HOUR = timedelta(hours=1)


def asked() -> Call:
    return Call(id=UUID(int=7), shop_id="fred", language="ja", requested_at=NOW, caller="pages")


def ringing() -> Call:
    call = asked()
    call.ring(for_=RINGS, at=NOW)
    return call


def connected() -> Call:
    call = ringing()
    call.answer("hana", received_at=NOW + 5 * SECOND, lasts_at_most=HOUR)
    return call


def finished(status: Status) -> Call:
    if status is Status.REFUSED:
        call = asked()
        call.refuse(Refused.CLOSED, at=NOW)
        return call
    call = connected() if status in {Status.ENDED, Status.FAILED} else ringing()
    match status:
        case Status.ABANDONED:
            call.hang_up(received_at=NOW + SECOND)
        case Status.UNANSWERED:
            call.stop_ringing(now=NOW + RINGS)
        case Status.ENDED:
            call.end(EndReason.STAFF_ENDED, at=NOW + HOUR, actor="staff")
        case _:
            call.fail(FailedSide.CUSTOMER, EndReason.NEVER_ENTERED, at=NOW + HOUR)
    return call


ACTS = {
    "ring": lambda call: call.ring(for_=RINGS, at=NOW),
    "refuse": lambda call: call.refuse(Refused.CLOSED, at=NOW),
    "hang_up": lambda call: call.hang_up(received_at=NOW),
    "end": lambda call: call.end(EndReason.STAFF_ENDED, at=NOW, actor="staff"),
    "fail": lambda call: call.fail(FailedSide.US, EndReason.CONNECTION, at=NOW),
}


@pytest.mark.parametrize(("status", "act"), list(product(sorted(TERMINAL), sorted(ACTS))))
def test_no_act_moves_a_call_that_is_over(status: Status, act: str) -> None:
    call = finished(status)

    with pytest.raises(IllegalMove):
        ACTS[act](call)

    assert call.status is status


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_a_call_that_is_over_cannot_be_answered(status: Status) -> None:
    call = finished(status)

    with pytest.raises(Refusal):
        call.answer("yuki", received_at=NOW + SECOND, lasts_at_most=HOUR)


def test_the_first_answer_wins() -> None:
    call = ringing()
    call.answer("hana", received_at=NOW + SECOND, lasts_at_most=HOUR)

    with pytest.raises(CallTaken):
        call.answer("yuki", received_at=NOW + SECOND, lasts_at_most=HOUR)

    assert (call.status, call.staff_id) == (Status.CONNECTED, "hana")


def test_the_same_answer_again_changes_nothing() -> None:
    call = connected()

    assert not call.answer("hana", received_at=NOW + 9 * SECOND, lasts_at_most=HOUR)
    assert call.answered_at == NOW + 5 * SECOND


@pytest.mark.parametrize(
    ("received_at", "answers"), [(NOW + RINGS - MOMENT, True), (NOW + RINGS, False), (NOW + RINGS + HOUR, False)]
)
def test_a_ring_ends_at_an_exclusive_instant(received_at: datetime, answers: bool) -> None:
    call = ringing()

    if answers:
        assert call.answer("hana", received_at=received_at, lasts_at_most=HOUR)
    else:
        with pytest.raises(RingOver):
            call.answer("hana", received_at=received_at, lasts_at_most=HOUR)


@pytest.mark.parametrize(("now", "ends"), [(NOW + RINGS - MOMENT, False), (NOW + RINGS, True)])
def test_the_timer_only_proposes_that_nobody_answers(now: datetime, ends: bool) -> None:
    call = ringing()

    assert call.stop_ringing(now=now) is ends
    assert call.status is (Status.UNANSWERED if ends else Status.RINGING)


def test_a_late_timer_does_not_end_what_was_answered() -> None:
    call = connected()

    assert not call.stop_ringing(now=NOW + HOUR)
    assert call.status is Status.CONNECTED


def test_the_waiting_is_counted_to_the_answer_or_to_the_end() -> None:
    assert ringing().waited_seconds is None
    assert connected().waited_seconds == 5
    assert finished(Status.ABANDONED).waited_seconds == 1
    assert finished(Status.UNANSWERED).waited_seconds == 60
    assert finished(Status.REFUSED).waited_seconds is None


@pytest.mark.parametrize("side", list(Side))
def test_an_entry_opens_once_for_its_side(side: Side) -> None:
    call = connected()
    assert call.enter(side, now=NOW + 6 * SECOND)

    with pytest.raises(EntryUsed):
        call.enter(side, now=NOW + 6 * SECOND + SAME_PRESS)


def test_a_press_that_comes_twice_is_one() -> None:
    call = connected()
    call.enter(Side.CUSTOMER, now=NOW + 6 * SECOND)

    assert not call.enter(Side.CUSTOMER, now=NOW + 6 * SECOND + SAME_PRESS - MOMENT)


def test_one_sides_entry_leaves_the_others_alone() -> None:
    call = connected()
    call.enter(Side.CUSTOMER, now=NOW + 6 * SECOND)

    assert call.enter(Side.STAFF, now=NOW + HOUR / 60)
    assert call.talk_began_at == NOW + HOUR / 60


def test_an_entry_is_worth_nothing_after_ten_minutes() -> None:
    call = connected()

    with pytest.raises(IllegalMove):
        call.enter(Side.CUSTOMER, now=NOW + 5 * SECOND + ENTER_WITHIN)


def test_an_entry_is_worth_nothing_once_the_call_is_over() -> None:
    with pytest.raises(IllegalMove):
        finished(Status.ENDED).enter(Side.CUSTOMER, now=NOW + HOUR)


def test_a_page_that_never_told_of_itself_proves_nothing() -> None:
    call = ringing()

    assert not call.lose_caller(now=NOW + 59 * SECOND)


@pytest.mark.parametrize(("silent", "gone"), [(CALLER_GONE_AFTER - MOMENT, False), (CALLER_GONE_AFTER, True)])
def test_a_page_that_fell_silent_is_gone(silent: timedelta, gone: bool) -> None:
    call = ringing()
    call.caller_seen(received_at=NOW + SECOND)

    assert call.lose_caller(now=NOW + SECOND + silent) is gone
    assert call.status is (Status.ABANDONED if gone else Status.RINGING)


@pytest.mark.parametrize(("before", "gone"), [(CALLER_GONE_AFTER + MOMENT, True), (CALLER_GONE_AFTER, False)])
def test_whoever_falls_silent_at_the_end_of_the_ring_has_waited_for_all_of_it(before: timedelta, gone: bool) -> None:
    call = ringing()
    call.caller_seen(received_at=NOW + RINGS - before)

    assert call.lose_caller(now=NOW + 2 * RINGS) is gone


def test_words_of_a_page_may_overtake_one_another() -> None:
    call = ringing()
    call.caller_seen(received_at=NOW + 9 * SECOND)
    call.caller_seen(received_at=NOW + 3 * SECOND)

    assert call.caller_seen_at == NOW + 9 * SECOND


@pytest.mark.parametrize(
    ("entered", "absent"),
    [
        ((), FailedSide.BOTH),
        ((Side.STAFF,), FailedSide.CUSTOMER),
        ((Side.CUSTOMER,), FailedSide.STAFF),
        ((Side.CUSTOMER, Side.STAFF), None),
    ],
)
def test_who_never_came_is_known(entered: tuple[Side, ...], absent: FailedSide | None) -> None:
    call = connected()
    for side in entered:
        call.enter(side, now=NOW + 6 * SECOND)

    assert call.absent_side() is absent


def test_whoever_comes_back_has_not_left() -> None:
    call = connected()
    for side in Side:
        call.enter(side, now=NOW + 6 * SECOND)
        call.leave(side, at=NOW + 60 * SECOND)
    assert call.have_both_left

    call.come_back(Side.CUSTOMER, at=NOW + 61 * SECOND)

    assert not call.have_both_left


def test_the_talk_is_counted_from_when_both_were_there() -> None:
    call = connected()
    call.enter(Side.STAFF, now=NOW + 6 * SECOND)
    call.enter(Side.CUSTOMER, now=NOW + 10 * SECOND)

    call.end(EndReason.CUSTOMER_ENDED, at=NOW + 70 * SECOND, actor="customer")

    assert call.talked_seconds == 60


def test_the_talk_ends_when_the_first_of_both_leaves() -> None:
    call = connected()
    for side in Side:
        call.enter(side, now=NOW + 10 * SECOND)
    call.leave(Side.CUSTOMER, at=NOW + 40 * SECOND)

    call.end(EndReason.LONGEST, at=NOW + HOUR, actor="system")

    assert call.talked_seconds == 30


def test_a_ring_is_over_for_people_at_its_end_though_its_timer_comes_later() -> None:
    call = ringing()

    assert call.status_at(NOW + RINGS - MOMENT) is Status.RINGING
    assert call.status_at(NOW + RINGS) is Status.UNANSWERED


def test_a_row_of_missed_calls_alarms_once() -> None:
    desk = CallDesk(shop_id="fred", missed_in_a_row=0)

    assert [desk.missed(escalate_after=3) for _ in range(5)] == [False, False, True, False, False]


def test_an_answer_ends_the_row() -> None:
    desk = CallDesk(shop_id="fred", missed_in_a_row=0)
    for _ in range(4):
        desk.missed(escalate_after=3)

    desk.answered()

    assert [desk.missed(escalate_after=3) for _ in range(3)] == [False, False, True]


def test_every_state_is_moved_to_by_something() -> None:
    reached = {asked().status, ringing().status, connected().status, *(finished(status).status for status in TERMINAL)}

    assert reached == set(MOVES)
