"""The rows that the bench lets wait and fall due are rows that the real deadline can end."""

import pytest

from bench.waiting_cases import against_waiting
from tests.worker.desk import postgresql_only
from worker.database import Database
from worker.embedded import RedisServer


@pytest.fixture
def broker(redis: RedisServer, environment: pytest.MonkeyPatch) -> None:
    """The run's Redis as the process's broker."""
    environment.setenv("BROKER_URL", redis.url)


@postgresql_only
def test_every_due_case_ends_and_no_waiting_one(broker: None, database: Database) -> None:
    none, some = against_waiting(database, (0, 30), rounds=1, due=3)

    assert (none.waiting, some.waiting) == (0, 30)
    assert min(none.each_ms, some.each_ms, none.blocks, some.blocks) > 0
