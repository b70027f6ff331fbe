"""`make bench`: everything in one run, in turns, on servers of its own; a table, and `var/bench.json`."""

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path

from bench import accepting, bounds, draining, outage, promptness, report, rows, slot_search, sweeping, waiting_cases
from bench.accepting import Accepted
from bench.bounds import Outage
from bench.draining import Drained
from bench.ground import (
    SETTINGS,
    Ground,
    Ledger,
    Pace,
    Site,
    answers_pings,
    ground,
    migrated,
    shipped,
    two_bare_workers,
    two_workers,
)
from bench.plan import Plan
from bench.report import Line
from bench.sweeping import Sweep
from worker.clock import system_now
from worker.database import Database, database
from worker.settings import REPOSITORY
from worker.stack import read_procfile

VAR = REPOSITORY / "var"
_MAIN = "bench"
_COPIES = _ACCEPTING, _CODES, _OUTAGE = "accepting", "codes", "outage"
_SEGMENTS = 3
"""What a text takes at most here, so that it is the calls that are counted out."""


@dataclass
class Rounds:
    """What is measured in turns, by round."""

    bare: list[Drained] = field(default_factory=list)
    singly: list[Drained] = field(default_factory=list)
    in_bulk: list[Drained] = field(default_factory=list)
    accepted: dict[str, list[Accepted]] = field(default_factory=dict)


def main() -> int:
    """Measure everything, and say it; 1 if what must hold of an outage did not."""
    plan = Plan.of(os.environ)
    began = time.monotonic()
    folder = VAR / "bench"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    at = system_now()
    with ground(folder) as place:
        lines, broken = _measure(place, plan)
    shutil.rmtree(folder, ignore_errors=True)
    minutes = (time.monotonic() - began) / 60
    about = {"at": at.isoformat(), "plan": asdict(plan), "minutes": round(minutes, 1), "broken": broken}
    report.write(VAR / "bench.json", lines=lines, **about)
    _say(f"\n{report.table(lines)}\n")
    _say(
        f"One run of {minutes:.1f} minutes on {report.machine()['processor']}, {os.cpu_count()} cores. Compare ratios."
    )
    for sentence in broken:
        _say(f"BROKEN: {sentence}")
    return 1 if broken else 0


def _measure(place: Ground, plan: Plan) -> tuple[list[Line], list[str]]:
    """Return what was measured, and a sentence for each bound that did not hold."""
    key, main = _prepare(place)
    lines: list[Line] = []
    broken: list[str] = []
    for part in plan.parts:
        match part:
            case "throughput":
                lines += _in_turns(place, plan, key, main)
            case "codes":
                lines += _codes(place, plan, key)
            case "outage":
                seen = _outage(place, plan)
                lines += _of_outage(seen)
                broken += bounds.broken(seen)
            case "sweeps":
                lines += _sweeps(plan)
            case "slots":
                lines += _searches(plan)
            case "cases":
                lines += _waiting(plan)
            case _:
                lines += _churn(plan)
    return lines, broken


def _prepare(place: Ground) -> tuple[str, dict[str, str]]:
    """Make the database that this process and the two workers share, and the copies of it before anything is sent."""
    _say("Preparing databases …")
    url = place.postgres.create_database(_MAIN)
    main = place.environment(url, receipts=False)
    # From here on this process has the same settings as its workers.
    for name in SETTINGS & set(os.environ):
        del os.environ[name]
    os.environ.update(main)
    migrated(url).dispose()
    with database().transaction() as session:
        key = rows.prepare(session)
    # A template must have no connections while it is copied.
    database().dispose()
    for copy in _COPIES:
        place.postgres.create_database(copy, template=_MAIN)
    return key, main


