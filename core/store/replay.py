"""Contents that a study must have according to the audit trail: its records applied one after the other.

A row is kept as the hash of its value and the number of the record that made it. Records of an erased patient are
empty and make nothing; their rows are gone too.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from core.domain.group import Assignment, Consensus
from core.domain.opinion import CaseReading, Opinion, Verdict
from core.domain.reading import StudyReading
from core.domain.shapes import Origin
from core.domain.study import Finding, Image, Labels, Lesion, ModelRevision, Patient, Reader, Run
from core.store.expected_rows import ExpectedSplit, Kept, LesionRow, ReaderStudyRow, Sealed
from core.store.schema import canonical_json
from core.store.trail import FORGET, AuditRecord

Value = TypeVar("Value")
_DRAWN = ("origin", Origin.DRAWN.value)


def seal(value: object) -> bytes:
    """The hash of a value that is stored in a row, whatever the form of its numbers."""
    return hashlib.sha256(canonical_json(_plain(value)).encode()).digest()


def _plain(value: Any) -> Any:
    """A value of JSON in which 1.0 and 1 are the same: a database keeps a float of a whole number as either.

    An outline without an origin, as before layout 8, and one that was drawn are the same too.
    """
    value = msgspec.to_builtins(value)
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {key: _plain(one) for key, one in value.items() if (key, one) != _DRAWN}
        case list() | tuple():
            return [_plain(one) for one in value]
        case _:
            return value


@dataclass(kw_only=True)
class Expected:
    """The rows by their keys."""

    info: Sealed | None = None
    patients: dict[str, Sealed] = field(default_factory=dict)
    images: dict[str, Sealed] = field(default_factory=dict)
    patient_of: dict[str, str] = field(default_factory=dict)
    """Patient of each image and finding."""
    findings: dict[str, Sealed] = field(default_factory=dict)
    lesions: dict[str, LesionRow] = field(default_factory=dict)
    removed: dict[str, LesionRow] = field(default_factory=dict)
    """Lesions that can be put back."""
    removed_findings: dict[str, Sealed] = field(default_factory=dict)
    readers: dict[str, Sealed] = field(default_factory=dict)
    splits: dict[str, ExpectedSplit] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    models: dict[str, Sealed] = field(default_factory=dict)
    active: dict[str, str] = field(default_factory=dict)
    reader_studies: dict[str, ReaderStudyRow] = field(default_factory=dict)
    secret_sha256: str | None = ""
    """Hash of the secret for UIDs; "" if no record has it, as in studies of earlier versions."""
    no_hashes: bool = False
    """True if no patient can have a hash of their identifier any more."""
    in_finding: Counter[str] = field(default_factory=Counter)
    """Number of lesions of each finding."""
    places: dict[str, dict[str, int]] = field(default_factory=dict)
    """By table the place of each row among all that were ever entered: an upper limit of its ``seq``."""
    entered: dict[str, int] = field(default_factory=dict)
    unreadable: list[int] = field(default_factory=list)
    """Numbers of records whose values cannot be read."""

    def apply(self, record: AuditRecord) -> None:
        """Apply the change that a record describes; records of other things make none."""
        table = _ENTRIES.get(record.action)
        if table is not None:
            self.entered[table] = self.entered.get(table, 0) + 1
        change = _CHANGES.get(record.action)
        if change is None or (record.old is None and record.new is None):
            return
        try:
            change(self, record)
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError, IndexError, RecursionError):
            self.unreadable.append(record.counter)

    def enter(self, table: str, key: str) -> None:
        self.places.setdefault(table, {})[key] = self.entered[table]

    def move(self, lesion: LesionRow, finding_id: str) -> None:
        """Make it a lesion of this finding; one without lesions goes."""
        before, lesion.finding_id = lesion.finding_id, finding_id
        self.in_finding[finding_id] += 1
        self._leave(before)

    def drop_lesion(self, lesion_id: str) -> None:
        self.removed[lesion_id] = lesion = self.lesions.pop(lesion_id)
        self._leave(lesion.finding_id)

    def put_back(self, lesion_id: str, number: int, finding: Finding, counter: int) -> None:
        """Restore a removed lesion as one of ``finding``, which the record ``counter`` names.

        The places of lesion and finding in the order of entry may be new ones then.
        """
        self.lesions[lesion_id] = lesion = self.removed.pop(lesion_id)
        lesion.number = number
        if (lesion.finding_id, self.patient_of.get(finding.id)) != (finding.id, finding.patient_id):
            # the image was moved to another patient meanwhile
            lesion.finding_id = finding.id
            self.removed_findings[finding.id] = Sealed(seal(finding), counter)
            self.patient_of[finding.id] = finding.patient_id
        self.in_finding[lesion.finding_id] += 1
        self.places["lesion"].pop(lesion_id, None)
        if lesion.finding_id not in self.findings:
            self.findings[lesion.finding_id] = self.removed_findings[lesion.finding_id]
            self.places.get("finding", {}).pop(lesion.finding_id, None)

    def _leave(self, finding_id: str) -> None:
        self.in_finding[finding_id] -= 1
        if not self.in_finding[finding_id] and finding_id in self.findings:
            self.removed_findings[finding_id] = self.findings.pop(finding_id)

    def drop_patient(self, patient_id: str) -> None:
        self.patients.pop(patient_id, None)
        own = {key for key, patient in self.patient_of.items() if patient == patient_id}
        for lesion in [key for key, lesion in self.lesions.items() if lesion.image_id in own]:
            self.drop_lesion(lesion)
        for lesion in [key for key, row in self.removed.items() if row.image_id in own]:
            del self.removed[lesion]
        for key in own:
            self.images.pop(key, None)
            self.findings.pop(key, None)
            del self.patient_of[key]
        for split in self.splits.values():
            split.parts.pop(patient_id, None)


def _new(record: AuditRecord, kind: type[Value]) -> Value:
    return msgspec.json.decode(record.new or "", type=kind)


def _subject(record: AuditRecord, word: int = 1) -> str:
    return record.subject.split(" ")[word]


def _sealed(value: object, record: AuditRecord) -> Sealed:
    return Sealed(seal(value), record.counter)


def _create(expected: Expected, record: AuditRecord) -> None:
    expected.info = _sealed(msgspec.json.decode(record.new or ""), record)


def _secret(expected: Expected, record: AuditRecord) -> None:
    expected.secret_sha256, expected.no_hashes = _new(record, dict[str, str | None])["secret_sha256"], True


def _drop_hashes(expected: Expected, record: AuditRecord) -> None:
    expected.no_hashes = True


def _add_patient(expected: Expected, record: AuditRecord) -> None:
    patient = _new(record, Patient)
    expected.patients[patient.id] = _sealed(patient, record)
    expected.enter("patient", patient.id)


def _put_image(expected: Expected, record: AuditRecord) -> None:
    image = _new(record, Image)
    expected.images[image.id] = _sealed(image, record)
    expected.patient_of[image.id] = image.patient_id
    if record.action == "image.add":
        expected.enter("image", image.id)


def _add_finding(expected: Expected, record: AuditRecord) -> None:
    finding = _new(record, Finding)
    expected.findings[finding.id] = _sealed(finding, record)
    expected.patient_of[finding.id] = finding.patient_id
    expected.enter("finding", finding.id)


def _move_finding(expected: Expected, record: AuditRecord) -> None:
    finding = _new(record, Finding)
    expected.findings[finding.id] = _sealed(finding, record)
    expected.patient_of[finding.id] = finding.patient_id


def _add_lesion(expected: Expected, record: AuditRecord) -> None:
    lesion = _new(record, Lesion)
    expected.lesions[lesion.id] = LesionRow(
        finding_id=lesion.finding_id,
        image_id=lesion.image_id,
        number=lesion.number,
        outline=seal(lesion.outline),
        frame=lesion.frame,
        counter=record.counter,
    )
    expected.in_finding[lesion.finding_id] += 1
    expected.lesions[lesion.id].labels[None] = _sealed(lesion.labels, record)
    expected.enter("lesion", lesion.id)


def _outline(expected: Expected, record: AuditRecord) -> None:
    lesion = expected.lesions[_subject(record)]
    lesion.outline, lesion.counter = seal(msgspec.json.decode(record.new or "")), record.counter


def _link(expected: Expected, record: AuditRecord) -> None:
    lesion = expected.lesions[_subject(record)]
    expected.move(lesion, _new(record, str))
    lesion.counter = record.counter


def _order(expected: Expected, record: AuditRecord) -> None:
    for number, lesion_id in enumerate(_new(record, list[str]), start=1):
        expected.lesions[lesion_id].number, expected.lesions[lesion_id].counter = number, record.counter


def _label(expected: Expected, record: AuditRecord) -> None:
    words = record.subject.split(" ")
    reader = words[3] if len(words) > 3 else None
    expected.lesions[words[1]].labels[reader] = _sealed(_new(record, Labels), record)


def _put_back(expected: Expected, record: AuditRecord) -> None:
    lesion = _new(record, Lesion)
    finding = Finding(id=lesion.finding_id, patient_id=expected.patient_of[lesion.image_id])
    expected.put_back(_subject(record), lesion.number, finding, record.counter)


def _add_reader(expected: Expected, record: AuditRecord) -> None:
    reader = _new(record, Reader)
    expected.readers[reader.id] = _sealed(reader, record)
    expected.enter("reader", reader.id)


def _annotate(expected: Expected, record: AuditRecord) -> None:
    new = msgspec.json.decode(record.new or "")
    key = (_subject(record, 3), int(new["revision"]))
    expected.lesions[_subject(record)].annotations[key] = str(new["shapes_sha256"]), record.at_utc


def _add_split(expected: Expected, record: AuditRecord) -> None:
    new = msgspec.json.decode(record.new or "")
    expected.splits[new["id"]] = ExpectedSplit(
        name=new["name"], seed=new["seed"], parts=dict(new["parts"]), at_utc=record.at_utc, counter=record.counter
    )
    expected.enter("split", new["id"])


def _remove_split(expected: Expected, record: AuditRecord) -> None:
    del expected.splits[_subject(record)]


def _put_run(expected: Expected, record: AuditRecord) -> None:
    if record.action == "run.add":
        run = msgspec.to_builtins(_new(record, Run))
        expected.runs[run["id"]] = run
        expected.enter("run", run["id"])
    else:
        expected.runs[_subject(record)] |= _new(record, dict[str, Any])


def _add_model(expected: Expected, record: AuditRecord) -> None:
    model = _new(record, ModelRevision)
    expected.models[model.id] = _sealed(model, record)
    expected.enter("model_revision", model.id)


def _activate(expected: Expected, record: AuditRecord) -> None:
    expected.active[_subject(record)] = str(msgspec.json.decode(record.new or "")["revision"])


def _add_reader_study(expected: Expected, record: AuditRecord) -> None:
    row = _new(record, dict[str, Any])
    lesions, cases = row.pop("lesions"), row.pop("cases", None)
    expected.reader_studies[row["id"]] = ReaderStudyRow(
        row=row, cases=None if cases is None else tuple(cases), lesions=int(lesions), counter=record.counter
    )
    expected.enter("reader_study", row["id"])


def _read(expected: Expected, record: AuditRecord) -> None:
    reading = _new(record, StudyReading)
    key = (reading.reader_study_id, reading.reader_id, str(reading.condition))
    expected.lesions[reading.lesion_id].readings[key] = _sealed(reading, record)


def _kept(value: object, record: AuditRecord, *, verdict: bool = False) -> Kept:
    return Kept(seal=seal(value), at_utc=record.at_utc, who=record.who, counter=record.counter, verdict=verdict)


def _case_reading(expected: Expected, record: AuditRecord) -> None:
    reading = _new(record, CaseReading)
    given = expected.lesions[reading.lesion_id].case_readings
    given.setdefault(reading.reader_id, []).append(_kept(reading, record))


def _withdraw_reading(expected: Expected, record: AuditRecord) -> None:
    readings = expected.lesions[_subject(record)].case_readings[_subject(record, 3)]
    [kept for kept in readings if kept.withdrawn_utc is None][-1].withdrawn_utc = record.at_utc


def _opinion(expected: Expected, record: AuditRecord) -> None:
    opinion = _new(record, Opinion)
    if opinion.lesion_id not in expected.lesions or opinion.run_id not in expected.runs:
        return  # it was not copied into the table of layout 0004
    given = expected.lesions[opinion.lesion_id].opinions.setdefault(opinion.run_id, [])
    verdict = opinion.verdict is not Verdict.COMMENT
    for earlier in given if verdict else ():
        if earlier.verdict and earlier.who == record.who and earlier.withdrawn_utc is None:
            earlier.withdrawn_utc = record.at_utc  # before layout 0004 no record told of it
    given.append(_kept(opinion, record, verdict=verdict))


def _withdraw_opinion(expected: Expected, record: AuditRecord) -> None:
    opinion = msgspec.json.decode(record.old or "", type=Opinion)
    given, wanted = expected.lesions[opinion.lesion_id].opinions[opinion.run_id], seal(opinion)
    standing = [kept for kept in given if kept.seal == wanted and kept.withdrawn_utc is None]
    standing[-1].withdrawn_utc = record.at_utc


def _assign(expected: Expected, record: AuditRecord) -> None:
    own, reader_id = expected.lesions[_subject(record)].assignments, _subject(record, 3)
    if record.new is None:
        del own[reader_id]
    else:
        own[reader_id] = _sealed(_new(record, Assignment), record)


def _consensus(expected: Expected, record: AuditRecord) -> None:
    made = _new(record, Consensus)
    expected.lesions[made.lesion_id].consensus[made.revision] = _sealed(made, record)


_CHANGES: dict[str, Callable[[Expected, AuditRecord], None]] = {
    "study.create": _create,
    "links.start": _secret,
    "links.decline": _secret,
    "links.drop": _drop_hashes,
    "patient.add": _add_patient,
    "patient.remove": lambda expected, record: expected.drop_patient(_subject(record)),
    FORGET: lambda expected, record: expected.drop_patient(_subject(record)),
    "image.add": _put_image,
    "image.update": _put_image,
    "finding.add": _add_finding,
    "finding.patient": _move_finding,
    "lesion.add": _add_lesion,
    "lesion.outline": _outline,
    "lesion.finding": _link,
    "lesion.order": _order,
    "lesion.labels": _label,
    "lesion.remove": lambda expected, record: expected.drop_lesion(_subject(record)),
    "lesion.put_back": _put_back,
    "reader.add": _add_reader,
    "annotation.commit": _annotate,
    "annotation.restore": _annotate,
    "split.add": _add_split,
    "split.remove": _remove_split,
    "run.add": _put_run,
    "run.update": _put_run,
    "model.add": _add_model,
    "model.activate": _activate,
    "reader_study.add": _add_reader_study,
    "reader_study.read": _read,
    "review.reading": _case_reading,
    "review.reading.withdraw": _withdraw_reading,
    "review.opinion": _opinion,
    "review.opinion.withdraw": _withdraw_opinion,
    "assignment.add": _assign,
    "assignment.finish": _assign,
    "assignment.reopen": _assign,
    "assignment.remove": _assign,
    "consensus.add": _consensus,
}
_ENTRIES = {
    "patient.add": "patient",
    "image.add": "image",
    "finding.add": "finding",
    "lesion.add": "lesion",
    "reader.add": "reader",
    "split.add": "split",
    "run.add": "run",
    "model.add": "model_revision",
    "reader_study.add": "reader_study",
}
"""Actions that enter a row into a table that counts them."""
