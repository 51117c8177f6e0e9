"""The people who label and annotate."""

from __future__ import annotations

import uuid

from sqlalchemy import ColumnElement, select

from core.domain.errors import StudyError
from core.domain.messages import message
from core.domain.study import Reader
from core.store import schema
from core.store.database import Database
from core.store.rows import insert_in_order, to_row, values

_T = schema.reader


class ReaderRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, reader: Reader) -> None:
        """StudyError where a reader of this name exists."""
        with self._database.write() as transaction:
            transaction.hold("readers")
            if self.find(reader.name) is not None:
                raise StudyError(
                    message(
                        "The study has a reader named {reader} already; choose another name.", reader=reader.name
                    )
                )
            insert_in_order(transaction.connection, _T, [to_row(reader)])
            transaction.record("reader.add", f"reader {reader.id}", new=reader)

    def ensure(self, name: str) -> Reader:
        """The reader of this name, added where there is none yet."""
        with self._database.write() as transaction:
            transaction.hold("readers")
            found = self.find(name)
            if found is None:
                found = Reader(id=str(uuid.uuid4()), name=name)
                self.add(found)
            return found

    def get(self, reader_id: str) -> Reader:
        found = self._where(_T.c.id == reader_id)
        if not found:
            raise StudyError(message("The study has no reader {reader}.", reader=reader_id))
        return found[0]

    def find(self, name: str) -> Reader | None:
        return next(iter(self._where(_T.c.name == name)), None)

    def all(self) -> tuple[Reader, ...]:
        """In the order of entry."""
        return self._where()

    def _where(self, *conditions: ColumnElement[bool]) -> tuple[Reader, ...]:
        with self._database.read() as connection:
            return values(connection.execute(select(_T).where(*conditions).order_by(_T.c.seq)).all(), Reader)
