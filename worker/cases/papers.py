"""Papers as the mail room records them and reviewers judge them (D27 to D37). They are facts: early, late, twice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.disclosure import DisclosureCase, Party, State
from models.errors import CaseHeld, FourEyes, IllegalMove, KnownAlready, StaleRevision
from models.job import Name
from models.message import Kind
from models.paper import (
    SATISFIES,
    DocumentItem,
    Flaw,
    ItemKind,
    Paper,
    Seen,
    Standing,
    all_good,
    all_there,
    flaws_at_sight,
    items_for,
)
from models.period import end_of_days
from models.roles import Operation, Role
from models.work import Work
from worker.cases import noticing, printed
from worker.cases.moving import SYSTEM, Actor, moved, note, policy
from worker.cases.worklist import close_work, open_work
from worker.chance import new_id
from worker.clock import unix_ms
from worker.database import insert_new
from worker.jobs import Link, enqueue_chain
from worker.seals import Place, seal


@dataclass(frozen=True)
class Arrived:
    """A paper as the mail room writes it down.

    Attributes:
        number: the mail room's own, on the paper; recorded twice it is one paper.
        item: what it came for, if somebody knows; else what it can stand for.
        postage_due_yen: what we paid for it (D42).
    """

    number: str
    seen: Seen
    arrived_at: datetime
    shelf: str
    item: ItemKind | None = None
    postage_due_yen: int = 0


def issue(session: Session, case: DisclosureCase, *, now: datetime) -> None:
    """Give the case its list and its pledge, and count what came before it was asked for (D36)."""
    if case.state is not State.AWAITING_DOCUMENTS or items_of(session, case):
        return
    case.pledge_version = printed.PLEDGE_VERSION
    kinds = items_for(is_shop=noticing.is_of_shop(session, case))
    for position, kind in enumerate(kinds, start=1):
        session.add(
            DocumentItem(
                id=new_id(unix_ms()), case_id=case.id, position=position, kind=kind, standing=Standing.AWAITED, flaws=[]
            )
        )
    session.flush()
    note(session, case, "papers_listed", now=now, actor=SYSTEM, items=len(kinds), pledge=case.pledge_version)
    for paper in session.scalars(select(Paper).where(Paper.case_id == case.id).order_by(Paper.arrived_at)).all():
        _put(session, case, paper)


def record(
    session: Session,
    case: DisclosureCase,
    arrived: Arrived,
    *,
    by: Actor,
    now: datetime,
    reason: str | None = None,
) -> Paper | None:
    """Write down a paper, whether or not anything waits for it; None if it is known by its number.

    Args:
        session: the caller's transaction.
        case: whose paper it is; it may be over, the paper came all the same.
        arrived: what the mail room saw.
        by: who recorded it.
        now: business time.
        reason: a person's own words.
    """
    paper_id = session.scalars(
        insert_new(session, Paper)
        .values(
            id=new_id(unix_ms()),
            case_id=case.id,
            once_key=arrived.number,
            kind=arrived.seen.kind,
            is_original=arrived.seen.is_original,
            issued_on=arrived.seen.issued_on,
            applied_on=arrived.seen.applied_on,
            pledge_version=arrived.seen.pledge_version,
            states_neither=arrived.seen.states_neither,
            forbidden_data_visible=arrived.seen.forbidden_data_visible,
            address_equal=arrived.seen.address_equal,
            seal_matches=arrived.seen.seal_matches,
            arrived_at=arrived.arrived_at,
            recorded_by=by.name,
            shelf=arrived.shelf,
            postage_due_yen=arrived.postage_due_yen,
        )
        .on_conflict_do_nothing(index_elements=[Paper.case_id, Paper.once_key])
        .returning(Paper.id)
    ).one_or_none()
    if paper_id is None:
        return None
    paper = session.get_one(Paper, paper_id)
    flaws = _put(session, case, paper, wanted=arrived.item)
    note(
        session,
        case,
        "paper_recorded",
        now=now,
        actor=by,
        role=by.role_for(Operation.RECORD_PAPER),
        reason=reason,
        paper=str(paper.id),
        paper_kind=paper.kind.value,
        flaws=[flaw.value for flaw in flaws],
        shelf=arrived.shelf,
    )
    complete(session, case, arrived_at=arrived.arrived_at, now=now)
    if not case.is_open:
        open_work(session, case, Work.DESTROY_PAPERS, now=now)
    return paper


def complete(session: Session, case: DisclosureCase, *, arrived_at: datetime, now: datetime) -> bool:
    """If every item has its paper, they are reviewed; True if that was the last one missing."""
    before = case.state
    items = items_of(session, case)
    if not all_there(items):
        return False
    # What counts is the paper that arrived last, in whatever order they were written down.
    standing = [item.paper_id for item in items if item.paper_id is not None]
    last = session.scalars(select(func.max(Paper.arrived_at)).where(Paper.id.in_(standing))).one()
    if not case.complete_papers(arrived_at=last or arrived_at, at=now, policy=policy()):
        return False
    moved(session, case, before, "papers_complete", now=now, actor=SYSTEM)
    enqueue_chain(session, *(Link(name, {"case_id": case.id}) for name in (Name.ASSEMBLE_PACKET, Name.AWAIT_REVIEW)))
    return True


def assemble(session: Session, case: DisclosureCase, *, now: datetime) -> None:
    """Write down which papers the reviewer is given."""
    if case.state is not State.REVIEWING:
        return
    packet = [[item.position, item.kind.value, str(item.paper_id)] for item in items_of(session, case)]
    note(session, case, "packet_assembled", now=now, actor=SYSTEM, packet=packet)


def accept(
    session: Session, case: DisclosureCase, item: DocumentItem, *, by: Actor, reason: str, now: datetime
) -> None:
    """A reviewer compared a paper with the registry and with the others, and found it good (D34, D36, D37).

    Raises:
        IllegalMove: papers are not being reviewed, or there is nothing to accept.
        KnownAlready: it was accepted before.
    """
    _need_review(case)
    if item.standing is Standing.ACCEPTED:
        raise KnownAlready(case_id=case.id, item_id=item.id)
    item.accept()
    note(session, case, "item_accepted", now=now, actor=by, role=Role.REVIEWER, reason=reason, item=str(item.id))
    session.flush()
    ask_for_proposal(session, case, now=now)


def find(
    session: Session,
    case: DisclosureCase,
    found: Mapping[UUID, Sequence[Flaw]],
    *,
    by: Actor,
    reason: str,
    now: datetime,
) -> None:
    """A reviewer found papers wanting: the applicant is told what is wrong with which, and has time to mend it.

    Raises:
        IllegalMove: papers are not being reviewed, or nothing was found.
        NotReady: it was asked often enough.
    """
    _need_review(case)
    items = {item.id: item for item in items_of(session, case)}
    if not found or not set(found) <= set(items):
        raise IllegalMove(case_id=case.id, case_state=case.state)
    for item_id, flaws in found.items():
        items[item_id].find(flaws)
    _send_back(session, case, by=by, reason=reason, now=now, items=[str(item_id) for item_id in found])


def ask_for(
    session: Session,
    case: DisclosureCase,
    wish: str,
    *,
    by: Actor,
    reason: str,
    now: datetime,
    until: datetime | None = None,
) -> DocumentItem:
    """Ask for another paper besides (D28); while papers are reviewed that is a deficiency like any other.

    It has a deadline of its own, never before that of the others: where it is later, all of them get that time.

    Args:
        session: the caller's transaction.
        case: locked.
        wish: what it is, in the words in which the applicant is asked.
        by: who asks.
        reason: why, in their own words; it is sealed.
        now: business time.
        until: its exclusive end; by default the time that a deficiency is given.

    Raises:
        IllegalMove: no papers are awaited or reviewed, or the time for them is over.
        NotReady: it was asked often enough.
        CaseHeld: nothing runs under a hold.
    """
    if case.state not in {State.AWAITING_DOCUMENTS, State.REVIEWING, State.DOCUMENTS_DEFICIENT}:
        raise IllegalMove(case_id=case.id, case_state=case.state)
    if case.held_at is not None:
        raise CaseHeld(case_id=case.id)
    items = items_of(session, case)
    item = DocumentItem(
        id=new_id(unix_ms()),
        case_id=case.id,
        position=len(items) + 1,
        kind=ItemKind.OTHER,
        standing=Standing.AWAITED,
        flaws=[],
    )
    item.sealed_wish = seal(session, Place(case.id, "document_items", "sealed_wish", item.id), wish)
    session.add(item)
    session.flush()
    if case.state is State.REVIEWING:
        item.find([Flaw.MISSING])
        _send_back(session, case, by=by, reason=reason, now=now, items=[str(item.id)], until=until)
        item.deadline_at = case.deadline_at
    else:
        _give_until(case, until or _a_deficiencys_end(now), now=now)
        item.deadline_at = case.deadline_at
        role = by.role_for(Operation.ASK_FOR_PAPER)
        moved(
            session,
            case,
            case.state,
            "paper_wanted",
            now=now,
            actor=by,
            role=role,
            reason=reason,
            item=str(item.id),
            until=case.deadline_at,
        )
        noticing.write(
            session,
            case,
            Party.APPLICANT,
            Kind.CASE_PAPERS_REMINDER,
            now=now,
            part=str(item.id),
            expires_at=case.deadline_at,
            release=True,
        )
    return item


def move(
    session: Session,
    case: DisclosureCase,
    paper: Paper,
    shelf: str,
    *,
    before: str,
    by: Actor,
    reason: str,
    now: datetime,
) -> None:
    """Write down where a paper lies now: its chain of custody (S11).

    Raises:
        StaleRevision: it does not lie where it was taken from.
        IllegalMove: it is gone.
    """
    if paper.destroyed_at is not None:
        raise IllegalMove(case_id=case.id, paper_id=paper.id)
    if paper.shelf != before:
        raise StaleRevision(case_id=case.id, paper_id=paper.id)
    paper.shelf = shelf
    note(
        session,
        case,
        "paper_moved",
        now=now,
        actor=by,
        role=by.role_for(Operation.MOVE_PAPER),
        reason=reason,
        paper=str(paper.id),
        before=before,
        shelf=shelf,
    )


def destroy(session: Session, case: DisclosureCase, paper: Paper, *, by: Actor, reason: str, now: datetime) -> None:
    """One person writes down that a paper was shredded; it counts once a second one says so too (S9).

    It is never given back, whatever became of the case (D29).

    Raises:
        IllegalMove: the case is open or held, or the paper is gone already.
        KnownAlready: somebody wrote it down, and it waits for the second person.
    """
    _need_destructible(case, paper)
    if paper.destroyed_by is not None:
        raise KnownAlready(case_id=case.id, paper_id=paper.id)
    paper.destroyed_by = by.name
    role = by.role_for(Operation.DESTROY_PAPER)
    note(session, case, "paper_shredded", now=now, actor=by, role=role, reason=reason, paper=str(paper.id))


def witness_destruction(
    session: Session, case: DisclosureCase, paper: Paper, *, by: Actor, reason: str, now: datetime
) -> None:
    """The second person says that they saw it shredded.

    Raises:
        IllegalMove: the case is open or held, the paper is gone already, or nobody wrote down that it was shredded.
        FourEyes: the same person wrote it down.
    """
    _need_destructible(case, paper)
    if paper.destroyed_by is None:
        raise IllegalMove(case_id=case.id, paper_id=paper.id)
    if paper.destroyed_by == by.name:
        raise FourEyes(case_id=case.id, paper_id=paper.id)
    paper.destroyed_at, paper.destroyed_with = now, by.name
    note(
        session,
        case,
        "paper_destroyed",
        now=now,
        actor=by,
        role=by.role_for(Operation.DESTROY_PAPER),
        reason=reason,
        paper=str(paper.id),
        shredded_by=paper.destroyed_by,
    )
    left = select(Paper.id).where(Paper.case_id == case.id, Paper.destroyed_at.is_(None)).limit(1)
    session.flush()
    if session.scalars(left).one_or_none() is None:
        close_work(session, case, Work.DESTROY_PAPERS, by=by.name, now=now)


def items_of(session: Session, case: DisclosureCase) -> list[DocumentItem]:
    """Return the case's list, in its order."""
    query = select(DocumentItem).where(DocumentItem.case_id == case.id).order_by(DocumentItem.position)
    return list(session.scalars(query))