def _in_turns(place: Ground, plan: Plan, key: str, main: dict[str, str]) -> list[Line]:
    _say("Starting processes …")
    found = Rounds()
    apis: dict[str, tuple[Site, Iterator[tuple[str, datetime]]]] = {}
    with ExitStack() as open_sites:
        procfile = read_procfile()
        for name, url in (
            ("PostgreSQL", place.postgres.database_url(_ACCEPTING)),
            ("SQLite", _sqlite(place.folder / "accepting.db")),
        ):
            environment = place.environment(url, receipts=False)
            site = open_sites.enter_context(place.site(environment, {"api": procfile["api"]}))
            apis[name] = site, _slots(url)
        bare_environment = place.environment(main["DATABASE_URL"], receipts=False)
        bare = open_sites.enter_context(
            place.site(bare_environment, two_bare_workers(), answers_pings(bare_environment["BROKER_URL"]))
        )
        ours = open_sites.enter_context(place.site(main, {**two_workers(), "sandbox": procfile["sandbox"]}))
        ledger = Ledger(main["TWILIO_API_URL"])
        for number in range(1, plan.rounds + 1):
            _say(f"Round {number} of {plan.rounds} …")
            found.bare.append(draining.drain_bare(bare, plan.tasks))
            found.singly.append(draining.drain_messages(ours, ledger, database(), plan.messages, bulk=False))
            found.in_bulk.append(draining.drain_messages(ours, ledger, database(), plan.messages, bulk=True))
            for name, (site, slots) in apis.items():
                wanted = enumerate(islice(slots, plan.requests), number * plan.requests)
                bodies = [accepting.request_body(shop, starts_at, who) for who, (shop, starts_at) in wanted]
                found.accepted.setdefault(name, []).append(accepting.accept(site, key, bodies, run=str(number)))
    return _throughputs(found)


def _throughputs(found: Rounds) -> list[Line]:
    bare, bare_cpu = [each.rate for each in found.bare], [each.cpu_ms for each in found.bare]
    lines = [report.throughput("bare Celery no-op", bare, bare, note="Celery's defaults; pool and events as ours")]
    lines += report.cpu("  workers' CPU each", bare_cpu, bare_cpu)
    for what, drained in (("messages, one by one", found.singly), ("messages, in bulk", found.in_bulk)):
        most = max(each.most_deliveries for each in drained)
        note = "row to ledger; each delivered once" if most == 1 else f"DELIVERED UP TO {most} TIMES"
        lines.append(report.throughput(what, [each.rate for each in drained], bare, note=note))
        lines += report.cpu("  workers' CPU each", [each.cpu_ms for each in drained], bare_cpu)
    for name, accepted in found.accepted.items():
        rates = [each.rate for each in accepted]
        waits = [each.median_ms for each in accepted]
        lines.append(report.throughput(f"requests accepted, {name}", rates, bare, note="POST /v1/bookings, 201"))
        lines += report.cpu("  API's CPU each", [each.cpu_ms for each in accepted], bare_cpu)
        note = f"{accepting.CONNECTIONS} connections"
        lines.append(Line("  answer after", report.spread(waits)[0], "ms", note=note, rounds=waits))
    return lines


def _codes(place: Ground, plan: Plan, key: str) -> list[Line]:
    _say(f"A code, idle and under {plan.flood:,} reminders …")
    url = place.postgres.database_url(_CODES)
    environment = place.environment(url, receipts=True)
    with place.site(environment, shipped(place.folder)) as site:
        ledger = Ledger(environment["TWILIO_API_URL"])
        customers = promptness.Customers(site, ledger, key, _slots(url))
        own = Database(url)
        found = promptness.measure(site, ledger, own, customers, codes=plan.codes, flood=plan.flood)
        own.dispose()
    left = f"{found.left:,} jobs of the flood left after the last"
    lines = []
    for what, spans, note in (
        ("code, idle", found.idle_ms, "request to ledger"),
        ("code, in the flood", found.flooded_ms, left),
    ):
        median, most = report.spread(spans)
        lines += [Line(what, median, "ms", note=note, rounds=spans), Line("  95 % within", most, "ms")]
    return lines


def _outage(place: Ground, plan: Plan) -> Outage:
    _say(f"An hour without vendors, {plan.owed:,} messages due …")
    pace = Pace(
        sms_requests=plan.sms_per_second,
        sms_segments=_SEGMENTS * plan.sms_per_second,
        mail_requests=plan.mail_per_second,
    )
    hour = outage.Hour(owed=plan.owed, lasts_seconds=plan.outage_seconds, drain_seconds=plan.drain_seconds, pace=pace)
    url = place.postgres.database_url(_OUTAGE)
    environment = place.environment(url, receipts=False, pace=pace)
    commands = shipped(place.folder)
    del commands["api"]
    with place.site(environment, commands) as site:
        own = Database(url)
        seen = outage.endure(site, Ledger(environment["TWILIO_API_URL"]), own, hour)
        own.dispose()
    return seen


