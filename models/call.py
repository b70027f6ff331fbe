"""A call at once from 開始 to its end: the table of moves, who was rung, and until when. Clauses B4, B7, B8 and B35.

Judges by the instant at which a request was received; knows nothing of who is idle, nor of messages.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, ForeignKeyConstraint, Index, Integer, LargeBinary, String, text
from sqlalchemy.orm import Mapped, WriteOnlyMapped, mapped_column, relationship

from models.base import Base, Instant, Json, enum_of
from models.booking import RECONNECT, EntryPoint, Side, VisitPurpose
from models.customer import Channel
from models.errors import CallTaken, EntryUsed, IllegalMove, RingOver
from models.staff import StaffMember

ENTER_WITHIN = timedelta(minutes=10)
"""How long a one-time entry lives. Source: LiveCall's one-time URLs, 10 minutes unless set otherwise."""

CONNECTS_WITHIN = timedelta(seconds=30)
"""How long an answered call waits for both sides, where the shop does not say otherwise."""

SAME_PRESS = timedelta(seconds=5)
"""A button that is pressed twice, or whose answer was lost, is one press; after this the entry is used."""

CALLER_GONE_AFTER = timedelta(seconds=20)
"""A caller's page that told of itself and then fell silent for so long is gone."""


class Status(StrEnum):
    """Where a call stands."""

    ASKED = "asked"
    """開始 was pressed and is being judged; no transaction ends with it."""
    RINGING = "ringing"
    CONNECTED = "connected"
    REFUSED = "refused"
    ABANDONED = "abandoned"
    UNANSWERED = "unanswered"
    ENDED = "ended"
    FAILED = "failed"


MOVES: Mapping[Status, frozenset[Status]] = MappingProxyType(
    {
        Status.ASKED: frozenset({Status.RINGING, Status.REFUSED}),
        Status.RINGING: frozenset({Status.CONNECTED, Status.ABANDONED, Status.UNANSWERED}),
        Status.CONNECTED: frozenset({Status.ENDED, Status.FAILED}),
        Status.REFUSED: frozenset(),
        Status.ABANDONED: frozenset(),
        Status.UNANSWERED: frozenset(),
        Status.ENDED: frozenset(),
        Status.FAILED: frozenset(),
    }
)
"""Every move there is. No arrow leaves a terminal state: a replay returns what was recorded."""

TERMINAL = frozenset(status for status, onward in MOVES.items() if not onward)
LIVE = frozenset({Status.RINGING, Status.CONNECTED})
MISSED = frozenset({Status.ABANDONED, Status.UNANSWERED})
"""What the shop hears of as a missed call (S10)."""


class Refused(StrEnum):
    """Why a call at once was not begun; a booking is offered instead."""

    CLOSED = "closed"
    ALL_BUSY = "all_busy"
    SUSPENDED = "suspended"
    PROHIBITED_USE = "prohibited_use"
    DISABLED = "disabled"


class EndReason(StrEnum):
    """Why a call is over."""

    HUNG_UP = "hung_up"
    """By the caller, before anybody answered."""
    CALLER_GONE = "caller_gone"
    """The caller's page was closed, or lost, before anybody answered."""
    NO_ANSWER = "no_answer"
    STAFF_ENDED = "staff_ended"
    CUSTOMER_ENDED = "customer_ended"
    BOTH_LEFT = "both_left"
    LONGEST = "longest"
    """It had lasted as long as the shop allows."""
    NEVER_ENTERED = "never_entered"
    CONNECTION = "connection"
    """Entered, but picture and sound never came up, or broke down."""


class FailedSide(StrEnum):
    """On whose side a connection failed (B26)."""

    CUSTOMER = "customer"
    STAFF = "staff"
    BOTH = "both"
    PROVIDER = "provider"
    US = "us"


