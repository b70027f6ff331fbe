"""Where a run takes place: a PostgreSQL and a Redis of its own with durable settings, and stacks of real processes.

It starts, freezes, wakes and weighs them. It refuses to know what is measured. What is not being measured is frozen
(SIGSTOP), so that it takes nothing from what is.
"""

import base64
import itertools
import json
import os
import shlex
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import redis
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from bench.bare import app_on
from models.job import Queue
from worker import schema
from worker.database import Database
from worker.embedded import PostgresServer, RedisServer, free_port, postgres_server, redis_server
from worker.settings import Settings
from worker.stack import SignOfLife, Stack, read_procfile

WORKERS = ("worker-1", "worker-2")
SETTINGS = frozenset(name.upper() for name in Settings.model_fields)
_PATIENCE_SECONDS = 30
_PAGE = 2_000
_NEVER_SECONDS = "864000"
SMS_ACCOUNT, MAIL_ACCOUNT = "twilio", "sendgrid"
_TWILIO_ACCOUNT, _TWILIO_TOKEN, _SENDGRID_KEY = "AC" + "8" * 32, "a-token-of-the-bench", "SG.a-key-of-the-bench"


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast the vendors' accounts may be used, in a second; by default so fast that only the machine is in the way.

    Attributes:
        sms_requests, mail_requests: calls.
        sms_segments: what the texts are made of.
    """

    sms_requests: float = 1_000.0
    sms_segments: float = 3_000.0
    mail_requests: float = 1_000.0


@dataclass
class Site:
    """One stack with its own database, its own Redis database and its own ports.

    Attributes:
        names: the processes.
        redis: a client of its Redis database.
    """

    stack: Stack
    redis: "redis.Redis"
    database_url: str
    environment: Mapping[str, str]

    @property
    def names(self) -> list[str]:
        """The processes."""
        return self.stack.names

    @property
    def port(self) -> int:
        """Where its API listens."""
        return int(self.environment["PORT_API"])

    def freeze(self, *names: str) -> None:
        """Let these processes (all, if none is named) hold everything and do nothing."""
        for name in names or self.names:
            self.stack.kill(name, signal.SIGSTOP)

    def wake(self, *names: str) -> None:
        """Let frozen processes go on."""
        for name in names or self.names:
            self.stack.kill(name, signal.SIGCONT)

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Let all go on for the block."""
        self.wake()
        try:
            yield
        finally:
            self.freeze()

    def cpu_seconds(self, *names: str) -> float | None:
        """Return what these processes have used of the processor so far; None where the system does not tell."""
        used = [_cpu_seconds(self.stack.pids[name]) for name in names]
        return None if None in used else sum(seconds or 0.0 for seconds in used)


