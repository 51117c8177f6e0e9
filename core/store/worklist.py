"""The worklist of a study: light rows for a table of a hundred thousand lesions. Only reads.

An entry is a lesion, or an image without one. Keys are found for the whole list in one query; what a row shows is
read for the few rows that are on screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, Select, and_, exists, func, literal, or_, select
from sqlalchemy.orm import aliased

from core.domain.vocabulary import Laterality, MarginType, Part, Pathology, ViewPosition
from core.store import schema
from core.store.database import Database, given_indexes

_I, _P, _L = schema.image, schema.patient, schema.lesion
_MINE, _OWN = schema.label.alias("mine"), schema.label.alias("own")
_A = schema.annotation
_NOTHING = "[]"


class WorklistFilter(StrEnum):
    ALL = "all"
    UNLABELLED = "unlabelled"  # no margin from this reader, nor from the data set
    UNANNOTATED = "unannotated"  # nothing drawn by this reader
    MINE = "mine"  # this reader labelled or drew something
    FLAGGED = "flagged"


class WorklistOrder(StrEnum):
    ENTRY = "entry"
    PATIENT = "patient"
    MARGIN = "margin"
    NEWEST = "newest"


class WorklistQuery(msgspec.Struct, frozen=True, kw_only=True):
    reader_id: str = ""
    text: str = ""
    """In pseudonym, source, view or comment; every word must occur."""
    only: WorklistFilter = WorklistFilter.ALL
    split_id: str = ""
    part: Part | None = None
    """Of the split ``split_id``."""
    order: WorklistOrder = WorklistOrder.ENTRY


WorklistKey = tuple[int, int]
"""Numbers of entry of the image and the lesion; -1 for an image without a lesion."""


class WorklistRow(msgspec.Struct, frozen=True, kw_only=True):
    image_id: str
    lesion_id: str | None
    lesion_number: int | None
    pseudonym: str
    source: str
    laterality: Laterality | None
    view: ViewPosition | None
    acquired: str | None
    margin: MarginType | None
    """By this reader, else by the data set."""
    pathology: Pathology | None
    labelled_by_me: bool
    annotated: bool
    """Whether this reader's current annotation has shapes."""
    flagged: bool
    synthetic: bool


class WorklistProgress(msgspec.Struct, frozen=True, kw_only=True):
    lesions: int
    annotated: int
    labelled: int
    images: int


class Worklist:
    def __init__(self, database: Database) -> None:
        self._database = database

    def keys(self, query: WorklistQuery) -> list[WorklistKey]:
        """Every entry that the query lets through, in its order."""
        pair = _I.c.seq.label("image_seq"), func.coalesce(_L.c.seq, -1).label("lesion_seq")
        statement = _joined(select(*pair), query, everything=False)
        found = statement.where(*_conditions(query)).order_by(*_order(query.order)).subquery()
        # one text, which the database puts together while other threads work: fetching a hundred thousand rows
        # asks for the interpreter that often, and takes three times as long while the window is painted
        text = func.group_concat(found.c.image_seq.concat(",").concat(found.c.lesion_seq))
        with self._database.read() as connection, given_indexes(connection):
            joined = connection.execute(select(text)).scalar_one()
        numbers = [] if joined is None else list(map(int, joined.split(",")))
        return list(zip(numbers[::2], numbers[1::2], strict=True))

    def rows(self, keys: Sequence[WorklistKey], *, reader_id: str) -> list[WorklistRow | None]:
        """What the entries show, in the order of ``keys``; None for one that is gone."""
        query = WorklistQuery(reader_id=reader_id)
        statement = _joined(
            select(
                _I.c.seq.label("image_seq"),
                func.coalesce(_L.c.seq, -1).label("lesion_seq"),
                _I.c.id.label("image_id"),
                _L.c.id.label("lesion_id"),
                _L.c.number.label("lesion_number"),
                _P.c.pseudonym,
                _P.c.source,
                _I.c.laterality,
                _I.c.view,
                _I.c.acquired,
                func.coalesce(_MINE.c.margin, _OWN.c.margin).label("margin"),
                func.coalesce(_MINE.c.pathology, _OWN.c.pathology).label("pathology"),
                (_MINE.c.margin.is_not(None)).label("labelled_by_me"),
                _has_shapes(reader_id).label("annotated"),
                func.coalesce(_MINE.c.flagged, _OWN.c.flagged, False).label("flagged"),
                _I.c.synthetic,
            ),
            query,
        ).where(_I.c.seq.in_({image for image, _ in keys}))
        with self._database.read() as connection:
            found = {(row.image_seq, row.lesion_seq): row for row in connection.execute(statement)}
        return [None if key not in found else _row(found[key]) for key in keys]

    def key_of(self, image_id: str, lesion_id: str | None) -> WorklistKey | None:
        statement = select(_I.c.seq, func.coalesce(_L.c.seq, -1)).join_from(_I, _L, isouter=True)
        statement = statement.where(_I.c.id == image_id)
        if lesion_id is not None:
            statement = statement.where(_L.c.id == lesion_id)
        with self._database.read() as connection:
            row = connection.execute(statement.order_by(_L.c.number).limit(1)).one_or_none()
        return None if row is None else (int(row[0]), int(row[1]))

    def progress(self, *, reader_id: str) -> WorklistProgress:
        """How far this reader has come."""
        drawn = select(func.count()).select_from(_drawn(reader_id).subquery())
        labelled = select(func.count()).select_from(schema.label)
        labelled = labelled.where(schema.label.c.reader_id == reader_id, schema.label.c.margin.is_not(None))
        counted = [select(func.count()).select_from(_L), drawn, labelled, select(func.count()).select_from(_I)]
        with self._database.read() as connection:
            lesions, annotated, labels, images = (int(connection.execute(s).scalar_one()) for s in counted)
        return WorklistProgress(lesions=lesions, annotated=annotated, labelled=labels, images=images)


