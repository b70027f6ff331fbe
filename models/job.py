"""A job is something the database owes. One table is the outbox, the timers and the crash recovery at once.

Knows when a job may be rung, how it fails and when it is parked; knows nothing of brokers or of what a job does.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Json

MOST_FAILURES = 10
MOST_STARTS = 20
LONGEST_BACKOFF = timedelta(minutes=10)
UNKNOWN_FOR = timedelta(hours=1)
"""How long a job is rung whose name whoever rings it does not know. While a release is rolled out that is no fault."""
CLOCKS_DIFFER_BY = timedelta(seconds=5)
"""How far the clocks of two processes may be apart; hosts that are worse are not ready."""


class Queue(StrEnum):
    """Queues by urgency and purpose: a flood in one never delays another."""

    CODES = "codes"
    CALLS = "calls"
    """A customer looks at "呼び出し中" meanwhile."""
    BOOKINGS = "bookings"
    DISCLOSURE = "disclosure"
    DELIVERY = "delivery"
    WEBHOOKS = "webhooks"
    SWEEPS = "sweeps"


class Name(StrEnum):
    """Every job's wire name, `noun.verb_object`, for ever: rows and messages of older versions carry them."""

    DISPATCH_CODE = "verification.dispatch_code"
    END_HOLD = "booking.end_hold"
    CONFIRM_BOOKING = "booking.confirm_booking"
    ANNOUNCE_CHANGE = "booking.announce_change"
    ANNOUNCE_CANCELLATION = "booking.announce_cancellation"
    REMIND_ON_EVE = "booking.remind_on_eve"
    REMIND_ON_DAY = "booking.remind_on_day"
    CLOSE_CANCELLATION_WINDOW = "booking.close_cancellation_window"
    END_BOOKING = "booking.end_booking"
    RELEASE_UNDELIVERABLE = "booking.release_undeliverable"
    NUDGE_CUSTOMER = "call.nudge_customer"
    NUDGE_AS_WISHED = "call.nudge_as_wished"
    HURRY_SHOP = "call.hurry_shop"
    ANNOUNCE_END = "booking.announce_end"
    END_LEFT_CALL = "call.end_left"
    CLOSE_ROOM = "call.close_room"
    END_RINGING = "call.end_ringing"
    CHECK_CALLER = "call.check_caller"
    CHECK_ENTRY = "call.check_entry"
    LOOK_INTO_ROOM = "call.look_into_room"
    END_CALL = "call.end_longest"
    ANNOUNCE_MISSED_CALL = "call.announce_missed"
    ESCALATE_MISSED_CALLS = "call.escalate_missed"
    ANNOUNCE_MOVE = "booking.announce_move"
    LOOK_UP_ITEMS = "item.look_up_codes"
    ANNOUNCE_TERMS = "terms.announce_version"
    ROUTE_INQUIRY = "inquiry.route_text"
    PURGE_CUSTOMERS = "shop.purge_customers"
    SHRED_KEY = "subject.shred_key"
    LIST_DAY = "shop.list_day"
    FIX_DAY = "shop.fix_day"
    DELIVER_MESSAGE = "message.deliver_message"
    SETTLE_MESSAGE = "message.settle_message"
    POLL_MESSAGE = "message.poll_message"
    APPLY_RECEIPT = "message.apply_receipt"
    FAN_OUT_WEBHOOK = "webhook.fan_out_event"
    DELIVER_WEBHOOK = "webhook.deliver_event"
    RESEND_WEBHOOKS = "webhook.resend_events"
    MEMBER_CHANGED = "member.apply_change"
    TRADE_CHANGED = "trade.apply_change"
    RECEIVE_APPLICATION = "case.receive_application"
    SCREEN_CASE = "case.screen_form"
    NOTIFY_APPLICANT = "case.notify_applicant"
    NOTIFY_COUNTERPARTY = "case.notify_counterparty"
    AWAIT_DECISION = "case.await_decision"
    CHECK_EXCHANGE = "case.check_exchange"
    RELEASE_ADDRESSES = "case.release_addresses"
    AWAIT_SETTLEMENT = "case.await_settlement"
    ISSUE_PLEDGE = "case.issue_pledge"
    AWAIT_PAPERS = "case.await_papers"
    ASSEMBLE_PACKET = "case.assemble_packet"
    AWAIT_REVIEW = "case.await_review"
    AWAIT_FEE = "case.await_fee"
    RENDER_LETTER = "case.render_letter"
    AWAIT_DISPATCH = "case.await_dispatch"
    CLOSE_CASE = "case.close_file"
    HEAR_NOTICE = "case.hear_notice"
    RUN_OUT = "case.let_deadline_pass"
    REMIND_PARTY = "case.remind_party"
    RAISE_ALERT = "case.raise_alert"
    END_SERVICE = "case.end_service"
    PURGE_CASE = "case.purge_data"
    SIGN_DAY = "audit.sign_day"
    ANNOUNCE_SUSPENSION = "suspension.announce_stop"
    BEGIN_SUSPENSION = "suspension.begin_stop"
    END_SUSPENSION = "suspension.end_stop"
    REACH_BOOKINGS = "suspension.reach_bookings"
    RELEASE_SUSPENDED_HOLD = "suspension.release_hold"
    TELL_DISPLACED = "suspension.tell_customer"
    TREAT_BOOKING = "suspension.treat_booking"
    TAKE_BACK_NOTICE = "suspension.take_back_notice"


