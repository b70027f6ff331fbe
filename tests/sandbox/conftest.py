"""One sandbox and one receiver for the folder; what a test does to them is undone after it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.sandbox_process import Receiver, RunningSandbox, receiving


@pytest.fixture(scope="session")
def receiver_of_the_folder() -> Iterator[Receiver]:
    """Where the folder's sandbox posts."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def sandbox_of_the_folder(
    receiver_of_the_folder: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningSandbox]:
    """The folder's sandbox."""
    running = RunningSandbox(
        tmp_path_factory.mktemp("sandbox") / "ledger.db",
        SENDGRID_EVENTS_URL=f"{receiver_of_the_folder.url}/v1/receipts/sendgrid",
    )
    yield running
    running.stop()


@pytest.fixture
def receiver(receiver_of_the_folder: Receiver) -> Receiver:
    """The receiver, with nothing received."""
    receiver_of_the_folder.posts.clear()
    return receiver_of_the_folder


@pytest.fixture
def sandbox(sandbox_of_the_folder: RunningSandbox) -> Iterator[RunningSandbox]:
    """The sandbox, with nothing sent."""
    yield sandbox_of_the_folder
    sandbox_of_the_folder.reset()


@pytest.fixture
def twilio(sandbox: RunningSandbox) -> Iterator[Any]:
    """The official Twilio client."""
    with sandbox.twilio() as client:
        yield client


@pytest.fixture
def sendgrid(sandbox: RunningSandbox) -> Any:
    """The official SendGrid client."""
    return sandbox.sendgrid()


@pytest.fixture
def start_sandbox(tmp_path: Path) -> Iterator[Callable[..., RunningSandbox]]:
    """Start sandboxes of the test's own, all on one ledger; they are ended after it."""
    running: list[RunningSandbox] = []

    def start(**more: str) -> RunningSandbox:
        running.append(RunningSandbox(tmp_path / "ledger.db", **more))
        return running[-1]

    yield start
    for each in running:
        each.stop()
