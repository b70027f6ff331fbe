"""Telling customers with open bookings that the terms will change, before they do (B46)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from models.booking import Booking
from models.customer import Customer
from models.job import Name
from models.message import Kind, State
from models.terms import TermsAnnouncement, TermsDocument
from worker import terms
from worker.jobs import enqueue, job
from worker.messages import tell_person


@job(Name.ANNOUNCE_TERMS)
def announce_version(session: Session, now: datetime, announcement_id: UUID) -> None:
    """Tell the next two hundred of a version, and owe the rest; whoever was told is not told again."""
    announcement = session.get_one(TermsAnnouncement, announcement_id, with_for_update=True)
    page = terms.next_page(session, announcement)
    if not page:
        announcement.end(now=now)
        return
    announcement.advance(page[-1].id, sum(tell(session, booking, announcement, now=now) for booking in page))
    enqueue(session, Name.ANNOUNCE_TERMS, announcement_id=announcement_id)


def tell_of_upcoming(session: Session, booking: Booking, *, now: datetime) -> None:
    """Tell whoever books while a version waits to hold: it was announced before they were a customer."""
    for announcement in terms.announcements_to(session, booking, now=now):
        tell(session, booking, announcement, now=now)


def tell(session: Session, booking: Booking, announcement: TermsAnnouncement, *, now: datetime) -> bool:
    """Owe the booking's customer the notice of one version, unless they were told; whether it is owed now.

    It is theirs and not that booking's: they are told as long as any of their bookings is open when it is sent. If none
    was, they were not told, and are once they have one again.
    """
    document = session.get_one(TermsDocument, (announcement.document_id, announcement.version))
    if not terms.concerns(document, booking, now=now):
        return False
    before = terms.telling_of(session, booking.customer_id, document)
    if before not in {None, State.VOIDED}:
        return False
    message_id = tell_person(
        session,
        session.get_one(Customer, booking.customer_id),
        Kind.TERMS_CHANGED,
        language=booking.language,
        now=now,
        expires_at=document.effective_at,
        part=f"{announcement.id}" if before is None else f"{announcement.id}:{booking.reference}",
        facts={"document_id": document.id, "version": document.version},
    )
    if message_id is None:
        return False
    terms.note_telling(session, booking.customer_id, document, message_id, now=now)
    return True
