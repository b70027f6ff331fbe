"""Reading every trail from end to end, and saying what is not as it was written. Believes no column; writes nothing.

One pass in the order of the cases' ids over events, chains, stubs, leaves and records, so that a million events need
no more memory than a thousand. Whoever tampered may have left anything in a column, on SQLite even of another type: a
row that cannot be read is a finding, not an error.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import IntEnum, StrEnum
from heapq import merge
from itertools import groupby
from typing import Any, TypeAlias, cast
from uuid import UUID

from sqlalchemy import Table, select, text, type_coerce
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.types import NullType

from models.audit import (
    BEGINNING,
    DISCLOSED,
    CaseChain,
    CaseEvent,
    CaseStub,
    DailyHead,
    DisclosureRecord,
    Fold,
    HeadLeaf,
    event_hash,
    hash_of,
    head_statement,
    record_hash,
    stub_statement,
)
from models.base import Base
from worker.auditing.signing import Judgement, Keys

MOST_FINDINGS = 1_000
"""How many findings a report lists; those beyond are counted."""

_PAGE = 1_000


class What(StrEnum):
    """What is not as it was written."""

    CHANGED = "changed"
    REMOVED = "removed"
    INSERTED = "inserted"
    CUT = "cut_at_the_end"
    STUB_FORGED = "stub_forged"
    HEAD_MISMATCH = "head_mismatch"
    """A signed head, or one that was handed out, says otherwise."""
    UNVERIFIABLE = "unverifiable"
    """Signed under a SECRET_KEY that is gone; the public key printed at the time would tell."""


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it was written.

    Attributes:
        what: which kind.
        case_id, number: the case and the number of its event, where it concerns one.
        day: the head's day, where a head is the witness.
        detail: what gave it away. No value from a row.
    """

    what: What
    case_id: UUID | None
    number: int | None
    day: date | None
    detail: str

    def __str__(self) -> str:
        """Return it as a line."""
        where = [
            "" if self.case_id is None else f"case {self.case_id}",
            "" if self.number is None else f"event {self.number}",
            "" if self.day is None else f"head of {self.day.isoformat()}",
        ]
        return f"{self.what}: {', '.join(filter(None, where)) or 'somewhere'}: {self.detail}"


@dataclass
class Report:
    """What was read, and what was found.

    Attributes:
        cases, events, stubs, records, heads: how many were read.
        last_day: of the last head; what happened since is vouched for by hashes alone.
        findings: the first thousand; `unlisted` counts the others.
        unverifiable: what nobody can tell without a public key of former days. Not tampering, and not proof of none.
    """

    cases: int = 0
    events: int = 0
    stubs: int = 0
    records: int = 0
    heads: int = 0
    last_day: date | None = None
    findings: list[Finding] = field(default_factory=list)
    unlisted: int = 0
    unverifiable: list[Finding] = field(default_factory=list)

    @property
    def is_green(self) -> bool:
        """Whether nothing was found to be otherwise than it was written."""
        return not self.findings

    def find(
        self,
        what: What,
        detail: str,
        *,
        case_id: UUID | None = None,
        number: int | None = None,
        day: date | None = None,
    ) -> None:
        """Add a finding."""
        into = self.unverifiable if what is What.UNVERIFIABLE else self.findings
        if len(into) < MOST_FINDINGS:
            into.append(Finding(what, case_id, number, day, detail))
        else:
            self.unlisted += 1


def verify(session: Session, *, public_keys: Iterable[bytes] = (), handed_out: Iterable[str] = ()) -> Report:
    """Read every trail and every head, and report what is not as it was written.

    Args:
        session: a snapshot in which nothing was asked yet: appending goes on meanwhile, unseen. In a transaction that
            is under way, on PostgreSQL, everything must be still.
        public_keys: 32 bytes each, as they were printed before SECRET_KEY was changed.
        handed_out: lines that `audit head` printed, from where they were kept.

    Raises:
        ValueError: a public key or a line is none.
    """
    keys = Keys(public_keys)
    if session.get_bind().dialect.name == "postgresql" and not session.in_transaction():
        session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    report = Report()
    heads = _Heads(session, keys, report)
    heads.compare(handed_out)
    everything = merge(
        _rows(session, CaseChain, CHAIN, _Of.CHAIN, report),
        _rows(session, CaseStub, STUB, _Of.STUB, report),
        _rows(session, HeadLeaf, LEAF, _Of.LEAF, report, HeadLeaf.day),
        _rows(session, DisclosureRecord, RECORD, _Of.RECORD, report, DisclosureRecord.number),
        _rows(session, CaseEvent, EVENT, _Of.EVENT, report, CaseEvent.number),
        key=lambda item: (item[1]["case_id"].int, item[0]),
    )
    for case_id, rows in groupby(everything, key=lambda item: cast(UUID, item[1]["case_id"])):
        case = _Case(case_id, keys, heads, report)
        for of, row in rows:
            case.take(of, row)
        case.end()
    return report


