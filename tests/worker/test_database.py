"""Transactions: all or nothing, one writer at a time on SQLite, and what waits for a commit never runs without one."""

import sqlite3
from contextlib import closing, suppress
from datetime import datetime
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError
from sqlalchemy.orm import Session

from models.base import database_time
from models.booking import SlotClaim
from models.clock import ClockOffset
from models.job import QueueMark
from models.shop import Shop
from tests.worker.desk import SLOT, at_once, postgresql_only, sqlite_only
from worker.chance import new_id
from worker.clock import system_now
from worker.database import Database, after_commit, insert_new, mark_commit_actions


def counted(database: Database) -> float:
    with database.snapshot() as session:
        return session.scalars(select(ClockOffset.offset_seconds)).one()


def add_one(database: Database) -> None:
    with database.transaction() as session:
        row = session.get_one(ClockOffset, 1, with_for_update=True)
        row.offset_seconds += 1


def add_one_and_fail(database: Database, ran: list[str]) -> None:
    with database.transaction() as session:
        after_commit(session, lambda: ran.append("after"))
        session.execute(update(ClockOffset).values(offset_seconds=1))
        raise LookupError


def test_a_block_that_raises_leaves_nothing_and_runs_nothing_that_waited(database: Database) -> None:
    ran: list[str] = []

    with pytest.raises(LookupError):
        add_one_and_fail(database, ran)

    assert (counted(database), ran) == (0, [])


def test_what_waits_for_the_commit_sees_it_committed(database: Database) -> None:
    seen: list[float] = []

    with database.transaction() as session:
        after_commit(session, lambda: seen.append(counted(database)))
        session.execute(update(ClockOffset).values(offset_seconds=1))

    assert seen == [1]


@sqlite_only
def test_what_waits_for_the_commit_may_open_a_transaction_of_its_own(database: Database) -> None:
    with database.transaction() as session:
        after_commit(session, lambda: add_one(database))

    assert counted(database) == 1


@sqlite_only
def test_what_a_savepoint_wanted_done_is_forgotten_with_it(database: Database) -> None:
    ran: list[str] = []

    with database.transaction() as session:
        after_commit(session, lambda: ran.append("kept"))
        forget = mark_commit_actions(session)
        after_commit(session, lambda: ran.append("forgotten"))
        forget()

    assert ran == ["kept"]


def test_a_snapshot_keeps_no_change(database: Database) -> None:
    with database.snapshot() as session:
        session.execute(update(ClockOffset).values(offset_seconds=1))

    assert counted(database) == 0


def test_twenty_threads_that_add_one_make_twenty(database: Database) -> None:
    at_once(*[lambda: add_one(database)] * 20)

    assert counted(database) == 20


def test_a_row_that_is_there_already_is_inserted_by_nobody_and_fails_nobody(database: Database) -> None:
    with database.transaction() as session:
        new = insert_new(session, ClockOffset).values(id=1, offset_seconds=5).on_conflict_do_nothing()
        returned = session.scalars(new.returning(ClockOffset.id)).all()
        session.execute(update(ClockOffset).values(offset_seconds=7))

    assert (returned, counted(database)) == ([], 7)


def test_a_claim_without_its_booking_is_refused_by_the_database(seeded: Database) -> None:
    """Foreign keys hold on SQLite as well."""
    claim = SlotClaim(shop_id="fred", tick_at=SLOT, seat=1, booking_id=new_id(0), expires_at=None)

    with pytest.raises(IntegrityError), seeded.transaction() as session:
        session.add(claim)


def test_an_exception_of_the_database_quotes_no_value(seeded: Database) -> None:
    with pytest.raises(IntegrityError) as refusal, seeded.transaction() as session:
        session.execute(insert(ClockOffset).values(id=1, offset_seconds=482913))

    # PostgreSQL itself names the key, never the other columns.
    assert "482913" not in str(refusal.value)


@sqlite_only
def test_a_naive_instant_is_refused_at_the_door(seeded: Database) -> None:
    with pytest.raises(StatementError, match="naive"), seeded.snapshot() as session:
        session.scalars(select(SlotClaim).where(SlotClaim.tick_at == datetime(2030, 6, 4))).all()  # noqa: DTZ001 - that is what is refused


def test_an_instant_comes_back_in_utc_to_the_microsecond(seeded: Database) -> None:
    with seeded.snapshot() as session:
        at = session.scalars(select(database_time())).one()

    assert at.utcoffset() is not None
    assert abs((system_now() - at).total_seconds()) < 60


@sqlite_only
def test_sqlite_is_durable_and_lets_readers_read_while_somebody_writes(database: Database) -> None:
    with database.engine.connect() as connection:
        modes = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]

    assert modes == ["wal", 2]


@sqlite_only
def test_a_writer_on_sqlite_has_its_lock_from_the_beginning(database: Database) -> None:
    """With the driver's deferred BEGIN two writers both read, then one overwrites the other."""
    other = sqlite3.connect(str(database.engine.url.database), timeout=0, isolation_level=None)
    with closing(other), database.transaction() as session:
        session.execute(select(ClockOffset))

        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")


@postgresql_only
def test_postgresql_gives_up_a_lock_rather_than_wait_for_ever(database: Database) -> None:
    with database.engine.connect() as connection:
        waits = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in ("lock_timeout", "statement_timeout")]

    assert waits == ["10s", "30s"]


# Begun anew


def two_rows(database: Database) -> None:
    with database.transaction() as session:
        session.execute(insert(QueueMark), [{"queue": "one"}, {"queue": "other"}])


def locks_both(first: str, second: str, *, together: Barrier, times: list[str]) -> Any:
    """Return what locks one row and then the other, the first time together with whoever does it the other way."""

    def act(session: Session) -> str:
        times.append(first)
        after_commit(session, lambda: times.append("committed"))
        session.get_one(QueueMark, first, with_for_update=True).sent_at = system_now()
        with suppress(BrokenBarrierError):
            if times.count(first) == 1:
                together.wait(timeout=30)
        session.get_one(QueueMark, second, with_for_update=True).sent_at = system_now()
        return first

    return act


@postgresql_only
def test_of_two_that_wait_for_each_other_one_goes_on_and_the_other_begins_anew(database: Database) -> None:
    two_rows(database)
    together, times = Barrier(2), list[str]()
    forwards = locks_both("one", "other", together=together, times=times)
    backwards = locks_both("other", "one", together=together, times=times)

    results = at_once(lambda: database.transact(forwards), lambda: database.transact(backwards))

    assert results == ["one", "other"]
    assert times.count("one") + times.count("other") == 3
    assert times.count("committed") == 2, "what was taken back runs nothing that waited for its commit"


@postgresql_only
@pytest.mark.parametrize("state", ["40P01", "40001"])
def test_nothing_is_begun_anew_without_end(database: Database, state: str) -> None:
    times: list[str] = []

    def taken_back(session: Session) -> None:
        times.append(state)
        session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$"))

    with pytest.raises(DBAPIError):
        database.transact(taken_back)

    assert len(times) == 3


def test_what_is_wrong_by_itself_is_not_tried_again(seeded: Database) -> None:
    times: list[int] = []

    def wrong(session: Session) -> None:
        times.append(1)
        session.execute(insert(Shop).values(id="fred"))

    with pytest.raises(IntegrityError):
        seeded.transact(wrong)

    assert times == [1]
