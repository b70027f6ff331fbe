"""Stacks of a journey's own: real processes on a database, a Redis and ports that nobody else uses, and may be hurt."""

import base64
import itertools
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from sqlalchemy import func, select

from models.job import Job, Queue
from models.message import Message, State
from tests.journeys.browser import chromium, open_context, page  # noqa: F401 - fixtures of the folder
from worker.chance import new_id
from worker.clock import system_now, unix_ms
from worker.database import Database
from worker.embedded import PostgresServer, RedisServer, free_port, redis_server
from worker.stack import REPOSITORY, Stack, read_procfile

PATIENCE_SECONDS = 90.0
UNDER_WAY = (State.QUEUED, State.SENDING)


def _until(reached: Callable[[], Any], what: str, *, every_seconds: float = 0.1) -> Any:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not (found := reached()):
        assert time.monotonic() < give_up, f"waited in vain until {what}"
        time.sleep(every_seconds)
    return found


@pytest.fixture(scope="session")
def until() -> Callable[[Callable[[], Any], str], Any]:
    """Wait until something is so, and return it; how long it takes proves nothing, that it comes proves all."""
    return _until


def commands(folder: Path, *, one_worker: bool = False, **changed: tuple[str, str]) -> dict[str, str]:
    """Return the Procfile's commands with what they keep put into `folder`.

    Args:
        folder: where beat keeps its file.
        one_worker: put one worker that serves every queue in the place of the several.
        changed: by process, what stands in its command and what stands there instead; `_` in a name is a hyphen.
    """
    found = read_procfile()
    found["beat"] = _put(found["beat"], "var/beat", str(folder / "beat"))
    for name, (old, new) in changed.items():
        found[name.replace("_", "-")] = _put(found[name.replace("_", "-")], old, new)
    if one_worker:
        every_queue = _put(found["worker-codes"], "-Q codes", f"-Q {','.join(Queue)}")
        found = {name: command for name, command in found.items() if not name.startswith("worker-")}
        found["worker-all"] = every_queue
    assert not any("var/" in command for command in found.values()), "a journey leaves a developer's data alone"
    return found


def _put(command: str, old: str, new: str) -> str:
    assert command.count(old) == 1, f"{old} does not stand in the Procfile's command once"
    return command.replace(old, new)


