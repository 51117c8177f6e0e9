"""Counts of a study by data set, computed by the database without reading the rows."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, Select, and_, func, select

from core.store import schema
from core.store.database import Database

_NO_SHAPES = "[]"
"""Text of an annotation without shapes."""


_LESION, _LABEL, _ANNOTATION = schema.lesion, schema.label, schema.annotation
_SOURCE = schema.patient.c.source


_IMAGES = schema.image.join(schema.patient, schema.patient.c.id == schema.image.c.patient_id)
_LESIONS = _LESION.join(schema.finding, schema.finding.c.id == _LESION.c.finding_id).join(
    schema.patient, schema.patient.c.id == schema.finding.c.patient_id
)


class SourceCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one data set (``Patient.source``)."""

    source: str
    patients: int
    images: int
    lesions: int
    margins: dict[str | None, int]
    """Lesions for each margin that the data set gives; None: no margin given."""
    finely_annotated: int
    """Lesions whose current annotation, by any reader, holds shapes."""


def count_by_source(database: Database) -> tuple[SourceCounts, ...]:
    """Counts of every data set, in alphabetical order."""
    with database.read() as connection:
        patients = _by_source(connection, select(_SOURCE, func.count()).select_from(schema.patient))
        images = _by_source(connection, select(_SOURCE, func.count()).select_from(_IMAGES))
        lesions = _by_source(connection, select(_SOURCE, func.count()).select_from(_LESIONS))
        annotated = _by_source(connection, _annotated())
        margins: dict[str, dict[str | None, int]] = {}
        labelled = _LESIONS.outerjoin(
            _LABEL, and_(_LABEL.c.lesion_id == _LESION.c.id, _LABEL.c.reader_id.is_(None))
        )
        statement = select(_SOURCE, _LABEL.c.margin, func.count()).select_from(labelled)
        for source, margin, number in connection.execute(statement.group_by(_SOURCE, _LABEL.c.margin)):
            margins.setdefault(str(source), {})[margin] = int(number)
    return tuple(
        SourceCounts(
            source=source,
            patients=number,
            images=images.get(source, 0),
            lesions=lesions.get(source, 0),
            margins=margins.get(source, {}),
            finely_annotated=annotated.get(source, 0),
        )
        for source, number in sorted(patients.items())
    )


def _annotated() -> Select[Any]:
    newest = (
        select(
            _ANNOTATION.c.lesion_id, _ANNOTATION.c.reader_id, func.max(_ANNOTATION.c.revision).label("revision")
        )
        .group_by(_ANNOTATION.c.lesion_id, _ANNOTATION.c.reader_id)
        .subquery()
    )
    same = and_(*(_ANNOTATION.c[name] == newest.c[name] for name in ("lesion_id", "reader_id", "revision")))
    rows = _LESIONS.join(_ANNOTATION, _ANNOTATION.c.lesion_id == _LESION.c.id).join(newest, same)
    number = func.count(func.distinct(_LESION.c.id))
    return select(_SOURCE, number).select_from(rows).where(_ANNOTATION.c.shapes != _NO_SHAPES)


def _by_source(connection: Connection, statement: Select[Any]) -> dict[str, int]:
    rows = connection.execute(statement.group_by(_SOURCE)).all()
    return {str(row[0]): int(row[1]) for row in rows}
