"""How fast work is done: bare no-ops by Celery alone, and messages of ours from row to the vendor's ledger."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bench import rows
from bench.bare import QUEUE, TASK, app_on
from bench.ground import WORKERS, Ledger, Site
from worker.clock import clock, system_now
from worker.database import Database

_PATIENCE_SECONDS = 300.0
_SWEEP_SECONDS = 1.0
_LOOK_SECONDS = 0.1
_LOOK_OFTEN_SECONDS = 0.005
_WARM_TASKS, _WARM_MESSAGES = 100, 32


@dataclass(frozen=True)
class Drained:
    """What one round showed.

    Attributes:
        rate: done per second.
        cpu_ms: processor time of both workers for each; None where the system does not tell.
        most_deliveries: how often the message that was delivered most often was; 0 for no-ops.
    """

    rate: float
    cpu_ms: float | None
    most_deliveries: int = 0


def drain_bare(site: Site, count: int) -> Drained:
    """Do no-ops that lie in the broker when the workers wake."""
    with site.awake():
        _publish(site, _WARM_TASKS)
        _wait(lambda: _left(site) == 0, _LOOK_OFTEN_SECONDS)
    _publish(site, count)
    before, began = site.cpu_seconds(*WORKERS), time.monotonic()
    with site.awake():
        _wait(lambda: _left(site) == 0, _LOOK_OFTEN_SECONDS)
        seconds = time.monotonic() - began
        # What was taken last is not in the broker any more, but may still be on its way through a thread.
        time.sleep(_LOOK_SECONDS)
        after = site.cpu_seconds(*WORKERS)
    return Drained(rate=count / seconds, cpu_ms=_each(before, after, count))


def drain_messages(site: Site, ledger: Ledger, database: Database, count: int, *, bulk: bool) -> Drained:
    """Send reminders that are due when the clock starts.

    Args:
        site: two workers and a sandbox.
        ledger: the sandbox's.
        database: the site's.
        count: how many.
        bulk: start from the reminders' timers, which are done by the hundred, instead of from queued messages.
    """
    with site.awake():
        _owe(database, _WARM_MESSAGES, bulk=bulk)
        _sweep_until(lambda: ledger.delivered() >= _WARM_MESSAGES)
        ledger.empty()
        _owe(database, count, bulk=bulk)
        before, began = site.cpu_seconds(*WORKERS), system_now()
        _sweep_until(lambda: ledger.delivered() >= count)
        after = site.cpu_seconds(*WORKERS)
        ended = datetime.fromisoformat(ledger.last_delivered_at() or "")
        most = ledger.most_deliveries()
        # The last answers are still being recorded.
        time.sleep(2 * _LOOK_SECONDS)
        ledger.empty()
    return Drained(count / (ended - began).total_seconds(), _each(before, after, count), most)


def _owe(database: Database, count: int, *, bulk: bool) -> None:
    now = clock().now()
    with database.transaction() as session:
        bookings = rows.add_bookings(session, count, now=now)
        (rows.add_reminders if bulk else rows.add_messages)(session, bookings, now=now)


def _publish(site: Site, count: int) -> None:
    with app_on(site.environment["BROKER_URL"]) as app, app.producer_or_acquire() as producer, producer.batch(200):
        for _ in range(count):
            app.send_task(TASK, producer=producer)


def _left(site: Site) -> int:
    """Return what Celery's own bookkeeping on Redis still holds: not fetched, or fetched and not acknowledged."""
    with site.redis.pipeline() as pipeline:
        pipeline.llen(QUEUE)
        pipeline.hlen("unacked")
        return sum(int(count) for count in pipeline.execute())


def _sweep_until(reached: Callable[[], bool]) -> None:
    """Knock for a sweep at once and then every second, as beat does, so that no round begins with a wait for it."""
    # Late: the app reads the settings, which this run sets first.
    from worker.app import app

    due = time.monotonic()

    def look() -> bool:
        nonlocal due
        if time.monotonic() >= due:
            app.send_task("jobs.sweep", queue="sweeps", expires=5)
            due += _SWEEP_SECONDS
        return reached()

    _wait(look, _LOOK_SECONDS)


def _wait(reached: Callable[[], bool], every_seconds: float) -> None:
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while not reached():
        if time.monotonic() > give_up:
            raise TimeoutError("the workers did not come to an end; their logs are in var/bench")
        time.sleep(every_seconds)


def _each(before: float | None, after: float | None, count: int) -> float | None:
    return None if before is None or after is None else 1000 * (after - before) / count
