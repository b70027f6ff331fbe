"""Finding out: a lost answer is settled by the report, by the vendor's list, by the kind, or by a person; once."""

import json
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from models.booking import Status
from models.carrier import FAILURES_TO_OPEN, Carrier
from models.customer import Channel
from models.job import Name
from models.message import POLL_AFTER, Attempt, Kind, Message, State
from tasks.settling import let_shares_drift, poll_unreported
from tests.sandbox.sandbox_process import ACCOUNT, SECOND_ACCOUNT, SECOND_TOKEN, TOKEN, Receiver, until
from tests.tasks.conftest import Workshop
from tests.tasks.test_fault_table import facts_of
from tests.worker.desk import NOW, SLOT, phone, sqlite_only
from worker import carriers, jobs, receipts, settling, suppressions
from worker.clock import system_now
from worker.commands.restored import mark_unknown
from worker.messages import tell_customer
from worker.settings import settings

pytestmark = sqlite_only


@pytest.fixture(autouse=True)
def present(shop_floor: Workshop) -> None:
    """The vendor lives in the present, and is asked what it made since the call."""
    shop_floor.time.move_to(system_now())


def owe(shop_floor: Workshop, kind: Kind = Kind.BOOKING_CONFIRMED, *, part: str = "", **who: Any) -> UUID:
    """Owe one message of a booking that is confirmed, or held if it is a code."""
    if not shop_floor.bookings():
        (shop_floor.hold if kind is Kind.BOOKING_CODE else shop_floor.confirm)(NOW, **who)
        drop_jobs(shop_floor)
    with shop_floor.locked(shop_floor.bookings()[0].id) as (session, booking):
        assert tell_customer(session, booking, kind, now=shop_floor.time.at, expires_at=SLOT, part=part)
    return shop_floor.messages(kind)[-1].id


def drop_jobs(shop_floor: Workshop) -> None:
    with shop_floor.database.transaction() as session:
        for job in shop_floor.jobs():
            session.delete(session.merge(job))


def deliver(shop_floor: Workshop) -> None:
    for job in shop_floor.jobs(Name.DELIVER_MESSAGE):
        assert jobs.perform(job.id) is jobs.Outcome.DONE


def look(shop_floor: Workshop, number: int = 0) -> None:
    """Let the time of a look come, and look."""
    shop_floor.time.advance(seconds=settling.LOOKS[number].total_seconds())
    shop_floor.perform(Name.SETTLE_MESSAGE)


def lose(shop_floor: Workshop, kind: Kind = Kind.BOOKING_CONFIRMED, *, play: Any = "refuse_500", **more: Any) -> UUID:
    """Send a message whose answer is lost."""
    shop_floor.carrier.script(play, channel="mail" if "email" in more else "sms")
    message_id = owe(shop_floor, kind, **more)
    deliver(shop_floor)
    assert row(shop_floor, message_id).state is State.UNKNOWN
    return message_id


def row(shop_floor: Workshop, message_id: UUID) -> Message:
    with shop_floor.database.snapshot() as session:
        return session.get_one(Message, message_id)


def learn(shop_floor: Workshop, receiver: Receiver, message_id: UUID) -> None:
    """Take in what the vendor has posted about a message, as the API does."""
    for post in receiver.about(str(message_id)):
        with shop_floor.database.transaction() as session:
            receipts.store(session, facts_of(receiver, post), now=shop_floor.time.at)
    shop_floor.perform(Name.APPLY_RECEIPT)


def arrived(shop_floor: Workshop, message_id: UUID) -> None:
    """Wait until the vendor has delivered a message."""
    until(lambda: shop_floor.carrier.sent(message=str(message_id)))


# By the signed report


def test_a_signed_report_settles_it_before_anybody_looks(shop_floor: Workshop, receiver: Receiver) -> None:
    message_id = lose(shop_floor, play="accept_then_500")
    until(lambda: len(receiver.about(str(message_id))) >= 2)

    learn(shop_floor, receiver, message_id)
    look(shop_floor)

    assert row(shop_floor, message_id).state is State.DELIVERED
    assert shop_floor.jobs(Name.SETTLE_MESSAGE) == []


# By the list


def test_the_vendors_list_settles_it_where_no_report_comes(shop_floor: Workshop) -> None:
    message_id = lose(shop_floor, play=["accept_then_cut", "receipts_lost"])
    arrived(shop_floor, message_id)

    look(shop_floor)

    [attempt], [delivery] = shop_floor.attempts(), shop_floor.carrier.sent()
    assert row(shop_floor, message_id).state is State.DELIVERED
    assert attempt.reference == delivery["sid"]


