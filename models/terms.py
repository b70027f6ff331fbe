"""The documents a customer agrees to, in their versions, and the record of each agreement.

It knows which version governs at an instant. The texts themselves belong to their owners and are kept elsewhere.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, enum_of


class Party(StrEnum):
    """Whose document it is: the platform's own, or that of a provider of video calls (B24, B27)."""

    PLATFORM = "platform"
    PROVIDER = "provider"


class TermsDocument(Base):
    """One version of one document; a published version never changes, a new text is a new version (B45, B47).

    Attributes:
        id: the document over all its versions, such as "platform-terms" or "provider-terms-jitsi".
        version: its own name for this version, such as "2021-09-28".
        url: where a customer reads exactly this version.
        sha256: hash of the text in UTF-8, 64 hexadecimal digits.
        effective_at: from when it governs.
        party: whose it is.
        provider: which provider's, or None for the platform's.
    """

    __tablename__ = "terms_documents"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[str] = mapped_column(String(32), primary_key=True)
    url: Mapped[str] = mapped_column(String(500))
    sha256: Mapped[str] = mapped_column(String(64))
    effective_at: Mapped[datetime]
    party: Mapped[Party] = mapped_column(enum_of(Party))
    provider: Mapped[str | None] = mapped_column(String(40))


class Consent(Base):
    """That a customer agreed to one version of one document, for one booking or one call at once (B27, B35).

    Written once, never changed.

    The document's address and hash are repeated here, so that the record proves itself.

    Attributes:
        booking_id, call_id: for which of the two; the other is None.
        accepted_at: when the request that completed the booking, or asked for the call, was received.
        channel: by which channel the customer had proved the contact, "sms" or "mail"; for a call "pages" or "api".
        request_id: the request that carried the agreement.
    """

    __tablename__ = "consents"
    __table_args__ = (
        ForeignKeyConstraint(["document_id", "version"], ["terms_documents.id", "terms_documents.version"]),
        # It also serves to find a booking's consents.
        UniqueConstraint("booking_id", "document_id", "version"),
        UniqueConstraint("call_id", "document_id", "version"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    booking_id: Mapped[UUID | None]
    call_id: Mapped[UUID | None]
    document_id: Mapped[str] = mapped_column(String(64))
    version: Mapped[str] = mapped_column(String(32))
    url: Mapped[str] = mapped_column(String(500))
    sha256: Mapped[str] = mapped_column(String(64))
    accepted_at: Mapped[datetime]
    channel: Mapped[str] = mapped_column(String(16))
    request_id: Mapped[str] = mapped_column(String(64))


LEAST_NOTICE = timedelta(days=1)
"""How long before it holds a new version is published, at least: nobody is told at night, and everybody beforehand."""


class TermsAnnouncement(Base):
    """That customers with open bookings are being told of a new version, and how far that has come (B46).

    Attributes:
        after_booking_id: all bookings up to this one have been looked at.
        told: how many customers are owed the notice by it.
    """

    __tablename__ = "terms_announcements"
    __table_args__ = (
        ForeignKeyConstraint(["document_id", "version"], ["terms_documents.id", "terms_documents.version"]),
        UniqueConstraint("document_id", "version"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    document_id: Mapped[str] = mapped_column(String(64))
    version: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(64))
    after_booking_id: Mapped[UUID | None]
    told: Mapped[int]
    ended_at: Mapped[datetime | None]

    def advance(self, after: UUID, told: int) -> None:
        """Remember how far it has come."""
        self.after_booking_id = after
        self.told += told

    def end(self, *, now: datetime) -> None:
        """No open booking is left to look at; whoever books from now on is told when the booking is complete."""
        self.ended_at = now


class TermsNotice(Base):
    """That one customer is told of one version. The primary key is why nobody is told twice (B46).

    Attributes:
        message_id: what tells them. If that was voided, since no booking of theirs was open, they were not told.
    """

    __tablename__ = "terms_notices"
    __table_args__ = (
        ForeignKeyConstraint(["document_id", "version"], ["terms_documents.id", "terms_documents.version"]),
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    document_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[str] = mapped_column(String(32), primary_key=True)
    message_id: Mapped[UUID] = mapped_column(ForeignKey("messages.id"), index=True)
    at: Mapped[datetime]


class GoverningTerms(Base):
    """Which versions governed a call when it began, whatever had been agreed to before (B45). Written once.

    Attributes:
        subject_id: the booking, or the call at once.
        governs_at: the instant that decided.
    """

    __tablename__ = "governing_terms"
    __table_args__ = (
        ForeignKeyConstraint(["document_id", "version"], ["terms_documents.id", "terms_documents.version"]),
    )

    subject_id: Mapped[UUID] = mapped_column(primary_key=True)
    document_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[str] = mapped_column(String(32), primary_key=True)
    url: Mapped[str] = mapped_column(String(500))
    sha256: Mapped[str] = mapped_column(String(64))
    governs_at: Mapped[datetime]


def governing(documents: Iterable[TermsDocument], at: datetime, *, provider: str | None = None) -> list[TermsDocument]:
    """Return the version of each document that governs at `at`: the latest that is effective by then.

    The platform's documents come first. A document of which no version is effective yet is left out.

    Args:
        documents: any versions of any documents.
        at: the instant asked about, such as the start of a call (B45: 変更後の規約による).
        provider: leave out the documents of all other providers; None keeps everybody's.

    Source: clauses B27 and B45.
    """
    latest: dict[str, TermsDocument] = {}
    for document in sorted(documents, key=lambda each: (each.effective_at, each.version)):
        foreign = provider is not None and document.provider not in {None, provider}
        if document.effective_at <= at and not foreign:
            latest[document.id] = document
    return sorted(latest.values(), key=lambda each: (each.party is not Party.PLATFORM, each.id))


def consents_to(
    documents: Iterable[TermsDocument],
    *,
    booking_id: UUID | None = None,
    call_id: UUID | None = None,
    accepted_at: datetime,
    channel: str,
    request_id: str,
) -> list[Consent]:
    """Return the records that one customer agreed to all of `documents` at once, for one booking or call (B35)."""
    return [
        Consent(
            booking_id=booking_id,
            call_id=call_id,
            document_id=document.id,
            version=document.version,
            url=document.url,
            sha256=document.sha256,
            accepted_at=accepted_at,
            channel=channel,
            request_id=request_id,
        )
        for document in documents
    ]


__all__ = [
    "LEAST_NOTICE",
    "Consent",
    "GoverningTerms",
    "Party",
    "TermsAnnouncement",
    "TermsDocument",
    "TermsNotice",
    "consents_to",
    "governing",
]
