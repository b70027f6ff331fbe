"""Bring the database's schema up to this code's. Running it again does nothing."""

import argparse
from collections.abc import Sequence

from worker import schema
from worker.settings import settings


def main(arguments: Sequence[str]) -> int:
    """Migrate the configured database, and that of the data keys if it is another."""
    parser = argparse.ArgumentParser(prog="python -m worker migrate", description=__doc__)
    parser.add_argument("--draft", metavar="MESSAGE", help="draft a migration from the models' differences instead")
    chosen = parser.parse_args(arguments)
    configured = settings()
    if chosen.draft:
        schema.write_migration(configured.database_url, chosen.draft)
        return 0
    for url in {configured.database_url, configured.keys_database_url or configured.database_url}:
        schema.upgrade(url)
    print("the schema is current")  # noqa: T201 - a command talks to its terminal
    return 0
