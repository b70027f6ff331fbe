"""What time it is in the sandbox: the system's time plus the offset by which the project has moved its own clock.

The offset is read from the one-row table `clock` of the project's database, the only thing of that database that is
looked at. This module knows nothing of what is timed.
"""

import threading
import time as system
from datetime import UTC, datetime

import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

KEEP_SECONDS = 1.0


class Clock:
    """Epoch seconds. Safe to ask from any thread; the offset is looked up at most once a second."""

    def __init__(self, database_url: str | None) -> None:
        self._engine = _reader(database_url) if database_url else None
        self._lock = threading.Lock()
        self._offset_seconds = 0.0
        self._read_at: float | None = None

    def now(self) -> float:
        """Return the present instant in epoch seconds, moved by the offset."""
        return system.time() + self._offset()  # noqa: TID251 - the one place in this room that reads the clock

    def _offset(self) -> float:
        if self._engine is None:
            return 0.0
        with self._lock:
            if self._read_at is None or system.monotonic() - self._read_at >= KEEP_SECONDS:
                self._offset_seconds = _offset_in(self._engine)
                self._read_at = system.monotonic()
            return self._offset_seconds


def instant(epoch_seconds: float) -> datetime:
    """Return the aware UTC datetime of an instant given in epoch seconds."""
    return datetime.fromtimestamp(epoch_seconds, UTC)


def _reader(database_url: str) -> sqlalchemy.Engine:
    url = sqlalchemy.make_url(database_url)
    if url.get_backend_name() != "sqlite":
        return sqlalchemy.create_engine(url, pool_size=1, pool_pre_ping=True, connect_args={"connect_timeout": 2})
    # Read-only, or a look at the clock would create the project's database as an empty file.
    read_only = url.set(database=f"file:{url.database}", query={"mode": "ro", "uri": "true"})
    return sqlalchemy.create_engine(read_only, poolclass=NullPool, connect_args={"timeout": 2})


def _offset_in(engine: sqlalchemy.Engine) -> float:
    try:
        with engine.connect() as connection:
            found = connection.execute(sqlalchemy.text("SELECT offset_seconds FROM clock WHERE id = 1")).scalar()
    except SQLAlchemyError:
        # No database yet, no table yet: nobody has moved the clock.
        return 0.0
    return float(found or 0.0)
