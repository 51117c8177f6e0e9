"""Readings of a reader study that were made elsewhere, from a CSV."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import msgspec

from core.data.importers.table import Row, member, parsed_number, read_table
from core.domain.errors import BadTableError
from core.domain.messages import message
from core.domain.reading import Condition, ReaderStudy, StudyReading
from core.domain.vocabulary import MarginType
from core.store.database import now_utc
from core.store.study import Study

REQUIRED = ("reader", "lesion", "condition", "margin", "probability_of_malignancy", "seconds")


@dataclass(frozen=True, kw_only=True)
class AddedReadings:
    readings: int
    readers: tuple[str, ...]


def import_readings(study: Study, made: ReaderStudy, table: Path) -> AddedReadings:
    """Add every row of the table as a reading: all of them, or none.

    A lesion may be named by the beginning of its id; ``at_utc`` is the time of the import where it is empty. Rows
    of one reader and lesion are added alone first, as a reading with the model needs one without. BadTableError
    names the first row that cannot be used; StudyError if a reading is there already.
    """
    rows = [(row, _reading(row, made)) for row in read_table(table, required=REQUIRED)]
    if not rows:
        raise BadTableError(message("{table} holds no readings.", table=table.name))
    twice = Counter((row["reader"], reading.lesion_id, reading.condition) for row, reading in rows)
    for (reader, lesion, condition), times in twice.items():
        if times > 1:
            raise BadTableError(
                message(
                    "{table} has {times} readings of {lesion} by {reader}, {condition}.",
                    table=table.name,
                    times=times,
                    lesion=lesion[:8],
                    reader=reader,
                    condition=condition.value,
                )
            )
    rows.sort(key=lambda pair: pair[1].condition is Condition.WITH_MODEL)
    with study.batch():
        for row, reading in rows:
            reader_id = study.readers.ensure(row["reader"]).id
            study.reader_studies.read(msgspec.structs.replace(reading, reader_id=reader_id))
        study.audit.record("reader_study.import", f"reader_study {made.id}", new={"readings": len(rows)})
    return AddedReadings(readings=len(rows), readers=tuple(sorted({row["reader"] for row, _ in rows})))


def _reading(row: Row, made: ReaderStudy) -> StudyReading:
    """The reading of one row, without its reader's id."""
    try:
        row.required("reader")
        margin = member(row, "margin", MarginType)
        condition = member(row, "condition", Condition)
        probability = parsed_number(row, "probability_of_malignancy", smallest=0.0, largest=1.0)
        seconds = parsed_number(row, "seconds", smallest=0.0, largest=1e6)
        if margin is None or condition is None or probability is None or seconds is None:
            raise ValueError(
                message("condition, margin, probability_of_malignancy and seconds must all be filled in.")
            )
        trust = parsed_number(row, "trust", smallest=1, largest=5)
        return StudyReading(
            reader_study_id=made.id,
            lesion_id=_lesion(row.required("lesion"), made),
            reader_id="",
            condition=condition,
            margin=margin,
            probability_of_malignancy=probability,
            trust=None if trust is None else int(trust),
            seconds=seconds,
            created_utc=row.get("at_utc") or now_utc(),
        )
    except ValueError as error:
        raise BadTableError(message("{where}: {error}", where=row.where, error=error)) from error


def _lesion(name: str, made: ReaderStudy) -> str:
    found = [lesion for lesion in made.lesion_ids if lesion.startswith(name)]
    if len(found) != 1:
        what = message("no lesion") if not found else message("more than one lesion")
        raise ValueError(message("the reader study has {what} {name}.", what=what, name=name))
    return found[0]
