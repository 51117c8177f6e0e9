"""Check 2 on whole files: import, annotate, export with the original identifiers, validate, read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from core.data.importers.importing import run_import
from core.data.importers.layouts import PlanOptions, make_plan
from core.domain.geometry import Box
from core.domain.shapes import Length, Line, Rectangle, circle
from core.domain.study import Finding, Labels, Lesion
from core.domain.vocabulary import MarginType
from core.exchange.collect import collect
from core.exchange.dicom.export_results import ResultKind, export_results
from core.exchange.dicom.read_results import ResultReader
from core.exchange.masks.png import fine_mask, lesion_mask
from core.phantom.config import PhantomConfig
from core.phantom.source import write_study_source
from core.store.identity import IdentityFile, Passphrase
from core.store.study import Study
from tests.core.exchange.dicom.conftest import Validate


def imported(study: Study, folder: Path) -> IdentityFile:
    identity = IdentityFile.create(study.folder, Passphrase(lambda: "correct horse battery"))
    run_import(study, make_plan(folder, PlanOptions()), identity=identity)
    return identity


def checked(study: Study, identity: IdentityFile, originals: Path, out: Path, errors_of: Validate) -> int:
    """Export and hold everything against the originals; returns the number of objects."""
    headers = {}
    for path in originals.rglob("*.dcm"):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        headers[header.SOPInstanceUID] = header
    items = {(identity.uids_of(i.image.id).sop_uid, i.lesion.number): i for i in collect(study)}  # type: ignore[union-attr]
    count = 0
    with ResultReader() as reader:
        for kind in ResultKind:
            written = export_results(study, out / kind.value, kind, identity=identity)
            for name in written.files:
                path = out / kind.value / name
                assert errors_of(path) == [], path
                count += 1
                found = pydicom.dcmread(path, stop_before_pixels=True)
                original = headers[name.removesuffix(f".{kind.value}.dcm")]
                for word in (
                    "PatientID",
                    "PatientName",
                    "StudyInstanceUID",
                    "AccessionNumber",
                    "StudyDate",
                ):
                    assert str(getattr(found, word)) == str(original.get(word) or ""), word
                if kind is ResultKind.SEG:
                    read = reader.seg(path)
                    assert read.orientation == tuple(original.get("PatientOrientation") or ())
                    assert (read.masks.shape[1], read.masks.shape[2]) == (original.Rows, original.Columns)
                    for facts, mask in zip(read.segments, read.masks, strict=True):
                        item = items[read.source_uid, int(facts.tracking_id.split()[-1])]
                        fine = "fine" in facts.label
                        np.testing.assert_array_equal(mask, fine_mask(item) if fine else lesion_mask(item))
                if kind is ResultKind.SR:
                    for lesion in reader.sr(path).lesions:
                        item = items[original.SOPInstanceUID, int(lesion.tracking_id.split()[-1])]
                        assert lesion.labels.margin == item.lesion.labels.margin
    return count


def test_a_phantom_examination_goes_out_valid_and_comes_back(tmp_path: Path, errors_of: Validate) -> None:
    write_study_source(tmp_path / "source", PhantomConfig(patients=1, seed=3, height=480, width=440), workers=1)
    with Study.create(tmp_path / "study", name="phantom", synthetic=True) as study:
        identity = imported(study, tmp_path / "source")
        assert checked(study, identity, tmp_path / "source", tmp_path / "out", errors_of) == 6


@pytest.mark.shared
def test_a_real_mammogram_goes_out_valid_and_comes_back(
    real_mammograms: Path, tmp_path: Path, errors_of: Validate
) -> None:
    """GH133: GE, For Presentation, JPEG lossless."""
    (tmp_path / "source").mkdir()
    content = (real_mammograms / "dicom" / "GH133.dcm").read_bytes()
    (tmp_path / "source" / "GH133.dcm").write_bytes(content)
    with Study.create(tmp_path / "study", name="GH133") as study:
        identity = imported(study, tmp_path / "source")
        (image,) = study.images.all()
        study.lesions.add_findings([Finding(id="f", patient_id=image.patient_id)])
        outline = Rectangle(box=Box(x0=700.5, y0=1200, x1=1000, y1=1500.25))
        labels = Labels(margin=MarginType.SPICULATED)
        study.lesions.add_many([Lesion(id="l", finding_id="f", image_id=image.id, outline=outline, labels=labels)])
        reader = study.readers.ensure("Dr. A")
        pen = Length(value=1.0, unit="mm" if image.pixel_spacing_mm else "px")
        fine = (circle((750.0, 1250.0), 40.0), Line(points=((700.0, 1200.0), (900.0, 1300.0)), width=pen))
        study.annotations.commit("l", reader.id, fine)
        assert checked(study, identity, tmp_path / "source", tmp_path / "out", errors_of) == 3
