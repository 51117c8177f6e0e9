"""The worklist of a study: light rows for a table of a hundred thousand lesions. Only reads.

An entry is a lesion, or an image without one. Keys are found for the whole list, from what is kept in memory
(``core.store.worklist_index``); what a row shows is read for the few rows that are on screen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select

from core.domain.vocabulary import Laterality, MarginType, Part, Pathology, ViewPosition
from core.store import schema
from core.store.assignments import queue_numbers
from core.store.database import Database
from core.store.worklist_index import NO_MARGIN, Entries, Flags, Numbers, Said, WorklistIndex, numbers_of

_I, _P, _L = schema.image, schema.patient, schema.lesion
_MINE, _OWN = schema.label.alias("mine"), schema.label.alias("own")
_A = schema.annotation
_NOTHING = "[]"
_AT_ONCE = 500
"""Identifiers in one statement."""


class WorklistFilter(StrEnum):
    ALL = "all"
    UNLABELLED = "unlabelled"  # no margin from this reader, nor (unless own_margins) from the data set
    UNANNOTATED = "unannotated"  # nothing drawn by this reader
    MINE = "mine"  # this reader labelled or drew something
    FLAGGED = "flagged"
    QUEUE = "queue"  # assigned to this reader and not finished, or to be adjudicated by this reader


class WorklistOrder(StrEnum):
    ENTRY = "entry"
    PATIENT = "patient"
    MARGIN = "margin"
    NEWEST = "newest"
    RANKING = "ranking"  # that of the query


class WorklistQuery(msgspec.Struct, frozen=True, kw_only=True):
    reader_id: str = ""
    text: str = ""
    """In pseudonym, source, view, comment or file name; every word must occur."""
    own_margins: bool = False
    """Order and filter by what the reader named alone; else also by what the data set names."""
    only: WorklistFilter = WorklistFilter.ALL
    split_id: str = ""
    part: Part | None = None
    """Part of the split ``split_id``."""
    order: WorklistOrder = WorklistOrder.ENTRY
    ranking: tuple[str, ...] = ()
    """Ids of lesions for the order RANKING; other entries come after them."""


WorklistKey = tuple[int, int]
"""Numbers of entry of the image and the lesion; -1 for an image without a lesion."""


class WorklistKeys:
    """Keys of entries in the order of the list; a slice gives those as a list."""

    def __init__(self, images: Numbers, lesions: Numbers) -> None:
        self._images, self._lesions = images, lesions

    @classmethod
    def none(cls) -> WorklistKeys:
        return cls(np.empty(0, np.int64), np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, rows: slice) -> list[WorklistKey]:
        return list(zip(self._images[rows].tolist(), self._lesions[rows].tolist(), strict=True))

    def find(self, key: WorklistKey) -> int:
        """Its row; -1 where it is not among them."""
        rows = np.flatnonzero((self._images == key[0]) & (self._lesions == key[1]))
        return int(rows[0]) if rows.size else -1


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
    """True if this reader's current annotation has shapes."""
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
        self._index = WorklistIndex()

    def keys(self, query: WorklistQuery, file_names: Mapping[str, str] | None = None) -> WorklistKeys:
        """Every entry that the query lets through, in its order.

        ``file_names``: image id to the name of its file, in which the words of the query are looked for too.
        """
        with self._database.read(trail=True) as connection, self._database.backend.given_indexes(connection):
            entries = self._index.entries(connection)
            said = self._index.said(connection, entries, query.reader_id)
            through = np.ones(len(entries.image), np.bool_)
            for word in query.text.split():
                found = _holds(connection, entries, said, query.reader_id, word)
                through &= found | _named(connection, entries, file_names or {}, word)
            if query.only is not WorklistFilter.ALL:
                drawn = self._index.drawn(connection, entries, query.reader_id, _drawn_numbers(query.reader_id))
                through &= _passes(entries, said, drawn, query)
            if query.only is WorklistFilter.QUEUE:
                waiting = np.array(queue_numbers(connection, query.reader_id), np.int64)
                through &= entries.flags(waiting)
            if query.split_id and query.part is not None:
                through &= entries.of_patients(numbers_of(connection, _of_part(query.split_id, query.part)))
            ranks = _ranks(connection, entries, query.ranking) if query.order is WorklistOrder.RANKING else None
        places = _ordered(entries, said, np.flatnonzero(through), query, ranks)
        return WorklistKeys(entries.image[places], entries.lesion[places])

    def rows(self, keys: Sequence[WorklistKey], *, reader_id: str) -> list[WorklistRow | None]:
        """Return the rows of the entries, in the order of ``keys``; None for an entry that is gone."""
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
            reader_id,
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
        """Return the progress of this reader."""
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
    # the newest alone: what the others hold would be read whole, and grows with the square of the strokes
    newest = (
        select(_A.c.shapes)
        .where(_A.c.lesion_id == _L.c.id, _A.c.reader_id == reader_id)
        .order_by(_A.c.revision.desc())
        .limit(1)
        .correlate(_L)
        .scalar_subquery()
    )
    return func.coalesce(newest != _NOTHING, False)


