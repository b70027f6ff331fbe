"""Disclosure cases for the people who handle them: what waits, one case whole, what is sealed in it, its audit.

Every look at sealed data says why, is limited in rate, and stands in the case's trail before it is shown (S5).
"""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from pydantic import Field
from sqlalchemy import String, cast, select, tuple_
from sqlalchemy.orm import Session

from api.access import needs_role, role_missing
from api.case_answers import AuditShown, CaseAtWork, CasesFound, RetentionShown, Revealed, SwitchShown, WorkList
from api.case_desk import (
    PREFIX,
    REFUSED_TO_PEOPLE,
    TAGS,
    Deed,
    Reasoned,
    done_by,
    looked_at_by,
    reads,
    the_case,
    works,
)
from api.case_shown import audit_out, case_at_work, case_now, work_out
from api.description import says
from api.idempotency import Answer
from api.problems import Problem
from api.resources import instant, shown
from models.disclosure import DisclosureCase, tail_of
from models.roles import ROLES, Operation, Role, may
from models.work import Work, WorkItem
from worker.cases import releases, retention, revealing, worklist
from worker.cases.moving import Actor, note
from worker.cases.revealing import TAKES, Part
from worker.database import database

router = APIRouter(prefix=PREFIX, tags=[*TAGS])

Reader = Annotated[Actor, Depends(needs_role(Operation.SHOW_CASE))]
Auditor = Annotated[Actor, Depends(needs_role(Operation.READ_AUDIT))]


class Look(Reasoned):
    """What is to be opened, and why."""

    model_config = shown({"what": ["form", "parties"], "reason": "to judge whether they negotiated (D13)"})

    what: list[Part] = Field(min_length=1, max_length=len(Part), description="`reasons` takes a role that may audit.")


