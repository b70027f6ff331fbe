"""Bringing a database's schema up to the code's, with Alembic's migrations, and telling whether it is."""

from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from models.base import Base
from worker.database import Database

_FOLDER = Path(__file__).resolve().parent.parent / "models" / "migrations"


def upgrade(url: str) -> None:
    """Run every migration that the database has not seen. Running it again does nothing."""
    database = Database(url)
    try:
        with database.writing_engine.begin() as connection:
            command.upgrade(_config(connection), "head")
    finally:
        database.dispose()


def is_current(connection: Connection) -> bool:
    """Return whether the database has seen the code's last migration."""
    seen: str | None = MigrationContext.configure(connection).get_current_revision()
    return seen == _head()


def differences(connection: Connection) -> list[Any]:
    """Return what the tables of the database and those of the models disagree about."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, Base.metadata))


def write_migration(url: str, message: str) -> None:
    """Draft a migration from the differences; a person finishes it."""
    database = Database(url)
    try:
        with database.writing_engine.begin() as connection:
            command.revision(_config(connection), message=message, autogenerate=True)
    finally:
        database.dispose()


@cache
def _head() -> str | None:
    head: str | None = ScriptDirectory(str(_FOLDER)).get_current_head()
    return head


def _config(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_FOLDER))
    config.set_main_option("file_template", "%%(year)d%%(month).2d%%(day).2d_%%(slug)s")
    return config
