"""A message's moves: what ends it unsent, what an answer means, and facts that come twice, late, out of order."""

from datetime import UTC, datetime, timedelta
from itertools import permutations, product
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.booking import Booking, Status
from models.errors import IllegalMove
from models.job import Queue
from models.message import (
    CODES,
    MOVES,
    NATURES,
    OF_PEOPLE,
    POLL_AFTER,
    TERMINAL,
    Accepted,
    Answer,
    Attempt,
    Kind,
    Message,
    Refused,
    State,
    TryLater,
    Unknown,
    WhenUnknown,
)

NOW = datetime(2025, 11, 20, 3, tzinfo=UTC)
EXPIRES = NOW + timedelta(minutes=10)
MOMENT = timedelta(microseconds=1)
FACTS = [State.SENT, State.DELIVERED, State.UNDELIVERED, State.FAILED, State.EXPIRED]
ANSWERS = [Accepted("SM1"), Refused("21211"), TryLater("429"), Unknown("no_answer")]
OF_A_REVISION = {
    Kind.BOOKING_CONFIRMED,
    Kind.BOOKING_CONFIRMED_SAME_DAY,
    Kind.BOOKING_CHANGED,
    Kind.BOOKING_CHANGED_FINAL,
    Kind.BOOKING_MOVED,
    Kind.BOOKING_REMINDER_EVE,
    Kind.BOOKING_REMINDER_DAY,
    Kind.BOOKING_LATE,
    Kind.BOOKING_SHOP_ABSENT,
    Kind.BOOKING_THANKS,
    Kind.SHOP_IS_LATE,
    Kind.SUSPENSION_ANNOUNCED,
    Kind.SUSPENSION_UNDONE,
}


def message(state: State = State.QUEUED, kind: Kind = Kind.BOOKING_CONFIRMED, **columns: Any) -> Message:
    plain: dict[str, Any] = {"id": UUID(int=1), "revision": 1, "tries": 0, "expires_at": EXPIRES}
    return Message(kind=kind, state=state, **(plain | columns))


def booking(status: Status = Status.CONFIRMED, revision: int = 1) -> Booking:
    return Booking(id=UUID(int=2), status=status, revision=revision)


# The tables


def test_every_state_is_in_the_table_of_moves() -> None:
    assert set(MOVES) == set(State)


def test_every_kind_has_its_nature() -> None:
    assert set(NATURES) == set(Kind)


def test_only_codes_travel_on_the_queue_of_codes() -> None:
    assert {kind for kind, nature in NATURES.items() if nature.queue is Queue.CODES} == CODES


def test_what_the_customer_waits_for_does_not_queue_behind_bulk() -> None:
    bulk = {kind for kind, nature in NATURES.items() if nature.queue is Queue.DELIVERY}

    notices = {kind for kind in Kind if kind.startswith("shop_")}
    notices -= {Kind.SHOP_IS_LATE, Kind.SHOP_CALLS_UNANSWERED}
    of_stops = {Kind.SUSPENSION_ANNOUNCED, Kind.SUSPENSION_UNDONE}
    to_many = {Kind.BOOKING_REMINDER_EVE, Kind.BOOKING_THANKS, Kind.TERMS_CHANGED}
    assert bulk == {*to_many, *of_stops, *OF_PEOPLE, *notices}


def test_a_reminder_whose_fate_is_unknown_is_never_sent_a_second_time() -> None:
    reminders = {Kind.BOOKING_REMINDER_EVE, Kind.BOOKING_REMINDER_DAY}

    assert {NATURES[kind].when_unknown for kind in reminders} == {WhenUnknown.AT_MOST_ONCE}


def test_thanks_wait_for_the_morning_and_what_somebody_waits_in_a_call_for_does_not() -> None:
    in_the_call = {Kind.BOOKING_LATE, Kind.BOOKING_SHOP_ABSENT, Kind.SHOP_IS_LATE}

    assert NATURES[Kind.BOOKING_THANKS].keeps_quiet
    assert not any(NATURES[kind].keeps_quiet for kind in in_the_call)


def test_no_message_is_sent_by_the_worker_of_calls_whose_vendor_would_keep_a_ring_waiting() -> None:
    assert [kind for kind, nature in NATURES.items() if nature.queue is Queue.CALLS] == []


# Whether it is still true

