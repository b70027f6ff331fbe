"""After a restore from backup: messages that were sent meanwhile look unsent, so nothing may simply be sent again.

Run it before the workers start. What was not final becomes *unknown*: reports and the vendor's lists settle it, then
the policy of each kind, then a person. Codes are asked for again, reminders are sent at most once.
"""

import argparse
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from models.message import Attempt, Message, State
from worker import settling
from worker.clock import clock
from worker.database import database


def mark_unknown(session: Session, *, now: datetime) -> int:
    """Mark every message that is not final as unknown, and return how many."""
    # What was queued may have been sent after the backup was taken, by an attempt that is not known here.
    marked = session.scalars(
        update(Message)
        .where(Message.state.in_((State.QUEUED, State.SENDING)))
        .values(state=State.UNKNOWN, because="restored_from_backup")
        .returning(Message)
        .execution_options(synchronize_session=False)
    ).all()
    session.execute(
        update(Attempt)
        .where(Attempt.answer.is_(None))
        .values(answer="unknown", code="restored_from_backup", ended_at=now)
    )
    for message in marked:
        settling.look_later(session, message, now=now)
    return len(marked)


def main(arguments: Sequence[str]) -> int:
    """Mark what was not final."""
    argparse.ArgumentParser(prog="python -m worker restored", description=__doc__).parse_args(arguments)
    with database().transaction() as session:
        marked = mark_unknown(session, now=clock().now())
    print(f"{marked} messages are unknown now; list them with `python -m worker messages list`")  # noqa: T201 - its terminal
    return 0
