"""Whether the service stands still: asked by whatever takes a request. It reads; who stops it is worker/suspensions.py.

A request and the beginning of a suspension meet at a gate: whatever was admitted is committed, and found, before the
suspension begins; whatever comes later sees it. So no hold slips through between the two.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from models.booking import Booking
from models.booking import Status as BookingStatus
from models.errors import Suspended
from models.message import OF_SUSPENSIONS, Kind, Message, State
from models.suspension import Reach, Status, Suspension, Treatment
from worker.video import video_provider

_GATE = 0x5375_7370
"""PostgreSQL's advisory lock: requests share it, a beginning has it alone. SQLite admits one writer anyway."""


def running(session: Session, shop_id: str, *, at: datetime, provider: str | None = None) -> Suspension | None:
    """Return the suspension that stops new requests to this shop at this instant; of several the one that ends last.

    Args:
        session: any; nothing is locked, so a write that depends on it asks `check`.
        shop_id: whose.
        at: when the request was received.
        provider: who would carry the call; None for the one that carries new ones.
    """
    found = [stop for stop in _live(session, shop_id, provider) if stop.runs(at)]
    return max(found, key=_ends_last, default=None)


def stops(session: Session, shop_id: str, *, from_at: datetime, until_at: datetime) -> Sequence[Suspension]:
    """Return the suspensions, running or planned, that fall into a span of a shop's time."""
    return [stop for stop in _live(session, shop_id, None) if stop.covers(from_at, until_at)]


def said_of(session: Session, shop_id: str, *, at: datetime, provider: str | None = None) -> Sequence[Suspension]:
    """Return the suspensions that a shop's pages speak of: those that run, and those told of (B42)."""
    found = [stop for stop in _live(session, shop_id, provider) if stop.is_told(at) and not _is_past(stop, at)]
    return sorted(found, key=lambda stop: (stop.starts_at, stop.id))


def over(
    session: Session, shop_id: str, starts_at: datetime, ends_at: datetime, *, provider: str | None = None
) -> Suspension | None:
    """Return the suspension that a call of this time would fall into; of several the one that ends last."""
    found = [stop for stop in _live(session, shop_id, provider) if stop.covers(starts_at, ends_at)]
    return max(found, key=_ends_last, default=None)


def check(session: Session, shop_id: str, *, at: datetime, provider: str | None = None) -> None:
    """Admit a new request, in its own transaction: no suspension begins until that is committed.

    Raises:
        Suspended: the service stands still for this shop (B40).
    """
    pass_gate(session)
    refuse(running(session, shop_id, at=at, provider=provider))


def check_slot(
    session: Session, shop_id: str, starts_at: datetime, ends_at: datetime, *, provider: str | None = None
) -> None:
    """Admit a time, in the transaction that takes it.

    Raises:
        Suspended: a suspension, running or planned, falls into it (B41).
    """
    pass_gate(session)
    refuse(over(session, shop_id, starts_at, ends_at, provider=provider))


def refuse(stop: Suspension | None) -> None:
    """Refuse because of a suspension, if there is one.

    Raises:
        Suspended: there is.
    """
    if stop is not None:
        raise refusal(stop)


def refusal(stop: Suspension) -> Suspended:
    """Return the refusal that names the notice, and the end as far as anybody knows it."""
    return Suspended(suspension_id=stop.id, notice_url=stop.notice_url, ends_at=stop.ends_at)


def displaced(session: Session, booking: Booking, *, at: datetime) -> Suspension | None:
    """Return the suspension that will not let a booking stand: no other deadline than its own binds the customer (B41).

    Only one that may be known of: before that the deadline stands, or it would give away what nobody was told (B42).
    """
    # Of several the first that gives the booking up binds: once it has, there is nothing left to choose.
    first = min(
        _taking(session, booking, at), key=lambda stop: (stop.move_until(booking.starts_at), stop.id), default=None
    )
    return first if first is not None and at < first.move_until(booking.starts_at) else None


def is_called_off(session: Session, booking: Booking, now: datetime) -> bool:
    """Return whether a customer was told that the booking will not stand: it would contradict that to be reminded."""
    return bool(_taking(session, booking, now))


