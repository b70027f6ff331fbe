"""What every table shares: one registry, and instants that cannot lose their zone."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Enum, MetaData, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Instant(TypeDecorator[datetime]):
    """A point in time, kept and returned in UTC, to the microsecond.

    Raises:
        ValueError: on binding a naive datetime; an instant without a zone is not an instant.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime was refused: give it a zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Json = JSON().with_variant(JSONB(), "postgresql")
"""Structured data without personal data in it."""


def enum_of(kind: type[StrEnum]) -> Enum:
    """Return a column type that keeps the enum's values as text, readable in any SQL shell."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=40,
        values_callable=lambda members: [member.value for member in members],
    )


class Base(DeclarativeBase):
    """The registry of all tables."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {datetime: Instant}  # noqa: RUF012 - SQLAlchemy's own declaration


class database_time(FunctionElement[datetime]):  # noqa: N801 - reads as the SQL function it is
    """The database's own time, for leases: hosts may disagree about the time, rows may not.

    On PostgreSQL it is the time of the statement, not of the transaction.
    """

    type = Instant()
    inherit_cache = True
    name = "database_time"


@compiles(database_time, "postgresql")
def _on_postgresql(element: database_time, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ARG001
    return "clock_timestamp()"


@compiles(database_time, "sqlite")
def _on_sqlite(element: database_time, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ARG001
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"


__all__ = ["NAMES", "Base", "Instant", "Json", "database_time", "enum_of"]
