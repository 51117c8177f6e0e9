"""Reading, verifying and exporting the audit trail (its records and their chain: core.store.trail)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from sqlalchemy import Connection, select

from core.platform.atomic import atomic_write
from core.store import schema
from core.store.anchor import Head
from core.store.database import Database
from core.store.rows import count, from_row
from core.store.trail import FIRST, AuditRecord, erased_by, record_sha256

_T = schema.audit
_PAGE = 2000


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    records: int
    first_bad: int | None = None
    """Counter of the first record that is missing, out of order or changed."""
    reason: str = ""

    @property
    def good(self) -> bool:
        return self.first_bad is None


class AuditRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, action: str, subject: str, *, old: object = None, new: object = None) -> None:
        """Record something done with the study that changes no row of it, such as an export."""
        with self._database.write() as transaction:
            transaction.record(action, subject, old=old, new=new)

    def count(self) -> int:
        with self._database.read(trail=True) as connection:
            return count(connection, _T)

    def records(self, *, since: int = 1) -> Iterator[AuditRecord]:
        """By counter, from ``since`` on, read in pages."""
        while True:
            statement = select(_T).where(_T.c.counter >= since).order_by(_T.c.counter).limit(_PAGE)
            with self._database.read(trail=True) as connection:
                page = [from_row(row, AuditRecord) for row in connection.execute(statement)]
            yield from page
            if len(page) < _PAGE:
                return
            since = page[-1].counter + 1

    def of(self, action: str, subject: str) -> tuple[AuditRecord, ...]:
        """Return the records with this action and this subject, in order."""
        statement = select(_T).where(_T.c.action == action, _T.c.subject == subject).order_by(_T.c.counter)
        with self._database.read(trail=True) as connection:
            return tuple(from_row(row, AuditRecord) for row in connection.execute(statement))

    def all_of(self, action: str) -> tuple[AuditRecord, ...]:
        """Return the records with this action, in order."""
        statement = select(_T).where(_T.c.action == action).order_by(_T.c.counter)
        with self._database.read(trail=True) as connection:
            return tuple(from_row(row, AuditRecord) for row in connection.execute(statement))

    def subjects_of(self, action: str) -> dict[int, str]:
        """Counter to subject of every record of this action; values that were erased are not needed for it."""
        statement = select(_T.c.counter, _T.c.subject).where(_T.c.action == action).order_by(_T.c.counter)
        with self._database.read(trail=True) as connection:
            return {row.counter: row.subject for row in connection.execute(statement)}

    def head(self) -> Head:
        """The newest record."""
        with self._database.read(trail=True) as connection:
            return head_in(connection)

    def verify(
        self, *, against: Head | None = None, each: Callable[[AuditRecord], None] = lambda record: None
    ) -> AuditReport:
        """Recompute the chain; the report names the first record that does not fit.

        ``against``: a head that was kept outside the study, which the trail must hold. ``each`` is called with
        every record, in order.
        """
        head = self.head()
        return verify_chain(self._told(each), last=(head.counter, head.sha256), against=against)

    def _told(self, each: Callable[[AuditRecord], None]) -> Iterator[AuditRecord]:
        for record in self.records():
            each(record)
            yield record

    def export(self, path: Path) -> int:
        """Write the trail as JSON lines; the number of records. ``read_exported`` reads them for a verifier."""
        count = 0

        def write(temporary: Path) -> None:
            nonlocal count
            with temporary.open("wb") as file:  # record by record: a long trail is never whole in memory
                for record in self.records():
                    file.write(msgspec.json.encode(record) + b"\n")
                    count += 1

        atomic_write(path, write)
        return count


def head_in(connection: Connection) -> Head:
    """The newest record of the trail that this connection sees."""
    head = connection.execute(select(schema.audit_head)).one_or_none()
    return Head(counter=0, sha256=FIRST) if head is None else Head(counter=head.counter, sha256=head.sha256)


def verify_chain(
    records: Iterator[AuditRecord], *, last: tuple[int, str] | None = None, against: Head | None = None
) -> AuditReport:
    """Verify records in order; ``last`` is the counter and hash that the newest one must have, if known, and
    ``against`` what one of them must have."""
    counter, previous = 0, FIRST
    anchored = against is None or against.counter == 0
    # emptied records, by what a later tombstone must say of them: (counter, hash, hash of the rest)
    emptied: dict[tuple[int, str, str], str] = {}
    for record in records:
        counter += 1
        reason = ""
        if record.counter != counter:
            reason = f"record {counter} is missing; {record.counter} stands in its place"
        elif record.previous != previous:
            reason = f"record {counter} does not follow the one before it"
        elif record.sha256 != (found := record_sha256(record)):
            reason = f"record {counter} was changed"
            if record.old is None and record.new is None:
                emptied[counter, record.sha256, found] = reason
                reason = ""
        if reason:
            return _report(counter, counter, reason, emptied)
        for one in erased_by(record):
            emptied.pop((one.counter, one.sha256, one.rest), None)
        previous = record.sha256
        if against is not None and counter == against.counter:
            if against.sha256 != record.sha256:
                reason = f"record {counter} is not the one that was anchored outside the study"
                return _report(counter, counter, reason, emptied)
            anchored = True
    if not anchored and against is not None:
        reason = f"record {counter + 1} is missing; up to {against.counter} were anchored outside the study"
        return _report(counter, counter + 1, reason, emptied)
    if last is not None and (counter, previous) != last:
        bad = counter + 1 if counter < last[0] else counter
        reason = f"record {bad} is missing at the end" if counter < last[0] else f"record {bad} was put in later"
        return _report(counter, bad, reason, emptied)
    return _report(counter, None, "", emptied)


def _report(records: int, bad: int | None, reason: str, emptied: dict[tuple[int, str, str], str]) -> AuditReport:
    """Report the first change that no tombstone accounts for; otherwise the first fault of the chain."""
    for (counter, _, _), why in emptied.items():
        return AuditReport(records=records, first_bad=counter, reason=why)
    return AuditReport(records=records, first_bad=bad, reason=reason)


def read_exported(path: Path) -> Iterator[AuditRecord]:
    """The records of an exported trail."""
    with path.open("rb") as file:
        for line in file:
            yield msgspec.json.decode(line, type=AuditRecord)
