"""`make up`: keys, ports, Redis, tables and seed, then the whole stack, until Ctrl-C. For development only.

It knows in which order things start and what a newcomer should be told. It knows no business rule.
"""

import base64
import contextlib
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from worker.chance import token_bytes
from worker.embedded import RedisServer, ServerUnavailableError, free_port, redis_server, write_private
from worker.settings import REPOSITORY
from worker.stack import Stack, StackError

FIRST_SHOP = "queens-court"
FIRST_STAFF = "sakura"

VAR = REPOSITORY / "var"
DEVELOPMENT_ENV = VAR / "development.env"
STACK_FILE = VAR / "stack.json"
LOGS = VAR / "log"

FIRST_CHOICES = {"PORT_API": 8000, "SANDBOX_PORT": 8025, "PORT_FLOWER": 5555}
PURPOSES = {"PORT_API": "the API", "SANDBOX_PORT": "the sandbox", "PORT_FLOWER": "Flower"}

READY_SECONDS = 120.0

# The console shows what asks for attention; everything is in var/log. VERBOSE=1 shows everything.
ALARMING = re.compile(r'"level": ?"(warning|error|critical)"|\b(WARNING|ERROR|CRITICAL)\b|^Traceback|\[ALERT\]')


class CommandFailedError(RuntimeError):
    """A command that prepares the stack failed. The message holds all that it printed."""


def main(arguments: Sequence[str] = ()) -> int:  # noqa: ARG001 - every command takes them
    """Run the stack until it is interrupted.

    Returns:
        The exit status: 0 after Ctrl-C, 1 when something could not be started or another stack is running.
    """
    if os.environ.get("ENVIRONMENT", "development") != "development":
        say("make up starts a development stack, and ENVIRONMENT says otherwise. docs/operations.md is for production.")
        return 1
    VAR.mkdir(mode=0o700, exist_ok=True)  # the inbox holds codes
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        with _only_one() as first, _keyboard():
            if not first:
                return 1
            return _run()
    except KeyboardInterrupt:
        say("Stopped.")
        return 0
    except (ServerUnavailableError, CommandFailedError) as error:
        say(f"\n{error}")
        return 1
    except StackError as error:
        say(f"\n{error}\n\nThe whole output is in {_short(LOGS)}/.")
        return 1


def development_environment() -> dict[str, str]:
    """Return the variables that a command needs to work with the stack of this clone, running or not.

    The keys of `var/development.env`, and the addresses of the running stack if there is one.
    """
    found = _read_keys()
    with contextlib.suppress(OSError, ValueError, KeyError):
        found.update(json.loads(STACK_FILE.read_text())["environment"])
    return found


def first_request(base_url: str, key: str, starts_at: str) -> str:
    """Return a command line that books a first call in this slot, ready to be pasted."""
    body = {
        "shop": FIRST_SHOP,
        "starts_at": starts_at,
        "contact": {"phone": "090-0000-0001"},
        "customer_ip": "192.0.2.1",
    }
    return (
        f"curl -sS {base_url}/v1/bookings \\\n"
        f"  -H 'Authorization: Bearer {key}' \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        f"  -H 'Idempotency-Key: first-booking-of-{starts_at}' \\\n"
        f"  -d '{json.dumps(body, ensure_ascii=False)}'"
    )


