"""Who is told of what happens, and what became of the telling: events, endpoints, deliveries and their attempts.

Knows what an answer means, when the next attempt is due and when an endpoint is given up, as Standard Webhooks 1.0.0
advises; knows no network, no signature and no secret's text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import ApiKey, Scope
from models.base import Base, Json, enum_of
from models.errors import IllegalMove

SCHEDULE = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""How long before each attempt, counted from the end of the one before it: a little over three days in all."""

JITTER_SHARE = 0.2
"""How much longer than its step a wait may be, so that what failed together does not return together."""

KEPT = timedelta(days=30)
"""How long events and their deliveries are kept, and can be sent again."""

OLD_SECRET_LIVES = timedelta(hours=24)
MOST_SECRETS = 4
MOST_ENDPOINTS = 20
LARGEST_BODY_BYTES = 20_000

MOST_AT_ONCE = 4
"""Calls to one endpoint at a time; while it fails, one. Other endpoints' events must find a worker, too."""
URGENT_AT_ONCE = 2
"""So many of the calls that ring, for one endpoint: all endpoints share the workers that phones ring by."""
URGENT_FOR = timedelta(seconds=30)
"""So long after it was owed, what rings goes on as soon as there is room again."""

SLOW_CALL = timedelta(seconds=2)
FAILURES_BEFORE_PAUSE = 3
LONGEST_PAUSE = timedelta(minutes=5)
FAILING_FOR = timedelta(days=5)
FAILURES_BEFORE_END = 10

_OK, _OK_END, _GONE = 200, 300, 410
# 503 is not in the standard's list; it says the same as 504.
_THROTTLING = frozenset({429, 502, 503, 504})


class EventType(StrEnum):
    """What can be told, `noun.verb_in_the_past`, for ever: receivers choose by it."""

    BOOKING_HELD = "booking.held"
    BOOKING_CONFIRMED = "booking.confirmed"
    BOOKING_CHANGED = "booking.changed"
    BOOKING_MOVED = "booking.moved"
    """By the shop."""
    BOOKING_CANCELLED = "booking.cancelled"
    BOOKING_RELEASED = "booking.released"
    BOOKING_ENDED = "booking.ended"
    CALL_ENTERED = "call.entered"
    """By one side of a booked call, or of a call at once."""
    CALL_RINGING = "call.ringing"
    CALL_ANSWERED = "call.answered"
    CALL_MISSED = "call.missed"
    """Abandoned by the caller, or answered by nobody."""
    CALL_ENDED = "call.ended"
    """After it was answered; it may never have become a call."""
    CONDUCT_REPORTED = "conduct.reported"
    """By the staff of a call, for an operator to read."""
    MESSAGE_DELIVERED = "message.delivered"
    MESSAGE_UNDELIVERED = "message.undelivered"
    MESSAGE_FAILED = "message.failed"
    MESSAGE_UNKNOWN = "message.unknown"
    CASE_MOVED = "case.moved"
    SUSPENSION_CHANGED = "suspension.changed"
    """One that is of no shop concerns them all, and all are told."""
    TEST = "webhook.test"
    """Sent only to the endpoint that asked for it."""


class DisabledBecause(StrEnum):
    """Why an endpoint is not called."""

    OWNER = "owner"
    GONE = "gone"
    """It answered 410."""
    FAILING = "failing"
    """Nothing reached it for five days."""


class Cause(StrEnum):
    """Why an event is delivered to an endpoint."""

    EVENT = "event"
    RESEND = "resend"
    TEST = "test"


class State(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    CALLING = "calling"
    DELIVERED = "delivered"
    FAILED = "failed"
    STOPPED = "stopped"


MOVES: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.WAITING: frozenset({State.CALLING, State.DELIVERED, State.STOPPED}),
        State.CALLING: frozenset({State.WAITING, State.DELIVERED, State.FAILED}),
        # An answer that was thought lost may still come; it is a fact.
        State.FAILED: frozenset({State.DELIVERED}),
        State.STOPPED: frozenset({State.DELIVERED}),
        State.DELIVERED: frozenset(),
    }
)

TERMINAL = frozenset(state for state, onward in MOVES.items() if not onward)


@dataclass(frozen=True)
class Heard:
    """What came of one call.

    Attributes:
        status: HTTP status, or None if there was no answer.
        error: our own word for why there was none, such as `timed_out`; never an address or a text.
        retry_after: how long the receiver asked us to wait.
    """

    status: int | None = None
    error: str | None = None
    retry_after: timedelta | None = None

    @property
    def is_success(self) -> bool:
        """2xx, and nothing else: a redirect is a failure, since whoever wrote it may point us anywhere."""
        return self.status is not None and _OK <= self.status < _OK_END

    @property
    def is_gone(self) -> bool:
        """410: the receiver wants no more."""
        return self.status == _GONE

    @property
    def is_throttling(self) -> bool:
        """The receiver, or what stands before it, is overrun."""
        return self.status in _THROTTLING