@dataclass
class Running:
    """A stack that runs, seen from outside: its API, the vendor's ledger, its rows, its logs."""

    stack: Stack
    redis: RedisServer
    database: Database
    folder: Path
    api: str
    inbox: str
    flower: str
    key: str
    environment: Mapping[str, str]

    def ask(self, path: str, body: Mapping[str, Any] | None = None, **more: Any) -> requests.Response:
        """POST (or GET, without a body), and again with the same key until it is answered, as a careful caller does."""
        idempotency_key = str(new_id(unix_ms()))
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": idempotency_key, **more}
        give_up = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer = requests.request(
                    "GET" if body is None else "POST",
                    f"{self.api}{path}",
                    json=body,
                    headers=headers,
                    timeout=30,
                    allow_redirects=False,
                )
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
                assert time.monotonic() < give_up, "the API did not come back"
            else:
                in_progress = answer.status_code == 409 and answer.json()["code"] == "request_in_progress"
                if answer.status_code != 503 and not in_progress:
                    return answer
                assert time.monotonic() < give_up, "the request was never answered"
            time.sleep(0.1)

    def slots(self, shop: str) -> list[str]:
        """Return the free slots of a shop in the days from which on a booking may still be changed."""
        found: list[dict[str, str]] = self.ask(f"/v1/shops/{shop}/slots").json()["slots"]
        in_two_days = system_now().date() + timedelta(days=2)
        later = [slot["starts_at"] for slot in found if date.fromisoformat(slot["starts_at"][:10]) >= in_two_days]
        assert later, f"{shop} has no free slots"
        return later

    def wish(self, shop: str, starts_at: str, **contact: str) -> dict[str, Any]:
        """Return the body of a request for a slot."""
        return {"shop": shop, "starts_at": starts_at, "contact": contact, "customer_ip": "192.0.2.1"}

    def sent(self, **where: str) -> list[dict[str, Any]]:
        """Return what the vendor delivered, the oldest first."""
        answer = requests.get(f"{self.inbox}/_sent", params={**where, "limit": "10000"}, timeout=30)
        found: list[dict[str, Any]] = answer.json()["sent"]
        return found[::-1]

    def deliveries(self) -> dict[str, int]:
        """Return how often the vendor delivered each of our messages."""
        answer = requests.get(f"{self.inbox}/_sent", params={"count": "message"}, timeout=30)
        counts: dict[str, int] = answer.json()["counts"]
        return counts

    def code_sent_to(self, address: str) -> str | None:
        """Return the last code that was delivered to this address."""
        codes = [
            found[1]
            for letter in self.sent(to=address)
            if (found := re.search(r"#(\d{6})$", letter["text"], re.MULTILINE))
        ]
        return codes[-1] if codes else None

    def script(self, script: Mapping[str, Any], *, times: int = 1) -> None:
        """Let the vendor play faults."""
        answer = requests.post(f"{self.inbox}/_script", json={**script, "times": times}, timeout=30)
        assert answer.status_code == 201, answer.text

    def unfinished(self) -> dict[str, int]:
        """Return what is due and not done, and what is on its way: empty when nothing is stuck."""
        jobs = select(Job.name, func.count()).where(Job.due_at <= system_now()).group_by(Job.name)
        messages = select(Message.kind, func.count()).where(Message.state.in_(UNDER_WAY)).group_by(Message.kind)
        with self.database.snapshot() as session:
            return {str(name): count for query in (jobs, messages) for name, count in session.execute(query)}

    def settle(self) -> None:
        """Wait until all that was owed is done, and the vendor has told all that it has to tell."""
        try:
            _until(lambda: not self._receipts_owed() and not self.unfinished(), "nothing was owed")
        except AssertionError as in_vain:
            in_vain.add_note(f"{self._receipts_owed()} receipts are owed, and of our own {self.unfinished()}")
            raise

    def _receipts_owed(self) -> int:
        owed: int = requests.get(f"{self.inbox}/_health", timeout=30).json()["receipts_owed"]
        return owed


SECRETS = {
    "ENVIRONMENT": "test",
    "SECRET_KEY": "a-secret-of-the-journeys-" * 3,
    "TWILIO_ACCOUNT_SID": "AC" + "7" * 32,
    "TWILIO_AUTH_TOKEN": "a-token-of-the-journeys",
    "SENDGRID_API_KEY": "SG.a-key-of-the-journeys",
    "FLOWER_UNAUTHENTICATED_API": "true",
    "C_FORCE_ROOT": "1",
}


@pytest.fixture(scope="session")
def vendor_keys() -> dict[str, str]:
    """The pair of keys by which the sandbox signs events and the API knows them."""
    made = ec.generate_private_key(ec.SECP256R1())
    private = made.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    public = made.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {
        "SANDBOX_SENDGRID_SIGNING_KEY": base64.b64encode(private).decode(),
        "SENDGRID_WEBHOOK_KEY": base64.b64encode(public).decode(),
    }


_SEED = """
from worker.commands import keys, seed
from worker.database import database
with database().transaction() as session:
    seed.seed(session)
    print(keys.development_key(session))
"""


def _seeded(url: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _SEED],
        env={**os.environ, **SECRETS, "DATABASE_URL": url},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip().splitlines()[-1]


