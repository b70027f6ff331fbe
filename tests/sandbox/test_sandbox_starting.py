"""Starting: what the sandbox refuses to start with, and what time it takes it to be."""

import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from sandbox import settings
from sandbox.time import Clock
from tests.sandbox.sandbox_process import ROOT, RunningSandbox, environment, receiving, text_to, until


def started(**more: str) -> subprocess.CompletedProcess[str]:
    """Start a sandbox that is expected to refuse, and return how it ended."""
    return subprocess.run(
        [sys.executable, "-m", "sandbox"],
        cwd=ROOT,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_it_refuses_production() -> None:
    ended = started(ENVIRONMENT="production")

    assert ended.returncode == 2
    assert "ENVIRONMENT=production" in ended.stderr


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        ended = started(SANDBOX_PORT=port)

    assert ended.returncode == 2
    assert port in ended.stderr


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param({"ENVIRONMENT": " Production "}, "ENVIRONMENT", id="production, oddly spelt"),
        pytest.param({"TWILIO_AUTH_TOKEN": ""}, "TWILIO_AUTH_TOKEN", id="no token"),
        pytest.param({"TWILIO_AUTH_TOKEN": "only one"}, "TWILIO_AUTH_TOKEN", id="fewer tokens than accounts"),
        pytest.param({"SENDGRID_API_KEY": ""}, "SENDGRID_API_KEY", id="no key"),
        pytest.param({"SANDBOX_PORT": "many"}, "SANDBOX_PORT", id="a port that is no number"),
        pytest.param({"SANDBOX_RETRY_SECONDS": "-1"}, "SANDBOX_RETRY_SECONDS", id="a negative pause"),
        pytest.param({"SANDBOX_SENDGRID_SIGNING_KEY": "bm8ga2V5"}, "SIGNING_KEY", id="a key that is none"),
        pytest.param(
            {"SANDBOX_SENDGRID_SIGNING_KEY": "", "SENDGRID_EVENTS_URL": "http://127.0.0.1:1/"},
            "SIGNING_KEY",
            id="events without a key to sign them",
        ),
    ],
)
def test_a_bad_setting_is_named(change: dict[str, str], named: str) -> None:
    with pytest.raises(settings.BadSetting, match=named):
        settings.read(environment(**change))


def test_its_clock_is_moved_with_the_projects(tmp_path: Path) -> None:
    _move_clock(tmp_path / "project.db", seconds=3600)

    moved = Clock(f"sqlite:///{tmp_path / 'project.db'}").now()

    assert timedelta(seconds=3590) < timedelta(seconds=moved - Clock(None).now()) < timedelta(seconds=3610)


def test_without_a_database_the_clock_is_the_systems_and_none_is_created(tmp_path: Path) -> None:
    clock = Clock(f"sqlite:///{tmp_path / 'none.db'}")

    assert abs(clock.now() - Clock(None).now()) < 10
    assert list(tmp_path.iterdir()) == []


def test_a_message_expires_when_the_projects_clock_is_moved(
    start_sandbox: Callable[..., RunningSandbox], tmp_path: Path
) -> None:
    project = tmp_path / "project.db"
    sandbox = start_sandbox(DATABASE_URL=f"sqlite:///{project}")
    sandbox.script({"kind": "queue_for", "seconds": 3600})
    with receiving() as receiver, sandbox.twilio() as client:
        text_to(client, receiver, "outlived", validity_period=300)

        _move_clock(project, seconds=7200)

        (told,) = until(lambda: receiver.about("outlived"))
    assert (told.form["MessageStatus"], told.form["ErrorCode"]) == ("failed", "30036")
    assert sandbox.sent() == []


def test_receipts_are_dated_by_the_moved_clock(start_sandbox: Callable[..., RunningSandbox], tmp_path: Path) -> None:
    _move_clock(tmp_path / "project.db", seconds=10 * 24 * 3600)
    sandbox = start_sandbox(DATABASE_URL=f"sqlite:///{tmp_path / 'project.db'}")

    now = datetime.fromisoformat(sandbox.http.get(f"{sandbox.url}/_health", timeout=5).json()["now"])

    assert now.timestamp() - Clock(None).now() > 9 * 24 * 3600


def _move_clock(project: Path, *, seconds: float) -> None:
    database = sqlite3.connect(project)
    with database:
        database.execute("CREATE TABLE IF NOT EXISTS clock (id INTEGER PRIMARY KEY, offset_seconds FLOAT)")
        database.execute("INSERT OR REPLACE INTO clock VALUES (1, ?)", (seconds,))
    database.close()
