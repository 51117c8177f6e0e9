"""Reading a few rows of a server without the library that the store uses."""

from __future__ import annotations

from pathlib import Path

from core.domain.errors import StudyError
from core.store.postgresql.address import read_address
from core.store.postgresql.connecting import connection_arguments


def quick_rows(folder: Path, statement: str, values: tuple[str, ...]) -> list[tuple[str, ...]] | None:
    """The rows of a query with ``?`` for each value; None where the database cannot be read in this way."""
    try:
        import psycopg

        address = read_address(folder)
        with psycopg.connect(**connection_arguments(address, writable=False)) as connection:
            found = connection.execute(statement.replace("?", "%s").encode(), values)
            return found.fetchall()
    except (ImportError, StudyError):
        return None
    except psycopg.Error:
        return None
