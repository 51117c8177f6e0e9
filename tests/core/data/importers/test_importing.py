import os
from collections.abc import Generator, Iterable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from core.data.importers.importing import run_import
from core.data.importers.layouts import make_plan
from core.data.importers.outcomes import ImportReport
from core.data.importers.plan import ImportPlan, PlannedImage, PlannedLesion, Severity
from core.domain.errors import Cancelled, StudyError
from core.domain.events import Event, Message, Progress
from core.domain.geometry import Box
from core.domain.messages import message
from core.domain.shapes import Length, Line, Rectangle
from core.domain.study import Labels, Window
from core.domain.vocabulary import Laterality, MarginType, ViewPosition
from core.imaging.decoded import DecodedImage, Identity, Refusal, RefusedImageError, clean_text
from core.imaging.worker import Outcome
from core.store.identity import IdentityFile, Passphrase
from core.store.study import Study

BOX = Rectangle(box=Box(x0=5, y0=6, x1=20, y1=22))
FINE = (Line(points=((5.0, 6.0), (20.0, 22.0)), width=Length(value=1.0, unit="mm")),)


def _decoded(name: str, **changes: object) -> DecodedImage:
    pixels = np.random.default_rng(sum(name.encode())).integers(0, 4096, (40, 30)).astype(np.uint16)
    plain = DecodedImage(
        pixels=pixels,
        bits_stored=12,
        format="DICOM",
        pixel_spacing_mm=0.1,
        spacing_source="tag",
        laterality=Laterality.LEFT,
        view=ViewPosition.MLO,
        modality="MG",
    )
    return msgspec.structs.replace(plain, **changes)


class _Files:
    """In place of the decoding process: answers by file name, and counts what was asked."""

    def __init__(self, **answers: Outcome) -> None:
        self.answers = answers
        self.closed = False

    def __call__(self, paths: Iterable[Path]) -> Generator[tuple[Path, Outcome], None, None]:
        try:
            for path in paths:
                yield path, self.answers.get(path.stem, _decoded(path.stem))
        finally:
            self.closed = True


def _image(name: str, patient: str = "MRN-1", *lesions: PlannedLesion, **changes: object) -> PlannedImage:
    image = PlannedImage(path=Path(f"/data/{name}.dcm"), patient=patient, lesions=lesions)
    return msgspec.structs.replace(image, **changes)


def _plan(*images: PlannedImage) -> ImportPlan:
    return ImportPlan(source="site", images=images)


@pytest.fixture
def study(tmp_path: Path) -> Iterable[Study]:
    with Study.create(tmp_path / "study", name="test") as made:
        yield made


def _sentences(report: ImportReport) -> str:
    return " ".join(issue.sentence for issue in report.issues)


def test_what_was_planned_stands_in_the_study(study: Study) -> None:
    labels = Labels(margin=MarginType.SPICULATED)
    lesion = PlannedLesion(outline=BOX, labels=labels, finding="m", fine=FINE, fine_reader="Dr. A")
    window = Window(centre=2000, width=1500)
    files = _Files(cc=_decoded("cc", windows=(window,), acquired="2019-05-31", view=ViewPosition.CC))
    report = run_import(
        study,
        _plan(_image("cc", "MRN-1", lesion, laterality=Laterality.LEFT), _image("mlo", "MRN-1", lesion)),
        decode=files,
    )
    assert (report.patients, report.images, report.lesions, report.fine_annotations) == (1, 2, 2, 2)
    first, _ = study.images.all()
    assert (first.laterality, first.view, first.windows, first.acquired) == (
        Laterality.LEFT,
        ViewPosition.CC,
        (window,),
        "2019",
    )
    assert np.array_equal(study.arrays.read_pixels(first.id), files.answers["cc"].pixels)  # type: ignore[union-attr]
    lesions = study.lesions.all()
    assert [x.labels.margin for x in lesions] == [MarginType.SPICULATED] * 2 and lesions[0].outline == BOX
    assert lesions[0].finding_id == lesions[1].finding_id, "one mass in two views is one finding"
    reader = study.readers.find("Dr. A")
    assert reader is not None
    annotation = study.annotations.current(lesions[0].id, reader.id)
    assert annotation is not None and annotation.shapes == FINE
    assert files.closed


def test_identifiers_become_pseudonyms_and_are_nowhere_in_the_study(study: Study) -> None:
    identity = Identity(patient_id="CANARY-77", name="CANARY^NAME", sop_uid="1.2.99")
    report = run_import(study, _plan(_image("a", "")), decode=_Files(a=_decoded("a", identity=identity)))
    assert report.patients == 1 and study.patients.all()[0].pseudonym.startswith("P")
    study.close()
    for path in study.folder.rglob("*"):
        if path.is_file():
            assert b"CANARY" not in path.read_bytes() and b"1.2.99" not in path.read_bytes(), path


