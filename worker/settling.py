"""What becomes of messages after the call: unknown outcomes that are looked into, addresses that are dead, reports.

Until an outcome is known nothing is sent again and no other vendor is tried.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from models.booking import Booking
from models.customer import Customer
from models.job import Name
from models.message import CODES, Attempt, Kind, Message, State
from models.shop import Shop
from worker import suppressions
from worker.customers import address_of
from worker.jobs import enqueue
from worker.messages import tell_shop
from worker.seals import Unreadable

LOOKS = (timedelta(seconds=75), timedelta(minutes=5), timedelta(minutes=30))
"""When the vendor is asked after an answer was lost: a signed report may come first and settles it for free.

The first is later than a vendor may go on with a request whose caller hung up (26 seconds were seen), and than the
minute after which its list is complete.
"""
_REASONS = {
    "21610": "stop",
    "21211": "invalid",
    "21614": "not_mobile",
    "21635": "not_mobile",
    "30005": "unreachable",
    "30006": "unreachable",
}
_MAIL_REASONS = {"bounced_address": "bounced", "invalid": "invalid", "spam_reporting_address": "spam_report"}
_SHOP_IS_TOLD_FOR = timedelta(days=7)


def look_later(session: Session, message: Message, *, now: datetime, look: int = 0) -> None:
    """Owe a look at the vendor, if the outcome is still unknown then."""
    if message.state is State.UNKNOWN and look < len(LOOKS):
        enqueue(
            session,
            Name.SETTLE_MESSAGE,
            due_at=now + LOOKS[look],
            queue=message.nature.queue,
            message_id=message.id,
            look=look,
        )


def cannot_be_reached(session: Session, message: Message, *, now: datetime) -> None:
    """A message ended without arriving: free a slot whose code cannot come, tell the shop of a customer it loses."""
    if message.customer_id is None or message.booking_id is None:
        return
    if message.kind in CODES:
        number = message.facts.get("number", 0)
        enqueue(session, Name.RELEASE_UNDELIVERABLE, booking_id=message.booking_id, number=number)
        return
    booking = session.get_one(Booking, message.booking_id)
    tell_shop(
        session,
        session.get_one(Shop, message.shop_id),
        Kind.SHOP_CUSTOMER_UNREACHABLE,
        now=now,
        expires_at=max(booking.entry_closes_at, now + _SHOP_IS_TOLD_FOR),
        about=str(booking.id),
        booking=booking,
    )


def reason_of(code: str | None, status: str) -> str | None:
    """Return for what reason a vendor's code or report silences an address; None if it does not."""
    if status == "spamreport":
        return "spam_report"
    if status == "unsubscribe":
        return "unsubscribed"
    if code is None:
        return None
    if status == "bounce":
        # A block is about this mail or this hour; a bounce with a permanent status is about the mailbox.
        return "bounced" if code == "bounce" or code.startswith("bounce:5") else None
    return _REASONS.get(code) or _MAIL_REASONS.get(code)


def silence(
    session: Session, message: Message, code: str, *, attempt_id: UUID, now: datetime, status: str = ""
) -> None:
    """Send nothing more to this message's address, if the vendor's code or report says that it is dead or unwilling."""
    reason = reason_of(code, status)
    if reason is None or message.customer_id is None:
        return
    try:
        address = address_of(session, session.get_one(Customer, message.customer_id))
    except Unreadable:
        return
    if suppressions.silence(session, message.channel, address, reason, attempt_id=attempt_id, now=now):
        cannot_be_reached(session, message, now=now)


def unknown_attempt(session: Session, message_id: UUID) -> Attempt | None:
    """Return the call whose answer was lost."""
    query = select(Attempt).where(Attempt.message_id == message_id, Attempt.answer == "unknown")
    return session.scalars(query.order_by(Attempt.started_at.desc()).limit(1)).one_or_none()


def references_near(session: Session, attempt: Attempt, *, until: datetime) -> frozenset[str]:
    """Return the vendor's references that belong to other calls made about then."""
    query = select(Attempt.reference).where(
        Attempt.vendor == attempt.vendor,
        Attempt.started_at >= attempt.started_at - timedelta(days=1),
        Attempt.started_at <= until,
        Attempt.reference.is_not(None),
        Attempt.id != attempt.id,
        Attempt.message_id.in_(_of_the_same_customer(attempt)),
    )
    return frozenset(reference for reference in session.scalars(query) if reference is not None)


def _of_the_same_customer(attempt: Attempt) -> Select[UUID]:
    owner = select(Message.customer_id).where(Message.id == attempt.message_id).scalar_subquery()
    return select(Message.id).where(Message.customer_id == owner)


def waiting_for_a_person(session: Session) -> int:
    """Return how many messages have an unknown outcome."""
    return session.scalars(select(func.count()).where(Message.state == State.UNKNOWN)).one()
