"""An intruder who can write anything into the tables of the audit trail, and what the verification says of it.

The triggers are switched off first: they are for those who would change a row in passing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, delete, insert, select, text, update
from sqlalchemy.orm import Session

from models.audit import CaseChain, CaseEvent, CaseStub, DailyHead, DisclosureRecord, HeadLeaf, event_hash
from models.base import Base
from tests.conftest import StoppedTime
from tests.worker.desk import sqlite_only
from tests.worker.trails import (
    AT,
    CASE,
    DAY,
    LATER,
    NEW_CASE,
    NEXT_DAY,
    OTHER_CASE,
    PURGED_CASE,
    forge_chain,
    found,
    intrude,
    make_history,
    sign,
    verified,
    write,
)
from worker import auditing
from worker.auditing import What
from worker.database import Database


@pytest.fixture
def history(database: Database, time: StoppedTime) -> Database:
    """The process's database with a history; see tests/worker/trails.py."""
    make_history(database)
    return database


@pytest.fixture
def trails(database: Database, time: StoppedTime) -> Database:
    """The process's database, with nothing in it."""
    return database


def table(of: type[Base]) -> Table:
    return cast(Table, of.__table__)


# What is said of it, and where


Intrusion = Callable[[Session], Any]


def change(of: type[Base], number: int, /, **values: Any) -> Intrusion:
    """Change one event, or record, of the case."""
    its = table(of)
    return lambda session: session.execute(
        update(its).where(its.c.case_id == CASE, its.c.number == number).values(**values)
    )


def remove(of: type[Base], **where: Any) -> Intrusion:
    """Remove rows."""
    its = table(of)
    return lambda session: session.execute(delete(its).where(*(its.c[name] == value for name, value in where.items())))


def put(number: int, case_id: UUID = CASE, previous: str = "0" * 64) -> Intrusion:
    """Insert a well-made event."""
    what: dict[str, Any] = {
        "case_id": case_id,
        "number": number,
        "at": AT,
        "kind": "planted",
        "actor": "system",
        "role": None,
        "sealed_reason": None,
        "facts": {},
        "previous_hash": previous,
    }
    return lambda session: session.execute(insert(table(CaseEvent)).values(**what, hash=event_hash(**what)))


def then(*intrusions: Intrusion) -> Intrusion:
    """Do one after the other."""

    def do_all(session: Session) -> None:
        for each in intrusions:
            each(session)

    return do_all


def forge(case_id: UUID = CASE) -> Intrusion:
    """Make all hashes of a case fit again."""
    return lambda session: forge_chain(session, case_id)


def set_chain(**values: Any) -> Intrusion:
    return lambda session: session.execute(update(CaseChain).where(CaseChain.case_id == CASE).values(**values))


def set_all(of: type[Base], **values: Any) -> Intrusion:
    return lambda session: session.execute(update(table(of)).values(**values))


def with_hash(number: int, **values: Any) -> Intrusion:
    """Change an event, and make its own hash fit again, but no other."""

    def do(session: Session) -> None:
        its = table(CaseEvent)
        row = dict(session.execute(select(its).where(its.c.case_id == CASE, its.c.number == number)).mappings().one())
        row = {name: value for name, value in row.items() if name not in {"id", "hash"}} | values
        change(CaseEvent, number, **values, hash=event_hash(**row))(session)

    return do


