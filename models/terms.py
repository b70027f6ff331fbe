"""The documents a customer agrees to, in their versions, and the record of each agreement.

It knows which version governs at an instant. The texts themselves belong to their owners and are kept elsewhere.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, String, UniqueConstraint
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
    """That a customer agreed to one version of one document, for one booking: written once, never changed (B27, B35).

    The document's address and hash are repeated here, so that the record proves itself.

    Attributes:
        accepted_at: when the request that completed the booking was received.
        channel: by which channel the customer had proved the contact, "sms" or "mail".
        request_id: the request that carried the agreement.
    """

    __tablename__ = "consents"
    __table_args__ = (
        ForeignKeyConstraint(["document_id", "version"], ["terms_documents.id", "terms_documents.version"]),
        # It also serves to find a booking's consents.
        UniqueConstraint("booking_id", "document_id", "version"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    booking_id: Mapped[UUID]
    document_id: Mapped[str] = mapped_column(String(64))
    version: Mapped[str] = mapped_column(String(32))
    url: Mapped[str] = mapped_column(String(500))
    sha256: Mapped[str] = mapped_column(String(64))
    accepted_at: Mapped[datetime]
    channel: Mapped[str] = mapped_column(String(16))
    request_id: Mapped[str] = mapped_column(String(64))


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
    booking_id: UUID,
    accepted_at: datetime,
    channel: str,
    request_id: str,
) -> list[Consent]:
    """Return the records that one customer agreed to all of `documents` at once, for one booking (B35)."""
    return [
        Consent(
            booking_id=booking_id,
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


__all__ = ["Consent", "Party", "TermsDocument", "consents_to", "governing"]
