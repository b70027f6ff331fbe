"""Sending messages: one attempt a call, no transaction across it. What cannot go now waits as a due job."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.booking import Booking
from models.disclosure import DisclosureCase
from models.job import Name
from models.message import CODES, NATURES, Answer, Attempt, Message, Refused, Subject, TryLater, Unknown
from worker import carriers, postponing, second_contacts, settling, suspending
from worker.chance import new_id
from worker.clock import unix_ms
from worker.dispatching import End, Go, Wait, decide, segments_in
from worker.jobs import enqueue, outside_job
from worker.messages import message_moved, open_bookings
from worker.settings import settings
from worker.vendors import Outgoing, vendor_named

_log = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class Plan:
    """One call that was claimed."""

    message_id: UUID
    attempt_id: UUID
    carrier: str
    outgoing: Outgoing


@outside_job(
    Name.DELIVER_MESSAGE,
    lease=timedelta(seconds=settings().vendor_connect_seconds + settings().vendor_read_seconds + 5),
)
class DeliverMessage:
    """Hand one message to a vendor."""

    def claim(self, session: Session, now: datetime, message_id: UUID) -> Plan | None:
        """Ask its subject once more, and open an attempt; None if the message ends or waits instead."""
        message, subject = _with_subject(session, message_id)
        before = message.state
        booking = subject if isinstance(subject, Booking) else None
        is_overtaken = suspending.is_overtaken(session, message, booking, now=now)
        if not message.is_wanted(now=now, subject=subject, is_overtaken=is_overtaken):
            message_moved(session, message, before, now=now)
            return None
        attempt_id = new_id(unix_ms())
        match decide(session, message, subject, attempt_id, now=now):
            case Wait(until):
                _deliver_later(session, message, until)
            case End(because):
                message.give_up(because, now=now)
                message_moved(session, message, before, now=now)
                settling.cannot_be_reached(session, message, now=now)
            case Go(carrier, outgoing):
                message.begin()
                cost = segments_in(outgoing)
                session.add(
                    Attempt(id=attempt_id, message_id=message.id, vendor=carrier, started_at=now, segments=cost)
                )
                if booking is not None:
                    second_contacts.tell_beside(session, message, booking, carrier=carrier, now=now)
                return Plan(message.id, attempt_id, carrier, outgoing)
        return None

    def call(self, plan: Plan) -> Answer:
        """Call the vendor; it answers with a value, whatever happens."""
        return vendor_named(plan.carrier).send(plan.outgoing)

    def record(self, session: Session, now: datetime, plan: Plan, result: Answer) -> None:
        """Write down the answer; what was provably not sent is tried again after a pause."""
        message = _locked(session, plan.message_id)
        before = message.state
        session.get_one(Attempt, plan.attempt_id).record(result, now=now)
        message.record(result, now=now)
        message_moved(session, message, before, now=now)
        carriers.heard(session, plan.carrier, result, now=now)
        match result:
            case Refused() if not result.operator:
                settling.silence(session, message, result.code, attempt_id=plan.attempt_id, now=now)
                settling.cannot_be_reached(session, message, now=now)
            case Refused():
                _log.error(
                    "a vendor refuses for a reason that a person must see to",
                    extra={"vendor": plan.carrier, "code": result.code},
                )
                # The customer may ask for a code again once the account is mended; nobody asks for the rest.
                if message.kind not in CODES:
                    settling.cannot_be_reached(session, message, now=now)
            case TryLater():
                if result.operator:
                    _log.error("a vendor refuses our account", extra={"vendor": plan.carrier, "code": result.code})
                _deliver_later(session, message, now + (result.after or postponing.after_failure(message.tries)))
            case Unknown():
                settling.look_later(session, message, now=now)
            case _:
                pass

    def lost(self, session: Session, now: datetime, message_id: UUID) -> None:
        """Nobody knows whether the vendor took it. Nothing is sent again until somebody does."""
        message = _locked(session, message_id)
        before = message.state
        unheard = Unknown("no_answer_recorded")
        message.record(unheard, now=now)
        message_moved(session, message, before, now=now)
        open_attempts = select(Attempt).where(Attempt.message_id == message_id, Attempt.answer.is_(None))
        for attempt in session.scalars(open_attempts):
            attempt.record(unheard, now=now)
            carriers.heard(session, attempt.vendor, unheard, now=now)
        settling.look_later(session, message, now=now)


def _locked(session: Session, message_id: UUID) -> Message:
    return session.get_one(Message, message_id, with_for_update=True, populate_existing=True)


def _with_subject(session: Session, message_id: UUID) -> tuple[Message, Subject | None]:
    """Lock what it is about against moves, then the message: everybody who locks both does so in this order."""
    ids = select(Message.booking_id, Message.case_id, Message.customer_id, Message.kind).where(Message.id == message_id)
    booking_id, case_id, customer_id, kind = session.execute(ids).one()
    subject: Subject | None = None
    if booking_id is not None:
        subject = session.get(Booking, booking_id, with_for_update={"read": True})
    elif case_id is not None:
        # For writing: the date that a notice states is settled when it is sent.
        subject = session.get(DisclosureCase, case_id, with_for_update=True, populate_existing=True)
    elif customer_id is not None and NATURES[kind].of_any_booking:
        # All of them, or one that ends this moment would hide the next.
        subject = next(iter(session.scalars(open_bookings(customer_id).with_for_update(read=True)).all()), None)
    return _locked(session, message_id), subject


def _deliver_later(session: Session, message: Message, at: datetime) -> None:
    enqueue(session, Name.DELIVER_MESSAGE, due_at=at, queue=message.nature.queue, message_id=message.id)
