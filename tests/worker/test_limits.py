"""Rates that all workers share and caps that all processes share: kept under any load, fair, and given back."""

import os
import subprocess
import sys
import time as stopwatch
from collections import Counter as Tally
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from models.limit import Bucket, Cap, Rate
from tests.worker.desk import MINUTE, MOMENT, NOW, at_once, sqlite_only
from worker import limits
from worker.database import Database

ROOT = Path(__file__).parents[2]
SLOW = Rate(per_second=1.0)
HOUR = Cap(3, timedelta(hours=1))
MOST_LEASED_SECONDS = 0.2
TAKER = """
import sys, time
from models.limit import Rate
from worker import limits
from worker.database import database
taken, until = 0, time.monotonic() + 1.5
while time.monotonic() < until:
    with database().transaction() as session:
        wait = limits.take(session, "shared", Rate(per_second=100.0))
    taken += wait is None
    time.sleep(0 if wait is None else 0.01)
print(taken)
"""


@pytest.fixture(autouse=True)
def own_allowances(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins as a process does that has taken nothing yet."""
    monkeypatch.setattr(limits, "_allowances", limits._Allowances())


def take(database: Database, rate: Rate = SLOW, key: str = "key", *, cost: float = 1.0, overdraw: bool = False) -> bool:
    with database.transaction() as session:
        return limits.take(session, key, rate, cost=cost, overdraw=overdraw) is None


def wait(database: Database, rate: Rate = SLOW, *, cost: float = 1.0) -> timedelta | None:
    with database.transaction() as session:
        return limits.take(session, "key", rate, cost=cost)


def count(database: Database, cap: Cap = HOUR, *, after: timedelta = timedelta()) -> int:
    with database.transaction() as session:
        return limits.count(session, "key", cap, now=NOW + after)


def counted(database: Database, *, after: timedelta = timedelta()) -> int:
    with database.snapshot() as session:
        return limits.counted(session, "key", now=NOW + after)[0]


def take_for(seconds: float, take_one: Callable[[], bool]) -> int:
    """Take as fast as can be for so long; return how often there was something to take."""
    taken, until = 0, stopwatch.monotonic() + seconds
    while stopwatch.monotonic() < until:
        if take_one():
            taken += 1
        else:
            stopwatch.sleep(0.005)
    return taken


@contextmanager
def undone(database: Database) -> Iterator[Session]:
    """Open a transaction that is rolled back in the end."""
    with suppress(ZeroDivisionError), database.transaction() as session:
        yield session
        raise ZeroDivisionError


# Rates


def test_after_a_pause_a_burst_goes_at_once_and_no_more(database: Database) -> None:
    rate = Rate(per_second=0.01, burst_seconds=300)

    taken = [take(database, rate) for _ in range(6)]

    # The one that begins within the burst's time may end after it.
    assert taken == [True] * 4 + [False] * 2


def test_who_gets_nothing_is_told_how_long_it_takes(database: Database) -> None:
    rate = Rate(per_second=0.01)
    take(database, rate)

    told = wait(database, rate)

    assert told is not None
    assert timedelta(seconds=90) < told <= timedelta(seconds=100)


def test_what_costs_more_makes_the_next_wait_longer(database: Database) -> None:
    rate = Rate(per_second=0.01)
    take(database, rate, cost=3)

    told = wait(database, rate)

    assert told is not None
    assert timedelta(seconds=290) < told <= timedelta(seconds=300)


def test_one_key_does_not_wait_for_another(database: Database) -> None:
    rate = Rate(per_second=0.01)
    take(database, rate, "one")

    assert take(database, rate, "other")


def test_what_was_rolled_back_was_never_taken(database: Database) -> None:
    rate = Rate(per_second=0.01)

    with undone(database) as session:
        limits.take(session, "key", rate)

    assert take(database, rate)


def test_a_transaction_that_is_rolled_back_leaves_its_process_nothing_to_give_away(database: Database) -> None:
    fast = Rate(per_second=1000.0)

    with undone(database) as session:
        limits.take(session, "key", fast)

    assert not limits._allowances.spend("key", 1.0)


def test_what_a_process_has_taken_in_advance_goes_stale(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    take(database, Rate(per_second=1000.0))
    now = stopwatch.monotonic()
    assert limits._allowances.spend("key", 1.0)

    monkeypatch.setattr(stopwatch, "monotonic", lambda: now + 2)

    assert not limits._allowances.spend("key", 1.0)


def test_a_code_is_not_kept_waiting_but_the_others_wait_for_it(database: Database) -> None:
    rate = Rate(per_second=0.01)
    take(database, rate)

    overdrawn = take(database, rate, overdraw=True)

    told = wait(database, rate)
    assert overdrawn
    assert told is not None
    assert timedelta(seconds=190) < told <= timedelta(seconds=200)


def test_a_rate_is_kept_over_many_threads(database: Database) -> None:
    rate, started = Rate(per_second=100.0), stopwatch.monotonic()

    taken = sum(at_once(*[lambda: take_for(1.0, lambda: take(database, rate))] * 6))

    lasted = stopwatch.monotonic() - started
    assert 0 < taken <= rate.per_second * (lasted + rate.burst_seconds + MOST_LEASED_SECONDS) + 1


def test_a_rate_is_kept_over_several_processes(database: Database, database_url: str) -> None:
    started = stopwatch.monotonic()
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", TAKER],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "ENVIRONMENT": "test", "DATABASE_URL": database_url},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]

    taken = [int(taker.communicate(timeout=60)[0]) for taker in takers]

    lasted = stopwatch.monotonic() - started
    assert sum(taken) <= 100.0 * (lasted + 1 + MOST_LEASED_SECONDS) + 1
    # On a busy machine one of them may come too late to get any.
    assert sorted(taken)[1] > 0


# Fairness


def fairly(database: Database, claimant: str, rate: Rate, *, overdraw: bool = False) -> bool:
    with database.transaction() as session:
        return limits.take_fairly(session, "fair", claimant, rate, overdraw=overdraw) is None


def test_who_is_alone_has_everything(database: Database) -> None:
    rate = Rate(per_second=100.0)

    taken = take_for(1.5, lambda: fairly(database, "fred", rate))

    # It began with a burst of a second's worth; that much again is more than half of the rate would have given.
    assert taken > 0.6 * rate.per_second * 1.5 + 0.5 * rate.per_second


@sqlite_only
def test_a_flood_of_one_shop_leaves_another_its_share(database: Database) -> None:
    rate = Rate(per_second=60.0)
    flood: Tally[str] = Tally()
    take_for(1.0, lambda: fairly(database, "flood", rate))

    def run(claimant: str) -> None:
        flood[claimant] += take_for(3.0, lambda: fairly(database, claimant, rate))

    threads = [Thread(target=run, args=(claimant,)) for claimant in ("flood", "small")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert flood["small"] > flood["flood"] / 3


def test_a_code_goes_even_while_its_own_shop_floods(database: Database) -> None:
    rate = Rate(per_second=0.01)
    while fairly(database, "fred", rate):
        pass

    assert fairly(database, "fred", rate, overdraw=True)


# Caps


def test_what_is_counted_adds_up_within_the_window(database: Database) -> None:
    assert [count(database) for _ in range(4)] == [1, 2, 3, 4]


def test_the_end_of_a_window_is_exclusive_and_the_next_begins_with_the_next(database: Database) -> None:
    count(database)

    last = count(database, after=HOUR.window - MOMENT)
    first = count(database, after=HOUR.window)

    assert (last, first) == (2, 1)


def test_a_window_is_not_prolonged_by_what_is_counted_in_it(database: Database) -> None:
    count(database)
    count(database, after=59 * MINUTE)

    assert counted(database, after=59 * MINUTE) == 2
    assert counted(database, after=60 * MINUTE) == 0


def test_what_was_never_counted_is_none(database: Database) -> None:
    with database.snapshot() as session:
        assert limits.counted(session, "key", now=NOW) == (0, None)


def test_a_count_that_is_rolled_back_counts_nothing(database: Database) -> None:
    with undone(database) as session:
        limits.count(session, "key", HOUR, now=NOW)

    assert counted(database) == 0


def test_eight_at_once_are_eight(database: Database) -> None:
    counts = at_once(*[lambda: count(database)] * 8)

    assert sorted(counts) == list(range(1, 9))


def test_a_key_has_one_row(database: Database) -> None:
    at_once(*[lambda: take(database, Rate(per_second=100.0))] * 8)

    with database.snapshot() as session:
        assert len(session.scalars(select(Bucket)).all()) == 1
