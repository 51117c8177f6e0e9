"""All rows of a study from one database to another, and the proof that both hold the same ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import Column, Connection, CursorResult, MetaData, Select, Table, delete, insert, select

from core.domain.errors import BadFileError
from core.domain.messages import message

_NOT_ROWS = frozenset({"alembic_version", "member", "presence"})
"""Tables that belong to the database and not to the study: its layout, who has rights there, and who is there."""
_PAGE = 1000


def copy_rows(source: Connection, target: Connection) -> None:
    """Copy all rows into the tables of a new study of the same layout, in an order that the references allow."""
    tables = study_tables(source)
    into = {table.name: table for table in study_tables(target)}
    for table in reversed(tables):  # a new study has a head of its trail already
        target.execute(delete(into[table.name]))
    for table in tables:
        for page in _pages(source.execute(_all_of(table))):
            target.execute(insert(into[table.name]), page)


def compare(one: Connection, other: Connection) -> None:
    """BadFileError, which names the table, where two databases do not hold the same rows."""
    first, second = digests(one), digests(other)
    for name in sorted(first.keys() | second.keys()):
        if first.get(name) != second.get(name):
            raise BadFileError(
                message("The copy of the table {name} does not hold what was copied; check the disk.", name=name)
            )


def digests(connection: Connection) -> dict[str, tuple[int, str]]:
    """By table the number of its rows and a hash of them all, which is the same in every kind of database."""
    found = {}
    for table in study_tables(connection):
        number, digest = 0, hashlib.sha256()
        for page in _pages(connection.execute(_all_of(table))):
            number += len(page)
            for row in page:
                digest.update(msgspec.json.encode(row, order="sorted") + b"\n")
        found[table.name] = (number, digest.hexdigest())
    return found


def study_tables(connection: Connection) -> tuple[Table, ...]:
    """The tables as the database has them, those that others refer to first; without those that are the
    database's own."""
    metadata = MetaData()
    metadata.reflect(connection)
    return tuple(table for table in metadata.sorted_tables if table.name not in _NOT_ROWS)


def _all_of(table: Table) -> Select[Any]:
    """Page by page: a trail of years is larger than the memory."""
    return select(table).order_by(*_order(table)).execution_options(yield_per=_PAGE)


def _order(table: Table) -> list[Column[Any]]:
    """In the order of entry where the table has one: what a row refers to comes before it."""
    return [table.c.seq] if "seq" in table.c else list(table.primary_key.columns)


def _pages(rows: CursorResult[Any]) -> Iterator[list[dict[str, Any]]]:
    for page in rows.mappings().partitions(_PAGE):
        yield [{str(name): value for name, value in row.items()} for row in page]
