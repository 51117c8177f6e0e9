"""Many changes as one transaction."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType

from core.store.database import Database, Transaction


class WriteBatch:
    """A context manager; a call inside that fails and is caught leaves the others as they are."""

    def __init__(self, database: Database) -> None:
        self._write: AbstractContextManager[Transaction] = database.write()

    def __enter__(self) -> None:
        self._write.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._write.__exit__(kind, error, trace)
