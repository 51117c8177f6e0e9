"""The append-only, hash-chained audit trail: its records and how they are chained.

``sha256`` of a record is the SHA-256 of the UTF-8 JSON object, keys sorted and without spaces, of its other
fields; ``previous`` is that of the record before, 64 zeros for the first. ``old`` and ``new`` are texts of
canonical JSON, so that a verifier needs to format no numbers.
"""

from __future__ import annotations

import hashlib

import msgspec
from sqlalchemy import Connection, insert, select, update

from core.store.backend import sharing_of
from core.store.schema import audit, audit_head, canonical_json

FIRST = "0" * 64
FORGET = "patient.forget"
"""Action of the record that a forgotten patient leaves (core.store.erasure)."""

_Waiting = tuple[str, str, str, str | None, str | None]
"""Time, action, subject, old and new of a record that has no number yet."""


Mark = tuple[int, int]
"""Number of records, and how many of them are written."""


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    counter: int
    """From 1, without gaps; gives the order (clocks are set back)."""
    at_utc: str
    who: str
    action: str
    """Action that was done, as ``thing.verb``."""
    subject: str
    """Object of the action, as ``thing id``."""
    old: str | None
    new: str | None
    previous: str
    sha256: str


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """A record whose old and new values were taken out with the patient they were about."""

    counter: int
    sha256: str
    """That it had, and has."""
    rest: str
    """Hash of the record as it is now, without the values."""


class _Stone(msgspec.Struct, frozen=True):
    erased: tuple[Erased, ...]


def erased_by(record: AuditRecord) -> tuple[Erased, ...]:
    """The records that a tombstone lists; none where the record is no tombstone."""
    if record.action != FORGET or record.new is None:
        return ()
    try:
        return msgspec.json.decode(record.new, type=_Stone).erased
    except msgspec.MsgspecError:
        return ()


def record_sha256(record: AuditRecord) -> str:
    """Return the value that ``record.sha256`` must have."""
    fields = msgspec.structs.asdict(record)
    del fields["sha256"]
    return hashlib.sha256(canonical_json(fields).encode()).hexdigest()


class Trail:
    """Appends to the trail inside one transaction; records wait in memory until ``flush``."""

    def __init__(self, connection: Connection, who: str) -> None:
        self._connection = connection
        self._who = who
        self._records: list[_Waiting] = []
        """Records of the transaction in order; those before ``_flushed`` are written."""
        self._flushed = 0

    def append(self, at_utc: str, action: str, subject: str, old: object, new: object) -> None:
        old_text, new_text = (None if value is None else canonical_json(value) for value in (old, new))
        self._records.append((at_utc, action, subject, old_text, new_text))

    def mark(self) -> Mark:
        """The present end, for ``back_to`` when what follows is rolled back (with all that it flushed)."""
        return len(self._records), self._flushed

    def back_to(self, mark: Mark) -> None:
        end, self._flushed = mark
        del self._records[end:]

    def flush(self) -> None:
        waiting = self._records[self._flushed :]
        if not waiting:
            return
        # where other programs write too, none of them adds a record from here to the end of the transaction
        newest = select(audit_head.c.counter, audit_head.c.sha256).with_for_update()
        head = self._connection.execute(newest).one()
        counter, previous = int(head.counter), str(head.sha256)
        rows: list[dict[str, object]] = []
        for at_utc, action, subject, old, new in waiting:
            counter += 1
            record = AuditRecord(
                counter=counter,
                at_utc=at_utc,
                who=self._who,
                action=action,
                subject=subject,
                old=old,
                new=new,
                previous=previous,
                sha256="",
            )
            previous = record_sha256(record)
            rows.append(msgspec.structs.asdict(record) | {"sha256": previous})
        self._connection.execute(insert(audit), rows)
        if sharing_of(self._connection) is None:  # else the database moves the head with each record
            self._connection.execute(update(audit_head).values(counter=counter, sha256=previous))
        self._flushed = len(self._records)
