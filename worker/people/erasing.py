"""Forgetting a customer at one shop: the key is shredded, what is sealed emptied, what names the contact gone (B36).

What stays bears nothing personal: bookings and calls, their trails, consents and messages without addresses (B43).
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from models.booking import Booking
from models.booking import Status as BookingStatus
from models.call import LIVE as LIVE_CALLS
from models.call import Call
from models.call_fact import ConductReport
from models.customer import Customer, Erased
from models.errors import StillOpen
from models.inquiry import CustomerRequest, Inquiry
from models.message import Message
from models.message import State as MessageState
from models.verification import Verification
from worker import inquiries
from worker.people import keeping
from worker.people.noting import note_about

OPEN_BOOKINGS = (BookingStatus.HELD, BookingStatus.CONFIRMED, BookingStatus.IN_CALL)


def erase(session: Session, customer: Customer, because: Erased, *, by: str, reason: str | None, now: datetime) -> bool:
    """Forget everything personal of a customer; False if it was forgotten before.

    With a keys database the key goes when the transaction is committed, by a job.

    Args:
        session: the operator's request, or the purge.
        customer: gets locked, so that nobody books in the middle of it.
        because: asked for, or kept for long enough.
        by: `person:<name>`, `key:<id>` or `system`.
        reason: the operator's own words; they outlive the customer's key and go with the shop's trails.
        now: business time.

    Raises:
        StillOpen: a booking, a call or an inquiry of theirs is open; `open` names them. Nothing was erased.
    """
    session.refresh(customer, with_for_update=True)
    if customer.erased_at is not None:
        return False
    if still_open := open_of(session, customer.id, now=now):
        raise StillOpen(customer_id=customer.id, open=" ".join(map(str, still_open)))
    _end_messages(session, customer.id, now=now)
    of = customer.id
    session.execute(
        update(Booking)
        .where(Booking.customer_id == of)
        .values(
            sealed_name=None,
            sealed_memo=None,
            sealed_source_url=None,
            sealed_second_contact=None,
            customer_ip_index=None,
            item_codes=[],
        )
    )
    session.execute(
        update(Call)
        .where(Call.customer_id == of)
        .values(sealed_name=None, sealed_memo=None, sealed_source_url=None, customer_ip_index=None, item_codes=[])
    )
    for texts in (Inquiry, CustomerRequest):
        session.execute(update(texts).where(texts.customer_id == of).values(sealed_text=None))
    session.execute(
        update(Verification)
        .where(Verification.customer_id == of)
        .values(contact_digest="", prefix_digest=None, network_digest=None)
    )
    session.execute(update(ConductReport).where(ConductReport.customer_id == of).values(sealed_text=b""))
    customer.erase(because, now=now)
    note_about(session, customer, "customer_erased", by=by, reason=reason, now=now, because=because)
    session.flush()
    keeping.forget(session, of)
    return True


def open_of(session: Session, customer_id: UUID, *, now: datetime) -> list[UUID]:
    """Return the customer's bookings, calls and inquiries that are not over."""
    bookings = select(Booking.id).where(Booking.customer_id == customer_id, Booking.status.in_(OPEN_BOOKINGS))
    calls = select(Call.id).where(Call.customer_id == customer_id, Call.status.in_(LIVE_CALLS))
    return [*session.scalars(bookings), *session.scalars(calls), *inquiries.open_of(session, customer_id, now=now)]


def _end_messages(session: Session, customer_id: UUID, *, now: datetime) -> None:
    """What is still to be sent, or to be found out, cannot be once nobody knows to whom."""
    because = {MessageState.QUEUED: "erased", MessageState.UNKNOWN: "never_known"}
    unfinished = select(Message).where(Message.customer_id == customer_id, Message.state.in_(because))
    for message in session.scalars(unfinished.with_for_update()).all():
        message.give_up(because[message.state], now=now)
    session.flush()


__all__ = ["OPEN_BOOKINGS", "erase", "open_of"]
