"""Reader studies and the readings of each, which are written once."""

from __future__ import annotations

import msgspec
from sqlalchemy import ColumnElement, and_, insert, select

from core.domain.errors import StudyError
from core.domain.messages import message
from core.domain.reading import Condition, ReaderStudy, StudyReading
from core.store import schema
from core.store.database import Database
from core.store.expected_rows import case_hash
from core.store.rows import fields, insert_in_order, to_row, values

_S, _C, _R = schema.reader_study, schema.reader_study_case, schema.reading


class ReaderStudyRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, made: ReaderStudy) -> None:
        """StudyError where one of this name exists, or where it has no lesion."""
        if not made.lesion_ids:
            raise StudyError(message("A reader study needs lesions; choose a part that has some."))
        row = to_row(made)
        lesions = row.pop("lesion_ids")
        with self._database.write() as transaction:
            transaction.hold("reader studies")
            if self.find(made.name) is not None:
                raise StudyError(
                    message(
                        "There is a reader study named {reader_study} already; choose another name.",
                        reader_study=made.name,
                    )
                )
            insert_in_order(transaction.connection, _S, [row])
            cases = [
                {"reader_study_id": made.id, "lesion_id": lesion, "place": place}
                for place, lesion in enumerate(lesions)
            ]
            transaction.connection.execute(insert(_C), cases)
            # the lesions' ids stay out of the trail: who forgets one takes it out of the study
            hashes = [case_hash(made.id, lesion) for lesion in lesions]
            new = row | {"lesions": len(lesions), "cases": hashes}
            transaction.record("reader_study.add", f"reader_study {made.id}", new=new)

    def all(self) -> tuple[ReaderStudy, ...]:
        """In the order of entry."""
        with self._database.read() as connection:
            rows = [fields(row) for row in connection.execute(select(_S).order_by(_S.c.seq))]
            cases = connection.execute(select(_C).order_by(_C.c.place)).all()
        lesions: dict[str, list[str]] = {}
        for case in cases:
            lesions.setdefault(case.reader_study_id, []).append(case.lesion_id)
        return tuple(_study(row, lesions.get(row["id"], [])) for row in rows)

    def find(self, name: str) -> ReaderStudy | None:
        return next((one for one in self.all() if one.name == name), None)

    def read(self, reading: StudyReading) -> None:
        """Keep a reading. StudyError where the lesion is not of the study, was read so already, or comes with the
        model before it came alone."""
        with self._database.write() as transaction:
            transaction.hold(f"reading {reading.reader_study_id} {reading.lesion_id} {reading.reader_id}")
            own = _C.c.reader_study_id == reading.reader_study_id
            there = select(_C.c.place).where(and_(own, _C.c.lesion_id == reading.lesion_id))
            if transaction.connection.execute(there).first() is None:
                raise StudyError(
                    message("Lesion {lesion} is not part of this reader study.", lesion=reading.lesion_id)
                )
            known = {
                one.condition
                for one in self.readings(reading.reader_study_id)
                if (one.lesion_id, one.reader_id) == (reading.lesion_id, reading.reader_id)
            }
            if reading.condition in known:
                raise StudyError(message("This lesion was read already; its reading cannot be changed."))
            if reading.condition is Condition.WITH_MODEL and Condition.ALONE not in known:
                raise StudyError(message("A lesion is read alone before it is read with the model."))
            insert_in_order(transaction.connection, _R, [to_row(reading)])
            subject = f"lesion {reading.lesion_id} reader {reading.reader_id}"
            transaction.record("reader_study.read", subject, new=reading)

    def readings(self, reader_study_id: str) -> tuple[StudyReading, ...]:
        """In the order in which they were made."""
        return self._where(_R.c.reader_study_id == reader_study_id)

    def _where(self, condition: ColumnElement[bool]) -> tuple[StudyReading, ...]:
        with self._database.read() as connection:
            return values(connection.execute(select(_R).where(condition).order_by(_R.c.seq)).all(), StudyReading)


def _study(row: dict[str, object], lesions: list[str]) -> ReaderStudy:
    return msgspec.convert(row | {"lesion_ids": lesions}, ReaderStudy)
