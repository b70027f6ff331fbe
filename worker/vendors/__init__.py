"""The port to the vendors: what is handed to one, what one may answer, and what it tells later.

Nothing outside this folder knows Twilio or SendGrid. A vendor's file knows its client, its codes, its signature,
and which failures prove that nothing was sent; it refuses to know messages, bookings and the database.
"""

import os
import threading
from dataclasses import dataclass
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


class _Held(threading.local):
    """The vendors of one thread: their connections are not for sharing."""

    def __init__(self) -> None:
        self.made_for: tuple[int, Settings] | None = None
        self.vendors: dict[Channel, Vendor] = {}


_held = _Held()


def vendor_for(channel: Channel) -> Vendor:
    """Return who carries messages of `channel`, made on first use: per process, after any fork, and per thread."""
    # A forked child must not talk on its parent's connections, nor a test on those of older settings.
    owner = (os.getpid(), settings())
    made_for = _held.made_for
    if made_for is None or made_for[0] != owner[0] or made_for[1] is not owner[1]:
        _held.made_for, _held.vendors = owner, {}
    if channel not in _held.vendors:
        _held.vendors[channel] = _make(channel)
    return _held.vendors[channel]


def _make(channel: Channel) -> Vendor:
    # Late: the official clients take half a second to import, and most processes never send.
    if channel is Channel.SMS:
        from worker.vendors.twilio import Twilio

        return Twilio()
    from worker.vendors.sendgrid import SendGrid

    return SendGrid()


__all__ = ["Attachment", "Outgoing", "OutgoingMail", "OutgoingSms", "ReceiptFact", "Vendor", "vendor_for"]
