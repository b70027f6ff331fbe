"""Disclosure cases in every state while everything is killed, flushed and frozen, and days pass: the second storm.

Parties and people go on with their cases all the while. Then all that was owed is done, people see to what is on their
lists, a hundred days more pass, and the verdict is read from the vendor's ledger, the rows and the audit trails. Exit
status 0 if no case is stuck or wrong, no notice lost or doubled, no address sent to one side alone; else 1.
"""

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random  # noqa: TID251 - the same seed must raise the same storm again
from typing import Any

import requests
from sqlalchemy.exc import DBAPIError

from tests.chaos import case_verdict, verdict
from tests.chaos.adversary import Vandal, Weather
from tests.chaos.cases import PLANS, Cases
from tests.chaos.scene import Scene, be_patient, scene
from tests.chaos.storm import settle
from worker import database as database_module
from worker import settings as settings_module
from worker.clock import unix_ms
from worker.settings import REPOSITORY

_DAYS = 100
"""So long a storm lasts, by business time: longer than any deadline that a case starts with."""
_STEPS = tuple(timedelta(minutes=minutes) for minutes in (1.4, 6, 32, 62))
"""Past each look at the vendor for an answer that was lost, and past both alerts of an exchange."""
_MISHAPS: Sequence[Any] = (
    *["accept"] * 24,
    *("refuse_500", "refuse_503", "rate_limit_429", "refuse_then_cut", "refuse_400"),
    *("accept_then_500", "accept_then_cut", "truncated_body"),
    *(["accept", kind] for kind in ("receipts_lost", "receipts_duplicated", "receipts_reordered")),
    ["accept", "receipts_before_answer"],
)
"""What the vendor answers; nothing of it makes a mailbox dead, or its case would wait for a person and nothing else."""


@dataclass(frozen=True)
class Options:
    """What kind of storm."""

    seed: int
    seconds: float
    cases: int
    keep: Path | None


class Killer(Vandal):
    """Kills more and repeats less: a leg breaks where a process dies."""

    def _deck(self) -> list[Callable[[], None]]:
        workers = [name for name in self._scene.stack.names if name.startswith("worker-")]
        deck = [self._killing(name) for name in (*workers, *workers, "api", "api", "beat", "sandbox")]
        deck += [self._freezing(self._dice.choice(workers), 8.0) for _ in range(2)]
        deck += [self._flush_redis] * 3 + [self._kill_redis, self._restart_postgres, self._kill_postgres]
        deck += [self._repeat_messages] * 2 + [self._send_strays]
        self._dice.shuffle(deck)
        return deck


