"""A suspension of the service: when it stops, whom it concerns, what it does to bookings (B40 to B44).

Knows intervals and moves; knows neither which bookings there are nor who is told in which words.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, String, text
from sqlalchemy.orm import Mapped, WriteOnlyMapped, mapped_column, relationship

from models.base import Base, Json, enum_of
from models.errors import IllegalMove


class Reach(StrEnum):
    """Whom a suspension concerns."""

    GLOBAL = "global"
    SHOP = "shop"
    PROVIDER = "provider"


class Treatment(StrEnum):
    """What becomes of the confirmed bookings inside the interval (B41)."""

    KEEP = "keep"
    """They stand as promised; only new ones are refused."""
    CANCEL = "cancel"
    """They are cancelled when it begins; until then their customers may choose another time, past any deadline.

    One that it would cut off is cancelled an hour before its own time.
    """
    MOVE = "move"
    """Likewise, but each is cancelled only an hour before its own time, so that even a sudden stop leaves a choice."""


class Status(StrEnum):
    """Where a suspension stands."""

    PLANNED = "planned"
    RUNNING = "running"
    ENDED = "ended"
    UNDONE = "undone"
    LIFTED = "lifted"


MOVES: Mapping[Status, frozenset[Status]] = MappingProxyType(
    {
        Status.PLANNED: frozenset({Status.RUNNING, Status.UNDONE, Status.ENDED}),
        Status.RUNNING: frozenset({Status.ENDED, Status.LIFTED}),
        Status.ENDED: frozenset(),
        Status.UNDONE: frozenset(),
        Status.LIFTED: frozenset(),
    }
)
"""PLANNED to ENDED: everything stood still from before its start until after its end."""

TERMINAL = frozenset(status for status, onward in MOVES.items() if not onward)
LIVE = frozenset(Status) - TERMINAL

MOVE_BEFORE = timedelta(hours=1)
"""How long before its start a booking that should be moved is given up: both sides have to know beforehand."""


class Suspension(Base):
    """One stop of the service, from an instant to an exclusive end.

    Attributes:
        shop_id, provider: whom it concerns, if not everybody; see `Reach`.
        starts_at, ends_at: the interval; no end: until somebody lifts it, and then bookings are kept.
        notice_at: when those affected are told beforehand; None: they are not, and `without_notice_because` says why
            (B42).
        notice_url: the public page that explains it.
        reason: the operator's, a code or a reference; never personal data.
        ended_at: when it was over, undone or lifted in truth.
    """

    __tablename__ = "suspensions"
    __table_args__ = (
        CheckConstraint("ends_at IS NULL OR ends_at > starts_at", name="ends_after_it_starts"),
        CheckConstraint("(notice_at IS NULL) <> (without_notice_because IS NULL)", name="notice_or_a_reason_for_none"),
        CheckConstraint("ends_at IS NOT NULL OR treatment = 'keep'", name="no_end_keeps_bookings"),
        Index(
            "ix_suspensions_live",
            "starts_at",
            postgresql_where=text("status IN ('planned', 'running')"),
            sqlite_where=text("status IN ('planned', 'running')"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    reach: Mapped[Reach] = mapped_column(enum_of(Reach))
    shop_id: Mapped[str | None] = mapped_column(ForeignKey("shops.id"))
    provider: Mapped[str | None] = mapped_column(String(32))
    status: Mapped[Status] = mapped_column(enum_of(Status))
    treatment: Mapped[Treatment] = mapped_column(enum_of(Treatment))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    notice_at: Mapped[datetime | None]
    without_notice_because: Mapped[str | None] = mapped_column(String(200))
    notice_url: Mapped[str] = mapped_column(String(500))
    reason: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    events: WriteOnlyMapped["SuspensionEvent"] = relationship(order_by="SuspensionEvent.id", passive_deletes=True)

    @property
    def prior_notice(self) -> bool:
        """Whether those affected are told before it begins (B42)."""
        return self.notice_at is not None

    @property
    def is_taken_back(self) -> bool:
        """Whether it was undone or lifted: what it has not yet done to a booking it never does."""
        return self.status in {Status.UNDONE, Status.LIFTED}

    def note(self, kind: str, *, at: datetime, actor: str, **facts: Any) -> None:
        """Append to its trail (B43). Facts are numbers and codes, never personal data."""
        self.events.add(
            SuspensionEvent(suspension_id=self.id, at=at, kind=kind, actor=actor, status=self.status, facts=facts)
        )

    def runs(self, at: datetime) -> bool:
        """Whether it stops new requests at this instant. The interval decides: a dead beat neither starts nor ends it.

        One that has begun stops also what was received a moment before, and still waited: it promises nothing.
        """
        begun = self.status is Status.RUNNING or (self.status is Status.PLANNED and self.starts_at <= at)
        return begun and (self.ends_at is None or at < self.ends_at)

    def is_told(self, at: datetime) -> bool:
        """Whether anybody may know of it: it runs, or those affected were told beforehand (B42)."""
        return self.runs(at) or (self.status in LIVE and self.notice_at is not None and self.notice_at <= at)

    def covers(self, starts_at: datetime, ends_at: datetime) -> bool:
        """Whether it stands, and a call of this time would fall into it, if only in part."""
        return self.status in LIVE and self.spans(starts_at, ends_at)

    def spans(self, starts_at: datetime, ends_at: datetime) -> bool:
        """Whether a call of this time falls into its interval, if only in part, whatever became of it."""
        return self.starts_at < ends_at and (self.ends_at is None or starts_at < self.ends_at)

    def move_until(self, starts_at: datetime) -> datetime:
        """Return until when a booking of that time may be moved, an exclusive end; then it is cancelled.

        A call that would be under way when the suspension begins is given up an hour before its own time, whatever the
        treatment: nobody should enter what will be cut off.
        """
        if starts_at < self.starts_at:
            return starts_at - MOVE_BEFORE
        return max(self.starts_at, starts_at - MOVE_BEFORE) if self.treatment is Treatment.MOVE else self.starts_at

    def begin(self, *, now: datetime) -> bool:
        """Begin, if it is due; False if there is nothing (more) to begin. What is over before it began just ends."""
        if self.status is not Status.PLANNED or now < self.starts_at:
            return False
        if self.ends_at is not None and now >= self.ends_at:
            self._end(Status.ENDED, "ended", at=now, actor="system")
            return False
        self._move(Status.RUNNING)
        self.note("begun", at=now, actor="system")
        return True

    def end(self, *, now: datetime) -> bool:
        """End, if its time is over; False if there is nothing (more) to end."""
        if self.status in TERMINAL or self.ends_at is None or now < self.ends_at:
            return False
        self._end(Status.ENDED, "ended", at=now, actor="system")
        return True

    def undo(self, *, at: datetime, actor: str, reason: str) -> None:
        """Take back what has not begun: nothing was released, and cancelled only what it would have cut off soon.

        Raises:
            IllegalMove: it has begun, or is over.
        """
        if self.runs(at):
            raise IllegalMove(suspension_id=self.id, suspension_status=Status.RUNNING)
        self._end(Status.UNDONE, "undone", at=at, actor=actor, reason=reason)

    def lift(self, *, at: datetime, actor: str, reason: str) -> None:
        """End it before its end. What it has cancelled stays cancelled.

        Raises:
            IllegalMove: it has not begun, or is over.
        """
        if self.status is Status.PLANNED and self.runs(at):
            # Its timer is late; the interval is what counts.
            self._move(Status.RUNNING)
        self._end(Status.LIFTED, "lifted", at=at, actor=actor, reason=reason)

    def _end(self, to: Status, kind: str, *, at: datetime, actor: str, **facts: Any) -> None:
        self._move(to)
        self.ended_at = at
        self.note(kind, at=at, actor=actor, **facts)

    def _move(self, to: Status) -> None:
        if to not in MOVES[self.status]:
            raise IllegalMove(suspension_id=self.id, suspension_status=self.status)
        self.status = to


class SuspensionEvent(Base):
    """One line of a suspension's trail. Append-only."""

    __tablename__ = "suspension_events"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    suspension_id: Mapped[UUID] = mapped_column(ForeignKey("suspensions.id"), index=True)
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(40))
    actor: Mapped[str] = mapped_column(String(64))
    status: Mapped[Status] = mapped_column(enum_of(Status))
    facts: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)


