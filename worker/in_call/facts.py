"""What a provider or one of our pages tells of a call: stored first, then put to the booking or the call (B26, B33).

Nothing here is refused: a fact comes twice, late and out of order, and about calls that are long over.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from models.booking import Booking, Side, Status, Visit
from models.call import Call, FailedSide
from models.call_fact import PAGE, CallFact, FactKind, left_at, visits
from models.job import Name
from worker import presence, terms
from worker.chance import new_id
from worker.clock import unix_ms
from worker.database import insert_new
from worker.in_call import nudging
from worker.jobs import enqueue
from worker.webhooks import tell_of_entry

Subject = Booking | Call
"""A booked call, or a call at once."""


@dataclass(frozen=True)
class Told:
    """One fact, as its source tells it.

    Attributes:
        kind: what happened.
        side: to whom; a failure may also be the provider's or ours.
        source: `page`, or the provider's name.
        fact_key: what tells it from every other fact of this source, such as the provider's event id.
        at: when it happened, as the source says.
        room, participant, error: the provider's own ids and code (B33); never a text, never a name.
    """

    kind: FactKind
    side: FailedSide
    source: str
    fact_key: str
    at: datetime
    room: str | None = None
    participant: str | None = None
    error: str | None = None

    @classmethod
    def by_page(cls, subject: Subject, kind: FactKind, side: Side | FailedSide, *, at: datetime) -> "Told":
        """Return what one of our pages tells: whatever comes from there is a fact of its own."""
        return cls(kind, FailedSide(side), PAGE, f"{subject.id}:{new_id(unix_ms())}", at)

    def because(self, error: str) -> "Told":
        """Return the same with a code of what went wrong."""
        return replace(self, error=error)


def record(session: Session, subject: Subject, told: Told, *, received_at: datetime) -> bool:
    """Keep a fact about a call, and let the call learn from it; False if it was known already.

    Args:
        session: a transaction in which `subject` is locked.
        subject: the booking, or the call at once, that it is about.
        told: the fact.
        received_at: when it reached us. What claims to have happened later happened then.
    """
    at = min(told.at, received_at)
    stored = session.scalars(
        insert_new(session, CallFact)
        .values(
            id=new_id(unix_ms()),
            shop_id=subject.shop_id,
            booking_id=subject.id if isinstance(subject, Booking) else None,
            call_id=subject.id if isinstance(subject, Call) else None,
            revision=_revision(subject),
            kind=told.kind,
            side=told.side,
            source=told.source,
            room=told.room,
            participant=told.participant,
            error=told.error,
            fact_key=f"{told.source}:{told.fact_key}",
            at=at,
            received_at=received_at,
        )
        .on_conflict_do_nothing(index_elements=[CallFact.fact_key])
        .returning(CallFact.id)
    ).one_or_none()
    if stored is None:
        return False
    if told.kind is FactKind.FAILED:
        subject.note("connection_failed", at=at, actor=told.source, side=told.side)
    elif isinstance(subject, Booking):
        _attend(session, subject, Side(told.side), told.kind, at=at, now=received_at)
    else:
        _attend_at_once(session, subject, Side(told.side), now=received_at)
    return True


def facts_of(session: Session, subject: Subject) -> list[CallFact]:
    """Return everything that was told of a call, in the order in which it happened."""
    return list(session.scalars(_about(subject).order_by(CallFact.at, CallFact.id)))


def page_was_closed(session: Session, subject: Subject, side: Side) -> bool:
    """Whether the last that a side's page told, in this revision of a booking, is that it was closed."""
    last = _last_of_page(session, subject, side)
    return last is not None and last.kind is FactKind.CLOSED


def visits_of(session: Session, booking: Booking) -> dict[Side, list[Visit]]:
    """Return when each side was in the room of a booking's present revision, by all that was told."""
    told = session.scalars(_same_room(booking)).all()
    return {side: visits(told, side) for side in Side}


