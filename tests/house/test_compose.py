"""Holds docker-compose.yml to the Procfile, to Celery's settings and to what production needs.

No Docker runs here, so what the file says is read, and what can be tried without Docker is tried.
"""

import re
import subprocess
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import redis as redis_client
import yaml

from worker.database import Database
from worker.embedded import Binary, RedisServer, free_port
from worker.settings import Settings
from worker.stack import read_procfile

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: Mapping[str, Any] = COMPOSE["services"]
PROCESSES = {name: service for name, service in SERVICES.items() if "build" in service}
LASTING = {name: service for name, service in PROCESSES.items() if name != "migrate"}
STORES = {name: service for name, service in SERVICES.items() if "build" not in service}

DIFFERS = {
    "api": ["--workers", "2", "--timeout-graceful-shutdown", "30", "--forwarded-allow-ips"],
    "beat": ["--enable-remote-control", "-n", "beat@%h"],
    "flower": ["--read_only=True"],
}
"""What production adds to a command of the Procfile; addresses, ports and the folder of beat's file differ as well."""


def seconds(text: str) -> float:
    """Return a span as Compose writes it: `90s`, `1m30s`."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)(ms|h|m|s)", text))


def without_places(command: list[str]) -> list[str]:
    """Return a command without what says where: addresses, ports, networks, paths of files."""
    place = (
        r"--(host|port|address)=.*|0\.0\.0\.0|127\.0\.0\.1|\$?[A-Z_]*PORT[A-Z_]*|\d{4,5}|var/\S*|/tmp/\S*|[\d.,/]{20,}"
    )
    return [word for word in command if not re.fullmatch(place, word)]


def test_every_process_of_the_procfile_but_the_sandbox_is_a_service() -> None:
    assert set(LASTING) == set(read_procfile(ROOT / "Procfile")) - {"sandbox"}


@pytest.mark.parametrize("name", LASTING)
def test_a_service_runs_the_command_of_the_procfile(name: str) -> None:
    added = DIFFERS.get(name, [])
    ours = [word for word in without_places(SERVICES[name]["command"]) if word not in added]
    theirs = without_places(read_procfile(ROOT / "Procfile")[name].split())

    assert ours == [word for word in theirs if word not in added]


def test_nothing_of_development_is_in_production() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    said = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))

    assert "sandbox" not in said
    assert {service["environment"]["ENVIRONMENT"] for service in PROCESSES.values()} == {"production"}


def test_migrations_are_done_before_any_process_of_ours_starts() -> None:
    waited = {name: service["depends_on"]["migrate"]["condition"] for name, service in LASTING.items()}

    assert waited == dict.fromkeys(LASTING, "service_completed_successfully")
    assert SERVICES["migrate"]["command"] == ["python", "-m", "worker", "migrate"]
    assert SERVICES["migrate"]["restart"] == "no"
    assert SERVICES["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_every_service_that_lasts_says_how_it_is() -> None:
    checks = {name: service.get("healthcheck", {}) for name, service in SERVICES.items() if name != "migrate"}

    assert [
        name for name, check in checks.items() if not {"test", "interval", "timeout", "retries"} <= set(check)
    ] == []


@pytest.mark.parametrize("name", [name for name in LASTING if name.startswith(("worker-", "beat"))])
def test_a_ping_goes_to_the_node_that_the_command_names(name: str) -> None:
    command, check = SERVICES[name]["command"], SERVICES[name]["healthcheck"]["test"][1]

    assert command[command.index("-n") + 1].replace("%h", "$$HOSTNAME") in check.split()


def test_every_service_comes_back_after_a_fall() -> None:
    assert {name for name, service in SERVICES.items() if service["restart"] != "unless-stopped"} == {"migrate"}


@pytest.mark.parametrize("name", LASTING)
def test_a_stop_waits_longer_than_a_call_to_a_vendor_and_than_celery_does(name: str) -> None:
    fields = Settings.model_fields
    grace = seconds(SERVICES[name]["stop_grace_period"])

    assert grace > fields["vendor_connect_seconds"].default + fields["vendor_read_seconds"].default + 5
    assert grace > import_module("celeryconfig").worker_soft_shutdown_timeout


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_has_no_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not {"privileged", "user", "cap_add", "volumes"} & set(service)


def test_every_foreign_image_is_pinned_to_a_version() -> None:
    images = [service["image"] for service in STORES.values()]

    assert [
        image for image in images if not re.fullmatch(r"[a-z/]+:\d+(\.\d+)*-[a-z]+(@sha256:[0-9a-f]{64})?", image)
    ] == []


def test_ports_are_open_to_this_host_alone() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert published
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_the_stores_have_no_way_out() -> None:
    assert COMPOSE["networks"]["stores"]["internal"] is True
    assert {name for name, service in STORES.items() if service["networks"] != ["stores"]} == set()


def test_the_stores_keep_their_data_in_volumes() -> None:
    assert {service["volumes"][0].partition(":")[0] for service in STORES.values()} == set(COMPOSE["volumes"])


def test_postgres_has_room_for_every_connection_that_may_be_opened() -> None:
    database = Database("postgresql+psycopg://nobody@127.0.0.1/nothing")
    pool: Any = database.engine.pool
    command = SERVICES["api"]["command"]
    # Beat and Flower open none; migrate is gone before the others start.
    processes = int(command[command.index("--workers") + 1]) + sum(name.startswith("worker-") for name in LASTING)
    most = int(re.findall(r"max_connections=(\d+)", " ".join(SERVICES["postgres"]["command"]))[0])

    assert most >= processes * (pool.size() + pool._max_overflow) + 10


def redis_configuration() -> str:
    content: str = COMPOSE["configs"]["redis"]["content"]
    return content


def test_redis_is_told_to_keep_what_it_gets_and_to_refuse_rather_than_forget() -> None:
    lines = redis_configuration().splitlines()

    assert {"appendonly yes", "maxmemory-policy noeviction"} <= set(lines)
    assert [line for line in lines if line.startswith("requirepass")] == [
        'requirepass "${REDIS_PASSWORD:?see docs/settings.md}"'
    ]


def test_redis_starts_with_its_configuration_and_lets_nobody_in_without_the_password(
    redis: RedisServer, tmp_path: Path
) -> None:
    port = free_port()
    text = redis_configuration().replace("dir /data", f"dir {tmp_path}")
    text = re.sub(r"\$\{REDIS_PASSWORD[^}]*\}", "correct-horse", text)
    (tmp_path / "redis.conf").write_text(f"{text}\nbind 127.0.0.1\nport {port}\n")

    with started(redis, tmp_path / "redis.conf"):
        client = connected(port, password="correct-horse")
        stranger = redis_client.Redis(port=port, retry=redis_client.retry.Retry(redis_client.backoff.NoBackoff(), 0))

        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        with pytest.raises(redis_client.AuthenticationError):
            stranger.ping()
        client.close()
        stranger.close()


def test_no_password_stands_in_a_command_line() -> None:
    assert [name for name, service in SERVICES.items() if "PASSWORD" in " ".join(service.get("command", []))] == []


class started:  # noqa: N801 - read as a word in a `with`
    """The tests' own Redis program with a configuration of ours, until the block ends."""

    def __init__(self, server: RedisServer, configuration: Path) -> None:
        binary = server._binary
        if not isinstance(binary, Binary):
            pytest.skip("the broker of this run is a server elsewhere")
        self._command = [str(binary.path), str(configuration)]

    def __enter__(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)


def connected(port: int, *, password: str) -> Any:
    """Return a client of a server that is just starting."""
    retry = redis_client.retry.Retry(redis_client.backoff.ConstantBackoff(0.1), 100)
    client = redis_client.Redis(port=port, password=password, decode_responses=True, retry=retry)
    client.ping()
    return client


# The readers are shown what they must tell apart.


def test_places_are_left_out_of_a_comparison_and_nothing_else() -> None:
    here = "python -m uvicorn app --host 127.0.0.1 --port $PORT_API --no-access-log"
    there = "python -m uvicorn app --host 0.0.0.0 --port 8000 --no-access-log"

    assert without_places(here.split()) == without_places(there.split())
    assert "--no-access-log" in without_places(there.split())
    assert without_places(["-Q", "codes"]) != without_places(["-Q", "sweeps"])


def test_spans_are_read_as_compose_writes_them() -> None:
    assert seconds("1m30s") == 90.0
    assert seconds("500ms") == 0.5