@sqlite_only  # what is said of it is no database's; whether it is found is asked of both below
@pytest.mark.parametrize(
    ("intrusion", "expected"),
    [
        (change(CaseEvent, 3, kind="x"), {("changed", CASE, 3)}),
        (change(CaseEvent, 1, sealed_reason=b"other"), {("changed", CASE, 1)}),
        (change(CaseEvent, 3, facts={"fields": ["address"]}), {("changed", CASE, 3)}),
        (change(CaseEvent, 3, facts=[1]), {("changed", CASE, 3)}),
        (change(CaseEvent, 3, previous_hash="1" * 64), {("changed", CASE, 3)}),
        # A signed head remembers the hashes of the second and fifth event.
        (change(CaseEvent, 2, hash="1" * 64), {("changed", CASE, 2), ("head_mismatch", CASE, 2)}),
        (with_hash(3, kind="x"), {("changed", CASE, 3)}),
        # Nothing vouches for what has happened since the last head but the chain's own row.
        (with_hash(6, kind="x"), {("changed", CASE, 6)}),
        (remove(CaseEvent, case_id=CASE, number=1), {("removed", CASE, 1)}),
        (remove(CaseEvent, case_id=CASE, number=3), {("removed", CASE, 3)}),
        (remove(CaseEvent, case_id=CASE, number=6), {("cut_at_the_end", CASE, 6)}),
        (remove(CaseEvent, case_id=CASE), {("cut_at_the_end", CASE, 1), ("inserted", CASE, 4)}),
        # Cut, and the chain's row made to fit: the head of the next day remembers five.
        (then(remove(CaseEvent, case_id=CASE, number=6), remove(CaseEvent, case_id=CASE, number=5), forge()),
         {("cut_at_the_end", CASE, 5)}),
        (then(change(CaseEvent, 3, kind="x"), forge()), {("head_mismatch", CASE, 5)}),
        (then(remove(CaseEvent, case_id=CASE, number=3), remove(DisclosureRecord), forge()), None),
        (put(7), {("inserted", CASE, 7)}),
        (put(1, PURGED_CASE), {("inserted", PURGED_CASE, 1)}),
        # A case of its own: without a chain's row it has none.
        (put(1, NEW_CASE), {("removed", NEW_CASE, None)}),
        (set_chain(length=7), {("cut_at_the_end", CASE, 7)}),
        (set_chain(length=5), {("inserted", CASE, 6)}),
        (set_chain(head="1" * 64), {("changed", CASE, 6)}),
        (remove(CaseChain, case_id=CASE), {("removed", CASE, None)}),
        (then(remove(CaseChain, case_id=CASE), remove(CaseEvent, case_id=CASE), remove(DisclosureRecord)), None),
        (change(DisclosureRecord, 4, basis="x"), {("changed", CASE, 4)}),
        (change(DisclosureRecord, 4, recipient_id=UUID(int=1)), {("changed", CASE, 4)}),
        (change(DisclosureRecord, 4, fields={"not": "a list"}), {("changed", CASE, 4)}),
        (change(DisclosureRecord, 4, number=3), {("inserted", CASE, 3), ("removed", CASE, 4)}),
        (change(DisclosureRecord, 4, number=9), {("inserted", CASE, 9), ("removed", CASE, 4)}),
        (remove(DisclosureRecord), {("removed", CASE, 4)}),
        (set_all(CaseStub, because="x"), {("stub_forged", PURGED_CASE, None)}),
        (set_all(CaseStub, signature="no signature"), {("stub_forged", PURGED_CASE, None)}),
        (set_all(CaseStub, key_id="0" * 16), None),
        (set_all(CaseStub, length=1), {("stub_forged", PURGED_CASE, None)}),
        # The chain's row is gone as well: who would know that there were events?
        (remove(CaseStub), {("removed", PURGED_CASE, None)}),
        (set_all(HeadLeaf, head="1" * 64), None),
        (remove(HeadLeaf, case_id=CASE, day=DAY), {("head_mismatch", None, None)}),
        (remove(HeadLeaf), {("head_mismatch", None, None)}),
        (remove(DailyHead, day=DAY), {("head_mismatch", None, None)}),
        (remove(DailyHead), {("head_mismatch", None, None)}),
        (set_all(DailyHead, cases=1), {("head_mismatch", None, None)}),
        (set_all(DailyHead, made_at=LATER + timedelta(1)), {("head_mismatch", None, None)}),
    ],
)  # fmt: skip
def test_what_an_intruder_did_is_found_where_it_was_done(
    history: Database, intrusion: Intrusion, expected: set[Any] | None
) -> None:
    with history.transaction() as session:
        intrusion(intrude(session))

    report = verified(history)

    assert not report.is_green
    assert expected is None or found(report) == expected


def test_a_forged_stub_does_not_excuse_a_chain_that_is_gone(history: Database) -> None:
    with history.transaction() as session:
        chain = session.get_one(CaseChain, OTHER_CASE)
        stub = {"purged_at": AT, "length": chain.length, "head": chain.head, "because": "over"}
        # The triggers ask for a stub, not for a good one.
        session.execute(
            insert(table(CaseStub)).values(case_id=OTHER_CASE, **stub, key_id="0" * 16, signature="0" * 128)
        )
        session.execute(delete(table(CaseEvent)).where(table(CaseEvent).c.case_id == OTHER_CASE))
        session.execute(delete(table(CaseChain)).where(table(CaseChain).c.case_id == OTHER_CASE))

    assert found(verified(history)) == {("stub_forged", OTHER_CASE, None)}

    # Nor does it once a day has been signed on top of it.
    sign(history, NEXT_DAY + timedelta(days=1), LATER)
    assert found(verified(history)) == {("stub_forged", OTHER_CASE, None)}


