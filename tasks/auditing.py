"""The daily head of the audit trail: beat knocks, a row owes it, one job signs it."""

import logging
from datetime import date, datetime

from sqlalchemy.orm import Session

from models.job import Name
from worker import auditing
from worker.app import app
from worker.clock import clock
from worker.database import database
from worker.jobs import job

_log = logging.getLogger(__name__)


@app.task(name="audit.owe_head", send_events=False)
def owe_head() -> None:
    """Owe the head of the day that was over last, if it is neither signed nor owed."""
    with database().transaction() as session:
        auditing.head_is_owed(session, now=clock().now())


@job(Name.SIGN_DAY)
def sign_day(session: Session, now: datetime, day: int) -> None:
    """Sign how all chains stand; the line in the log is one of the places where the head is kept (S7)."""
    head = auditing.sign_day(session, date.fromordinal(day), now=now)
    if head is not None:
        _log.info("the day's head is signed", extra={"head": auditing.exported(head)})


__all__ = ["owe_head", "sign_day"]
