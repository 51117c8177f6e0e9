from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from core.data.importers.contours import CONTOUR_BAND
from core.data.roi_set import InputTransform
from core.data.split import check_split
from core.data.training_set import (
    RoiRequest,
    build_drawn_rois,
    build_roi_set,
    roi_of_lesion,
    roi_split_rows,
)
from core.domain.content import content_sha256
from core.domain.errors import Cancelled, StudyError
from core.domain.events import Event, Progress
from core.domain.geometry import Box
from core.domain.shapes import Length, Line, Polygon, Rectangle, circle
from core.domain.study import Finding, Image, Labels, Lesion, Patient, Window
from core.domain.vocabulary import MarginType, MassShape, Pathology
from core.store.study import Study

NAMES = ("circumscribed", "spiculated")
TRANSFORM = InputTransform(input_size=48, context="compact")
REQUEST = RoiRequest(transform=TRANSFORM, class_names=NAMES)
OUTLINE = Polygon(points=((80.0, 60.0), (120.0, 60.0), (120.0, 90.0), (80.0, 90.0)))
BAND = (Line(points=((80.0, 60.0), (120.0, 60.0)), width=Length(value=0.6, unit="mm")),)
SPICULATED = Labels(margin=MarginType.SPICULATED, shape=MassShape.OVAL, pathology=Pathology.MALIGNANT)
CIRCUMSCRIBED = Labels(margin=MarginType.CIRCUMSCRIBED, shape=MassShape.ROUND, pathology=Pathology.BENIGN)


def _pixels(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 4096, (150, 200)).astype(np.uint16)


def _add(study: Study, number: int, labels: Labels, *, source: str = "one", **image: object) -> str:
    """One patient with one image and one lesion; the lesion's id."""
    study.patients.add(Patient(id=f"p{number}", pseudonym=f"P{number}", source=source))
    pixels = image.pop("pixels", _pixels(number))
    assert isinstance(pixels, np.ndarray)
    plain = Image(
        id=f"i{number}",
        patient_id=f"p{number}",
        content_sha256=content_sha256(pixels),
        width=200,
        height=150,
        bits_stored=12,
        pixel_spacing_mm=0.1,
        windows=(Window(centre=2048, width=4096),),
    )
    study.arrays.write_pixels(plain.id, pixels)
    study.images.add(msgspec.structs.replace(plain, **image))
    study.lesions.add_finding(Finding(id=f"f{number}", patient_id=f"p{number}"))
    study.lesions.add(
        Lesion(id=f"l{number}", finding_id=f"f{number}", image_id=f"i{number}", outline=OUTLINE, labels=labels)
    )
    return f"l{number}"


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    with Study.create(tmp_path / "study", name="test") as made:
        yield made


def _annotate(study: Study, lesion: str, reader: str = "Dr. A", shapes: tuple[Line, ...] = BAND) -> None:
    study.annotations.commit(lesion, study.readers.ensure(reader).id, shapes)


def test_every_field_says_what_the_study_says(study: Study) -> None:
    _add(study, 0, SPICULATED)
    _add(study, 1, CIRCUMSCRIBED, source="two")
    _add(study, 2, Labels(margin=MarginType.SPICULATED))
    _annotate(study, "l1")
    rois = build_roi_set(study, REQUEST).rois
    size = TRANSFORM.stored_size
    assert rois.pixels.shape == rois.lesion.shape == rois.fine.shape == (3, size, size)
    assert rois.lesion_ids == ("l0", "l1", "l2") and rois.patient_ids == ("p0", "p1", "p2")
    assert rois.finding_ids == ("f0", "f1", "f2") and rois.sources == ("one", "two", "one")
    assert rois.label.tolist() == [1, 0, 1] and rois.malignant.tolist() == [1, 0, -1]
    assert rois.has_fine.tolist() == [False, True, False]


def test_masks_lie_where_the_shapes_are(study: Study) -> None:
    _add(study, 0, SPICULATED)
    _annotate(study, "l0")
    rois = build_roi_set(study, REQUEST).rois
    to_input = rois.image_to_input[0]
    lesion, fine = rois.central(rois.lesion[0]), rois.central(rois.fine[0])
    # the box is 40 x 30 px in a square of 80 px: 24 x 18 of the 48 px input
    assert lesion.sum() == 24 * 18 and lesion[15:33, 12:36].all()
    assert to_input((80.0, 60.0)) == pytest.approx((12, 15))
    # 0.6 mm at 0.1 mm a pixel, halved by the square: 3.6 px around the upper edge
    rows = np.flatnonzero(fine[:, 24])
    assert rows.tolist() == [13, 14, 15, 16]


