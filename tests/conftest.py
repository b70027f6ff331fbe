"""Real servers for the whole run, a fresh database for each test."""

import gc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

import pytest
from sqlalchemy import select

from models.job import Job
from worker import clock as clock_module
from worker import database as database_module
from worker import jobs, schema
from worker import settings as settings_module
from worker.commands.seed import seed
from worker.database import Database
from worker.embedded import PostgresServer, RedisServer, postgres_server, redis_server
from worker.jobs import relay as relay_module

_LONGEST = ("tests/chaos/", "tests/journeys/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no process is left over one long test when all others are done."""
    items.sort(key=lambda item: not item.nodeid.startswith(_LONGEST))


def pytest_collection_finish() -> None:
    """Leave alone, from here on, what was imported: to look through it for garbage again and again takes its time."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A PostgreSQL of the run's own, with a migrated template database."""
    server = postgres_server(tmp_path_factory.mktemp("postgres"), fsync=False)
    schema.upgrade(server.create_database("template_toritsugi"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    file = tmp_path_factory.mktemp("sqlite") / "template.db"
    schema.upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis of the run's own."""
    server = redis_server(tmp_path_factory.mktemp("redis"), own=True)
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh, migrated database on each of the two."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        file = tmp_path / "toritsugi.db"
        file.write_bytes(template.read_bytes())
        yield f"sqlite:///{file}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = "test_" + "".join(c if c.isalnum() else "_" for c in tmp_path.name.lower())[-40:]
    yield server.create_database(name, template="template_toritsugi")
    server.drop_database(name)


def forget_database() -> None:
    """Let settings and database be made anew, by what the environment names now."""
    if database_module.database.cache_info().currsize:
        database_module.database().dispose()
    for made_once in (settings_module.settings, database_module.database):
        made_once.cache_clear()


def forget_process_state() -> None:
    """Let settings, database, clock and relay be made anew, as in a new process."""
    if relay_module.relay.cache_info().currsize:
        # Its thread reads settings and opens the database: it would make those of the next test, too early.
        relay_module.relay().close(within_seconds=30)
    forget_database()
    for made_once in (clock_module.clock, relay_module.relay):
        made_once.cache_clear()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The process's environment; whatever was made from an older one is forgotten before and after."""
    monkeypatch.setenv("ENVIRONMENT", "test")
    forget_process_state()
    yield monkeypatch
    forget_process_state()


@pytest.fixture
def database(environment: pytest.MonkeyPatch, database_url: str) -> Database:
    """The process's database, on each of the two."""
    environment.setenv("DATABASE_URL", database_url)
    forget_database()
    return database_module.database()


@pytest.fixture
def seeded(database: Database) -> Database:
    """The process's database with the five shops and the terms."""
    with database.transaction() as session:
        seed(session)
    return database


class StoppedTime:
    """Business time that stands still until it is moved."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def move_to(self, at: datetime) -> None:
        """Put it somewhere, also back."""
        self.at = at

    def advance(self, **by: float) -> None:
        """Move it forward by so many `seconds`, `minutes`, `hours` or `days`."""
        self.at += timedelta(**by)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> StoppedTime:
    """Business time, standing at Monday 2030-06-03 10:00 in Tokyo."""
    stopped = StoppedTime(datetime(2030, 6, 3, 1, 0, tzinfo=UTC))
    monkeypatch.setattr(clock_module.Clock, "now", lambda _: stopped.at)
    return stopped


@pytest.fixture
def do_due_jobs(database: Database) -> Callable[[], int]:
    """Do, here and now, what is due, and what that makes due, as workers would; return how many were done."""
    import_module("tasks.verification")
    import_module("tasks.bookings")
    import_module("tasks.calls")
    import_module("tasks.in_call")
    import_module("tasks.delivery")
    import_module("tasks.settling")
    import_module("tasks.terms")
    import_module("tasks.items")
    import_module("tasks.disclosure")
    import_module("tasks.people")
    import_module("tasks.suspensions")
    import_module("tasks.video")

    def until_nothing_is_due() -> int:
        done = 0
        while True:
            with database.snapshot() as session:
                due = session.scalars(
                    select(Job.id)
                    .where(Job.due_at <= clock_module.clock().now(), Job.parked_at.is_(None))
                    .order_by(Job.due_at, Job.id)
                ).all()
            if not due:
                return done
            for job_id in due:
                outcome = jobs.perform(job_id)
                assert outcome is not jobs.Outcome.FAILED, f"job {job_id} failed"
                done += 1

    return until_nothing_is_due
