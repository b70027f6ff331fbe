"""What goes to a booking's second contact, when, and never: it is a mailbox that nobody has proven."""

import json
from typing import Any
from uuid import UUID

import pytest
from icalendar import Calendar
from sqlalchemy import select
from sqlalchemy.orm import Session

from models.booking import Booking, Side
from models.customer import Channel, Customer
from models.job import Name, Queue
from models.message import Attempt, Kind, Message, State
from tests.worker.desk import MINUTE, NOW, OTHER_SLOT, SLOT, Desk, at_once, sqlite_only
from worker import bookings, links, recipients, second_contacts, settling, suppressions
from worker.composing import compose
from worker.customers import Contact, address_of
from worker.database import Database
from worker.messages import say_again, tell_customer
from worker.seals import Shredded, shred
from worker.settings import settings
from worker.vendors import OutgoingMail

SECOND = Contact(Channel.MAIL, "hanako@example.jp")
ANOTHER = Contact(Channel.MAIL, "taro@example.jp")
ATTEMPT = UUID(int=0xA)
ACCOUNT = {"api_url": "http://127.0.0.1:9", "account_sid": "AC" + "0" * 32, "auth_token": "t", "sender": "+15005550006"}
PLAIN, FULL = "plain", "full"
"""Two accounts: by the one no URLs get through, by the other they do."""
WITH_LINKS = [
    Kind.BOOKING_CONFIRMED,
    Kind.BOOKING_CONFIRMED_SAME_DAY,
    Kind.BOOKING_CHANGED,
    Kind.BOOKING_CHANGED_FINAL,
    Kind.BOOKING_REMINDER_EVE,
    Kind.BOOKING_REMINDER_DAY,
    Kind.BOOKING_WITHDRAWN,
]


@pytest.fixture(autouse=True)
def accounts(environment: pytest.MonkeyPatch) -> None:
    both = [{"name": PLAIN, "urls_ok": False, **ACCOUNT}, {"name": FULL, **ACCOUNT}]
    environment.setenv("SMS_ACCOUNTS", json.dumps(both))
    environment.setenv("PUBLIC_URL", "https://go.example.jp")
    settings.cache_clear()


@pytest.fixture
def desk(seeded: Database, time: object) -> Desk:
    return Desk(seeded)


def owe(desk: Desk, kind: Kind = Kind.BOOKING_CONFIRMED, **who: Any) -> UUID:
    """Owe the customer of the only booking one message; the booking is made if it is missing."""
    if not desk.bookings():
        desk.confirm(**({"second_contact": SECOND} | who))
    with desk.locked(desk.bookings()[0].id) as (session, booking):
        assert tell_customer(session, booking, kind, now=NOW, expires_at=SLOT)
    return desk.messages(kind)[0].id


def tell_beside(desk: Desk, message_id: UUID, *, carrier: str = PLAIN) -> bool:
    with desk.database.transaction() as session:
        message = session.get_one(Message, message_id)
        booking = session.get(Booking, message.booking_id) if message.booking_id else None
        return second_contacts.tell_beside(session, message, booking, carrier=carrier, now=NOW)


def tell_instead(desk: Desk, message_id: UUID) -> bool:
    with desk.database.transaction() as session:
        return second_contacts.tell_instead(session, session.get_one(Message, message_id), now=NOW)


def mails(desk: Desk, *kinds: Kind) -> list[Message]:
    return [each for each in desk.messages(*kinds) if each.channel is Channel.MAIL and each.customer_id is not None]


def composed(session: Session, message: Message) -> Any:
    booking = session.get_one(Booking, message.booking_id)
    return compose(session, message, booking, ATTEMPT, carrier="sendgrid", now=NOW)


def mail_of(desk: Desk, message: Message) -> OutgoingMail:
    with desk.database.snapshot() as session:
        outgoing = composed(session, session.get_one(Message, message.id))
    assert isinstance(outgoing, OutgoingMail)
    return outgoing


# Beside an SMS


