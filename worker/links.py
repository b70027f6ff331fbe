"""The links in messages: characters that say which booking, call or case they open, and in which role, and prove it.

A link carries no window and no state: whoever reads it looks at the row for those. It refuses to know pages.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID

from models.booking import Booking, Side
from models.disclosure import Party
from models.shop import Shop
from worker.derived_keys import authenticated, derived, valid
from worker.settings import settings

TOKEN_LENGTH = 40
CASE_TOKEN_LENGTH = 48
_LABEL = "links"
_VERSION = 1
_PROOF_BYTES = 12
_CASE_LABEL = "case-links"
_CASE_PROOF_BYTES = 18
_STAFF_LABEL = "staff-links"
_STAFF_PAGE = 8
"""Goes on from the numbers of `LinkRole`, so that no first byte means two things."""
_STAFF_PROOF_BYTES = 18
_LONGEST_STAFF_TOKEN = 240
_HIGHEST_REVISION = 255


class LinkRole(IntEnum):
    """What the bearer of a link may do. The numbers are part of links that were sent: they never change."""

    CUSTOMER_CALL = 1
    STAFF_CALL = 2
    BOOKING_PAGE = 3
    CODE_PAGE = 4
    """Hands a customer over from a shop's own form to the page that asks for the code."""
    CALL_NOW_CUSTOMER = 5
    """Opens the room of a call at once, one time."""
    CALL_NOW_STAFF = 6
    CALLER_PAGE = 7
    """Where a caller waits for an answer (「呼び出し中」)."""


def _first_byte(role: LinkRole) -> int:
    return _VERSION << 4 | role


_ROLES = {_first_byte(role): role for role in LinkRole}


@dataclass(frozen=True)
class Link:
    """What a genuine token says.

    Attributes:
        subject_id: the call at once of `CALL_NOW_CUSTOMER`, `CALL_NOW_STAFF` and `CALLER_PAGE`, the booking of all
            other roles.
        revision: the booking's revision that a call link belongs to; 0 where the link outlives changes.
    """

    role: LinkRole
    subject_id: UUID
    revision: int


def token(role: LinkRole, subject_id: UUID, revision: int = 0) -> str:
    """Return 40 characters of base64url: 1 byte of version and role, 1 of revision, 16 of id, 12 of HMAC-SHA256.

    Raises:
        ValueError: `revision` is not between 0 and 255.
    """
    if not 0 <= revision <= _HIGHEST_REVISION:
        raise ValueError("a link has one byte for the revision")
    claim = bytes([_first_byte(role), revision]) + subject_id.bytes
    return base64.urlsafe_b64encode(claim + _proof(derived(_LABEL), claim)).decode()


def read(token: str) -> Link | None:
    """Return what a token says if it is ours, else None; nothing in it is looked at before its proof holds.

    Links made under SECRET_KEY_PREVIOUS are still ours.
    """
    raw = _decoded(token)
    if raw is None:
        return None
    claim, proof = raw[:-_PROOF_BYTES], raw[-_PROOF_BYTES:]
    if not any(hmac.compare_digest(_proof(key, claim), proof) for key in valid(_LABEL)):
        return None
    role = _ROLES.get(claim[0])
    return None if role is None else Link(role=role, subject_id=UUID(bytes=claim[2:]), revision=claim[1])


class CaseLinkRole(IntEnum):
    """What the bearer of a case's link may do. The numbers are part of links that were sent: they never change."""

    CONFIRM = 1
    """Prove the registered address, once (D68)."""
    PAGE = 2


@dataclass(frozen=True)
class CaseLink:
    """What a case's token claims; `proves` says whether it is true."""

    role: CaseLinkRole
    case_id: UUID
    party: Party
    claim: bytes
    proof: bytes

    def proves(self, address: str) -> bool:
        """Whether it is ours and was sent to this registered address; `address` is what stands for it in our rows."""
        bound = self.claim + address.encode()
        return any(hmac.compare_digest(_case_proof(key, bound), self.proof) for key in valid(_CASE_LABEL))


_PARTIES = (Party.APPLICANT, Party.COUNTERPARTY)


def case_token(role: CaseLinkRole, case_id: UUID, party: Party, address: str) -> str:
    """Return 48 characters of base64url: role, side, id, and 144 bits of HMAC-SHA256 bound to the registered address.

    Nothing of it is stored. It is worthless once another address is registered (D19, D68).
    """
    claim = bytes([_VERSION << 4 | role, _PARTIES.index(party)]) + case_id.bytes
    return base64.urlsafe_b64encode(claim + _case_proof(derived(_CASE_LABEL), claim + address.encode())).decode()


