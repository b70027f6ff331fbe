"""Sending codes."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from models.booking import Booking, Status
from models.job import Name
from models.message import Kind
from models.verification import Verification
from worker.jobs import job
from worker.messages import tell_customer


@job(Name.DISPATCH_CODE)
def dispatch_code(session: Session, now: datetime, verification_id: UUID, number: int) -> None:
    """Owe the customer the code; each time it was asked for is one message (B14)."""
    verification = session.get_one(Verification, verification_id)
    booking = session.get_one(Booking, verification.subject_id)
    if booking.status is Status.HELD:
        tell_customer(
            session, booking, Kind.BOOKING_CODE, now=now, expires_at=verification.expires_at, part=str(number)
        )
