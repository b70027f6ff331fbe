"""What people decide about a case: one asks or proposes, another approves or sends back. The model holds the rules."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from pydantic import Field
from pydantic.config import JsonDict
from sqlalchemy.orm import Session

from api.access import role_missing
from api.case_desk import PREFIX, TAGS, Deed, Reasoned, done_by, works
from api.case_requests import Digest, Said
from api.problems import Problem
from api.resources import Given, shown
from models.decision import Decision, RefusalReason, Trouble, Verdict
from models.disclosure import DisclosureCase
from models.marketplace import When
from models.roles import Operation, Role
from worker.cases import deciding, ending

router = APIRouter(prefix=f"{PREFIX}/cases/{{case_id}}", tags=[*TAGS])

_DIGEST = "9f86d081" * 8
_JUDGED: JsonDict = {"negotiated": True, "legal_interest": True, "no_other_way": True}


class Incomplete(Reasoned):
    """What the form lacks. It is told to the applicant, the reason is not (A10)."""

    model_config = shown({"missing": ["circumstances"], "reason": "no dates are given"})

    missing: list[
        Literal["name", "counterparty_nickname", "item_number", "item_name", "won_on", "circumstances", "reason"]
    ] = Field(min_length=1, max_length=7)


class Judged(Given):
    """What only people can judge."""

    model_config = shown(_JUDGED)

    negotiated: bool = Field(description="The messages were negotiation about this trouble (D13).")
    legal_interest: bool = Field(description="The trouble harms a legitimate legal interest (D15).")
    no_other_way: bool = Field(description="A way that respects anonymity does not solve it (D16).")


class Proposed(Reasoned):
    """What one person proposes: stage 1 with the three answers, stage 2 with fields and dates, or a refusal."""

    model_config = shown(
        {
            "verdict": "disclose",
            "judged": _JUDGED,
            "trouble": "breach_of_contract",
            "reason": "three messages, no answer",
        },
        {
            "verdict": "disclose",
            "fields": ["name", "postal_code", "address"],
            "as_of": ["now"],
            "reason": "a lawsuit needs name and address",
        },
        {"verdict": "refuse", "refusal": "not_eligible", "reason": "the trade was completed four months before"},
    )

    verdict: Verdict
    judged: Judged | None = Field(None, description="For stage 1.")
    trouble: Trouble | None = Field(None, description="What happened (D15), for stage 1.")
    fields: list[Literal["name", "kana", "postal_code", "address"]] = Field(
        default_factory=list, max_length=4, description="For stage 2: no more than is needed (D24)."
    )
    as_of: list[When] = Field(default_factory=list, max_length=3, description="Of which dates (D43); now, if not said.")
    refusal: RefusalReason | None = Field(None, description="The ground. It is told to nobody outside (D50).")
    note: Said | None = Field(
        None, min_length=1, max_length=4000, description="For the approver, sealed; the reason, if there is none."
    )

    def proposal(self) -> deciding.Proposal:
        """Return it as the case takes it."""
        return deciding.Proposal(
            verdict=self.verdict,
            note=self.note or self.reason,
            answers=self.judged.model_dump() if self.judged else None,
            trouble=self.trouble,
            fields=self.fields,
            as_of=self.as_of,
            refusal=self.refusal,
        )


class Approval(Reasoned):
    """What exactly is approved."""

    model_config = shown({"digest": _DIGEST, "reason": "looked at form, checks and messages"})

    digest: Digest = Field(description="Of the proposal that was looked at.")


@router.post(
    "/incomplete",
    **works("case_held", "case_not_ready", title="Ask for what the form lacks"),
)
def mark_incomplete(
    case_id: UUID, body: Incomplete, deed: Annotated[Deed, Depends(done_by(Operation.MARK_INCOMPLETE))]
) -> JSONResponse:
    """Ask the applicant for what the form lacks, twice at most (A10)."""

    def act(session: Session, case: DisclosureCase) -> None:
        missing = [str(fact) for fact in dict.fromkeys(body.missing)]
        ending.mark_incomplete(session, case, missing, by=deed.by, reason=body.reason, now=deed.at)

    return deed.on(case_id, body, act)


@router.post("/proposals", **works("case_held", "case_not_ready", title="Propose a decision"))
def propose(case_id: UUID, body: Proposed, deed: Annotated[Deed, Depends(done_by(Operation.PROPOSE))]) -> JSONResponse:
    """Write down a proposal; it waits for another person. One at a time."""

    def act(session: Session, case: DisclosureCase) -> None:
        deciding.propose(session, case, body.proposal(), by=deed.by, reason=body.reason, now=deed.at)

    return deed.on(case_id, body, act)


@router.post(
    "/proposals/{decision_id}/approve",
    **works(
        "decision_not_found",
        "four_eyes",
        "stale_revision",
        "case_not_ready",
        "case_held",
        title="Approve a proposal",
    ),
)
def approve(
    case_id: UUID,
    decision_id: UUID,
    body: Approval,
    deed: Annotated[Deed, Depends(done_by(Operation.APPROVE))],
) -> JSONResponse:
    """Approve what another person proposed, exactly as it was looked at, and set off what follows (D25, S6).

    Where an address is protected, and for holders of rights, the approver bears the legal role (S16, D63).
    """

    def act(session: Session, case: DisclosureCase) -> None:
        decision = _decision(session, case, decision_id)
        if case.needs_legal and Role.LEGAL not in deed.by.roles:
            raise role_missing(Operation.APPROVE, [Role.LEGAL])
        deciding.approve(session, case, decision, body.digest, by=deed.by, reason=body.reason, now=deed.at)

    return deed.on(case_id, body, act)


@router.post(
    "/proposals/{decision_id}/send-back",
    **works("decision_not_found", title="Send a proposal back"),
)
def send_back(
    case_id: UUID,
    decision_id: UUID,
    body: Reasoned,
    deed: Annotated[Deed, Depends(done_by(Operation.SEND_BACK))],
) -> JSONResponse:
    """Leave a proposal, also one's own; another may follow."""

    def act(session: Session, case: DisclosureCase) -> None:
        decision = _decision(session, case, decision_id)
        deciding.send_back(session, case, decision, by=deed.by, reason=body.reason, now=deed.at)

    return deed.on(case_id, body, act)


def _decision(session: Session, case: DisclosureCase, decision_id: UUID) -> Decision:
    decision = session.get(Decision, decision_id, with_for_update=True)
    if decision is None or decision.case_id != case.id:
        raise Problem(404, "decision_not_found", "The case has no such decision.")
    return decision
