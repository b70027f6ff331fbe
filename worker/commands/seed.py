"""Put the five shops and the terms documents in, where they are not there yet. What is there is left as it is."""

import argparse
from collections.abc import Sequence

from sqlalchemy.orm import Session

from models.shop import Shop
from models.terms import TermsDocument
from worker.database import database
from worker.shops_seed import seed_rows


def seed(session: Session) -> int:
    """Add the rows that are missing; return how many."""
    added = 0
    for row in seed_rows():
        key = row.id if isinstance(row, Shop) else (row.id, row.version)
        if session.get(type(row), key) is None:
            session.add(row)
            added += 1
    return added


def main(arguments: Sequence[str]) -> int:
    """Seed the configured database."""
    argparse.ArgumentParser(prog="python -m worker seed", description=__doc__).parse_args(arguments)
    with database().transaction() as session:
        added = seed(session)
    print(f"{added} rows added" if added else "nothing to add")  # noqa: T201 - a command talks to its terminal
    return 0


__all__ = ["Shop", "TermsDocument", "main", "seed"]
