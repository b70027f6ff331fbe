"""What messages about an inquiry, or to a customer who is asked something, say. Texts are opened here, and not kept."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from models.booking import Booking
from models.inquiry import CustomerRequest, Inquiry, Recipient
from models.message import Kind, Message
from models.shop import Shop
from worker import links
from worker.seals import Place, Shredded, unseal
from worker.video import provider_named
from worker.wording import PeopleWords, dates, topic_words


def words_for(session: Session, message: Message, shop: Shop, terms: tuple[str, str]) -> Mapping[str, object]:
    """Return the words of one of `OF_PEOPLE`.

    Args:
        session: of the sending.
        message: it names the inquiry or the request by its facts.
        shop: in whose name it is said.
        terms: where ours and the provider's stand.

    Raises:
        Shredded: the customer was erased.
    """
    language = message.language
    terms_url, provider_terms_url = terms
    shared: dict[str, Any] = {
        "shop_short": shop.short_name,
        "shop_name": shop.name(language),
        "contact_url": shop.contact_url,
        "privacy_url": shop.privacy_url,
        "terms_url": terms_url,
        "provider_terms_url": provider_terms_url,
        "provider_name": _carrier(session, message),
    }
    if message.kind is Kind.CUSTOMER_REQUEST:
        asked = session.get_one(CustomerRequest, UUID(message.facts["request_id"]))
        return PeopleWords(text=request_text(session, asked), **shared).words()
    inquiry = session.get_one(Inquiry, UUID(message.facts["inquiry_id"]))
    booking = session.get_one(Booking, inquiry.booking_id)
    to_provider = message.kind is Kind.PROVIDER_INQUIRY
    by_provider = inquiry.recipient is Recipient.PROVIDER
    words: Mapping[str, object] = PeopleWords(
        reference=booking.reference,
        when_long=dates.long(booking.starts_at, ZoneInfo(booking.shop_zone), language),
        inquiry_id=str(inquiry.id),
        topic=topic_words(inquiry.topic, language),
        handed_to=shared["provider_name"] if by_provider else shop.short_name,
        page_url=links.booking_page_url(booking) if message.customer_id else None,
        lines=tuple(inquiry_text(session, inquiry).splitlines()) if to_provider else None,
        **shared,
    ).words()
    return words


def _carrier(session: Session, message: Message) -> str:
    booking = session.get(Booking, message.booking_id) if message.booking_id else None
    return provider_named(booking.provider if booking else None).display_name


def inquiry_text(session: Session, inquiry: Inquiry) -> str:
    """Return what the customer wrote.

    Raises:
        Shredded: the customer was erased.
    """
    return _opened(session, inquiry.sealed_text, inquiry_place(inquiry.customer_id, inquiry.id))


def request_text(session: Session, asked: CustomerRequest) -> str:
    """Return what the customer was asked.

    Raises:
        Shredded: the customer was erased.
    """
    return _opened(session, asked.sealed_text, request_place(asked.customer_id, asked.id))


def inquiry_place(customer_id: UUID, inquiry_id: UUID) -> Place:
    """Return where an inquiry's text is sealed."""
    return Place(customer_id, "inquiries", "sealed_text", inquiry_id)


def request_place(customer_id: UUID, request_id: UUID) -> Place:
    """Return where a request's text is sealed."""
    return Place(customer_id, "customer_requests", "sealed_text", request_id)


def _opened(session: Session, sealed: bytes | None, place: Place) -> str:
    if sealed is None:
        raise Shredded(f"{place.table}.{place.column} of row {place.row} was erased")
    return unseal(session, place, sealed)


__all__ = ["inquiry_place", "inquiry_text", "request_place", "request_text", "words_for"]
