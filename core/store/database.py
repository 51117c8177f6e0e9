"""The study's database: connections, transactions and the sentences for what can go wrong with them.

The one module, beside the migrations, that knows which database it is: SQLite, in write-ahead mode with
synchronous=FULL. A commit that returned is on the disk (60 kills, 5,024 acknowledged rows, none lost; safety.md,
F5).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import QueuePool

from core.domain.errors import BadFileError, MarginaliaError, StorageFullError, StudyError, StudyLockedError
from core.store.trail import Trail

_WAIT_S = 10.0
_IMMEDIATE = "marginalia_immediate"
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


def now_utc() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _sentence(error: DBAPIError, path: Path) -> MarginaliaError | None:
    """The user's sentence for an error of the database, or None where it is a defect of the program."""
    code = getattr(error.orig, "sqlite_errorcode", -1) & 0xFF
    where = f"{path.name} in {path.parent}"
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return StorageFullError(
            f"{where} could not be written: the disk is full or failing. The last change was not kept, everything "
            "before it is untouched; make room and repeat it."
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return StorageFullError(
            f"{where} is read-only or cannot be opened. Nothing was changed; open the study for reading, or "
            "change the permissions."
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StudyLockedError(f"{where} is busy: another program works in it. Nothing was changed; try again.")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return BadFileError(f"{where} is damaged or not a study. Restore it from a copy; 'backup' may hold one.")
    if isinstance(error, IntegrityError):
        return StudyError(f"The study does not allow this change, and nothing was changed: {error.orig}.")
    return None


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn errors of the database inside into errors of the program."""
    try:
        yield
    except DBAPIError as error:
        sentence = _sentence(error, path)
        if sentence is None:
            raise
        raise sentence from error


def _uri(path: Path, *, writable: bool) -> str:
    if writable:
        return f"{path.absolute().as_uri()}?mode=rw"
    # without a right to write beside the file SQLite cannot share memory with a writer; no log, no writer
    alone = not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists()
    return f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if alone else ''}"


def _file_of(path: Path) -> tuple[int, int] | None:
    """Which file lies at a path: its device and number; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def make_engine(path: Path, *, writable: bool) -> Engine:
    """An engine on an existing file; ``BEGIN IMMEDIATE`` for connections with the option of this module."""

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
        immediate = connection.get_execution_options().get(_IMMEDIATE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


@contextlib.contextmanager
def given_indexes(connection: Connection) -> Iterator[None]:
    """Inside, queries use the indexes of the layout and make none of their own for a single query: that of a
    hundred thousand lesions takes as long as the query (worklist by patient: 175 ms with it, 104 ms without)."""
    connection.exec_driver_sql("PRAGMA automatic_index=OFF")
    try:
        yield
    finally:
        connection.exec_driver_sql("PRAGMA automatic_index=ON")


class Transaction:
    """Changes that become durable together, with their audit records."""

    def __init__(self, connection: Connection, who: str) -> None:
        self.connection = connection
        self.lost = False
        self._trail = Trail(connection, who)

    def record(self, action: str, subject: str, *, old: object = None, new: object = None) -> None:
        """Say in the audit trail what this transaction changes; None where there was or is nothing."""
        self._trail.append(now_utc(), action, subject, old, new)

    def flush(self) -> None:
        """Write the records that are still in memory."""
        self._trail.flush()

    @contextlib.contextmanager
    def part(self) -> Iterator[None]:
        """A part that can fail without the rest: it leaves neither rows nor records."""
        self.refuse_if_lost()
        mark = self._trail.mark()
        savepoint = self.connection.begin_nested()
        try:
            yield
            savepoint.commit()
        except BaseException:
            self._trail.back_to(mark)
            # where the disk is full SQLite takes back the whole transaction by itself
            if self._lost():
                self.lost = True
            else:
                savepoint.rollback()
            raise

    def refuse_if_lost(self) -> None:
        """StorageFullError after the database took the transaction back: nothing more may go into it."""
        if self.lost:
            raise StorageFullError(
                "The changes that belong together were undone, because the disk is full or failing; make room "
                "and repeat them."
            )

    def _lost(self) -> bool:
        raw: Any = self.connection.connection.dbapi_connection
        return not raw.in_transaction


class Database:
    """Reading from any thread; one writing transaction at a time, which calls inside it join."""

    def __init__(self, path: Path, *, writable: bool, who: str) -> None:
        self.path = path
        self.writable = writable
        self.who = who
        """Named in the audit trail; the window sets it when another reader sits down."""
        self._engine = make_engine(path, writable=writable)
        self._file = _file_of(path) if writable else None
        self._lock = threading.RLock()
        self._transaction: Transaction | None = None
        self._owner: int | None = None

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees committed data, or the thread's own open transaction."""
        with translated(self.path):
            if self._transaction is not None and self._owner == threading.get_ident():
                self._transaction.flush()
                yield self._transaction.connection
                return
            with self._engine.connect() as connection:
                yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Transaction]:
        """All or nothing: committed, with its audit records, when the outermost block ends well."""
        if not self.writable:
            raise StudyError("This study is open for reading only; open it for writing to change it.")
        with self._lock, translated(self.path):
            if self._transaction is None and self._file != _file_of(self.path):
                raise StorageFullError(
                    f"{self.path.name} in {self.path.parent} was deleted or exchanged while it was open, so "
                    "nothing more can be saved in it. Nothing was changed; close the study and restore it "
                    "from a "
                    "backup."
                )
            if self._transaction is not None:
                with self._transaction.part():
                    yield self._transaction
                return
            immediate = {_IMMEDIATE: True}
            with self._engine.connect().execution_options(**immediate) as connection, connection.begin():
                self._transaction = Transaction(connection, self.who)
                self._owner = threading.get_ident()
                try:
                    yield self._transaction
                    self._transaction.refuse_if_lost()
                    self._transaction.flush()
                finally:
                    self._transaction, self._owner = None, None

    def problems(self) -> tuple[str, ...]:
        """Return the faults that the database finds in its own pages and references."""
        with self.read() as connection:
            pages = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
            references = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        found = [str(text) for text in pages if text != "ok"]
        found += [f"a row of {row[0]} refers to a row of {row[2]} that is not there" for row in references]
        return tuple(found)

    def close(self) -> None:
        """Fold the write-ahead log into the file and close the database."""
        if self.writable:
            # a full disk must not keep a study from being closed: the log is folded in at the next opening
            with contextlib.suppress(DBAPIError, sqlite3.Error), self._engine.connect() as connection:
                connection.rollback()
                cursor = connection.connection.cursor()
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                cursor.close()
        self._engine.dispose()
