"""Fine annotations with every revision ever committed. Rows are only appended; undo is a new revision."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Row, and_, func, insert, select

from core.domain.errors import StudyError
from core.domain.shapes import Shape, decode_shapes, encode_shapes, sharing_decoder
from core.domain.study import FineAnnotation
from core.store import schema
from core.store.database import Database, now_utc

_T = schema.annotation


class AnnotationRepository:
    """The current annotation of a lesion by a reader is that of the highest revision."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
        newest = self._rows(lesion_id, reader_id).order_by(_T.c.revision.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(newest).one_or_none()
        return None if row is None else _annotation(row)

    def revision(self, lesion_id: str, reader_id: str, revision: int) -> FineAnnotation:
        with self._database.read() as connection:
            row = connection.execute(
                self._rows(lesion_id, reader_id).where(_T.c.revision == revision)
            ).one_or_none()
        if row is None:
            raise StudyError(f"The annotation of lesion {lesion_id} has no revision {revision}.")
        return _annotation(row)

    def history(self, lesion_id: str, reader_id: str, *, after: int = 0) -> tuple[FineAnnotation, ...]:
        """Every revision after this number, the first one first; shapes that stayed are the same objects."""
        later = self._rows(lesion_id, reader_id).where(_T.c.revision > after)
        decode = sharing_decoder()
        with self._database.read() as connection:
            # one after the other: all texts together are much larger than what they say
            rows = connection.execute(later.order_by(_T.c.revision))
            return tuple(_annotation(row, decode) for row in rows)

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

    def all_current(self, *, reader_id: str | None = None) -> tuple[FineAnnotation, ...]:
        """The current annotation of each lesion and reader (or of one reader), by lesion in the order of entry."""
        newest = (
            select(_T.c.lesion_id, _T.c.reader_id, func.max(_T.c.revision).label("revision"))
            .group_by(_T.c.lesion_id, _T.c.reader_id)
            .subquery()
        )
        same = and_(*(_T.c[name] == newest.c[name] for name in ("lesion_id", "reader_id", "revision")))
        statement = select(_T).join(newest, same).join(schema.lesion, schema.lesion.c.id == _T.c.lesion_id)
        if reader_id is not None:
            statement = statement.where(_T.c.reader_id == reader_id)
        statement = statement.join(schema.reader, schema.reader.c.id == _T.c.reader_id)
        with self._database.read() as connection:
            rows = connection.execute(statement.order_by(schema.lesion.c.seq, schema.reader.c.seq)).all()
        return tuple(map(_annotation, rows))

    def seals(self) -> Iterator[tuple[str, int, str]]:
        """Audit subject, revision and hash of the shapes of every revision, to hold against the trail."""
        statement = select(_T).order_by(_T.c.lesion_id, _T.c.reader_id, _T.c.revision)
        with self._database.read() as connection:
            for row in connection.execute(statement):
                subject = annotation_subject(row.lesion_id, row.reader_id)
                yield subject, row.revision, hashlib.sha256(row.shapes.encode()).hexdigest()

    def _rows(self, lesion_id: str, reader_id: str) -> Any:
        return select(_T).where(_T.c.lesion_id == lesion_id, _T.c.reader_id == reader_id)

    def _append(
        self, lesion_id: str, reader_id: str, shapes: tuple[Shape, ...], action: str, note: dict[str, int]
    ) -> FineAnnotation:
        text = encode_shapes(shapes).decode()
        with self._database.write() as transaction:
            run = transaction.connection.execute
            subject = annotation_subject(lesion_id, reader_id)
            transaction.hold(subject)
            newest = run(self._rows(lesion_id, reader_id).order_by(_T.c.revision.desc()).limit(1)).one_or_none()
            revision = 1 if newest is None else int(newest.revision) + 1
            run(
                insert(_T).values(
                    lesion_id=lesion_id, reader_id=reader_id, revision=revision, shapes=text, created_utc=now_utc()
                )
            )
            # the shapes stand in the rows, which never change; the trail seals them by their hash
            old = None if newest is None else _seal(int(newest.revision), newest.shapes)
            transaction.record(action, subject, old=old, new=_seal(revision, text) | note)
        return FineAnnotation(lesion_id=lesion_id, reader_id=reader_id, revision=revision, shapes=shapes)


def annotation_subject(lesion_id: str, reader_id: str) -> str:
    """Return the name of the annotation in the audit trail."""
    return f"annotation {lesion_id} reader {reader_id}"


def _seal(revision: int, text: str) -> dict[str, int | str]:
    return {"revision": revision, "shapes_sha256": hashlib.sha256(text.encode()).hexdigest()}


def _annotation(row: Row[Any], decode: Callable[[str], tuple[Shape, ...]] = decode_shapes) -> FineAnnotation:
    return FineAnnotation(
        lesion_id=row.lesion_id, reader_id=row.reader_id, revision=row.revision, shapes=decode(row.shapes)
    )