# Reading rows that may hold anything

Raw: TypeAlias = Mapping[str, Any]


def _uuid(value: object) -> UUID:
    return value if isinstance(value, UUID) else UUID(cast(str, value))


def _number(value: object) -> int:
    if isinstance(value, int):
        return value
    raise TypeError


def _flag(value: object) -> bool:
    if value in (0, 1):
        return bool(value)
    raise ValueError


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise TypeError


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    raise TypeError


def _instant(value: object) -> datetime:
    at = value if isinstance(value, datetime) else datetime.fromisoformat(cast(str, value))
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def _day(value: object) -> date:
    return value if isinstance(value, date) else date.fromisoformat(cast(str, value))


def _json(value: object) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _perhaps(read: Callable[[object], Any]) -> Callable[[object], Any]:
    return lambda value: None if value is None else read(value)


Shape: TypeAlias = Mapping[str, Callable[[object], Any]]

EVENT: Shape = {
    "case_id": _uuid,
    "number": _number,
    "at": _instant,
    "kind": _text,
    "actor": _text,
    "role": _perhaps(_text),
    "sealed_reason": _perhaps(_bytes),
    "facts": _json,
    "previous_hash": _text,
    "hash": _text,
}
CHAIN: Shape = {"case_id": _uuid, "length": _number, "head": _text}
STUB: Shape = {
    **CHAIN,
    "purged_at": _instant,
    "because": _text,
    "key_id": _text,
    "signature": _text,
}
LEAF: Shape = {**CHAIN, "day": _day, "before": _number, "purged": _flag}
RECORD: Shape = {
    "case_id": _uuid,
    "number": _number,
    "release_id": _uuid,
    "at": _instant,
    "whose_id": _uuid,
    "recipient_id": _uuid,
    "fields": _json,
    "stage": _text,
    "basis": _text,
    "kept_until": _instant,
}
HEAD: Shape = {
    "day": _day,
    "made_at": _instant,
    "cases": _number,
    "events": _number,
    "stubs": _number,
    "leaves": _number,
    "previous_digest": _text,
    "digest": _text,
    "key_id": _text,
    "signature": _text,
}


class _Of(IntEnum):
    """What a row is of; what an event is compared with comes before the events."""

    CHAIN = 0
    STUB = 1
    LEAF = 2
    RECORD = 3
    EVENT = 4


def _stream(
    session: Session, table: type[Base], shape: Shape, report: Report, *order: InstrumentedAttribute[Any]
) -> Iterator[Raw]:
    """Return the rows that can be read, page by page, as the driver has them; the others are findings."""
    columns = cast(Table, table.__table__).c
    # Without a type nothing is converted: a value that has been tampered with must not raise inside SQLAlchemy.
    query = select(*(type_coerce(columns[name], NullType()).label(name) for name in shape)).order_by(*order)
    for row in session.execute(query, execution_options={"yield_per": _PAGE}).mappings():
        try:
            read = {name: reader(row[name]) for name, reader in shape.items()}
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            report.find(What.CHANGED, f"a row of {columns[next(iter(shape))].table.name} cannot be read")
        else:
            yield read


def _rows(
    session: Session, table: Any, shape: Shape, of: _Of, report: Report, *then: InstrumentedAttribute[Any]
) -> Iterator[tuple[_Of, Raw]]:
    for row in _stream(session, table, shape, report, table.case_id, *then):
        yield of, row


# The heads