def stays(session: Session, booking: Booking, side: Side) -> bool | None:
    """Whether somebody of a side who came is there still; None: nobody can tell, or nobody came.

    The provider's word that somebody left can be lost, so their own, later than its word that they came, does as well.
    """
    if booking.entered_at(side) is None:
        return None
    if not booking.is_there(side):
        return False
    by_provider = session.scalars(_same_room(booking).where(CallFact.source != PAGE)).all()
    seen = visits(by_provider, side)
    if not seen:
        return None
    last = _last_of_page(session, booking, side)
    return last is None or last.kind is not FactKind.LEFT or last.at <= seen[-1][0]


def _last_of_page(session: Session, subject: Subject, side: Side) -> CallFact | None:
    told = _same_room(subject).where(
        CallFact.source == PAGE, CallFact.side == FailedSide(side), CallFact.kind != FactKind.FAILED
    )
    return session.scalars(told.order_by(CallFact.at.desc(), CallFact.id.desc()).limit(1)).one_or_none()


def _revision(subject: Subject) -> int | None:
    return subject.revision if isinstance(subject, Booking) else None


def _about(subject: Subject) -> Select[CallFact]:
    column = CallFact.booking_id if isinstance(subject, Booking) else CallFact.call_id
    return select(CallFact).where(column == subject.id)


def _same_room(subject: Subject) -> Select[CallFact]:
    # A change of the booking made another room.
    return _about(subject).where(CallFact.revision.is_not_distinct_from(_revision(subject)))


def _last_left(session: Session, subject: Subject, side: Side) -> datetime | None:
    # Whoever waits may have closed the page beside the room that they wait in: no call is kept from beginning by it.
    waits = isinstance(subject, Booking) and subject.status is Status.CONFIRMED
    return left_at(session.scalars(_same_room(subject)).all(), side, by_closing=not waits)


def _attend(session: Session, booking: Booking, side: Side, kind: FactKind, *, at: datetime, now: datetime) -> None:
    """Let a booking learn who is there."""
    last, was = _last_left(session, booking, side), booking.status
    came = kind is FactKind.JOINED and booking.may_enter(at) and booking.enter(side, now=at, left_at=last)
    changed = booking.see(side, left_at=last, at=at)
    if booking.status is not was and booking.call_began_at is not None:
        # Whatever was agreed to when it was booked, a later version governs from its instant on (B45).
        terms.record_governing(session, booking.id, at=booking.call_began_at, provider=booking.provider)
    if came:
        tell_of_entry(session, booking, side, now=now)
    if (came or changed) and booking.is_there(side):
        nudging.wait_for_the_other(session, booking, side, now=now)
    if (came or changed) and side is Side.STAFF:
        _free_or_engage(session, booking, now=now)
    if changed and last is not None:
        _let_go(session, booking, _other(side), until=last)
    if changed and booking.over_at is not None:
        enqueue(
            session,
            Name.END_BOOKING,
            due_at=booking.over_at,
            timer_of=booking.id,
            booking_id=booking.id,
            revision=booking.revision,
        )


def _let_go(session: Session, booking: Booking, side: Side, *, until: datetime) -> None:
    """Take whoever had closed our page before the call began to have stayed as long as the other side did."""
    closed_at = _last_left(session, booking, side) if booking.is_there(side) else None
    if closed_at is not None:
        booking.see(side, left_at=max(closed_at, until))


def _other(side: Side) -> Side:
    return Side.CUSTOMER if side is Side.STAFF else Side.STAFF


def _free_or_engage(session: Session, booking: Booking, *, now: datetime) -> None:
    """Let whoever waited in vain be rung again; in a call that goes on they stay busy while they reconnect."""
    if booking.is_there(Side.STAFF):
        if booking.staff_id is not None:
            presence.engage_again(session, booking.shop_id, booking.staff_id, booking.id, now=now)
    elif booking.status is Status.CONFIRMED:
        presence.release(session, booking.shop_id, booking.id)


def _attend_at_once(session: Session, call: Call, side: Side, *, now: datetime) -> None:
    """Let a call at once learn who is there."""
    last = _last_left(session, call, side)
    if last is None:
        call.come_back(side, at=now)
    elif call.leave(side, at=last) and call.over_at is not None:
        enqueue(session, Name.END_LEFT_CALL, due_at=call.over_at, timer_of=call.id, call_id=call.id)


__all__ = ["Subject", "Told", "facts_of", "page_was_closed", "record", "stays", "visits_of"]
