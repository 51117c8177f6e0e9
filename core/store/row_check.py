"""Every row that a person or an import made, held against the audit trail."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Boolean, Connection, Table, select, type_coerce
from sqlalchemy.types import NullType

from core.domain.opinion import CaseReading, Opinion
from core.domain.reading import StudyReading
from core.domain.study import Finding, Image, Labels, ModelRevision, Patient, Reader, Run
from core.store import schema
from core.store.replay import Expected, Kept, LesionRow, Sealed, case_hash, seal
from core.store.rows import fields

_BETWEEN_S = 3600.0
"""Between the time in a row and that of its record; both are taken within one transaction."""
ROW_ERRORS = (msgspec.MsgspecError, ValueError, TypeError, KeyError, OverflowError, RecursionError)
"""Raised by a row that nobody could have made with this program."""

Difference = tuple[str, str]
"""The row, as ``thing id``, and what is wrong with it: the end of a sentence that begins with the row."""
Row = dict[str, Any]

_UNREADABLE = object()
"""Stands for a value that is no JSON or no truth value."""
NOT_IN_TRAIL = "is not in the audit trail: no record tells that it was made"
MISSING = "is missing, though the audit trail tells that it was made"


def differences(connection: Connection, expected: Expected) -> Iterator[Difference]:
    """The rows that are not as the trail tells, table after table, each in the order of entry."""
    yield from _info(connection, expected)
    plain: tuple[tuple[Table, type[msgspec.Struct], dict[str, Sealed]], ...] = (
        (schema.patient, Patient, expected.patients),
        (schema.image, Image, expected.images),
        (schema.finding, Finding, expected.findings),
        (schema.reader, Reader, expected.readers),
        (schema.model_revision, ModelRevision, expected.models),
    )
    for table, kind, wanted in plain:
        yield from _plain(connection, expected, table, kind, wanted)
    yield from _lesions(connection, expected)
    yield from _labels(connection, expected)
    yield from _annotations(connection, expected)
    yield from _splits(connection, expected)
    yield from _runs(connection, expected)
    yield from _reader_studies(connection, expected)
    yield from _readings(connection, expected)
    yield from _kept(connection, expected, schema.case_reading, CaseReading, "reader_id")
    yield from _kept(connection, expected, schema.opinion, Opinion, "run_id")


def _all(connection: Connection, table: Table, *order: str) -> Iterator[Row]:
    """The rows, by these columns; a value that cannot be read is ``_UNREADABLE``, so that its row is named."""
    columns = [type_coerce(column, NullType()).label(column.name) for column in table.c]
    statement = select(*columns).order_by(*(table.c[name] for name in order))
    readers = {column.name: _READERS.get(type(column.type), _as_is) for column in table.c}
    for row in connection.execute(statement):
        yield {name: _value(readers[name], value) for name, value in fields(row).items()}


def _as_is(value: Any) -> Any:
    return value


def _value(read: Callable[[Any], Any], value: Any) -> Any:
    try:
        return None if value is None else read(value)
    except ROW_ERRORS:
        return _UNREADABLE


_READERS: dict[type[Any], Callable[[Any], Any]] = {
    schema.JsonText: msgspec.json.decode,
    Boolean: {0: False, 1: True}.__getitem__,
}


def _rows(connection: Connection, table: Table, name: Callable[[Row], str]) -> Iterator[tuple[Row, str]]:
    """Rows in the order of entry, and their names."""
    for row in _all(connection, table, "seq"):
        yield row, name(row)


def _by_id(word: str) -> Callable[[Row], str]:
    return lambda row: f"{word} {row['id']}"


def _info(connection: Connection, expected: Expected) -> Iterator[Difference]:
    rows = list(_all(connection, schema.info))
    row = {key: rows[0][key] for key in ("id", "name", "synthetic", "created_utc")} if len(rows) == 1 else None
    if row is None or expected.info is None or _seal(row) != expected.info.seal:
        yield "study", "has another name or identifier, or another mark as synthetic, than the audit trail tells"
        return
    secret = rows[0]["link_salt"]
    if expected.secret_sha256 != "" and expected.secret_sha256 != (
        hashlib.sha256(secret).hexdigest() if isinstance(secret, bytes) else secret
    ):
        yield "study", "has another secret for UIDs than the audit trail tells"


def _plain(
    connection: Connection,
    expected: Expected,
    table: Table,
    kind: type[msgspec.Struct],
    wanted: dict[str, Sealed],
) -> Iterator[Difference]:
    """Tables of which a row is one value of the trail."""
    word = "model" if table is schema.model_revision else table.name
    seen: set[str] = set()
    places = _Places(expected, table)
    for row, name in _rows(connection, table, _by_id(word)):
        seen.add(row["id"])
        known = wanted.get(row["id"])
        if known is None:
            yield name, NOT_IN_TRAIL
        elif (wrong := _differs(row, kind, known)) is not None or (wrong := places.differs(row)) is not None:
            yield name, wrong
    for key in wanted.keys() - seen:
        yield f"{word} {key}", MISSING


def _seal(value: Any) -> bytes:
    """The seal of a value, which no record has where it cannot be read."""
    try:
        return seal(value)
    except ROW_ERRORS:
        return b""


def _differs(row: Row, kind: type[msgspec.Struct], known: Sealed) -> str | None:
    try:
        value = msgspec.convert(row, kind)
    except ROW_ERRORS as error:
        return f"cannot be read ({type(error).__name__})"
    return None if seal(value) == known.seal else f"is not as record {known.counter} of the audit trail tells"


class _Places:
    """Whether ``seq`` keeps the order in which the trail tells of the rows."""

    def __init__(self, expected: Expected, table: Table) -> None:
        self._places = expected.places.get(table.name, {})
        self._last = 0

    def differs(self, row: Row) -> str | None:
        place = self._places.get(row["id"], 0)
        wrong = place <= self._last or not isinstance(row["seq"], int) or not 0 < row["seq"] <= place
        self._last = max(self._last, place)
        return "is not in the place in which the audit trail tells of it" if wrong else None


def _lesions(connection: Connection, expected: Expected) -> Iterator[Difference]:
    seen: set[str] = set()
    places = _Places(expected, schema.lesion)
    for row, name in _rows(connection, schema.lesion, _by_id("lesion")):
        seen.add(row["id"])
        known = expected.lesions.get(row["id"])
        if known is None:
            yield name, NOT_IN_TRAIL
            continue
        pairs = {
            "finding": (row["finding_id"], known.finding_id),
            "image": (row["image_id"], known.image_id),
            "number": (row["number"], known.number),
            "slice": (row["frame"], known.frame),
            "outline": (_seal(row["outline"]), known.outline),
        }
        wrong = [what for what, (found, wanted) in pairs.items() if found != wanted]
        if wrong:
            yield name, f"has another {', '.join(wrong)} than record {known.counter} of the audit trail tells"
        elif (place := places.differs(row)) is not None:
            yield name, place
    for key in expected.lesions.keys() - seen:
        yield f"lesion {key}", MISSING


def _of_lesion(lesion_id: str, reader_id: str | None, what: str) -> str:
    who = "the data set" if reader_id is None else f"reader {reader_id}"
    return f"{what} of lesion {lesion_id} by {who}"


def _labels(connection: Connection, expected: Expected) -> Iterator[Difference]:
    seen: set[tuple[str, str | None]] = set()
    for row in _all(connection, schema.label):
        lesion_id, reader_id = row["lesion_id"], row["reader_id"]
        seen.add((lesion_id, reader_id))
        name = _of_lesion(lesion_id, reader_id, "labels")
        lesion = expected.lesions.get(lesion_id)
        known = None if lesion is None else lesion.labels.get(reader_id)
        if known is None:
            yield name, NOT_IN_TRAIL
        elif (wrong := _differs(row, Labels, known)) is not None:
            yield name, wrong
    for lesion_id, lesion in expected.lesions.items():
        for reader_id in lesion.labels:
            if (lesion_id, reader_id) not in seen:
                yield _of_lesion(lesion_id, reader_id, "labels"), MISSING


def _annotations(connection: Connection, expected: Expected) -> Iterator[Difference]:
    table = schema.annotation
    seen: dict[str, int] = {}
    for row in _all(connection, table, "lesion_id", "reader_id", "revision"):
        lesion = expected.lesions.get(row["lesion_id"])
        key = (row["reader_id"], row["revision"])
        name = f"revision {row['revision']} of annotation {row['lesion_id']} reader {row['reader_id']}"
        seen[row["lesion_id"]] = seen.get(row["lesion_id"], 0) + 1
        known = None if lesion is None else lesion.annotations.get(key)
        if known is None:
            yield name, NOT_IN_TRAIL
            continue
        sha256, at = known
        text = row["shapes"]
        if not isinstance(text, str) or hashlib.sha256(text.encode()).hexdigest() != sha256:
            yield name, "is not what was committed"
        elif not _close(row["created_utc"], at):
            yield name, "has another time than its record in the audit trail"
    for lesion_id, lesion in expected.lesions.items():
        if seen.get(lesion_id, 0) < len(lesion.annotations):
            yield from _lost_revisions(connection, lesion_id, lesion)


def _lost_revisions(connection: Connection, lesion_id: str, lesion: LesionRow) -> Iterator[Difference]:
    table = schema.annotation
    own = select(table.c.reader_id, table.c.revision).where(table.c.lesion_id == lesion_id)
    there = {(row.reader_id, row.revision) for row in connection.execute(own)}
    for reader_id, revision in sorted(lesion.annotations.keys() - there):
        yield f"revision {revision} of annotation {lesion_id} reader {reader_id}", MISSING


def _close(utc: object, other: object) -> bool:
    """Whether two times are those of one transaction."""
    try:
        apart = datetime.fromisoformat(str(utc)) - datetime.fromisoformat(str(other))
    except (ValueError, TypeError):
        return False
    return abs(apart.total_seconds()) < _BETWEEN_S


def _splits(connection: Connection, expected: Expected) -> Iterator[Difference]:
    parts: dict[str, dict[str, str]] = {}
    for row in _all(connection, schema.split_part):
        parts.setdefault(row["split_id"], {})[row["patient_id"]] = row["part"]
    seen: set[str] = set()
    places = _Places(expected, schema.split)
    for row, name in _rows(connection, schema.split, _by_id("split")):
        seen.add(row["id"])
        known = expected.splits.get(row["id"])
        if known is None:
            yield name, NOT_IN_TRAIL
        elif (row["name"], row["seed"]) != (known.name, known.seed) or not _close(
            row["created_utc"], known.at_utc
        ):
            yield name, f"is not as record {known.counter} of the audit trail tells"
        elif parts.get(row["id"], {}) != known.parts:
            yield name, f"has other patients or parts than record {known.counter} of the audit trail tells"
        elif (wrong := places.differs(row)) is not None:
            yield name, wrong
    for key in expected.splits.keys() - seen:
        yield f"split {key}", MISSING


def _runs(connection: Connection, expected: Expected) -> Iterator[Difference]:
    seen: set[str] = set()
    places = _Places(expected, schema.run)
    for row, name in _rows(connection, schema.run, _by_id("run")):
        seen.add(row["id"])
        known = expected.runs.get(row["id"])
        if known is None:
            yield name, NOT_IN_TRAIL
            continue
        try:
            value = msgspec.to_builtins(msgspec.convert(row, Run))
            wanted = msgspec.to_builtins(msgspec.convert(known, Run))
        except ROW_ERRORS as error:
            yield name, f"cannot be read ({type(error).__name__})"
            continue
        wrong = [key for key in value if seal(value[key]) != seal(wanted.get(key))]
        if wrong:
            yield name, f"has another {', '.join(wrong)} than the audit trail tells"
        elif (place := places.differs(row)) is not None:
            yield name, place
    for key in expected.runs.keys() - seen:
        yield f"run {key}", MISSING
    active = {row.run_id: row.revision_id for row in connection.execute(select(schema.active_revision))}
    for key in sorted(active.keys() | expected.active.keys()):
        if active.get(key) != expected.active.get(key):
            yield f"run {key}", "has another active model than the audit trail tells"


def _reader_studies(connection: Connection, expected: Expected) -> Iterator[Difference]:
    cases: dict[str, list[tuple[int, str]]] = {}
    for row in _all(connection, schema.reader_study_case):
        cases.setdefault(row["reader_study_id"], []).append((row["place"], row["lesion_id"]))
    seen: set[str] = set()
    places = _Places(expected, schema.reader_study)
    for row, name in _rows(connection, schema.reader_study, _by_id("reader_study")):
        seen.add(row["id"])
        known = expected.reader_studies.get(row["id"])
        if known is None:
            yield name, NOT_IN_TRAIL
            continue
        if _seal({key: row.get(key) for key in known.row}) != seal(known.row):
            yield name, f"is not as record {known.counter} of the audit trail tells"
        for place, lesion_id in cases.get(row["id"], []):
            inside = isinstance(place, int) and 0 <= place < known.lesions
            if not inside or (known.cases and known.cases[place] != case_hash(row["id"], lesion_id)):
                yield name, f"has a lesion at place {place} of which the audit trail does not tell"
        if (wrong := places.differs(row)) is not None:
            yield name, wrong
    for key in expected.reader_studies.keys() - seen:
        yield f"reader_study {key}", MISSING


def _readings(connection: Connection, expected: Expected) -> Iterator[Difference]:
    found = 0
    for row in _all(connection, schema.reading, "seq"):
        lesion = expected.lesions.get(row["lesion_id"])
        key = (row["reader_study_id"], row["reader_id"], row["condition"])
        known = None if lesion is None else lesion.readings.get(key)
        name = f"{_of_lesion(row['lesion_id'], row['reader_id'], 'reading')} ({row['condition']})"
        if known is None:
            yield name, NOT_IN_TRAIL
            continue
        found += 1
        if (wrong := _differs(row, StudyReading, known)) is not None:
            yield name, wrong
    wanted = sum(len(lesion.readings) for lesion in expected.lesions.values())
    if found < wanted:
        yield "readings of reader studies", f"are fewer than the audit trail tells ({found} of {wanted})"


def _kept(
    connection: Connection, expected: Expected, table: Table, kind: type[msgspec.Struct], other: str
) -> Iterator[Difference]:
    """Readings and opinions of Review, which are never deleted; several of one lesion keep their order."""
    counts: dict[tuple[str, str], int] = {}
    for row in _all(connection, table, "seq"):
        key = (row["lesion_id"], row[other])
        place = counts.get(key, 0)
        counts[key] = place + 1
        name = f"{table.name} {row['id']} of lesion {row['lesion_id']}"
        given = _given(expected, table, *key)
        if place >= len(given):
            yield name, NOT_IN_TRAIL
        elif (wrong := _kept_differs(row, kind, given[place])) is not None:
            yield name, wrong
    for lesion_id, lesion in expected.lesions.items():
        told = lesion.case_readings if table is schema.case_reading else lesion.opinions
        for name, given in told.items():
            if counts.get((lesion_id, name), 0) < len(given):
                yield f"{table.name} of lesion {lesion_id}", MISSING


def _given(expected: Expected, table: Table, lesion_id: str, name: str) -> list[Kept]:
    lesion = expected.lesions.get(lesion_id)
    if lesion is None:
        return []
    return (lesion.case_readings if table is schema.case_reading else lesion.opinions).get(name, [])


def _kept_differs(row: Row, kind: type[msgspec.Struct], known: Kept) -> str | None:
    wrong = _differs(row, kind, Sealed(known.seal, known.counter))
    if wrong is not None:
        return wrong
    if "who" in row and row["who"] != known.who:
        return f"is by another person than record {known.counter} of the audit trail tells"
    if "who" in row and not _close(row["created_utc"], known.at_utc):
        return "has another time than its record in the audit trail"
    taken_back, told = row["withdrawn_utc"], known.withdrawn_utc
    if (taken_back is None) != (told is None) or (told is not None and not _close(taken_back, told)):
        return "was taken back, or was not, otherwise than the audit trail tells"
    return None
