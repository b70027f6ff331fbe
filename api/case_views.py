"""What each role may see of a disclosure case: the filing system a state, a party its own side, and neither the other.

Nothing here tells whether a member or a transaction exists, or why a case was refused (D50, S12).
"""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from pydantic.json_schema import SkipJsonSchema
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.resources import instant
from models.disclosure import DisclosureCase, Party, State
from models.fee import Invoice
from models.paper import ItemKind, Standing
from worker.cases import papers
from worker.cases.parties import what_may

_CASE_ID = "0197e3a2-5d00-7b20-9d33-0b1f4b1f3900"
_RECEIVED: JsonDict = {
    "id": _CASE_ID,
    "reference": "DAZFJ-0L4A",
    "state": "received",
    "version": 1,
    "filed_at": "2030-06-03T01:00:00Z",
    "deadline_at": "2030-06-04T01:00:00Z",
}

_OF_APPLICANT: JsonDict = {
    "reference": "DAZFJ-0L4A",
    "party": "applicant",
    "state": "screening",
    "deadline_at": None,
    "may": ["withdraw"],
    "papers": [],
}
_GUIDELINE: JsonDict = {
    "language": "ja",
    "sections": [{"number": "1", "text": "(1) …", "sha256": "9f86d081" * 8}],
    "service_ends_at": None,
}


class CaseShown(BaseModel):
    """A case as the system that filed it sees it: where it stands, and until when something is awaited."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_RECEIVED]})

    id: UUID
    reference: str = Field(description="The case number that notices and papers bear.")
    state: State
    version: int
    filed_at: AwareDatetime
    deadline_at: AwareDatetime | None = Field(description="An exclusive end, where something is awaited.")


class ItemShown(BaseModel):
    """One paper that is asked for."""

    model_config = ConfigDict(extra="forbid")

    kind: ItemKind
    standing: Standing
    flaws: list[str] = Field(description="What is wrong with what came.")


class PartyView(BaseModel):
    """A case as one of its parties sees it, by its link."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_OF_APPLICANT]})

    reference: str
    party: Party
    state: Literal["open", "ended"] | State = Field(description="The counterparty sees whether it is open, no more.")
    deadline_at: AwareDatetime | None
    may: list[str] = Field(description="What this side can do now, by the last part of the operation's path.")
    papers: list[ItemShown]
    opinion_due_at: AwareDatetime | SkipJsonSchema[None] = None
    fee_yen: int | SkipJsonSchema[None] = None
    paid_yen: int | SkipJsonSchema[None] = None


class GuidelineSection(BaseModel):
    """One section of the guideline."""

    model_config = ConfigDict(extra="forbid")

    number: str
    text: str
    sha256: str = Field(description="What a consent to it names.")


class Guideline(BaseModel):
    """What an applicant agrees to, section by section (D64)."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_GUIDELINE]})

    language: str
    sections: list[GuidelineSection]
    service_ends_at: AwareDatetime | None = Field(
        description="From then on no application is taken; null: no end (D1)."
    )


class FactKept(BaseModel):
    """Whether a fact was new."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"new": True}]})

    new: bool = Field(description="false: it was told before.")


def case_out(case: DisclosureCase) -> dict[str, Any]:
    """Return a case for the system that filed it."""
    return {
        "id": str(case.id),
        "reference": case.reference,
        "state": case.state,
        "version": case.version,
        "filed_at": instant(case.filed_at),
        "deadline_at": instant(case.deadline_at),
    }


def party_out(session: Session, case: DisclosureCase, party: Party, *, now: datetime) -> dict[str, Any]:
    """Return a case for one of its parties."""
    applicant = party is Party.APPLICANT
    out: dict[str, Any] = {
        "reference": case.reference,
        "party": party,
        "state": case.state if applicant else ("open" if case.is_open else "ended"),
        "deadline_at": instant(case.deadline_at) if applicant else None,
        "may": what_may(case, party, now=now),
        "papers": [],
    }
    if not applicant:
        out["opinion_due_at"] = instant(case.opinion_due_at) if case.is_open else None
        return out
    # Once it is over nothing more is said of them: they might tell why it ended (D50).
    items = papers.items_of(session, case) if case.is_open else []
    out["papers"] = [{"kind": item.kind, "standing": item.told_standing, "flaws": item.flaws} for item in items]
    invoice = session.scalars(
        select(Invoice).where(Invoice.case_id == case.id).order_by(Invoice.issued_at.desc()).limit(1)
    ).one_or_none()
    if invoice is not None:
        out |= {"fee_yen": invoice.total_yen, "paid_yen": case.paid_yen}
    return out
