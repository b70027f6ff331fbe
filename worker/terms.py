"""Versions of the terms: publishing one, telling whom it concerns beforehand, which one governed a call (B45 to B47).

It writes rows and owes jobs; who may publish, and what a notice says, is said elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models.booking import Booking, Status
from models.errors import TermsPublished, TermsTooSoon
from models.job import Name
from models.message import Message, State
from models.terms import (
    LEAST_NOTICE,
    Consent,
    GoverningTerms,
    Party,
    TermsAnnouncement,
    TermsDocument,
    TermsNotice,
    governing,
)
from worker.chance import new_id
from worker.clock import unix_ms
from worker.database import insert_new
from worker.jobs import enqueue
from worker.video import video_provider

PAGE = 200
"""So many bookings are looked at in one transaction."""


@dataclass(frozen=True)
class Given:
    """A new version, as it is published."""

    document_id: str
    version: str
    url: str
    sha256: str
    effective_at: datetime
    party: Party
    provider: str | None


@dataclass(frozen=True)
class Standing:
    """A version, and what became of telling of it.

    Attributes:
        told: how many customers were told, or will be in the morning; not whom nothing concerned any more by then.
        states: how many of those messages are in which state.
    """

    document: TermsDocument
    announcement: TermsAnnouncement | None
    told: int
    states: dict[str, int]


def publish(session: Session, given: Given, *, by: str, now: datetime) -> tuple[TermsDocument, bool]:
    """Add a version that will hold from its instant on, and owe its announcement; the same again changes nothing.

    Returns:
        The version, and whether it is new.

    Raises:
        TermsPublished: the version is there and says something else, or the document is somebody else's.
        TermsTooSoon: it would hold before everybody could be told.
    """
    if (known := _known(session, given)) is not None:
        return known, False
    if _is_of_another(session, given):
        raise TermsPublished(document_id=given.document_id, version=given.version)
    if given.effective_at < now + LEAST_NOTICE:
        raise TermsTooSoon(earliest_at=now + LEAST_NOTICE)
    document = TermsDocument(
        id=given.document_id,
        version=given.version,
        url=given.url,
        sha256=given.sha256,
        effective_at=given.effective_at,
        party=given.party,
        provider=given.provider,
    )
    announcement = TermsAnnouncement(
        id=new_id(unix_ms()),
        document_id=given.document_id,
        version=given.version,
        created_at=now,
        created_by=by,
        told=0,
    )
    try:
        with session.begin_nested():
            session.add(document)
            session.flush()
            session.add(announcement)
    except IntegrityError:
        # Somebody else published it this moment.
        if (known := _known(session, given)) is not None:
            return known, False
        raise
    enqueue(session, Name.ANNOUNCE_TERMS, announcement_id=announcement.id)
    return document, True


def upcoming(session: Session, *, now: datetime, provider: str | None = None) -> Sequence[TermsDocument]:
    """Return the published versions that do not hold yet and concern calls by this provider, the next first."""
    query = select(TermsDocument).where(TermsDocument.effective_at > now).order_by(TermsDocument.effective_at)
    ours = {None, provider or video_provider().name}
    return [document for document in session.scalars(query) if document.provider in ours]


def announcements_to(session: Session, booking: Booking, *, now: datetime) -> Sequence[TermsAnnouncement]:
    """Return the announcements of what does not hold yet, for whoever books meanwhile."""
    coming = {(each.id, each.version) for each in upcoming(session, now=now, provider=booking.provider)}
    if not coming:
        return []
    query = select(TermsAnnouncement).order_by(TermsAnnouncement.id)
    return [each for each in session.scalars(query) if (each.document_id, each.version) in coming]


def next_page(session: Session, announcement: TermsAnnouncement) -> Sequence[Booking]:
    """Return the next open bookings that have not been looked at for this announcement, in the order of their ids."""
    query = (
        select(Booking).where(Booking.status.in_((Status.CONFIRMED, Status.IN_CALL))).order_by(Booking.id).limit(PAGE)
    )
    if announcement.after_booking_id is not None:
        query = query.where(Booking.id > announcement.after_booking_id)
    return session.scalars(query).all()


def concerns(document: TermsDocument, booking: Booking, *, now: datetime) -> bool:
    """Return whether a booking's customer is to be told of a version beforehand (B46)."""
    ours = document.provider is None or document.provider == (booking.provider or video_provider().name)
    return ours and now < document.effective_at


