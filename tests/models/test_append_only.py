"""What is only added to: the migrations make the triggers that the models tell of, and dropping leaves none behind."""

import re

from sqlalchemy import text
from sqlalchemy.orm import Session

from models import append_only
from models.base import Base
from tests.worker.desk import postgresql_only, sqlite_only
from worker.database import Database

NAMES = sorted(append_only.TABLES)


@sqlite_only
def test_sqlite_has_the_triggers_of_the_models(database: Database) -> None:
    with database.snapshot() as session:
        made = session.scalars(text("SELECT sql FROM sqlite_master WHERE type = 'trigger'")).all()

    assert sorted(made) == sorted(each for table in NAMES for each in append_only.triggers(table, "sqlite"))


@postgresql_only
def test_postgresql_has_the_triggers_of_the_models(database: Database) -> None:
    def of_schema(session: Session, schema: str) -> list[tuple[str, str]]:
        query = text(
            "SELECT pg_get_triggerdef(t.oid), p.prosrc FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
            "JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = :schema AND NOT t.tgisinternal"
        )
        rows = session.execute(query, {"schema": schema})
        return sorted((re.sub(rf"\b{schema}\.", "", definition), body) for definition, body in rows)

    with database.transaction() as session:
        session.execute(text("CREATE SCHEMA from_models"))
        session.execute(text("SET LOCAL search_path TO from_models"))
        Base.metadata.create_all(session.connection())

        assert of_schema(session, "public") == of_schema(session, "from_models")


@postgresql_only
def test_what_drops_the_tables_can_drop_their_functions(database: Database) -> None:
    with database.transaction() as session:
        Base.metadata.drop_all(session.connection())
        for statement in append_only.dropped_functions():
            session.execute(text(statement))
        left = session.scalars(text("SELECT proname FROM pg_proc WHERE prosrc LIKE '%append-only%'")).all()

    assert left == []
