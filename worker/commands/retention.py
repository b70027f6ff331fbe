"""What each shop keeps of its customers, what is due to go, and what is gone; `--owe` has what is due purged now.

Answers 0 if nothing is kept too long, 1 if something is: workers should have purged it within the hour.
"""

import argparse
from collections.abc import Iterator, Sequence

from sqlalchemy import select

from models.shop import Shop
from worker.clock import clock
from worker.database import database
from worker.people import retention
from worker.people.retention import Report

IN_TIME, LATE = 0, 1


def main(arguments: Sequence[str]) -> int:
    """Run `retention` or `retention --owe`."""
    parser = argparse.ArgumentParser(
        prog="python -m worker retention", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shop", help="this one alone")
    parser.add_argument("--owe", action="store_true", help="owe the workers the purge of what is due")
    chosen = parser.parse_args(arguments)
    now = clock().now()
    if chosen.owe:
        owed = retention.owe_purges(database(), now=now)
        print(f"owed: {', '.join(owed) or 'nothing'}")  # noqa: T201 - a command talks to its terminal
    query = select(Shop).order_by(Shop.id)
    if chosen.shop:
        query = query.where(Shop.id == chosen.shop)
    with database().snapshot() as session:
        reports = [retention.report(session, shop, now=now) for shop in session.scalars(query).all()]
    if not reports:
        parser.exit(2, "there is no such shop\n")
    for line in _told(reports):
        print(line)  # noqa: T201 - a command talks to its terminal
    return LATE if any(each.due for each in reports) else IN_TIME


def _told(reports: Sequence[Report]) -> Iterator[str]:
    for each in reports:
        gone = ", ".join(f"{count} {because}" for because, count in sorted(each.erased.items())) or "none"
        yield (
            f"{each.shop}: {each.kept} customers kept ({each.contact_days} days), {each.due} due, erased: {gone}; "
            f"{each.trails} trails kept ({each.trail_days} days), {each.trails_gone} gone; "
            f"{each.inquiries_overdue} inquiries overdue"
        )
