"""Check 2, and the way back: what goes out as DICOM comes back as the same masks, shapes and words."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from core.domain.errors import BadFileError, StudyError
from core.domain.shapes import Shape
from core.domain.study import Labels
from core.domain.vocabulary import (
    DISCLAIMER,
    BiradsCategory,
    MarginType,
    MassDensity,
    MassShape,
    Pathology,
)
from core.exchange.collect import collect
from core.exchange.dicom import sr
from core.exchange.dicom.export_results import ResultKind, export_results
from core.exchange.dicom.lesion_report import LesionReport, ModelFinding, PrototypeShare, Verifier
from core.exchange.dicom.read_results import ResultReader
from core.exchange.dicom.references import Naming, source_image
from core.exchange.dicom.regions import region_of, shape_of
from core.exchange.dicom.sr import ONLY_MASK, make_sr
from core.exchange.masks.csv_table import FILE, export_csv
from core.exchange.masks.nifti import export_nifti, read_nifti
from core.exchange.masks.png import fine_mask, lesion_mask
from core.imaging.decoded import RefusedImageError
from core.imaging.raster import rasterise
from core.store.identity import IDENTITY, IdentityFile, ImageLink, Passphrase, PatientLink
from core.store.study import Study
from tests.core.data.export.conftest import CANARY, FINE, OUTLINES
from tests.core.exchange.dicom.conftest import VALIDATOR, Validate


@pytest.fixture(scope="module")
def reader() -> Iterator[ResultReader]:
    with ResultReader() as made:
        yield made


def test_dicom_objects_are_validated_here() -> None:
    if shutil.which(VALIDATOR) is None:
        pytest.skip("dciodvfy is not installed (package dicom3tools): no DICOM object was validated")


def masks_of(study: Study) -> dict[tuple[str, str], np.ndarray]:
    wanted = {}
    for item in collect(study):
        wanted[item.name, "outline"] = lesion_mask(item)
        if item.truth.fine:
            wanted[item.name, "fine"] = fine_mask(item)
    return wanted


def test_masks_come_back_from_segmentations_to_the_bit(
    reader: ResultReader, study: Study, tmp_path: Path, errors_of: Validate
) -> None:
    written = export_results(study, tmp_path / "seg", ResultKind.SEG)
    assert len(written.files) == 4
    found = {}
    for name in written.files:
        assert errors_of(tmp_path / "seg" / name) == []
        read = reader.seg(tmp_path / "seg" / name)
        for facts, mask in zip(read.segments, read.masks, strict=True):
            found[facts.tracking_id, facts.label.removeprefix(facts.tracking_id).split()[0]] = mask
    wanted = masks_of(study)
    assert found.keys() == wanted.keys()
    for key, mask in wanted.items():
        np.testing.assert_array_equal(found[key], mask)
        assert mask.any()


def almost(a: Shape, b: Shape) -> bool:
    """The same shape to a thousandth of a pixel: the same mask on a grid of twice the size, but for its border."""
    grids = [rasterise([s], width=200, height=150, spacing_mm=0.1) for s in (a, b)]
    return type(a) is type(b) and int((grids[0] != grids[1]).sum()) <= 2


def test_reports_bring_back_regions_and_words(
    reader: ResultReader, study: Study, tmp_path: Path, errors_of: Validate
) -> None:
    written = export_results(study, tmp_path / "sr", ResultKind.SR)
    lesions: dict[str, LesionReport] = {}
    for name in written.files:
        path = tmp_path / "sr" / name
        assert errors_of(path) == []
        read = reader.sr(path)
        assert read.verified_by == ""
        assert read.comments[0] == DISCLAIMER
        lesions |= {lesion.tracking_id: lesion for lesion in read.lesions}
    for item, outline, fine in zip(collect(study), OUTLINES, FINE, strict=True):
        lesion = lesions[item.name]
        assert almost(lesion.outline, outline) and lesion.outline.origin is outline.origin
        assert lesion.labels.margin == item.lesion.labels.margin
        assert lesion.labels.pathology == item.lesion.labels.pathology
        if not any(shape.erases for shape in fine):
            assert [shape.role for shape in lesion.fine] == [shape.role for shape in fine]
            assert [shape.origin for shape in lesion.fine] == [shape.origin for shape in fine]
            assert all(almost(a, b) for a, b in zip(lesion.fine, fine, strict=True))
        else:
            assert lesion.fine == ()
            assert any(ONLY_MASK in text for text in reader.sr(tmp_path / "sr" / written.files[1]).comments)


@pytest.mark.parametrize("shape", [*OUTLINES, *(s for shapes in FINE for s in shapes if region_of(s) is not None)])
def test_a_region_is_the_inverse_of_its_shape(shape: Shape) -> None:
    region = region_of(shape)
    assert region is not None
    assert almost(shape_of(region), shape)


def test_presentation_states_bring_back_graphics(
    reader: ResultReader, study: Study, tmp_path: Path, errors_of: Validate
) -> None:
    written = export_results(study, tmp_path / "gsps", ResultKind.GSPS)
    for name, outline in zip(written.files, OUTLINES, strict=True):
        assert errors_of(tmp_path / "gsps" / name) == []
        read = reader.gsps(tmp_path / "gsps" / name)
        assert [almost(one.shape, outline) for one in read.graphics if one.outline] == [True]
    first = reader.gsps(tmp_path / "gsps" / written.files[0])
    assert all(almost(one.shape, s) for one, s in zip(first.graphics[1:], FINE[0], strict=True))


LABELS = Labels(
    margin=MarginType.SPICULATED,
    shape=MassShape.IRREGULAR,
    density=MassDensity.HIGH,
    category=BiradsCategory.HIGH_SUSPICION,
    pathology=Pathology.MALIGNANT,
    probability_of_malignancy=0.7,
)
FINDING = ModelFinding(
    method="iaia-bl",
    version="ab" * 32,
    run="compact-1",
    class_names=("circumscribed", "indistinct", "spiculated"),
    probabilities=(0.2, 0.3, 0.5),
    predicted="spiculated",
    has_precedent=True,
    malignancy=0.8,
    prototypes=(
        PrototypeShare(number=12, class_name="spiculated", similarity=5.5, weight=1.25),
        PrototypeShare(number=3, class_name="indistinct", similarity=2.125, weight=-0.75),
    ),
)


def report(study: Study, **changes: object) -> tuple[LesionReport, tuple[str, str, str]]:
    item = collect(study)[0]
    fields = {"tracking_id": item.name, "tracking_uid": "2.25.7", "outline": OUTLINES[0], "labels": LABELS}
    return LesionReport(**{**fields, **changes}), ("2.25.4", "2.25.5", "2.25.6")


def without_times(made: bytes) -> str:
    """The document as text, without the attributes that hold the time of its making."""
    return re.sub(
        r"(Creation|Content|Contribution|Verification) ?(Date|Time|DateTime)\b.*",
        "",
        str(pydicom.dcmread(BytesIO(made))),
    )


@pytest.mark.parametrize("verifier", [None, Verifier(name="Reader^A")])
def test_a_report_is_the_one_that_highdicom_makes_with_all_its_checks(
    verifier: Verifier | None, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program adds the content afterwards (see ``_document``), which takes half the time."""

    def as_highdicom_does(root: Dataset, **options: Any) -> hd.sr.ComprehensiveSR:
        return hd.sr.ComprehensiveSR(content=root, **options)

    item = collect(study)[0]
    source = source_image(item.image, item.patient, Naming(study))

    def made() -> str:
        lesion, uids = report(study, model=FINDING)
        return without_times(make_sr(source, (lesion,), uids=uids, verifier=verifier))

    ours = made()
    monkeypatch.setattr(sr, "_document", as_highdicom_does)
    assert ours == made() and "Contribution" in ours


