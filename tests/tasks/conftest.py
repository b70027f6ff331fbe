"""Tasks at work: a real sandbox in a process of its own, and a desk whose customers can be served there and then."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

import pytest
from sqlalchemy import select

from models.job import Job, Name
from models.message import Attempt, Kind, Message
from tests.conftest import StoppedTime
from tests.sandbox.sandbox_process import (
    ACCOUNT,
    API_KEY,
    PUBLIC_KEY,
    TOKEN,
    Receiver,
    RunningSandbox,
    receiving,
    until,
)
from tests.worker.desk import Desk
from worker import jobs
from worker.database import Database


@pytest.fixture(scope="session")
def receiver_of_the_tasks() -> Iterator[Receiver]:
    """Where the sandbox posts its receipts."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def sandbox_of_the_tasks(
    receiver_of_the_tasks: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningSandbox]:
    """The folder's sandbox."""
    running = RunningSandbox(
        tmp_path_factory.mktemp("sandbox") / "ledger.db",
        SENDGRID_EVENTS_URL=f"{receiver_of_the_tasks.url}/v1/receipts/sendgrid",
        LIVEKIT_WEBHOOK_URL=f"{receiver_of_the_tasks.url}/v1/receipts/video/livekit",
    )
    yield running
    running.stop()


@pytest.fixture
def receiver(receiver_of_the_tasks: Receiver) -> Receiver:
    """The receiver, with nothing received."""
    receiver_of_the_tasks.posts.clear()
    return receiver_of_the_tasks


@pytest.fixture(autouse=True)
def carrier(
    sandbox_of_the_tasks: RunningSandbox, receiver: Receiver, environment: pytest.MonkeyPatch
) -> Iterator[RunningSandbox]:
    """The sandbox, with nothing sent, as the vendor of whatever this process sends."""
    for name, value in {
        "TWILIO_API_URL": sandbox_of_the_tasks.url,
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "SENDGRID_API_URL": sandbox_of_the_tasks.url,
        "SENDGRID_API_KEY": API_KEY,
        "SENDGRID_WEBHOOK_KEY": PUBLIC_KEY,
        "LIVEKIT_URL": sandbox_of_the_tasks.url,
        "LIVEKIT_MEET_URL": sandbox_of_the_tasks.url,
        "PUBLIC_URL": receiver.url,
        "VENDOR_READ_SECONDS": "5",
    }.items():
        environment.setenv(name, value)
    yield sandbox_of_the_tasks
    sandbox_of_the_tasks.reset()


@dataclass(frozen=True)
class Workshop(Desk):
    """A desk with workers at hand, and the vendor's ledger beside our rows."""

    time: StoppedTime
    work: Callable[[], int]
    carrier: RunningSandbox

    def delivered(self, kind: Kind) -> int:
        """Return how many of this kind the vendor delivered, by its own ledger; waits for those it has accepted."""
        self.settled()
        counts = self.carrier.counts("message")
        return sum(counts.get(str(message.id), 0) for message in self.messages(kind))

    def last_text(self, to: str) -> str:
        """Return the words that reached somebody last; waits for those that the vendor has accepted."""
        self.settled()
        return str(self.carrier.sent(to=to)[0]["text"])

    def settled(self) -> None:
        """Wait until everything that the vendor accepted has arrived."""
        until(lambda: len(self.carrier.sent(limit="1000")) == len(self.carrier.sent(limit="1000", undelivered="true")))

    def attempts(self) -> list[Attempt]:
        """Return all calls to a vendor, the oldest first."""
        with self.database.snapshot() as session:
            return list(session.scalars(select(Attempt).order_by(Attempt.started_at, Attempt.id)))

    def message(self, kind: Kind) -> Message:
        """Return the only message of this kind."""
        [only] = self.messages(kind)
        return only

    def perform(self, name: Name) -> list[jobs.Outcome]:
        """Do the owed jobs of one name, due or not."""
        return [jobs.perform(job.id) for job in self.jobs(name)]

    def overdue_claim(self, job_id: UUID) -> None:
        """Let the claim of a call outlive its lease."""
        with self.database.transaction() as session:
            owed = session.get_one(Job, job_id)
            assert owed.claimed_until is not None
            owed.claimed_until = owed.created_at


@pytest.fixture
def shop_floor(
    carrier: RunningSandbox, seeded: Database, time: StoppedTime, do_due_jobs: Callable[[], int]
) -> Workshop:
    """Everything at work."""
    return Workshop(seeded, time, do_due_jobs, carrier)
