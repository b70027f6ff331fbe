"""What follows from a booking's moves: who is told what, once, on time, and not at all when it is no longer true."""

from datetime import UTC, datetime, timedelta

import pytest

from models.booking import HOLD_GRACE, Cause, Released, Side, Status
from models.job import Name
from models.message import Kind, State
from tests.tasks.conftest import Workshop
from tests.worker.desk import (
    DEADLINE,
    MINUTE,
    MOMENT,
    NOW,
    OTHER_DEADLINE,
    OTHER_SLOT,
    SLOT,
    at_once,
    phone,
    sqlite_only,
)
from worker import bookings, jobs, links

pytestmark = sqlite_only

TODAY = datetime(2030, 6, 3, 5, tzinfo=UTC)  # 14:00 in Tokyo
EVE = datetime(2030, 6, 3, 9, tzinfo=UTC)  # 18:00 in Tokyo
END_OF_HOLD = NOW + 10 * MINUTE
TO_CUSTOMERS = [kind for kind in Kind if not kind.startswith("shop_")]
REMINDERS = (Kind.BOOKING_REMINDER_EVE, Kind.BOOKING_REMINDER_DAY)


def said(shop_floor: Workshop) -> list[Kind]:
    """What customers were owed, in alphabetical order."""
    return sorted(message.kind for message in shop_floor.messages(*TO_CUSTOMERS))


# The code


def test_a_hold_sends_one_code_and_tells_nobody_else(shop_floor: Workshop) -> None:
    booking_id = shop_floor.hold()

    shop_floor.work()

    assert [message.kind for message in shop_floor.messages()] == [Kind.BOOKING_CODE]
    assert shop_floor.delivered(Kind.BOOKING_CODE) == 1
    assert shop_floor.code(booking_id) in shop_floor.last_text(phone(12))


def test_a_code_that_is_asked_for_again_is_a_second_sms_with_the_same_code(shop_floor: Workshop) -> None:
    booking_id = shop_floor.hold()
    shop_floor.work()
    code = shop_floor.code(booking_id)
    shop_floor.time.advance(minutes=2)

    shop_floor.resend(booking_id, shop_floor.time.at)
    shop_floor.work()

    assert shop_floor.delivered(Kind.BOOKING_CODE) == 2
    assert code in shop_floor.last_text(phone(12))


def test_a_code_whose_hold_ended_before_it_was_sent_is_not_sent(shop_floor: Workshop) -> None:
    booking_id = shop_floor.hold()
    shop_floor.perform(Name.DISPATCH_CODE)
    with shop_floor.locked(booking_id) as (session, booking):
        bookings.release(session, booking, Released.ABANDONED, now=NOW)

    shop_floor.work()

    assert shop_floor.states(Kind.BOOKING_CODE) == [State.VOIDED]
    assert shop_floor.delivered(Kind.BOOKING_CODE) == 0


def test_a_code_that_waited_in_a_queue_until_the_hold_ended_is_not_even_written(shop_floor: Workshop) -> None:
    booking_id = shop_floor.hold()
    with shop_floor.locked(booking_id) as (session, booking):
        bookings.release(session, booking, Released.ABANDONED, now=NOW)

    shop_floor.work()

    assert shop_floor.messages() == []


def test_a_code_that_could_not_be_sent_in_time_expires(shop_floor: Workshop) -> None:
    shop_floor.hold()
    shop_floor.perform(Name.DISPATCH_CODE)
    shop_floor.time.move_to(END_OF_HOLD)

    shop_floor.perform(Name.DELIVER_MESSAGE)

    assert shop_floor.states(Kind.BOOKING_CODE) == [State.EXPIRED]
    assert shop_floor.delivered(Kind.BOOKING_CODE) == 0


# The end of a hold


