"""Fair use: one hold, so many bookings, no loops of cancelling, and nobody floods a shop from one network (B39)."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from models.block import Because
from models.booking import Cause, Released, Status
from models.call import Refused
from models.customer import Channel
from models.errors import Refusal, TooManyOpenBookings, TooManyRequests
from models.shop import Shop
from tests.worker.desk import DEADLINE, MINUTE, NOW, SLOT, Desk, at_once, phone, sqlite_only
from tests.worker.floor import Floor
from tests.worker.stopping import Operator, plan
from worker import blocking, bookings, fairness
from worker.customers import Contact
from worker.database import Database

DAY = timedelta(days=1)
SLOTS = [SLOT + timedelta(days=day) for day in (0, 1, 2, 3, 6, 7)]
"""Twelve o'clock of days on which QUEENS COURT is open."""
NETWORK = "192.0.2.99"
OTHER = "198.51.100.7"


@pytest.fixture
def desk(seeded: Database, time: object) -> Desk:
    return Desk(seeded)


def cancel_so_often(desk: Desk, times: int) -> None:
    for nth in range(times):
        desk.cancel(desk.confirm(starts_at=SLOTS[2]), NOW + nth * MINUTE)


# Holds


@sqlite_only
def test_a_new_hold_takes_the_place_of_the_one_before(desk: Desk) -> None:
    older = desk.hold(starts_at=SLOTS[0])

    newer = desk.hold(starts_at=SLOTS[1])

    booking = desk.booking(older)
    assert (booking.status, booking.released_because) == (Status.RELEASED, Released.ABANDONED)
    assert desk.booking(newer).status is Status.HELD
    assert desk.claims(older) == []


@sqlite_only
def test_a_stranger_who_types_a_number_takes_no_hold_away(desk: Desk) -> None:
    theirs = desk.hold(starts_at=SLOTS[0], customer_ip=NETWORK)

    with pytest.raises(TooManyRequests) as refused:
        desk.hold(starts_at=SLOTS[1], customer_ip=OTHER)

    assert refused.value.facts["retry_at"] == desk.booking(theirs).hold_expires_at
    assert desk.booking(theirs).status is Status.HELD


@sqlite_only
def test_a_hold_that_ran_out_stands_in_nobodys_way(desk: Desk) -> None:
    older = desk.hold(starts_at=SLOTS[0], customer_ip=NETWORK)

    newer = desk.hold(NOW + 11 * MINUTE, starts_at=SLOTS[1], customer_ip=OTHER)

    assert desk.booking(older).released_because is Released.EXPIRED
    assert desk.booking(newer).status is Status.HELD


@sqlite_only
def test_the_older_hold_stays_when_the_new_time_is_taken(desk: Desk) -> None:
    older = desk.hold(shop="fred", starts_at=SLOTS[0])
    desk.confirm(shop="fred", starts_at=SLOTS[2], number=13)

    with pytest.raises(Refusal):
        desk.hold(shop="fred", starts_at=SLOTS[2])

    assert desk.booking(older).status is Status.HELD


def test_of_two_holds_at_once_one_is_left(desk: Desk) -> None:
    at_once(lambda: desk.hold(starts_at=SLOTS[0]), lambda: desk.hold(starts_at=SLOTS[1]))

    assert sorted(booking.status for booking in desk.bookings()) == [Status.HELD, Status.RELEASED]


@sqlite_only
def test_the_holds_of_two_shops_are_no_matter_of_each_other(desk: Desk) -> None:
    older = desk.hold(shop="fred")

    desk.hold(shop="queens-court")

    assert desk.booking(older).status is Status.HELD


# Open bookings


@sqlite_only
def test_a_fourth_open_booking_is_refused(desk: Desk) -> None:
    for starts_at in SLOTS[:3]:
        desk.confirm(starts_at=starts_at)

    with pytest.raises(TooManyOpenBookings) as refused:
        desk.hold(starts_at=SLOTS[3])

    assert refused.value.facts == {"shop_id": "queens-court", "most": 3}


