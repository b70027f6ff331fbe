"""Ringing what is due, and ringing again what the broker forgot. Nothing here needs a broker that remembers.

The sweep rings what fell due (timers, failed jobs, whatever could not be handed over after its commit). A job that was
rung and lost is told from one that merely waits in a long queue by a *mark*: a message that goes through the queue like
any other. When it comes out, everything rung before it has come out too, so what was rung a lease before it and is
still there was lost. A backlog of an hour therefore breeds no duplicates.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, func, or_, select, update
from sqlalchemy.orm import Session

from models.base import database_time
from models.job import Job, Queue, QueueMark
from worker.chance import new_id
from worker.clock import clock, unix_ms
from worker.database import after_commit, database
from worker.jobs.doing import HANDLERS, alarm
from worker.jobs.relay import Ring, relay
from worker.settings import settings

MOST_RUNG = 5_000
"""How many rung jobs a queue may hold before the sweep lets the rest wait in the database."""
_PAGE = 1_000
CHUNK = 100


def sweep() -> int:
    """Ring what is due and unrung, send marks where something rung is old; return how many jobs were rung.

    Two sweeps at once share the work: each skips the rows that the other has locked.
    """
    if not relay().is_ready:
        return 0
    due, old = _queues_to_see_to()
    rung = 0
    for queue in due:
        while count := _ring_page(queue):
            rung += count
            if count < _PAGE:
                break
    for queue in old:
        _send_mark(queue)
    return rung


def _queues_to_see_to() -> tuple[list[Queue], list[Queue]]:
    """Return the queues with something due, and those with something rung long ago: one read, and often all there is.

    A sweep that finds nothing writes nothing, so a quiet system costs a query a second.
    """
    lease = timedelta(seconds=settings().ring_lease_seconds)
    with database().snapshot() as session:
        long_ago = session.scalars(select(database_time())).one() - lease
        queues = list(Queue)
        answers = session.execute(
            select(
                *(exists().where(*_due(queue)) for queue in queues),
                *(exists().where(*_rung_before(queue, long_ago)) for queue in queues),
            )
        ).one()
    due, old = answers[: len(queues)], answers[len(queues) :]
    return (
        [queue for queue, found in zip(queues, due, strict=True) if found],
        [queue for queue, found in zip(queues, old, strict=True) if found],
    )


def _due(queue: Queue) -> tuple[ColumnElement[bool], ...]:
    return (
        Job.queue == queue,
        Job.rung_at.is_(None),
        Job.parked_at.is_(None),
        Job.due_at <= clock().now(),
    )


def _ring_page(queue: Queue) -> int:
    with database().transaction() as session:
        room = MOST_RUNG - session.scalars(_rung_now(queue)).one()
        if room <= 0:
            return 0
        query = (
            select(Job)
            .where(*_due(queue))
            .order_by(Job.due_at)
            .limit(min(room, _PAGE))
            .with_for_update(skip_locked=True)
        )
        due = session.scalars(query).all()
        known = [owed for owed in due if owed.name in HANDLERS or _is_rung_though_unknown(owed)]
        if known:
            rings = list(_rings(session, known))
            session.execute(
                update(Job)
                .where(Job.id.in_([owed.id for owed in known]))
                .values(rung_at=database_time(), rings=Job.rings + 1)
                .execution_options(synchronize_session=False)
            )
            after_commit(session, lambda: relay().offer(rings))
        return len(due)


def _is_rung_though_unknown(owed: Job) -> bool:
    """Ring a job for an hour whose name this worker does not know: another may be newer, or older. Then park it."""
    lease = timedelta(seconds=settings().ring_lease_seconds)
    is_rung = owed.ring_unknown(lease=lease, now=clock().now())
    if not is_rung:
        alarm(owed)
    return is_rung


def _rung_now(queue: Queue) -> Select[int]:
    recent = select(Job.id).where(Job.queue == queue, Job.rung_at.is_not(None), Job.parked_at.is_(None))
    return select(func.count()).select_from(recent.limit(MOST_RUNG).subquery())


def _rings(session: Session, due: Sequence[Job]) -> Iterator[Ring]:
    """One ring a job; a chain's first remaining link brings the others, fresh bulk jobs go by the hundred."""

    def bulk_name(owed: Job) -> str:
        handler = HANDLERS.get(owed.name)
        # What was rung before may kill its process; it goes alone, where its starts are counted. So does a chain's
        # link, which brings the links after it.
        fresh = owed.rings == 0 and owed.failures == 0 and owed.chain_id is None
        return owed.name if getattr(handler, "bulk", False) and fresh else ""

    for name, group in groupby(sorted(due, key=bulk_name), key=bulk_name):
        members = list(group)
        if name:
            for start in range(0, len(members), CHUNK):
                yield _chunk(members[start : start + CHUNK])
            continue
        for owed in members:
            yield Ring.of(owed, _links_after(session, owed), number=owed.rings + 1)


def _chunk(members: Sequence[Job]) -> Ring:
    first = members[0]
    ids: tuple[UUID, ...] = tuple(owed.id for owed in members)
    return Ring(new_id(unix_ms()), first.name, first.queue, {}, members=ids)


def _links_after(session: Session, owed: Job) -> Sequence[Job]:
    if owed.chain_id is None:
        return ()
    query = (
        select(Job)
        .where(Job.chain_id == owed.chain_id, Job.chain_position > owed.chain_position)
        .order_by(Job.chain_position)
    )
    return session.scalars(query).all()


def _send_mark(queue: Queue) -> None:
    """Send a mark through a queue in which something was rung long ago, if the last one is back or itself long gone."""
    lease = timedelta(seconds=settings().ring_lease_seconds)
    with database().transaction() as session:
        now = session.scalars(select(database_time())).one()
        mark = session.get(QueueMark, str(queue), with_for_update=True)
        if mark is None:
            return
        under_way = mark.sent_at is not None and (mark.returned_at is None or mark.returned_at < mark.sent_at)
        if under_way and mark.sent_at is not None and mark.sent_at > now - lease:
            return
        mark.sent_at = now
        args = {"queue": str(queue), "sent_at": now.isoformat()}
        ring = Ring(new_id(unix_ms()), "jobs.return_mark", str(queue), args)
        after_commit(session, lambda: relay().offer([ring]))


def mark_returned(queue: str, sent_at: datetime) -> int:
    """A mark came out of its queue: unring what was lost before it, for the next sweep; return how many.

    What is locked is being done, what is claimed is being called, what is parked waits for a person: none was lost.
    """
    lease = timedelta(seconds=settings().ring_lease_seconds)
    with database().transaction() as session:
        idle = (
            select(Job.id)
            .where(
                *_rung_before(queue, sent_at - lease),
                or_(Job.claimed_until.is_(None), Job.claimed_until < database_time()),
            )
            .with_for_update(skip_locked=True)
        )
        lost = session.scalars(
            update(Job)
            .where(Job.id.in_(idle))
            .values(rung_at=None)
            .returning(Job.id)
            .execution_options(synchronize_session=False)
        ).all()
        session.execute(
            update(QueueMark)
            .where(QueueMark.queue == queue, or_(QueueMark.returned_at.is_(None), QueueMark.returned_at < sent_at))
            .values(returned_at=sent_at)
        )
        return len(lost)


def _rung_before(queue: str, instant: datetime) -> tuple[ColumnElement[bool], ...]:
    return (Job.queue == queue, Job.rung_at < instant, Job.rung_at.is_not(None), Job.parked_at.is_(None))
