"""Whether a message goes now, by whom, or why not. All that can keep it waiting or end it is asked here, in order.

Counting comes last: a message that waits and is asked again is one message.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from models.carrier import Carrier, next_ready_at
from models.customer import Channel
from models.limit import Cap, Rate
from models.message import CODES, Message, Subject
from models.period import JAPAN
from models.segments import count as segments_of
from models.shop import Shop
from worker import carriers, limits, postponing, suppressions
from worker.composing import compose
from worker.database import after_commit
from worker.seals import Unreadable
from worker.settings import settings
from worker.vendors import Outgoing, OutgoingSms

SILENCED = "silenced"
A_CONTACT_A_DAY = Cap(30, timedelta(days=1))
"""Messages to one contact a day, all shops together."""
A_BOOKING = Cap(40, timedelta(days=365))
_SEGMENTS_A_MESSAGE = 3
_BURST_SECONDS = 0.2
"""After a pause, such as an outage, the first second may hold this much more than the rate, and not twice the rate."""
_CODES_PART = 0.5
_A_DAY = Cap(1, timedelta(days=1))
_CASES = "cases"
"""The lane of what is of no shop."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class Go:
    """It goes now."""

    carrier: str
    outgoing: Outgoing


@dataclass(frozen=True)
class Wait:
    """It is asked again then."""

    until: datetime


@dataclass(frozen=True)
class End:
    """It is not sent, now or later."""

    because: str


def decide(
    session: Session, message: Message, subject: Subject | None, attempt_id: UUID, *, now: datetime
) -> Go | Wait | End:
    """Return what becomes of a wanted message now.

    Raises:
        LookupError: a row that it needs is gone.
    """
    if (morning := _morning(session, message, now)) is not None:
        return Wait(morning)
    accounts = carriers.of_channel(session, message.channel, now=now)
    carrier = carriers.pick(session, accounts, now=now, probes=message.tries == 0)
    if carrier is None:
        return Wait(_ready_at(message, accounts, now) + _spread(session, message, of_shop=False))
    try:
        outgoing = compose(session, message, subject, attempt_id, carrier=carrier.name, now=now)
    except Unreadable:
        return End("erased")
    if suppressions.silenced(session, message.channel, outgoing.to, now=now) is not None:
        return End(SILENCED)
    if not _within_rates(session, message, carrier.name, outgoing):
        return Wait(now + _spread(session, message, of_shop=True))
    return _counted(session, message, Go(carrier.name, outgoing), now)


def _counted(session: Session, message: Message, go: Go, now: datetime) -> Go | End:
    """Count what goes: by contact, by booking, and what it costs."""
    too_many = _too_many(session, message, go.outgoing, now)
    if too_many is not None:
        return End(too_many)
    _watch_spend(session, go.carrier, go.outgoing, now)
    return go


def _morning(session: Session, message: Message, now: datetime) -> datetime | None:
    if not message.nature.keeps_quiet:
        return None
    zone = JAPAN if message.shop_id is None else session.get_one(Shop, message.shop_id).zone
    return postponing.end_of_quiet(now, zone)


def _ready_at(message: Message, accounts: Sequence[Carrier], now: datetime) -> datetime:
    # A probe is mostly answered within a second. Only what a customer waits for is worth looking again so soon.
    is_probed = any(each.probed_at is not None and each.rests_until is not None for each in accounts)
    return now if is_probed and message.kind in CODES else next_ready_at(accounts, now=now)


def _spread(session: Session, message: Message, *, of_shop: bool) -> timedelta:
    """Return a wait among those that wait for the same thing.

    A code waits among codes only: behind a backlog of reminders it would outlive its use. As codes do not ask whether
    the rate is spent, they come back at half of it.
    """
    urgent = message.kind in CODES
    return postponing.spread(
        session,
        message.channel,
        per_second=_messages_a_second(message.channel) * (_CODES_PART if urgent else 1.0),
        shop_id=message.shop_id if of_shop else None,
        kinds=CODES if urgent else None,
    )


def _within_rates(session: Session, message: Message, carrier: str, outgoing: Outgoing) -> bool:
    """Take what the call costs of the account's rates; codes go first, and let the others wait for it."""
    urgent = message.kind in CODES
    lane = message.shop_id or _CASES
    configured = settings()
    account = next(each for each in (*configured.sms_carriers, *configured.mail_carriers) if each.name == carrier)
    requests = Rate(account.requests_per_second, _BURST_SECONDS)
    if not isinstance(outgoing, OutgoingSms):
        wait = limits.take_fairly(session, f"requests:{carrier}", lane, requests, overdraw=urgent)
        return wait is None
    sender = next(each for each in configured.sms_carriers if each.name == carrier)
    segments = Rate(sender.segments_per_second, _BURST_SECONDS)
    cost = segments_of(outgoing.text).segments
    return (
        limits.take_fairly(session, f"segments:{carrier}", lane, segments, cost=cost, overdraw=urgent) is None
        and limits.take(session, f"requests:{carrier}", requests, overdraw=urgent) is None
    )


def _too_many(session: Session, message: Message, outgoing: Outgoing, now: datetime) -> str | None:
    """Return which cap this message would break: no fault of ours may send one person a hundred."""
    if message.customer_id is None:
        return None
    contact = suppressions.digest(message.channel, outgoing.to)
    if limits.count(session, f"contact:{contact}", A_CONTACT_A_DAY, now=now) > A_CONTACT_A_DAY.most:
        return "too_many_a_day"
    if message.booking_id is None:
        return None
    if limits.count(session, f"booking:{message.booking_id}", A_BOOKING, now=now) > A_BOOKING.most:
        return "too_many_a_booking"
    return None


def segments_in(outgoing: Outgoing) -> int | None:
    """Return in how many parts it is paid; None if it is no SMS."""
    return segments_of(outgoing.text).segments if isinstance(outgoing, OutgoingSms) else None


def _watch_spend(session: Session, carrier: str, outgoing: Outgoing, now: datetime) -> None:
    """Count the day's segments of an account, and raise an alarm once when they are more than they should be."""
    if not isinstance(outgoing, OutgoingSms):
        return
    cost = segments_of(outgoing.text).segments
    spent = limits.count(session, f"segments-a-day:{carrier}", _A_DAY, now=now, by=cost)
    if spent - cost < settings().sms_segments_alarm <= spent:
        said = {"vendor": carrier, "count": spent}
        # What is rolled back was not spent, and would be alarmed about a second time.
        after_commit(session, lambda: _log.error("an account sent more segments today than it should", extra=said))


def _messages_a_second(channel: Channel) -> float:
    """Return how many messages a second a channel's accounts carry together, for spreading those that wait."""
    configured = settings()
    if channel is Channel.MAIL:
        return sum(account.requests_per_second for account in configured.mail_carriers)
    return sum(
        min(account.requests_per_second, account.segments_per_second / _SEGMENTS_A_MESSAGE)
        for account in configured.sms_carriers
    )
