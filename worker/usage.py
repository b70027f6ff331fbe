"""What a shop's month has cost the platform: minutes of calls and parts of SMS. No customer pays for any of it (B28).

It counts rows that are there anyway, when it is asked; it knows no price, and nothing of it reaches a customer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.booking import Booking
from models.booking import Status as BookingStatus
from models.calendar import first_instant
from models.call import Call
from models.call import Status as CallStatus
from models.customer import Channel
from models.message import Attempt, Message
from models.shop import Shop

SECONDS_A_MINUTE = 60
_TAKEN = ("accepted", "unknown")
"""Answers after which a vendor may charge: what is unknown may have been sent."""


@dataclass(frozen=True)
class Calls:
    """Calls that both sides were in.

    Attributes:
        count: how many.
        minutes: as providers bill: each call by itself, rounded up to the next whole minute.
        seconds: the same, to the second.
    """

    count: int
    minutes: int
    seconds: int

    @classmethod
    def of(cls, lengths: Iterable[int]) -> "Calls":
        """Add up calls of so many seconds each; one of none was no call."""
        real = [seconds for seconds in lengths if seconds > 0]
        return cls(len(real), sum(-(-seconds // SECONDS_A_MINUTE) for seconds in real), sum(real))


@dataclass(frozen=True)
class Usage:
    """One shop's month, by the shop's calendar.

    Attributes:
        begins_at, ends_at: the month; the end is exclusive.
        booked, at_once: the calls that began in it.
        sms, sms_segments, mails: what vendors took in it, or may have taken.
    """

    begins_at: datetime
    ends_at: datetime
    booked: Calls
    at_once: Calls
    sms: int
    sms_segments: int
    mails: int


def of_month(session: Session, shop: Shop, month: date) -> Usage:
    """Return what a shop has used in the month that `month` lies in.

    Source: clause B28, 「本サービスは無料でご利用いただけます」.
    """
    first = month.replace(day=1)
    after = first.replace(year=first.year + 1, month=1) if first.month == 12 else first.replace(month=first.month + 1)  # noqa: PLR2004 - December
    begins_at, ends_at = first_instant(first, shop.zone), first_instant(after, shop.zone)
    sent = {channel: (count, segments) for channel, count, segments in _sent(session, shop, begins_at, ends_at)}
    sms, segments = sent.get(Channel.SMS, (0, 0))
    mails, _ = sent.get(Channel.MAIL, (0, 0))
    return Usage(
        begins_at,
        ends_at,
        booked=Calls.of(_booked(session, shop, begins_at, ends_at)),
        at_once=Calls.of(_at_once(session, shop, begins_at, ends_at)),
        sms=sms,
        sms_segments=segments,
        mails=mails,
    )


def _booked(session: Session, shop: Shop, begins_at: datetime, ends_at: datetime) -> list[int]:
    query = select(Booking).where(
        Booking.shop_id == shop.id,
        Booking.starts_at >= begins_at,
        Booking.starts_at < ends_at,
        Booking.status == BookingStatus.COMPLETED,
    )
    return [booking.talked_seconds for booking in session.scalars(query)]


def _at_once(session: Session, shop: Shop, begins_at: datetime, ends_at: datetime) -> list[int]:
    query = select(Call).where(
        Call.shop_id == shop.id,
        Call.requested_at >= begins_at,
        Call.requested_at < ends_at,
        Call.status == CallStatus.ENDED,
    )
    return [call.talked_seconds for call in session.scalars(query)]


def _sent(session: Session, shop: Shop, begins_at: datetime, ends_at: datetime) -> list[tuple[Channel, int, int]]:
    query = (
        select(Message.channel, func.count(Attempt.id), func.sum(Attempt.segments))
        .join(Message, Message.id == Attempt.message_id)
        .where(
            Message.shop_id == shop.id,
            Attempt.started_at >= begins_at,
            Attempt.started_at < ends_at,
            Attempt.answer.in_(_TAKEN),
        )
        .group_by(Message.channel)
    )
    return [(channel, count, int(segments or 0)) for channel, count, segments in session.execute(query)]


__all__ = ["Calls", "Usage", "of_month"]