class Call(Base):
    """One call at once, refused ones included: they are the shop's counter of what it missed.

    Attributes:
        customer_id, channel: who, if a contact was left to be told of a missed call; it is not proven.
        rings_until: exclusive end of the ringing.
        caller_seen_at: when the caller's page last told that it is open; None as long as it has not told so at all.
        connects_until: by when both sides are to be in it, as the shop wished when it was answered.
        enter_until: exclusive end of both one-time entries.
        ends_latest_at: exclusive end of the longest call that the shop allows.
        customer_left_at, staff_left_at: when a side was last seen to leave; None again once it comes back.
        sealed_name, sealed_memo, sealed_source_url: sealed for the customer, or for the call itself if there is none.
        provider: which provider of video calls carries it.
        caller: the API key, or "pages".
        once_key: of the form that it was asked with, and of the call before it if that form was used again.
    """

    __tablename__ = "calls"
    __table_args__ = (
        Index(
            "ix_calls_live",
            "shop_id",
            postgresql_where=text("status IN ('ringing', 'connected')"),
            sqlite_where=text("status IN ('ringing', 'connected')"),
        ),
        Index("ix_calls_shop_requested", "shop_id", "requested_at"),
        Index(
            "ix_calls_staff_requested",
            "shop_id",
            "staff_id",
            "requested_at",
            postgresql_where=text("staff_id IS NOT NULL"),
            sqlite_where=text("staff_id IS NOT NULL"),
        ),
        Index(
            "ix_calls_customer",
            "customer_id",
            postgresql_where=text("customer_id IS NOT NULL"),
            sqlite_where=text("customer_id IS NOT NULL"),
        ),
        ForeignKeyConstraint(["shop_id", "staff_id"], [StaffMember.shop_id, StaffMember.id]),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    shop_id: Mapped[str] = mapped_column(ForeignKey("shops.id"))
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id"))
    channel: Mapped[Channel | None] = mapped_column(enum_of(Channel))
    language: Mapped[str] = mapped_column(String(8))
    status: Mapped[Status] = mapped_column(enum_of(Status))
    refused_because: Mapped[Refused | None] = mapped_column(enum_of(Refused))
    requested_at: Mapped[datetime]
    rings_until: Mapped[datetime | None]
    caller_seen_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    staff_id: Mapped[str | None] = mapped_column(String(64))
    customer_entered_at: Mapped[datetime | None]
    staff_entered_at: Mapped[datetime | None]
    customer_left_at: Mapped[datetime | None]
    staff_left_at: Mapped[datetime | None]
    connects_until: Mapped[datetime | None]
    enter_until: Mapped[datetime | None]
    ends_latest_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[EndReason | None] = mapped_column(enum_of(EndReason))
    failed_side: Mapped[FailedSide | None] = mapped_column(enum_of(FailedSide))
    entry_point: Mapped[EntryPoint | None] = mapped_column(enum_of(EntryPoint))
    purpose: Mapped[VisitPurpose | None] = mapped_column(enum_of(VisitPurpose))
    item_codes: Mapped[list[str]] = mapped_column(Json, default=list)
    sealed_name: Mapped[bytes | None] = mapped_column(LargeBinary)
    sealed_memo: Mapped[bytes | None] = mapped_column(LargeBinary)
    sealed_source_url: Mapped[bytes | None] = mapped_column(LargeBinary)
    customer_ip_index: Mapped[str | None] = mapped_column(String(64))
    provider: Mapped[str | None] = mapped_column(String(40))
    caller: Mapped[str] = mapped_column(String(64))
    once_key: Mapped[str | None] = mapped_column(String(64), unique=True)

    events: WriteOnlyMapped["CallEvent"] = relationship(order_by="CallEvent.id", passive_deletes=True)

    def __init__(self, **columns: Any) -> None:
        super().__init__(**({"status": Status.ASKED, "item_codes": []} | columns))

    @property
    def subject(self) -> UUID:
        """Whose key seals what is personal about it: the customer's, or its own where nobody left a contact."""
        return self.customer_id or self.id

    @property
    def waited_seconds(self) -> int | None:
        """How long the caller waited for an answer, answered or not; None while it rings, or if it never rang."""
        return self._waited(self.answered_at or self.ended_at)

    def waited_seconds_at(self, now: datetime) -> int | None:
        """How long the caller waited as it stands for people at `now`, see `status_at`."""
        return self._waited(self.rings_until) if self.has_rung_out(now) else self.waited_seconds

    @property
    def talk_began_at(self) -> datetime | None:
        """Since when both sides were in it."""
        if self.customer_entered_at is None or self.staff_entered_at is None:
            return None
        return max(self.customer_entered_at, self.staff_entered_at)

    @property
    def talked_seconds(self) -> int:
        """How long both sides were in it, until the first of them left, as far as it is over."""
        began, ended = self.talk_began_at, self.ended_at
        if began is None or ended is None:
            return 0
        until = min(at for at in (ended, self.customer_left_at, self.staff_left_at) if at is not None)
        return max(0, int((until - began).total_seconds()))

    def note(self, kind: str, *, at: datetime, actor: str, **facts: Any) -> None:
        """Append to the call's trail (B43). Facts are ids, numbers and instants, never personal data."""
        self.events.add(CallEvent(call_id=self.id, at=at, kind=kind, actor=actor, status=self.status, facts=facts))

    def ring(self, *, for_: timedelta, at: datetime) -> None:
        """Somebody is free: ring, until one answers or the ring is over.

        Raises:
            IllegalMove: it was judged before.
        """
        self._move(Status.RINGING)
        self.rings_until = at + for_
        self.note("rang", at=at, actor=Side.CUSTOMER)

    def refuse(self, because: Refused, *, at: datetime) -> None:
        """Nobody can be rung. It is recorded, and nothing else happens.

        Raises:
            IllegalMove: it was judged before.
        """
        self._move(Status.REFUSED)
        self.refused_because = because
        self.ended_at = at
        self.note("refused", at=at, actor="system", because=because)

    def answer(
        self,
        staff_id: str,
        *,
        received_at: datetime,
        lasts_at_most: timedelta,
        connects_within: timedelta = CONNECTS_WITHIN,
    ) -> bool:
        """One of the shop takes the call; the first wins. False if they had taken it before.

        Raises:
            CallTaken: another member of the staff was faster.
            RingOver: it rings no more, or `received_at` is at or past `rings_until`, an exclusive end.
        """
        if self.answered_at is not None:
            if self.staff_id == staff_id:
                return False
            raise CallTaken(call_id=self.id)
        if self.status is not Status.RINGING or self.rings_until is None or received_at >= self.rings_until:
            raise RingOver(call_id=self.id, call_status=self.status)
        self._move(Status.CONNECTED)
        self.answered_at, self.staff_id = received_at, staff_id
        self.connects_until = received_at + connects_within
        self.enter_until = received_at + ENTER_WITHIN
        self.ends_latest_at = received_at + lasts_at_most
        self.note("answered", at=received_at, actor=Side.STAFF, staff=staff_id)
        return True

    def hang_up(self, *, received_at: datetime) -> None:
        """The caller does not want to wait any longer.

        Raises:
            IllegalMove: it does not ring.
        """
        self._finish(Status.ABANDONED, EndReason.HUNG_UP, at=received_at, actor=Side.CUSTOMER)

    def caller_seen(self, *, received_at: datetime) -> None:
        """The caller's page told that it is open."""
        if self.status is Status.RINGING:
            self.caller_seen_at = max(self.caller_seen_at or received_at, received_at)

    def is_caller_gone(self, now: datetime) -> bool:
        """Whether a page that used to tell of itself fell silent while it rang; one that never did proves nothing."""
        if self.status is not Status.RINGING or self.caller_seen_at is None or self.rings_until is None:
            return False
        gone_at = self.caller_seen_at + CALLER_GONE_AFTER
        return gone_at <= now and gone_at < self.rings_until

    def has_rung_out(self, now: datetime) -> bool:
        """Whether the time of its ring is over, and its timer has not come yet."""
        return self.status is Status.RINGING and self.rings_until is not None and now >= self.rings_until

    def status_at(self, now: datetime) -> Status:
        """Where it stands for people: a ring whose time is over is unanswered before its timer comes."""
        return Status.UNANSWERED if self.has_rung_out(now) else self.status

    def lose_caller(self, *, now: datetime) -> bool:
        """End the ringing if the caller's page is gone; False if there is nothing (more) to end."""
        if not self.is_caller_gone(now) or self.caller_seen_at is None:
            return False
        self._finish(
            Status.ABANDONED, EndReason.CALLER_GONE, at=self.caller_seen_at + CALLER_GONE_AFTER, actor="system"
        )
        return True

    def stop_ringing(self, *, now: datetime) -> bool:
        """End the ringing unanswered, as of when its time was over; False if there is nothing (more) to end."""
        if self.rings_until is None or not self.has_rung_out(now):
            return False
        self._finish(Status.UNANSWERED, EndReason.NO_ANSWER, at=self.rings_until, actor="system")
        return True

    def may_enter(self, side: Side, now: datetime) -> bool:
        """Whether a side's one-time entry still opens the room."""
        open_ = self.status is Status.CONNECTED and self.enter_until is not None and now < self.enter_until
        entered = self.entered_at(side)
        return open_ and (entered is None or now < entered + SAME_PRESS)

    def entered_at(self, side: Side) -> datetime | None:
        """When a side used its entry."""
        return self.customer_entered_at if side is Side.CUSTOMER else self.staff_entered_at

    def enter(self, side: Side, *, now: datetime) -> bool:
        """Use a side's one-time entry; False if it is the same press once more.

        Raises:
            IllegalMove: it is not connected, or the entries' time is over.
            EntryUsed: this side used its entry before.
        """
        self.check_entry(side, now=now)
        if self.entered_at(side) is not None:
            return False
        if side is Side.CUSTOMER:
            self.customer_entered_at = now
        else:
            self.staff_entered_at = now
        self.note("entered", at=now, actor=side)
        return True

    def check_entry(self, side: Side, *, now: datetime) -> None:
        """Refuse what `enter` would refuse, before a room is asked for.

        Raises:
            IllegalMove, EntryUsed: as `enter` does.
        """
        if self.status is not Status.CONNECTED or self.enter_until is None or now >= self.enter_until:
            raise IllegalMove(call_id=self.id, call_status=self.status)
        if not self.may_enter(side, now):
            raise EntryUsed(call_id=self.id)

    def left_at(self, side: Side) -> datetime | None:
        """When a side was last seen to leave; None if it has come back, or never left."""
        return self.customer_left_at if side is Side.CUSTOMER else self.staff_left_at

    def leave(self, side: Side, *, at: datetime) -> bool:
        """Note that a side was seen to leave; it may come back. False if that is nothing new."""
        if self.status is not Status.CONNECTED or self.left_at(side) == at:
            return False
        if side is Side.CUSTOMER:
            self.customer_left_at = at
        else:
            self.staff_left_at = at
        self.note("left", at=at, actor=side)
        return True

    def come_back(self, side: Side, *, at: datetime) -> None:
        """Note that a side that had left is there again."""
        if self.status is Status.CONNECTED and self.left_at(side) is not None:
            if side is Side.CUSTOMER:
                self.customer_left_at = None
            else:
                self.staff_left_at = None
            self.note("came_back", at=at, actor=side)

    @property
    def have_both_left(self) -> bool:
        """Whether both sides were last seen to leave."""
        return self.customer_left_at is not None and self.staff_left_at is not None

    @property
    def over_at(self) -> datetime | None:
        """When it is over unless somebody comes back: some time after the last of both sides left."""
        if self.status is not Status.CONNECTED or self.customer_left_at is None or self.staff_left_at is None:
            return None
        return max(self.customer_left_at, self.staff_left_at) + RECONNECT

    def end(self, reason: EndReason, *, at: datetime, actor: str) -> None:
        """It was a call, and it is over.

        Raises:
            IllegalMove: it is not connected.
        """
        self._finish(Status.ENDED, reason, at=at, actor=actor)

    def fail(self, side: FailedSide, reason: EndReason, *, at: datetime, actor: str = "system") -> None:
        """It was answered, and never became a call; on whose side is kept (B26).

        Raises:
            IllegalMove: it is not connected.
        """
        self._finish(Status.FAILED, reason, at=at, actor=actor, side=side)
        self.failed_side = side

    def absent_side(self) -> FailedSide | None:
        """Which side has not used its entry; None if both have."""
        if self.customer_entered_at is None and self.staff_entered_at is None:
            return FailedSide.BOTH
        if self.customer_entered_at is None:
            return FailedSide.CUSTOMER
        return FailedSide.STAFF if self.staff_entered_at is None else None

    def lasts_too_long(self, now: datetime) -> bool:
        """Whether it has lasted as long as the shop allows."""
        return self.status is Status.CONNECTED and self.ends_latest_at is not None and now >= self.ends_latest_at

    def _waited(self, until: datetime | None) -> int | None:
        if until is None or self.status is Status.REFUSED:
            return None
        return max(0, int((until - self.requested_at).total_seconds()))

    def _finish(self, to: Status, reason: EndReason, *, at: datetime, actor: str, **facts: Any) -> None:
        self._move(to)
        self.ended_at, self.end_reason = at, reason
        self.note(to.value, at=at, actor=actor, reason=reason, **facts)

    def _move(self, to: Status) -> None:
        if to not in MOVES[self.status]:
            raise IllegalMove(call_id=self.id, call_status=self.status)
        self.status = to


class CallEvent(Base):
    """One line of a call's trail. Append-only, kept longer than the contact (B43)."""

    __tablename__ = "call_events"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    call_id: Mapped[UUID] = mapped_column(ForeignKey("calls.id"), index=True)
    at: Mapped[datetime] = mapped_column(Instant)
    kind: Mapped[str] = mapped_column(String(40))
    actor: Mapped[str] = mapped_column(String(64))
    status: Mapped[Status] = mapped_column(enum_of(Status))
    facts: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)


