"""What operators may do about one customer: find, look, ask. Each is counted and written down with its reason (B31)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.booking import Booking
from models.call import Call
from models.customer import Customer
from models.errors import IllegalMove, TooManyRequests
from models.inquiry import CustomerRequest
from models.limit import Cap
from models.message import Kind
from models.shop import Shop
from worker import limits
from worker.chance import new_id
from worker.clock import unix_ms
from worker.customers import Contact
from worker.messages import tell_person
from worker.people import keeping, record
from worker.people.noting import note, note_about
from worker.people.saying import request_place
from worker.seals import seal

LOOKS = Cap(60, timedelta(hours=1))
"""By one person or key. Whoever looks more often has another reason than a customer's wish."""
REQUESTS = Cap(3, timedelta(days=7))
"""To one customer: more is no request for help any more."""
HELPS_FOR = timedelta(days=7)
"""How long an answer to a request is of use; so long the request waits to be sent, and nobody forgets whom it asks."""


def find(session: Session, shop_id: str, contact: Contact, *, by: str, reason: str, now: datetime) -> Customer | None:
    """Return the shop's customer with this contact, None if it knows none; that somebody asked is written down.

    Raises:
        TooManyRequests: they have looked often within the hour.
    """
    _count(session, by, now=now)
    query = select(Customer).where(Customer.shop_id == shop_id, Customer.contact_index == contact.index(shop_id))
    customer = session.scalars(query).one_or_none()
    found = {"customer_id": customer.id} if customer else {}
    note(
        session,
        shop_id,
        "customer_looked_up",
        by=by,
        reason=reason,
        sealed_for=keeping.subject_of_reason(session, customer, shop_id, now=now),
        now=now,
        found=customer is not None,
        **found,
    )
    return customer


def trail(session: Session, customer: Customer, *, by: str, reason: str, now: datetime) -> dict[str, Any]:
    """Return what happened with a customer, without anything that is sealed; see `record.trail`.

    Raises:
        TooManyRequests: they have looked often within the hour.
    """
    return _shown(session, customer, "trail_shown", record.trail, by=by, reason=reason, now=now)


def export(session: Session, customer: Customer, *, by: str, reason: str, now: datetime) -> dict[str, Any]:
    """Return everything that is kept of a customer, opened, to be handed to that customer; see `record.whole` (B36).

    The caller commits before it shows anything.

    Raises:
        TooManyRequests: they have looked often within the hour.
    """
    return _shown(session, customer, "customer_exported", record.whole, by=by, reason=reason, now=now)


def ask(session: Session, customer: Customer, text: str, *, by: str, reason: str, now: datetime) -> CustomerRequest:
    """Send a customer one message that asks for help, by the contact that is known.

    Args:
        session: the operator's request.
        customer: whom.
        text: what is asked, in one line of up to 120 characters; it is sealed.
        by: `person:<name>` or `key:<id>`.
        reason: why; it is sealed too, and not sent.
        now: business time.

    Raises:
        IllegalMove: the customer was erased.
        TooManyRequests: the customer was asked three times within a week.

    Source: clause B31, 第3条6.
    """
    if customer.erased_at is not None:
        raise IllegalMove(customer_id=customer.id)
    _count(session, customer.id.hex, now=now, what="requests", cap=REQUESTS)
    request_id = new_id(unix_ms())
    asked = CustomerRequest(
        id=request_id,
        customer_id=customer.id,
        sealed_text=seal(session, request_place(customer.id, request_id), text),
        at=now,
        by=by,
    )
    session.add(asked)
    tell_person(
        session,
        customer,
        Kind.CUSTOMER_REQUEST,
        language=_language(session, customer),
        now=now,
        expires_at=now + HELPS_FOR,
        part=str(request_id),
        facts={"request_id": str(request_id)},
    )
    note_about(session, customer, "customer_asked", by=by, reason=reason, now=now, request_id=request_id)
    return asked


def _shown(
    session: Session,
    customer: Customer,
    kind: str,
    gathered: Callable[[Session, Customer], dict[str, Any]],
    *,
    by: str,
    reason: str,
    now: datetime,
) -> dict[str, Any]:
    _count(session, by, now=now)
    note_about(session, customer, kind, by=by, reason=reason, now=now)
    session.flush()
    return gathered(session, customer)


def _count(session: Session, who: str, *, now: datetime, what: str = "looks", cap: Cap = LOOKS) -> None:
    key = f"{what}:people:{who}"
    if limits.count(session, key, cap, now=now) > cap.most:
        _, ends_at = limits.counted(session, key, now=now)
        raise TooManyRequests(retry_at=ends_at)


def _language(session: Session, customer: Customer) -> str:
    """Return the language the customer used last; the shop's, if they used none."""
    booked = select(Booking.language).where(Booking.customer_id == customer.id).order_by(Booking.created_at.desc())
    called = select(Call.language).where(Call.customer_id == customer.id).order_by(Call.requested_at.desc())
    used = session.scalars(booked.limit(1)).first() or session.scalars(called.limit(1)).first()
    return used or session.get_one(Shop, customer.shop_id).language


__all__ = ["HELPS_FOR", "LOOKS", "REQUESTS", "ask", "export", "find", "trail"]
