"""The port to the vendors: what is handed to one, what one may answer, and what it tells later.

Nothing outside this folder knows Twilio or SendGrid. A vendor's file knows its client, its codes, its signature,
and which failures prove that nothing was sent; it refuses to know messages, bookings and the database.
"""

import os
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from models.customer import Channel
from models.message import Answer, State
from worker.settings import Settings, settings


@dataclass(frozen=True, repr=False)
class OutgoingSms:
    """An SMS as a vendor gets it. It does not print itself: it holds a number and maybe a code.

    Attributes:
        to: E.164.
        valid_seconds: after so long the vendor must drop it rather than deliver it; None: as long as it likes.
    """

    attempt_id: UUID
    message_id: UUID
    to: str
    text: str
    valid_seconds: int | None


@dataclass(frozen=True, repr=False)
class Attachment:
    """A file that goes with a mail.

    Attributes:
        content_type: with its parameters, such as `text/calendar; method=REQUEST`.
    """

    filename: str
    content_type: str
    content: bytes


@dataclass(frozen=True, repr=False)
class OutgoingMail:
    """A mail as a vendor gets it. It does not print itself: it holds a mailbox and maybe a code.

    Attributes:
        to: a bare mailbox, without a name.
        text, html: the same words twice.
    """

    attempt_id: UUID
    message_id: UUID
    to: str
    subject: str
    text: str
    html: str
    attachments: tuple[Attachment, ...] = ()


Outgoing = OutgoingSms | OutgoingMail

ACCOUNT_RESTS = timedelta(minutes=1)
"""How long an account is left alone that refuses us: somebody has to mend it, and will be told."""


class Fate(StrEnum):
    """Why a message did not arrive that a vendor had taken, as far as it decides what is done about it."""

    LATER = "later"
    """It did not arrive and the next may: nothing is wrong with address or text."""
    EXPIRED = "expired"
    """It was dropped at the end of the validity that we gave it."""
    DEAD = "dead"
    """Nothing arrives at this address."""
    FILTERED = "filtered"
    """This text does not arrive by this route; the next that is like it will not either."""
    UNCLEAR = "unclear"
    """The vendor does not know; another channel may be tried once."""
    FINAL = "final"
    """There is nothing to be done about it, or the vendor warns against trying again."""
    PUMPING = "pumping"
    """The vendor takes it for toll fraud."""
    UNHEARD_OF = "unheard_of"
    """Nobody has given this reason a meaning: nothing is tried, and a person should."""


@dataclass(frozen=True)
class ReceiptFact:
    """One thing a vendor told us afterwards, its signature checked, without its personal data.

    Attributes:
        once_key: the same for the same fact told twice; at most 200 characters.
        attempt_id: our own id, which travelled with the call; None if the vendor did not bring it back.
        reference: the vendor's id of the message, as it answered the call.
        status: the vendor's own word.
        state: what that means for the message; None if it moves nothing.
        code: the vendor's reason, as a code, never as its text.
    """

    once_key: str
    vendor: str
    attempt_id: UUID | None
    reference: str | None
    status: str
    state: State | None
    code: str | None


@dataclass(frozen=True)
class Found:
    """The vendor has the message.

    Attributes:
        state: what it says of it; SENT at least, since it took it.
    """

    reference: str
    state: State
    code: str | None = None


@dataclass(frozen=True)
class NotThere:
    """The vendor lists its messages and this is none of them."""


@dataclass(frozen=True)
class CannotTell:
    """The vendor did not say, or says nothing of the kind."""


Finding = Found | NotThere | CannotTell


class Vendor(Protocol):
    """Somebody who carries messages of one channel."""

    @property
    def name(self) -> str:
        """As attempts and receipts name it."""

    def send(self, outgoing: Outgoing) -> Answer:
        """Hand over one message, in one request that is never repeated, and say what is known of its fate.

        Raises:
            TypeError: it is not a message of this vendor's channel.
        """

    def look_up(self, reference: str) -> Finding:
        """Ask what became of a message whose reference is known."""

    def search(
        self, *, attempt_id: UUID, to: str, since: datetime, until: datetime, known: frozenset[str], alone: bool
    ) -> Finding:
        """Look for a message whose answer was lost.

        Args:
            attempt_id: ours, where the vendor lets one search for it.
            to: the recipient.
            since: made no earlier than this.
            until: made no later than this.
            known: references that belong to other attempts.
            alone: whether no other attempt about then has lost its answer too, so that what is found is this one's.
        """


class _Held(threading.local):
    """The vendors of one thread: their connections are not for sharing."""

    def __init__(self) -> None:
        self.made_for: tuple[int, Settings] | None = None
        self.vendors: dict[str, Vendor] = {}


_held = _Held()


def vendor_named(name: str) -> Vendor:
    """Return the account of this name, made on first use: per process, after any fork, and per thread.

    Raises:
        LookupError: the settings name no such account.
    """
    # A forked child must not talk on its parent's connections, nor a test on those of older settings.
    owner = (os.getpid(), settings())
    made_for = _held.made_for
    if made_for is None or made_for[0] != owner[0] or made_for[1] is not owner[1]:
        _held.made_for, _held.vendors = owner, {}
    if name not in _held.vendors:
        _held.vendors[name] = _make(name)
    return _held.vendors[name]


def fate_of(channel: Channel, code: str | None) -> Fate:
    """Return what a vendor's reason means, by which it says that a message did not arrive.

    Of mail that bounces there is nothing to be made; whether the mailbox is dead `silences` says.
    """
    if channel is Channel.MAIL or code is None:
        return Fate.FINAL
    from worker.vendors.twilio import FATES

    return FATES.get(code, Fate.UNHEARD_OF)


def silences(channel: Channel, code: str | None, status: str = "") -> str | None:
    """Return for what reason a vendor's code, or the word of its report, silences an address; None if it does not."""
    if channel is Channel.MAIL:
        from worker.vendors import sendgrid

        return sendgrid.silences(code, status)
    from worker.vendors.twilio import SILENCES

    return SILENCES.get(code or "")


def _make(name: str) -> Vendor:
    # Late: the official clients take half a second to import, and most processes never send.
    for sms in settings().sms_carriers:
        if sms.name == name:
            from worker.vendors.twilio import Twilio

            return Twilio(sms)
    for mail in settings().mail_carriers:
        if mail.name == name:
            from worker.vendors.sendgrid import SendGrid

            return SendGrid(mail)
    raise LookupError(f"no account is named {name}")


__all__ = [
    "ACCOUNT_RESTS",
    "Attachment",
    "CannotTell",
    "Fate",
    "Finding",
    "Found",
    "NotThere",
    "Outgoing",
    "OutgoingMail",
    "OutgoingSms",
    "ReceiptFact",
    "Vendor",
    "fate_of",
    "silences",
    "vendor_named",
]