def test_what_the_list_calls_undelivered_is_told_to_the_shop(shop_floor: Workshop) -> None:
    message_id = lose(shop_floor, play=["accept_then_cut", "undelivered_30008", "receipts_lost"])
    until(lambda: shop_floor.carrier.sent(undelivered="true")[0]["status"] == "undelivered")

    look(shop_floor)

    assert row(shop_floor, message_id).state is State.UNDELIVERED
    assert len(shop_floor.messages(Kind.SHOP_CUSTOMER_UNREACHABLE)) == 1


def test_anothers_message_is_not_taken_for_the_one_that_was_lost(shop_floor: Workshop) -> None:
    owe(shop_floor, part="earlier")
    deliver(shop_floor)

    message_id = lose(shop_floor, part="lost")
    look(shop_floor)

    assert row(shop_floor, message_id).state is State.UNKNOWN


def test_with_two_to_choose_from_nobody_guesses(shop_floor: Workshop) -> None:
    play = ["accept_then_cut", "receipts_lost"]
    lost = [lose(shop_floor, play=play, part=part) for part in ("one", "other")]
    for message_id in lost:
        arrived(shop_floor, message_id)

    look(shop_floor)

    assert [row(shop_floor, message_id).state for message_id in lost] == [State.UNKNOWN] * 2
    assert [job.args["look"] for job in shop_floor.jobs(Name.SETTLE_MESSAGE)] == [1, 1]


def test_with_two_to_whom_it_may_belong_nobody_guesses(shop_floor: Workshop) -> None:
    not_taken = lose(shop_floor, play="junk_200", part="not taken")
    taken = lose(shop_floor, play=["accept_then_cut", "receipts_lost"], part="taken")
    arrived(shop_floor, taken)

    look(shop_floor)

    assert [row(shop_floor, message_id).state for message_id in (not_taken, taken)] == [State.UNKNOWN] * 2
    assert [job.args["look"] for job in shop_floor.jobs(Name.SETTLE_MESSAGE)] == [1, 1]


def test_what_two_may_own_is_the_ones_that_a_report_names(shop_floor: Workshop, receiver: Receiver) -> None:
    taken = lose(shop_floor, play="accept_then_cut", part="taken")
    lost = lose(shop_floor, play="junk_200", part="not taken")
    until(lambda: len(receiver.about(str(taken))) >= 2)

    learn(shop_floor, receiver, taken)
    look(shop_floor)

    assert [row(shop_floor, message_id).state for message_id in (taken, lost)] == [State.DELIVERED, State.UNKNOWN]
    assert shop_floor.jobs(Name.SETTLE_MESSAGE) == []


def test_a_vendor_that_cannot_be_asked_is_asked_again_later(shop_floor: Workshop) -> None:
    message_id = lose(shop_floor, email="hanako@example.jp", play="accept_then_500")

    look(shop_floor)

    assert row(shop_floor, message_id).state is State.UNKNOWN
    assert [job.args["look"] for job in shop_floor.jobs(Name.SETTLE_MESSAGE)] == [1]


# By the kind


@pytest.mark.parametrize(
    ("kind", "state", "because"),
    [
        (Kind.BOOKING_CODE, State.FAILED, "never_known"),
        (Kind.BOOKING_REMINDER_DAY, State.FAILED, "never_known"),
        (Kind.BOOKING_CONFIRMED, State.UNKNOWN, "500"),
    ],
    ids=["a code is asked for again", "a reminder is sent at most once", "a confirmation waits for a person"],
)
def test_what_the_vendor_does_not_have_is_decided_by_its_kind(
    shop_floor: Workshop, kind: Kind, state: State, because: str
) -> None:
    message_id = lose(shop_floor, kind)

    look(shop_floor)

    it = row(shop_floor, message_id)
    assert (it.state, it.because) == (state, because)


@pytest.mark.parametrize("kind", [Kind.BOOKING_CODE, Kind.BOOKING_REMINDER_DAY, Kind.BOOKING_CONFIRMED])
def test_whatever_is_found_out_or_not_nothing_is_sent_again_by_itself(shop_floor: Workshop, kind: Kind) -> None:
    lose(shop_floor, kind)

    for number in range(len(settling.LOOKS)):
        look(shop_floor, number)

    assert len(shop_floor.attempts()) == 1
    assert shop_floor.jobs(Name.DELIVER_MESSAGE, Name.SETTLE_MESSAGE) == []


def test_a_code_nobody_knows_of_leaves_the_slot_to_its_customer(shop_floor: Workshop) -> None:
    lose(shop_floor, Kind.BOOKING_CODE)

    look(shop_floor)

    assert shop_floor.bookings()[0].status is Status.HELD


