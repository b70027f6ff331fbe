"""A case's trail: events chained by hashes, the heads of each day, what a purge leaves, and what was disclosed to whom.

Knows what is hashed and signed and what may never change; knows no key, and reads no sealed value.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    Index,
    Integer,
    LargeBinary,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Json

BEGINNING = "0" * 64
"""What stands for the hash before the first event, and for the digest before the first day."""
DISCLOSED = "disclosure_recorded"
"""The kind of the event that vouches for a disclosure record."""
LONGEST_REASON = 400

_VERSION = 1
_WORD = re.compile(r"[\w.:+/-]{1,128}", re.ASCII)
_ACTOR = re.compile(r"[a-z_]{1,15}(:[^@\x00-\x1f]{1,64})?")
_LONGEST_ACTOR = 80
_LONGEST_KIND = 40
_LONGEST_ROLE = 20


class CaseEvent(Base):
    """One thing that happened to a case, or that somebody did or looked at. Append-only.

    Attributes:
        number: 1, 2, 3 … within the case.
        at: when it happened, as whoever wrote it judged.
        actor: `system`, `applicant`, `counterparty`, `person:<name>` or `key:<id>`.
        sealed_reason: a person's own words, under the case's key.
        facts: ids, numbers, instants and words of enums; never personal data.
        previous_hash: the hash of the event before it; `BEGINNING` for the first.
        hash: over everything above. The reason enters as it is sealed, so shredding the case's key changes nothing.
    """

    __tablename__ = "case_events"
    __table_args__ = (UniqueConstraint("case_id", "number"), CheckConstraint("number >= 1", name="numbers_begin_at_1"))

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    case_id: Mapped[UUID]
    number: Mapped[int]
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(_LONGEST_KIND))
    actor: Mapped[str] = mapped_column(String(_LONGEST_ACTOR))
    role: Mapped[str | None] = mapped_column(String(_LONGEST_ROLE))
    sealed_reason: Mapped[bytes | None] = mapped_column(LargeBinary)
    facts: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class CaseChain(Base):
    """How long a case's chain is and the hash of its last event. Whoever appends locks this row."""

    __tablename__ = "case_chains"

    case_id: Mapped[UUID] = mapped_column(primary_key=True)
    length: Mapped[int]
    head: Mapped[str] = mapped_column(String(64))


class CaseStub(Base):
    """What a purge leaves of a case's chain, signed; without one the database deletes no event. Append-only.

    Attributes:
        length, head: of the chain that is gone.
        because: which retention was over, as a word.
    """

    __tablename__ = "case_stubs"

    case_id: Mapped[UUID] = mapped_column(primary_key=True)
    purged_at: Mapped[datetime]
    length: Mapped[int]
    head: Mapped[str] = mapped_column(String(64))
    because: Mapped[str] = mapped_column(String(40))
    key_id: Mapped[str] = mapped_column(String(16))
    signature: Mapped[str] = mapped_column(String(128))


class DailyHead(Base):
    """All chains as they stood when a day was over, in one signed digest. Append-only.

    Attributes:
        day: the day in Japan that was over. A day on which nobody signed has none; the next head covers it.
        cases, events, stubs: how many there ever were, of purged cases too.
        leaves: how many chains had moved since the head before.
        previous_digest: of the head before, so that none can be taken out of the middle.
        digest: SHA-256 of a line for the previous digest and the day, and one for each leaf by case id.
        key_id: the first 16 hexadecimal digits of SHA-256 of the public key that verifies the signature.
        signature: Ed25519 of the canonical JSON of all the others, in hexadecimal.
    """

    __tablename__ = "daily_heads"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    made_at: Mapped[datetime]
    cases: Mapped[int] = mapped_column(BigInteger)
    events: Mapped[int] = mapped_column(BigInteger)
    stubs: Mapped[int] = mapped_column(BigInteger)
    leaves: Mapped[int] = mapped_column(BigInteger)
    previous_digest: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64))
    key_id: Mapped[str] = mapped_column(String(16))
    signature: Mapped[str] = mapped_column(String(128))


class HeadLeaf(Base):
    """How one chain stood at the head of a day, if it had moved since the one before. Append-only.

    Attributes:
        length, head: of the chain, or of the stub that a purge left.
        before: its length at the head before; 0 for a new case.
        purged: whether it is a stub.
    """

    __tablename__ = "head_leaves"
    __table_args__ = (Index("ix_head_leaves_day", "day", "case_id"),)

    case_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    length: Mapped[int]
    before: Mapped[int]
    head: Mapped[str] = mapped_column(String(64))
    purged: Mapped[bool] = mapped_column(Boolean)


