"""The database of a study in one folder: a file, with one program that writes in it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from core.domain.errors import MarginaliaError, StorageFullError, StudyError
from core.domain.messages import message
from core.store.backend import LayoutDifference, Member
from core.store.sqlite.copies import snapshot
from core.store.sqlite.engine import IMMEDIATE, make_engine, sentence
from core.store.sqlite.layout import differences
from core.store.sqlite.upgrade import layout


class SqliteBackend:
    """Implements ``core.store.backend.Backend``."""

    shared = False

    def __init__(self, path: Path, *, writable: bool) -> None:
        self.path = path
        self.writable = writable
        self.name = path.name
        self.engine = make_engine(path, writable=writable)
        self._file = _file_of(path) if writable else None

    def options(self, *, writing: bool) -> Mapping[str, Any]:
        return {IMMEDIATE: True} if writing else {}

    def sentence(self, error: DBAPIError) -> MarginaliaError | None:
        return sentence(error, self.path)

    def refuse_exchanged(self) -> None:
        if self._file != _file_of(self.path):
            raise StorageFullError(
                message(
                    "{file} in {folder} was deleted or exchanged while it was open, so "
                    "nothing more can be saved in it. Nothing was changed; close the study and restore it from "
                    "a "
                    "backup.",
                    file=self.path.name,
                    folder=self.path.parent,
                )
            )

    def refuse_erasure(self, connection: Connection) -> None:
        """Nothing to do: whoever may write the file may do all that the program does."""

    def in_transaction(self, connection: Connection) -> bool:
        # where the disk is full SQLite takes back the whole transaction by itself
        raw: Any = connection.connection.dbapi_connection
        return bool(raw.in_transaction)

    @contextlib.contextmanager
    def given_indexes(self, connection: Connection) -> Iterator[None]:
        """Inside, no query makes an index for itself: that of a hundred thousand lesions takes as long as the
        query (worklist by patient: 175 ms with it, 104 ms without)."""
        connection.exec_driver_sql("PRAGMA automatic_index=OFF")
        try:
            yield
        finally:
            connection.exec_driver_sql("PRAGMA automatic_index=ON")

    @contextlib.contextmanager
    def guard_lifted(self, connection: Connection) -> Iterator[None]:
        guards = connection.execute(
            text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name = 'audit_no_update'")
        ).all()
        for guard in guards:
            connection.exec_driver_sql(f"DROP TRIGGER {guard.name}")
        yield
        for guard in guards:
            connection.exec_driver_sql(guard.sql)

    def problems(self, connection: Connection) -> Iterator[str]:
        pages = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
        references = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        yield from (str(found) for found in pages if found != "ok")
        yield from (f"a row of {row[0]} refers to a row of {row[2]} that is not there" for row in references)

    def layout_differences(self) -> tuple[LayoutDifference, ...]:
        return differences(self.path, layout(self.path))

    def bell(self) -> None:
        return None

    def presence(self) -> None:
        return None

    def members(self, connection: Connection) -> tuple[Member, ...]:
        return ()

    def set_member(self, connection: Connection, member: Member) -> None:
        raise StudyError(
            message(
                "The database of this study is in its folder: whoever may write there may change it. Rights for "
                "each login need a server; see 'study move'."
            )
        )

    def count_on(self, connection: Connection) -> None:
        """Nothing to do: the next number is always that after the largest."""

    def retire(self, connection: Connection) -> None:
        """Nothing to do: the file is put into ``backup``."""

    def snapshot(self, target: Path) -> None:
        snapshot(self.path, target)

    def overwrite_deleted(self) -> None:
        """Nothing to do: ``secure_delete`` overwrote them."""

    def close(self) -> None:
        """Fold the write-ahead log into the file and close the database."""
        if self.writable:
            # a full disk must not keep a study from being closed: the log is folded in at the next opening
            with contextlib.suppress(DBAPIError, sqlite3.Error), self.engine.connect() as connection:
                connection.rollback()
                cursor = connection.connection.cursor()
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                cursor.close()
        self.engine.dispose()


def _file_of(path: Path) -> tuple[int, int] | None:
    """Which file lies at a path: its device and number; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
