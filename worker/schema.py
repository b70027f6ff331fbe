"""Bringing a database's schema up to the code's, with Alembic's migrations, and telling whether it is."""

from collections.abc import Iterator
from contextlib import contextmanager
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


def upgrade(url: str, revision: str = "head") -> None:
    """Run every migration that the database has not seen, up to a revision. Running it again does nothing.

    Raises:
        RuntimeError: a row would name another that is not there; nothing was changed.
    """
    with _writing(url) as connection:
        command.upgrade(_config(connection), revision)


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
    with _writing(url) as connection:
        command.revision(_config(connection), message=message, autogenerate=True)


@contextmanager
def _writing(url: str) -> Iterator[Connection]:
    """Yield a connection in a transaction. On SQLite rows may name what is not there until the end of it.

    SQLite changes a table by making it anew, and would not drop the old one while rows of others name its rows.
    Source: https://www.sqlite.org/lang_altertable.html#otheralter, whose steps Alembic's batches follow.
    """
    database = Database(url)
    try:
        with database.writing_engine.connect() as connection:
            is_sqlite = connection.dialect.name == "sqlite"
            if is_sqlite:
                # By the driver: it has no effect inside a transaction, and any statement of SQLAlchemy's begins one.
                driver: Any = connection.connection.driver_connection
                driver.execute("PRAGMA foreign_keys=OFF")
            with connection.begin():
                yield connection
                if is_sqlite and (dangling := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
                    raise RuntimeError(
                        f"rows of {', '.join(sorted({row[0] for row in dangling}))} name what is not there"
                    )
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