@router.get("", **says(200, WorkList, *REFUSED_TO_PEOPLE, "work_not_found", title="List what waits for a person"))
def list_work(
    *,
    by: Annotated[Actor, Depends(needs_role(Operation.LIST_WORK))],
    role: Annotated[Role | None, Query(description="Whose work.")] = None,
    work: Annotated[Work | None, Query(description="What kind of work.")] = None,
    mine: Annotated[bool, Query(description="Only what your own roles do.")] = False,
    overdue: Annotated[bool, Query(description="Only what lies longer than it should.")] = False,
    after: Annotated[UUID | None, Query(description="`next_after` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    """List what waits for a person, the oldest first. Everybody of the house may; it holds no personal data."""
    query = (
        select(WorkItem, DisclosureCase)
        .join(DisclosureCase, DisclosureCase.id == WorkItem.case_id)
        .where(WorkItem.closed_at.is_(None))
        .order_by(WorkItem.opened_at, WorkItem.id)
        .limit(limit + 1)
    )
    if role is not None:
        query = query.where(WorkItem.role == role)
    if mine:
        query = query.where(WorkItem.role.in_([Role(each) for each in by.roles]))
    if work is not None:
        query = query.where(WorkItem.work == work)
    if overdue:
        query = query.where(WorkItem.overdue_at.is_not(None))
    with database().snapshot() as session:
        if after is not None:
            last = _work_item(session.get(WorkItem, after))
            query = query.where(tuple_(WorkItem.opened_at, WorkItem.id) > tuple_(last.opened_at, last.id))
        found = session.execute(query).all()
        page = found[:limit]
        more = str(page[-1][0].id) if len(found) > limit else None
        return {"work": [work_out(item, case) for item, case in page], "next_after": more}


@router.get("/cases", **says(200, CasesFound, *REFUSED_TO_PEOPLE, title="Find a case by its number"))
def find_cases(
    by: Reader,  # noqa: ARG001 - admission
    reference: Annotated[
        str, Query(max_length=20, description="受付番号, as it stands on a paper.", examples=["D0B1F-4B1F"])
    ],
) -> dict[str, Any]:
    """Find the case that a paper bears the number of."""
    tail = tail_of(reference)
    if tail is None:
        return {"cases": []}
    query = select(DisclosureCase).where(cast(DisclosureCase.id, String).like(f"%{tail}")).limit(10)
    with database().snapshot() as session:
        return {"cases": [case_now(session, case) for case in session.scalars(query)]}


@router.get("/cases/{case_id}", **reads(CaseAtWork, title="Read a case"))
def show_case(case_id: UUID, by: Reader) -> JSONResponse:
    """Return a case with its decisions, papers, money, notices and trail: parties by their ids, nothing opened."""
    with database().snapshot() as session:
        return Answer(
            case_at_work(session, the_case(session, session.get(DisclosureCase, case_id), by), by=by)
        ).response()


@router.post("/cases/{case_id}/reveal", **reads(Revealed, "too_many_requests", title="Open what is sealed"))
def reveal(case_id: UUID, body: Look, deed: Annotated[Deed, Depends(looked_at_by(Operation.REVEAL))]) -> JSONResponse:
    """Open parts of a case. Who looked at what, when and why is in the trail before anything is shown.

    A protected address is opened for the legal role alone (S16). There is no idempotency key: each look is one.
    """
    for part in body.what:
        if not may(deed.by.roles, TAKES[part]):
            raise role_missing(TAKES[part], ROLES[TAKES[part]])
    return _opened(deed, case_id, body.what, body.reason)


@router.get("/cases/{case_id}/audit", **reads(AuditShown, title="Read a case's audit trail"))
def show_audit(case_id: UUID, by: Auditor) -> JSONResponse:
    """Return a case's trail with the hashes that chain it, and the records of what was disclosed."""
    with database().snapshot() as session:
        return Answer(audit_out(session, the_case(session, session.get(DisclosureCase, case_id), by))).response()


@router.post(
    "/cases/{case_id}/audit/reasons", **reads(Revealed, "too_many_requests", title="Open the reasons in a trail")
)
def reveal_reasons(
    case_id: UUID, body: Reasoned, deed: Annotated[Deed, Depends(looked_at_by(Operation.READ_AUDIT))]
) -> JSONResponse:
    """Open the reasons that people gave, for whoever audits them. This look is in the trail, too."""
    return _opened(deed, case_id, [Part.REASONS], body.reason)


@router.post(
    "/cases/{case_id}/work/{work_id}/close",
    **works("work_not_found", "known_already", title="Close a piece of work"),
)
def close_work(
    case_id: UUID, work_id: UUID, body: Reasoned, deed: Annotated[Deed, Depends(done_by(Operation.CLOSE_WORK))]
) -> JSONResponse:
    """Take off the list what a person has looked into. Work that ends by being done cannot be closed by hand."""

    def act(session: Session, case: DisclosureCase) -> None:
        item = _work_item(session.get(WorkItem, work_id), of=case)
        if item.role not in deed.by.roles:
            raise role_missing(Operation.CLOSE_WORK, [item.role])
        worklist.close_by_hand(session, item, by=deed.by.name, now=deed.at)
        what = {"work": item.work.value, "item": str(item.id)}
        note(session, case, "work_closed", now=deed.at, actor=deed.by, role=item.role, reason=body.reason, **what)

    return deed.on(case_id, body, act)


@router.get("/retention", **says(200, RetentionShown, *REFUSED_TO_PEOPLE, title="See what is kept and what has gone"))
def show_retention(by: Auditor) -> dict[str, Any]:  # noqa: ARG001 - admission
    """Count how many cases stand where in their retention, and what was purged for which reason (S9)."""
    with database().snapshot() as session:
        return asdict(retention.report(session))


@router.get("/releases", **says(200, SwitchShown, *REFUSED_TO_PEOPLE, title="See whether releases go out"))
def show_releases(by: Annotated[Actor, Depends(needs_role(Operation.LIST_WORK))]) -> dict[str, Any]:  # noqa: ARG001
    """Return whether addresses and letters go out, since when, and how many cases wait for it (S17)."""
    with database().snapshot() as session:
        return _switch(session)


@router.post("/releases/stop", **says(200, SwitchShown, *REFUSED_TO_PEOPLE, "illegal_move", title="Stop all releases"))
def stop_releases(body: Reasoned, deed: Annotated[Deed, Depends(done_by(Operation.STOP_RELEASES))]) -> JSONResponse:
    """Let no address and no letter out from now on. What has begun is finished on both sides."""

    def act(session: Session) -> Answer:
        releases.stop(session, by=deed.by, reason=body.reason, now=deed.at)
        return Answer(_switch(session))

    return deed.sent.answer(body, act)


@router.post(
    "/releases/resume",
    **says(200, SwitchShown, *REFUSED_TO_PEOPLE, "illegal_move", title="Let releases go on"),
)
def resume_releases(body: Reasoned, deed: Annotated[Deed, Depends(done_by(Operation.STOP_RELEASES))]) -> JSONResponse:
    """Let addresses and letters out again; cases that waited go on by themselves."""

    def act(session: Session) -> Answer:
        releases.resume(session, by=deed.by, reason=body.reason, now=deed.at)
        return Answer(_switch(session))

    return deed.sent.answer(body, act)


def _opened(deed: Deed, case_id: UUID, what: list[Part], reason: str) -> JSONResponse:
    def look(session: Session, case: DisclosureCase) -> dict[str, Any]:
        opened = revealing.reveal(session, case, what, by=deed.by, reason=reason, now=deed.at)
        told: dict[str, Any] = _told(opened)
        return told

    return deed.looking(case_id, look)


def _told(value: Any) -> Any:
    """Return the same with instants as the API says them."""
    match value:
        case datetime():
            return instant(value)
        case dict():
            return {key: _told(each) for key, each in value.items()}
        case list():
            return [_told(each) for each in value]
    return value


def _work_item(item: WorkItem | None, *, of: DisclosureCase | None = None) -> WorkItem:
    if item is None or (of is not None and item.case_id != of.id):
        raise Problem(404, "work_not_found", "There is no such work about this case.")
    return item


def _switch(session: Session) -> dict[str, Any]:
    turned = releases.last_turn(session)
    return {
        "stopped": turned is not None and turned.stopped,
        "turned_at": instant(turned.turned_at) if turned else None,
        "turned_by": turned.turned_by if turned else None,
        "waiting": len(releases.waiting(session)),
    }