def test_a_hold_whose_code_never_came_is_released_and_nobody_is_told(shop_floor: Workshop) -> None:
    booking_id = shop_floor.hold()
    shop_floor.work()
    shop_floor.time.move_to(END_OF_HOLD + HOLD_GRACE)

    shop_floor.work()

    booking = shop_floor.booking(booking_id)
    assert (booking.status, booking.released_because) == (Status.RELEASED, Released.EXPIRED)
    assert said(shop_floor) == [Kind.BOOKING_CODE]
    assert (shop_floor.claims(), shop_floor.jobs()) == ([], [])


def test_the_timer_of_a_hold_only_proposes(shop_floor: Workshop) -> None:
    booking_id = shop_floor.hold()

    # Too early: it stays owed, for a clock that is ahead must not use it up.
    assert shop_floor.perform(Name.END_HOLD) == [jobs.Outcome.SKIPPED]
    assert shop_floor.booking(booking_id).status is Status.HELD


def test_a_code_received_in_time_beats_a_timer_that_is_due(shop_floor: Workshop) -> None:
    booking_id = shop_floor.hold()
    shop_floor.work()
    shop_floor.time.move_to(END_OF_HOLD + timedelta(seconds=4))
    shop_floor.work()

    refusal = shop_floor.enter(booking_id, at=END_OF_HOLD - MOMENT)

    assert refusal is None
    assert shop_floor.booking(booking_id).status is Status.CONFIRMED


@pytest.mark.parametrize("number", [9211, 9610], ids=["not a number", "opted out"])
def test_a_slot_whose_code_cannot_arrive_is_released_at_once(shop_floor: Workshop, number: int) -> None:
    booking_id = shop_floor.hold(number=number)

    shop_floor.work()

    assert shop_floor.booking(booking_id).released_because is Released.UNDELIVERABLE
    assert shop_floor.claims() == []


def test_a_booking_that_was_completed_meanwhile_is_not_released(shop_floor: Workshop) -> None:
    booking_id = shop_floor.confirm()
    with shop_floor.database.transaction() as session:
        jobs.enqueue(session, Name.RELEASE_UNDELIVERABLE, booking_id=booking_id, number=1)

    shop_floor.work()

    assert shop_floor.booking(booking_id).status is Status.CONFIRMED


# Confirmation


def test_a_booking_is_confirmed_once_to_the_customer_and_once_to_the_shop(shop_floor: Workshop) -> None:
    booking_id = shop_floor.confirm()

    shop_floor.work()

    booking = shop_floor.booking(booking_id)
    assert shop_floor.delivered(Kind.BOOKING_CONFIRMED) == shop_floor.delivered(Kind.SHOP_BOOKING_NEW) == 1
    assert links.call_url(booking, Side.CUSTOMER) in shop_floor.last_text(phone(12))
    assert links.booking_page_url(booking) in shop_floor.last_text(phone(12))


def test_a_booking_for_today_is_confirmed_in_words_that_promise_no_change(shop_floor: Workshop) -> None:
    shop_floor.confirm(starts_at=TODAY)

    shop_floor.work()

    assert said(shop_floor) == [Kind.BOOKING_CONFIRMED_SAME_DAY]
    assert "変更" in shop_floor.last_text(phone(12))


def test_which_words_confirm_is_judged_by_when_the_code_came_and_not_by_when_a_worker_did(
    shop_floor: Workshop,
) -> None:
    """The worker is ten minutes late, over midnight."""
    shop_floor.confirm(DEADLINE - MINUTE, starts_at=SLOT)
    shop_floor.time.move_to(DEADLINE + 9 * MINUTE)

    shop_floor.perform(Name.CONFIRM_BOOKING)

    assert said(shop_floor) == [Kind.BOOKING_CONFIRMED]


def test_a_confirmation_is_owed_once_however_often_it_is_asked_for(shop_floor: Workshop) -> None:
    """Fault 24: 136 texts to one user."""
    booking_id = shop_floor.confirm()
    with shop_floor.database.transaction() as session:
        for _ in range(5):
            jobs.enqueue(session, Name.CONFIRM_BOOKING, booking_id=booking_id, revision=1)

    shop_floor.work()

    assert shop_floor.delivered(Kind.BOOKING_CONFIRMED) == 1


