"""What the tests of the clauses have in common: an office without a vendor, its rows, and acts that are not its daily.

Notices are taken by nobody and marked as taken; where their words are looked at, the office of case_office.py serves.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from models.decision import Verdict
from models.disclosure import CaseCheck, DisclosureCase, Party, Path
from models.job import Job, Name
from models.message import Kind, Message
from models.message import State as MessageState
from models.paper import DocumentItem, Flaw, ItemKind
from tests.api.case_people import Backroom
from tests.conftest import StoppedTime
from tests.tasks.case_office import MAKER, Office, form
from tests.tasks.conftest import Workshop
from tests.worker import marketplace
from worker import jobs
from worker.cases import applying, ending, noticing, papers, screening
from worker.cases.moving import locked
from worker.database import Database
from worker.settings import settings

MOMENT = timedelta(microseconds=1)
A_DAY = timedelta(days=1)

Rules = Callable[..., None]


def quick_office(database: Database, time: StoppedTime) -> Office:
    """Return an office without a vendor."""
    return Office(cast(Workshop, Backroom(database, time)))


def ruled(environment: pytest.MonkeyPatch) -> Rules:
    """Return what lets other rules hold."""

    def rules(**departures: Any) -> None:
        environment.setenv("CASE_POLICY", json.dumps(departures))
        settings.cache_clear()

    return rules


# Acts


def on(office: Office, case_id: UUID, act: Callable[[Session, DisclosureCase], Any]) -> Any:
    """Do something to a case in a transaction of its own; return what that returns."""
    with office.shop.database.transaction() as session:
        case = locked(session, case_id)
        assert case is not None
        return act(session, case)


def accepted(office: Office, *, at: datetime | None = None, **more: Any) -> UUID:
    """Take a form, confirm and screen it all at one instant; return the case's id."""
    at = at or office.now
    with office.shop.database.transaction() as session:
        case = applying.receive(session, form(**more), received_at=at, caller="tests")
        applying.match(session, case, now=at)
        applying.confirm(session, case, received_at=at)
        screening.screen(session, case, now=at)
        return case.id


def crossed(office: Office, case_id: UUID, **more: Any) -> UUID:
    """Let the counterparty apply in turn; return its case's id."""
    theirs = form(
        **{
            "nickname": "nick-mseller",
            "name": "見本 mseller",
            "counterparty_nickname": "nick-mbuyer",
            "network": None,
            **more,
        }
    )
    made = on(office, case_id, lambda s, case: applying.cross_apply(s, case, theirs, received_at=office.now).id)
    office.shop.work()
    return cast(UUID, made)


def holder_form(**more: Any) -> dict[str, Any]:
    """Return what an organisation sends instead of a nickname and a name."""
    return {
        "path": Path.RIGHTS_HOLDER,
        "nickname": None,
        "name": None,
        "organisation": "o-body",
        "attestation": "権利侵害品であることを確認しました。attestationcanary",
        **more,
    }


def change(office: Office, member: str, **what: Any) -> None:
    """Let the marketplace tell that a member is registered otherwise now."""
    with office.shop.database.transaction() as session:
        marketplace.a_change(session, member, received_at=office.now, **what)
    office.shop.work()


def bounce(office: Office, case_id: UUID, message_id: UUID) -> None:
    """Let it be known that a notice which was taken did not reach its mailbox."""

    def hear(session: Session, case: DisclosureCase) -> None:
        message = session.get_one(Message, message_id)
        message.state = MessageState.UNDELIVERED
        noticing.hear(session, case, message, now=office.now)

    on(office, case_id, hear)


def do(office: Office, name: Name) -> None:
    """Do the one job of a name that is due, and none that follows from it."""
    [owed] = [job for job in owed_jobs(office, name) if job.due_at is not None]
    assert jobs.perform(owed.id) is jobs.Outcome.DONE


# Where a case may stand


def incomplete(office: Office) -> UUID:
    """Return a case whose form lacks something."""
    case_id = office.screened()
    on(
        office,
        case_id,
        lambda session, case: ending.mark_incomplete(
            session, case, ["circumstances"], by=MAKER, reason="no dates", now=office.now
        ),
    )
    return case_id


def awaiting_papers(office: Office) -> UUID:
    """Return a case that waits for papers."""
    case_id = office.negotiating()
    office.ask_for_stage_2(case_id)
    return case_id


def flawed(office: Office) -> UUID:
    """Return a case that waits for a corrected pledge."""
    case_id = office.reviewing()
    office.find_deficient(case_id, ItemKind.PLEDGE, Flaw.NOT_SEALED)
    return case_id


def charged(office: Office) -> UUID:
    """Return a case that waits for its fee."""
    case_id = office.reviewing()
    office.accept_all(case_id)
    office.decide(case_id, Verdict.DISCLOSE)
    return case_id


# Rows


def rows(office: Office, table: type[Any], case_id: UUID) -> list[Any]:
    """Return a case's rows in a table."""
    with office.shop.database.snapshot() as session:
        return list(session.scalars(select(table).where(table.case_id == case_id)))


def owed_jobs(office: Office, name: Name) -> list[Job]:
    """Return what is owed of a name."""
    with office.shop.database.snapshot() as session:
        return list(session.scalars(select(Job).where(Job.name == name)))


def failing(office: Office, case_id: UUID) -> set[str]:
    """Return the clauses whose checks do not hold."""
    return {check.clause for check in rows(office, CaseCheck, case_id) if not check.holds}


def told(office: Office, case_id: UUID, party: Party) -> list[Kind]:
    """Return what was said to one side."""
    return [message.kind for message in office.notices(case_id) if message.party is party]


def items(office: Office, case_id: UUID) -> Mapping[ItemKind, DocumentItem]:
    """Return the case's list of papers."""
    with office.shop.database.snapshot() as session:
        return {item.kind: item for item in papers.items_of(session, office.case(case_id))}
