"""Caps on codes: how many are sent to a contact, from an address, to a prefix, and how many are tried.

All counts are rows, so several API processes share them. Keys are digests: nobody can read a contact from a count.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.customer import Channel, Customer
from models.errors import TooManyRequests
from models.limit import Cap
from models.verification import Verification
from worker import limits
from worker.customers import Contact
from worker.derived_keys import fingerprint
from worker.networks import network_digest
from worker.settings import settings

SENDS = MappingProxyType(
    {
        "contact": (Cap(5, timedelta(minutes=10)), Cap(10, timedelta(days=1))),
        "network": (Cap(60, timedelta(hours=1)),),
        "caller": (Cap(20_000, timedelta(hours=1)),),
        "shop": (Cap(20_000, timedelta(hours=1)),),
        "prefix": (Cap(500, timedelta(hours=1)),),
    }
)
"""What codes are counted by, and how many may be sent. A network may be a whole office or a carrier's gateway."""
FAILURES = (Cap(10, timedelta(hours=1)), Cap(20, timedelta(days=1)))
"""Wrong codes for one contact by one network, over all its codes: or five tries a code would be tries without end.

A stranger who guesses at somebody's contact spends his own network's tries, not those of whoever has it.
"""
FAILURES_OF_ALL = (Cap(100, timedelta(days=1)),)
"""Wrong codes for one contact by all networks. More than the codes that are sent to it in a day let anybody try."""
CONVERSION = Cap(20, timedelta(days=1))
LEAST_CONVERTED = 0.2
BLOCKED_FOR = Cap(1, timedelta(hours=12))
"""A prefix to which 20 codes went in a day, and hardly one in five was entered, is being pumped: none for 12 h.

So is one of which a vendor says so.
"""
_PREFIX_LENGTH = 8


@dataclass(frozen=True)
class Asker:
    """Who wants a code sent, as digests.

    Attributes:
        contact: the address over all shops.
        prefix: the beginning of its number; None for mail and for test numbers.
        network: that of the customer's own address.
        caller: the API key, or the page.
        shop: in whose name it is sent: a flood at one shop must not spend what all send.
    """

    contact: str
    prefix: str | None
    network: str | None
    caller: str
    shop: str | None = None

    @classmethod
    def of(cls, contact: Contact, *, network: str | None, caller: str, shop: str | None = None) -> "Asker":
        """Return the digests of a request."""
        is_real = contact.channel is Channel.SMS and not contact.address.startswith(settings().test_numbers or "-")
        return cls(
            contact=fingerprint("code-limits", contact.channel, contact.address),
            prefix=fingerprint("code-prefixes", contact.address[:_PREFIX_LENGTH]) if is_real else None,
            network=network_digest(network),
            caller=caller,
            shop=shop,
        )


def admit_send(session: Session, asker: Asker, *, now: datetime) -> None:
    """Count one code to be sent.

    Raises:
        TooManyRequests: a cap is reached, or the prefix is blocked; the answer is the same.
    """
    if asker.prefix is not None:
        _refuse_blocked(session, asker.prefix, now=now)
    for what, caps in SENDS.items():
        who = getattr(asker, what)
        if who is not None:
            _count(session, f"sends:{what}:{who}", caps, now=now)


def admit_resend(session: Session, verification: Verification, *, now: datetime) -> None:
    """Count a code that is sent again.

    Raises:
        TooManyRequests: as `admit_send`.
    """
    shop = session.scalars(select(Customer.shop_id).where(Customer.id == verification.customer_id)).one_or_none()
    caller = verification.api_key_id or "pages"
    asker = Asker(verification.contact_digest, verification.prefix_digest, None, caller, shop)
    admit_send(session, asker, now=now)


def admit_try(session: Session, verification: Verification, *, now: datetime) -> None:
    """Refuse to compare a code of a contact for which too many wrong ones were tried, here or everywhere.

    Raises:
        TooManyRequests: a cap is reached.
    """
    for key, cap in _failures(verification):
        known, ends_at = limits.counted(session, key, now=now)
        if known >= cap.most:
            raise TooManyRequests(retry_at=ends_at)


def failed(session: Session, verification: Verification, *, now: datetime) -> None:
    """Count a wrong code."""
    for key, cap in _failures(verification):
        limits.count(session, key, cap, now=now)


def sent(session: Session, verification: Verification, *, now: datetime) -> None:
    """A code went out: watch how many of its prefix are entered."""
    if verification.prefix_digest is None:
        return
    prefix = verification.prefix_digest
    codes = limits.count(session, f"converted:of:{prefix}", CONVERSION, now=now)
    entered, _ = limits.counted(session, f"converted:{prefix}", now=now)
    if codes >= CONVERSION.most and entered < codes * LEAST_CONVERTED:
        limits.count(session, f"blocked:{prefix}", BLOCKED_FOR, now=now)


def block_prefix(session: Session, contact: Contact, *, now: datetime) -> None:
    """Send no code to numbers that begin like this one for a while: a vendor takes them for toll fraud."""
    asker = Asker.of(contact, network=None, caller="")
    if asker.prefix is not None:
        limits.count(session, f"blocked:{asker.prefix}", BLOCKED_FOR, now=now)


def entered(session: Session, verification: Verification, *, now: datetime) -> None:
    """The right code was entered."""
    if verification.prefix_digest is not None:
        limits.count(session, f"converted:{verification.prefix_digest}", CONVERSION, now=now)


def _refuse_blocked(session: Session, prefix: str, *, now: datetime) -> None:
    blocked, ends_at = limits.counted(session, f"blocked:{prefix}", now=now)
    if blocked:
        raise TooManyRequests(retry_at=ends_at)


def _count(session: Session, key: str, caps: tuple[Cap, ...], *, now: datetime) -> None:
    for cap in caps:
        name = f"{key}:{int(cap.window.total_seconds())}"
        if limits.count(session, name, cap, now=now) > cap.most:
            _, ends_at = limits.counted(session, name, now=now)
            raise TooManyRequests(retry_at=ends_at)


def _failures(verification: Verification) -> Iterator[tuple[str, Cap]]:
    contact = verification.contact_digest
    where = fingerprint("failures", contact, verification.network_digest or "")
    for cap in FAILURES:
        yield f"failures:{where}:{int(cap.window.total_seconds())}", cap
    for cap in FAILURES_OF_ALL:
        yield f"failures:of-all:{contact}:{int(cap.window.total_seconds())}", cap
