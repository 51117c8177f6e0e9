"""The database of a study on a server, with any number of programs that write in it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, inspect, text
from sqlalchemy.exc import DBAPIError

from core.domain.errors import MarginaliaError, StudyError
from core.domain.messages import message
from core.store.backend import LayoutDifference, Member, translated
from core.store.postgresql import rights
from core.store.postgresql.address import Address
from core.store.postgresql.bell import NoticeBell
from core.store.postgresql.engine import make_engine, sentence
from core.store.postgresql.layout import differences
from core.store.postgresql.presence import ServerPresence
from core.store.postgresql.upgrade import layout
from core.store.sqlite.copies import copy_to_file
from core.store.transfer import study_tables

# one state for all queries of a block, as a database file gives it
_READING = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


class PostgresqlBackend:
    """Implements ``core.store.backend.Backend``."""

    shared = True

    def __init__(self, address: Address, *, writable: bool) -> None:
        self.address = address
        self.writable = writable
        self.name = str(address)
        self.engine = make_engine(address, writable=writable)
        self._pids: set[int] = set()
        """Numbers of the connections at the server."""

        @event.listens_for(self.engine, "connect")
        def note(raw: Any, record: object) -> None:
            self._pids.add(raw.info.backend_pid)

    def options(self, *, writing: bool) -> Mapping[str, Any]:
        return {} if writing else _READING

    def sentence(self, error: DBAPIError) -> MarginaliaError | None:
        return sentence(error, self.address)

    def refuse_exchanged(self) -> None:
        """Nothing to do: a schema is known by its name, and rows refer to each other."""

    def refuse_erasure(self, connection: Connection) -> None:
        if not rights.owns_tables(connection):
            raise StudyError(
                message(
                    "Your login may not forget a patient in {name}: only the owner of its tables may. "
                    "Nothing was changed.",
                    name=self.name,
                )
            )

    def in_transaction(self, connection: Connection) -> bool:
        if connection.invalidated:
            return False
        raw: Any = connection.connection.dbapi_connection
        return raw is not None and not raw.closed and not raw.broken

    @contextlib.contextmanager
    def given_indexes(self, connection: Connection) -> Iterator[None]:
        """Nothing to do: the server makes no indexes for a single query."""
        yield

    @contextlib.contextmanager
    def guard_lifted(self, connection: Connection) -> Iterator[None]:
        # within the transaction, in which nobody else can write to the table
        connection.exec_driver_sql("ALTER TABLE audit DISABLE TRIGGER audit_no_update")
        yield
        connection.exec_driver_sql("ALTER TABLE audit ENABLE TRIGGER audit_no_update")

    def problems(self, connection: Connection) -> Iterator[str]:
        self._refuse_partial(connection)
        unproved = text(
            "SELECT conname FROM pg_constraint "
            "WHERE NOT convalidated AND connamespace = current_schema()::regnamespace"
        )
        for name in connection.execute(unproved).scalars():
            yield f"the rule {name} was not verified for all rows"
        inspector = inspect(connection)
        for table in study_tables(connection):
            for key in inspector.get_foreign_keys(table.name):
                (column,), other, (target,) = (
                    key["constrained_columns"],
                    key["referred_table"],
                    key["referred_columns"],
                )
                lost = text(
                    f'SELECT count(*) FROM "{table.name}" a LEFT JOIN "{other}" b ON b."{target}" = a."{column}" '
                    f'WHERE a."{column}" IS NOT NULL AND b."{target}" IS NULL'
                )
                for _ in range(int(connection.execute(lost).scalar_one())):
                    yield f"a row of {table.name} refers to a row of {other} that is not there"

    def layout_differences(self) -> tuple[LayoutDifference, ...]:
        with translated(self.sentence), self.engine.connect() as connection:
            return tuple(differences(connection))

    def bell(self) -> NoticeBell:
        return NoticeBell(self.address, self._pids)

    def presence(self) -> ServerPresence:
        return ServerPresence(self.address)

    def members(self, connection: Connection) -> tuple[Member, ...]:
        return rights.members(connection)

    def set_member(self, connection: Connection, member: Member) -> None:
        rights.set_member(connection, self.address.schema, member)

    def count_on(self, connection: Connection) -> None:
        for table in study_tables(connection):
            counted = f"pg_get_serial_sequence('\"{table.name}\"', 'id')"
            if "id" in table.c and connection.execute(text(f"SELECT {counted}")).scalar_one() is not None:
                largest = f'(SELECT coalesce(max(id), 0) + 1 FROM "{table.name}")'
                connection.execute(text(f"SELECT setval({counted}, {largest}, false)"))

    def retire(self, connection: Connection) -> None:
        stamp = datetime.now(UTC).strftime("%Y%m%d%H%M%S")
        name = f"{self.address.schema[:40]}_moved_{stamp}"
        connection.exec_driver_sql(f'ALTER SCHEMA "{self.address.schema}" RENAME TO "{name}"')

    def snapshot(self, target: Path) -> None:
        with translated(self.sentence), self.engine.connect() as connection:
            reading = connection.execution_options(**_READING)
            self._refuse_partial(reading)
            copy_to_file(reading, target, layout(reading, self.address))

    def _refuse_partial(self, connection: Connection) -> None:
        if not rights.sees_all(connection):
            raise StudyError(
                message(
                    "Your login sees only a part of {name}; let a lead or an auditor check it or copy it.",
                    name=self.name,
                )
            )

    def overwrite_deleted(self) -> None:
        """Write every table anew without its deleted rows; others wait for it.

        StudyError where that was not possible: the rows are gone for every query, but not yet from the disk.
        """
        try:
            with self.engine.connect() as connection:
                alone = connection.execution_options(isolation_level="AUTOCOMMIT")
                for table in study_tables(alone):
                    alone.exec_driver_sql(f'VACUUM (FULL) "{table.name}"')
        except DBAPIError as error:
            raise StudyError(
                message(
                    "The rows were deleted, but {name} could not be rewritten, so remains of them stay on "
                    "the server's disk. Let the administrator run VACUUM FULL when nobody works in the study.",
                    name=self.name,
                )
            ) from error

    def close(self) -> None:
        self.engine.dispose()