class _Heads:
    """Every head, checked: its signature, its place behind the one before, its leaves.

    Attributes:
        ours_since: the day of the first head that one of the keys verifies; None if there is none.
    """

    def __init__(self, session: Session, keys: Keys, report: Report) -> None:
        self.ours_since: date | None = None
        self._report = report
        self._keys = keys
        self._last = BEGINNING
        self._counts = {"cases": 0, "events": 0, "stubs": 0}
        self._hashes: dict[date, str] = {}
        heads = ((row, True) for row in _stream(session, DailyHead, HEAD, report, DailyHead.day))
        # What cannot be read of the leaves is reported when they are read by case.
        leaves = ((row, False) for row in _stream(session, HeadLeaf, LEAF, Report(), HeadLeaf.day, HeadLeaf.case_id))
        by_day = merge(heads, leaves, key=lambda item: (item[0]["day"], not item[1]))
        for day, rows in groupby(by_day, key=lambda item: cast(date, item[0]["day"])):
            self._take(day, rows)

    def compare(self, handed_out: Iterable[str]) -> None:
        """Compare the heads with those that were handed out."""
        for line in filter(str.strip, handed_out):
            given = json.loads(line)
            if not isinstance(given, dict) or not {"day", "key_id", "signature"} <= set(given):
                raise ValueError("a line that was handed out is a JSON object with day, key_id and signature")
            day = date.fromisoformat(str(given["day"]))
            statement = {name: value for name, value in given.items() if name != "signature"}
            if self._keys.judge(statement, str(given["signature"])) is Judgement.WRONG:
                self._differs(day, "the copy that was handed out has itself a wrong signature")
            elif day not in self._hashes:
                self._report.find(What.REMOVED, "it was handed out, and is gone", day=day)
            elif self._hashes[day] != hash_of(given):
                self._differs(day, "the one that was handed out is another")

    def _take(self, day: date, rows: Iterable[tuple[Raw, bool]]) -> None:
        fold = Fold(self._last, day)
        heads = []
        for row, is_head in rows:
            if is_head:
                heads.append(row)
            else:
                fold.take(**{name: row[name] for name in ("case_id", "length", "before", "head", "purged")})
        if not heads:
            self._differs(day, "it has leaves, but is gone")
        for head in heads:
            self._check(head, fold)

    def _check(self, head: Raw, fold: Fold) -> None:
        day = head["day"]
        statement = head_statement(**{name: value for name, value in head.items() if name != "signature"})
        judgement = self._keys.judge(statement, head["signature"])
        if judgement is Judgement.RIGHT:
            self.ours_since = self.ours_since or day
        elif judgement is Judgement.WRONG:
            self._differs(day, "its signature is wrong")
        elif self.ours_since is None:
            self._report.find(What.UNVERIFIABLE, "it is signed by a key that is not ours now", day=day)
        else:
            self._differs(day, "it is signed by a key that is not ours, after heads that are")
        if head["previous_digest"] != self._last:
            self._differs(day, "the one before it is another, or is gone")
        elif head["digest"] != fold.digest() or head["leaves"] != fold.leaves:
            self._differs(day, "its leaves do not make its digest")
        elif any(head[name] != count + getattr(fold, name) for name, count in self._counts.items()):
            self._differs(day, "it counts otherwise")
        self._last = head["digest"]
        self._counts = {name: head[name] for name in self._counts}
        self._hashes[day] = hash_of(statement | {"signature": head["signature"]})
        self._report.heads += 1
        self._report.last_day = day

    def _differs(self, day: date, detail: str) -> None:
        self._report.find(What.HEAD_MISMATCH, detail, day=day)


# The cases


