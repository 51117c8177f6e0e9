"""Erasure of a patient: rows, values in the audit trail, and a tombstone that keeps the chain valid.

The old and new values of every record about the patient are removed from the trail. The tombstone is itself a
record of the chain and lists each of these records with two hashes. One is the hash that the record had, on which
the next record rests; the other is the hash of what is left. The verifier can thus distinguish an erasure from
tampering and still protects who, when and what.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, or_, select, update

from core.store import schema
from core.store.database import Database, Transaction
from core.store.patients import remove_rows
from core.store.rows import from_row
from core.store.trail import FORGET, AuditRecord, Erased, record_sha256

_T = schema.audit


class Tombstone(msgspec.Struct, frozen=True, kw_only=True):
    """Record that the trail keeps of an erased patient."""

    pseudonym: str
    images: int
    lesions: int
    erased: tuple[Erased, ...]


def forget_rows(database: Database, patient_id: str) -> Tombstone:
    """Delete all rows about a patient and empty their audit records, as one transaction.

    StudyError where there is no such patient. Pixels, derived arrays and the identity file are the caller's.
    """
    with database.write() as transaction:
        run = transaction.connection.execute
        patient = schema.patient
        pseudonym = run(select(patient.c.pseudonym).where(patient.c.id == patient_id)).scalar_one()
        subjects = _subjects(transaction.connection, patient_id)
        images = remove_rows(transaction, patient_id)
        transaction.flush()
        erased = _emptied(transaction, subjects)
        stone = Tombstone(
            pseudonym=pseudonym,
            images=len(images),
            lesions=sum(subject.startswith("lesion ") for subject in subjects),
            erased=erased,
        )
        transaction.record(FORGET, f"patient {patient_id}", new=stone)
    return stone


def _subjects(connection: Connection, patient_id: str) -> set[str]:
    """Return the names in the trail of the patient and of everything that belongs to the patient."""
    image, finding, lesion = schema.image, schema.finding, schema.lesion
    own = {f"patient {patient_id}"}
    for table, word in ((image, "image"), (finding, "finding")):
        found = connection.execute(select(table.c.id).where(table.c.patient_id == patient_id)).scalars()
        own |= {f"{word} {name}" for name in found}
    of_patient = select(finding.c.id).where(finding.c.patient_id == patient_id)
    lesions = connection.execute(select(lesion.c.id).where(lesion.c.finding_id.in_(of_patient))).scalars()
    removed = connection.execute(
        select(schema.removed_lesion.c.id).where(schema.removed_lesion.c.patient_id == patient_id)
    ).scalars()
    for name in (*lesions, *removed):
        own |= {f"lesion {name}", f"annotation {name}"}
    return own


def _emptied(transaction: Transaction, subjects: set[str]) -> tuple[Erased, ...]:
    connection = transaction.connection
    valued = or_(_T.c.old.is_not(None), _T.c.new.is_not(None))
    rows = connection.execute(select(_T).where(valued).order_by(_T.c.counter)).all()
    records = [from_row(row, AuditRecord) for row in rows]
    # of "lesion 1 reader 2" the first two words say what it is about
    records = [record for record in records if " ".join(record.subject.split(" ")[:2]) in subjects]
    erased = tuple(
        Erased(
            counter=record.counter,
            sha256=record.sha256,
            rest=record_sha256(msgspec.structs.replace(record, old=None, new=None)),
        )
        for record in records
    )
    with transaction.guard_lifted():
        for one in erased:
            connection.execute(update(_T).where(_T.c.counter == one.counter).values(old=None, new=None))
    return erased
