"""Holds the migrations to the models: up from nothing, down again, and no difference left, on both databases."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Integer, MetaData, Table, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from models.base import Base, Instant
from models.booking import Booking, Ended
from models.job import Queue, QueueMark
from worker import schema
from worker.database import Database
from worker.embedded import PostgresServer

ROOT = Path(__file__).parents[2]
SCRIPTS = ScriptDirectory(str(ROOT / "models" / "migrations"))
ALEMBICS_OWN = {"alembic_version"}


@pytest.fixture
def migrated(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without a table, on each of the two."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path}/empty.db")
        yield database
        database.dispose()
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    database = Database(server.create_database("house_empty"))
    yield database
    database.dispose()
    server.drop_database("house_empty")


def url_of(database: Database) -> str:
    return database.engine.url.render_as_string(hide_password=False)


def tables(session: Session) -> set[str]:
    return set(inspect(session.connection()).get_table_names()) - ALEMBICS_OWN


def kinds_of_difference(database: Database) -> Counter[str]:
    with database.snapshot() as session:
        return Counter(str(difference[0]) for difference in schema.differences(session.connection()))


def test_migrations_make_the_tables_of_the_models(migrated: Database) -> None:
    with migrated.snapshot() as session:
        assert schema.differences(session.connection()) == []


def test_every_table_of_the_models_is_made_from_nothing(empty: Database) -> None:
    schema.upgrade(url_of(empty))

    with empty.snapshot() as session:
        assert tables(session) == set(Base.metadata.tables)
        assert schema.is_current(session.connection())


def test_every_queue_has_a_mark_or_what_is_lost_in_it_would_never_be_missed(migrated: Database) -> None:
    with migrated.snapshot() as session:
        assert set(session.scalars(select(QueueMark.queue))) == set(Queue)


def test_migrating_twice_changes_nothing(migrated: Database) -> None:
    schema.upgrade(url_of(migrated))

    with migrated.snapshot() as session:
        assert schema.differences(session.connection()) == []


def test_what_was_made_can_be_taken_back_and_made_again(empty: Database) -> None:
    schema.upgrade(url_of(empty))

    with schema._writing(url_of(empty)) as connection:
        command.downgrade(schema._config(connection), "base")
    with empty.snapshot() as session:
        assert tables(session) == set()

    schema.upgrade(url_of(empty))
    with empty.snapshot() as session:
        assert schema.differences(session.connection()) == []


@pytest.mark.parametrize("revision", [script.revision for script in SCRIPTS.walk_revisions()][1:])
def test_a_database_in_use_is_brought_up_with_all_that_is_in_it(empty: Database, revision: str) -> None:
    schema.upgrade(url_of(empty), revision)
    before = fill(empty)

    schema.upgrade(url_of(empty))

    assert before.keys() >= {"shops", "customers", "bookings", "booking_events", "messages", "attempts", "consents"}
    assert {table: count for table, count in rows(empty, before).items() if count < before[table]} == {}
    with empty.snapshot() as session:
        assert schema.differences(session.connection()) == []


def test_a_call_that_was_held_before_it_was_written_down_when_it_began_has_begun(empty: Database) -> None:
    schema.upgrade(url_of(empty), "0005")
    fill(empty)
    came, later, over = (datetime(2030, 6, 4, 3, minute, tzinfo=UTC) for minute in (0, 2, 35))
    with empty.writing_engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE bookings SET status = 'completed', customer_entered_at = :later, staff_entered_at = :came,"
                " ended_at = :over"
            ).bindparams(
                sa.bindparam("later", later, type_=Instant()),
                sa.bindparam("came", came, type_=Instant()),
                sa.bindparam("over", over, type_=Instant()),
            )
        )

    schema.upgrade(url_of(empty))

    wanted = select(Booking.call_began_at, Booking.ended_because)
    with empty.snapshot() as session:
        assert session.execute(wanted).all() == [(later, Ended.TIME_OVER)]


def fill(database: Database) -> dict[str, int]:
    """Put a row into every table that takes a made-up one; return how many rows each of those has then."""
    whole = MetaData()
    with database.engine.connect() as connection:
        whole.reflect(connection)
    made: dict[str, dict[str, object]] = {}
    for table in whole.sorted_tables:
        if table.name in ALEMBICS_OWN:
            continue
        row = {column.name: made_up(column, made) for column in table.columns if not column.nullable}
        # Some tables have rules that a made-up row does not meet, and some have a row of their own.
        with suppress(DBAPIError), database.writing_engine.begin() as connection:
            connection.execute(table.insert().values(row))
            made[table.name] = row
    return rows(database, made)


def made_up(column: Column[Any], made: Mapping[str, Mapping[str, object]]) -> object:
    for key in column.foreign_keys:
        return made.get(key.column.table.name, {}).get(key.column.name)
    kind = column.type
    if isinstance(kind, sa.DateTime):
        # Later columns hold later instants: what ends, ends after it began.
        order = list(column.table.columns).index(column)
        return datetime(2030, 6, 3, 1, order, tzinfo=UTC)
    plain: list[tuple[Any, object]] = [
        (sa.Date, date(2030, 6, 3)),
        (sa.Boolean, True),
        (sa.Integer, 1),
        (sa.Float, 1.0),
        (sa.Numeric, 1),
        (sa.LargeBinary, b"x"),
        (sa.JSON, {}),
        (sa.Uuid, UUID(int=7)),
    ]
    return next((value for type_, value in plain if isinstance(kind, type_)), "7")


def rows(database: Database, tables: Iterable[str]) -> dict[str, int]:
    with database.engine.connect() as connection:
        return {name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in tables}


def test_an_empty_database_is_not_current(empty: Database) -> None:
    with empty.snapshot() as session:
        assert not schema.is_current(session.connection())


def test_there_is_one_line_of_migrations() -> None:
    assert len(SCRIPTS.get_heads()) == 1
    assert len(SCRIPTS.get_bases()) == 1


def test_a_migration_needs_nothing_of_the_models() -> None:
    # A migration describes the tables of its day; models move on.
    texts = [path.read_text() for path in (ROOT / "models" / "migrations" / "versions").glob("*.py")]

    assert texts
    assert [
        line for text in texts for line in text.splitlines() if line.startswith(("from models", "import models"))
    ] == []


# The comparison is shown what it must catch.


def test_a_table_that_was_forgotten_is_a_difference(migrated: Database) -> None:
    before = kinds_of_difference(migrated)

    forgotten = Table("forgotten", Base.metadata, Column("id", Integer, primary_key=True))
    try:
        assert kinds_of_difference(migrated) - before == {"add_table": 1}
    finally:
        Base.metadata.remove(forgotten)


def test_a_column_that_the_models_do_not_know_is_a_difference(migrated: Database) -> None:
    before = kinds_of_difference(migrated)

    with migrated.transaction() as session:
        session.execute(text("ALTER TABLE jobs ADD COLUMN phone VARCHAR(20)"))

    assert kinds_of_difference(migrated) - before == {"remove_column": 1}


def test_an_index_that_is_gone_is_a_difference(migrated: Database) -> None:
    before = kinds_of_difference(migrated)

    with migrated.transaction() as session:
        session.execute(text("DROP INDEX ix_jobs_due"))

    assert kinds_of_difference(migrated) - before == {"add_index": 1}
