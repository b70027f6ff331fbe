"""Money for a case: facts that come early, late, twice and in parts. What came in time and is enough sets it off."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.decision import Decision
from models.disclosure import DisclosureCase, State
from models.fee import Payment, paid_in_time
from models.job import Name
from models.roles import Operation
from models.work import Work
from worker.cases import voiding
from worker.cases.moving import SYSTEM, Actor, moved, note, policy
from worker.cases.worklist import open_work
from worker.chance import new_id
from worker.clock import unix_ms
from worker.database import insert_new
from worker.jobs import Link, enqueue_chain


def record(
    session: Session,
    case: DisclosureCase,
    number: str,
    amount_yen: int,
    *,
    paid_at: datetime,
    by: Actor,
    now: datetime,
    reason: str | None = None,
) -> bool:
    """Keep a payment; False if it is known by its number. Never refused: money that came has come.

    Args:
        session: the caller's transaction.
        case: what it was for.
        number: the bank's or the provider's.
        amount_yen: more than nothing.
        paid_at: when it came in, by which the deadline is judged.
        by: who tells it.
        now: business time.
        reason: a person's own words.
    """
    written = session.scalars(
        insert_new(session, Payment)
        .values(
            id=new_id(unix_ms()),
            case_id=case.id,
            once_key=number,
            amount_yen=amount_yen,
            paid_at=paid_at,
            recorded_at=now,
            recorded_by=by.name,
        )
        .on_conflict_do_nothing(index_elements=[Payment.case_id, Payment.once_key])
        .returning(Payment.id)
    ).one_or_none()
    if written is None:
        return False
    role = by.role_for(Operation.RECORD_PAYMENT)
    note(session, case, "paid", now=now, actor=by, role=role, reason=reason, amount_yen=amount_yen)
    if not count(session, case, now=now):
        # Early, too little, too late, or for a case that is over: a person should know.
        open_work(session, case, Work.CHECK_PAYMENT, now=now)
    return True


def count(session: Session, case: DisclosureCase, *, now: datetime) -> bool:
    """Add up what came in time; True if that set the release off."""
    payments = session.scalars(select(Payment).where(Payment.case_id == case.id)).all()
    deadline = case.deadline_at if case.state is State.AWAITING_FEE else None
    before = case.state
    decision = session.get(Decision, case.decision_id) if case.state is State.AWAITING_FEE else None
    if decision is not None and not voiding.is_unchanged(session, case, decision):
        # The marketplace told of it a moment before the bank did: the letter must not go out on it.
        voiding.void_for(session, case, now=now)
        return False
    if not case.pay(paid_in_time(payments, deadline), at=now, policy=policy()):
        return False
    moved(session, case, before, "fee_paid", now=now, actor=SYSTEM, paid_yen=case.paid_yen)
    enqueue_chain(session, *(Link(name, {"case_id": case.id}) for name in (Name.RENDER_LETTER, Name.AWAIT_DISPATCH)))
    return True
