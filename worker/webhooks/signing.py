"""Signing what is sent, as Standard Webhooks 1.0.0 says: HMAC-SHA256 over id, timestamp and body, with one secret."""

import base64
import hmac
from collections.abc import Iterable
from datetime import datetime

from worker.chance import token_bytes

PREFIX = "whsec_"
_SECRET_BYTES = 32


def new_secret() -> str:
    """Return a secret as receivers are given it."""
    return PREFIX + base64.b64encode(token_bytes(_SECRET_BYTES)).decode()


def headers(event_id: str, body: bytes, secrets: Iterable[str], *, at: datetime) -> dict[str, str]:
    """Return the three headers of one attempt.

    Args:
        event_id: the same at every attempt.
        body: exactly the bytes that are sent.
        secrets: the present one and those it is replacing; each makes a signature, the receiver needs one that fits.
        at: the instant of this attempt by the host's own clock, since the receiver compares it with its own.
    """
    timestamp = str(int(at.timestamp()))
    signatures = [signature(event_id, timestamp, body, secret) for secret in secrets]
    return {"webhook-id": event_id, "webhook-timestamp": timestamp, "webhook-signature": " ".join(signatures)}


def signature(event_id: str, timestamp: str, body: bytes, secret: str) -> str:
    """Return one signature, `v1,…`."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = b".".join((event_id.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
