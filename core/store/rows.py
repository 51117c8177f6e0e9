"""Between domain values and rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection, Table, func, insert, select, true

from core.store.backend import sharing_of

Value = TypeVar("Value", bound=msgspec.Struct)

_MANY = 500


def to_row(value: msgspec.Struct) -> dict[str, Any]:
    """One column a field; enumerations by their value, nested values as JSON values."""
    return dict(msgspec.to_builtins(value))


def from_row(row: Any, kind: type[Value]) -> Value:
    """Inverse of ``to_row``; further columns are left out."""
    return msgspec.convert(fields(row), kind)


def fields(row: Any) -> dict[str, Any]:
    """By column name, as plain ``str`` (some keys of a row are of a subclass)."""
    return {str(name): value for name, value in row._mapping.items()}


def insert_in_order(connection: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    """Insert with the next numbers of ``seq``, which keeps the order of entry."""
    numbered = list(rows)
    if not numbered:
        return
    how = sharing_of(connection)
    if how is None:
        last = int(connection.execute(select(func.coalesce(func.max(table.c.seq), 0))).scalar_one())
    else:
        # two that enter rows at once would both find the same number; held to the end, the trail has their order
        how.hold(connection, f"seq {table.name}")
        last = how.last_number(connection, table.name)
    for seq, row in enumerate(numbered, start=last + 1):
        row["seq"] = seq
    connection.execute(insert(table), numbered)


def in_ids(column: ColumnElement[Any], wanted: Collection[str]) -> ColumnElement[bool]:
    """A condition on few identifiers; true of all where they are too many for one statement."""
    return column.in_(wanted) if len(wanted) <= _MANY else true()


def count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def values(rows: Sequence[Any], kind: type[Value]) -> tuple[Value, ...]:
    return tuple(from_row(row, kind) for row in rows)
