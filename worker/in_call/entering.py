"""Into a booked call and out of it, from our own pages. The booking decides who may; the room is the provider's."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from models.booking import Booking, Side
from models.call import Call, Status
from models.call_fact import FactKind, Symptom, failed_side
from models.errors import EntryUsed, IllegalMove, Refusal, TooManyRequests
from models.limit import Cap
from worker import limits, presence
from worker.in_call import facts
from worker.in_call.facts import Subject, Told
from worker.webhooks import tell_of_call_entry

_FAILURES = Cap(20, timedelta(hours=1))
"""A button that does not help is pressed again and again; the first dozens say it all."""


def admit(session: Session, booking: Booking, *, now: datetime, staff_id: str | None = None) -> None:
    """Let somebody tap their way into the call; that they came is noted when there is a room for them (B17).

    Raises:
        IllegalMove: it is not between `entry_opens_at` and `entry_closes_at`, or there is no such call.
        StaffBusy: who enters for the shop is in another call.
        CallTaken: a colleague is in this one, see `presence.engage`.
    """
    if not booking.may_enter(now):
        raise IllegalMove(booking_id=booking.id, booking_status=booking.status)
    if staff_id is not None:
        stays = facts.stays(session, booking, Side.STAFF)
        presence.engage(session, booking.shop_id, staff_id, booking.id, now=now, colleague_stays=stays)
        booking.staff_id = staff_id


def enter(session: Session, booking: Booking, side: Side, *, now: datetime, staff_id: str | None = None) -> None:
    """Note that one side taps its way into the call, the first time or once more (B17).

    Raises:
        IllegalMove, StaffBusy, CallTaken: as `admit` does.
    """
    admit(session, booking, now=now, staff_id=staff_id)
    if not booking.is_there(side) or facts.page_was_closed(session, booking, side):
        facts.record(session, booking, Told.by_page(booking, FactKind.JOINED, side, at=now), received_at=now)


def enter_at_once(session: Session, call: Call, side: Side, *, now: datetime) -> None:
    """Note that one side uses its entry to a call at once; the same press once more changes nothing.

    Raises:
        IllegalMove, EntryUsed: see `Call.enter`.
    """
    if call.enter(side, now=now):
        facts.record(session, call, Told.by_page(call, FactKind.JOINED, side, at=now), received_at=now)
        tell_of_call_entry(session, call, side, now=now)


def came(session: Session, subject: Subject, side: Side, *, now: datetime) -> Refusal | None:
    """Note that there is a room for whoever was let in at `now`, or return why they are not let in any more.

    Meanwhile the call may have ended, or the entry been used by another press. It is returned, since what is known of
    the room is to be committed all the same.
    """
    try:
        if isinstance(subject, Booking):
            enter(session, subject, side, now=now)
        else:
            enter_at_once(session, subject, side, now=now)
    except (IllegalMove, EntryUsed) as refusal:
        return refusal
    return None


def turned_away(session: Session, subject: Subject, side: Side) -> None:
    """Let whoever of the shop came for a booked call, and found no room, be rung again."""
    if isinstance(subject, Booking) and side is Side.STAFF and not subject.is_there(side):
        presence.release(session, subject.shop_id, subject.id)


def leave(session: Session, booking: Booking, side: Side, *, now: datetime) -> None:
    """Note that one side says that it left; it may come back."""
    if booking.is_there(side):
        facts.record(session, booking, Told.by_page(booking, FactKind.LEFT, side, at=now), received_at=now)


def close_page(session: Session, subject: Subject, side: Side, *, now: datetime) -> None:
    """Note that a side's page was closed, beside a room that it may still be in; once, until it is opened again."""
    if isinstance(subject, Booking):
        is_there = subject.is_there(side)
    else:
        is_there = subject.status is Status.CONNECTED and subject.entered_at(side) is not None
    if is_there and not facts.page_was_closed(session, subject, side):
        facts.record(session, subject, Told.by_page(subject, FactKind.CLOSED, side, at=now), received_at=now)


def fail(session: Session, subject: Subject, told_by: Side, problem: Symptom, *, now: datetime) -> None:
    """Keep what somebody says does not work, with the side that it lies with (B26).

    Raises:
        TooManyRequests: that was said of this call dozens of times.
    """
    key = f"call-failed:{subject.id}:{told_by}"
    if limits.count(session, key, _FAILURES, now=now) > _FAILURES.most:
        _, retry_at = limits.counted(session, key, now=now)
        raise TooManyRequests(retry_at=retry_at)
    told = Told.by_page(subject, FactKind.FAILED, failed_side(problem, told_by), at=now)
    facts.record(session, subject, told.because(problem), received_at=now)
