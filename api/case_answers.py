"""The shapes in which people see disclosure cases: ids, instants and words, and personal data in one of them alone."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from pydantic.json_schema import SkipJsonSchema

from api.resources import shown
from models.decision import RefusalReason, Stage, Verdict
from models.disclosure import Party, Path, State
from models.marketplace import MemberKind, MemberStatus, When
from models.message import Kind
from models.message import State as MessageState
from models.paper import Flaw, ItemKind, PaperKind, Standing
from models.roles import Role
from models.work import Work

_CASE_ID = "0197e3a2-5d00-7b20-9d33-0b1f4b1f3900"
_DECISION_ID = "0197e3a2-6d00-7b20-9d33-0b1f4b1f3901"
_PERSON = "person:kimura"
_DIGEST = "9f86d081" * 8

_NOW: JsonDict = {
    "id": _CASE_ID,
    "reference": "D0B1F-4B1F",
    "state": "screening",
    "version": 2,
    "since": "2030-06-03T01:10:00Z",
    "deadline_at": None,
    "held_at": None,
    "proposal": {"id": _DECISION_ID, "digest": _DIGEST, "proposed_by": _PERSON},
}
_WORK: JsonDict = {
    "id": "0197e3a2-6e00-7b20-9d33-0b1f4b1f3902",
    "case": _CASE_ID,
    "reference": "D0B1F-4B1F",
    "state": "screening",
    "work": "approve",
    "role": "checker",
    "since": "2030-06-03T02:00:00Z",
    "overdue_at": None,
    "held_at": None,
}
_DECISION: JsonDict = {
    "id": _DECISION_ID,
    "stage": "addresses",
    "verdict": "disclose",
    "refusal": None,
    "content": {
        "answers": {"negotiated": True, "legal_interest": True, "no_other_way": True},
        "trouble": "breach_of_contract",
        "fields": ["email"],
    },
    "digest": _DIGEST,
    "standing": "waiting",
    "proposed_by": _PERSON,
    "proposed_at": "2030-06-03T02:00:00Z",
    "reviewed_by": None,
    "approved_by": None,
    "approved_at": None,
    "as_legal": False,
    "sent_back_by": None,
    "sent_back_at": None,
    "voided_at": None,
}
_EVENT: JsonDict = {
    "number": 1,
    "at": "2030-06-03T01:00:00Z",
    "kind": "received",
    "actor": "key:site",
    "role": None,
    "facts": {"state": "received", "version": 1, "before": None},
    "has_reason": False,
}
_CASE: JsonDict = {
    **_NOW,
    "path": "party",
    "language": "ja",
    "filed_at": "2030-06-03T01:00:00Z",
    "confirmed_at": "2030-06-03T01:10:00Z",
    "is_eligible": True,
    "needs_legal": False,
    "applicant": "m-1024",
    "counterparty": "m-2048",
    "organisation": None,
    "transaction": "T-2030-0001",
    "related": [],
    "told_counterparty_at": "2030-06-03T01:10:01Z",
    "intake_rounds": 0,
    "paper_rounds": 0,
    "released_at": None,
    "applicant_reached_at": None,
    "counterparty_reached_at": None,
    "stage_2_at": None,
    "opinion_due_at": None,
    "opinion_at": None,
    "fee_yen": 0,
    "paid_yen": 0,
    "dispatched_at": None,
    "ended_at": None,
    "sealed": ["form", "parties"],
    "checks": [
        {
            "clause": "D13",
            "holds": True,
            "evidence": {"messages": 3},
            "checked_by": "system",
            "checked_at": "2030-06-03T01:10:01Z",
        }
    ],
    "decisions": [_DECISION],
    "items": [],
    "papers": [],
    "invoices": [],
    "payments": [],
    "letters": [],
    "notices": [
        {
            "id": "0197e3a2-6f00-7b20-9d33-0b1f4b1f3903",
            "kind": "case_opened",
            "party": "applicant",
            "state": "delivered",
            "written_at": "2030-06-03T01:10:01Z",
            "released_at": "2030-06-03T01:10:01Z",
            "accepted_at": "2030-06-03T01:10:02Z",
            "deemed_arrived_at": "2030-06-03T02:10:02Z",
            "undeliverable_at": None,
        }
    ],
    "work": [_WORK],
    "timeline": [_EVENT],
}
_REVEALED: JsonDict = {
    "opinion": "異議があります。",
    "parties": {
        "applicant": {
            "member": "m-1024",
            "kind": "individual",
            "status": "active",
            "protected_address": True,
            "withheld": ["postal_code", "address"],
            "email_changed_at": "2028-04-01T03:00:00Z",
            "registered": [
                {
                    "as_of": ["now", "registration", "trade"],
                    "taken_at": "2028-04-01T03:00:00Z",
                    "nickname": "hana_1024",
                    "name": "見本 花子",
                    "kana": "ミホン ハナコ",
                    "email": "hanako@example.jp",
                    "representative": None,
                    "representative_kana": None,
                }
            ],
        },
        "counterparty": None,
    },
}
_PREVIEW: JsonDict = {
    "decision": _DECISION_ID,
    "stage": "particulars",
    "digest": _DIGEST,
    "is_approved": True,
    "fields": [{"name": "name", "label": "氏名"}, {"name": "address", "label": "住所"}],
    "as_of": [{"when": "now", "label": "現在", "taken_at": "2028-04-01T03:00:00Z"}],
    "addressee": "individual",
    "unchanged": True,
    "serial": 1,
    "printed_at": None,
}
_SWITCH: JsonDict = {
    "stopped": True,
    "turned_at": "2030-06-03T05:00:00Z",
    "turned_by": "person:ito",
    "waiting": 2,
}

_FORBID = ConfigDict(extra="forbid")


class ProposalNow(BaseModel):
    """A proposal that waits for a second person."""

    model_config = _FORBID

    id: UUID
    digest: str = Field(description="Who approves names it.")
    proposed_by: str


class CaseNow(BaseModel):
    """Where a case stands now."""

    model_config = shown(_NOW)

    id: UUID
    reference: str = Field(description="The case number (受付番号) that notices and papers bear.")
    state: State
    version: int = Field(ge=1, description="One more with each move, extension and hold.")
    since: AwareDatetime = Field(description="Since when it stands there.")
    deadline_at: AwareDatetime | None = Field(description="An exclusive end.")
    held_at: AwareDatetime | None
    proposal: ProposalNow | None


class WorkShown(BaseModel):
    """One piece of work that waits for a person."""

    model_config = shown(_WORK)

    id: UUID
    case: UUID
    reference: str
    state: State
    work: Work
    role: Role = Field(description="Whose work it is.")
    since: AwareDatetime
    overdue_at: AwareDatetime | None = Field(description="Since when it lies longer than it should.")
    held_at: AwareDatetime | None = Field(description="Since when the case is on hold.")


class WorkList(BaseModel):
    """What waits for a person, the oldest first."""

    model_config = shown({"work": [_WORK], "next_after": None})

    work: list[WorkShown]
    next_after: UUID | None = Field(description="Give it as `after` to see the next page.")


class CasesFound(BaseModel):
    """Cases that bear a number. It names one, as far as anybody has seen; it authorises nothing."""

    model_config = shown({"cases": [_NOW]})

    cases: list[CaseNow]


class RelatedCase(BaseModel):
    """Another case that whoever decides should know of."""

    model_config = _FORBID

    id: UUID
    reference: str
    state: State
    because: Literal["crossed", "same_transaction", "same_parties"]


class CheckShown(BaseModel):
    """What one automatic check found (D11)."""

    model_config = _FORBID

    clause: str
    holds: bool
    evidence: dict[str, Any]
    checked_by: str
    checked_at: AwareDatetime


class DecisionShown(BaseModel):
    """What somebody proposed and what became of it; the note is sealed."""

    model_config = _FORBID

    id: UUID
    stage: Stage
    verdict: Verdict
    refusal: RefusalReason | None = Field(description="For those who judge; it is told to nobody outside (D50).")
    content: dict[str, Any] | None = Field(
        description="What exactly is decided, in ids and words; for those who judge."
    )
    digest: str
    standing: Literal["waiting", "approved", "sent_back", "void"]
    proposed_by: str
    proposed_at: AwareDatetime
    reviewed_by: str | None
    approved_by: str | None
    approved_at: AwareDatetime | None
    as_legal: bool
    sent_back_by: str | None
    sent_back_at: AwareDatetime | None
    voided_at: AwareDatetime | None


class ItemOnDesk(BaseModel):
    """One paper that the case waits for, or has."""

    model_config = _FORBID

    id: UUID
    position: int
    kind: ItemKind
    standing: Standing
    flaws: list[Flaw]
    deadline_at: AwareDatetime | None
    paper: UUID | None


class PaperShown(BaseModel):
    """A paper that came by post, and where it lies."""

    model_config = _FORBID

    id: UUID
    number: str
    item: UUID | None
    kind: PaperKind
    is_original: bool
    issued_on: Annotated[str, Field(json_schema_extra={"format": "date"})] | None
    pledge_version: str | None
    address_equal: bool | None
    seal_matches: bool | None
    forbidden_data_visible: bool
    arrived_at: AwareDatetime
    recorded_by: str
    shelf: str
    postage_due_yen: int
    destroyed_by: str | None = Field(description="Who wrote down that it was shredded.")
    destroyed_with: str | None = Field(description="Who saw it; only then is it gone.")
    destroyed_at: AwareDatetime | None


class InvoiceShown(BaseModel):
    """What was asked for."""

    model_config = _FORBID

    lines: list[dict[str, Any]]
    total_yen: int
    issued_at: AwareDatetime


class PaymentShown(BaseModel):
    """What came in."""

    model_config = _FORBID

    number: str
    amount_yen: int
    paid_at: AwareDatetime
    recorded_by: str


class LetterShown(BaseModel):
    """A letter: never what it says."""

    model_config = _FORBID

    serial: int
    digest: str = Field(description="Of the decision that it was made of.")
    sha256: str = Field(description="Of the document.")
    by_hand: list[str] = Field(description="Values that need a pen before it is posted.")
    rendered_at: AwareDatetime
    printed_at: AwareDatetime | None
    printed_by: str | None
    spoiled_at: AwareDatetime | None
    spoiled_by: str | None
    dispatched_at: AwareDatetime | None
    dispatched_by: str | None
    tracking_number: str | None


class NoticeShown(BaseModel):
    """A notice: never its text or address (D54)."""

    model_config = _FORBID

    id: UUID = Field(description="Of its message.")
    kind: Kind
    party: Party
    state: MessageState
    written_at: AwareDatetime
    released_at: AwareDatetime | None
    accepted_at: AwareDatetime | None
    deemed_arrived_at: AwareDatetime | None
    undeliverable_at: AwareDatetime | None


class EventShown(BaseModel):
    """One line of the trail; the reason is sealed."""

    model_config = _FORBID

    number: int
    at: AwareDatetime
    kind: str
    actor: str
    role: Role | None
    facts: dict[str, Any]
    has_reason: bool


class CaseAtWork(CaseNow):
    """A case as people work on it: no personal data in it. What is sealed is opened by `reveal`, with a reason."""

    model_config = shown(_CASE)

    path: Path
    language: str
    filed_at: AwareDatetime
    confirmed_at: AwareDatetime | None
    is_eligible: bool | None = Field(description="What the automatic checks found; null while they have not run.")
    needs_legal: bool = Field(description="Whether the approver must bear the legal role (S16, D63).")
    applicant: str | None = Field(description="The marketplace's own id of the member.")
    counterparty: str | None
    organisation: str | None
    transaction: str | None
    related: list[RelatedCase]
    told_counterparty_at: AwareDatetime | None
    intake_rounds: int
    paper_rounds: int
    released_at: AwareDatetime | None
    applicant_reached_at: AwareDatetime | None
    counterparty_reached_at: AwareDatetime | None
    stage_2_at: AwareDatetime | None
    opinion_due_at: AwareDatetime | None
    opinion_at: AwareDatetime | None
    fee_yen: int
    paid_yen: int
    dispatched_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    sealed: list[str] = Field(description="What `reveal` would open.")
    checks: list[CheckShown] = Field(description="For those who judge.")
    decisions: list[DecisionShown]
    items: list[ItemOnDesk]
    papers: list[PaperShown]
    invoices: list[InvoiceShown]
    payments: list[PaymentShown]
    letters: list[LetterShown]
    notices: list[NoticeShown]
    work: list[WorkShown]
    timeline: list[EventShown]


class RegisteredShown(BaseModel):
    """What was registered of a member as of one snapshot."""

    model_config = _FORBID

    as_of: list[When]
    taken_at: AwareDatetime
    nickname: str
    name: str
    kana: str
    postal_code: str | SkipJsonSchema[None] = None
    address: str | SkipJsonSchema[None] = None
    email: str
    representative: str | None
    representative_kana: str | None


class MemberRevealed(BaseModel):
    """A member with what is registered. Nothing here was verified by us (D51)."""

    model_config = _FORBID

    member: str
    kind: MemberKind
    status: MemberStatus
    protected_address: bool
    withheld: list[str] = Field(description="Members that only the legal department sees (S16).")
    email_changed_at: AwareDatetime
    registered: list[RegisteredShown]


class OrganisationRevealed(BaseModel):
    """An organisation with its contact."""

    model_config = _FORBID

    organisation: str
    email: str
    postal_code: str
    postal_address: str
    addressee: str


class PartiesRevealed(BaseModel):
    """Both sides."""

    model_config = _FORBID

    applicant: MemberRevealed | OrganisationRevealed | None
    counterparty: MemberRevealed | OrganisationRevealed | None


class Revealed(BaseModel):
    """What was asked for, opened; null where there is nothing, or where it was shredded."""

    model_config = shown(_REVEALED)

    form: dict[str, str] | None = None
    stage_2: dict[str, str] | None = None
    opinion: str | None = None
    parties: PartiesRevealed | None = None
    notes: dict[str, str] | None = Field(None, description="By decision.")
    wishes: dict[str, str] | None = Field(None, description="By item.")
    reasons: dict[str, str] | None = Field(None, description="By the event's number.")


class FieldPreviewed(BaseModel):
    """A field and its label; not its value."""

    model_config = _FORBID

    name: str
    label: str


class WhenPreviewed(BaseModel):
    """As of when data stand in the letter."""

    model_config = _FORBID

    when: When
    label: str
    taken_at: AwareDatetime


class LetterPreview(BaseModel):
    """What the letter would hold and whom it would go to, without a value of either (S17)."""

    model_config = shown(_PREVIEW)

    decision: UUID
    stage: Stage
    digest: str
    is_approved: bool
    fields: list[FieldPreviewed]
    as_of: list[WhenPreviewed]
    addressee: Literal["individual", "shop", "organisation"] = Field(description="Whom it goes to, by kind alone.")
    unchanged: bool = Field(description="Whether addressee and data are still registered as they were decided on.")
    serial: int = Field(description="Of the letter that is printed next, or was.")
    printed_at: AwareDatetime | None


class AuditEvent(EventShown):
    """One line of the trail with what chains it."""

    hash: str
    previous_hash: str


class DisclosureShown(BaseModel):
    """Whose data went to whom, which fields, and on what basis (S8)."""

    model_config = _FORBID

    number: int = Field(description="Of the event that vouches for it.")
    at: AwareDatetime
    whose: UUID
    recipient: UUID
    fields: list[str]
    stage: str
    basis: str
    kept_until: AwareDatetime


class AuditShown(BaseModel):
    """A case's trail whole; the reasons are sealed."""

    model_config = shown(
        {
            "events": [{**_EVENT, "hash": _DIGEST, "previous_hash": "0" * 64}],
            "disclosures": [],
            "unbroken": True,
        }
    )

    events: list[AuditEvent]
    disclosures: list[DisclosureShown]
    unbroken: bool = Field(description="Whether each event's hash is that of what it says and of the one before.")


class RetentionShown(BaseModel):
    """How many cases stand where in their retention."""

    model_config = shown(
        {"open": 12, "ended": 340, "held": 1, "papers_to_destroy": 4, "purged": {"unverified": 25, "case_record": 3}}
    )

    open: int
    ended: int = Field(description="Over, and kept for their time.")
    held: int = Field(description="On hold: nothing of these goes.")
    papers_to_destroy: int = Field(description="Papers of cases that are over, which two persons still have to shred.")
    purged: dict[str, int] = Field(description="What has gone, by the reason.")


class SwitchShown(BaseModel):
    """Whether releases go out."""

    model_config = shown(_SWITCH)

    stopped: bool
    turned_at: AwareDatetime | None
    turned_by: str | None
    waiting: int = Field(description="Cases whose addresses are to be exchanged and were not released yet.")