def test_a_confirmation_that_a_change_overtook_is_never_sent(shop_floor: Workshop) -> None:
    """Fault 5, for confirmations."""
    booking_id = shop_floor.confirm()
    shop_floor.change(booking_id)

    shop_floor.work()

    assert said(shop_floor) == [Kind.BOOKING_CHANGED]


def test_a_confirmation_that_was_written_and_then_overtaken_is_voided(shop_floor: Workshop) -> None:
    booking_id = shop_floor.confirm()
    shop_floor.perform(Name.CONFIRM_BOOKING)
    shop_floor.change(booking_id)

    shop_floor.work()

    assert shop_floor.states(Kind.BOOKING_CONFIRMED) == [State.VOIDED]
    assert shop_floor.delivered(Kind.BOOKING_CONFIRMED) == 0
    assert shop_floor.delivered(Kind.BOOKING_CHANGED) == 1


# Change and cancellation


def test_a_change_is_told_to_both_with_the_new_call_url_and_not_the_old_one(shop_floor: Workshop) -> None:
    """Fault 16: call link missing or different after a change."""
    booking_id = shop_floor.confirm()
    shop_floor.work()
    old_url = links.call_url(shop_floor.booking(booking_id), Side.CUSTOMER)

    shop_floor.change(booking_id)
    shop_floor.work()

    text = shop_floor.last_text(phone(12))
    assert links.call_url(shop_floor.booking(booking_id), Side.CUSTOMER) in text
    assert old_url not in text
    assert shop_floor.delivered(Kind.SHOP_BOOKING_CHANGED) == 1


def test_a_change_that_was_the_last_says_so(shop_floor: Workshop) -> None:
    booking_id = shop_floor.confirm()
    shop_floor.work()

    shop_floor.change(booking_id, starts_at=TODAY, final=True)
    shop_floor.work()

    assert Kind.BOOKING_CHANGED_FINAL in said(shop_floor)
    assert Kind.BOOKING_CHANGED not in said(shop_floor)


def test_a_cancellation_is_told_to_both_once(shop_floor: Workshop) -> None:
    booking_id = shop_floor.confirm()
    shop_floor.work()

    shop_floor.cancel(booking_id)
    shop_floor.work()

    assert shop_floor.delivered(Kind.BOOKING_CANCELLED) == 1
    assert shop_floor.delivered(Kind.SHOP_BOOKING_CANCELLED) == 1


def test_a_booking_that_the_shop_withdrew_is_answered_with_an_apology(shop_floor: Workshop) -> None:
    booking_id = shop_floor.confirm()
    shop_floor.work()
    with shop_floor.locked(booking_id) as (session, booking):
        bookings.withdraw(session, booking, Cause.SHOP, now=NOW, actor="key:shop", reason="staff_ill")

    shop_floor.work()

    assert shop_floor.delivered(Kind.BOOKING_WITHDRAWN) == 1
    assert shop_floor.states(Kind.BOOKING_CANCELLED) == []
    assert "/s/queens-court" in shop_floor.last_text(phone(12))


# Reminders


def test_both_reminders_go_out_at_their_moment_and_not_before(shop_floor: Workshop) -> None:
    shop_floor.confirm()
    shop_floor.work()
    sent = []

    for moment in (EVE - MOMENT, EVE, SLOT - 30 * MINUTE - MOMENT, SLOT - 30 * MINUTE):
        shop_floor.time.move_to(moment)
        shop_floor.work()
        sent.append([kind for kind in said(shop_floor) if kind in REMINDERS])

    eve, day = REMINDERS
    assert sent == [[], [eve], [eve], [day, eve]]
    assert [shop_floor.delivered(kind) for kind in REMINDERS] == [1, 1]


def test_the_reminder_of_the_day_repeats_the_call_url(shop_floor: Workshop) -> None:
    """B17."""
    booking_id = shop_floor.confirm()
    shop_floor.work()

    shop_floor.time.move_to(SLOT - 30 * MINUTE)
    shop_floor.work()

    assert links.call_url(shop_floor.booking(booking_id), Side.CUSTOMER) in shop_floor.last_text(phone(12))


