"""Show business time, or move it forward for everybody. Refused in production."""

import argparse
import re
from collections.abc import Sequence
from datetime import timedelta

from worker.clock import clock

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def span(text: str) -> timedelta:
    """Return `90s`, `10m`, `2h` or `1d` as a timedelta.

    Raises:
        ValueError: it is none of these.
    """
    parts = re.fullmatch(r"(\d+)([smhd])", text)
    if parts is None:
        raise ValueError("give a number and a unit: 90s, 10m, 2h or 1d")
    return timedelta(**{_UNITS[parts[2]]: int(parts[1])})


def main(arguments: Sequence[str]) -> int:
    """Run `clock` or `clock advance 1d`."""
    parser = argparse.ArgumentParser(prog="python -m worker clock", description=__doc__)
    actions = parser.add_subparsers(dest="action")
    advance = actions.add_parser("advance", help="move everybody's time forward")
    advance.add_argument("by", help="such as 90s, 10m, 2h or 1d")
    chosen = parser.parse_args(arguments)
    try:
        now = clock().advance(span(chosen.by)) if chosen.action == "advance" else clock().now()
    except ValueError as error:
        parser.exit(2, f"{error}\n")
    print(now.isoformat(timespec="seconds"))  # noqa: T201 - a command talks to its terminal
    return 0