def telling_of(session: Session, customer_id: UUID, document: TermsDocument) -> State | None:
    """Return what became of telling a customer of a version, locked until the transaction ends; None: nothing yet."""
    key = (customer_id, document.id, document.version)
    notice = session.get(TermsNotice, key, with_for_update=True, populate_existing=True)
    if notice is None:
        return None
    # A delivery may be about to void it, because it saw no open booking yet: whoever tells again waits for that.
    return session.get_one(Message, notice.message_id, with_for_update=True, populate_existing=True).state


def note_telling(
    session: Session, customer_id: UUID, document: TermsDocument, message_id: UUID, *, now: datetime
) -> None:
    """Write down by which message a customer is told of a version, in place of one that was voided (B46)."""
    told = {"message_id": message_id, "at": now}
    session.execute(
        insert_new(session, TermsNotice)
        .values(customer_id=customer_id, document_id=document.id, version=document.version, **told)
        .on_conflict_do_update(index_elements=["customer_id", "document_id", "version"], set_=told)
    )


def record_governing(session: Session, subject_id: UUID, *, at: datetime, provider: str | None = None) -> None:
    """Write down which versions govern a call that begins at `at`, once (B45: 変更後の規約による).

    Args:
        session: the transaction in which the call begins.
        subject_id: the booking, or the call at once.
        at: when it begins.
        provider: who carries it; None: the provider of now.
    """
    documents = session.scalars(select(TermsDocument)).all()
    for document in governing(documents, at, provider=provider or video_provider().name):
        session.execute(
            insert_new(session, GoverningTerms)
            .values(
                subject_id=subject_id,
                document_id=document.id,
                version=document.version,
                url=document.url,
                sha256=document.sha256,
                governs_at=at,
            )
            .on_conflict_do_nothing()
        )


def consents_of(session: Session, booking_id: UUID) -> Sequence[Consent]:
    """Return what was agreed to for a booking, in the order of the record."""
    return session.scalars(select(Consent).where(Consent.booking_id == booking_id).order_by(Consent.id)).all()


def recorded_for(session: Session, subject_id: UUID) -> Sequence[GoverningTerms]:
    """Return which versions governed the call when it began; none as long as it has not."""
    query = select(GoverningTerms).where(GoverningTerms.subject_id == subject_id)
    return session.scalars(query.order_by(GoverningTerms.document_id)).all()


def versions(session: Session) -> Sequence[TermsDocument]:
    """Return all versions, the latest to hold first."""
    return session.scalars(
        select(TermsDocument).order_by(TermsDocument.effective_at.desc(), TermsDocument.id, TermsDocument.version)
    ).all()


def standing(session: Session) -> list[Standing]:
    """Return all versions, the latest to hold first, and what became of telling of them, all shops together."""
    announcements = {(each.document_id, each.version): each for each in session.scalars(select(TermsAnnouncement))}
    states: dict[tuple[str, str], dict[str, int]] = {}
    notices = (
        select(TermsNotice.document_id, TermsNotice.version, Message.state, func.count())
        .join(Message, Message.id == TermsNotice.message_id)
        .group_by(TermsNotice.document_id, TermsNotice.version, Message.state)
    )
    for document_id, version, state, count in session.execute(notices):
        states.setdefault((document_id, version), {})[str(state)] = count
    found = []
    for each in versions(session):
        key = (each.id, each.version)
        counted = states.get(key, {})
        told = sum(count for state, count in counted.items() if state != State.VOIDED)
        found.append(Standing(each, announcements.get(key), told, counted))
    return found


def _known(session: Session, given: Given) -> TermsDocument | None:
    known = session.get(TermsDocument, (given.document_id, given.version))
    if known is not None and not _same(known, given):
        raise TermsPublished(document_id=given.document_id, version=given.version)
    return known


def _is_of_another(session: Session, given: Given) -> bool:
    """Whether the document was published as somebody else's: then one of the two would be left without terms."""
    query = select(TermsDocument.party, TermsDocument.provider).where(TermsDocument.id == given.document_id)
    return any((party, provider) != (given.party, given.provider) for party, provider in session.execute(query))


def _same(known: TermsDocument, given: Given) -> bool:
    return (known.url, known.sha256, known.effective_at, known.party, known.provider) == (
        given.url,
        given.sha256,
        given.effective_at,
        given.party,
        given.provider,
    )
