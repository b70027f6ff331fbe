"""Finding out what became of messages: from signed reports, and by asking the vendor where none came."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.job import Name
from models.message import POLL_AFTER, Attempt, Message, Receipt, State
from worker import settling
from worker.app import app
from worker.carriers import let_drift
from worker.clock import clock
from worker.database import database
from worker.jobs import enqueue, job, outside_job
from worker.messages import message_moved
from worker.recipients import address_for
from worker.settings import settings
from worker.vendors import CannotTell, Finding, Found, NotThere, vendor_named

_log = logging.getLogger(__name__)

_LEASE = timedelta(seconds=2 * (settings().vendor_connect_seconds + settings().vendor_read_seconds) + 5)
_A_MOMENT = timedelta(seconds=5)
_MOST_POLLED = 200
_POLLED_FOR = timedelta(hours=48)
_DID_NOT_ARRIVE = frozenset({State.UNDELIVERED, State.FAILED, State.EXPIRED})


@job(Name.APPLY_RECEIPT)
def apply_receipt(session: Session, now: datetime, receipt_id: int) -> None:
    """Apply one stored fact to its message, if it still tells something new."""
    receipt = session.get_one(Receipt, receipt_id)
    attempt = _attempt_of(session, receipt)
    if attempt is not None:
        # The message first, as whoever records an answer does: the report may be faster than the answer.
        message = session.get_one(Message, attempt.message_id, with_for_update=True)
        attempt.reference = attempt.reference or receipt.reference
        if receipt.fact is not None:
            _learn(session, message, receipt.fact, code=receipt.code, now=now)
        if receipt.code is not None or receipt.fact is None:
            settling.silence(session, message, receipt.code, attempt_id=attempt.id, now=now, status=receipt.status)
    receipt.applied_at = now


def _attempt_of(session: Session, receipt: Receipt) -> Attempt | None:
    if receipt.attempt_id is not None:
        return session.get(Attempt, receipt.attempt_id)
    if receipt.reference is None:
        return None
    return session.scalars(select(Attempt).where(Attempt.reference == receipt.reference).limit(1)).one_or_none()


def _learn(session: Session, message: Message, fact: State, *, code: str | None, now: datetime) -> None:
    before = message.state
    advanced = message.learn(fact, now=now, because=code)
    message_moved(session, message, before, now=now)
    if advanced and fact in _DID_NOT_ARRIVE:
        settling.did_not_arrive(session, message, code, now=now)


def _learn_found(session: Session, message: Message, found: Found, *, attempt_id: UUID, now: datetime) -> None:
    _learn(session, message, found.state, code=found.code, now=now)
    settling.silence(session, message, found.code, attempt_id=attempt_id, now=now)


def _give_up_finding_out(session: Session, message: Message, *, now: datetime) -> None:
    """Do what the message's kind says; what is left is on a person's list."""
    before = message.state
    message.settle_unfound(now=now)
    message_moved(session, message, before, now=now)


def _give_up_waiting(session: Session, message: Message, *, now: datetime) -> None:
    """What was taken and never reported on may have been lost: again the kind says what to do, or a person does."""
    before = message.state
    message.never_reported()
    message.settle_unfound(now=now)
    message_moved(session, message, before, now=now)
    if before is State.SENT:
        _log.error("a message was accepted and never reported on", extra={"message_id": str(message.id)})


@dataclass(frozen=True, repr=False)
class Search:
    """What is asked about one lost answer."""

    message_id: UUID
    attempt_id: UUID
    carrier: str
    to: str
    since: datetime
    until: datetime
    known: frozenset[str]
    alone: bool
    look: int


@outside_job(Name.SETTLE_MESSAGE, lease=_LEASE)
class SettleMessage:
    """Ask the vendor about a call whose answer was lost."""

    def claim(self, session: Session, now: datetime, message_id: UUID, look: int) -> Search | None:
        """Prepare the question; None if a report has settled it."""
        message = session.get_one(Message, message_id, with_for_update=True)
        attempt = settling.unknown_attempt(session, message_id)
        if attempt is None or _is_of_nobody(message):
            _give_up_finding_out(session, message, now=now)
            return None
        if message.state is not State.UNKNOWN or attempt is None:
            return None
        # A call may go on after its caller hung up, but not for longer than this.
        until = attempt.started_at + 2 * _LEASE
        return Search(
            message_id=message.id,
            attempt_id=attempt.id,
            carrier=attempt.vendor,
            to=address_for(session, message),
            since=attempt.started_at - _A_MOMENT,
            until=until,
            known=settling.references_near(session, attempt, until=until),
            alone=settling.is_alone(session, attempt, until=until),
            look=look,
        )

    def call(self, plan: Search) -> Finding:
        """Ask."""
        return vendor_named(plan.carrier).search(
            attempt_id=plan.attempt_id,
            to=plan.to,
            since=plan.since,
            until=plan.until,
            known=plan.known,
            alone=plan.alone,
        )

    def record(self, session: Session, now: datetime, plan: Search, result: Finding) -> None:
        """Apply what was found; what nobody can find out is decided by the message's kind, or by a person."""
        message = session.get_one(Message, plan.message_id, with_for_update=True)
        match result:
            case Found():
                session.get_one(Attempt, plan.attempt_id).reference = result.reference
                _learn_found(session, message, result, attempt_id=plan.attempt_id, now=now)
            case CannotTell() if plan.look + 1 < len(settling.LOOKS):
                settling.look_later(session, message, now=now, look=plan.look + 1)
            case CannotTell() | NotThere():
                _give_up_finding_out(session, message, now=now)

    def lost(self, session: Session, now: datetime, message_id: UUID, look: int) -> None:
        """A question may be asked again."""
        message = session.get_one(Message, message_id, with_for_update=True)
        settling.look_later(session, message, now=now, look=look)


