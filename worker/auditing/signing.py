"""Signatures of heads and stubs: Ed25519 under a key derived from SECRET_KEY. Knows statements, not what they mean.

What a signature proves: whoever made the statement had the SECRET_KEY. Somebody who can write to the database, from a
backup, an injection or a shell, but has no SECRET_KEY, cannot make one. What it does not prove: that an operator who
has the SECRET_KEY did not sign something else later. Only a head that was handed out before, to a place where that
operator cannot write, shows that.

After SECRET_KEY has been changed, what was signed before verifies with SECRET_KEY_PREVIOUS, and when that is gone, with
the public key that was printed at the time. Without it nobody can tell: that is *unverifiable*, not forged.
"""

from collections.abc import Iterable, Mapping
from enum import Enum, auto
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from models.audit import canonical
from worker.derived_keys import derived, valid

_LABEL = "audit signatures"
_ID_DIGITS = 16


class Judgement(Enum):
    """What becomes of a signature."""

    RIGHT = auto()
    WRONG = auto()
    NO_KEY = auto()
    """It names a key that is not ours and was not given."""


def public_key() -> bytes:
    """Return the 32 bytes of the public key that verifies what is signed now.

    Source: RFC 8032 (Ed25519).
    """
    return _private().public_key().public_bytes_raw()


def key_id(key: bytes | None = None) -> str:
    """Return the 16 hexadecimal digits by which a public key is named, the present one unless another is given."""
    return sha256(public_key() if key is None else key).hexdigest()[:_ID_DIGITS]


def sign(statement: Mapping[str, Any]) -> str:
    """Return the signature of a statement's canonical JSON, 128 hexadecimal digits."""
    return _private().sign(canonical(statement)).hex()


class Keys:
    """The public keys that a verification trusts: the present one, the previous one, and those that are given.

    Args:
        given: public keys of 32 bytes, as they were printed before earlier rotations.

    Raises:
        ValueError: a given key is none.
    """

    def __init__(self, given: Iterable[bytes] = ()) -> None:
        ours = [Ed25519PrivateKey.from_private_bytes(each).public_key().public_bytes_raw() for each in valid(_LABEL)]
        self._keys = {key_id(key): Ed25519PublicKey.from_public_bytes(key) for key in (*given, *ours)}

    def judge(self, statement: Mapping[str, Any], signature: str) -> Judgement:
        """Return whether the key that the statement names made the signature."""
        key = self._keys.get(str(statement["key_id"]))
        if key is None:
            return Judgement.NO_KEY
        try:
            key.verify(bytes.fromhex(signature), canonical(statement))
        except (InvalidSignature, ValueError):
            return Judgement.WRONG
        return Judgement.RIGHT


def _private() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(derived(_LABEL))
