"""Everything that is kept of one customer, gathered: as a trail that opens nothing, or whole (B31, B36).

Plain values, ready for JSON: instants in UTC, ids and enums as text. No address is in a trail.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from models.block import Block
from models.booking import Booking, BookingEvent
from models.call import Call, CallEvent
from models.call_fact import CallFact, ConductReport
from models.customer import Customer
from models.inquiry import CustomerRequest, Inquiry
from models.message import Message
from models.terms import Consent, GoverningTerms, TermsNotice
from models.verification import Verification
from worker import blocking
from worker.customers import Contact, address_of
from worker.people.saying import inquiry_text, request_text
from worker.recipients import second_contact_of
from worker.seals import Place, Unreadable, unseal

Row = TypeVar("Row")

_CUSTOMER = ("id", "shop_id", "channel", "created_at", "erased_at", "erased_because")
_BOOKING = (
    "id",
    "reference",
    "status",
    "revision",
    "language",
    "starts_at",
    "ends_at",
    "shop_zone",
    "created_at",
    "confirmed_at",
    "ended_at",
    "released_because",
    "cancelled_by",
    "absent",
    "ended_because",
    "displaced_at",
    "customer_entered_at",
    "staff_entered_at",
    "call_began_at",
    "customer_left_at",
    "staff_left_at",
    "staff_id",
    "entry_point",
    "menu_id",
    "item_codes",
    "purpose",
    "provider",
)
_CALL = (
    "id",
    "status",
    "refused_because",
    "language",
    "requested_at",
    "answered_at",
    "customer_entered_at",
    "staff_entered_at",
    "customer_left_at",
    "staff_left_at",
    "staff_id",
    "ended_at",
    "end_reason",
    "failed_side",
    "entry_point",
    "item_codes",
    "purpose",
    "provider",
)
_EVENT = ("at", "kind", "actor", "status", "facts")
_CONSENT = ("document_id", "version", "url", "sha256", "accepted_at", "channel", "request_id")
_GOVERNS = ("document_id", "version", "url", "sha256", "governs_at")
_NOTICE = ("document_id", "version", "message_id", "at")
_BLOCK = ("id", "shop_id", "because", "created_at", "lifted_at")
_FACT = ("at", "kind", "side", "source", "room", "participant", "error")
_MESSAGE = ("id", "kind", "channel", "booking_id", "call_id", "state", "because", "created_at", "ended_at")
_VERIFICATION = ("id", "purpose", "channel", "sends", "attempts", "last_sent_at", "verified_at")
_INQUIRY = ("id", "booking_id", "topic", "state", "recipient", "provider", "received_at", "answered_at")
_REQUEST = ("id", "at")
_REPORT = ("id", "booking_id", "call_id", "category", "state", "at")


def trail(session: Session, customer: Customer) -> dict[str, Any]:
    """Return what happened with a customer: bookings, calls, messages, consents, events, blocks. Nothing is opened.

    Whether the contact is on the block list is asked by its hash, so that no address is in the answer.
    """
    return _gathered(session, customer, opens=False)


def whole(session: Session, customer: Customer) -> dict[str, Any]:
    """Return everything that is kept of a customer, with what is sealed opened. What was erased is None.

    What staff reported of the customer is there without its words: they are another person's.
    """
    return _gathered(session, customer, opens=True)


def _gathered(session: Session, customer: Customer, *, opens: bool) -> dict[str, Any]:
    of = customer.id
    bookings = _rows(session, select(Booking).where(Booking.customer_id == of).order_by(Booking.created_at))
    calls = _rows(session, select(Call).where(Call.customer_id == of).order_by(Call.requested_at))
    inquiries = _rows(session, select(Inquiry).where(Inquiry.customer_id == of).order_by(Inquiry.received_at))
    asked = _rows(
        session, select(CustomerRequest).where(CustomerRequest.customer_id == of).order_by(CustomerRequest.at)
    )
    contact = {"contact": _or_none(lambda: address_of(session, customer))} if opens else {}
    return {
        "customer": _plain(customer, _CUSTOMER) | contact,
        "bookings": [_booking(session, each, opens=opens) for each in bookings],
        "calls": [_call(session, each, opens=opens) for each in calls],
        "messages": _messages(session, of, bookings, calls),
        "verifications": _all(
            session, select(Verification).where(Verification.customer_id == of), Verification.id, _VERIFICATION
        ),
        "inquiries": [_with_text(each, _INQUIRY, inquiry_text, session, opens=opens) for each in inquiries],
        "requests": [_with_text(each, _REQUEST, request_text, session, opens=opens) for each in asked],
        "conduct_reports": _all(
            session, select(ConductReport).where(ConductReport.customer_id == of), ConductReport.at, _REPORT
        ),
        "terms_notices": _all(
            session, select(TermsNotice).where(TermsNotice.customer_id == of), TermsNotice.at, _NOTICE
        ),
        "blocks": [_plain(each, _BLOCK) for each in _blocks(session, customer)],
    }


def _booking(session: Session, booking: Booking, *, opens: bool) -> dict[str, Any]:
    told = {
        column.removeprefix("sealed_"): _of_booking(session, booking, column)
        for column in ("sealed_name", "sealed_memo", "sealed_source_url")
    }
    second = {"second_contact": _or_none(lambda: second_contact_of(session, booking))}
    return {
        **_plain(booking, _BOOKING),
        **(told | second if opens else {}),
        "events": _all(
            session, select(BookingEvent).where(BookingEvent.booking_id == booking.id), BookingEvent.id, _EVENT
        ),
        "consents": _all(session, select(Consent).where(Consent.booking_id == booking.id), Consent.id, _CONSENT),
        "governing": _governing(session, booking.id),
        "call_facts": _all(session, select(CallFact).where(CallFact.booking_id == booking.id), CallFact.at, _FACT),
    }


def _call(session: Session, call: Call, *, opens: bool) -> dict[str, Any]:
    told = {
        column.removeprefix("sealed_"): _of_call(session, call, column)
        for column in ("sealed_name", "sealed_memo", "sealed_source_url")
    }
    return {
        **_plain(call, _CALL),
        **(told if opens else {}),
        "events": _all(session, select(CallEvent).where(CallEvent.call_id == call.id), CallEvent.id, _EVENT),
        "consents": _all(session, select(Consent).where(Consent.call_id == call.id), Consent.id, _CONSENT),
        "governing": _governing(session, call.id),
        "call_facts": _all(session, select(CallFact).where(CallFact.call_id == call.id), CallFact.at, _FACT),
    }


def _governing(session: Session, subject_id: UUID) -> list[dict[str, Any]]:
    query = select(GoverningTerms).where(GoverningTerms.subject_id == subject_id)
    return _all(session, query, GoverningTerms.document_id, _GOVERNS)


def _blocks(session: Session, customer: Customer) -> Sequence[Block]:
    """Return the blocks of the contact; of who was erased nobody can tell any more."""
    address = _or_none(lambda: address_of(session, customer))
    return blocking.blocks_of(session, customer.shop_id, Contact(customer.channel, address)) if address else ()


def _messages(
    session: Session, customer_id: UUID, bookings: Sequence[Booking], calls: Sequence[Call]
) -> list[dict[str, Any]]:
    """Return the messages to the customer, and those to the shop about the customer's bookings and calls."""
    about = or_(
        Message.customer_id == customer_id,
        Message.booking_id.in_([each.id for each in bookings]),
        Message.call_id.in_([each.id for each in calls]),
    )
    told = _rows(session, select(Message).where(about).order_by(Message.created_at, Message.id))
    return [_plain(each, _MESSAGE) | {"to": "customer" if each.customer_id else "shop"} for each in told]


