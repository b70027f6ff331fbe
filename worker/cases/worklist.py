"""What waits for a person. The same work about one case stands on the list once, whoever finds it how often."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.disclosure import DisclosureCase
from models.errors import IllegalMove, KnownAlready
from models.roles import Role
from models.work import CLOSED_BY_HAND, DONE_BY, Work, WorkItem
from worker.chance import new_id
from worker.clock import unix_ms
from worker.database import insert_new


def open_work(session: Session, case: DisclosureCase, work: Work, *, now: datetime) -> bool:
    """Put work on the list; False if it stands there already."""
    key = f"{case.id}:{work}"
    opened = session.scalars(
        insert_new(session, WorkItem)
        .values(
            id=new_id(unix_ms()), case_id=case.id, work=work, role=_done_by(case, work), opened_at=now, open_key=key
        )
        .on_conflict_do_nothing(index_elements=[WorkItem.open_key])
        .returning(WorkItem.id)
    ).one_or_none()
    return opened is not None


def close_work(session: Session, case: DisclosureCase, *works: Work, by: str, now: datetime) -> int:
    """Take work off the list, as done; return how much of it was there."""
    keys = [f"{case.id}:{work}" for work in works]
    items = session.scalars(select(WorkItem).where(WorkItem.open_key.in_(keys)).with_for_update()).all()
    for item in items:
        item.close(by=by, at=now)
    return len(items)


def close_by_hand(session: Session, item: WorkItem, *, by: str, now: datetime) -> None:
    """Take off the list what a person has looked into.

    Raises:
        IllegalMove: it ends by being done, not by hand.
        KnownAlready: it is off the list.
    """
    session.refresh(item, with_for_update=True)
    if item.closed_at is not None:
        raise KnownAlready(case_id=item.case_id)
    if item.work not in CLOSED_BY_HAND:
        raise IllegalMove(case_id=item.case_id, work=item.work)
    item.close(by=by, at=now)


def is_waiting(session: Session, case: DisclosureCase, *works: Work) -> bool:
    """Whether any of this work about a case stands on the list."""
    keys = [f"{case.id}:{work}" for work in works]
    query = select(WorkItem.id).where(WorkItem.open_key.in_(keys)).limit(1)
    return session.scalars(query).one_or_none() is not None


def mark_overdue(session: Session, case: DisclosureCase, *works: Work, now: datetime) -> bool:
    """Note that work lies longer than it should; False if none of it is there, or it was noted before."""
    keys = [f"{case.id}:{work}" for work in works]
    query = select(WorkItem).where(WorkItem.open_key.in_(keys), WorkItem.overdue_at.is_(None)).with_for_update()
    items = session.scalars(query).all()
    for item in items:
        item.overdue_at = now
    return bool(items)


def _done_by(case: DisclosureCase, work: Work) -> Role:
    # Where an address is protected, the legal department is the second pair of eyes (S16).
    return Role.LEGAL if work is Work.APPROVE and case.needs_legal else DONE_BY[work]
