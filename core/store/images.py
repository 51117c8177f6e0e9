"""Images of a study: what is known of each. Their pixels are in ``core.store.arrays``."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

import msgspec
from sqlalchemy import ColumnElement, exists, select, update

from core.domain.errors import StudyError
from core.domain.messages import message
from core.domain.study import Finding, Image
from core.store import schema
from core.store.database import Database
from core.store.rows import count, insert_in_order, to_row, values

_T = schema.image


class ImageRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, image: Image) -> None:
        self.add_many([image])

    def add_many(self, images: Iterable[Image]) -> None:
        """Add images in this order. Write their pixels first: an image in the study has its file."""
        images = tuple(images)
        with self._database.write() as transaction:
            insert_in_order(transaction.connection, _T, map(to_row, images))
            for image in images:
                transaction.record("image.add", f"image {image.id}", new=image)

    def update(self, image: Image) -> None:
        """Put ``image`` in the place of the one with its id."""
        with self._database.write() as transaction:
            transaction.hold(f"image {image.id}")
            old = self.get(image.id)
            if old == image:
                return
            transaction.connection.execute(update(_T).where(_T.c.id == image.id).values(to_row(image)))
            transaction.record("image.update", f"image {image.id}", old=old, new=image)

    def move_to_patient(self, image_id: str, patient_id: str) -> None:
        """Make an image one of another patient, with its lesions; a finding that other images show stays theirs.

        StudyError if there is no such image or patient.
        """
        finding, lesion, removed = schema.finding, schema.lesion, schema.removed_lesion
        with self._database.write() as transaction:
            transaction.hold(f"image {image_id}")
            old, run = self.get(image_id), transaction.connection.execute
            if old.patient_id == patient_id:
                return
            if run(select(schema.patient.c.id).where(schema.patient.c.id == patient_id)).first() is None:
                raise StudyError(message("The study has no patient {patient}.", patient=patient_id))
            run(update(_T).where(_T.c.id == image_id).values(patient_id=patient_id))
            moved = msgspec.structs.replace(old, patient_id=patient_id)
            transaction.record("image.update", f"image {image_id}", old=old, new=moved)
            for row in run(select(lesion).where(lesion.c.image_id == image_id).with_for_update()).all():
                beside = select(lesion.c.id).where(
                    lesion.c.finding_id == row.finding_id, lesion.c.image_id != image_id
                )
                if run(beside.limit(1)).first() is None:
                    run(update(finding).where(finding.c.id == row.finding_id).values(patient_id=patient_id))
                    before, after = (
                        Finding(id=row.finding_id, patient_id=one) for one in (old.patient_id, patient_id)
                    )
                    transaction.record("finding.patient", f"finding {row.finding_id}", old=before, new=after)
                else:
                    own = Finding(id=str(uuid.uuid4()), patient_id=patient_id)
                    insert_in_order(transaction.connection, finding, [to_row(own)])
                    run(update(lesion).where(lesion.c.id == row.id).values(finding_id=own.id))
                    transaction.record("finding.add", f"finding {own.id}", new=own)
                    transaction.record("lesion.finding", f"lesion {row.id}", old=row.finding_id, new=own.id)
            for row in run(select(removed).where(removed.c.patient_id == old.patient_id)).all():
                if row.content["lesion"]["image_id"] == image_id:
                    run(update(removed).where(removed.c.id == row.id).values(patient_id=patient_id))

    def get(self, image_id: str) -> Image:
        found = self._where(_T.c.id == image_id)
        if not found:
            raise StudyError(message("The study has no image {image}.", image=image_id))
        return found[0]

    def find_by_content(self, content_sha256: str) -> tuple[Image, ...]:
        """The images with exactly these pixels (core.domain.content)."""
        return self._where(_T.c.content_sha256 == content_sha256)

    def of_patient(self, patient_id: str) -> tuple[Image, ...]:
        return self._where(_T.c.patient_id == patient_id)

    def all(self) -> tuple[Image, ...]:
        """In the order of entry."""
        return self._where()

    def page(self, start: int, size: int) -> tuple[Image, ...]:
        """``size`` images from the ``start``-th on (from 0), in the order of entry."""
        statement = select(_T).order_by(_T.c.seq).offset(start).limit(size)
        with self._database.read() as connection:
            return values(connection.execute(statement).all(), Image)

    def count(self) -> int:
        with self._database.read() as connection:
            return count(connection, _T)

    def any_synthetic(self) -> bool:
        """True where at least one image is synthetic."""
        with self._database.read() as connection:
            return bool(connection.execute(select(exists().where(_T.c.synthetic))).scalar())

    def _where(self, *conditions: ColumnElement[bool]) -> tuple[Image, ...]:
        with self._database.read() as connection:
            return values(connection.execute(select(_T).where(*conditions).order_by(_T.c.seq)).all(), Image)
