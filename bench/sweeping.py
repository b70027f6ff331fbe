"""What a sweep costs: against the number of rows that wait, and while jobs come and go beside a long open read."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert, text, update

from bench import rows
from models.base import database_time
from models.job import QUEUES, Job, Name
from worker.chance import new_id
from worker.clock import clock, unix_ms
from worker.database import Database
from worker.jobs import sweep
from worker.jobs.relay import relay

_BATCH = 200
_TENTHS = 10
_FEW_SWEEPS = 5


@dataclass(frozen=True)
class Sweep:
    """One sweep that finds nothing due; medians.

    Attributes:
        waiting: rows that are not due.
        ms: from its first statement to its last.
        cpu_ms: this process's processor time for it; the database's is not in it.
    """

    waiting: int
    ms: float
    cpu_ms: float


def against_waiting(database: Database, counts: Sequence[int], *, sweeps: int) -> list[Sweep]:
    """Time sweeps of the process's own database with ever more rows waiting in it; the table is empty afterwards."""
    relay().enable()
    _clear(database)
    found: list[Sweep] = []
    present = 0
    for count in counts:
        with database.transaction() as session:
            rows.add_waiting(session, count - present, now=clock().now())
        present = count
        _vacuum(database)
        found.append(_timed(count, sweeps))
    _clear(database)
    return found


@dataclass(frozen=True)
class Churned:
    """How it stood after some jobs had come and gone.

    Attributes:
        jobs: inserted, rung and deleted so far.
        rate: of the last tenth, a second.
        sweep_ms: one sweep that finds nothing due.
        table_mb, indexes_mb: what the empty table holds on to.
    """

    jobs: int
    rate: float
    sweep_ms: float
    table_mb: float
    indexes_mb: float


def beside_an_open_read(database: Database, count: int) -> tuple[list[Churned], Churned]:
    """Insert, ring and delete jobs, as timers are, while another transaction holds on to the state before.

    Returns:
        How it stood after each tenth, and after the read was closed and the table vacuumed.
    """
    relay().enable()
    _clear(database)
    tenths: list[Churned] = []
    with database.engine.connect().execution_options(isolation_level="REPEATABLE READ") as reader:
        reader.execute(text("SELECT count(*) FROM jobs"))
        for tenth in range(1, _TENTHS + 1):
            began = time.monotonic()
            for _ in range(count // _TENTHS // _BATCH):
                _come_and_go(database)
            done = count // _TENTHS // _BATCH * _BATCH
            tenths.append(_state(database, tenth * done, done / (time.monotonic() - began)))
        reader.rollback()
    _vacuum(database)
    after = _state(database, tenths[-1].jobs, 0.0)
    _clear(database)
    return tenths, after


def _come_and_go(database: Database) -> None:
    now = clock().now()
    ids = [new_id(unix_ms()) for _ in range(_BATCH)]
    batch = [_row(job_id, now) for job_id in ids]
    with database.transaction() as session:
        session.execute(insert(Job), batch)
    with database.transaction() as session:
        session.execute(
            update(Job)
            .where(Job.id.in_(ids))
            .values(rung_at=database_time(), rings=Job.rings + 1)
            .execution_options(synchronize_session=False)
        )
    with database.transaction() as session:
        session.execute(delete(Job).where(Job.id.in_(ids)).execution_options(synchronize_session=False))


def _row(job_id: UUID, now: datetime) -> dict[str, object]:
    name = Name.REMIND_ON_EVE
    return {
        "id": job_id,
        "name": str(name),
        "queue": str(QUEUES[name]),
        "args": {"booking_id": str(job_id), "revision": 1},
        "created_at": now,
        "due_at": now,
        "timer_of": job_id,
    }


def _timed(waiting: int, sweeps: int) -> Sweep:
    spans, cpu = [], []
    for _ in range(sweeps):
        began, used = time.perf_counter(), time.process_time()
        sweep()
        spans.append(1000 * (time.perf_counter() - began))
        cpu.append(1000 * (time.process_time() - used))
    return Sweep(waiting, statistics.median(spans), statistics.median(cpu))


def _state(database: Database, done: int, rate: float) -> Churned:
    sizes = text("SELECT pg_table_size('jobs') / 1048576.0, pg_indexes_size('jobs') / 1048576.0")
    with database.engine.connect() as connection:
        table_mb, indexes_mb = connection.execute(sizes).one()
    return Churned(done, rate, _timed(0, _FEW_SWEEPS).ms, float(table_mb), float(indexes_mb))


def _vacuum(database: Database) -> None:
    # Autovacuum would come by within a minute; the run does not wait for it.
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE jobs"))


def _clear(database: Database) -> None:
    with database.writing_engine.begin() as connection:
        connection.execute(text("TRUNCATE jobs"))
