"""Claims: every tick of a slot on one seat or nothing, whoever comes first; holds that ran out block nobody."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from models.booking import HOLD_GRACE, Released, Status
from models.calendar import Slot
from models.errors import SlotTaken
from models.job import Name
from models.shop import Shop
from tests.worker.desk import MINUTE, MOMENT, NOW, SLOT, Desk, at_once, sqlite_only
from worker import slots
from worker.database import Database

TUESDAY = date(2030, 6, 4)
END_OF_HOLD = NOW + 10 * MINUTE
NEXT_SLOT = SLOT + timedelta(minutes=20)
MENU_OF_20 = {"weekly": {"2": [["12:00", "14:00"]]}, "slot_minutes": 20, "seats": 1, "accept_from_days": 30}
MENU_OF_30 = MENU_OF_20 | {"slot_minutes": 30}


@pytest.fixture
def desk(seeded: Database, time: object) -> Desk:
    return Desk(seeded)


def free(desk: Desk, shop_id: str = "fred", *, now: datetime = NOW) -> list[datetime]:
    with desk.database.snapshot() as session:
        shop = session.get_one(Shop, shop_id)
        found = slots.free_slots(session, shop, TUESDAY, date(2030, 6, 5), now=now)
        return [slot.starts_at for slot in found]


def claim(desk: Desk, booking_id: UUID, shop_id: str, starts_at: datetime) -> int | None:
    with desk.database.transaction() as session:
        shop = session.get_one(Shop, shop_id)
        return slots.claim(session, shop, slot_of(shop, starts_at), booking_id, hold_expires_at=None)


def slot_of(shop: Shop, starts_at: datetime) -> Slot:
    slot = shop.calendar.slot_at(starts_at)
    assert slot is not None
    return slot


@sqlite_only
def test_a_hold_claims_every_tick_of_its_slot_and_the_buffers(desk: Desk) -> None:
    booking_id = desk.hold(shop="queens-court")

    claims = desk.claims(booking_id)

    assert [claim.tick_at for claim in claims] == [SLOT + n * timedelta(minutes=5) for n in range(-1, 5)]
    assert len({claim.seat for claim in claims}) == 1


@sqlite_only
def test_a_hold_that_nobody_confirmed_yet_is_not_offered_to_others(desk: Desk) -> None:
    """Fault 2: unconfirmed bookings were invisible to availability, and both were confirmed."""
    desk.hold(shop="fred")

    assert SLOT not in free(desk)


@sqlite_only
def test_a_slot_is_offered_while_one_seat_is_free(desk: Desk) -> None:
    offered = []
    for number in range(4):
        offered.append(SLOT in free(desk, "queens-court"))
        desk.hold(number=number)

    assert offered == [True] * 4
    assert SLOT not in free(desk, "queens-court")


@sqlite_only
def test_the_last_seat_is_found_without_trying_those_that_are_taken(desk: Desk) -> None:
    desk.set_shop("fred", calendar_rules=MENU_OF_20 | {"seats": 20})
    for number in range(19):
        desk.hold(shop="fred", number=100 + number)
    tried: list[str] = []
    event.listen(desk.database.engine, "before_cursor_execute", lambda *said: tried.append(said[2]))

    desk.hold(shop="fred", number=200)

    assert len([said for said in tried if said.startswith("INSERT INTO slot_claims")]) == 1


@sqlite_only
def test_one_customer_a_seat_and_then_no_more(desk: Desk) -> None:
    seats = [desk.booking(desk.hold(number=number)).seat for number in range(4)]

    assert len(set(seats)) == 4
    with pytest.raises(SlotTaken):
        desk.hold(number=4)


@sqlite_only
def test_calls_of_twenty_and_of_thirty_minutes_that_meet_anywhere_exclude_each_other(desk: Desk) -> None:
    """A unique start time alone would let both in: fault 1."""
    desk.set_shop("fred", calendar_rules=MENU_OF_20)
    desk.confirm(shop="fred", starts_at=NEXT_SLOT)
    desk.set_shop("fred", calendar_rules=MENU_OF_30)

    with pytest.raises(SlotTaken):
        desk.hold(shop="fred", starts_at=SLOT, number=13)

    assert SLOT not in free(desk)


@sqlite_only
def test_where_one_tick_is_taken_no_tick_is_claimed(desk: Desk) -> None:
    desk.set_shop("fred", calendar_rules=MENU_OF_20)
    first = desk.confirm(shop="fred", starts_at=NEXT_SLOT)
    desk.set_shop("fred", calendar_rules=MENU_OF_30)

    seat = claim(desk, first, "fred", SLOT)

    assert seat is None
    assert len(desk.claims()) == 4


@sqlite_only
def test_slots_of_one_shop_are_not_taken_by_another(desk: Desk) -> None:
    # Every seat of the one, whose numbers are those of the other's as well.
    with desk.database.snapshot() as session:
        seats = session.get_one(Shop, "queens-court").calendar.seats
    for number in range(seats):
        desk.hold(shop="queens-court", number=12 + number)

    assert SLOT not in free(desk, "queens-court")
    assert SLOT in free(desk, "fred")


@sqlite_only
def test_a_slot_is_free_again_when_the_hold_and_its_grace_are_over_though_nobody_cleared_it_away(desk: Desk) -> None:
    desk.hold(shop="fred")

    assert SLOT not in free(desk, now=END_OF_HOLD + HOLD_GRACE - MOMENT)
    assert SLOT in free(desk, now=END_OF_HOLD + HOLD_GRACE)


@sqlite_only
def test_who_takes_over_an_expired_hold_releases_it(desk: Desk) -> None:
    expired = desk.hold(shop="fred")

    successor = desk.hold(END_OF_HOLD + HOLD_GRACE, shop="fred", number=13)

    assert (desk.booking(expired).status, desk.booking(expired).released_because) == (
        Status.RELEASED,
        Released.EXPIRED,
    )
    assert {claim.booking_id for claim in desk.claims()} == {successor}


@sqlite_only
def test_a_hold_that_was_taken_over_leaves_no_timer_behind(desk: Desk) -> None:
    """Fault 26: ending twice what was ended deleted the successor's room."""
    desk.hold(shop="fred")
    successor = desk.hold(END_OF_HOLD + HOLD_GRACE, shop="fred", number=13)

    assert [job.timer_of for job in desk.jobs(Name.END_HOLD)] == [successor]


