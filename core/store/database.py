"""The study's database: reading from any thread, and transactions with their audit records."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine

from core.domain.errors import StorageFullError, StudyError
from core.domain.messages import message
from core.store.backend import Backend, hold, translated
from core.store.trail import Trail


def now_utc() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


class Transaction:
    """Changes that become durable together, with their audit records."""

    def __init__(self, connection: Connection, who: str, backend: Backend) -> None:
        self.connection = connection
        self.lost = False
        self._backend = backend
        self._trail = Trail(connection, who)

    def record(self, action: str, subject: str, *, old: object = None, new: object = None) -> None:
        """Say in the audit trail what this transaction changes; None where there was or is nothing."""
        self._trail.append(now_utc(), action, subject, old, new)

    def flush(self) -> None:
        """Write the records that are still in memory."""
        self._trail.flush()

    def hold(self, name: str) -> None:
        """Wait until no other transaction holds this name, and hold it to the end (``core.store.backend.hold``).

        Held before a value is read that is then replaced, so that two programs do not both replace the same one.
        """
        hold(self.connection, name)

    @contextlib.contextmanager
    def guard_lifted(self) -> Iterator[None]:
        """Inside, records of the audit trail can be changed; only for the erasure of a patient."""
        with self._backend.guard_lifted(self.connection):
            yield

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
            if not self._backend.in_transaction(self.connection):
                self.lost = True
            else:
                savepoint.rollback()
            raise

    def refuse_if_lost(self) -> None:
        """StorageFullError after the database took the transaction back: nothing more may go into it."""
        if self.lost:
            raise StorageFullError(
                message(
                    "The changes that belong together were undone, because the disk is full or failing; make room "
                    "and repeat them."
                )
            )


class Database:
    """Reading from any thread; one writing transaction at a time, which calls inside it join."""

    def __init__(self, backend: Backend, *, who: str) -> None:
        self.backend = backend
        self.writable = backend.writable
        self.who = who
        """Named in the audit trail; the window sets it when another reader sits down."""
        self._lock = threading.RLock()
        self._transaction: Transaction | None = None
        self._owner: int | None = None

    @property
    def _engine(self) -> Engine:
        return self.backend.engine

    @contextlib.contextmanager
    def read(self, *, trail: bool = False) -> Iterator[Connection]:
        """A connection that sees committed data, or the thread's own open transaction.

        ``trail``: the audit trail is read too, so that the transaction's own records are written first. Until it
        ends nobody else can write a record then.
        """
        with translated(self.backend.sentence):
            if self._transaction is not None and self._owner == threading.get_ident():
                if trail:
                    self._transaction.flush()
                yield self._transaction.connection
                return
            options = self.backend.options(writing=False)
            with self._engine.connect() as connection:
                yield connection.execution_options(**options)

    @contextlib.contextmanager
    def write(self) -> Iterator[Transaction]:
        """All or nothing: committed, with its audit records, when the outermost block ends well."""
        if not self.writable:
            raise StudyError(message("This study is open for reading only; open it for writing to change it."))
        with self._lock, translated(self.backend.sentence):
            if self._transaction is not None:
                with self._transaction.part():
                    yield self._transaction
                return
            self.backend.refuse_exchanged()
            options = self.backend.options(writing=True)
            with self._engine.connect().execution_options(**options) as connection, connection.begin():
                self._transaction = Transaction(connection, self.who, self.backend)
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
            return tuple(self.backend.problems(connection))

    def close(self) -> None:
        self.backend.close()