def _of_outage(seen: Outage) -> list[Line]:
    fates = seen.fates
    lines = [
        Line(
            "an hour without vendors, Redis",
            seen.memory / 1e6,
            "MB",
            note=f"over idle; {fates.owed:,} due, at most {seen.longest:,} in a queue",
        ),
        Line("  calls meanwhile", seen.calls, "", note=f"{fates.unknown} answered with 503, so unknown"),
    ]
    for each in seen.paced:
        most = ", ".join(f"{each.most_in(window):,.0f} in {window} s" for window in bounds.WINDOWS_SECONDS)
        rate = sum(units for _, units in each.taken) / seen.drained_seconds
        lines.append(Line(f"  then {each.what}", rate, "/s", note=f"{each.per_second:g} are allowed; most {most}"))
    if seen.late_seconds:
        _, slowest = report.spread(seen.late_seconds)
        note = f"{fates.late_taken} of {fates.late} sent so far"
        lines.append(Line("  codes that still lived, 95 % within", slowest, "s", note=note))
    dead = f"of {fates.dead} expired, {fates.dead_taken} sent"
    lines.append(Line("  codes that died", fates.dead_expired, "", note=dead))
    left = f"of {fates.owed:,} after {seen.drained_seconds:,.0f} s; {fates.taken:,} sent, {fates.twice} twice"
    lines.append(Line("  left", fates.left, "", note=left))
    return lines


def _sweeps(plan: Plan) -> list[Line]:
    _say("Sweeps …")
    found = sweeping.against_waiting(database(), plan.waiting, sweeps=plan.sweeps)
    return [Line(f"sweep, {each.waiting:,} rows wait", each.ms, "ms", note=_touches(each)) for each in found]


def _searches(plan: Plan) -> list[Line]:
    _say("Free slots beside ever more bookings …")
    found = slot_search.over_a_year(database(), plan.searched, rounds=3 * plan.rounds)
    alone = {each.days: each for each in found if each.bookings == plan.searched[0]}
    return [
        Line(
            f"{'the next five' if not each.days else f'{each.days} days'}, {each.bookings:,} bookings",
            each.ms,
            "ms",
            note=f"{each.cpu_ms:.1f} ms CPU without the database's, {each.cpu_ms / alone[each.days].cpu_ms:.2f} × "
            f"those beside {plan.searched[0]:,}; touches {each.blocks:,.0f} blocks; {each.found:,} free",
        )
        for each in found
    ]


def _churn(plan: Plan) -> list[Line]:
    _say(f"{plan.churned:,} jobs come and go beside an open read …")
    found = sweeping.beside_an_open_read(database(), plan.churned)
    first, last = found.rates[0], found.rates[-1]
    return [
        Line("jobs come and gone, first tenth", first, "/s", note="beside an open read", rounds=found.rates),
        Line(f"  last tenth of {plan.churned:,}", last, "/s"),
        Line("  sweep before", found.before.ms, "ms", note=_touches(found.before)),
        Line("  sweep after", found.after.ms, "ms", note=_touches(found.after)),
        Line("  sweep after the read's end and a VACUUM", found.vacuumed.ms, "ms", note=_touches(found.vacuumed)),
        Line("  table then", found.table_mb[0], "MB", note=f"{found.table_mb[1]:.1f} MB after the VACUUM"),
        Line("  indexes then", found.indexes_mb[0], "MB", note=f"{found.indexes_mb[1]:.1f} MB after the VACUUM"),
    ]


def _waiting(plan: Plan) -> list[Line]:
    _say("Cases that wait …")
    found = waiting_cases.against_waiting(database(), plan.waiting, rounds=plan.rounds)
    lines: list[Line] = []
    for each in found:
        times = each.blocks / found[0].blocks
        note = (
            f"touches {each.blocks:,.0f} blocks, {times:.2f} × those with none waiting; {each.each_cpu_ms:.1f} ms CPU"
        )
        lines += [
            Line(f"sweep, {waiting_cases.DUE} of {each.waiting:,} waiting cases due", each.sweep_ms, "ms"),
            Line("  and each brought to its end", each.each_ms, "ms", note=note),
        ]
    return lines


def _touches(found: Sweep) -> str:
    return f"touches {found.blocks:,.0f} blocks; {found.cpu_ms:.1f} ms CPU without the database's"


def _sqlite(file: Path) -> str:
    url = f"sqlite:///{file}"
    own = migrated(url)
    with own.transaction() as session:
        rows.prepare(session)
    own.dispose()
    return url


def _slots(url: str) -> Iterator[tuple[str, datetime]]:
    own = Database(url)
    with own.snapshot() as session:
        found = list(rows.free_slots(session, system_now()))
    own.dispose()
    return iter(found)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
