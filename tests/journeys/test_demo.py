"""A fresh clone in a new directory: the stack comes up, and the demonstration plays to its end."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from worker.embedded import free_port
from worker.stack import REPOSITORY

PATIENCE_SECONDS = 110.0
NOT_CLONED = shutil.ignore_patterns(
    ".git", ".venv", "var", "tests", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"
)
# What a developer's shell may set would lead the clone to another stack.
OURS = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH")


@dataclass
class Clone:
    """A copy of the repository that shares nothing with it but the Python that runs it."""

    folder: Path
    environment: dict[str, str]

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of `python -m worker …`."""
        return [sys.executable, "-m", "worker", *arguments]

    @property
    def said(self) -> str:
        """What `worker up` has printed so far."""
        return (self.folder / "up.txt").read_text()


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Clone]:
    """The stack of a fresh clone, up and running."""
    folder = tmp_path / "clone"
    shutil.copytree(REPOSITORY, folder, ignore=NOT_CLONED)
    ports: list[int] = []
    for _ in range(3):
        ports.append(free_port(taken=frozenset(ports)))
    kept = {name: os.environ[name] for name in OURS if name in os.environ}
    chosen = dict(zip(("PORT_API", "SANDBOX_PORT", "PORT_FLOWER"), map(str, ports), strict=True))
    made = Clone(folder, {**kept, **chosen, "C_FORCE_ROOT": "1", "FLOWER_UNAUTHENTICATED_API": "true"})
    with (folder / "up.txt").open("wb") as output:
        up = subprocess.Popen(
            made.command("up"),
            cwd=folder,
            env=made.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    give_up = time.monotonic() + PATIENCE_SECONDS
    try:
        while "is up." not in made.said:
            assert up.poll() is None, made.said
            assert time.monotonic() < give_up, made.said
            time.sleep(0.1)
        yield made
    finally:
        # Twice: what is being done need not be finished.
        up.send_signal(signal.SIGINT)
        time.sleep(0.5)
        up.send_signal(signal.SIGINT)
        up.wait(30)


OPENING = ["case.screen_form", "case.notify_applicant", "case.notify_counterparty", "case.await_decision"]


def chains_in_flower(clone: Clone) -> list[list[str]]:
    """Return the chains that Flower shows, each as the names of its links in their order."""
    stack = json.loads((clone.folder / "var" / "stack.json").read_text())
    tasks = requests.get(f"{stack['addresses']['flower']}/api/tasks", timeout=30).json().values()
    chains: dict[str, list[tuple[float, str]]] = {}
    for task in tasks:
        chains.setdefault(task["root_id"] or task["uuid"], []).append((task["received"], task["name"]))
    return [[name for _, name in sorted(links)] for links in chains.values() if len(links) > 1]


@pytest.mark.timeout(420)
def test_the_demonstration_plays_to_its_end_in_a_fresh_clone(clone: Clone) -> None:
    demo = subprocess.run(
        clone.command("demo"), cwd=clone.folder, env=clone.environment, capture_output=True, text=True, check=False
    )

    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "SMS, each delivered once" in demo.stdout
    assert "11 mails, each delivered once" in demo.stdout
    assert OPENING in chains_in_flower(clone)
    assert (clone.folder / "var" / "letter.pdf").read_bytes().startswith(b"%PDF-")
