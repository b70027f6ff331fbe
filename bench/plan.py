"""How much is measured. Quick by default; `BENCH_FULL=1` takes the sizes that prove something."""

from collections.abc import Mapping
from dataclasses import dataclass

PARTS = ("throughput", "codes", "outage", "sweeps", "slots", "cases", "churn")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The sizes of one run.

    Attributes:
        rounds: how often each throughput is measured, in turns with the others; the median counts.
        requests: bookings asked for per round and database.
        messages: messages sent per round, one by one and again in bulk.
        tasks: bare no-ops per round.
        codes: codes whose latency is measured, idle and again under the flood.
        flood: reminders that fall due at once.
        waiting: numbers of waiting rows at which a sweep is timed.
        sweeps: how many sweeps are timed at each of them.
        searched: bookings beside which a shop's free slots are searched.
        churned: jobs inserted and deleted beside an open read.
        owed: messages that are due when the vendors go.
        outage_seconds: real time that an hour without vendors takes.
        drain_seconds: how long the drain afterwards is watched; None: until nothing waits.
        sms_per_second, mail_per_second: calls that the vendors take then; few, so that not the machine is the limit.
        parts: what is measured, of `PARTS`.
    """

    full: bool
    rounds: int
    requests: int
    messages: int
    tasks: int
    codes: int
    flood: int
    waiting: tuple[int, ...]
    sweeps: int
    searched: tuple[int, ...]
    churned: int
    owed: int
    outage_seconds: float
    drain_seconds: float | None
    sms_per_second: float
    mail_per_second: float
    parts: tuple[str, ...]

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Plan":
        """Read `BENCH_FULL`, `BENCH_ROUNDS`, `BENCH_FLOOD` and `BENCH_ONLY`.

        Raises:
            ValueError: a size is not a number above zero, or there is no such part.
        """
        full = environ.get("BENCH_FULL", "") not in {"", "0"}
        return cls(
            full=full,
            rounds=_number(environ, "BENCH_ROUNDS", 5 if full else 3),
            requests=2_000 if full else 300,
            messages=5_000 if full else 600,
            tasks=20_000 if full else 4_000,
            codes=100 if full else 20,
            flood=_number(environ, "BENCH_FLOOD", 100_000 if full else 10_000),
            waiting=(0, 10_000, 100_000, 1_000_000) if full else (0, 10_000, 100_000),
            sweeps=60 if full else 30,
            searched=(500, 10_000, 100_000) if full else (500, 100_000),
            churned=1_000_000 if full else 40_000,
            owed=50_000,
            outage_seconds=600.0 if full else 25.0,
            drain_seconds=None if full else 25.0,
            sms_per_second=20.0 if full else 5.0,
            mail_per_second=12.0 if full else 3.0,
            parts=_parts(environ),
        )


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(f"{name} must be a number above zero")
    return int(text)


def _parts(environ: Mapping[str, str]) -> tuple[str, ...]:
    only = environ.get("BENCH_ONLY") or ""
    if only and only not in PARTS:
        raise ValueError(f"BENCH_ONLY must be one of {', '.join(PARTS)}")
    return (only,) if only else PARTS
