"""A route that drops URLs, played through: what reaches the customer by SMS, by mail, and never twice."""

import json
from typing import Any
from uuid import UUID

import pytest

from models.booking import Side
from models.customer import Channel
from models.inquiry import Topic
from models.message import Kind, State
from tests.sandbox.sandbox_process import ACCOUNT, TOKEN, RunningSandbox
from tests.tasks.conftest import Workshop
from tests.worker.desk import MINUTE, NOW, OTHER_SLOT, phone, sqlite_only
from tests.worker.stopping import Operator, plan
from worker import inquiries, links, receipts
from worker.customers import Contact
from worker.settings import settings
from worker.vendors import ReceiptFact

pytestmark = sqlite_only
MAILBOX = "hanako@example.jp"
SECOND = Contact(Channel.MAIL, MAILBOX)
ANNOUNCED = Kind.SUSPENSION_ANNOUNCED


def send_sms_by(carrier: RunningSandbox, environment: pytest.MonkeyPatch, *, urls_ok: bool) -> None:
    account = {"name": "twilio", "api_url": carrier.url, "account_sid": ACCOUNT, "auth_token": TOKEN}
    environment.setenv("SMS_ACCOUNTS", json.dumps([{**account, "sender": "+15005550006", "urls_ok": urls_ok}]))
    settings.cache_clear()


@pytest.fixture(autouse=True)
def no_urls(carrier: RunningSandbox, environment: pytest.MonkeyPatch) -> None:
    """SMS go by a route that does not carry URLs."""
    send_sms_by(carrier, environment, urls_ok=False)


def sent(shop_floor: Workshop, channel: str, to: str) -> list[dict[str, Any]]:
    """Return what reached somebody, the newest first."""
    shop_floor.settled()
    return [dict(each) for each in shop_floor.carrier.sent(channel=channel, to=to)]


def book(shop_floor: Workshop) -> UUID:
    booking_id = shop_floor.hold(second_contact=SECOND)
    shop_floor.work()
    assert shop_floor.enter(booking_id) is None
    shop_floor.work()
    return booking_id


def learn(shop_floor: Workshop, channel: Channel, status: str, code: str) -> None:
    """Take in that a vendor reports of the confirmation by a channel that it did not arrive."""
    message = next(each for each in shop_floor.messages(Kind.BOOKING_CONFIRMED) if each.channel is channel)
    attempt = next(each for each in shop_floor.attempts() if each.message_id == message.id)
    fact = ReceiptFact(f"made up:{attempt.id}", attempt.vendor, attempt.id, None, status, State.UNDELIVERED, code)
    with shop_floor.database.transaction() as session:
        receipts.store(session, [fact], now=shop_floor.time.at)
    shop_floor.work()


def test_the_sms_says_it_without_links_and_the_mail_with_them(shop_floor: Workshop) -> None:
    """B16, B19."""
    booking = shop_floor.booking(book(shop_floor))

    sms, mail = sent(shop_floor, "sms", phone(12))[0]["text"], sent(shop_floor, "mail", MAILBOX)[0]["text"]
    call = links.call_url(booking, Side.CUSTOMER)
    assert ("http" in sms, call in mail, links.booking_page_url(booking) in mail) == (False, True, True)
    assert booking.reference in sms


def test_what_becomes_of_a_question_is_said_without_links_and_by_mail_with_them(shop_floor: Workshop) -> None:
    booking_id = book(shop_floor)
    with shop_floor.locked(booking_id) as (session, booking):
        inquiries.receive(session, booking, Topic.ITEM, "色は。", language="ja", received_at=shop_floor.time.at)
    shop_floor.work()

    sms, mail = sent(shop_floor, "sms", phone(12))[0]["text"], sent(shop_floor, "mail", MAILBOX)[0]["text"]
    page = links.booking_page_url(shop_floor.booking(booking_id))
    assert ("お繋ぎ" in sms, "http" in sms, page in mail) == (True, False, True)


def test_the_code_goes_to_the_number_alone(shop_floor: Workshop) -> None:
    booking_id = book(shop_floor)

    mails = sent(shop_floor, "mail", MAILBOX)
    assert len(mails) == 1
    assert shop_floor.code(booking_id) not in str(mails)


def test_each_reaches_the_customer_once_however_often_it_is_tried(shop_floor: Workshop) -> None:
    shop_floor.carrier.script("rate_limit_429_bare", times=3, channel="sms", to=phone(12))
    shop_floor.hold(second_contact=SECOND)
    for _ in range(8):
        shop_floor.work()
        shop_floor.time.advance(seconds=30)
    booking_id = shop_floor.bookings()[0].id
    shop_floor.carrier.script("rate_limit_429_bare", times=3, channel="sms", to=phone(12))
    assert shop_floor.enter(booking_id, at=shop_floor.time.at) is None
    for _ in range(20):
        shop_floor.work()
        shop_floor.time.advance(minutes=1)

    confirmations = shop_floor.messages(Kind.BOOKING_CONFIRMED)
    shop_floor.settled()
    counts = shop_floor.carrier.counts("message")
    assert sorted(message.channel for message in confirmations) == [Channel.MAIL, Channel.SMS]
    assert [counts[str(message.id)] for message in confirmations] == [1, 1]