def announced(session: Session, booking: Booking) -> Collection[UUID]:
    """Return the suspensions of which the customer may have been told for the booking's present time.

    What is queued has not been said yet, what is voided never will be.
    """
    said = session.scalars(
        select(Message.facts).where(
            Message.booking_id == booking.id,
            Message.revision == booking.revision,
            Message.kind == Kind.SUSPENSION_ANNOUNCED,
            Message.state.not_in((State.QUEUED, State.VOIDED)),
        )
    )
    return {UUID(facts["suspension_id"]) for facts in said}


def believes_it_called_off(session: Session, booking: Booking) -> bool:
    """Return whether the last that the customer was told, or will be, is that the booking will not stand."""
    last = session.execute(
        select(Message.kind)
        .where(
            Message.booking_id == booking.id,
            Message.revision == booking.revision,
            or_(
                and_(Message.kind == Kind.SUSPENSION_ANNOUNCED, Message.state.not_in((State.QUEUED, State.VOIDED))),
                and_(Message.kind == Kind.SUSPENSION_UNDONE, Message.state != State.VOIDED),
            ),
        )
        .order_by(Message.id.desc())
        .limit(1)
    ).scalar_one_or_none()
    return last is Kind.SUSPENSION_ANNOUNCED


def is_overtaken(session: Session, message: Message, booking: Booking | None, *, now: datetime) -> bool:
    """Return whether what a message says of a suspension is no longer so; asked in the moment before it is sent.

    That a booking will not stand is true until the suspension is undone or lifted, which may happen while the message
    waits to be tried again; that it stands after all, unless another one takes its time away, and only to whoever heard
    otherwise. Other messages say nothing of suspensions, and cost nothing here.
    """
    if message.kind not in OF_SUSPENSIONS or booking is None:
        return False
    if message.kind is Kind.SUSPENSION_ANNOUNCED:
        return session.get_one(Suspension, UUID(message.facts["suspension_id"])).is_taken_back
    return is_called_off(session, booking, now) or not announced(session, booking)


def can_change(session: Session, booking: Booking, now: datetime) -> bool:
    """Return whether a change or cancellation received now would be in time: a suspension lifts the deadline (B41)."""
    if booking.may_still_change(now):
        return True
    return booking.status is BookingStatus.CONFIRMED and displaced(session, booking, at=now) is not None


def pass_gate(session: Session) -> None:
    """Let no suspension begin until this transaction has ended."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock_shared(_GATE)))


def close_gate(session: Session) -> None:
    """Wait for every request that is being admitted, and let no other pass until this transaction has ended."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_GATE)))


def _live(session: Session, shop_id: str, provider: str | None) -> Sequence[Suspension]:
    query = select(Suspension).where(
        # Written out, so that the partial index serves it.
        Suspension.status.in_([Status.PLANNED, Status.RUNNING]),
        _concerns(shop_id, provider or video_provider().name),
    )
    # As it is committed now: the row may have been read before the gate was passed.
    return session.scalars(query.execution_options(populate_existing=True)).all()


def _taking(session: Session, booking: Booking, at: datetime) -> Sequence[Suspension]:
    """Return those that take a booking's time away, as far as anybody may know of them."""
    return [
        stop
        for stop in _live(session, booking.shop_id, booking.provider)
        if stop.treatment is not Treatment.KEEP and stop.covers(booking.starts_at, booking.ends_at) and stop.is_told(at)
    ]


def _concerns(shop_id: str, provider: str) -> ColumnElement[bool]:
    return or_(
        Suspension.reach == Reach.GLOBAL,
        and_(Suspension.reach == Reach.SHOP, Suspension.shop_id == shop_id),
        and_(Suspension.reach == Reach.PROVIDER, Suspension.provider == provider),
    )


def _is_past(stop: Suspension, at: datetime) -> bool:
    return stop.ends_at is not None and at >= stop.ends_at


def _ends_last(stop: Suspension) -> tuple[bool, float]:
    return stop.ends_at is None, stop.ends_at.timestamp() if stop.ends_at else 0.0
