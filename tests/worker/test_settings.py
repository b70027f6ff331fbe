"""Settings: read from the environment, checked at start; production starts on nothing made for development."""

import base64
import json
from typing import Any

import pytest
from pydantic import ValidationError

from worker.settings import Environment, Settings

PRODUCTION = {
    "ENVIRONMENT": "production",
    "DATABASE_URL": "postgresql+psycopg://toritsugi@db.example.com/toritsugi",
    "SECRET_KEY": "a secret of one's own, long enough",
    "SEAL_KEYS": "2030:" + base64.b64encode(b"k" * 32).decode(),
    "PUBLIC_URL": "https://go.example.jp",
    "TWILIO_API_URL": "https://api.twilio.com",
    "TWILIO_ACCOUNT_SID": "AC" + "1" * 32,
    "TWILIO_AUTH_TOKEN": "a-token",
    "TWILIO_SENDER": "+15005550009",
    "SENDGRID_API_URL": "https://api.sendgrid.com",
    "SENDGRID_API_KEY": "SG.own",
    "SENDGRID_SENDER": "calls@mail.example.com",
    "VIDEO_URL": "https://video.example.jp",
    "OFFICE_NAME": "開示窓口",
    "OFFICE_POSTAL_CODE": "100-9999",
    "OFFICE_ADDRESS": "東京都見本区2-2",
    "CASE_CONTACT_URL": "https://www.example.jp/contact",
    "PAYMENT_ACCOUNT": "見本銀行 普通 1111111",
    "SENDGRID_WEBHOOK_KEY": "a-public-key",
    "TEST_NUMBERS": "",
    "FLOWER_BASIC_AUTH": "operator:password",
}


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Settings()


def test_without_any_variable_it_is_development_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = read(monkeypatch)

    assert chosen.environment is Environment.DEVELOPMENT
    assert chosen.database_url.startswith("sqlite:///")
    assert chosen.twilio_api_url.startswith("http://127.0.0.1")


def test_production_starts_when_everything_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, **PRODUCTION).environment is Environment.PRODUCTION


@pytest.mark.parametrize("missing", [name for name in PRODUCTION if name != "ENVIRONMENT"])
def test_production_refuses_to_start_with_a_default_of_development(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    with pytest.raises(ValidationError, match=missing):
        read(monkeypatch, **{name: value for name, value in PRODUCTION.items() if name != missing})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TEST_NUMBERS", "+81900000"),
        ("PUBLIC_URL", "http://go.example.jp"),
        ("TWILIO_API_URL", "http://127.0.0.1:8025"),
        ("SENDGRID_API_URL", "http://127.0.0.1:8025"),
        ("DATABASE_URL", "sqlite:///toritsugi.db"),
    ],
)
def test_production_refuses_what_only_development_may_have(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(ValidationError, match=name):
        read(monkeypatch, **(PRODUCTION | {name: value}))


def test_production_refuses_the_sandbox_in_a_list_of_accounts_and_names_the_account(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = {
        "name": "domestic",
        "api_url": "http://127.0.0.1:8025",
        "account_sid": "AC" + "2" * 32,
        "auth_token": "canary",
        "sender": "Example",
    }

    with pytest.raises(ValidationError, match=r"SMS_ACCOUNTS \(domestic: api_url\)") as refusal:
        read(monkeypatch, **PRODUCTION, SMS_ACCOUNTS=json.dumps([account]))

    assert "canary" not in str(refusal.value)


def test_accounts_of_one_name_stop_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    account = {
        "name": "sendgrid",
        "api_url": "http://127.0.0.1:1",
        "account_sid": "AC",
        "auth_token": "t",
        "sender": "x",
    }

    with pytest.raises(ValidationError, match="each account needs a name of its own"):
        read(monkeypatch, SMS_ACCOUNTS=json.dumps([account]))


def test_production_names_everything_that_is_wrong_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError) as refusal:
        read(monkeypatch, ENVIRONMENT="production")

    assert all(name in str(refusal.value) for name in PRODUCTION if name != "ENVIRONMENT")


@pytest.mark.parametrize(
    "seal_keys",
    [
        pytest.param("no colon", id="no id"),
        pytest.param("a:" + base64.b64encode(b"short canary").decode(), id="too short"),
        pytest.param("a:canary-is-no-base64!", id="not base64"),
        pytest.param(":" + base64.b64encode(b"k" * 32).decode(), id="an empty id"),
        pytest.param(",".join(["a:" + base64.b64encode(b"k" * 32).decode()] * 2), id="an id twice"),
        pytest.param("", id="none"),
    ],
)
def test_keys_that_cannot_be_read_stop_the_start_and_are_not_quoted(
    monkeypatch: pytest.MonkeyPatch, seal_keys: str
) -> None:
    with pytest.raises(ValidationError, match="SEAL_KEYS") as refusal:
        read(monkeypatch, SEAL_KEYS=seal_keys)

    secret = seal_keys.partition(":")[2]
    assert not secret or secret not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "staging"),
        ("SECRET_KEY", "canary"),
        ("VENDOR_READ_SECONDS", "0"),
        ("RING_LEASE_SECONDS", "soon"),
    ],
)
def test_a_wrong_value_stops_the_start_and_is_not_quoted(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(ValidationError) as refusal:
        read(monkeypatch, **{name: value})

    assert name.lower() in str(refusal.value).lower()
    assert f"'{value}'" not in str(refusal.value)


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = read(monkeypatch, SMS_COUNTRIES="JP, KR", TEST_NUMBERS="+81900000,+8190000099")

    assert chosen.sms_countries == {"JP", "KR"}
    assert chosen.test_numbers == ("+81900000", "+8190000099")


def test_the_first_key_of_the_ring_is_the_current_one(monkeypatch: pytest.MonkeyPatch) -> None:
    new, old = (base64.b64encode(letter * 32).decode() for letter in (b"n", b"o"))

    ring = read(monkeypatch, SEAL_KEYS=f"new:{new}, old:{old}").seal_ring

    assert list(ring.items()) == [("new", b"n" * 32), ("old", b"o" * 32)]


@pytest.mark.parametrize("shown", [repr, str])
def test_settings_that_are_printed_show_no_secret(monkeypatch: pytest.MonkeyPatch, shown: Any) -> None:
    chosen = read(monkeypatch, **PRODUCTION)

    secrets = ("SECRET_KEY", "SEAL_KEYS", "TWILIO_AUTH_TOKEN", "SENDGRID_API_KEY", "FLOWER_BASIC_AUTH")
    assert not any(PRODUCTION[name] in shown(chosen) for name in secrets)


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_the_public_host_is_that_of_the_public_url(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, PUBLIC_URL="https://go.example.jp:8443/vc").public_host == "go.example.jp"
