"""A booking's moves: which arrows there are, who judges the deadline, and that nothing terminal revives."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import attributes

from models.booking import MOVES, TERMINAL, Booking, Cause, Released, Side, Status
from models.customer import Channel
from models.deadline import change_deadline
from models.errors import (
    ConfirmationNeeded,
    HoldEnded,
    IllegalMove,
    Refusal,
    StaleRevision,
    TooManyChanges,
    WindowClosed,
)

MOMENT = timedelta(microseconds=1)
HELD_AT = datetime(2025, 11, 20, 3, tzinfo=UTC)
START = datetime(2025, 11, 23, 5, tzinfo=UTC)  # Sunday, 14:00 in Tokyo
END = START + timedelta(minutes=20)
DEADLINE = datetime(2025, 11, 22, 15, tzinfo=UTC)  # midnight in Tokyo
OPENS, CLOSES = START - timedelta(minutes=10), END + timedelta(minutes=15)
LATER = START + timedelta(days=2)
LATER_DEADLINE = DEADLINE + timedelta(days=2)

ALL_STATES = list(Status)


def booking(status: Status = Status.CONFIRMED, **columns: Any) -> Booking:
    plain: dict[str, Any] = {
        "id": UUID("0192f3a0-1111-7222-8333-444455556666"),
        "shop_id": "queens-court",
        "customer_id": UUID(int=7),
        "channel": Channel.SMS,
        "language": "ja",
        "status": status,
        "revision": 1,
        "seat": 1,
        "starts_at": START,
        "ends_at": END,
        "shop_zone": "Asia/Tokyo",
        "change_deadline_at": DEADLINE,
        "entry_opens_at": OPENS,
        "entry_closes_at": CLOSES,
        "most_changes": 5,
        "live_index": "before",
        "created_at": HELD_AT,
        "hold_expires_at": HELD_AT + timedelta(minutes=10),
    }
    return Booking(**(plain | columns))


def trail(of: Booking) -> list[str]:
    return [event.kind for event in attributes.get_history(of, "events").added or ()]


def state_of(of: Booking) -> dict[str, Any]:
    return {column.key: getattr(of, column.key) for column in Booking.__table__.columns if column.key != "id"}


def change(of: Booking, received_at: datetime = HELD_AT, **changes: Any) -> None:
    wish: dict[str, Any] = {
        "starts_at": LATER,
        "ends_at": LATER + timedelta(minutes=20),
        "seat": 2,
        "deadline_at": LATER_DEADLINE,
        "received_at": received_at,
        "expected_revision": 1,
        "knows_it_is_final": False,
        "live_index": "after",
    }
    of.change(**(wish | changes))


def complete(of: Booking) -> None:
    of.complete(received_at=HELD_AT)


def extend(of: Booking) -> None:
    of.extend_hold(HELD_AT + timedelta(minutes=12), at=HELD_AT)


def release(of: Booking) -> None:
    of.release(Released.ABANDONED, at=HELD_AT)


def cancel(of: Booking) -> None:
    of.cancel(received_at=HELD_AT, expected_revision=1)


def withdraw(of: Booking) -> None:
    of.withdraw(Cause.SHOP, at=HELD_AT, actor="key:shop", reason="staff_ill")


def enter(of: Booking) -> None:
    of.enter(Side.CUSTOMER, now=START)


COMMANDS: dict[str, tuple[Callable[[Booking], None], set[Status]]] = {
    "complete": (complete, {Status.HELD}),
    "extend_hold": (extend, {Status.HELD}),
    "release": (release, {Status.HELD}),
    "change": (change, {Status.CONFIRMED}),
    "cancel": (cancel, {Status.CONFIRMED}),
    "withdraw": (withdraw, {Status.CONFIRMED}),
    "enter": (enter, {Status.CONFIRMED, Status.IN_CALL}),
}


# The table of moves


def test_every_state_is_in_the_table_of_moves() -> None:
    assert set(MOVES) == set(Status)


def test_the_terminal_states_are_the_four_that_end_a_booking() -> None:
    assert {Status.RELEASED, Status.CANCELLED, Status.NO_SHOW, Status.COMPLETED} == TERMINAL


def test_every_state_can_be_reached_from_the_hold() -> None:
    reached, new = {Status.HELD}, {Status.HELD}
    while new:
        new = {onward for state in new for onward in MOVES[state]} - reached
        reached |= new

    assert reached == set(Status)


@pytest.mark.parametrize("status", ALL_STATES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_refused_in_every_state_but_its_own(command: str, status: Status) -> None:
    act, allowed = COMMANDS[command]
    it = booking(status)

    if status in allowed:
        act(it)
    else:
        with pytest.raises(IllegalMove):
            act(it)


@pytest.mark.parametrize("status", sorted(TERMINAL))
@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_refused_in_a_terminal_state_leaves_no_trace(command: str, status: Status) -> None:
    """Fault 3: a cancelled booking was revived by its reschedule link."""
    it = booking(status, live_index=None)
    before = state_of(it)

    with pytest.raises(IllegalMove):
        COMMANDS[command][0](it)

    assert (state_of(it), trail(it)) == (before, [])


def test_a_refusal_names_the_booking_and_its_state_and_nothing_personal() -> None:
    it = booking(Status.CANCELLED)

    with pytest.raises(IllegalMove) as refusal:
        cancel(it)

    assert refusal.value.facts == {"booking_id": it.id, "booking_status": Status.CANCELLED}


# From hold to completion, as B15 says


def test_a_code_received_in_the_last_moment_of_the_hold_completes_the_booking() -> None:
    it = booking(Status.HELD)
    received_at = it.hold_expires_at - MOMENT

    it.complete(received_at=received_at)

    assert (it.status, it.confirmed_at, trail(it)) == (Status.CONFIRMED, received_at, ["confirmed"])


def test_a_code_received_at_the_very_end_of_the_hold_is_too_late() -> None:
    it = booking(Status.HELD)

    with pytest.raises(HoldEnded):
        it.complete(received_at=it.hold_expires_at)

    assert it.status is Status.HELD


def test_a_hold_is_over_at_its_end_and_not_a_moment_before() -> None:
    it = booking(Status.HELD)

    assert not it.hold_is_over(it.hold_expires_at - MOMENT)
    assert it.hold_is_over(it.hold_expires_at)


@pytest.mark.parametrize("status", [status for status in ALL_STATES if status is not Status.HELD])
def test_only_a_hold_can_be_over(status: Status) -> None:
    assert not booking(status).hold_is_over(CLOSES)


def test_a_hold_is_never_shortened() -> None:
    it = booking(Status.HELD)
    before = it.hold_expires_at

    it.extend_hold(before - timedelta(minutes=1), at=HELD_AT)

    assert it.hold_expires_at == before


@pytest.mark.parametrize("because", Released)
def test_a_release_keeps_its_reason_and_lets_the_customer_book_again(because: Released) -> None:
    it = booking(Status.HELD)

    it.release(because, at=HELD_AT)

    assert (it.released_because, it.ended_at, it.live_index) == (because, HELD_AT, None)


# The deadline of B20


@pytest.mark.parametrize(
    ("zone", "start", "deadline"),
    [
        pytest.param("Asia/Tokyo", "2025-11-23T05:00:00Z", "2025-11-22T15:00:00Z", id="Tokyo"),
        pytest.param("Asia/Tokyo", "2025-11-22T15:30:00Z", "2025-11-22T15:00:00Z", id="half past midnight"),
        pytest.param("Europe/Paris", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", id="the clocks go forward"),
        pytest.param("Europe/Paris", "2026-10-25T13:00:00Z", "2026-10-24T22:00:00Z", id="the clocks go back"),
        pytest.param("America/Santiago", "2026-09-06T17:00:00Z", "2026-09-06T04:00:00Z", id="midnight is missing"),
    ],
)
@pytest.mark.parametrize("command", ["cancel", "change"])
def test_the_end_of_the_day_before_is_an_exclusive_end_in_the_shops_own_zone(
    command: str, zone: str, start: str, deadline: str
) -> None:
    starts_at, until = datetime.fromisoformat(start), datetime.fromisoformat(deadline)
    times: dict[str, Any] = {"starts_at": starts_at, "ends_at": starts_at + timedelta(minutes=20), "shop_zone": zone}
    in_time = booking(change_deadline_at=change_deadline(starts_at, zone), **times)
    too_late = booking(change_deadline_at=change_deadline(starts_at, zone), **times)

    def act(of: Booking, received_at: datetime) -> None:
        if command == "cancel":
            of.cancel(received_at=received_at, expected_revision=1)
        else:
            later = starts_at + timedelta(days=9)
            change(of, received_at, starts_at=later, ends_at=later, deadline_at=later)

    act(in_time, until - timedelta(milliseconds=1))
    with pytest.raises(WindowClosed) as refusal:
        act(too_late, until)

    assert refusal.value.facts["change_deadline_at"] == until


def test_a_cancellation_received_in_time_counts_although_the_closing_was_recorded_meanwhile() -> None:
    """It waited for a lock from 23:59:59.999 until after midnight."""
    it = booking()
    it.close_window(now=DEADLINE, revision=1)

    it.cancel(received_at=DEADLINE - timedelta(milliseconds=1), expected_revision=1)

    assert (it.status, it.cancelled_by) == (Status.CANCELLED, Cause.CUSTOMER)


def test_a_window_that_nobody_closed_is_closed_all_the_same() -> None:
    """Fault 19: no minimum notice for cancellations; here a dead beat does not give one back."""
    it = booking(change_window_closed_at=None)

    with pytest.raises(WindowClosed):
        it.cancel(received_at=DEADLINE, expected_revision=1)


def test_the_closing_is_recorded_once() -> None:
    it = booking()

    recorded = [it.close_window(now=DEADLINE + timedelta(minutes=10 * n), revision=1) for n in range(3)]

    assert recorded == [True, False, False]
    assert (it.change_window_closed_at, trail(it)) == (DEADLINE, ["change_window_closed"])


@pytest.mark.parametrize(
    ("why", "columns", "now", "revision"),
    [
        ("it is not yet due", {}, DEADLINE - MOMENT, 1),
        ("the booking was changed since the timer was set", {"revision": 2}, DEADLINE, 1),
        ("the booking was cancelled", {"status": Status.CANCELLED}, DEADLINE, 1),
        ("the booking is only held", {"status": Status.HELD}, DEADLINE, 1),
        ("the call has begun", {"status": Status.IN_CALL}, DEADLINE, 1),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_closing_is_recorded_when(why: str, columns: dict[str, Any], now: datetime, revision: int) -> None:
    it = booking(**columns)

    assert not it.close_window(now=now, revision=revision)
    assert it.change_window_closed_at is None


def test_a_later_deadline_that_the_customer_was_told_is_kept_and_opens_the_window_again() -> None:
    it = booking(change_window_closed_at=DEADLINE)
    told = DEADLINE + timedelta(hours=9)

    assert it.keep_told_deadline(told, at=DEADLINE + timedelta(hours=2))

    assert (it.change_deadline_at, it.change_window_closed_at) == (told, None)
    assert trail(it) == ["told_deadline_kept"]
    it.cancel(received_at=told - MOMENT, expected_revision=1)


def test_an_earlier_deadline_that_the_customer_was_told_takes_nothing_from_their_own() -> None:
    it = booking()

    assert not it.keep_told_deadline(DEADLINE, at=HELD_AT)

    assert (it.change_deadline_at, trail(it)) == (DEADLINE, [])


def test_the_shop_may_withdraw_after_the_deadline() -> None:
    it = booking()

    it.withdraw(Cause.SHOP, at=DEADLINE + timedelta(hours=1), actor="key:shop", reason="staff_ill")

    assert (it.status, it.cancelled_by) == (Status.CANCELLED, Cause.SHOP)


@given(st.datetimes(min_value=datetime(2025, 11, 20), max_value=datetime(2025, 11, 25)))  # noqa: DTZ001 - it gets its zone below
def test_what_the_page_offers_is_what_the_model_permits(naive: datetime) -> None:
    received_at = naive.replace(tzinfo=UTC)
    it = booking()
    offered = it.may_still_change(received_at)

    try:
        it.cancel(received_at=received_at, expected_revision=1)
    except WindowClosed:
        permitted = False
    else:
        permitted = True

    assert offered == permitted


# Changing, as B18 promises


def test_a_change_is_made_in_place_and_counts_the_revision() -> None:
    """Fault 3: a rescheduled booking became two."""
    it = booking()
    id_before = it.id

    change(it)

    assert (it.id, it.status, it.revision, trail(it)) == (id_before, Status.CONFIRMED, 2, ["changed"])


def test_a_change_moves_times_seat_deadline_entry_window_and_index_together() -> None:
    it = booking(change_window_closed_at=HELD_AT)

    change(it)

    assert (it.starts_at, it.ends_at, it.seat) == (LATER, LATER + timedelta(minutes=20), 2)
    assert (it.entry_opens_at, it.entry_closes_at) == (OPENS + timedelta(days=2), CLOSES + timedelta(days=2))
    assert (it.change_deadline_at, it.change_window_closed_at) == (LATER_DEADLINE, None)
    assert it.live_index == "after"


def test_a_change_is_judged_by_the_old_deadline_although_the_new_one_is_far_away() -> None:
    it = booking()

    with pytest.raises(WindowClosed):
        change(it, DEADLINE)

    assert (it.starts_at, it.revision) == (START, 1)


def test_after_a_change_the_new_deadline_counts() -> None:
    it = booking()
    change(it)

    it.cancel(received_at=DEADLINE + timedelta(hours=1), expected_revision=2)

    assert it.status is Status.CANCELLED


def test_a_change_that_cannot_be_undone_must_be_meant() -> None:
    it = booking()

    with pytest.raises(ConfirmationNeeded):
        change(it, deadline_at=HELD_AT)

    assert (it.starts_at, it.revision) == (START, 1)


def test_a_final_change_that_is_meant_is_made() -> None:
    it = booking()

    change(it, deadline_at=HELD_AT, knows_it_is_final=True)

    assert (it.starts_at, it.may_still_change(HELD_AT)) == (LATER, False)


def test_a_booking_can_be_changed_five_times_and_no_more() -> None:
    it = booking()
    for revision in range(1, 6):
        change(it, expected_revision=revision)

    with pytest.raises(TooManyChanges):
        change(it, expected_revision=6)

    assert it.revision == 6


def test_a_booking_that_was_changed_five_times_can_still_be_cancelled() -> None:
    it = booking(revision=6)

    it.cancel(received_at=HELD_AT, expected_revision=6)

    assert it.status is Status.CANCELLED


@pytest.mark.parametrize("expected", [1, 3])
@pytest.mark.parametrize("command", ["cancel", "change"])
def test_who_decided_on_another_revision_is_told_the_present_one(command: str, expected: int) -> None:
    it = booking(revision=2)

    with pytest.raises(StaleRevision) as refusal:
        change(it, expected_revision=expected) if command == "change" else it.cancel(
            received_at=HELD_AT, expected_revision=expected
        )

    assert (refusal.value.facts["revision"], it.status, it.revision) == (2, Status.CONFIRMED, 2)


@pytest.mark.parametrize(
    ("refusal", "columns", "changes"),
    [
        (IllegalMove, {"status": Status.HELD}, {}),
        (StaleRevision, {"revision": 2}, {}),
        (WindowClosed, {"change_deadline_at": HELD_AT}, {}),
        (TooManyChanges, {"most_changes": 0}, {}),
        (ConfirmationNeeded, {}, {"deadline_at": HELD_AT}),
    ],
)
def test_a_refused_change_changes_nothing(
    refusal: type[Refusal], columns: dict[str, Any], changes: dict[str, Any]
) -> None:
    it = booking(**columns)
    before = state_of(it)

    with pytest.raises(refusal):
        change(it, **changes)

    assert (state_of(it), trail(it)) == (before, [])


@pytest.mark.parametrize(
    ("status", "revision", "true"),
    [
        (Status.CONFIRMED, 1, True),
        (Status.CONFIRMED, 2, False),
        (Status.CANCELLED, 1, False),
        (Status.HELD, 1, False),
        (Status.NO_SHOW, 1, False),
    ],
)
def test_a_reminder_is_true_of_a_confirmed_booking_of_its_own_revision(
    status: Status, revision: int, true: bool
) -> None:
    """Faults 4 and 5: a reminder after a cancellation, and one with the time before a change."""
    assert booking(status, revision=revision).is_reminded_of(1) is true


# The call (B17)


@pytest.mark.parametrize(
    ("now", "may"),
    [(OPENS - MOMENT, False), (OPENS, True), (START, True), (CLOSES - MOMENT, True), (CLOSES, False)],
)
def test_the_call_may_be_entered_from_its_opening_until_before_its_closing(now: datetime, may: bool) -> None:
    assert booking().may_enter(now) is may


@pytest.mark.parametrize(
    "status", [status for status in ALL_STATES if status not in {Status.CONFIRMED, Status.IN_CALL}]
)
def test_there_is_no_call_to_enter_in_any_other_state(status: Status) -> None:
    assert not booking(status).may_enter(START)


def test_one_side_alone_makes_no_call() -> None:
    it = booking()

    it.enter(Side.CUSTOMER, now=START)

    assert (it.status, it.customer_entered_at) == (Status.CONFIRMED, START)


@pytest.mark.parametrize("order", [(Side.CUSTOMER, Side.STAFF), (Side.STAFF, Side.CUSTOMER)])
def test_both_sides_make_it_a_call_in_either_order(order: tuple[Side, Side]) -> None:
    it = booking()

    for side in order:
        it.enter(side, now=START)

    assert (it.status, trail(it)) == (Status.IN_CALL, ["entered", "entered", "call_began"])


def test_tapping_the_call_link_again_changes_nothing() -> None:
    it = booking()
    it.enter(Side.CUSTOMER, now=START)
    it.enter(Side.STAFF, now=START)

    it.enter(Side.CUSTOMER, now=START + timedelta(minutes=5))
    it.enter(Side.STAFF, now=START + timedelta(minutes=5))

    assert (it.customer_entered_at, it.staff_entered_at) == (START, START)
    assert len(trail(it)) == 3


@pytest.mark.parametrize(
    ("entered", "status", "absent"),
    [
        ((), Status.NO_SHOW, "both"),
        ((Side.CUSTOMER,), Status.NO_SHOW, "shop"),
        ((Side.STAFF,), Status.NO_SHOW, "customer"),
        ((Side.CUSTOMER, Side.STAFF), Status.COMPLETED, None),
    ],
)
def test_when_the_entry_window_is_over_the_booking_ends_as_it_went(
    entered: tuple[Side, ...], status: Status, absent: str | None
) -> None:
    it = booking()
    for side in entered:
        it.enter(side, now=START)

    assert it.end(now=CLOSES, revision=1)
    assert (it.status, it.absent, it.ended_at, it.live_index) == (status, absent, CLOSES, None)


@pytest.mark.parametrize(
    ("why", "columns", "now"),
    [
        ("it is not over", {}, CLOSES - MOMENT),
        ("it was changed since the timer was set", {"revision": 2}, CLOSES),
        ("it was cancelled", {"status": Status.CANCELLED}, CLOSES),
        ("it has ended already", {"status": Status.COMPLETED}, CLOSES),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_booking_does_not_end_when(why: str, columns: dict[str, Any], now: datetime) -> None:
    it = booking(**columns)
    before = state_of(it)

    assert not it.end(now=now, revision=1)
    assert state_of(it) == before


# The booking number


@given(st.uuids())
def test_the_booking_number_can_be_read_out(booking_id: UUID) -> None:
    reference = booking(id=booking_id).reference

    assert len(reference) == 9
    assert reference[4] == "-"
    assert not set(reference) & set("ILOU"), "easily mistaken for 1, 1, 0 and V"