def test_a_reminder_fell_due_while_everything_was_down_and_is_sent_while_it_can_help(shop_floor: Workshop) -> None:
    """Fault 10: a cron that ran late missed a whole hour."""
    shop_floor.confirm()
    shop_floor.work()

    shop_floor.time.move_to(EVE + timedelta(hours=2))
    shop_floor.work()

    assert shop_floor.delivered(Kind.BOOKING_REMINDER_EVE) == 1


def test_a_reminder_that_is_so_late_that_nothing_can_be_changed_any_more_expires(shop_floor: Workshop) -> None:
    shop_floor.confirm()
    shop_floor.work()

    shop_floor.time.move_to(DEADLINE)
    shop_floor.work()

    assert shop_floor.states(Kind.BOOKING_REMINDER_EVE) == [State.EXPIRED]
    assert shop_floor.delivered(Kind.BOOKING_REMINDER_EVE) == 0


def test_no_reminder_follows_a_cancellation(shop_floor: Workshop) -> None:
    """Fault 4."""
    booking_id = shop_floor.confirm()
    shop_floor.cancel(booking_id)

    shop_floor.time.move_to(SLOT)
    shop_floor.work()

    assert not set(said(shop_floor)) & set(REMINDERS)


def test_a_reminder_that_was_written_and_not_yet_sent_is_voided_by_a_cancellation(shop_floor: Workshop) -> None:
    """Fault 4, in the narrowest place: the sender asks the booking once more."""
    booking_id = shop_floor.confirm()
    shop_floor.work()
    shop_floor.time.move_to(EVE)
    shop_floor.perform(Name.REMIND_ON_EVE)

    shop_floor.cancel(booking_id, EVE)
    shop_floor.work()

    assert shop_floor.states(Kind.BOOKING_REMINDER_EVE) == [State.VOIDED]
    assert shop_floor.delivered(Kind.BOOKING_REMINDER_EVE) == 0


def test_a_cancellation_and_the_sending_of_a_reminder_at_once_have_one_winner(shop_floor: Workshop) -> None:
    booking_id = shop_floor.confirm()
    shop_floor.work()
    shop_floor.time.move_to(EVE)
    shop_floor.perform(Name.REMIND_ON_EVE)

    at_once(lambda: shop_floor.cancel(booking_id, EVE), lambda: shop_floor.perform(Name.DELIVER_MESSAGE))

    [state] = shop_floor.states(Kind.BOOKING_REMINDER_EVE)
    assert state in {State.VOIDED, State.SENT}
    assert shop_floor.delivered(Kind.BOOKING_REMINDER_EVE) == (state == State.SENT)


def test_after_a_change_the_reminders_name_the_new_time(shop_floor: Workshop) -> None:
    """Fault 5."""
    booking_id = shop_floor.confirm()
    shop_floor.change(booking_id)
    shop_floor.work()

    shop_floor.time.move_to(SLOT)
    shop_floor.work()
    reminded_of_the_old_time = set(said(shop_floor)) & set(REMINDERS)
    shop_floor.time.move_to(OTHER_SLOT - 30 * MINUTE)
    shop_floor.work()

    assert reminded_of_the_old_time == set()
    assert shop_floor.states(Kind.BOOKING_REMINDER_DAY) == [State.SENT]


def test_a_timer_of_an_older_revision_that_was_already_running_does_nothing(shop_floor: Workshop) -> None:
    booking_id = shop_floor.confirm()
    shop_floor.change(booking_id)
    with shop_floor.database.transaction() as session:
        for name in (Name.REMIND_ON_EVE, Name.REMIND_ON_DAY, Name.CLOSE_CANCELLATION_WINDOW, Name.END_BOOKING):
            jobs.enqueue(session, name, booking_id=booking_id, revision=1)
    shop_floor.work()

    booking = shop_floor.booking(booking_id)
    assert not set(said(shop_floor)) & set(REMINDERS)
    assert (booking.status, booking.change_window_closed_at) == (Status.CONFIRMED, None)


