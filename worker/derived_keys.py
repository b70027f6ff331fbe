"""Keys for codes, links, look-up indexes and digests, derived from SECRET_KEY. It stores none and refuses to seal.

A label separates the uses: whoever learns one derived key learns nothing of the others.
"""

import hmac
from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from worker.settings import settings

KEY_BYTES = 32
_LENGTH_BYTES = 8


def derived(label: str) -> bytes:
    """Return the 32 bytes that belong to `label` under the present SECRET_KEY.

    Source: RFC 5869 (HKDF-SHA256, the label as `info`, no salt: the secret is random already).
    """
    return _derive(settings().secret_key.get_secret_value(), label)


def previous(label: str) -> bytes | None:
    """Return what belonged to `label` under SECRET_KEY_PREVIOUS, or None if no rotation is under way."""
    before = settings().secret_key_previous
    # Compose files pass what is unset as an empty text.
    return _derive(before.get_secret_value(), label) if before else None


def valid(label: str) -> tuple[bytes, ...]:
    """Return every key under which something of `label` may have been made, the present one first."""
    before = previous(label)
    return (derived(label),) if before is None else (derived(label), before)


def fingerprint(label: str, *parts: str | bytes) -> str:
    """Return 64 hexadecimal digits that stand for `parts`: equal parts meet, nobody can guess back to them.

    For blind indexes and digests. It changes with SECRET_KEY, so a look-up that must survive a rotation asks with
    both keys or is written anew.

    Source: RFC 2104 (HMAC-SHA256).
    """
    return authenticated(derived(label), *parts).hex()


def authenticated(key: bytes, *parts: str | bytes) -> bytes:
    """Return the HMAC-SHA256 of `parts`, 32 bytes."""
    return hmac.digest(key, packed(*parts), "sha256")


def packed(*parts: str | bytes) -> bytes:
    """Return one byte string for `parts`, each behind its length: ("ab", "c") and ("a", "bc") must not look alike."""
    raw = [part.encode() if isinstance(part, str) else part for part in parts]
    return b"".join(len(part).to_bytes(_LENGTH_BYTES, "big") + part for part in raw)


@lru_cache(maxsize=64)
def _derive(secret: str, label: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=label.encode()).derive(secret.encode())