QUEUES: dict[str, Queue] = {
    Name.DISPATCH_CODE: Queue.CODES,
    Name.END_HOLD: Queue.BOOKINGS,
    Name.CONFIRM_BOOKING: Queue.BOOKINGS,
    Name.ANNOUNCE_CHANGE: Queue.BOOKINGS,
    Name.ANNOUNCE_CANCELLATION: Queue.BOOKINGS,
    Name.REMIND_ON_EVE: Queue.DELIVERY,
    Name.REMIND_ON_DAY: Queue.BOOKINGS,
    Name.CLOSE_CANCELLATION_WINDOW: Queue.BOOKINGS,
    Name.END_BOOKING: Queue.BOOKINGS,
    Name.RELEASE_UNDELIVERABLE: Queue.BOOKINGS,
    Name.NUDGE_CUSTOMER: Queue.BOOKINGS,
    Name.NUDGE_AS_WISHED: Queue.BOOKINGS,
    Name.HURRY_SHOP: Queue.BOOKINGS,
    Name.ANNOUNCE_END: Queue.BOOKINGS,
    Name.END_LEFT_CALL: Queue.CALLS,
    # It waits for a provider that may be slow: not where codes or calls are waited for. Nor behind reminders: until
    # then a room is open whose time is over.
    Name.CLOSE_ROOM: Queue.BOOKINGS,
    Name.END_RINGING: Queue.CALLS,
    Name.CHECK_CALLER: Queue.CALLS,
    Name.CHECK_ENTRY: Queue.CALLS,
    # It waits for a provider, as a closing does, and two people may be talking meanwhile.
    Name.LOOK_INTO_ROOM: Queue.BOOKINGS,
    Name.END_CALL: Queue.CALLS,
    Name.ANNOUNCE_MISSED_CALL: Queue.CALLS,
    Name.ESCALATE_MISSED_CALLS: Queue.CALLS,
    Name.ANNOUNCE_MOVE: Queue.BOOKINGS,
    # A call to a shop's own system, as webhooks are.
    Name.LOOK_UP_ITEMS: Queue.WEBHOOKS,
    Name.ANNOUNCE_TERMS: Queue.DELIVERY,
    Name.ROUTE_INQUIRY: Queue.DELIVERY,
    # Nobody waits for it.
    Name.PURGE_CUSTOMERS: Queue.DELIVERY,
    Name.SHRED_KEY: Queue.DELIVERY,
    Name.LIST_DAY: Queue.DELIVERY,
    Name.FIX_DAY: Queue.DELIVERY,
    # A message's own urgency may put its delivery on another queue; see models/message.py.
    Name.DELIVER_MESSAGE: Queue.DELIVERY,
    Name.SETTLE_MESSAGE: Queue.DELIVERY,
    Name.POLL_MESSAGE: Queue.DELIVERY,
    # Not with the webhooks: a receiver that is slow must not keep a vendor's report waiting.
    Name.APPLY_RECEIPT: Queue.DELIVERY,
    Name.FAN_OUT_WEBHOOK: Queue.WEBHOOKS,
    Name.DELIVER_WEBHOOK: Queue.WEBHOOKS,
    Name.RESEND_WEBHOOKS: Queue.WEBHOOKS,
    Name.MEMBER_CHANGED: Queue.DISCLOSURE,
    Name.TRADE_CHANGED: Queue.DISCLOSURE,
    Name.RECEIVE_APPLICATION: Queue.DISCLOSURE,
    Name.SCREEN_CASE: Queue.DISCLOSURE,
    Name.NOTIFY_APPLICANT: Queue.DISCLOSURE,
    Name.NOTIFY_COUNTERPARTY: Queue.DISCLOSURE,
    Name.AWAIT_DECISION: Queue.DISCLOSURE,
    Name.CHECK_EXCHANGE: Queue.DISCLOSURE,
    Name.RELEASE_ADDRESSES: Queue.DISCLOSURE,
    Name.AWAIT_SETTLEMENT: Queue.DISCLOSURE,
    Name.ISSUE_PLEDGE: Queue.DISCLOSURE,
    Name.AWAIT_PAPERS: Queue.DISCLOSURE,
    Name.ASSEMBLE_PACKET: Queue.DISCLOSURE,
    Name.AWAIT_REVIEW: Queue.DISCLOSURE,
    Name.AWAIT_FEE: Queue.DISCLOSURE,
    Name.RENDER_LETTER: Queue.DISCLOSURE,
    Name.AWAIT_DISPATCH: Queue.DISCLOSURE,
    Name.CLOSE_CASE: Queue.DISCLOSURE,
    Name.HEAR_NOTICE: Queue.DISCLOSURE,
    Name.RUN_OUT: Queue.DISCLOSURE,
    Name.REMIND_PARTY: Queue.DISCLOSURE,
    Name.RAISE_ALERT: Queue.DISCLOSURE,
    Name.END_SERVICE: Queue.DISCLOSURE,
    Name.PURGE_CASE: Queue.DISCLOSURE,
    Name.SIGN_DAY: Queue.DISCLOSURE,
    Name.ANNOUNCE_SUSPENSION: Queue.DELIVERY,
    Name.BEGIN_SUSPENSION: Queue.BOOKINGS,
    Name.END_SUSPENSION: Queue.BOOKINGS,
    # Thousands may be concerned: with the notices, where they delay nobody who waits at a screen.
    Name.REACH_BOOKINGS: Queue.DELIVERY,
    # What becomes of a booking is not said later because much else is said.
    Name.RELEASE_SUSPENDED_HOLD: Queue.BOOKINGS,
    Name.TELL_DISPLACED: Queue.DELIVERY,
    Name.TREAT_BOOKING: Queue.BOOKINGS,
    Name.TAKE_BACK_NOTICE: Queue.DELIVERY,
}
"""Where each job is done unless the one who enqueues it says otherwise."""


