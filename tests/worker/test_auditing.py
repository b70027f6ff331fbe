"""The audit trail: what is appended stays provable, and whatever an intruder changes is found."""

import json
import logging
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any, cast
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Table, delete, event, select, update

from models.audit import (
    CaseChain,
    CaseEvent,
    CaseStub,
    DailyHead,
    DisclosureRecord,
    HeadLeaf,
)
from models.base import Base
from models.period import end_of_months
from tests.conftest import StoppedTime
from tests.worker.desk import at_once, postgresql_only, sqlite_only
from tests.worker.trails import (
    AT,
    CASE,
    DAY,
    FOUR_YEARS,
    LATER,
    NEW_CASE,
    NEXT_DAY,
    OTHER_CASE,
    PURGED_CASE,
    REASON,
    disclose,
    found,
    intrude,
    make_history,
    sign,
    verified,
    write,
)
from worker import auditing, seals
from worker import settings as settings_module
from worker.auditing import StillKept
from worker.database import Database
from worker.seals import Shredded


@pytest.fixture
def trails(database: Database, time: StoppedTime) -> Database:
    """The process's database, with nothing in it."""
    return database


@pytest.fixture
def history(trails: Database) -> Database:
    """The same with a history; see tests/worker/trails.py."""
    make_history(trails)
    return trails


def events_of(database: Database, case_id: UUID = CASE) -> list[CaseEvent]:
    with database.snapshot() as session:
        return list(auditing.trail(session, case_id))


def table(of: type[Base]) -> Table:
    return cast(Table, of.__table__)


# Appending


def test_a_cases_events_are_numbered_and_each_bears_the_hash_of_the_one_before(trails: Database) -> None:
    write(trails, events=3)
    write(trails, OTHER_CASE)

    events = events_of(trails)
    assert [each.number for each in events] == [1, 2, 3]
    assert [each.previous_hash for each in events] == ["0" * 64, events[0].hash, events[1].hash]
    assert [each.number for each in events_of(trails, OTHER_CASE)] == [1]


def test_several_events_of_one_transaction_follow_each_other(trails: Database) -> None:
    with trails.transaction() as session:
        for kind in ("a", "b", "c"):
            auditing.append(session, CASE, kind, at=AT, actor="system")

    assert [(each.number, each.kind) for each in events_of(trails)] == [(1, "a"), (2, "b"), (3, "c")]
    assert verified(trails).is_green


def test_what_was_rolled_back_leaves_no_event_and_no_gap(trails: Database) -> None:
    write(trails)
    with trails.transaction() as session:
        auditing.append(session, CASE, "lost", at=AT, actor="system")
        session.flush()
        session.rollback()
    with trails.transaction() as session:
        savepoint = session.begin_nested()
        auditing.append(session, CASE, "lost", at=AT, actor="system")
        savepoint.rollback()
        auditing.append(session, CASE, "kept", at=AT, actor="system")

    assert [(each.number, each.kind) for each in events_of(trails)] == [(1, "looked_at"), (2, "kept")]
    assert verified(trails).is_green


def test_appending_does_not_flush_what_the_caller_has_not_finished(trails: Database) -> None:
    with trails.transaction() as session:
        # The database would refuse it as it is.
        session.add(unfinished := CaseChain(case_id=NEW_CASE))
        auditing.append(session, CASE, "first", at=AT, actor="system", reason=REASON)
        auditing.append(session, CASE, "second", at=AT, actor="system", reason=REASON)

        assert unfinished in session.new
        session.rollback()


def test_facts_come_back_as_json_and_an_event_verifies_with_all_kinds_of_them(trails: Database) -> None:
    write(trails, decision_id=UUID(int=7), fields=["name"], due_at=AT, amount=10**12, at_all=None, yes=True)

    assert events_of(trails)[0].facts == {
        "decision_id": "00000000-0000-0000-0000-000000000007",
        "fields": ["name"],
        "due_at": "2030-06-03T01:00:00.000000+00:00",
        "amount": 10**12,
        "at_all": None,
        "yes": True,
    }
    assert verified(trails).is_green


