"""What becomes of messages after the call: unknown outcomes that are looked into, addresses that are dead, reports.

Until an outcome is known nothing is sent again and no other vendor is tried.
"""

import logging
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from models.job import Name
from models.message import CODES, Attempt, Kind, Message, State
from models.shop import Shop
from worker import guards, second_contacts, suppressions
from worker.customers import Contact
from worker.jobs import enqueue
from worker.messages import booking_named, say_again, tell_shop
from worker.recipients import address_for, is_to_second_contact
from worker.seals import Unreadable
from worker.vendors import Fate, fate_of, silences

LOOKS = (timedelta(seconds=75), timedelta(minutes=5), timedelta(minutes=30))
"""When the vendor is asked after an answer was lost: a signed report may come first and settles it for free.

The first is later than a vendor may go on with a request whose caller hung up (26 seconds were seen), and than the
minute after which its list is complete.
"""
_A_PERSON_SHOULD_SEE = frozenset({Fate.FILTERED, Fate.PUMPING, Fate.UNHEARD_OF})
_SHOP_IS_TOLD_FOR = timedelta(days=7)
_ABOUT_THEN = timedelta(minutes=2)
"""Longer than any call lasts, and than any two clocks are apart."""
_log = logging.getLogger(__name__)


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


def did_not_arrive(session: Session, message: Message, code: str | None, *, now: datetime) -> None:
    """Do what the vendor's reason calls for, after it told that a message which it had taken did not arrive.

    Once more or by another channel it is a message of its own, and owed once; nothing is where that might be the second
    to arrive. In doubt the shop is told instead.
    """
    fate = fate_of(message.channel, code)
    if fate in _A_PERSON_SHOULD_SEE:
        _log.error(
            "messages do not arrive for a reason that a person must see to",
            extra={"message_id": str(message.id), "channel": message.channel, "code": code, "reason": fate},
        )
    if fate is Fate.PUMPING:
        _block_prefix(session, message, now=now)
    if fate is Fate.EXPIRED and (message.kind in CODES or now >= message.expires_at):
        return  # it could not help any more
    if fate in {Fate.LATER, Fate.EXPIRED} and say_again(session, message, now=now):
        return
    if fate in {Fate.FILTERED, Fate.UNCLEAR} and second_contacts.tell_instead(session, message, now=now):
        return
    cannot_be_reached(session, message, now=now)


def cannot_be_reached(session: Session, message: Message, *, now: datetime) -> None:
    """A message ended without arriving: free a slot whose code cannot come, tell the shop of a customer it loses."""
    booking = booking_named(session, message) if message.customer_id is not None else None
    if booking is None:
        return
    if message.kind in CODES:
        number = message.facts.get("number", 0)
        enqueue(session, Name.RELEASE_UNDELIVERABLE, booking_id=booking.id, number=number)
        return
    is_second = is_to_second_contact(message, booking)
    tell_shop(
        session,
        session.get_one(Shop, message.shop_id),
        Kind.SHOP_CUSTOMER_UNREACHABLE,
        now=now,
        expires_at=max(booking.entry_closes_at, now + _SHOP_IS_TOLD_FOR),
        about=f"{booking.id}:second" if is_second else str(booking.id),
        booking=booking,
        facts={"channel": message.channel.value},
    )


def silence(
    session: Session, message: Message, code: str | None, *, attempt_id: UUID, now: datetime, status: str = ""
) -> None:
    """Send nothing more to this message's address, if the vendor's code or report says that it is dead or unwilling."""
    reason = silences(message.channel, code, status)
    if reason is None or (message.customer_id is None and message.case_id is None):
        return
    try:
        address = address_for(session, message)
    except Unreadable:
        return
    if suppressions.silence(session, message.channel, address, reason, attempt_id=attempt_id, now=now):
        cannot_be_reached(session, message, now=now)


def _block_prefix(session: Session, message: Message, *, now: datetime) -> None:
    """Send no more codes to numbers that begin like this one, for as long as guards.py says."""
    try:
        guards.block_prefix(session, Contact(message.channel, address_for(session, message)), now=now)
    except Unreadable:
        return


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
        Attempt.message_id.in_(_of_the_same_person(attempt)),
    )
    return frozenset(reference for reference in session.scalars(query) if reference is not None)


def is_alone(session: Session, attempt: Attempt, *, until: datetime) -> bool:
    """Whether no other call to this customer, made about then, might be the one that a nameless message is from.

    Such a call has no reference yet: its answer was lost as well, or is still to come, and no report was applied.
    """
    rival = (
        select(Attempt.id)
        .where(
            Attempt.vendor == attempt.vendor,
            Attempt.started_at >= attempt.started_at - _ABOUT_THEN,
            Attempt.started_at <= until,
            Attempt.reference.is_(None),
            or_(Attempt.answer.is_(None), Attempt.answer == "unknown"),
            Attempt.id != attempt.id,
            Attempt.message_id.in_(_of_the_same_person(attempt)),
        )
        .limit(1)
    )
    return session.scalars(rival).first() is None


def _of_the_same_person(attempt: Attempt) -> Select[UUID]:
    mine = select(Message).where(Message.id == attempt.message_id).subquery()
    return select(Message.id).where(
        (Message.customer_id == mine.c.customer_id)
        | ((Message.case_id == mine.c.case_id) & (Message.party == mine.c.party))
    )


def waiting_for_a_person(session: Session) -> int:
    """Return how many messages have an unknown outcome."""
    return session.scalars(select(func.count()).where(Message.state == State.UNKNOWN)).one()