def _put(session: Session, case: DisclosureCase, paper: Paper, *, wanted: ItemKind | None = None) -> list[Flaw]:
    """Let a paper stand for the first item that it can stand for and that still needs one."""
    fitting = [
        item
        for item in items_of(session, case)
        if not item.is_good and (item.kind is wanted if wanted else paper.kind in SATISFIES[item.kind])
    ]
    # An item that has nothing comes before one that has something wanting.
    fitting.sort(key=lambda item: (item.is_there, item.kind is ItemKind.OTHER, item.position))
    if not fitting:
        return []
    item = fitting[0]
    flaws = flaws_at_sight(
        item.kind, paper.seen, arrived_on=paper.arrived_on, pledge=case.pledge_version, policy=policy()
    )
    item.arrive(paper.id, flaws)
    paper.item_id = item.id
    session.flush()
    return flaws


def _send_back(
    session: Session,
    case: DisclosureCase,
    *,
    by: Actor,
    reason: str,
    now: datetime,
    items: list[str],
    until: datetime | None = None,
) -> None:
    before = case.state
    case.find_papers_deficient(at=now, policy=policy())
    _give_until(case, until, now=now)
    part = str(case.paper_rounds)
    noticing.write(session, case, Party.APPLICANT, Kind.CASE_PAPERS_DEFICIENT, now=now, part=part, release=True)
    role = by.role_for(Operation.MARK_DEFICIENT) or by.role_for(Operation.ASK_FOR_PAPER)
    moved(session, case, before, "papers_deficient", now=now, actor=by, role=role, reason=reason, items=items)


