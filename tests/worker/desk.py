"""A shop's desk, for tests: books as a customer would, and reads from the rows what became of it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from models.booking import Booking, BookingEvent, SlotClaim
from models.customer import Channel
from models.errors import Refusal
from models.job import Job, Name
from models.message import Kind, Message
from models.shop import Shop
from models.terms import Consent
from models.verification import Verification
from worker import bookings, codes
from worker.bookings import Wish
from worker.customers import Contact
from worker.database import Database

sqlite_only = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what no database decides: one of the two is enough."""
postgresql_only = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

NOW = datetime(2030, 6, 3, 1, tzinfo=UTC)
"""Where the fixture `time` stands: Monday, 10:00 in Tokyo."""
SLOT = datetime(2030, 6, 4, 3, tzinfo=UTC)
"""Tuesday, 12:00 in Tokyo: a slot of every shop but VICKY, which opens at 14:00."""
DEADLINE = datetime(2030, 6, 3, 15, tzinfo=UTC)
"""Until when it may be changed or cancelled: midnight in Tokyo, before that Tuesday."""
OTHER_SLOT = datetime(2030, 6, 6, 3, tzinfo=UTC)
"""Thursday, 12:00 in Tokyo."""
OTHER_DEADLINE = datetime(2030, 6, 5, 15, tzinfo=UTC)

MINUTE = timedelta(minutes=1)
MOMENT = timedelta(microseconds=1)
NOBODY_LISTENS = "http://127.0.0.1:9"


def phone(number: int) -> str:
    """Return the test number with these last four digits; those below 9000 have no faults."""
    return f"+81900000{number:04d}"


@dataclass(frozen=True)
class Desk:
    """Everything in transactions of its own, as the API and the tasks do it."""

    database: Database

    # What customers do

    def hold(self, at: datetime = NOW, *, shop: str = "queens-court", starts_at: datetime = SLOT, **more: Any) -> UUID:
        """Hold a slot for the customer with `number`, or `email`; return the booking's id."""
        email, number = more.pop("email", None), more.pop("number", 12)
        contact = Contact(Channel.MAIL, email) if email else Contact(Channel.SMS, phone(number))
        wish: dict[str, Any] = {"shop_id": shop, "starts_at": starts_at, "contact": contact, "language": "ja"}
        # Each customer comes from a network of its own.
        wish["customer_ip"] = f"192.0.2.{sum(contact.address.encode()) % 250 + 1}"
        with self.database.transaction() as session:
            return bookings.hold(session, Wish(**(wish | more)), received_at=at).id

    def code(self, booking_id: UUID) -> str:
        """Return the code that the customer was or will be sent."""
        return codes.code(self.verification(booking_id))

    def wrong_code(self, booking_id: UUID) -> str:
        """Return six digits that are not the code."""
        return f"{(int(self.code(booking_id)) + 1) % 10**6:06d}"

    def enter(self, booking_id: UUID, code: str | None = None, *, at: datetime = NOW + MINUTE) -> Refusal | None:
        """Enter a code, the right one unless another is given; return the refusal."""
        given = code or self.code(booking_id)
        with self.locked(booking_id) as (session, booking):
            return bookings.enter_code(session, booking, given, received_at=at)

    def confirm(self, at: datetime = NOW, **more: Any) -> UUID:
        """Hold, and enter the code at once; return the booking's id."""
        booking_id = self.hold(at, **more)
        assert self.enter(booking_id, at=at) is None
        return booking_id

    def resend(self, booking_id: UUID, at: datetime) -> None:
        """Ask for the code again."""
        with self.locked(booking_id) as (session, booking):
            bookings.resend_code(session, booking, received_at=at)

    def change(
        self,
        booking_id: UUID,
        at: datetime = NOW + MINUTE,
        *,
        starts_at: datetime = OTHER_SLOT,
        revision: int = 1,
        final: bool = False,
    ) -> None:
        """Move the booking."""
        with self.locked(booking_id) as (session, booking):
            bookings.change(
                session,
                booking,
                starts_at=starts_at,
                received_at=at,
                expected_revision=revision,
                knows_it_is_final=final,
            )

    def cancel(self, booking_id: UUID, at: datetime = NOW + MINUTE, *, revision: int = 1) -> None:
        """Cancel the booking."""
        with self.locked(booking_id) as (session, booking):
            bookings.cancel(session, booking, received_at=at, expected_revision=revision)

    @contextmanager
    def locked(self, booking_id: UUID) -> Iterator[tuple[Session, Booking]]:
        """Open a transaction with the booking locked."""
        with self.database.transaction() as session:
            booking = bookings.locked(session, booking_id)
            assert booking is not None
            yield session, booking

    # What became of it

    def booking(self, booking_id: UUID) -> Booking:
        """Return the row as it is committed."""
        with self.database.snapshot() as session:
            return session.get_one(Booking, booking_id)

    def verification(self, booking_id: UUID) -> Verification:
        """Return the booking's proof."""
        with self.database.snapshot() as session:
            return session.scalars(select(Verification).where(Verification.subject_id == booking_id)).one()

    def bookings(self) -> Sequence[Booking]:
        """Return all bookings, the oldest first."""
        return self._all(select(Booking).order_by(Booking.created_at, Booking.id))

    def trail(self, booking_id: UUID) -> list[str]:
        """Return the kinds of the booking's events, in order."""
        query = select(BookingEvent).where(BookingEvent.booking_id == booking_id).order_by(BookingEvent.id)
        return [event.kind for event in self._all(query)]

    def claims(self, booking_id: UUID | None = None) -> Sequence[SlotClaim]:
        """Return the claimed ticks, of one booking or of all."""
        query = select(SlotClaim).order_by(SlotClaim.tick_at, SlotClaim.seat)
        return self._all(query.where(SlotClaim.booking_id == booking_id) if booking_id else query)

    def consents(self, booking_id: UUID) -> Sequence[Consent]:
        """Return what the customer agreed to."""
        return self._all(select(Consent).where(Consent.booking_id == booking_id).order_by(Consent.id))

    def jobs(self, *names: Name) -> Sequence[Job]:
        """Return what is owed, what is due first first."""
        query = select(Job).order_by(Job.due_at, Job.id)
        return self._all(query.where(Job.name.in_(names)) if names else query)

    def owed(self, *names: Name) -> list[str]:
        """Return the names of what is owed, sorted."""
        return sorted(job.name for job in self.jobs(*names))

    def messages(self, *kinds: Kind) -> Sequence[Message]:
        """Return the messages, the oldest first."""
        query = select(Message).order_by(Message.created_at, Message.id)
        return self._all(query.where(Message.kind.in_(kinds)) if kinds else query)

    def states(self, *kinds: Kind) -> list[str]:
        """Return the states of the messages, the oldest first."""
        return [str(message.state) for message in self.messages(*kinds)]

    def set_shop(self, shop_id: str, **columns: Any) -> None:
        """Change a shop's rules."""
        with self.database.transaction() as session:
            shop = session.get_one(Shop, shop_id)
            for name, value in columns.items():
                setattr(shop, name, value)

    def _all(self, query: Any) -> Sequence[Any]:
        with self.database.snapshot() as session:
            return session.scalars(query).all()


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Do all of it at the same moment, a thread each; return what each returned or raised, in the order given."""
    results: list[Any] = [None] * len(acts)
    start = Barrier(len(acts))

    def run(place: int, act: Callable[[], Any]) -> None:
        start.wait()
        try:
            results[place] = act()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            results[place] = error

    threads = [Thread(target=run, args=(place, act)) for place, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
