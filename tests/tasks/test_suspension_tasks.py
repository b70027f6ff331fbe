"""What customers hear of a suspension: the notice, the apology, and that it was undone (B41, B42, B44)."""

from datetime import UTC, datetime, timedelta

import pytest

from models.booking import Booking, Cause, Status
from models.message import Answer, Kind, State
from models.suspension import Status as Standing
from models.suspension import Treatment
from tasks.delivery import DeliverMessage, Plan
from tests.conftest import StoppedTime
from tests.tasks.conftest import Workshop
from tests.worker.desk import DEADLINE, MINUTE, MOMENT, NOW, OTHER_SLOT, SLOT, phone, sqlite_only
from tests.worker.stopping import BEGINS, ENDS, NOTICE, Operator, at_once, plan, work
from worker import receipts, suspending
from worker.messages import AGAIN_AFTER
from worker.vendors import ReceiptFact

pytestmark = sqlite_only

MAILBOX = "hanako@example.jp"
EVE = datetime(2030, 6, 3, 9, tzinfo=UTC)
"""18:00 in Tokyo, when customers of the next day are reminded."""


@pytest.fixture
def operator(shop_floor: Workshop) -> Operator:
    return Operator(shop_floor)


def test_the_notice_names_the_time_until_which_another_one_can_be_chosen(
    shop_floor: Workshop, operator: Operator
) -> None:
    shop_floor.confirm()
    shop_floor.work()
    operator.suspend(plan())
    shop_floor.work()

    text = shop_floor.last_text(phone(12))

    assert "6/4(火)12:00はサービス停止のため承れません" in text
    assert "日時変更は6/4 11:00まで" in text
    assert "/b/" in text


def test_the_notice_by_mail_leads_to_the_page_that_explains_it(shop_floor: Workshop, operator: Operator) -> None:
    shop_floor.confirm(email=MAILBOX)
    shop_floor.work()
    operator.suspend(plan())
    shop_floor.work()

    assert NOTICE in shop_floor.last_text(MAILBOX)


def test_the_notice_reaches_each_customer_once(shop_floor: Workshop, operator: Operator) -> None:
    shop_floor.confirm()
    operator.suspend(plan())
    shop_floor.work()
    shop_floor.work()

    assert shop_floor.delivered(Kind.SUSPENSION_ANNOUNCED) == 1


def test_whoever_moved_away_before_the_notice_hears_nothing_of_it(
    shop_floor: Workshop, operator: Operator, time: StoppedTime
) -> None:
    booking_id = shop_floor.confirm()
    operator.suspend(plan(notice_at=NOW + timedelta(hours=1)))
    shop_floor.change(booking_id, starts_at=OTHER_SLOT)
    time.move_to(NOW + timedelta(hours=1))
    shop_floor.work()

    assert shop_floor.messages(Kind.SUSPENSION_ANNOUNCED) == []


def test_a_booking_that_it_cancels_is_answered_with_an_apology_to_the_customer_and_a_word_to_the_shop(
    shop_floor: Workshop, operator: Operator
) -> None:
    """B44: nobody is compensated by software, and a message is sent all the same."""
    booking_id = shop_floor.confirm()
    operator.suspend(at_once(treatment=Treatment.CANCEL))
    shop_floor.work()

    assert shop_floor.booking(booking_id).cancelled_by is Cause.SUSPENSION
    assert shop_floor.delivered(Kind.BOOKING_WITHDRAWN) == 1
    assert shop_floor.delivered(Kind.SHOP_BOOKING_CANCELLED) == 1
    assert "再予約" in shop_floor.last_text(phone(12))


def test_a_hold_that_it_releases_is_told_to_nobody(shop_floor: Workshop, operator: Operator) -> None:
    booking_id = shop_floor.hold()
    shop_floor.work()
    before = len(shop_floor.messages())
    operator.suspend(at_once())
    shop_floor.work()

    assert shop_floor.booking(booking_id).status is Status.RELEASED
    assert len(shop_floor.messages()) == before


def test_a_sudden_stop_asks_those_who_still_can_to_choose_another_time(
    shop_floor: Workshop, operator: Operator
) -> None:
    shop_floor.confirm()
    operator.suspend(at_once(treatment=Treatment.MOVE))
    shop_floor.work()

    assert shop_floor.delivered(Kind.SUSPENSION_ANNOUNCED) == 1
    assert "日時変更は6/4 11:00まで" in shop_floor.last_text(phone(12))


def test_whoever_does_not_choose_in_time_is_told_of_the_cancellation(
    shop_floor: Workshop, operator: Operator, time: StoppedTime
) -> None:
    shop_floor.confirm()
    operator.suspend(at_once(treatment=Treatment.MOVE))
    shop_floor.work()
    time.move_to(BEGINS)
    shop_floor.work()

    assert shop_floor.delivered(Kind.BOOKING_WITHDRAWN) == 1