def _newest_annotations(reader_id: str) -> Any:
    newest = select(_A.c.lesion_id, func.max(_A.c.revision).label("revision"))
    return newest.where(_A.c.reader_id == reader_id).group_by(_A.c.lesion_id).subquery()


def _contains(column: ColumnElement[Any], word: str) -> ColumnElement[bool]:
    return func.coalesce(column, "").icontains(word, autoescape=True)


def _drawn(reader_id: str) -> Select[Any]:
    """Ids of the lesions whose newest annotation by the reader has shapes."""
    newest = _newest_annotations(reader_id)
    same = and_(_A.c.lesion_id == newest.c.lesion_id, _A.c.revision == newest.c.revision)
    drawn = select(_A.c.lesion_id).join(newest, same)
    return drawn.where(_A.c.reader_id == reader_id, _A.c.shapes != _NOTHING)


def _has_shapes(reader_id: str) -> ColumnElement[bool]:
    later = aliased(_A)
    newer = exists().where(
        later.c.lesion_id == _A.c.lesion_id,
        later.c.reader_id == _A.c.reader_id,
        later.c.revision > _A.c.revision,
    )
    return exists().where(_A.c.lesion_id == _L.c.id, _A.c.reader_id == reader_id, _A.c.shapes != _NOTHING, ~newer)


def _joined(statement: Select[Any], query: WorklistQuery, *, everything: bool = True) -> Select[Any]:
    """Joined with what the query needs, or with ``everything`` that a row shows."""
    only, order = query.only, query.order
    margins = order is WorklistOrder.MARGIN
    mine = everything or margins or only not in (WorklistFilter.ALL, WorklistFilter.UNANNOTATED)
    own = everything or margins or only in (WorklistFilter.UNLABELLED, WorklistFilter.FLAGGED)
    statement = statement.select_from(_I)
    if everything or query.part is not None or order is WorklistOrder.PATIENT:
        statement = statement.join(_P, _P.c.id == _I.c.patient_id)
    statement = statement.outerjoin(_L, _L.c.image_id == _I.c.id)
    if mine:
        statement = statement.outerjoin(
            _MINE, and_(_MINE.c.lesion_id == _L.c.id, _MINE.c.reader_id == query.reader_id)
        )
    if own:
        statement = statement.outerjoin(_OWN, and_(_OWN.c.lesion_id == _L.c.id, _OWN.c.reader_id.is_(None)))
    return statement


def _conditions(query: WorklistQuery) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    for word in query.text.split():
        # patients and labels are searched once, not once for each lesion
        patients = select(_P.c.id).where(or_(_contains(_P.c.pseudonym, word), _contains(_P.c.source, word)))
        views = [view.value for view in ViewPosition if word.lower() in view.value.lower()]
        label = schema.label.c
        said = select(label.lesion_id).where(
            label.reader_id == query.reader_id, or_(_contains(label.comment, word), _contains(label.margin, word))
        )
        found.append(or_(_I.c.patient_id.in_(patients), _I.c.view.in_(views), _L.c.id.in_(said)))
    match query.only:
        case WorklistFilter.UNLABELLED:
            found.append(and_(_L.c.id.is_not(None), func.coalesce(_MINE.c.margin, _OWN.c.margin).is_(None)))
        case WorklistFilter.UNANNOTATED:
            found.append(or_(_L.c.id.is_(None), _L.c.id.not_in(_drawn(query.reader_id))))
        case WorklistFilter.MINE:
            found.append(or_(_MINE.c.id.is_not(None), _L.c.id.in_(_drawn(query.reader_id))))
        case WorklistFilter.FLAGGED:
            found.append(func.coalesce(_MINE.c.flagged, _OWN.c.flagged, False) == literal(True))
        case WorklistFilter.ALL:
            pass
    if query.split_id and query.part is not None:
        part = schema.split_part
        inside = select(part.c.patient_id).where(
            part.c.split_id == query.split_id, part.c.part == query.part.value
        )
        found.append(_P.c.id.in_(inside))
    return found


def _order(order: WorklistOrder) -> tuple[ColumnElement[Any], ...]:
    last: tuple[ColumnElement[Any], ...] = (_I.c.seq.asc(), _L.c.number.asc())
    match order:
        case WorklistOrder.ENTRY:
            return last
        case WorklistOrder.NEWEST:
            return (_I.c.seq.desc(), _L.c.number.asc())
        case WorklistOrder.PATIENT:
            return (_P.c.pseudonym.asc(), *last)
        case WorklistOrder.MARGIN:
            return (func.coalesce(_MINE.c.margin, _OWN.c.margin, "~").asc(), *last)


def _row(row: Row[Any]) -> WorklistRow:
    values = {str(name): value for name, value in row._mapping.items()}
    for name in ("annotated", "labelled_by_me", "flagged", "synthetic"):
        values[name] = bool(values[name])
    return msgspec.convert(values, WorklistRow)