@sqlite_only
def test_a_booking_that_was_cancelled_makes_room(desk: Desk) -> None:
    booked = [desk.confirm(starts_at=starts_at) for starts_at in SLOTS[:3]]
    desk.cancel(booked[2])

    assert desk.booking(desk.hold(starts_at=SLOTS[3])).status is Status.HELD


@sqlite_only
def test_a_booking_whose_time_is_over_makes_room_though_nobody_ended_it(desk: Desk) -> None:
    for starts_at in SLOTS[:3]:
        desk.confirm(starts_at=starts_at)

    assert desk.hold(SLOTS[0] + timedelta(hours=2), starts_at=SLOTS[3])


@sqlite_only
def test_a_shop_may_allow_more(desk: Desk) -> None:
    desk.set_shop("queens-court", fair_use_rules={"open_bookings": 4})
    for starts_at in SLOTS[:3]:
        desk.confirm(starts_at=starts_at)

    assert desk.hold(starts_at=SLOTS[3])


@sqlite_only
def test_another_customer_is_another_count(desk: Desk) -> None:
    for starts_at in SLOTS[:3]:
        desk.confirm(starts_at=starts_at)

    assert desk.hold(starts_at=SLOTS[3], number=13)


# Loops


@sqlite_only
def test_three_cancellations_pause_new_holds_for_a_day(desk: Desk) -> None:
    cancel_so_often(desk, 3)

    with pytest.raises(TooManyRequests) as refused:
        desk.hold(NOW + 5 * MINUTE, starts_at=SLOTS[3])

    assert refused.value.facts["retry_at"] == NOW + 2 * MINUTE + DAY


@sqlite_only
def test_two_cancellations_pause_nothing(desk: Desk) -> None:
    cancel_so_often(desk, 2)

    assert desk.hold(NOW + 5 * MINUTE, starts_at=SLOTS[3])


@sqlite_only
def test_once_the_pause_is_over_one_may_book_again(desk: Desk) -> None:
    cancel_so_often(desk, 3)

    assert desk.hold(NOW + 2 * MINUTE + DAY, starts_at=SLOTS[3])


@sqlite_only
def test_what_the_shop_cancelled_is_no_loop_of_the_customers(desk: Desk) -> None:
    cancel_so_often(desk, 2)
    with desk.locked(desk.confirm(starts_at=SLOTS[2])) as (session, booking):
        bookings.withdraw(session, booking, Cause.SHOP, now=NOW, actor="key:desk", reason="staff_ill")

    assert desk.hold(NOW + 5 * MINUTE, starts_at=SLOTS[3])


def move(desk: Desk, booking_id: UUID) -> int:
    with desk.locked(booking_id) as (session, booking):
        bookings.move(
            session, booking, starts_at=SLOTS[3], expected_revision=1, now=NOW, actor="key:pos", reason="staff_ill"
        )
        return booking.revision


def suspend(desk: Desk, _: UUID) -> int:
    Operator(desk).suspend(plan(starts_at=SLOTS[2] - timedelta(hours=1), ends_at=SLOTS[2] + timedelta(hours=1)))
    return 1


@sqlite_only
@pytest.mark.parametrize("displace", [move, suspend], ids=["the shop moved it", "a suspension takes it away"])
def test_who_cancels_what_was_taken_away_from_them_loops_nowhere(
    desk: Desk, displace: Callable[[Desk, UUID], int]
) -> None:
    cancel_so_often(desk, 2)
    booking_id = desk.confirm(starts_at=SLOTS[2])
    revision = displace(desk, booking_id)
    desk.cancel(booking_id, revision=revision)

    assert desk.hold(NOW + 5 * MINUTE, starts_at=SLOTS[4])


@sqlite_only
def test_a_paused_customer_may_still_change_and_cancel(desk: Desk) -> None:
    kept = desk.confirm(starts_at=SLOTS[3])
    cancel_so_often(desk, 3)

    desk.change(kept, starts_at=SLOTS[5])
    desk.cancel(kept, DEADLINE, revision=2)

    assert desk.booking(kept).status is Status.CANCELLED


# Networks


