"""Fine annotations with every revision ever committed. Rows are only appended; undo is a new revision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Select, and_, func, insert, select

from core.domain.errors import StudyError
from core.domain.messages import message
from core.domain.shapes import Origin, Shape, decode_shapes, encode_shapes, sharing_decoder
from core.domain.study import FineAnnotation
from core.store import schema
from core.store.database import Database, now_utc
from core.store.stored_shapes import WHOLE, StoredShapes

_T = schema.annotation
_IS_WHOLE = func.substr(_T.c.shapes, 1, 1) == WHOLE


class AnnotationRepository:
    """The current annotation of a lesion by a reader is that of the highest revision."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._newest: tuple[tuple[str, str, int, str], StoredShapes] | None = None
        """Lesion, reader, revision and time of the last commit, and its shapes: the next differs little."""

    def commit(self, lesion_id: str, reader_id: str, shapes: tuple[Shape, ...]) -> FineAnnotation:
        """Append a revision; when this returns, it is on the disk."""
        return self._append(lesion_id, reader_id, shapes, "annotation.commit", {})

    def restore(self, lesion_id: str, reader_id: str, revision: int) -> FineAnnotation:
        """Make the shapes of an earlier revision current again, as a new revision."""
        with self._database.write():
            shapes = self.revision(lesion_id, reader_id, revision).shapes
            return self._append(lesion_id, reader_id, shapes, "annotation.restore", {"restored": revision})

    def current(self, lesion_id: str, reader_id: str) -> FineAnnotation | None:
        """The newest revision, which may have no shapes; None where the reader has drawn nothing yet."""
        with self._database.read() as connection:
            newest = _newest(connection, lesion_id, reader_id)
        return None if newest is None else _annotation(lesion_id, reader_id, *newest)

    def revision(self, lesion_id: str, reader_id: str, revision: int) -> FineAnnotation:
        with self._database.read() as connection:
            found = _newest(connection, lesion_id, reader_id, up_to=revision)
        if found is None or found[0] != revision:
            raise StudyError(
                message(
                    "The annotation of lesion {lesion} has no revision {revision}.",
                    lesion=lesion_id,
                    revision=revision,
                )
            )
        return _annotation(lesion_id, reader_id, *found)

    def history(self, lesion_id: str, reader_id: str, *, after: int = 0) -> tuple[FineAnnotation, ...]:
        """Every revision after this number, the first one first; shapes that stayed are the same objects."""
        decode, stored, found = sharing_decoder(), StoredShapes(), []
        with self._database.read() as connection:
            # one after the other: all texts together are much larger than what they say
            for row in connection.execute(_from_a_whole_one(lesion_id, reader_id, at=max(after, 1))):
                shapes = stored.read(row.shapes)
                if row.revision > after:
                    found.append(
                        FineAnnotation(
                            lesion_id=lesion_id, reader_id=reader_id, revision=row.revision, shapes=decode(shapes)
                        )
                    )
        return tuple(found)

    def dates(self, lesion_id: str, reader_id: str, *, after: int = 0) -> dict[int, str]:
        """When each revision after this number was committed, in UTC, by its number."""
        statement = select(_T.c.revision, _T.c.created_utc).order_by(_T.c.revision)
        statement = statement.where(_T.c.lesion_id == lesion_id, _T.c.reader_id == reader_id)
        statement = statement.where(_T.c.revision > after)
        with self._database.read() as connection:
            return {int(row.revision): str(row.created_utc) for row in connection.execute(statement)}

    def committed_since(self, utc: str) -> tuple[int, str]:
        """Count the revisions committed since ``utc`` and return the time of the last one; "" if there is none."""
        statement = select(func.count(), func.max(_T.c.created_utc)).where(_T.c.created_utc >= utc)
        with self._database.read() as connection:
            number, last = connection.execute(statement).one()
        return int(number), str(last or "")

    def readers_of(self, lesion_id: str) -> tuple[str, ...]:
        """Ids of the readers who drew something on the lesion."""
        statement = select(_T.c.reader_id).where(_T.c.lesion_id == lesion_id).distinct().order_by(_T.c.reader_id)
        with self._database.read() as connection:
            return tuple(connection.execute(statement).scalars())

    def latest_of(self, reader_id: str, count: int) -> tuple[FineAnnotation, ...]:
        """The current annotations of the ``count`` lesions that the reader drew on last, the newest first."""
        drawn = select(_T.c.lesion_id).where(_T.c.reader_id == reader_id).group_by(_T.c.lesion_id)
        with self._database.read() as connection:
            lesions = connection.execute(drawn.order_by(func.max(_T.c.created_utc).desc()).limit(count)).scalars()
            found = [self.current(lesion, reader_id) for lesion in lesions.all()]
        return tuple(one for one in found if one is not None)

    def all_current(self, *, reader_id: str | None = None) -> tuple[FineAnnotation, ...]:
        """The current annotation of each lesion and reader (or of one reader), by lesion in the order of entry."""
        whole = (
            select(_T.c.lesion_id, _T.c.reader_id, func.max(_T.c.revision).label("revision"))
            .where(_IS_WHOLE)
            .group_by(_T.c.lesion_id, _T.c.reader_id)
            .subquery()
        )
        same = and_(*(_T.c[name] == whole.c[name] for name in ("lesion_id", "reader_id")))
        statement = select(_T).join(whole, and_(same, _T.c.revision >= whole.c.revision))
        statement = statement.join(schema.lesion, schema.lesion.c.id == _T.c.lesion_id)
        if reader_id is not None:
            statement = statement.where(_T.c.reader_id == reader_id)
        statement = statement.join(schema.reader, schema.reader.c.id == _T.c.reader_id)
        order = (schema.lesion.c.seq, schema.reader.c.seq, _T.c.revision)
        newest: dict[tuple[str, str], tuple[int, StoredShapes]] = {}
        with self._database.read() as connection:
            for row in connection.execute(statement.order_by(*order)):
                _, stored = newest.get((row.lesion_id, row.reader_id), (0, StoredShapes()))
                stored.read(row.shapes)
                newest[row.lesion_id, row.reader_id] = row.revision, stored
        return tuple(_annotation(*key, *found) for key, found in newest.items())

    def seals(self) -> Iterator[tuple[str, int, str]]:
        """Audit subject, revision and hash of the shapes of every revision, to hold against the trail."""
        statement = select(_T).order_by(_T.c.lesion_id, _T.c.reader_id, _T.c.revision)
        subject, stored = "", StoredShapes()
        with self._database.read() as connection:
            for row in connection.execute(statement):
                if subject != (subject := annotation_subject(row.lesion_id, row.reader_id)):
                    stored = StoredShapes()
                stored.read(row.shapes)
                yield subject, row.revision, stored.sha256

    def _last(self, connection: Connection, lesion_id: str, reader_id: str) -> tuple[int, StoredShapes]:
        """Number and shapes of the newest revision; 0 and none before the first."""
        rows = select(_T.c.revision, _T.c.created_utc).where(
            _T.c.lesion_id == lesion_id, _T.c.reader_id == reader_id
        )
        newest = connection.execute(rows.order_by(_T.c.revision.desc()).limit(1)).one_or_none()
        if newest is None:
            return 0, StoredShapes()
        kept, self._newest = self._newest, None
        # the time tells it from another program's revision of this number, where this one was rolled back
        if kept is not None and kept[0] == (lesion_id, reader_id, newest.revision, newest.created_utc):
            return int(newest.revision), kept[1]
        found = _newest(connection, lesion_id, reader_id)
        assert found is not None
        return found

    def _append(
        self, lesion_id: str, reader_id: str, shapes: tuple[Shape, ...], action: str, note: dict[str, int]
    ) -> FineAnnotation:
        text = encode_shapes(shapes).decode()
        with self._database.write() as transaction:
            run = transaction.connection.execute
            subject = annotation_subject(lesion_id, reader_id)
            transaction.hold(subject)
            last, stored = self._last(transaction.connection, lesion_id, reader_id)
            # the shapes stand in the rows, which never change; the trail seals them by their hash
            old = None if last == 0 else _seal(last, stored.sha256)
            revision, now = last + 1, now_utc()
            run(
                insert(_T).values(
                    lesion_id=lesion_id,
                    reader_id=reader_id,
                    revision=revision,
                    shapes=stored.write(text),
                    created_utc=now,
                )
            )
            self._newest = (lesion_id, reader_id, revision, now), stored
            new = _seal(revision, stored.sha256) | _origins(shapes) | note
            transaction.record(action, subject, old=old, new=new)
        return FineAnnotation(lesion_id=lesion_id, reader_id=reader_id, revision=revision, shapes=shapes)