def _free_slot(base_url: str, key: str) -> str | None:
    answer = requests.get(
        f"{base_url}/v1/shops/{FIRST_SHOP}/slots", headers={"Authorization": f"Bearer {key}"}, timeout=10
    )
    answer.raise_for_status()
    slots = answer.json()["slots"]
    # Half-way down the week: neither so soon that nothing can be changed, nor the one that everybody takes.
    return slots[len(slots) // 2]["starts_at"] if slots else None


def _staff_page(base_url: str, key: str) -> str:
    answer = requests.post(
        f"{base_url}/v1/shops/{FIRST_SHOP}/staff/{FIRST_STAFF}/links",
        headers={"Authorization": f"Bearer {key}"},
        timeout=10,
    )
    answer.raise_for_status()
    url: str = answer.json()["url"]
    return url


def say(text: str = "") -> None:
    """Print a line for the person at the terminal, at once; a terminal that is gone is no reason to fail."""
    with contextlib.suppress(OSError):
        print(text, flush=True)  # noqa: T201 - this command talks to a person


def _run() -> int:
    say("Starting Redis …")
    with redis_server(VAR / "redis") as broker:
        say(f"  {broker.name}, {'started for this clone' if broker.ours else 'at $BROKER_URL'}")
        added = _settings_of_a_stack(broker.url)
        environment = {**os.environ, **added}
        _prepare("Preparing the database", "migrate", environment=environment)
        _prepare("Adding the five shops", "seed", environment=environment)
        key = _prepare("Asking for a key to the API", "keys", "dev", environment=environment)
        LOGS.mkdir(exist_ok=True)
        for old in LOGS.glob("*.log"):
            old.unlink()
        stack = Stack(
            environment,
            console=sys.stdout,
            shown=lambda line: bool(os.environ.get("VERBOSE")) or ALARMING.search(line) is not None,
            logs=LOGS,
            changed=lambda: _write_stack(stack, added),
        )
        try:
            with stack:
                say("Starting the processes …")
                stack.start()
                stack.wait_until_ready(timeout_seconds=READY_SECONDS, tell=lambda name: say(f"  {name} is ready"))
                _welcome(environment, key)
                status = stack.run(
                    meanwhile=lambda: _revive(broker),
                    stopping=lambda: say("\nstopping … (Ctrl-C again: at once)"),
                )
                if status:
                    say(stack.trouble())
        finally:
            STACK_FILE.unlink(missing_ok=True)
    say("Stopped. The data stay in var/; `make up` goes on with them.")
    return status


def _revive(broker: RedisServer) -> None:
    if not broker.running:
        say(f"{broker.name} died; starting it again")
        broker.start()


def _settings_of_a_stack(broker_url: str) -> dict[str, str]:
    """Return what the processes are told beyond our own environment, which goes first wherever it says something."""
    ports = _choose_ports()
    api = f"http://127.0.0.1:{ports['PORT_API']}"
    sandbox = f"http://127.0.0.1:{ports['SANDBOX_PORT']}"
    public = os.environ.get("PUBLIC_URL", api)
    proposed = {
        "ENVIRONMENT": "development",
        "DATABASE_URL": f"sqlite:///{VAR / 'toritsugi.db'}",
        "PUBLIC_URL": public,
        "TWILIO_API_URL": sandbox,
        "SENDGRID_API_URL": sandbox,
        "SENDGRID_EVENTS_URL": f"{public}/v1/receipts/sendgrid",
        "LIVEKIT_URL": sandbox,
        "LIVEKIT_MEET_URL": sandbox,
        "LIVEKIT_WEBHOOK_URL": f"{public}/v1/receipts/video/livekit",
        "SANDBOX_HOST": "127.0.0.1",
        "SANDBOX_LEDGER": str(VAR / "sandbox.db"),
        **_make_keys(),
    }
    settings = {name: os.environ.get(name, value) for name, value in proposed.items()}
    return {**settings, **{name: str(port) for name, port in ports.items()}, "BROKER_URL": broker_url}


def _choose_ports() -> dict[str, int]:
    ports: dict[str, int] = {}
    for name, usual in FIRST_CHOICES.items():
        wanted = int(os.environ.get(name) or usual)
        ports[name] = free_port(wanted, taken=frozenset(ports.values()))
        if ports[name] != wanted:
            say(f"  port {wanted} is busy, so {PURPOSES[name]} takes {ports[name]}")
    return ports


def _make_keys() -> dict[str, str]:
    """Return the development keys, made at the first time and kept."""
    keys = _read_keys()
    for name, value in {
        "SECRET_KEY": token_bytes(32).hex(),
        "SEAL_KEYS": "dev:" + base64.b64encode(token_bytes(32)).decode(),
        "TWILIO_ACCOUNT_SID": "AC" + token_bytes(16).hex(),
        "TWILIO_AUTH_TOKEN": token_bytes(16).hex(),
        "SENDGRID_API_KEY": "SG." + token_bytes(24).hex(),
    }.items():
        keys.setdefault(name, value)
    if "SANDBOX_SENDGRID_SIGNING_KEY" not in keys:
        made = ec.generate_private_key(ec.SECP256R1())
        private = made.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        keys["SANDBOX_SENDGRID_SIGNING_KEY"] = base64.b64encode(private).decode()
    signing = load_der_private_key(base64.b64decode(keys["SANDBOX_SENDGRID_SIGNING_KEY"]), password=None)
    public = signing.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    keys["SENDGRID_WEBHOOK_KEY"] = base64.b64encode(public).decode()
    if keys != _read_keys():
        write_private(DEVELOPMENT_ENV, "".join(f"{name}={value}\n" for name, value in keys.items()))
    return keys


def _read_keys() -> dict[str, str]:
    try:
        lines = DEVELOPMENT_ENV.read_text().splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def _prepare(what: str, *command: str, environment: Mapping[str, str]) -> str:
    """Run one `python -m worker …` to its end and return the last line it printed."""
    say(f"{what} …")
    done = subprocess.run(  # noqa: S603 - one of the project's own commands
        [sys.executable, "-m", "worker", *command],
        env=dict(environment),
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    if done.returncode:
        raise CommandFailedError(f"`python -m worker {' '.join(command)}` failed:\n{done.stdout}{done.stderr}".rstrip())
    return (done.stdout.strip().splitlines() or [""])[-1].strip()


def _addresses(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        "inbox": f"http://127.0.0.1:{environment['SANDBOX_PORT']}",
        "api": f"http://127.0.0.1:{environment['PORT_API']}",
        "flower": f"http://127.0.0.1:{environment['PORT_FLOWER']}",
        "public": environment["PUBLIC_URL"],
    }


def _write_stack(stack: Stack, added: Mapping[str, str]) -> None:
    content = {
        "addresses": _addresses(added),
        "pid": os.getpid(),
        "pids": stack.pids,
        "environment": dict(added),
    }
    write_private(STACK_FILE, json.dumps(content, indent=2) + "\n")


def _tell_addresses(addresses: Mapping[str, str]) -> None:
    say(f"  Inbox     {addresses['inbox']}   the SMS and mails that were delivered")
    say(f"  API       {addresses['api']}   described at {addresses['api']}/docs")
    say(f"  Flower    {addresses['flower']}   the jobs at work")


def _welcome(environment: Mapping[str, str], key: str) -> None:
    addresses = _addresses(environment)
    say("\nToritsugi is up.\n")
    _tell_addresses(addresses)
    say(f"  Logs      {_short(LOGS)}/   (VERBOSE=1 make up shows them here)")
    if (slot := _free_slot(addresses["api"], key)) is not None:
        say("\nBook a first call:\n")
        say(first_request(addresses["api"], key, slot))
    say("\nOr be called at once: open the staff page in one window, and in another press 開始 at")
    say(f"{addresses['public']}/s/{FIRST_SHOP}/call\n")
    say(f"  Staff     {_staff_page(addresses['api'], key)}")
    say("\nOr watch a whole journey, in another terminal: make demo")
    say("Ctrl-C stops everything.\n")


@contextlib.contextmanager
def _only_one() -> Iterator[bool]:
    """Hold this clone's lock. Yields False, and says where the other one is, when another `make up` holds it."""
    with (VAR / "up.lock").open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("A stack of this clone is running already; stop it with Ctrl-C in its own terminal.")
            with contextlib.suppress(OSError, ValueError, KeyError):
                running: dict[str, Any] = json.loads(STACK_FILE.read_text())
                say(f"  Process   {running['pid']}")
                _tell_addresses(running["addresses"])
            yield False
        else:
            # Nothing runs, so what a killed stack left behind describes nothing.
            STACK_FILE.unlink(missing_ok=True)
            yield True


@contextlib.contextmanager
def _keyboard() -> Iterator[None]:
    """Take Ctrl-C for ourselves: make would hear it too, and report a clean end as an error.

    A process group of our own becomes the terminal's foreground group, and gives it back at the end.
    """
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        yield
        return
    before = os.getpgrp()
    try:
        if before == os.getpid() or os.tcgetpgrp(terminal) != before:
            yield
            return
        # Not being in the foreground group, we would be stopped for asking.
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.setpgid(0, 0)
        os.tcsetpgrp(terminal, os.getpgrp())
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.tcsetpgrp(terminal, before)
    finally:
        os.close(terminal)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the signature of a handler
    raise KeyboardInterrupt


def _short(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))
