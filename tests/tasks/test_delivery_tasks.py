"""Sending and learning: one call an attempt, each answer's consequence, and receipts twice, late and out of order."""

from datetime import timedelta
from urllib.parse import parse_qsl
from uuid import UUID

import pytest
from sqlalchemy import select

from models.booking import Released, Status
from models.customer import Channel
from models.job import Job, Name, Queue
from models.message import Attempt, Kind, Receipt, State
from tests.sandbox.sandbox_process import Posted, Receiver, until
from tests.tasks.conftest import Workshop
from tests.worker.desk import MINUTE, NOW, at_once, phone, sqlite_only
from worker import jobs, receipts
from worker.clock import system_now
from worker.jobs import Outcome
from worker.jobs.doing import HANDLERS, _claim, _Outside
from worker.vendors import ReceiptFact, sendgrid, twilio

MAILBOX = "hanako@example.jp"


def only_attempt(shop_floor: Workshop) -> Attempt:
    [attempt] = shop_floor.attempts()
    return attempt


def posted(receiver: Receiver, attempt: Attempt, count: int) -> list[Posted]:
    """Wait for so many posts about an attempt, and return them."""
    until(lambda: len(receiver.about(str(attempt.id))) >= count)
    return receiver.about(str(attempt.id))[:count]


def fact_of(receiver: Receiver, post: Posted) -> ReceiptFact:
    """Read one of Twilio's posts as the API does, signature and all."""
    form = dict(parse_qsl(post.body.decode(), keep_blank_values=True))
    fact = twilio.read_receipt(receiver.url + post.path, form, post.headers["X-Twilio-Signature"])
    assert fact is not None
    return fact


def learn(shop_floor: Workshop, *facts: ReceiptFact) -> int:
    """Store facts and apply them, in this order; return how many were new."""
    new = 0
    for fact in facts:
        with shop_floor.database.transaction() as session:
            new += receipts.store(session, [fact], now=shop_floor.time.at)
        shop_floor.work()
    return new


def made_up(attempt_id: UUID, status: str, state: State | None, *, once: str = "") -> ReceiptFact:
    return ReceiptFact(
        once_key=once or f"twilio:{attempt_id}:{status}",
        vendor="twilio",
        attempt_id=attempt_id,
        reference="SM" + "0" * 32,
        status=status,
        state=state,
        code=None,
    )


# Answers


@sqlite_only
def test_a_message_that_was_accepted_is_sent_and_its_attempt_keeps_the_vendors_reference(shop_floor: Workshop) -> None:
    shop_floor.hold()

    shop_floor.work()

    attempt = only_attempt(shop_floor)
    [delivery] = shop_floor.carrier.sent(undelivered="true")
    assert (attempt.vendor, attempt.answer, attempt.reference) == ("twilio", "accepted", delivery["sid"])
    assert shop_floor.message(Kind.BOOKING_CODE).state == State.SENT


@sqlite_only
def test_the_attempts_id_travels_with_the_call(shop_floor: Workshop) -> None:
    shop_floor.hold()
    shop_floor.hold(email=MAILBOX)

    shop_floor.work()

    carried = {delivery["attempt"] for delivery in shop_floor.carrier.sent(undelivered="true")}
    assert carried == {str(attempt.id) for attempt in shop_floor.attempts()}


@sqlite_only
def test_the_vendor_must_drop_a_code_rather_than_deliver_it_late(shop_floor: Workshop) -> None:
    shop_floor.hold()
    shop_floor.time.advance(minutes=3)

    shop_floor.work()

    [delivery] = shop_floor.carrier.sent(undelivered="true")
    assert int(delivery["validity_seconds"]) == 420


@sqlite_only
def test_a_number_that_is_refused_is_tried_once_and_kept_as_failed(shop_floor: Workshop) -> None:
    """Fault 23: a bad number was retried for ever."""
    shop_floor.hold(number=9211)

    shop_floor.work()
    shop_floor.time.advance(minutes=9)
    shop_floor.work()

    message = shop_floor.message(Kind.BOOKING_CODE)
    assert (message.state, message.because, len(shop_floor.attempts())) == (State.FAILED, "21211", 1)


