"""A booking from the hold to its end: the table of moves, the deadline, the revision. Clauses B15 to B20.

Judges by the instant at which a request was received, never by the present; knows nothing of messages and slots' rows.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, WriteOnlyMapped, mapped_column, relationship

from models.base import Base, Instant, Json, enum_of
from models.customer import Channel
from models.errors import (
    ConfirmationNeeded,
    HoldEnded,
    IllegalMove,
    StaleRevision,
    TooManyChanges,
    WindowClosed,
)


class Status(StrEnum):
    """Where a booking stands."""

    HELD = "held"
    CONFIRMED = "confirmed"
    IN_CALL = "in_call"
    RELEASED = "released"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"
    COMPLETED = "completed"


MOVES: Mapping[Status, frozenset[Status]] = MappingProxyType(
    {
        Status.HELD: frozenset({Status.CONFIRMED, Status.RELEASED}),
        Status.CONFIRMED: frozenset({Status.CONFIRMED, Status.CANCELLED, Status.IN_CALL, Status.NO_SHOW}),
        Status.IN_CALL: frozenset({Status.COMPLETED}),
        Status.RELEASED: frozenset(),
        Status.CANCELLED: frozenset(),
        Status.NO_SHOW: frozenset(),
        Status.COMPLETED: frozenset(),
    }
)
"""Every move there is. No arrow leaves a terminal state: a replay returns what was recorded."""

TERMINAL = frozenset(status for status, onward in MOVES.items() if not onward)


class Released(StrEnum):
    """Why a hold ended without a booking."""

    EXPIRED = "expired"
    ATTEMPTS = "attempts"
    ABANDONED = "abandoned"
    UNDELIVERABLE = "undeliverable"


class Cause(StrEnum):
    """Who cancelled (B44)."""

    CUSTOMER = "customer"
    SHOP = "shop"
    SUSPENSION = "suspension"


class Side(StrEnum):
    """The two sides of a call."""

    CUSTOMER = "customer"
    STAFF = "staff"


class EntryPoint(StrEnum):
    """From which page the customer came (B6)."""

    SHOP_PAGE = "shop_page"
    PRODUCT_PAGE = "product_page"


_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Booking(Base):
    """One appointment for a video call.

    Attributes:
        revision: 1 at the hold, one more with each change; reminders, links and messages are bound to it.
        shop_zone: the shop's zone when it was booked; the promise in a message does not move with a later setting.
        change_deadline_at: exclusive end of change and cancellation, fixed per revision (B20).
        entry_opens_at, entry_closes_at: between these the call page lets people in (B17).
        live_index: HMAC over contact, shop and slot while the booking lives: one customer, one slot, one booking.
        change_window_closed_at: when the closing was recorded; it informs, the comparison with the deadline decides.
        sealed_second_contact: a mailbox beside the number, for what an SMS cannot carry; nobody has proven it.
    """

    __tablename__ = "bookings"
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="ends_after_it_starts"),
        CheckConstraint("revision >= 1 AND revision <= 255", name="revision_fits_a_link"),
        Index("ix_bookings_shop_start", "shop_id", "starts_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    shop_id: Mapped[str] = mapped_column(ForeignKey("shops.id"))
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"), index=True)
    channel: Mapped[Channel] = mapped_column(enum_of(Channel))
    language: Mapped[str] = mapped_column(String(8))
    status: Mapped[Status] = mapped_column(enum_of(Status))
    revision: Mapped[int]
    seat: Mapped[int]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    shop_zone: Mapped[str] = mapped_column(String(64))
    change_deadline_at: Mapped[datetime]
    entry_opens_at: Mapped[datetime]
    entry_closes_at: Mapped[datetime]
    most_changes: Mapped[int]
    live_index: Mapped[str | None] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    hold_expires_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    change_window_closed_at: Mapped[datetime | None]
    customer_entered_at: Mapped[datetime | None]
    staff_entered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    released_because: Mapped[Released | None] = mapped_column(enum_of(Released))
    cancelled_by: Mapped[Cause | None] = mapped_column(enum_of(Cause))
    absent: Mapped[str | None] = mapped_column(String(16))
    entry_point: Mapped[EntryPoint | None] = mapped_column(enum_of(EntryPoint))
    item_codes: Mapped[list[str]] = mapped_column(Json, default=list)
    customer_ip_index: Mapped[str | None] = mapped_column(String(64))
    sealed_name: Mapped[bytes | None] = mapped_column(LargeBinary)
    sealed_memo: Mapped[bytes | None] = mapped_column(LargeBinary)
    sealed_source_url: Mapped[bytes | None] = mapped_column(LargeBinary)
    sealed_second_contact: Mapped[bytes | None] = mapped_column(LargeBinary)

    events: WriteOnlyMapped["BookingEvent"] = relationship(order_by="BookingEvent.id", passive_deletes=True)

    @property
    def reference(self) -> str:
        """The booking number that a person can read out: eight letters and digits, none of them easily mistaken.

        It names a booking, it authorises nothing.
        """
        value = self.id.int & (1 << 40) - 1
        letters = "".join(_ALPHABET[value >> shift & 31] for shift in range(35, -1, -5))
        return f"{letters[:4]}-{letters[4:]}"

    def note(self, kind: str, *, at: datetime, actor: str, **facts: Any) -> None:
        """Append to the booking's trail (B43). Facts are ids, numbers and instants, never personal data."""
        self.events.add(
            BookingEvent(
                booking_id=self.id,
                at=at,
                kind=kind,
                actor=actor,
                status=self.status,
                revision=self.revision,
                facts=facts,
            )
        )

    def complete(self, *, received_at: datetime) -> None:
        """The code was right: the booking is complete, in this one move (B15).

        Raises:
            HoldEnded: `received_at` is at or past the end of the hold.
            IllegalMove: it is not held.
        """
        self._need(Status.HELD)
        if received_at >= self.hold_expires_at:
            raise HoldEnded(booking_id=self.id)
        self._move(Status.CONFIRMED)
        self.confirmed_at = received_at
        self.note("confirmed", at=received_at, actor=Side.CUSTOMER)

    def extend_hold(self, until: datetime, *, at: datetime) -> None:
        """Keep the slot for as long as the code that was just sent lives."""
        self._need(Status.HELD)
        self.hold_expires_at = max(self.hold_expires_at, until)
        self.note("code_sent_again", at=at, actor=Side.CUSTOMER)

    def release(self, because: Released, *, at: datetime) -> None:
        """End a hold without a booking.

        Raises:
            IllegalMove: it is not held.
        """
        self._need(Status.HELD)
        self._move(Status.RELEASED)
        self.released_because = because
        self._end(at)
        self.note("released", at=at, actor="system" if because is Released.EXPIRED else Side.CUSTOMER, because=because)

    def hold_is_over(self, now: datetime) -> bool:
        """Whether the hold is due to end; the timer only proposes, so it asks."""
        return self.status is Status.HELD and now >= self.hold_expires_at

    def change(
        self,
        *,
        starts_at: datetime,
        ends_at: datetime,
        seat: int,
        deadline_at: datetime,
        received_at: datetime,
        expected_revision: int,
        knows_it_is_final: bool,
        live_index: str,
    ) -> None:
        """Move the booking to another slot, in place, as the customer wished (B18, B20).

        `deadline_at` is the new slot's own change deadline; `knows_it_is_final` says that the caller accepts that
        nothing can be changed after this.

        Raises:
            StaleRevision: the caller decided on another revision.
            WindowClosed: `received_at` is at or past the *old* deadline.
            TooManyChanges: it was changed as often as the shop allows.
            ConfirmationNeeded: the new deadline is past already and the caller did not say it knows.
            IllegalMove: it is not confirmed.
        """
        self.check_changeable(received_at=received_at, expected_revision=expected_revision)
        if received_at >= deadline_at and not knows_it_is_final:
            raise ConfirmationNeeded(booking_id=self.id)
        before = self.starts_at
        opens, closes = self.starts_at - self.entry_opens_at, self.entry_closes_at - self.ends_at
        self._move(Status.CONFIRMED)
        self.revision += 1
        self.starts_at, self.ends_at, self.seat = starts_at, ends_at, seat
        self.change_deadline_at = deadline_at
        self.entry_opens_at, self.entry_closes_at = starts_at - opens, ends_at + closes
        self.change_window_closed_at = None
        self.live_index = live_index
        self.note(
            "changed", at=received_at, actor=Side.CUSTOMER, before=before.isoformat(), after=starts_at.isoformat()
        )

    def check_changeable(self, *, received_at: datetime, expected_revision: int) -> None:
        """Refuse what `change` would refuse whatever the new slot is, before a slot is claimed.

        Raises:
            IllegalMove, StaleRevision, WindowClosed, TooManyChanges: as `change` does.
        """
        self._need(Status.CONFIRMED)
        self._check_revision(expected_revision)
        self._check_window(received_at)
        if self.revision > self.most_changes:
            raise TooManyChanges(booking_id=self.id, most_changes=self.most_changes)

    def cancel(self, *, received_at: datetime, expected_revision: int) -> None:
        """Cancel at the customer's wish.

        Raises:
            StaleRevision: the caller decided on another revision.
            WindowClosed: `received_at` is at or past `change_deadline_at`, an exclusive end.
            IllegalMove: it is not confirmed.

        Source: clause B20, 「予約日前日までにお手続きください」.
        """
        self._need(Status.CONFIRMED)
        self._check_revision(expected_revision)
        self._check_window(received_at)
        self._cancel(Cause.CUSTOMER, at=received_at, actor=Side.CUSTOMER)

    def withdraw(self, cause: Cause, *, at: datetime, actor: str, reason: str) -> None:
        """Cancel on the shop's side, also after the deadline; the customer is owed an apology (M5).

        `reason` is the operator's, as a code or a reference; never personal data.

        Raises:
            IllegalMove: it is not confirmed.
        """
        self._need(Status.CONFIRMED)
        self._cancel(cause, at=at, actor=actor, reason=reason)

    def close_window(self, *, now: datetime, revision: int) -> bool:
        """Record that the window for changes has closed; False if there is nothing (more) to record.

        It permits and forbids nothing: `cancel` and `change` compare with the deadline themselves, so a late worker
        neither opens nor closes the window.
        """
        due = (
            self.status is Status.CONFIRMED
            and self.revision == revision
            and now >= self.change_deadline_at
            and self.change_window_closed_at is None
        )
        if due:
            self.change_window_closed_at = now
            self.note("change_window_closed", at=now, actor="system")
        return due

    def is_reminded_of(self, revision: int) -> bool:
        """Whether a reminder set for this revision still tells the truth."""
        return self.status is Status.CONFIRMED and self.revision == revision

    def may_enter(self, now: datetime) -> bool:
        """Whether the call page lets people in (B17)."""
        return self.status in {Status.CONFIRMED, Status.IN_CALL} and self.entry_opens_at <= now < self.entry_closes_at

    def enter(self, side: Side, *, now: datetime) -> bool:
        """Note that one side tapped its call link; both make it a call. False if that side had tapped it before.

        Raises:
            IllegalMove: it is not between `entry_opens_at` and `entry_closes_at`, or there is no such call.
        """
        if not self.may_enter(now):
            raise IllegalMove(booking_id=self.id, booking_status=self.status)
        entered = "customer_entered_at" if side is Side.CUSTOMER else "staff_entered_at"
        if getattr(self, entered) is not None:
            return False
        setattr(self, entered, now)
        self.note("entered", at=now, actor=side)
        if self.customer_entered_at is not None and self.staff_entered_at is not None:
            self._move(Status.IN_CALL)
            self.note("call_began", at=now, actor="system")
        return True

    def end(self, *, now: datetime, revision: int) -> bool:
        """End the booking when its entry window is over; False if there is nothing (more) to end."""
        if self.status in TERMINAL or self.revision != revision or now < self.entry_closes_at:
            return False
        if self.status is Status.IN_CALL:
            self._move(Status.COMPLETED)
        else:
            self._move(Status.NO_SHOW)
            self.absent = self._absent()
        self._end(now)
        self.note("ended", at=now, actor="system", absent=self.absent)
        return True

    def may_still_change(self, now: datetime) -> bool:
        """Whether a change or cancellation received now would be in time."""
        return self.status is Status.CONFIRMED and now < self.change_deadline_at

    def _absent(self) -> str:
        if self.customer_entered_at is None and self.staff_entered_at is None:
            return "both"
        return Side.CUSTOMER if self.customer_entered_at is None else "shop"

    def _cancel(self, cause: Cause, *, at: datetime, actor: str, **facts: Any) -> None:
        self._move(Status.CANCELLED)
        self.cancelled_by = cause
        self._end(at)
        self.note("cancelled", at=at, actor=actor, by=cause, **facts)

    def _end(self, at: datetime) -> None:
        self.ended_at = at
        self.live_index = None

    def _check_revision(self, expected: int) -> None:
        if self.revision != expected:
            raise StaleRevision(booking_id=self.id, revision=self.revision)

    def _check_window(self, received_at: datetime) -> None:
        if received_at >= self.change_deadline_at:
            raise WindowClosed(booking_id=self.id, change_deadline_at=self.change_deadline_at)

    def _need(self, status: Status) -> None:
        if self.status is not status:
            raise IllegalMove(booking_id=self.id, booking_status=self.status)

    def _move(self, to: Status) -> None:
        if to not in MOVES[self.status]:
            raise IllegalMove(booking_id=self.id, booking_status=self.status)
        self.status = to