@sqlite_only
@pytest.mark.parametrize("kind", WITH_LINKS)
def test_what_an_sms_leaves_out_goes_by_mail_as_well(desk: Desk, kind: Kind) -> None:
    message_id = owe(desk, kind)

    assert tell_beside(desk, message_id)

    sms, mail = desk.messages(kind)
    assert (mail.channel, mail.customer_id, mail.booking_id) == (Channel.MAIL, sms.customer_id, sms.booking_id)
    assert (mail.language, mail.revision, mail.expires_at) == (sms.language, sms.revision, sms.expires_at)


@sqlite_only
def test_it_is_owed_with_the_job_that_delivers_it_on_the_queue_of_its_urgency(desk: Desk) -> None:
    tell_beside(desk, owe(desk))

    [mail] = mails(desk)
    [job] = [job for job in desk.jobs(Name.DELIVER_MESSAGE) if job.args["message_id"] == str(mail.id)]
    assert (job.queue, job.due_at) == (Queue.BOOKINGS, NOW)


@sqlite_only
def test_a_route_that_carries_links_needs_no_second_contact(desk: Desk) -> None:
    assert not tell_beside(desk, owe(desk), carrier=FULL)
    assert mails(desk) == []


@sqlite_only
def test_who_named_no_second_contact_gets_the_sms_alone(desk: Desk) -> None:
    assert not tell_beside(desk, owe(desk, second_contact=None))
    assert mails(desk) == []


@sqlite_only
def test_an_sms_that_holds_no_link_anyway_goes_alone(desk: Desk) -> None:
    assert not tell_beside(desk, owe(desk, Kind.BOOKING_CANCELLED))


@sqlite_only
def test_no_code_goes_to_an_address_that_is_not_the_one_being_proven(desk: Desk) -> None:
    desk.hold(second_contact=SECOND)
    code = owe(desk, Kind.BOOKING_CODE)

    assert not tell_beside(desk, code)
    assert not tell_instead(desk, code)
    assert mails(desk) == []


@sqlite_only
def test_whose_proven_contact_is_a_mailbox_gets_each_mail_once(desk: Desk) -> None:
    message_id = owe(desk, email="hanako@example.jp", second_contact=None)

    assert not tell_beside(desk, message_id)
    assert not tell_instead(desk, message_id)
    assert len(mails(desk)) == 1


@sqlite_only
def test_a_message_that_is_tried_again_is_told_once(desk: Desk) -> None:
    message_id = owe(desk)

    told = [tell_beside(desk, message_id) for _ in range(3)]

    assert told == [True, False, False]
    assert len(mails(desk)) == 1


def test_what_is_owed_beside_and_instead_at_once_is_owed_once(desk: Desk) -> None:
    message_id = owe(desk)

    at_once(*[lambda: tell_beside(desk, message_id), lambda: tell_instead(desk, message_id)] * 4)

    [mail] = mails(desk)
    assert len([job for job in desk.jobs(Name.DELIVER_MESSAGE) if job.args["message_id"] == str(mail.id)]) == 1


@sqlite_only
def test_each_revision_is_told_by_itself(desk: Desk) -> None:
    tell_beside(desk, owe(desk, Kind.BOOKING_CHANGED))
    desk.change(desk.bookings()[0].id)
    with desk.locked(desk.bookings()[0].id) as (session, booking):
        tell_customer(session, booking, Kind.BOOKING_CHANGED, now=NOW, expires_at=OTHER_SLOT)
    later = next(
        each for each in desk.messages(Kind.BOOKING_CHANGED) if (each.revision, each.channel) == (2, Channel.SMS)
    )

    assert tell_beside(desk, later.id)
    assert [mail.revision for mail in mails(desk, Kind.BOOKING_CHANGED)] == [1, 2]


@sqlite_only
@pytest.mark.parametrize("kind", [Kind.SUSPENSION_ANNOUNCED, Kind.SUSPENSION_UNDONE, Kind.INQUIRY_HANDED_OVER])
def test_what_is_said_more_than_once_a_revision_is_told_each_time(desk: Desk, kind: Kind) -> None:
    booking_id = desk.confirm(second_contact=SECOND)
    with desk.locked(booking_id) as (session, booking):
        for part in ("first", "second"):
            assert tell_customer(session, booking, kind, now=NOW, expires_at=SLOT, part=part)

    told = [tell_instead(desk, message.id) for message in desk.messages(kind)]

    assert told == [True, True]
    assert len(mails(desk, kind)) == 2


