"""What the sandbox is told by its environment, checked once at start. It knows no other process's settings."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key


class BadSetting(Exception):  # noqa: N818 - it names what is wrong, as the project's errors do
    """The environment does not let the sandbox start; the text says which variable and what it wants."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything configurable.

    Attributes:
        twilio_tokens: auth token by account SID. `TWILIO_ACCOUNT_SID` and `TWILIO_AUTH_TOKEN` may hold several,
            separated by commas and paired in order, so that one sandbox can be two vendors.
        sendgrid_accounts: account name (`sendgrid-1`, …) by API key, likewise from `SENDGRID_API_KEY`.
        events_url: where SendGrid's events are posted; None posts none.
        signing_key: signs SendGrid's events.
        receipt_seconds: the pause before a message's first receipt and between two of its receipts.
        retry_seconds: the first pause before a receipt is posted again; SendGrid's pauses double from it.
        livekit_key, livekit_secret: who may call LiveKit, and what signs tokens and webhooks.
        livekit_webhook_url: where LiveKit's webhooks are posted; None posts none.
    """

    host: str
    port: int
    ledger: Path
    twilio_tokens: Mapping[str, str]
    sendgrid_accounts: Mapping[str, str]
    events_url: str | None
    signing_key: ec.EllipticCurvePrivateKey | None
    database_url: str | None
    receipt_seconds: float
    retry_seconds: float
    livekit_key: str
    livekit_secret: str
    livekit_webhook_url: str | None


def read(environ: Mapping[str, str]) -> Settings:
    """Read the settings.

    Raises:
        BadSetting: the environment is production's, or a variable is missing or malformed.
    """
    if environ.get("ENVIRONMENT", "development").strip().lower() == "production":
        raise BadSetting(
            "ENVIRONMENT=production: the sandbox swallows messages instead of sending them, so it does not start. "
            "Set TWILIO_API_URL and SENDGRID_API_URL to the vendors, or ENVIRONMENT to development."
        )
    events_url = environ.get("SENDGRID_EVENTS_URL") or None
    signing_key = _signing_key(environ.get("SANDBOX_SENDGRID_SIGNING_KEY", ""))
    if events_url and signing_key is None:
        raise BadSetting("SENDGRID_EVENTS_URL is set, so SANDBOX_SENDGRID_SIGNING_KEY must be too: events are signed.")
    sids, tokens = _listed(environ, "TWILIO_ACCOUNT_SID"), _listed(environ, "TWILIO_AUTH_TOKEN")
    if len(sids) != len(tokens):
        raise BadSetting("TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN must hold equally many values.")
    keys = _listed(environ, "SENDGRID_API_KEY")
    return Settings(
        host=environ.get("SANDBOX_HOST", "127.0.0.1"),
        port=int(_number(environ, "SANDBOX_PORT", "8025")),
        ledger=Path(environ.get("SANDBOX_LEDGER", "var/sandbox.db")),
        twilio_tokens=dict(zip(sids, tokens, strict=True)),
        sendgrid_accounts={key: f"sendgrid-{place}" for place, key in enumerate(keys, start=1)},
        events_url=events_url,
        signing_key=signing_key,
        database_url=environ.get("DATABASE_URL") or None,
        receipt_seconds=_number(environ, "SANDBOX_RECEIPT_SECONDS", "0.2"),
        retry_seconds=_number(environ, "SANDBOX_RETRY_SECONDS", "2"),
        livekit_key=environ.get("LIVEKIT_API_KEY") or "sandbox",
        livekit_secret=environ.get("LIVEKIT_API_SECRET") or "sandbox-livekit-secret-of-32-bytes-or-more",
        livekit_webhook_url=environ.get("LIVEKIT_WEBHOOK_URL") or None,
    )


def _listed(environ: Mapping[str, str], name: str) -> list[str]:
    values = [value.strip() for value in environ.get(name, "").split(",") if value.strip()]
    if not values:
        raise BadSetting(f"{name} is not set. Give the sandbox the same value as the workers have; any will do.")
    return values


def _number(environ: Mapping[str, str], name: str, default: str) -> float:
    try:
        value = float(environ.get(name) or default)
    except ValueError:
        raise BadSetting(f"{name} is not a number.") from None
    if value < 0:
        raise BadSetting(f"{name} is negative.")
    return value


def _signing_key(text: str) -> ec.EllipticCurvePrivateKey | None:
    if not text:
        return None
    try:
        key = load_der_private_key(base64.b64decode(text, validate=True), password=None)
    except (ValueError, TypeError, binascii.Error, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadSetting("SANDBOX_SENDGRID_SIGNING_KEY is not an ECDSA P-256 private key (PKCS8 DER in base64).")
    return key
