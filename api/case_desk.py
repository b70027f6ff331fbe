"""How a person does something to a case: who they are, that they say why, and what happens to who comes second.

The case is locked before anything about it is read. So of two people who act at once one is second, sees what the
first one did, and is refused with the case as it stands now.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from api.access import needs, needs_role
from api.arrivals import ReceivedAt
from api.case_answers import CaseAtWork
from api.case_requests import Said
from api.case_shown import case_at_work, case_now
from api.description import says
from api.idempotency import Answer, Explain, Submission, submitted
from api.problems import Problem, problem_of
from api.resources import Given, shown
from models.access import ApiKey, Scope
from models.audit import LONGEST_REASON
from models.disclosure import DisclosureCase
from models.errors import Refusal
from models.roles import Operation
from worker.cases.interests import check_interests
from worker.cases.moving import Actor, locked

PREFIX = "/v1/case-work"
TAGS: list[str] = ["case-work"]

REFUSED_TO_PEOPLE = ("person_missing", "role_missing")
_ON_A_CASE = (*REFUSED_TO_PEOPLE, "own_case", "case_not_found")
_CONFLICT = 409

Act = Callable[[Session, DisclosureCase], None]


class Reasoned(Given):
    """Why a person does this. It is sealed, and opened for auditors alone."""

    model_config = shown({"reason": "looked at all of it"})

    reason: Said = Field(
        min_length=1,
        max_length=LONGEST_REASON,
        description="In your own words; it is kept sealed in the case's trail.",
        examples=["looked at all of it"],
    )


@dataclass(frozen=True)
class Deed:
    """What a person does: who it is, and the request that says so."""

    by: Actor
    sent: Submission

    @property
    def at(self) -> datetime:
        """When the request arrived."""
        return self.sent.received_at

    def on(self, case_id: UUID, body: BaseModel, act: Act) -> JSONResponse:
        """Do it to a case in one transaction; answer with the case as it is then."""

        def whole(session: Session) -> Answer:
            case = the_case(session, locked(session, case_id), self.by)
            act(session, case)
            session.flush()
            return Answer(case_at_work(session, case, by=self.by))

        return self.sent.answer(body, whole, explain=state_now(case_id, self.at))

    def looking(self, case_id: UUID, look: Callable[[Session, DisclosureCase], dict[str, Any]]) -> JSONResponse:
        """Show something personal of a case, once it is committed that somebody looked."""

        def whole(session: Session) -> Answer:
            return Answer(look(session, the_case(session, locked(session, case_id), self.by)))

        return self.sent.answer(None, whole, explain=state_now(case_id, self.at))


def done_by(operation: Operation) -> Callable[..., Awaitable[Deed]]:
    """Return a dependency that admits people who may do this, and reads their idempotency key."""

    async def read(
        by: Annotated[Actor, Depends(needs_role(operation))],
        sent: Annotated[Submission, Depends(submitted(Scope.CASES_WORK))],
    ) -> Deed:
        return Deed(by, sent)

    return read


def looked_at_by(operation: Operation) -> Callable[..., Awaitable[Deed]]:
    """Return the same where the answer is personal.

    There is no idempotency key: for its sake the answer would be kept outside the case's own key, and shown again
    without a word in the trail.
    """

    async def read(
        by: Annotated[Actor, Depends(needs_role(operation))],
        caller: Annotated[ApiKey, Depends(needs(Scope.CASES_WORK))],
        received_at: ReceivedAt,
        request: Request,
    ) -> Deed:
        return Deed(by, Submission(caller, received_at, f"{request.method} {request.url.path}", key=None))

    return read


def works(*own_codes: str, title: str, shape: type[BaseModel] = CaseAtWork) -> dict[str, Any]:
    """Return the arguments of a route's decorator that describe what somebody does to a case."""
    return says(200, shape, *dict.fromkeys((*_ON_A_CASE, "illegal_move", *own_codes)), title=title)


def reads(shape: type[BaseModel], *own_codes: str, title: str) -> dict[str, Any]:
    """Return the same of what somebody reads of one."""
    return says(200, shape, *_ON_A_CASE, *own_codes, title=title)


def the_case(session: Session, case: DisclosureCase | None, by: Actor) -> DisclosureCase:
    """Return the case to somebody who is no party of it.

    Raises:
        Problem: 404.
        OwnCase: it is their own.
    """
    if case is None:
        raise Problem(404, "case_not_found", "There is no such case.")
    check_interests(session, case, by)
    return case


def state_now(case_id: UUID, received_at: datetime) -> Explain:
    """Return what explains a refusal with the case as it stands, so that a person can decide again."""

    def explain(session: Session, refusal: Refusal) -> Problem:
        session.expire_all()
        problem = problem_of(refusal, received_at=received_at)
        if problem.status == _CONFLICT:
            problem.extra["case"] = case_now(session, session.get_one(DisclosureCase, case_id))
        return problem

    return explain