class Job(Base):
    """One owed job. The row is deleted in the transaction that holds the job's effect.

    Attributes:
        args: the ids it concerns, never anything else.
        due_at: business time from which it may be done; None for a chain's link that waits for the one before it.
        rung_at: database time at which it was last handed to the broker; None: not handed over since it is due.
        rings: how often it was handed over. Being rung is not failing.
        starts: how often it was begun again after a ring that came to no end.
        claimed_until: database time until which a call to the outside world may be under way.
        timer_of: the row whose timer this is, so that leaving a state can delete its timers.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index(
            "ix_jobs_due",
            "queue",
            "due_at",
            postgresql_where=text("rung_at IS NULL AND parked_at IS NULL AND due_at IS NOT NULL"),
            sqlite_where=text("rung_at IS NULL AND parked_at IS NULL AND due_at IS NOT NULL"),
        ),
        Index(
            "ix_jobs_rung",
            "queue",
            "rung_at",
            postgresql_where=text("rung_at IS NOT NULL AND parked_at IS NULL"),
            sqlite_where=text("rung_at IS NOT NULL AND parked_at IS NULL"),
        ),
        Index(
            "ix_jobs_timer_of",
            "timer_of",
            postgresql_where=text("timer_of IS NOT NULL"),
            sqlite_where=text("timer_of IS NOT NULL"),
        ),
        Index(
            "ix_jobs_chain",
            "chain_id",
            "chain_position",
            postgresql_where=text("chain_id IS NOT NULL"),
            sqlite_where=text("chain_id IS NOT NULL"),
        ),
        Index(
            "ix_jobs_parked",
            "parked_at",
            postgresql_where=text("parked_at IS NOT NULL"),
            sqlite_where=text("parked_at IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    queue: Mapped[str] = mapped_column(String(32))
    args: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    created_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    rung_at: Mapped[datetime | None]
    rings: Mapped[int] = mapped_column(Integer, default=0)
    starts: Mapped[int] = mapped_column(Integer, default=0)
    failures: Mapped[int] = mapped_column(Integer, default=0)
    last_error: Mapped[str | None] = mapped_column(String(200))
    claimed_until: Mapped[datetime | None]
    parked_at: Mapped[datetime | None]
    timer_of: Mapped[UUID | None]
    chain_id: Mapped[UUID | None]
    chain_position: Mapped[int | None]
    request_id: Mapped[str | None] = mapped_column(String(64))

    def fail(self, error: str, *, now: datetime, jitter: float) -> None:
        """Record a body that raised; it is due again after a back-off, or parked after ten failures.

        Args:
            error: the error's class name, never its text.
            now: business time.
            jitter: between 0 and 1, spreads the back-off ("full jitter", but at least a second).
        """
        self.failures += 1
        self.last_error = error
        self.rung_at = None
        # A claim stays: whoever wrote it may still be calling, and past it the outcome is unknown, failed or not.
        if self.failures >= MOST_FAILURES:
            self.park(now=now)
            return
        ceiling = min(LONGEST_BACKOFF, timedelta(seconds=2**self.failures))
        self.due_at = now + max(timedelta(seconds=1), ceiling * jitter)

    def act_at(self, now: datetime) -> datetime | None:
        """Return the instant that the body is told, or None if the job is not due yet.

        Whoever rang it saw it due, by a clock that may be a little ahead of this process's. A timer waits: its body
        would find that it is early and do nothing, and the timer would be gone. What was due at once is done at once,
        and told the instant at which it was owed. A link waits for the one before it, whoever rings it.
        """
        if self.due_at is None:
            return None
        if now >= self.due_at:
            return now
        is_close = self.timer_of is None and self.due_at - now <= CLOCKS_DIFFER_BY
        return self.due_at if is_close else None

    def begin_again(self, *, now: datetime) -> bool:
        """Count a start after a ring that came to no end; False when it is parked instead.

        A body that kills its process never reaches `fail`, so its starts are what gives it away.
        """
        self.starts += 1
        if self.starts < MOST_STARTS:  # the first start was not counted
            return True
        self.last_error = "started too often without an end"
        self.park(now=now)
        return False

    def ring_unknown(self, *, lease: timedelta, now: datetime) -> bool:
        """Whether to ring it once more, though its name is unknown here; False when it is parked instead.

        It must be late by an hour and have been rung all through one: after a pause of everything it may just be late,
        and a broker that is down is rung at more often.

        Args:
            lease: what passes between two rings of a job that nobody does.
            now: business time.
        """
        if self.due_at is None or now - self.due_at < UNKNOWN_FOR or self.rings * lease < UNKNOWN_FOR:
            return True
        self.last_error = "no worker knows this name"
        self.park(now=now)
        return False

    def park(self, *, now: datetime) -> None:
        """Keep the job, but ring it no more until a person decides."""
        self.parked_at = now
        self.rung_at = None

    def retry(self, *, now: datetime) -> None:
        """Make the job due at once with a clean record, as a person decided."""
        self.parked_at = None
        self.failures = 0
        self.starts = 0
        self.rung_at = None
        self.due_at = now


class QueueMark(Base):
    """The last mark sent through a queue, and the last that came out.

    A mark that comes out proves that everything rung before it has come out too.
    """

    __tablename__ = "queue_marks"

    queue: Mapped[str] = mapped_column(String(32), primary_key=True)
    sent_at: Mapped[datetime | None]
    returned_at: Mapped[datetime | None]


class JobDecision(Base):
    """What a person decided about a parked or late job, and why. Append-only."""

    __tablename__ = "job_decisions"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    job_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(String(64))
    args: Mapped[dict[str, Any]] = mapped_column(Json)
    decision: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(500))
    decided_at: Mapped[datetime]
