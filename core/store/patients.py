"""Patients of a study, known by pseudonym only."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, delete, select

from core.domain.errors import StudyError
from core.domain.messages import message
from core.domain.study import Patient
from core.store import schema
from core.store.database import Database, Transaction
from core.store.rows import count, from_row, insert_in_order, to_row, values

_T = schema.patient


class PatientRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, patient: Patient) -> None:
        self.add_many([patient])

    def add_many(self, patients: Iterable[Patient]) -> None:
        """Add patients in this order."""
        patients = tuple(patients)
        with self._database.write() as transaction:
            insert_in_order(transaction.connection, _T, map(to_row, patients))
            for patient in patients:
                transaction.record("patient.add", f"patient {patient.id}", new=patient)

    def get(self, patient_id: str) -> Patient:
        found = self._one(_T.c.id == patient_id)
        if found is None:
            raise StudyError(message("The study has no patient {patient}.", patient=patient_id))
        return found

    def find_by_pseudonym(self, pseudonym: str) -> Patient | None:
        return self._one(_T.c.pseudonym == pseudonym)

    def all(self) -> tuple[Patient, ...]:
        """In the order of entry."""
        with self._database.read() as connection:
            return values(connection.execute(select(_T).order_by(_T.c.seq)).all(), Patient)

    def page(self, start: int, size: int) -> tuple[Patient, ...]:
        """``size`` patients from the ``start``-th on (from 0), in the order of entry."""
        statement = select(_T).order_by(_T.c.seq).offset(start).limit(size)
        with self._database.read() as connection:
            return values(connection.execute(statement).all(), Patient)

    def count(self) -> int:
        with self._database.read() as connection:
            return count(connection, _T)

    def remove(self, patient_id: str) -> tuple[str, ...]:
        """Remove a patient and all entries about them; return ids of the images whose pixel files may be deleted.

        The audit trail keeps the removal, by pseudonym.
        """
        with self._database.write() as transaction:
            transaction.hold(f"patient {patient_id}")
            patient = self.get(patient_id)
            images = remove_rows(transaction, patient_id)
            transaction.record("patient.remove", f"patient {patient_id}", old=patient)
        return images

    def _one(self, condition: ColumnElement[bool]) -> Patient | None:
        with self._database.read() as connection:
            row = connection.execute(select(_T).where(condition)).one_or_none()
        return None if row is None else from_row(row, Patient)


def remove_rows(transaction: Transaction, patient_id: str) -> tuple[str, ...]:
    """Delete the rows about a patient, in an order that the references allow; ids of the images."""
    run = transaction.connection.execute
    image, finding, lesion = schema.image, schema.finding, schema.lesion
    # whoever adds something to the patient now ends before, or is refused
    run(select(_T.c.id).where(_T.c.id == patient_id).with_for_update()).all()
    for table in (image, finding):
        run(select(table.c.id).where(table.c.patient_id == patient_id).with_for_update()).all()
    of_lesions = select(lesion.c.id).join(finding).where(finding.c.patient_id == patient_id)
    run(of_lesions.with_for_update(of=lesion)).all()
    images = tuple(run(select(image.c.id).where(image.c.patient_id == patient_id).order_by(image.c.seq)).scalars())
    lesions = select(lesion.c.id).join(finding).where(finding.c.patient_id == patient_id)
    for table in (*schema.OF_LESION, schema.reading, schema.reader_study_case):
        run(delete(table).where(table.c.lesion_id.in_(lesions)))
    of_patient = select(finding.c.id).where(finding.c.patient_id == patient_id)
    run(delete(lesion).where(lesion.c.finding_id.in_(of_patient)))
    for table in (finding, image, schema.split_part, schema.removed_lesion):
        run(delete(table).where(table.c.patient_id == patient_id))
    run(delete(_T).where(_T.c.id == patient_id))
    return images