def test_a_call_whose_answer_was_lost_is_not_made_again_and_the_mail_goes_once(shop_floor: Workshop) -> None:
    booking_id = shop_floor.hold(second_contact=SECOND)
    shop_floor.work()
    shop_floor.carrier.script("accept_then_cut", channel="sms", to=phone(12))

    shop_floor.enter(booking_id)
    shop_floor.work()

    assert len(sent(shop_floor, "sms", phone(12))) == 2, "the code and the confirmation"
    assert len(sent(shop_floor, "mail", MAILBOX)) == 1


def test_a_change_and_a_cancellation_reach_the_calendar_that_holds_the_call(
    shop_floor: Workshop, environment: pytest.MonkeyPatch
) -> None:
    """Fault 17: a cancelled call stayed in the calendar. The route carries URLs by now."""
    booking_id = book(shop_floor)
    send_sms_by(shop_floor.carrier, environment, urls_ok=True)

    shop_floor.change(booking_id, starts_at=OTHER_SLOT)
    shop_floor.work()
    shop_floor.cancel(booking_id, revision=2)
    shop_floor.work()

    mails = [message for message in shop_floor.messages() if message.channel is Channel.MAIL and message.customer_id]
    assert [message.kind for message in mails] == [
        Kind.BOOKING_CONFIRMED,
        Kind.BOOKING_CHANGED,
        Kind.BOOKING_CANCELLED,
    ]
    assert len(sent(shop_floor, "mail", MAILBOX)) == 3


def test_each_suspension_is_told_to_the_second_contact(shop_floor: Workshop) -> None:
    book(shop_floor)
    operator = Operator(shop_floor)
    first = operator.suspend(plan())
    shop_floor.work()
    operator.undo(first, NOW + MINUTE)
    shop_floor.work()
    operator.suspend(plan(), NOW + 2 * MINUTE)
    shop_floor.work()

    mails = [message for message in shop_floor.messages(ANNOUNCED) if message.channel is Channel.MAIL]
    assert len({message.facts["suspension_id"] for message in mails}) == 2
    assert "サービス停止のお知らせ" in sent(shop_floor, "mail", MAILBOX)[0]["text"]


def test_what_an_undone_suspension_still_owed_the_second_contact_is_never_sent(shop_floor: Workshop) -> None:
    """The SMS went out, so that it is taken back all the same."""
    book(shop_floor)
    operator = Operator(shop_floor)
    shop_floor.carrier.script("rate_limit_429_bare", times=3, channel="mail", to=MAILBOX)
    stop = operator.suspend(plan())
    shop_floor.work()
    operator.undo(stop, NOW + MINUTE)
    for _ in range(12):
        shop_floor.work()
        shop_floor.time.advance(minutes=2)

    states = {message.channel: message.state for message in shop_floor.messages(ANNOUNCED)}
    assert states[Channel.MAIL] is State.VOIDED
    assert shop_floor.delivered(ANNOUNCED) == 1
    assert shop_floor.delivered(Kind.SUSPENSION_UNDONE) == 2
    assert "取りやめとなりました" in sent(shop_floor, "sms", phone(12))[0]["text"]


def test_a_customer_without_a_second_contact_gets_the_sms_alone(shop_floor: Workshop) -> None:
    booking_id = shop_floor.hold()
    shop_floor.work()
    shop_floor.enter(booking_id)

    shop_floor.work()

    assert [message.channel for message in shop_floor.messages(Kind.BOOKING_CONFIRMED)] == [Channel.SMS]


def test_what_goes_by_mail_already_is_not_mailed_again_when_the_sms_does_not_get_through(shop_floor: Workshop) -> None:
    book(shop_floor)

    learn(shop_floor, Channel.SMS, "undelivered", "30008")

    assert len(sent(shop_floor, "mail", MAILBOX)) == 1
    assert shop_floor.messages(Kind.SHOP_CUSTOMER_UNREACHABLE) == []


def test_a_second_contact_that_bounces_is_told_to_the_shop_and_gets_nothing_more(shop_floor: Workshop) -> None:
    booking_id = book(shop_floor)

    learn(shop_floor, Channel.MAIL, "bounce", "bounce:5.1.1")
    shop_floor.change(booking_id, at=NOW, starts_at=OTHER_SLOT)
    shop_floor.work()

    states = {message.channel: message.because for message in shop_floor.messages(Kind.BOOKING_CHANGED)}
    assert states[Channel.MAIL] == "silenced"
    assert len(shop_floor.messages(Kind.SHOP_CUSTOMER_UNREACHABLE)) == 1
