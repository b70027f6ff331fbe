"""The six digits of a verification: derived whenever they are needed, kept nowhere.

It knows how to derive and to compare; how long a code lives and how often one may guess is `models/verification.py`.
"""

import hmac

from models.verification import Verification
from worker.derived_keys import authenticated, derived, valid

DIGITS = 6
_LABEL = "codes"
_LONGEST_INPUT = 64
_FULL_WIDTH = str.maketrans("０１２３４５６７８９", "0123456789")
# What people and their keyboards put around and between digits; the last four are Japanese.
_BETWEEN = frozenset("-‐‑‒–—―−－ーｰ─")


def code(verification: Verification) -> str:
    """Return the six digits that prove `verification` in its present generation.

    256 bits are reduced to a million values, so no code is noticeably likelier than another.
    """
    return _under(derived(_LABEL), verification)


def matches(verification: Verification, given: str) -> bool:
    """Return whether `given` is the code, in a time that does not depend on how much of it is right.

    Full-width digits, white space and hyphens are forgiven; whatever is not six digits is wrong. While SECRET_KEY is
    being rotated, a code that was sent under the previous key still counts.
    """
    digits = _digits(given)
    if digits is None:
        return False
    # Every key is tried, also after a hit.
    hits = [hmac.compare_digest(_under(key, verification), digits) for key in valid(_LABEL)]
    return any(hits)


def _under(key: bytes, verification: Verification) -> str:
    proof = authenticated(key, verification.id.bytes, verification.purpose.value, str(verification.generation))
    return f"{int.from_bytes(proof, 'big') % 10**DIGITS:0{DIGITS}d}"


def _digits(given: str) -> str | None:
    if len(given) > _LONGEST_INPUT:
        return None
    kept = "".join(letter for letter in given.translate(_FULL_WIDTH) if not letter.isspace() and letter not in _BETWEEN)
    return kept if len(kept) == DIGITS and kept.isascii() and kept.isdecimal() else None
