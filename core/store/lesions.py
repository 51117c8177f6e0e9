"""Findings, their lesions in the images, and the labels that readers and the data set gave them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, delete, insert, select, update

from core.domain.errors import ConflictError, StudyError
from core.domain.messages import message
from core.domain.study import Finding, Labels, Lesion, LesionOutline
from core.store import schema
from core.store.database import Database, Transaction
from core.store.removed_lesions import RemovedLesion, keep_removed, removed_from, restore_removed
from core.store.rows import count, fields, from_row, in_ids, insert_in_order, to_row, values

_FEW = 20
_F, _L, _S = schema.finding, schema.lesion, schema.label


class LesionRepository:
    """``Lesion.labels`` are those of the data set; those of the readers stand beside them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_findings(self, findings: Iterable[Finding]) -> None:
        findings = tuple(findings)
        with self._database.write() as transaction:
            insert_in_order(transaction.connection, _F, map(to_row, findings))
            for finding in findings:
                transaction.record("finding.add", f"finding {finding.id}", new=finding)

    def add_finding(self, finding: Finding) -> None:
        self.add_findings([finding])

    def add(self, lesion: Lesion) -> None:
        self.add_many([lesion])

    def add_many(self, lesions: Iterable[Lesion]) -> None:
        """Add lesions in this order, with the data set's labels; StudyError where patients would be mixed."""
        lesions = tuple(lesions)
        images = sorted({lesion.image_id for lesion in lesions})
        with self._database.write() as transaction:
            # an import brings more images than names can be held, and nobody else knows them yet
            for image_id in images if len(images) <= _FEW else ():
                transaction.hold(f"image {image_id}")
            _refuse_mixed_patients(transaction, lesions)
            rows = [to_row(lesion) for lesion in lesions]
            labels = [row.pop("labels") | {"lesion_id": row["id"], "reader_id": None} for row in rows]
            insert_in_order(transaction.connection, _L, rows)
            if labels:
                transaction.connection.execute(insert(_S), labels)
            for lesion in lesions:
                transaction.record("lesion.add", f"lesion {lesion.id}", new=lesion)

    def get(self, lesion_id: str) -> Lesion:
        found = self._where(_L.c.id == lesion_id)
        if not found:
            raise StudyError(message("The study has no lesion {lesion}.", lesion=lesion_id))
        return found[0]

    def all(self) -> tuple[Lesion, ...]:
        """In the order of entry."""
        return self._where()

    def of_image(self, image_id: str) -> tuple[Lesion, ...]:
        return self._where(_L.c.image_id == image_id)

    def of_finding(self, finding_id: str) -> tuple[Lesion, ...]:
        return self._where(_L.c.finding_id == finding_id)

    def of_patient(self, patient_id: str) -> tuple[Lesion, ...]:
        return self._where(_L.c.finding_id.in_(select(_F.c.id).where(_F.c.patient_id == patient_id)))

    def count(self) -> int:
        with self._database.read() as connection:
            return count(connection, _L)

    def finding(self, finding_id: str) -> Finding:
        with self._database.read() as connection:
            row = connection.execute(select(_F).where(_F.c.id == finding_id)).one_or_none()
        if row is None:
            raise StudyError(message("The study has no finding {finding}.", finding=finding_id))
        return from_row(row, Finding)

    def findings(self) -> tuple[Finding, ...]:
        with self._database.read() as connection:
            return values(connection.execute(select(_F).order_by(_F.c.seq)).all(), Finding)

    def set_outline(self, lesion_id: str, outline: LesionOutline, *, seen: LesionOutline | None = None) -> None:
        """Replace what bounds the lesion.

        ``seen``: the outline that was on the screen; ConflictError where the lesion has another one by now.
        """
        with self._database.write() as transaction:
            transaction.hold(f"lesion {lesion_id}")
            old = self.get(lesion_id).outline
            if seen is not None and old not in (seen, outline):
                raise ConflictError(
                    message(
                        "Somebody else changed the outline of this lesion meanwhile; choose which one it keeps."
                    ),
                    present=old,
                    wanted=outline,
                )
            change = update(_L).where(_L.c.id == lesion_id).values(outline=msgspec.to_builtins(outline))
            transaction.connection.execute(change)
            transaction.record("lesion.outline", f"lesion {lesion_id}", old=old, new=outline)

    def set_finding(self, lesion_id: str, finding: Finding) -> None:
        """Make it a lesion of this finding, which is added where it is new; one without lesions goes.

        StudyError where the finding is another patient's, or has a lesion on the same slice of the same image.
        """
        with self._database.write() as transaction:
            transaction.hold(f"lesion {lesion_id}")
            lesion = self.get(lesion_id)
            if lesion.finding_id == finding.id:
                return
            transaction.hold(f"finding {lesion.finding_id}")
            others = self.of_finding(finding.id)
            if any((other.image_id, other.frame) == (lesion.image_id, lesion.frame) for other in others):
                raise StudyError(message("Both lesions are in one image; a finding has one lesion in an image."))
            run = transaction.connection.execute
            if not others and run(select(_F.c.id).where(_F.c.id == finding.id)).first() is None:
                self.add_finding(finding)
            _refuse_mixed_patients(transaction, (msgspec.structs.replace(lesion, finding_id=finding.id),))
            run(update(_L).where(_L.c.id == lesion_id).values(finding_id=finding.id))
            if not self.of_finding(lesion.finding_id):
                run(delete(_F).where(_F.c.id == lesion.finding_id))
            transaction.record("lesion.finding", f"lesion {lesion_id}", old=lesion.finding_id, new=finding.id)

    def set_labels(
        self,
        lesion_id: str,
        labels: Labels,
        *,
        reader_id: str | None = None,
        seen: Labels | msgspec.UnsetType | None = msgspec.UNSET,
    ) -> None:
        """Replace the labels of a lesion by a reader (None: the data set).

        ``seen``: the labels that were on the screen, None where there were none; ConflictError where the lesion
        has others by now.
        """
        subject = f"lesion {lesion_id}" + ("" if reader_id is None else f" reader {reader_id}")
        with self._database.write() as transaction:
            transaction.hold(f"labels {subject}")
            _refuse_removed(transaction, lesion_id)
            old = self.labels(lesion_id, reader_id=reader_id)
            if seen is not msgspec.UNSET and old not in (seen, labels):
                raise ConflictError(
                    message(
                        "Somebody else changed these labels of the lesion meanwhile; choose which ones it keeps."
                    ),
                    present=old,
                    wanted=labels,
                )
            if old is None:
                row = to_row(labels) | {"lesion_id": lesion_id, "reader_id": reader_id}
                transaction.connection.execute(insert(_S).values(row))
            else:
                change = update(_S).where(
                    _S.c.lesion_id == lesion_id, _S.c.reader_id.is_not_distinct_from(reader_id)
                )
                transaction.connection.execute(change.values(to_row(labels)))
            transaction.record("lesion.labels", subject, old=old, new=labels)

    def labels(self, lesion_id: str, *, reader_id: str | None = None) -> Labels | None:
        """Return a reader's labels of a lesion (None: the data set's); None if there are none yet."""
        return self.all_labels(lesion_id).get(reader_id)

    def all_labels(self, lesion_id: str) -> dict[str | None, Labels]:
        """By reader id; the data set's own under None."""
        statement = select(_S).where(_S.c.lesion_id == lesion_id).order_by(_S.c.id)
        with self._database.read() as connection:
            return {row.reader_id: from_row(row, Labels) for row in connection.execute(statement)}

    def labels_of_reader(self, reader_id: str) -> dict[str, Labels]:
        """Return the reader's labels by lesion id, for the lesions that the reader labelled."""
        statement = select(_S).where(_S.c.reader_id == reader_id).order_by(_S.c.id)
        with self._database.read() as connection:
            return {row.lesion_id: from_row(row, Labels) for row in connection.execute(statement)}

    def set_order(self, image_id: str, lesion_ids: Sequence[str]) -> None:
        """Number the lesions of an image 1, 2, 3 in this order; StudyError where they are not all its lesions."""
        with self._database.write() as transaction:
            transaction.hold(f"image {image_id}")
            # whoever takes one of them out ends before, or waits
            transaction.connection.execute(
                select(_L.c.id).where(_L.c.image_id == image_id).with_for_update()
            ).all()
            old = [lesion.id for lesion in sorted(self.of_image(image_id), key=lambda lesion: lesion.number)]
            if sorted(old) != sorted(lesion_ids):
                raise StudyError(
                    message("The order must name every lesion of the image once; nothing was changed.")
                )
            # through negative numbers, since two lesions never share one
            for sign in (-1, 1):
                for number, lesion_id in enumerate(lesion_ids, start=1):
                    change = update(_L).where(_L.c.id == lesion_id).values(number=sign * number)
                    transaction.connection.execute(change)
            transaction.record("lesion.order", f"image {image_id}", old=old, new=list(lesion_ids))

    def remove(self, lesion_id: str) -> None:
        """Take out a lesion with its labels and annotations, and its finding where that was its only lesion.

        Everything is kept beside the study's lesions, so that ``put_back`` can restore it. StudyError if the
        lesion is part of a reader study.
        """
        with self._database.write() as transaction:
            # a lesion stays in its image, so that this much is known before anything is held
            transaction.hold(f"image {self.get(lesion_id).image_id}")
            transaction.hold(f"lesion {lesion_id}")
            run = transaction.connection.execute
            # whoever labels or draws it now ends before it is copied, or is refused
            run(select(_L.c.id).where(_L.c.id == lesion_id).with_for_update()).all()
            lesion = self.get(lesion_id)
            transaction.hold(f"finding {lesion.finding_id}")
            _refuse_in_reader_study(transaction, lesion)
            keep_removed(transaction, lesion_id)
            for table in schema.OF_LESION:
                run(delete(table).where(table.c.lesion_id == lesion_id))
            run(delete(_L).where(_L.c.id == lesion_id))
            if not self.of_finding(lesion.finding_id):
                run(delete(_F).where(_F.c.id == lesion.finding_id))
            transaction.record("lesion.remove", f"lesion {lesion_id}", old=lesion)

    def put_back(self, lesion_id: str) -> Lesion:
        """Restore a lesion that ``remove`` took out, with its labels and every revision of its annotations.

        It has its former number unless another lesion of the image has that now; then it becomes the last one.
        StudyError if there is no such removed lesion, or its image is gone.
        """
        with self._database.write() as transaction:
            transaction.hold(f"lesion {lesion_id}")
            restore_removed(transaction, lesion_id)
            lesion = self.get(lesion_id)
            transaction.record("lesion.put_back", f"lesion {lesion_id}", new=lesion)
        return lesion

    def removed(self) -> tuple[str, ...]:
        """Ids of the lesions that can be put back, the last removed first."""
        removed = schema.removed_lesion
        with self._database.read() as connection:
            return tuple(connection.execute(select(removed.c.id).order_by(removed.c.removed_utc.desc())).scalars())

    def removed_from(self, image_id: str) -> tuple[RemovedLesion, ...]:
        """Return the lesions of an image that can be put back, the last removed first."""
        with self._database.read() as connection:
            return removed_from(connection, image_id)

    def _where(self, *conditions: ColumnElement[bool]) -> tuple[Lesion, ...]:
        chosen = select(_L.c.id).where(*conditions)
        own = select(_S).where(_S.c.reader_id.is_(None))
        with self._database.read() as connection:
            rows = connection.execute(select(_L).where(*conditions).order_by(_L.c.seq)).all()
            if conditions:
                own = own.where(_S.c.lesion_id.in_(chosen))
            labels = {row.lesion_id: row for row in connection.execute(own)}
        return tuple(_lesion(row, labels.get(row.id)) for row in rows)


