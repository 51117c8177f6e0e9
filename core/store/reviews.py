"""Readings and verdicts given in Review. Nothing is deleted: what is taken back keeps its row and its time."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Row, and_, select, update

from core.domain.errors import StudyError
from core.domain.messages import message
from core.domain.opinion import CaseReading, GivenOpinion, Opinion, Verdict
from core.store import schema
from core.store.database import Database, Transaction, now_utc
from core.store.rows import fields, from_row, insert_in_order, to_row

_O, _R = schema.opinion, schema.case_reading


class ReviewRepository:
    """Each reader has at most one verdict on a lesion under a run, and any number of comments."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # readings

    def add_reading(self, reading: CaseReading) -> None:
        """Keep a reading; the reader's newest one of a lesion counts."""
        with self._database.write() as transaction:
            insert_in_order(transaction.connection, _R, [to_row(reading)])
            subject = f"lesion {reading.lesion_id} reader {reading.reader_id}"
            transaction.record("review.reading", subject, new=reading)

    def withdraw_reading(self, lesion_id: str, reader_id: str) -> CaseReading | None:
        """Take back the reader's newest reading of a lesion, so that the one before it counts again.

        Returns what was taken back; None where there is none.
        """
        own = and_(_R.c.lesion_id == lesion_id, _R.c.reader_id == reader_id, _R.c.withdrawn_utc.is_(None))
        with self._database.write() as transaction:
            transaction.hold(f"reading {lesion_id} {reader_id}")
            row = transaction.connection.execute(select(_R).where(own).order_by(_R.c.seq.desc())).first()
            if row is None:
                return None
            change = update(_R).where(_R.c.seq == row.seq).values(withdrawn_utc=now_utc())
            transaction.connection.execute(change)
            reading = from_row(row, CaseReading)
            transaction.record("review.reading.withdraw", f"lesion {lesion_id} reader {reader_id}", old=reading)
        return reading

    def readings_of_lesion(self, lesion_id: str) -> dict[str, CaseReading]:
        """Each reader's newest reading of a lesion, by reader id."""
        return {one.reader_id: one for one in self._readings(_R.c.lesion_id == lesion_id)}

    def readings_of_reader(self, reader_id: str) -> dict[str, CaseReading]:
        """The reader's newest reading of each lesion, by lesion id."""
        return {one.lesion_id: one for one in self._readings(_R.c.reader_id == reader_id)}

    def _readings(self, condition: ColumnElement[bool]) -> list[CaseReading]:
        kept = select(_R).where(condition, _R.c.withdrawn_utc.is_(None)).order_by(_R.c.seq)
        with self._database.read() as connection:
            return [from_row(row, CaseReading) for row in connection.execute(kept)]

    # verdicts and comments

    def give(self, opinion: Opinion) -> GivenOpinion:
        """Keep an opinion of the study's present actor; a verdict takes the place of their earlier one.

        StudyError for a comment without words.
        """
        if opinion.verdict is Verdict.COMMENT and not opinion.comment.strip():
            raise StudyError(message("A comment cannot be empty; type some words."))
        who, at = self._database.who, now_utc()
        with self._database.write() as transaction:
            transaction.hold(f"opinion {opinion.lesion_id} {opinion.run_id} {who}")
            if opinion.verdict is not Verdict.COMMENT:
                for earlier in self._verdicts(opinion.lesion_id, opinion.run_id, who):
                    self._withdraw(transaction, earlier, at)
            row = to_row(opinion) | {"who": who, "created_utc": at}
            insert_in_order(transaction.connection, _O, [row])
            subject = f"lesion {opinion.lesion_id} run {opinion.run_id}"
            transaction.record("review.opinion", subject, new=opinion)
            [made] = self._opinions(_O.c.seq == row["seq"])
        return made

    def withdraw(self, opinion_id: int) -> None:
        """Take back an opinion; StudyError where it is not there, or somebody else's."""
        with self._database.write() as transaction:
            transaction.hold(f"opinion {opinion_id}")
            found = self._opinions(_O.c.id == opinion_id)
            if not found:
                raise StudyError(message("This verdict no longer exists."))
            if found[0].who != self._database.who:
                raise StudyError(
                    message("This verdict is {reader}'s; only they can take it back.", reader=found[0].who)
                )
            self._withdraw(transaction, found[0], now_utc())

    def opinions(self, run_id: str) -> tuple[GivenOpinion, ...]:
        """All opinions on a run's explanations that stand, in the order they were given."""
        return self._opinions(_O.c.run_id == run_id)

    def _verdicts(self, lesion_id: str, run_id: str, who: str) -> tuple[GivenOpinion, ...]:
        own = and_(_O.c.lesion_id == lesion_id, _O.c.run_id == run_id, _O.c.who == who)
        return self._opinions(own & (_O.c.verdict != Verdict.COMMENT.value))

    def _opinions(self, condition: ColumnElement[bool]) -> tuple[GivenOpinion, ...]:
        standing = select(_O).where(condition, _O.c.withdrawn_utc.is_(None)).order_by(_O.c.seq)
        with self._database.read() as connection:
            return tuple(_given(row) for row in connection.execute(standing))

    @staticmethod
    def _withdraw(transaction: Transaction, given: GivenOpinion, at: str) -> None:
        transaction.connection.execute(update(_O).where(_O.c.id == given.id).values(withdrawn_utc=at))
        opinion = given.opinion
        subject = f"lesion {opinion.lesion_id} run {opinion.run_id}"
        transaction.record("review.opinion.withdraw", subject, old=opinion)


def _given(row: Row[tuple[object, ...]]) -> GivenOpinion:
    opinion = from_row(row, Opinion)
    values = fields(row)
    return GivenOpinion(id=values["id"], opinion=opinion, who=values["who"], at_utc=values["created_utc"])
