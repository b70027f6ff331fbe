"""What cases cost that wait: so many lie there with their timers, a few fall due, and those are rung and done.

The waiting rows are those that a case in negotiation has: itself, its reminder and its deadline, weeks ahead.
"""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from uuid import UUID

import redis
from sqlalchemy import delete, func, select, text

from models.disclosure import DisclosureCase, State
from models.job import QUEUES, Job, Name
from worker.clock import clock
from worker.database import Database
from worker.database import database as own_database
from worker.jobs import Outcome, perform, sweep
from worker.jobs.relay import relay
from worker.settings import settings

DUE = 100
"""So many cases come to their deadline at once."""
_COUNTED_SECONDS = 1.2
_A_MONTH = timedelta(days=30)
_PAGE = 100_000

_CASES = text("""
INSERT INTO disclosure_cases (id, path, state, version, language, live_key, filed_at, filed_by, confirmed_at,
    state_since_at, deadline_at, is_eligible, needs_legal, told_counterparty_at, intake_rounds, paper_rounds,
    released_at, applicant_reached_at, counterparty_reached_at, fee_yen, paid_yen, consents)
SELECT ('0ca5e000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'party', 'negotiating', 1, 'ja', 'bench-' || n,
    :now, 'bench-' || n, :now, :now, :due_at, true, false, :now, 0, 0, :now, :now, :now, 0, 0, '{}'
FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) n""")

_TIMERS = text("""
INSERT INTO jobs (id, name, queue, args, created_at, due_at, rings, starts, failures, timer_of)
SELECT (:kind || substr(id::text, 9))::uuid, :name, :queue,
    jsonb_build_object('case_id', id::text, 'revision', 1) || CAST(:more AS jsonb), :now,
    CAST(:due_at AS timestamptz) + make_interval(secs => :apart * n), 0, 0, 0, id
FROM (SELECT ('0ca5e000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS id, n
      FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) n) c""")


_TIMERS_OF = (("0ca5e001", Name.RUN_OUT, "{}"), ("0ca5e002", Name.REMIND_PARTY, '{"number": 30}'))
"""How their ids begin, what they are, and what they bear besides."""


@dataclass(frozen=True)
class Fallen:
    """Some cases that came to their deadline while others waited; medians over the rounds.

    Attributes:
        waiting: cases that wait, each with two timers.
        sweep_ms: to find and hand over what is due.
        each_ms, each_cpu_ms: to let one deadline pass: the case ends, both notices are written, all is in its trail.
        blocks: of all tables and indexes that the database looked at for one; a busy machine does not change it.
    """

    waiting: int
    sweep_ms: float
    each_ms: float
    each_cpu_ms: float
    blocks: float


def against_waiting(database: Database, counts: Sequence[int], *, rounds: int, due: int = DUE) -> list[Fallen]:
    """Let cases of the process's own database fall due with ever more waiting beside them.

    No job is left afterwards; the cases are, so nothing else that is measured comes after this.
    """
    import_module("tasks.disclosure")
    relay().enable()
    _clear(database)
    found: list[Fallen] = []
    present, first_due = 0, max(counts) + 1
    for count in counts:
        _add_waiting(database, present + 1, count)
        present = count
        _vacuum(database)
        seen = []
        for _ in range(rounds):
            seen.append(_fall(database, range(first_due, first_due + due), waiting=count))
            first_due += due
        found.append(_median(seen))
    _clear(database)
    return found


def _fall(database: Database, which: range, *, waiting: int) -> Fallen:
    _add(database, which, due_at=clock().now(), apart_seconds=0.0)
    due = _due(database)
    began = time.perf_counter()
    sweep()
    swept_ms = 1000 * (time.perf_counter() - began)
    blocks, began, used = _blocks(), time.perf_counter(), time.process_time()
    outcomes = {perform(job_id) for job_id in due}
    done_ms, cpu_ms = 1000 * (time.perf_counter() - began), 1000 * (time.process_time() - used)
    blocks = _blocks() - blocks
    if (len(due), outcomes, _ended(database, which)) != (len(which), {Outcome.DONE}, len(which)):
        raise RuntimeError("not every deadline that was due has passed")
    _forget_what_follows(database)
    return Fallen(waiting, swept_ms, done_ms / len(due), cpu_ms / len(due), blocks / len(due))


def _median(seen: Sequence[Fallen]) -> Fallen:
    return Fallen(
        seen[0].waiting,
        statistics.median(each.sweep_ms for each in seen),
        statistics.median(each.each_ms for each in seen),
        statistics.median(each.each_cpu_ms for each in seen),
        statistics.median(each.blocks for each in seen),
    )


def _add_waiting(database: Database, first: int, last: int) -> None:
    for start in range(first, last + 1, _PAGE):
        page = range(start, min(last + 1, start + _PAGE))
        _add(database, page, due_at=clock().now() + _A_MONTH, apart_seconds=2.0)


def _add(database: Database, which: range, *, due_at: datetime, apart_seconds: float) -> None:
    """Add cases and their timers; of those that are due at once the reminder has been sent."""
    span = {"first": which.start, "last": which.stop - 1, "now": clock().now(), "due_at": due_at}
    timers = _TIMERS_OF if apart_seconds else _TIMERS_OF[:1]
    with database.writing_engine.begin() as connection:
        connection.execute(_CASES, span)
        for kind, name, more in timers:
            timer = {"kind": kind, "name": str(name), "queue": str(QUEUES[name]), "more": more, "apart": apart_seconds}
            connection.execute(_TIMERS, span | timer)


def _due(database: Database) -> list[UUID]:
    with database.snapshot() as session:
        return list(session.scalars(select(Job.id).where(Job.name == Name.RUN_OUT, Job.due_at <= clock().now())))


def _ended(database: Database, which: range) -> int:
    keys = [f"bench-{number}" for number in which]
    ended = select(func.count()).where(DisclosureCase.state == State.SETTLED, DisclosureCase.filed_by.in_(keys))
    with database.snapshot() as session:
        return session.scalars(ended).one()


def _forget_what_follows(database: Database) -> None:
    """What the ends make necessary is not measured: the database and the broker forget it."""
    kept = [name for _, name, _ in _TIMERS_OF]
    with database.transaction() as session:
        session.execute(delete(Job).where(Job.name.not_in(kept)))
    with redis.Redis.from_url(settings().broker_url) as broker:
        broker.flushdb()


def _blocks() -> int:
    """Return how many blocks of all tables and indexes were looked at so far.

    A connection tells its counts at the end of a transaction, and once a second at most.

    Source: https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-STATS-VIEWS.
    """
    time.sleep(_COUNTED_SECONDS)
    counts = text(
        "SELECT sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0))"
        " FROM pg_statio_user_tables"
    )
    for _ in range(2):
        with own_database().snapshot() as session:
            found = int(session.execute(counts).scalar_one())
    return found


def _vacuum(database: Database) -> None:
    # Autovacuum would come by within a minute; the run does not wait for it.
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE jobs, disclosure_cases"))


def _clear(database: Database) -> None:
    with database.writing_engine.begin() as connection:
        connection.execute(text("TRUNCATE jobs"))