TRUE_WHILE = {
    Kind.BOOKING_CODE: {Status.HELD},
    Kind.BOOKING_CONFIRMED: {Status.CONFIRMED, Status.IN_CALL},
    Kind.BOOKING_CHANGED: {Status.CONFIRMED, Status.IN_CALL},
    Kind.BOOKING_CANCELLED: {Status.CANCELLED},
    Kind.BOOKING_WITHDRAWN: {Status.CANCELLED},
    Kind.BOOKING_REMINDER_EVE: {Status.CONFIRMED},
    Kind.BOOKING_REMINDER_DAY: {Status.CONFIRMED, Status.IN_CALL},
    Kind.BOOKING_LATE: {Status.CONFIRMED},
    Kind.BOOKING_SHOP_ABSENT: {Status.NO_SHOW},
    Kind.BOOKING_THANKS: {Status.COMPLETED},
    Kind.SHOP_IS_LATE: {Status.CONFIRMED},
    # It holds the staff's call URL, which a booking has only while it lives.
    Kind.SHOP_BOOKING_NEW: {Status.CONFIRMED, Status.IN_CALL},
    Kind.SHOP_BOOKING_CHANGED: {Status.CONFIRMED, Status.IN_CALL},
    Kind.SHOP_BOOKING_CANCELLED: set(Status),
    Kind.SHOP_DAY_LIST: set(Status),
}


@pytest.mark.parametrize(("kind", "status"), list(product(TRUE_WHILE, Status)))
def test_a_message_is_claimed_only_while_it_tells_the_truth(kind: Kind, status: Status) -> None:
    """Fault 4: a reminder after a cancellation."""
    it = message(kind=kind)

    wanted = it.is_wanted(now=NOW, subject=booking(status))

    assert wanted is (status in TRUE_WHILE[kind])
    assert it.state is (State.QUEUED if wanted else State.VOIDED)


@pytest.mark.parametrize("kind", [kind for kind in Kind if not kind.startswith("case_")])
def test_what_names_a_time_is_bound_to_the_revision(kind: Kind) -> None:
    """Fault 5: a reminder with the time before a change."""
    it = message(kind=kind)
    true_while = NATURES[kind].true_while or {Status.CONFIRMED}
    status = min(Status(each) for each in true_while)

    assert it.is_true_of(booking(status, revision=2)) is (kind not in OF_A_REVISION)


def test_a_notice_that_concerns_no_booking_is_always_true() -> None:
    assert message(kind=Kind.SHOP_DAY_LIST).is_true_of(None)


# Claiming


def test_a_message_is_claimed_in_its_last_moment_and_the_try_is_counted() -> None:
    it = message()

    assert it.is_wanted(now=EXPIRES - MOMENT, subject=booking())
    it.begin()
    assert (it.state, it.tries) == (State.SENDING, 1)


def test_a_message_that_can_no_longer_help_expires_instead() -> None:
    it = message()

    assert not it.is_wanted(now=EXPIRES, subject=booking())
    assert (it.state, it.because, it.ended_at, it.tries) == (State.EXPIRED, "too_late_to_help", EXPIRES, 0)


def test_a_message_that_is_both_untrue_and_late_is_voided() -> None:
    it = message()

    it.is_wanted(now=EXPIRES, subject=booking(Status.CANCELLED))

    assert it.state is State.VOIDED


def test_a_message_that_something_said_since_has_overtaken_is_voided() -> None:
    it = message(kind=Kind.SUSPENSION_ANNOUNCED)

    assert not it.is_wanted(now=NOW, subject=booking(), is_overtaken=True)
    assert it.state is State.VOIDED


@pytest.mark.parametrize("state", [state for state in State if state is not State.QUEUED])
def test_only_a_queued_message_can_be_claimed(state: State) -> None:
    """Fault 13: sent twice after a crash."""
    it = message(state)

    assert not it.is_wanted(now=NOW, subject=booking())
    with pytest.raises(IllegalMove):
        it.begin()
    assert it.state is state


@pytest.mark.parametrize("state", State)
def test_only_what_is_queued_can_be_voided(state: State) -> None:
    it = message(state)

    it.void(now=NOW)

    assert it.state is (State.VOIDED if state is State.QUEUED else state)


# Answers


