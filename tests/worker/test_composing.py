"""From a row to what the vendor gets: addresses, links, codes and calendar entries are read at the last moment."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from icalendar import Calendar
from sqlalchemy import select

from models.booking import Booking, Cause, Side, Status
from models.message import Kind, Message
from models.shop import Shop
from tests.worker.desk import MINUTE, NOW, OTHER_SLOT, SLOT, Desk, phone, sqlite_only
from worker import bookings, links, seals
from worker.composing import compose, terms_urls
from worker.database import Database
from worker.messages import tell_customer, tell_shop
from worker.seals import Shredded
from worker.vendors import OutgoingMail, OutgoingSms

ATTEMPT = UUID(int=0xA)
MAILBOX = "hanako@example.jp"
HOST = "https://go.example.jp"

pytestmark = sqlite_only


@pytest.fixture(autouse=True)
def public_host(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PUBLIC_URL", HOST)


@pytest.fixture
def desk(seeded: Database, time: object) -> Desk:
    return Desk(seeded)


def tell(desk: Desk, booking_id: UUID, kind: Kind, *, expires_at: datetime = SLOT, **more: Any) -> None:
    with desk.locked(booking_id) as (session, booking):
        if kind.startswith("shop_"):
            shop = session.get_one(Shop, booking.shop_id)
            tell_shop(session, shop, kind, now=NOW, expires_at=expires_at, about="once", booking=booking, **more)
        else:
            tell_customer(session, booking, kind, now=NOW, expires_at=expires_at, **more)


def composed(desk: Desk, kind: Kind, *, now: datetime = NOW, carrier: str = "twilio") -> Any:
    with desk.database.transaction() as session:
        message = session.scalars(select(Message).where(Message.kind == kind)).one()
        booking = session.get(Booking, message.booking_id) if message.booking_id else None
        return compose(session, message, booking, ATTEMPT, carrier=carrier, now=now)


def told(desk: Desk, booking_id: UUID, kind: Kind, *, now: datetime = NOW, **more: Any) -> Any:
    tell(desk, booking_id, kind, **more)
    return composed(desk, kind, now=now)


def entry_in(mail: OutgoingMail) -> tuple[str, Any]:
    """Return the method and the one event of the mail's calendar file."""
    [attachment] = mail.attachments
    calendar = Calendar.from_ical(attachment.content.decode())
    [event] = calendar.walk("VEVENT")
    method = str(calendar["METHOD"])
    assert f"method={method}" in attachment.content_type
    return method, event


# The code


def test_a_code_goes_to_the_customers_number_and_names_code_life_and_host(desk: Desk) -> None:
    booking_id = desk.hold()

    sms = told(desk, booking_id, Kind.BOOKING_CODE, expires_at=NOW + 10 * MINUTE)

    assert isinstance(sms, OutgoingSms)
    assert (sms.to, sms.attempt_id, sms.valid_seconds) == (phone(12), ATTEMPT, 600)
    assert sms.text == (
        f"【QUEENS COURT】認証コード:{desk.code(booking_id)}\n10分以内に画面で入力してください。\n"
        f"@go.example.jp #{desk.code(booking_id)}"
    )


def test_a_code_that_was_delayed_says_how_long_it_still_lives(desk: Desk) -> None:
    booking_id = desk.hold()

    sms = told(desk, booking_id, Kind.BOOKING_CODE, expires_at=NOW + 10 * MINUTE, now=NOW + 4 * MINUTE)

    assert "6分以内" in sms.text
    assert sms.valid_seconds == 360


def test_a_code_that_was_replaced_while_the_message_waited_is_the_new_one(desk: Desk) -> None:
    booking_id = desk.hold()
    tell(desk, booking_id, Kind.BOOKING_CODE, expires_at=NOW + 10 * MINUTE)
    old = desk.code(booking_id)
    desk.resend(booking_id, NOW + 8 * MINUTE)

    sms = composed(desk, Kind.BOOKING_CODE, now=NOW + 8 * MINUTE)

    assert desk.code(booking_id) in sms.text
    assert old not in sms.text


def test_a_code_carries_no_link(desk: Desk) -> None:
    sms = told(desk, desk.hold(), Kind.BOOKING_CODE)

    assert "http" not in sms.text


# The confirmation