@sqlite_only
def test_a_network_makes_so_many_holds_an_hour(desk: Desk) -> None:
    desk.set_shop("queens-court", fair_use_rules={"holds_per_network": 2})
    for number in (12, 13):
        desk.hold(number=number, customer_ip=NETWORK)

    with pytest.raises(TooManyRequests) as refused:
        desk.hold(number=14, customer_ip=NETWORK)

    assert refused.value.facts["retry_at"] == NOW + timedelta(hours=1)
    assert desk.hold(number=14, customer_ip=OTHER)


@sqlite_only
def test_another_address_of_the_same_subscriber_is_the_same_network(desk: Desk) -> None:
    desk.set_shop("queens-court", fair_use_rules={"holds_per_network": 2})
    for number, address in ((12, "2001:db8:1:2::a"), (13, "2001:db8:1:2::b")):
        desk.hold(number=number, customer_ip=address)

    with pytest.raises(TooManyRequests):
        desk.hold(number=14, customer_ip="2001:db8:1:2::c")

    assert desk.hold(number=14, customer_ip="2001:db8:1:3::c")


@sqlite_only
def test_the_block_list_is_not_asked_number_by_number_from_another_address_of_ones_own(desk: Desk) -> None:
    desk.set_shop("queens-court", fair_use_rules={"refusals_per_network": 1})
    with desk.database.transaction() as session:
        refusal = TooManyOpenBookings(shop_id="queens-court")
        fairness.note_refusal(session, "queens-court", refusal, network="2001:db8:1:2::a", now=NOW)

    with pytest.raises(TooManyRequests):
        desk.hold(number=44, customer_ip="2001:db8:1:2::b")


@sqlite_only
def test_a_phone_whose_temporary_address_has_changed_keeps_its_hold(desk: Desk) -> None:
    held = desk.hold(customer_ip="2001:db8:1:2::a")

    same = desk.hold(customer_ip="2001:db8:1:2::b")
    another = desk.hold(starts_at=SLOTS[1], customer_ip="2001:db8:1:2::c")

    assert same == held
    assert desk.booking(held).released_because is Released.ABANDONED
    assert desk.booking(another).status is Status.HELD


@sqlite_only
def test_the_next_hour_counts_anew(desk: Desk) -> None:
    desk.set_shop("queens-court", fair_use_rules={"holds_per_network": 1})
    desk.hold(number=12, customer_ip=NETWORK)

    assert desk.hold(NOW + timedelta(hours=1), number=13, customer_ip=NETWORK)


@sqlite_only
def test_calls_are_counted_apart_from_holds(desk: Desk) -> None:
    desk.set_shop("queens-court", fair_use_rules={"holds_per_network": 1, "calls_per_network": 1})
    desk.hold(customer_ip=NETWORK)

    with desk.database.transaction() as session:
        shop = session.get_one(Shop, "queens-court")
        fairness.admit_call(session, shop, network=NETWORK, now=NOW)
        with pytest.raises(TooManyRequests):
            fairness.admit_call(session, shop, network=NETWORK, now=NOW)


@sqlite_only
def test_a_call_that_is_refused_to_a_blocked_contact_counts_as_a_refusal(desk: Desk) -> None:
    floor, tanaka = Floor(desk.database), Contact(Channel.SMS, phone(12))
    floor.set_shop("queens-court", fair_use_rules={"refusals_per_network": 2})
    with desk.database.transaction() as session:
        blocking.block(
            session, tanaka, Because.DEFAMATION, "canary", shop_id=None, report_id=None, by="person:sato", now=NOW
        )
    for _ in range(2):
        assert floor.ask(contact=tanaka, customer_ip=NETWORK).refused_because is Refused.PROHIBITED_USE

    with pytest.raises(TooManyRequests):
        floor.ask(contact=Contact(Channel.SMS, phone(13)), customer_ip=NETWORK)


@sqlite_only
def test_a_network_that_was_refused_too_often_is_not_looked_at(desk: Desk) -> None:
    desk.set_shop("queens-court", fair_use_rules={"refusals_per_network": 2})
    for _ in range(2):
        with desk.database.transaction() as session:
            refusal = TooManyOpenBookings(shop_id="queens-court")
            fairness.note_refusal(session, "queens-court", refusal, network=NETWORK, now=NOW)

    with pytest.raises(TooManyRequests):
        desk.hold(number=44, customer_ip=NETWORK)
