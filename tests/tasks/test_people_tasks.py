"""Inquiries on their way to who answers, requests on their way to customers, purges that are owed (B31, B34, B37)."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from models.customer import Customer, Erased
from models.inquiry import Inquiry, Recipient, State, Topic
from models.job import Name
from models.message import Kind
from tasks.timers import owe_purges
from tests.sandbox.sandbox_process import RunningSandbox
from tests.tasks.conftest import Workshop
from tests.worker.desk import MINUTE, NOW, phone, sqlite_only
from worker import inquiries, jobs, links
from worker import settings as settings_module
from worker.people import looking

pytestmark = sqlite_only

SHOP = "queens-court"
SUPPORT = "support@video.example.com"
TEXT = "canary 音が\n聞こえません。"


@pytest.fixture
def support(environment: pytest.MonkeyPatch, shop_floor: Workshop) -> None:
    """The provider has a mailbox for inquiries."""
    environment.setenv("PROVIDER_SUPPORT_EMAIL", SUPPORT)
    settings_module.settings.cache_clear()


def ask(shop_floor: Workshop, topic: Topic, *, number: int = 12, language: str = "ja") -> UUID:
    """Book in Japanese, be told of it, and ask something."""
    booking_id = shop_floor.confirm(shop=SHOP, number=number)
    shop_floor.work()
    with shop_floor.locked(booking_id) as (session, booking):
        return inquiries.receive(session, booking, topic, TEXT, language=language, received_at=shop_floor.time.at).id


def inquiry(shop_floor: Workshop, inquiry_id: UUID) -> Inquiry:
    with shop_floor.database.snapshot() as session:
        return session.get_one(Inquiry, inquiry_id)


def mails(carrier: RunningSandbox, to: str) -> list[str]:
    """Return what mails to this mailbox say, subject and text."""
    return [f"{mail['subject']}\n{mail['text']}" for mail in carrier.sent(to=to)]


def test_a_question_about_an_item_is_handed_to_the_brand_and_the_customer_is_told(shop_floor: Workshop) -> None:
    inquiry_id = ask(shop_floor, Topic.ITEM)

    shop_floor.work()

    asked = inquiry(shop_floor, inquiry_id)
    assert (asked.state, asked.recipient) == (State.HANDED_OVER, Recipient.SHOP)
    assert shop_floor.delivered(Kind.SHOP_INQUIRY) == shop_floor.delivered(Kind.INQUIRY_HANDED_OVER) == 1
    assert "QUEENS COURT" in shop_floor.last_text(phone(12))
    assert "お繋ぎしました" in shop_floor.last_text(phone(12))


def test_who_answers_is_told_in_the_language_of_the_question(shop_floor: Workshop) -> None:
    ask(shop_floor, Topic.ITEM, language="en")

    shop_floor.work()

    assert "your inquiry was handed over to" in shop_floor.last_text(phone(12))


def test_who_is_told_who_answers_may_still_change_the_booking_from_there(
    shop_floor: Workshop, carrier: RunningSandbox
) -> None:
    inquiry_id = ask(shop_floor, Topic.ITEM)

    shop_floor.work()

    page = links.booking_page_url(shop_floor.booking(inquiry(shop_floor, inquiry_id).booking_id))
    assert page in shop_floor.last_text(phone(12))
    assert page not in "".join(mails(carrier, "staff@queens-court.example.jp"))


@pytest.mark.usefixtures("support")
def test_what_goes_wrong_in_a_call_is_handed_to_its_provider_with_what_it_says(
    shop_floor: Workshop, carrier: RunningSandbox
) -> None:
    inquiry_id = ask(shop_floor, Topic.VIDEO_CALL)

    shop_floor.work()

    [mail] = mails(carrier, SUPPORT)
    assert inquiry(shop_floor, inquiry_id).recipient is Recipient.PROVIDER
    assert "canary 音が\n聞こえません。" in mail
    assert phone(12) not in mail
    assert shop_floor.delivered(Kind.SHOP_INQUIRY) == 0
    assert "Jitsi" in shop_floor.last_text(phone(12))


@pytest.mark.usefixtures("support")
def test_the_provider_that_is_asked_and_named_is_the_bookings_own(
    shop_floor: Workshop, environment: pytest.MonkeyPatch
) -> None:
    inquiry_id = ask(shop_floor, Topic.VIDEO_CALL)
    environment.setenv("VIDEO_PROVIDER", "livekit")
    settings_module.settings.cache_clear()

    shop_floor.work()

    assert inquiry(shop_floor, inquiry_id).provider == "jitsi"
    assert "Jitsi" in shop_floor.last_text(phone(12))


def test_without_a_mailbox_of_the_providers_the_brand_gets_it(shop_floor: Workshop) -> None:
    inquiry_id = ask(shop_floor, Topic.VIDEO_CALL)

    shop_floor.work()

    assert inquiry(shop_floor, inquiry_id).recipient is Recipient.SHOP


def test_what_the_brand_is_mailed_says_nothing_of_what_was_asked(shop_floor: Workshop, carrier: RunningSandbox) -> None:
    ask(shop_floor, Topic.ITEM)

    shop_floor.work()

    told = "".join(mails(carrier, "staff@queens-court.example.jp"))
    assert "お問い合わせ" in told
    assert "canary" not in told


def test_it_is_handed_over_once_however_often_the_job_is_done(shop_floor: Workshop) -> None:
    ask(shop_floor, Topic.ITEM)
    [owed] = shop_floor.jobs(Name.ROUTE_INQUIRY)
    shop_floor.work()

    jobs.perform(owed.id)
    shop_floor.work()

    assert len(shop_floor.messages(Kind.SHOP_INQUIRY)) == len(shop_floor.messages(Kind.INQUIRY_HANDED_OVER)) == 1


@pytest.mark.usefixtures("support")
def test_what_a_person_hands_to_the_other_one_is_told_anew(shop_floor: Workshop) -> None:
    inquiry_id = ask(shop_floor, Topic.ITEM)
    shop_floor.work()

    with shop_floor.database.transaction() as session:
        asked = inquiries.locked(session, inquiry_id)
        assert asked is not None
        inquiries.hand_over_again(
            session, asked, Recipient.PROVIDER, by="person:sato", reason="通話の不具合", now=shop_floor.time.at
        )
    shop_floor.work()

    assert len(shop_floor.messages(Kind.INQUIRY_HANDED_OVER)) == 2
    assert shop_floor.delivered(Kind.PROVIDER_INQUIRY) == 1


def test_at_night_the_customer_is_not_woken_to_hear_who_answers(shop_floor: Workshop) -> None:
    shop_floor.time.advance(hours=12, minutes=30)  # 22:30 in Tokyo
    booking_id = shop_floor.confirm(shop_floor.time.at, shop=SHOP, starts_at=NOW + timedelta(days=3, hours=2))
    with shop_floor.locked(booking_id) as (session, booking):
        inquiries.receive(session, booking, Topic.ITEM, TEXT, language="ja", received_at=shop_floor.time.at)

    shop_floor.work()

    assert shop_floor.delivered(Kind.SHOP_INQUIRY) == 1
    assert shop_floor.states(Kind.INQUIRY_HANDED_OVER) == ["queued"]


def test_a_request_reaches_the_customer_in_the_operators_words(shop_floor: Workshop) -> None:
    booking_id = shop_floor.confirm(shop=SHOP)
    shop_floor.work()
    with shop_floor.database.transaction() as session:
        customer = session.get_one(Customer, shop_floor.booking(booking_id).customer_id)
        looking.ask(session, customer, "端末の機種をお知らせください。", by="key:desk", reason="調査", now=NOW)

    shop_floor.work()

    assert "端末の機種をお知らせください。" in shop_floor.last_text(phone(12))
    assert shop_floor.delivered(Kind.CUSTOMER_REQUEST) == 1


def test_what_is_kept_too_long_goes_by_a_job_that_beat_makes_owed(shop_floor: Workshop) -> None:
    booking_id = shop_floor.confirm(shop=SHOP)
    shop_floor.cancel(booking_id, NOW + MINUTE)
    shop_floor.work()
    shop_floor.time.advance(days=91)

    owe_purges()
    shop_floor.work()

    with shop_floor.database.snapshot() as session:
        assert session.scalars(select(Customer.erased_because)).all() == [Erased.RETENTION]
