"""Requirements of the store on a database of any kind.

``core.store.sqlite`` and ``core.store.postgresql`` are the two kinds; ``core.store.location`` chooses, and nothing
else knows which one a study has.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from core.domain.errors import MarginaliaError
from core.store.presence import Presence

_SHARING = "marginalia_sharing"


class LayoutDifference(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a database that is not as the layout has it."""

    kind: str
    """table, column, index, trigger or view."""
    name: str
    what: str
    """added, missing or changed."""

    @property
    def sentence(self) -> str:
        found = {
            "added": f"has the {self.kind} {self.name}, which no study has",
            "missing": f"lacks the {self.kind} {self.name}",
            "changed": f"has another {self.kind} {self.name} than a study has",
        }
        return found[self.what]


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A login of a database server with rights in a study."""

    login: str
    role: str
    """reader, lead, trainer or auditor; empty for none."""
    reader_id: str | None = None
    """The reader of the study as whom a login of the role reader works."""


class Bell(Protocol):
    """Rings when another program committed something."""

    def wait(self, timeout_s: float) -> bool:
        """Return True as soon as another program committed something; False after the time."""

    def close(self) -> None: ...


class Backend(Protocol):
    """An open database of a study."""

    @property
    def name(self) -> str:
        """Name for sentences, such as ``study.db``."""

    @property
    def engine(self) -> Engine: ...

    @property
    def writable(self) -> bool: ...

    def refuse_erasure(self, connection: Connection) -> None:
        """Raise StudyError where this login may not erase a patient from the audit trail."""

    @property
    def shared(self) -> bool:
        """Return True if many programs may write at once."""

    def options(self, *, writing: bool) -> Mapping[str, Any]:
        """Return SQLAlchemy's options of a connection that reads, or that changes something."""

    def sentence(self, error: DBAPIError) -> MarginaliaError | None:
        """Return the user's sentence for an error of the database; None where it is a defect of the program."""

    def refuse_exchanged(self) -> None:
        """Raise StorageFullError where the open database is no longer that of the study."""

    def in_transaction(self, connection: Connection) -> bool:
        """Return False if the database took the transaction back by itself."""

    def given_indexes(self, connection: Connection) -> AbstractContextManager[None]:
        """Inside, queries use the indexes of the layout and make none of their own for a single query."""

    def guard_lifted(self, connection: Connection) -> AbstractContextManager[None]:
        """Inside, records of the audit trail can be changed; only for the erasure of a patient."""

    def problems(self, connection: Connection) -> Iterator[str]:
        """Yield the faults that the database finds in its own pages and references."""

    def layout_differences(self) -> tuple[LayoutDifference, ...]:
        """Return the differences between the database and its layout."""

    def bell(self) -> Bell | None:
        """Return a bell for changes by others; None where nobody else can write."""

    def presence(self) -> Presence | None:
        """Return where others are told who is on which case; None where nobody else can be."""

    def members(self, connection: Connection) -> tuple[Member, ...]:
        """Return the logins that have rights in the study."""

    def set_member(self, connection: Connection, member: Member) -> None:
        """Give a login these rights in place of those that it had; none with an empty role."""

    def count_on(self, connection: Connection) -> None:
        """Let the numbers that the database gives follow those that rows were copied with."""

    def retire(self, connection: Connection) -> None:
        """Take the database out of use, as a part of the transaction: the study is elsewhere from then on."""

    def snapshot(self, target: Path) -> None:
        """Write the present state into the file ``target``, as the database of a study in one folder."""

    def overwrite_deleted(self) -> None:
        """Overwrite rows that were deleted or changed, so that nothing of them can be read."""

    def close(self) -> None: ...


@contextlib.contextmanager
def translated(sentence: Callable[[DBAPIError], MarginaliaError | None]) -> Iterator[None]:
    """Turn errors of the database inside into errors of the program."""
    try:
        yield
    except DBAPIError as error:
        found = sentence(error)
        if found is None:
            raise
        raise found from error


class Sharing(Protocol):
    """Requirements of writing transactions that are not alone in the database."""

    def hold(self, connection: Connection, name: str) -> None:
        """Wait until no other transaction holds this name, and hold it to the end of this one."""

    def last_number(self, connection: Connection, table: str) -> int:
        """Return the largest ``seq`` of a table, also of rows that this login may not read; 0 if it is empty."""


def sharing(how: Sharing) -> dict[str, Any]:
    """Options of an engine whose writing transactions are not alone."""
    return {_SHARING: how}


def sharing_of(connection: Connection) -> Sharing | None:
    """Return how writing transactions share the database; None where one is alone in it."""
    found: Sharing | None = connection.get_execution_options().get(_SHARING)
    return found


def hold(connection: Connection, name: str) -> None:
    """Wait until no other transaction holds this name, and hold it to the end of this one.

    What is read after it was held is the newest that was committed. Where a writing transaction is alone in any
    case, nothing happens.
    """
    how = sharing_of(connection)
    if how is not None:
        how.hold(connection, name)
