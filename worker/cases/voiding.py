"""Whether what was decided still holds of those it was decided about, and what happens when it does not (S6, S16)."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.decision import Decision, Stage, Verdict
from models.disclosure import DisclosureCase, Party
from models.job import Name
from models.marketplace import Member, Organisation, When
from models.work import Work
from worker.cases import noticing, screening
from worker.cases.moving import SYSTEM, moved, note, policy
from worker.cases.worklist import close_work
from worker.jobs import Link, enqueue_chain


def void_for(session: Session, case: DisclosureCase, *, now: datetime) -> bool:
    """What was decided about somebody has changed before it was released: it is decided anew. True if it was.

    What is being released is finished; a proposal that waits is taken from the list.
    """
    before = case.state
    decided = session.get(Decision, case.decision_id) if case.decision_id else None
    waiting = session.scalars(select(Decision).where(Decision.open_key == case.id)).one_or_none()
    newly_protected = not case.needs_legal and screening.is_protected(session, case)
    case.needs_legal = case.needs_legal or newly_protected
    voided = False
    about_them = waiting is not None and (newly_protected or waiting.stage is not Stage.ADDRESSES)
    if waiting is not None and about_them and waiting.verdict is Verdict.DISCLOSE:
        waiting.void(at=now)
        close_work(session, case, Work.APPROVE, by=SYSTEM.name, now=now)
        note(session, case, "proposal_voided", now=now, actor=SYSTEM, decision=str(waiting.id))
        voided = True
    if decided is not None and case.void_decision(at=now, policy=policy()):
        decided.void(at=now)
        moved(session, case, before, "decision_voided", now=now, actor=SYSTEM, decision=str(decided.id))
        enqueue_chain(
            session, *(Link(name, {"case_id": case.id}) for name in (Name.ASSEMBLE_PACKET, Name.AWAIT_REVIEW))
        )
        voided = True
    return voided


def is_unchanged(session: Session, case: DisclosureCase, decision: Decision) -> bool:
    """Whether those it is about are still registered as they were when it was proposed.

    Stage 1 reads both addresses at the release itself, and a refusal discloses nothing.
    """
    if decision.stage is Stage.ADDRESSES or decision.verdict is Verdict.REFUSE:
        return True
    current = session.get_one(Member, case.counterparty_id).snapshot_id
    shown = decision.content["snapshots"].get(When.NOW.value)
    return decision.content["addressee"] == addressee_of(session, case) and shown in {None, str(current)}


def addressee_of(session: Session, case: DisclosureCase) -> dict[str, str]:
    """Return to whom a letter of this case would go, in ids: the digest binds it."""
    who = noticing.reader(session, case, Party.APPLICANT)
    kind = "organisation" if isinstance(who, Organisation) else "member"
    return {kind: str(who.id), "snapshot": str(who.snapshot_id)}
