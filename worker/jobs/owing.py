"""Writing down what is owed, in the caller's own transaction. Knows rows; knows nothing of how a job is done."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from models.base import database_time
from models.job import QUEUES, Job
from worker.chance import new_id
from worker.clock import clock, system_now, unix_ms
from worker.database import after_commit
from worker.jobs.relay import Ring, relay
from worker.logs import request_id

Id: TypeAlias = UUID | int | str

_SLUG = re.compile(r"[a-z][a-z0-9-]{0,63}")


@dataclass(frozen=True)
class Link:
    """One link of a chain: a job's name and the ids it concerns."""

    name: str
    ids: Mapping[str, Id]


def enqueue(
    session: Session,
    name: str,
    *,
    due_at: datetime | None = None,
    queue: str | None = None,
    timer_of: UUID | None = None,
    **ids: Id,
) -> UUID:
    """Owe a job: it will be done once if the session's transaction commits, and never otherwise.

    Args:
        session: the transaction that makes the job necessary.
        name: the job's wire name.
        due_at: when; None or a past instant means at once.
        queue: another queue than the job's usual one.
        timer_of: the row whose state this job waits in; `drop_timers` deletes by it.
        ids: what the job concerns. Only ids: these are readable in the broker and in Flower.

    Returns:
        The job's id, which is the Celery task's id as well.

    Raises:
        TypeError: an argument is not an id.
    """
    owed = _row(name, ids, queue=queue)
    now = clock().now()
    owed.due_at = due_at or now
    owed.timer_of = timer_of
    if owed.due_at <= now:
        _ring_after_commit(session, owed)
    session.add(owed)
    return owed.id


def enqueue_chain(session: Session, *links: Link, queue: str | None = None) -> UUID:
    """Owe jobs that are done one after the other, each once.

    Returns:
        The chain's id.
    """
    rows = [_row(link.name, link.ids, queue=queue) for link in links]
    chain_id = rows[0].id
    for position, owed in enumerate(rows):
        owed.chain_id, owed.chain_position = chain_id, position
    first, *rest = rows
    first.due_at = clock().now()
    _ring_after_commit(session, first, *rest)
    session.add_all(rows)
    return chain_id


def drop_timers(session: Session, subject: UUID) -> int:
    """Delete the timers of a row that leaves its state, and say how many.

    One that is being done just now is skipped, not waited for: it holds its row and wants the subject's lock, we hold
    the subject's. It will find its version stale.
    """
    timers = select(Job.id).where(Job.timer_of == subject).with_for_update(skip_locked=True)
    dropped = session.scalars(delete(Job).where(Job.id.in_(timers)).returning(Job.id)).all()
    return len(dropped)


def ring_next_link(session: Session, done: Job) -> None:
    """Make the next link due, as rung: Celery's own chain hands it over when this task ends.

    If that hand-over is lost, a mark finds the link, and the sweep hands over what is left of the chain.
    """
    session.execute(
        update(Job)
        .where(Job.chain_id == done.chain_id, Job.chain_position == (done.chain_position or 0) + 1)
        .values(due_at=clock().now(), rung_at=database_time(), rings=1)
    )


def _row(name: str, ids: Mapping[str, Id], *, queue: str | None) -> Job:
    return Job(
        id=new_id(unix_ms()),
        name=str(name),
        queue=str(queue or QUEUES[name]),
        args={key: _plain(key, value) for key, value in ids.items()},
        created_at=system_now(),
        request_id=request_id.get(),
    )


def _plain(key: str, value: Id) -> str | int:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, int):
        return value
    if isinstance(value, str) and _SLUG.fullmatch(value):
        return value
    raise TypeError(f"{key}: a job takes ids only (UUID, int or slug), not {type(value).__name__}")


def _ring_after_commit(session: Session, owed: Job, *rest: Job) -> None:
    """Mark the row as rung now, and hand it over once it is committed.

    Where nobody can hand it over (no relay here, broker down) it stays unrung, and the next sweep finds it.
    """
    if not relay().is_ready:
        return
    owed.rung_at = database_time()  # the database fills it in
    owed.rings = 1
    ring = Ring.of(owed, rest)
    after_commit(session, lambda: relay().offer([ring]))
