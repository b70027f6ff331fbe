"""Proposing and approving: two people, one digest, and what an approval sets off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models.audit import CaseEvent
from models.calendar import local_date
from models.decision import Decision, RefusalReason, Stage, Trouble, Verdict, digest_of
from models.disclosure import CaseCheck, DisclosureCase, Party, Path, State
from models.errors import CaseHeld, FourEyes, IllegalMove, NotReady, StaleRevision
from models.fee import Invoice, lines_for
from models.job import Name
from models.marketplace import Member, Organisation, Trade, When
from models.message import Kind
from models.paper import DocumentItem, Paper, all_good
from models.period import JAPAN
from models.roles import Operation, Role
from models.work import Work
from worker import registry
from worker.cases import ending, noticing, paying, screening, voiding
from worker.cases.moving import Actor, moved, note, policy
from worker.cases.worklist import close_work, open_work
from worker.chance import new_id
from worker.clock import unix_ms
from worker.jobs import Link, enqueue_chain
from worker.seals import Place, seal, unseal

HUMAN_CHECKS: Mapping[str, str] = MappingProxyType(
    {"negotiated": "D13", "legal_interest": "D15", "no_other_way": "D16"}
)
"""What only people can judge: it was negotiation about this trouble; the trouble; and apart from it no other way."""


@dataclass(frozen=True, repr=False)
class Proposal:
    """What one person proposes. The note is personal and does not print.

    Attributes:
        answers: to `HUMAN_CHECKS`, for stage 1.
        trouble: what kind of trouble (D15), for stage 1.
        fields: which particulars (D24, A16), for stage 2.
        as_of: of which dates they are disclosed (D43), for stage 2.
        refusal: the ground of a refusal; it stays among us (D50).
    """

    verdict: Verdict
    note: str
    answers: Mapping[str, bool] | None = None
    trouble: str | None = None
    fields: Sequence[str] = ()
    as_of: Sequence[When] = ()
    refusal: RefusalReason | None = None


def propose(
    session: Session,
    case: DisclosureCase,
    proposal: Proposal,
    *,
    by: Actor,
    now: datetime,
    reason: str | None = None,
) -> Decision:
    """Write down a proposal for another person to approve.

    Raises:
        IllegalMove: there is nothing to decide in this state, or a proposal waits already.
        NotReady: it names what is lacking.
        CaseHeld: a hold freezes decisions too.
    """
    if case.held_at is not None:
        raise CaseHeld(case_id=case.id)
    stage = _stage(case, proposal.verdict)
    content = _content(session, case, stage, proposal, now=now)
    decision = Decision(
        id=new_id(unix_ms()),
        case_id=case.id,
        case_version=case.version,
        stage=stage,
        verdict=proposal.verdict,
        refusal=proposal.refusal,
        content=content,
        digest=digest_of(case.id, stage, proposal.verdict, proposal.refusal, content),
        proposed_by=by.name,
        proposed_at=now,
        reviewed_by=_reviewer(session, case) if stage is Stage.PARTICULARS else None,
        open_key=case.id,
    )
    decision.sealed_note = seal(session, _place(decision), proposal.note)
    try:
        with session.begin_nested():
            session.add(decision)
    except IntegrityError:
        raise IllegalMove(case_id=case.id, case_state=case.state) from None
    _keep_checks(session, case, decision, now=now)
    facts = {"decision": str(decision.id), "verdict": proposal.verdict.value, "stage": stage.value}
    note(session, case, "proposed", now=now, actor=by, role=Role.MAKER, reason=reason, digest=decision.digest, **facts)
    open_work(session, case, Work.APPROVE, now=now)
    return decision


def approve(
    session: Session, case: DisclosureCase, decision: Decision, digest: str, *, by: Actor, reason: str, now: datetime
) -> None:
    """Approve a proposal as it was looked at, and set off what follows.

    Raises:
        FourEyes: who proposed or reviewed may not approve, nor anybody who accepted one of the papers.
        StaleRevision: another digest was looked at, or what it was decided on has changed since.
        NotReady: a guard of the case does not hold; it names which.
        IllegalMove: something became of the proposal, or of the case.
    """
    as_legal = Role.LEGAL in by.roles
    if not voiding.is_unchanged(session, case, decision):
        raise StaleRevision(case_id=case.id, decision_id=decision.id)
    if decision.verdict is Verdict.DISCLOSE and not _is_entitled(session, case, now=now):
        raise NotReady(case_id=case.id, lacks="entitled")
    decision.approve(by=by.name, digest=digest, at=now, as_legal=as_legal)
    if decision.case_version != case.version:
        raise StaleRevision(case_id=case.id, decision_id=decision.id)
    if decision.stage is Stage.PARTICULARS and by.name in _reviewers(session, case):
        raise FourEyes(case_id=case.id, decision_id=decision.id)
    session.flush()
    close_work(session, case, Work.APPROVE, by=by.name, now=now)
    role = Role.LEGAL if as_legal and case.needs_legal else by.role_for(Operation.APPROVE)
    note(
        session, case, "approved", now=now, actor=by, role=role, reason=reason, decision=str(decision.id), digest=digest
    )
    before = case.state
    if decision.verdict is Verdict.REFUSE:
        case.refuse(decision, at=now, policy=policy())
        ending.ended(session, case, before, "refused", now=now, actor=by)
    elif decision.stage is Stage.ADDRESSES:
        case.exchange(decision, at=now, policy=policy())
        moved(session, case, before, "exchange_decided", now=now, actor=by)
        _leg(session, case, Name.CHECK_EXCHANGE, Name.RELEASE_ADDRESSES, Name.AWAIT_SETTLEMENT)
    elif decision.stage is Stage.PARTICULARS:
        _charge(session, case, decision, by=by, now=now)
    else:
        case.release_to_holder(decision, at=now, policy=policy())
        moved(session, case, before, "release_decided", now=now, actor=by)
        _leg(session, case, Name.RENDER_LETTER, Name.AWAIT_DISPATCH)


def send_back(
    session: Session, case: DisclosureCase, decision: Decision, *, by: Actor, reason: str, now: datetime
) -> None:
    """Leave a proposal; another may follow.

    Raises:
        IllegalMove: something became of it before.
    """
    decision.send_back(by=by.name, at=now)
    close_work(session, case, Work.APPROVE, by=by.name, now=now)
    role = by.role_for(Operation.SEND_BACK)
    note(session, case, "sent_back", now=now, actor=by, role=role, reason=reason, decision=str(decision.id))


def standing(session: Session, case: DisclosureCase) -> Decision | None:
    """Return the proposal that waits for a second person."""
    return session.scalars(select(Decision).where(Decision.open_key == case.id)).one_or_none()


def note_of(session: Session, decision: Decision) -> str | None:
    """Open why a decision was proposed. Looking at it is worth an event.

    Raises:
        Unreadable: the case's data was shredded.
    """
    return None if decision.sealed_note is None else unseal(session, _place(decision), decision.sealed_note)


def _keep_checks(session: Session, case: DisclosureCase, decision: Decision, *, now: datetime) -> None:
    """Keep what a person judged beside what was checked by itself, with who did so and by which rules (D11)."""
    for name, holds in decision.content.get("answers", {}).items():
        session.add(
            CaseCheck(
                case_id=case.id,
                clause=HUMAN_CHECKS[name],
                holds=holds,
                evidence={"decision": str(decision.id), "trouble": decision.content["trouble"]},
                checked_by=decision.proposed_by,
                checked_at=now,
                policy=screening.policy_digest(),
            )
        )


def _charge(session: Session, case: DisclosureCase, decision: Decision, *, by: Actor, now: datetime) -> None:
    before = case.state
    items = session.scalars(select(DocumentItem).where(DocumentItem.case_id == case.id)).all()
    due = session.scalars(select(Paper.postage_due_yen).where(Paper.case_id == case.id)).all()
    lines = lines_for(policy(), postage_due_yen=due)
    total = sum(line["yen"] for line in lines)
    case.charge(decision, papers_good=all_good(items), fee_yen=total, at=now, policy=policy())
    session.add(
        Invoice(
            id=new_id(unix_ms()),
            case_id=case.id,
            decision_id=decision.id,
            lines=lines,
            total_yen=total,
            issued_at=now,
        )
    )
    noticing.write(session, case, Party.APPLICANT, Kind.CASE_INVOICE, now=now, part=str(decision.id))
    moved(session, case, before, "disclosure_decided", now=now, actor=by, fee_yen=total)
    _leg(session, case, Name.NOTIFY_APPLICANT, Name.AWAIT_FEE)
    # It may have been paid before it was asked for.
    paying.count(session, case, now=now)


def _place(decision: Decision) -> Place:
    return Place(decision.case_id, "decisions", "sealed_note", decision.id)


def _leg(session: Session, case: DisclosureCase, *names: Name) -> None:
    enqueue_chain(session, *(Link(name, {"case_id": case.id}) for name in names))


def _stage(case: DisclosureCase, verdict: Verdict) -> Stage:
    if verdict is Verdict.REFUSE:
        if not case.is_open or case.state in {State.RECEIVED, State.EXCHANGING, State.RELEASING}:
            raise IllegalMove(case_id=case.id, case_state=case.state)
        if case.path is Path.RIGHTS_HOLDER:
            return Stage.HOLDER
        return Stage.ADDRESSES if case.stage_2_at is None else Stage.PARTICULARS
    match case.state:
        case State.SCREENING:
            return Stage.HOLDER if case.path is Path.RIGHTS_HOLDER else Stage.ADDRESSES
        case State.REVIEWING:
            return Stage.PARTICULARS
    raise IllegalMove(case_id=case.id, case_state=case.state)


def _content(
    session: Session, case: DisclosureCase, stage: Stage, proposal: Proposal, *, now: datetime
) -> dict[str, Any]:
    """Return exactly what is decided, in ids and words from closed lists."""
    if proposal.verdict is Verdict.REFUSE:
        if proposal.refusal is None:
            raise NotReady(case_id=case.id, lacks="refusal")
        # The ground must not be guessed from the digest, which more people see than those who judge.
        return {"salt": str(new_id(unix_ms()))}
    if not case.is_eligible:
        raise NotReady(case_id=case.id, lacks="eligible")
    if not _is_entitled(session, case, now=now):
        raise NotReady(case_id=case.id, lacks="entitled")
    if stage is Stage.ADDRESSES:
        answers = {name: bool((proposal.answers or {}).get(name)) for name in HUMAN_CHECKS}
        lacking = [name for name, holds in answers.items() if not holds]
        if lacking or not proposal.trouble:
            raise NotReady(case_id=case.id, lacks=",".join(lacking) or "trouble")
        return {"answers": answers, "trouble": Trouble(proposal.trouble).value, "fields": ["email"]}
    if stage is Stage.PARTICULARS:
        items = session.scalars(select(DocumentItem).where(DocumentItem.case_id == case.id)).all()
        lacking = [
            *(["papers"] if not all_good(items) else []),
            *(["opinion"] if not case.opinion_is_heard(now) else []),
            *(["prior_notice"] if not noticing.has_arrived(session, case, Kind.CASE_STAGE_2_TOLD) else []),
        ]
        if lacking:
            raise NotReady(case_id=case.id, lacks=",".join(lacking))
    fields = [name for name in policy().disclosable if name in proposal.fields]
    if not fields or len(fields) != len(set(proposal.fields)):
        raise NotReady(case_id=case.id, lacks="fields")
    return {
        "fields": fields,
        "snapshots": _snapshots(session, case, proposal.as_of or (When.NOW,), now=now),
        "addressee": voiding.addressee_of(session, case),
    }


def _snapshots(session: Session, case: DisclosureCase, as_of: Sequence[When], *, now: datetime) -> dict[str, str]:
    other = session.get_one(Member, case.counterparty_id)
    found = registry.snapshots_of(session, other, session.get_one(Trade, case.trade_id), now=now)
    missing = [when.value for when in as_of if when not in found]
    if missing:
        raise NotReady(case_id=case.id, lacks=",".join(missing))
    return {when.value: str(found[when].id) for when in as_of}


def _is_entitled(session: Session, case: DisclosureCase, *, now: datetime) -> bool:
    """Whether who applied may still: a member who is registered (D18), an organisation that is valid (D56, D57)."""
    who = noticing.reader(session, case, Party.APPLICANT)
    if isinstance(who, Organisation):
        return who.is_valid_on(local_date(now, JAPAN))
    return who.is_active


def _reviewer(session: Session, case: DisclosureCase) -> str | None:
    """Return who accepted the papers last."""
    reviewers = _reviewers(session, case)
    return reviewers[-1] if reviewers else None


def _reviewers(session: Session, case: DisclosureCase) -> Sequence[str]:
    """Return who accepted papers, in the order in which they did."""
    accepted = select(CaseEvent.actor).where(CaseEvent.case_id == case.id, CaseEvent.kind == "item_accepted")
    return session.scalars(accepted.order_by(CaseEvent.number)).all()