@dataclass(frozen=True)
class Poll:
    """One message whose report did not come."""

    message_id: UUID
    attempt_id: UUID
    carrier: str
    reference: str


@outside_job(Name.POLL_MESSAGE, lease=_LEASE)
class PollMessage:
    """Ask the vendor about a message that was accepted and never reported on."""

    def claim(self, session: Session, now: datetime, message_id: UUID) -> Poll | None:  # noqa: ARG002 - as all claims
        """Prepare the question; None if a report came after all."""
        message = session.get_one(Message, message_id)
        accepted = select(Attempt).where(Attempt.message_id == message_id, Attempt.reference.is_not(None))
        attempt = session.scalars(accepted.order_by(Attempt.started_at.desc()).limit(1)).one_or_none()
        if message.state is not State.SENT or attempt is None or attempt.reference is None:
            return None
        return Poll(message.id, attempt.id, attempt.vendor, attempt.reference)

    def call(self, plan: Poll) -> Finding:
        """Ask."""
        return vendor_named(plan.carrier).look_up(plan.reference)

    def record(self, session: Session, now: datetime, plan: Poll, result: Finding) -> None:
        """Apply what was found."""
        message = session.get_one(Message, plan.message_id, with_for_update=True)
        if isinstance(result, Found):
            _learn_found(session, message, result, attempt_id=plan.attempt_id, now=now)

    def lost(self, session: Session, now: datetime, message_id: UUID) -> None:
        """The next round asks again."""


@app.task(name="message.poll_unreported", send_events=False)
def poll_unreported() -> None:
    """Owe a question for each message whose report is late; ask less and less often, and no longer than two days."""
    now = clock().now()
    with database().transaction() as session:
        late = session.scalars(
            select(Message)
            .where(Message.next_poll_at <= now)
            .order_by(Message.next_poll_at)
            .limit(_MOST_POLLED)
            .with_for_update(skip_locked=True)
        ).all()
        for message in late:
            last = message.created_at + _POLLED_FOR
            if now >= last:
                _give_up_waiting(session, message, now=now)
                continue
            message.next_poll_at = min(last, now + max(POLL_AFTER, now - message.created_at))
            if message.state is State.SENT:
                enqueue(session, Name.POLL_MESSAGE, message_id=message.id)


@app.task(name="vendors.let_shares_drift", send_events=False)
def let_shares_drift() -> None:
    """Move the accounts' shares away from errors and slow reports, and back after a quiet while."""
    with database().transaction() as session:
        let_drift(session, now=clock().now())


def _is_of_nobody(message: Message) -> bool:
    # The case that it was of is purged, and its address with it.
    return message.case_id is None and message.customer_id is None and message.shop_id is None


__all__ = ["PollMessage", "SettleMessage", "apply_receipt", "let_shares_drift", "poll_unreported"]
