"""Disclosure cases: the links of their legs, their timers, and what they hear. Each asks the case again."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from models.disclosure import TERMINAL, DisclosureCase, Party, State
from models.job import Name
from models.marketplace import Trade
from models.message import Message
from models.work import Work
from worker.app import app
from worker.cases import (
    applying,
    ending,
    exchanging,
    noticing,
    papers,
    paying,
    posting,
    reminding,
    retention,
    screening,
    voiding,
    worklist,
)
from worker.cases.moving import locked
from worker.database import database
from worker.jobs import job

MOST_AT_ONCE = 1_000


@job(Name.RECEIVE_APPLICATION)
def receive_application(session: Session, now: datetime, case_id: UUID) -> None:
    """Find out whom a form names, and ask the registered address (D68)."""
    case = locked(session, case_id)
    if case is not None:
        applying.match(session, case, now=now)


@job(Name.SCREEN_CASE)
def screen_case(session: Session, now: datetime, case_id: UUID) -> None:
    """Check a case, and write what both sides are told (D11, D38)."""
    case = _locked(session, case_id)
    if case.state is State.SCREENING and case.is_eligible is None:
        screening.screen(session, case, now=now)


@job(Name.NOTIFY_APPLICANT)
def notify_applicant(session: Session, now: datetime, case_id: UUID) -> None:
    """Release what was written to the applicant."""
    noticing.release_to(session, _locked(session, case_id), Party.APPLICANT, now=now)


@job(Name.NOTIFY_COUNTERPARTY)
def notify_counterparty(session: Session, now: datetime, case_id: UUID) -> None:
    """Release what was written to the counterparty, if anything was."""
    noticing.release_to(session, _locked(session, case_id), Party.COUNTERPARTY, now=now)


@job(Name.AWAIT_DECISION)
def await_decision(session: Session, now: datetime, case_id: UUID) -> None:
    """Put a screened case before people; one whose stage 1 was mutual before goes on behind it (A18)."""
    case = _locked(session, case_id)
    if case.state is State.SCREENING and not applying.begin_behind(session, case, now=now):
        worklist.open_work(session, case, Work.SCREEN, now=now)


@job(Name.CHECK_EXCHANGE)
def check_exchange(session: Session, now: datetime, case_id: UUID) -> None:
    """See that both addresses can be written to, before anything is sent (A5, A19)."""
    exchanging.check(session, _locked(session, case_id), now=now)


@job(Name.RELEASE_ADDRESSES)
def release_addresses(session: Session, now: datetime, case_id: UUID) -> None:
    """Release both addresses in one commit (D20)."""
    exchanging.release(session, _locked(session, case_id), now=now)


@job(Name.AWAIT_SETTLEMENT)
def await_settlement(session: Session, now: datetime, case_id: UUID) -> None:
    """See whether both sides were reached already; what comes later is heard."""
    case = _locked(session, case_id)
    for message in session.scalars(select(Message).where(Message.case_id == case.id)).all():
        exchanging.hear(session, case, message, now=now)


@job(Name.ISSUE_PLEDGE)
def issue_pledge(session: Session, now: datetime, case_id: UUID) -> None:
    """Give the case its list of papers and its pledge (D30, D36)."""
    papers.issue(session, _locked(session, case_id), now=now)


@job(Name.AWAIT_PAPERS)
def await_papers(session: Session, now: datetime, case_id: UUID) -> None:
    """Wait for papers, unless all of them came before they were asked for."""
    papers.complete(session, _locked(session, case_id), arrived_at=now, now=now)


@job(Name.ASSEMBLE_PACKET)
def assemble_packet(session: Session, now: datetime, case_id: UUID) -> None:
    """Write down which papers are reviewed."""
    papers.assemble(session, _locked(session, case_id), now=now)


@job(Name.AWAIT_REVIEW)
def await_review(session: Session, now: datetime, case_id: UUID) -> None:
    """Put the papers on a reviewer's list."""
    papers.await_review(session, _locked(session, case_id), now=now)


@job(Name.AWAIT_FEE)
def await_fee(session: Session, now: datetime, case_id: UUID) -> None:
    """Wait for the fee, unless it came before it was asked for."""
    paying.count(session, _locked(session, case_id), now=now)


@job(Name.RENDER_LETTER)
def render_letter(session: Session, now: datetime, case_id: UUID) -> None:
    """Make the letter from what was approved."""
    posting.render(session, _locked(session, case_id), now=now)


