"""What can go wrong at a vendor, by name, and when it does: for a magic recipient, or because a script says so.

This module knows names and choices only: `answers.py` plays the HTTP answer, `carrier.py` the fate and the receipts.
All kinds, with their magic recipients, stand in the table `KINDS` below, which the inbox page shows as well.

**Magic recipients.** A phone number is `+81 90-0000-` and four digits; a mail address is a word at `example.jp`
(`bounce@example.jp`, and `bounce+anything@example.jp` likewise).

**Scripts.** A script is posted to `/_script` and kept in the ledger until it is used up:

    {"match": {"channel": "sms", "to": "+819000000001", "account": "AC…"},
     "plays": ["rate_limit_429", ["accept_then_500", {"kind": "receipts_late", "seconds": 3}], "accept"],
     "times": 1}

Every part of `match` may be left out; a `to` that ends in `*` is a prefix. Each entry of `plays` is for one matching
request, in order; an entry that is a list combines kinds, at most one for the answer and one for the fate. The whole
list is played `times` times. Of several scripts that match, the oldest goes first. A script outranks a magic recipient.

**Refused connections.** Which recipient a request is for is known only once it has been read, so this fault has no
recipient: `POST /_away {"seconds": n}` closes the listening socket and every open connection. The kernel then refuses
connects, as when a vendor's host is down, until the sandbox opens again on the same port.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Channel = Literal["sms", "mail"]
Part = Literal["answer", "fate", "receipts"]

MAGIC_PREFIX = "+81900000"
MAGIC_DOMAIN = "example.jp"
CHANNELS: tuple[Channel, ...] = ("sms", "mail")


@dataclass(frozen=True)
class Kind:
    """One fault.

    Attributes:
        part: what it changes: the HTTP answer, the message's fate at the carrier, or the receipts.
        phone: the last four digits of its magic number; empty: it has none.
        mail: the word of its magic address; empty: it has none.
        says: what happens, for a reader of the inbox page.
        seconds: default of the option of that name, where the kind has it.
        copies: likewise.
        accepts: whether the vendor keeps the message; the option `accept` of an act overrides it.
        channels: where it can happen.
    """

    name: str
    part: Part
    phone: str
    mail: str
    says: str
    seconds: float = 0.0
    copies: int = 1
    accepts: bool = True
    channels: tuple[Channel, ...] = CHANNELS

    @property
    def number(self) -> str:
        """The magic number in E.164, or nothing."""
        return MAGIC_PREFIX + self.phone if self.phone else ""

    @property
    def address(self) -> str:
        """The magic mail address, or nothing."""
        return f"{self.mail}@{MAGIC_DOMAIN}" if self.mail else ""


def _answer(name: str, phone: str, mail: str, says: str, *, accepts: bool, seconds: float = 0.0) -> Kind:
    channels = CHANNELS if phone and mail else (("sms",) if phone else ("mail",))
    return Kind(name, "answer", phone, mail, says, accepts=accepts, seconds=seconds, channels=channels)


def _sms_fate(name: str, phone: str, says: str) -> Kind:
    return Kind(name, "fate", phone, "", says, channels=("sms",))


def _mail_fate(name: str, mail: str, says: str) -> Kind:
    return Kind(name, "fate", "", mail, says, channels=("mail",))


ACCEPT = Kind("accept", "answer", "", "", "Nothing special; holds a place in a script.")

KINDS: tuple[Kind, ...] = (
    ACCEPT,
    _answer("refuse_21211", "9211", "", "400, 21211: not a phone number", accepts=False),
    _answer("refuse_21408", "9408", "", "400, 21408: no permission for the region", accepts=False),
    _answer("refuse_21606", "9606", "", "400, 21606: the sender cannot send this", accepts=False),
    _answer("refuse_21610", "9610", "", "400, 21610: the recipient opted out (STOP)", accepts=False),
    _answer("refuse_21611", "9611", "", "429, 21611: the sender's queue is full", accepts=False),
    _answer("refuse_21614", "9614", "", "400, 21614: not a mobile number", accepts=False),
    _answer("refuse_400", "9400", "refuse", "400 with an error of no special meaning", accepts=False),
    _answer("refuse_401", "9401", "unauthorized", "401 as for wrong credentials", accepts=False),
    _answer("refuse_403", "9403", "forbidden", "403: the account may not", accepts=False),
    _answer("refuse_413", "", "toolarge", "413: the payload is too large", accepts=False),
    _answer("refuse_500", "9500", "error", "500; nothing was accepted", accepts=False),
    _answer("refuse_503", "9503", "unavailable", "503 in HTML, as from a gateway; not accepted", accepts=False),
    _answer("accept_then_500", "9501", "error-after", "Delivered, but answered with 500", accepts=True),
    _answer("accept_then_cut", "9502", "cut-after", "Delivered; the connection ends unanswered", accepts=True),
    _answer("refuse_then_cut", "9504", "cut", "Read and forgotten; the connection ends", accepts=False),
    _answer("accept_then_slow", "9505", "slow-after", "Delivered; answered 35 s later", accepts=True, seconds=35),
    _answer("slow_then_accept", "9506", "slow", "Silent for 35 s, then delivered", accepts=True, seconds=35),
    _answer("rate_limit_429", "9429", "busy", "429 that says when to come again", accepts=False, seconds=1),
    _answer("rate_limit_429_bare", "9430", "busy-bare", "429 that does not say when", accepts=False),
    _answer("redirect_302", "9302", "redirect", "302 to a page that says 200; not accepted", accepts=False),
    _answer("junk_200", "9200", "junk", "200 with HTML; not accepted", accepts=False),
    _answer("truncated_body", "9202", "truncated", "Delivered; the answer breaks off half-way", accepts=True),
    _answer("empty_201", "9201", "empty", "Delivered; 201 without a body or an id", accepts=True),
    Kind("accept_then_drop", "fate", "9700", "lost", "Accepted, never delivered, never heard of again"),
    Kind("queue_for", "fate", "9701", "queued", "Delivered 60 s later, if still valid then", seconds=60),
    _sms_fate("failed_30001", "9301", "Failed: queue overflow"),
    _sms_fate("undelivered_30003", "9303", "Undelivered: the handset is unreachable"),
    _sms_fate("undelivered_30004", "9304", "Undelivered: blocked"),
    _sms_fate("undelivered_30005", "9305", "Undelivered: unknown or inactive number"),
    _sms_fate("undelivered_30006", "9306", "Undelivered: landline or unreachable carrier"),
    _sms_fate("undelivered_30007", "9307", "Undelivered: filtered"),
    _sms_fate("undelivered_30008", "9308", "Undelivered: unknown error"),
    _mail_fate("bounce", "bounce", "Bounced for good; the address is suppressed"),
    _mail_fate("block", "block", "Refused for now (a bounce of type blocked)"),
    _mail_fate("defer", "defer", "Deferred once, then delivered"),
    _mail_fate("drop", "drop", "Dropped by the vendor before it was sent"),
    _mail_fate("spam_report", "spam", "Delivered, then reported; the address is suppressed"),
    Kind("receipts_late", "receipts", "9801", "late", "Delivered; receipts come 5 s late", seconds=5),
    Kind("receipts_duplicated", "receipts", "9802", "twice", "Delivered; each receipt comes twice", copies=2),
    Kind("receipts_reordered", "receipts", "9803", "reordered", "Delivered; the final receipt comes first"),
    Kind("receipts_lost", "receipts", "9804", "silent", "Delivered; no receipt ever comes"),
    Kind("receipts_before_answer", "receipts", "9805", "early", "Delivered; receipts come before the answer"),
)
BY_NAME = {kind.name: kind for kind in KINDS}
_BY_NUMBER = {kind.number: kind for kind in KINDS if kind.phone}
_BY_ADDRESS = {kind.address: kind for kind in KINDS if kind.mail}


def _known(name: str) -> str:
    if name not in BY_NAME:
        raise ValueError(f"unknown kind; known are {', '.join(BY_NAME)}")
    return name


class Act(BaseModel):
    """One kind, with its options filled in: `seconds`, `copies`, and whether the message is accepted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Annotated[str, AfterValidator(_known)]
    seconds: float | None = Field(default=None, ge=0)
    copies: int | None = Field(default=None, ge=1, le=50)
    accept: bool | None = None

    @property
    def part(self) -> Part:
        """What it changes."""
        return BY_NAME[self.kind].part

    def wait_seconds(self) -> float:
        """The option `seconds`, else the kind's default."""
        return BY_NAME[self.kind].seconds if self.seconds is None else self.seconds

    def copy_count(self) -> int:
        """The option `copies`, else the kind's default."""
        return BY_NAME[self.kind].copies if self.copies is None else self.copies

    def accepts(self) -> bool:
        """Whether the vendor keeps the message."""
        return BY_NAME[self.kind].accepts if self.accept is None else self.accept