@pytest.fixture(scope="session")
def seeded_sqlite(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A SQLite file to copy, with shops and a key to the API, and that key."""
    file = tmp_path_factory.mktemp("seeded") / "template.db"
    file.write_bytes(sqlite_template.read_bytes())
    return file, _seeded(f"sqlite:///{file}")


@pytest.fixture(scope="session")
def seeded_postgres(postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    """A PostgreSQL template with shops and a key to the API, and that key."""
    url = postgres.create_database("template_seeded", template="template_toritsugi")
    yield "template_seeded", _seeded(url)
    postgres.drop_database("template_seeded")


@pytest.fixture(scope="session")
def run_stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, vendor_keys: dict[str, str]
) -> Callable[..., AbstractContextManager[Running]]:
    """Run a stack on `sqlite` or `postgresql`: the Procfile's processes, `without` some of them.

    `one_worker` and the pairs are those of `commands`; `settings` are more variables of the environment.
    """
    numbers = itertools.count(1)

    @contextmanager
    def running(
        kind: str,
        *,
        without: tuple[str, ...] = (),
        one_worker: bool = False,
        settings: Mapping[str, str] | None = None,
        **changed: tuple[str, str],
    ) -> Iterator[Running]:
        folder = tmp_path_factory.mktemp("journey")
        name = f"journey_{next(numbers)}"
        if kind == "sqlite":
            template, key = request.getfixturevalue("seeded_sqlite")
            (folder / "toritsugi.db").write_bytes(template.read_bytes())
            url = f"sqlite:///{folder}/toritsugi.db"
        else:
            template, key = request.getfixturevalue("seeded_postgres")
            url = request.getfixturevalue("postgres").create_database(name, template=template)
        with redis_server(folder / "redis", own=True) as redis:
            environment = _environment(folder, url, redis.url) | vendor_keys | dict(settings or {})
            chosen = commands(folder, one_worker=one_worker, **changed)
            only = set(chosen) - set(without)
            stack = Stack(environment, procfile=chosen, only=only, logs=folder / "log")
            database = Database(url)
            try:
                stack.start()
                stack.wait_until_ready()
                yield Running(
                    stack=stack,
                    redis=redis,
                    database=database,
                    folder=folder,
                    api=environment["PUBLIC_URL"],
                    inbox=environment["TWILIO_API_URL"],
                    flower=f"http://127.0.0.1:{environment['PORT_FLOWER']}",
                    key=key,
                    environment=environment,
                )
            finally:
                stack.kill_all()
                database.dispose()
        if kind == "postgresql":
            request.getfixturevalue("postgres").drop_database(name)

    return running


def _environment(folder: Path, database_url: str, broker_url: str) -> dict[str, str]:
    ports: list[int] = []
    for _ in range(3):
        ports.append(free_port(taken=frozenset(ports)))
    api, sandbox, flower = ports
    return {
        **os.environ,
        **SECRETS,
        "DATABASE_URL": database_url,
        "BROKER_URL": broker_url,
        "PORT_API": str(api),
        "PORT_FLOWER": str(flower),
        "SANDBOX_HOST": "127.0.0.1",
        "SANDBOX_PORT": str(sandbox),
        "SANDBOX_LEDGER": str(folder / "sandbox.db"),
        "PUBLIC_URL": f"http://127.0.0.1:{api}",
        "TWILIO_API_URL": f"http://127.0.0.1:{sandbox}",
        "SENDGRID_API_URL": f"http://127.0.0.1:{sandbox}",
        "SENDGRID_EVENTS_URL": f"http://127.0.0.1:{api}/v1/receipts/sendgrid",
        "LIVEKIT_URL": f"http://127.0.0.1:{sandbox}",
        "LIVEKIT_MEET_URL": f"http://127.0.0.1:{sandbox}",
        "LIVEKIT_WEBHOOK_URL": f"http://127.0.0.1:{api}/v1/receipts/video/livekit",
        # A job that a dead process took along is rung again this soon.
        "RING_LEASE_SECONDS": "2",
        # And a call that it was in counts as lost after both of these and five seconds.
        "VENDOR_CONNECT_SECONDS": "1",
        "VENDOR_READ_SECONDS": "5",
    }