def test_after_a_lost_answer_no_second_vendor_is_tried(shop_floor: Workshop, environment: pytest.MonkeyPatch) -> None:
    two_accounts(shop_floor, environment)
    lose(shop_floor)

    look(shop_floor)

    assert len(shop_floor.attempts()) == 1


# Polling


def test_a_message_without_a_report_is_asked_after(shop_floor: Workshop) -> None:
    shop_floor.carrier.script("receipts_lost", channel="sms")
    message_id = owe(shop_floor)
    deliver(shop_floor)
    arrived(shop_floor, message_id)

    shop_floor.time.advance(seconds=POLL_AFTER.total_seconds())
    poll_unreported()
    shop_floor.perform(Name.POLL_MESSAGE)

    assert row(shop_floor, message_id).state is State.DELIVERED


def test_a_number_that_proves_dead_when_its_message_is_asked_after_is_silenced(shop_floor: Workshop) -> None:
    shop_floor.carrier.script(["undelivered_30005", "receipts_lost"], channel="sms")
    message_id = owe(shop_floor)
    deliver(shop_floor)
    until(lambda: shop_floor.carrier.sent(undelivered="true")[0]["status"] == "undelivered")

    shop_floor.time.advance(seconds=POLL_AFTER.total_seconds())
    poll_unreported()
    shop_floor.perform(Name.POLL_MESSAGE)

    with shop_floor.database.snapshot() as session:
        assert suppressions.silenced(session, Channel.SMS, phone(12), now=shop_floor.time.at) is not None
    assert row(shop_floor, message_id).state is State.UNDELIVERED


def test_nobody_asks_before_a_report_may_have_come(shop_floor: Workshop) -> None:
    owe(shop_floor)
    deliver(shop_floor)

    shop_floor.time.advance(seconds=POLL_AFTER.total_seconds() - 1)
    poll_unreported()

    assert shop_floor.jobs(Name.POLL_MESSAGE) == []


def test_it_is_asked_less_and_less_often(shop_floor: Workshop) -> None:
    shop_floor.carrier.script("accept_then_drop", channel="sms")
    message_id = owe(shop_floor)
    deliver(shop_floor)

    asked = []
    while (at := row(shop_floor, message_id).next_poll_at) is not None:
        asked.append(at)
        shop_floor.time.move_to(at)
        poll_unreported()
        shop_floor.perform(Name.POLL_MESSAGE)

    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert gaps[:-1] == sorted(gaps[:-1])
    assert asked[-1] == row(shop_floor, message_id).created_at + timedelta(hours=48)


def test_what_is_never_reported_on_is_on_a_persons_list_in_the_end(shop_floor: Workshop) -> None:
    shop_floor.carrier.script("accept_then_drop", channel="sms")
    message_id = owe(shop_floor)
    deliver(shop_floor)

    for _ in range(2):
        shop_floor.time.advance(hours=48)
        poll_unreported()
        shop_floor.perform(Name.POLL_MESSAGE)

    it = row(shop_floor, message_id)
    assert (it.state, it.because, it.next_poll_at) == (State.UNKNOWN, "never_reported", None)


def test_a_reminder_that_is_never_reported_on_ends(shop_floor: Workshop) -> None:
    shop_floor.carrier.script("accept_then_drop", channel="sms")
    message_id = owe(shop_floor, Kind.BOOKING_REMINDER_DAY)
    deliver(shop_floor)

    shop_floor.time.advance(hours=49)
    poll_unreported()

    assert row(shop_floor, message_id).state is State.FAILED


# Addresses


def test_a_silenced_address_gets_nothing_and_the_shop_hears_of_it_once(shop_floor: Workshop) -> None:
    with shop_floor.database.transaction() as session:
        suppressions.silence(session, Channel.SMS, phone(12), "stop", attempt_id=None, now=shop_floor.time.at)
    ids = [owe(shop_floor, kind) for kind in (Kind.BOOKING_CONFIRMED, Kind.BOOKING_REMINDER_DAY)]

    deliver(shop_floor)

    assert [(row(shop_floor, each).state, row(shop_floor, each).because) for each in ids] == [
        (State.FAILED, "silenced")
    ] * 2
    assert shop_floor.carrier.sent(channel="sms", undelivered="true") == []
    assert len(shop_floor.messages(Kind.SHOP_CUSTOMER_UNREACHABLE)) == 1