def test_findings_name_no_value_of_a_row(history: Database) -> None:
    with history.transaction() as session:
        change(CaseEvent, 3, actor="person:canary")(intrude(session))

    [finding] = verified(history).findings
    assert str(finding) == f"changed: case {CASE}, event 3: its hash is not that of what stands there"


@sqlite_only
@pytest.mark.parametrize(
    ("of", "column", "value"),
    [
        ("case_events", "at", "'yesterday'"),
        ("case_events", "facts", "'not json'"),
        ("case_events", "facts", "'" + "[" * 100_000 + "'"),
        ("case_events", "facts", "'{\"a\": NaN}'"),
        ("case_events", "case_id", "'nobody'"),
        ("case_events", "number", "'three'"),
        ("case_events", "sealed_reason", "'text'"),
        ("case_events", "hash", "NULL || 5"),
        ("case_chains", "length", "'many'"),
        ("case_stubs", "purged_at", "'yesterday'"),
        ("daily_heads", "made_at", "0"),
        ("daily_heads", "day", "'yesterday'"),
        ("head_leaves", "purged", "7"),
        ("head_leaves", "day", "x'00'"),
        ("disclosure_records", "whose_id", "''"),
    ],
)
def test_a_value_that_cannot_be_read_is_a_finding_and_no_error(
    history: Database, of: str, column: str, value: str
) -> None:
    with history.transaction() as session:
        intrude(session)
        session.execute(text("PRAGMA ignore_check_constraints = ON"))
        one = f"(SELECT max(rowid) FROM {of})"
        session.execute(text(f"UPDATE {of} SET {column} = coalesce({value}, '') WHERE rowid = {one}"))

    assert not verified(history).is_green


# Heads that were handed out


def test_heads_that_were_handed_out_and_are_still_there_say_nothing(history: Database) -> None:
    with history.snapshot() as session:
        lines = [auditing.exported(head) for head in session.scalars(select(DailyHead)).all()]

    assert verified(history, handed_out=[*lines, "\n"]).is_green


def test_days_that_were_torn_off_are_missed_by_who_kept_their_heads(trails: Database) -> None:
    write(trails)
    sign(trails)
    write(trails, events=3)
    kept = sign(trails, NEXT_DAY, LATER)
    assert kept is not None
    with trails.transaction() as session:
        intrude(session)
        for of in (DailyHead, HeadLeaf):
            remove(of, day=NEXT_DAY)(session)
        remove(CaseEvent, case_id=CASE, number=4)(session)
        forge()(session)

    assert verified(trails).is_green
    [finding] = verified(trails, handed_out=[kept]).findings
    assert (finding.what, finding.day) == (What.REMOVED, NEXT_DAY)


def test_an_operator_who_has_the_secret_and_signs_everything_anew_is_found_by_who_kept_a_head(trails: Database) -> None:
    write(trails, events=3)
    kept = sign(trails)
    assert kept is not None
    with trails.transaction() as session:
        intrude(session)
        change(CaseEvent, 2, kind="never_was")(session)
        forge()(session)
        remove(HeadLeaf)(session)
        remove(DailyHead)(session)
    sign(trails)

    assert verified(trails).is_green
    [finding] = verified(trails, handed_out=[kept]).findings
    assert (finding.what, finding.day) == (What.HEAD_MISMATCH, DAY)


def test_a_copy_that_was_changed_itself_is_told_from_a_head_that_was(history: Database) -> None:
    with history.snapshot() as session:
        line = auditing.exported(session.get_one(DailyHead, DAY))

    [finding] = verified(history, handed_out=[line.replace('"stubs":0', '"stubs":1')]).findings

    assert "copy" in finding.detail


