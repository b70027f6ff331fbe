"""Whole journeys through both services on the running stack, over HTTP as other systems would, told as they happen.

It reads the inbox for what people would read, and moves everybody's clock to where the story goes on.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import requests

from worker.clock import clock
from worker.commands.demo.booking import Booking
from worker.commands.demo.calling import CallAtOnce
from worker.commands.demo.disclosure import Disclosure
from worker.commands.demo.telling import DemoFailedError, Place
from worker.commands.keys import PEOPLE, development_key, person_key
from worker.commands.up import STACK_FILE, say
from worker.database import database

_BETWEEN = "\n" + "─" * 80 + "\n"


def main(arguments: Sequence[str]) -> int:
    """Play all of them; 0 if everything was as it should be."""
    argparse.ArgumentParser(prog="python -m worker demo", description=__doc__).parse_args(arguments)
    stack = _running_stack(STACK_FILE)
    if stack is None:
        say("No stack is running. Start one in another terminal: make up")
        return 2
    place = _place(stack)
    began = time.monotonic()
    try:
        Booking(place).play()
        say(_BETWEEN)
        CallAtOnce(place).play()
        say(_BETWEEN)
        Disclosure(place, letter=STACK_FILE.parent / "letter.pdf").play()
    except DemoFailedError as failure:
        say(f"\n✗ {failure}")
        return 1
    say(f"\nAll of it was as it should be. It took {time.monotonic() - began:.0f} seconds.")
    say(f"Look around: the inbox {place.inbox}   the jobs {place.flower}/tasks")
    return 0


def _running_stack(file: Path) -> Mapping[str, str] | None:
    try:
        addresses: Mapping[str, str] = json.loads(file.read_text())["addresses"]
        requests.get(f"{addresses['api']}/healthz", timeout=5).raise_for_status()
    except (OSError, ValueError, KeyError):
        return None
    return addresses


def _place(stack: Mapping[str, str]) -> Place:
    with database().transaction() as session:
        return Place(
            api=stack["api"],
            inbox=stack["inbox"],
            flower=stack["flower"],
            key=development_key(session),
            people={name: person_key(session, name) for name in PEOPLE},
            clock=clock(),
        )
