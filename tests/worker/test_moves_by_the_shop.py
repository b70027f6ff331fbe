"""A booking that the shop moves: at any time, told with an apology, and never to the customer's cost (§2.3, B20)."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from models.booking import LAST_REVISION, BookingEvent, Side, Status
from models.deadline import ANSWER_TO_MOVE, DAY_REMINDER_LEAD, LEAST_NOTICE_OF_MOVE
from models.errors import IllegalMove, SlotTaken, SlotUnknown, StaleRevision, TooManyChanges, WindowClosed
from models.job import Name
from tests.conftest import StoppedTime
from tests.worker.desk import MINUTE, MOMENT, NOW, OTHER_DEADLINE, OTHER_SLOT, SLOT, Desk, sqlite_only
from tests.worker.stopping import Operator, plan
from worker import bookings
from worker.database import Database

LATE = SLOT - timedelta(hours=2)
"""On the day itself: the customer's own deadline was at midnight."""
LATER_THAT_DAY = SLOT + timedelta(hours=3)


@pytest.fixture
def desk(seeded: Database, time: StoppedTime) -> Desk:
    return Desk(seeded)


def move(desk: Desk, booking_id: UUID, at: datetime = NOW + MINUTE, **more: Any) -> None:
    given: dict[str, Any] = {"starts_at": OTHER_SLOT, "expected_revision": 1, "actor": "key:pos", "reason": "staff_ill"}
    with desk.locked(booking_id) as (session, booking):
        bookings.move(session, booking, now=at, **(given | more))


def test_a_move_takes_booking_claims_and_timers_to_the_new_time(desk: Desk) -> None:
    booking_id = desk.confirm()

    move(desk, booking_id)

    booking = desk.booking(booking_id)
    assert (booking.status, booking.revision, booking.starts_at) == (Status.CONFIRMED, 2, OTHER_SLOT)
    assert {claim.tick_at >= OTHER_SLOT - timedelta(minutes=5) for claim in desk.claims(booking_id)} == {True}
    [end] = desk.jobs(Name.END_BOOKING)
    assert (end.due_at, end.args["revision"]) == (booking.entry_closes_at, 2)


def test_the_shop_may_move_after_the_customers_deadline(desk: Desk) -> None:
    booking_id = desk.confirm()
    with pytest.raises(WindowClosed):
        desk.change(booking_id, LATE)

    move(desk, booking_id, LATE)

    assert desk.booking(booking_id).starts_at == OTHER_SLOT


@sqlite_only
@pytest.mark.parametrize("revision", [LAST_REVISION - 1, LAST_REVISION])
def test_a_booking_is_moved_as_often_as_its_links_can_tell_and_then_refused(desk: Desk, revision: int) -> None:
    booking_id = desk.confirm()
    with desk.locked(booking_id) as (_, booking):
        booking.revision = booking.most_changes = revision

    if revision < LAST_REVISION:
        move(desk, booking_id, expected_revision=revision)
    else:
        with pytest.raises(TooManyChanges):
            move(desk, booking_id, expected_revision=revision)

    assert desk.booking(booking_id).revision == LAST_REVISION


@sqlite_only
def test_so_is_a_change_of_what_a_suspension_took_away(desk: Desk) -> None:
    booking_id = desk.confirm()
    Operator(desk).suspend(plan(starts_at=SLOT - timedelta(hours=1), ends_at=SLOT + timedelta(hours=1)))
    with desk.locked(booking_id) as (_, booking):
        booking.revision = LAST_REVISION

    with pytest.raises(TooManyChanges):
        desk.change(booking_id, revision=LAST_REVISION)


def test_far_ahead_the_new_times_own_deadline_holds(desk: Desk) -> None:
    booking_id = desk.confirm()

    move(desk, booking_id)

    assert desk.booking(booking_id).change_deadline_at == OTHER_DEADLINE


def test_at_short_notice_the_customer_has_until_half_an_hour_before(desk: Desk) -> None:
    booking_id = desk.confirm()

    move(desk, booking_id, LATE, starts_at=LATER_THAT_DAY)

    assert desk.booking(booking_id).change_deadline_at == LATER_THAT_DAY - DAY_REMINDER_LEAD


def test_in_between_the_customer_has_a_day_to_answer(desk: Desk) -> None:
    booking_id = desk.confirm()
    moved_at = SLOT - timedelta(hours=1)

    move(desk, booking_id, moved_at, starts_at=SLOT + timedelta(days=1))

    assert desk.booking(booking_id).change_deadline_at == moved_at + ANSWER_TO_MOVE


