"""Transactions. Everything that writes goes through `transaction()`, everything that only reads through `snapshot()`.

On SQLite a writing transaction starts with BEGIN IMMEDIATE: with the driver's own deferred BEGIN two writers both
read, then overwrite each other without an error.
"""

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from worker.chance import jitter
from worker.settings import settings

_BUSY_SECONDS = 20
# More than the API has threads (40): a transaction may ask the clock, which needs a connection of its own for a
# moment. If all of them were taken by transactions that ask, none would ever end.
_POOL = {"pool_size": 20, "max_overflow": 30}
_AFTER_COMMIT = "after_commit"
_TAKEN_BACK = frozenset({"40P01", "40001"})
"""PostgreSQL's deadlock_detected and serialization_failure: it chose this transaction to let another one go on.

Source: PostgreSQL, "PostgreSQL Error Codes", class 40, and "Serialization Failure Handling".
"""
_TIMES_ANEW = 2
_MOMENT_SECONDS = 0.1
_log = logging.getLogger(__name__)

Result = TypeVar("Result")


class Database:
    """One database, as seen by one process.

    Args:
        url: SQLAlchemy URL of a SQLite file or a PostgreSQL database.
    """

    def __init__(self, url: str) -> None:
        self.engine = _sqlite(url) if url.startswith("sqlite") else _postgresql(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self.writing_engine = self.engine.execution_options(writes=True)
        self._writers = sessionmaker(self.writing_engine, expire_on_commit=False)
        self._readers = sessionmaker(self.engine, expire_on_commit=False)
        # SQLite admits one writer; threads of one process queue here in order instead of polling its lock.
        self._turn: Lock | None = Lock() if self.is_sqlite else None

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Commit everything the block did, or nothing; then run what waited for the commit."""
        if self._turn is None:
            with self._committed() as session:
                yield session
        else:
            with self._turn, self._committed() as session:
                yield session
        for act in session.info.pop(_AFTER_COMMIT, ()):
            act()

    def transact(self, act: Callable[[Session], Result]) -> Result:
        """Do `act` in a transaction and return what it returned; anew, if PostgreSQL took that back for another's sake.

        Args:
            act: does everything by way of the session it is given, so that nothing is left of what was taken back.

        Raises:
            sqlalchemy.exc.DBAPIError: nothing was committed.
        """
        for _ in range(_TIMES_ANEW):
            try:
                with self.transaction() as session:
                    return act(session)
            except DBAPIError as error:
                state = getattr(error.orig, "sqlstate", None)
                if state not in _TAKEN_BACK:
                    raise
                _log.info("a transaction begins anew: PostgreSQL took it back", extra={"code": state})
                # Whoever was let go on needs a moment, or both would meet again.
                time.sleep(jitter(_MOMENT_SECONDS))
        with self.transaction() as session:
            return act(session)

    @contextmanager
    def _committed(self) -> Iterator[Session]:
        with self._writers() as session, session.begin():
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """Read; what the block changes is not kept. What it loaded may be used after it."""
        with self._readers() as session:
            yield session

    def dispose(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def forget_connections(self) -> None:
        """Drop the connections that a forked child has from its parent, without closing them for the parent."""
        self.engine.dispose(close=False)


def after_commit(session: Session, act: Callable[[], None]) -> None:
    """Run `act` once the session's transaction has been committed; never if it is rolled back."""
    session.info.setdefault(_AFTER_COMMIT, []).append(act)


def insert_new(session: Session, table: type[DeclarativeBase]) -> Any:
    """Return an INSERT of this database's dialect that has `on_conflict_do_nothing` and `returning`.

    That is how a unique constraint decides who was first without failing the transaction of who was second.
    """
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    return insert(table)


def mark_commit_actions(session: Session) -> Callable[[], None]:
    """Return what forgets every `after_commit` from here on, for a savepoint that is rolled back."""
    known = len(session.info.get(_AFTER_COMMIT, ()))

    def forget_later_ones() -> None:
        del session.info.get(_AFTER_COMMIT, [])[known:]

    return forget_later_ones


def _postgresql(url: str) -> Engine:
    return create_engine(
        url,
        **_POOL,
        pool_pre_ping=True,
        pool_recycle=1800,
        # Exception texts reach logs and Flower; bound values may be personal data.
        hide_parameters=True,
        connect_args={"options": "-c timezone=UTC -c lock_timeout=10000 -c statement_timeout=30000"},
    )


def _sqlite(url: str) -> Engine:
    path = url.removeprefix("sqlite:///")
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, hide_parameters=True, **_POOL, connect_args={"timeout": _BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def _prepare(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:  # noqa: ARG001
        # The driver must not open transactions of its own; `begin` below does.
        connection.isolation_level = None
        cursor = connection.cursor()
        _use_wal(cursor)
        for pragma in ("synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes: Any = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _use_wal(cursor: DBAPICursor) -> None:
    """Switch a fresh file to write-ahead logging; the busy timeout does not cover this, so it is tried again."""
    give_up_at = time.monotonic() + _BUSY_SECONDS
    while True:
        cursor.execute("PRAGMA journal_mode")
        if cursor.fetchone() == ("wal",):
            return
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.01)


@cache
def database() -> Database:
    """Return the process's database, opened on first use (after a fork, never before)."""
    return Database(settings().database_url)