def test_of_ten_who_take_over_an_expired_hold_at_once_one_gets_it(desk: Desk) -> None:
    desk.hold(shop="fred")
    late = END_OF_HOLD + HOLD_GRACE

    results = at_once(*[lambda n=n: desk.hold(late, shop="fred", number=100 + n) for n in range(10)])

    assert sum(isinstance(result, UUID) for result in results) == 1
    assert sum(isinstance(result, SlotTaken) for result in results) == 9
    assert len({claim.booking_id for claim in desk.claims()}) == 1


@sqlite_only
def test_claims_that_are_kept_for_good_have_no_end(desk: Desk) -> None:
    booking_id = desk.confirm()

    assert {claim.expires_at for claim in desk.claims(booking_id)} == {None}


@sqlite_only
def test_keeping_what_somebody_took_over_fails(desk: Desk) -> None:
    booking_id = desk.hold()
    with desk.database.transaction() as session:
        slots.free(session, booking_id)

    with desk.database.transaction() as session:
        assert not slots.keep(session, booking_id, until=None)


@sqlite_only
def test_giving_back_gives_back_ones_own_and_nothing_else(desk: Desk) -> None:
    """Fault 8: cancelling one booking deleted all triggers."""
    one, other = desk.hold(), desk.hold(number=13)

    with desk.database.transaction() as session:
        slots.free(session, one)

    assert (len(desk.claims(one)), len(desk.claims(other))) == (0, 6)


# Suggestions


def suggested(session: Session, after: datetime, now: datetime = NOW) -> list[datetime]:
    shop = session.get_one(Shop, "fred")
    return [slot.starts_at for slot in slots.next_free(session, shop, after, now=now)]


@sqlite_only
def test_who_came_second_is_offered_the_next_five_free_slots(desk: Desk) -> None:
    desk.hold(shop="fred")

    with desk.database.snapshot() as session:
        offered = suggested(session, SLOT)

    assert offered == [SLOT + timedelta(hours=n) for n in range(1, 6)]


@sqlite_only
def test_suggestions_skip_the_days_on_which_the_shop_is_closed(desk: Desk) -> None:
    """FRED is closed on Wednesdays."""
    with desk.database.snapshot() as session:
        offered = suggested(session, datetime(2030, 6, 4, 10, tzinfo=UTC))

    assert [at.day for at in offered] == [4, 6, 6, 6, 6]


@sqlite_only
def test_no_suggestion_lies_in_the_past(desk: Desk) -> None:
    with desk.database.snapshot() as session:
        offered = suggested(session, NOW - timedelta(days=30))

    assert min(offered) > NOW


@sqlite_only
def test_beyond_the_last_day_of_acceptance_nothing_is_suggested(desk: Desk) -> None:
    with desk.database.snapshot() as session:
        assert suggested(session, NOW + timedelta(days=40)) == []


def test_the_next_free_slots_are_found_however_far_off_they_are(desk: Desk) -> None:
    with desk.database.snapshot() as session:
        rules = session.get_one(Shop, "queens-court").calendar_rules
    closed: dict[str, list[str]] = {f"2030-06-{day:02}": [] for day in range(3, 31)}
    desk.set_shop("queens-court", calendar_rules=rules | {"exceptions": closed, "accept_from_days": 60})

    with desk.database.snapshot() as session:
        found = slots.next_free(session, session.get_one(Shop, "queens-court"), NOW, now=NOW)

    # Monday, 1 July, from 10:00 in Tokyo on.
    assert [f"{slot.starts_at:%m-%d %H:%M}" for slot in found] == [
        "07-01 01:00",
        "07-01 01:20",
        "07-01 01:40",
        "07-01 02:00",
        "07-01 02:20",
    ]
