"""The booking's transactions: what each move writes besides the row, and who wins when two come at once."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from models.booking import HOLD_GRACE, Booking, Cause, Released, Side, Status
from models.customer import Customer
from models.deadline import DeadlinePolicy
from models.errors import (
    CodeExhausted,
    CodeWrong,
    ConfirmationNeeded,
    HoldEnded,
    IllegalMove,
    Refusal,
    ResendTooOften,
    ResendTooSoon,
    ShopClosed,
    SlotTaken,
    SlotUnknown,
    StaleRevision,
    TooManyChanges,
    WindowClosed,
)
from models.job import Name
from models.message import Kind, State
from models.shop import Shop
from tests.worker.desk import (
    DEADLINE,
    MINUTE,
    MOMENT,
    NOW,
    OTHER_DEADLINE,
    OTHER_SLOT,
    SLOT,
    Desk,
    at_once,
    postgresql_only,
    sqlite_only,
)
from worker import bookings
from worker.database import Database
from worker.logs import carrying
from worker.messages import tell_customer

TERMS = Path(__file__).parents[2] / "worker" / "terms"
END_OF_HOLD = NOW + 10 * MINUTE
NEXT_SLOT = SLOT + timedelta(minutes=20)
TIMERS = (Name.REMIND_ON_EVE, Name.REMIND_ON_DAY, Name.CLOSE_CANCELLATION_WINDOW, Name.END_BOOKING)


@pytest.fixture
def desk(seeded: Database, time: object) -> Desk:
    return Desk(seeded)


def kinds(results: list[Any]) -> Counter[str]:
    return Counter(type(result).__name__ for result in results)


def one_seat(desk: Desk, shop: str = "queens-court") -> None:
    with desk.database.snapshot() as session:
        rules = dict(session.get_one(Shop, shop).calendar_rules)
    desk.set_shop(shop, calendar_rules=rules | {"seats": 1})


# Holding, B10 to B15


@sqlite_only
def test_a_hold_keeps_the_slot_for_ten_minutes_and_owes_one_code(desk: Desk) -> None:
    booking_id = desk.hold()

    booking = desk.booking(booking_id)

    assert (booking.status, booking.revision, booking.hold_expires_at) == (Status.HELD, 1, END_OF_HOLD)
    assert desk.owed() == [Name.END_HOLD, Name.DISPATCH_CODE]
    assert desk.trail(booking_id) == ["held"]


@sqlite_only
def test_a_live_code_always_has_a_live_slot(desk: Desk) -> None:
    booking_id = desk.hold()

    expires_at = desk.verification(booking_id).expires_at

    assert expires_at <= desk.booking(booking_id).hold_expires_at
    assert all(claim.expires_at == END_OF_HOLD + HOLD_GRACE for claim in desk.claims(booking_id))


@sqlite_only
def test_the_deadline_is_fixed_at_the_hold_in_the_shops_own_calendar(desk: Desk) -> None:
    booking_id = desk.hold()
    desk.set_shop("queens-court", deadline_rules=DeadlinePolicy(hours_before=48).dump(), zone="Europe/Paris")

    booking = desk.booking(booking_id)

    assert (booking.change_deadline_at, booking.shop_zone) == (DEADLINE, "Asia/Tokyo")


@sqlite_only
def test_a_call_at_half_past_midnight_has_its_deadline_thirty_minutes_before(desk: Desk) -> None:
    starts_at = datetime(2030, 6, 7, 15, 30, tzinfo=UTC)

    booking = desk.booking(desk.hold(shop="vicky", starts_at=starts_at))

    assert booking.change_deadline_at == starts_at - timedelta(minutes=30)


@sqlite_only
def test_nothing_is_agreed_to_by_a_mere_hold(desk: Desk) -> None:
    booking_id = desk.hold()

    assert desk.consents(booking_id) == []


@sqlite_only
@pytest.mark.parametrize("shop", ["nowhere", "fred"])
def test_a_shop_that_is_unknown_or_switched_off_takes_no_booking(desk: Desk, shop: str) -> None:
    desk.set_shop("fred", enabled=False)

    with pytest.raises(ShopClosed):
        desk.hold(shop=shop)


@sqlite_only
@pytest.mark.parametrize(
    ("why", "shop", "starts_at"),
    [
        ("between two slots", "queens-court", SLOT + 5 * MINUTE),
        ("a moment beside the slot", "queens-court", SLOT + MOMENT),
        ("in the past", "queens-court", NOW - timedelta(days=1)),
        ("beyond the last day of acceptance", "queens-court", SLOT + timedelta(days=60)),
        ("on the shop's day off", "fred", SLOT + timedelta(days=1)),
        ("today, where the shop takes none for today", "fred", SLOT - timedelta(days=1)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_only_a_slot_of_the_calendar_can_be_held(desk: Desk, why: str, shop: str, starts_at: datetime) -> None:
    """Fault 19: what was past could be booked."""
    with pytest.raises(SlotUnknown):
        desk.hold(shop=shop, starts_at=starts_at)

    assert desk.bookings() == []


@sqlite_only
def test_what_is_personal_is_in_no_column_as_plain_text(desk: Desk) -> None:
    booking_id = desk.hold(
        name="山田花子", memo="canary memo", source_url="https://shop.example.jp/?canary", customer_ip="192.0.2.77"
    )

    with desk.database.snapshot() as session:
        booking = session.get_one(Booking, booking_id)
        rows = [booking, session.get_one(Customer, booking.customer_id)]
        text = "".join(repr(value) for row in rows for value in vars(row).values())

    assert not any(canary in text for canary in ("山田", "canary", "192.0.2.77", "9000000012"))
    assert booking.sealed_name
    assert booking.customer_ip_index


@sqlite_only
def test_the_same_request_again_gets_the_booking_it_has_and_no_second_code(desk: Desk) -> None:
    first, second = desk.hold(), desk.hold(NOW + MINUTE)

    assert first == second
    assert len(desk.jobs(Name.DISPATCH_CODE)) == 1


@sqlite_only
def test_the_same_customer_may_hold_another_slot(desk: Desk) -> None:
    """Fault 25: a key made of slot and user blocked a legitimate booking."""
    assert desk.confirm() != desk.hold(NOW + 2 * MINUTE, starts_at=NEXT_SLOT)


@sqlite_only
def test_who_cancelled_may_book_the_same_slot_again(desk: Desk) -> None:
    """Fault 25: only what lives counts."""
    first = desk.confirm()
    desk.cancel(first)

    second = desk.confirm(NOW + 2 * MINUTE)

    assert (desk.booking(first).status, desk.booking(second).status) == (Status.CANCELLED, Status.CONFIRMED)


@sqlite_only
def test_whose_hold_ran_out_may_hold_the_same_slot_again_though_no_timer_ran(desk: Desk) -> None:
    first = desk.hold()

    second = desk.hold(END_OF_HOLD)

    assert first != second
    assert desk.booking(first).released_because is Released.EXPIRED
    assert {claim.booking_id for claim in desk.claims()} == {second}


@sqlite_only
def test_a_customer_of_one_shop_is_a_stranger_at_another(desk: Desk) -> None:
    here, there = desk.booking(desk.confirm()), desk.booking(desk.confirm(shop="fred"))

    assert here.customer_id != there.customer_id


def test_of_twelve_customers_at_once_for_one_slot_one_holds_it_and_one_code_is_owed(desk: Desk) -> None:
    """Fault 1: concurrent requests each passed the check."""
    results = at_once(*[lambda n=n: desk.hold(shop="fred", number=100 + n) for n in range(12)])

    assert kinds(results) == {"UUID": 1, "SlotTaken": 11}
    assert len(desk.bookings()) == 1
    assert len(desk.jobs(Name.DISPATCH_CODE)) == 1


def test_a_form_that_is_submitted_ten_times_at_once_is_one_booking_with_one_code(desk: Desk) -> None:
    results = at_once(*[desk.hold] * 10)

    assert kinds(results) == {"UUID": 10}
    assert len(set(results)) == 1
    assert len(desk.jobs(Name.DISPATCH_CODE)) == 1
    assert len(desk.claims()) == 6


# The code (B15)


@sqlite_only
def test_the_right_code_completes_the_booking_and_keeps_the_slot_for_good(desk: Desk) -> None:
    booking_id = desk.hold()

    assert desk.enter(booking_id) is None
    assert desk.booking(booking_id).status is Status.CONFIRMED
    assert desk.trail(booking_id) == ["held", "confirmed"]
    assert {claim.expires_at for claim in desk.claims(booking_id)} == {None}


@sqlite_only
def test_completion_replaces_the_holds_timer_by_those_of_the_booking(desk: Desk) -> None:
    booking_id = desk.confirm()

    due = {job.name: job.due_at for job in desk.jobs(*TIMERS)}

    assert desk.owed(Name.END_HOLD) == []
    assert due == {
        Name.REMIND_ON_EVE: datetime(2030, 6, 3, 9, tzinfo=UTC),  # Monday, 18:00 in Tokyo
        Name.REMIND_ON_DAY: SLOT - 30 * MINUTE,
        Name.CLOSE_CANCELLATION_WINDOW: DEADLINE,
        Name.END_BOOKING: SLOT + 35 * MINUTE,
    }
    assert {job.timer_of for job in desk.jobs(*TIMERS)} == {booking_id}


@sqlite_only
def test_the_eve_reminder_leaves_three_hours_to_act(desk: Desk) -> None:
    desk.set_shop("queens-court", deadline_rules=DeadlinePolicy(days_before=1, at="19:00").dump())

    desk.confirm(starts_at=OTHER_SLOT)

    [reminder] = desk.jobs(Name.REMIND_ON_EVE)
    assert reminder.due_at == datetime(2030, 6, 5, 7, tzinfo=UTC), "16:00 in Tokyo, before 19:00"


@sqlite_only
def test_a_booking_made_after_the_hour_of_its_eve_reminder_gets_none(desk: Desk) -> None:
    """Fault 10: a reminder computed from "now". Its moment is past, and the confirmation has just said it all."""
    desk.confirm(datetime(2030, 6, 3, 9, tzinfo=UTC))

    assert desk.owed(*TIMERS) == sorted([Name.REMIND_ON_DAY, Name.CLOSE_CANCELLATION_WINDOW, Name.END_BOOKING])


@sqlite_only
def test_a_booking_for_today_can_no_longer_be_changed_from_the_start(desk: Desk) -> None:
    booking_id = desk.confirm(starts_at=datetime(2030, 6, 3, 5, tzinfo=UTC))

    with pytest.raises(WindowClosed):
        desk.cancel(booking_id)

    assert desk.owed(Name.REMIND_ON_EVE) == []


@sqlite_only
def test_consent_to_both_documents_is_stamped_when_the_code_is_accepted(desk: Desk) -> None:
    """With version, address and hash, the instant of receipt, the proven channel and the request (B27, B35)."""
    booking_id = desk.hold()
    received_at = NOW + 3 * MINUTE

    with carrying("the-request"):
        desk.enter(booking_id, at=received_at)

    consents = desk.consents(booking_id)
    assert [(each.document_id, each.version) for each in consents] == [
        ("platform-terms", "2021-09-28"),
        ("provider-terms-jitsi", "development-1"),
    ]
    for consent in consents:
        text = (TERMS / f"{consent.document_id}-{consent.version}.ja.txt").read_bytes()
        assert consent.sha256 == sha256(text).hexdigest()
        assert consent.url == f"https://www.example.jp/terms/{consent.document_id}/{consent.version}"
        assert (consent.accepted_at, consent.channel, consent.request_id) == (received_at, "sms", "the-request")


@sqlite_only
def test_the_same_code_again_is_answered_alike_and_stamps_nothing_twice(desk: Desk) -> None:
    booking_id = desk.hold()
    code = desk.code(booking_id)

    refusals = [desk.enter(booking_id, code, at=NOW + n * MINUTE) for n in (1, 2, 60)]

    assert refusals == [None, None, None]
    assert len(desk.consents(booking_id)) == 2
    assert desk.trail(booking_id) == ["held", "confirmed"]
    assert len(desk.jobs(Name.CONFIRM_BOOKING)) == 1


@sqlite_only
def test_a_replayed_code_revives_no_cancelled_booking(desk: Desk) -> None:
    """Fault 3: a confirm link that was used again re-created the event."""
    booking_id = desk.confirm()
    desk.cancel(booking_id)

    assert desk.enter(booking_id) is None, "it is told what was recorded"
    assert desk.booking(booking_id).status is Status.CANCELLED
    assert desk.claims(booking_id) == []


@sqlite_only
def test_a_wrong_code_is_counted_and_says_how_many_are_left(desk: Desk) -> None:
    """Fault 20: the form was stuck after a wrong code; here the right one still works."""
    booking_id = desk.hold()

    refusal = desk.enter(booking_id, desk.wrong_code(booking_id))

    assert isinstance(refusal, CodeWrong)
    assert refusal.facts["attempts_left"] == 4
    assert desk.enter(booking_id) is None


@sqlite_only
def test_the_fifth_wrong_code_releases_the_slot(desk: Desk) -> None:
    booking_id = desk.hold()

    refusals = [desk.enter(booking_id, desk.wrong_code(booking_id)) for _ in range(5)]

    assert [type(refusal) for refusal in refusals] == [CodeWrong] * 4 + [CodeExhausted]
    assert desk.booking(booking_id).released_because is Released.ATTEMPTS
    assert (desk.claims(booking_id), desk.owed(Name.END_HOLD)) == ([], [])


@sqlite_only
def test_after_five_wrong_codes_the_right_one_is_worth_nothing(desk: Desk) -> None:
    booking_id = desk.hold()
    for _ in range(5):
        desk.enter(booking_id, desk.wrong_code(booking_id))

    assert isinstance(desk.enter(booking_id), CodeExhausted)
    assert desk.booking(booking_id).status is Status.RELEASED


@sqlite_only
def test_guesses_at_one_booking_lock_no_number_out_of_another(desk: Desk) -> None:
    """Fault 21: attempts counted per number let anyone lock a number out."""
    guessed = desk.hold()
    for _ in range(5):
        desk.enter(guessed, desk.wrong_code(guessed))

    own = desk.hold(NOW + 2 * MINUTE, starts_at=NEXT_SLOT)

    assert desk.enter(own, at=NOW + 3 * MINUTE) is None


@sqlite_only
def test_the_code_of_one_booking_opens_no_other(desk: Desk) -> None:
    one, other = desk.hold(), desk.hold(number=13)

    assert isinstance(desk.enter(other, desk.code(one)), CodeWrong)


def test_of_fifty_wrong_codes_at_once_five_are_compared(desk: Desk) -> None:
    """Fault 21: parallel guesses must not share one count."""
    booking_id = desk.hold()
    wrong = desk.wrong_code(booking_id)

    results = at_once(*[lambda: desk.enter(booking_id, wrong)] * 50)

    assert kinds(results) == {"CodeWrong": 4, "CodeExhausted": 46}
    assert desk.verification(booking_id).attempts == 5


@sqlite_only
def test_a_code_received_in_time_counts_though_it_is_judged_after_the_timer_is_due(desk: Desk) -> None:
    """It waited for a lock, longer than the hold but not longer than the grace."""
    booking_id = desk.hold()

    refusal = desk.enter(booking_id, at=END_OF_HOLD - MOMENT)

    assert refusal is None
    assert [job.due_at for job in desk.jobs(Name.END_HOLD)] == []


@sqlite_only
def test_the_timer_that_ends_a_hold_leaves_a_code_received_in_time_the_grace_to_be_judged(desk: Desk) -> None:
    desk.hold()

    [timer] = desk.jobs(Name.END_HOLD)

    assert timer.due_at == END_OF_HOLD + HOLD_GRACE


@sqlite_only
def test_a_code_received_at_the_end_of_the_hold_is_late_though_the_slot_is_still_held(desk: Desk) -> None:
    """Fault 22: a late step after the hold led to overbooking."""
    booking_id = desk.hold()

    assert isinstance(desk.enter(booking_id, at=END_OF_HOLD), HoldEnded)
    assert desk.booking(booking_id).confirmed_at is None


@sqlite_only
def test_a_late_code_revives_nothing_that_was_released(desk: Desk) -> None:
    booking_id = desk.hold()
    with desk.locked(booking_id) as (session, booking):
        bookings.release(session, booking, Released.EXPIRED, now=END_OF_HOLD)

    assert isinstance(desk.enter(booking_id, at=END_OF_HOLD + MINUTE), HoldEnded)
    assert desk.booking(booking_id).status is Status.RELEASED


@sqlite_only
def test_a_code_whose_slot_was_taken_over_is_refused(desk: Desk) -> None:
    booking_id = desk.hold(shop="fred")
    desk.hold(END_OF_HOLD + HOLD_GRACE, shop="fred", number=13)

    assert isinstance(desk.enter(booking_id, at=END_OF_HOLD - MOMENT), HoldEnded)


def test_a_code_and_the_end_of_its_hold_at_once_have_one_winner(desk: Desk) -> None:
    held = [desk.hold(number=n, starts_at=SLOT + n * 20 * MINUTE) for n in range(5)]

    def end_hold(booking_id: UUID) -> None:
        with desk.locked(booking_id) as (session, booking):
            if booking.hold_is_over(END_OF_HOLD):
                bookings.release(session, booking, Released.EXPIRED, now=END_OF_HOLD)

    for booking_id in held:
        refusal, _ = at_once(partial(desk.enter, booking_id, at=END_OF_HOLD - MOMENT), partial(end_hold, booking_id))
        status, claims = desk.booking(booking_id).status, len(desk.claims(booking_id))

        if refusal is None:
            assert (status, claims) == (Status.CONFIRMED, 6)
        else:
            assert isinstance(refusal, HoldEnded)
            assert (status, claims) == (Status.RELEASED, 0)


def test_the_right_code_ten_times_at_once_completes_once(desk: Desk) -> None:
    booking_id = desk.hold()
    code = desk.code(booking_id)

    results = at_once(*[lambda: desk.enter(booking_id, code)] * 10)

    assert results == [None] * 10
    assert len(desk.consents(booking_id)) == 2
    assert desk.owed() == sorted([Name.DISPATCH_CODE, Name.CONFIRM_BOOKING, *TIMERS])


# Sending the code again


@sqlite_only
def test_a_young_code_is_owed_again_as_it_is_and_the_hold_stays(desk: Desk) -> None:
    booking_id = desk.hold()
    code = desk.code(booking_id)

    desk.resend(booking_id, NOW + 2 * MINUTE)

    assert desk.code(booking_id) == code
    assert desk.booking(booking_id).hold_expires_at == END_OF_HOLD
    assert [job.args["number"] for job in desk.jobs(Name.DISPATCH_CODE)] == [1, 2]


@sqlite_only
def test_an_old_code_is_replaced_and_the_hold_lives_as_long_as_the_new_one(desk: Desk) -> None:
    """Fault 20: codes come late, so the hold survives a resend."""
    booking_id = desk.hold()
    code = desk.code(booking_id)

    desk.resend(booking_id, NOW + 8 * MINUTE)

    until = NOW + 18 * MINUTE
    assert desk.code(booking_id) != code
    assert desk.booking(booking_id).hold_expires_at == desk.verification(booking_id).expires_at == until
    assert {claim.expires_at for claim in desk.claims(booking_id)} == {until + HOLD_GRACE}
    assert [job.due_at for job in desk.jobs(Name.END_HOLD)] == [until + HOLD_GRACE]


@sqlite_only
def test_a_code_that_was_replaced_is_wrong(desk: Desk) -> None:
    booking_id = desk.hold()
    old = desk.code(booking_id)
    desk.resend(booking_id, NOW + 8 * MINUTE)

    assert isinstance(desk.enter(booking_id, old, at=NOW + 9 * MINUTE), CodeWrong)
    assert desk.enter(booking_id, at=NOW + 9 * MINUTE) is None


@sqlite_only
def test_no_resend_holds_a_slot_past_the_cap(desk: Desk) -> None:
    """Fault 22: a hold was extended for ever by pressing a button."""
    booking_id = desk.hold()
    desk.resend(booking_id, NOW + 9 * MINUTE)
    desk.resend(booking_id, NOW + 18 * MINUTE)

    cap = NOW + 20 * MINUTE
    assert desk.booking(booking_id).hold_expires_at == cap
    with pytest.raises(HoldEnded):
        desk.resend(booking_id, cap)


@sqlite_only
@pytest.mark.parametrize(
    ("refusal", "earlier", "at"),
    [(ResendTooSoon, [], 0.5), (ResendTooOften, [1, 2, 3], 4), (HoldEnded, [], 10)],
)
def test_a_refused_resend_owes_no_code(desk: Desk, refusal: type[Refusal], earlier: list[int], at: float) -> None:
    booking_id = desk.hold()
    for minutes in earlier:
        desk.resend(booking_id, NOW + minutes * MINUTE)

    with pytest.raises(refusal):
        desk.resend(booking_id, NOW + at * MINUTE)

    assert len(desk.jobs(Name.DISPATCH_CODE)) == 1 + len(earlier)


@sqlite_only
def test_a_booking_that_is_complete_is_sent_no_more_codes(desk: Desk) -> None:
    booking_id = desk.confirm()

    with pytest.raises(IllegalMove):
        desk.resend(booking_id, NOW + 2 * MINUTE)


def test_a_button_pressed_five_times_at_once_sends_one_code(desk: Desk) -> None:
    booking_id = desk.hold()

    results = at_once(*[lambda: desk.resend(booking_id, NOW + 2 * MINUTE)] * 5)

    assert kinds(results) == {"NoneType": 1, "ResendTooSoon": 4}
    assert len(desk.jobs(Name.DISPATCH_CODE)) == 2


# Changing, as B18 promises


@sqlite_only
def test_a_change_moves_booking_claims_deadline_and_timers_together(desk: Desk) -> None:
    booking_id = desk.confirm()

    desk.change(booking_id)

    booking = desk.booking(booking_id)
    assert (booking.starts_at, booking.revision, booking.change_deadline_at) == (OTHER_SLOT, 2, OTHER_DEADLINE)
    assert [claim.tick_at for claim in desk.claims()] == [OTHER_SLOT + n * 5 * MINUTE for n in range(-1, 5)]
    assert desk.trail(booking_id) == ["held", "confirmed", "changed"]


@sqlite_only
def test_a_change_replaces_every_timer_by_one_of_the_new_revision(desk: Desk) -> None:
    """Faults 5 and 7: reminders with the old time, or never set again."""
    booking_id = desk.confirm()

    desk.change(booking_id)

    timers = desk.jobs(*TIMERS)
    assert {job.args["revision"] for job in timers} == {2}
    assert {job.name: job.due_at for job in timers} == {
        Name.REMIND_ON_EVE: datetime(2030, 6, 5, 9, tzinfo=UTC),
        Name.REMIND_ON_DAY: OTHER_SLOT - 30 * MINUTE,
        Name.CLOSE_CANCELLATION_WINDOW: OTHER_DEADLINE,
        Name.END_BOOKING: OTHER_SLOT + 35 * MINUTE,
    }


@sqlite_only
def test_the_timers_of_one_booking_are_none_of_anothers(desk: Desk) -> None:
    """Fault 8: cancelling one booking deleted all scheduled triggers."""
    one, other = desk.confirm(), desk.confirm(number=13)

    desk.cancel(one)

    assert {job.timer_of for job in desk.jobs(*TIMERS)} == {other}
    assert len(desk.jobs(*TIMERS)) == 4


@sqlite_only
def test_a_change_is_announced_with_the_time_before(desk: Desk) -> None:
    booking_id = desk.confirm()

    desk.change(booking_id)

    [job] = desk.jobs(Name.ANNOUNCE_CHANGE)
    assert job.args == {"booking_id": str(booking_id), "revision": 2, "before": int(SLOT.timestamp())}


@sqlite_only
def test_a_change_voids_what_was_not_yet_sent_of_the_old_revision(desk: Desk) -> None:
    booking_id = desk.confirm()
    with desk.locked(booking_id) as (session, booking):
        tell_customer(session, booking, Kind.BOOKING_CONFIRMED, now=NOW, expires_at=SLOT)

    desk.change(booking_id)

    assert desk.states() == [State.VOIDED]


@sqlite_only
def test_a_booking_may_move_onto_ticks_that_are_its_own(desk: Desk) -> None:
    """With the buffers two neighbouring calls overlap by ten minutes."""
    one_seat(desk)
    booking_id = desk.confirm()

    desk.change(booking_id, starts_at=NEXT_SLOT)

    assert [claim.tick_at for claim in desk.claims()] == [NEXT_SLOT + n * 5 * MINUTE for n in range(-1, 5)]


@sqlite_only
def test_if_the_new_slot_is_gone_nothing_changes(desk: Desk) -> None:
    one_seat(desk)
    booking_id = desk.confirm()
    desk.confirm(number=13, starts_at=OTHER_SLOT)
    jobs_before, claims_before = len(desk.jobs()), len(desk.claims(booking_id))

    with pytest.raises(SlotTaken):
        desk.change(booking_id)

    booking = desk.booking(booking_id)
    assert (booking.starts_at, booking.revision, booking.change_deadline_at) == (SLOT, 1, DEADLINE)
    assert (len(desk.jobs()), len(desk.claims(booking_id))) == (jobs_before, claims_before)


@sqlite_only
def test_a_refused_change_keeps_the_slot_even_when_only_it_is_rolled_back(desk: Desk) -> None:
    """The API undoes a refusal with a savepoint and goes on in the same transaction."""
    one_seat(desk)
    booking_id = desk.confirm()
    desk.confirm(number=13, starts_at=OTHER_SLOT)

    with desk.locked(booking_id) as (session, booking), pytest.raises(SlotTaken), session.begin_nested():
        bookings.change(
            session,
            booking,
            starts_at=OTHER_SLOT,
            received_at=NOW,
            expected_revision=1,
            knows_it_is_final=False,
        )

    assert len(desk.claims(booking_id)) == 6
    assert desk.booking(booking_id).starts_at == SLOT


@sqlite_only
def test_a_change_to_the_same_slot_is_refused_as_taken_by_oneself(desk: Desk) -> None:
    booking_id = desk.confirm()

    with pytest.raises(SlotTaken) as refusal:
        desk.change(booking_id, starts_at=SLOT)

    assert refusal.value.facts["yours"] is True


@sqlite_only
def test_a_change_to_a_slot_where_the_customer_has_another_booking_is_refused(desk: Desk) -> None:
    booking_id = desk.confirm()
    desk.confirm(starts_at=OTHER_SLOT)

    with pytest.raises(SlotTaken) as refusal:
        desk.change(booking_id)

    assert refusal.value.facts["yours"] is True
    assert desk.booking(booking_id).revision == 1


@sqlite_only
def test_a_change_to_what_is_no_slot_is_refused(desk: Desk) -> None:
    booking_id = desk.confirm()

    with pytest.raises(SlotUnknown):
        desk.change(booking_id, starts_at=OTHER_SLOT + MINUTE)


@sqlite_only
def test_a_change_is_judged_by_the_deadline_of_the_old_slot(desk: Desk) -> None:
    booking_id = desk.confirm()

    desk.change(booking_id, DEADLINE - MOMENT)
    too_late = desk.confirm(number=13)

    with pytest.raises(WindowClosed):
        desk.change(too_late, DEADLINE)
    assert desk.booking(booking_id).starts_at == OTHER_SLOT


@sqlite_only
def test_a_change_after_which_nothing_can_be_changed_must_be_meant(desk: Desk) -> None:
    booking_id = desk.confirm()
    today = datetime(2030, 6, 3, 5, tzinfo=UTC)

    with pytest.raises(ConfirmationNeeded):
        desk.change(booking_id, starts_at=today)
    desk.change(booking_id, starts_at=today, final=True)

    with pytest.raises(WindowClosed):
        desk.cancel(booking_id, revision=2)
    assert len(desk.claims()) == 6


@sqlite_only
def test_a_booking_is_changed_as_often_as_the_shop_allows(desk: Desk) -> None:
    """ATTACHMENT allows three."""
    booking_id = desk.confirm(shop="attachment")
    for n in range(3):
        desk.change(booking_id, starts_at=OTHER_SLOT + n * 30 * MINUTE, revision=1 + n)

    with pytest.raises(TooManyChanges):
        desk.change(booking_id, starts_at=SLOT, revision=4)


@sqlite_only
def test_the_slot_that_was_left_is_free_for_others_and_for_oneself(desk: Desk) -> None:
    one_seat(desk)
    booking_id = desk.confirm()
    desk.change(booking_id)

    desk.change(booking_id, starts_at=SLOT, revision=2)
    other = desk.confirm(number=13, starts_at=OTHER_SLOT)

    assert desk.booking(booking_id).starts_at == SLOT
    assert desk.booking(other).status is Status.CONFIRMED


def test_a_change_and_a_cancellation_at_once_have_one_winner(desk: Desk) -> None:
    booking_id = desk.confirm()

    results = at_once(lambda: desk.change(booking_id), lambda: desk.cancel(booking_id))

    booking = desk.booking(booking_id)
    changed = isinstance(results[1], StaleRevision)
    assert changed or isinstance(results[0], IllegalMove), results
    assert booking.status is (Status.CONFIRMED if changed else Status.CANCELLED)
    assert len(desk.claims()) == (6 if changed else 0)


def test_two_changes_at_once_have_one_winner(desk: Desk) -> None:
    booking_id = desk.confirm()

    results = at_once(
        lambda: desk.change(booking_id), lambda: desk.change(booking_id, starts_at=OTHER_SLOT + 20 * MINUTE)
    )

    assert kinds(results) == {"NoneType": 1, "StaleRevision": 1}
    assert (desk.booking(booking_id).revision, len(desk.claims())) == (2, 6)


def test_a_change_and_a_hold_for_the_last_seat_at_once_have_one_winner(desk: Desk) -> None:
    one_seat(desk)
    booking_id = desk.confirm()

    results = at_once(lambda: desk.change(booking_id), lambda: desk.hold(number=13, starts_at=OTHER_SLOT))

    assert sum(isinstance(result, SlotTaken) for result in results) == 1
    moved = results[0] is None
    assert desk.booking(booking_id).starts_at == (OTHER_SLOT if moved else SLOT)
    assert len(desk.claims()) == (6 if moved else 12)


# Cancelling, as B18 and B20 promise


@sqlite_only
def test_a_cancellation_gives_the_slot_back_and_ends_every_timer(desk: Desk) -> None:
    """Fault 4: a reminder after a cancellation."""
    booking_id = desk.confirm()

    desk.cancel(booking_id)

    booking = desk.booking(booking_id)
    assert (booking.status, booking.cancelled_by, booking.live_index) == (Status.CANCELLED, Cause.CUSTOMER, None)
    assert (desk.claims(), desk.owed(*TIMERS)) == ([], [])
    assert len(desk.jobs(Name.ANNOUNCE_CANCELLATION)) == 1


@sqlite_only
def test_a_cancelled_booking_keeps_its_row_and_its_trail(desk: Desk) -> None:
    """Fault 28: deleting the row on cancel loses the trail."""
    booking_id = desk.confirm()

    desk.cancel(booking_id)

    assert desk.trail(booking_id) == ["held", "confirmed", "cancelled"]


@sqlite_only
def test_a_cancellation_received_a_millisecond_before_midnight_counts_and_at_midnight_it_does_not(desk: Desk) -> None:
    in_time, too_late = desk.confirm(), desk.confirm(number=13)

    desk.cancel(in_time, DEADLINE - timedelta(milliseconds=1))
    with pytest.raises(WindowClosed):
        desk.cancel(too_late, DEADLINE)

    assert desk.booking(in_time).status is Status.CANCELLED
    assert desk.booking(too_late).status is Status.CONFIRMED


@sqlite_only
def test_a_second_cancellation_reaches_nothing(desk: Desk) -> None:
    """Fault 26: cancelling twice deleted the successor's room."""
    booking_id = desk.confirm()
    desk.cancel(booking_id)
    successor = desk.confirm(number=13)

    desk.cancel(booking_id, NOW + 2 * MINUTE)

    assert desk.booking(successor).status is Status.CONFIRMED
    assert {claim.booking_id for claim in desk.claims()} == {successor}