def _lesion(row: Row[Any], labels: Row[Any] | None) -> Lesion:
    return msgspec.convert(fields(row) | {"labels": {} if labels is None else fields(labels)}, Lesion)


def _refuse_removed(transaction: Transaction, lesion_id: str) -> None:
    """StudyError if there is no such lesion; from here to the end of the transaction nobody takes it out."""
    there = select(_L.c.id).where(_L.c.id == lesion_id).with_for_update(read=True, key_share=True)
    if transaction.connection.execute(there).first() is None:
        raise StudyError(message("The study has no lesion {lesion}.", lesion=lesion_id))


def _refuse_in_reader_study(transaction: Transaction, lesion: Lesion) -> None:
    case = schema.reader_study_case
    read = select(case.c.lesion_id).where(case.c.lesion_id == lesion.id).limit(1)
    if transaction.connection.execute(read).first() is not None:
        raise StudyError(
            message(
                "Lesion {number} is part of a reader study, whose readings are never changed; it cannot be "
                "removed.",
                number=lesion.number,
            )
        )


def _refuse_mixed_patients(transaction: Transaction, lesions: tuple[Lesion, ...]) -> None:
    run = transaction.connection.execute
    image = schema.image
    findings, images = {lesion.finding_id for lesion in lesions}, {lesion.image_id for lesion in lesions}
    by_finding, by_image = (
        {row.id: row.patient_id for row in run(select(table).where(in_ids(table.c.id, wanted)))}
        for table, wanted in ((_F, findings), (image, images))
    )
    for lesion in lesions:
        for known, what, key in (
            (by_finding, message("finding"), lesion.finding_id),
            (by_image, message("image"), lesion.image_id),
        ):
            if key not in known:
                raise StudyError(
                    message(
                        "Lesion {lesion} belongs to the {what} {key}, which is not in the study.",
                        lesion=lesion.id,
                        what=what,
                        key=key,
                    )
                )
        if by_finding[lesion.finding_id] != by_image[lesion.image_id]:
            raise StudyError(
                message(
                    "Lesion {lesion} joins a finding and an image of two patients; a finding is one mass "
                    "of one patient.",
                    lesion=lesion.id,
                )
            )
