"""Lesions that were taken out of a study, kept whole so that nothing that a reader drew is lost."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, delete, func, insert, select

from core.domain.errors import StudyError
from core.domain.messages import message
from core.store import schema
from core.store.database import Transaction, now_utc
from core.store.rows import fields

_F, _L, _T = schema.finding, schema.lesion, schema.removed_lesion


class RemovedLesion(msgspec.Struct, frozen=True, kw_only=True):
    """A lesion that can be put back."""

    id: str
    image_id: str
    number: int
    """That it had in its image."""
    removed_utc: str
    annotations: int
    """Revisions of fine annotations that are kept with it, of all readers."""


class _Content(msgspec.Struct, frozen=True, kw_only=True):
    """Rows by column name."""

    finding: dict[str, Any]
    lesion: dict[str, Any]
    rest: dict[str, list[dict[str, Any]]]
    """Rows of ``schema.OF_LESION`` by the name of their table."""


def keep_removed(transaction: Transaction, lesion_id: str) -> None:
    """Copy the rows of a lesion, its finding, and all that goes with it before they are deleted."""
    run = transaction.connection.execute
    lesion = run(select(_L).where(_L.c.id == lesion_id)).one()
    finding = run(select(_F).where(_F.c.id == lesion.finding_id)).one()
    content = _Content(
        finding=fields(finding),
        lesion=fields(lesion),
        rest={table.name: _rows(transaction, table, lesion_id) for table in schema.OF_LESION},
    )
    row = {
        "id": lesion_id,
        "patient_id": finding.patient_id,
        "removed_utc": now_utc(),
        "content": msgspec.to_builtins(content),
    }
    run(insert(_T).values(row))


def removed_from(connection: Connection, image_id: str) -> tuple[RemovedLesion, ...]:
    """Return the lesions that were taken out of an image, the last removed first."""
    patient = select(schema.image.c.patient_id).where(schema.image.c.id == image_id)
    kept = select(_T).where(_T.c.patient_id == patient.scalar_subquery())
    found = []
    for row in connection.execute(kept.order_by(_T.c.removed_utc.desc())):
        content = msgspec.convert(row.content, _Content)
        if content.lesion["image_id"] != image_id:
            continue
        found.append(
            RemovedLesion(
                id=row.id,
                image_id=image_id,
                number=content.lesion["number"],
                removed_utc=row.removed_utc,
                annotations=len(content.rest.get("annotation", ())),
            )
        )
    return tuple(found)


def restore_removed(transaction: Transaction, lesion_id: str) -> None:
    """Insert the rows that ``keep_removed`` copied. StudyError if there are none, or the image is gone."""
    run = transaction.connection.execute
    kept = run(select(_T).where(_T.c.id == lesion_id)).one_or_none()
    if kept is None:
        raise StudyError(
            message("The study has no removed lesion {lesion}; nothing was changed.", lesion=lesion_id)
        )
    content = msgspec.convert(kept.content, _Content)
    lesion = content.lesion
    image = schema.image
    patient = run(select(image.c.patient_id).where(image.c.id == lesion["image_id"])).scalar_one_or_none()
    if patient is None:
        raise StudyError(
            message("The image of this lesion is no longer in the study; the lesion cannot be put back.")
        )
    known = run(select(_F.c.patient_id).where(_F.c.id == lesion["finding_id"])).scalar_one_or_none()
    if known is not None and known != patient:
        # the image was moved to another patient meanwhile, and the finding stayed with its other images
        lesion["finding_id"] = str(uuid.uuid4())
    if known != patient:
        finding = content.finding | {"id": lesion["finding_id"], "patient_id": patient}
        run(insert(_F).values(_numbered(transaction, _F, finding)))
    used = set(run(select(_L.c.number).where(_L.c.image_id == lesion["image_id"])).scalars())
    if lesion["number"] in used:
        lesion["number"] = 1 + max(used)
    run(insert(_L).values(_numbered(transaction, _L, lesion)))
    for name, rows in content.rest.items():
        table = schema.metadata.tables[name]
        for row in rows:
            run(insert(table).values(_numbered(transaction, table, row) if "seq" in row else row))
    run(delete(_T).where(_T.c.id == lesion_id))


def _rows(transaction: Transaction, table: Table, lesion_id: str) -> list[dict[str, Any]]:
    # row numbers of the database are given anew
    return [
        {name: value for name, value in fields(row).items() if name != "id"}
        for row in transaction.connection.execute(select(table).where(table.c.lesion_id == lesion_id))
    ]


def _numbered(transaction: Transaction, table: Table, row: dict[str, Any]) -> dict[str, Any]:
    """With its former place in the order of entry, or the next one where that was given to another row."""
    run = transaction.connection.execute
    if run(select(table.c.seq).where(table.c.seq == row["seq"])).first() is None:
        return row
    return row | {"seq": 1 + int(run(select(func.max(table.c.seq))).scalar_one())}
