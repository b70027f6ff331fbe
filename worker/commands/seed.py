"""Put the five shops and the terms documents in, where they are not there yet. What is there is left as it is.

In development each shop has two people besides, who can be called.
"""

import argparse
from collections.abc import Sequence

from sqlalchemy.orm import Session

from models.shop import Shop
from models.staff import StaffMember
from models.terms import TermsDocument
from worker.database import database
from worker.settings import Environment, settings
from worker.shops_seed import seed_rows, staff_rows


def seed(session: Session) -> int:
    """Add the rows that are missing; return how many."""
    added = 0
    for row in seed_rows():
        key = row.id if isinstance(row, Shop) else (row.id, row.version)
        if session.get(type(row), key) is None:
            session.add(row)
            added += 1
    return added


def seed_staff(session: Session) -> int:
    """Add the people that are missing; return how many."""
    session.flush()
    missing = [row for row in staff_rows() if session.get(StaffMember, (row.shop_id, row.id)) is None]
    session.add_all(missing)
    return len(missing)


def main(arguments: Sequence[str]) -> int:
    """Seed the configured database."""
    argparse.ArgumentParser(prog="python -m worker seed", description=__doc__).parse_args(arguments)
    with database().transaction() as session:
        added = seed(session)
        if settings().environment is Environment.DEVELOPMENT:
            added += seed_staff(session)
    print(f"{added} rows added" if added else "nothing to add")  # noqa: T201 - a command talks to its terminal
    return 0


__all__ = ["Shop", "TermsDocument", "main", "seed"]
