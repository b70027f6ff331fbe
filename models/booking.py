"""A booking from the hold to its end: the table of moves, the deadline, the revision. Clauses B15 to B20.

Judges by the instant at which a request was received, never by the present; knows nothing of messages and slots' rows.
"""

from collections.abc import Mapping, Sequence
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
LIVE = frozenset({Status.CONFIRMED, Status.IN_CALL})
"""A booking that has a call before it, or goes on as one."""
LAST_REVISION = 255
"""A link has one byte for it."""
RECONNECT = timedelta(minutes=3)
"""How long a call that both sides left waits for either to come back."""
CUSTOMER_LATE = timedelta(minutes=5)
SHOP_LATE = timedelta(minutes=2)
"""How long after the start the other side is told who waits: the shop sooner, for it is the host."""


class Released(StrEnum):
    """Why a hold ended without a booking."""

    EXPIRED = "expired"
    ATTEMPTS = "attempts"
    ABANDONED = "abandoned"
    UNDELIVERABLE = "undeliverable"
    SUSPENDED = "suspended"
    """The service stopped (B40)."""


_BY_US = frozenset({Released.EXPIRED, Released.SUSPENDED})


class Cause(StrEnum):
    """Who cancelled (B44)."""

    CUSTOMER = "customer"
    SHOP = "shop"
    SUSPENSION = "suspension"


class Side(StrEnum):
    """The two sides of a call."""

    CUSTOMER = "customer"
    STAFF = "staff"


class Ended(StrEnum):
    """Why a call that was held is over."""

    BOTH_LEFT = "both_left"
    TIME_OVER = "time_over"
    STAFF = "staff"


Visit = tuple[datetime, datetime | None]
"""From when until when somebody was in a room, an exclusive end; None: nobody saw them leave."""


class EntryPoint(StrEnum):
    """From which page the customer came (B6)."""

    SHOP_PAGE = "shop_page"
    PRODUCT_PAGE = "product_page"


class VisitPurpose(StrEnum):
    """What the customer wants of the call, in a word; the memo says the rest (B3)."""

    COLOUR = "colour"
    SIZE = "size"
    DETAIL = "detail"
    ADVICE = "advice"
    OTHER = "other"


