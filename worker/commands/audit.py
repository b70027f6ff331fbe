"""The audit trail of disclosure cases: verify it from end to end; print the signed heads, to be kept elsewhere.

What operators did about customers is chained per shop in the same way; a shop's chain counts as one more case.

`verify` answers 0 if everything is as it was written, 1 if something is not, 3 if the rest is but some heads or stubs
were signed under a SECRET_KEY that is gone; give `--public-key` as `head --public-key` printed it at the time.

Whoever has the SECRET_KEY could write everything anew and sign it again. Therefore let something that this host cannot
write to fetch the line of `head` every day, and give those lines to `verify --heads`.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.audit import DailyHead
from worker import auditing
from worker.auditing import Report
from worker.database import database

GREEN, TAMPERED, WRONG_USE, UNVERIFIABLE = 0, 1, 2, 3


def main(arguments: Sequence[str]) -> int:
    """Run `audit verify` or `audit head`."""
    parser = argparse.ArgumentParser(
        prog="python -m worker audit", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    verify = actions.add_parser("verify", help="read every trail and every head; say what is not as it was written")
    verify.add_argument("--heads", type=Path, metavar="FILE", help="lines of `audit head`, from where they were kept")
    verify.add_argument(
        "--public-key", type=bytes.fromhex, action="append", default=[], metavar="HEX", help="from before a rotation"
    )
    head = actions.add_parser("head", help="print the last signed head as a line of JSON")
    which = head.add_mutually_exclusive_group()
    which.add_argument("--day", type=date.fromisoformat, help="the head of this day in Japan instead of the last")
    which.add_argument("--since", type=date.fromisoformat, metavar="DAY", help="all heads from this day on")
    which.add_argument("--public-key", action="store_true", help="the key that verifies what is signed now")
    chosen = parser.parse_args(arguments)
    try:
        return _verify(chosen.public_key, chosen.heads) if chosen.action == "verify" else _print_heads(chosen)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command talks to its terminal
        return WRONG_USE


def _verify(public_keys: Iterable[bytes], kept: Path | None) -> int:
    handed_out = [] if kept is None else kept.read_text(encoding="utf-8").splitlines()
    with database().snapshot() as session:
        report = auditing.verify(session, public_keys=public_keys, handed_out=handed_out)
    for line in _told(report):
        print(line)  # noqa: T201 - a command talks to its terminal
    if not report.is_green:
        return TAMPERED
    return UNVERIFIABLE if report.unverifiable else GREEN


def _told(report: Report) -> Iterator[str]:
    yield from map(str, (*report.findings, *report.unverifiable))
    if report.unlisted:
        yield f"and {report.unlisted} more"
    until = "never signed yet" if report.last_day is None else f"signed up to the end of {report.last_day.isoformat()}"
    yield (
        f"{report.cases} cases, {report.events} events, {report.records} disclosure records, {report.stubs} stubs, "
        f"{report.heads} heads; {until}"
    )
    yield "everything is as it was written" if report.is_green else "not everything is as it was written"


def _print_heads(chosen: argparse.Namespace) -> int:
    if chosen.public_key:
        print(auditing.public_key().hex())  # noqa: T201 - a command talks to its terminal
        return GREEN
    with database().snapshot() as session:
        heads = list(_heads(session, chosen.day, chosen.since))
    for head in heads:
        print(auditing.exported(head))  # noqa: T201 - a command talks to its terminal
    if not heads:
        raise ValueError("no such day has been signed")
    return GREEN


def _heads(session: Session, day: date | None, since: date | None) -> Iterable[DailyHead]:
    by_day = select(DailyHead).order_by(DailyHead.day)
    if day is not None:
        return session.scalars(by_day.where(DailyHead.day == day))
    if since is not None:
        return session.scalars(by_day.where(DailyHead.day >= since))
    return session.scalars(select(DailyHead).order_by(DailyHead.day.desc()).limit(1))
