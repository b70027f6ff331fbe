"""Owing somebody a message: the row and the job that will deliver it, written in one transaction with their cause."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.booking import Booking
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
        facts: what the words need besides the rows.
    """
    return _owe(
        session,
        kind,
        once_key=f"{kind}:{booking.id}:{booking.revision}:{part}",
        now=now,
        channel=booking.channel,
        language=booking.language,
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


def tell_shop(
    session: Session,
    shop: Shop,
    kind: Kind,
    *,
    now: datetime,
    expires_at: datetime,
    about: str,
    booking: Booking | None = None,
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
        revision=booking.revision if booking else None,
        expires_at=expires_at,
        facts=dict(facts or {}),
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


def tell_second_contact(session: Session, message: Message, *, now: datetime) -> bool:
    """Owe by mail what an SMS says, once for each kind and revision; False if it was owed already."""
    once_key = f"{message.kind}:{message.booking_id}:{message.revision}:second"
    return _owe_like(session, message, once_key=once_key, now=now, channel=Channel.MAIL)


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
        "revision": message.revision,
        "expires_at": message.expires_at,
        "facts": message.facts,
    }
    return _owe(session, message.kind, once_key=once_key, now=now, due_at=due_at, **(same | other))


def _owe(
    session: Session, kind: Kind, *, once_key: str, now: datetime, due_at: datetime | None = None, **columns: Any
) -> bool:
    written = session.scalars(
        insert_new(session, Message)
        .values(
            id=new_id(unix_ms()), kind=kind, once_key=once_key, state=State.QUEUED, tries=0, created_at=now, **columns
        )
        .on_conflict_do_nothing(index_elements=[Message.once_key])
        .returning(Message.id)
    ).one_or_none()
    if written is None:
        return False
    enqueue(session, Name.DELIVER_MESSAGE, due_at=due_at, queue=NATURES[kind].queue, message_id=written)
    return True