def test_pixels_are_windowed_and_cut_from_the_context(study: Study) -> None:
    pixels = np.full((150, 200), 1000, np.uint16)
    pixels[60:90, 80:120] = 3000
    _add(study, 0, SPICULATED, pixels=pixels, windows=(Window(centre=2000, width=2001),))
    rois = build_roi_set(study, REQUEST).rois
    centre = rois.central(rois.pixels[0])
    assert centre[24, 24] == 255 and centre[2, 2] == 0
    assert np.array_equal(centre > 127, rois.central(rois.lesion[0]).astype(bool))


def test_signed_and_inverted_pixels_look_like_plain_ones(study: Study) -> None:
    plain = _pixels(5)
    _add(study, 0, SPICULATED, pixels=plain)
    _add(study, 1, SPICULATED, pixels=(plain.astype(np.int32) - 2048).astype(np.int16), rescale_intercept=2048.0)
    _add(study, 2, SPICULATED, pixels=4095 - plain, photometric="MONOCHROME1")
    rois = build_roi_set(study, REQUEST).rois
    assert np.array_equal(rois.pixels[0], rois.pixels[1])
    assert np.abs(rois.pixels[0].astype(int) - rois.pixels[2]).max() <= 1


def test_exclusions_have_reasons(study: Study) -> None:
    _add(study, 0, SPICULATED)
    _add(study, 1, Labels(margin=MarginType.OBSCURED))
    _add(study, 2, Labels())
    _add(study, 3, SPICULATED, source="two")
    made = build_roi_set(study, replace(REQUEST, sources=("one",)))
    assert made.rois.lesion_ids == ("l0",)
    assert {e.lesion_id: e.reason for e in made.exclusions} == {
        "l1": "margin 'obscured' is not among the trained classes",
        "l2": "no margin is given",
        "l3": "its source two was not chosen",
    }
    everything = build_roi_set(study, replace(REQUEST, unlabelled=True)).rois
    assert everything.label.tolist() == [1, -1, -1, 1]


def test_nothing_usable_is_said(study: Study) -> None:
    with pytest.raises(StudyError, match="No lesion of the study can be used"):
        build_roi_set(study, REQUEST)
    _add(study, 0, Labels())
    with pytest.raises(StudyError, match="no margin is given"):
        build_roi_set(study, REQUEST)


def test_shape_can_be_trained_instead(study: Study) -> None:
    _add(study, 0, SPICULATED)
    _add(study, 1, CIRCUMSCRIBED)
    rois = build_roi_set(study, replace(REQUEST, label="shape", class_names=("oval", "round"))).rois
    assert rois.label.tolist() == [0, 1]


def test_readers_go_before_the_data_set_and_must_agree(study: Study) -> None:
    for number in range(3):
        _add(study, number, SPICULATED)
    a, b = study.readers.ensure("A"), study.readers.ensure("B")
    margin = Labels(margin=MarginType.CIRCUMSCRIBED)
    study.lesions.set_labels("l0", margin, reader_id=a.id)
    study.lesions.set_labels("l1", margin, reader_id=a.id)
    study.lesions.set_labels("l1", SPICULATED, reader_id=b.id)
    made = build_roi_set(study, REQUEST)
    assert made.rois.lesion_ids == ("l0", "l2") and made.rois.label.tolist() == [0, 1]
    assert made.exclusions[0].reason == "the readers disagree on its margin (A: circumscribed, B: spiculated)"
    ranked = build_roi_set(study, replace(REQUEST, readers=("B", "A"))).rois
    assert ranked.label.tolist() == [0, 1, 1]


def test_a_drawn_annotation_goes_before_a_derived_one(study: Study) -> None:
    _add(study, 0, SPICULATED)
    _annotate(study, "l0", CONTOUR_BAND, (Line(points=((80.0, 90.0), (120.0, 90.0)), width=BAND[0].width),))
    derived = build_roi_set(study, REQUEST).rois.fine[0]
    _annotate(study, "l0", "Dr. B")
    drawn = build_roi_set(study, REQUEST).rois.fine[0]
    assert np.argwhere(drawn)[:, 0].mean() < np.argwhere(derived)[:, 0].mean()
    study.annotations.commit("l0", study.readers.ensure("Dr. B").id, ())
    assert np.array_equal(build_roi_set(study, REQUEST).rois.fine[0], derived), "an erased annotation is none"