def test_every_word_and_number_of_a_report_comes_back(
    reader: ResultReader, study: Study, tmp_path: Path, errors_of: Validate
) -> None:
    item, (lesion, uids) = collect(study)[0], report(study, model=FINDING)
    source = source_image(item.image, item.patient, Naming(study))
    path = tmp_path / "report.dcm"
    path.write_bytes(make_sr(source, (lesion,), uids=uids, verifier=Verifier(name="Dr. A")))
    assert errors_of(path) == []
    read = reader.sr(path)
    assert read.lesions == (lesion,)
    assert read.verified_by == "Dr. A"
    found = pydicom.dcmread(path)
    assert found.VerificationFlag == "VERIFIED"
    assert found.PatientIdentityRemoved == "YES"
    assert "SYNTHETIC" in read.comments[1]


@pytest.mark.parametrize("category", list(BiradsCategory))
def test_every_assessment_has_a_code_that_the_validator_accepts(
    reader: ResultReader, study: Study, tmp_path: Path, errors_of: Validate, category: BiradsCategory
) -> None:
    item, (lesion, uids) = collect(study)[0], report(study, labels=Labels(category=category))
    path = tmp_path / "report.dcm"
    path.write_bytes(make_sr(source_image(item.image, item.patient, Naming(study)), (lesion,), uids=uids))
    assert errors_of(path) == []
    assert reader.sr(path).lesions[0].labels.category is category


def test_without_a_precedent_there_is_no_prediction(reader: ResultReader, study: Study, tmp_path: Path) -> None:
    none = ModelFinding(
        method="iaia-bl", version="ab", run="r", class_names=("a", "b"), probabilities=(0.5, 0.5), predicted="",
        has_precedent=False, malignancy=None,
    )  # fmt: skip
    item, (lesion, uids) = collect(study)[0], report(study, model=none)
    path = tmp_path / "report.dcm"
    path.write_bytes(make_sr(source_image(item.image, item.patient, Naming(study)), (lesion,), uids=uids))
    read = reader.sr(path)
    assert any("makes no prediction" in text for text in read.comments)
    model = read.lesions[0].model
    assert model is not None
    assert (model.predicted, model.probabilities, model.malignancy) == ("", (), None)


