"""What `python -m worker <name>` can do, one file per command.

Commands for people's work are clients of the API, so that roles are held in one place. Only `keys`, `jobs`, `clock`,
`migrate`, `seed`, `restored`, `retention` and `audit` talk to the database themselves.
"""

import argparse
import os
from importlib import import_module

from worker.commands.up import development_environment

COMMANDS = {
    "migrate": "bring the database's schema up to this code's",
    "seed": "put the five shops and the terms into an empty database",
    "keys": "make, list and revoke API keys",
    "jobs": "list waiting, late and parked jobs; retry or discard one",
    "messages": "messages whose outcome is unknown; resend or close one, lift a silence, fix a share",
    "suspensions": "stop the service, at once or from an instant on; look first whom it concerns; undo, lift",
    "cases": "disclosure cases: what waits, show, reveal, propose, approve, papers, payments, the letter",
    "shops": "feed a shop's profile from a file, preview it, see its versions",
    "audit": "verify the audit trail of disclosure cases and shops; print its signed daily heads",
    "retention": "what each shop keeps of its customers, what is due to go, and what is gone",
    "restored": "after a restore from backup, before workers start: mark what was not final as unknown",
    "clock": "show business time, or move it forward (not in production)",
    "up": "start everything for development (`make up`)",
    "demo": "play a booking, a call at once and a disclosure case, whole, against a running stack (`make demo`)",
}


def main() -> int:
    """Run the command named on the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m worker", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, about in COMMANDS.items():
        commands.add_parser(name, help=about, add_help=False)
    chosen, rest = parser.parse_known_args()
    if chosen.command != "up" and os.environ.get("ENVIRONMENT", "development") == "development":
        # A command in a second terminal works on the stack that `make up` runs in the first.
        for name, value in development_environment().items():
            os.environ.setdefault(name, value)
    module = import_module(f"worker.commands.{chosen.command}")
    code: int | None = module.main(rest)
    return code or 0