Play = tuple[Act, ...]
"""What one request meets; an empty play is an ordinary request."""


def _as_play(entry: object) -> list[object]:
    parts = entry if isinstance(entry, list | tuple) else [entry]
    return [{"kind": part} if isinstance(part, str) else part for part in parts]


def _one_of_each(play: Play) -> Play:
    for part in ("answer", "fate"):
        if sum(act.part == part for act in play) > 1:
            raise ValueError(f"one request has one {part}")
    return play


ScriptedPlay = Annotated[Play, BeforeValidator(_as_play), AfterValidator(_one_of_each)]


class Match(BaseModel):
    """Which requests a script is for."""

    model_config = ConfigDict(extra="forbid")

    channel: Channel | None = None
    to: str | None = None
    account: str | None = None

    def fits(self, *, channel: Channel, recipients: Sequence[str], account: str) -> bool:
        """Tell whether a request is meant."""
        if self.channel not in (None, channel) or self.account not in (None, account):
            return False
        if self.to is None:
            return True
        if self.to.endswith("*"):
            return any(recipient.startswith(self.to[:-1].lower()) for recipient in recipients)
        return self.to.lower() in recipients


class Script(BaseModel):
    """A posted script. One that holds kinds of a single channel is for that channel."""

    model_config = ConfigDict(extra="forbid")

    match: Match = Match()
    plays: list[ScriptedPlay] = Field(min_length=1, max_length=1000)
    times: int = Field(default=1, ge=1, le=1_000_000)

    @model_validator(mode="after")
    def _for_one_channel(self) -> "Script":
        possible = {self.match.channel} if self.match.channel else set(CHANNELS)
        for act in (act for play in self.plays for act in play):
            possible &= set(BY_NAME[act.kind].channels)
        if not possible:
            raise ValueError("these kinds do not happen on one and the same channel")
        if len(possible) == 1:
            self.match.channel = possible.pop()
        return self

    def length(self) -> int:
        """How many requests it is for."""
        return len(self.plays) * self.times

    def play(self, turn: int) -> Play:
        """Return what its request number `turn` (from 0) meets."""
        return self.plays[turn % len(self.plays)]


