"""Further kinds of files from the field: newer codings, grey in colour channels, and what is no mammogram."""

from __future__ import annotations

import io
import resource
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from pydicom.dataset import Dataset

from core.data.importers.layouts import make_plan
from core.domain.vocabulary import Laterality, ViewPosition
from core.imaging.decoded import Refusal, RefusedImageError
from core.imaging.formats.codestream import jpeg_xl_size
from core.imaging.formats.dicom_place import side_and_view
from core.imaging.reader import read_image
from tests.core.imaging.samples import JPEG_2000, JPEG_BASELINE, dataset, jpeg_baseline, save, save_packed, texture

TEXTURE = texture()
GREY = (TEXTURE >> 4).astype(np.uint8)
RLE = "1.2.840.10008.1.2.5"


def renamed_syntax(path: Path, syntax: str) -> Path:
    """The file with another Transfer Syntax, such as one that pydicom does not write."""
    data = path.read_bytes()
    at = data.index(b"\x02\x00\x10\x00UI") + 6
    (length,) = struct.unpack_from("<H", data, at)
    name = syntax.encode() + b"\0" * (len(syntax) % 2)
    path.write_bytes(data[:at] + struct.pack("<H", len(name)) + name + data[at + 2 + length :])
    return path


def packed(folder: Path, frames: list[bytes], syntax: str, **attributes: Any) -> Path:
    found = dataset(folder, **attributes)
    return renamed_syntax(save_packed(found, frames, folder / "p.dcm", JPEG_2000), syntax)


def with_text(folder: Path, keyword: str, text: str) -> Path:
    """A file whose attribute holds this text, whatever the standard says of it."""
    found = dataset(folder)
    setattr(found, keyword, [11, 11] if "Spacing" in keyword else 11)
    path = save(found, folder / "a.dcm")
    tag = found[keyword].tag
    head = struct.pack("<HH2s", tag.group, tag.element, b"DS")
    data = path.read_bytes()
    at = data.index(head) + len(head)
    (length,) = struct.unpack_from("<H", data, at)
    new = text.encode() + b" " * (len(text) % 2)
    path.write_bytes(data[:at] + struct.pack("<H", len(new)) + new + data[at + 2 + length :])
    return path


def refused(path: Path) -> RefusedImageError:
    with pytest.raises(RefusedImageError) as caught:
        read_image(path)
    return caught.value


def deflated(data: bytes) -> bytes:
    pack = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return pack.compress(data) + pack.flush()


class TestDecimalCommas:
    def test_numbers_with_a_comma_are_read(self, tmp_path: Path) -> None:
        assert read_image(
            with_text(tmp_path, "ImagerPixelSpacing", "0,07\\0,07")
        ).pixel_spacing_mm == pytest.approx(0.07)
        assert read_image(with_text(tmp_path, "WindowCenter", "2047,5")).windows[0].centre == 2047.5
        assert read_image(with_text(tmp_path, "RescaleSlope", "1,5")).rescale_slope == 1.5

    def test_what_has_two_commas_is_no_number(self, tmp_path: Path) -> None:
        image = read_image(with_text(tmp_path, "RescaleSlope", "1,500,5"))
        assert image.rescale_slope == 1 and "RescaleSlope" in " ".join(image.warnings)