def test_a_fact_that_is_free_text_is_refused_before_anything_is_written(trails: Database) -> None:
    with pytest.raises(TypeError):
        write(trails, note="Hanako Mihon")

    assert events_of(trails) == []


def test_a_reason_is_sealed_and_opens_only_as_the_reason_of_its_own_event(trails: Database) -> None:
    write(trails, events=2, reason=REASON)

    with trails.transaction() as session:
        first, second = auditing.trail(session, CASE)
        assert first.sealed_reason is not None
        assert REASON.encode() not in first.sealed_reason
        assert auditing.reason_of(session, first) == REASON
        session.expunge(first)
        first.sealed_reason = second.sealed_reason
        with pytest.raises(seals.Tampered):
            auditing.reason_of(session, first)


def test_an_event_without_a_reason_has_none(trails: Database) -> None:
    write(trails)

    with trails.snapshot() as session:
        assert auditing.reason_of(session, auditing.trail(session, CASE)[0]) is None


def test_shredding_a_case_makes_its_reasons_unreadable_and_keeps_its_trail_green(history: Database) -> None:
    with history.transaction() as session:
        assert seals.shred(session, CASE)

    with history.snapshot() as session, pytest.raises(Shredded):
        auditing.reason_of(session, auditing.trail(session, CASE)[0])
    assert verified(history).is_green


def test_fifty_at_once_append_to_one_case_one_behind_the_other(trails: Database) -> None:
    outcomes = at_once(*[lambda: write(trails, reason=REASON)] * 50)

    assert outcomes == [None] * 50
    assert [each.number for each in events_of(trails)] == list(range(1, 51))
    assert verified(trails).is_green


def test_verifying_while_others_append_finds_nothing(trails: Database) -> None:
    def look() -> list[auditing.Report]:
        return [verified(trails) for _ in range(10)]

    def work(case_id: UUID) -> None:
        for number in range(10):
            write(trails, case_id)
            with trails.transaction() as session:
                disclose(session, case_id)
            if number == 5:
                sign(trails)

    outcomes = at_once(look, look, lambda: work(CASE), lambda: work(OTHER_CASE))

    assert outcomes[2:] == [None, None]
    assert [report.findings for reports in outcomes[:2] for report in reports] == [[]] * 20


# Disclosure records


def test_a_disclosure_record_is_kept_three_years_and_its_event_bears_its_hash(trails: Database) -> None:
    with trails.transaction() as session:
        record = disclose(session)

    assert record.kept_until == end_of_months(AT, 36)
    [vouching] = events_of(trails)
    assert (vouching.kind, vouching.number) == ("disclosure_recorded", record.number)
    assert set(vouching.facts) == {"release_id", "record_sha256"}
    assert verified(trails).records == 1


def test_a_disclosure_record_is_not_kept_for_less(trails: Database) -> None:
    with pytest.raises(ValueError, match="three years"), trails.transaction() as session:
        disclose(session, kept_until=AT + timedelta(days=1000))


# Purging


def test_a_purge_leaves_a_signed_stub_and_nothing_else(history: Database) -> None:
    assert events_of(history, PURGED_CASE) == []
    with history.snapshot() as session:
        stub = session.get_one(CaseStub, PURGED_CASE)
        assert (stub.length, stub.because, stub.purged_at) == (2, "unverified", AT)
        assert session.get(CaseChain, PURGED_CASE) is None
    report = verified(history)
    assert (report.stubs, report.cases, report.is_green) == (1, 3, True)


def test_a_case_is_not_purged_while_a_disclosure_record_must_be_kept(history: Database) -> None:
    with pytest.raises(StillKept), history.transaction() as session:
        auditing.purge(session, CASE, at=AT, because="over")

    assert len(events_of(history)) == 6