def test_a_reminder_that_is_asked_for_twice_is_sent_once(shop_floor: Workshop) -> None:
    """Faults 7 and 11: saving twice sent twice; a countdown ran again and again."""
    booking_id = shop_floor.confirm()
    with shop_floor.database.transaction() as session:
        jobs.enqueue(session, Name.REMIND_ON_EVE, due_at=EVE, booking_id=booking_id, revision=1)

    shop_floor.time.move_to(EVE)
    shop_floor.work()

    assert shop_floor.delivered(Kind.BOOKING_REMINDER_EVE) == 1


# The closing of the window and the shop's day


def test_the_closing_is_recorded_by_a_late_worker_all_the_same(shop_floor: Workshop) -> None:
    booking_id = shop_floor.confirm()
    late = DEADLINE + 10 * MINUTE

    shop_floor.time.move_to(late)
    shop_floor.work()

    assert shop_floor.booking(booking_id).change_window_closed_at == late


def test_a_late_worker_opens_no_window_that_is_closed(shop_floor: Workshop) -> None:
    """Nothing has run since the confirmation; the comparison decides."""
    booking_id = shop_floor.confirm()

    assert not shop_floor.booking(booking_id).may_still_change(DEADLINE)
    assert shop_floor.booking(booking_id).may_still_change(DEADLINE - timedelta(milliseconds=1))
    assert shop_floor.booking(booking_id).change_window_closed_at is None


def test_a_day_has_one_list_and_one_notice_that_it_is_fixed_however_many_bookings_it_has(
    shop_floor: Workshop,
) -> None:
    """S4 and S5; fault 24."""
    for number in range(3):
        shop_floor.confirm(number=number, starts_at=SLOT + number * 20 * MINUTE)

    shop_floor.time.move_to(DEADLINE)
    shop_floor.work()

    assert shop_floor.delivered(Kind.SHOP_DAY_LIST) == 1
    assert shop_floor.delivered(Kind.SHOP_DAY_FIXED) == 1


def test_every_shop_and_every_day_has_a_list_of_its_own(shop_floor: Workshop) -> None:
    shop_floor.confirm()
    shop_floor.confirm(shop="fred", number=13)
    shop_floor.confirm(number=14, starts_at=OTHER_SLOT)

    shop_floor.time.move_to(OTHER_DEADLINE)
    shop_floor.work()

    days = sorted((message.shop_id, message.facts["day"]) for message in shop_floor.messages(Kind.SHOP_DAY_FIXED))
    assert days == [("fred", "2030-06-04"), ("queens-court", "2030-06-04"), ("queens-court", "2030-06-06")]


# The end


@pytest.mark.parametrize(
    ("entered", "status"),
    [((), Status.NO_SHOW), ((Side.CUSTOMER,), Status.NO_SHOW), ((Side.CUSTOMER, Side.STAFF), Status.COMPLETED)],
)
def test_a_booking_ends_when_its_entry_window_is_over(
    shop_floor: Workshop, entered: tuple[Side, ...], status: Status
) -> None:
    booking_id = shop_floor.confirm()
    with shop_floor.locked(booking_id) as (_, booking):
        for side in entered:
            booking.enter(side, now=SLOT)

    shop_floor.time.move_to(SLOT + 35 * MINUTE)
    shop_floor.work()

    assert shop_floor.booking(booking_id).status is status
    assert shop_floor.jobs() == []


def test_nothing_is_owed_when_everything_is_over(shop_floor: Workshop) -> None:
    """Fault 9: nothing is kept in a process, so nothing is lost with one, and nothing is left behind."""
    booking_id = shop_floor.confirm()
    shop_floor.change(booking_id)
    shop_floor.cancel(booking_id, revision=2)

    shop_floor.work()

    assert shop_floor.jobs() == []