def identity_file(study: Study) -> IdentityFile:
    made = IdentityFile.create(study.folder, Passphrase(lambda: "correct horse battery"))
    for k, image in enumerate(study.images.all()):
        patient = study.patients.get(image.patient_id)
        made.add_patient(
            PatientLink(pseudonym=patient.pseudonym, source=patient.source, identifier=f"{CANARY}{k}")
        )
        made.add_image(
            ImageLink(
                image_id=image.id,
                study_uid=f"1.2.826.77.42.3.{k}",
                series_uid=f"1.2.826.77.42.4.{k}",
                sop_uid=f"1.2.826.77.42.5.{k}",
                patient_id=f"{CANARY}{k}",
                patient_name=f"{CANARY}^ANNA",
                birth_date="19470713",
                sex="F",
                accession="A1",
                study_date="20200101",
                study_time="101112",
                patient_orientation=("A", "F"),
            )
        )
    made.save()
    return made


def test_with_the_identity_file_results_go_back_under_the_original_identifiers(
    reader: ResultReader, study: Study, tmp_path: Path, errors_of: Validate
) -> None:
    identity = identity_file(study)
    for kind in ResultKind:
        out = tmp_path / kind.value
        written = export_results(study, out, kind, identity=identity)
        assert written.original_identifiers
        for k, name in enumerate(written.files):
            assert errors_of(out / name) == []
            found = pydicom.dcmread(out / name)
            assert (found.PatientID, found.PatientName) == (f"{CANARY}{k}", f"{CANARY}^ANNA")
            assert found.StudyInstanceUID == f"1.2.826.77.42.3.{k}"
            assert "PatientIdentityRemoved" not in found
        # no pseudonym beside an identifier: that would be the link itself
        content = b"".join(path.read_bytes() for path in out.iterdir())
        assert not any(patient.pseudonym.encode() in content for patient in study.patients.all())
        assert "ORIGINAL IDENTIFIERS" in (out / "README.txt").read_text()
    read = reader.seg(tmp_path / "seg" / "1.2.826.77.42.5.0.seg.dcm")
    assert (read.source_uid, read.orientation) == ("1.2.826.77.42.5.0", ("A", "F"))


def test_without_it_nothing_of_them_is_in_any_file(study: Study, tmp_path: Path) -> None:
    identity_file(study)
    assert (study.folder / IDENTITY).is_file()
    for kind in ResultKind:
        export_results(study, tmp_path / kind.value, kind)
    export_nifti(study, tmp_path / "nifti")
    export_csv(study, tmp_path / "csv")
    content = [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and study.folder not in p.parents]
    words = (CANARY.encode(), b"19470713", b"1.2.826.77.42", b"1987-06-05", b"19870605")
    assert not any(word in one for one in content for word in words)


def test_an_image_without_a_link_cannot_go_back(study: Study, tmp_path: Path) -> None:
    empty = IdentityFile.create(study.folder, Passphrase(lambda: "correct horse battery"))
    with pytest.raises(StudyError, match="holds no original UIDs"):
        export_results(study, tmp_path / "out", ResultKind.SEG, identity=empty)
    assert not (tmp_path / "out").exists()


def test_foreign_files_are_refused_in_one_sentence(reader: ResultReader, tmp_path: Path) -> None:
    path = tmp_path / "other.dcm"
    path.write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 64)
    for read in (reader.seg, reader.sr, reader.gsps):
        with pytest.raises(RefusedImageError, match=r"^other\.dcm "):
            read(path)


def test_masks_come_back_from_nifti_to_the_bit(study: Study, tmp_path: Path) -> None:
    assert export_nifti(study, tmp_path / "out") == 4
    for (name, kind), mask in masks_of(study).items():
        folder = "lesion" if kind == "outline" else "fine"
        np.testing.assert_array_equal(read_nifti(tmp_path / "out" / folder / f"{name}.nii.gz"), mask)
    with pytest.raises(BadFileError, match="not a readable NIfTI"):
        read_nifti(tmp_path / "out" / "README.txt")


def test_shapes_come_back_from_the_table_as_they_were(study: Study, tmp_path: Path) -> None:
    from core.data.importers.folder import read_folder

    assert export_csv(study, tmp_path / "out") == 4
    for item in collect(study):
        (tmp_path / "out" / f"{item.name.rsplit('_', 1)[0]}.png").touch()
    plan = read_folder(tmp_path / "out", tmp_path / "out" / FILE, source="back")
    lesions = [lesion for image in plan.images for lesion in image.lesions]
    assert [lesion.outline for lesion in lesions] == list(OUTLINES)
    assert [lesion.fine for lesion in lesions] == list(FINE)
    assert [lesion.labels.margin for lesion in lesions] == [i.lesion.labels.margin for i in collect(study)]
