"""A calling system, for tests: the app without a broker, keys of any kind, and the desk behind it to look at rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi.testclient import TestClient
from httpx2 import Response

from models.access import Scope
from models.roles import Role
from tests.conftest import StoppedTime
from tests.one_app import one_app
from tests.worker.desk import Desk
from worker.chance import new_id
from worker.clock import unix_ms
from worker.commands.keys import Person, development_key, make_key
from worker.database import Database

SLOT = "2030-06-04T03:00:00Z"
OTHER_SLOT = "2030-06-06T03:00:00Z"
TODAY = "2030-06-03T05:00:00Z"
PHONE = "090-0000-0012"


def wish(**changes: Any) -> dict[str, Any]:
    """Return the body of a request that is accepted, with changes."""
    plain: dict[str, Any] = {
        "shop": "queens-court",
        "starts_at": SLOT,
        "contact": {"phone": PHONE},
        "customer_ip": "192.0.2.10",
    }
    return plain | changes


@dataclass(frozen=True)
class Caller(Desk):
    """A system with a key, in front of a desk. Its app has no lifespan: what it owes stays in the database."""

    time: StoppedTime
    http: TestClient

    @classmethod
    def of(cls, database: Database, time: StoppedTime) -> "Caller":
        """Return a caller that may do everything."""
        with database.transaction() as session:
            token = development_key(session)
        http = TestClient(one_app(), headers={"Authorization": f"Bearer {token}"}, raise_server_exceptions=False)
        return cls(database, time, http)

    def key(self, name: str, *scopes: Scope, shops: Sequence[str] | None = None) -> dict[str, str]:
        """Make a key and return the header that bears it."""
        with self.database.transaction() as session:
            token = make_key(session, name, label="", scopes=scopes or list(Scope), shops=shops)
        return {"Authorization": f"Bearer {token}"}

    def person(self, name: str, *roles: Role, key: str | None = None, member: str | None = None) -> dict[str, str]:
        """Make a person's key and return the header that bears it."""
        person, scopes = Person(name, roles, member), [Scope.CASES_WORK]
        with self.database.transaction() as session:
            token = make_key(session, key or f"key-of-{name}", label="", scopes=scopes, shops=None, person=person)
        return {"Authorization": f"Bearer {token}"}

    def ask(self, *, key: str | None = None, headers: Mapping[str, str] | None = None, **changes: Any) -> Response:
        """Ask for a hold, with an idempotency key of its own unless one is given."""
        sent = {"Idempotency-Key": key or str(new_id(unix_ms())), **(headers or {})}
        return self.http.post("/v1/bookings", json=wish(**changes), headers=sent)

    def held(self, **changes: Any) -> UUID:
        """Hold a slot; return the booking's id."""
        answer = self.ask(**changes)
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["id"])

    def booked(self, **changes: Any) -> UUID:
        """Hold a slot and complete the booking; return its id."""
        booking_id = self.held(**changes)
        assert self.post(booking_id, "code", code=self.code(booking_id)).status_code == 200
        return booking_id

    def post(
        self, booking_id: UUID, operation: str, *, headers: Mapping[str, str] | None = None, **body: Any
    ) -> Response:
        """Do something to a booking."""
        return self.http.post(f"/v1/bookings/{booking_id}/{operation}", json=body or None, headers=headers)

    def get(self, booking_id: UUID, *, headers: Mapping[str, str] | None = None) -> Response:
        """Read a booking."""
        return self.http.get(f"/v1/bookings/{booking_id}", headers=headers)


def at(text: str) -> datetime:
    """Return the instant that an answer names."""
    return datetime.fromisoformat(text)
