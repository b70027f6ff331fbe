"""What the bench searches for is there to be found, and is the same however much lies beside it."""

import pytest

from bench import slot_search
from bench.slot_search import over_a_year
from tests.worker.desk import postgresql_only
from worker.database import Database


@postgresql_only
def test_a_search_finds_the_same_whatever_other_shops_have(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slot_search, "EACH", 20)
    monkeypatch.setattr(slot_search, "SHOPS", 3)
    monkeypatch.setattr(slot_search, "WINDOWS", (1, 7))
    monkeypatch.setattr(slot_search, "_COUNTED_SECONDS", 0.0)

    alone_day, alone_week, alone_next, day, week, next_ = over_a_year(database, (20, 60), rounds=2)

    assert [each.bookings for each in (alone_day, day)] == [20, 60]
    assert [each.found for each in (alone_day, alone_week, alone_next)] == [each.found for each in (day, week, next_)]
    assert (week.days, next_.found) == (7, 5)
    assert week.found > day.found > 0
