"""Reminding the parties of what is awaited, and ourselves of what lies too long. Neither ever moves a case."""

import logging
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from models.disclosure import DisclosureCase, Party, State
from models.message import Kind
from models.period import last_day_before
from models.work import Work
from worker.cases import noticing, papers
from worker.cases.moving import SYSTEM, note, policy
from worker.cases.worklist import is_waiting, mark_overdue, open_work

_SAID = {
    State.NEGOTIATING: Kind.CASE_NEGOTIATION_REMINDER,
    State.AWAITING_DOCUMENTS: Kind.CASE_PAPERS_REMINDER,
    State.DOCUMENTS_DEFICIENT: Kind.CASE_PAPERS_REMINDER,
    State.AWAITING_FEE: Kind.CASE_INVOICE_REMINDER,
}
_WORK: Mapping[State, tuple[Work, ...]] = {
    State.SCREENING: (Work.SCREEN, Work.APPROVE, Work.MEND_EXCHANGE),
    State.REVIEWING: (Work.REVIEW_PAPERS, Work.PROPOSE, Work.APPROVE),
    State.RELEASING: (Work.PRINT_LETTER, Work.POST_LETTER),
}
_log = logging.getLogger(__name__)


def remind(session: Session, case: DisclosureCase, *, days: int, now: datetime) -> None:
    """Remind the applicant, once a round."""
    kind = _SAID.get(case.state)
    if kind is None or case.deadline_at is None or now >= case.deadline_at:
        return
    if kind is Kind.CASE_NEGOTIATION_REMINDER and policy().service_has_ended(now):
        return
    part = f"{case.state}-{last_day_before(case.deadline_at)}-{days}"
    noticing.write(session, case, Party.APPLICANT, kind, now=now, part=part, expires_at=case.deadline_at, release=True)


def alert(session: Session, case: DisclosureCase, *, number: int, now: datetime) -> None:
    """Say that a case lies too long: in the log, on the list, in the trail."""
    if case.state is State.EXCHANGING:
        one_sided = (case.applicant_reached_at is None) != (case.counterparty_reached_at is None)
        open_work(session, case, Work.FINISH_EXCHANGE, now=now)
        mark_overdue(session, case, Work.FINISH_EXCHANGE, now=now)
        note(session, case, "exchange_overdue", now=now, actor=SYSTEM, alert=number, one_sided=one_sided)
        _log.error("an exchange of addresses is not finished", extra={"case_id": str(case.id), "alert": number})
        return
    if papers.ask_for_proposal(session, case, now=now):
        # The other side's time is over: that is nobody's delay.
        return
    works = _WORK.get(case.state, ())
    if works and not is_waiting(session, case, *works) and not papers.waits_for_opinion(session, case, now=now):
        # The leg that puts it on the list has not come so far.
        open_work(session, case, works[0], now=now)
    if mark_overdue(session, case, *works, now=now):
        note(session, case, "overdue", now=now, actor=SYSTEM, alert=number)
        _log.error("a case waits for a person longer than it should", extra={"case_id": str(case.id)})