def magic(recipient: str) -> Play:
    """Return what a recipient always meets: nothing, unless the number or address is a magic one."""
    kind = _BY_NUMBER.get(recipient)
    if kind is None and "@" in recipient:
        local, _, domain = recipient.lower().partition("@")
        kind = _BY_ADDRESS.get(f"{local.partition('+')[0]}@{domain}")
    return (Act(kind=kind.name),) if kind else ()


def answer_of(play: Play) -> Act:
    """Return how the request is answered."""
    return next((act for act in play if act.part == "answer"), Act(kind=ACCEPT.name))


def fate_of(play: Play) -> Act | None:
    """Return what befalls the message at the carrier, if it is not simply delivered."""
    return next((act for act in play if act.part == "fate"), None)


def receipts_of(play: Play) -> dict[str, Act]:
    """Return what befalls the receipts, by kind."""
    return {act.kind: act for act in play if act.part == "receipts"}


def dumped(play: Iterable[Act]) -> list[dict[str, object]]:
    """Return a play as JSON keeps it; `loaded` reads it again."""
    return [act.model_dump(exclude_none=True) for act in play]


def loaded(rows: Iterable[dict[str, object]]) -> Play:
    """Return the play that `dumped` wrote."""
    return tuple(Act.model_validate(row) for row in rows)
