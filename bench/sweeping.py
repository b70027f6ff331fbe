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
from worker.database import database as own_database
from worker.jobs import sweep
from worker.jobs.relay import relay

_BATCH = 200
_TENTHS = 10
_FEW_SWEEPS = 10
_COUNTED_SECONDS = 1.2


@dataclass(frozen=True)
class Sweep:
    """One sweep that finds nothing due; medians.

    Attributes:
        waiting: rows that are not due.
        ms: from its first statement to its last.
        cpu_ms: this process's processor time for it; the database's is not in it.
        blocks: of the table and its indexes that the database looked at; a busy machine does not change it.
    """

    waiting: int
    ms: float
    cpu_ms: float
    blocks: float


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
    """What jobs that come and go leave behind.

    Attributes:
        rates: jobs a second, by tenths of the run.
        before, after, vacuumed: sweeps at the beginning, at the end, and when the read was closed and all tidied.
        table_mb, indexes_mb: what the empty table holds on to at the end, and tidied.
    """

    rates: list[float]
    before: Sweep
    after: Sweep
    vacuumed: Sweep
    table_mb: tuple[float, float]
    indexes_mb: tuple[float, float]


def beside_an_open_read(database: Database, count: int) -> Churned:
    """Insert, ring and delete jobs, as timers are, while another transaction holds on to the state before."""
    relay().enable()
    _clear(database)
    rates: list[float] = []
    batches = max(1, count // _TENTHS // _BATCH)
    with database.engine.connect().execution_options(isolation_level="REPEATABLE READ") as reader:
        reader.execute(text("SELECT count(*) FROM jobs"))
        before = _timed(0, _FEW_SWEEPS)
        for _ in range(_TENTHS):
            began = time.monotonic()
            for _ in range(batches):
                _come_and_go(database)
            rates.append(batches * _BATCH / (time.monotonic() - began))
        after = _timed(0, _FEW_SWEEPS)
        sizes = _megabytes(database)
        reader.rollback()
    _vacuum(database)
    vacuumed, tidied = _timed(0, _FEW_SWEEPS), _megabytes(database)
    _clear(database)
    return Churned(rates, before, after, vacuumed, (sizes[0], tidied[0]), (sizes[1], tidied[1]))


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
    seen = _blocks()
    for _ in range(sweeps):
        began, used = time.perf_counter(), time.process_time()
        sweep()
        spans.append(1000 * (time.perf_counter() - began))
        cpu.append(1000 * (time.process_time() - used))
    # One more has been made to have them counted.
    blocks = (_blocks() - seen) / (sweeps + 1)
    return Sweep(waiting, statistics.median(spans), statistics.median(cpu), blocks)


def _blocks() -> int:
    """Return how many blocks of the jobs' table and indexes were looked at so far, counted after one more sweep.

    A connection tells its counts at the end of a transaction, and once a second at most.

    Source: https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-STATS-VIEWS.
    """
    time.sleep(_COUNTED_SECONDS)
    sweep()
    counts = text(
        "SELECT heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit"
        " FROM pg_statio_user_tables WHERE relname = 'jobs'"
    )
    with own_database().snapshot() as session:
        return int(session.scalars(counts).one())


def _megabytes(database: Database) -> tuple[float, float]:
    """Return what table and indexes take."""
    sizes = text("SELECT pg_table_size('jobs') / 1048576.0, pg_indexes_size('jobs') / 1048576.0")
    with database.engine.connect() as connection:
        table, indexes = connection.execute(sizes).one()
    return float(table), float(indexes)


def _vacuum(database: Database) -> None:
    # Autovacuum would come by within a minute; the run does not wait for it.
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE jobs"))


def _clear(database: Database) -> None:
    with database.writing_engine.begin() as connection:
        connection.execute(text("TRUNCATE jobs"))