_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Booking(Base):
    """One appointment for a video call.

    Attributes:
        revision: 1 at the hold, one more with each change; reminders, links and messages are bound to it.
        shop_zone: the shop's zone when it was booked; the promise in a message does not move with a later setting.
        change_deadline_at: exclusive end of change and cancellation, fixed per revision unless a later one was told
            (B20).
        most_changes: revisions that the customer may bring about; a move by the shop adds one.
        menu_id: the shop's menu that was booked; None where it had none.
        entry_opens_at, entry_closes_at: between these the call page lets people in (B17).
        staff_id: who of the shop entered, if they came by their own page.
        call_began_at: since when both sides were there together.
        customer_left_at, staff_left_at: when a side was last seen to leave; None again once it comes back.
        ended_because: why a call that was held is over.
        displaced_at: when the shop moved it, or the customer gave way to a suspension: no later cancellation is held
            against them (B39).
        live_index: HMAC over contact, shop and slot while the booking lives: one customer, one slot, one booking.
        change_window_closed_at: when the closing was recorded; it informs, the comparison with the deadline decides.
        provider: whose terms the customer agreed to and who carries the call, once it is confirmed (B25, B27).
        sealed_second_contact: a mailbox beside the number, for what an SMS cannot carry; nobody has proven it.
    """

    __tablename__ = "bookings"
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="ends_after_it_starts"),
        CheckConstraint(f"revision >= 1 AND revision <= {LAST_REVISION}", name="revision_fits_a_link"),
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
    staff_id: Mapped[str | None] = mapped_column(String(64))
    call_began_at: Mapped[datetime | None]
    customer_left_at: Mapped[datetime | None]
    staff_left_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    ended_because: Mapped[Ended | None] = mapped_column(enum_of(Ended))
    released_because: Mapped[Released | None] = mapped_column(enum_of(Released))
    cancelled_by: Mapped[Cause | None] = mapped_column(enum_of(Cause))
    displaced_at: Mapped[datetime | None]
    absent: Mapped[str | None] = mapped_column(String(16))
    entry_point: Mapped[EntryPoint | None] = mapped_column(enum_of(EntryPoint))
    purpose: Mapped[VisitPurpose | None] = mapped_column(enum_of(VisitPurpose))
    menu_id: Mapped[str | None] = mapped_column(String(64))
    item_codes: Mapped[list[str]] = mapped_column(Json, default=list)
    customer_ip_index: Mapped[str | None] = mapped_column(String(64))
    provider: Mapped[str | None] = mapped_column(String(40))
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
        self.note("released", at=at, actor="system" if because in _BY_US else Side.CUSTOMER, because=because)

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
        is_displaced: bool = False,
    ) -> None:
        """Move the booking to another slot, in place, as the customer wished (B18, B20).

        `deadline_at` is the new slot's own change deadline; `knows_it_is_final` says that the caller accepts that
        nothing can be changed after this. `is_displaced`: a suspension takes its time away, so that neither the
        deadline nor the number of changes binds the customer, and this change is not counted (B41).

        Raises:
            StaleRevision: the caller decided on another revision.
            WindowClosed: `received_at` is at or past the *old* deadline.
            TooManyChanges: it was changed as often as the shop allows, or as links can tell.
            ConfirmationNeeded: the new deadline is past already and the caller did not say it knows.
            IllegalMove: it is not confirmed.
        """
        self.check_changeable(received_at=received_at, expected_revision=expected_revision, is_displaced=is_displaced)
        if received_at >= deadline_at and not knows_it_is_final:
            raise ConfirmationNeeded(booking_id=self.id)
        before = self.starts_at
        self.most_changes += is_displaced
        self._give_way(received_at, is_displaced=is_displaced)
        self._take(starts_at, ends_at, seat, deadline_at, live_index)
        self.note(
            "changed", at=received_at, actor=Side.CUSTOMER, before=before.isoformat(), after=starts_at.isoformat()
        )

    def move(
        self,
        *,
        starts_at: datetime,
        ends_at: datetime,
        seat: int,
        deadline_at: datetime,
        live_index: str,
        expected_revision: int,
        at: datetime,
        actor: str,
        reason: str,
    ) -> None:
        """Move the booking to another slot on the shop's side, also after the deadline (B20, §2.3).

        It was not the customer's wish, so it is none of the changes that they may make. `reason` is a code or a
        reference; never personal data.

        Raises:
            StaleRevision: the shop decided on another revision.
            TooManyChanges: no link could tell another revision from those before.
            IllegalMove: it is not confirmed.
        """
        self._need(Status.CONFIRMED)
        self._check_revision(expected_revision)
        self._check_next_revision()
        before = self.starts_at
        self._take(starts_at, ends_at, seat, deadline_at, live_index)
        self.most_changes += 1
        self._give_way(at, is_displaced=True)
        self.note("moved", at=at, actor=actor, before=before.isoformat(), after=starts_at.isoformat(), reason=reason)

    def check_changeable(self, *, received_at: datetime, expected_revision: int, is_displaced: bool = False) -> None:
        """Refuse what `change` would refuse whatever the new slot is, before a slot is claimed.

        Raises:
            IllegalMove, StaleRevision, WindowClosed, TooManyChanges: as `change` does.
        """
        self._need(Status.CONFIRMED)
        self._check_revision(expected_revision)
        self._check_next_revision()
        if is_displaced:
            return
        self._check_window(received_at)
        if self.revision > self.most_changes:
            raise TooManyChanges(booking_id=self.id, most_changes=self.most_changes)

    def cancel(self, *, received_at: datetime, expected_revision: int, is_displaced: bool = False) -> None:
        """Cancel at the customer's wish; `is_displaced` as in `change`.

        Raises:
            StaleRevision: the caller decided on another revision.
            WindowClosed: `received_at` is at or past `change_deadline_at`, an exclusive end.
            IllegalMove: it is not confirmed.

        Source: clause B20, 「予約日前日までにお手続きください」.
        """
        self._need(Status.CONFIRMED)
        self._check_revision(expected_revision)
        if not is_displaced:
            self._check_window(received_at)
        self._give_way(received_at, is_displaced=is_displaced)
        self._cancel(Cause.CUSTOMER, at=received_at, actor=Side.CUSTOMER)

    def withdraw(self, cause: Cause, *, at: datetime, actor: str, reason: str) -> None:
        """Cancel on the shop's side, also after the deadline; the customer is owed an apology (M5).

        `reason` is the operator's, as a code or a reference; never personal data.

        Raises:
            IllegalMove: it is not confirmed.
        """
        self._need(Status.CONFIRMED)
        self._cancel(cause, at=at, actor=actor, reason=reason)

    def keep_told_deadline(self, until: datetime, *, at: datetime) -> bool:
        """Let a deadline stand that the customer was told, whatever became of its cause (B20); False if there is none.

        Nothing is taken from their own: of the two the later one holds from now on.
        """
        if until <= max(self.change_deadline_at, at):
            return False
        self.change_deadline_at, self.change_window_closed_at = until, None
        self.note("told_deadline_kept", at=at, actor="system")
        return True

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

    def enter(self, side: Side, *, now: datetime, left_at: datetime | None = None) -> bool:
        """Note that one side came; both that are there make it a call. False if that side had come before.

        `left_at`: when it left again, if that was told first.

        Raises:
            IllegalMove: it is not between `entry_opens_at` and `entry_closes_at`, or there is no such call.
        """
        if not self.may_enter(now):
            raise IllegalMove(booking_id=self.id, booking_status=self.status)
        if self.entered_at(side) is not None:
            return False
        if side is Side.CUSTOMER:
            self.customer_entered_at, self.customer_left_at = now, left_at
        else:
            self.staff_entered_at, self.staff_left_at = now, left_at
        self.note("entered", at=now, actor=side)
        self._begin(now)
        return True

    def entered_at(self, side: Side) -> datetime | None:
        """When a side first entered."""
        return self.customer_entered_at if side is Side.CUSTOMER else self.staff_entered_at

    def is_there(self, side: Side) -> bool:
        """Whether a side entered and was not seen to leave since."""
        left = self.customer_left_at if side is Side.CUSTOMER else self.staff_left_at
        return self.entered_at(side) is not None and left is None

    def see(self, side: Side, *, left_at: datetime | None, at: datetime | None = None) -> bool:
        """Take in whether a side that entered is still there, by what was told of it; False if that is nothing new.

        A fact, so it is never refused: it may come late, twice, or when everything is over. `at` is when it happened;
        whoever comes back to the other side makes it a call from then on.
        """
        before = self.customer_left_at if side is Side.CUSTOMER else self.staff_left_at
        if self.status not in LIVE or self.entered_at(side) is None or left_at == before:
            return False
        if side is Side.CUSTOMER:
            self.customer_left_at = left_at
        else:
            self.staff_left_at = left_at
        if before is None and left_at is not None:
            self.note("left", at=left_at, actor=side)
        if left_at is None and at is not None and self.may_enter(at):
            self._begin(at)
        return True

    @property
    def over_at(self) -> datetime | None:
        """When the call is over unless somebody comes back: some time after the last of both sides left."""
        if self.status is not Status.IN_CALL or self.customer_left_at is None or self.staff_left_at is None:
            return None
        return max(self.customer_left_at, self.staff_left_at) + RECONNECT

    def late_at(self, side: Side) -> datetime:
        """From when on a side that is not there keeps the other one waiting."""
        return self.starts_at + (CUSTOMER_LATE if side is Side.CUSTOMER else SHOP_LATE)

    def is_missed(self, side: Side, *, now: datetime, revision: int) -> bool:
        """Whether one side is there, in time for this revision, and the other one is late."""
        other = Side.STAFF if side is Side.CUSTOMER else Side.CUSTOMER
        waits = self.status is Status.CONFIRMED and self.is_there(other) and not self.is_there(side)
        return waits and self.revision == revision and self.late_at(side) <= now < self.entry_closes_at

    def nudge(self, *, now: datetime, actor: str) -> None:
        """Staff want the customer to be told now that they are waited for, before it is done unasked.

        Raises:
            IllegalMove: the call has not begun by the clock, its window is over, or the customer is there.
        """
        if (
            self.status is not Status.CONFIRMED
            or self.is_there(Side.CUSTOMER)
            or not self.starts_at <= now < self.entry_closes_at
        ):
            raise IllegalMove(booking_id=self.id, booking_status=self.status)
        self.note("nudged", at=now, actor=actor)

    def hang_up(self, *, now: datetime, actor: str) -> None:
        """End the call on the shop's side (B32).

        Raises:
            IllegalMove: nobody is in a call.
        """
        self._need(Status.IN_CALL)
        self._complete(Ended.STAFF, at=now, actor=actor)

    def end(
        self, *, now: datetime, revision: int, visits: Mapping[Side, Sequence[Visit]] = MappingProxyType({})
    ) -> bool:
        """End the booking when its entry window is over, or both sides left and neither came back.

        `visits`: when each side was there, to say who is absent if they missed each other; of a side that has none,
        its first coming and its last leaving are all that is known.

        False if there is nothing (more) to end.
        """
        both_left = self.over_at is not None and now >= self.over_at
        if self.status in TERMINAL or self.revision != revision or not (both_left or now >= self.entry_closes_at):
            return False
        if self.status is Status.IN_CALL:
            self._complete(Ended.BOTH_LEFT if both_left else Ended.TIME_OVER, at=now, actor="system")
            return True
        self._move(Status.NO_SHOW)
        self.absent = self._absent(visits)
        self._end(now)
        self.note("ended", at=now, actor="system", absent=self.absent)
        return True

    @property
    def missed_each_other(self) -> bool:
        """Whether both sides came to a call that was not held, and it was not the shop that kept the other waiting."""
        both_came = None not in (self.customer_entered_at, self.staff_entered_at)
        return both_came and self.absent in {Side.CUSTOMER, "both"}

    @property
    def talked_until(self) -> datetime | None:
        """When the first of both left a call that was held, or it ended; None if none was held, or it goes on."""
        if self.status is not Status.COMPLETED or self.ended_at is None:
            return None
        return min(at for at in (self.ended_at, self.customer_left_at, self.staff_left_at) if at is not None)

    @property
    def talked_seconds(self) -> int:
        """How long both sides were in the call, as far as it is over."""
        until = self.talked_until
        began = self.call_began_at
        return max(0, int((until - began).total_seconds())) if began and until else 0

    def may_still_change(self, now: datetime) -> bool:
        """Whether a change or cancellation received now would be in time."""
        return self.status is Status.CONFIRMED and now < self.change_deadline_at

    def _complete(self, because: Ended, *, at: datetime, actor: str) -> None:
        self._move(Status.COMPLETED)
        self.ended_because = because
        self._end(at)
        self.note("ended", at=at, actor=actor, because=because)

    def _begin(self, at: datetime) -> None:
        """Make it a call if both sides are there; that one was there once and left makes none."""
        if self.status is Status.CONFIRMED and all(self.is_there(side) for side in Side):
            # Facts come out of order: it did not begin before both had entered.
            entered = (each for each in map(self.entered_at, Side) if each is not None)
            self._move(Status.IN_CALL)
            self.call_began_at = max(at, *entered)
            self.note("call_began", at=self.call_began_at, actor="system")

    def _absent(self, visits: Mapping[Side, Sequence[Visit]]) -> str:
        if self.customer_entered_at is None and self.staff_entered_at is None:
            return "both"
        if self.customer_entered_at is None or self.staff_entered_at is None:
            return Side.CUSTOMER if self.customer_entered_at is None else "shop"
        # They missed each other: absent is the one that was late while the other was there, and whoever was so first.
        customer, staff = (visits.get(side) or self._visit(side) for side in (Side.CUSTOMER, Side.STAFF))
        kept_waiting_at = _alone_from(customer, staff, since=self.late_at(Side.STAFF))
        waited_at = _alone_from(staff, customer, since=self.late_at(Side.CUSTOMER))
        if kept_waiting_at is None:
            return "both" if waited_at is None else Side.CUSTOMER
        return "shop" if waited_at is None or kept_waiting_at <= waited_at else Side.CUSTOMER

    def _visit(self, side: Side) -> Sequence[Visit]:
        came = self.entered_at(side)
        left = self.customer_left_at if side is Side.CUSTOMER else self.staff_left_at
        return [] if came is None else [(came, left)]

    def _cancel(self, cause: Cause, *, at: datetime, actor: str, **facts: Any) -> None:
        self._move(Status.CANCELLED)
        self.cancelled_by = cause
        self._end(at)
        self.note("cancelled", at=at, actor=actor, by=cause, **facts)

    def _take(self, starts_at: datetime, ends_at: datetime, seat: int, deadline_at: datetime, live_index: str) -> None:
        """Be another slot's booking from now on: a new revision with all that hangs on the time."""
        opens, closes = self.starts_at - self.entry_opens_at, self.entry_closes_at - self.ends_at
        self._move(Status.CONFIRMED)
        self.revision += 1
        self.starts_at, self.ends_at, self.seat = starts_at, ends_at, seat
        self.change_deadline_at = deadline_at
        self.entry_opens_at, self.entry_closes_at = starts_at - opens, ends_at + closes
        self.change_window_closed_at = None
        self.live_index = live_index
        # Whoever had entered the call may enter the new one.
        self.customer_entered_at = self.staff_entered_at = None
        self.customer_left_at = self.staff_left_at = None
        self.staff_id = None

    def _give_way(self, at: datetime, *, is_displaced: bool) -> None:
        if is_displaced and self.displaced_at is None:
            self.displaced_at = at

    def _end(self, at: datetime) -> None:
        self.ended_at = at
        self.live_index = None

    def _check_revision(self, expected: int) -> None:
        if self.revision != expected:
            raise StaleRevision(booking_id=self.id, revision=self.revision)

    def _check_next_revision(self) -> None:
        if self.revision >= LAST_REVISION:
            raise TooManyChanges(booking_id=self.id)

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


def _alone_from(these: Sequence[Visit], others: Sequence[Visit], *, since: datetime) -> datetime | None:
    """Return when, from `since` on, one side was first there without the other; None if it never was."""
    changes = [since, *(came for came, _ in these), *(left for _, left in others if left is not None)]
    alone = (at for at in sorted(changes) if at >= since and _is_within(these, at) and not _is_within(others, at))
    return next(alone, None)


def _is_within(visits: Sequence[Visit], at: datetime) -> bool:
    return any(came <= at and (left is None or at < left) for came, left in visits)


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


class BookingStub(Base):
    """That a booking's trail is gone because its time was over, and how long it was. Append-only (B43).

    Without one the database deletes no line of the trail.
    """

    __tablename__ = "booking_stubs"

    booking_id: Mapped[UUID] = mapped_column(primary_key=True)
    purged_at: Mapped[datetime]
    length: Mapped[int]


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


HOLD_GRACE = timedelta(seconds=25)
"""How much longer than its hold a claim lasts: a code received in the last moment may still be waiting for a lock.

Longer than any lock is waited for, so that a code in time is never refused because the row was busy.
"""
