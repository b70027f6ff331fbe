"""What is only added to: which tables, when a row may go after all, and the triggers by which the databases hold it.

Beside the migrations, which make the same triggers; a test compares the two.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from sqlalchemy import Connection, Table, event

from models.base import Base


class _On(StrEnum):
    INSERT = "INSERT"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


_PURGED = "EXISTS (SELECT 1 FROM case_stubs WHERE case_id = {row}.case_id)"
_KEPT_LONG_ENOUGH = (
    "EXISTS (SELECT 1 FROM case_stubs WHERE case_id = OLD.case_id AND case_stubs.purged_at >= OLD.kept_until)"
)


@dataclass(frozen=True)
class _Kept:
    """How the rows of one table stay as they were written. Each condition is SQL over OLD or NEW.

    Attributes:
        unique: which row a new one would replace; None where a second writing is let be and changes nothing.
        delete_if: when a row may go; None: never.
        never_insert_if: when none may come.
    """

    unique: str | None
    delete_if: str | None = None
    never_insert_if: str | None = None


_TABLES: Mapping[str, _Kept] = MappingProxyType(
    {
        "case_events": _Kept(
            "id = NEW.id OR (case_id = NEW.case_id AND number = NEW.number)",
            delete_if=_PURGED.format(row="OLD"),
            never_insert_if=_PURGED.format(row="NEW"),
        ),
        "case_stubs": _Kept("case_id = NEW.case_id"),
        "daily_heads": _Kept("day = NEW.day"),
        "head_leaves": _Kept("case_id = NEW.case_id AND day = NEW.day"),
        "disclosure_records": _Kept(
            "id = NEW.id OR (case_id = NEW.case_id AND number = NEW.number)",
            delete_if=_KEPT_LONG_ENOUGH,
            never_insert_if=_PURGED.format(row="NEW"),
        ),
        "booking_events": _Kept(
            "id = NEW.id", delete_if="EXISTS (SELECT 1 FROM booking_stubs WHERE booking_id = OLD.booking_id)"
        ),
        "booking_stubs": _Kept("booking_id = NEW.booking_id"),
        "call_events": _Kept("id = NEW.id", delete_if="EXISTS (SELECT 1 FROM call_stubs WHERE call_id = OLD.call_id)"),
        "call_stubs": _Kept("call_id = NEW.call_id"),
        "consents": _Kept("id = NEW.id"),
        "shop_versions": _Kept("shop_id = NEW.shop_id AND number = NEW.number"),
        "governing_terms": _Kept(None),
    }
)

TABLES = frozenset(_TABLES)
"""The names of the tables that are only added to."""


def triggers(table: str, dialect: str) -> tuple[str, ...]:
    """Return the statements that make one of these tables refuse UPDATE, DELETE and (PostgreSQL) TRUNCATE.

    On both databases such a refusal is an integrity error. An event or a disclosure record may be deleted once the
    stub of its case stands, a record not before `kept_until`; nothing is added to a case that has a stub. A line of the
    trail of a booking or a call may be deleted once the stub of that stands (B43).

    Args:
        table: the table's name.
        dialect: `sqlite` or `postgresql`.
    """
    how = _on_sqlite if dialect == "sqlite" else _on_postgresql
    return tuple(how(table, _TABLES[table]))


def dropped_functions() -> tuple[str, ...]:
    """Return the statements that remove what PostgreSQL keeps of the triggers when the tables are dropped."""
    names = ["append_only_refuse"]
    for table, kept in _TABLES.items():
        names += [f"{table}_may_go"] if kept.delete_if else []
        names += [f"{table}_may_come"] if kept.never_insert_if else []
    return tuple(f"DROP FUNCTION IF EXISTS {name}()" for name in names)


def _on_sqlite(table: str, kept: _Kept) -> Iterable[str]:
    def refusal(on: _On, when: str = "") -> str:
        said = f"{table} is append-only"
        return (
            f"CREATE TRIGGER {table}_refuses_{on.lower()} BEFORE {on} ON {table}{when} "
            f"BEGIN SELECT RAISE(ABORT, '{said}'); END"
        )

    if kept.unique:
        # REPLACE deletes the row in the way without telling the trigger on DELETE.
        never = f"EXISTS (SELECT 1 FROM {table} WHERE {kept.unique})"  # noqa: S608 - names of this file's own
        never += f" OR {kept.never_insert_if}" if kept.never_insert_if else ""
        yield refusal(_On.INSERT, f" WHEN {never}")
    yield refusal(_On.UPDATE)
    yield refusal(_On.DELETE, f" WHEN NOT {kept.delete_if}" if kept.delete_if else "")


def _on_postgresql(table: str, kept: _Kept) -> Iterable[str]:
    refuse = (
        "RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = TG_TABLE_NAME || ' is append-only'"
    )

    def function(name: str, body: str) -> str:
        return f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$"

    def trigger(on: str, function: str, each: str = "ROW") -> str:
        return (
            f"CREATE TRIGGER {table}_refuses_{on.lower()} BEFORE {on} ON {table} "
            f"FOR EACH {each} EXECUTE FUNCTION {function}()"
        )

    yield function("append_only_refuse", f"{refuse};")
    yield trigger("UPDATE", "append_only_refuse")
    yield trigger("TRUNCATE", "append_only_refuse", "STATEMENT")
    if kept.delete_if:
        yield function(f"{table}_may_go", f"IF NOT {kept.delete_if} THEN {refuse}; END IF; RETURN OLD;")
    yield trigger("DELETE", f"{table}_may_go" if kept.delete_if else "append_only_refuse")
    if kept.never_insert_if:
        yield function(f"{table}_may_come", f"IF {kept.never_insert_if} THEN {refuse}; END IF; RETURN NEW;")
        yield trigger("INSERT", f"{table}_may_come")


def _guard(_: object, connection: Connection, *, tables: Iterable[Table], **__: object) -> None:
    for table in tables:
        if table.name in TABLES:
            for statement in triggers(table.name, connection.dialect.name):
                connection.exec_driver_sql(statement)


event.listen(Base.metadata, "after_create", _guard)
