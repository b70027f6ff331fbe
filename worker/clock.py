"""The one place that reads the clock. Business time is system time plus an offset that only moves forward.

API, workers, beat and sandbox read the same one-row table, so a demonstration can move everybody's time.
Leases do not use this clock: they use the database's own time.
"""

import time
from datetime import UTC, datetime, timedelta
from functools import cache
from threading import Lock

from sqlalchemy import select, update
from sqlalchemy.engine import Engine

from models.clock import ClockOffset
from worker.database import database
from worker.settings import Environment, settings

_CACHED_SECONDS = 1.0


class Clock:
    """Business time, in UTC.

    Args:
        engine: where the offset is kept; None keeps system time.
    """

    def __init__(self, engine: Engine | None = None) -> None:
        self._engine = engine
        self._offset = timedelta(0)
        self._read_at = float("-inf")
        self._lock = Lock()

    def now(self) -> datetime:
        """Return the present instant."""
        return system_now() + self._current_offset()

    def _current_offset(self) -> timedelta:
        if self._engine is None or settings().environment is Environment.PRODUCTION:
            return timedelta(0)
        with self._lock:
            if time.monotonic() - self._read_at >= _CACHED_SECONDS:
                with self._engine.connect() as connection:
                    seconds = connection.scalar(select(ClockOffset.offset_seconds))
                self._offset = timedelta(seconds=seconds or 0.0)
                self._read_at = time.monotonic()
            return self._offset

    def advance(self, by: timedelta) -> datetime:
        """Move everybody's time forward and return the new present.

        Raises:
            ValueError: `by` is negative, or this is production.
        """
        if settings().environment is Environment.PRODUCTION:
            raise ValueError("the clock does not move in production")
        if by < timedelta(0):
            raise ValueError("the clock moves forward only: deadlines that have passed stay passed")
        if self._engine is None:
            raise ValueError("this clock has no database to keep an offset in")
        with self._engine.begin() as connection:
            connection.execute(
                update(ClockOffset).values(offset_seconds=ClockOffset.offset_seconds + by.total_seconds())
            )
        with self._lock:
            self._read_at = float("-inf")
        return self.now()


def system_now() -> datetime:
    """Return the host's own time, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - this is the one place


def unix_ms() -> int:
    """Return milliseconds since 1970 of the host's own time, for ids."""
    return time.time_ns() // 1_000_000


@cache
def clock() -> Clock:
    """Return the process's clock."""
    return Clock(database().engine)