def test_arrays_are_kept_until_their_inputs_change(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    _add(study, 0, SPICULATED)
    first = build_roi_set(study, REQUEST).rois
    reads: list[str] = []
    read = study.arrays.read_pixels

    def counted(image_id: str, *, frame: int = 0) -> object:
        reads.append(image_id)
        return read(image_id, frame=frame)

    monkeypatch.setattr(study.arrays, "read_pixels", counted)
    assert build_roi_set(study, REQUEST).rois.fingerprint() == first.fingerprint() and not reads
    study.lesions.set_labels("l0", CIRCUMSCRIBED)
    assert build_roi_set(study, REQUEST).rois.label.tolist() == [0] and not reads, "labels are never kept"
    study.lesions.set_outline("l0", Rectangle(box=Box(x0=10, y0=10, x1=40, y1=40)))
    moved = build_roi_set(study, REQUEST).rois
    assert reads == ["i0"] and not np.array_equal(moved.pixels, first.pixels)
    _annotate(study, "l0", shapes=(circle((20, 20), 5),))  # type: ignore[arg-type]
    assert build_roi_set(study, REQUEST).rois.has_fine.all() and len(reads) == 2


def test_a_region_is_cut_out_once_whatever_set_it_is_asked_for_in(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, labels in enumerate((SPICULATED, CIRCUMSCRIBED, Labels())):
        _add(study, number, labels)
    _annotate(study, "l1")
    alone = build_roi_set(study, replace(REQUEST, unlabelled=True)).rois
    (study.folder / "derived").joinpath(study.arrays.derived_files()[0] + ".h5").unlink()
    reads: list[str] = []
    read = study.arrays.read_pixels

    def counted(image_id: str, *, frame: int = 0) -> object:
        reads.append(image_id)
        return read(image_id, frame=frame)

    monkeypatch.setattr(study.arrays, "read_pixels", counted)
    build_roi_set(study, REQUEST)  # as a training does
    assert reads == ["i0", "i1"]
    seen: list[Event] = []
    everything = build_roi_set(study, replace(REQUEST, unlabelled=True), emit=seen.append).rois
    assert reads == ["i0", "i1", "i2"]
    assert [(e.done, e.total) for e in seen if isinstance(e, Progress)] == [(1, 1)]
    assert everything.fingerprint() == alone.fingerprint()
    files = study.arrays.derived_files()
    assert build_roi_set(study, REQUEST).rois.fingerprint() == everything.rows([0, 1]).fingerprint()
    assert (len(reads), study.arrays.derived_files()) == (3, files)
    build_roi_set(study, replace(REQUEST, transform=msgspec.structs.replace(TRANSFORM, input_size=32)))
    assert reads[3:] == ["i0", "i1"]


def test_a_damaged_kept_file_is_made_anew(study: Study) -> None:
    _add(study, 0, SPICULATED)
    first = build_roi_set(study, REQUEST).rois
    (kept,) = (study.folder / "derived").glob("roi-cache-*.h5")
    kept.write_bytes(kept.read_bytes()[:-200])
    assert build_roi_set(study, REQUEST).rois.fingerprint() == first.fingerprint()


def test_a_study_open_for_reading_keeps_nothing(study: Study) -> None:
    _add(study, 0, SPICULATED)
    study.close()
    with Study.open(study.folder, writable=False) as reading:
        assert len(build_roi_set(reading, REQUEST).rois) == 1
    assert not list((study.folder / "derived").glob("roi-cache-*"))


def test_the_roi_of_one_lesion_is_its_row_of_the_set(study: Study) -> None:
    for number in range(3):
        _add(study, number, SPICULATED)
    _annotate(study, "l1")
    whole = build_roi_set(study, REQUEST).rois
    one = roi_of_lesion(study, "l1", REQUEST)
    assert (
        one.fingerprint() == whole.rows([1]).fingerprint() and one.image_to_input == whole.rows([1]).image_to_input
    )
    _add(study, 9, Labels())
    assert roi_of_lesion(study, "l9", REQUEST).label.tolist() == [-1]


def test_roi_split_rows_hold_what_a_split_must_keep_together(study: Study) -> None:
    _add(study, 0, SPICULATED)
    _add(study, 1, CIRCUMSCRIBED, pixels=_pixels(0))
    rows = roi_split_rows(study, build_roi_set(study, REQUEST).rois)
    assert [row.class_name for row in rows] == ["spiculated", "circumscribed"]
    assert rows[0].content == rows[1].content and rows[0].patient_id != rows[1].patient_id
    with pytest.raises(StudyError, match="identical image"):
        check_split(rows, [0, 1])


def test_progress_is_told_and_cancelling_stops(study: Study) -> None:
    for number in range(2):
        _add(study, number, SPICULATED)
    seen: list[Event] = []
    with pytest.raises(Cancelled):
        build_roi_set(study, REQUEST, emit=seen.append, cancelled=lambda: bool(seen))
    assert [(e.done, e.total) for e in seen if isinstance(e, Progress)] == [(1, 2)]
    assert not list((study.folder / "derived").glob("roi-cache-*"))


def test_drawn_rois_show_the_lesion_where_its_box_says(study: Study) -> None:
    for number, labels in enumerate((SPICULATED, CIRCUMSCRIBED, SPICULATED)):
        _add(study, number, labels)
    _annotate(study, "l1")
    plain = build_roi_set(study, REQUEST).rois
    drawn = build_drawn_rois(study, REQUEST, ("l2", "l0", "l1"))
    size = TRANSFORM.input_size
    assert drawn.pixels.shape == (3, size, size) and drawn.lesion_ids == ("l2", "l0", "l1")
    assert drawn.label.tolist() == [1, 1, 0] and drawn.has_fine.tolist() == [False, False, True]
    places = set()
    for row, affine in enumerate(drawn.image_to_input):
        box = affine.of_box(Box(x0=80, y0=60, x1=120, y1=90))
        assert 0.25 - 1e-6 <= box.width / size <= 0.6 + 1e-6
        y, x = np.nonzero(drawn.lesion[row])
        assert x.min() == pytest.approx(max(box.x0, 0), abs=1) and y.min() == pytest.approx(max(box.y0, 0), abs=1)
        places.add((round(box.x0), round(box.y0), round(box.width)))
    assert len(places) == 3
    assert not np.array_equal(drawn.pixels[1], plain.central(plain.pixels)[0])


def test_drawn_rois_are_the_same_again_alone_and_without_pixels(study: Study) -> None:
    for number in range(2):
        _add(study, number, SPICULATED)
    both = build_drawn_rois(study, REQUEST, ("l0", "l1"))
    alone = build_drawn_rois(study, REQUEST, ("l1",))
    np.testing.assert_array_equal(alone.pixels[0], both.pixels[1])
    assert alone.image_to_input[0] == both.image_to_input[1]
    masks = build_drawn_rois(study, REQUEST, ("l0", "l1"), pixels=False)
    np.testing.assert_array_equal(masks.lesion, both.lesion)
    assert not masks.pixels.any()
    assert not np.array_equal(build_drawn_rois(study, REQUEST, ("l0",), seed=2).lesion[0], both.lesion[0])
    with pytest.raises(StudyError, match="cannot be evaluated"):
        build_drawn_rois(study, REQUEST, ("l0", "gone"))


def test_a_context_in_millimetres_leaves_out_images_of_unknown_spacing(study: Study) -> None:
    known = _add(study, 76, SPICULATED)
    mm = replace(REQUEST, transform=InputTransform(input_size=48, context="mm", context_mm=3))
    unknown = _add(study, 77, CIRCUMSCRIBED, pixel_spacing_mm=None)
    built = build_roi_set(study, mm)
    assert unknown not in built.rois.lesion_ids
    assert built.rois.lesion_ids == (known,)
    assert [e.reason for e in built.exclusions if e.lesion_id == unknown] == [
        "its image has no pixel spacing, which a context in millimetres needs"
    ]


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
def test_the_rois_own_window_does_not_depend_on_the_machines_brightness(study: Study, photometric: str) -> None:
    """Two images of one content, the second with other gain and offset: the same ROI, which fills 0 to 255."""
    own = replace(REQUEST, transform=InputTransform(input_size=48, context="lesion", window="roi"))
    first = _add(study, 50, CIRCUMSCRIBED, photometric=photometric)
    second = _add(study, 51, CIRCUMSCRIBED, photometric=photometric, pixels=_pixels(50) * 2 + 1000)
    a, b = (roi_of_lesion(study, lesion, own) for lesion in (first, second))
    centre = a.central(a.pixels).astype(int)
    assert np.abs(centre - b.central(b.pixels)).max() <= 1
    assert centre.min() < 30 and centre.max() > 225
    if photometric == "MONOCHROME1":
        plain = roi_of_lesion(study, _add(study, 52, CIRCUMSCRIBED, pixels=_pixels(50)), own)
        assert np.abs(255 - centre - plain.central(plain.pixels)).max() <= 1