class DisclosureRecord(Base):
    """Whose data was disclosed to whom, which fields, when and on what basis; kept three years. Append-only.

    Its event in the case's chain bears its hash.

    Attributes:
        number: of that event.
        whose_id: the member whose data it was.
        recipient_id: the member or organisation it was disclosed to.
        fields: their names, such as `email`.
        stage, basis: words.
        kept_until: until then not even a purge deletes it.

    Source: 個人情報保護法29条, 同法施行規則19条 to 21条.
    """

    __tablename__ = "disclosure_records"
    __table_args__ = (UniqueConstraint("case_id", "number"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    case_id: Mapped[UUID]
    number: Mapped[int]
    release_id: Mapped[UUID]
    at: Mapped[datetime]
    whose_id: Mapped[UUID] = mapped_column(index=True)
    recipient_id: Mapped[UUID]
    fields: Mapped[list[str]] = mapped_column(Json)
    stage: Mapped[str] = mapped_column(String(20))
    basis: Mapped[str] = mapped_column(String(40))
    kept_until: Mapped[datetime]


# What is hashed and signed


def plain(value: object) -> Any:
    """Return a fact as JSON holds it.

    Args:
        value: None, a truth value, a whole number, a UUID, an aware instant, a date, a word (of an enum, an id: ASCII
            letters, digits and `_.:+/-`), or a list or an object of these.

    Raises:
        TypeError: it is something else. Free text is refused, because it may be personal data.
        ValueError: an instant has no zone.
    """
    match value:
        case Mapping():
            return {_word(key): plain(each) for key, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
        case None | bool() | int():
            return value
        case datetime():
            return instant_text(value)
        case UUID() | date():
            return str(value)
        case _:
            return _word(value)


def checked_event(kind: str, actor: str, role: str | None, reason: str | None) -> None:
    """Refuse what does not fit an event.

    Raises:
        ValueError: it says which; the reason's text is not quoted.
    """
    if not _WORD.fullmatch(kind) or len(kind) > _LONGEST_KIND:
        raise ValueError("an event's kind is a word of up to 40 letters")
    if not _ACTOR.fullmatch(actor) or len(actor) > _LONGEST_ACTOR:
        raise ValueError("an actor is a word, or a word, a colon and a name or id; never a mail address")
    if role is not None and (not _WORD.fullmatch(role) or len(role) > _LONGEST_ROLE):
        raise ValueError("a role is a word of up to 20 letters")
    if reason is not None and len(reason) > LONGEST_REASON:
        raise ValueError(f"a reason has up to {LONGEST_REASON} characters")


def event_hash(
    *,
    case_id: UUID,
    number: int,
    at: datetime,
    kind: str,
    actor: str,
    role: str | None,
    sealed_reason: bytes | None,
    facts: Mapping[str, Any],
    previous_hash: str,
) -> str:
    """Return the hash of an event: SHA-256 of its canonical JSON, 64 hexadecimal digits."""
    return hash_of(
        {
            "version": _VERSION,
            "case": str(case_id),
            "number": number,
            "at": instant_text(at),
            "kind": kind,
            "actor": actor,
            "role": role,
            "reason": None if sealed_reason is None else sealed_reason.hex(),
            "facts": facts,
            "previous": previous_hash,
        }
    )


def record_hash(
    *,
    case_id: UUID,
    number: int,
    release_id: UUID,
    at: datetime,
    whose_id: UUID,
    recipient_id: UUID,
    fields: Iterable[str],
    stage: str,
    basis: str,
    kept_until: datetime,
) -> str:
    """Return the hash of a disclosure record, which its event bears."""
    return hash_of(
        {
            "version": _VERSION,
            "case": str(case_id),
            "number": number,
            "release": str(release_id),
            "at": instant_text(at),
            "whose": str(whose_id),
            "recipient": str(recipient_id),
            "fields": list(fields),
            "stage": stage,
            "basis": basis,
            "kept_until": instant_text(kept_until),
        }
    )


def head_statement(
    *,
    day: date,
    made_at: datetime,
    cases: int,
    events: int,
    stubs: int,
    leaves: int,
    previous_digest: str,
    digest: str,
    key_id: str,
) -> dict[str, Any]:
    """Return what the head of a day says, which is what is signed, as canonical JSON, and handed out."""
    return {
        "what": "toritsugi daily head",
        "version": _VERSION,
        "day": day.isoformat(),
        "made_at": instant_text(made_at),
        "cases": cases,
        "events": events,
        "stubs": stubs,
        "leaves": leaves,
        "previous_digest": previous_digest,
        "digest": digest,
        "key_id": key_id,
    }


def stub_statement(
    *, case_id: UUID, purged_at: datetime, length: int, head: str, because: str, key_id: str
) -> dict[str, Any]:
    """Return what a stub says, which is what is signed."""
    return {
        "what": "toritsugi case stub",
        "version": _VERSION,
        "case": str(case_id),
        "purged_at": instant_text(purged_at),
        "length": length,
        "head": head,
        "because": because,
        "key_id": key_id,
    }


class Fold:
    """The digest of a day, made leaf by leaf, in the order of the cases' ids.

    Attributes:
        cases, events, stubs, leaves: what the leaves so far add to the counts of the head before.
    """

    def __init__(self, previous_digest: str, day: date) -> None:
        self._digest = sha256(canonical({"previous": previous_digest, "day": day.isoformat()}) + b"\n")
        self.cases = self.events = self.stubs = self.leaves = 0

    def take(self, *, case_id: UUID, length: int, before: int, head: str, purged: bool) -> None:
        """Add one leaf."""
        line = {"case": str(case_id), "length": length, "before": before, "head": head, "purged": purged}
        self._digest.update(canonical(line) + b"\n")
        self.cases += before == 0
        self.events += length - before
        self.stubs += purged
        self.leaves += 1

    def digest(self) -> str:
        """Return 64 hexadecimal digits."""
        return self._digest.hexdigest()


def canonical(whole: Mapping[str, Any]) -> bytes:
    """Return the one text of a JSON object: keys sorted, no spaces, ASCII."""
    return json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def hash_of(whole: Mapping[str, Any]) -> str:
    """Return SHA-256 of the canonical JSON, in hexadecimal."""
    return sha256(canonical(whole)).hexdigest()


def instant_text(at: datetime) -> str:
    """Return an instant in UTC to the microsecond, the same for equal instants.

    Raises:
        ValueError: it has no zone.
    """
    if at.tzinfo is None:
        raise ValueError("a naive datetime was refused: give it a zone")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _word(value: object) -> str:
    if isinstance(value, str) and _WORD.fullmatch(value):
        return str(value)
    raise TypeError(f"a fact is an id, a number, an instant or a word, not this {type(value).__name__}")
