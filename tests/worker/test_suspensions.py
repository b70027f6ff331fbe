"""Stopping the service: who is refused, what is released, what becomes of bookings, who wins a race (B40 to B44)."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from models.booking import Booking, Cause, Released, Side, Status
from models.call import Refused
from models.call import Status as CallStatus
from models.customer import Channel
from models.errors import IllegalMove, Suspended, WindowClosed
from models.job import Name
from models.message import Kind, State
from models.shop import Shop
from models.suspension import Outcome, Reach, Suspension, Treatment
from models.suspension import Status as Standing
from tasks.delivery import DeliverMessage
from tests.conftest import StoppedTime
from tests.worker.desk import (
    DEADLINE,
    MINUTE,
    MOMENT,
    NOW,
    OTHER_SLOT,
    SLOT,
    Desk,
    at_once,
    phone,
    postgresql_only,
    sqlite_only,
)
from tests.worker.floor import OPEN, Floor
from tests.worker.stopping import BEGINS, ENDS, NOTICE, SUSPENDING, Operator, do, plan, work
from tests.worker.stopping import at_once as immediately
from worker import bookings, jobs, slots, suspending, suspensions
from worker.calls.availability import Because
from worker.customers import Contact
from worker.database import Database
from worker.in_call import entering
from worker.video import video_provider

HOUR = timedelta(hours=1)


@pytest.fixture
def desk(seeded: Database, time: StoppedTime) -> Desk:
    return Desk(seeded)


@pytest.fixture
def operator(desk: Desk, do_due_jobs: Callable[[], int]) -> Operator:
    return Operator(desk)


def told(desk: Desk, kind: Kind = Kind.SUSPENSION_ANNOUNCED) -> list[UUID | None]:
    return [message.booking_id for message in desk.messages(kind)]


# Refusing, B40 and B41


@sqlite_only
def test_while_it_runs_no_slot_can_be_held(desk: Desk, operator: Operator) -> None:
    operator.suspend(immediately(ends_at=NOW + HOUR))

    with pytest.raises(Suspended) as refused:
        desk.hold(NOW + MINUTE, starts_at=OTHER_SLOT)

    assert refused.value.facts["notice_url"] == NOTICE
    assert refused.value.facts["ends_at"] == NOW + HOUR


@sqlite_only
def test_of_one_without_an_end_no_end_is_told(desk: Desk, operator: Operator) -> None:
    operator.suspend(immediately(ends_at=None, treatment=Treatment.KEEP))

    with pytest.raises(Suspended) as refused:
        desk.hold(NOW + MINUTE, starts_at=OTHER_SLOT)

    assert refused.value.facts["ends_at"] is None


@sqlite_only
def test_once_its_time_is_over_slots_can_be_held_even_if_its_timer_is_late(desk: Desk, operator: Operator) -> None:
    operator.suspend(immediately(ends_at=NOW + HOUR))

    assert desk.hold(NOW + HOUR, starts_at=OTHER_SLOT)


@sqlite_only
def test_before_a_planned_one_begins_other_times_can_be_held(desk: Desk, operator: Operator) -> None:
    operator.suspend(plan())

    assert desk.hold(starts_at=OTHER_SLOT)


@sqlite_only
def test_no_time_inside_a_planned_one_can_be_held(desk: Desk, operator: Operator) -> None:
    operator.suspend(plan())

    with pytest.raises(Suspended):
        desk.hold(starts_at=SLOT)


@sqlite_only
def test_no_time_inside_a_planned_one_is_offered(desk: Desk, operator: Operator) -> None:
    def offered() -> set[Any]:
        with desk.database.snapshot() as session:
            shop = session.get_one(Shop, "queens-court")
            found = slots.free_slots(session, shop, SLOT.date(), SLOT.date() + timedelta(days=1), now=NOW)
            return {slot.starts_at for slot in found}

    before = offered()
    operator.suspend(plan())

    assert before - offered() == {at for at in before if BEGINS - 20 * MINUTE < at < ENDS}
    assert SLOT in before - offered()


@sqlite_only
def test_a_shops_own_suspension_leaves_the_other_shops_alone(desk: Desk, operator: Operator) -> None:
    operator.suspend(immediately(reach=Reach.SHOP, shop_id="fred"))

    assert desk.hold(NOW + MINUTE, shop="queens-court")
    with pytest.raises(Suspended):
        desk.hold(NOW + MINUTE, shop="fred", number=13)


@sqlite_only
def test_a_providers_suspension_stops_what_it_would_carry(desk: Desk, operator: Operator) -> None:
    operator.suspend(immediately(reach=Reach.PROVIDER, provider=video_provider().name))

    with pytest.raises(Suspended):
        desk.hold(NOW + MINUTE, starts_at=OTHER_SLOT)


@sqlite_only
def test_another_providers_suspension_stops_nothing(desk: Desk, operator: Operator) -> None:
    confirmed = desk.confirm()
    operator.suspend(immediately(reach=Reach.PROVIDER, provider="another"))
    work(desk)

    assert desk.hold(NOW + MINUTE, starts_at=OTHER_SLOT, number=13)
    assert desk.booking(confirmed).status is Status.CONFIRMED


@sqlite_only
def test_a_running_suspension_is_found_by_whoever_asks(desk: Desk, operator: Operator) -> None:
    running = operator.suspend(immediately(reach=Reach.SHOP, shop_id="fred"))

    with desk.database.snapshot() as session:
        found = suspending.running(session, "fred", at=NOW + MINUTE)
        assert found is not None
        assert found.id == running
        assert suspending.running(session, "vicky", at=NOW + MINUTE) is None


# Holds, B40


@sqlite_only
def test_holds_are_released_when_it_begins(desk: Desk, operator: Operator) -> None:
    inside, outside = desk.hold(starts_at=SLOT), desk.hold(starts_at=OTHER_SLOT, number=13)
    operator.suspend(immediately())
    work(desk)

    for booking_id in (inside, outside):
        booking = desk.booking(booking_id)
        assert (booking.status, booking.released_because) == (Status.RELEASED, Released.SUSPENDED)
        assert desk.claims(booking_id) == []


@sqlite_only
def test_a_hold_does_not_become_a_booking_even_before_it_is_released(desk: Desk, operator: Operator) -> None:
    held = desk.hold(starts_at=OTHER_SLOT)
    operator.suspend(immediately())

    refusal = desk.enter(held)

    assert isinstance(refusal, Suspended)
    assert desk.booking(held).released_because is Released.SUSPENDED


@sqlite_only
def test_the_right_code_for_a_hold_that_was_released_so_is_told_why(desk: Desk, operator: Operator) -> None:
    held = desk.hold(starts_at=OTHER_SLOT)
    operator.suspend(immediately())
    work(desk)

    assert isinstance(desk.enter(held), Suspended)


@sqlite_only
def test_a_hold_inside_a_planned_one_does_not_become_a_booking_that_could_not_stand(
    desk: Desk, operator: Operator
) -> None:
    held = desk.hold(starts_at=SLOT)
    operator.suspend(plan())

    assert isinstance(desk.enter(held), Suspended)


@sqlite_only
def test_no_code_is_sent_again_for_a_hold_that_will_be_released(desk: Desk, operator: Operator) -> None:
    held = desk.hold(starts_at=OTHER_SLOT)
    operator.suspend(immediately())

    with pytest.raises(Suspended):
        desk.resend(held, NOW + 2 * MINUTE)


@sqlite_only
def test_a_planned_one_releases_no_hold_on_another_time(desk: Desk, operator: Operator) -> None:
    held = desk.hold(starts_at=OTHER_SLOT)
    operator.suspend(plan())
    work(desk)

    assert desk.enter(held) is None


# Confirmed bookings, B41


@sqlite_only
def test_kept_bookings_stand_as_promised(desk: Desk, operator: Operator) -> None:
    confirmed = desk.confirm()
    stop = operator.suspend(immediately(treatment=Treatment.KEEP))
    work(desk)

    assert desk.booking(confirmed).status is Status.CONFIRMED
    assert operator.outcomes(stop) == {confirmed: Outcome.KEPT}
    assert told(desk) == []


@sqlite_only
def test_cancelled_bookings_are_withdrawn_with_their_cause(desk: Desk, operator: Operator) -> None:
    """B44."""
    confirmed = desk.confirm()
    stop = operator.suspend(immediately())
    work(desk)

    booking = desk.booking(confirmed)
    assert (booking.status, booking.cancelled_by) == (Status.CANCELLED, Cause.SUSPENSION)
    assert operator.outcomes(stop) == {confirmed: Outcome.WITHDRAWN}
    assert desk.owed(Name.ANNOUNCE_CANCELLATION) == [Name.ANNOUNCE_CANCELLATION]
    assert desk.trail(confirmed)[-1] == "cancelled"


@sqlite_only
def test_bookings_outside_the_interval_are_left_alone(desk: Desk, operator: Operator) -> None:
    confirmed = desk.confirm(starts_at=OTHER_SLOT)
    stop = operator.suspend(immediately())
    work(desk)

    assert desk.booking(confirmed).status is Status.CONFIRMED
    assert operator.outcomes(stop) == {}


@sqlite_only
def test_a_planned_one_cancels_nothing_before_it_begins(desk: Desk, operator: Operator, time: StoppedTime) -> None:
    confirmed = desk.confirm()
    operator.suspend(plan())
    time.move_to(BEGINS - MOMENT)
    work(desk)
    before = desk.booking(confirmed).status

    time.move_to(BEGINS)
    work(desk)

    assert (before, desk.booking(confirmed).status) == (Status.CONFIRMED, Status.CANCELLED)


@sqlite_only
def test_to_be_moved_a_booking_has_until_an_hour_before_its_time(
    desk: Desk, operator: Operator, time: StoppedTime
) -> None:
    late = SLOT + 2 * HOUR
    confirmed = desk.confirm(starts_at=late)
    stop = operator.suspend(immediately(treatment=Treatment.MOVE))
    work(desk)
    first = desk.booking(confirmed).status, operator.outcomes(stop)[confirmed]

    time.move_to(late - HOUR - MOMENT)
    work(desk)
    second = desk.booking(confirmed).status
    time.move_to(late - HOUR)
    work(desk)

    assert first == (Status.CONFIRMED, Outcome.TOLD)
    assert second is Status.CONFIRMED
    assert desk.booking(confirmed).cancelled_by is Cause.SUSPENSION
    assert told(desk) == [confirmed]


@sqlite_only
def test_a_booking_that_its_customer_moved_away_is_not_cancelled(
    desk: Desk, operator: Operator, time: StoppedTime
) -> None:
    confirmed = desk.confirm(starts_at=SLOT + 2 * HOUR)
    stop = operator.suspend(immediately(treatment=Treatment.MOVE))
    work(desk)
    desk.change(confirmed, NOW + MINUTE, starts_at=OTHER_SLOT)

    time.move_to(ENDS)
    work(desk)

    assert desk.booking(confirmed).status is Status.CONFIRMED
    assert operator.outcomes(stop) == {confirmed: Outcome.MOVED_AWAY}


@sqlite_only
@pytest.mark.parametrize("treatment", [Treatment.CANCEL, Treatment.MOVE])
def test_whom_it_displaces_may_choose_another_time_after_the_deadline(
    desk: Desk, operator: Operator, treatment: Treatment
) -> None:
    confirmed = desk.confirm()
    operator.suspend(plan(treatment=treatment))

    desk.change(confirmed, DEADLINE + MINUTE, starts_at=OTHER_SLOT)

    booking = desk.booking(confirmed)
    assert (booking.starts_at, booking.revision) == (OTHER_SLOT, 2)
    assert booking.most_changes == 6


@sqlite_only
def test_whom_it_displaces_may_cancel_after_the_deadline(desk: Desk, operator: Operator) -> None:
    confirmed = desk.confirm()
    operator.suspend(plan())

    desk.cancel(confirmed, DEADLINE + MINUTE)

    assert desk.booking(confirmed).cancelled_by is Cause.CUSTOMER


@sqlite_only
def test_from_the_end_that_was_told_a_late_worker_leaves_no_choice_open(desk: Desk, operator: Operator) -> None:
    confirmed = desk.confirm()
    operator.suspend(plan())

    with pytest.raises(WindowClosed):
        desk.change(confirmed, BEGINS, starts_at=OTHER_SLOT)
    with pytest.raises(WindowClosed):
        desk.cancel(confirmed, BEGINS)

    desk.cancel(confirmed, BEGINS - MOMENT)
    assert desk.booking(confirmed).cancelled_by is Cause.CUSTOMER


@sqlite_only
def test_while_nobody_may_know_of_it_the_deadline_stands(desk: Desk, operator: Operator) -> None:
    confirmed = desk.confirm()
    operator.suspend(plan(without_notice_because="a security fix"))

    with pytest.raises(WindowClosed):
        desk.cancel(confirmed, DEADLINE + MINUTE)


@sqlite_only
def test_whom_it_leaves_alone_is_bound_by_the_deadline(desk: Desk, operator: Operator) -> None:
    confirmed = desk.confirm()
    operator.suspend(plan(treatment=Treatment.KEEP))

    with pytest.raises(WindowClosed):
        desk.change(confirmed, DEADLINE + MINUTE, starts_at=OTHER_SLOT)


@sqlite_only
def test_nobody_may_move_into_it(desk: Desk, operator: Operator) -> None:
    confirmed = desk.confirm(starts_at=OTHER_SLOT)
    operator.suspend(plan())

    with pytest.raises(Suspended):
        desk.change(confirmed, starts_at=SLOT)

    assert desk.booking(confirmed).starts_at == OTHER_SLOT


@sqlite_only
def test_while_it_runs_a_booking_can_be_moved_out_of_it(desk: Desk, operator: Operator) -> None:
    confirmed = desk.confirm(starts_at=SLOT + 2 * HOUR)
    operator.suspend(immediately(treatment=Treatment.MOVE))
    work(desk)

    desk.change(confirmed, NOW + MINUTE, starts_at=OTHER_SLOT)

    assert desk.booking(confirmed).starts_at == OTHER_SLOT


# Telling, B42


@sqlite_only
def test_those_affected_are_told_beforehand_once(desk: Desk, operator: Operator) -> None:
    inside = desk.confirm()
    desk.confirm(starts_at=OTHER_SLOT, number=13)
    stop = operator.suspend(plan())
    work(desk)
    work(desk)

    assert told(desk) == [inside]
    assert operator.outcomes(stop) == {inside: Outcome.TOLD}
    assert desk.messages(Kind.SUSPENSION_ANNOUNCED)[0].expires_at == BEGINS


@sqlite_only
def test_nobody_is_told_before_the_notice_is_due(desk: Desk, operator: Operator, time: StoppedTime) -> None:
    desk.confirm()
    operator.suspend(plan(notice_at=NOW + HOUR))
    time.move_to(NOW + HOUR - MOMENT)
    work(desk)
    before = told(desk)

    time.move_to(NOW + HOUR)
    work(desk)

    assert (len(before), len(told(desk))) == (0, 1)


@sqlite_only
def test_without_prior_notice_nobody_is_told_beforehand_and_the_reason_is_kept(desk: Desk, operator: Operator) -> None:
    desk.confirm()
    stop = operator.suspend(plan(without_notice_because="a security fix"))
    work(desk)

    assert told(desk) == []
    assert operator.stop(stop).without_notice_because == "a security fix"


@sqlite_only
def test_a_suspension_keeps_its_own_trail(desk: Desk, operator: Operator, time: StoppedTime) -> None:
    """B43."""
    stop = operator.suspend(plan())
    for at in (NOW, BEGINS, ENDS):
        time.move_to(at)
        work(desk)

    assert operator.trail(stop) == ["planned", "announced", "begun", "ended"]


# Taking back


@sqlite_only
def test_undone_before_it_begins_it_stops_nothing_and_cancels_nothing(
    desk: Desk, operator: Operator, time: StoppedTime
) -> None:
    confirmed = desk.confirm()
    stop = operator.suspend(plan())
    work(desk)
    operator.undo(stop, NOW + HOUR)
    time.move_to(BEGINS)
    work(desk)

    assert desk.booking(confirmed).status is Status.CONFIRMED
    assert operator.outcomes(stop) == {confirmed: Outcome.UNTOUCHED}
    assert desk.hold(NOW + HOUR, starts_at=SLOT, number=13)
    assert desk.jobs(*SUSPENDING) == []


@sqlite_only
def test_undone_before_the_notice_went_out_it_is_never_sent(desk: Desk, operator: Operator) -> None:
    desk.confirm()
    stop = operator.suspend(plan())
    work(desk)
    operator.undo(stop, NOW + MINUTE)
    work(desk)

    assert desk.states(Kind.SUSPENSION_ANNOUNCED) == ["voided"]
    assert told(desk, Kind.SUSPENSION_UNDONE) == []


@sqlite_only
def test_it_cannot_be_undone_once_it_runs(desk: Desk, operator: Operator) -> None:
    stop = operator.suspend(immediately())

    with pytest.raises(IllegalMove):
        operator.undo(stop, NOW + MINUTE)


@sqlite_only
def test_lifted_it_stops_nothing_more_and_what_it_cancelled_stays_so(desk: Desk, operator: Operator) -> None:
    early, late = desk.confirm(), desk.confirm(starts_at=OTHER_SLOT, number=13)
    stop = operator.suspend(immediately(treatment=Treatment.CANCEL))
    work(desk)
    operator.lift(stop, NOW + HOUR)
    work(desk)

    assert desk.booking(early).status is Status.CANCELLED
    assert desk.booking(late).status is Status.CONFIRMED
    assert desk.hold(NOW + HOUR, starts_at=SLOT, number=14)


@sqlite_only
def test_lifted_it_cancels_nothing_that_still_had_time_to_be_moved(
    desk: Desk, operator: Operator, time: StoppedTime
) -> None:
    confirmed = desk.confirm(starts_at=SLOT + 2 * HOUR)
    stop = operator.suspend(immediately(treatment=Treatment.MOVE))
    work(desk)
    operator.lift(stop, NOW + HOUR)
    time.move_to(ENDS)
    work(desk)

    assert desk.booking(confirmed).status is Status.CONFIRMED


@sqlite_only
def test_what_was_owed_before_it_was_lifted_cancels_nothing_after(desk: Desk, operator: Operator) -> None:
    confirmed = desk.confirm()
    stop = operator.suspend(immediately())
    operator.lift(stop, NOW + MINUTE)
    work(desk)

    assert desk.booking(confirmed).status is Status.CONFIRMED


@sqlite_only
def test_once_its_customer_was_told_of_a_later_deadline_it_holds_also_after_a_lift(
    desk: Desk, operator: Operator
) -> None:
    confirmed = desk.confirm()
    stop = operator.suspend(immediately(treatment=Treatment.MOVE))
    work(desk)
    sent(desk)
    operator.lift(stop, DEADLINE + MINUTE)
    work(desk)

    assert desk.booking(confirmed).change_deadline_at == SLOT - HOUR
    closings = [job.due_at for job in desk.jobs(Name.CLOSE_CANCELLATION_WINDOW)]
    assert closings == [DEADLINE, SLOT - HOUR]


@sqlite_only
def test_who_was_not_told_of_another_deadline_keeps_their_own(desk: Desk, operator: Operator) -> None:
    confirmed = desk.confirm()
    stop = operator.suspend(plan())
    work(desk)
    operator.undo(stop, NOW + MINUTE)
    work(desk)

    assert desk.booking(confirmed).change_deadline_at == DEADLINE


@sqlite_only
def test_an_earlier_end_of_the_choice_shortens_no_deadline(desk: Desk, operator: Operator) -> None:
    confirmed = desk.confirm()
    stop = operator.suspend(plan(starts_at=NOW + HOUR))
    work(desk)
    sent(desk)
    operator.undo(stop, NOW + MINUTE)
    work(desk)

    assert desk.booking(confirmed).change_deadline_at == DEADLINE


@sqlite_only
@pytest.mark.parametrize("end", ["undone", "begun"])
def test_who_chose_another_time_after_the_notice_is_counted_as_moved_away(
    desk: Desk, operator: Operator, time: StoppedTime, end: str
) -> None:
    moved, cancelled = desk.confirm(), desk.confirm(number=13)
    stop = operator.suspend(plan())
    work(desk)
    desk.change(moved, starts_at=OTHER_SLOT)
    desk.cancel(cancelled)
    if end == "undone":
        operator.undo(stop, NOW + HOUR)
    else:
        time.move_to(BEGINS)
    work(desk)

    assert operator.outcomes(stop) == {moved: Outcome.MOVED_AWAY, cancelled: Outcome.MOVED_AWAY}


@sqlite_only
def test_a_call_that_goes_on_when_it_begins_is_kept(desk: Desk, operator: Operator, time: StoppedTime) -> None:
    confirmed = desk.confirm()
    stop = operator.suspend(plan(starts_at=SLOT - 5 * MINUTE))
    work(desk)
    for side in Side:
        with desk.locked(confirmed) as (session, booking):
            entering.enter(session, booking, side, now=SLOT - 8 * MINUTE)
    time.move_to(SLOT - 5 * MINUTE)
    work(desk)

    assert desk.booking(confirmed).status is Status.IN_CALL
    assert operator.outcomes(stop) == {confirmed: Outcome.KEPT}


@sqlite_only
def test_of_two_that_told_a_customer_the_one_that_cancels_speaks_for_both(
    desk: Desk, operator: Operator, time: StoppedTime
) -> None:
    confirmed = desk.confirm()
    stops = [operator.suspend(plan()), operator.suspend(plan())]
    work(desk)
    time.move_to(BEGINS)
    work(desk)

    assert [operator.outcomes(stop) for stop in stops] == [{confirmed: Outcome.WITHDRAWN}] * 2


@sqlite_only
def test_undone_before_the_hour_before_a_call_that_begins_earlier_it_cancels_nothing(
    desk: Desk, operator: Operator, time: StoppedTime
) -> None:
    confirmed = desk.confirm()
    stop = operator.suspend(plan(starts_at=SLOT + 10 * MINUTE))
    work(desk)
    operator.undo(stop, NOW + MINUTE)
    time.move_to(BEGINS)
    work(desk)

    assert desk.booking(confirmed).status is Status.CONFIRMED


# Two at a time


@sqlite_only
def test_of_two_the_one_that_ends_last_is_told_of(desk: Desk, operator: Operator) -> None:
    operator.suspend(immediately(ends_at=NOW + HOUR))
    operator.suspend(immediately(reach=Reach.SHOP, shop_id="queens-court", ends_at=NOW + 2 * HOUR))

    with pytest.raises(Suspended) as refused:
        desk.hold(NOW + MINUTE, starts_at=OTHER_SLOT)

    assert refused.value.facts["ends_at"] == NOW + 2 * HOUR


@sqlite_only
def test_when_one_of_two_is_lifted_the_other_still_stops(desk: Desk, operator: Operator) -> None:
    first, _ = operator.suspend(immediately()), operator.suspend(immediately())
    operator.lift(first, NOW + MINUTE)

    with pytest.raises(Suspended):
        desk.hold(NOW + MINUTE, starts_at=OTHER_SLOT)


@sqlite_only
def test_a_booking_that_one_keeps_and_the_other_cancels_is_cancelled_once(desk: Desk, operator: Operator) -> None:
    confirmed = desk.confirm()
    keeps = operator.suspend(immediately(treatment=Treatment.KEEP))
    cancels = operator.suspend(immediately())
    cancels_too = operator.suspend(immediately())
    work(desk)

    assert desk.booking(confirmed).status is Status.CANCELLED
    assert desk.trail(confirmed).count("cancelled") == 1
    found = [operator.outcomes(stop).get(confirmed) for stop in (keeps, cancels, cancels_too)]
    assert sorted(str(outcome) for outcome in found) == ["None", "kept", "withdrawn"]


@sqlite_only
def test_nobody_is_told_that_a_booking_stands_that_another_suspension_takes_away(
    desk: Desk, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirmed = desk.confirm()
    first, _ = operator.suspend(plan()), operator.suspend(plan())
    work(desk)
    sent(desk)
    operator.undo(first, NOW + MINUTE)
    work(desk)

    assert told(desk, Kind.SUSPENSION_UNDONE) == []
    assert desk.booking(confirmed).status is Status.CONFIRMED


@sqlite_only
def test_who_heard_of_one_of_two_alone_is_told_that_the_booking_stands_when_both_are_undone(
    desk: Desk, operator: Operator
) -> None:
    confirmed = desk.confirm()
    first = operator.suspend(plan())
    work(desk)
    sent(desk)
    second = operator.suspend(plan())
    work(desk)
    operator.undo(first, NOW + MINUTE)
    work(desk)
    operator.undo(second, NOW + MINUTE)
    work(desk)

    assert told(desk, Kind.SUSPENSION_UNDONE) == [confirmed]


@sqlite_only
def test_whoever_was_told_is_told_that_the_booking_stands_after_all(desk: Desk, operator: Operator) -> None:
    confirmed = desk.confirm()
    stop = operator.suspend(plan())
    work(desk)
    sent(desk)
    operator.undo(stop, NOW + MINUTE)
    work(desk)

    assert told(desk, Kind.SUSPENSION_UNDONE) == [confirmed]


def sent(desk: Desk) -> None:
    """Let the announcements have been handed over to a vendor."""
    with desk.database.transaction() as session:
        for message in desk.messages(Kind.SUSPENSION_ANNOUNCED):
            session.merge(message).begin()


# Restarts


@sqlite_only
def test_its_timers_are_rows_that_a_restart_leaves_as_they_are(desk: Desk, operator: Operator) -> None:
    stop = operator.suspend(plan(notice_at=NOW + HOUR))

    timers = {job.name: job.due_at for job in desk.jobs(*SUSPENDING)}

    assert timers == {
        Name.ANNOUNCE_SUSPENSION: NOW + HOUR,
        Name.BEGIN_SUSPENSION: BEGINS,
        Name.END_SUSPENSION: ENDS,
    }
    assert {job.timer_of for job in desk.jobs(*SUSPENDING)} == {stop}


@sqlite_only
def test_workers_that_come_back_late_cancel_what_nobody_moved_and_end_it(
    desk: Desk, operator: Operator, time: StoppedTime
) -> None:
    confirmed = desk.confirm(starts_at=SLOT + 2 * HOUR)
    stop = operator.suspend(plan(treatment=Treatment.MOVE))
    time.move_to(SLOT + 2 * HOUR - MINUTE)
    work(desk)
    time.move_to(ENDS)
    work(desk)

    assert desk.booking(confirmed).cancelled_by is Cause.SUSPENSION
    assert operator.stop(stop).status is Standing.ENDED


@sqlite_only
def test_doing_everything_twice_does_it_once(desk: Desk, operator: Operator, time: StoppedTime) -> None:
    confirmed = desk.confirm()
    stop = operator.suspend(plan())
    for at in (NOW, BEGINS):
        time.move_to(at)
        work(desk)
    with desk.database.transaction() as session:
        found = suspensions.locked(session, stop)
        assert found is not None
        for deed in (suspensions.Deed.ANNOUNCE, suspensions.Deed.TREAT):
            suspensions.reach_bookings(session, found, deed, UUID(int=0), now=BEGINS)
    work(desk)

    assert desk.trail(confirmed).count("cancelled") == 1
    assert told(desk) == [confirmed]


@sqlite_only
def test_thousands_are_reached_a_page_at_a_time(
    desk: Desk, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suspensions, "PAGE", 2)
    starts = [SLOT + 20 * number * MINUTE for number in range(5)]
    confirmed = {desk.confirm(starts_at=at, number=20 + place) for place, at in enumerate(starts)}
    stop = operator.suspend(immediately())
    work(desk)

    assert set(operator.outcomes(stop)) == confirmed
    assert {desk.booking(booking_id).status for booking_id in confirmed} == {Status.CANCELLED}


@sqlite_only
def test_many_are_treated_in_one_transaction_and_one_that_was_moved_away_is_left_alone(
    desk: Desk, operator: Operator
) -> None:
    booked = [desk.confirm(starts_at=SLOT + 20 * place * MINUTE, number=80 + place) for place in range(4)]
    operator.suspend(immediately())
    do(desk, Name.REACH_BOOKINGS)
    desk.change(booked[0], NOW, starts_at=OTHER_SLOT)

    outcomes = jobs.perform_chunk(Name.TREAT_BOOKING, [job.id for job in desk.jobs(Name.TREAT_BOOKING)])

    assert set(outcomes.values()) == {jobs.Outcome.DONE}
    assert [desk.booking(booking_id).status for booking_id in booked] == [Status.CONFIRMED, *[Status.CANCELLED] * 3]


# Looking first


@sqlite_only
def test_it_can_be_seen_beforehand_whom_it_would_concern_and_nothing_is_done(desk: Desk) -> None:
    confirmed = desk.confirm()
    desk.confirm(starts_at=OTHER_SLOT, number=13)
    desk.hold(starts_at=OTHER_SLOT + HOUR, number=14)
    with desk.database.transaction() as session:
        stop = plan().drawn_up(received_at=NOW)
        found = suspensions.concerned(session, stop, now=NOW, most=100)

    assert (found.holds, found.bookings, [each.id for each in found.first]) == (1, 1, [confirmed])
    assert desk.booking(confirmed).status is Status.CONFIRMED
    assert desk.jobs(*SUSPENDING) == []


# Races


def left(desk: Desk) -> int:
    """Return how many held bookings are left, or confirmed ones inside the interval."""
    with desk.database.snapshot() as session:
        inside = (Booking.status == Status.CONFIRMED) & (Booking.starts_at < ENDS) & (Booking.ends_at > NOW)
        query = select(func.count()).select_from(Booking).where((Booking.status == Status.HELD) | inside)
        return session.scalars(query).one()


@postgresql_only
def test_no_hold_slips_through_beside_a_beginning(desk: Desk, operator: Operator) -> None:
    holds = [partial(desk.hold, NOW, starts_at=SLOT + 20 * place * MINUTE, number=30 + place) for place in range(6)]

    results = at_once(*holds[:3], lambda: operator.suspend(immediately()), *holds[3:])
    work(desk)

    assert all(isinstance(result, UUID | Suspended) for result in results), results
    assert left(desk) == 0


@postgresql_only
def test_no_code_slips_through_beside_a_beginning(desk: Desk, operator: Operator) -> None:
    held = [desk.hold(starts_at=SLOT + 20 * place * MINUTE, number=40 + place) for place in range(6)]
    codes = [partial(desk.enter, booking_id, at=NOW) for booking_id in held]

    results = at_once(*codes[:3], lambda: operator.suspend(immediately()), *codes[3:])
    work(desk)

    assert all(result is None or isinstance(result, UUID | Suspended) for result in results), results
    assert left(desk) == 0


@postgresql_only
def test_no_change_into_it_slips_through_beside_a_beginning(desk: Desk, operator: Operator) -> None:
    booked = [desk.confirm(starts_at=OTHER_SLOT + 20 * place * MINUTE, number=50 + place) for place in range(6)]
    changes = [
        partial(desk.change, booking_id, NOW, starts_at=SLOT + 20 * place * MINUTE)
        for place, booking_id in enumerate(booked)
    ]

    results = at_once(*changes[:3], lambda: operator.suspend(immediately()), *changes[3:])
    work(desk)

    assert all(result is None or isinstance(result, UUID | Suspended) for result in results), results
    assert left(desk) == 0


@postgresql_only
def test_a_change_out_of_it_and_its_cancellation_leave_one_of_the_two(desk: Desk, operator: Operator) -> None:
    booked = desk.confirm(starts_at=SLOT + 2 * HOUR)
    operator.suspend(immediately())

    changed, _ = at_once(lambda: desk.change(booked, NOW, starts_at=OTHER_SLOT), lambda: work(desk))

    booking = desk.booking(booked)
    if changed is None:
        assert (booking.status, booking.starts_at) == (Status.CONFIRMED, OTHER_SLOT)
    else:
        assert isinstance(changed, IllegalMove)
        assert booking.cancelled_by is Cause.SUSPENSION
    assert len({claim.booking_id for claim in desk.claims()}) == (1 if changed is None else 0)


@postgresql_only
def test_undoing_beside_the_telling_leaves_nobody_told_wrongly(desk: Desk, operator: Operator) -> None:
    for place in range(6):
        desk.confirm(starts_at=SLOT + 20 * place * MINUTE, number=60 + place)
    stop = operator.suspend(plan())
    do(desk, Name.ANNOUNCE_SUSPENSION, Name.REACH_BOOKINGS)

    at_once(lambda: do(desk, Name.TELL_DISPLACED), lambda: operator.undo(stop, NOW))
    work(desk)

    assert set(operator.outcomes(stop).values()) <= {Outcome.UNTOUCHED}
    assert set(desk.states(Kind.SUSPENSION_ANNOUNCED)) <= {"voided"}


@postgresql_only
def test_undoing_beside_the_delivery_takes_back_what_was_handed_over_and_sends_nothing_more(
    desk: Desk, operator: Operator
) -> None:
    for place in range(6):
        desk.confirm(starts_at=SLOT + 20 * place * MINUTE, number=60 + place)
    stop = operator.suspend(plan())
    work(desk)

    def hand_over() -> None:
        for notice in desk.messages(Kind.SUSPENSION_ANNOUNCED):
            with desk.database.transaction() as session:
                DeliverMessage().claim(session, NOW, notice.id)

    def undo() -> None:
        operator.undo(stop, NOW)
        work(desk)

    at_once(hand_over, undo)

    notices = desk.messages(Kind.SUSPENSION_ANNOUNCED)
    assert {notice.state for notice in notices} <= {State.SENDING, State.VOIDED}
    handed_over = {notice.booking_id for notice in notices if notice.state is State.SENDING}
    assert set(told(desk, Kind.SUSPENSION_UNDONE)) == handed_over


def impatient(session: Session) -> Session:
    """Let it give up at once where it would wait for a lock."""
    session.execute(text("SET LOCAL lock_timeout = '50ms'"))
    return session


def ask_for(session: Session, what: str, desk: Desk, booking_id: UUID) -> None:
    """Hold, enter a code or change, in a transaction that stays open."""
    booking = bookings.locked(session, booking_id)
    assert booking is not None
    match what:
        case "hold":
            contact = Contact(Channel.SMS, phone(71))
            wish = bookings.Wish("queens-court", SLOT, contact, "ja", customer_ip="192.0.2.71")
            bookings.hold(session, wish, received_at=NOW)
        case "code":
            assert bookings.enter_code(session, booking, desk.code(booking_id), received_at=NOW) is None
        case "change":
            bookings.change(
                session, booking, starts_at=SLOT, received_at=NOW, expected_revision=1, knows_it_is_final=False
            )


requests = pytest.mark.parametrize("what", ["hold", "code", "change"])


def subject_of(what: str, desk: Desk) -> UUID:
    return desk.hold(starts_at=OTHER_SLOT) if what == "code" else desk.confirm(starts_at=OTHER_SLOT)


@postgresql_only
@requests
def test_a_beginning_waits_for_the_request_that_is_being_admitted(desk: Desk, operator: Operator, what: str) -> None:
    subject = subject_of(what, desk)

    with desk.database.transaction() as asking:
        ask_for(asking, what, desk, subject)
        with pytest.raises(OperationalError), desk.database.transaction() as deciding:
            suspensions.plan(impatient(deciding), immediately(), received_at=NOW, actor="key:desk")


@postgresql_only
@requests
def test_a_request_waits_for_the_beginning_that_is_being_decided(desk: Desk, operator: Operator, what: str) -> None:
    subject = subject_of(what, desk)

    with desk.database.transaction() as deciding:
        suspensions.plan(deciding, immediately(), received_at=NOW, actor="key:desk")
        deciding.flush()
        with pytest.raises(OperationalError), desk.database.transaction() as asking:
            ask_for(impatient(asking), what, desk, subject)


@postgresql_only
def test_a_planned_beginning_waits_for_the_request_that_is_being_admitted(
    desk: Desk, operator: Operator, time: StoppedTime
) -> None:
    held, stop = desk.hold(starts_at=OTHER_SLOT), operator.suspend(plan())
    time.move_to(BEGINS)

    with desk.database.transaction() as asking:
        ask_for(asking, "code", desk, held)
        with pytest.raises(OperationalError), desk.database.transaction() as beginning:
            suspensions.begin(impatient(beginning), beginning.get_one(Suspension, stop), now=BEGINS)


# Calls at once


@pytest.fixture
def floor(seeded: Database, time: StoppedTime) -> Floor:
    time.move_to(OPEN)
    return Floor(seeded)


@sqlite_only
def test_while_it_runs_nobody_can_be_called(floor: Floor) -> None:
    floor.staff("hana")
    Operator(floor).suspend(immediately(ends_at=ENDS), OPEN)

    found = floor.availability()
    call = floor.ask()

    assert found.because is Because.SUSPENDED
    assert (call.status, call.refused_because) == (CallStatus.REFUSED, Refused.SUSPENDED)


@sqlite_only
def test_whoever_was_put_through_before_it_began_is_not_cut_off(floor: Floor, operator: Operator) -> None:
    floor.staff("hana", "yuki")
    ringing, talking = floor.ask(), floor.ask()
    floor.accept(talking.id, "yuki", at=OPEN)
    operator.suspend(immediately(), OPEN)
    work(floor)

    assert floor.accept(ringing.id, "hana")
    assert {floor.call(call.id).status for call in (ringing, talking)} == {CallStatus.CONNECTED}


@sqlite_only
def test_after_a_lift_the_shop_can_be_called_again(floor: Floor, operator: Operator) -> None:
    floor.staff("hana")
    stop = operator.suspend(immediately(), OPEN)
    operator.lift(stop, OPEN + MOMENT)

    assert floor.ask(OPEN + MOMENT).status is CallStatus.RINGING
