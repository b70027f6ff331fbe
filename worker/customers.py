"""Customers by their contact, without anybody being able to read it: normalised, indexed, sealed."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.contact import normalise_email, normalise_phone
from models.customer import Channel, Customer
from worker.chance import new_id
from worker.clock import unix_ms
from worker.database import insert_new
from worker.derived_keys import fingerprint
from worker.seals import Place, seal, unseal
from worker.settings import Environment, settings


@dataclass(frozen=True, repr=False)
class Contact:
    """A normalised phone number (E.164) or mailbox. It does not print itself."""

    channel: Channel
    address: str

    @classmethod
    def parse(cls, channel: Channel, text: str) -> "Contact":
        """Normalise what a customer typed.

        Raises:
            ContactRefused: it cannot be served; the code says why.
        """
        if channel is Channel.MAIL:
            return cls(channel, normalise_email(text))
        configured = settings()
        test_prefixes = () if configured.environment is Environment.PRODUCTION else configured.test_numbers
        phone = normalise_phone(text, countries=configured.sms_countries, test_prefixes=test_prefixes)
        return cls(channel, phone.e164)

    def index(self, shop_id: str) -> str:
        """Return the blind index by which this shop, and no other, finds the contact again."""
        return fingerprint("contact-index", shop_id, self.channel, self.address)


def customer_at(session: Session, shop_id: str, contact: Contact, *, now: datetime) -> Customer:
    """Return the shop's customer with this contact, made if the shop does not know it yet; the row gets locked.

    So what one customer does at once is judged in turn, and nobody is erased in the middle of it. Rows that refer to
    the customer may be written meanwhile.
    """
    index = contact.index(shop_id)
    known = select(Customer).where(Customer.shop_id == shop_id, Customer.contact_index == index)
    known = known.with_for_update(key_share=True).execution_options(populate_existing=True)
    if (customer := session.scalars(known).one_or_none()) is not None:
        return customer
    customer_id = new_id(unix_ms())
    session.execute(
        insert_new(session, Customer)
        .values(
            id=customer_id,
            shop_id=shop_id,
            channel=contact.channel,
            contact_index=index,
            sealed_contact=seal(session, _contact_place(customer_id), contact.address),
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=[Customer.shop_id, Customer.contact_index])
    )
    return session.scalars(known).one()


def address_of(session: Session, customer: Customer) -> str:
    """Open the customer's address, at the last moment before it is used.

    Raises:
        Shredded: the customer's key was deleted.
    """
    return unseal(session, _contact_place(customer.id), customer.sealed_contact)


def _contact_place(customer_id: UUID) -> Place:
    return Place(customer_id, "customers", "sealed_contact", customer_id)