def test_the_identity_file_keeps_the_link_where_it_is_wanted(study: Study) -> None:
    identity = IdentityFile.create(study.folder, Passphrase(lambda: "correct horse"))
    header = Identity(patient_id="MRN-1", study_uid="1.2", series_uid="1.2.3", sop_uid="1.2.3.4")
    run_import(study, _plan(_image("a")), identity=identity, decode=_Files(a=_decoded("a", identity=header)))
    opened = IdentityFile.open(study.folder, Passphrase(lambda: "correct horse"))
    patient, image = study.patients.all()[0], study.images.all()[0]
    assert opened.pseudonym_of("site", "MRN-1") == patient.pseudonym
    link = opened.uids_of(image.id)
    assert link is not None and link.sop_uid == "1.2.3.4"


def test_a_second_import_finds_the_same_patient_by_the_identity_file(study: Study) -> None:
    identity = IdentityFile.create(study.folder, Passphrase(lambda: "correct horse"))
    run_import(study, _plan(_image("a")), identity=identity, decode=_Files())
    report = run_import(study, _plan(_image("b")), identity=identity, decode=_Files())
    assert (report.patients, report.images) == (0, 1)
    assert len({image.patient_id for image in study.images.all()}) == 1


def test_without_it_only_pixels_tell_a_patient_and_the_rest_is_said(study: Study) -> None:
    run_import(study, _plan(_image("a")), decode=_Files())
    again = run_import(study, _plan(_image("a"), _image("b")), decode=_Files())
    assert (again.patients, again.images, again.duplicates) == (0, 1, 1)
    report = run_import(study, _plan(_image("c")), decode=_Files())
    assert report.patients == 1
    assert any("entered as new ones" in issue.sentence for issue in report.issues)


def test_an_identical_image_is_reported_and_imported_once(study: Study) -> None:
    same = _decoded("a")
    plan = _plan(_image("a"), _image("b", "MRN-2"))
    report = run_import(study, plan, decode=_Files(a=same, b=same))
    assert report.images == 1
    assert "b.dcm is left out: its pixels are identical to those of a.dcm" in _sentences(report)
    again = run_import(study, _plan(_image("a")), decode=_Files(a=same))
    assert again.images == 0 and "an image of the study" in _sentences(again)


@pytest.mark.parametrize(
    ("field", "one", "same", "other"),
    [
        ("birth_date", "19500101", "1950.01.01", "19610202"),
        ("birth_date", "1950-01-01", "00000000", "1961.02.02"),
        ("sex", "F", "female", "M"),
    ],
)
def test_two_patients_with_one_identifier_are_noticed(
    study: Study, field: str, one: str, same: str, other: str
) -> None:
    headers = [Identity(patient_id="MRN-1", **{field: value}) for value in (one, same, other)]
    files = _Files(**{name: _decoded(name, identity=h) for name, h in zip("abc", headers, strict=True)})
    report = run_import(study, _plan(_image("a"), _image("b"), _image("c")), decode=files)
    (issue,) = report.issues
    assert report.images == 2 and issue.severity is Severity.WRONG
    assert "c.dcm is left out: it has the patient identifier of a.dcm" in issue.sentence
    assert "1961" not in issue.sentence and "MRN" not in issue.sentence


def test_one_patient_under_two_identifiers_of_the_table_is_noticed(study: Study) -> None:
    header = Identity(patient_id="X")
    files = _Files(a=_decoded("a", identity=header), b=_decoded("b", identity=header))
    report = run_import(study, _plan(_image("a", "1"), _image("b", "2")), decode=files)
    assert report.images == 2 and "two in the table" in _sentences(report)


def test_unreadable_files_leave_the_others_alone(study: Study) -> None:
    files = _Files(a=RefusedImageError(message("a.dcm is cut short."), Refusal.CUT_SHORT))
    report = run_import(study, _plan(_image("a"), _image("b")), decode=files)
    assert report.images == 1 and [issue.severity for issue in report.issues] == [Severity.WRONG]
    assert "cut short" in _sentences(report)


def test_lesions_that_do_not_fit_their_image_are_left_out(study: Study) -> None:
    outside = PlannedLesion(outline=Rectangle(box=Box(x0=50, y0=5, x1=60, y1=9)))
    metric = PlannedLesion(outline=BOX, fine=FINE, fine_reader="r")
    files = _Files(b=_decoded("b", pixel_spacing_mm=None))
    report = run_import(study, _plan(_image("a", "1", outside), _image("b", "1", metric)), decode=files)
    assert (report.images, report.lesions, report.fine_annotations) == (2, 1, 0)
    assert "outside the image of 30 x 40 pixels" in _sentences(report) and "no pixel spacing" in _sentences(report)


@pytest.mark.parametrize("patient_id", ["", " ", "\0"])
def test_images_without_a_patient_are_patients_of_their_own(study: Study, patient_id: str) -> None:
    nobody = clean_text(patient_id)
    files = _Files(**{name: _decoded(name, identity=Identity(patient_id=nobody)) for name in "ab"})
    report = run_import(study, _plan(_image("a", ""), _image("b", "")), decode=files)
    assert (report.images, report.patients) == (2, 2)
    assert [issue.severity for issue in report.issues] == [Severity.NOTE] * 2
    assert "a.dcm has no Patient ID" in _sentences(report) and "patient_id" in _sentences(report)
    again = _decoded("c", identity=Identity(patient_id=nobody))
    assert run_import(study, _plan(_image("a", "")), decode=_Files(a=again)).patients == 1, "known by its pixels"