class _Case:
    """One case while its rows are read: first what the events are compared with, then the events in order."""

    def __init__(self, case_id: UUID, keys: Keys, heads: _Heads, report: Report) -> None:
        self._case_id = case_id
        self._keys = keys
        self._heads = heads
        self._report = report
        self._chain: Raw | None = None
        self._stub: Raw | None = None
        self._leaves: list[Raw] = []
        self._records: dict[int, Raw] = {}
        self._last = 0
        self._last_hash = BEGINNING
        self._suspected = 0
        report.cases += 1

    def take(self, of: _Of, row: Raw) -> None:
        """Take the next row."""
        match of:
            case _Of.CHAIN:
                self._chain = row
            case _Of.STUB:
                self._stub = row
                self._report.stubs += 1
            case _Of.LEAF:
                self._leaves.append(row)
            case _Of.RECORD:
                self._records[row["number"]] = row
                self._report.records += 1
            case _Of.EVENT:
                self._report.events += 1
                self._step(row)

    def end(self) -> None:
        """Say what should have come, and what should not be here."""
        if self._stub is not None:
            self._check_stub(self._stub)
        else:
            self._check_end()
        for number in self._records:
            self._find(What.INSERTED, number, "no event vouches for its disclosure record")

    def _step(self, event: Raw) -> None:
        number = event["number"]
        if self._stub is not None:
            self._find(What.INSERTED, number, "it stands behind a stub")
            return
        if number <= self._last:
            self._find(What.INSERTED, number, "its number is not the next")
            return
        belongs = self._chain is None or number <= self._chain["length"]
        if not belongs:
            self._find(What.INSERTED, number, "it stands behind the end of its chain")
        follows = number == self._last + 1
        if not follows:
            self._find(What.REMOVED, self._last + 1, _span(self._last + 1, number - 1))
        if _hash(event) != event["hash"]:
            self._suspect(number, "its hash is not that of what stands there")
        elif follows and belongs and event["previous_hash"] != self._last_hash:
            # The hash of this one is right, so it was the one before that was another.
            self._suspect(max(self._last, 1), "what follows it was chained to another")
        for leaf in self._leaves:
            if leaf["length"] == number and leaf["head"] != event["hash"]:
                self._find(What.HEAD_MISMATCH, number, "a signed head has another hash of it", day=leaf["day"])
        self._check_record(event)
        self._last, self._last_hash = number, event["hash"]

    def _check_record(self, event: Raw) -> None:
        record = self._records.pop(event["number"], None)
        vouched = event["facts"].get("record_sha256") if isinstance(event["facts"], dict) else None
        if event["kind"] != DISCLOSED:
            if record is not None:
                self._find(What.INSERTED, event["number"], "no event vouches for its disclosure record")
        elif record is None:
            self._find(What.REMOVED, event["number"], "its disclosure record is gone")
        elif _hash_of_record(record) != vouched:
            self._find(What.CHANGED, event["number"], "its disclosure record is not what it vouches for")

    def _check_end(self) -> None:
        chain, last = self._chain, self._last
        purged = [leaf for leaf in self._leaves if leaf["purged"]]
        if purged:
            self._find(What.REMOVED, None, "the stub that a signed head has is gone", day=purged[0]["day"])
            return
        if chain is None:
            self._find(What.REMOVED, None, "its chain's own row is gone")
        elif chain["length"] > last:
            self._find(What.CUT, last + 1, _span(last + 1, chain["length"]))
        elif chain["length"] == last and chain["head"] != self._last_hash:
            self._suspect(last, "the end of its chain has another hash")
        for leaf in self._leaves:
            if leaf["length"] > last:
                self._find(What.CUT, last + 1, "a signed head has a longer chain", day=leaf["day"])

    def _check_stub(self, stub: Raw) -> None:
        statement = {name: value for name, value in stub.items() if name != "signature"}
        judgement = self._keys.judge(stub_statement(**statement), stub["signature"])
        if judgement is Judgement.WRONG:
            self._find(What.STUB_FORGED, None, "its signature is wrong")
        elif judgement is Judgement.NO_KEY:
            # A stub of former days stands in a head of former days, or in the first one under a key that is ours.
            since = self._heads.ours_since or date.max
            if any(leaf["purged"] and leaf["day"] <= since for leaf in self._leaves):
                self._find(What.UNVERIFIABLE, None, "its stub is signed by a key that is not ours now")
            else:
                self._find(What.STUB_FORGED, None, "it is signed by a key that is not ours")
        for leaf in self._leaves:
            ends_there = leaf["length"] == stub["length"]
            if leaf["length"] > stub["length"] or (ends_there and leaf["head"] != stub["head"]):
                self._find(What.STUB_FORGED, None, "a signed head has another chain", day=leaf["day"])
        if self._chain is not None:
            self._find(What.INSERTED, None, "a chain's row stands beside its stub")

    def _suspect(self, number: int, detail: str) -> None:
        # One change shows in the event itself and in the one behind it; it is said once.
        if number != self._suspected:
            self._find(What.CHANGED, number, detail)
        self._suspected = number

    def _find(self, what: What, number: int | None, detail: str, day: date | None = None) -> None:
        self._report.find(what, detail, case_id=self._case_id, number=number, day=day)


def _hash(event: Raw) -> str:
    return _or_nothing(lambda: event_hash(**{name: event[name] for name in EVENT if name != "hash"}))


def _hash_of_record(record: Raw) -> str:
    return _or_nothing(lambda: record_hash(**record))


def _or_nothing(reckon: Callable[[], str]) -> str:
    try:
        return reckon()
    except (ValueError, TypeError, OverflowError, RecursionError):
        return ""


def _span(first: int, last: int) -> str:
    return "it is gone" if first == last else f"it and all up to {last} are gone"


__all__ = ["MOST_FINDINGS", "Finding", "Report", "What", "verify"]