class BookingEvent(Base):
    """One line of a booking's trail. Append-only, kept longer than the contact (B43)."""

    __tablename__ = "booking_events"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    booking_id: Mapped[UUID] = mapped_column(ForeignKey("bookings.id"), index=True)
    at: Mapped[datetime] = mapped_column(Instant)
    kind: Mapped[str] = mapped_column(String(40))
    actor: Mapped[str] = mapped_column(String(64))
    status: Mapped[Status] = mapped_column(enum_of(Status))
    revision: Mapped[int]
    facts: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)


class SlotClaim(Base):
    """Five minutes of one seat, claimed by one booking. The primary key decides who was first.

    Attributes:
        expires_at: until when a hold keeps it; None once the booking is confirmed.
    """

    __tablename__ = "slot_claims"

    shop_id: Mapped[str] = mapped_column(ForeignKey("shops.id"), primary_key=True)
    tick_at: Mapped[datetime] = mapped_column(primary_key=True)
    seat: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    booking_id: Mapped[UUID] = mapped_column(ForeignKey("bookings.id"), index=True)
    expires_at: Mapped[datetime | None]


GRACE = timedelta(seconds=25)
"""How much longer than its hold a claim lasts: a code received in the last moment may still be waiting for a lock.

Longer than any lock is waited for, so that a code in time is never refused because the row was busy.
"""
