"""What is kept how long after a case, and of its parties, and what goes then (S9): a hold stops all of it.

An unverified form goes at once. Papers are shredded by two persons, who write it down; only then does the record go,
and with it the case's key, so that every copy becomes unreadable. A signed stub of the trail stays.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from models.audit import CaseStub, DisclosureRecord
from models.base import Base
from models.decision import Decision
from models.disclosure import TERMINAL, CaseCheck, DisclosureCase
from models.errors import PartyOfCase
from models.fee import Invoice, Payment
from models.message import Message
from models.message import State as MessageState
from models.notice import Notice
from models.paper import DocumentItem, Paper
from models.release import Letter, Release
from models.work import Work, WorkItem
from worker import auditing, registry
from worker.cases.moving import PURGE_PAPERS, owe_purge
from worker.cases.worklist import open_work
from worker.seals import shred

_BELONG: tuple[type[Base], ...] = (
    Paper,
    DocumentItem,
    Letter,
    Release,
    Invoice,
    Payment,
    Decision,
    CaseCheck,
    WorkItem,
    Notice,
)
"""What goes with a case, in the order in which it can."""


@dataclass(frozen=True)
class Report:
    """How many cases stand where in their retention."""

    open: int
    ended: int
    held: int
    papers_to_destroy: int
    purged: dict[str, int]


def look(session: Session, case: DisclosureCase, *, step: int, now: datetime) -> None:
    """Do what is due: ask for papers to be shredded, or purge. The timer only proposes, so all is asked anew."""
    if case.held_at is not None or case.is_open:
        return
    if _papers_left(session, case):
        open_work(session, case, Work.DESTROY_PAPERS, now=now)
        if step != PURGE_PAPERS:
            owe_purge(session, case, now=now, step=step, again=True)
    elif step != PURGE_PAPERS:
        kept_until = _kept_until(session, case)
        if kept_until is not None and kept_until > now:
            owe_purge(session, case, now=kept_until, step=step)
        else:
            purge(session, case, because="unverified" if case.confirmed_at is None else "case_record", now=now)


def purge(session: Session, case: DisclosureCase, *, because: str, now: datetime) -> None:
    """Delete a case and shred its key; the stub of its trail stays, and what was sent, without a word of what it said.

    Raises:
        StillKept: a record of a disclosure must be kept longer.
    """
    case_id = case.id
    auditing.purge(session, case_id, at=now, because=because)
    _end_messages(session, case, now=now)
    session.execute(update(Message).where(Message.case_id == case_id).values(case_id=None, party=None))
    session.execute(
        update(DisclosureCase).where(DisclosureCase.crossed_with_id == case_id).values(crossed_with_id=None)
    )
    for table in _BELONG:
        session.execute(delete(table).where(table.case_id == case_id))  # type: ignore[attr-defined]  # each has one
    session.execute(delete(DisclosureCase).where(DisclosureCase.id == case_id))
    shred(session, case_id)


def erase_member(session: Session, external_id: str, *, received_at: datetime) -> bool:
    """Erase what is registered of a member; False if there is no such member.

    Raises:
        PartyOfCase: a case that is open needs it.
    """
    member = registry.member_by_external_id(session, external_id)
    if member is None:
        return False
    session.refresh(member, with_for_update=True)
    concerned = or_(DisclosureCase.applicant_id == member.id, DisclosureCase.counterparty_id == member.id)
    still_open = select(DisclosureCase.id).where(concerned, DisclosureCase.state.not_in(TERMINAL)).limit(1)
    if session.scalars(still_open).one_or_none() is not None:
        raise PartyOfCase
    registry.erase_member(session, member, received_at=received_at)
    return True


def report(session: Session) -> Report:
    """Count what stands where."""
    ended = DisclosureCase.state.in_(TERMINAL)
    purged = session.execute(select(CaseStub.because, func.count()).group_by(CaseStub.because)).all()
    return Report(
        open=session.scalars(select(func.count()).where(~ended)).one(),
        ended=session.scalars(select(func.count()).where(ended)).one(),
        held=session.scalars(select(func.count()).where(DisclosureCase.held_at.is_not(None))).one(),
        papers_to_destroy=session.scalars(
            select(func.count())
            .select_from(Paper)
            .join(DisclosureCase, DisclosureCase.id == Paper.case_id)
            .where(ended, Paper.destroyed_at.is_(None))
        ).one(),
        purged={str(because): int(count) for because, count in purged},
    )


def _end_messages(session: Session, case: DisclosureCase, *, now: datetime) -> None:
    """What is still to be sent, or to be found out, cannot be once nobody knows to whom."""
    because = {MessageState.QUEUED: "erased", MessageState.UNKNOWN: "never_known"}
    unfinished = select(Message).where(Message.case_id == case.id, Message.state.in_(because)).with_for_update()
    for message in session.scalars(unfinished).all():
        message.give_up(because[message.state], now=now)
    session.flush()


def _papers_left(session: Session, case: DisclosureCase) -> bool:
    left = select(Paper.id).where(Paper.case_id == case.id, Paper.destroyed_at.is_(None)).limit(1)
    return session.scalars(left).one_or_none() is not None


def _kept_until(session: Session, case: DisclosureCase) -> datetime | None:
    return session.scalars(
        select(func.max(DisclosureRecord.kept_until)).where(DisclosureRecord.case_id == case.id)
    ).one()