class CallStub(Base):
    """That the trail of a call at once is gone because its time was over, and how long it was. Append-only (B43).

    Without one the database deletes no line of the trail.
    """

    __tablename__ = "call_stubs"

    call_id: Mapped[UUID] = mapped_column(primary_key=True)
    purged_at: Mapped[datetime]
    length: Mapped[int]


class CallRing(Base):
    """That a member of the staff was rung for a call. The primary key is why nobody is rung twice for one call."""

    __tablename__ = "call_rings"

    call_id: Mapped[UUID] = mapped_column(ForeignKey("calls.id"), primary_key=True)
    staff_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    rung_at: Mapped[datetime]


class CallDesk(Base):
    """One row a shop that judges its calls: who locks it decides alone whether somebody is free.

    Attributes:
        missed_in_a_row: how many rings since the last answer nobody answered.
    """

    __tablename__ = "call_desks"

    shop_id: Mapped[str] = mapped_column(ForeignKey("shops.id"), primary_key=True)
    missed_in_a_row: Mapped[int]

    def answered(self) -> None:
        """Somebody answered: the row of missed calls is over."""
        self.missed_in_a_row = 0

    def missed(self, *, escalate_after: int) -> bool:
        """Count a call that nobody answered; True once for each row that becomes as long as `escalate_after`."""
        self.missed_in_a_row += 1
        return self.missed_in_a_row == escalate_after


__all__ = [
    "CALLER_GONE_AFTER",
    "ENTER_WITHIN",
    "LIVE",
    "MISSED",
    "MOVES",
    "SAME_PRESS",
    "TERMINAL",
    "Call",
    "CallDesk",
    "CallEvent",
    "CallRing",
    "CallStub",
    "EndReason",
    "FailedSide",
    "Refused",
    "Side",
    "Status",
]
