"""Multi-frame files: written, told apart by every kind of offset table, read one frame at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from core.domain.study import Window
from core.domain.vocabulary import Laterality, ViewPosition
from core.imaging.decoded import Refusal, RefusedImageError
from core.imaging.formats import dicom_fragments
from core.imaging.reader import read_image
from core.imaging.worker import read_frames
from core.imaging.write_dicom import Encoding, MammogramHeader
from core.imaging.write_tomosynthesis import write_tomosynthesis

HEADER = MammogramHeader(
    patient_id="P1",
    laterality=Laterality.RIGHT,
    view=ViewPosition.MLO,
    spacing_mm=0.1,
    windows=(Window(centre=2000.0, width=1500.0, explanation="NORMAL"),),
    synthetic=True,
)


def slices(count: int = 5, rows: int = 40, columns: int = 30) -> list[NDArray[np.uint16]]:
    return [np.random.default_rng(k).integers(0, 4096, (rows, columns)).astype(np.uint16) for k in range(count)]


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("encoding", Encoding)
def test_every_slice_is_read_back_alone(encoding: Encoding, extended: bool, tmp_path: Path) -> None:
    path, written = tmp_path / "a.dcm", slices()
    write_tomosynthesis(path, written, HEADER, encoding=encoding, extended_table=extended)
    for k, pixels in enumerate(written):
        found = read_image(path, frame=k)
        np.testing.assert_array_equal(found.pixels, pixels)
        assert (found.frames, found.frame, found.synthetic) == (5, k, True)


def test_what_stands_in_functional_groups_is_found(tmp_path: Path) -> None:
    write_tomosynthesis(tmp_path / "a.dcm", slices(), HEADER)
    found = read_image(tmp_path / "a.dcm", frame=2)
    assert (found.pixel_spacing_mm, found.spacing_source) == (0.1, "Pixel Spacing")
    assert (found.laterality, found.view) == (Laterality.RIGHT, ViewPosition.MLO)
    assert [(w.centre, w.width) for w in found.windows] == [(2000.0, 1500.0)]


@pytest.mark.parametrize("own", [False, True])
def test_the_orientation_of_a_frame_is_that_of_its_group(tmp_path: Path, own: bool) -> None:
    """PS3.3 C.7.6.16.2.15: a tomosynthesis names it there, and not in the data set."""
    write_tomosynthesis(tmp_path / "a.dcm", slices(), HEADER)
    whole = dcmread(tmp_path / "a.dcm")
    del whole.PatientOrientation
    groups = whole.PerFrameFunctionalGroupsSequence if own else whole.SharedFunctionalGroupsSequence
    for group in groups:
        item = Dataset()
        item.PatientOrientation = ["A", "FR"]
        group.PatientOrientationInFrameSequence = [item]
    whole.save_as(tmp_path / "a.dcm")
    assert read_image(tmp_path / "a.dcm", frame=2).identity.patient_orientation == ("A", "FR")


def test_a_frame_of_its_own_goes_before_what_is_shared(tmp_path: Path) -> None:
    write_tomosynthesis(tmp_path / "a.dcm", slices(), HEADER)
    whole = dcmread(tmp_path / "a.dcm")
    own = dcmread(tmp_path / "a.dcm").SharedFunctionalGroupsSequence[0].FrameVOILUTSequence
    own[0].WindowCenter = "1234"
    whole.PerFrameFunctionalGroupsSequence[3].FrameVOILUTSequence = own
    whole.save_as(tmp_path / "a.dcm")
    centres = [read_image(tmp_path / "a.dcm", frame=k).windows[0].centre for k in (2, 3)]
    assert centres == [2000.0, 1234.0]


@pytest.mark.parametrize("extended", [False, True])
def test_frames_in_several_fragments_are_told_apart_by_either_table(extended: bool, tmp_path: Path) -> None:
    from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames

    path, written = tmp_path / "a.dcm", slices(3)
    write_tomosynthesis(path, written, HEADER)
    whole = dcmread(path)
    codes = list(generate_frames(whole.PixelData, number_of_frames=3))
    if extended:
        # each frame is one fragment and a fourth fragment follows that no frame has
        data, table, lengths = encapsulate_extended(codes)
        whole.PixelData = data + bytes.fromhex("feff00e004000000") + b"\0\0\0\0"
        whole.ExtendedOffsetTable, whole.ExtendedOffsetTableLengths = table, lengths
    else:
        whole.PixelData = encapsulate(codes, fragments_per_frame=2, has_bot=True)
    whole["PixelData"].is_undefined_length = True
    whole["PixelData"].VR = "OB"
    whole.save_as(path)
    last = 2 if extended else 3
    for k in range(last):
        np.testing.assert_array_equal(read_image(path, frame=k).pixels, written[k])


def test_the_bytes_of_other_frames_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, written = tmp_path / "a.dcm", slices(20, 200, 150)
    write_tomosynthesis(path, written, HEADER)
    read: list[int] = []
    plain = dicom_fragments._read_at
    monkeypatch.setattr(
        dicom_fragments, "_read_at", lambda file, start, end: read.append(end - start) or plain(file, start, end)
    )
    np.testing.assert_array_equal(read_image(path, frame=17).pixels, written[17])
    assert sum(read) < path.stat().st_size / 10


def test_a_damaged_slice_refuses_itself_and_not_the_others(tmp_path: Path) -> None:
    path, written = tmp_path / "a.dcm", slices(3)
    write_tomosynthesis(path, written, HEADER)
    data = bytearray(path.read_bytes())
    # the start marker of the second codestream
    second = data.index(b"\xff\xd8\xff", data.index(b"\xff\xd8\xff") + 3)
    data[second : second + 2] = b"\0\0"
    path.write_bytes(bytes(data))
    outcomes = list(read_frames(path, range(3), workers=1))
    np.testing.assert_array_equal(outcomes[0].pixels, written[0])  # type: ignore[union-attr]
    assert isinstance(outcomes[1], RefusedImageError) and outcomes[1].reason is Refusal.DAMAGED
    np.testing.assert_array_equal(outcomes[2].pixels, written[2])  # type: ignore[union-attr]


def test_slices_of_different_sizes_are_no_tomosynthesis(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one size"):
        write_tomosynthesis(tmp_path / "a.dcm", [*slices(2), *slices(1, 41)], HEADER)
    with pytest.raises(ValueError, match="one size"):
        write_tomosynthesis(tmp_path / "a.dcm", [], HEADER)
