"""How soon a code is sent: from the request for a slot to the vendor's ledger, idle and while a flood falls due."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import requests
from sqlalchemy import func, select

from bench import rows
from bench.accepting import request_body
from bench.ground import Ledger, Site
from models.job import Job, Name
from worker.clock import system_now
from worker.database import Database

_PATIENCE_SECONDS = 60.0
_LOOK_SECONDS = 0.02
_BETWEEN_SECONDS = 0.1
_FLOODED = 100
_OF_THE_FLOOD = (Name.REMIND_ON_DAY, Name.DELIVER_MESSAGE)


@dataclass(frozen=True)
class Promptness:
    """Latencies in milliseconds, and what of the flood was left when the last was measured."""

    idle_ms: list[float]
    flooded_ms: list[float]
    left: int


class Customers:
    """Asks for slots, one customer after the other, and watches for each code."""

    def __init__(self, site: Site, ledger: Ledger, key: str, slots: Iterator[tuple[str, datetime]]) -> None:
        self._url = f"http://127.0.0.1:{site.port}/v1/bookings"
        self._ledger = ledger
        self._slots = slots
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {key}"
        self._number = rows.CUSTOMERS

    def latency_ms(self) -> float:
        """Ask for a slot; return the time from the request to the delivery of its code.

        Raises:
            TimeoutError: no code came.
        """
        self._number += 1
        shop_id, starts_at = next(self._slots)
        began = system_now()
        answer = self._session.post(
            self._url,
            json=request_body(shop_id, starts_at, self._number),
            headers={"Idempotency-Key": f"bench-code-{self._number}"},
            timeout=_PATIENCE_SECONDS,
        )
        answer.raise_for_status()
        give_up = time.monotonic() + _PATIENCE_SECONDS
        while (at := self._ledger.last_delivered_at(to=rows.phone(self._number))) is None:
            if time.monotonic() > give_up:
                raise TimeoutError("a code did not come within a minute")
            time.sleep(_LOOK_SECONDS)
        time.sleep(_BETWEEN_SECONDS)
        return (datetime.fromisoformat(at) - began) / timedelta(milliseconds=1)


def measure(
    site: Site, ledger: Ledger, database: Database, customers: Customers, *, codes: int, flood: int
) -> Promptness:
    """Measure codes idle, let the flood fall due, and measure as many again while it drains.

    Raises:
        RuntimeError: the flood was over too soon to tell anything; BENCH_FLOOD makes it larger.
    """
    with site.awake():
        for _ in range(3):  # connections and caches are made by the first
            customers.latency_ms()
        idle = [customers.latency_ms() for _ in range(codes)]
    now = system_now()
    with database.transaction() as session:
        rows.add_reminders(session, rows.add_bookings(session, flood, now=now), now=now)
    with site.awake():
        before = ledger.delivered()
        while ledger.delivered() < before + _FLOODED:
            time.sleep(_BETWEEN_SECONDS)
        flooded = [customers.latency_ms() for _ in range(codes)]
        with database.snapshot() as session:
            left = session.scalars(select(func.count()).where(Job.name.in_(_OF_THE_FLOOD))).one()
    if not left:
        raise RuntimeError("the flood was over before the last code; make it larger with BENCH_FLOOD")
    return Promptness(idle, flooded, left)
