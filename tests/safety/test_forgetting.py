"""Forgetting a patient: nothing of them is left in the study's files, and the audit trail still verifies."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from core.domain.errors import StudyError
from core.domain.study import Labels
from core.domain.vocabulary import MarginType
from core.store.audit import read_exported, verify_chain
from core.store.check import check_study
from core.store.identity import IdentityFile, Passphrase, PatientLink
from core.store.study import Study
from core.tasks.studies.forget_patient import forget, planned
from tests.core.store.helpers import add_case, drawing

SECRET = "comment-canary-7261"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Study.create(tmp_path / "s", name="s", synthetic=True) as study:
        for number in (1, 2):
            add_case(study, number)
            reader = study.readers.ensure("Dr A")
            study.annotations.commit(f"l{number}", reader.id, drawing(number))
        labels = Labels(margin=MarginType.SPICULATED, comment=SECRET)
        study.lesions.set_labels("l1", labels, reader_id=study.readers.ensure("Dr A").id)
        study.arrays.write_derived("rois", {"pixels": np.ones((2, 4, 4))})
    return tmp_path / "s"


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_nothing_of_a_forgotten_patient_is_left(folder: Path) -> None:
    assert SECRET.encode() in contents(folder)
    with Study.open(folder) as study:
        report = forget(study, "PSEUDO1")
        assert (report.images, report.lesions, report.done) == (1, 1, True)
        assert study.audit.verify().good
        assert check_study(study).good
        assert [patient.pseudonym for patient in study.patients.all()] == ["PSEUDO2"]
        assert study.arrays.pixel_files() == ("i2",)
        assert study.arrays.derived_files() == ()
        assert len(study.annotations.all_current()) == 1
    left = contents(folder)
    assert SECRET.encode() not in left
    # the tombstone names the patient by pseudonym, and what was said of the lesion is gone
    assert b"PSEUDO1" in left
    with Study.open(folder, writable=False) as study:
        about = [record for record in study.audit.records() if " l1" in record.subject]
        assert about and all(record.old is None and record.new is None for record in about)
        assert [r.action for r in study.audit.records() if r.subject == "patient p1"][-1] == "patient.forget"


def test_the_trail_of_a_forgotten_patient_verifies_without_the_study(folder: Path, tmp_path: Path) -> None:
    with Study.open(folder) as study:
        forget(study, "PSEUDO1")
        study.audit.export(tmp_path / "trail.jsonl")
    assert verify_chain(read_exported(tmp_path / "trail.jsonl")).good


@pytest.mark.parametrize(
    "change",
    [
        # an emptied record that no tombstone lists
        "UPDATE audit SET old = NULL, new = NULL WHERE subject = 'lesion l2'",
        # who did it, in a record that a tombstone does list
        "UPDATE audit SET who = 'somebody' WHERE subject = 'lesion l1'",
        "UPDATE audit SET new = replace(new, 'PSEUDO1', 'PSEUDO9') WHERE action = 'patient.forget'",
    ],
)
def test_an_erasure_is_told_from_tampering(folder: Path, change: str) -> None:
    with Study.open(folder) as study:
        forget(study, "PSEUDO1")
    with sqlite3.connect(folder / "study.db") as database:
        database.execute("DROP TRIGGER audit_no_update")
        database.execute(change)
    database.close()
    with Study.open(folder, writable=False) as study:
        assert not study.audit.verify().good


def test_the_trail_is_append_only_again_afterwards(folder: Path) -> None:
    with Study.open(folder) as study:
        forget(study, "PSEUDO1")
    database = sqlite3.connect(folder / "study.db")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        database.execute("UPDATE audit SET who = 'x'")
    database.close()


def test_a_plan_changes_nothing(folder: Path) -> None:
    with Study.open(folder, writable=False) as study:
        before = contents(folder)
        report = planned(study, study.patients.all()[0])
        assert (report.images, report.lesions, report.done) == (1, 1, False)
    assert contents(folder) == before


def test_an_unknown_patient_is_a_sentence(folder: Path) -> None:
    with Study.open(folder) as study, pytest.raises(StudyError, match="no patient PX"):
        forget(study, "PX")


def test_the_link_to_the_identifier_goes_too(folder: Path) -> None:
    source = Passphrase(lambda: "correct horse")
    identity = IdentityFile.create(folder, source)
    for number in (1, 2):
        identity.add_patient(PatientLink(pseudonym=f"PSEUDO{number}", source="made up", identifier=f"ID{number}"))
    identity.save()
    with Study.open(folder) as study:
        with pytest.raises(StudyError, match="identity file"):
            forget(study, "PSEUDO1")
        assert study.patients.count() == 2
        forget(study, "PSEUDO1", open_identity=lambda: IdentityFile.open(folder, source))
    again = IdentityFile.open(folder, source)
    assert again.patient_of("PSEUDO1") is None
    assert again.patient_of("PSEUDO2") is not None
