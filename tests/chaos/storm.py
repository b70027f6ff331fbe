"""`make chaos`: customers book while everything is killed, flushed, frozen, slowed and lied to, by a seed.

It lets the storm pass, waits until all that was owed is done, and prints a verdict from the vendor's ledger and the
rows. Exit status 0 if nothing was lost, doubled or stuck; else 1. A storm of ten minutes or more is also held to how
many messages and faults there were: with too few it has shown nothing, and the status is 1 as well.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from pathlib import Path

from sqlalchemy import func, select

from models.job import Job
from models.message import Message, State
from tests.chaos import verdict
from tests.chaos.adversary import Broker, Hours, Liar, Vandal, Weather, to_next_hour
from tests.chaos.customers import Customers
from tests.chaos.scene import Scene, scene
from worker.clock import system_now, unix_ms
from worker.settings import REPOSITORY

_SETTLES_WITHIN_SECONDS = 120.0
_STEPS = (*(timedelta(minutes=minutes) for minutes in (1.4, 6, 32, 32)), timedelta(hours=49), timedelta(hours=1))
"""The clock's steps after the storm: past each look at the vendor for an answer that was lost, past every hold,
and past the two days for which a report that does not come is waited for."""
_MORE_ROUNDS = 12


@dataclass(frozen=True)
class Options:
    """What kind of storm."""

    seed: int
    seconds: float
    rate: float
    report: Path | None
    keep: Path | None


@dataclass(frozen=True)
class Passed:
    """A storm that is over."""

    options: Options
    found: verdict.Found
    weather: Weather
    violations: Sequence[str]
    shortfalls: Sequence[str]
    began_at: datetime
    business_began_at: datetime
    starts: dict[str, int]
    drained_in_seconds: float

    @property
    def is_good(self) -> bool:
        """Whether all is well, and it was a storm."""
        short = self.options.seconds < verdict.FULL_STORM_SECONDS
        return not self.violations and (short or not self.shortfalls)


def main(arguments: Sequence[str]) -> int:
    """Raise a storm, and judge what is left; 0 if all is well."""
    options = _options(arguments)
    _say(f"CHAOS_SEED={options.seed} CHAOS_SECONDS={options.seconds:g}, {options.rate:g} customers a second")
    folder = Path(tempfile.mkdtemp(prefix="toritsugi-chaos-"))
    # PostgreSQL does not run as root; whoever it runs as must get in here.
    folder.chmod(0o711)
    try:
        with scene(folder) as place:
            _say("Everything is up. The storm begins.")
            passed = _weather(place, options)
        text = report(passed)
        _say(f"\n{text}")
        if options.report is not None:
            options.report.parent.mkdir(parents=True, exist_ok=True)
            options.report.write_text(text)
        if options.keep is not None or not passed.is_good:
            kept = options.keep or REPOSITORY / "var" / "chaos"
            _keep(folder, kept, passed.weather)
            _say(f"Logs and the ledger are in {kept}")
        return 0 if passed.is_good else 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _options(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.storm", description=__doc__)
    parser.add_argument("--seed", type=int, default=_number("CHAOS_SEED", unix_ms() % 1_000_000))
    parser.add_argument("--seconds", type=float, default=_number("CHAOS_SECONDS", 600))
    parser.add_argument("--rate", type=float, default=3.0, help="customers that come in a second")
    parser.add_argument("--report", type=Path, help="a file for the report, in Markdown")
    parser.add_argument("--keep", type=Path, help="a folder for logs and ledger; else only after a bad end")
    chosen = parser.parse_args(arguments)
    return Options(chosen.seed, chosen.seconds, chosen.rate, chosen.report, chosen.keep)


def _number(name: str, default: int) -> int:
    return int(os.environ.get(name) or default)


def _weather(place: Scene, options: Options) -> Passed:
    began_at, business_began_at = system_now(), place.clock.now()
    weather = Weather()
    customers = Customers(place, seed=options.seed, rate=options.rate)
    jumps = max(2, round(options.seconds / 60))
    parts = (
        customers,
        Liar(place, weather, seed=options.seed),
        Hours(place, weather, jumps=jumps, seconds=options.seconds),
        Vandal(place, weather, seed=options.seed),
    )
    for part in parts:
        part.start()
    _watch(place, options.seconds)
    weather.over.set()
    # The vandal first: it leaves everything running, which the others need to come to an end.
    for part in reversed(parts):
        part.stop()
    _say("The storm is over. What is owed is being done …")
    calm = time.monotonic()
    _drain(place)
    found = verdict.read(place, customers.promises)
    return Passed(
        options=options,
        found=found,
        weather=weather,
        violations=verdict.violations(found),
        shortfalls=verdict.shortfalls(found),
        began_at=began_at,
        business_began_at=business_began_at,
        starts={name: place.stack.starts(name) for name in place.stack.names},
        drained_in_seconds=time.monotonic() - calm,
    )


def _watch(place: Scene, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(15.0, left))
        (row,) = place.ledger_rows("SELECT count(*) AS taken, count(delivered_at) AS delivered FROM letter")
        _say(f"  {seconds - max(0.0, end - time.monotonic()):4.0f} s: {row['delivered']} delivered")


def _drain(place: Scene) -> None:
    """Move the clock past everything that waits to be found out, and let everything be done in between."""
    broker = Broker(place)
    to_next_hour(place)
    settle(place)
    for step in _STEPS:
        place.clock.advance(step)
        settle(place)
        _ask_for_reports(place, broker)
    for _ in range(_MORE_ROUNDS):
        if not _under_way(place):
            break
        place.clock.advance(timedelta(hours=1))
        settle(place)


def settle(place: Scene) -> None:
    """Wait until nothing is due; what is not done in time, the verdict will name."""
    # Every process reads the clock once a second, and a vendor's reports may be on their way.
    time.sleep(1.2)
    give_up = time.monotonic() + _SETTLES_WITHIN_SECONDS
    quiet = 0
    while quiet < 2 and time.monotonic() < give_up:
        quiet = quiet + 1 if not _due(place) and not _reports_due(place) else 0
        time.sleep(0.3)


def _ask_for_reports(place: Scene, broker: Broker) -> None:
    """Let the vendor be asked for the reports that were lost; one round of questions is only so long."""
    late = select(func.count()).where(Message.next_poll_at <= place.clock.now())
    for _ in range(_MORE_ROUNDS):
        with place.database.snapshot() as session:
            if not session.scalars(late).one():
                return
        broker.knock()
        settle(place)


def _due(place: Scene) -> int:
    query = select(func.count()).where(Job.due_at <= place.clock.now(), Job.parked_at.is_(None))
    with place.database.snapshot() as session:
        return session.scalars(query).one()


def _under_way(place: Scene) -> int:
    open_ends = select(Message).where(Message.state.in_([*verdict.UNDER_WAY, State.UNKNOWN]))
    with place.database.snapshot() as session:
        found = session.scalars(open_ends).all()
    return sum(verdict.is_open(message) for message in found)


def _reports_due(place: Scene) -> int:
    now = place.clock.now().timestamp()
    (row,) = place.ledger_rows("SELECT count(*) AS n FROM receipt WHERE ended_at IS NULL AND due_at <= ?", (now,))
    return int(row["n"])


def _keep(folder: Path, kept: Path, weather: Weather) -> None:
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    shutil.copytree(folder / "log", kept / "log")
    for file in folder.glob("sandbox.db*"):
        shutil.copy2(file, kept)
    lines = (f"{event.at_seconds:7.1f}  {event.what}\n" for event in weather.events)
    (kept / "weather.txt").write_text("".join(lines))


def report(passed: Passed) -> str:
    """Return what happened and what came of it, in Markdown."""
    found, options = passed.found, passed.options
    said = "NOT AS IT SHOULD BE" if passed.violations else "nothing lost, nothing doubled, nothing stuck"
    if not passed.violations and not passed.is_good:
        said = "TOO LITTLE TO TELL"
    when = (
        f"{passed.began_at:%Y-%m-%d %H:%M} UTC, {options.seconds:g} seconds of storm and "
        f"{passed.drained_in_seconds:.0f} until all was done; "
        f"{(found.now - passed.business_began_at) / timedelta(hours=1):.1f} hours of business time. "
        f"Play it again with `make chaos CHAOS_SEED={options.seed} CHAOS_SECONDS={options.seconds:g}`: "
        "the dice fall the same, what they meet does not."
    )
    what = (
        f"{found.promises.begun} customers came, {len(found.promises.codes)} proofs were begun, "
        f"{len(found.promises.completed)} bookings completed, {len(found.promises.changed)} changed, "
        f"{len(found.promises.cancelled)} cancelled. {len(found.messages)} messages in {len(found.attempts)} calls; "
        f"the vendor delivered {found.deliveries.total()}, no message more than "
        f"{max(found.deliveries.values(), default=0)} times. {verdict.overtaken(found)} times there was nothing left "
        "to say: the hold or the revision had ended before the message was written."
    )
    rarest, times = min(verdict.hits(found).items(), key=itemgetter(1))
    needed = (
        f"{len(found.messages)} messages, where {verdict.FEWEST_MESSAGES} are needed for a claim; the fault that was "
        f"met least, {rarest}, was met {times} times, where {verdict.WORTH_A_CLAIM} are needed; "
        f"{len(passed.violations)} things that should not be."
    )
    parts = [
        f"# Storm {options.seed}: {said}",
        f"**{'Passed' if passed.is_good else 'Failed'}**: {needed}",
        when,
        what,
        _table("What became of the messages", ("end", "messages"), verdict.fates(found).most_common()),
        _table("By state and reason", ("state", "messages"), _reasons(found).most_common()),
        _table("What was done", ("blow", "times"), sorted(passed.weather.counts.items())),
        _table("Starts of each process", ("process", "starts"), passed.starts.items()),
        _table("Faults that were met at the vendor", ("fault", "times"), verdict.hits(found).items()),
        _list("Too few for a claim", passed.shortfalls),
        _table("Answers of the API", ("status", "times"), sorted(found.promises.answers.items())),
        _list("What should not be", passed.violations),
    ]
    return "\n\n".join(parts) + "\n"


def _reasons(found: verdict.Found) -> Counter[str]:
    return Counter(
        f"{message.state}" + (f" ({message.because})" if message.because else "") for message in found.messages.values()
    )


def _table(title: str, heads: tuple[str, str], rows: Iterable[tuple[object, object]]) -> str:
    lines = [f"## {title}", "", f"| {heads[0]} | {heads[1]} |", "|---|---:|"]
    return "\n".join([*lines, *(f"| {name} | {times} |" for name, times in rows)])


def _list(title: str, entries: Sequence[str]) -> str:
    return "\n".join([f"## {title}", "", *([f"- {entry}" for entry in entries] or ["Nothing."])])


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