@sqlite_only
def test_what_is_said_again_by_sms_is_mailed_once(desk: Desk) -> None:
    message_id = owe(desk)
    with desk.database.transaction() as session:
        assert say_again(session, session.get_one(Message, message_id), now=NOW)

    told = [tell_beside(desk, message.id) for message in desk.messages(Kind.BOOKING_CONFIRMED)]

    assert told == [True, False]
    assert len(mails(desk)) == 1


@sqlite_only
def test_a_change_voids_what_was_not_yet_mailed_of_the_time_before(desk: Desk) -> None:
    tell_beside(desk, owe(desk))

    desk.change(desk.bookings()[0].id)

    assert [mail.state for mail in mails(desk)] == [State.VOIDED]


# The calendar


@sqlite_only
@pytest.mark.parametrize("kind", [Kind.BOOKING_CHANGED, Kind.BOOKING_CANCELLED])
def test_whose_calendar_holds_the_call_is_told_when_it_moves_or_ends_whatever_the_route(desk: Desk, kind: Kind) -> None:
    tell_beside(desk, owe(desk))

    assert tell_beside(desk, owe(desk, kind), carrier=FULL)
    assert len(mails(desk, kind)) == 1


@sqlite_only
def test_a_reminder_puts_nothing_into_a_calendar_and_goes_by_an_sms_that_carries_it(desk: Desk) -> None:
    tell_beside(desk, owe(desk))

    assert not tell_beside(desk, owe(desk, Kind.BOOKING_REMINDER_DAY), carrier=FULL)


@sqlite_only
def test_the_mail_is_the_same_as_for_a_customer_who_gave_a_mailbox(desk: Desk) -> None:
    """B16, B19: the links, and the entry for the calendar."""
    tell_beside(desk, owe(desk))

    mail = mail_of(desk, mails(desk)[0])

    booking = desk.bookings()[0]
    assert mail.to == SECOND.address
    assert links.call_url(booking, Side.CUSTOMER) in mail.text
    assert links.booking_page_url(booking) in mail.text
    [event] = Calendar.from_ical(mail.attachments[0].content.decode()).walk("VEVENT")
    assert SECOND.address in str(event["ATTENDEE"])


@sqlite_only
@pytest.mark.parametrize(("language", "said"), [("ja", "ご予約完了のお知らせ"), ("en", "Your booking is confirmed")])
def test_it_speaks_the_language_of_the_booking(desk: Desk, language: str, said: str) -> None:
    tell_beside(desk, owe(desk, language=language))

    assert said in mail_of(desk, mails(desk)[0]).subject


# Instead of an SMS


@sqlite_only
def test_an_sms_that_did_not_get_through_goes_by_mail_once(desk: Desk) -> None:
    message_id = owe(desk)

    assert [tell_instead(desk, message_id) for _ in range(3)] == [True] * 3
    assert len(mails(desk)) == 1


@sqlite_only
def test_what_went_by_mail_already_does_not_go_there_instead(desk: Desk) -> None:
    message_id = owe(desk)
    tell_beside(desk, message_id)

    assert tell_instead(desk, message_id)
    assert len(mails(desk)) == 1


@sqlite_only
def test_a_mail_that_does_not_arrive_has_no_further_contact_to_go_to(desk: Desk) -> None:
    tell_beside(desk, owe(desk))

    assert not tell_instead(desk, mails(desk)[0].id)


# What becomes of it


def silence(desk: Desk, message: Message, code: str, status: str) -> None:
    with desk.database.transaction() as session:
        session.add(Attempt(id=ATTEMPT, message_id=message.id, vendor="sendgrid", started_at=NOW))
        session.flush()
        settling.silence(
            session, session.get_one(Message, message.id), code, attempt_id=ATTEMPT, now=NOW, status=status
        )


