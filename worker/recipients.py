"""Where a message goes: the shop's mailbox, the customer's proven contact or second one, a party's registered address.

The provider of the video calls has a mailbox in the settings.

Addresses are opened here at the last moment before they are used. Which message goes to whom is not decided here.
"""

from uuid import UUID

from sqlalchemy.orm import Session

from models.booking import Booking
from models.customer import Customer
from models.message import Kind, Message
from models.shop import Shop
from worker.cases import noticing
from worker.customers import Contact, address_of
from worker.seals import Place, seal, unseal
from worker.settings import settings


def address_for(session: Session, message: Message) -> str:
    """Return the address that a message goes to.

    Raises:
        Shredded: the customer's key was deleted.
        LookupError: there is no such address (any more).
    """
    if message.case_id is not None:
        return noticing.address_sent_to(session, message)
    if message.kind is Kind.PROVIDER_INQUIRY:
        return settings().provider_support_email
    if message.customer_id is None:
        return session.get_one(Shop, message.shop_id).notice_email
    booking = session.get_one(Booking, message.booking_id) if message.booking_id else None
    if booking is None or not is_to_second_contact(message, booking):
        return address_of(session, session.get_one(Customer, message.customer_id))
    second = second_contact_of(session, booking)
    if second is None:
        raise LookupError("the booking has no second contact")
    return second


def is_to_second_contact(message: Message, booking: Booking) -> bool:
    """Whether a message goes to its booking's second contact: it does by the channel that was not proven."""
    return message.customer_id is not None and message.channel is not booking.channel


def second_contact_of(session: Session, booking: Booking) -> str | None:
    """Return the booking's second contact, None if it has none.

    Raises:
        Shredded: the customer's key was deleted.
    """
    if booking.sealed_second_contact is None:
        return None
    return unseal(session, _place(booking.customer_id, booking.id), booking.sealed_second_contact)


def seal_second_contact(session: Session, customer_id: UUID, booking_id: UUID, contact: Contact) -> bytes:
    """Return a second contact as its booking keeps it: whatever erases the customer erases it."""
    return seal(session, _place(customer_id, booking_id), contact.address)


def _place(customer_id: UUID, booking_id: UUID) -> Place:
    return Place(customer_id, "bookings", "sealed_second_contact", booking_id)