class Ledger:
    """The sandbox's own account of what was delivered, the only witness here."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()

    def delivered(self) -> int:
        """Return how many messages were delivered."""
        total: int = self._ask("/_health")["delivered"]
        return total

    def most_deliveries(self) -> int:
        """Return how often the message that was delivered most often was; more than 1 is a fault."""
        return max(self._ask("/_sent", count="message")["counts"].values(), default=0)

    def last_delivered_at(self, **where: str) -> str | None:
        """Return when the newest delivery was made, as ISO 8601; with `to`, that to one number."""
        sent = self._ask("/_sent", limit="1", **where)["sent"]
        return sent[0]["delivered_at"] if sent else None

    def deliveries_by_message(self) -> dict[str, int]:
        """Return how often each message was delivered, by its id."""
        counts: dict[str, int] = self._ask("/_sent", count="message")["counts"]
        return counts

    def taken(self) -> Iterator[dict[str, Any]]:
        """Yield everything the vendors ever took, delivered or not, newest first, as the sandbox tells it."""
        page = self._ask("/_sent", undelivered="true", limit=str(_PAGE))["sent"]
        while page:
            yield from page
            page = self._ask("/_sent", undelivered="true", limit=str(_PAGE), before=str(page[-1]["id"]))["sent"]

    def answer_everything(self, kind: str) -> None:
        """Meet every request with one kind of fault until `answer_truly`."""
        script = {"plays": [kind], "times": 1_000_000}
        self._session.post(f"{self._url}/_script", json=script, timeout=_PATIENCE_SECONDS).raise_for_status()

    def answer_truly(self) -> None:
        """End that."""
        self._session.delete(f"{self._url}/_script", timeout=_PATIENCE_SECONDS).raise_for_status()

    def faults_met(self) -> int:
        """Return how many requests were met with a fault."""
        return sum(self._ask("/_played", limit="1")["counts"].values())

    def empty(self) -> None:
        """Forget everything."""
        self._session.delete(f"{self._url}/_sent", timeout=_PATIENCE_SECONDS)

    def _ask(self, path: str, **params: str) -> Any:
        return self._session.get(f"{self._url}{path}", params=params, timeout=_PATIENCE_SECONDS).json()


@dataclass
class Ground:
    """The servers, and the stacks that were started on them."""

    folder: Path
    postgres: PostgresServer
    broker: RedisServer
    _brokers: Iterator[int] = field(default_factory=itertools.count)
    _ports: set[int] = field(default_factory=set)
    _keys: dict[str, str] = field(default_factory=lambda: _signing_keys())  # noqa: PLW0108 - defined below

    def port(self) -> int:
        """Return a free port that nobody here was given before."""
        found = free_port(taken=frozenset(self._ports))
        self._ports.add(found)
        return found

    def environment(self, database_url: str, *, receipts: bool, pace: Pace | None = None) -> dict[str, str]:
        """Return the variables of a stack of its own; nothing of ours that was set outside gets in.

        Args:
            database_url: the stack's database.
            receipts: whether the sandbox calls back while we measure, or long afterwards.
            pace: how fast the vendors may be called.
        """
        api, sandbox = self.port(), self.port()
        number = next(self._brokers)
        vendors = f"http://127.0.0.1:{sandbox}"
        return {
            **{name: value for name, value in os.environ.items() if name not in SETTINGS},
            **self._keys,
            "ENVIRONMENT": "test",
            "DATABASE_URL": database_url,
            "BROKER_URL": self.broker.url.rsplit("/", 1)[0] + f"/{number}",
            "PORT_API": str(api),
            "SANDBOX_HOST": "127.0.0.1",
            "SANDBOX_PORT": str(sandbox),
            "SANDBOX_LEDGER": str(self.folder / f"sandbox-{number}.db"),
            "SANDBOX_RECEIPT_SECONDS": "0.2" if receipts else _NEVER_SECONDS,
            "PUBLIC_URL": f"http://127.0.0.1:{api}",
            "TWILIO_API_URL": vendors,
            "TWILIO_ACCOUNT_SID": _TWILIO_ACCOUNT,
            "TWILIO_AUTH_TOKEN": _TWILIO_TOKEN,
            "SENDGRID_API_URL": vendors,
            "SENDGRID_API_KEY": _SENDGRID_KEY,
            **_accounts(vendors, self._keys["SENDGRID_WEBHOOK_KEY"], pace or Pace()),
            "SENDGRID_EVENTS_URL": f"http://127.0.0.1:{api}/v1/receipts/sendgrid",
            "C_FORCE_ROOT": "1",
        }

    @contextmanager
    def site(
        self,
        environment: Mapping[str, str],
        commands: Mapping[str, str],
        readiness: Mapping[str, SignOfLife] | None = None,
    ) -> Iterator[Site]:
        """Run processes until the block ends; on entry they are ready and frozen."""
        logs = self.folder / "log" / environment["PORT_API"]
        stack = Stack(environment, procfile=commands, logs=logs, readiness=readiness)
        client = redis.Redis.from_url(environment["BROKER_URL"])
        site = Site(stack, client, environment["DATABASE_URL"], environment)
        with ExitStack() as ending:
            ending.callback(client.close)
            ending.callback(stack.kill_all)
            stack.start()
            stack.wait_until_ready()
            site.freeze()
            yield site


def shipped(folder: Path) -> dict[str, str]:
    """Return the Procfile's commands, all but Flower's, with what beat keeps put into `folder`."""
    found = read_procfile()
    found.pop("flower")
    found["beat"] = found["beat"].replace("var/beat", shlex.quote(str(folder / "beat")))
    return found


def two_workers() -> dict[str, str]:
    """Return two workers as the Procfile's, each for every queue."""
    line = read_procfile()["worker-delivery"]
    return {name: _with(line, {"-n": f"{name}@%h", "-Q": ",".join(Queue)}) for name in WORKERS}


