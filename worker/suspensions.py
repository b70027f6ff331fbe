"""A suspension's transactions: plan, begin, treat what it finds, end, undo, lift (B40 to B44).

Each takes the caller's session and commits nothing. Who is concerned is found a page at a time, and each booking is
treated by a job of its own that asks the suspension and the booking again.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select, true
from sqlalchemy.orm import Session

from models.booking import Booking, Cause, Released
from models.booking import Status as BookingStatus
from models.job import Name
from models.message import Kind, Message
from models.message import State as MessageState
from models.suspension import (
    TERMINAL,
    Outcome,
    Reach,
    Status,
    SuspendedBooking,
    Suspension,
    Treatment,
)
from worker import bookings, suspending
from worker.chance import new_id
from worker.clock import unix_ms
from worker.database import after_commit
from worker.jobs import drop_timers, enqueue
from worker.video import video_provider
from worker.webhooks import tell_of_suspension

_log = logging.getLogger(__name__)

PAGE = 200
_FIRST = UUID(int=0)


class Deed(StrEnum):
    """What is done to each booking that a suspension concerns."""

    RELEASE = "release"
    ANNOUNCE = "announce"
    TREAT = "treat"
    TAKE_BACK = "take-back"


JOBS: Mapping[Deed, Name] = MappingProxyType(
    {
        Deed.RELEASE: Name.RELEASE_SUSPENDED_HOLD,
        Deed.ANNOUNCE: Name.TELL_DISPLACED,
        Deed.TREAT: Name.TREAT_BOOKING,
        Deed.TAKE_BACK: Name.TAKE_BACK_NOTICE,
    }
)


@dataclass(frozen=True)
class Plan:
    """What an operator decides.

    Attributes:
        starts_at: None: at once.
        ends_at: exclusive; None: until it is lifted.
        notice_at: when those affected are told beforehand; None: they are not, for the reason given (B42).
    """

    reach: Reach
    shop_id: str | None
    provider: str | None
    treatment: Treatment
    starts_at: datetime | None
    ends_at: datetime | None
    notice_at: datetime | None
    without_notice_because: str | None
    notice_url: str
    reason: str

    def drawn_up(self, *, received_at: datetime) -> Suspension:
        """Return the suspension that this would be, in no session."""
        return Suspension(
            id=new_id(unix_ms()),
            reach=self.reach,
            shop_id=self.shop_id,
            provider=self.provider,
            status=Status.PLANNED,
            treatment=self.treatment,
            starts_at=self.starts_at or received_at,
            ends_at=self.ends_at,
            notice_at=self.notice_at,
            without_notice_because=self.without_notice_because,
            notice_url=self.notice_url,
            reason=self.reason,
            created_at=received_at,
        )


@dataclass(frozen=True)
class Concerned:
    """Whom a suspension would concern now.

    Attributes:
        holds: how many holds would be released if it began now.
        bookings: how many confirmed bookings lie in it.
        first: the first of them, by their time.
    """

    holds: int
    bookings: int
    first: Sequence[Booking]


def locked(session: Session, suspension_id: UUID) -> Suspension | None:
    """Return the suspension as it is committed now, locked until the end of the transaction."""
    return session.get(Suspension, suspension_id, with_for_update=True, populate_existing=True)


def concerned(session: Session, stop: Suspension, *, now: datetime, most: int) -> Concerned:
    """Look, without doing anything, whom it concerns: what an operator sees before deciding."""
    in_it = _confirmed(stop, now)
    count = select(func.count()).select_from(Booking)
    return Concerned(
        holds=session.scalars(count.where(*_held(stop))).one(),
        bookings=session.scalars(count.where(*in_it)).one(),
        first=session.scalars(select(Booking).where(*in_it).order_by(Booking.starts_at, Booking.id).limit(most)).all(),
    )


def plan(session: Session, wish: Plan, *, received_at: datetime, actor: str) -> Suspension:
    """Write a suspension, with the timers of its notice, beginning and end; one without a beginning begins here."""
    stop = wish.drawn_up(received_at=received_at)
    # Whoever is being admitted just now either is found below, or finds this.
    suspending.close_gate(session)
    session.add(stop)
    stop.note("planned", at=received_at, actor=actor, reason=wish.reason)
    if stop.notice_at is not None:
        _set_timer(session, stop, Name.ANNOUNCE_SUSPENSION, stop.notice_at)
    if stop.ends_at is not None:
        _set_timer(session, stop, Name.END_SUSPENSION, stop.ends_at)
    if not _begun(session, stop, now=received_at):
        _set_timer(session, stop, Name.BEGIN_SUSPENSION, stop.starts_at)
        tell_of_suspension(session, stop, now=received_at)
    return stop


def announce(session: Session, stop: Suspension, *, now: datetime) -> None:
    """Tell everybody beforehand whose booking will not stand (B42). Who keeps theirs is told nothing by message."""
    if stop.status is Status.PLANNED and stop.treatment is not Treatment.KEEP:
        stop.note("announced", at=now, actor="system")
        _reach(session, stop, Deed.ANNOUNCE)


def begin(session: Session, stop: Suspension, *, now: datetime) -> None:
    """Begin, if it is due: no request is admitted any more, holds are released, bookings treated (B40, B41)."""
    suspending.close_gate(session)
    if not _begun(session, stop, now=now) and stop.status in TERMINAL:
        tell_of_suspension(session, stop, now=now)


def end(session: Session, stop: Suspension, *, now: datetime) -> None:
    """End, if its time is over."""
    if stop.end(now=now):
        tell_of_suspension(session, stop, now=now)


def undo(session: Session, stop: Suspension, *, at: datetime, actor: str, reason: str) -> None:
    """Take it back before it begins, and tell whoever was told; what is undone already stays so.

    Raises:
        IllegalMove: see `Suspension.undo`.
    """
    if stop.status is not Status.UNDONE:
        stop.undo(at=at, actor=actor, reason=reason)
        _after_taking_back(session, stop, now=at)


def lift(session: Session, stop: Suspension, *, at: datetime, actor: str, reason: str) -> None:
    """End it early, and tell whoever was told of a booking that now stands; what is lifted already stays so.

    Raises:
        IllegalMove: see `Suspension.lift`.
    """
    if stop.status is not Status.LIFTED:
        stop.lift(at=at, actor=actor, reason=reason)
        _after_taking_back(session, stop, now=at)


def reach_bookings(session: Session, stop: Suspension, deed: Deed, after: UUID, *, now: datetime) -> None:
    """Owe a deed to each booking of a page, and then the next page."""
    page = session.scalars(_whom(stop, deed, now).where(Booking.id > after).order_by(Booking.id).limit(PAGE)).all()
    for booking_id in page:
        enqueue(session, JOBS[deed], suspension_id=stop.id, booking_id=booking_id)
    if len(page) == PAGE:
        _reach(session, stop, deed, after=page[-1])


def release_hold(session: Session, stop: Suspension, booking: Booking, *, now: datetime) -> None:
    """Release a hold, if the suspension still runs (B40)."""
    if stop.status is Status.RUNNING and booking.status is BookingStatus.HELD:
        bookings.release(session, booking, Released.SUSPENDED, now=now)


def will_displace(session: Session, stop: Suspension, booking: Booking, *, now: datetime) -> datetime | None:
    """Note that a customer is told, and return until when they may choose another time; None: there is nothing to tell.

    It is asked once a booking, whatever is proposed how often.
    """
    until = stop.move_until(booking.starts_at)
    stands = booking.status is BookingStatus.CONFIRMED and stop.covers(booking.starts_at, booking.ends_at)
    if not stands or stop.treatment is Treatment.KEEP:
        return None
    if now >= until:
        if until < stop.starts_at and now < booking.starts_at:
            # It would be cut off, and there is no time left to choose: its customer is told so now, not then.
            _set_treatment(session, stop, booking, now)
        return None
    found = _found(session, stop, booking, now=now)
    if found.told_at is not None and found.revision == booking.revision:
        return None
    found.told_at, found.revision, found.outcome = now, booking.revision, Outcome.TOLD
    if until < stop.starts_at:
        # It is given up before anything begins; undoing deletes this timer.
        _set_treatment(session, stop, booking, until)
    return until


def treat(session: Session, stop: Suspension, booking: Booking, *, now: datetime) -> bool:
    """Do to a booking what was decided, once the suspension has begun (B41); True if its customer has to choose first.

    A booking that nobody moved in time is withdrawn also when the suspension has meanwhile ended: its customer was
    told so. What was lifted or undone treats nothing any more.
    """
    until = stop.move_until(booking.starts_at)
    if stop.is_taken_back or (stop.status is Status.PLANNED and now < until):
        return False
    if booking.status is not BookingStatus.CONFIRMED or not stop.spans(booking.starts_at, booking.ends_at):
        _settle(session, stop, booking)
        return False
    if booking.ends_at <= now:
        return False
    found = _found(session, stop, booking, now=now)
    if stop.treatment is Treatment.KEEP:
        found.outcome = Outcome.KEPT
        return False
    if now < until:
        # Lifting deletes this timer; leaving the interval makes it find nothing to do.
        _set_treatment(session, stop, booking, until)
        return True
    bookings.withdraw(session, booking, Cause.SUSPENSION, now=now, actor=f"suspension:{stop.id}", reason=str(stop.id))
    found.outcome = Outcome.WITHDRAWN
    return False


def take_back(session: Session, stop: Suspension, booking: Booking, *, now: datetime) -> bool:
    """Note that a booking is left alone after all; True if its customer was told otherwise, and it stands again.

    What was not sent yet is never sent. Where another suspension takes the same time away, nothing is taken back. A
    deadline that was told holds on, if it is later than the booking's own.
    """
    found = session.get(SuspendedBooking, (stop.id, booking.id))
    if found is None or found.outcome is not Outcome.TOLD:
        return False
    found.outcome = _became(stop, booking) or Outcome.UNTOUCHED
    unsent = select(Message).where(
        Message.booking_id == booking.id,
        Message.kind == Kind.SUSPENSION_ANNOUNCED,
        Message.state == MessageState.QUEUED,
        Message.once_key.contains(str(stop.id)),
    )
    for message in session.scalars(unsent.with_for_update(skip_locked=True)):
        message.void(now=now)
    if booking.status is not BookingStatus.CONFIRMED or booking.revision != found.revision:
        return False
    told_until = stop.move_until(booking.starts_at)
    if stop.id in suspending.announced(session, booking) and booking.keep_told_deadline(told_until, at=now):
        enqueue(
            session,
            Name.CLOSE_CANCELLATION_WINDOW,
            due_at=booking.change_deadline_at,
            timer_of=booking.id,
            booking_id=booking.id,
            revision=booking.revision,
        )
    # It may have been another suspension that they heard of, which was undone while this one stood in its place.
    return suspending.believes_it_called_off(session, booking) and not suspending.is_called_off(session, booking, now)


def _begun(session: Session, stop: Suspension, *, now: datetime) -> bool:
    if not stop.begin(now=now):
        return False
    for deed in (Deed.RELEASE, Deed.TREAT):
        _reach(session, stop, deed)
    tell_of_suspension(session, stop, now=now)
    said = {"suspension_id": str(stop.id), "kind": stop.reach.value}
    after_commit(session, lambda: _log.warning("the service is suspended", extra=said))
    return True


def _after_taking_back(session: Session, stop: Suspension, *, now: datetime) -> None:
    drop_timers(session, stop.id)
    _reach(session, stop, Deed.TAKE_BACK)
    tell_of_suspension(session, stop, now=now)


def _reach(session: Session, stop: Suspension, deed: Deed, *, after: UUID = _FIRST) -> None:
    enqueue(session, Name.REACH_BOOKINGS, suspension_id=stop.id, deed_slug=deed.value, after_id=after)


def _set_timer(session: Session, stop: Suspension, name: Name, at: datetime) -> None:
    enqueue(session, name, due_at=at, timer_of=stop.id, suspension_id=stop.id)


def _set_treatment(session: Session, stop: Suspension, booking: Booking, at: datetime) -> None:
    enqueue(session, Name.TREAT_BOOKING, due_at=at, timer_of=stop.id, suspension_id=stop.id, booking_id=booking.id)


def _whom(stop: Suspension, deed: Deed, now: datetime) -> Select[UUID]:
    if deed is Deed.RELEASE:
        return select(Booking.id).where(*_held(stop))
    told = select(SuspendedBooking.booking_id).where(
        SuspendedBooking.suspension_id == stop.id, SuspendedBooking.outcome == Outcome.TOLD
    )
    if deed is Deed.TAKE_BACK:
        return select(Booking.id).where(Booking.id.in_(told))
    confirmed = and_(*_confirmed(stop, now))
    if deed is Deed.TREAT:
        # Who was told and is no longer in it is met once more, to note what became of them.
        return select(Booking.id).where(confirmed | Booking.id.in_(told))
    return select(Booking.id).where(confirmed)


def _held(stop: Suspension) -> Sequence[ColumnElement[bool]]:
    return (Booking.status == BookingStatus.HELD, *_in_reach(stop))


def _confirmed(stop: Suspension, now: datetime) -> Sequence[ColumnElement[bool]]:
    """Return what tells the bookings that stand in its interval and are not over yet."""
    before_its_end = (Booking.starts_at < stop.ends_at,) if stop.ends_at is not None else ()
    return (
        Booking.status == BookingStatus.CONFIRMED,
        Booking.ends_at > max(stop.starts_at, now),
        *before_its_end,
        *_in_reach(stop),
    )


def _in_reach(stop: Suspension) -> Sequence[ColumnElement[bool]]:
    match stop.reach:
        case Reach.SHOP:
            return (Booking.shop_id == stop.shop_id,)
        case Reach.PROVIDER:
            # A hold has none yet: it gets the configured one when it is confirmed.
            to_be = and_(Booking.provider.is_(None), true() if stop.provider == video_provider().name else false())
            return (or_(Booking.provider == stop.provider, to_be),)
        case Reach.GLOBAL:
            return ()


def _found(session: Session, stop: Suspension, booking: Booking, *, now: datetime) -> SuspendedBooking:
    """Return the note of what becomes of a booking, which its lock makes one."""
    found = session.get(SuspendedBooking, (stop.id, booking.id))
    if found is None:
        found = SuspendedBooking(suspension_id=stop.id, booking_id=booking.id, revision=booking.revision, found_at=now)
        session.add(found)
    return found


def _settle(session: Session, stop: Suspension, booking: Booking) -> None:
    found = session.get(SuspendedBooking, (stop.id, booking.id))
    if found is not None and found.outcome is Outcome.TOLD:
        found.outcome = _became(stop, booking) or Outcome.KEPT


def _became(stop: Suspension, booking: Booking) -> Outcome | None:
    """Return what became of a booking that is no longer to be treated, without its doing; None if it stands in it."""
    if booking.status is BookingStatus.CANCELLED:
        return Outcome.WITHDRAWN if booking.cancelled_by is Cause.SUSPENSION else Outcome.MOVED_AWAY
    return None if stop.spans(booking.starts_at, booking.ends_at) else Outcome.MOVED_AWAY