@pytest.mark.parametrize(
    ("answer", "state", "because"),
    [
        (Accepted("SM1"), State.SENT, None),
        (Refused("21211"), State.FAILED, "21211"),
        (TryLater("429"), State.QUEUED, "429"),
        (Unknown("no_answer"), State.UNKNOWN, "no_answer"),
    ],
)
def test_each_answer_leads_to_a_state_of_its_own(answer: Answer, state: State, because: str | None) -> None:
    it = message(State.SENDING)

    it.record(answer, now=NOW)

    assert (it.state, it.because) == (state, because)


def test_a_bad_number_is_tried_no_more_and_kept() -> None:
    """Fault 23: a bad number was retried for ever, then silently deleted."""
    it = message(State.SENDING)

    it.record(Refused("21211"), now=NOW)

    assert it.state in TERMINAL
    assert it.ended_at == NOW


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
@pytest.mark.parametrize("state", [state for state in State if state not in {State.SENDING, State.UNKNOWN}])
def test_an_answer_that_comes_after_the_fact_unlearns_nothing(state: State, answer: Answer) -> None:
    it = message(state)

    it.record(answer, now=NOW)

    assert it.state is state


def test_what_was_unknown_stays_unknown_until_somebody_knows() -> None:
    it = message(State.UNKNOWN, because="no_answer_recorded")

    it.record(Unknown("later_word"), now=NOW)
    still_unknown = it.state
    it.record(Accepted("SM1"), now=NOW)

    assert (still_unknown, it.state) == (State.UNKNOWN, State.SENT)


@pytest.mark.parametrize(
    ("answer", "columns"),
    [
        (Accepted("SM1"), ("accepted", "SM1", None)),
        (Refused("21211"), ("refused", None, "21211")),
        (TryLater("429"), ("try_later", None, "429")),
        (Unknown("no_answer"), ("unknown", None, "no_answer")),
    ],
)
def test_an_attempt_keeps_what_the_vendor_said(answer: Answer, columns: tuple[str | None, ...]) -> None:
    attempt = Attempt(id=UUID(int=3))

    attempt.record(answer, now=NOW)

    assert (attempt.answer, attempt.reference, attempt.code) == columns
    assert attempt.ended_at == NOW


# Facts


@pytest.mark.parametrize("order", list(permutations([State.SENT, State.SENT, State.DELIVERED])))
def test_receipts_in_any_order_and_number_end_in_delivered(order: tuple[State, ...]) -> None:
    it = message(State.SENDING)

    for fact in order:
        it.learn(fact, now=NOW)

    assert it.state is State.DELIVERED


def test_never_sent_after_delivered() -> None:
    it = message(State.DELIVERED)

    assert not it.learn(State.SENT, now=NOW)
    assert it.state is State.DELIVERED


def test_a_receipt_settles_what_was_unknown() -> None:
    it = message(State.UNKNOWN, because="no_answer")

    assert it.learn(State.DELIVERED, now=NOW)
    assert (it.state, it.because, it.ended_at) == (State.DELIVERED, None, NOW)


@pytest.mark.parametrize("before", [State.SENDING, State.UNKNOWN])
def test_a_message_that_a_report_calls_sent_is_asked_after_like_any_other(before: State) -> None:
    it = message(before)

    it.learn(State.SENT, now=NOW)

    assert it.next_poll_at == NOW + POLL_AFTER


def test_a_receipt_that_comes_before_the_answer_counts() -> None:
    it = message(State.SENDING)
    it.learn(State.DELIVERED, now=NOW)

    it.record(Accepted("SM1"), now=NOW)

    assert it.state is State.DELIVERED


def test_no_receipt_can_make_a_message_go_out_again() -> None:
    it = message(State.SENDING)

    assert not it.learn(State.QUEUED, now=NOW)


@given(
    start=st.sampled_from(State),
    steps=st.lists(st.one_of(st.sampled_from(FACTS), st.sampled_from(ANSWERS)), max_size=8),
)
def test_no_story_of_facts_and_answers_raises_or_leaves_a_terminal_state(
    start: State, steps: list[State | Answer]
) -> None:
    it = message(start)

    for step in steps:
        before = it.state
        if isinstance(step, State):
            it.learn(step, now=NOW)
        else:
            it.record(step, now=NOW)

        assert it.state is before or it.state in MOVES[before]
