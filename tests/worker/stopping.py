"""Suspending the service as an operator would, for tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.job import Name
from models.suspension import Outcome, Reach, SuspendedBooking, Suspension, SuspensionEvent, Treatment
from tests.worker.desk import NOW, SLOT, Desk
from worker import jobs, suspensions
from worker.clock import clock
from worker.suspensions import Plan

NOTICE = "https://www.example.jp/news/maintenance"
BEGINS = SLOT - timedelta(hours=1)
"""An hour before the slot that customers of a desk book: 11:00 in Tokyo."""
ENDS = SLOT + timedelta(hours=3)

SUSPENDING = (
    Name.ANNOUNCE_SUSPENSION,
    Name.BEGIN_SUSPENSION,
    Name.END_SUSPENSION,
    Name.REACH_BOOKINGS,
    Name.RELEASE_SUSPENDED_HOLD,
    Name.TELL_DISPLACED,
    Name.TREAT_BOOKING,
    Name.TAKE_BACK_NOTICE,
)
"""What suspensions owe."""


def do(desk: Desk, *names: Name) -> None:
    """Do the owed jobs of these names that are due, and those of them that they make due."""
    while due := [job for job in desk.jobs(*names) if job.due_at is not None and job.due_at <= clock().now()]:
        for job in due:
            assert jobs.perform(job.id) is jobs.Outcome.DONE


def work(desk: Desk) -> None:
    """Do what suspensions owe, and leave messages where they are."""
    do(desk, *SUSPENDING)


def plan(**changes: Any) -> Plan:
    """Return a plan: everything stands still around `SLOT`, told of at once, bookings cancelled."""
    plain: dict[str, Any] = {
        "reach": Reach.GLOBAL,
        "shop_id": None,
        "provider": None,
        "treatment": Treatment.CANCEL,
        "starts_at": BEGINS,
        "ends_at": ENDS,
        "notice_at": None if "without_notice_because" in changes else NOW,
        "without_notice_because": None,
        "notice_url": NOTICE,
        "reason": "maintenance 42",
    }
    return Plan(**(plain | changes))


def at_once(**changes: Any) -> Plan:
    """Return a plan that begins with its decision, of which nobody could be told."""
    return plan(**({"starts_at": None, "without_notice_because": "an outage"} | changes))


@dataclass(frozen=True)
class Operator:
    """Somebody who stops the service of a desk."""

    desk: Desk

    def suspend(self, wish: Plan | None = None, at: datetime = NOW) -> UUID:
        """Decide; return the suspension's id."""
        with self.desk.database.transaction() as session:
            return suspensions.plan(session, wish or plan(), received_at=at, actor="key:desk").id

    def undo(self, suspension_id: UUID, at: datetime) -> None:
        """Take it back before it begins."""
        with self.desk.database.transaction() as session:
            stop = suspensions.locked(session, suspension_id)
            assert stop is not None
            suspensions.undo(session, stop, at=at, actor="key:desk", reason="not needed")

    def lift(self, suspension_id: UUID, at: datetime) -> None:
        """End it early."""
        with self.desk.database.transaction() as session:
            stop = suspensions.locked(session, suspension_id)
            assert stop is not None
            suspensions.lift(session, stop, at=at, actor="key:desk", reason="over")

    def stop(self, suspension_id: UUID) -> Suspension:
        """Return the row as it is committed."""
        with self.desk.database.snapshot() as session:
            return session.get_one(Suspension, suspension_id)

    def trail(self, suspension_id: UUID) -> Sequence[str]:
        """Return the kinds of its events, in order."""
        query = select(SuspensionEvent.kind).where(SuspensionEvent.suspension_id == suspension_id)
        with self.desk.database.snapshot() as session:
            return session.scalars(query.order_by(SuspensionEvent.id)).all()

    def outcomes(self, suspension_id: UUID) -> dict[UUID, Outcome | None]:
        """Return what became of each booking that it found."""
        query = select(SuspendedBooking).where(SuspendedBooking.suspension_id == suspension_id)
        with self.desk.database.snapshot() as session:
            return {found.booking_id: found.outcome for found in session.scalars(query)}
