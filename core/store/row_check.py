"""Every row that a person or an import made, held against the audit trail."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, select

from core.domain.group import Assignment, Consensus
from core.domain.opinion import CaseReading, Opinion
from core.domain.reading import StudyReading
from core.domain.study import Finding, Image, Labels, ModelRevision, Patient, Reader, Run
from core.store import schema
from core.store.expected_rows import Kept, LesionRow, Sealed, case_hash
from core.store.replay import Expected, seal
from core.store.row_values import (
    ROW_ERRORS,
    Places,
    Row,
    all_rows,
    by_id,
    close_in_time,
    differs,
    named_rows,
    safe_seal,
    with_hashes,
)

Difference = tuple[str, str]
"""The row, as ``thing id``, and what is wrong with it: the end of a sentence that begins with the row."""
NOT_IN_TRAIL = "is not in the audit trail: no record shows that it was made"
MISSING = "is missing, though the audit trail shows that it was made"


def differences(connection: Connection, expected: Expected) -> Iterator[Difference]:
    """Yield the rows that differ from the audit trail, table after table, each in the order of entry."""
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
    yield from _removed(connection, expected)
    yield from _labels(connection, expected)
    yield from _annotations(connection, expected)
    yield from _group(connection, expected, schema.assignment, "reader_id", Assignment)
    yield from _group(connection, expected, schema.consensus, "revision", Consensus)
    yield from _splits(connection, expected)
    yield from _runs(connection, expected)
    yield from _reader_studies(connection, expected)
    yield from _readings(connection, expected)
    yield from _kept(connection, expected, schema.case_reading, CaseReading, "reader_id")
    yield from _kept(connection, expected, schema.opinion, Opinion, "run_id")


def _info(connection: Connection, expected: Expected) -> Iterator[Difference]:
    rows = list(all_rows(connection, schema.info))
    row = {key: rows[0][key] for key in ("id", "name", "synthetic", "created_utc")} if len(rows) == 1 else None
    if row is None or expected.info is None or safe_seal(row) != expected.info.seal:
        yield "study", "has another name or identifier, or another mark as synthetic, than in the audit trail"
        return
    secret = rows[0]["link_salt"]
    if expected.secret_sha256 != "" and expected.secret_sha256 != (
        hashlib.sha256(secret).hexdigest() if isinstance(secret, bytes) else secret
    ):
        yield "study", "has another secret for UIDs than in the audit trail"


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
    places = Places(expected, table)
    for row, name in named_rows(connection, table, by_id(word)):
        seen.add(row["id"])
        known = wanted.get(row["id"])
        if known is None:
            yield name, NOT_IN_TRAIL
        elif (wrong := differs(row, kind, known)) is not None or (wrong := places.differs(row)) is not None:
            yield name, wrong
        elif expected.no_hashes and row.get("link_hash") is not None:
            yield name, "has a hash of the patient's identifier, though the study keeps none"
    for key in wanted.keys() - seen:
        yield f"{word} {key}", MISSING


def _lesions(connection: Connection, expected: Expected) -> Iterator[Difference]:
    seen: set[str] = set()
    places = Places(expected, schema.lesion)
    for row, name in named_rows(connection, schema.lesion, by_id("lesion")):
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
            "outline": (safe_seal(row["outline"]), known.outline),
        }
        wrong = [what for what, (found, wanted) in pairs.items() if found != wanted]
        if wrong:
            yield name, f"has another {', '.join(wrong)} than record {known.counter} of the audit trail"
        elif (place := places.differs(row)) is not None:
            yield name, place
    for key in expected.lesions.keys() - seen:
        yield f"lesion {key}", MISSING


def _removed(connection: Connection, expected: Expected) -> Iterator[Difference]:
    """Lesions that were taken out and can be put back."""
    for row in all_rows(connection, schema.removed_lesion):
        name, known = f"removed lesion {row['id']}", expected.removed.get(row["id"])
        if known is None:
            yield name, NOT_IN_TRAIL
        elif not _is_kept(row["content"], known):
            yield name, f"differs from record {known.counter} and others of the audit trail"
    # a removal before layout 0005 kept nothing, so that what is missing says nothing


def _is_kept(content: Any, known: LesionRow) -> bool:
    try:
        lesion, rest = content["lesion"], content["rest"]
        labels = {row["reader_id"]: seal(msgspec.convert(row, Labels)) for row in rest["label"]}
        rows = sorted(rest["annotation"], key=lambda row: (row["reader_id"], row["revision"]))
        shapes = {(row["reader_id"], row["revision"]): sha256 for row, sha256 in with_hashes(rows)}
        found = (lesion["finding_id"], lesion["image_id"], lesion["number"], lesion["frame"])
        return (
            found == (known.finding_id, known.image_id, known.number, known.frame)
            and seal(lesion["outline"]) == known.outline
            and labels == {reader: sealed.seal for reader, sealed in known.labels.items()}
            and shapes == {key: sha256 for key, (sha256, _) in known.annotations.items()}
            and _seals(rest, "assignment", "reader_id", Assignment) == _plain_seals(known.assignments)
            and _seals(rest, "consensus", "revision", Consensus) == _plain_seals(known.consensus)
        )
    except (*ROW_ERRORS, AttributeError):
        return False


def _seals(rest: Any, table: str, key: str, kind: type[msgspec.Struct]) -> dict[Any, bytes]:
    # a lesion that was taken out before layout 0009 has neither
    return {row[key]: seal(msgspec.convert(row, kind)) for row in rest.get(table, ())}


def _plain_seals(known: Mapping[Any, Sealed]) -> dict[Any, bytes]:
    return {key: sealed.seal for key, sealed in known.items()}


def _of_lesion(lesion_id: str, reader_id: str | None, what: str) -> str:
    who = "the data set" if reader_id is None else f"reader {reader_id}"
    return f"{what} of lesion {lesion_id} by {who}"


def _labels(connection: Connection, expected: Expected) -> Iterator[Difference]:
    seen: set[tuple[str, str | None]] = set()
    for row in all_rows(connection, schema.label):
        lesion_id, reader_id = row["lesion_id"], row["reader_id"]
        seen.add((lesion_id, reader_id))
        name = _of_lesion(lesion_id, reader_id, "labels")
        lesion = expected.lesions.get(lesion_id)
        known = None if lesion is None else lesion.labels.get(reader_id)
        if known is None:
            yield name, NOT_IN_TRAIL
        elif (wrong := differs(row, Labels, known)) is not None:
            yield name, wrong
    for lesion_id, lesion in expected.lesions.items():
        for reader_id in lesion.labels:
            if (lesion_id, reader_id) not in seen:
                yield _of_lesion(lesion_id, reader_id, "labels"), MISSING


def _group(
    connection: Connection, expected: Expected, table: Table, key: str, kind: type[msgspec.Struct]
) -> Iterator[Difference]:
    """Assignments by lesion and reader, and the consensus by lesion and revision."""
    wanted: dict[tuple[str, Any], Sealed] = {
        (lesion_id, one): sealed
        for lesion_id, lesion in expected.lesions.items()
        for one, sealed in _of_group(lesion, table).items()
    }
    for row in all_rows(connection, table):
        known = wanted.pop((row["lesion_id"], row[key]), None)
        name = f"{table.name} {row[key]} of lesion {row['lesion_id']}"
        if known is None:
            yield name, NOT_IN_TRAIL
        elif (wrong := differs(row, kind, known)) is not None:
            yield name, wrong
    for lesion_id, one in wanted:
        yield f"{table.name} {one} of lesion {lesion_id}", MISSING


def _of_group(lesion: LesionRow, table: Table) -> dict[Any, Sealed]:
    return dict(lesion.assignments if table is schema.assignment else lesion.consensus)


def _annotations(connection: Connection, expected: Expected) -> Iterator[Difference]:
    table = schema.annotation
    seen: dict[str, int] = {}
    for row, found in with_hashes(all_rows(connection, table, "lesion_id", "reader_id", "revision")):
        lesion = expected.lesions.get(row["lesion_id"])
        key = (row["reader_id"], row["revision"])
        name = f"revision {row['revision']} of annotation {row['lesion_id']} reader {row['reader_id']}"
        seen[row["lesion_id"]] = seen.get(row["lesion_id"], 0) + 1
        known = None if lesion is None else lesion.annotations.get(key)
        if known is None:
            yield name, NOT_IN_TRAIL
            continue
        sha256, at = known
        if found != sha256:
            yield name, "is not what was committed"
        elif not close_in_time(row["created_utc"], at):
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


def _splits(connection: Connection, expected: Expected) -> Iterator[Difference]:
    parts: dict[str, dict[str, str]] = {}
    for row in all_rows(connection, schema.split_part):
        parts.setdefault(row["split_id"], {})[row["patient_id"]] = row["part"]
    seen: set[str] = set()
    places = Places(expected, schema.split)
    for row, name in named_rows(connection, schema.split, by_id("split")):
        seen.add(row["id"])
        known = expected.splits.get(row["id"])
        if known is None:
            yield name, NOT_IN_TRAIL
        elif (row["name"], row["seed"]) != (known.name, known.seed) or not close_in_time(
            row["created_utc"], known.at_utc
        ):
            yield name, f"differs from record {known.counter} of the audit trail"
        elif parts.get(row["id"], {}) != known.parts:
            yield name, f"has other patients or parts than record {known.counter} of the audit trail"
        elif (wrong := places.differs(row)) is not None:
            yield name, wrong
    for key in expected.splits.keys() - seen:
        yield f"split {key}", MISSING


def _runs(connection: Connection, expected: Expected) -> Iterator[Difference]:
    seen: set[str] = set()
    places = Places(expected, schema.run)
    for row, name in named_rows(connection, schema.run, by_id("run")):
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
            yield name, f"has another {', '.join(wrong)} than in the audit trail"
        elif (place := places.differs(row)) is not None:
            yield name, place
    for key in expected.runs.keys() - seen:
        yield f"run {key}", MISSING
    active = {row.run_id: row.revision_id for row in connection.execute(select(schema.active_revision))}
    for key in sorted(active.keys() | expected.active.keys()):
        if active.get(key) != expected.active.get(key):
            yield f"run {key}", "has another active model than in the audit trail"


def _reader_studies(connection: Connection, expected: Expected) -> Iterator[Difference]:
    cases: dict[str, list[tuple[int, str]]] = {}
    for row in all_rows(connection, schema.reader_study_case):
        cases.setdefault(row["reader_study_id"], []).append((row["place"], row["lesion_id"]))
    seen: set[str] = set()
    places = Places(expected, schema.reader_study)
    for row, name in named_rows(connection, schema.reader_study, by_id("reader_study")):
        seen.add(row["id"])
        known = expected.reader_studies.get(row["id"])
        if known is None:
            yield name, NOT_IN_TRAIL
            continue
        if safe_seal({key: row.get(key) for key in known.row}) != seal(known.row):
            yield name, f"differs from record {known.counter} of the audit trail"
        for place, lesion_id in cases.get(row["id"], []):
            inside = isinstance(place, int) and 0 <= place < known.lesions
            if not inside or (known.cases and known.cases[place] != case_hash(row["id"], lesion_id)):
                yield name, f"has a lesion at place {place} that is not in the audit trail"
        if (wrong := places.differs(row)) is not None:
            yield name, wrong
    for key in expected.reader_studies.keys() - seen:
        yield f"reader_study {key}", MISSING


def _readings(connection: Connection, expected: Expected) -> Iterator[Difference]:
    found = 0
    for row in all_rows(connection, schema.reading, "seq"):
        lesion = expected.lesions.get(row["lesion_id"])
        key = (row["reader_study_id"], row["reader_id"], row["condition"])
        known = None if lesion is None else lesion.readings.get(key)
        name = f"{_of_lesion(row['lesion_id'], row['reader_id'], 'reading')} ({row['condition']})"
        if known is None:
            yield name, NOT_IN_TRAIL
            continue
        found += 1
        if (wrong := differs(row, StudyReading, known)) is not None:
            yield name, wrong
    wanted = sum(len(lesion.readings) for lesion in expected.lesions.values())
    if found < wanted:
        yield "readings of reader studies", f"are fewer than in the audit trail ({found} of {wanted})"


def _kept(
    connection: Connection, expected: Expected, table: Table, kind: type[msgspec.Struct], other: str
) -> Iterator[Difference]:
    """Readings and opinions of Review, which are never deleted; several of one lesion keep their order."""
    counts: dict[tuple[str, str], int] = {}
    for row in all_rows(connection, table, "seq"):
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
    wrong = differs(row, kind, Sealed(known.seal, known.counter))
    if wrong is not None:
        return wrong
    if "who" in row and row["who"] != known.who:
        return f"is by another person than record {known.counter} of the audit trail"
    if "who" in row and not close_in_time(row["created_utc"], known.at_utc):
        return "has another time than its record in the audit trail"
    taken_back, told = row["withdrawn_utc"], known.withdrawn_utc
    if (taken_back is None) != (told is None) or (told is not None and not close_in_time(taken_back, told)):
        return "was taken back, or was not, otherwise than in the audit trail"
    return None
