"""Reading a few rows with the standard library alone, before anything heavy is loaded."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def quick_rows(path: Path, statement: str, values: tuple[str, ...]) -> list[tuple[str, ...]] | None:
    """The rows of a query with ``?`` for each value; None where the database cannot be read in this way."""
    try:
        address = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=1)) as database:
            return database.execute(statement, values).fetchall()
    except sqlite3.Error:
        return None


def quick_study_id(path: Path) -> str:
    """The identifier of the study; "" where it cannot be read."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            database.execute("PRAGMA trusted_schema=OFF")
            # a view in the place of the table could have rows without end
            kind = database.execute("SELECT type FROM sqlite_master WHERE name = 'study_info'").fetchone()
            row = database.execute("SELECT id FROM study_info").fetchone() if kind == ("table",) else None
            return str(row[0]) if row else ""
    except sqlite3.Error:
        return ""
