"""Asking shops' catalogues about the items that customers named. Nobody waits for it, and nothing depends on it."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from models.job import Name
from worker import items
from worker.items import Answer, Question
from worker.jobs import outside_job


@outside_job(Name.LOOK_UP_ITEMS, lease=timedelta(seconds=items.LEASE_SECONDS))
class LookUpCodes:
    """Ask a shop's catalogue about what one booking or call names, for staff to read (B21, B22)."""

    def claim(self, session: Session, now: datetime, subject_id: UUID) -> Question | None:
        """Say what there is to ask; nothing if it is known freshly, or the catalogue is left alone."""
        named = items.named_by(session, subject_id)
        return items.question(session, *named, now=now) if named else None

    def call(self, plan: Question) -> Answer | None:
        """Ask, within three seconds."""
        return items.ask(plan)

    def record(self, session: Session, now: datetime, plan: Question, result: Answer | None) -> None:
        """Write down what it said; a catalogue that did not answer is left alone for a while."""
        items.learn(session, plan, result, now=now)

    def lost(self, session: Session, now: datetime, subject_id: UUID) -> None:
        """The process died asking. Staff see that nobody has looked; the look before the call comes anyway."""