def annotation_subject(lesion_id: str, reader_id: str) -> str:
    """Return the name of the annotation in the audit trail."""
    return f"annotation {lesion_id} reader {reader_id}"


def _seal(revision: int, sha256: str) -> dict[str, int | str]:
    return {"revision": revision, "shapes_sha256": sha256}


def _origins(shapes: tuple[Shape, ...]) -> dict[str, int]:
    """The number of shapes that the program proposed, by whether the reader changed them; {} if none was."""
    counts = Counter(shape.origin for shape in shapes if shape.origin is not Origin.DRAWN)
    return {origin.value: count for origin, count in sorted(counts.items())}


def _newest(
    connection: Connection, lesion_id: str, reader_id: str, *, up_to: int | None = None
) -> tuple[int, StoredShapes] | None:
    """Number and shapes of the newest revision, or the newest up to this number."""
    stored, revision = StoredShapes(), 0
    for row in connection.execute(_from_a_whole_one(lesion_id, reader_id, at=up_to, up_to=up_to)):
        stored.read(row.shapes)
        revision = int(row.revision)
    return (revision, stored) if revision else None


def _from_a_whole_one(
    lesion_id: str, reader_id: str, *, at: int | None = None, up_to: int | None = None
) -> Select[Any]:
    """The rows from the last whole revision (not after number ``at``) on, in their order."""
    own = and_(_T.c.lesion_id == lesion_id, _T.c.reader_id == reader_id)
    whole = select(func.max(_T.c.revision)).where(own, _IS_WHOLE)
    if at is not None:
        whole = whole.where(_T.c.revision <= at)
    rows = select(_T.c.revision, _T.c.shapes).where(own, _T.c.revision >= whole.scalar_subquery())
    if up_to is not None:
        rows = rows.where(_T.c.revision <= up_to)
    return rows.order_by(_T.c.revision)


def _annotation(lesion_id: str, reader_id: str, revision: int, stored: StoredShapes) -> FineAnnotation:
    return FineAnnotation(
        lesion_id=lesion_id, reader_id=reader_id, revision=revision, shapes=decode_shapes(stored.text)
    )