@sqlite_only
def test_what_our_account_is_refused_waits_until_the_account_is_mended(shop_floor: Workshop) -> None:
    booking_id = shop_floor.hold(number=12)
    shop_floor.carrier.script("refuse_401", channel="sms")
    shop_floor.work()
    assert shop_floor.states(Kind.BOOKING_CODE) == [State.QUEUED]
    assert shop_floor.booking(booking_id).status is Status.HELD

    shop_floor.time.advance(minutes=3)
    shop_floor.work()

    assert shop_floor.states(Kind.BOOKING_CODE) == [State.SENT]


@sqlite_only
def test_a_confirmation_that_is_refused_takes_no_booking_away(shop_floor: Workshop) -> None:
    booking_id = shop_floor.confirm()
    shop_floor.carrier.script("refuse_21614", channel="sms")

    shop_floor.perform(Name.CONFIRM_BOOKING)
    shop_floor.work()

    assert State.FAILED in shop_floor.states(Kind.BOOKING_CONFIRMED)
    assert shop_floor.booking(booking_id).status is Status.CONFIRMED


@sqlite_only
def test_who_is_told_to_wait_waits_as_long_as_the_vendor_says(shop_floor: Workshop) -> None:
    shop_floor.carrier.script({"kind": "rate_limit_429", "seconds": 7}, channel="sms")
    shop_floor.hold()

    shop_floor.work()

    [again] = shop_floor.jobs(Name.DELIVER_MESSAGE)
    assert again.due_at == NOW + timedelta(seconds=7)
    assert shop_floor.states(Kind.BOOKING_CODE) == [State.QUEUED]


@sqlite_only
def test_a_second_try_is_an_attempt_of_its_own_and_one_delivery(shop_floor: Workshop) -> None:
    shop_floor.carrier.script({"kind": "rate_limit_429", "seconds": 7}, channel="sms")
    shop_floor.hold()
    shop_floor.work()

    shop_floor.time.advance(seconds=7)
    shop_floor.work()

    assert [attempt.answer for attempt in shop_floor.attempts()] == ["try_later", "accepted"]
    assert shop_floor.message(Kind.BOOKING_CODE).tries == 2
    assert shop_floor.delivered(Kind.BOOKING_CODE) == 1


@sqlite_only
def test_a_code_that_is_tried_again_keeps_its_urgent_queue(shop_floor: Workshop) -> None:
    shop_floor.carrier.script("rate_limit_429", channel="sms")
    shop_floor.hold()

    shop_floor.work()

    [again] = shop_floor.jobs(Name.DELIVER_MESSAGE)
    assert again.queue == Queue.CODES


@sqlite_only
def test_a_vendor_that_does_not_say_how_long_is_tried_again_after_at_least_a_second(shop_floor: Workshop) -> None:
    shop_floor.carrier.script("rate_limit_429_bare", channel="sms")
    shop_floor.hold()

    shop_floor.work()

    [again] = shop_floor.jobs(Name.DELIVER_MESSAGE)
    assert again.due_at is not None
    assert timedelta(seconds=1) <= again.due_at - NOW <= timedelta(minutes=5)


@sqlite_only
@pytest.mark.parametrize("play", ["accept_then_500", "accept_then_cut", "truncated_body"])
def test_where_the_answer_was_lost_nothing_is_sent_again(shop_floor: Workshop, play: str) -> None:
    """Fault 13: retrying a call that timed out sends twice."""
    # The vendor is asked what it has, and it writes down its own present.
    shop_floor.time.move_to(system_now())
    shop_floor.carrier.script(play, channel="sms")
    shop_floor.hold()

    shop_floor.work()
    before = shop_floor.states(Kind.BOOKING_CODE)
    shop_floor.time.advance(minutes=9)
    shop_floor.work()

    assert before == [State.UNKNOWN]
    assert len(shop_floor.attempts()) == 1
    assert shop_floor.delivered(Kind.BOOKING_CODE) == 1


@sqlite_only
def test_a_message_that_was_written_for_nothing_calls_nobody(shop_floor: Workshop) -> None:
    booking_id = shop_floor.confirm()
    shop_floor.perform(Name.CONFIRM_BOOKING)
    shop_floor.cancel(booking_id)

    shop_floor.perform(Name.DELIVER_MESSAGE)

    attempts = {attempt.message_id for attempt in shop_floor.attempts()}
    assert shop_floor.message(Kind.BOOKING_CONFIRMED).id not in attempts