def test_a_stop_is_seen_before_the_next_message(shop_floor: Workshop) -> None:
    shop_floor.carrier.script("refuse_21610", channel="sms")
    owe(shop_floor)
    deliver(shop_floor)

    second = owe(shop_floor, part="second")
    deliver(shop_floor)

    assert row(shop_floor, second).because == "silenced"
    assert second not in {attempt.message_id for attempt in shop_floor.attempts()}


def test_a_country_that_our_account_may_not_reach_is_told_to_the_shop(shop_floor: Workshop) -> None:
    shop_floor.carrier.script("refuse_21408", channel="sms")
    owe(shop_floor)

    deliver(shop_floor)

    assert len(shop_floor.messages(Kind.SHOP_CUSTOMER_UNREACHABLE)) == 1


# Accounts


def two_accounts(shop_floor: Workshop, environment: pytest.MonkeyPatch, **second: Any) -> None:
    common = {"api_url": shop_floor.carrier.url, "sender": "+15005550006"}
    accounts = [
        {"name": "first", "account_sid": ACCOUNT, "auth_token": TOKEN, **common},
        {"name": "second", "account_sid": SECOND_ACCOUNT, "auth_token": SECOND_TOKEN, **common, **second},
    ]
    environment.setenv("SMS_ACCOUNTS", json.dumps(accounts))
    settings.cache_clear()
    with shop_floor.database.transaction() as session:
        carriers.of_channel(session, Channel.SMS, now=shop_floor.time.at)


def test_what_one_account_puts_off_goes_by_the_other(shop_floor: Workshop, environment: pytest.MonkeyPatch) -> None:
    two_accounts(shop_floor, environment)
    shop_floor.carrier.script("rate_limit_429_bare", times=50, channel="sms", account=ACCOUNT)
    ids = [owe(shop_floor, part=str(place)) for place in range(8)]

    for _ in range(6):
        deliver(shop_floor)
        shop_floor.time.advance(seconds=1)

    until(lambda: len(shop_floor.carrier.sent()) == len(ids))
    assert {delivery["account"] for delivery in shop_floor.carrier.sent()} == {SECOND_ACCOUNT}


def test_an_account_that_fails_is_left_alone_and_loses_its_share(
    shop_floor: Workshop, environment: pytest.MonkeyPatch
) -> None:
    two_accounts(shop_floor, environment)
    shop_floor.carrier.script("refuse_503", times=50, channel="sms", account=ACCOUNT)
    for place in range(6 * FAILURES_TO_OPEN):
        owe(shop_floor, part=str(place))

    deliver(shop_floor)
    let_shares_drift()

    with shop_floor.database.snapshot() as session:
        first, second = session.scalars(select(Carrier).order_by(Carrier.name)).all()
        calls = session.scalars(select(Attempt.vendor)).all()
    assert calls.count("first") == FAILURES_TO_OPEN
    assert (first.share, second.share) == (0.5, 1.0)


# After a restore


def restore(shop_floor: Workshop) -> int:
    with shop_floor.database.transaction() as session:
        return mark_unknown(session, now=shop_floor.time.at)


def test_after_a_restore_what_was_not_final_is_unknown_and_goes_nowhere(shop_floor: Workshop) -> None:
    message_id = owe(shop_floor)

    assert restore(shop_floor) == 1
    deliver(shop_floor)

    it = row(shop_floor, message_id)
    assert (it.state, it.because) == (State.UNKNOWN, "restored_from_backup")
    assert shop_floor.carrier.sent(undelivered="true") == []


def test_after_a_restore_what_was_final_stays_so(shop_floor: Workshop) -> None:
    owe(shop_floor)
    deliver(shop_floor)

    assert restore(shop_floor) == 0


def test_a_call_that_was_under_way_when_the_backup_was_taken_is_looked_for(shop_floor: Workshop) -> None:
    message_id = lose(shop_floor, play=["accept_then_cut", "receipts_lost"])
    arrived(shop_floor, message_id)
    with shop_floor.database.transaction() as session:
        session.get_one(Message, message_id).state = State.SENDING
        session.scalars(select(Attempt)).one().answer = None
    drop_jobs(shop_floor)

    restore(shop_floor)
    look(shop_floor)

    assert row(shop_floor, message_id).state is State.DELIVERED


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (Kind.BOOKING_CODE, State.FAILED),
        (Kind.BOOKING_REMINDER_DAY, State.FAILED),
        (Kind.BOOKING_CONFIRMED, State.UNKNOWN),
    ],
)
def test_a_restored_message_without_a_call_is_decided_by_its_kind(
    shop_floor: Workshop, kind: Kind, state: State
) -> None:
    message_id = owe(shop_floor, kind)
    restore(shop_floor)

    look(shop_floor)

    assert row(shop_floor, message_id).state is state
