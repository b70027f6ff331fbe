"""Who is told what while one side of a call waits for the other, and when the call is over. Once, and only if true."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from models.booking import RECONNECT, Side, Status
from models.call import Status as CallStatus
from models.call_fact import FactKind
from models.message import Kind, State
from tests.tasks.conftest import Workshop
from tests.worker.desk import MINUTE, SLOT, phone, sqlite_only
from tests.worker.floor import Floor
from worker import links
from worker.calls import ringing
from worker.in_call import ending, entering, facts, nudging
from worker.in_call.facts import Told

pytestmark = sqlite_only

CUSTOMER, STAFF = Side.CUSTOMER, Side.STAFF
CLOSES = SLOT + 35 * MINUTE
AFTER = (
    Kind.BOOKING_LATE,
    Kind.BOOKING_SHOP_ABSENT,
    Kind.BOOKING_THANKS,
    Kind.SHOP_IS_LATE,
    Kind.SHOP_NO_SHOW,
    Kind.SHOP_CALL_ENDED,
)


@pytest.fixture
def booked(shop_floor: Workshop) -> UUID:
    """A booked call whose messages so far were sent."""
    booking_id = shop_floor.confirm()
    shop_floor.work()
    return booking_id


def enter(shop_floor: Workshop, booking_id: UUID, side: Side, at: datetime = SLOT) -> None:
    shop_floor.time.move_to(at)
    with shop_floor.locked(booking_id) as (session, booking):
        entering.enter(session, booking, side, now=at)


def leave(shop_floor: Workshop, booking_id: UUID, side: Side, at: datetime) -> None:
    shop_floor.time.move_to(at)
    with shop_floor.locked(booking_id) as (session, booking):
        entering.leave(session, booking, side, now=at)


def work_at(shop_floor: Workshop, at: datetime) -> None:
    shop_floor.time.move_to(at)
    shop_floor.work()


def said(shop_floor: Workshop) -> list[Kind]:
    """What was said of the call itself, in alphabetical order."""
    return sorted(message.kind for message in shop_floor.messages(*AFTER))


# The customer is late (M8)


def test_a_customer_who_has_not_come_five_minutes_after_the_start_is_told_that_the_shop_waits(
    shop_floor: Workshop, booked: UUID
) -> None:
    enter(shop_floor, booked, STAFF)

    work_at(shop_floor, SLOT + timedelta(minutes=4, seconds=59))
    assert said(shop_floor) == []
    work_at(shop_floor, SLOT + 5 * MINUTE)

    assert said(shop_floor) == [Kind.BOOKING_LATE]
    assert shop_floor.delivered(Kind.BOOKING_LATE) == 1
    assert links.call_url(shop_floor.booking(booked), CUSTOMER) in shop_floor.last_text(phone(12))


def test_that_the_shop_waits_is_said_once(shop_floor: Workshop, booked: UUID) -> None:
    enter(shop_floor, booked, STAFF)
    work_at(shop_floor, SLOT + 5 * MINUTE)
    leave(shop_floor, booked, STAFF, SLOT + 6 * MINUTE)
    enter(shop_floor, booked, STAFF, SLOT + 7 * MINUTE)

    shop_floor.work()

    assert said(shop_floor) == [Kind.BOOKING_LATE]


def test_staff_who_come_late_themselves_let_the_customer_be_told_at_once(shop_floor: Workshop, booked: UUID) -> None:
    enter(shop_floor, booked, STAFF, SLOT + 8 * MINUTE)

    shop_floor.work()

    assert said(shop_floor) == [Kind.BOOKING_LATE]


@pytest.mark.parametrize("what", ["came", "the shop left", "the booking was moved"])
def test_whoever_need_not_come_is_not_told(shop_floor: Workshop, booked: UUID, what: str) -> None:
    enter(shop_floor, booked, STAFF)
    if what == "came":
        enter(shop_floor, booked, CUSTOMER, SLOT + MINUTE)
    elif what == "the shop left":
        leave(shop_floor, booked, STAFF, SLOT + MINUTE)
    else:
        shop_floor.change(booked, SLOT - 24 * 60 * MINUTE)

    work_at(shop_floor, SLOT + 5 * MINUTE)

    assert said(shop_floor) == []


def test_staff_can_have_the_customer_told_sooner_and_it_is_not_said_again(shop_floor: Workshop, booked: UUID) -> None:
    enter(shop_floor, booked, STAFF)
    for _ in range(2):
        with shop_floor.locked(booked) as (session, booking):
            nudging.nudge(session, booking, now=SLOT + MINUTE, actor="staff:hana")
    work_at(shop_floor, SLOT + MINUTE)
    assert said(shop_floor) == [Kind.BOOKING_LATE]

    work_at(shop_floor, SLOT + 5 * MINUTE)

    assert shop_floor.delivered(Kind.BOOKING_LATE) == 1


def test_a_nudge_that_is_overtaken_by_the_customer_is_not_sent(shop_floor: Workshop, booked: UUID) -> None:
    enter(shop_floor, booked, STAFF)
    with shop_floor.locked(booked) as (session, booking):
        nudging.nudge(session, booking, now=SLOT + MINUTE, actor="staff:hana")
    enter(shop_floor, booked, CUSTOMER, SLOT + MINUTE)

    shop_floor.work()

    assert said(shop_floor) == []


# The shop is late (S6)


def test_a_shop_that_has_not_come_two_minutes_after_the_start_is_told_that_the_customer_waits(
    shop_floor: Workshop, booked: UUID
) -> None:
    mailbox = "desk@example.jp"
    shop_floor.set_shop("queens-court", notice_email=mailbox)
    enter(shop_floor, booked, CUSTOMER, SLOT - 5 * MINUTE)

    work_at(shop_floor, SLOT + timedelta(minutes=1, seconds=59))
    assert said(shop_floor) == []
    work_at(shop_floor, SLOT + 2 * MINUTE)

    assert said(shop_floor) == [Kind.SHOP_IS_LATE]
    assert links.call_url(shop_floor.booking(booked), STAFF) in shop_floor.last_text(mailbox)


def test_a_shop_that_is_there_is_told_nothing(shop_floor: Workshop, booked: UUID) -> None:
    enter(shop_floor, booked, CUSTOMER)
    enter(shop_floor, booked, STAFF, SLOT + MINUTE)

    work_at(shop_floor, SLOT + 2 * MINUTE)

    assert said(shop_floor) == []


# Nobody came, or one side alone (S7, M9)


@pytest.mark.parametrize(
    ("entered", "absent", "kinds"),
    [
        ((), "both", [Kind.SHOP_NO_SHOW]),
        ((CUSTOMER,), "shop", [Kind.BOOKING_SHOP_ABSENT, Kind.SHOP_NO_SHOW]),
        ((STAFF,), "customer", [Kind.SHOP_NO_SHOW]),
    ],
)
def test_an_apology_goes_out_exactly_where_the_shop_alone_did_not_come(
    shop_floor: Workshop, booked: UUID, entered: tuple[Side, ...], absent: str, kinds: list[Kind]
) -> None:
    for side in entered:
        enter(shop_floor, booked, side)

    work_at(shop_floor, CLOSES)

    nudges = {Kind.BOOKING_LATE, Kind.SHOP_IS_LATE}
    assert (shop_floor.booking(booked).status, shop_floor.booking(booked).absent) == (Status.NO_SHOW, absent)
    assert [kind for kind in said(shop_floor) if kind not in nudges] == kinds
    assert shop_floor.jobs() == []


def test_the_apology_leads_to_another_booking(shop_floor: Workshop, booked: UUID) -> None:
    enter(shop_floor, booked, CUSTOMER)

    work_at(shop_floor, CLOSES)

    assert "/s/queens-court" in shop_floor.last_text(phone(12))


def test_of_a_customer_who_came_and_went_before_the_shop_came_nobody_is_told_that_they_did_not_come(
    shop_floor: Workshop, booked: UUID
) -> None:
    enter(shop_floor, booked, CUSTOMER, SLOT - 5 * MINUTE)
    leave(shop_floor, booked, CUSTOMER, SLOT + timedelta(seconds=90))
    enter(shop_floor, booked, STAFF, SLOT + timedelta(seconds=100))

    work_at(shop_floor, CLOSES)

    assert shop_floor.booking(booked).status is Status.NO_SHOW
    assert "入室の時間が合いませんでした" in shop_floor.last_text("staff@queens-court.example.jp")


def test_a_customer_who_waits_for_staff_that_only_looked_in_is_sent_an_apology(
    shop_floor: Workshop, booked: UUID
) -> None:
    enter(shop_floor, booked, STAFF, SLOT - 9 * MINUTE)
    leave(shop_floor, booked, STAFF, SLOT - 8 * MINUTE)
    enter(shop_floor, booked, CUSTOMER)

    work_at(shop_floor, CLOSES)

    assert shop_floor.booking(booked).absent == "shop"
    assert Kind.BOOKING_SHOP_ABSENT in said(shop_floor)


def test_staff_that_looked_in_and_came_back_when_the_customer_was_gone_were_late(
    shop_floor: Workshop, booked: UUID
) -> None:
    enter(shop_floor, booked, STAFF, SLOT - 9 * MINUTE)
    leave(shop_floor, booked, STAFF, SLOT - 8 * MINUTE)
    enter(shop_floor, booked, CUSTOMER)
    leave(shop_floor, booked, CUSTOMER, SLOT + 6 * MINUTE)
    enter(shop_floor, booked, STAFF, SLOT + 10 * MINUTE)

    work_at(shop_floor, CLOSES)

    assert shop_floor.booking(booked).absent == "shop"


# The call is over (S8, M10)


def test_a_call_that_both_left_is_over_after_three_minutes_and_the_shop_is_told(
    shop_floor: Workshop, booked: UUID
) -> None:
    for side in Side:
        enter(shop_floor, booked, side)
    for side in Side:
        leave(shop_floor, booked, side, SLOT + 10 * MINUTE)

    work_at(shop_floor, SLOT + 10 * MINUTE + RECONNECT)

    assert shop_floor.booking(booked).status is Status.COMPLETED
    assert said(shop_floor) == [Kind.SHOP_CALL_ENDED]
    assert shop_floor.jobs() == []


def test_whoever_comes_back_within_the_three_minutes_talks_on(shop_floor: Workshop, booked: UUID) -> None:
    for side in Side:
        enter(shop_floor, booked, side)
    for side in Side:
        leave(shop_floor, booked, side, SLOT + 10 * MINUTE)
    enter(shop_floor, booked, CUSTOMER, SLOT + 12 * MINUTE)

    work_at(shop_floor, SLOT + 10 * MINUTE + RECONNECT)

    assert shop_floor.booking(booked).status is Status.IN_CALL


@pytest.mark.parametrize("wished", [False, True])
def test_customers_are_thanked_only_where_the_shop_wishes_it(
    shop_floor: Workshop,
    booked: UUID,
    wished: bool,
) -> None:
    shop_floor.set_shop("queens-court", sends_thanks=wished)
    for side in Side:
        enter(shop_floor, booked, side)
    with shop_floor.locked(booked) as (session, booking):
        ending.hang_up(session, booking, now=SLOT + MINUTE, actor="staff:hana")

    shop_floor.work()

    thanks = [Kind.BOOKING_THANKS] if wished else []
    assert said(shop_floor) == [*thanks, Kind.SHOP_CALL_ENDED]
    assert shop_floor.states(Kind.SHOP_CALL_ENDED) != [State.VOIDED]


def test_an_end_that_is_announced_twice_is_told_once(shop_floor: Workshop, booked: UUID) -> None:
    work_at(shop_floor, CLOSES)
    with shop_floor.locked(booked) as (session, booking):
        ending.ended(session, booking, now=CLOSES)

    shop_floor.work()

    assert said(shop_floor) == [Kind.SHOP_NO_SHOW]


# Calls at once


@pytest.fixture
def connected(shop_floor: Workshop) -> UUID:
    """A call at once in which both sides were, and that both left ten minutes later."""
    Floor(shop_floor.database).hire("hana")
    Floor(shop_floor.database).beat("hana", at=SLOT)
    shop_floor.time.move_to(SLOT)
    call_id = Floor(shop_floor.database).ask(SLOT).id
    Floor(shop_floor.database).accept(call_id, "hana", at=SLOT)
    shop_floor.time.move_to(SLOT + 10 * MINUTE)
    with shop_floor.database.transaction() as session:
        call = ringing.locked(session, call_id)
        assert call is not None
        for side in Side:
            call.enter(side, now=SLOT)
            facts.record(session, call, Told.by_page(call, FactKind.JOINED, side, at=SLOT), received_at=SLOT)
        for side in Side:
            left_at = SLOT + 10 * MINUTE
            facts.record(session, call, Told.by_page(call, FactKind.LEFT, side, at=left_at), received_at=left_at)
    return call_id


def test_a_call_at_once_that_both_left_is_ended_and_its_staff_are_free(shop_floor: Workshop, connected: UUID) -> None:
    work_at(shop_floor, SLOT + 10 * MINUTE + RECONNECT)

    assert Floor(shop_floor.database).call(connected).status is CallStatus.ENDED
    assert shop_floor.jobs() == []
