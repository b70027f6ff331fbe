"""A button of the staff page beside somebody who wants the same rows the other way round."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from models.booking import Booking
from models.call_fact import ConductReport
from models.customer import Customer
from tests.api.test_staff_pages import SHOP, browser_of, proof_of
from tests.worker.desk import Desk, postgresql_only
from tests.worker.floor import Floor
from worker import bookings
from worker.database import Database

PATIENCE_SECONDS = 30

pytestmark = postgresql_only


@pytest.fixture
def contested(seeded: Database, time: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[UUID]:
    """A booking whose customer somebody locks before it, as an erasure does, while a button has it and wants them."""
    Floor(seeded).hire("hana")
    booking_id = Desk(seeded).confirm()
    wanted, other_way_round, locked = Event(), Event(), bookings.locked

    def locked_first(session: Any, booking_id: UUID) -> Booking | None:
        booking = locked(session, booking_id)
        if not wanted.is_set():
            wanted.set()
            assert other_way_round.wait(PATIENCE_SECONDS)
        return booking

    def erase() -> None:
        assert wanted.wait(PATIENCE_SECONDS)
        with seeded.transaction() as session:
            # Whoever looks for a deadlock first is the one that is taken back.
            session.execute(text(f"SET LOCAL deadlock_timeout = '{PATIENCE_SECONDS}s'"))
            session.scalars(select(Customer).with_for_update()).one()
            other_way_round.set()
            session.scalars(select(Booking).with_for_update()).one()

    monkeypatch.setattr(bookings, "locked", locked_first)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(erase)
        yield booking_id
        wanted.set()
        other.result()


def test_a_report_is_filed_beside_an_erasure(seeded: Database, contested: UUID) -> None:
    """Clause B32."""
    hana = browser_of(SHOP, "hana")
    form = {"proof": proof_of(hana), "booking": str(contested), "category": "abuse", "text": "canary words"}

    answer = hana.post("/staff/report", data=form)

    assert answer.status_code == 303
    with seeded.snapshot() as session:
        assert session.scalars(select(ConductReport.booking_id)).all() == [contested]