class Days:
    """Lets days pass, some at a time, and keeps the vendor in a bad mood."""

    def __init__(self, place: Scene, weather: Weather, *, seconds: float, seed: int) -> None:
        self._place = place
        self._weather = weather
        self._jumps = int(min(25, max(3, seconds / 10)))
        self._every_seconds = seconds / (self._jumps + 1)
        self._dice = Random(f"{seed}:days")  # noqa: S311 - not for secrets
        self._thread = threading.Thread(target=self._run, name="days", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Let time pass as it does, and the vendor tell the truth."""
        self._thread.join()
        requests.delete(f"{self._place.sandbox}/_script", timeout=10).raise_for_status()

    def _run(self) -> None:
        next_jump = time.monotonic() + self._every_seconds
        while not self._weather.over.wait(0.5):
            with contextlib.suppress(requests.RequestException):
                self._top_up()
            if time.monotonic() >= next_jump:
                with contextlib.suppress(DBAPIError):
                    self._place.clock.advance(timedelta(days=_DAYS / self._jumps))
                    self._weather.note("let days pass")
                next_jump += self._every_seconds

    def _top_up(self) -> None:
        posted = requests.get(f"{self._place.sandbox}/_script", timeout=2).json()["scripts"]
        if not posted:
            script = {"match": {"channel": "mail"}, "plays": self._dice.choices(_MISHAPS, k=60)}
            requests.post(f"{self._place.sandbox}/_script", json=script, timeout=2).raise_for_status()


def main(arguments: Sequence[str]) -> int:
    """Raise a storm over cases, and judge what is left; 0 if all is well."""
    options = _options(arguments)
    _say(f"CHAOS_SEED={options.seed} CHAOS_CASE_SECONDS={options.seconds:g}, {options.cases} cases")
    folder = Path(tempfile.mkdtemp(prefix="toritsugi-cases-"))
    # PostgreSQL does not run as root; whoever it runs as must get in here.
    folder.chmod(0o711)
    wrong: list[str] = []
    try:
        with scene(folder) as place:
            wrong = _play(place, options)
            if options.keep is not None or wrong:
                kept = options.keep or REPOSITORY / "var" / "chaos-cases"
                shutil.rmtree(kept, ignore_errors=True)
                shutil.copytree(folder / "log", kept / "log")
                _say(f"Logs are in {kept}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if wrong else 0


def _play(place: Scene, options: Options) -> list[str]:
    _be_one_of(place)
    weather = Weather()
    cases = Cases(place, weather, count=options.cases, seed=options.seed)
    _say("Everything is up. Cases are led to every state …")
    cases.prepare()
    found = case_verdict.read(place, cases)
    _say(f"{_counted(case_verdict.states(found))}. The storm begins.")
    parts = (
        cases,
        Days(place, weather, seconds=options.seconds, seed=options.seed),
        Killer(place, weather, seed=options.seed),
    )
    for part in parts:
        part.start()
    time.sleep(options.seconds)
    weather.over.set()
    # The vandal first: it leaves everything running, which the others need to come to an end.
    for part in reversed(parts):
        part.stop()
    _say("The storm is over. What is owed is being done …")
    wrong = _drain(place, cases)
    found = case_verdict.read(place, cases)
    wrong += case_verdict.violations(found)
    _report(found, cases, weather, wrong)
    return wrong


def _be_one_of(place: Scene) -> None:
    """Give this process the settings of the stack: whoever acts in it acts as the API does."""
    os.environ.update(place.stack.environment)
    settings_module.settings.cache_clear()
    database_module.database.cache_clear()
    be_patient(database_module.database())


def _drain(place: Scene, cases: Cases) -> list[str]:
    """Let everything be done; people see to what is on their lists; then let every deadline pass."""
    settle(place)
    for step in _STEPS:
        place.clock.advance(step)
        settle(place)
    wrong = case_verdict.unfinished(case_verdict.read(place, cases))
    _say(f"{cases.mend()} exchanges are finished by people.")
    settle(place)
    for _ in range(10):
        place.clock.advance(timedelta(days=_DAYS / 10))
        settle(place)
    return wrong


def _report(found: case_verdict.Found, cases: Cases, weather: Weather, wrong: Sequence[str]) -> None:
    _say(f"\nCases: {_counted(case_verdict.states(found))}; {case_verdict.as_planned(found)} as they were led.")
    _say(f"Notices: {_counted(verdict.fates(found.all))}.")
    done = sum(event.actor != "system" for event in found.events)
    _say(f"Deeds: {done} done, {cases.uncertain} interrupted; refused: {_counted(cases.refused) or 'none'}.")
    _say(f"Blows: {_counted(weather.counts)}.")
    said = "No case is stuck or wrong, no notice lost or doubled, no address with one side alone."
    _say("\n".join(["NOT AS IT SHOULD BE:" if wrong else said, *(f"- {sentence}" for sentence in wrong)]))


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{times} {what}" for what, times in counts.most_common() if times)


def _options(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.case_storm", description=__doc__)
    parser.add_argument("--seed", type=int, default=_number("CHAOS_SEED", unix_ms() % 1_000_000))
    parser.add_argument("--seconds", type=float, default=_number("CHAOS_CASE_SECONDS", 300))
    parser.add_argument("--cases", type=int, default=_number("CHAOS_CASES", 300), help=f"{len(PLANS)} show every plan")
    parser.add_argument("--keep", type=Path, help="a folder for the logs; else only after a bad end")
    chosen = parser.parse_args(arguments)
    return Options(chosen.seed, chosen.seconds, chosen.cases, chosen.keep)


def _number(name: str, default: int) -> int:
    return int(os.environ.get(name) or default)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
