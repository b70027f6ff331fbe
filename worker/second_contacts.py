"""What a booking's second contact is told: what an SMS could not carry. It knows when, not the words.

The second contact is a mailbox that nobody has proven, beside a number that is. No code goes there, and while the SMS
carries everything nothing does.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.booking import Booking
from models.customer import Channel
from models.message import CODES, Message
from worker.composing import WITH_A_CALENDAR_FILE, carries_urls
from worker.messages import booking_named, tell_second_contact
from worker.wording import loses_urls


def tell_beside(session: Session, message: Message, booking: Booking | None, *, carrier: str, now: datetime) -> bool:
    """Owe the second contact what an SMS that goes out now by this account leaves out; False if there is nothing.

    Once it has been told of the call, its calendar holds the call: then it is told of changes and of the end as well.
    """
    if booking is None or not _may_be_told(message, booking):
        return False
    leaves_out = not carries_urls(message.channel, carrier) and loses_urls(
        message.kind, channel=message.channel, language=message.language
    )
    if leaves_out or (message.kind in WITH_A_CALENDAR_FILE and _was_told(session, booking)):
        return tell_second_contact(session, message, booking, now=now)
    return False


def tell_instead(session: Session, message: Message, *, now: datetime) -> bool:
    """Owe the second contact an SMS that did not get through; False if there is no such contact.

    What went there beside the SMS, or owing it twice, is one message.
    """
    booking = booking_named(session, message)
    if booking is None or not _may_be_told(message, booking):
        return False
    tell_second_contact(session, message, booking, now=now)
    return True


def _may_be_told(message: Message, booking: Booking) -> bool:
    return (
        booking.sealed_second_contact is not None
        and message.customer_id is not None
        and message.channel is booking.channel is Channel.SMS
        and message.kind not in CODES
    )


def _was_told(session: Session, booking: Booking) -> bool:
    query = select(Message.id).where(
        Message.booking_id == booking.id, Message.customer_id.is_not(None), Message.channel == Channel.MAIL
    )
    return session.scalars(query.limit(1)).first() is not None