def test_whoever_was_told_is_told_that_the_booking_stands_after_all(
    shop_floor: Workshop, operator: Operator, time: StoppedTime
) -> None:
    shop_floor.confirm()
    stop = operator.suspend(plan())
    shop_floor.work()
    shop_floor.settled()
    operator.undo(stop, NOW + MINUTE)
    shop_floor.work()
    time.move_to(BEGINS)
    shop_floor.work()

    assert shop_floor.delivered(Kind.SUSPENSION_UNDONE) == 1
    assert shop_floor.messages(Kind.BOOKING_WITHDRAWN) == []


def test_a_notice_that_the_vendor_puts_off_while_it_is_undone_is_never_sent(
    shop_floor: Workshop, operator: Operator, time: StoppedTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop_floor.confirm()
    shop_floor.work()
    stop = operator.suspend(plan())
    work(shop_floor)
    [notice] = shop_floor.messages(Kind.SUSPENSION_ANNOUNCED)
    shop_floor.carrier.script("rate_limit_429_bare", times=1, channel="sms", to=phone(12))
    call = DeliverMessage.call

    def undo_meanwhile(self: DeliverMessage, claimed: Plan) -> Answer:
        if claimed.message_id == notice.id and operator.stop(stop).status is Standing.PLANNED:
            operator.undo(stop, NOW + MINUTE)
            work(shop_floor)
        return call(self, claimed)

    monkeypatch.setattr(DeliverMessage, "call", undo_meanwhile)
    for _ in range(10):
        shop_floor.work()
        time.advance(seconds=30)

    assert shop_floor.message(Kind.SUSPENSION_ANNOUNCED).state is State.VOIDED
    assert shop_floor.delivered(Kind.SUSPENSION_ANNOUNCED) == 0


def test_a_notice_that_did_not_arrive_is_not_said_again_once_it_was_undone(
    shop_floor: Workshop, operator: Operator, time: StoppedTime
) -> None:
    shop_floor.confirm()
    stop = operator.suspend(plan())
    shop_floor.work()
    shop_floor.settled()
    [notice] = shop_floor.messages(Kind.SUSPENSION_ANNOUNCED)
    attempt = next(each for each in shop_floor.attempts() if each.message_id == notice.id)
    operator.undo(stop, NOW + MINUTE)
    shop_floor.work()
    fact = ReceiptFact(
        f"late:{attempt.id}", attempt.vendor, attempt.id, None, "undelivered", State.UNDELIVERED, "30003"
    )
    with shop_floor.database.transaction() as session:
        receipts.store(session, [fact], now=time.at)
    shop_floor.work()
    time.move_to(NOW + AGAIN_AFTER + MINUTE)
    shop_floor.work()

    assert [message.state for message in shop_floor.messages(Kind.SUSPENSION_ANNOUNCED)] == [
        State.UNDELIVERED,
        State.VOIDED,
    ]
    assert "取りやめとなりました" in shop_floor.last_text(phone(12))


def test_nobody_is_told_that_a_booking_stands_that_another_one_takes_away_meanwhile(
    shop_floor: Workshop, operator: Operator
) -> None:
    shop_floor.confirm()
    first = operator.suspend(plan())
    shop_floor.work()
    operator.undo(first, NOW + MINUTE)
    work(shop_floor)
    operator.suspend(plan(), NOW + MINUTE)
    shop_floor.work()

    assert shop_floor.message(Kind.SUSPENSION_UNDONE).state is State.VOIDED
    assert "サービス停止のため承れません" in shop_floor.last_text(phone(12))


def test_the_deadline_that_the_notice_named_holds_after_a_lift_and_is_named_again(
    shop_floor: Workshop, operator: Operator, time: StoppedTime
) -> None:
    """B20: the deadline in a message is the deadline in the code, also where the cause of it is gone."""
    booking_id = shop_floor.confirm(email=MAILBOX)
    stop = operator.suspend(at_once(treatment=Treatment.MOVE))
    shop_floor.work()
    named = "2030年6月4日(火)11:00まで"
    announced = shop_floor.last_text(MAILBOX)
    time.move_to(DEADLINE + timedelta(hours=9))
    operator.lift(stop, time.at)
    shop_floor.work()

    assert named in announced
    assert named in shop_floor.last_text(MAILBOX)
    shop_floor.cancel(booking_id, BEGINS - MOMENT)
    assert shop_floor.booking(booking_id).cancelled_by is Cause.CUSTOMER


def test_whose_call_would_be_under_way_when_it_begins_has_until_an_hour_before_and_is_then_told_of_the_cancellation(
    shop_floor: Workshop, operator: Operator, time: StoppedTime
) -> None:
    booking_id = shop_floor.confirm()
    operator.suspend(plan(starts_at=SLOT + 10 * MINUTE))
    shop_floor.work()
    announced = shop_floor.last_text(phone(12))
    time.move_to(BEGINS)
    shop_floor.work()

    assert "日時変更は6/4 11:00まで" in announced
    assert shop_floor.booking(booking_id).cancelled_by is Cause.SUSPENSION
    assert shop_floor.delivered(Kind.BOOKING_WITHDRAWN) == 1


def test_what_is_kept_is_spoken_of_in_no_message(shop_floor: Workshop, operator: Operator, time: StoppedTime) -> None:
    shop_floor.confirm()
    shop_floor.work()
    before = {message.kind for message in shop_floor.messages()}
    operator.suspend(plan(treatment=Treatment.KEEP))
    for at in (NOW, BEGINS):
        time.move_to(at)
        shop_floor.work()

    assert {message.kind for message in shop_floor.messages()} - before <= {
        Kind.BOOKING_REMINDER_DAY,
        Kind.SHOP_DAY_FIXED,
        Kind.SHOP_DAY_LIST,
        Kind.BOOKING_REMINDER_EVE,
    }


@pytest.mark.parametrize("treatment", [Treatment.CANCEL, Treatment.MOVE])
def test_nobody_is_reminded_of_a_call_that_was_called_off(
    shop_floor: Workshop, operator: Operator, time: StoppedTime, treatment: Treatment
) -> None:
    shop_floor.confirm()
    operator.suspend(plan(treatment=treatment))
    for at in (NOW, EVE, BEGINS - MINUTE):
        time.move_to(at)
        shop_floor.work()

    assert shop_floor.messages(Kind.BOOKING_REMINDER_EVE, Kind.BOOKING_REMINDER_DAY) == []
    assert len(shop_floor.messages(Kind.SHOP_DAY_LIST)) == 1


def test_before_the_notice_reminders_go_out_as_ever(
    shop_floor: Workshop, operator: Operator, time: StoppedTime
) -> None:
    shop_floor.confirm()
    operator.suspend(plan(notice_at=EVE + MINUTE))
    time.move_to(EVE)
    shop_floor.work()

    assert shop_floor.delivered(Kind.BOOKING_REMINDER_EVE) == 1


def test_after_its_end_bookings_are_taken_as_before(
    shop_floor: Workshop, operator: Operator, time: StoppedTime
) -> None:
    operator.suspend(at_once())
    time.move_to(ENDS)
    shop_floor.work()

    assert shop_floor.confirm(ENDS, starts_at=OTHER_SLOT)


@pytest.mark.parametrize("treatment", [Treatment.CANCEL, Treatment.MOVE])
def test_whose_call_would_be_cut_off_and_who_can_choose_no_more_is_told_at_once(
    shop_floor: Workshop, operator: Operator, time: StoppedTime, treatment: Treatment
) -> None:
    booking_id = shop_floor.confirm()
    shop_floor.work()
    time.move_to(SLOT - 50 * MINUTE)
    operator.suspend(plan(starts_at=SLOT + 10 * MINUTE, notice_at=time.at, treatment=treatment), time.at)

    shop_floor.work()

    booking = shop_floor.booking(booking_id)
    assert (booking.status, booking.cancelled_by) == (Status.CANCELLED, Cause.SUSPENSION)
    assert len(shop_floor.messages(Kind.BOOKING_WITHDRAWN)) == 1


def test_nobody_is_told_twice_that_a_booking_stands_after_all(
    shop_floor: Workshop, operator: Operator, time: StoppedTime
) -> None:
    """The second suspension was undone before anybody heard of it."""
    shop_floor.confirm()
    shop_floor.work()
    first = operator.suspend(plan())
    shop_floor.work()
    shop_floor.settled()
    operator.undo(first, NOW + MINUTE)
    shop_floor.work()
    shop_floor.settled()

    second = operator.suspend(plan(), NOW + MINUTE)
    work(shop_floor)
    operator.undo(second, NOW + MINUTE)
    work(shop_floor)
    shop_floor.work()

    assert len(shop_floor.messages(Kind.SUSPENSION_UNDONE)) == 1


def test_a_told_deadline_that_is_over_is_not_set_anew_by_a_late_lift(
    shop_floor: Workshop, operator: Operator, time: StoppedTime
) -> None:
    booking_id = shop_floor.confirm()
    shop_floor.work()
    stop = operator.suspend(plan())
    shop_floor.work()
    shop_floor.settled()

    time.move_to(BEGINS + MINUTE)
    operator.lift(stop, time.at)
    shop_floor.work()

    assert shop_floor.booking(booking_id).change_deadline_at == DEADLINE


def test_of_two_that_take_a_time_away_the_one_that_gives_it_up_first_names_the_deadline(
    shop_floor: Workshop, operator: Operator
) -> None:
    booking_id = shop_floor.confirm()
    shop_floor.work()
    first = operator.suspend(plan())
    operator.suspend(plan(treatment=Treatment.MOVE, ends_at=ENDS + MINUTE))
    shop_floor.work()

    with shop_floor.database.snapshot() as session:
        booking = session.get_one(Booking, booking_id)
        found = [suspending.displaced(session, booking, at=at) for at in (BEGINS - MINUTE, BEGINS)]

    assert [stop.id if stop else None for stop in found] == [first, None]
