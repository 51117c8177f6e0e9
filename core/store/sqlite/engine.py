"""Connections to a database file, and the sentences for what can go wrong with it.

Write-ahead mode with synchronous=FULL: a commit that returned is on the disk (60 kills, 5,024 acknowledged rows,
none lost; safety.md, F5).
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import QueuePool

from core.domain.errors import BadFileError, MarginaliaError, StorageFullError, StudyError, StudyLockedError
from core.domain.messages import message

IMMEDIATE = "marginalia_immediate"
"""Option of a connection whose transactions write."""
_WAIT_S = 10.0
_PRAGMAS = (
    "PRAGMA foreign_keys=ON",
    "PRAGMA synchronous=FULL",
    "PRAGMA fullfsync=ON",
    # what was deleted is overwritten: a removed patient leaves no readable rest in free pages
    "PRAGMA secure_delete=ON",
    # INSERT OR REPLACE must not slip past the triggers of the audit trail
    "PRAGMA recursive_triggers=ON",
    "PRAGMA trusted_schema=OFF",
)


def sentence(error: DBAPIError, path: Path) -> MarginaliaError | None:
    """The user's sentence for an error of the database, or None where it is a defect of the program."""
    code = getattr(error.orig, "sqlite_errorcode", -1) & 0xFF
    where = f"{path.name} in {path.parent}"
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return StorageFullError(
            message(
                "{where} could not be written: the disk is full or failing. The last change was not kept, "
                "everything before it is untouched; make room and repeat it.",
                where=where,
            )
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return StorageFullError(
            message(
                "{where} is read-only or cannot be opened. Nothing was changed; open the study for reading, or "
                "change the permissions.",
                where=where,
            )
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StudyLockedError(
            message("{where} is busy: another program works in it. Nothing was changed; try again.", where=where)
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return BadFileError(
            message(
                "{where} is damaged or not a study. Restore it from a copy; 'backup' may hold one.", where=where
            )
        )
    if isinstance(error, IntegrityError):
        return StudyError(
            message("The study does not allow this change, and nothing was changed: {reason}.", reason=error.orig)
        )
    return None


def _uri(path: Path, *, writable: bool) -> str:
    if writable:
        return f"{path.absolute().as_uri()}?mode=rw"
    # without a right to write beside the file SQLite cannot share memory with a writer; no log, no writer
    alone = not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists()
    return f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if alone else ''}"


def make_engine(path: Path, *, writable: bool) -> Engine:
    """An engine on an existing file; ``BEGIN IMMEDIATE`` for connections with the option ``IMMEDIATE``."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            _uri(path, writable=writable), uri=True, timeout=_WAIT_S, isolation_level=None, check_same_thread=False
        )
        try:
            for pragma in _PRAGMAS:
                connection.execute(pragma)
            connection.execute("PRAGMA journal_mode=WAL" if writable else "PRAGMA query_only=ON")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get(IMMEDIATE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine
