"""How many requests the API accepts: `POST /v1/bookings`, each for another slot and by a new customer."""

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bench.ground import Site
from bench.rows import phone
from worker.settings import REPOSITORY

CONNECTIONS = 8


@dataclass(frozen=True)
class Accepted:
    """What one round showed.

    Attributes:
        rate: 201s per second.
        cpu_ms: the API process's processor time per request; None where the system does not tell.
        median_ms: from request to answer, by the caller's clock.
    """

    rate: float
    cpu_ms: float | None
    median_ms: float


def request_body(shop_id: str, starts_at: datetime, number: int) -> dict[str, Any]:
    """Return the body of one request."""
    return {
        "shop": shop_id,
        "starts_at": starts_at.isoformat(),
        "contact": {"phone": phone(number)},
        # A network of its own for each: one may ask for sixty codes an hour.
        "customer_ip": f"2001:db8:{number % 0x10000:x}::1",
    }


def accept(site: Site, key: str, bodies: Sequence[Mapping[str, Any]], *, run: str) -> Accepted:
    """Post the bodies from a process of its own, and forget the jobs in the broker: nobody works here.

    Raises:
        RuntimeError: one was not accepted.
    """
    asked = {
        "host": "127.0.0.1",
        "port": site.port,
        "path": "/v1/bookings",
        "key": key,
        "connections": CONNECTIONS,
        "run": run,
        "bodies": list(bodies),
    }
    with site.awake():
        before = site.cpu_seconds("api")
        done = subprocess.run(
            [sys.executable, "-m", "bench.caller"],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            check=True,
            cwd=REPOSITORY,
        )
        after = site.cpu_seconds("api")
    site.redis.flushdb()
    told = json.loads(done.stdout)
    if told["statuses"] != {"201": len(bodies)}:
        raise RuntimeError(f"not every request was accepted: {told['statuses']}")
    return Accepted(
        rate=len(bodies) / told["seconds"],
        cpu_ms=None if before is None or after is None else 1000 * (after - before) / len(bodies),
        median_ms=statistics.median(told["milliseconds"]),
    )
