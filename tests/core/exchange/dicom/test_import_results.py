"""Results that come back become annotations of a reader: the same shapes, or the same masks to the bit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from core.cli.main import run_command_line
from core.domain.errors import BadFileError, StudyError
from core.domain.shapes import Polygon
from core.domain.study import Image
from core.exchange.dicom.export_results import ResultKind, export_results
from core.exchange.dicom.import_results import read_results
from core.imaging.raster import rasterise, rasterise_outline
from core.store.identity import IdentityFile, ImageLink, Passphrase
from core.store.study import Study
from tests.core.data.export.conftest import FINE, MARGINS, study

__all__ = ["study"]


def drawn(study: Study, image: Image, lesion_id: str, reader: str) -> NDArray[np.uint8]:
    person = study.readers.find(reader)
    assert person is not None
    current = study.annotations.current(lesion_id, person.id)
    shapes = () if current is None else current.shapes
    return rasterise(shapes, width=image.width, height=image.height, spacing_mm=image.pixel_spacing_mm)


@pytest.mark.parametrize("kinds", [("seg",), ("sr",), ("gsps",), ("seg", "sr", "gsps")])
def test_what_was_exported_comes_back_as_a_readers_own(
    study: Study, tmp_path: Path, kinds: tuple[str, ...]
) -> None:
    for kind in kinds:
        export_results(study, tmp_path / "out" / kind, ResultKind(kind))
    read = read_results(study, tmp_path / "out", reader="Dr. B")
    assert (read.files, read.new_lesions, read.issues) == (4 * len(kinds), 0, ())
    # what an eraser took away only a mask can say
    exact = range(4) if "seg" in kinds else (0,)
    for number in exact:
        lesion = study.lesions.get(f"l{number}")
        image = study.images.get(lesion.image_id)
        np.testing.assert_array_equal(
            drawn(study, image, lesion.id, "Dr. B"), drawn(study, image, lesion.id, "Dr. A")
        )
    person = study.readers.find("Dr. B")
    assert person is not None
    said = [study.lesions.labels(f"l{number}", reader_id=person.id) for number in range(4)]
    if "sr" in kinds:
        assert [one.margin for one in said if one is not None] == list(MARGINS)
    else:
        assert said == [None] * 4
    if len(kinds) == 3:
        kept = study.annotations.current("l0", person.id)
        assert kept is not None and [type(shape) for shape in kept.shapes] == [type(shape) for shape in FINE[0]]
    again = read_results(study, tmp_path / "out", reader="Dr. B")
    assert (again.fine_annotations, again.labels, again.new_lesions) == (0, 0, 0)


def test_a_lesion_that_the_study_does_not_have_is_new(study: Study, tmp_path: Path) -> None:
    outline = study.lesions.get("l3").outline
    export_results(study, tmp_path / "seg", ResultKind.SEG)
    study.lesions.remove("l3")
    assert read_results(study, tmp_path / "seg", reader="Dr. B", dry_run=True).new_lesions == 1
    assert study.lesions.count() == 3 and study.readers.find("Dr. B") is None
    assert read_results(study, tmp_path / "seg", reader="Dr. B").new_lesions == 1
    [found] = study.lesions.of_image("00000003-abcdef")
    assert isinstance(found.outline, Polygon)
    masks = [rasterise_outline(one, width=200, height=150) for one in (found.outline, outline)]
    np.testing.assert_array_equal(*masks)


def test_originals_are_followed_by_the_identity_file_alone(study: Study, tmp_path: Path) -> None:
    identity = IdentityFile.create(study.folder, Passphrase(lambda: "correct horse battery"))
    for number, image in enumerate(study.images.all()):
        study_uid, series_uid, sop_uid = (f"1.2.826.77.{number}.{k}" for k in range(3))
        link = ImageLink(
            image_id=image.id, patient_id=f"K{number}", study_uid=study_uid, series_uid=series_uid, sop_uid=sop_uid
        )
        identity.add_image(link)
    export_results(study, tmp_path / "seg", ResultKind.SEG, identity=identity)
    without = read_results(study, tmp_path / "seg", reader="Dr. B")
    assert without.files == 0 and len(without.issues) == 4
    assert "is not in this study" in without.issues[0].sentence
    assert read_results(study, tmp_path / "seg", reader="Dr. B", identity=identity).fine_annotations == 2


def test_what_cannot_be_used_is_said_and_the_rest_is_read(study: Study, tmp_path: Path) -> None:
    export_results(study, tmp_path / "sr", ResultKind.SR)
    (tmp_path / "sr" / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 64)
    read = read_results(study, tmp_path / "sr", reader="Dr. B")
    assert read.files == 4 and [issue.where for issue in read.issues] == ["broken.dcm"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadFileError, match="holds no results"):
        read_results(study, tmp_path / "empty", reader="Dr. B")
    with pytest.raises(StudyError, match="--reader NAME"):
        read_results(study, tmp_path / "sr", reader=" ")


def test_a_person_types_it(study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export_results(study, tmp_path / "out", ResultKind.SEG)
    shutil.copytree(study.folder, tmp_path / "copy", ignore=shutil.ignore_patterns("*lock*"))
    capsys.readouterr()
    typed = ["import", str(tmp_path / "copy"), str(tmp_path / "out"), "--layout", "results"]
    assert run_command_line([*typed, "--reader", "Dr. B", "--dry-run"]) == 0
    assert "Would read 4 results back: 2 fine annotations" in capsys.readouterr().out
    assert run_command_line([*typed, "--reader", "Dr. B", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["fine_annotations"] == 2
    assert run_command_line([*typed, "--reader", "Dr. B", "--identity", "passphrase"]) == 1
    assert "no identity file" in capsys.readouterr().err