def test_ten_cancellations_at_once_are_announced_once(desk: Desk) -> None:
    """Fault 24: twice notified."""
    booking_id = desk.confirm()

    results = at_once(*[lambda: desk.cancel(booking_id)] * 10)

    assert kinds(results) == {"NoneType": 10}
    assert len(desk.jobs(Name.ANNOUNCE_CANCELLATION)) == 1


@sqlite_only
def test_the_shop_may_withdraw_after_the_deadline_and_the_reason_is_on_the_trail(desk: Desk) -> None:
    booking_id = desk.confirm()

    with desk.locked(booking_id) as (session, booking):
        bookings.withdraw(session, booking, Cause.SHOP, now=DEADLINE + MINUTE, actor="key:fred", reason="staff_ill")

    assert desk.booking(booking_id).cancelled_by is Cause.SHOP
    assert (desk.claims(), desk.owed(*TIMERS)) == ([], [])


@sqlite_only
def test_a_hold_that_is_given_up_is_free_at_once(desk: Desk) -> None:
    booking_id = desk.hold(shop="fred")
    with desk.locked(booking_id) as (session, booking):
        bookings.release(session, booking, Released.ABANDONED, now=NOW)

    successor = desk.hold(shop="fred", number=13)

    assert {claim.booking_id for claim in desk.claims()} == {successor}