def two_bare_workers() -> dict[str, str]:
    """Return two workers of the bare app: pool, concurrency and events as ours, all else as Celery has it."""
    # Late: it reads the settings, which this run sets first.
    import celeryconfig

    line = read_procfile()["worker-delivery"]
    events = " --task-events" if celeryconfig.worker_send_task_events else ""
    changed: dict[str, str | None] = {"-A": "bench.bare", "-Q": None, "--loglevel": None}
    return {name: _with(line, {**changed, "-n": f"{name}@%h"}) + events for name in WORKERS}


def answers_pings(broker_url: str) -> dict[str, SignOfLife]:
    """Return the sign of life of the bare workers, which at Celery's own log level do not say that they are ready."""
    app = app_on(broker_url)

    def lives(name: str) -> bool:
        replies = app.control.ping(timeout=0.5) or []
        return any(node.startswith(f"{name}@") for reply in replies for node in reply)

    return {name: partial(lives, name) for name in WORKERS}


@contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    """Start the servers, and stop them and forget their data when the block ends."""
    with postgres_server(folder, fsync=True, own=True) as postgres, redis_server(folder, own=True) as broker:
        yield Ground(folder, postgres, broker)


def migrated(url: str) -> Database:
    """Return an open database with all tables."""
    schema.upgrade(url)
    return Database(url)


def _accounts(vendors: str, webhook_key: str, pace: Pace) -> dict[str, str]:
    """Return the accounts of the variables above as lists: only these can say how fast."""
    sms = {
        "name": SMS_ACCOUNT,
        "api_url": vendors,
        "account_sid": _TWILIO_ACCOUNT,
        "auth_token": _TWILIO_TOKEN,
        "sender": "+15005550006",
        "requests_per_second": pace.sms_requests,
        "segments_per_second": pace.sms_segments,
    }
    mail = {
        "name": MAIL_ACCOUNT,
        "api_url": vendors,
        "api_key": _SENDGRID_KEY,
        "sender": "concierge@mail.example.jp",
        "webhook_key": webhook_key,
        "requests_per_second": pace.mail_requests,
    }
    return {"SMS_ACCOUNTS": json.dumps([sms]), "MAIL_ACCOUNTS": json.dumps([mail])}


def _with(command: str, options: Mapping[str, str | None]) -> str:
    words = shlex.split(command)
    for option, value in options.items():
        place = words.index(option)
        words[place : place + 2] = [option, value] if value is not None else []
    return shlex.join(words)


def _cpu_seconds(pid: int) -> float | None:
    """Return user and system time of a process.

    Source: proc_pid_stat(5), fields 14 and 15, counted after the command's closing bracket.
    """
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return None
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _signing_keys() -> dict[str, str]:
    made = ec.generate_private_key(ec.SECP256R1())
    private = made.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    public = made.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {
        "SANDBOX_SENDGRID_SIGNING_KEY": base64.b64encode(private).decode(),
        "SENDGRID_WEBHOOK_KEY": base64.b64encode(public).decode(),
    }
