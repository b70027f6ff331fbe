"""Jobs that leave traces, and accidents that strike at a chosen instant. Loaded by the tests and by real workers.

A trace is written in the body's own transaction, so two traces of one job mean that it was done twice.
"""

import os
import signal
import time
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Integer, MetaData, String, Table, func, insert, select, update
from sqlalchemy.orm import Session

import models.job
from models.clock import ClockOffset
from models.job import QUEUES, Job, Queue
from worker.chance import new_id
from worker.clock import unix_ms
from worker.database import database
from worker.jobs import Link, Outcome, doing, drop_timers, enqueue, enqueue_chain, job, outside_job

TRACES = Table(
    "traces",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("what", String(40)),
    Column("key", String(40)),
    Column("process", Integer),
)

QUEUES.update(
    {
        "test.note": Queue.CODES,
        "test.note_many": Queue.CODES,
        "test.note_slowly": Queue.CODES,
        "test.count": Queue.CODES,
        "test.fail": Queue.CODES,
        "test.fail_until_told": Queue.CODES,
        "test.kill_itself": Queue.CODES,
        "test.die_inside": Queue.CODES,
        "test.owe_more": Queue.CODES,
        "test.leave_state": Queue.CODES,
        "test.call": Queue.CODES,
    }
)

SECRET = "090-0000-1234 is a canary"


def trace(session: Session, what: str, key: object) -> None:
    """Write one trace in the session's transaction."""
    session.execute(insert(TRACES).values(what=what, key=str(key), process=os.getpid()))


def count_traces(session: Session, what: str, key: object) -> int:
    """Return how many traces there are of one kind and key."""
    mine = (TRACES.c.what == what, TRACES.c.key == str(key))
    return session.scalars(select(func.count()).select_from(TRACES).where(*mine)).one()


@job("test.note")
def note(session: Session, now: datetime, key: UUID) -> None:
    """Leave one trace."""
    trace(session, "noted", key)


@job("test.note_many", bulk=True)
def note_many(session: Session, now: datetime, key: UUID, fails: int = 0) -> None:
    """Leave one trace, owe one more job, and fail after that if told to."""
    trace(session, "noted", key)
    enqueue(session, "test.note", key=key)
    if fails:
        raise ValueError(SECRET)


@job("test.note_slowly")
def note_slowly(session: Session, now: datetime, key: UUID, milliseconds: int) -> None:
    """Leave one trace, before holding the row for a while."""
    time.sleep(milliseconds / 1000)
    trace(session, "noted", key)


@job("test.count")
def count(session: Session, now: datetime) -> None:
    """Read, then write what was read plus one: two at once would lose one."""
    seen = session.scalars(select(ClockOffset.offset_seconds)).one()
    session.execute(update(ClockOffset).values(offset_seconds=seen + 1))


@job("test.fail")
def fail(session: Session, now: datetime, key: UUID) -> None:
    """Leave a trace and raise with a text that nobody may see."""
    trace(session, "failed", key)
    session.flush()
    raise ValueError(SECRET)


@job("test.fail_until_told")
def fail_until_told(session: Session, now: datetime, key: UUID) -> None:
    """Fail as long as nobody has left the trace `told`."""
    if not count_traces(session, "told", key):
        raise ValueError(SECRET)
    trace(session, "noted", key)


@job("test.kill_itself")
def kill_itself(session: Session, now: datetime, key: UUID) -> None:
    """Leave a trace outside the transaction that is about to be lost, then kill the process."""
    with open(os.environ["TEST_STARTS_FILE"], "a", encoding="ascii") as starts:  # noqa: PTH123 - appended to, atomically
        starts.write(f"{key}\n")
    os.kill(os.getpid(), signal.SIGKILL)


@job("test.die_inside")
def die_inside(session: Session, now: datetime, key: UUID) -> None:
    """Leave a trace; in a process that is to die inside, die before the commit."""
    trace(session, "noted", key)
    session.flush()
    if os.environ.get("TEST_KILL_AT") == "inside":
        os.kill(os.getpid(), signal.SIGKILL)


@job("test.owe_more")
def owe_more(session: Session, now: datetime, key: UUID) -> None:
    """Owe another job from inside a body."""
    trace(session, "owed", key)
    enqueue(session, "test.note", key=key)


@job("test.leave_state")
def leave_state(session: Session, now: datetime, subject: UUID) -> None:
    """Drop the subject's timers, as a state that is left does; the one that runs this is among them."""
    drop_timers(session, subject)
    trace(session, "left", subject)


@outside_job("test.call", lease=timedelta(seconds=1))
class Call:
    """A call whose every step leaves a trace; `way` says how it goes wrong."""

    def claim(self, session: Session, now: datetime, key: UUID, way: str = "well") -> tuple[UUID, str] | None:  # noqa: ARG002 - the protocol's arguments
        """Refuse if there is nothing to do."""
        trace(session, "claimed", key)
        return None if way == "nothing" else (key, way)

    def call(self, plan: tuple[UUID, str]) -> str:
        """Call: the trace has a transaction of its own, as the outside world has."""
        key, way = plan
        with database().transaction() as session:
            trace(session, "called", key)
        if way == "raises":
            raise ValueError(SECRET)
        if way == "late":
            # The lease passes, and somebody else finds the claim.
            with database().transaction() as session:
                session.execute(update(Job).values(claimed_until=datetime.fromisoformat("2020-01-01T00:00:00Z")))
            assert doing.perform(session_job(key), ring=2) is Outcome.LOST
        if os.environ.get("TEST_KILL_AT") == "call":
            os.kill(os.getpid(), signal.SIGKILL)
        return "answer"

    def record(self, session: Session, now: datetime, plan: tuple[UUID, str], result: str) -> None:  # noqa: ARG002 - the protocol's arguments
        """Write the answer down."""
        if plan[1] == "unwritable":
            raise ValueError(SECRET)
        trace(session, "recorded", plan[0])

    def lost(self, session: Session, now: datetime, key: UUID, way: str = "well") -> None:  # noqa: ARG002 - the protocol's arguments
        """Write down that nobody knows."""
        if way == "losing-fails" and not count_traces(session, "told", key):
            raise ValueError(SECRET)
        trace(session, "lost", key)


def session_job(key: UUID) -> UUID:
    """Return the id of the one owed call with this key."""
    with database().snapshot() as session:
        return next(owed.id for owed in session.scalars(select(Job)) if owed.args["key"] == str(key))


def owe_notes(how_many: int, *, name: str = "test.note", **ids: Any) -> list[UUID]:
    """Owe many jobs in one transaction and return their keys."""
    keys = [new_id(unix_ms()) for _ in range(how_many)]
    with database().transaction() as session:
        for key in keys:
            enqueue(session, name, key=key, **ids)
    return keys


def owe_chain(*keys: UUID, name: str = "test.note") -> UUID:
    """Owe a chain of one job name and return its id."""
    with database().transaction() as session:
        return enqueue_chain(session, *(Link(name, {"key": key}) for key in keys))


def _die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _arrange_accident(point: str | None) -> None:
    """Strike this very process, once, with a signal that nothing can catch."""
    if point == "before":
        doing._lock = _die
    if point == "after":
        perform = doing.perform

        def perform_and_die(job_id: UUID, *, ring: int = 1) -> None:
            if perform(job_id, ring=ring) is Outcome.DONE:
                _die()

        doing.perform = perform_and_die  # type: ignore[assignment]


_arrange_accident(os.environ.get("TEST_KILL_AT"))

if "TEST_MOST_STARTS" in os.environ:
    models.job.MOST_STARTS = int(os.environ["TEST_MOST_STARTS"])