@job(Name.AWAIT_DISPATCH)
def await_dispatch(session: Session, now: datetime, case_id: UUID) -> None:
    """Put the letter on the mail room's list."""
    posting.await_dispatch(session, _locked(session, case_id), now=now)


@job(Name.CLOSE_CASE)
def close_case(session: Session, now: datetime, case_id: UUID) -> None:
    """The letter is posted and both sides are told: the case is closed."""
    posting.close(session, _locked(session, case_id), now=now)


@job(Name.HEAR_NOTICE)
def hear_notice(session: Session, now: datetime, message_id: UUID) -> None:
    """Learn what became of a notice (D54)."""
    case_id = session.scalars(select(Message.case_id).where(Message.id == message_id)).one_or_none()
    case = locked(session, case_id) if case_id is not None else None
    if case is not None:
        message = session.get_one(Message, message_id)
        noticing.hear(session, case, message, now=now)
        exchanging.hear(session, case, message, now=now)


@job(Name.MEMBER_CHANGED)
def apply_change(session: Session, now: datetime, member_id: UUID) -> None:
    """A member is registered otherwise now: what was approved about them and is not released is decided anew (S6)."""
    concerned = select(DisclosureCase.id).where(
        or_(DisclosureCase.applicant_id == member_id, DisclosureCase.counterparty_id == member_id),
        DisclosureCase.state.not_in(TERMINAL),
    )
    for case_id in session.scalars(concerned.order_by(DisclosureCase.id)).all():
        voiding.void_for(session, _locked(session, case_id), now=now)


@job(Name.TRADE_CHANGED)
def apply_facts(session: Session, now: datetime, trade_id: UUID) -> None:
    """A trade is known otherwise, or more is known of it: what waits for its decision is checked anew (D11)."""
    trade = session.get_one(Trade, trade_id)
    concerned = select(DisclosureCase.id).where(
        DisclosureCase.state == State.SCREENING,
        or_(
            DisclosureCase.trade_id == trade_id,
            and_(DisclosureCase.trade_id.is_(None), DisclosureCase.applicant_id.in_([trade.seller_id, trade.buyer_id])),
        ),
    )
    for case_id in session.scalars(concerned.order_by(DisclosureCase.id)).all():
        applying.look_again(session, _locked(session, case_id), now=now)


@job(Name.RUN_OUT)
def run_out(session: Session, now: datetime, case_id: UUID, revision: int) -> None:
    """A deadline passed; the case decides what that means."""
    case = locked(session, case_id)
    if case is not None:
        ending.run_out(session, case, version=revision, now=now)


@job(Name.REMIND_PARTY)
def remind_party(session: Session, now: datetime, case_id: UUID, revision: int, number: int) -> None:
    """Remind the applicant of what is awaited, so many days before its end."""
    case = locked(session, case_id)
    if case is not None and case.version == revision:
        reminding.remind(session, case, days=number, now=now)


@job(Name.RAISE_ALERT)
def raise_alert(session: Session, now: datetime, case_id: UUID, revision: int, number: int) -> None:
    """A case lies longer than it should; somebody is told, nothing is changed."""
    case = locked(session, case_id)
    if case is not None and case.version == revision:
        reminding.alert(session, case, number=number, now=now)


@job(Name.END_SERVICE)
def end_service(session: Session, now: datetime, case_id: UUID, revision: int) -> None:
    """The service, or its winding-up, is over (D1)."""
    case = locked(session, case_id)
    if case is not None and case.version == revision:
        ending.end_service(session, case, now=now)


@app.task(name="case.owe_service_end", send_events=False)
def owe_service_end() -> None:
    """See that every open case awaits the end of the service, when one has been fixed; a thousand at a time."""
    owed = MOST_AT_ONCE
    while owed == MOST_AT_ONCE:
        with database().transaction() as session:
            owed = ending.owe_end(session, most=MOST_AT_ONCE)


@job(Name.PURGE_CASE)
def purge_case(session: Session, now: datetime, case_id: UUID, revision: int, number: int) -> None:
    """What is kept no longer goes (S9)."""
    case = locked(session, case_id)
    if case is not None and case.version == revision:
        retention.look(session, case, step=number, now=now)


def _locked(session: Session, case_id: UUID) -> DisclosureCase:
    case = locked(session, case_id)
    if case is None:
        raise LookupError("the case is gone")
    return case
