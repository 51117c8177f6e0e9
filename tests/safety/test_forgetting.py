"""Forgetting a patient: nothing of them is left in the study's files, and the audit trail still verifies."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.domain.errors import StorageFullError, StudyError
from core.domain.messages import message
from core.domain.study import Labels
from core.domain.vocabulary import MarginType, Part
from core.model.checkpoint import load_model
from core.store.arrays import ArrayStore
from core.store.audit import read_exported, verify_chain
from core.store.check import check_study
from core.store.database import Database
from core.store.erasure import Tombstone
from core.store.file_names import add_names, read_names
from core.store.identity import IdentityFile, Passphrase, PatientLink
from core.store.names import FORGETTING
from core.store.patients import remove_rows
from core.store.study import Study
from core.tasks.review.prototypes import Pruning
from core.tasks.runs.lifecycle import changes_since_start, request_of
from core.tasks.studies.forget_patient import forget, planned
from core.training.similarity_table import load_table
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


def whole(folder: Path) -> bool:
    """Patient 1 is in the study with everything: rows, pixels, link and file name."""
    with Study.open(folder) as study:
        assert check_study(study).good
        there = study.patients.find_by_pseudonym("PSEUDO1") is not None
        assert ("i1" in study.arrays.pixel_files()) == there
    identity = IdentityFile.open(folder, Passphrase(lambda: "correct horse"))
    assert (identity.patient_of("PSEUDO1") is not None) == there == ("i1" in read_names(folder))
    assert not (folder / FORGETTING).exists()
    return there


@pytest.fixture
def linked(folder: Path) -> Callable[[], IdentityFile]:
    source = Passphrase(lambda: "correct horse")
    identity = IdentityFile.create(folder, source)
    identity.add_patient(PatientLink(pseudonym="PSEUDO1", source="made up", identifier="ID1"))
    identity.save()
    add_names(folder, {"i1": "anna.dcm", "i2": "berta.dcm"})
    return lambda: IdentityFile.open(folder, source)


def test_a_disk_that_fails_at_the_commit_leaves_the_patient_whole(
    folder: Path, linked: Callable[[], IdentityFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, the pixels and the link were gone and the rows were there."""

    def fails(database: Database, patient_id: str) -> Tombstone:
        with database.write() as transaction:
            remove_rows(transaction, patient_id)
            raise StorageFullError(message("study.db could not be written: the disk is full or failing."))

    with monkeypatch.context() as patch, Study.open(folder) as study:
        patch.setattr("core.store.study.forget_rows", fails)
        with pytest.raises(StorageFullError):
            forget(study, "PSEUDO1", open_identity=linked)
        assert "i1" in study.arrays.pixel_files()
    assert whole(folder)
    with Study.open(folder) as study:
        forget(study, "PSEUDO1", open_identity=linked)
    assert not whole(folder)


def test_files_that_cannot_be_deleted_go_at_the_next_opening(
    folder: Path, linked: Callable[[], IdentityFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(store: ArrayStore, image_id: str) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch, Study.open(folder) as study:
        patch.setattr(ArrayStore, "delete_pixels", fails)
        with pytest.raises(StorageFullError, match="deleted when the study is opened"):
            forget(study, "PSEUDO1", open_identity=linked)
        assert study.patients.find_by_pseudonym("PSEUDO1") is None and "i1" in study.arrays.pixel_files()
    assert not whole(folder)


def test_runs_keep_no_id_no_outline_and_no_picture(own_study: Path) -> None:
    """Ids are computed from pixels: who has the image could find out that it was used."""
    with Study.open(own_study) as study:
        (run,) = study.runs.all()
        runs = study.run_folder(run.id)
        parts = request_of(study, run).parts
        assert Part.TRAINING in parts.values()
        source = load_model(runs / "model").card.prototypes[0].lesion_id
        [patient] = [
            one
            for one in study.patients.all()
            if source in {lesion.id for lesion in study.lesions.of_patient(one.id)}
        ]
        lesions = [lesion.id for lesion in study.lesions.of_patient(patient.id)]
        images = [image.id for image in study.images.of_patient(patient.id)]
        findings = [lesion.finding_id for lesion in study.lesions.of_patient(patient.id)]
        secrets = [name.encode() for name in (patient.id, *lesions, *images, *findings)]
        files = [runs / name for name in ("request.json", "data.json", "table.h5")]
        assert all(any(secret in path.read_bytes() for secret in secrets) for path in files)
        assert (runs / "projected.h5").is_file()
        before = load_table(runs / "table.h5")
        model = load_model(runs / "model")
        hashes = [one.roi_sha256.encode() for one in model.card.prototypes if one.lesion_id in lesions]
        assert hashes, "the test needs a patient whose lesion is the source of a prototype"
        report = forget(study, patient.pseudonym)
        assert report.models[0].trained_on
        for path in runs.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert not any(secret in content for secret in (*secrets, *hashes)), path.name
        assert load_model(runs / "model").sha256 == model.sha256
        assert not (runs / "projected.h5").exists()
        after = load_table(runs / "table.h5")
        np.testing.assert_array_equal(after.scores, before.scores)
        assert len(set(after.patient_ids)) == len(set(before.patient_ids))
        assert Pruning(study, run).outcome({0}).after.kept == (1, 2, 3, 4, 5)
        changed = changes_since_start(study, run)
        assert changed.missing == len(lesions)
        assert check_study(study).good