# Once


def test_a_message_that_is_handed_over_eight_times_at_once_is_sent_once(shop_floor: Workshop) -> None:
    shop_floor.hold()
    shop_floor.perform(Name.DISPATCH_CODE)
    [owed] = shop_floor.jobs(Name.DELIVER_MESSAGE)

    outcomes = at_once(*[lambda: jobs.perform(owed.id)] * 8)

    assert outcomes.count(Outcome.DONE) == 1
    assert outcomes.count(Outcome.SKIPPED) == 7
    assert shop_floor.delivered(Kind.BOOKING_CODE) == 1


def claim(shop_floor: Workshop) -> UUID:
    """Claim the delivery of a code and go no further, as a worker that dies does; return the job's id."""
    shop_floor.perform(Name.DISPATCH_CODE)
    [owed] = shop_floor.jobs(Name.DELIVER_MESSAGE)
    handler = HANDLERS[Name.DELIVER_MESSAGE]
    assert isinstance(handler, _Outside)
    with shop_floor.database.transaction() as session:
        _claim(session, handler, session.get_one(Job, owed.id), shop_floor.time.at)
    return owed.id


@sqlite_only
def test_a_call_that_may_still_be_under_way_is_left_alone(shop_floor: Workshop) -> None:
    shop_floor.hold()
    job_id = claim(shop_floor)

    assert jobs.perform(job_id, ring=2) is Outcome.SKIPPED
    assert shop_floor.states(Kind.BOOKING_CODE) == [State.SENDING]


@sqlite_only
def test_a_call_whose_worker_died_is_unknown_and_never_made_again(shop_floor: Workshop) -> None:
    """Fault 13: send first, record later, and twice after a crash."""
    shop_floor.hold()
    job_id = claim(shop_floor)
    shop_floor.overdue_claim(job_id)

    outcome = jobs.perform(job_id, ring=2)

    assert outcome is Outcome.LOST
    assert shop_floor.states(Kind.BOOKING_CODE) == [State.UNKNOWN]
    assert only_attempt(shop_floor).answer == "unknown"
    assert shop_floor.carrier.sent(undelivered="true") == []


# Receipts


@sqlite_only
def test_a_receipt_that_the_vendor_signed_makes_a_message_delivered(shop_floor: Workshop, receiver: Receiver) -> None:
    shop_floor.hold()
    shop_floor.work()
    posts = posted(receiver, only_attempt(shop_floor), 2)

    learn(shop_floor, *(fact_of(receiver, post) for post in posts))

    assert shop_floor.states(Kind.BOOKING_CODE) == [State.DELIVERED]


@sqlite_only
def test_a_mails_receipt_makes_it_delivered_too(shop_floor: Workshop, receiver: Receiver) -> None:
    shop_floor.hold(email=MAILBOX)
    shop_floor.work()
    attempt = only_attempt(shop_floor)

    def delivered() -> bool:
        return any(b'"delivered"' in post.body for post in receiver.about(str(attempt.id)))

    until(delivered)
    for post in receiver.about(str(attempt.id)):
        # The vendor signed at its own present, which is not the time that stands still here.
        signed_at = int(post.headers["X-Twilio-Email-Event-Webhook-Timestamp"])
        facts = sendgrid.read_receipts(
            post.body,
            post.headers["X-Twilio-Email-Event-Webhook-Signature"],
            str(signed_at),
            now=type(NOW).fromtimestamp(signed_at, tz=NOW.tzinfo),
        )
        assert facts is not None
        learn(shop_floor, *facts)

    assert shop_floor.message(Kind.BOOKING_CODE).channel is Channel.MAIL
    assert shop_floor.states(Kind.BOOKING_CODE) == [State.DELIVERED]


@sqlite_only
def test_a_receipt_settles_a_message_whose_answer_was_lost(shop_floor: Workshop, receiver: Receiver) -> None:
    shop_floor.carrier.script("accept_then_500", channel="sms")
    shop_floor.hold()
    shop_floor.work()
    attempt = only_attempt(shop_floor)
    posts = posted(receiver, attempt, 2)

    learn(shop_floor, *(fact_of(receiver, post) for post in posts))

    assert shop_floor.states(Kind.BOOKING_CODE) == [State.DELIVERED]
    assert only_attempt(shop_floor).reference == fact_of(receiver, posts[0]).reference