def _joined(statement: Select[Any], reader_id: str) -> Select[Any]:
    """Images with their patients, lesions and labels."""
    return (
        statement.select_from(_I)
        .join(_P, _P.c.id == _I.c.patient_id)
        .outerjoin(_L, _L.c.image_id == _I.c.id)
        .outerjoin(_MINE, and_(_MINE.c.lesion_id == _L.c.id, _MINE.c.reader_id == reader_id))
        .outerjoin(_OWN, and_(_OWN.c.lesion_id == _L.c.id, _OWN.c.reader_id.is_(None)))
    )


def _holds(connection: Connection, entries: Entries, said: Said, reader_id: str, word: str) -> Flags:
    """Entries in whose pseudonym, source, view, comment or margin the word occurs."""
    patients = select(_P.c.seq).where(or_(_contains(_P.c.pseudonym, word), _contains(_P.c.source, word)))
    found = entries.of_patients(numbers_of(connection, patients)) | entries.of_views(word)
    if said.labelled.any():
        label = schema.label.c
        inside = or_(_contains(label.comment, word), _contains(label.margin, word))
        lesions = select(_L.c.seq).join(schema.label, label.lesion_id == _L.c.id)
        found |= entries.flags(numbers_of(connection, lesions.where(label.reader_id == reader_id, inside)))
    return found


def _named(connection: Connection, entries: Entries, file_names: Mapping[str, str], word: str) -> Flags:
    """Entries in whose file name the word occurs."""
    found = [image for image, name in file_names.items() if word.lower() in name.lower()]
    through = np.zeros(len(entries.image), np.bool_)
    for begin in range(0, len(found), _AT_ONCE):
        images = select(_I.c.seq).where(_I.c.id.in_(found[begin : begin + _AT_ONCE]))
        through |= np.isin(entries.image, numbers_of(connection, images))
    return through


def _passes(entries: Entries, said: Said, drawn: Flags, query: WorklistQuery) -> Flags:
    match query.only:
        case WorklistFilter.UNLABELLED:
            unlabelled: Flags = (entries.lesion >= 0) & (_margin(entries, said, query) == NO_MARGIN)
            return unlabelled
        case WorklistFilter.UNANNOTATED:
            return ~drawn
        case WorklistFilter.MINE:
            return said.labelled | drawn
        case WorklistFilter.FLAGGED:
            return (said.labelled & said.flagged) | (~said.labelled & entries.flagged)
        case WorklistFilter.ALL | WorklistFilter.QUEUE:
            return np.ones(len(drawn), np.bool_)


def _margin(entries: Entries, said: Said, query: WorklistQuery) -> Numbers:
    """By the reader, else (unless ``own_margins``) by the data set."""
    if query.own_margins:
        return said.margin
    return np.where(said.margin == NO_MARGIN, entries.margin, said.margin)


def _ranks(connection: Connection, entries: Entries, ranking: Sequence[str]) -> Numbers:
    """Place of each entry in the ranking; entries that it does not name share the place after the last one."""
    place = {lesion: rank for rank, lesion in enumerate(ranking)}
    ranks = np.full(len(entries.lesion), len(place), np.int64)
    of_number = {int(row.seq): place.get(row.id) for row in connection.execute(select(_L.c.id, _L.c.seq))}
    for row, number in enumerate(entries.lesion.tolist()):
        rank = of_number.get(number)
        if rank is not None:
            ranks[row] = rank
    return ranks


def _ordered(
    entries: Entries, said: Said, places: Numbers, query: WorklistQuery, ranks: Numbers | None = None
) -> Numbers:
    match query.order:
        case WorklistOrder.ENTRY:
            return places
        case WorklistOrder.RANKING:
            if ranks is None:
                return places
            by = ranks
        case WorklistOrder.NEWEST:
            by = -entries.image
        case WorklistOrder.PATIENT:
            by = entries.patient
        case WorklistOrder.MARGIN:
            by = _margin(entries, said, query)
    # entries of one rank stay in the order of entry
    return places[np.argsort(by[places], kind="stable")]


def _drawn_numbers(reader_id: str) -> Select[Any]:
    return select(_L.c.seq).where(_L.c.id.in_(_drawn(reader_id)))


def _of_part(split_id: str, part: Part) -> Select[Any]:
    inside = schema.split_part.c
    chosen = select(inside.patient_id).where(inside.split_id == split_id, inside.part == part.value)
    return select(_P.c.seq).where(_P.c.id.in_(chosen))


def _row(row: Row[Any]) -> WorklistRow:
    values = {str(name): value for name, value in row._mapping.items()}
    for name in ("annotated", "labelled_by_me", "flagged", "synthetic"):
        values[name] = bool(values[name])
    return msgspec.convert(values, WorklistRow)
