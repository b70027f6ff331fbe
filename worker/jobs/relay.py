"""Handing jobs to Celery: one thread a process, which publishes what was committed in one pipelined batch.

Nothing on a request's path talks to the broker. What cannot be handed over is unrung, for the sweep to find; what dies
with this process in between comes back by way of a mark (see ringing.py). So nothing here need be durable.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from threading import Event, Lock, Thread
from typing import Any, Self
from uuid import UUID

from celery import chain
from sqlalchemy import select, update

from models.job import Job
from worker.database import database

_log = logging.getLogger(__name__)

_BATCH = 200
_MOST_WAITING = 20_000
_PAUSE_SECONDS = 2.0


@dataclass(frozen=True)
class Ring:
    """What the broker is told: which job, on which queue; for a chain, the links after it as well.

    Attributes:
        number: how often the job has been rung, this time included.
        members: the jobs of a chunk, done in one transaction; empty for a single job.
    """

    job_id: UUID
    name: str
    queue: str
    args: Mapping[str, Any]
    number: int = 1
    rest: tuple["Ring", ...] = ()
    members: tuple[UUID, ...] = ()

    @classmethod
    def of(cls, owed: Job, rest: Iterable[Job] = (), *, number: int = 1) -> Self:
        """Return the ring for a row, and for the links after it."""
        later = tuple(cls(row.id, row.name, row.queue, row.args) for row in rest)
        return cls(owed.id, owed.name, owed.queue, owed.args, number, later)


class Relay:
    """The process's one way to the broker. Off until `enable`, as in commands, which leave ringing to the sweep."""

    def __init__(self) -> None:
        self._enabled = False
        self._ends = False
        self._waiting: deque[Ring] = deque(maxlen=_MOST_WAITING)
        self._wake = Event()
        self._thread: Thread | None = None
        self._process = 0
        self._quiet_until = float("-inf")
        self._publisher = Publisher()
        self._starting = Lock()
        os.register_at_fork(after_in_child=self._unlock)

    def _unlock(self) -> None:
        """Another thread of the parent may have held the lock when it forked."""
        self._starting = Lock()

    def enable(self) -> None:
        """Let this process hand over jobs; its thread starts with the first one."""
        self._enabled, self._ends = True, False

    def close(self, *, within_seconds: float) -> None:
        """Hand over what waits, and end the thread; whatever cannot be handed over in time, a mark finds.

        What is owed from now on is left to the sweep, until `enable`.
        """
        self._enabled, self._ends = False, True
        if self._thread is not None and self._process == os.getpid():
            self._wake.set()
            self._thread.join(within_seconds)

    @property
    def is_ready(self) -> bool:
        """Whether a job committed now would be handed over at once."""
        return self._enabled and time.monotonic() >= self._quiet_until

    def offer(self, rings: Sequence[Ring]) -> None:
        """Hand over soon; never blocks, never raises, may forget."""
        if not self._enabled:
            return
        self._waiting.extend(rings)
        with self._starting:
            if self._thread is None or not self._thread.is_alive() or self._process != os.getpid():
                self._start()
        self._wake.set()

    def _start(self) -> None:
        """Start the thread; after a fork, with everything fresh: locks and sockets do not survive one."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._wake = Event()
            self._publisher = Publisher()
        self._thread = Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ends:
            self._wake.wait()
            self._wake.clear()
            while batch := self._take():
                self._hand_over(batch)
        self._publisher.close()

    def _take(self) -> list[Ring]:
        batch: list[Ring] = []
        while self._waiting and len(batch) < _BATCH:
            batch.append(self._waiting.popleft())
        return batch

    def _hand_over(self, batch: list[Ring]) -> None:
        try:
            self._publisher.publish(batch)
        except Exception as error:  # noqa: BLE001 - whatever the broker does, requests go on
            self._quiet_until = time.monotonic() + _PAUSE_SECONDS
            while more := self._take():
                batch.extend(more)
            _log.warning(
                "the broker cannot be reached; jobs wait in the database",
                extra={"error": type(error).__name__, "count": len(batch)},
            )
            _unring(batch)


def _unring(batch: Iterable[Ring]) -> None:
    """Give the jobs back to the sweep. If that fails too, a mark finds them after the lease."""
    ids = [job_id for ring in batch for job_id in (ring.members or (ring.job_id,))]
    try:
        with database().transaction() as session:
            for start in range(0, len(ids), 500):
                # Some may have been published before the broker failed: what is locked is being done.
                idle = (
                    select(Job.id)
                    .where(Job.id.in_(ids[start : start + 500]), Job.claimed_until.is_(None))
                    .with_for_update(skip_locked=True)
                )
                session.execute(
                    update(Job)
                    .where(Job.id.in_(idle))
                    .values(rung_at=None)
                    .execution_options(synchronize_session=False)
                )
    except Exception as error:  # noqa: BLE001 - the mark is the second net
        _log.warning("jobs could not be given back to the sweep", extra={"error": type(error).__name__})


class Publisher:
    """A connection to the broker that fails within a few of its socket's timeouts instead of retrying for ever."""

    def __init__(self) -> None:
        self._connection: Any = None
        self._producer: Any = None

    def publish(self, rings: Sequence[Ring]) -> None:
        """Publish all in one pipelined batch.

        Raises:
            Exception: whatever kombu and the transport raise; then any number may have been published.
        """
        # The app is imported late: it imports the tasks' registry, which imports the engine.
        from worker.app import app

        try:
            if self._producer is None:
                self._connection = app.connection_for_write()
                # An explicit channel: the lazy one retries a refused connection without end.
                self._producer = app.amqp.Producer(self._connection.channel())
            with self._producer.batch(_BATCH):
                for ring in rings:
                    self._send(app, ring)
        except BaseException:
            self.close()
            raise

    def _send(self, app: Any, ring: Ring) -> None:
        if ring.members:
            app.send_task(
                "jobs.perform_chunk",
                kwargs={"job": ring.name, "job_ids": [str(member) for member in ring.members]},
                task_id=str(ring.job_id),
                queue=ring.queue,
                producer=self._producer,
                retry=False,
            )
            return
        options = {"producer": self._producer, "retry": False, "headers": {"ring": ring.number}}
        if not ring.rest:
            app.send_task(ring.name, kwargs=ring.args, task_id=str(ring.job_id), queue=ring.queue, **options)
            return
        links = [
            app.signature(link.name, kwargs=dict(link.args), immutable=True, app=app).set(
                task_id=str(link.job_id), queue=link.queue
            )
            for link in (ring, *ring.rest)
        ]
        chain(*links, app=app).apply_async(**options)

    def close(self) -> None:
        """Forget the connection; the next publish opens another."""
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            try:
                connection.collapse() if hasattr(connection, "collapse") else connection.release()
            except Exception as error:  # noqa: BLE001 - it is being thrown away
                _log.debug("a broken connection closed badly", extra={"error": type(error).__name__})


@cache
def relay() -> Relay:
    """Return the process's relay."""
    return Relay()
