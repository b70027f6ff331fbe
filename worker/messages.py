"""Owing somebody a message: the row and the job that will deliver it, written in one transaction with their cause."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from models.booking import Booking, Status
from models.call import Call
from models.customer import Channel, Customer
from models.job import Name
from models.message import NATURES, Kind, Message, State, WhenUnknown
from models.shop import Shop
from models.verification import Verification
from worker.chance import new_id
from worker.clock import unix_ms
from worker.database import insert_new
from worker.jobs import enqueue
from worker.webhooks import tell_of_message

AGAIN_AFTER = timedelta(minutes=10)
"""When something is said once more that did not arrive: by then a handset may be on again, a sender's queue shorter."""
_AGAIN = ":again"


def tell_customer(
    session: Session,
    booking: Booking,
    kind: Kind,
    *,
    now: datetime,
    expires_at: datetime,
    part: str = "",
    language: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> bool:
    """Owe the customer one message of this kind for this revision; False if it was owed already.

    Args:
        session: the transaction that makes the message necessary.
        booking: whom and what it concerns.
        kind: what is said.
        now: business time.
        expires_at: from when on it would no longer help.
        part: tells apart what may be said more than once a revision, such as each code sent.
        language: of the message; the booking's unless told.
        facts: what the words need besides the rows.
    """
    return _owe(
        session,
        kind,
        once_key=f"{kind}:{booking.id}:{booking.revision}:{part}",
        now=now,
        channel=booking.channel,
        language=language or booking.language,
        shop_id=booking.shop_id,
        customer_id=booking.customer_id,
        booking_id=booking.id,
        revision=booking.revision,
        expires_at=expires_at,
        facts=dict(facts or {}),
    )


def tell_contact(session: Session, verification: Verification, kind: Kind, *, now: datetime, part: str) -> bool:
    """Owe a contact that is being proven, for no booking, one message; False if it was owed already.

    Args:
        session: the transaction that makes the message necessary.
        verification: what it is for; the message is of no use when its code is not.
        kind: what is said.
        now: business time.
        part: tells apart the codes that were asked for.
    """
    customer = session.get_one(Customer, verification.customer_id)
    return _owe(
        session,
        kind,
        once_key=f"{kind}:{verification.id}:{part}",
        now=now,
        channel=verification.channel,
        language=verification.language,
        shop_id=customer.shop_id,
        customer_id=customer.id,
        booking_id=None,
        revision=None,
        expires_at=verification.expires_at,
        facts={"verification_id": str(verification.id)},
    )


def tell_person(
    session: Session,
    customer: Customer,
    kind: Kind,
    *,
    language: str,
    now: datetime,
    expires_at: datetime,
    part: str,
    facts: Mapping[str, Any],
) -> UUID | None:
    """Owe a customer one message that is about no booking, and return its id; None if it was owed already.

    Args:
        session: the transaction that makes the message necessary.
        customer: to whose contact it goes.
        kind: what is said.
        language: of the message.
        now: business time.
        expires_at: from when on it would no longer help.
        part: what makes it one message.
        facts: ids of what its words are opened from.
    """
    return _owed(
        session,
        kind,
        once_key=f"{kind}:{customer.id}:{part}",
        now=now,
        channel=customer.channel,
        language=language,
        shop_id=customer.shop_id,
        customer_id=customer.id,
        booking_id=None,
        revision=None,
        expires_at=expires_at,
        facts=dict(facts),
    )


def tell_shop(
    session: Session,
    shop: Shop,
    kind: Kind,
    *,
    now: datetime,
    expires_at: datetime,
    about: str,
    booking: Booking | None = None,
    call: Call | None = None,
    facts: Mapping[str, Any] | None = None,
) -> bool:
    """Owe the shop one notice of this kind about this; False if it was owed already.

    Args:
        session: the transaction that makes the notice necessary.
        shop: who is told.
        kind: what is said.
        now: business time.
        expires_at: from when on it would no longer help.
        about: what makes it one notice: a booking's revision, or a day.
        booking: the booking it concerns, or None for a list.
        call: the call at once it concerns.
        facts: what the words need besides the rows.
    """
    return _owe(
        session,
        kind,
        once_key=f"{kind}:{about}",
        now=now,
        channel=Channel.MAIL,
        language=shop.language,
        shop_id=shop.id,
        customer_id=None,
        booking_id=booking.id if booking else None,
        call_id=call.id if call else None,
        revision=booking.revision if booking else None,
        expires_at=expires_at,
        facts=dict(facts or {}),
    )


def tell_caller(session: Session, call: Call, kind: Kind, *, now: datetime, expires_at: datetime) -> bool:
    """Owe whoever asked for a call at once one message of this kind; False if they left no contact, or it was owed.

    The contact is not proven: it was typed by whoever called, and gets one message a call.
    """
    if call.customer_id is None or call.channel is None:
        return False
    return _owe(
        session,
        kind,
        once_key=f"{kind}:{call.id}",
        now=now,
        channel=call.channel,
        language=call.language,
        shop_id=call.shop_id,
        customer_id=call.customer_id,
        booking_id=None,
        call_id=call.id,
        revision=None,
        expires_at=expires_at,
        facts={},
    )


def message_moved(session: Session, message: Message, before: State, *, now: datetime) -> None:
    """Tell whoever waits to hear it that a message is no longer where it was; the same state tells nobody.

    Args:
        session: the transaction of the move.
        message: as it stands now.
        before: its state before what may have moved it.
        now: when.
    """
    if message.state is before:
        return
    tell_of_message(session, message, before, now=now)
    if message.case_id is not None:
        enqueue(session, Name.HEAR_NOTICE, message_id=message.id)


def say_again(session: Session, message: Message, *, now: datetime) -> bool:
    """Owe once more, as a message of its own, what a vendor says did not arrive; False if it is not to be.

    Only what a person would have to see to otherwise, while it still helps, and once: a reminder is sent at most once,
    a code is asked for again. Whether it is still true is asked before it goes.
    """
    again = (
        message.nature.when_unknown is WhenUnknown.A_PERSON_DECIDES
        and not message.once_key.endswith(_AGAIN)
        and now + AGAIN_AFTER < message.expires_at
    )
    if again:
        _owe_like(session, message, once_key=message.once_key + _AGAIN, now=now, due_at=now + AGAIN_AFTER)
    return again


def tell_second_contact(session: Session, message: Message, booking: Booking, *, now: datetime) -> bool:
    """Owe by mail what an SMS says, once however often that is tried or said again; False if it was owed already."""
    if message.booking_id is None:
        # It named this booking, of those that the customer has.
        once_key, about = f"{message.kind}:{message.id}:second", booking.id
    else:
        # Of one kind there may be several a revision: the part of the key that tells them apart stays in it.
        once_key = message.once_key.removesuffix(_AGAIN).rstrip(":") + ":second"
        about = message.booking_id
    return _owe_like(session, message, once_key=once_key, now=now, channel=Channel.MAIL, booking_id=about)


def booking_named(session: Session, message: Message) -> Booking | None:
    """Return the booking that a message is about: its own, or that of its customer which is open and next, if any."""
    if message.booking_id is not None:
        return session.get(Booking, message.booking_id)
    if message.nature.of_any_booking and message.customer_id is not None:
        return next(iter(session.scalars(open_bookings(message.customer_id))), None)
    return None


def open_bookings(customer_id: UUID) -> Select[Booking]:
    """Return the query of a customer's bookings that are confirmed and not over, the next first."""
    is_open = Booking.status.in_((Status.CONFIRMED, Status.IN_CALL))
    return select(Booking).where(Booking.customer_id == customer_id, is_open).order_by(Booking.starts_at, Booking.id)


def void_unsent(session: Session, booking: Booking, *, now: datetime) -> None:
    """Void what was to be said of an earlier state of the booking and has not been sent.

    What is being sent just now cannot be recalled: the window is the call to the vendor.
    """
    query = (
        select(Message)
        .where(Message.booking_id == booking.id, Message.state == State.QUEUED, Message.customer_id.is_not(None))
        .with_for_update(skip_locked=True)
    )
    for message in session.scalars(query):
        if not message.is_true_of(booking):
            message.void(now=now)


def _owe_like(
    session: Session, message: Message, *, once_key: str, now: datetime, due_at: datetime | None = None, **other: Any
) -> bool:
    """Owe a message that says what another one says."""
    same = {
        "channel": message.channel,
        "language": message.language,
        "shop_id": message.shop_id,
        "customer_id": message.customer_id,
        "booking_id": message.booking_id,
        "call_id": message.call_id,
        "revision": message.revision,
        "expires_at": message.expires_at,
        "facts": message.facts,
    }
    return _owe(session, message.kind, once_key=once_key, now=now, due_at=due_at, **(same | other))


def _owe(
    session: Session, kind: Kind, *, once_key: str, now: datetime, due_at: datetime | None = None, **columns: Any
) -> bool:
    return _owed(session, kind, once_key=once_key, now=now, due_at=due_at, **columns) is not None


def _owed(
    session: Session, kind: Kind, *, once_key: str, now: datetime, due_at: datetime | None = None, **columns: Any
) -> UUID | None:
    written: UUID | None = session.scalars(
        insert_new(session, Message)
        .values(
            id=new_id(unix_ms()), kind=kind, once_key=once_key, state=State.QUEUED, tries=0, created_at=now, **columns
        )
        .on_conflict_do_nothing(index_elements=[Message.once_key])
        .returning(Message.id)
    ).one_or_none()
    if written is not None:
        enqueue(session, Name.DELIVER_MESSAGE, due_at=due_at, queue=NATURES[kind].queue, message_id=written)
    return written