def _with_text(
    row: Row, columns: Iterable[str], text: Callable[[Session, Row], str], session: Session, *, opens: bool
) -> dict[str, Any]:
    return _plain(row, columns) | ({"text": _or_none(lambda: text(session, row))} if opens else {})


def _of_booking(session: Session, booking: Booking, column: str) -> str | None:
    place = Place(booking.customer_id, "bookings", column, booking.id)
    return _unsealed(session, place, getattr(booking, column))


def _of_call(session: Session, call: Call, column: str) -> str | None:
    return _unsealed(session, Place(call.subject, "calls", column, call.id), getattr(call, column))


def _unsealed(session: Session, place: Place, sealed: bytes | None) -> str | None:
    return None if sealed is None else _or_none(lambda: unseal(session, place, sealed))


def _or_none(opened: Callable[[], str | None]) -> str | None:
    try:
        return opened()
    except Unreadable:
        return None


def _rows(session: Session, query: Select[Row]) -> Sequence[Row]:
    return session.scalars(query).all()


def _all(session: Session, query: Select[Row], order: Any, columns: Sequence[str]) -> list[dict[str, Any]]:
    return [_plain(row, columns) for row in _rows(session, query.order_by(order))]


def _plain(row: object, columns: Iterable[str]) -> dict[str, Any]:
    return {"shop" if each == "shop_id" else each: _json(getattr(row, each)) for each in columns}


def _json(value: object) -> Any:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case UUID():
            return str(value)
        case Enum():
            return value.value
        case _:
            return value


__all__ = ["trail", "whole"]
