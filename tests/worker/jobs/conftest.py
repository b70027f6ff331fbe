"""Jobs for the engine to do, a broker that is emptied for each test, and real workers that can be killed."""

import contextlib
import importlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
import redis as redis_client
from sqlalchemy import func, select, update

from models.clock import ClockOffset
from models.job import QUEUES, Job, Queue, QueueMark
from worker import jobs
from worker.app import app
from worker.database import Database
from worker.database import database as process_database
from worker.embedded import RedisServer
from worker.jobs import doing
from worker.jobs import relay as relay_module

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent.parent
PATIENCE_SECONDS = 90.0
LEASE_SECONDS = 1.0


def _until(reached: Callable[[], Any], what: str, *, every_seconds: float = 0.02) -> None:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not reached():
        assert time.monotonic() < give_up, f"waited in vain until {what}"
        time.sleep(every_seconds)


@pytest.fixture
def until() -> Callable[[Callable[[], Any], str], None]:
    """Wait until something is so; how long it takes proves nothing, that it comes proves all."""
    return _until


@pytest.fixture(scope="session")
def loaded_bodies() -> tuple[ModuleType, dict[str, Any], dict[str, Queue]]:
    """The module of test jobs, loaded as a worker loads it, and what it declared."""
    sys.path.insert(0, str(HERE))
    names_before = set(QUEUES)
    module = importlib.import_module("jobs_test_bodies")
    sys.path.remove(str(HERE))
    queues = {name: QUEUES.pop(name) for name in set(QUEUES) - names_before}
    handlers = {name: doing.HANDLERS.pop(name) for name in queues}
    for name in queues:
        app.tasks.pop(name)
    return module, handlers, queues


@pytest.fixture
def bodies(
    loaded_bodies: tuple[ModuleType, dict[str, Any], dict[str, Queue]], monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    """The test jobs, declared for one test: other tests count the project's own jobs."""
    module, handlers, queues = loaded_bodies
    for name, queue in queues.items():
        monkeypatch.setitem(QUEUES, name, queue)
        monkeypatch.setitem(doing.HANDLERS, name, handlers[name])
    return module


@dataclass
class Ledger:
    """What is owed, and what was done how often."""

    database: Database
    bodies: ModuleType

    def owed(self, name: str | None = None) -> int:
        """Return how many jobs are owed and not parked."""
        query = select(func.count()).select_from(Job).where(Job.parked_at.is_(None))
        with self.database.snapshot() as session:
            return session.scalars(query if name is None else query.where(Job.name == name)).one()

    def job(self, job_id: UUID) -> Job | None:
        """Return a job's row as it is now."""
        with self.database.snapshot() as session:
            found = session.get(Job, job_id)
            session.expunge_all()
            return found

    def only_job(self) -> Job:
        """Return the one job there is."""
        with self.database.snapshot() as session:
            found = session.scalars(select(Job)).one()
            session.expunge_all()
            return found

    def done(self, what: str = "noted") -> Counter[str]:
        """Return how often each key left a trace of this kind."""
        traces = self.bodies.TRACES
        with self.database.snapshot() as session:
            return Counter(session.scalars(select(traces.c.key).where(traces.c.what == what).order_by(traces.c.id)))

    def in_order(self, what: str = "noted") -> list[str]:
        """Return the keys of all traces of one kind, the oldest first."""
        traces = self.bodies.TRACES
        with self.database.snapshot() as session:
            return list(session.scalars(select(traces.c.key).where(traces.c.what == what).order_by(traces.c.id)))

    def tell(self, what: str, key: UUID) -> None:
        """Leave a trace that a body looks for."""
        with self.database.transaction() as session:
            self.bodies.trace(session, what, key)

    def change(self, job_id: UUID, **values: Any) -> None:
        """Put a row into a state that would take long to reach."""
        with self.database.transaction() as session:
            session.execute(update(Job).where(Job.id == job_id).values(**values))

    def mark(self, queue: Queue = Queue.CODES) -> QueueMark:
        """Return the last mark of a queue."""
        with self.database.snapshot() as session:
            found = session.get_one(QueueMark, str(queue))
            session.expunge_all()
            return found


@pytest.fixture
def short_lease(request: pytest.FixtureRequest, environment: pytest.MonkeyPatch) -> float:
    """Seconds after which what was rung may count as lost. Asked for before anything reads the settings."""
    seconds: float = getattr(request, "param", LEASE_SECONDS)
    environment.setenv("RING_LEASE_SECONDS", str(seconds))
    return seconds


@pytest.fixture
def ledger(short_lease: float, database: Database, bodies: ModuleType) -> Ledger:
    """A fresh database with a table for traces."""
    bodies.TRACES.create(database.engine)
    return Ledger(database, bodies)


@dataclass
class Recorder:
    """A publisher that keeps what it is given, or raises."""

    rings: list[relay_module.Ring] = field(default_factory=list)
    error: Exception | None = None

    def publish(self, rings: list[relay_module.Ring]) -> None:
        """Keep the rings."""
        if self.error is not None:
            raise self.error
        self.rings.extend(rings)


@pytest.fixture
def bell(environment: pytest.MonkeyPatch) -> Recorder:
    """A relay without a thread whose publisher only writes down: rings are there when the commit returns."""
    recorder = Recorder()
    made = relay_module.relay()
    made._publisher = recorder  # type: ignore[assignment]
    made._start = lambda: None  # type: ignore[method-assign]
    environment.setattr(made, "offer", lambda rings: made._hand_over(list(rings)))
    made.enable()
    return recorder


@pytest.fixture
def broker(redis: RedisServer, environment: pytest.MonkeyPatch) -> RedisServer:
    """The run's Redis, empty, and this process's app pointed at it."""
    environment.setenv("BROKER_URL", redis.url)
    environment.setenv("CELERY_BROKER_URL", redis.url)
    _redis(redis).flushall()
    return redis


def _redis(server: RedisServer) -> redis_client.Redis:
    return redis_client.Redis.from_url(server.url)


@pytest.fixture
def enabled_relay(broker: RedisServer) -> relay_module.Relay:
    """This process hands over to the real broker."""
    made = relay_module.relay()
    made.enable()
    return made


class Workers:
    """Real Celery worker processes on the test's database and broker; whatever is left of them is killed at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[subprocess.Popen[bytes]] = []

    def start(
        self, *, pool: str = "threads", concurrency: int = 8, queues: str = "codes", **environment: str
    ) -> subprocess.Popen[bytes]:
        """Start one; it answers the broker when it is ready, so nobody need wait for it here."""
        command = ["worker", "-P", pool, "-c", str(concurrency), "-Q", queues, "-I", "jobs_test_bodies"]
        command += ["-n", f"test{len(self._running)}@localhost"]
        return self.run(*command, "--without-gossip", "--without-mingle", "--without-heartbeat", **environment)

    def run(self, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start any of Celery's commands."""
        number = len(self._running)
        path = os.pathsep.join([str(HERE), str(REPOSITORY)])
        with self.log(number).open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "worker.app", *command],
                cwd=REPOSITORY,
                env={**os.environ, "PYTHONPATH": path, "C_FORCE_ROOT": "1", **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running.append(process)
        return process

    def keep_alive(self, **environment: Any) -> Callable[[], None]:
        """Start a worker; return what starts another if it has died, as a supervisor does."""
        newest = [self.start(**environment)]

        def restart_if_dead() -> None:
            if newest[0].poll() is not None:
                newest[0] = self.start(**environment)

        return restart_if_dead

    def log(self, number: int = 0) -> Path:
        """Return where a worker wrote what it had to say."""
        return self._folder / f"worker{number}.log"

    def logs(self) -> str:
        """Return everything that all workers wrote."""
        return "".join(self.log(number).read_text() for number in range(len(self._running)))

    def kill_all(self) -> None:
        """Kill every process of every worker with -9."""
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, redis: RedisServer
) -> Iterator[tuple[str, Workers]]:
    """A database with one worker at work on it, for all tests of a module that leave it alive."""
    folder = tmp_path_factory.mktemp("stage")
    url = f"sqlite:///{folder}/toritsugi.db"
    if request.param == "sqlite":
        (folder / "toritsugi.db").write_bytes(request.getfixturevalue("sqlite_template").read_bytes())
    else:
        url = request.getfixturevalue("postgres").create_database("test_stage", template="template_toritsugi")
    bodies: ModuleType = request.getfixturevalue("loaded_bodies")[0]
    made = Database(url)
    bodies.TRACES.create(made.engine)
    made.dispose()
    _redis(redis).flushall()
    crew = Workers(folder)
    crew.start(ENVIRONMENT="test", DATABASE_URL=url, BROKER_URL=redis.url, RING_LEASE_SECONDS=str(LEASE_SECONDS))
    yield url, crew
    crew.kill_all()
    if request.param == "postgresql":
        request.getfixturevalue("postgres").drop_database("test_stage")


