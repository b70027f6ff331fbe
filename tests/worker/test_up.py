"""What `make up` decides before anything runs: keys, ports, and that there is one stack per clone."""

import base64
import fcntl
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

from worker.commands import up
from worker.embedded import free_port
from worker.settings import REPOSITORY, Settings


@pytest.fixture
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone's `var/` that is nobody else's."""
    for name in {*Settings.model_fields, "port_api", "sandbox_port", "port_flower"}:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(up, "VAR", tmp_path)
    monkeypatch.setattr(up, "DEVELOPMENT_ENV", tmp_path / "development.env")
    monkeypatch.setattr(up, "STACK_FILE", tmp_path / "stack.json")
    return tmp_path


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """First choices that no running stack has."""
    first = free_port()
    chosen = {"PORT_API": first, "SANDBOX_PORT": first, "PORT_FLOWER": first}
    monkeypatch.setattr(up, "FIRST_CHOICES", chosen)
    return chosen


def test_development_keys_are_made_once_and_kept_from_others(var: Path) -> None:
    first = up._make_keys()
    second = up._make_keys()

    assert second == first
    assert (var / "development.env").stat().st_mode & 0o777 == 0o600


def test_a_key_that_a_newer_version_wants_joins_those_that_are_there(var: Path) -> None:
    (var / "development.env").write_text("# kept\nSECRET_KEY=older-than-this-test\n")

    keys = up._make_keys()

    assert keys["SECRET_KEY"] == "older-than-this-test"
    assert keys["TWILIO_AUTH_TOKEN"]


def test_the_settings_accept_the_development_keys(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in up._make_keys().items():
        monkeypatch.setenv(name, value)

    settings = Settings()

    key_id, _, key = settings.seal_keys.get_secret_value().partition(":")
    assert key_id == "dev"
    assert len(base64.b64decode(key, validate=True)) == 32


def test_the_public_webhook_key_belongs_to_the_sandboxs_signing_key(var: Path) -> None:
    keys = up._make_keys()
    private = load_der_private_key(base64.b64decode(keys["SANDBOX_SENDGRID_SIGNING_KEY"]), password=None)
    public = load_der_public_key(base64.b64decode(keys["SENDGRID_WEBHOOK_KEY"]))

    signature = cast("ec.EllipticCurvePrivateKey", private).sign(b"an event", ec.ECDSA(hashes.SHA256()))

    cast("ec.EllipticCurvePublicKey", public).verify(signature, b"an event", ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        cast("ec.EllipticCurvePublicKey", public).verify(signature, b"another", ec.ECDSA(hashes.SHA256()))


def test_each_process_gets_a_port_of_its_own(var: Path, ports: dict[str, int]) -> None:
    assert len(set(up._choose_ports().values())) == 3


def test_a_busy_port_gives_way_and_the_person_is_told(
    var: Path, ports: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = ports["PORT_API"]

    with socket.create_server(("127.0.0.1", wanted)):
        chosen = up._choose_ports()

    assert chosen["PORT_API"] > wanted
    assert f"port {wanted} is busy, so the API takes {chosen['PORT_API']}" in capsys.readouterr().out


def test_every_address_follows_the_chosen_ports(var: Path, ports: dict[str, int]) -> None:
    settings = up._settings_of_a_stack("redis://127.0.0.1:1/0")

    assert settings["PUBLIC_URL"] == f"http://127.0.0.1:{settings['PORT_API']}"
    assert settings["SENDGRID_EVENTS_URL"].startswith(settings["PUBLIC_URL"])
    assert settings["TWILIO_API_URL"] == settings["SENDGRID_API_URL"] == f"http://127.0.0.1:{settings['SANDBOX_PORT']}"
    assert settings["BROKER_URL"] == "redis://127.0.0.1:1/0"


def test_a_setting_of_the_environment_goes_before_ours(
    var: Path, ports: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://calls.example.jp")

    settings = up._settings_of_a_stack("redis://127.0.0.1:1/0")

    assert settings["PUBLIC_URL"] == "https://calls.example.jp"
    assert settings["SENDGRID_EVENTS_URL"].startswith("https://calls.example.jp/")


def test_other_commands_find_the_running_stack(var: Path) -> None:
    up._make_keys()
    (var / "stack.json").write_text(json.dumps({"environment": {"BROKER_URL": "redis://127.0.0.1:1/0"}}))

    found = up.development_environment()

    assert found["BROKER_URL"] == "redis://127.0.0.1:1/0"
    assert found["SECRET_KEY"]


def test_without_a_stack_other_commands_find_the_keys(var: Path) -> None:
    up._make_keys()

    assert set(up.development_environment()) == set(up._read_keys())


def test_a_second_stack_is_refused_and_told_where_the_first_is(
    var: Path, ports: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    addresses = {"inbox": "http://127.0.0.1:1", "api": "http://127.0.0.1:2", "flower": "http://127.0.0.1:3"}
    (var / "stack.json").write_text(json.dumps({"addresses": addresses, "pid": 1, "environment": {}}))
    script = (
        "import sys; from pathlib import Path; from worker.commands import up;"
        "up.VAR = Path(sys.argv[1]); up.STACK_FILE = up.VAR / 'stack.json'; sys.exit(up.main())"
    )

    with (var / "up.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = subprocess.run(
            [sys.executable, "-c", script, str(var)], cwd=REPOSITORY, capture_output=True, text=True, check=False
        )

    assert done.returncode == 1
    assert "running already" in done.stdout
    assert all(address in done.stdout for address in addresses.values())


def test_what_a_killed_stack_left_behind_is_forgotten(var: Path) -> None:
    (var / "stack.json").write_text("{}")

    with up._only_one() as first:
        assert first

    assert not (var / "stack.json").exists()


@pytest.mark.parametrize("environment", ["production", "test"])
def test_only_development_is_started_this_way(
    environment: str, var: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ENVIRONMENT", environment)

    assert up.main() == 1
    assert "development" in capsys.readouterr().out


def test_a_command_that_fails_is_shown_with_all_it_said() -> None:
    with pytest.raises(up.CommandFailedError, match=r"(?s)`python -m worker no-such-command` failed:.+"):
        up._prepare("Trying", "no-such-command", environment={})


def test_the_first_request_can_be_pasted_into_a_shell() -> None:
    line = up.first_request("http://127.0.0.1:8000", "key", "2030-06-04T02:00:00Z")

    done = subprocess.run(["sh", "-n", "-c", line], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('{"at": "…", "level": "info", "event": "job done"}', False),
        ('{"at": "…", "level": "warning", "event": "late"}', True),
        ('{"at": "…", "level": "error", "event": "parked"}', True),
        ("INFO:     Started server process [1]", False),
        ("ERROR:    [Errno 98] address already in use", True),
        ("Traceback (most recent call last):", True),
    ],
)
def test_the_console_shows_what_asks_for_attention(line: str, shown: bool) -> None:
    assert (up.ALARMING.search(line) is not None) is shown
