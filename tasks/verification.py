"""Sending codes."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from models.booking import Booking, Status
from models.job import Name
from models.message import Kind
from models.verification import Purpose, Verification
from worker import guards
from worker.jobs import job
from worker.messages import tell_contact, tell_customer


@job(Name.DISPATCH_CODE)
def dispatch_code(session: Session, now: datetime, verification_id: UUID, number: int) -> None:
    """Owe the customer the code; each time it was asked for is one message (B14)."""
    verification = session.get_one(Verification, verification_id)
    if verification.purpose is Purpose.ALONE:
        owed = tell_contact(session, verification, Kind.VERIFICATION_CODE, now=now, part=str(number))
    else:
        booking = session.get_one(Booking, verification.subject_id)
        owed = booking.status is Status.HELD and tell_customer(
            session,
            booking,
            Kind.BOOKING_CODE,
            now=now,
            expires_at=verification.expires_at,
            part=str(number),
            facts={"number": number},
        )
    if owed:
        guards.sent(session, verification, now=now)