def read_case(token: str) -> CaseLink | None:
    """Return what a case's token claims, still to be proven by the address in the row; None if it is no such token."""
    raw = _decoded(token, CASE_TOKEN_LENGTH)
    roles = {_VERSION << 4 | role: role for role in CaseLinkRole}
    if raw is None or raw[0] not in roles or raw[1] >= len(_PARTIES):
        return None
    claim, proof = raw[:-_CASE_PROOF_BYTES], raw[-_CASE_PROOF_BYTES:]
    return CaseLink(roles[raw[0]], UUID(bytes=claim[2:]), _PARTIES[raw[1]], claim, proof)


def case_url(role: CaseLinkRole, case_id: UUID, party: Party, address: str) -> str:
    """Return the page of a case for one side, or the page on which its address is confirmed."""
    page = "case/confirm" if role is CaseLinkRole.CONFIRM else "case"
    return _url(page, case_token(role, case_id, party, address))


@dataclass(frozen=True)
class StaffLink:
    """What a genuine token of a staff page says; whether its generation is still good, the row knows."""

    shop_id: str
    staff_id: str
    generation: int


def staff_token(shop_id: str, staff_id: str, generation: int) -> str:
    """Return base64url without padding: version and kind, generation, both slugs, and 144 bits of HMAC-SHA256.

    Nothing of it is stored; raising the member's generation makes it worthless.
    """
    slugs = f"{shop_id}/{staff_id}".encode()
    claim = bytes([_VERSION << 4 | _STAFF_PAGE]) + generation.to_bytes(4) + slugs
    return base64.urlsafe_b64encode(claim + _staff_proof(derived(_STAFF_LABEL), claim)).decode().rstrip("=")


def read_staff(token: str) -> StaffLink | None:
    """Return what a staff page's token says if it is ours, else None."""
    if not token.isascii() or len(token) > _LONGEST_STAFF_TOKEN:
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    claim, proof = raw[:-_STAFF_PROOF_BYTES], raw[-_STAFF_PROOF_BYTES:]
    if not any(hmac.compare_digest(_staff_proof(key, claim), proof) for key in valid(_STAFF_LABEL)):
        return None
    if claim[0] != _VERSION << 4 | _STAFF_PAGE:
        return None
    shop_id, _, staff_id = claim[5:].decode().partition("/")
    return StaffLink(shop_id, staff_id, int.from_bytes(claim[1:5]))


def staff_page_url(shop_id: str, staff_id: str, generation: int) -> str:
    """Return where one member of a shop's staff works: the day's calls, and those that ring."""
    return _url("staff", staff_token(shop_id, staff_id, generation))


def call_url(booking: Booking, side: Side) -> str:
    """Return the call URL (通話用URL) of one side, bound to the booking's present revision (B16, B17)."""
    role = LinkRole.CUSTOMER_CALL if side is Side.CUSTOMER else LinkRole.STAFF_CALL
    return _url("c", token(role, booking.id, booking.revision))


def booking_page_url(booking: Booking) -> str:
    """Return the booking page URL (予約ページURL); it keeps working through changes (B19)."""
    return _url("b", token(LinkRole.BOOKING_PAGE, booking.id))


def code_page_url(booking: Booking) -> str:
    """Return where the customer enters the code that was just sent (B15)."""
    return _url("v", token(LinkRole.CODE_PAGE, booking.id))


def caller_page_url(call_id: UUID) -> str:
    """Return where a caller waits for an answer to a call at once (B8)."""
    return _url("n", token(LinkRole.CALLER_PAGE, call_id))


def call_now_page_url(shop: Shop) -> str:
    """Return where a customer presses 開始 for a call at once (B6, B8)."""
    return f"{settings().public_url.rstrip('/')}/s/{shop.id}/call"


def call_now_url(call_id: UUID, side: Side) -> str:
    """Return one side's entry to a call at once: it opens the room one time, and lives ten minutes."""
    role = LinkRole.CALL_NOW_CUSTOMER if side is Side.CUSTOMER else LinkRole.CALL_NOW_STAFF
    return _url("n", token(role, call_id))


def shop_page_url(shop: Shop) -> str:
    """Return where one books with this shop: its own page, or ours (B12)."""
    return shop.booking_page(settings().public_url)


def device_check_url() -> str:
    """Return where camera, microphone and browser can be tried before the call (B26)."""
    return f"{settings().public_url.rstrip('/')}/device-check"


def _url(page: str, token: str) -> str:
    return f"{settings().public_url.rstrip('/')}/{page}/{token}"


def _proof(key: bytes, claim: bytes) -> bytes:
    return authenticated(key, claim)[:_PROOF_BYTES]


def _staff_proof(key: bytes, claim: bytes) -> bytes:
    return authenticated(key, claim)[:_STAFF_PROOF_BYTES]


def _case_proof(key: bytes, bound: bytes) -> bytes:
    return authenticated(key, bound)[:_CASE_PROOF_BYTES]


def _decoded(token: str, length: int = TOKEN_LENGTH) -> bytes | None:
    if len(token) != length or not token.isascii():
        return None
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    # Padding would make it shorter than what is to be read from it.
    return raw if len(raw) == length * 3 // 4 else None