class TestCodings:
    @pytest.mark.parametrize("number", [110, 111, 112])
    def test_jpeg_xl(self, tmp_path: Path, number: int) -> None:
        data = imagecodecs.jpegxl_encode(TEXTURE, lossless=True)
        image = read_image(packed(tmp_path, [data], f"1.2.840.10008.1.2.4.{number}"))
        assert np.array_equal(image.pixels, TEXTURE) and not image.warnings

    @pytest.mark.parametrize("shape", [(61, 47), (64, 64), (300, 400), (1024, 8), (9000, 8)])
    def test_the_size_of_jpeg_xl_is_known_before_it_is_unpacked(self, shape: tuple[int, int]) -> None:
        bare = imagecodecs.jpegxl_encode(np.zeros(shape, np.uint8), usecontainer=False, lossless=True)
        boxed = imagecodecs.jpegxl_encode(np.zeros(shape, np.uint16), usecontainer=True, lossless=True)
        assert jpeg_xl_size(bare) == jpeg_xl_size(boxed) == shape[::-1]

    def test_jpeg_xl_of_another_size_is_refused_unopened(self, tmp_path: Path) -> None:
        data = imagecodecs.jpegxl_encode(np.zeros((4000, 4000), np.uint16), lossless=True)
        found = refused(packed(tmp_path, [data], "1.2.840.10008.1.2.4.110"))
        assert found.reason is Refusal.CONTRADICTORY and "4000 x 4000" in str(found)

    def test_plain_pixels_in_fragments(self, tmp_path: Path) -> None:
        path = packed(tmp_path, [TEXTURE.tobytes()], "1.2.840.10008.1.2.1.98")
        assert np.array_equal(read_image(path).pixels, TEXTURE)

    def test_deflated_frames(self, tmp_path: Path) -> None:
        other = TEXTURE[::-1].copy()
        frames = [deflated(TEXTURE.tobytes()), deflated(other.tobytes())]
        path = packed(tmp_path, frames, "1.2.840.10008.1.2.8.1", NumberOfFrames=2)
        assert np.array_equal(read_image(path, frame=1).pixels, other)

    def test_deflated_frames_are_unpacked_to_what_is_announced_only(self, tmp_path: Path) -> None:
        path = packed(tmp_path, [deflated(bytes(300_000_000))], "1.2.840.10008.1.2.8.1")
        assert read_image(path).pixels.max() == 0
        short = packed(tmp_path, [deflated(TEXTURE.tobytes()[:-2])], "1.2.840.10008.1.2.8.1")
        assert refused(short).reason is Refusal.CUT_SHORT

    def test_jpeg_2000_part_2(self, tmp_path: Path) -> None:
        data = imagecodecs.jpeg2k_encode(TEXTURE, level=0, codecformat="j2k")
        image = read_image(packed(tmp_path, [data], "1.2.840.10008.1.2.4.92"))
        assert np.array_equal(image.pixels, TEXTURE) and not image.warnings

    @pytest.mark.parametrize("number", [100, 102, 104, 107])
    def test_a_video_is_named(self, tmp_path: Path, number: int) -> None:
        found = refused(packed(tmp_path, [b"\0\0\1\xb3" + bytes(99)], f"1.2.840.10008.1.2.4.{number}"))
        assert "is a video" in str(found)

    def test_pixels_on_a_server_are_named(self, tmp_path: Path) -> None:
        found = dataset(tmp_path)
        del found.PixelData
        path = renamed_syntax(save(found, tmp_path / "a.dcm"), "1.2.840.10008.1.2.4.94")
        assert "JPIP" in str(refused(path))


class TestWidths:
    @pytest.mark.parametrize("stored", [12, 16, 32])
    def test_32_bits_are_read_where_the_values_fit(self, tmp_path: Path, stored: int) -> None:
        found = dataset(tmp_path, BitsAllocated=32, BitsStored=stored, HighBit=stored - 1)
        found.PixelData = TEXTURE.astype("<u4").tobytes()
        assert np.array_equal(read_image(save(found, tmp_path / "a.dcm")).pixels, TEXTURE)

    def test_32_bits_with_a_sign(self, tmp_path: Path) -> None:
        signed = TEXTURE.astype("<i4") - 2048
        found = dataset(tmp_path, BitsAllocated=32, BitsStored=32, HighBit=31, PixelRepresentation=1)
        found.PixelData = signed.tobytes()
        pixels = read_image(save(found, tmp_path / "a.dcm")).pixels
        assert pixels.dtype == np.int16 and np.array_equal(pixels, signed)

    def test_values_that_need_more_than_16_bits_are_the_reason(self, tmp_path: Path) -> None:
        found = dataset(tmp_path, BitsAllocated=32, BitsStored=32, HighBit=31)
        found.PixelData = (TEXTURE.astype("<u4") * 100).tobytes()
        assert "more than the 16 bits" in str(refused(save(found, tmp_path / "a.dcm")))

    def test_a_space_in_the_photometric_interpretation(self, tmp_path: Path) -> None:
        found = dataset(tmp_path, PhotometricInterpretation="MONOCHROME 1")
        assert read_image(save(found, tmp_path / "a.dcm")).photometric == "MONOCHROME1"


