"""What people decide about a case: one proposes, another approves or sends back (D25, D44, S6).

A decision is a record, not a state. The approval binds a digest of exactly what was approved. The database itself
refuses that one person does both.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Json, enum_of
from models.errors import FourEyes, IllegalMove, StaleRevision


class Stage(StrEnum):
    """What would be disclosed."""

    ADDRESSES = "addresses"
    """Stage 1: both registered mail addresses (D17, D20)."""
    PARTICULARS = "particulars"
    """Stage 2: name, address and so on, by post (D24)."""
    HOLDER = "holder"
    """To a holder of rights (D60)."""


class Verdict(StrEnum):
    """What is proposed."""

    DISCLOSE = "disclose"
    REFUSE = "refuse"


class Trouble(StrEnum):
    """What happened (D15): a breach of contract, or what else harms a legitimate legal interest."""

    BREACH_OF_CONTRACT = "breach_of_contract"
    """債務不履行: not sent, not paid, not as described."""
    DEFECT = "defect"
    FRAUD = "fraud"
    RIGHTS_INFRINGED = "rights_infringed"
    OTHER_LEGAL_INTEREST = "other_legal_interest"


class RefusalReason(StrEnum):
    """The source's five grounds (D45 to D49). They are kept for us; no answer, page or notice knows them (D50)."""

    RULES_BROKEN = "rules_broken"
    NOT_ELIGIBLE = "not_eligible"
    NOT_QUALIFIED = "not_qualified"
    PROCEDURE = "procedure"
    OTHER = "other"


class Decision(Base):
    """One proposal and what became of it.

    Attributes:
        content: what exactly is decided: fields, ids of snapshots, addressee, the answers to the human checks (D13,
            D15, D16). Ids and words from closed lists, never personal data.
        digest: SHA-256 over all of it; who approves names the digest that was looked at.
        case_version: of the case as it was proposed on; a case that moved since makes it void.
        as_legal: whether the approver bore the legal role.
        open_key: the case's id while nothing has become of it: one proposal at a time.
    """

    __tablename__ = "decisions"
    __table_args__ = (
        CheckConstraint("approved_by IS NULL OR approved_by <> proposed_by", name="another_person_approves"),
        CheckConstraint(
            "approved_by IS NULL OR reviewed_by IS NULL OR approved_by <> reviewed_by", name="no_reviewer_approves"
        ),
        CheckConstraint(
            "stage <> 'particulars' OR verdict <> 'disclose' OR reviewed_by IS NOT NULL", name="papers_were_reviewed"
        ),
        CheckConstraint("(approved_by IS NULL) = (approved_at IS NULL)", name="approvals_are_dated"),
        CheckConstraint("verdict <> 'refuse' OR refusal IS NOT NULL", name="refusals_have_a_ground"),
        Index("ix_decisions_case", "case_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("disclosure_cases.id"))
    case_version: Mapped[int] = mapped_column(Integer)
    stage: Mapped[Stage] = mapped_column(enum_of(Stage))
    verdict: Mapped[Verdict] = mapped_column(enum_of(Verdict))
    refusal: Mapped[RefusalReason | None] = mapped_column(enum_of(RefusalReason))
    content: Mapped[dict[str, Any]] = mapped_column(Json)
    digest: Mapped[str] = mapped_column(String(64))
    sealed_note: Mapped[bytes | None] = mapped_column(LargeBinary)
    proposed_by: Mapped[str] = mapped_column(String(64))
    proposed_at: Mapped[datetime]
    reviewed_by: Mapped[str | None] = mapped_column(String(64))
    approved_by: Mapped[str | None] = mapped_column(String(64))
    approved_at: Mapped[datetime | None]
    as_legal: Mapped[bool] = mapped_column(default=False)
    sent_back_by: Mapped[str | None] = mapped_column(String(64))
    sent_back_at: Mapped[datetime | None]
    voided_at: Mapped[datetime | None]
    open_key: Mapped[UUID | None] = mapped_column(unique=True)

    def approve(self, *, by: str, digest: str, at: datetime, as_legal: bool) -> None:
        """Bind it.

        Raises:
            FourEyes: the same person proposed it, or reviewed the papers.
            StaleRevision: the approver looked at something else.
            IllegalMove: something became of it before.
        """
        self._need_open()
        if by in {self.proposed_by, self.reviewed_by}:
            raise FourEyes(case_id=self.case_id, decision_id=self.id)
        if digest != self.digest or digest != self.reckoned_digest():
            raise StaleRevision(case_id=self.case_id, decision_id=self.id, digest=self.digest)
        self.approved_by, self.approved_at, self.as_legal = by, at, as_legal
        self.open_key = None

    def send_back(self, *, by: str, at: datetime) -> None:
        """Leave it; another may be proposed. Also who proposed it may take it back.

        Raises:
            IllegalMove: something became of it before.
        """
        self._need_open()
        self.sent_back_by, self.sent_back_at = by, at
        self.open_key = None

    def void(self, *, at: datetime) -> None:
        """What it was decided on has changed."""
        if self.voided_at is None and self.sent_back_at is None:
            self.voided_at = at
            self.open_key = None

    def binds(self, case_version: int, *, needs_legal: bool) -> bool:
        """Whether two people decided this about the case as it stands."""
        return (
            self.approved_by is not None
            and self.approved_by not in {self.proposed_by, self.reviewed_by}
            and self.voided_at is None
            and self.sent_back_at is None
            and self.case_version == case_version
            and self.digest == self.reckoned_digest()
            and (self.as_legal or not needs_legal)
        )

    def reckoned_digest(self) -> str:
        """Return the digest of what stands here now."""
        return digest_of(self.case_id, self.stage, self.verdict, self.refusal, self.content)

    def _need_open(self) -> None:
        if self.approved_at is not None or self.sent_back_at is not None or self.voided_at is not None:
            raise IllegalMove(case_id=self.case_id, decision_id=self.id)


def digest_of(
    case_id: UUID, stage: Stage, verdict: Verdict, refusal: RefusalReason | None, content: Mapping[str, Any]
) -> str:
    """Return 64 hexadecimal digits over exactly what is decided: SHA-256 of its canonical JSON."""
    whole = {
        "case": str(case_id),
        "stage": stage.value,
        "verdict": verdict.value,
        "refusal": None if refusal is None else refusal.value,
        "content": content,
    }
    return sha256(json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()).hexdigest()
