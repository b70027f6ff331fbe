"""Customers by contact: one row a shop and contact, found by an index that tells nobody anything."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from models.contact import PhoneCountryNotServed, PhoneInvalid, PhoneNotMobile
from models.customer import Channel, Customer
from tests.worker.desk import NOW, at_once, sqlite_only
from worker import seals
from worker.customers import Contact, address_of, customer_at
from worker.database import Database
from worker.seals import Shredded
from worker.settings import settings

PHONE = "+819000000012"
SMS = Contact(Channel.SMS, PHONE)


def make(database: Database, contact: Contact = SMS, shop: str = "fred") -> Customer:
    with database.transaction() as session:
        return customer_at(session, shop, contact, now=NOW)


@pytest.mark.parametrize("typed", ["090-0000-0012", "０９０００００００１２", "+81 90 0000 0012", "090 0000 0012"])
def test_however_a_number_is_typed_it_is_one_contact(environment: pytest.MonkeyPatch, typed: str) -> None:
    assert Contact.parse(Channel.SMS, typed) == SMS


def test_mailboxes_differ_by_their_local_part_and_not_by_the_case_of_the_domain(
    environment: pytest.MonkeyPatch,
) -> None:
    assert Contact.parse(Channel.MAIL, "hanako@EXAMPLE.jp") == Contact(Channel.MAIL, "hanako@example.jp")


@pytest.mark.parametrize(
    ("typed", "refusal"),
    [
        pytest.param("03-3210-0000", PhoneNotMobile, id="a landline"),
        pytest.param("+1 212 555 2368", PhoneCountryNotServed, id="a country that is not served"),
        pytest.param("12", PhoneInvalid, id="no number"),
    ],
)
def test_a_number_that_cannot_take_an_sms_is_refused(
    environment: pytest.MonkeyPatch, typed: str, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        Contact.parse(Channel.SMS, typed)


def test_test_numbers_are_the_settings_to_name(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TEST_NUMBERS", "")

    with pytest.raises(PhoneInvalid):
        Contact.parse(Channel.SMS, PHONE)


def test_a_contact_does_not_print_itself() -> None:
    assert PHONE not in repr(SMS)
    assert PHONE not in str(SMS)


def test_equal_contacts_meet_at_one_shop_and_nowhere_else(environment: pytest.MonkeyPatch) -> None:
    assert SMS.index("fred") == Contact(Channel.SMS, PHONE).index("fred")
    assert SMS.index("fred") != SMS.index("vicky")


def test_the_index_cannot_be_computed_without_our_secret(environment: pytest.MonkeyPatch) -> None:
    before = SMS.index("fred")

    environment.setenv("SECRET_KEY", "another secret " * 4)
    settings.cache_clear()

    assert SMS.index("fred") != before


@sqlite_only
def test_a_contact_that_comes_again_is_the_same_customer(seeded: Database) -> None:
    assert make(seeded).id == make(seeded).id


@sqlite_only
def test_a_phone_and_a_mailbox_are_two_customers(seeded: Database) -> None:
    assert make(seeded).id != make(seeded, Contact(Channel.MAIL, "hanako@example.jp")).id


def test_a_new_contact_that_comes_eight_times_at_once_is_one_customer(seeded: Database) -> None:
    made = at_once(*[lambda: make(seeded).id] * 8)

    assert len(set(made)) == 1
    with seeded.snapshot() as session:
        assert len(session.scalars(select(Customer)).all()) == 1


@sqlite_only
def test_the_address_is_sealed_in_the_row_and_opens_again(seeded: Database) -> None:
    customer = make(seeded)

    with seeded.snapshot() as session:
        opened = address_of(session, customer)

    assert opened == PHONE
    assert PHONE.encode() not in customer.sealed_contact


@sqlite_only
def test_an_address_whose_key_was_deleted_opens_no_more(seeded: Database) -> None:
    customer = make(seeded)
    with seeded.transaction() as session:
        seals.shred(session, customer.id)

    with seeded.snapshot() as session, pytest.raises(Shredded):
        address_of(session, customer)


@sqlite_only
def test_an_address_that_was_moved_to_another_row_does_not_open(seeded: Database) -> None:
    one, other = make(seeded), make(seeded, shop="vicky")
    other.sealed_contact = one.sealed_contact

    with seeded.snapshot() as session, pytest.raises(seals.Tampered):
        address_of(session, other)


@sqlite_only
def test_since_when_a_shop_knows_a_customer_is_the_instant_of_the_first_request(seeded: Database) -> None:
    make(seeded)

    with seeded.transaction() as session:
        again = customer_at(session, "fred", SMS, now=datetime(2031, 1, 1, tzinfo=UTC))

    assert again.created_at == NOW