@sqlite_only
@pytest.mark.parametrize(
    "order",
    [
        ("sent", "delivered"),
        ("delivered", "sent"),
        ("delivered", "delivered", "sent"),
        ("sent", "sent", "delivered", "sent"),
    ],
    ids="-".join,
)
def test_receipts_in_any_order_end_in_delivered(shop_floor: Workshop, order: tuple[str, ...]) -> None:
    """Never sent after delivered."""
    shop_floor.hold()
    shop_floor.work()
    attempt = only_attempt(shop_floor)

    for place, status in enumerate(order):
        learn(shop_floor, made_up(attempt.id, status, State(status), once=f"twilio:{place}"))

    assert shop_floor.states(Kind.BOOKING_CODE) == [State.DELIVERED]


def test_a_receipt_that_comes_ten_times_at_once_is_stored_and_applied_once(shop_floor: Workshop) -> None:
    shop_floor.hold()
    shop_floor.work()
    fact = made_up(only_attempt(shop_floor).id, "delivered", State.DELIVERED)

    def store() -> int:
        with shop_floor.database.transaction() as session:
            return receipts.store(session, [fact], now=NOW)

    stored = at_once(*[store] * 10)
    done = shop_floor.work()

    assert (sum(stored), done) == (1, 1)
    with shop_floor.database.snapshot() as session:
        [receipt] = session.scalars(select(Receipt)).all()
    assert receipt.applied_at == NOW


@sqlite_only
def test_a_receipt_about_nothing_of_ours_is_kept_and_moves_nothing(shop_floor: Workshop) -> None:
    assert learn(shop_floor, made_up(UUID(int=404), "delivered", State.DELIVERED)) == 1
    assert shop_floor.jobs() == []


@sqlite_only
def test_a_receipt_that_means_nothing_to_us_moves_nothing(shop_floor: Workshop) -> None:
    shop_floor.hold()
    shop_floor.work()

    learn(shop_floor, made_up(only_attempt(shop_floor).id, "a_word_of_the_future", None))

    assert shop_floor.states(Kind.BOOKING_CODE) == [State.SENT]


@sqlite_only
def test_a_code_that_did_not_arrive_releases_its_slot(shop_floor: Workshop, receiver: Receiver) -> None:
    booking_id = shop_floor.hold(number=9303)
    shop_floor.work()
    attempt = only_attempt(shop_floor)

    def undelivered() -> bool:
        return any(b"undelivered" in post.body for post in receiver.about(str(attempt.id)))

    until(undelivered)
    learn(shop_floor, *(fact_of(receiver, post) for post in receiver.about(str(attempt.id))))

    message = shop_floor.message(Kind.BOOKING_CODE)
    assert (message.state, message.because) == (State.UNDELIVERED, "30003")
    assert shop_floor.booking(booking_id).released_because is Released.UNDELIVERABLE


@sqlite_only
def test_a_first_code_that_did_not_arrive_after_the_booking_was_completed_takes_nothing_away(
    shop_floor: Workshop,
) -> None:
    booking_id = shop_floor.hold()
    shop_floor.work()
    attempt = only_attempt(shop_floor)
    shop_floor.enter(booking_id, at=NOW + MINUTE)

    learn(shop_floor, made_up(attempt.id, "undelivered", State.UNDELIVERED))

    assert shop_floor.booking(booking_id).status is Status.CONFIRMED


@sqlite_only
def test_neither_number_nor_code_stands_in_any_row_of_what_was_sent(shop_floor: Workshop, receiver: Receiver) -> None:
    booking_id = shop_floor.hold()
    shop_floor.work()
    posts = posted(receiver, only_attempt(shop_floor), 2)
    learn(shop_floor, *(fact_of(receiver, post) for post in posts))

    with shop_floor.database.snapshot() as session:
        rows = [*session.scalars(select(Receipt)), *shop_floor.attempts(), *shop_floor.messages(), *shop_floor.jobs()]
        text = "".join(repr(value) for row in rows for value in vars(row).values())

    assert phone(12) not in text
    assert phone(12).removeprefix("+") not in text
    assert shop_floor.code(booking_id) not in text
