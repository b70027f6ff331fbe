"""What can be set, typed and checked at start. Nothing else reads the environment."""

import base64
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

REPOSITORY = Path(__file__).resolve().parent.parent
_DEVELOPMENT_SECRET = "development-only-" * 4
_WRAPPING_KEY_BYTES = 32
_LONGEST_KEY_ID = 40


class Environment(StrEnum):
    """Where the process runs; production refuses every default made for development."""

    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


class Settings(BaseSettings):
    """Every setting, with its unit and its default; `docs/settings.md` is held to this list by a test."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        # Otherwise the error of a process that refuses to start would print every secret it was given.
        hide_input_in_errors=True,
    )

    environment: Environment = Field(Environment.DEVELOPMENT, description="development, test or production.")
    database_url: str = Field(
        f"sqlite:///{REPOSITORY}/var/toritsugi.db",
        description="SQLAlchemy URL: `sqlite:///…` or `postgresql+psycopg://…`.",
    )
    keys_database_url: str | None = Field(
        None, description="A database of its own for data keys, with short-lived backups; unset: the same one."
    )
    broker_url: str = Field("redis://127.0.0.1:6379/0", description="Celery's broker.")
    broker_acknowledges: bool = Field(
        default=False,
        description="Turns Celery's acknowledgement emulation on Redis back on. The rows make it unnecessary.",
    )
    secret_key: SecretStr = Field(
        SecretStr(_DEVELOPMENT_SECRET),
        min_length=32,
        description="At least 32 characters. Keys for codes, links, look-ups and digests are derived from it.",
    )
    secret_key_previous: SecretStr | None = Field(
        None, description="The SECRET_KEY before a rotation, while links and codes made under it are still about."
    )
    seal_keys: SecretStr = Field(
        SecretStr("dev:" + "A" * 43 + "="),
        description="`id:base64` of 32 bytes each, separated by commas; the first wraps, all unwrap.",
    )
    public_url: str = Field(
        "http://127.0.0.1:8000", description="Where customers reach the pages and vendors the receipts."
    )
    twilio_api_url: str = Field(
        "http://127.0.0.1:8025", description="The sandbox, or `https://api.twilio.com` for real messages."
    )
    twilio_account_sid: str = Field("AC" + "0" * 32, description="Twilio account.")
    twilio_auth_token: SecretStr = Field(
        SecretStr("sandbox-auth-token"), description="Authenticates calls and the vendor's receipts."
    )
    twilio_sender: str = Field(
        "+15005550006", description="A number (`+…`), a Messaging Service (`MG…`) or an alphanumeric sender."
    )
    sendgrid_api_url: str = Field(
        "http://127.0.0.1:8025", description="The sandbox, or `https://api.sendgrid.com` for real mail."
    )
    sendgrid_api_key: SecretStr = Field(SecretStr("SG.sandbox"), description="Authenticates calls.")
    sendgrid_sender: str = Field("concierge@mail.example.jp", description="The mailbox that mail comes from.")
    sendgrid_webhook_key: str = Field(
        "", description="SendGrid's public verification key (base64 DER); empty: every event is refused."
    )
    vendor_connect_seconds: float = Field(3.0, gt=0, description="How long a connection to a vendor may take.")
    vendor_read_seconds: float = Field(
        30.0, gt=0, description="How long a vendor's answer may take; after it the outcome is unknown."
    )
    test_numbers: Annotated[tuple[str, ...], NoDecode] = Field(
        ("+81900000",),
        description="Prefixes that count as mobile numbers outside production; production wants it empty.",
    )
    sms_countries: Annotated[frozenset[str], NoDecode] = Field(
        frozenset({"JP"}), description="ISO country codes that SMS may be sent to."
    )
    video_url: str = Field("https://meet.jit.si", description="The Jitsi server that calls are handed over to.")
    webhook_allow_private: bool = Field(
        default=False,
        description="Lets webhooks go to plain http and to addresses that are not public, such as this machine's.",
    )
    flower_basic_auth: SecretStr | None = Field(None, description="`user:password` for Flower; required in production.")
    ring_lease_seconds: float = Field(
        15.0, gt=0, description="A job rung this long before a mark that came through its queue was lost."
    )
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")

    @model_validator(mode="before")
    @classmethod
    def _split_lists(cls, values: dict[str, object]) -> dict[str, object]:
        """Lists are written with commas: `JP,KR`."""
        for name in ("test_numbers", "sms_countries"):
            text = values.get(name)
            if isinstance(text, str):
                values[name] = tuple(part.strip() for part in text.split(",") if part.strip())
        return values

    @model_validator(mode="after")
    def _refuse_development_defaults(self) -> Self:
        if self.environment is not Environment.PRODUCTION:
            return self
        defaults = type(self).model_fields
        wrong = [
            name.upper()
            for name in ("secret_key", "seal_keys", "twilio_auth_token", "sendgrid_api_key")
            if getattr(self, name) == defaults[name].default
        ]
        if not self.database_url.startswith("postgresql"):
            wrong.append("DATABASE_URL (PostgreSQL)")
        if self.test_numbers:
            wrong.append("TEST_NUMBERS (empty)")
        if self.webhook_allow_private:
            wrong.append("WEBHOOK_ALLOW_PRIVATE (unset)")
        if self.flower_basic_auth is None or ":" not in self.flower_basic_auth.get_secret_value():
            wrong.append("FLOWER_BASIC_AUTH (user:password)")
        if urlsplit(self.public_url).scheme != "https":
            wrong.append("PUBLIC_URL (https)")
        wrong += [
            f"{name.upper()} (https: the sandbox is not for production)"
            for name in ("twilio_api_url", "sendgrid_api_url")
            if urlsplit(getattr(self, name)).scheme != "https"
        ]
        if not self.sendgrid_webhook_key:
            wrong.append("SENDGRID_WEBHOOK_KEY")
        if wrong:
            raise ValueError("production refuses development defaults; set: " + ", ".join(sorted(wrong)))
        return self

    @model_validator(mode="after")
    def _refuse_broken_keys(self) -> Self:
        _ = self.seal_ring
        return self

    @property
    def seal_ring(self) -> Mapping[str, bytes]:
        """The keys that wrap data keys, by id; the first is the current one.

        Raises:
            ValueError: SEAL_KEYS is not `id:base64` of 32 bytes each, with commas between them.
        """
        ring: dict[str, bytes] = {}
        for place, part in enumerate(self.seal_keys.get_secret_value().split(","), start=1):
            name, _, encoded = part.strip().partition(":")
            try:
                key = base64.b64decode(encoded, validate=True)
            except ValueError:
                key = b""
            # Neither the part nor an exception that quotes it may be shown: it is a key.
            if not 1 <= len(name) <= _LONGEST_KEY_ID or len(key) != _WRAPPING_KEY_BYTES or name in ring:
                raise ValueError(f"SEAL_KEYS: key {place} is not `id:base64` of 32 bytes with an id of its own")
            ring[name] = key
        return ring

    @property
    def public_host(self) -> str:
        """The host of the public pages, as the last line of a code message names it."""
        return urlsplit(self.public_url).hostname or "localhost"


@cache
def settings() -> Settings:
    """Return the process's settings, read once from the environment.

    Raises:
        pydantic.ValidationError: a setting is wrong; the process must not start.
    """
    return Settings()