def test_who_was_moved_on_the_day_may_still_cancel(desk: Desk) -> None:
    booking_id = desk.confirm()
    move(desk, booking_id, LATE, starts_at=LATER_THAT_DAY)

    desk.cancel(booking_id, LATE + timedelta(hours=1), revision=2)

    assert desk.booking(booking_id).status is Status.CANCELLED


def test_until_the_new_deadline_and_no_longer(desk: Desk) -> None:
    booking_id = desk.confirm()
    move(desk, booking_id, LATE, starts_at=LATER_THAT_DAY)

    with pytest.raises(WindowClosed):
        desk.cancel(booking_id, LATER_THAT_DAY - DAY_REMINDER_LEAD, revision=2)


def test_a_move_by_the_shop_is_none_of_the_customers_changes(desk: Desk) -> None:
    desk.set_shop("queens-court", max_changes=1)
    booking_id = desk.confirm()
    move(desk, booking_id)

    desk.change(booking_id, starts_at=OTHER_SLOT + timedelta(hours=1), revision=2)

    assert desk.booking(booking_id).revision == 3


def test_whoever_had_entered_enters_anew(desk: Desk) -> None:
    booking_id = desk.confirm()
    with desk.locked(booking_id) as (_, booking):
        booking.enter(Side.CUSTOMER, now=SLOT)

    move(desk, booking_id, SLOT + MINUTE)

    assert desk.booking(booking_id).customer_entered_at is None


def test_the_shop_gives_a_time_that_customers_cannot_book_yet(desk: Desk) -> None:
    booking_id = desk.confirm()
    far = SLOT + timedelta(days=100)

    move(desk, booking_id, starts_at=far)

    assert desk.booking(booking_id).starts_at == far


@pytest.mark.parametrize(
    ("starts_at", "at"),
    [
        pytest.param(SLOT + MINUTE, NOW, id="no slot of the calendar"),
        pytest.param(
            SLOT + timedelta(minutes=20), SLOT + timedelta(minutes=20) - LEAST_NOTICE_OF_MOVE + MOMENT, id="too near"
        ),
        pytest.param(OTHER_SLOT, OTHER_SLOT + MINUTE, id="past"),
    ],
)
def test_a_time_that_the_customer_could_not_answer_to_is_refused(desk: Desk, starts_at: datetime, at: datetime) -> None:
    booking_id = desk.confirm()

    with pytest.raises(SlotUnknown):
        move(desk, booking_id, at, starts_at=starts_at)

    assert desk.booking(booking_id).starts_at == SLOT


def test_if_the_new_time_is_taken_nothing_changes(desk: Desk) -> None:
    booking_id = desk.confirm(shop="fred")
    desk.confirm(shop="fred", number=13, starts_at=OTHER_SLOT)
    claims = [claim.tick_at for claim in desk.claims(booking_id)]

    with pytest.raises(SlotTaken):
        move(desk, booking_id)

    assert desk.booking(booking_id).revision == 1
    assert [claim.tick_at for claim in desk.claims(booking_id)] == claims


def test_its_own_time_is_taken_by_itself(desk: Desk) -> None:
    booking_id = desk.confirm()

    with pytest.raises(SlotTaken) as refused:
        move(desk, booking_id, starts_at=SLOT)

    assert refused.value.facts["yours"] is True


def test_a_move_that_is_asked_for_again_is_found_done(desk: Desk) -> None:
    booking_id = desk.confirm()
    move(desk, booking_id)

    move(desk, booking_id)

    assert desk.booking(booking_id).revision == 2
    assert desk.trail(booking_id).count("moved") == 1


def test_a_move_decided_on_an_older_revision_is_refused(desk: Desk) -> None:
    booking_id = desk.confirm()
    desk.change(booking_id, starts_at=OTHER_SLOT + timedelta(hours=1))

    with pytest.raises(StaleRevision):
        move(desk, booking_id)


def test_what_is_cancelled_is_not_moved(desk: Desk) -> None:
    booking_id = desk.confirm()
    desk.cancel(booking_id)

    with pytest.raises(IllegalMove):
        move(desk, booking_id)


def test_who_moved_it_and_why_stands_in_the_trail(desk: Desk) -> None:
    booking_id = desk.confirm()

    move(desk, booking_id)

    with desk.database.snapshot() as session:
        [moved] = session.scalars(select(BookingEvent).where(BookingEvent.kind == "moved"))
    assert (moved.actor, moved.facts["reason"], moved.revision) == ("key:pos", "staff_ill", 2)