LOST = Heard(error="no_answer_recorded")
"""The process died inside the call. It is made again: receivers know an event by its id, so twice is once."""


class WebhookEndpoint(Base):
    """Where a calling system wants to be told. It hears of the shops its key covers, and of no other (B36).

    Attributes:
        types: which events; None for all.
        failing_since: the first failure after the last success.
        failures: how many since then.
        paused_until: no call before this instant; an exclusive end.
    """

    __tablename__ = "webhook_endpoints"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    api_key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id"), index=True)
    url: Mapped[str] = mapped_column(String(500))
    label: Mapped[str] = mapped_column(String(100))
    types: Mapped[list[str] | None] = mapped_column(Json)
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    disabled_because: Mapped[DisabledBecause | None] = mapped_column(enum_of(DisabledBecause))
    failing_since: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0)
    paused_until: Mapped[datetime | None]

    def wants(self, event: "WebhookEvent", key: ApiKey) -> bool:
        """Whether it is to be told of this event; `key` is its owner's."""
        return (
            self.disabled_at is None
            and key.revoked_at is None
            and (self.types is None or event.type in self.types)
            and self.may_see(event, key)
        )

    def may_see(self, event: "WebhookEvent", key: ApiKey) -> bool:
        """Whether the event is of a shop that its owner's key covers, or of a case and the key may read cases."""
        if self.api_key_id != key.id:
            return False
        if event.type == EventType.CASE_MOVED:
            return key.covers(None) and key.allows(Scope.CASES_READ)
        if event.type == EventType.SUSPENSION_CHANGED and event.shop_id is None:
            return True
        return event.shop_id is not None and key.covers(event.shop_id)

    def room_at(
        self, now: datetime, started: list[datetime], *, jitter: float, is_urgent: bool = False
    ) -> datetime | None:
        """Say when a call may be made instead of now; None: now.

        Args:
            now: business time.
            started: when each call under way began; of what is urgent, only those that are urgent as well.
            jitter: between 0 and 1, spreads those that were put off.
            is_urgent: it waits neither for calls that are in no such hurry, nor out a pause: a ring is over by then.
        """
        if is_urgent and len(started) < URGENT_AT_ONCE:
            return None
        if self.paused_until is not None and now < self.paused_until:
            return now + (self.paused_until - now) * (1 + jitter)
        if not is_urgent and len(started) < (1 if self.failures else MOST_AT_ONCE):
            return None
        slow = self.failures > 0 or any(now - at > SLOW_CALL for at in started)
        return now + (timedelta(seconds=15) if slow else timedelta(seconds=1)) * (1 + 2 * jitter)

    def learn(self, heard: Heard, *, now: datetime) -> None:
        """Draw conclusions about the receiver: it lives, it needs a rest, it is gone."""
        if heard.is_success:
            self.failing_since, self.failures, self.paused_until = None, 0, None
            return
        self.failures += 1
        self.failing_since = self.failing_since or now
        if heard.is_throttling or self.failures >= FAILURES_BEFORE_PAUSE:
            pause = heard.retry_after or min(LONGEST_PAUSE, timedelta(seconds=2 ** min(self.failures, 9)))
            self.paused_until = max(self.paused_until or now, now + pause)
        if heard.is_gone:
            self.disable(DisabledBecause.GONE, at=now)
        elif now - self.failing_since >= FAILING_FOR and self.failures >= FAILURES_BEFORE_END:
            self.disable(DisabledBecause.FAILING, at=now)

    def disable(self, because: DisabledBecause, *, at: datetime) -> None:
        """Call it no more until its owner enables it; the first reason stands."""
        if self.disabled_at is None:
            self.disabled_at, self.disabled_because = at, because

    def enable(self) -> None:
        """Begin again with a clean record."""
        self.disabled_at = self.disabled_because = None
        self.failing_since, self.failures, self.paused_until = None, 0, None


class WebhookSecret(Base):
    """One of an endpoint's secrets. While one replaces another, both sign.

    Attributes:
        sealed: `whsec_…`, sealed under the endpoint's own data key, so deleting the endpoint shreds it.
        valid_until: an exclusive end; None for the present one.
    """

    __tablename__ = "webhook_secrets"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"), index=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    valid_until: Mapped[datetime | None]


class WebhookEvent(Base):
    """Something that happened. Its id is the `webhook-id` of every attempt and every resend.

    Attributes:
        shop_id: whose it is; None for a test event.
        data: ids, states, revisions and instants; never a contact, a name, a code or a link.
    """

    __tablename__ = "webhook_events"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    type: Mapped[EventType] = mapped_column(enum_of(EventType))
    shop_id: Mapped[str | None] = mapped_column(ForeignKey("shops.id"))
    data: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    occurred_at: Mapped[datetime] = mapped_column(index=True)


