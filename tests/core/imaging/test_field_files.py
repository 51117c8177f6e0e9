"""Kinds of files as scanners, archives and other people's software write them; each kind with its relatives."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from core.domain.vocabulary import Laterality, ViewPosition
from core.imaging.decoded import DecodedImage, Refusal, RefusedImageError
from core.imaging.display import apply, display_lut, first_voi, is_inverted
from core.imaging.formats.dicom_place import side_and_view
from core.imaging.reader import read_image
from tests.core.imaging import samples
from tests.core.imaging.samples import dataset, save, save_packed, texture

BIG, EXPLICIT, IMPLICIT = samples.BIG, samples.EXPLICIT, samples.IMPLICIT
HTJ2K = [f"1.2.840.10008.1.2.4.{n}" for n in (201, 202, 203)]


def grey(image: DecodedImage) -> np.ndarray:
    """The picture as the window first shows it."""
    voi = first_voi(image.windows, image.voi_luts)
    assert voi is not None
    table = display_lut(
        image.pixels.dtype,
        voi,
        slope=image.rescale_slope,
        intercept=image.rescale_intercept,
        inverted=is_inverted(image.photometric),
        padding=image.padding,
    )
    return apply(image.pixels, table)


def read(found: Dataset, folder: Path, syntax: str = EXPLICIT) -> DecodedImage:
    return read_image(save(found, folder / "a.dcm", syntax))


def refused(path: Path) -> RefusedImageError:
    with pytest.raises(RefusedImageError) as caught:
        read_image(path)
    return caught.value


class TestPolarity:
    @pytest.mark.parametrize(
        ("photometric", "shape", "inverted", "noted"),
        [
            ("MONOCHROME2", "IDENTITY", False, False),
            ("MONOCHROME2", "INVERSE", True, True),
            ("MONOCHROME1", "INVERSE", True, False),
            ("MONOCHROME1", "IDENTITY", True, True),
            ("MONOCHROME1", "", True, False),
        ],
    )
    def test_inverted_once(
        self, tmp_path: Path, photometric: str, shape: str, inverted: bool, noted: bool
    ) -> None:
        found = dataset(tmp_path, PhotometricInterpretation=photometric, PresentationLUTShape=shape)
        image = read(found, tmp_path)
        assert is_inverted(image.photometric) is inverted
        assert any("contradicts itself" in note for note in image.warnings) is noted


class TestPadding:
    @pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
    @pytest.mark.parametrize(
        ("value", "limit", "padded"),
        [(4095, 4000, (4000, 4095)), (0, 100, (0, 100)), (100, 0, (0, 100)), (7, None, (7, 7))],
    )
    def test_every_value_of_the_range_is_black(
        self, tmp_path: Path, photometric: str, value: int, limit: int | None, padded: tuple[int, int]
    ) -> None:
        found = dataset(tmp_path, PhotometricInterpretation=photometric)
        found.add_new("PixelPaddingValue", "US", value)
        if limit is not None:
            found.add_new("PixelPaddingRangeLimit", "US", limit)
        image = read(found, tmp_path)
        assert image.padding == padded
        within = (image.pixels >= padded[0]) & (image.pixels <= padded[1])
        assert not within.any() or grey(image)[within].max() == 0

    @pytest.mark.parametrize(
        ("vr", "value", "limit"), [("SS", -2048, -2000), ("US", 63_488, 63_536), ("US", 2048, 2096)]
    )
    def test_negative_ranges_in_either_vr(self, tmp_path: Path, vr: str, value: int, limit: int) -> None:
        signed = texture().astype(np.int16) - 2048
        found = dataset(tmp_path, PixelRepresentation=1)
        found.PixelData = signed.tobytes()
        found.add_new("PixelPaddingValue", vr, value)
        found.add_new("PixelPaddingRangeLimit", vr, limit)
        assert read(found, tmp_path).padding == (-2048, -2000)


def lut(first: int, entries: Any, *, vr: str = "US", bits: int = 12, data_vr: str = "US") -> Dataset:
    item = Dataset()
    count = len(entries) & 0xFFFF
    descriptor = [count - 0x10000 if vr == "SS" and count > 0x7FFF else count, first, bits]
    item.add_new("LUTDescriptor", vr, descriptor)
    item.add_new("LUTData", data_vr, entries if data_vr == "US" else np.asarray(entries, "<u2").tobytes())
    return item


RAMP = list(range(4096))


class TestTables:
    @pytest.mark.parametrize("data_vr", ["US", "OW"])
    @pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
    @pytest.mark.parametrize(("vr", "first"), [("SS", -2048), ("US", 63_488)])
    def test_a_voi_lut_of_signed_pixels_begins_below_zero(
        self, tmp_path: Path, vr: str, first: int, syntax: str, data_vr: str
    ) -> None:
        found = dataset(tmp_path, PixelRepresentation=1)
        found.PixelData = (texture().astype(np.int16) - 2048).tobytes()
        del found.WindowCenter, found.WindowWidth
        if syntax == IMPLICIT and vr == "US":
            pytest.skip("an implicit data set has no VR")
        found.VOILUTSequence = [lut(first, RAMP, vr=vr, data_vr=data_vr)]
        image = read(found, tmp_path, syntax)
        assert image.voi_luts[0].first == -2048
        assert np.abs(grey(image).astype(int) - texture().astype(int) * 255 / 4095).max() <= 1

    def test_a_voi_lut_of_unsigned_pixels_may_begin_above_32767(self, tmp_path: Path) -> None:
        found = dataset(tmp_path, BitsStored=16, HighBit=15)
        found.PixelData = texture(top=1 << 16).tobytes()
        found.VOILUTSequence = [lut(40_000, RAMP)]
        assert read(found, tmp_path).voi_luts[0].first == 40_000

    def test_rescaled_values_decide_the_sign_too(self, tmp_path: Path) -> None:
        found = dataset(tmp_path, RescaleSlope="1", RescaleIntercept="-1024")
        found.VOILUTSequence = [lut(64_512, RAMP)]
        assert read(found, tmp_path).voi_luts[0].first == -1024

    def test_eight_bit_entries_packed_two_a_word(self, tmp_path: Path) -> None:
        entries = np.arange(256, dtype=np.uint8)
        for count in (256, 255):
            item = Dataset()
            item.add_new("LUTDescriptor", "US", [count, 0, 8])
            item.add_new("LUTData", "OW", entries[:count].tobytes() + b"\0" * (count % 2))
            image = read(dataset(tmp_path, VOILUTSequence=[item]), tmp_path)
            assert image.voi_luts[0].entries.tolist() == list(range(count)) and image.voi_luts[0].bits == 8

    def test_eight_bit_entries_packed_in_words_of_us(self, tmp_path: Path) -> None:
        item = Dataset()
        item.add_new("LUTDescriptor", "US", [4, 0, 8])
        item.add_new("LUTData", "US", [0x0100, 0x0302])
        assert read(dataset(tmp_path, VOILUTSequence=[item]), tmp_path).voi_luts[0].entries.tolist() == [
            0,
            1,
            2,
            3,
        ]

    def test_65536_entries_are_written_as_none(self, tmp_path: Path) -> None:
        item = Dataset()
        item.add_new("LUTDescriptor", "US", [0, 0, 16])
        item.add_new("LUTData", "OW", np.arange(65_536, dtype="<u2").tobytes())
        image = read(dataset(tmp_path, VOILUTSequence=[item]), tmp_path)
        assert len(image.voi_luts[0].entries) == 65_536

    def test_a_table_shorter_than_its_descriptor_is_left_out_with_a_note(self, tmp_path: Path) -> None:
        item = lut(0, [1, 2, 3])
        item.LUTDescriptor = [4, 0, 12]
        image = read(dataset(tmp_path, VOILUTSequence=[item]), tmp_path)
        assert not image.voi_luts and "left out" in image.warnings[0]

    @pytest.mark.parametrize(
        ("signed", "vr", "first"), [(False, "US", 0), (True, "SS", -2048), (True, "US", 63_488)]
    )
    def test_the_modality_lut_is_applied(self, tmp_path: Path, signed: bool, vr: str, first: int) -> None:
        found = dataset(tmp_path, PixelRepresentation=int(signed))
        found.PixelData = (texture().astype(np.int16) - (2048 if signed else 0)).tobytes()
        found.ModalityLUTSequence = [lut(first, [4095 - v for v in RAMP], vr=vr)]
        image = read(found, tmp_path)
        np.testing.assert_array_equal(image.pixels, 4095 - texture())
        assert (image.rescale_slope, image.rescale_intercept, image.bits_stored) == (1.0, 0.0, 12)

    def test_padding_keeps_a_value_of_its_own_behind_the_modality_lut(self, tmp_path: Path) -> None:
        found = dataset(tmp_path, ModalityLUTSequence=[lut(0, [4095 - v for v in RAMP])])
        found.add_new("PixelPaddingValue", "US", 0)
        image = read(found, tmp_path)
        assert image.padding is not None
        np.testing.assert_array_equal(image.pixels == image.padding[0], texture() == 0)


class TestSpacing:
    @pytest.mark.parametrize(
        ("attributes", "expected", "noted"),
        [
            ({"PixelSpacing": [0.1, 0.1], "EstimatedRadiographicMagnificationFactor": "1.8"}, 0.1 / 1.8, False),
            ({"EstimatedRadiographicMagnificationFactor": "1.8"}, 0.1 / 1.8, False),
            ({"PixelSpacing": [0.055, 0.055], "EstimatedRadiographicMagnificationFactor": "1.8"}, 0.055, False),
            ({"DistanceSourceToDetector": "660", "DistanceSourceToPatient": "330"}, 0.05, False),
            (
                {
                    "PixelSpacing": [0.1, 0.1],
                    "DistanceSourceToDetector": "660",
                    "DistanceSourceToPatient": "330",
                },
                0.05,
                False,
            ),
            (
                {
                    "EstimatedRadiographicMagnificationFactor": "1.5",
                    "DistanceSourceToDetector": "660",
                    "DistanceSourceToPatient": "330",
                },
                0.1 / 1.5,
                True,
            ),
            ({"EstimatedRadiographicMagnificationFactor": "0"}, 0.1, True),
            ({"DistanceSourceToDetector": "660", "DistanceSourceToPatient": "0"}, 0.1, False),
            ({"DistanceSourceToDetector": "330", "DistanceSourceToPatient": "660"}, 0.1, False),
        ],
    )
    def test_magnification(self, tmp_path: Path, attributes: dict[str, Any], expected: float, noted: bool) -> None:
        found = dataset(tmp_path, ImagerPixelSpacing=[0.1, 0.1])
        for keyword in ("EstimatedRadiographicMagnificationFactor", "PixelSpacing"):
            if keyword in found:
                delattr(found, keyword)
        for keyword, value in attributes.items():
            setattr(found, keyword, value)
        image = read(found, tmp_path)
        assert image.pixel_spacing_mm == pytest.approx(expected) and image.spacing_source
        assert any("Magnification" in note for note in image.warnings) is noted


L, R, CC, MLO, OTHER = Laterality.LEFT, Laterality.RIGHT, ViewPosition.CC, ViewPosition.MLO, ViewPosition.OTHER


class TestSideAndView:
    @pytest.mark.parametrize(
        ("text", "side", "view"),
        [
            ("LMLO", L, MLO), ("RMLO", R, MLO), ("LCC", L, CC), ("R CC", R, CC), ("MLO-L", L, MLO), ("CCR", R, CC),
            ("l_mlo", L, MLO), ("ML", None, OTHER), ("LML", L, OTHER), ("RLM", R, OTHER), ("LM", None, OTHER),
            ("XCCL", None, OTHER), ("RXCCL", R, OTHER), ("MLOID", None, MLO), ("RCCID", R, CC), ("LCCM", L, CC),
            ("Left cranio-caudal", L, CC), ("RIGHT MEDIO LATERAL OBLIQUE", R, MLO),
            ("mediolateral oblique", None, MLO),
            ("latero-medial oblique", None, OTHER), ("MAMMO L/R", None, None), ("L CC C-View", L, CC),
            ("", None, None),
            ("Screening", None, None), ("MLO CC", None, None), ("FB", None, OTHER),
        ],
    )  # fmt: skip
    def test_spellings(self, text: str, side: Laterality | None, view: ViewPosition | None) -> None:
        assert side_and_view(text) == (side, view)

    def bare(self, folder: Path) -> Dataset:
        found = dataset(folder)
        for keyword in (
            "ViewPosition",
            "ViewCodeSequence",
            "ImageLaterality",
            "Laterality",
            "AnatomicRegionSequence",
        ):
            if keyword in found:
                delattr(found, keyword)
        return found

    @pytest.mark.parametrize(
        ("attributes", "side", "view", "note"),
        [
            ({"ViewPosition": "LMLO"}, L, MLO, ""),
            ({"ViewPosition": "RMLO", "ImageLaterality": "L"}, L, MLO, "another side"),
            ({"Laterality": "RIGHT", "ViewPosition": "CC"}, R, CC, ""),
            ({"SeriesDescription": "L MLO"}, L, MLO, "Series Description"),
            ({"ProtocolName": "Right CC"}, R, CC, "Protocol Name"),
            ({"ImageLaterality": "B", "ViewPosition": "LAT"}, None, OTHER, ""),
            ({}, None, None, ""),
        ],
    )
    def test_sources(
        self,
        tmp_path: Path,
        attributes: dict[str, str],
        side: Laterality | None,
        view: ViewPosition | None,
        note: str,
    ) -> None:
        found = self.bare(tmp_path)
        for keyword, value in attributes.items():
            setattr(found, keyword, value)
        image = read(found, tmp_path)
        assert (image.laterality, image.view) == (side, view)
        assert note in " ".join(image.warnings)

    @pytest.mark.parametrize(
        ("code", "meaning", "view"),
        [
            ("399162004", "", CC),
            ("R-10226", "", MLO),
            ("1", "medio-lateral oblique", MLO),
            ("399352003", "", OTHER),
        ],
    )
    def test_codes(self, tmp_path: Path, code: str, meaning: str, view: ViewPosition) -> None:
        found, item = self.bare(tmp_path), Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, "SCT", meaning
        found.ViewCodeSequence = [item]
        region, side = Dataset(), Dataset()
        side.CodeValue, side.CodingSchemeDesignator, side.CodeMeaning = "7771000", "SCT", "Left"
        region.AnatomicRegionModifierSequence = [side]
        found.AnatomicRegionSequence = [region]
        image = read(found, tmp_path)
        assert (image.laterality, image.view) == (L, view)


class TestCodestreams:
    @pytest.mark.parametrize("syntax", HTJ2K)
    def test_high_throughput_jpeg_2000(self, tmp_path: Path, syntax: str) -> None:
        smooth = (np.add.outer(np.arange(64), np.arange(48)) * 30).astype(np.uint16)
        lossy = syntax.endswith("203")
        frame = bytes(imagecodecs.htj2k_encode(smooth, level=0.00001 if lossy else None, reversible=not lossy))
        image = read_image(save_packed(dataset(tmp_path, smooth), [frame], tmp_path / "a.dcm", syntax))
        assert np.abs(image.pixels.astype(int) - smooth).max() <= (40 if lossy else 0)

    def packed(self, codec: str) -> tuple[bytes, str]:
        match codec:
            case "lossless":
                return bytes(imagecodecs.ljpeg_encode(texture(), bitspersample=12)), samples.JPEG_LOSSLESS_ANY
            case "ls":
                return bytes(imagecodecs.jpegls_encode(texture())), samples.JPEG_LS
            case _:
                options = {"reversible": True, "codecformat": "j2k", "bitspersample": 12}
                return bytes(imagecodecs.jpeg2k_encode(texture(), **options)), samples.JPEG_2000

    CODECS = ("lossless", "ls", "2000")
    AFTER = (b" ", b" " * 200, b"\0" * 300, b"\xff", b"whatever\xff\xd8\xff", b"\xff\xd9", b"\x00\xff\xd9 ")

    @pytest.mark.parametrize("codec", CODECS)
    def test_whatever_follows_a_whole_codestream_is_no_matter(self, tmp_path: Path, codec: str) -> None:
        frame, syntax = self.packed(codec)
        for after in self.AFTER:
            path = save_packed(dataset(tmp_path), [frame + after], tmp_path / "a.dcm", syntax)
            np.testing.assert_array_equal(read_image(path).pixels, texture())

    @pytest.mark.parametrize("codec", CODECS)
    def test_a_missing_end_mark_is_noted_and_missing_rows_are_refused(self, tmp_path: Path, codec: str) -> None:
        frame, syntax = self.packed(codec)
        assert frame.endswith(b"\xff\xd9")
        path = save_packed(dataset(tmp_path), [frame[:-2]], tmp_path / "a.dcm", syntax)
        image = read_image(path)
        np.testing.assert_array_equal(image.pixels, texture())
        assert "every row is there" in image.warnings[0]
        for share in (0.5, 0.9, 0.97):
            cut = frame[: int(len(frame) * share)]
            error = refused(save_packed(dataset(tmp_path), [cut], tmp_path / "a.dcm", syntax))
            assert error.reason in (Refusal.CUT_SHORT, Refusal.DAMAGED)

    @pytest.mark.parametrize("codec", CODECS)
    def test_codestream_and_syntax_that_disagree(self, tmp_path: Path, codec: str) -> None:
        frame, own = self.packed(codec)
        for syntax in (
            samples.JPEG_LOSSLESS_ANY,
            samples.JPEG_LS,
            samples.JPEG_2000,
            "1.2.840.10008.1.2.5",
            EXPLICIT,
        ):
            path = save_packed(dataset(tmp_path), [frame], tmp_path / "a.dcm", syntax)
            image = read_image(path)
            np.testing.assert_array_equal(image.pixels, texture())
            families = {samples.JPEG_LOSSLESS_ANY, samples.JPEG_LS}
            alike = syntax == own or {syntax, own} <= families
            assert any("Transfer Syntax" in note for note in image.warnings) is not alike

    def test_unpacked_pixels_under_the_name_of_a_packed_syntax(self, tmp_path: Path) -> None:
        data = save(dataset(tmp_path), tmp_path / "a.dcm").read_bytes()
        lied = renamed(data, samples.JPEG_LS)
        (tmp_path / "b.dcm").write_bytes(lied)
        image = read_image(tmp_path / "b.dcm")
        np.testing.assert_array_equal(image.pixels, texture())
        assert "not packed" in image.warnings[0]

    def fragmented(self, folder: Path, **how: Any) -> tuple[Path, list[np.ndarray]]:
        frames = [texture(seed=s) for s in range(4)]
        codes = [bytes(imagecodecs.jpegls_encode(frame)) for frame in frames]
        found = dataset(folder, NumberOfFrames=4)
        found.file_meta.TransferSyntaxUID = UID(samples.JPEG_LS)
        found.PixelData = encapsulate(codes, fragments_per_frame=2, has_bot=how.get("table", False))
        found["PixelData"].is_undefined_length, found["PixelData"].VR = True, "OB"
        if "extended" in how:
            lengths = np.cumsum([0] + [len(code) + len(code) % 2 + 16 for code in codes])[:4]
            found.ExtendedOffsetTable = np.asarray(lengths + how["extended"], "<u8").tobytes()
        path = folder / "f.dcm"
        found.save_as(path, enforce_file_format=True)
        return path, frames

    @pytest.mark.parametrize("how", [{}, {"table": True}, {"extended": 0}, {"extended": 2}])
    def test_fragments_with_and_without_tables(self, tmp_path: Path, how: dict[str, Any]) -> None:
        path, frames = self.fragmented(tmp_path, **how)
        for k, frame in enumerate(frames):
            image = read_image(path, frame=k)
            np.testing.assert_array_equal(image.pixels, frame)
            assert any("offset table" in note for note in image.warnings) is (how.get("extended") == 2)

    def test_a_wrong_basic_table(self, tmp_path: Path) -> None:
        path, frames = self.fragmented(tmp_path, table=True)
        data = bytearray(path.read_bytes())
        at = data.index(struct.pack("<HHL", 0xFFFE, 0xE000, 16)) + 8
        data[at : at + 16] = struct.pack("<4L", 0, 10, 20, 30)
        path.write_bytes(bytes(data))
        np.testing.assert_array_equal(read_image(path, frame=2).pixels, frames[2])

    def test_a_missing_delimiter(self, tmp_path: Path) -> None:
        path, frames = self.fragmented(tmp_path)
        data = path.read_bytes()
        path.write_bytes(data[: data.rindex(b"\xfe\xff\xdd\xe0")])
        image = read_image(path, frame=3)
        np.testing.assert_array_equal(image.pixels, frames[3])
        assert "mark at the end" in image.warnings[0]


def end_of_meta(data: bytes) -> int:
    return 144 + int(struct.unpack_from("<L", data, 140)[0])


def renamed(data: bytes, syntax: str) -> bytes:
    """The file with another Transfer Syntax UID and nothing else changed."""
    at = data.index(struct.pack("<HH2s", 2, 0x10, b"UI"))
    (length,) = struct.unpack_from("<H", data, at + 6)
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    whole = data[:at] + struct.pack("<HH2sH", 2, 0x10, b"UI", len(value)) + value + data[at + 8 + length :]
    (group,) = struct.unpack_from("<L", whole, 140)
    return whole[:140] + struct.pack("<L", group + len(value) - length) + whole[144:]


class TestEncodings:
    ALL = (IMPLICIT, EXPLICIT, BIG, samples.DEFLATED)

    @pytest.mark.parametrize("true", ALL)
    @pytest.mark.parametrize("said", ALL)
    def test_syntax_and_data_set_that_disagree(self, tmp_path: Path, said: str, true: str) -> None:
        data = renamed(save(dataset(tmp_path), tmp_path / "a.dcm", true).read_bytes(), said)
        (tmp_path / "b.dcm").write_bytes(data)
        image = read_image(tmp_path / "b.dcm")
        np.testing.assert_array_equal(image.pixels, texture())
        assert (image.transfer_syntax, image.laterality) == (true, R)
        assert any("Transfer Syntax" in note for note in image.warnings) is (said != true)

    @pytest.mark.parametrize("true", [IMPLICIT, EXPLICIT, BIG])
    def test_no_preamble_and_no_meta_information(self, tmp_path: Path, true: str) -> None:
        data = save(dataset(tmp_path), tmp_path / "a.dcm", true).read_bytes()
        (tmp_path / "b").write_bytes(data[end_of_meta(data) :])
        image = read_image(tmp_path / "b")
        np.testing.assert_array_equal(image.pixels, texture())
        assert (image.transfer_syntax, "preamble" in image.warnings[0]) == (true, True)

    @pytest.mark.parametrize("codec", TestCodestreams.CODECS)
    def test_no_preamble_and_packed_pixels(self, tmp_path: Path, codec: str) -> None:
        frame, syntax = TestCodestreams().packed(codec)
        data = save_packed(dataset(tmp_path), [frame], tmp_path / "a.dcm", syntax).read_bytes()
        for start in (132, end_of_meta(data)):
            (tmp_path / "b").write_bytes(data[start:])
            np.testing.assert_array_equal(read_image(tmp_path / "b").pixels, texture())

    def test_a_deflated_file_without_preamble(self, tmp_path: Path) -> None:
        data = save(dataset(tmp_path), tmp_path / "a.dcm", samples.DEFLATED).read_bytes()
        (tmp_path / "b").write_bytes(data[132:])
        np.testing.assert_array_equal(read_image(tmp_path / "b").pixels, texture())

    def test_pixel_data_of_the_other_form_than_the_rest(self, tmp_path: Path) -> None:
        data = save(dataset(tmp_path), tmp_path / "a.dcm", IMPLICIT).read_bytes()
        head = struct.pack("<HH", 0x7FE0, 0x10)
        at = data.index(head)
        size = data[at + 4 : at + 8]
        (tmp_path / "b.dcm").write_bytes(data[:at] + head + b"OW\0\0" + size + data[at + 8 :])
        np.testing.assert_array_equal(read_image(tmp_path / "b.dcm").pixels, texture())


class TestOtherObjects:
    @pytest.mark.parametrize(
        ("modality", "word"),
        [("US", "ultrasound"), ("SEG", "segmentation"), ("SR", "structured report"), ("PR", "presentation state"),
         ("KO", "key images"), ("RTDOSE", "dose")],
    )  # fmt: skip
    def test_the_reason_is_the_kind_and_not_what_else_is_odd(
        self, tmp_path: Path, modality: str, word: str
    ) -> None:
        found = dataset(tmp_path, Modality=modality, SOPClassUID="1.2.3", BitsAllocated=1)
        error = refused(save(found, tmp_path / "a.dcm"))
        assert error.reason is Refusal.OTHER_OBJECT and word in str(error)
        assert ("results" in str(error)) is (modality in ("SEG", "SR", "PR"))

    def test_the_class_names_a_segmentation_whatever_its_modality(self, tmp_path: Path) -> None:
        found = dataset(tmp_path, SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4", BitsAllocated=1)
        assert "segmentation" in str(refused(save(found, tmp_path / "a.dcm")))

    @pytest.mark.parametrize("keyword", ["FloatPixelData", "DoubleFloatPixelData"])
    def test_floating_point(self, tmp_path: Path, keyword: str) -> None:
        found = dataset(tmp_path, BitsAllocated=32 if keyword == "FloatPixelData" else 64)
        del found.PixelData
        found.add_new(keyword, "OF" if keyword == "FloatPixelData" else "OD", bytes(8 * texture().size))
        error = refused(save(found, tmp_path / "a.dcm"))
        assert error.reason is Refusal.UNSUPPORTED and "floating-point" in str(error)

    @pytest.mark.parametrize("block", [0x10, 0x11])
    @pytest.mark.parametrize(
        ("sop_class", "tiles", "refuses"),
        [
            ("1.2.840.10008.5.1.4.1.1.7", True, True),
            ("1.2.840.10008.5.1.4.1.1.7.2", False, True),
            ("1.2.840.10008.5.1.4.1.1.1.2", True, True),
            ("1.2.840.10008.5.1.4.1.1.1.2", False, False),
        ],
    )
    def test_slices_in_private_attributes(
        self, tmp_path: Path, block: int, sop_class: str, tiles: bool, refuses: bool
    ) -> None:
        found = dataset(tmp_path, SOPClassUID=sop_class)
        found.add_new((0x7E01, block), "LO", "HOLOGIC, Inc.")
        found.add_new((0x7E01, block << 8 | 1), "LO", "X")
        if tiles:
            found.add_new((0x7E01, block << 8 | 0x10), "SQ", [Dataset()])
        path = save(found, tmp_path / "a.dcm")
        if refuses:
            error = refused(path)
            assert error.reason is Refusal.OTHER_OBJECT and "BTO" in str(error)
        else:
            np.testing.assert_array_equal(read_image(path).pixels, texture())

    @pytest.mark.parametrize("group", [0x0029, 0x7FE1])
    @pytest.mark.parametrize(
        ("sop_class", "size", "refuses"),
        [
            ("1.2.840.10008.5.1.4.1.1.7", 5 << 20, True),
            ("1.2.840.10008.5.1.4.1.1.7.3", 5 << 20, True),
            ("1.2.840.10008.5.1.4.1.1.7", 1 << 20, False),
            ("1.2.840.10008.5.1.4.1.1.1.2", 5 << 20, False),
        ],
    )
    def test_slices_in_private_attributes_of_any_maker(
        self, tmp_path: Path, group: int, sop_class: str, size: int, refuses: bool
    ) -> None:
        """Before and behind the pixels; the picture itself is some kB."""
        found = dataset(tmp_path, SOPClassUID=sop_class)
        found.add_new((group, 0x10), "LO", "ACME TOMO")
        found.add_new((group, 0x1010), "OB", bytes(size))
        path = save(found, tmp_path / "a.dcm")
        if refuses:
            error = refused(path)
            assert error.reason is Refusal.OTHER_OBJECT and "BTO" in str(error) and "5 of 5 MB" in str(error)
        else:
            np.testing.assert_array_equal(read_image(path).pixels, texture())

    def test_the_directory_of_a_medium(self) -> None:
        path = Path(pydicom.__file__).parent / "data" / "test_files" / "dicomdirtests" / "DICOMDIR"
        assert "directory of a medium" in str(refused(path))


def test_a_deflated_data_set_that_is_nothing_is_refused(tmp_path: Path) -> None:
    data = save(dataset(tmp_path), tmp_path / "a.dcm", samples.DEFLATED).read_bytes()
    (tmp_path / "b.dcm").write_bytes(data[: end_of_meta(data)] + zlib.compress(b"x" * 100)[2:-4])
    assert refused(tmp_path / "b.dcm").reason in Refusal
