"""Divisions of the patients into parts. A split is never changed; a new one is made beside it."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import ColumnElement, delete, insert, select

from core.domain.errors import StudyError
from core.domain.messages import message
from core.domain.study import Split
from core.domain.vocabulary import Part
from core.store import schema
from core.store.database import Database, now_utc
from core.store.rows import insert_in_order

_T, _P = schema.split, schema.split_part


class SplitRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, split: Split) -> None:
        with self._database.write() as transaction:
            row = {"id": split.id, "name": split.name, "seed": split.seed, "created_utc": now_utc()}
            insert_in_order(transaction.connection, _T, [row])
            parts = [
                {"split_id": split.id, "patient_id": patient, "part": part.value}
                for patient, part in split.parts.items()
            ]
            if parts:
                transaction.connection.execute(insert(_P), parts)
            transaction.record("split.add", f"split {split.id}", new=split)

    def get(self, split_id: str) -> Split:
        found = self._where(_T.c.id == split_id)
        if not found:
            raise StudyError(message("The study has no split {split}.", split=split_id))
        return found[0]

    def find(self, name: str) -> Split | None:
        """The newest split of this name."""
        return next(reversed(self._where(_T.c.name == name)), None)

    def latest(self) -> Split | None:
        return next(reversed(self._where()), None)

    def all(self) -> tuple[Split, ...]:
        """In the order of entry."""
        return self._where()

    def remove(self, split_id: str) -> None:
        with self._database.write() as transaction:
            transaction.hold(f"split {split_id}")
            old = self.get(split_id)
            transaction.connection.execute(delete(_P).where(_P.c.split_id == split_id))
            transaction.connection.execute(delete(_T).where(_T.c.id == split_id))
            sizes = Counter(part.value for part in old.parts.values())
            transaction.record("split.remove", f"split {split_id}", old={"name": old.name, "sizes": dict(sizes)})

    def _where(self, *conditions: ColumnElement[bool]) -> tuple[Split, ...]:
        patient = schema.patient
        parts = select(_P).join(patient).join(_T).where(*conditions).order_by(patient.c.seq)
        with self._database.read() as connection:
            rows = connection.execute(select(_T).where(*conditions).order_by(_T.c.seq)).all()
            by_split: dict[str, dict[str, Part]] = {row.id: {} for row in rows}
            for part in connection.execute(parts):
                by_split[part.split_id][part.patient_id] = Part(part.part)
        return tuple(Split(id=row.id, name=row.name, seed=row.seed, parts=by_split[row.id]) for row in rows)