def test_table_and_header_that_disagree_are_noted(study: Study) -> None:
    files = _Files(a=_decoded("a", laterality=Laterality.RIGHT))
    report = run_import(study, _plan(_image("a", laterality=Laterality.LEFT)), decode=files)
    assert "The side of a.dcm is L in the table and R in its header" in _sentences(report)
    assert study.images.all()[0].laterality is Laterality.LEFT


def test_the_data_set_s_spacing_stands_in_for_a_missing_one(study: Study) -> None:
    files = _Files(a=_decoded("a", pixel_spacing_mm=None, spacing_source=""))
    run_import(study, _plan(_image("a", spacing_mm=0.2, spacing_source="set")), decode=files)
    image = study.images.all()[0]
    assert (image.pixel_spacing_mm, image.spacing_source) == (0.2, "set")


def test_cancelling_keeps_what_was_finished(study: Study) -> None:
    seen: list[Event] = []
    files = _Files()
    with pytest.raises(Cancelled):
        run_import(
            study,
            _plan(*(_image(name) for name in "abcdef")),
            decode=files,
            emit=seen.append,
            cancelled=lambda: len(seen) >= 3,
        )
    assert study.images.count() == 3 == len(study.arrays.pixel_files()) and files.closed
    assert [event.done for event in seen if isinstance(event, Progress)] == [1, 2, 3]


def test_rows_that_cannot_be_written_take_their_pixels_with_them(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StudyError(message("the disk is full"))

    monkeypatch.setattr(study.lesions, "add_many", fail)
    with pytest.raises(StudyError, match="full"):
        run_import(study, _plan(_image("a")), decode=_Files())
    assert study.images.count() == study.patients.count() == 0 and study.arrays.pixel_files() == ()


def test_the_same_files_give_the_same_identifiers_in_every_study(tmp_path: Path) -> None:
    lesion = PlannedLesion(outline=BOX)
    plan = _plan(_image("a", "1", lesion, lesion), _image("b", "2", lesion))
    found = []
    for name in ("one", "two"):
        with Study.create(tmp_path / name, name=name) as study:
            run_import(study, plan, decode=_Files())
            found.append([(x.id, x.finding_id, x.image_id) for x in study.lesions.all()])
            found[-1] += [(p.id, "", "") for p in study.patients.all()]
            assert len({x.finding_id for x in study.lesions.all()}) == 3
    assert found[0] == found[1]


def test_pixels_that_a_killed_import_left_are_no_obstacle(study: Study) -> None:
    run_import(study, _plan(_image("a")), decode=_Files())
    image = study.images.all()[0]
    study.remove_patient(image.patient_id)
    study.arrays.write_pixels(image.id, np.zeros((4, 4), np.uint8))
    run_import(study, _plan(_image("a")), decode=_Files())
    assert study.arrays.read_pixels(image.id).shape == (40, 30)


def test_a_synthetic_study_takes_synthetic_images_only(tmp_path: Path) -> None:
    with Study.create(tmp_path / "s", name="s", synthetic=True) as study:
        assert run_import(study, _plan(_image("a")), decode=_Files(a=_decoded("a", synthetic=True))).images == 1
        with pytest.raises(StudyError, match="not marked as synthetic"):
            run_import(study, _plan(_image("b")), decode=_Files())
        assert study.images.count() == 1


def test_issues_are_told_as_messages(study: Study) -> None:
    seen: list[Event] = []
    files = _Files(a=RefusedImageError(message("a.dcm is cut short."), Refusal.CUT_SHORT))
    run_import(study, _plan(_image("a", "")), decode=files, emit=seen.append)
    assert [event.level for event in seen if isinstance(event, Message)] == ["warning"]


def test_a_folder_is_imported_through_the_decoding_process(study: Study, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    pixels = np.arange(600, dtype=np.uint8).reshape(20, 30)
    (folder / "a.pgm").write_bytes(b"P5\n30 20\n255\n" + pixels.tobytes())
    (folder / "b.pgm").write_bytes(b"P5\n30 20\n255\n" + pixels.tobytes()[:99])
    (folder / "lesions.csv").write_text("image,patient_id,margin,x,y,radius\na.pgm,1,spiculated,9,9,4\nb.pgm,2\n")
    report = run_import(study, make_plan(folder))
    assert (report.images, report.lesions) == (1, 1) and report.source == "in"
    assert "b.pgm" in _sentences(report)
    assert np.array_equal(study.arrays.read_pixels(study.images.all()[0].id), pixels)


@pytest.mark.shared
def test_real_layouts_are_imported_into_one_study(study: Study) -> None:
    data = Path(os.environ.get("MARGINALIA_DATA", Path(__file__).parents[5] / "shared" / "data"))
    reports = [run_import(study, make_plan(data / name)) for name in ("mini-mias", "cdd-cesm")]
    assert [(r.images, r.lesions) for r in reports] == [(47, 36), (258, 48)]
    assert {patient.source for patient in study.patients.all()} == {"mini-MIAS", "CDD-CESM"}
