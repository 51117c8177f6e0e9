"""Which lesion was given to which reader, and the first labels that the reader finished it with."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, select, update

from core.domain.errors import StudyError
from core.domain.group import Assignment, How, Purpose, differing, is_settled, sources_of
from core.domain.messages import message
from core.domain.study import Labels
from core.store import schema
from core.store.database import Database, Transaction, now_utc
from core.store.rows import from_row, in_ids, to_row, values

_T, _L, _S, _A = schema.assignment, schema.lesion, schema.label, schema.annotation


class AssignmentRepository:
    """A reader has at most one assignment of a lesion: who labels it cannot adjudicate it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_many(self, assignments: Iterable[Assignment]) -> None:
        """StudyError where a reader has one of these lesions already; nothing is added then."""
        assignments = tuple(assignments)
        with self._database.write() as transaction:
            transaction.hold("assignments")
            known = {(one.lesion_id, one.reader_id) for one in self.all()} if assignments else set()
            for one in assignments:
                if (one.lesion_id, one.reader_id) in known:
                    raise StudyError(message("A reader has one of these lesions already; nothing was assigned."))
                known.add((one.lesion_id, one.reader_id))
            if assignments:
                transaction.connection.execute(insert(_T), [to_row(one) for one in assignments])
            for one in assignments:
                transaction.record("assignment.add", _subject(one.lesion_id, one.reader_id), new=one)

    def remove(self, lesion_id: str, reader_id: str) -> Assignment:
        """Take a lesion from a reader again. StudyError where it was finished: first labels stay."""
        with self._database.write() as transaction:
            transaction.hold("assignments")
            old = self._held(transaction, lesion_id, reader_id)
            if not old.open:
                raise StudyError(message("This reader has finished the lesion; finished assignments are kept."))
            transaction.connection.execute(delete(_T).where(_own(lesion_id, reader_id)))
            transaction.record("assignment.remove", _subject(lesion_id, reader_id), old=old)
        return old

    def finish(self, lesion_id: str, reader_id: str) -> Assignment:
        """Keep the reader's labels and drawing of this moment as the first ones; the reader is no longer blinded.

        StudyError where the lesion was not given to the reader to label, was finished before, or its margin is not
        named yet.
        """
        with self._database.write() as transaction:
            old = self._held(transaction, lesion_id, reader_id)
            if old.purpose is not Purpose.LABEL or not old.open:
                raise StudyError(message("There is nothing for this reader to finish at this lesion."))
            labels = self._labels(transaction.connection, lesion_id, reader_id)
            if labels is None or labels.margin is None:
                raise StudyError(message("Name the margin of the lesion first, then finish it."))
            revision = newest_drawing(transaction.connection, lesion_id, reader_id)
            new = msgspec.structs.replace(old, finished_utc=now_utc(), labels=labels, revision=revision)
            self._replace(transaction, "assignment.finish", old, new)
        return new

    def reopen(self, lesion_id: str, reader_id: str) -> Assignment:
        """Undo ``finish``. StudyError once another reader labelled or drew the lesion: it may have been seen."""
        with self._database.write() as transaction:
            old = self._held(transaction, lesion_id, reader_id)
            if old.open:
                raise StudyError(message("This lesion is not finished."))
            if _others_worked(transaction.connection, lesion_id, reader_id):
                raise StudyError(
                    message(
                        "Another reader labelled or drew this lesion, which may have been seen since it was "
                        "finished; the first labels stay."
                    )
                )
            new = msgspec.structs.replace(old, finished_utc=None, labels=None, revision=0)
            self._replace(transaction, "assignment.reopen", old, new)
        return new

    def find(self, lesion_id: str, reader_id: str) -> Assignment | None:
        return next(iter(self._where(_own(lesion_id, reader_id))), None)

    def of_lesion(self, lesion_id: str) -> tuple[Assignment, ...]:
        """In the readers' order of entry."""
        return self._where(_T.c.lesion_id == lesion_id)

    def of_reader(self, reader_id: str) -> tuple[Assignment, ...]:
        """In the lesions' order of entry."""
        return self._where(_T.c.reader_id == reader_id)

    def all(self, lesion_ids: Collection[str] | None = None) -> tuple[Assignment, ...]:
        """By lesion, then by reader, each in the order of entry."""
        if lesion_ids is None:
            return self._where()
        wanted = set(lesion_ids)
        return tuple(one for one in self._where(in_ids(_T.c.lesion_id, wanted)) if one.lesion_id in wanted)

    def may_see_others(self, lesion_id: str, reader_id: str) -> bool:
        """Return False while the reader is blinded: labels and drawings of others are to be hidden.

        That is so from the assignment of a lesion until it is finished, and for an adjudicator until all others
        finished. On a server the database keeps to it as well.
        """
        own = self.find(lesion_id, reader_id)
        if own is None or not own.open:
            return True
        return own.purpose is Purpose.ADJUDICATE and is_settled(self.of_lesion(lesion_id))

    def _labels(self, connection: Connection, lesion_id: str, reader_id: str) -> Labels | None:
        own = select(_S).where(_S.c.lesion_id == lesion_id, _S.c.reader_id == reader_id)
        row = connection.execute(own).one_or_none()
        return None if row is None else from_row(row, Labels)

    def _held(self, transaction: Transaction, lesion_id: str, reader_id: str) -> Assignment:
        transaction.hold(f"assignment {lesion_id} {reader_id}")
        found = self.find(lesion_id, reader_id)
        if found is None:
            raise StudyError(message("This lesion is not assigned to this reader."))
        return found

    def _replace(self, transaction: Transaction, action: str, old: Assignment, new: Assignment) -> None:
        row = {
            name: value for name, value in to_row(new).items() if name in ("finished_utc", "labels", "revision")
        }
        change = update(_T).where(_own(new.lesion_id, new.reader_id)).values(row)
        transaction.connection.execute(change)
        transaction.record(action, _subject(new.lesion_id, new.reader_id), old=old, new=new)

    def _where(self, *conditions: ColumnElement[bool]) -> tuple[Assignment, ...]:
        reader = schema.reader
        rows = select(_T).join(_L, _L.c.id == _T.c.lesion_id).join(reader, reader.c.id == _T.c.reader_id)
        rows = rows.where(*conditions).order_by(_L.c.seq, reader.c.seq)
        with self._database.read() as connection:
            return values(connection.execute(rows).all(), Assignment)


