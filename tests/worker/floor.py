"""A shop's floor, for tests: staff that may be rung, callers, and what became of each call in the rows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.call import Call, CallDesk, CallEvent, CallRing
from models.shop import Shop
from models.staff import Presence, PresenceState, StaffMember
from models.terms import Consent
from tests.worker.desk import Desk
from worker import presence
from worker.calls import answering, availability, ending, ringing
from worker.calls.availability import Availability

OPEN = datetime(2030, 6, 3, 6, tzinfo=UTC)
"""Monday, 15:00 in Tokyo: every shop is open."""
NIGHT = datetime(2030, 6, 3, 18, tzinfo=UTC)
"""Tuesday, 03:00 in Tokyo: no shop is."""
SHOP = "queens-court"
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Floor(Desk):
    """Everything in transactions of its own, as the API, the pages and the tasks do it."""

    def hire(self, *names: str, shop: str = SHOP) -> None:
        """Let members of the staff be known, without being there."""
        with self.database.transaction() as session:
            session.add_all(
                StaffMember(shop_id=shop, id=name, name_ja=name, name_en=name.title(), seat=None, hours=None)
                for name in names
            )

    def beat(
        self, *names: str, at: datetime = OPEN, state: PresenceState | None = PresenceState.IDLE
    ) -> list[PresenceState]:
        """Send a heartbeat of each, in which they say how it is; or, without a state, that they are still there."""
        with self.database.transaction() as session:
            return [presence.beat(session, SHOP, name, state, at) for name in names]

    def staff(self, *names: str, at: datetime = OPEN) -> None:
        """Let members of the staff be there and idle."""
        self.hire(*names)
        self.beat(*names, at=at)

    def wish(self, **more: Any) -> ringing.Wish:
        """Return what a caller asks for who has read both documents."""
        with self.database.snapshot() as session:
            documents = ringing.documents(session, at=OPEN)
        plain: dict[str, Any] = {
            "shop_id": SHOP,
            "language": "ja",
            "accepted": {(each.id, each.version) for each in documents},
        }
        return ringing.Wish(**(plain | more))

    def ask(self, at: datetime = OPEN, **more: Any) -> Call:
        """Press 開始; return the call as it is committed."""
        wish = self.wish(**more)
        with self.database.transaction() as session:
            call_id = ringing.ask(session, wish, received_at=at).id
        return self.call(call_id)

    def accept(self, call_id: UUID, staff: str, *, at: datetime = OPEN + SECOND) -> bool:
        """Take the call."""
        with self.the(call_id) as (session, call):
            return answering.accept(session, call, staff, at)

    def hang_up(self, call_id: UUID, *, at: datetime = OPEN + SECOND) -> None:
        """Hang up as the caller."""
        with self.the(call_id) as (session, call):
            ending.hang_up(session, call, received_at=at)

    @contextmanager
    def the(self, call_id: UUID) -> Iterator[tuple[Session, Call]]:
        """Open a transaction with the call locked."""
        with self.database.transaction() as session:
            call = ringing.locked(session, call_id)
            assert call is not None
            yield session, call

    def availability(self, at: datetime = OPEN) -> Availability:
        """Return whether the shop can be called."""
        with self.database.snapshot() as session:
            return availability.of(session, session.get_one(Shop, SHOP), now=at)

    # What became of it

    def call(self, call_id: UUID) -> Call:
        """Return the row as it is committed."""
        with self.database.snapshot() as session:
            return session.get_one(Call, call_id)

    def calls(self) -> Sequence[Call]:
        """Return all calls, the oldest first."""
        return self._all(select(Call).order_by(Call.requested_at, Call.id))

    def rings(self, call_id: UUID | None = None) -> list[tuple[UUID, str]]:
        """Return who was rung for which call."""
        query = select(CallRing).order_by(CallRing.call_id, CallRing.staff_id)
        found = self._all(query.where(CallRing.call_id == call_id) if call_id else query)
        return [(ring.call_id, ring.staff_id) for ring in found]

    def course(self, call_id: UUID) -> list[str]:
        """Return the kinds of the call's events, in order."""
        query = select(CallEvent).where(CallEvent.call_id == call_id).order_by(CallEvent.id)
        return [event.kind for event in self._all(query)]

    def agreed(self, call_id: UUID) -> Sequence[Consent]:
        """Return what the caller agreed to."""
        return self._all(select(Consent).where(Consent.call_id == call_id).order_by(Consent.id))

    def presence_of(self, name: str) -> Presence:
        """Return what was last heard of somebody."""
        with self.database.snapshot() as session:
            return session.get_one(Presence, (SHOP, name))

    def missed_in_a_row(self) -> int:
        """Return what the desk counts."""
        with self.database.snapshot() as session:
            return session.get_one(CallDesk, SHOP).missed_in_a_row
