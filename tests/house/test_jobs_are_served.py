"""Holds every job's name to one body, one queue and one consumer: a job that nobody does would wait for ever.

It knows Celery's settings, the Procfile, docker-compose.yml and beat's schedule; it starts none of them.
"""

import ast
import inspect
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml

from models.job import QUEUES, Name, Queue
from worker import jobs
from worker.jobs import doing
from worker.stack import read_procfile

ROOT = Path(__file__).parents[2]

IDS: Mapping[type, re.Pattern[str]] = {
    UUID: re.compile(r"[a-z_]+_id"),
    int: re.compile(r"[a-z_]+_id|revision|number|before|look|day"),
    str: re.compile(r"[a-z_]+_(id|slug)"),
}
"""What may travel: an id, a version of what it names, a count of looks at it, or a day. A text must be called an id."""

WORKERS_QUEUES = re.compile(r"-Q (\S+)")


@pytest.fixture
def celeryconfig(environment: pytest.MonkeyPatch) -> Any:
    """Celery's settings, with everything imported that a worker imports."""
    settings = import_module("celeryconfig")
    for module in settings.imports:
        import_module(module)
    return settings


def declarations(text: str) -> Iterator[str]:
    """Return the members of `Name` that `@job` and `@outside_job` declare in a file."""
    for node in ast.walk(ast.parse(text)):
        for decorator in getattr(node, "decorator_list", []):
            match decorator:
                case ast.Call(
                    func=ast.Name(id="job" | "outside_job"),
                    args=[ast.Attribute(value=ast.Name(id="Name"), attr=member), *_],
                ):
                    yield member
                case _:
                    pass


def owed(text: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Return member of `Name` and ids of each call of `enqueue` in a file that names its job in place."""
    own = set(inspect.signature(jobs.enqueue).parameters)
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(
                func=ast.Name(id="enqueue") | ast.Attribute(attr="enqueue"),
                args=[_, ast.Attribute(value=ast.Name(id="Name"), attr=member)],
                keywords=keywords,
            ):
                yield member, frozenset(k.arg for k in keywords if k.arg is not None) - own
            case _:
                pass


def wanted(handler: Any) -> Mapping[str, type]:
    """Return the ids that a job's body wants, with their types."""
    return {name: kind for name, kind in handler.types.items() if name not in {"session", "now"}}


def faults_of_ids(name: str, ids: Mapping[str, type]) -> Iterator[str]:
    """Say which argument of a job is no id."""
    for argument, kind in ids.items():
        pattern = IDS.get(kind)
        if pattern is None or not pattern.fullmatch(argument):
            yield f"{name} takes {argument}: {getattr(kind, '__name__', kind)}, which is no id"


def consumed(commands: Mapping[str, str]) -> Counter[str]:
    """Return how many processes of a deployment consume each queue."""
    return Counter(
        queue
        for command in commands.values()
        for listed in WORKERS_QUEUES.findall(command)
        for queue in listed.split(",")
    )


def compose_commands() -> dict[str, str]:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return {name: shlex.join(service["command"]) for name, service in services.items() if "command" in service}


def python_below(*rooms: str) -> Iterator[str]:
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield path.read_text(encoding="utf-8")


def test_every_name_has_one_body() -> None:
    declared = Counter(member for text in python_below("tasks") for member in declarations(text))

    assert declared == dict.fromkeys(Name.__members__, 1)


def test_workers_import_every_file_of_tasks(celeryconfig: Any) -> None:
    files = {f"tasks.{path.stem}" for path in (ROOT / "tasks").glob("*.py") if path.stem != "__init__"}

    assert set(celeryconfig.imports) == files


def test_a_worker_knows_a_body_and_a_celery_task_for_every_name(celeryconfig: Any) -> None:
    app = import_module("worker.app").app

    assert set(Name) <= set(doing.HANDLERS)
    assert set(Name) <= set(app.tasks)


def test_every_name_has_a_queue() -> None:
    assert set(QUEUES) == set(Name)
    assert {queue.name for queue in import_module("celeryconfig").task_queues} == set(Queue)


def test_every_name_is_noun_and_verb_with_object() -> None:
    assert [name for name in Name if not re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)+", name)] == []


@pytest.mark.parametrize(
    "commands", [read_procfile(ROOT / "Procfile"), compose_commands()], ids=["Procfile", "docker-compose.yml"]
)
def test_every_queue_is_consumed_by_one_process(commands: dict[str, str]) -> None:
    assert consumed(commands) == dict.fromkeys(Queue, 1)


@pytest.mark.parametrize("queue", [Queue.CODES, Queue.CALLS])
def test_what_somebody_waits_for_at_a_screen_shares_its_worker_with_nothing(queue: Queue) -> None:
    for commands in (read_procfile(ROOT / "Procfile"), compose_commands()):
        groups = [listed for command in commands.values() for listed in WORKERS_QUEUES.findall(command)]

        assert str(queue) in groups


def test_beat_knocks_only_for_tasks_that_exist_and_its_knocks_do_not_pile_up(celeryconfig: Any) -> None:
    app = import_module("worker.app").app

    for entry in celeryconfig.beat_schedule.values():
        assert entry["task"] in app.tasks
        assert entry["options"]["queue"] in set(Queue)
        assert entry["options"]["expires"] > 0


def test_only_ids_are_arguments(celeryconfig: Any) -> None:
    faults = [fault for name in Name for fault in faults_of_ids(name, wanted(doing.HANDLERS[name]))]

    assert faults == []


def test_whoever_owes_a_job_gives_it_the_ids_that_its_body_wants(celeryconfig: Any) -> None:
    calls = [call for text in python_below("api", "worker", "tasks") for call in owed(text)]

    assert calls
    assert [(member, ids) for member, ids in calls if ids != frozenset(wanted(doing.HANDLERS[Name[member]]))] == []


def test_every_job_is_owed_by_somebody() -> None:
    mentioned = {
        member for text in python_below("api", "worker") for member in re.findall(r"\bName\.([A-Z_]+)", text)
    } | {member for text in python_below("tasks") for member, _ in owed(text)}

    assert mentioned >= set(Name.__members__)


# Each check is shown what it must catch.


def test_a_body_that_is_declared_twice_counts_twice() -> None:
    text = "@job(Name.END_HOLD)\ndef one(): ...\n@outside_job(Name.END_HOLD, lease=x)\nclass Two: ..."

    assert list(declarations(text)) == ["END_HOLD", "END_HOLD"]


@pytest.mark.parametrize(
    ("argument", "kind"),
    [("phone", str), ("code", str), ("booking_id", dict), ("url", str), ("amount", int), ("starts_at", object)],
)
def test_an_argument_that_is_no_id_is_found(argument: str, kind: type) -> None:
    assert list(faults_of_ids("booking.end_hold", {argument: kind}))


def test_a_queue_without_a_consumer_and_one_with_two_are_found() -> None:
    counted = consumed({"one": "celery worker -Q codes,sweeps", "two": "celery worker -Q codes"})

    assert counted == {"codes": 2, "sweeps": 1}


def test_the_ids_of_a_call_are_told_from_what_enqueue_takes_itself() -> None:
    text = "enqueue(session, Name.END_HOLD, due_at=now, timer_of=x, booking_id=x)"

    assert list(owed(text)) == [("END_HOLD", frozenset({"booking_id"}))]
