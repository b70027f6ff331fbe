"""Rates and caps that all processes share, in rows. What is limited is a key; the caller knows what it stands for."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from models.base import database_time
from models.limit import Bucket, Cap, Counter, Rate
from worker.database import after_commit, insert_new

_LEASE_SECONDS = 0.2
"""How many seconds' worth of a rate a process takes at once, so that fast rates are not one row's lock apart."""
_LATELY = timedelta(seconds=3)


@dataclass
class _Allowance:
    units: float
    good_until: float


class _Allowances:
    """What this process has taken of a rate and not used yet; it goes stale within a second."""

    def __init__(self) -> None:
        self._held: dict[str, _Allowance] = {}
        self._lock = threading.Lock()

    def spend(self, key: str, cost: float) -> bool:
        with self._lock:
            held = self._held.get(key)
            if held is None or held.units < cost or time.monotonic() > held.good_until:
                return False
            held.units -= cost
            return True

    def add(self, key: str, units: float) -> None:
        with self._lock:
            held = self._held.get(key)
            left = held.units if held is not None and time.monotonic() <= held.good_until else 0.0
            self._held[key] = _Allowance(left + units, time.monotonic() + 1.0)


_allowances = _Allowances()


def take(session: Session, key: str, rate: Rate, *, cost: float = 1.0, overdraw: bool = False) -> timedelta | None:
    """Take `cost` units of a rate; None if they were to be had, else how long until the next are.

    Args:
        session: the transaction of what the units are for; if it is rolled back they were never taken.
        key: what is limited.
        rate: how fast.
        cost: units.
        overdraw: take them in any case, and let the others wait for it: for what is urgent and rare.
    """
    if _allowances.spend(key, cost):
        return None
    now, bucket = _bucket(session, key)
    begins = max(bucket.spent_until, now - timedelta(seconds=rate.burst_seconds))
    if begins > now and not overdraw:
        return begins - now
    # More than is wanted, where the rate is fast: the rest is this process's for a moment.
    units = max(cost, rate.per_second * _LEASE_SECONDS) if not overdraw else cost
    bucket.spent_until = begins + timedelta(seconds=units / rate.per_second)
    if units > cost:
        after_commit(session, _giving(key, units - cost))
    return None


def take_fairly(
    session: Session, key: str, claimant: str, rate: Rate, *, cost: float = 1.0, overdraw: bool = False
) -> timedelta | None:
    """Take units of a rate that several claimants share; while it is scarce nobody gets more than an equal part.

    Each claimant has a lane of its own. A lane's speed is the whole rate divided by the lanes that were used lately, so
    a flood of one does not make the others wait, and alone it has everything.
    """
    if overdraw:
        return take(session, key, rate, cost=cost, overdraw=True)
    if _allowances.spend(f"{key}/{claimant}", cost) and _allowances.spend(key, cost):
        return None
    now = session.scalars(select(database_time())).one()
    lanes = session.scalars(
        select(func.count())
        .select_from(Bucket)
        .where(Bucket.key.startswith(f"{key}/", autoescape=True), Bucket.spent_until > now - _LATELY)
    ).one()
    lane = Rate(rate.per_second / max(1, lanes), rate.burst_seconds)
    wait = take(session, f"{key}/{claimant}", lane, cost=cost)
    return wait if wait is not None else take(session, key, rate, cost=cost)


def count(session: Session, key: str, cap: Cap, *, now: datetime, by: int = 1) -> int:
    """Count so many more and return what that makes in the present window. The caller compares and may roll back."""
    counted: int = session.scalars(
        insert_new(session, Counter)
        .values(key=key, window_ends_at=now + cap.window, count=by)
        .on_conflict_do_update(
            index_elements=[Counter.key],
            set_={
                "count": case((Counter.window_ends_at <= now, by), else_=Counter.count + by),
                "window_ends_at": case((Counter.window_ends_at <= now, now + cap.window), else_=Counter.window_ends_at),
            },
        )
        .returning(Counter.count)
    ).one()
    return counted


def counted(session: Session, key: str, *, now: datetime) -> tuple[int, datetime | None]:
    """Return how many were counted in the present window, and when it ends."""
    row = session.get(Counter, key, populate_existing=True)
    return (row.count, row.window_ends_at) if row is not None and row.window_ends_at > now else (0, None)


def _bucket(session: Session, key: str) -> tuple[datetime, Bucket]:
    now = session.scalars(select(database_time())).one()
    session.execute(
        insert_new(session, Bucket)
        .values(key=key, spent_until=now - timedelta(days=1))
        .on_conflict_do_nothing(index_elements=[Bucket.key])
    )
    bucket = session.get_one(Bucket, key, with_for_update=True, populate_existing=True)
    # The row may have been waited for.
    return session.scalars(select(database_time())).one(), bucket


def _giving(key: str, units: float) -> Callable[[], None]:
    return lambda: _allowances.add(key, units)
