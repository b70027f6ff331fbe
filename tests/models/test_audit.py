"""What is hashed, in which one text, and what the databases themselves refuse to change."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models import audit
from models.audit import Fold, event_hash, plain, record_hash
from tests.conftest import StoppedTime
from tests.worker.desk import postgresql_only, sqlite_only
from tests.worker.trails import (
    AT,
    CASE,
    DAY,
    FOUR_YEARS,
    GUARDED,
    PURGED_CASE,
    disclose,
    sign,
    write,
)
from worker import auditing
from worker.database import Database

EVENT: dict[str, Any] = {
    "case_id": CASE,
    "number": 3,
    "at": AT,
    "kind": "decision_approved",
    "actor": "person:hanako",
    "role": "checker",
    "sealed_reason": b"\x01sealed",
    "facts": {"decision_id": "00000000-0000-0000-0000-0000000000d1", "fields": ["name"]},
    "previous_hash": "1" * 64,
}
RECORD: dict[str, Any] = {
    "case_id": CASE,
    "number": 4,
    "release_id": UUID(int=0xA1),
    "at": AT,
    "whose_id": UUID(int=0xB1),
    "recipient_id": UUID(int=0xC1),
    "fields": ["name", "address"],
    "stage": "particulars",
    "basis": "D24",
    "kept_until": AT + FOUR_YEARS,
}


class Colour(StrEnum):
    GREEN = "green"


# Facts


@pytest.mark.parametrize(
    ("fact", "held"),
    [
        (None, None),
        (True, True),
        (7, 7),
        ("decision_approved", "decision_approved"),
        (Colour.GREEN, "green"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (date(2030, 6, 3), "2030-06-03"),
        (datetime(2030, 6, 3, 10, tzinfo=timezone(timedelta(hours=9))), "2030-06-03T01:00:00.000000+00:00"),
        (["name", UUID(int=1)], ["name", "00000000-0000-0000-0000-000000000001"]),
        ({"now": ("a", 1)}, {"now": ["a", 1]}),
    ],
)
def test_a_fact_is_kept_as_json_holds_it(fact: object, held: object) -> None:
    assert plain(fact) == held


@pytest.mark.parametrize(
    "fact",
    [
        "Hanako Mihon",  # a name has a space in it
        "見本花子",
        "hanako@example.jp",
        "",
        "w" * 129,
        0.5,  # no two databases write it alike
        b"bytes",
        object(),
        {"two words": 1},
        {1: "one"},
        ["name", "two words"],
    ],
)
def test_what_may_be_personal_or_has_no_one_text_is_no_fact(fact: object) -> None:
    with pytest.raises(TypeError) as caught:
        plain(fact)

    assert str(fact) not in str(caught.value) or fact == ""


def test_an_instant_without_a_zone_is_no_fact() -> None:
    with pytest.raises(ValueError, match="naive"):
        plain(datetime(2030, 6, 3))  # noqa: DTZ001 - what is refused


@pytest.mark.parametrize("actor", ["system", "applicant", "person:hanako", "person:見本 花子", "key:desk-1"])
def test_an_actor_is_a_word_or_a_named_one(actor: str) -> None:
    audit.checked_event("looked_at", actor, None, None)


@pytest.mark.parametrize(
    ("kind", "actor", "role", "reason"),
    [
        ("looked at", "system", None, None),
        ("k" * 41, "system", None, None),
        ("looked_at", "person:hanako@example.jp", None, None),
        ("looked_at", "person:" + "h" * 65, None, None),
        ("looked_at", "Hanako", None, None),
        ("looked_at", "system", "two words", None),
        ("looked_at", "system", None, "r" * 401),
    ],
)
def test_an_event_that_does_not_fit_is_refused(kind: str, actor: str, role: str | None, reason: str | None) -> None:
    with pytest.raises(ValueError, match=r"word|reason"):
        audit.checked_event(kind, actor, role, reason)


# Hashes


def test_the_hash_of_an_event_is_what_anybody_would_reckon_from_the_papers() -> None:
    line = (
        '{"actor":"person:hanako","at":"2030-06-03T01:00:00.000000+00:00",'
        '"case":"00000000-0000-0000-0000-000000000011",'
        '"facts":{"decision_id":"00000000-0000-0000-0000-0000000000d1","fields":["name"]},'
        '"kind":"decision_approved","number":3,"previous":"' + "1" * 64 + '","reason":"017365616c6564",'
        '"role":"checker","version":1}'
    )

    assert event_hash(**EVENT) == sha256(line.encode()).hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        {"case_id": PURGED_CASE},
        {"number": 4},
        {"at": AT + timedelta(microseconds=1)},
        {"kind": "decision_sent_back"},
        {"actor": "person:taro"},
        {"role": None},
        {"sealed_reason": b"\x01Sealed"},
        {"sealed_reason": None},
        {"facts": {}},
        {"facts": EVENT["facts"] | {"fields": ["name", "address"]}},
        {"previous_hash": "2" * 64},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_part_of_an_event_is_in_its_hash(change: dict[str, Any]) -> None:
    assert event_hash(**EVENT | change) != event_hash(**EVENT)


def test_equal_instants_of_other_zones_have_equal_hashes() -> None:
    elsewhere = AT.astimezone(timezone(timedelta(hours=9)))

    assert event_hash(**EVENT | {"at": elsewhere}) == event_hash(**EVENT)


@pytest.mark.parametrize("part", RECORD)
def test_every_part_of_a_disclosure_record_is_in_its_hash(part: str) -> None:
    others = {UUID: UUID(int=0xFF), int: 5, str: "other", list: ["name"], datetime: AT + timedelta(days=1)}

    assert record_hash(**RECORD | {part: others[type(RECORD[part])]}) != record_hash(**RECORD)


def test_a_days_digest_covers_the_day_the_one_before_and_every_leaf_in_order() -> None:
    leaf: dict[str, Any] = {"case_id": CASE, "length": 3, "before": 1, "head": "1" * 64, "purged": False}

    def digest(*leaves: dict[str, Any], previous: str = "0" * 64, day: date = DAY) -> str:
        fold = Fold(previous, day)
        for each in leaves:
            fold.take(**each)
        return fold.digest()

    other = leaf | {"case_id": PURGED_CASE}
    variants = [
        digest(),
        digest(leaf),
        digest(leaf, other),
        digest(other, leaf),
        digest(leaf, previous="1" * 64),
        digest(leaf, day=DAY + timedelta(days=1)),
        *(digest(leaf | {name: value}) for name, value in (("length", 4), ("before", 0), ("head", "2" * 64))),
        digest(leaf | {"purged": True}),
    ]

    assert len(set(variants)) == len(variants)


# What the databases refuse


@pytest.fixture
def trails(database: Database, time: StoppedTime) -> Database:
    """A case with three events, one a disclosure; a purged one; a signed day: a row in each guarded table."""
    write(database, events=2, reason="because")
    write(database, PURGED_CASE)
    with database.transaction() as session:
        disclose(session)
        auditing.purge(session, PURGED_CASE, at=AT, because="unverified")
    sign(database)
    return database


@contextmanager
def refused(database: Database) -> Iterator[Session]:
    """Do something that the database refuses."""
    with pytest.raises(IntegrityError, match="is append-only"), database.transaction() as session:
        yield session


NAMES = [table.__tablename__ for table in GUARDED]


@pytest.mark.parametrize("table", NAMES)
def test_a_row_once_written_is_not_changed(trails: Database, table: str) -> None:
    column = {"daily_heads": "digest", "disclosure_records": "basis", "case_events": "kind"}.get(table, "head")

    with refused(trails) as session:
        session.execute(text(f"UPDATE {table} SET {column} = 'x'"))


@pytest.mark.parametrize("table", NAMES)
def test_a_row_once_written_is_not_deleted(trails: Database, table: str) -> None:
    with refused(trails) as session:
        session.execute(text(f"DELETE FROM {table}"))


@sqlite_only
@pytest.mark.parametrize("table", NAMES)
def test_a_row_once_written_is_not_replaced(trails: Database, table: str) -> None:
    with refused(trails) as session:
        session.execute(text(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"))


@sqlite_only
def test_an_event_is_not_replaced_by_one_with_its_number(trails: Database) -> None:
    columns = "case_id, number, at, kind, actor, facts, previous_hash, hash"

    with refused(trails) as session:
        session.execute(text(f"REPLACE INTO case_events ({columns}) SELECT {columns} FROM case_events"))


@postgresql_only
@pytest.mark.parametrize("table", NAMES)
def test_a_table_is_not_emptied(trails: Database, table: str) -> None:
    with refused(trails) as session:
        session.execute(text(f"TRUNCATE {table}"))


def test_an_upsert_changes_nothing(trails: Database) -> None:
    columns = "case_id, purged_at, length, head, because, key_id, signature"
    upsert = f"INSERT INTO case_stubs ({columns}) SELECT {columns} FROM case_stubs WHERE true"

    with refused(trails) as session:
        session.execute(text(f"{upsert} ON CONFLICT (case_id) DO UPDATE SET because = 'x'"))


def test_nothing_is_added_to_a_case_that_was_purged(trails: Database) -> None:
    with refused(trails) as session:
        auditing.append(session, PURGED_CASE, "looked_at", at=AT, actor="system")


def test_the_stub_of_one_case_lets_no_other_be_deleted(trails: Database) -> None:
    with refused(trails) as session:
        session.execute(text(f"DELETE FROM case_events WHERE case_id <> '{PURGED_CASE.hex}'"))


def test_a_stub_lets_events_go_but_not_records_that_are_kept_longer(trails: Database) -> None:
    stub = audit.CaseStub(
        case_id=CASE, purged_at=AT, length=3, head="0" * 64, because="early", key_id="0" * 16, signature=""
    )
    with trails.transaction() as session:
        session.add(stub)
        session.flush()
        session.execute(text(f"DELETE FROM case_events WHERE case_id = '{CASE.hex}'"))

    with refused(trails) as session:
        session.execute(text("DELETE FROM disclosure_records"))


def test_instants_are_given_a_zone_or_refused() -> None:
    assert audit.instant_text(datetime(2030, 1, 1, tzinfo=UTC)) == "2030-01-01T00:00:00.000000+00:00"
    with pytest.raises(ValueError, match="naive"):
        audit.instant_text(datetime(2030, 1, 1))  # noqa: DTZ001 - what is refused
