"""Conduct reports: from the staff of a call to the operators, sealed as the customer's own data is (B32, B38).

What follows for the customer is decided by people; nothing here blocks anybody.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.call import Call
from models.call_fact import Category, ConductReport, State
from models.customer import Customer
from models.errors import IllegalMove
from models.shop import Shop
from models.webhook import EventType
from worker.chance import new_id
from worker.clock import unix_ms
from worker.derived_keys import fingerprint
from worker.in_call.facts import Subject
from worker.people.noting import note
from worker.seals import Place, Unreadable, seal, unseal
from worker.webhooks import emit

LONGEST_TEXT = 2000


def report(
    session: Session,
    subject: Subject,
    category: Category,
    text: str,
    *,
    staff_id: str | None,
    actor: str,
    now: datetime,
    form: str | None = None,
) -> ConductReport:
    """Write a report and tell the operators' systems that there is one: which, and of what kind, never its words.

    Args:
        session: the transaction it belongs to, in which `subject` is locked.
        subject: the booked call or the call at once.
        category: what it is about.
        text: the reporter's own words.
        staff_id: who reports, if known.
        actor: as the trail names them.
        now: when.
        form: what tells one form from another: sent twice, it is one report, and the second time the first is returned.

    Raises:
        IllegalMove: what is known of the customer was erased, or was due to be: nobody could say of whom it is.
    """
    once_key = fingerprint("report-form", str(subject.id), staff_id or "", form) if form else None
    if once_key and (same := session.scalars(select(ConductReport).filter_by(once_key=once_key)).one_or_none()):
        return same
    _refuse_forgotten(session, subject, now=now)
    is_call = isinstance(subject, Call)
    made = ConductReport(
        id=new_id(unix_ms()),
        shop_id=subject.shop_id,
        booking_id=None if is_call else subject.id,
        call_id=subject.id if is_call else None,
        customer_id=subject.customer_id,
        staff_id=staff_id,
        category=category,
        state=State.NEW,
        at=now,
        once_key=once_key,
    )
    made.sealed_text = seal(session, _place(made), text)
    session.add(made)
    subject.note("conduct_reported", at=now, actor=actor, report=str(made.id), category=category)
    emit(
        session,
        EventType.CONDUCT_REPORTED,
        shop_id=made.shop_id,
        data={
            "report_id": made.id,
            "shop": made.shop_id,
            "booking_id": made.booking_id,
            "call_id": made.call_id,
            "category": made.category,
        },
        now=now,
    )
    return made


def reports(
    session: Session, *, shops: Sequence[str] | None, state: State | None, after: UUID | None, most: int
) -> Sequence[ConductReport]:
    """Return reports, the newest first.

    Args:
        session: to look with.
        shops: of these shops alone; None: of all.
        state: in this state alone.
        after: from the one behind this on.
        most: how many at the most.
    """
    query = select(ConductReport).order_by(ConductReport.id.desc()).limit(most)
    if shops is not None:
        query = query.where(ConductReport.shop_id.in_(shops))
    if state is not None:
        query = query.where(ConductReport.state == state)
    if after is not None:
        query = query.where(ConductReport.id < after)
    return session.scalars(query).all()


def text_of(session: Session, made: ConductReport) -> str | None:
    """Return a report's words; None once the customer's data was erased."""
    try:
        return unseal(session, _place(made), made.sealed_text)
    except Unreadable:
        return None


def opened(session: Session, made: ConductReport, *, by: str, reason: str, now: datetime) -> str | None:
    """Return a report's words, and write down who read them and why; None once the customer's data was erased.

    The first who opens it takes it off the list of new ones. The caller commits before it shows anything.
    """
    said = text_of(session, made)
    if said is None:
        return None
    if made.state is State.NEW:
        made.see(by=by, at=now)
    note(
        session,
        made.shop_id,
        "conduct_report_opened",
        by=by,
        reason=reason,
        sealed_for=made.subject,
        now=now,
        report_id=made.id,
        customer_id=made.customer_id,
    )
    return said


def _refuse_forgotten(session: Session, subject: Subject, *, now: datetime) -> None:
    """A report of somebody who was erased would be the one thing that is kept of them, and for ever."""
    if subject.customer_id is not None:
        customer = session.get_one(Customer, subject.customer_id, with_for_update=True, populate_existing=True)
        is_gone = customer.erased_at is not None
    else:
        kept = timedelta(days=session.get_one(Shop, subject.shop_id).contact_days)
        is_gone = subject.ended_at is not None and subject.ended_at <= now - kept
    if is_gone and isinstance(subject, Call):
        raise IllegalMove(call_id=subject.id, call_status=subject.status)
    if is_gone:
        raise IllegalMove(booking_id=subject.id, booking_status=subject.status)


def _place(made: ConductReport) -> Place:
    return Place(made.subject, "conduct_reports", "sealed_text", made.id)
