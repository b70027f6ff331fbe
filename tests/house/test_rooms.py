"""Holds the rooms apart: who may import whom, who alone may touch a vendor, the broker, the clock and chance.

It reads source text and runs none of it. Whether a room's code is any good is for its own tests.
"""

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

ROOMS: Mapping[str, frozenset[str]] = {
    "models": frozenset(),
    "worker": frozenset({"models"}),
    "tasks": frozenset({"worker", "models"}),
    "api": frozenset({"worker", "models"}),
    "sandbox": frozenset(),
    "bench": frozenset({"api", "tasks", "worker", "models", "celeryconfig", "beat_schedule"}),
    "beat_schedule": frozenset(),
    "celeryconfig": frozenset({"beat_schedule", "worker", "models"}),
}
"""Each room, and the others that it may import. Nobody's list has sandbox, bench or tests in it."""

OURS = frozenset({*ROOMS, "tests"})

DOORS: Mapping[str, tuple[str, ...]] = {
    "twilio": ("worker/vendors/twilio.py",),
    "sendgrid": ("worker/vendors/sendgrid.py",),
    "python_http_client": ("worker/vendors/sendgrid.py",),
    "celery": ("worker/app.py", "worker/jobs/relay.py"),
    "kombu": ("celeryconfig.py", "worker/jobs/relay.py"),
    "redis": ("worker/embedded.py",),
    "random": ("worker/chance.py", "sandbox/chance.py"),
    "secrets": ("worker/chance.py", "sandbox/chance.py"),
    "alembic": ("worker/schema.py", "models/migrations/"),
    "fpdf": ("worker/printing/page.py",),
    "fontTools": ("worker/printing/typeface.py",),
}
"""What one file, or a few, know for everybody. The bench may open all: it measures the bare thing beside ours."""

# fmt: off
NO_BUSINESS_OF_MODELS = frozenset({
    "asyncio", "celery", "fastapi", "glob", "http", "httpx", "io", "jinja2", "kombu", "logging", "multiprocessing",
    "os", "pathlib", "pydantic_settings", "redis", "requests", "shutil", "socket", "sqlite3", "subprocess", "sys",
    "tempfile", "threading", "time", "urllib", "uvicorn",
})
# fmt: on
"""I/O, clocks, settings, processes: models decide from what they are given."""

PUBLISHING = frozenset({"delay", "apply_async", "send_task"})
MAY_PUBLISH = ("worker/jobs/relay.py", "bench/")

NAMELESS = frozenset({"util", "helper", "common", "constant", "service", "core", "misc", "shared", "tool", "manager"})
"""Names that say where code was put, not what it knows."""

CLOCKS_AND_DICE = frozenset(
    {
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.datetime.today",
        "datetime.date.today",
        "time.time",
        "uuid.uuid1",
        "uuid.uuid4",
        "random",
        "secrets",
        "os.urandom",
    }
)
MAY_READ_THEM = frozenset({"worker/clock.py", "worker/chance.py", "sandbox/time.py", "sandbox/chance.py"})


def sources() -> Iterator[tuple[str, str]]:
    """Return path and text of every Python file of the rooms."""
    for room in ROOMS:
        for path in [ROOT / f"{room}.py", *sorted((ROOT / room).rglob("*.py"))]:
            if path.is_file():
                yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def imported_by(text: str) -> Iterator[str]:
    """Return the dotted names that a module imports: by statement, or by `import_module` of a literal."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module)):
                yield module
            case ast.ImportFrom():
                yield "."
            case ast.Call(func=ast.Name(id="import_module" | "__import__"), args=[ast.Constant(value=str(name)), *_]):
                yield name
            case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(name)), *_]):
                yield name
            case _:
                pass


def faults_of_imports(path: str, text: str) -> Iterator[str]:
    """Say which imports of a file lead upwards, or through a door that is not its own."""
    room = path.partition("/")[0].removesuffix(".py")
    for name in imported_by(text):
        top = name.partition(".")[0]
        if not top:
            yield f"{path} imports relatively; a full name says which room it reaches into"
        elif top in OURS and top != room and top not in ROOMS[room]:
            yield f"{path} imports {name}"
        elif top in DOORS and room != "bench" and not path.startswith(DOORS[top]):
            yield f"{path} imports {name}; only {' and '.join(DOORS[top])} may"
        elif room == "models" and top in NO_BUSINESS_OF_MODELS and not path.startswith("models/migrations/"):
            yield f"{path} imports {name}, which is no business of models"


def faults_of_publishing(path: str, text: str) -> Iterator[str]:
    """Say where a file hands something to the broker itself."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and node.attr in PUBLISHING and not path.startswith(MAY_PUBLISH):
            yield f"{path}:{node.lineno} uses .{node.attr}; enqueue a job instead"


