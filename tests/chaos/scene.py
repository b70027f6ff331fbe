"""Where a storm takes place: a Redis, a PostgreSQL and a whole stack that nobody else uses.

It starts and ends them, and says how they are reached. It hurts nothing and judges nothing.
"""

import base64
import json
import os
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from sqlalchemy import event

from worker import schema
from worker.clock import Clock
from worker.database import Database
from worker.embedded import PostgresServer, RedisServer, free_port, postgres_server, redis_server
from worker.settings import Settings
from worker.stack import REPOSITORY, Stack, read_procfile

READ_SECONDS = 2
"""How long a vendor may take to answer here; the faults that are slow are slower than this."""

_SIDS = ("AC" + "5" * 32, "AC" + "6" * 32, "AC" + "8" * 32)
_TOKENS = ("a-token-of-the-storm", "another-token-of-the-storm", "a-third-token-of-the-storm")
_SENDERS = ("+15005550006", "MG" + "7" * 32, "+15005550007")
"""Numbers, and a Messaging Service, whose messages are accepted before it is known who sends them."""
_MAIL_KEYS = ("SG.a-key-of-the-storm", "SG.another-key-of-the-storm", "SG.a-third-key-of-the-storm")
_SANDBOX_ONLY = ("SANDBOX_", "SENDGRID_EVENTS_URL")

_SEED = """
from worker.commands import keys, seed
from worker.database import database
with database().transaction() as session:
    seed.seed(session)
    print(keys.development_key(session))
"""


@dataclass(frozen=True)
class Scene:
    """All that runs, and where it is."""

    stack: Stack
    redis: RedisServer
    postgres: PostgresServer
    database: Database
    clock: Clock
    api: str
    sandbox: str
    key: str
    ledger: Path
    logs: Path

    def ledger_rows(self, statement: str, parameters: Sequence[object] = ()) -> list[sqlite3.Row]:
        """Read the vendor's ledger from its file: a customer's phone stays on while the vendor's host is down."""
        with closing(sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True, timeout=10)) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(statement, parameters).fetchall()


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """Start everything; on entry all of it is ready. On exit nothing of it is left but what `folder` holds."""
    with ExitStack() as ending:
        redis = ending.enter_context(redis_server(folder / "redis", own=True))
        # Durable: without, a server that is killed forgets what it had said was committed.
        postgres = ending.enter_context(postgres_server(folder / "postgres", own=True))
        url = postgres.create_database("chaos")
        schema.upgrade(url)
        environment = _environment(folder, url, redis.url)
        key = _seeded(environment)
        stack = Stack(environment, procfile=_commands(folder), logs=folder / "log")
        ending.callback(stack.kill_all)
        stack.start()
        stack.wait_until_ready(timeout_seconds=120)
        database = Database(url)
        be_patient(database)
        ending.callback(database.dispose)
        yield Scene(
            stack=stack,
            redis=redis,
            postgres=postgres,
            database=database,
            clock=Clock(database.engine),
            api=environment["PUBLIC_URL"],
            sandbox=environment["TWILIO_API_URL"],
            key=key,
            ledger=Path(environment["SANDBOX_LEDGER"]),
            logs=folder / "log",
        )


def be_patient(database: Database) -> None:
    """Wait longer for a lock than a customer would, who is told to come back: the machine may be busy."""

    def wait(connection: psycopg.Connection, _record: object) -> None:
        connection.execute("SET lock_timeout = '60s'")
        connection.execute("SET statement_timeout = '90s'")
        connection.commit()

    event.listen(database.engine, "connect", wait)


def _commands(folder: Path) -> dict[str, str]:
    """The Procfile's processes without Flower, which does nothing for anybody's message."""
    found = read_procfile()
    found.pop("flower")
    found["beat"] = found["beat"].replace("var/beat", shlex.quote(str(folder / "beat")))
    if any("var/" in command for command in found.values()):
        raise ValueError("a storm leaves a developer's data alone")
    return found


def _seeded(environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _SEED],
        env=dict(environment),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip().splitlines()[-1]


def _environment(folder: Path, database_url: str, broker_url: str) -> dict[str, str]:
    api = free_port()
    sandbox = free_port(taken=frozenset({api}))
    vendor = f"http://127.0.0.1:{sandbox}"
    private, public = _signing_keys()
    ours = {name.upper() for name in Settings.model_fields}
    outside = {
        name: value for name, value in os.environ.items() if name not in ours and not name.startswith(_SANDBOX_ONLY)
    }
    return {
        **outside,
        "ENVIRONMENT": "test",
        "SECRET_KEY": "a-secret-of-the-storms-" * 3,
        "DATABASE_URL": database_url,
        "BROKER_URL": broker_url,
        "PORT_API": str(api),
        "PUBLIC_URL": f"http://127.0.0.1:{api}",
        # The sandbox is three vendors a channel: it reads the same variables, with all accounts in each. With fewer
        # accounts all of a channel's would rest at once, from one refusal or silence to the next.
        "SANDBOX_HOST": "127.0.0.1",
        "SANDBOX_PORT": str(sandbox),
        "SANDBOX_LEDGER": str(folder / "sandbox.db"),
        "SANDBOX_SENDGRID_SIGNING_KEY": private,
        "TWILIO_API_URL": vendor,
        "TWILIO_ACCOUNT_SID": ",".join(_SIDS),
        "TWILIO_AUTH_TOKEN": ",".join(_TOKENS),
        "SENDGRID_API_URL": vendor,
        "SENDGRID_API_KEY": ",".join(_MAIL_KEYS),
        "SENDGRID_EVENTS_URL": f"http://127.0.0.1:{api}/v1/receipts/sendgrid",
        "SMS_ACCOUNTS": json.dumps(_sms_accounts(vendor)),
        "MAIL_ACCOUNTS": json.dumps(_mail_accounts(vendor, public)),
        "VENDOR_CONNECT_SECONDS": "1",
        "VENDOR_READ_SECONDS": str(READ_SECONDS),
        "RING_LEASE_SECONDS": "3",
        "C_FORCE_ROOT": "1",
    }


def _sms_accounts(url: str) -> list[dict[str, Any]]:
    return [
        {"name": f"sms-{place}", "api_url": url, "account_sid": sid, "auth_token": token, "sender": sender}
        for place, (sid, token, sender) in enumerate(zip(_SIDS, _TOKENS, _SENDERS, strict=True), start=1)
    ]


def _mail_accounts(url: str, webhook_key: str) -> list[dict[str, Any]]:
    sender = "concierge@mail.example.jp"
    return [
        {"name": f"mail-{place}", "api_url": url, "api_key": key, "sender": sender, "webhook_key": webhook_key}
        for place, key in enumerate(_MAIL_KEYS, start=1)
    ]


def _signing_keys() -> tuple[str, str]:
    made = ec.generate_private_key(ec.SECP256R1())
    private = made.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    public = made.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(private).decode(), base64.b64encode(public).decode()