class WebhookDelivery(Base):
    """One event that one endpoint is owed.

    Attributes:
        tries: attempts begun.
        next_attempt_at: when the next one is due; None once it has ended or while it is being made.
        because: why it ended otherwise than delivered.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (Index("ix_webhook_deliveries_log", "endpoint_id", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    event_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_events.id", ondelete="CASCADE"), index=True)
    cause: Mapped[Cause] = mapped_column(enum_of(Cause))
    state: Mapped[State] = mapped_column(enum_of(State))
    tries: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    because: Mapped[str | None] = mapped_column(String(40))

    @property
    def most_tries(self) -> int:
        """A test is watched by whoever asked for it: one attempt says all."""
        return 1 if self.cause is Cause.TEST else len(SCHEDULE)

    @property
    def is_put_off(self) -> bool:
        """Whether it is to wait, be it for room or for the next step of the schedule."""
        return self.next_attempt_at is not None and self.next_attempt_at > self.created_at

    def is_due_as(self, number: int) -> bool:
        """Whether its attempt of this number is the next one; a job for another is stale."""
        return self.state is State.WAITING and number == self.tries + 1

    def begin(self) -> None:
        """Count an attempt before it is made.

        Raises:
            IllegalMove: it is not waiting.
        """
        self._move(State.CALLING)
        self.tries += 1
        self.next_attempt_at = None

    def put_off(self, until: datetime) -> None:
        """Wait for a better moment; that is no attempt."""
        self.next_attempt_at = until

    def take_up(self) -> None:
        """Be due after all, as if it had never been put off."""
        self.next_attempt_at = self.created_at

    def stop(self, because: str, *, now: datetime) -> None:
        """Give it up unmade: its endpoint takes no more calls.

        Raises:
            IllegalMove: it is not waiting.
        """
        self._end(State.STOPPED, now, because)

    def record(self, heard: Heard, *, now: datetime, jitter: float) -> None:
        """Apply what came of the attempt: delivered, due again, or given up.

        Args:
            heard: what came of it.
            now: business time.
            jitter: between 0 and 1, spreads the wait.

        Raises:
            IllegalMove: no attempt is under way.
        """
        if heard.is_success:
            self._end(State.DELIVERED, now, None)
        elif heard.is_gone:
            self._end(State.FAILED, now, "gone")
        elif self.tries >= self.most_tries:
            self._end(State.FAILED, now, "given_up")
        else:
            self._move(State.WAITING)
            step = SCHEDULE[self.tries] * (1 + JITTER_SHARE * jitter)
            self.next_attempt_at = now + max(step, heard.retry_after or timedelta(0))

    def learn_late(self, heard: Heard, *, now: datetime) -> None:
        """Apply the answer to an attempt that was given up as lost; a failure tells nothing new."""
        if heard.is_success and State.DELIVERED in MOVES[self.state]:
            self._end(State.DELIVERED, now, None)

    def _end(self, to: State, now: datetime, because: str | None) -> None:
        self._move(to)
        self.ended_at, self.because, self.next_attempt_at = now, because, None

    def _move(self, to: State) -> None:
        if to not in MOVES[self.state]:
            raise IllegalMove(delivery_id=self.id, state=self.state)
        self.state = to


class WebhookAttempt(Base):
    """One call to an endpoint. What it answered with is not kept, only the status: it may quote anything.

    Attributes:
        number: 1 for a delivery's first.
        error: our own word for why there was no answer.
    """

    __tablename__ = "webhook_attempts"
    __table_args__ = (
        Index(
            "ix_webhook_attempts_under_way",
            "endpoint_id",
            postgresql_where=text("ended_at IS NULL"),
            sqlite_where=text("ended_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    delivery_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), index=True)
    endpoint_id: Mapped[UUID]
    number: Mapped[int]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    status: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(String(40))

    def record(self, heard: Heard, *, now: datetime) -> None:
        """Keep what came of it. Better knowledge may come after it was given up as lost."""
        self.ended_at = now
        self.status, self.error = heard.status, heard.error


class WebhookResend(Base):
    """A span of time whose events one endpoint gets again, a page at a time.

    Attributes:
        from_at, until_at: when the events occurred; the end is exclusive.
        include_delivered: also those that it took before.
        after_event_id: the last event that was looked at.
        found: how many were owed again so far.
    """

    __tablename__ = "webhook_resends"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"), index=True)
    from_at: Mapped[datetime]
    until_at: Mapped[datetime]
    include_delivered: Mapped[bool]
    after_event_id: Mapped[UUID | None]
    found: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    def advance(self, after: UUID, found: int) -> None:
        """Remember how far it has come."""
        self.after_event_id = after
        self.found += found

    def end(self, *, now: datetime) -> None:
        """Nothing is left of the span."""
        self.ended_at = now
