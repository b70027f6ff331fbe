"""The house's people in front of the API, each with a key of their own, and the office behind it.

The office plays a case to where a test begins. Its notices are taken by nobody: they are marked as taken.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, cast
from uuid import UUID

from httpx2 import Response
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from models.audit import CaseEvent
from models.disclosure import DisclosureCase, Party
from models.job import Job, Name
from models.message import Message, State
from models.notice import Notice
from models.roles import Role
from tests.api.calling import Caller
from tests.conftest import StoppedTime
from tests.tasks.case_office import Office
from tests.tasks.conftest import Workshop
from worker import auditing, jobs, links
from worker.cases import exchanging, noticing
from worker.cases.moving import locked
from worker.chance import new_id
from worker.clock import unix_ms
from worker.commands.keys import PEOPLE, person_key
from worker.database import Database
from worker.links import CaseLinkRole

SECOND = "second"
"""A colleague who bears every role."""


@dataclass
class Backroom:
    """What the office needs of a workshop, without a vendor.

    Attributes:
        vendor_answers: whether notices are taken; else nobody knows what became of them.
    """

    database: Database
    time: StoppedTime
    vendor_answers: bool = True

    def work(self) -> int:
        """Do what is due of cases, then let the vendor have taken every notice."""
        done = 0
        while due := self._due():
            for job_id in due:
                outcome = jobs.perform(job_id)
                assert outcome is not jobs.Outcome.FAILED, f"job {job_id} failed"
                done += 1
            self._take_notices()
        return done

    def _due(self) -> list[UUID]:
        of_cases = [name for name in Name if name.startswith(("case.", "member.", "trade."))]
        query = select(Job.id).where(Job.due_at <= self.time.at, Job.parked_at.is_(None), Job.name.in_(of_cases))
        with self.database.snapshot() as session:
            return list(session.scalars(query.order_by(Job.due_at, Job.id)))

    def _take_notices(self) -> None:
        fresh = select(Notice).where(Notice.released_at.is_not(None), Notice.deemed_arrived_at.is_(None))
        with self.database.transaction() as session:
            for notice in session.scalars(fresh).all():
                became = State.SENT if self.vendor_answers else State.UNKNOWN
                session.execute(update(Message).where(Message.id == notice.message_id).values(state=became))
                case, message = locked(session, notice.case_id), session.get_one(Message, notice.message_id)
                assert case is not None
                noticing.hear(session, case, message, now=self.time.at)
                exchanging.hear(session, case, message, now=self.time.at)


@dataclass
class People:
    """Everybody, by name: development's people, and a colleague who bears every role."""

    caller: Caller
    backroom: Backroom
    keys: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, database: Database, time: StoppedTime) -> "People":
        """Return all of them, with keys."""
        return cls.beside(Caller.of(database, time))

    @classmethod
    def beside(cls, caller: Caller) -> "People":
        """Return the same, on a caller's own connection."""
        import_module("tasks.disclosure")
        people = cls(caller, Backroom(caller.database, caller.time))
        with caller.database.transaction() as session:
            for name in PEOPLE:
                people.keys[name] = {"Authorization": f"Bearer {person_key(session, name)}"}
        people.keys[SECOND] = caller.person(SECOND, *Role, key=str(new_id(unix_ms())))
        return people

    @property
    def office(self) -> Office:
        """The office behind the API."""
        return Office(cast(Workshop, self.backroom))

    def do(self, who: str, path: str, *, key: str | None = None, **body: Any) -> Response:
        """Let somebody do something."""
        headers = self.keys[who] | ({"Idempotency-Key": key} if key else {})
        return self.caller.http.post(f"/v1/case-work{path}", json={"reason": "because", **body}, headers=headers)

    def see(self, who: str, path: str, **query: Any) -> Response:
        """Let somebody read something."""
        return self.caller.http.get(f"/v1/case-work{path}", params=query, headers=self.keys[who])

    def shown(self, case_id: UUID, who: str = SECOND) -> dict[str, Any]:
        """Return the case as somebody sees it."""
        answer = self.see(who, f"/cases/{case_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def link(self, case_id: UUID, party: Party) -> str:
        """Return the token by which a party proves itself."""
        with self.caller.database.snapshot() as session:
            case = session.get_one(DisclosureCase, case_id)
            bound = noticing.bound_to(noticing.reader(session, case, party))
        return links.case_token(CaseLinkRole.PAGE, case_id, party, bound)

    def trail(self, case_id: UUID) -> list[CaseEvent]:
        """Return the case's events."""
        with self.caller.database.snapshot() as session:
            return list(auditing.trail(session, case_id))

    def reason(self, event: CaseEvent) -> str | None:
        """Open the reason of an event."""
        with self.caller.database.snapshot() as session:
            return auditing.reason_of(session, event)

    def change(self, case_id: UUID, act: Callable[[Session, DisclosureCase], object]) -> None:
        """Do something to a case behind the API."""
        with self.caller.database.transaction() as session:
            case = locked(session, case_id)
            assert case is not None
            act(session, case)