EIGHT = {"SamplesPerPixel": 3, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PlanarConfiguration": 0}


def in_rle(planes: list[np.ndarray]) -> bytes:
    bodies = [imagecodecs.packbits_encode(plane.tobytes()) for plane in planes]
    bodies = [body + b"\0" * (len(body) % 2) for body in bodies]
    starts = [64 + sum(map(len, bodies[:k])) for k in range(len(bodies))]
    return struct.pack("<16L", len(bodies), *starts, *[0] * (15 - len(bodies))) + b"".join(bodies)


class TestGreyInColour:
    """Digitised film and secondary captures are often stored in three channels."""

    def test_jpeg(self, tmp_path: Path) -> None:
        frame = jpeg_baseline(np.stack([GREY] * 3, -1))
        path = packed(tmp_path, [frame], JPEG_BASELINE, PhotometricInterpretation="YBR_FULL_422", **EIGHT)
        assert np.abs(read_image(path).pixels.astype(int) - GREY).mean() < 2

    def test_rle(self, tmp_path: Path) -> None:
        path = packed(tmp_path, [in_rle([GREY] * 3)], RLE, PhotometricInterpretation="RGB", **EIGHT)
        assert np.array_equal(read_image(path).pixels, GREY)

    def test_luminance_alone(self, tmp_path: Path) -> None:
        neutral = np.full_like(GREY, 128)
        frames = in_rle([GREY, neutral, neutral])
        path = packed(tmp_path, [frames], RLE, PhotometricInterpretation="YBR_FULL", **EIGHT)
        assert np.array_equal(read_image(path).pixels, GREY)
        found = dataset(tmp_path, PhotometricInterpretation="YBR_FULL", **EIGHT)
        found.PixelData = np.stack([GREY, neutral, neutral], -1).tobytes()
        assert np.array_equal(read_image(save(found, tmp_path / "a.dcm")).pixels, GREY)

    @pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
    def test_colour_is_refused_as_colour(self, tmp_path: Path, photometric: str) -> None:
        frame = in_rle([GREY, GREY[::-1].copy(), GREY])
        found = refused(packed(tmp_path, [frame], RLE, PhotometricInterpretation=photometric, **EIGHT))
        assert found.reason is Refusal.COLOUR

    def test_jpeg_in_colour(self, tmp_path: Path) -> None:
        frame = jpeg_baseline(np.stack([GREY, GREY[::-1], GREY // 2], -1))
        path = packed(tmp_path, [frame], JPEG_BASELINE, PhotometricInterpretation="YBR_FULL_422", **EIGHT)
        assert refused(path).reason is Refusal.COLOUR


@pytest.mark.parametrize(
    ("text", "side", "view"),
    [
        ("LT MLO", Laterality.LEFT, ViewPosition.MLO),
        ("RT CC", Laterality.RIGHT, ViewPosition.CC),
        ("CC derecha", Laterality.RIGHT, ViewPosition.CC),
        ("Sein gauche MLO", Laterality.LEFT, ViewPosition.MLO),
        ("MLO re", Laterality.RIGHT, ViewPosition.MLO),
    ],
)
def test_sides_in_the_words_of_other_places(text: str, side: Laterality, view: ViewPosition) -> None:
    assert side_and_view(text) == (side, view)


@pytest.mark.parametrize("word", ["MAMMA", "MAMA DERECHA", "BRUST", "SEIN", "RBREAST"])
def test_the_breast_in_other_languages(tmp_path: Path, word: str) -> None:
    found = dataset(tmp_path, Modality="CR", BodyPartExamined=word)
    assert read_image(save(found, tmp_path / "a.dcm")).breast
    other = dataset(tmp_path, Modality="CR", BodyPartExamined="MANDIBLE")
    for keyword in ("ViewPosition", "ViewCodeSequence"):
        if keyword in other:
            delattr(other, keyword)
    assert not read_image(save(other, tmp_path / "b.dcm")).breast


def at_the_end_of_a_hole(path: Path, start: bytes, size: int, end: bytes = b"") -> Path:
    """A file of this size that takes no place on the disk: zeros between its start and its end."""
    with path.open("wb") as file:
        file.write(start)
        file.seek(size - len(end))
        file.write(end)
        file.truncate(size)
    return path


def zip64(path: Path, name: str, start: bytes, size: int) -> Path:
    """An archive of one stored member above 4 GB, whose sizes stand in the fields of ZIP64 (APPNOTE 4.5.3)."""
    info = zipfile.ZipInfo(name)
    info.file_size = info.compress_size = size
    info.CRC = 0
    local = info.FileHeader(zip64=True)
    extra = struct.pack("<HHQQ", 1, 16, size, size)
    fixed = (45, 45, 0, 0, 0, 0x21, 0, 0xFFFFFFFF, 0xFFFFFFFF, len(name), len(extra), 0, 0, 0, 0, 0)
    central = struct.pack("<4s6H3L5H2L", b"PK\1\2", *fixed) + name.encode() + extra
    at = len(local) + size
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(central), at)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, at + len(central), 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(central), 0xFFFFFFFF, 0)
    return at_the_end_of_a_hole(
        path, local + start, at + len(central + end64 + locator + end), central + end64 + locator + end
    )


class TestLargeFiles:
    def test_a_file_above_two_gibibytes_is_refused_by_its_size(self, tmp_path: Path) -> None:
        start = save(dataset(tmp_path), tmp_path / "a.dcm").read_bytes()
        found = refused(at_the_end_of_a_hole(tmp_path / "large.dcm", start, (1 << 31) + 1))
        assert found.reason is Refusal.TOO_LARGE and "2,147,483,649 bytes" in str(found)

    @pytest.mark.parametrize("size", [(1 << 31) + 1, (1 << 32) + 1])
    def test_in_an_archive_too_and_nothing_of_it_is_unpacked(self, tmp_path: Path, size: int) -> None:
        start = save(dataset(tmp_path), tmp_path / "a.dcm").read_bytes()
        (tmp_path / "in").mkdir()
        zip64(tmp_path / "in" / "s.zip", "large.dcm", start, size)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        plan = make_plan(tmp_path / "in")
        assert plan.images == ()
        assert [f"it has {size:,} bytes" in one.reason for one in plan.passed_over] == [True]
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def tar(path: Path) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.add(path, "a.dcm")
    return out.getvalue()


@pytest.mark.parametrize(
    ("head", "word"),
    [
        (b"\0\0\0\x18ftypheic", "save it as PNG"),
        (b"\0\0\0\x18ftypqt  ", "a video"),
        (b"\xff\x0a", "save it as PNG"),
        (b"II+\0\x08\0\0\0", "BigTIFF"),
        (b"NRRD0004\n", "a volume"),
        (b"\x5c\x01\0\0", "a volume"),
        (b"\x93NUMPY", "an array"),
        (b"P6\n1 1\n255\nabc", "in colour"),
    ],
)
def test_the_sentence_names_what_a_file_is(tmp_path: Path, head: bytes, word: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(head + bytes(600))
    assert word in str(refused(path))


def test_an_archive_of_unix_is_to_be_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(tar(save(dataset(tmp_path), tmp_path / "a.dcm")))
    assert "unpack it first" in str(refused(path))


def test_a_tomosynthesis_has_its_side_spacing_and_window_in_its_groups(tmp_path: Path) -> None:
    found = dataset(tmp_path, NumberOfFrames=2)
    found.PixelData = TEXTURE.tobytes() * 2
    for keyword in ("ImageLaterality", "PixelSpacing", "ImagerPixelSpacing", "WindowCenter", "WindowWidth"):
        if keyword in found:
            delattr(found, keyword)
    shared, anatomy, measures, window = Dataset(), Dataset(), Dataset(), Dataset()
    anatomy.FrameLaterality, measures.PixelSpacing = "L", [0.1, 0.1]
    window.WindowCenter, window.WindowWidth = 1000, 2000
    shared.FrameAnatomySequence, shared.PixelMeasuresSequence = [anatomy], [measures]
    shared.FrameVOILUTSequence = [window]
    found.SharedFunctionalGroupsSequence = [shared]
    image = read_image(save(found, tmp_path / "a.dcm"))
    assert (image.laterality, image.pixel_spacing_mm, image.windows[0].centre) == (Laterality.LEFT, 0.1, 1000)
