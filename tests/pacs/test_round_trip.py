"""From the PACS into a study, to a trained model, and back to the PACS: what a hospital does with the program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest

from core.cli.main import run_command_line
from core.domain.study import Finding, Labels, Lesion, RunStatus
from core.exchange.collect import ExportItem, collect
from core.exchange.dicom.export_results import ResultKind, export_results
from core.exchange.dicom.import_results import read_results
from core.exchange.dicom.lesion_report import ReportRead
from core.exchange.dicom.read_results import ResultReader, SegRead
from core.exchange.masks.png import fine_mask, lesion_mask
from core.pacs.client import Pacs, connect
from core.pacs.inbox import Inbox
from core.pacs.profile import Profile, confirm
from core.pacs.query import Query
from core.pacs.sending import SendingOrigin, send
from core.phantom.config import PhantomConfig
from core.phantom.records import LesionRecord, read_annotations
from core.phantom.source import ANNOTATIONS, write_study_source
from core.store.identity import IdentityFile, Passphrase
from core.store.study import Study
from core.tasks.runs.lifecycle import finished_run
from core.tasks.studies.pacs_transfers import deliver, import_transfer, retrieve, search
from tests.pacs.server import PASSWORD, PacsServer
from tests.trained_study import TINY

PATIENTS = 12


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_from_the_pacs_to_a_model_and_back(server: PacsServer, inbox: Inbox, tmp_path: Path) -> None:
    config = PhantomConfig(patients=PATIENTS, seed=5, height=480, width=440)
    write_study_source(tmp_path / "phantom", config, workers=1)
    document = read_annotations(tmp_path / "phantom" / ANNOTATIONS)
    # images come by DICOMweb and results go by it; the other way round by DIMSE
    web, ward = confirm(server.web()), confirm(server.dimse())
    files = sorted((tmp_path / "phantom" / "images").glob("*.dcm"))
    with connect(ward, PASSWORD) as pacs:
        assert len(send(pacs, ward, files, SendingOrigin.SYNTHETIC).sop_uids) == 2 * PATIENTS
    patients = sorted({record.patient_id for record in document.lesions})
    with connect(web, PASSWORD) as pacs, Study.create(tmp_path / "study", name="S", synthetic=True) as study:
        identity = IdentityFile.create(study.folder, Passphrase(lambda: "correct horse battery"))
        for patient in patients:
            [found] = search(pacs, Query(patient_id=patient)).studies
            transfer = retrieve(pacs, web, inbox, found.study_uid, Query())
            assert import_transfer(study, transfer, identity=identity).report.images == 2
        annotate(study, identity, files, document.lesions)
    train(tmp_path / "study")
    with Study.open(tmp_path / "study", writable=False) as study:
        with connect(web, PASSWORD) as pacs:
            send_back(study, identity, pacs, web, tmp_path / "out")
        back = tmp_path / "back"
        with connect(ward, PASSWORD) as pacs:
            for patient in patients:
                [found] = search(pacs, Query(patient_id=patient, modality="")).studies
                for kind in ("SEG", "SR"):
                    transfer = retrieve(pacs, ward, inbox, found.study_uid, Query(modality=kind))
                    assert len(deliver(transfer, back / kind)) == 2
        compare(study, identity, tmp_path / "out", back)
    with Study.open(tmp_path / "study") as study:
        read = read_results(study, back, reader="Dr. Back", identity=identity)
        assert (read.files, read.fine_annotations, read.new_lesions) == (4 * PATIENTS, 2 * PATIENTS, 0)
        assert read.issues == ()


def annotate(study: Study, identity: IdentityFile, files: Sequence[Path], records: Sequence[LesionRecord]) -> None:
    """What a reader draws and says, by script: the phantom's true margins."""
    uid_of = {path.name: str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in files}
    reader = study.readers.ensure("Dr. Script")
    for number, record in enumerate(records):
        link = identity.image_of(uid_of[Path(record.image).name])
        assert link is not None
        image = study.images.get(link.image_id)
        study.lesions.add_finding(Finding(id=f"finding-{number}", patient_id=image.patient_id))
        lesion = Lesion(
            id=f"lesion-{number}", finding_id=f"finding-{number}", image_id=image.id, outline=record.outline
        )
        study.lesions.add(lesion)
        study.lesions.set_labels(lesion.id, Labels(margin=record.margin), reader_id=None)
        study.annotations.commit(lesion.id, reader.id, record.shapes)


def train(study: Path) -> None:
    changes = [part for change in TINY for part in ("--set", change)]
    assert run_command_line(["split", str(study), "--fractions", "0.5", "0.25", "0.25", "--quiet"]) == 0
    assert run_command_line(["train", str(study), "--preset", "compact", "--name", "m", "--quiet", *changes]) == 0


def send_back(study: Study, identity: IdentityFile, pacs: Pacs, profile: Profile, out: Path) -> None:
    run = finished_run(study, "m")
    assert run.status is RunStatus.FINISHED
    for kind in (ResultKind.SEG, ResultKind.SR):
        model = run if kind is ResultKind.SR else None
        written = export_results(study, out / kind.value, kind, run=model, identity=identity)
        assert written.original_identifiers and len(written.files) == 2 * PATIENTS
        paths = [out / kind.value / name for name in written.files]
        assert len(send(pacs, profile, paths, SendingOrigin.RESULT).sop_uids) == 2 * PATIENTS


def compare(study: Study, identity: IdentityFile, out: Path, back: Path) -> None:
    """Masks to the bit, reports word for word, against the study itself and against what was sent."""
    items: dict[str, ExportItem] = {}
    for item in collect(study):
        link = identity.uids_of(item.image.id)
        assert link is not None
        items[link.sop_uid] = item
    with ResultReader() as reader:
        masks = {read.source_uid: read for read in map(reader.seg, (back / "SEG").iterdir())}
        reports = {read.source_uid: read for read in map(reader.sr, (back / "SR").iterdir())}
        sent = {read.source_uid: read for read in map(reader.sr, (out / "sr").glob("*.dcm"))}
    assert masks.keys() == reports.keys() == items.keys()
    assert reports == sent
    for uid, item in items.items():
        link = identity.uids_of(item.image.id)
        assert link is not None and link.study_uid == masks[uid].study_uid == reports[uid].study_uid
        compare_masks(masks[uid], item)
        compare_words(reports[uid], item)
    # the reports hold what the model found, and not the same of every lesion
    found = [report.lesions[0].model for report in reports.values()]
    assert all(one is not None and one.prototypes for one in found)
    assert len({one.probabilities for one in found if one is not None}) > 1


def compare_masks(read: SegRead, item: ExportItem) -> None:
    outline, fine = read.masks
    np.testing.assert_array_equal(outline, lesion_mask(item))
    np.testing.assert_array_equal(fine, fine_mask(item))
    assert outline.any() and fine.any()


def compare_words(read: ReportRead, item: ExportItem) -> None:
    [lesion] = read.lesions
    assert lesion.labels.margin == item.lesion.labels.margin is not None
    assert type(lesion.outline) is type(item.lesion.outline)
    assert lesion.model is not None and lesion.model.run == "m"
    assert sum(lesion.model.probabilities) == pytest.approx(1, abs=1e-6) or not lesion.model.has_precedent