@pytest.mark.parametrize("line", ["no json", "[]", "{}", '{"day":"x","key_id":"","signature":""}'])
def test_a_line_that_is_no_head_is_no_finding(history: Database, line: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        verified(history, handed_out=[line])


def test_findings_beyond_a_thousand_are_counted(history: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditing.verifying, "MOST_FINDINGS", 2)
    with history.transaction() as session:
        set_all(CaseEvent, kind="x")(intrude(session))

    report = verified(history)

    assert len(report.findings) == 2
    assert report.unlisted > 0
    assert not report.is_green


# Any single change


@dataclass(frozen=True)
class Meddling:
    """One thing done to the events of a case.

    Attributes:
        what: to change an event, remove it, insert a copy behind the end, or swap the numbers of two.
        place, other: which events; counted round.
        column, value: what is changed to what. A number's is another one, an instant's is a distance.
        fits_again: whether all hashes are made to fit afterwards, as somebody can who can read this code.
    """

    what: str
    case_id: UUID
    place: int
    other: int
    column: str
    value: Any
    fits_again: bool

    def do(self, session: Session) -> bool:
        """Do it, and say whether anything is now otherwise than it was written."""
        before = self._told(session)
        if not self._meddle(session):
            return False
        session.expire_all()
        # What happened since the last head is held by hashes alone, so these are not made to fit.
        if self.fits_again and self._told(session)[: SIGNED[self.case_id]] != before[: SIGNED[self.case_id]]:
            forge_chain(session, self.case_id)
            return self._told(session) != before
        return True

    def _told(self, session: Session) -> list[dict[str, Any]]:
        """Return what the case's events say, in order, apart from the hashes."""
        rows = session.execute(select(EVENTS).where(EVENTS.c.case_id == self.case_id).order_by(EVENTS.c.number))
        skipped = {"id", "hash", "previous_hash", "number"}
        return [{name: value for name, value in row.items() if name not in skipped} for row in rows.mappings()]

    def _meddle(self, session: Session) -> bool:
        query = select(EVENTS).where(EVENTS.c.case_id == self.case_id).order_by(EVENTS.c.number)
        rows = session.execute(query).mappings().all()
        row, other = rows[self.place % len(rows)], rows[self.other % len(rows)]
        match self.what:
            case "change":
                value = row["at"] + self.value if self.column == "at" else self.value
                if value == row[self.column]:
                    return False
                set_event(session, row["id"], **{self.column: value})
            case "remove":
                session.execute(delete(EVENTS).where(EVENTS.c.id == row["id"]))
            case "insert":
                copy = {name: value for name, value in row.items() if name != "id"}
                session.execute(insert(EVENTS).values(**copy | {"number": len(rows) + 1}))
            case "swap":
                set_event(session, row["id"], number=10**6)
                set_event(session, other["id"], number=row["number"])
                set_event(session, row["id"], number=other["number"])
                return bool(row["number"] != other["number"])
        return True


EVENTS = table(CaseEvent)
SIGNED = {CASE: 5, OTHER_CASE: 3}
"""How many events of each case a signed head vouches for."""

WORDS = st.text("abcdefghij_", min_size=1, max_size=20)
DIGITS = st.text("0123456789abcdef", min_size=64, max_size=64)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    # Numbers and cases that are free: what the database itself refuses is no intrusion.
    "case_id": st.just(NEW_CASE),
    "number": st.integers(7, 2**31 - 1),
    "at": st.timedeltas(timedelta(days=-1), timedelta(days=1)).filter(bool),
    "kind": WORDS,
    "actor": WORDS,
    "role": st.none() | WORDS,
    "sealed_reason": st.none() | st.binary(max_size=40),
    "facts": st.dictionaries(WORDS, WORDS | st.integers() | st.none() | st.booleans() | st.floats(-9, 9), max_size=2),
    "previous_hash": DIGITS,
    "hash": DIGITS,
}
MEDDLINGS = st.sampled_from(sorted(VALUES)).flatmap(
    lambda column: st.builds(
        Meddling,
        what=st.sampled_from(["change", "change", "remove", "insert", "swap"]),
        case_id=st.sampled_from([CASE, OTHER_CASE]),
        place=st.integers(0, 5),
        other=st.integers(0, 5),
        column=st.just(column),
        value=VALUES[column],
        fits_again=st.booleans(),
    )
)


def set_event(session: Session, event_id: int, **values: Any) -> None:
    session.execute(update(EVENTS).where(EVENTS.c.id == event_id).values(**values))


@pytest.mark.timeout(300)
def test_whatever_is_done_to_an_event_is_found(history: Database) -> None:
    @settings(max_examples=200, deadline=None)
    @given(MEDDLINGS)
    def one(meddling: Meddling) -> None:
        with history.writing_engine.connect() as connection, Session(connection) as session:
            is_otherwise = meddling.do(intrude(session))

            assert auditing.verify(session).is_green == (not is_otherwise)

            session.rollback()

    one()
    assert verified(history).is_green