def _give_until(case: DisclosureCase, until: datetime | None, *, now: datetime) -> None:
    """Let the case wait at least so long."""
    if until is not None and (case.deadline_at is None or until > case.deadline_at or now >= case.deadline_at):
        case.extend(until, now=now)


def _a_deficiencys_end(now: datetime) -> datetime:
    return end_of_days(now + timedelta(hours=policy().arrival_hours), policy().deficiency_days)


def _need_destructible(case: DisclosureCase, paper: Paper) -> None:
    if case.is_open or case.held_at is not None or paper.destroyed_at is not None:
        raise IllegalMove(case_id=case.id, case_state=case.state)


def _need_review(case: DisclosureCase) -> None:
    if case.state is not State.REVIEWING:
        raise IllegalMove(case_id=case.id, case_state=case.state)


def await_review(session: Session, case: DisclosureCase, *, now: datetime) -> None:
    """Put the papers on a reviewer's list."""
    if case.state is State.REVIEWING:
        open_work(session, case, Work.REVIEW_PAPERS, now=now)
        ask_for_proposal(session, case, now=now)


def waits_for_opinion(session: Session, case: DisclosureCase, *, now: datetime) -> bool:
    """Whether every paper is good and only the other side's time is not over: a timer goes on then (A12)."""
    return case.state is State.REVIEWING and not case.opinion_is_heard(now) and all_good(items_of(session, case))


def ask_for_proposal(session: Session, case: DisclosureCase, *, now: datetime) -> bool:
    """Once every paper is good, and the other side was heard or had its time, it is a maker's turn (A12)."""
    if case.state is not State.REVIEWING or not all_good(items_of(session, case)):
        return False
    close_work(session, case, Work.REVIEW_PAPERS, by=SYSTEM.name, now=now)
    return case.opinion_is_heard(now) and open_work(session, case, Work.PROPOSE, now=now)