class Outcome(StrEnum):
    """What a suspension made of one booking."""

    TOLD = "told"
    """Its customer knows; nothing has become of it yet."""
    KEPT = "kept"
    """It stood, as the treatment says, or because the call had begun."""
    WITHDRAWN = "withdrawn"
    MOVED_AWAY = "moved_away"
    """It was moved or cancelled before the suspension could touch it."""
    UNTOUCHED = "untouched"
    """The suspension was undone or lifted first."""


class SuspendedBooking(Base):
    """What one suspension made of one booking that it found inside its interval.

    Attributes:
        revision: the booking's, when it was found.
        told_at: when its customer was told beforehand; None: was not.
    """

    __tablename__ = "suspended_bookings"

    suspension_id: Mapped[UUID] = mapped_column(ForeignKey("suspensions.id"), primary_key=True)
    booking_id: Mapped[UUID] = mapped_column(ForeignKey("bookings.id"), primary_key=True, index=True)
    revision: Mapped[int]
    outcome: Mapped[Outcome | None] = mapped_column(enum_of(Outcome))
    found_at: Mapped[datetime]
    told_at: Mapped[datetime | None]


__all__ = [
    "LIVE",
    "MOVES",
    "MOVE_BEFORE",
    "TERMINAL",
    "Outcome",
    "Reach",
    "Status",
    "SuspendedBooking",
    "Suspension",
    "SuspensionEvent",
    "Treatment",
]