@postgresql_only
def test_two_customers_who_swap_their_slots_at_once_get_what_is_possible_and_nothing_is_torn(desk: Desk) -> None:
    """Each waits for the other's ticks: the database breaks the tie, and who lost has lost nothing."""
    one_seat(desk)
    one, other = desk.confirm(), desk.confirm(number=13, starts_at=OTHER_SLOT)

    at_once(lambda: desk.change(one, starts_at=OTHER_SLOT), lambda: desk.change(other, starts_at=SLOT))

    held = {claim.booking_id: claim for claim in desk.claims()}
    for booking_id in (one, other):
        booking = desk.booking(booking_id)
        ticks = [claim.tick_at for claim in desk.claims(booking_id)]
        assert ticks == [booking.starts_at + n * 5 * MINUTE for n in range(-1, 5)]
    assert set(held) == {one, other}


@sqlite_only
def test_both_sides_entering_at_once_begin_one_call(desk: Desk) -> None:
    booking_id = desk.confirm()

    def enter(side: Side) -> None:
        with desk.locked(booking_id) as (_, booking):
            booking.enter(side, now=SLOT)

    at_once(lambda: enter(Side.CUSTOMER), lambda: enter(Side.STAFF))

    assert desk.booking(booking_id).status is Status.IN_CALL
    assert desk.trail(booking_id).count("call_began") == 1
