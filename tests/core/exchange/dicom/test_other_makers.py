"""Results of other programs: read as their makers meant them, or refused with the reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from core.data.mask_shapes import count_regions, regions_of_mask
from core.domain.study import Lesion
from core.exchange.dicom.bitmaps import Bitmap
from core.exchange.dicom.export_results import ResultKind, export_results
from core.exchange.dicom.import_results import ResultsRead, read_results
from core.imaging.raster import rasterise, rasterise_outline
from core.store.study import Study
from tests.core.exchange.dicom.segmentations import blob, derived_from, made_of, source_of

A, B = blob(20, 30, 10, 25), blob(110, 125, 150, 170)
RING = blob(100, 130, 20, 60) - blob(105, 115, 30, 40) - blob(120, 125, 45, 55)

pytestmark = pytest.mark.usefixtures("one_child")


@pytest.fixture
def template(study: Study, tmp_path: Path) -> Path:
    """A Segmentation of the first image."""
    written = export_results(study, tmp_path / "own", ResultKind.SEG)
    return tmp_path / "own" / written.files[0]


@pytest.fixture
def back(tmp_path: Path) -> Path:
    folder = tmp_path / "back"
    folder.mkdir()
    return folder


def save(made: pydicom.Dataset, path: Path) -> None:
    made.save_as(path, enforce_file_format=True)


def new_lesions(study: Study, place: Path) -> tuple[ResultsRead, list[Lesion]]:
    known = {lesion.id for lesion in study.lesions.all()}
    read = read_results(study, place, reader="Dr. B")
    return read, [lesion for lesion in study.lesions.all() if lesion.id not in known]


def drawn(lesion: Lesion) -> np.ndarray:
    return rasterise_outline(lesion.outline, width=200, height=150)


@pytest.mark.parametrize("numbers", [(1, 2), (7, 3), (200, 65535)])
def test_every_segment_is_a_lesion_whatever_its_number(
    study: Study, template: Path, back: Path, numbers: tuple[int, int]
) -> None:
    save(made_of(template, [A, B], numbers), back / "made.dcm")
    read, lesions = new_lesions(study, back)
    assert (read.files, read.new_lesions, read.issues) == (1, 2, ())
    for lesion, mask in zip(lesions, (A, B), strict=True):
        np.testing.assert_array_equal(drawn(lesion), mask)
    assert new_lesions(study, back)[0].new_lesions == 0


def test_the_image_is_known_by_source_image_sequence_alone(study: Study, template: Path, back: Path) -> None:
    made = made_of(template, [A], [1], sources=[source_of(pydicom.dcmread(template))])
    del made.ReferencedSeriesSequence
    save(made, back / "made.dcm")
    read, [lesion] = new_lesions(study, back)
    assert read.issues == () and lesion.image_id == "00000000-abcdef"
    del made.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence
    for keyword in ("SourceImageSequence", "ReferencedImageSequence"):
        made.pop(keyword, None)
    save(made, back / "made.dcm")
    assert "names no image for frame 1" in read_results(study, back, reader="Dr. B").issues[0].sentence


def test_one_file_speaks_of_several_images(study: Study, template: Path, back: Path, tmp_path: Path) -> None:
    files = sorted((tmp_path / "own").glob("*.dcm"))
    sources = [source_of(pydicom.dcmread(path)) for path in files]
    made = made_of(template, [A, B], [1, 2], sources=[sources[2], sources[1]], tracking=["2.25.8", "2.25.9"])
    save(made, back / "made.dcm")
    _, lesions = new_lesions(study, back)
    assert {lesion.image_id[:8]: drawn(lesion).sum() for lesion in lesions} == {
        "00000002": A.sum(), "00000001": B.sum()
    }  # fmt: skip
    # another program's image is said to be one
    made.PerFrameFunctionalGroupsSequence[1] = derived_from("1.2.3")
    made.PerFrameFunctionalGroupsSequence[1].SegmentIdentificationSequence = [pydicom.Dataset()]
    made.PerFrameFunctionalGroupsSequence[1].SegmentIdentificationSequence[0].ReferencedSegmentNumber = 2
    save(made, back / "made.dcm")
    [issue] = read_results(study, back, reader="Dr. B").issues
    assert "1 images that are not in this study" in issue.sentence


def test_two_regions_of_a_segment_are_two_lesions_and_a_note(study: Study, template: Path, back: Path) -> None:
    save(made_of(template, [A | B], [1]), back / "made.dcm")
    read, lesions = new_lesions(study, back)
    assert ["2 separate regions" in issue.sentence for issue in read.issues] == [True]
    np.testing.assert_array_equal(drawn(lesions[0]) | drawn(lesions[1]), A | B)
    assert new_lesions(study, back)[1] == []


def test_holes_stay_holes(study: Study, template: Path, back: Path) -> None:
    save(made_of(template, [RING], [1]), back / "made.dcm")
    read, [lesion] = new_lesions(study, back)
    assert read.issues == ()
    np.testing.assert_array_equal(drawn(lesion), RING)


@pytest.mark.parametrize("seed", range(8))
def test_regions_mark_their_mask_to_the_bit(seed: int) -> None:
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(np.random.default_rng(seed).random((60, 70)), 1.2)
    mask = (noise > np.median(noise)).astype(np.uint8)
    regions = regions_of_mask(mask, left=5, top=9)
    assert len(regions) == count_regions(mask)
    together = sum(rasterise([one], width=90, height=80).astype(int) for one in regions)
    np.testing.assert_array_equal(together[9:69, 5:75], mask)
    assert Bitmap.of(mask).mask(60, 70).tolist() == mask.tolist()


def test_dust_is_no_lesion(study: Study, template: Path, back: Path) -> None:
    dust = np.zeros((150, 200), np.uint8)
    dust[::2, ::2] = 1
    save(made_of(template, [dust, A], [1, 2]), back / "made.dcm")
    read, lesions = new_lesions(study, back)
    assert len(lesions) == 1
    assert ["7,500 separate regions" in issue.sentence for issue in read.issues] == [True]


def test_fractional_masks_are_taken_by_half_with_a_note(study: Study, template: Path, back: Path) -> None:
    save(made_of(template, [A * 100 + B * 99], [1], kind="FRACTIONAL"), back / "made.dcm")
    read, [lesion] = new_lesions(study, back)
    np.testing.assert_array_equal(drawn(lesion), A)
    assert "fractional" in read.issues[0].sentence


def test_label_maps_are_read(study: Study, template: Path, back: Path) -> None:
    made = made_of(template, [A * 4 + B * 9], [4], kind="LABELMAP")
    made.SegmentSequence = [*made_of(template, [A, B], [4, 9]).SegmentSequence]
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66.7"
    save(made, back / "made.dcm")
    _, lesions = new_lesions(study, back)
    assert [int(drawn(lesion).sum()) for lesion in lesions] == [int(A.sum()), int(B.sum())]


@pytest.mark.parametrize("preamble", [True, False])
def test_a_file_is_known_by_its_content(study: Study, template: Path, back: Path, preamble: bool) -> None:
    made = made_of(template, [A], [1])
    (back / "in").mkdir()
    made.save_as(back / "in" / "SEG0001", enforce_file_format=True)
    if not preamble:
        (back / "in" / "SEG0001").write_bytes((back / "in" / "SEG0001").read_bytes()[132:])
    (back / "notes.txt").write_text("not DICOM")
    (back / "README.txt").write_text("ours")
    read, lesions = new_lesions(study, back)
    assert (read.files, len(lesions), read.passed_over) == (1, 1, ("notes.txt",))
    assert ["1 files are not DICOM files" in issue.sentence for issue in read.issues] == [True]


def test_a_lesion_gets_the_next_free_number(study: Study, template: Path, back: Path) -> None:
    save(made_of(template, [A, B], [1, 2]), back / "made.dcm")
    _, lesions = new_lesions(study, back)
    assert [lesion.number for lesion in lesions] == [2, 3]
    study.lesions.remove(lesions[0].id)
    save(made_of(template, [A], [1]), back / "made.dcm")
    _, [again] = new_lesions(study, back)
    assert again.number == 4 and {one.number for one in study.lesions.of_image(again.image_id)} == {1, 3, 4}


def test_another_outline_of_a_known_lesion_is_a_note(study: Study, template: Path, back: Path) -> None:
    made = pydicom.dcmread(template)
    made = made_of(template, [A], [1], tracking=[str(made.SegmentSequence[0].TrackingUID)])
    save(made, back / "made.dcm")
    read, lesions = new_lesions(study, back)
    assert lesions == [] and "outlines lesion 1 differently" in read.issues[0].sentence


def test_reports_and_presentation_states_of_two_images_keep_them_apart(study: Study, tmp_path: Path) -> None:
    for kind in (ResultKind.SR, ResultKind.GSPS):
        written = export_results(study, tmp_path / kind.value, kind)
        first, second = (tmp_path / kind.value / name for name in written.files[2:])
        joined, other = pydicom.dcmread(first), pydicom.dcmread(second)
        if kind is ResultKind.SR:
            part, more = (
                next(i for i in one.ContentSequence if i.ConceptNameCodeSequence[0].CodeValue == "126010")
                for one in (joined, other)
            )
            part.ContentSequence.extend(more.ContentSequence)
        else:
            joined.GraphicAnnotationSequence.extend(other.GraphicAnnotationSequence)
        save(joined, first)
        second.unlink()
        for name in written.files[:2]:
            (tmp_path / kind.value / name).unlink()
    for lesion in ("l2", "l3"):
        study.lesions.remove(lesion)
    _, lesions = new_lesions(study, tmp_path / "gsps")
    assert [lesion.image_id[:8] for lesion in lesions] == ["00000002", "00000003"]
    for lesion in lesions:
        study.lesions.remove(lesion.id)
    read, lesions = new_lesions(study, tmp_path / "sr")
    assert [lesion.image_id[:8] for lesion in lesions] == ["00000002", "00000003"]
    assert read.labels == 2


def test_many_segments_of_a_large_image_need_little_memory(study: Study, template: Path, back: Path) -> None:
    """C-10: 250 kB that describe 500 masks of 12 million pixels."""
    import resource

    shape = (4000, 3000)
    one = made_of(template, [blob(10, 20, 10, 20, shape=shape)], [1])
    many = made_of(template, [blob(1, 2, 1, 2, shape=(8, 8))] * 500, range(1, 501))
    one.SegmentSequence = many.SegmentSequence
    save(one, back / "made.dcm")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read = read_results(study, back, reader="Dr. B")
    assert "3000 x 4000 pixels" in read.issues[-1].sentence
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_a_segmentation_cut_short_is_refused(study: Study, template: Path, back: Path) -> None:
    made = made_of(template, [A, B], [1, 2])
    made.PixelData = made.PixelData[:4000]
    save(made, back / "made.dcm")
    assert "cut short" in read_results(study, back, reader="Dr. B").issues[0].sentence
