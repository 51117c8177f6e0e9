"""Reading the rows of a study one by one, also those that nobody could have made with this program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Boolean, Connection, Table, select, type_coerce
from sqlalchemy.types import NullType

from core.store import schema
from core.store.expected_rows import Sealed
from core.store.replay import Expected, seal
from core.store.rows import fields
from core.store.stored_shapes import StoredShapes

Row = dict[str, Any]
_BETWEEN_S = 3600.0
"""Between the time in a row and that of its record; both are taken within one transaction."""
ROW_ERRORS = (msgspec.MsgspecError, ValueError, TypeError, KeyError, OverflowError, RecursionError)
"""Raised by a row that nobody could have made with this program."""

_PAGE = 1000
_UNREADABLE = object()
"""Stands for a value that is no JSON or no truth value."""


def all_rows(connection: Connection, table: Table, *order: str) -> Iterator[Row]:
    """The rows, by these columns; a value that cannot be read is ``_UNREADABLE``, so that its row is named."""
    columns = [type_coerce(column, NullType()).label(column.name) for column in table.c]
    statement = select(*columns).order_by(*(table.c[name] for name in order)).execution_options(yield_per=_PAGE)
    readers = {column.name: _READERS.get(type(column.type), _as_is) for column in table.c}
    for row in connection.execute(statement):
        yield {name: _value(readers[name], value) for name, value in fields(row).items()}


def _as_is(value: Any) -> Any:
    return value


def _value(read: Callable[[Any], Any], value: Any) -> Any:
    try:
        return None if value is None else read(value)
    except ROW_ERRORS:
        return _UNREADABLE


_READERS: dict[type[Any], Callable[[Any], Any]] = {
    schema.JsonText: msgspec.json.decode,
    Boolean: {0: False, 1: True}.__getitem__,
}


def with_hashes(rows: Iterable[Row]) -> Iterator[tuple[Row, str]]:
    """Rows of annotations, by lesion, reader and revision, each with the hash of its shapes as they were
    committed; "" where it, or one that it is a change of, cannot be read."""
    of: tuple[Any, Any] | None = None
    stored = StoredShapes()
    for row in rows:
        key = (row.get("lesion_id"), row["reader_id"])
        if key != of:
            of, stored = key, StoredShapes()
        try:
            stored.read(row["shapes"])
            yield row, stored.sha256
        except (*ROW_ERRORS, AttributeError):
            stored = StoredShapes()
            yield row, ""


def named_rows(connection: Connection, table: Table, name: Callable[[Row], str]) -> Iterator[tuple[Row, str]]:
    """Rows in the order of entry, and their names."""
    for row in all_rows(connection, table, "seq"):
        yield row, name(row)


def by_id(word: str) -> Callable[[Row], str]:
    return lambda row: f"{word} {row['id']}"


def safe_seal(value: Any) -> bytes:
    """The seal of a value, which no record has where it cannot be read."""
    try:
        return seal(value)
    except ROW_ERRORS:
        return b""


def differs(row: Row, kind: type[msgspec.Struct], known: Sealed) -> str | None:
    try:
        value = msgspec.convert(row, kind)
    except ROW_ERRORS as error:
        return f"cannot be read ({type(error).__name__})"
    return None if seal(value) == known.seal else f"differs from record {known.counter} of the audit trail"


class Places:
    """Check of ``seq`` against the order of the rows in the audit trail."""

    def __init__(self, expected: Expected, table: Table) -> None:
        self._places = expected.places.get(table.name, {})
        self._last = 0

    def differs(self, row: Row) -> str | None:
        place = self._places.get(row["id"])
        if place is None:
            return None  # it was put back, to where there was room
        wrong = place <= self._last or not isinstance(row["seq"], int) or not 0 < row["seq"] <= place
        self._last = max(self._last, place)
        return "is not at the place that the audit trail records" if wrong else None


def close_in_time(utc: object, other: object) -> bool:
    """Return True if two times are those of one transaction."""
    try:
        apart = datetime.fromisoformat(str(utc)) - datetime.fromisoformat(str(other))
    except (ValueError, TypeError):
        return False
    return abs(apart.total_seconds()) < _BETWEEN_S
