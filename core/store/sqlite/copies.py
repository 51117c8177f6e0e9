"""Copies of a database file, and the private rests in them."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from core.domain.errors import StorageFullError
from core.domain.messages import message
from core.store.backend import translated
from core.store.sqlite.engine import make_engine, sentence
from core.store.sqlite.upgrade import make_database
from core.store.transfer import compare, copy_rows


def snapshot(database: Path, target: Path) -> None:
    """A copy of the database as of now, in one file, whatever lies in its write-ahead log."""
    try:
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise StorageFullError(
            message(
                "A copy of {database} could not be written to {folder}: the disk is full or failing. "
                "Nothing was changed; make room and try again.",
                database=database.name,
                folder=target.parent,
            )
        ) from error


def drop_hashes_of_copies(folder: Path) -> None:
    """Delete the hashes of identifiers in the copies of the database that were kept before upgrades."""
    for path in folder.glob("*.db"):
        if path.is_symlink():
            continue
        with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as copy:
            copy.execute("PRAGMA secure_delete=ON")
            copy.execute("UPDATE patient SET link_hash = NULL")
            copy.commit()


def copy_to_file(source: Connection, target: Path, version: str) -> None:
    """Write every row of a study of this layout, from another database, into a new file and compare both.

    ``source`` must see one state throughout. BadFileError where the copy does not hold the same.
    """
    make_database(target, version)
    engine = make_engine(target, writable=True)
    try:
        with translated(partial(sentence, path=target)):
            with engine.begin() as connection:
                copy_rows(source, connection)
            with engine.connect() as connection:
                compare(source, connection)
                connection.rollback()
                connection.connection.cursor().execute("PRAGMA journal_mode=DELETE").close()
    finally:
        engine.dispose()