@sqlite_only
def test_a_bounce_silences_the_second_contact_and_not_the_number(desk: Desk) -> None:
    tell_beside(desk, owe(desk))

    silence(desk, mails(desk)[0], "bounce:5.1.1", "bounce")

    with desk.database.snapshot() as session:
        assert suppressions.silenced(session, SECOND.channel, SECOND.address, now=NOW) is not None
        number = session.scalars(select(Customer)).one()
        assert suppressions.silenced(session, Channel.SMS, address_of(session, number), now=NOW) is None


@sqlite_only
def test_the_shop_hears_of_each_contact_that_is_not_reached_once(desk: Desk) -> None:
    sms = owe(desk)
    tell_beside(desk, sms)
    mail = mails(desk)[0].id

    for message_id in (mail, sms, mail, sms):
        with desk.database.transaction() as session:
            settling.cannot_be_reached(session, session.get_one(Message, message_id), now=NOW)

    notices = desk.messages(Kind.SHOP_CUSTOMER_UNREACHABLE)
    with desk.database.snapshot() as session:
        told = [composed(session, session.get_one(Message, notice.id)).text for notice in notices]
    lines = sorted(line for text in told for line in text.splitlines() if line.startswith("お届けできなかった連絡先"))
    assert [line.rpartition(" ")[2] for line in lines] == ["SMS", "メール"]


# Who named it


@sqlite_only
def test_it_is_in_no_column_as_plain_text(desk: Desk) -> None:
    booking = desk.booking(desk.hold(second_contact=SECOND))

    assert SECOND.address not in repr(vars(booking))
    assert SECOND.address.encode() not in (booking.sealed_second_contact or b"")


@sqlite_only
def test_erasing_the_customer_erases_it_too(desk: Desk) -> None:
    tell_beside(desk, owe(desk))

    with desk.database.transaction() as session:
        assert shred(session, session.scalars(select(Customer.id)).one())

    with desk.database.snapshot() as session, pytest.raises(Shredded):
        recipients.address_for(session, mails(desk)[0])


@sqlite_only
def test_it_belongs_to_one_booking_and_to_no_other_of_the_same_number(desk: Desk) -> None:
    """Or whoever knows a number could have the links of its owner's bookings sent to an address of their own."""
    desk.confirm()

    desk.hold(starts_at=OTHER_SLOT, second_contact=ANOTHER)

    first = next(booking for booking in desk.bookings() if booking.starts_at == SLOT)
    assert first.sealed_second_contact is None


@sqlite_only
def test_the_same_request_again_keeps_it(desk: Desk) -> None:
    first, second = desk.hold(second_contact=SECOND), desk.hold(second_contact=SECOND)

    with desk.database.snapshot() as session:
        named = recipients.second_contact_of(session, session.get_one(Booking, first))
    assert (first, named) == (second, SECOND.address)


@sqlite_only
@pytest.mark.parametrize(
    ("first", "then"),
    [(SECOND, ANOTHER), (SECOND, None), (None, SECOND)],
    ids=["another", "none any more", "one that was not there"],
)
def test_of_two_requests_for_one_hold_that_disagree_about_it_neither_is_believed(
    desk: Desk, first: Contact | None, then: Contact | None
) -> None:
    """Whoever enters the code may be another than who made the hold: behind one gateway they look alike."""
    booking_id = desk.hold(second_contact=first)

    assert desk.hold(at=NOW + MINUTE, second_contact=then) == booking_id
    assert desk.booking(booking_id).sealed_second_contact is None


@sqlite_only
def test_a_hold_of_somebody_who_was_erased_meanwhile_keeps_no_second_contact(desk: Desk) -> None:
    booking_id = desk.hold(second_contact=SECOND)
    with desk.database.transaction() as session:
        shred(session, desk.booking(booking_id).customer_id)

    assert desk.hold(at=NOW + MINUTE, second_contact=SECOND) == booking_id
    assert desk.booking(booking_id).sealed_second_contact is None


def test_a_wish_does_not_print_it() -> None:
    wish = bookings.Wish("fred", SLOT, SECOND, "ja", second_contact=ANOTHER)

    assert ANOTHER.address not in repr(wish) + str(wish)