@pytest.fixture
def staged(
    stage: tuple[str, Workers],
    redis: RedisServer,
    short_lease: float,
    environment: pytest.MonkeyPatch,
    bodies: ModuleType,
) -> Ledger:
    """This process as a part of the stage: it owes jobs and hands them over, and the worker there does them."""
    environment.setenv("DATABASE_URL", stage[0])
    environment.setenv("BROKER_URL", redis.url)
    environment.setenv("CELERY_BROKER_URL", redis.url)
    relay_module.relay().enable()
    return Ledger(process_database(), bodies)


@pytest.fixture
def stage_log(stage: tuple[str, Workers]) -> Callable[[], str]:
    """Everything that the worker on the stage has written."""
    return stage[1].logs


@pytest.fixture
def workers(tmp_path: Path, broker: RedisServer, ledger: Ledger) -> Iterator[Workers]:
    """A way to start workers."""
    crew = Workers(tmp_path)
    yield crew
    crew.kill_all()


@pytest.fixture
def drain() -> Callable[[Ledger], None]:
    """Do what beat does, until nothing is owed but what is parked."""

    def sweep_clean(ledger: Ledger) -> None:
        def swept_clean() -> bool:
            jobs.sweep()
            return ledger.owed() == 0

        _until(swept_clean, "nothing was owed", every_seconds=0.25)

    return sweep_clean


_INCREMENT = """
import sys
from sqlalchemy import select, update
from models.clock import ClockOffset
from worker.database import Database
from worker.database import database as process_database
database = Database(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[2])):
    with database.transaction() as session:
        seen = session.scalars(select(ClockOffset.offset_seconds)).one()
        session.execute(update(ClockOffset).values(offset_seconds=seen + 1))
"""


@pytest.fixture
def eight_processes() -> Callable[..., float]:
    """Let eight processes read a number and write it back plus one, all at once; return what became of it."""

    def count(url: str, *, times: int) -> float:
        database = Database(url)
        with database.snapshot() as session:
            session.connection()  # the file turns to write-ahead logging before the crowd comes
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", _INCREMENT, url, str(times)],
                cwd=REPOSITORY,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(8)
        ]
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            process.communicate()
        assert [process.returncode for process in processes] == [0] * 8
        with database.snapshot() as session:
            counted = session.scalars(select(ClockOffset.offset_seconds)).one()
        database.dispose()
        return counted

    return count
