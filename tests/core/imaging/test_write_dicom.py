"""Files of our own: valid, the same twice, and read back bit for bit in every encoding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from core.domain.study import Window
from core.domain.vocabulary import Laterality, ViewPosition
from core.imaging.reader import read_image
from core.imaging.write_dicom import MG_FOR_PRESENTATION, Encoding, MammogramHeader, write_mammogram
from tests.core.imaging.samples import texture

HEADER = MammogramHeader(
    patient_id="P-1",
    laterality=Laterality.RIGHT,
    view=ViewPosition.MLO,
    spacing_mm=0.1,
    magnification=1.25,
    windows=(
        Window(centre=2000, width=1500, function="SIGMOID", explanation="NORMAL"),
        Window(centre=2000.5, width=3000, function="SIGMOID", explanation="SOFTER"),
    ),
    acquired="20240131",
    padding_value=0,
    synthetic=True,
)


@pytest.mark.parametrize("encoding", list(Encoding))
def test_every_lossless_encoding_gives_the_pixels_of_the_uncompressed_twin(
    tmp_path: Path, encoding: Encoding
) -> None:
    pixels = texture()
    write_mammogram(tmp_path / "a.dcm", pixels, HEADER, encoding=encoding)
    image = read_image(tmp_path / "a.dcm")
    np.testing.assert_array_equal(image.pixels, pixels)
    assert (image.transfer_syntax, image.bits_stored, image.warnings) == (encoding.value, 12, ())


@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize("bits", [12, 16])
def test_signed_pixels_keep_their_sign(tmp_path: Path, encoding: Encoding, bits: int) -> None:
    pixels = (texture(top=1 << bits).astype(np.int64) - (1 << (bits - 1))).astype(np.int16)
    header = MammogramHeader(
        patient_id="P", laterality=Laterality.LEFT, view=ViewPosition.CC, spacing_mm=0.05, bits_stored=bits
    )
    write_mammogram(tmp_path / "a.dcm", pixels, header, encoding=encoding)
    image = read_image(tmp_path / "a.dcm")
    assert image.pixels.dtype == np.int16 and image.bits_stored == bits
    np.testing.assert_array_equal(image.pixels, pixels)


@pytest.mark.parametrize("encoding", list(Encoding))
def test_eight_bit_pixels_of_odd_length_are_kept(tmp_path: Path, encoding: Encoding) -> None:
    pixels = texture(31, 33, top=256).astype(np.uint8)
    header = MammogramHeader(
        patient_id="P", laterality=Laterality.LEFT, view=ViewPosition.CC, spacing_mm=0.05, bits_stored=8
    )
    write_mammogram(tmp_path / "a.dcm", pixels, header, encoding=encoding)
    image = read_image(tmp_path / "a.dcm")
    assert image.pixels.dtype == np.uint8
    np.testing.assert_array_equal(image.pixels, pixels)


def test_the_header_comes_back(tmp_path: Path) -> None:
    write_mammogram(tmp_path / "a.dcm", texture(), HEADER)
    image = read_image(tmp_path / "a.dcm")
    assert (image.laterality, image.view) == (Laterality.RIGHT, ViewPosition.MLO)
    assert image.pixel_spacing_mm == pytest.approx(0.08)
    assert image.spacing_source == "Imager Pixel Spacing / Estimated Radiographic Magnification Factor"
    assert image.windows == HEADER.windows
    assert (image.acquired, image.padding, image.synthetic) == ("2024-01-31", (0, 0), True)
    assert image.identity.patient_id == "P-1"
    assert (image.format, image.frames, image.photometric) == ("DICOM", 1, "MONOCHROME2")


def test_the_file_is_a_mammogram_for_presentation(tmp_path: Path) -> None:
    write_mammogram(tmp_path / "a.dcm", texture(), HEADER)
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    assert dataset.SOPClassUID == MG_FOR_PRESENTATION == dataset.file_meta.MediaStorageSOPClassUID
    assert dataset.ViewCodeSequence[0].CodeValue == "R-10226"
    assert dataset.BurnedInAnnotation == "NO" and dataset.PresentationIntentType == "FOR PRESENTATION"
    assert dataset.ContentQualification == "RESEARCH"
    np.testing.assert_array_equal(dataset.pixel_array, texture())


def test_the_same_image_is_the_same_file_and_another_image_has_another_uid(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_mammogram(tmp_path / name, texture(seed=seed), HEADER)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    uids = [read_image(tmp_path / n).identity for n in "ac"]
    assert uids[0].study_uid == uids[1].study_uid and uids[0].sop_uid != uids[1].sop_uid


def test_values_beyond_the_bits_stored_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        write_mammogram(tmp_path / "a", texture(top=5000), HEADER)
    with pytest.raises(ValueError, match="do not fit"):
        write_mammogram(tmp_path / "a", np.full((4, 4), -2049, np.int16), HEADER)
    with pytest.raises(ValueError, match="two-dimensional"):
        write_mammogram(tmp_path / "a", np.zeros((4, 4, 3), np.uint16), HEADER)
    assert not list(tmp_path.iterdir())
