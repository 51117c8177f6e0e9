"""The tables, columns, indexes and triggers of a study's schema, held against those of the program."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, inspect, text

from core.store import schema
from core.store.backend import LayoutDifference
from core.store.postgresql.names import OWN_TABLES, OWN_TRIGGERS

_GUARDS = {"audit_no_update": "audit", "audit_no_delete": "audit", "annotation_no_update": "annotation"}
_GUARDS |= {"consensus_no_update": "consensus"}
_GUARDS |= OWN_TRIGGERS
"""Triggers by name, with their table."""


def differences(connection: Connection) -> Iterator[LayoutDifference]:
    """Yield the differences of the schema that the connection is in."""
    inspector = inspect(connection)
    wanted = schema.metadata.tables
    tables = set(inspector.get_table_names()) - OWN_TABLES
    yield from _compared("table", tables, set(wanted))
    yield from _compared("view", set(inspector.get_view_names()), set())
    for name in sorted(tables & wanted.keys()):
        columns = {f"{name}.{column['name']}" for column in inspector.get_columns(name)}
        yield from _compared("column", columns, {f"{name}.{column.name}" for column in wanted[name].columns})
        unique = {str(one["name"]) for one in inspector.get_unique_constraints(name)}
        indexes = {str(one["name"]) for one in inspector.get_indexes(name)} - unique
        yield from _compared("index", indexes, {str(index.name) for index in wanted[name].indexes})
    yield from _compared("trigger", set(_enabled_triggers(connection)), set(_GUARDS))


def _compared(kind: str, found: set[str], wanted: set[str]) -> Iterator[LayoutDifference]:
    for name in sorted(found ^ wanted):
        yield LayoutDifference(kind=kind, name=name, what="added" if name in found else "missing")


def _enabled_triggers(connection: Connection) -> Iterator[str]:
    """Names of the triggers; a guard that is switched off, or of another table, counts as missing."""
    statement = text(
        "SELECT t.tgname AS name, c.relname AS of, t.tgenabled AS enabled FROM pg_trigger t "
        "JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = current_schema() AND NOT t.tgisinternal"
    )
    for row in connection.execute(statement):
        if row.name not in _GUARDS or (row.enabled in ("O", "A") and _GUARDS[row.name] == row.of):
            yield str(row.name)