def faults_of_opening(path: str, text: str) -> Iterator[str]:
    """Say whether a module fails to say what it is for."""
    said = ast.get_docstring(ast.parse(text))
    if text.strip() and not said:
        yield f"{path} opens without a word on what it knows"
    elif said and not re.search(r"[.:!?`…」」]$", said.partition("\n\n")[0]):
        yield f"{path} opens with half a sentence"


def faults_of_name(path: str) -> Iterator[str]:
    """Say which part of a path names nothing."""
    for part in path.removesuffix(".py").split("/"):
        if part in NAMELESS or part.removesuffix("s") in NAMELESS:
            yield f"{path}: {part} says nothing of what it knows"


def test_rooms_import_downwards_and_only_doors_lead_outside() -> None:
    faults = [fault for path, text in sources() for fault in faults_of_imports(path, text)]

    assert faults == []


def test_nobody_but_the_relay_publishes() -> None:
    faults = [fault for path, text in sources() for fault in faults_of_publishing(path, text)]

    assert faults == []


def test_every_module_opens_with_what_it_is_for() -> None:
    tests = [(path.relative_to(ROOT).as_posix(), path.read_text()) for path in (ROOT / "tests").rglob("*.py")]

    assert [fault for path, text in [*sources(), *tests] for fault in faults_of_opening(path, text)] == []


def test_no_file_is_named_for_nothing() -> None:
    assert [fault for path, _ in sources() for fault in faults_of_name(path)] == []


def test_test_files_have_names_of_their_own_in_the_folder_of_a_room() -> None:
    tests = [path.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")]
    names = [path.name for path in tests]

    assert sorted(names) == sorted(set(names))
    assert {path.parts[0] for path in tests} <= {*ROOMS, "house", "journeys", "chaos"}


def test_the_linter_forbids_the_clock_and_the_dice() -> None:
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]

    assert rules["select"] == ["ALL"]
    assert not any("TID251".startswith(ignored) for ignored in rules["ignore"])
    assert set(rules["flake8-tidy-imports"]["banned-api"]) >= CLOCKS_AND_DICE


def test_only_the_clock_and_the_dice_themselves_are_let_off() -> None:
    let_off = {path for path, text in sources() if re.search(r"noqa:.*\bTID251\b", text)}

    assert let_off <= MAY_READ_THEM


# The rules are worth what they catch, so each is shown one offence.


@pytest.mark.parametrize(
    ("path", "line", "why"),
    [
        ("models/booking.py", "from worker.clock import clock", "models import nothing of ours"),
        ("models/booking.py", "import os", "models do no I/O"),
        ("models/booking.py", "def late():\n    import time", "late imports count"),
        ("worker/app.py", "import tasks.bookings", "worker is below tasks"),
        ("worker/app.py", "from importlib import import_module\nimport_module('tasks.bookings')", "so said in passing"),
        ("api/bookings.py", "from tasks.bookings import confirm_booking", "api enqueues by name"),
        ("tasks/bookings.py", "from api.problems import Problem", "tasks and api do not know each other"),
        ("worker/demo.py", "from sandbox.ledger import Ledger", "the sandbox is imported by nobody"),
        ("sandbox/app.py", "from worker.settings import settings", "nor does it know us"),
        ("api/app.py", "from bench import load", "bench is imported by nobody"),
        ("api/receipts.py", "from twilio.request_validator import RequestValidator", "a vendor has one door"),
        ("worker/vendors/twilio.py", "import sendgrid", "which is not another vendor's"),
        ("tasks/delivery.py", "from celery import chain", "the relay builds chains"),
        ("api/app.py", "from random import random", "chance has one door"),
        ("worker/jobs/doing.py", "from . import relay", "a relative import hides its room"),
    ],
)
def test_an_import_that_leads_elsewhere_is_found(path: str, line: str, why: str) -> None:
    assert list(faults_of_imports(path, line)), why


def test_an_import_that_leads_downwards_is_none() -> None:
    text = "from api.access import needs\nfrom worker.jobs import enqueue\nfrom models.job import Name\nimport os"

    assert list(faults_of_imports("api/bookings.py", text)) == []


def test_publishing_past_the_outbox_is_found() -> None:
    assert list(faults_of_publishing("api/bookings.py", "confirm_booking.delay(booking_id)"))
    assert list(faults_of_publishing("tasks/bookings.py", "publish = app.send_task"))


def test_a_module_without_an_opening_is_found() -> None:
    assert list(faults_of_opening("worker/mute.py", "LIMIT = 5"))
    assert list(faults_of_opening("worker/half.py", '"""Bookings and'.ljust(20) + '\n\nmore."""'))


def test_a_name_that_says_nothing_is_found() -> None:
    assert list(faults_of_name("worker/utils.py"))
    assert list(faults_of_name("api/helpers/dates.py"))