def queue_numbers(connection: Connection, reader_id: str) -> list[int]:
    """Numbers of entry of the lesions that wait for this reader: to be labelled, or to be adjudicated."""
    own = select(_L.c.seq, _L.c.id, _T.c.purpose).join(_T, _T.c.lesion_id == _L.c.id)
    own = own.where(_T.c.reader_id == reader_id, _T.c.finished_utc.is_(None))
    rows = connection.execute(own).all()
    found = [int(row.seq) for row in rows if row.purpose == Purpose.LABEL.value]
    judged = {str(row.id): int(row.seq) for row in rows if row.purpose == Purpose.ADJUDICATE.value}
    if judged:
        disputed = disputed_lesions(connection, reader_id)
        found += [seq for lesion_id, seq in judged.items() if lesion_id in disputed]
    return found


def disputed_lesions(connection: Connection, reader_id: str | None = None) -> dict[str, tuple[str, ...]]:
    """Lesions whose readers all finished and differ, without a consensus that stands: the labels that differ.

    ``reader_id``: only of those that this reader is to adjudicate.
    """
    rows = select(_T).join(schema.reader, schema.reader.c.id == _T.c.reader_id)
    if reader_id is not None:
        judged = and_(_T.c.reader_id == reader_id, _T.c.purpose == Purpose.ADJUDICATE.value)
        rows = rows.where(_T.c.lesion_id.in_(select(_T.c.lesion_id).where(judged)))
    by_lesion: dict[str, list[Assignment]] = {}
    for row in connection.execute(rows.order_by(_T.c.lesion_id, schema.reader.c.seq)):
        by_lesion.setdefault(row.lesion_id, []).append(from_row(row, Assignment))
    done = standing_consensus(connection)
    found = {}
    for lesion_id, assignments in by_lesion.items():
        differ = differing([source.labels for source in sources_of(assignments)])
        if is_settled(assignments) and differ and lesion_id not in done:
            found[lesion_id] = differ
    return found


def standing_consensus(connection: Connection) -> dict[str, Row[tuple[object, ...]]]:
    """The newest row of each lesion that has a consensus, without those that were withdrawn."""
    table = schema.consensus
    newest = select(table.c.lesion_id, func.max(table.c.revision).label("revision")).group_by(table.c.lesion_id)
    of = newest.subquery()
    same = and_(table.c.lesion_id == of.c.lesion_id, table.c.revision == of.c.revision)
    rows = connection.execute(select(table).join(of, same))
    return {row.lesion_id: row for row in rows if row.how != How.WITHDRAWN.value}


def newest_drawing(connection: Connection, lesion_id: str, reader_id: str) -> int:
    """Return the newest revision of a reader's drawing; 0 where nothing was drawn."""
    newest = select(func.coalesce(func.max(_A.c.revision), 0))
    newest = newest.where(_A.c.lesion_id == lesion_id, _A.c.reader_id == reader_id)
    return int(connection.execute(newest).scalar_one())


def _own(lesion_id: str, reader_id: str) -> ColumnElement[bool]:
    return and_(_T.c.lesion_id == lesion_id, _T.c.reader_id == reader_id)


def _others_worked(connection: Connection, lesion_id: str, reader_id: str) -> bool:
    for table in (_S, _A):
        others = and_(table.c.reader_id.is_not(None), table.c.reader_id != reader_id)
        statement = select(table.c.lesion_id).where(table.c.lesion_id == lesion_id, others).limit(1)
        if connection.execute(statement).first() is not None:
            return True
    return False


def _subject(lesion_id: str, reader_id: str) -> str:
    return f"lesion {lesion_id} reader {reader_id}"