def test_a_confirmation_carries_the_call_url_the_booking_page_and_the_deadline(desk: Desk) -> None:
    """B16, B19, B20."""
    booking_id = desk.confirm()

    sms = told(desk, booking_id, Kind.BOOKING_CONFIRMED)

    booking = desk.booking(booking_id)
    assert links.call_url(booking, Side.CUSTOMER) in sms.text
    assert links.booking_page_url(booking) in sms.text
    assert "6/4(火)12:00" in sms.text
    assert "6/3中" in sms.text


def test_a_customer_gets_no_link_of_the_staff(desk: Desk) -> None:
    booking_id = desk.confirm(email=MAILBOX)

    mail = told(desk, booking_id, Kind.BOOKING_CONFIRMED)

    staff = links.call_url(desk.booking(booking_id), Side.STAFF)
    assert staff not in mail.text + mail.html + mail.attachments[0].content.decode()


def test_a_mail_names_shop_privacy_policy_contact_form_and_both_terms(desk: Desk) -> None:
    """B24, B27, B30, B36."""
    mail = told(desk, desk.confirm(email=MAILBOX), Kind.BOOKING_CONFIRMED)

    with desk.database.snapshot() as session:
        ours, providers = terms_urls(session, NOW)
    assert mail.to == MAILBOX
    assert "QUEENS COURT" in mail.subject
    for url in (
        ours,
        providers,
        "https://queens-court.example.jp/privacy",
        "https://www.example.jp/contact/queens-court",
    ):
        assert url in mail.text
        assert url in mail.html


def test_an_sms_brings_no_attachment_and_a_reminder_by_mail_brings_none_either(desk: Desk) -> None:
    mail = told(desk, desk.confirm(email=MAILBOX), Kind.BOOKING_REMINDER_EVE)

    assert mail.attachments == ()


def test_times_are_those_of_the_shops_own_clock_and_mails_name_the_zone(desk: Desk) -> None:
    """Fault 18: customers were written to in UTC."""
    mail = told(desk, desk.confirm(email=MAILBOX), Kind.BOOKING_CONFIRMED)

    assert "12:00" in mail.text
    assert "03:00" not in mail.text
    assert "日本時間" in mail.text


@pytest.mark.parametrize("language", ["ja", "en"])
def test_words_are_in_the_language_that_the_customer_chose(desk: Desk, language: str) -> None:
    sms = told(desk, desk.confirm(language=language), Kind.BOOKING_CONFIRMED)

    assert ("予約" in sms.text) is (language == "ja")


# The calendar entry


def test_a_confirmation_brings_an_entry_with_a_stable_uid_and_the_revision_as_its_sequence(desk: Desk) -> None:
    booking_id = desk.confirm(email=MAILBOX)

    method, event = entry_in(told(desk, booking_id, Kind.BOOKING_CONFIRMED))

    assert method == "REQUEST"
    assert (str(event["UID"]), int(event["SEQUENCE"])) == (f"{booking_id}@go.example.jp", 1)
    assert event["DTSTART"].dt.astimezone(UTC) == SLOT


def test_a_change_moves_the_same_entry(desk: Desk) -> None:
    """Fault 16: call link broken or missing after a change."""
    booking_id = desk.confirm(email=MAILBOX)
    old_url = links.call_url(desk.booking(booking_id), Side.CUSTOMER)
    desk.change(booking_id)

    mail = told(desk, booking_id, Kind.BOOKING_CHANGED, facts={"before": int(SLOT.timestamp())})

    method, event = entry_in(mail)
    assert method == "REQUEST"
    assert (str(event["UID"]), int(event["SEQUENCE"])) == (f"{booking_id}@go.example.jp", 2)
    assert event["DTSTART"].dt.astimezone(UTC) == OTHER_SLOT
    assert links.call_url(desk.booking(booking_id), Side.CUSTOMER) in mail.text
    assert old_url not in mail.text + mail.html + str(event)


def test_a_change_names_the_time_before_and_the_time_after(desk: Desk) -> None:
    booking_id = desk.confirm(email=MAILBOX)
    desk.change(booking_id)

    mail = told(desk, booking_id, Kind.BOOKING_CHANGED, facts={"before": int(SLOT.timestamp())})

    assert "6月4日" in mail.text
    assert "6月6日" in mail.text