def test_once_they_were_kept_long_enough_records_go_with_the_case(history: Database) -> None:
    with history.transaction() as session:
        auditing.append(session, CASE, "last_word", at=AT + FOUR_YEARS, actor="system")
        auditing.purge(session, CASE, at=AT + FOUR_YEARS, because="over")

    with history.snapshot() as session:
        assert session.scalars(select(DisclosureRecord)).all() == []
        assert session.get_one(CaseStub, CASE).length == 7
    assert verified(history).is_green


def test_what_was_purged_is_not_purged_again(history: Database) -> None:
    with pytest.raises(LookupError), history.transaction() as session:
        auditing.purge(session, PURGED_CASE, at=AT, because="again")


# Heads


def test_the_head_of_a_day_counts_what_there_is_and_names_the_head_before(trails: Database) -> None:
    write(trails, events=2)
    sign(trails)
    write(trails, events=1)
    write(trails, OTHER_CASE)
    with trails.transaction() as session:
        auditing.purge(session, OTHER_CASE, at=AT, because="over")
    sign(trails, NEXT_DAY, LATER)

    with trails.snapshot() as session:
        first, second = session.scalars(select(DailyHead).order_by(DailyHead.day)).all()
    assert (first.cases, first.events, first.stubs, first.leaves) == (1, 2, 0, 1)
    assert (second.cases, second.events, second.stubs, second.leaves) == (2, 4, 1, 2)
    assert (first.previous_digest, second.previous_digest) == ("0" * 64, first.digest)


def test_only_chains_that_moved_have_a_leaf(trails: Database) -> None:
    write(trails)
    write(trails, OTHER_CASE)
    sign(trails)
    write(trails)
    sign(trails, NEXT_DAY, LATER)

    with trails.snapshot() as session:
        leaves = session.scalars(select(HeadLeaf).order_by(HeadLeaf.day, HeadLeaf.case_id)).all()
    assert [(leaf.case_id, leaf.before, leaf.length) for leaf in leaves] == [
        (CASE, 0, 1),
        (OTHER_CASE, 0, 1),
        (CASE, 1, 2),
    ]


def test_a_day_without_cases_is_signed_too(trails: Database) -> None:
    assert sign(trails) is not None
    assert verified(trails).heads == 1


def test_a_day_is_signed_once(trails: Database) -> None:
    first, second = sign(trails), sign(trails, now=LATER)

    assert first is not None
    assert second is None


def test_a_day_that_was_left_out_is_not_signed_afterwards(trails: Database) -> None:
    sign(trails, NEXT_DAY, LATER)

    assert sign(trails, DAY) is None


def test_of_two_who_sign_a_day_at_once_one_does(trails: Database) -> None:
    write(trails)
    sign(trails)
    write(trails)

    lines = at_once(*[lambda: sign(trails, NEXT_DAY, LATER)] * 4)

    assert sorted(line is None for line in lines) == [False, True, True, True]
    assert verified(trails).is_green


def test_of_several_who_sign_the_very_first_day_at_once_one_does(trails: Database) -> None:
    write(trails)

    lines = at_once(*[lambda: sign(trails)] * 4)

    assert sorted(line is None for line in lines) == [False, True, True, True]
    assert verified(trails).is_green


@sqlite_only
def test_an_outsider_verifies_a_head_with_the_public_key_alone(trails: Database) -> None:
    write(trails)
    line = sign(trails)
    public_key = auditing.public_key()

    assert line is not None
    told = json.loads(line)
    signature = bytes.fromhex(told.pop("signature"))
    signed = json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
    Ed25519PublicKey.from_public_bytes(public_key).verify(signature, signed)
    assert told["key_id"] == sha256(public_key).hexdigest()[:16]
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, signed.replace(b"2030", b"2031"))


