"""What happens in a booked call: who is there, who is late, when it is over, as the booking sees it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.booking import RECONNECT, Booking, Ended, Side, Status
from models.call import FailedSide
from models.call_fact import (
    PAGE,
    CallFact,
    Category,
    ConductReport,
    FactKind,
    State,
    Symptom,
    failed_side,
    left_at,
    visits,
)
from models.errors import IllegalMove
from tests.models.test_booking import CLOSES, MOMENT, START, booking, change, trail

MINUTE = timedelta(minutes=1)
JOINED, LEFT = FactKind.JOINED, FactKind.LEFT


def in_call(**columns: Any) -> Booking:
    """Both came at the start."""
    it = booking(**columns)
    it.enter(Side.CUSTOMER, now=START)
    it.enter(Side.STAFF, now=START + MINUTE)
    return it


def fact(kind: FactKind, minute: float, *, who: str | None = None, source: str = "provider") -> CallFact:
    at = START + minute * MINUTE
    return CallFact(
        kind=kind, side=FailedSide.CUSTOMER, source=source, participant=who, at=at, received_at=at, fact_key=""
    )


# Who is there


def test_the_call_begins_when_the_second_of_both_enters() -> None:
    it = in_call()

    assert (it.status, it.call_began_at) == (Status.IN_CALL, START + MINUTE)


def test_whoever_was_seen_to_leave_is_not_there_until_they_come_back() -> None:
    it = in_call()

    it.see(Side.CUSTOMER, left_at=START + 2 * MINUTE)
    assert not it.is_there(Side.CUSTOMER)

    it.see(Side.CUSTOMER, left_at=None)
    assert it.is_there(Side.CUSTOMER)


def test_one_that_left_before_the_other_came_makes_no_call() -> None:
    it = booking()
    it.enter(Side.CUSTOMER, now=START - 9 * MINUTE)
    it.see(Side.CUSTOMER, left_at=START - 7 * MINUTE)

    it.enter(Side.STAFF, now=START + 3 * MINUTE)

    assert (it.status, it.call_began_at) == (Status.CONFIRMED, None)


def test_a_coming_that_is_told_after_the_leaving_makes_no_call() -> None:
    it = booking()
    it.enter(Side.STAFF, now=START)

    it.enter(Side.CUSTOMER, now=START - MINUTE, left_at=START + MINUTE)

    assert it.status is Status.CONFIRMED


def test_a_booking_that_is_changed_begins_with_nobody_there() -> None:
    it = booking()
    it.enter(Side.CUSTOMER, now=START)
    it.see(Side.CUSTOMER, left_at=START + MINUTE)
    it.staff_id = "hana"

    change(it, is_displaced=True)

    assert {it.customer_entered_at, it.customer_left_at, it.staff_id} == {None}


def test_a_fact_that_comes_twice_is_noted_once() -> None:
    it = in_call()

    assert it.see(Side.STAFF, left_at=START + 2 * MINUTE)
    assert not it.see(Side.STAFF, left_at=START + 2 * MINUTE)
    assert trail(it).count("left") == 1


@pytest.mark.parametrize("status", [each for each in Status if each not in {Status.CONFIRMED, Status.IN_CALL}])
def test_a_fact_about_what_is_over_changes_nothing_and_is_not_refused(status: Status) -> None:
    it = booking(status, customer_entered_at=START)

    assert not it.see(Side.CUSTOMER, left_at=START + MINUTE)
    assert it.customer_left_at is None


# When it is over


def test_when_both_left_the_call_is_over_after_three_minutes() -> None:
    it = in_call()
    it.see(Side.CUSTOMER, left_at=START + 9 * MINUTE)
    it.see(Side.STAFF, left_at=START + 10 * MINUTE)

    assert not it.end(now=START + 10 * MINUTE + RECONNECT - MOMENT, revision=1)
    assert it.end(now=START + 10 * MINUTE + RECONNECT, revision=1)
    assert (it.status, it.ended_because) == (Status.COMPLETED, Ended.BOTH_LEFT)


def test_whoever_comes_back_in_time_keeps_the_call_open() -> None:
    it = in_call()
    it.see(Side.CUSTOMER, left_at=START + 9 * MINUTE)
    it.see(Side.STAFF, left_at=START + 10 * MINUTE)

    it.see(Side.CUSTOMER, left_at=None)

    assert it.over_at is None
    assert not it.end(now=START + 20 * MINUTE, revision=1)


def test_one_side_that_leaves_alone_ends_nothing() -> None:
    it = in_call()

    it.see(Side.CUSTOMER, left_at=START + 2 * MINUTE)

    assert not it.end(now=CLOSES - MOMENT, revision=1)


def test_a_call_that_nobody_leaves_is_over_at_the_end_of_its_window() -> None:
    it = in_call()

    assert it.end(now=CLOSES, revision=1)
    assert (it.status, it.ended_because) == (Status.COMPLETED, Ended.TIME_OVER)


def test_staff_can_end_a_call() -> None:
    it = in_call()

    it.hang_up(now=START + 5 * MINUTE, actor="staff:hana")

    assert (it.status, it.ended_because, it.ended_at) == (Status.COMPLETED, Ended.STAFF, START + 5 * MINUTE)


@pytest.mark.parametrize("status", [each for each in Status if each is not Status.IN_CALL])
def test_where_there_is_no_call_none_can_be_ended(status: Status) -> None:
    with pytest.raises(IllegalMove):
        booking(status).hang_up(now=START, actor="staff:hana")


def test_both_that_left_before_the_call_began_do_not_end_the_booking() -> None:
    it = booking()
    it.enter(Side.CUSTOMER, now=START)
    it.see(Side.CUSTOMER, left_at=START + MINUTE)

    assert not it.end(now=START + 10 * MINUTE, revision=1)
    assert it.end(now=CLOSES, revision=1)
    assert (it.status, it.absent) == (Status.NO_SHOW, "shop")


@pytest.mark.parametrize(
    ("customer", "staff", "absent"),
    [
        # The customer first: the shop is late after two minutes.
        ([(0, 3)], [(5, None)], "shop"),
        ([(0, 1)], [(5, None)], "customer"),
        ([(-9, -7)], [(3, None)], "customer"),
        ([(0, 1)], [(1.5, None)], "customer"),
        # The shop first: the customer is late after five.
        ([(0, None)], [(-9, -8)], "shop"),
        ([(2, None)], [(0, 1)], "shop"),
        ([(6, None)], [(0, 5)], "shop"),
        ([(6, None)], [(0, 5.5)], "customer"),
        # Who looked in before, and came back too late.
        ([(0, 6)], [(-9, -8), (10, None)], "shop"),
        ([(-9, -8), (32, None)], [(0, 30)], "customer"),
        # Nobody waited for anybody.
        ([(-9, -8)], [(-5, -4)], "both"),
        ([(0, 1)], [(1.5, 3)], "both"),
    ],
)
def test_of_two_who_missed_each_other_the_one_is_absent_who_was_late_for_the_other(
    customer: Sequence[tuple[float, float | None]], staff: Sequence[tuple[float, float | None]], absent: str
) -> None:
    it = booking()
    visits = {
        side: [(START + came * MINUTE, None if left is None else START + left * MINUTE) for came, left in each]
        for side, each in ((Side.CUSTOMER, customer), (Side.STAFF, staff))
    }
    for side in Side:
        it.enter(side, now=visits[side][0][0], left_at=visits[side][-1][1])
        it.see(side, left_at=visits[side][-1][1])

    it.end(now=CLOSES, revision=1, visits=visits)

    assert (it.status, it.absent) == (Status.NO_SHOW, absent)


@pytest.mark.parametrize(("staff_left", "absent"), [(-8, "shop"), (5, "shop"), (6, "customer")])
def test_where_no_visits_are_known_the_first_coming_and_the_last_leaving_are(staff_left: int, absent: str) -> None:
    it = booking()
    it.enter(Side.STAFF, now=START - 9 * MINUTE)
    it.see(Side.STAFF, left_at=START + staff_left * MINUTE)
    it.enter(Side.CUSTOMER, now=START + 7 * MINUTE)

    it.end(now=CLOSES, revision=1)

    assert (it.status, it.absent) == (Status.NO_SHOW, absent)


# How long they talked


def test_the_talk_lasts_from_the_second_that_came_to_the_first_that_left() -> None:
    it = in_call()
    it.see(Side.CUSTOMER, left_at=START + 9 * MINUTE)
    it.see(Side.STAFF, left_at=START + 11 * MINUTE)
    it.end(now=START + 14 * MINUTE, revision=1)

    assert it.talked_seconds == 8 * 60


def test_a_talk_that_staff_end_lasts_until_then() -> None:
    it = in_call()
    it.hang_up(now=START + 4 * MINUTE, actor="staff:hana")

    assert it.talked_seconds == 3 * 60


def test_nobody_talked_in_a_call_that_was_missed() -> None:
    it = booking()
    it.end(now=CLOSES, revision=1)

    assert (it.talked_until, it.talked_seconds) == (None, 0)


# Who is late


@pytest.mark.parametrize(("side", "minutes"), [(Side.CUSTOMER, 5), (Side.STAFF, 2)])
def test_a_side_is_late_so_long_after_the_start_while_the_other_waits(side: Side, minutes: int) -> None:
    it = booking()
    it.enter(Side.STAFF if side is Side.CUSTOMER else Side.CUSTOMER, now=START)
    late = START + minutes * MINUTE

    assert not it.is_missed(side, now=late - MOMENT, revision=1)
    assert it.is_missed(side, now=late, revision=1)
    assert not it.is_missed(side, now=CLOSES, revision=1)


@pytest.mark.parametrize("side", list(Side))
def test_nobody_is_late_while_nobody_waits(side: Side) -> None:
    assert not booking().is_missed(side, now=START + 10 * MINUTE, revision=1)


@pytest.mark.parametrize("side", list(Side))
def test_nobody_is_late_for_whoever_has_left_again(side: Side) -> None:
    it = booking()
    other = Side.STAFF if side is Side.CUSTOMER else Side.CUSTOMER
    it.enter(other, now=START)
    it.see(other, left_at=START + MINUTE)

    assert not it.is_missed(side, now=START + 10 * MINUTE, revision=1)


def test_a_customer_who_looked_in_before_and_left_is_late_like_any_other() -> None:
    it = booking()
    it.enter(Side.CUSTOMER, now=START - 9 * MINUTE)
    it.see(Side.CUSTOMER, left_at=START - 7 * MINUTE)
    it.enter(Side.STAFF, now=START)

    assert it.is_missed(Side.CUSTOMER, now=START + 5 * MINUTE, revision=1)
    it.nudge(now=START + MINUTE, actor="staff:hana")
    assert "nudged" in trail(it)


def test_nobody_is_late_for_a_time_that_was_changed() -> None:
    it = booking(revision=2)
    it.enter(Side.STAFF, now=START)

    assert not it.is_missed(Side.CUSTOMER, now=START + 10 * MINUTE, revision=1)


def test_staff_may_nudge_from_the_start_until_the_window_is_over() -> None:
    it = booking()

    it.nudge(now=START, actor="staff:hana")

    assert trail(it) == ["nudged"]
    for now in (START - MOMENT, CLOSES):
        with pytest.raises(IllegalMove):
            it.nudge(now=now, actor="staff:hana")


def test_a_customer_who_is_there_is_not_nudged() -> None:
    it = booking()
    it.enter(Side.CUSTOMER, now=START)

    with pytest.raises(IllegalMove):
        it.nudge(now=START + MINUTE, actor="staff:hana")


# What facts say of a side


@pytest.mark.parametrize(
    ("told", "minute"),
    [
        ([], None),
        ([fact(JOINED, 0)], None),
        ([fact(JOINED, 0), fact(LEFT, 5)], 5),
        ([fact(JOINED, 0), fact(LEFT, 5), fact(JOINED, 6)], None),
        ([fact(JOINED, 0, who="phone"), fact(JOINED, 1, who="laptop"), fact(LEFT, 5, who="phone")], None),
        ([fact(JOINED, 0, who="phone"), fact(LEFT, 5, who="phone"), fact(LEFT, 4, who="laptop")], 5),
        # A page that was closed proves nothing where the provider says that somebody is there.
        ([fact(JOINED, 0, source=PAGE), fact(LEFT, 2, source=PAGE), fact(JOINED, 1)], None),
        ([fact(JOINED, 0, source=PAGE), fact(LEFT, 3)], 3),
        ([fact(JOINED, 0, source=PAGE), fact(LEFT, 2, source=PAGE)], 2),
        ([fact(JOINED, 0), fact(FactKind.FAILED, 5)], None),
    ],
)
def test_a_side_has_left_when_each_of_its_participants_has(told: Sequence[CallFact], minute: float | None) -> None:
    assert left_at(told, Side.CUSTOMER) == (None if minute is None else START + minute * MINUTE)


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ([], []),
        ([fact(JOINED, 0)], [(0, None)]),
        ([fact(JOINED, 0), fact(LEFT, 5), fact(JOINED, 6)], [(0, 5), (6, None)]),
        ([fact(JOINED, 6), fact(LEFT, 5), fact(JOINED, 0), fact(LEFT, 9)], [(0, 5), (6, 9)]),
        # One person with a phone and a computer.
        (
            [fact(JOINED, 0, who="a"), fact(JOINED, 1, who="b"), fact(LEFT, 5, who="a"), fact(LEFT, 6, who="b")],
            [(0, 6)],
        ),
        ([fact(LEFT, 5)], []),
        ([fact(JOINED, 0, source=PAGE), fact(FactKind.CLOSED, 2, source=PAGE)], [(0, None)]),
        ([fact(JOINED, 0, source=PAGE), fact(LEFT, 2, source=PAGE), fact(JOINED, 1)], [(1, None)]),
    ],
)
def test_a_visit_lasts_until_the_last_participant_of_a_side_has_left(
    told: Sequence[CallFact], found: Sequence[tuple[float, float | None]]
) -> None:
    assert visits(told, Side.CUSTOMER) == [
        (START + came * MINUTE, None if left is None else START + left * MINUTE) for came, left in found
    ]


@pytest.mark.parametrize(("by_closing", "minute"), [(True, 2), (False, None)])
def test_a_page_that_was_closed_is_a_leaving_only_to_whoever_asks_for_it(
    *, by_closing: bool, minute: int | None
) -> None:
    told = [fact(JOINED, 0, source=PAGE), fact(FactKind.CLOSED, 2, source=PAGE)]

    left = left_at(told, Side.CUSTOMER, by_closing=by_closing)

    assert left == (None if minute is None else START + minute * MINUTE)


def test_what_is_told_of_one_side_says_nothing_of_the_other() -> None:
    assert left_at([fact(JOINED, 0), fact(LEFT, 5)], Side.STAFF) is None


@given(st.permutations([fact(JOINED, 0), fact(LEFT, 2), fact(JOINED, 3), fact(LEFT, 7), fact(LEFT, 7)]))
def test_the_order_in_which_facts_come_does_not_matter(told: Sequence[CallFact]) -> None:
    assert left_at(told, Side.CUSTOMER) == START + 7 * MINUTE


@pytest.mark.parametrize("ids", [(1, 2), (2, 1)])
def test_whoever_came_and_left_in_the_same_second_has_left(ids: tuple[int, int]) -> None:
    told = [fact(JOINED, 5, who="PA1"), fact(LEFT, 5, who="PA1")]
    for each, id_ in zip(told, ids, strict=True):
        each.id = UUID(int=id_)

    assert left_at(told, Side.CUSTOMER) == START + 5 * MINUTE


@pytest.mark.parametrize(
    ("problem", "told_by", "side"),
    [
        (Symptom.DEVICE, Side.CUSTOMER, FailedSide.CUSTOMER),
        (Symptom.NETWORK, Side.STAFF, FailedSide.STAFF),
        (Symptom.ROOM, Side.CUSTOMER, FailedSide.PROVIDER),
        (Symptom.OTHER_SIDE, Side.CUSTOMER, FailedSide.STAFF),
        (Symptom.OTHER_SIDE, Side.STAFF, FailedSide.CUSTOMER),
    ],
)
def test_a_failed_connection_lies_with_the_side_that_whoever_tells_it_means(
    problem: Symptom, told_by: Side, side: FailedSide
) -> None:
    """Clause B26."""
    assert failed_side(problem, told_by) is side


# Conduct reports


def test_a_report_is_seen_once() -> None:
    report = ConductReport(id=UUID(int=1), category=Category.ABUSE, state=State.NEW)

    report.see(by="key:desk", at=START)

    assert (report.state, report.seen_by, report.seen_at) == (State.SEEN, "key:desk", START)
    with pytest.raises(IllegalMove):
        report.see(by="key:other", at=START)


def test_a_report_is_sealed_for_the_customer_or_for_the_call_of_nobody() -> None:
    customer, call = UUID(int=3), UUID(int=4)

    assert ConductReport(customer_id=customer, booking_id=UUID(int=5)).subject == customer
    assert ConductReport(customer_id=None, call_id=call).subject == call
