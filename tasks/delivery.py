"""Sending messages and applying what the vendors report. One attempt per call, no transaction across a call."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.booking import Booking
from models.customer import Channel
from models.job import Name
from models.message import Answer, Attempt, Kind, Message, Receipt, Refused, State, TryLater, Unknown
from worker.chance import jitter, new_id
from worker.clock import unix_ms
from worker.composing import compose
from worker.jobs import enqueue, job, outside_job
from worker.settings import settings
from worker.vendors import OutgoingMail, OutgoingSms, vendor_for
from worker.webhooks import tell_of_message

_LONGEST_PAUSE = timedelta(minutes=5)
_DID_NOT_ARRIVE = frozenset({State.UNDELIVERED, State.FAILED})


@dataclass(frozen=True, repr=False)
class Plan:
    """One call that was claimed."""

    message_id: UUID
    attempt_id: UUID
    channel: Channel
    outgoing: OutgoingSms | OutgoingMail


@outside_job(
    Name.DELIVER_MESSAGE,
    lease=timedelta(seconds=settings().vendor_connect_seconds + settings().vendor_read_seconds + 5),
)
class DeliverMessage:
    """Hand one message to a vendor."""

    def claim(self, session: Session, now: datetime, message_id: UUID) -> Plan | None:
        """Ask the booking once more, and open an attempt; None if the message ends here instead."""
        message, booking = _with_booking(session, message_id)
        if message.state is not State.QUEUED or not message.begin(now=now, booking=booking):
            return None
        vendor = vendor_for(message.channel)
        attempt = Attempt(id=new_id(unix_ms()), message_id=message.id, vendor=vendor.name, started_at=now)
        session.add(attempt)
        outgoing = compose(session, message, booking, attempt.id, now=now)
        return Plan(message.id, attempt.id, message.channel, outgoing)

    def call(self, plan: Plan) -> Answer:
        """Call the vendor; it answers with a value, whatever happens."""
        return vendor_for(plan.channel).send(plan.outgoing)

    def record(self, session: Session, now: datetime, plan: Plan, result: Answer) -> None:
        """Write down the answer; what was provably not sent is tried again after a pause."""
        message = _locked(session, plan.message_id)
        before = message.state
        session.get_one(Attempt, plan.attempt_id).record(result, now=now)
        message.record(result, now=now)
        tell_of_message(session, message, before, now=now)
        if isinstance(result, Refused) and not result.operator:
            _release_if_code(session, message)
        if isinstance(result, TryLater):
            pause = result.after or _pause(message.tries)
            enqueue(
                session,
                Name.DELIVER_MESSAGE,
                due_at=now + pause,
                queue=message.nature.queue,
                message_id=message.id,
            )

    def lost(self, session: Session, now: datetime, message_id: UUID) -> None:
        """Nobody knows whether the vendor took it. Nothing is sent again until somebody does."""
        message = _locked(session, message_id)
        before = message.state
        message.record(Unknown("no_answer_recorded"), now=now)
        tell_of_message(session, message, before, now=now)
        open_attempts = select(Attempt).where(Attempt.message_id == message_id, Attempt.answer.is_(None))
        for attempt in session.scalars(open_attempts):
            attempt.record(Unknown("no_answer_recorded"), now=now)


@job(Name.APPLY_RECEIPT)
def apply_receipt(session: Session, now: datetime, receipt_id: int) -> None:
    """Apply one stored fact to its message, if it still tells something new."""
    receipt = session.get_one(Receipt, receipt_id)
    attempt = session.get(Attempt, receipt.attempt_id) if receipt.attempt_id else None
    if attempt is not None and receipt.fact is not None:
        attempt.reference = attempt.reference or receipt.reference
        message = _locked(session, attempt.message_id)
        before = message.state
        if message.learn(receipt.fact, now=now, because=receipt.code) and receipt.fact in _DID_NOT_ARRIVE:
            _release_if_code(session, message)
        tell_of_message(session, message, before, now=now)
    receipt.applied_at = now


def _release_if_code(session: Session, message: Message) -> None:
    """A code that cannot arrive will not be entered: the slot need not wait for it."""
    if message.kind is Kind.BOOKING_CODE and message.booking_id is not None:
        enqueue(session, Name.RELEASE_UNDELIVERABLE, booking_id=message.booking_id)


def _locked(session: Session, message_id: UUID) -> Message:
    return session.get_one(Message, message_id, with_for_update=True)


def _with_booking(session: Session, message_id: UUID) -> tuple[Message, Booking | None]:
    """Lock the booking against moves, then the message: everybody who locks both does so in this order."""
    booking_id = session.scalars(select(Message.booking_id).where(Message.id == message_id)).one()
    booking = session.get(Booking, booking_id, with_for_update={"read": True}) if booking_id else None
    return _locked(session, message_id), booking


def _pause(tries: int) -> timedelta:
    """Full jitter over a doubling ceiling, but at least a second."""
    ceiling = min(_LONGEST_PAUSE, timedelta(seconds=2 ** min(tries, 9)))
    return max(timedelta(seconds=1), timedelta(seconds=jitter(ceiling.total_seconds())))