def test_who_signs_logs_a_chain_that_contradicts_what_was_signed(
    history: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with history.transaction() as session:
        intrude(session)
        session.execute(update(CaseChain).where(CaseChain.case_id == CASE).values(length=1))
        session.execute(delete(CaseChain).where(CaseChain.case_id == OTHER_CASE))

    with caplog.at_level(logging.ERROR):
        sign(history, NEXT_DAY + timedelta(days=1), LATER)

    assert {record.__dict__["case_id"] for record in caplog.records} == {str(CASE), str(OTHER_CASE)}
    assert not verified(history).is_green


def test_who_signs_a_sound_trail_logs_no_contradiction(history: Database, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        sign(history, NEXT_DAY + timedelta(days=1), LATER)

    assert caplog.records == []


# Rotation


@pytest.fixture
def rotate(environment: pytest.MonkeyPatch, history: Database) -> Callable[[str, str | None], None]:
    """Change the secrets of a process that has a history."""

    def become(secret: str, previous: str | None) -> None:
        environment.setenv("SECRET_KEY", secret)
        environment.setenv("SECRET_KEY_PREVIOUS", previous or "")
        settings_module.settings.cache_clear()

    return become


FIRST, SECOND, THIRD = "first-secret-" * 3, "second-secret-" * 3, "third-secret-" * 3


@pytest.fixture
def first_secret(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SECRET_KEY", FIRST)


Rotate = Callable[[str, str | None], None]


@sqlite_only
@pytest.mark.usefixtures("first_secret")
def test_after_a_rotation_the_previous_secret_verifies_what_it_signed(
    trails: Database, request: pytest.FixtureRequest
) -> None:
    history: Database = request.getfixturevalue("history")
    rotate: Rotate = request.getfixturevalue("rotate")
    rotate(SECOND, FIRST)
    sign(history, NEXT_DAY + timedelta(days=1), LATER)

    report = verified(history)

    assert report.is_green
    assert report.unverifiable == []


@sqlite_only
@pytest.mark.usefixtures("first_secret")
def test_what_was_signed_under_a_secret_that_is_gone_is_unverifiable_and_no_tampering(
    trails: Database, request: pytest.FixtureRequest
) -> None:
    history: Database = request.getfixturevalue("history")
    rotate: Rotate = request.getfixturevalue("rotate")
    of_first_days = auditing.public_key()
    rotate(SECOND, None)
    sign(history, NEXT_DAY + timedelta(days=1), LATER)

    report = verified(history)

    assert report.is_green
    assert {(each.case_id, each.day) for each in report.unverifiable} == {
        (None, DAY),
        (None, NEXT_DAY),
        (PURGED_CASE, None),
    }
    assert verified(history, public_keys=[of_first_days]).unverifiable == []


@sqlite_only
@pytest.mark.usefixtures("first_secret")
def test_a_key_that_is_not_ours_after_one_that_is_was_an_intruders(
    trails: Database, request: pytest.FixtureRequest
) -> None:
    history: Database = request.getfixturevalue("history")
    rotate: Rotate = request.getfixturevalue("rotate")
    rotate(THIRD, None)
    sign(history, NEXT_DAY + timedelta(days=1), LATER)
    with history.transaction() as session:
        auditing.purge(session, OTHER_CASE, at=LATER, because="over")
    rotate(FIRST, None)

    assert found(verified(history)) == {("head_mismatch", None, None), ("stub_forged", OTHER_CASE, None)}


# Size


@sqlite_only
def test_a_long_trail_is_read_without_being_held(trails: Database) -> None:
    def peak(events: int) -> int:
        with trails.transaction() as session:
            for _ in range(events):
                auditing.append(session, CASE, "looked_at", at=AT, actor="system")
        tracemalloc.start()
        try:
            assert verified(trails).is_green
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    of_few = peak(3_000)
    of_many = peak(9_000)

    assert of_many < 1.5 * of_few


@postgresql_only
def test_postgresql_is_asked_page_by_page(history: Database) -> None:
    whole: list[str] = []

    @event.listens_for(history.engine, "before_cursor_execute")
    def _note(_c: Any, _cursor: Any, statement: str, _p: Any, context: Any, _m: Any) -> None:
        if not context._is_server_side and statement.startswith("SELECT"):
            whole.append(statement)

    verified(history)

    assert whole == []