@pytest.mark.parametrize("kind", [Kind.BOOKING_CANCELLED, Kind.BOOKING_WITHDRAWN])
def test_a_cancellation_takes_the_entry_out_of_the_calendar(desk: Desk, kind: Kind) -> None:
    """Fault 17: METHOD:REQUEST left event and alarm standing."""
    booking_id = desk.confirm(email=MAILBOX)
    desk.cancel(booking_id)

    method, event = entry_in(told(desk, booking_id, kind))

    assert method == "CANCEL"
    assert str(event["UID"]) == f"{booking_id}@go.example.jp"
    assert int(event["SEQUENCE"]) > 1


def test_an_apology_says_where_to_book_again(desk: Desk) -> None:
    booking_id = desk.confirm()
    with desk.locked(booking_id) as (session, booking):
        bookings.withdraw(session, booking, Cause.SHOP, now=NOW, actor="key:shop", reason="staff_ill")

    sms = told(desk, booking_id, Kind.BOOKING_WITHDRAWN)

    assert f"{HOST}/s/queens-court" in sms.text


# Notices to the shop


def test_a_notice_goes_to_the_shops_mailbox_with_the_staffs_own_link(desk: Desk) -> None:
    booking_id = desk.confirm()

    mail = told(desk, booking_id, Kind.SHOP_BOOKING_NEW)

    booking = desk.booking(booking_id)
    assert mail.to == "staff@queens-court.example.jp"
    assert links.call_url(booking, Side.STAFF) in mail.text
    assert links.call_url(booking, Side.CUSTOMER) not in mail.text


def test_a_notice_tells_the_shop_nothing_that_is_personal(desk: Desk) -> None:
    booking_id = desk.confirm(name="山田花子", memo="canary memo")

    mail = told(desk, booking_id, Kind.SHOP_BOOKING_NEW)

    assert not any(canary in mail.text + mail.html for canary in ("山田", "canary", phone(12), "9000000012"))


def test_a_days_list_is_filled_at_the_moment_of_sending(desk: Desk) -> None:
    early, late = desk.confirm(), desk.confirm(number=13, starts_at=SLOT + timedelta(hours=1))
    with desk.database.transaction() as session:
        shop = session.get_one(Shop, "queens-court")
        facts = {"day": "2030-06-04"}
        tell_shop(session, shop, Kind.SHOP_DAY_LIST, now=NOW, expires_at=SLOT, about="2030-06-04", facts=facts)
    desk.cancel(late)
    added = desk.confirm(number=14, starts_at=SLOT + timedelta(hours=2))

    mail = composed(desk, Kind.SHOP_DAY_LIST)

    references = [desk.booking(booking_id).reference for booking_id in (early, late, added)]
    assert [reference in mail.text for reference in references] == [True, False, True]


def test_a_days_list_holds_the_shops_own_day_and_no_other_shops(desk: Desk) -> None:
    own = desk.confirm()
    others = [
        desk.confirm(number=13, starts_at=OTHER_SLOT),
        desk.confirm(number=14, shop="fred"),
        desk.hold(number=15),
    ]
    with desk.database.transaction() as session:
        shop = session.get_one(Shop, "queens-court")
        facts = {"day": "2030-06-04"}
        tell_shop(session, shop, Kind.SHOP_DAY_FIXED, now=NOW, expires_at=SLOT, about="2030-06-04", facts=facts)

    mail = composed(desk, Kind.SHOP_DAY_FIXED)

    assert desk.booking(own).reference in mail.text
    assert not any(desk.booking(other).reference in mail.text for other in others)


# What cannot be composed


def test_a_message_to_a_customer_who_was_erased_is_not_composed(desk: Desk) -> None:
    booking_id = desk.confirm()
    tell(desk, booking_id, Kind.BOOKING_CONFIRMED)
    with desk.database.transaction() as session:
        seals.shred(session, desk.booking(booking_id).customer_id)

    with pytest.raises(Shredded):
        composed(desk, Kind.BOOKING_CONFIRMED)


def test_what_is_composed_does_not_print_itself(desk: Desk) -> None:
    booking_id = desk.hold()

    sms = told(desk, booking_id, Kind.BOOKING_CODE)

    assert desk.code(booking_id) not in repr(sms)
    assert phone(12) not in repr(sms)
    assert desk.booking(booking_id).status is Status.HELD
