"""Trails of cases that never were, and an intruder who can write anything into their tables."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Table, text, update
from sqlalchemy.orm import Session

from models.audit import (
    CaseChain,
    CaseEvent,
    CaseStub,
    DailyHead,
    DisclosureRecord,
    HeadLeaf,
    event_hash,
)
from worker import auditing
from worker.database import Database

AT = datetime(2030, 6, 3, 1, tzinfo=UTC)
"""Where the fixture `time` stands: Monday, 10:00 in Tokyo."""
DAY = date(2030, 6, 2)
"""The day that was over last."""
NEXT_DAY = date(2030, 6, 3)
LATER = AT + timedelta(days=1)
FOUR_YEARS = timedelta(days=4 * 366)

CASE = UUID(int=0x11)
OTHER_CASE = UUID(int=0x22)
PURGED_CASE = UUID(int=0x33)
NEW_CASE = UUID(int=0x44)

REASON = "reason-of-a-canary 黄色い羽"
GUARDED = [CaseEvent, CaseStub, DailyHead, HeadLeaf, DisclosureRecord]
TABLES = [table.__table__ for table in (*GUARDED, CaseChain)]


def write(database: Database, case_id: UUID = CASE, events: int = 1, **more: Any) -> None:
    """Append events, each in a transaction of its own."""
    what: dict[str, Any] = {"kind": "looked_at", "at": AT, "actor": "person:hanako"}
    for _ in range(events):
        with database.transaction() as session:
            auditing.append(session, case_id, **what | more)


def disclose(session: Session, case_id: UUID = CASE, **more: Any) -> DisclosureRecord:
    """Record a disclosure."""
    what: dict[str, Any] = {
        "at": AT,
        "actor": "system",
        "release_id": UUID(int=0xA1),
        "whose_id": UUID(int=0xB1),
        "recipient_id": UUID(int=0xC1),
        "fields": ["name", "address"],
        "stage": "particulars",
        "basis": "D24",
    }
    return auditing.record_disclosure(session, case_id, **what | more)


def sign(database: Database, day: date = DAY, now: datetime = AT) -> str | None:
    """Sign a day; return the line that is handed out."""
    with database.transaction() as session:
        head = auditing.sign_day(session, day, now=now)
        return None if head is None else auditing.exported(head)


def verified(database: Database, **more: Any) -> auditing.Report:
    """Verify everything, as the command does."""
    with database.snapshot() as session:
        return auditing.verify(session, **more)


def found(report: auditing.Report) -> set[tuple[str, UUID | None, int | None]]:
    """Return what was found, where."""
    return {(str(each.what), each.case_id, each.number) for each in report.findings}


def make_history(database: Database) -> None:
    """Write two cases of six and three events, one with a disclosure; a purged one; two signed days; an event since.

    The heads vouch for five events of the first and three of the second.
    """
    write(database, events=2, reason=REASON)
    write(database, PURGED_CASE, events=2)
    write(database, OTHER_CASE, events=2)
    sign(database)
    with database.transaction() as session:
        auditing.append(session, CASE, "decision_approved", at=AT, actor="person:taro", role="checker", fields=["name"])
        disclose(session)
        auditing.purge(session, PURGED_CASE, at=AT, because="unverified")
    write(database, OTHER_CASE)
    write(database)
    sign(database, NEXT_DAY, LATER)
    write(database, at=LATER)


def intrude(session: Session) -> Session:
    """Switch off what guards the tables, for this transaction and what it commits."""
    if session.get_bind().dialect.name == "sqlite":
        for name in session.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
            session.execute(text(f"DROP TRIGGER {name}"))
    else:
        for table in GUARDED:
            session.execute(text(f"ALTER TABLE {table.__tablename__} DISABLE TRIGGER USER"))
    return session


def forge_chain(session: Session, case_id: UUID) -> None:
    """Number a case's events anew, make every hash anew, and the chain's own row: nothing is left that contradicts."""
    events = list(auditing.trail(session, case_id))
    table = cast(Table, CaseEvent.__table__)
    for away, event in enumerate(events):
        session.execute(update(table).where(table.c.id == event.id).values(number=10**6 + away))
    last = "0" * 64
    for number, event in enumerate(events, start=1):
        made = event_hash(
            case_id=case_id,
            number=number,
            at=event.at,
            kind=event.kind,
            actor=event.actor,
            role=event.role,
            sealed_reason=event.sealed_reason,
            facts=event.facts,
            previous_hash=last,
        )
        values = {"number": number, "previous_hash": last, "hash": made}
        session.execute(update(table).where(table.c.id == event.id).values(**values))
        last = made
    chains = cast(Table, CaseChain.__table__)
    session.execute(update(chains).where(chains.c.case_id == case_id).values(length=len(events), head=last))
    session.expire_all()
