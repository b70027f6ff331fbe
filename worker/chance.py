"""The one place that draws randomness. Everything else receives it as an argument."""

import random  # noqa: TID251 - this is the one place
import secrets  # noqa: TID251 - this is the one place
from uuid import UUID

_JITTER = random.SystemRandom()


def new_id(unix_ms: int) -> UUID:
    """Return a version 7 UUID: ordered by time, so that indexes grow at one end.

    Args:
        unix_ms: milliseconds since 1970, from the clock.

    Source: RFC 9562, section 5.7.
    """
    value = (unix_ms & (1 << 48) - 1) << 80
    value |= 0x7 << 76
    value |= secrets.randbits(12) << 64
    value |= 0b10 << 62
    value |= secrets.randbits(62)
    return UUID(int=value)


def first_id(unix_ms: int) -> UUID:
    """Return what no id is below that `new_id` gave at this instant or later."""
    return UUID(int=(unix_ms & (1 << 48) - 1) << 80)


def token_bytes(length: int) -> bytes:
    """Return `length` bytes that nobody can guess."""
    return secrets.token_bytes(length)


def jitter(longest_seconds: float) -> float:
    """Return a number of seconds between 0 and `longest_seconds` ("full jitter")."""
    return _JITTER.uniform(0, longest_seconds)
