"""LiveKit's webhooks, signed as LiveKit signs them with the key that the settings name."""

import base64
import hashlib
from datetime import timedelta

import jwt

from worker.clock import system_now
from worker.settings import settings


def signed(body: bytes, *, secret: str | None = None) -> dict[str, str]:
    """Return the headers that a webhook comes with."""
    claims = {
        "iss": settings().livekit_api_key,
        "exp": int((system_now() + timedelta(minutes=5)).timestamp()),
        "sha256": base64.b64encode(hashlib.sha256(body).digest()).decode(),
    }
    signature = jwt.encode(claims, secret or settings().livekit_api_secret.get_secret_value(), algorithm="HS256")
    return {"Authorization": signature, "Content-Type": "application/webhook+json"}
