"""Every encoding against its uncompressed twin; everything else refused for one of the listed reasons."""

from __future__ import annotations

import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from PIL import Image

from core.domain.vocabulary import Laterality, ViewPosition
from core.imaging.decoded import Identity, Refusal, RefusedImageError
from core.imaging.reader import read_image
from core.imaging.write_dicom import Encoding
from tests.core.imaging import samples
from tests.core.imaging.samples import dataset, mammogram, save, save_packed, texture


def refused(path: Path) -> RefusedImageError:
    with pytest.raises(RefusedImageError) as caught:
        read_image(path)
    assert path.name in str(caught.value)
    return caught.value


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


class TestDicomEncodings:
    @pytest.mark.parametrize("syntax", [samples.IMPLICIT, samples.EXPLICIT, samples.BIG, samples.DEFLATED])
    def test_native_syntaxes(self, tmp_path: Path, syntax: str) -> None:
        image = read_image(save(dataset(tmp_path), tmp_path / "a.dcm", syntax))
        np.testing.assert_array_equal(image.pixels, texture())
        assert (image.transfer_syntax, image.laterality) == (syntax, Laterality.RIGHT)
        assert image.pixels.dtype.isnative and image.windows[0].width == 1500

    def test_jpeg_lossless_of_any_predictor(self, tmp_path: Path) -> None:
        for predictor in range(1, 8):
            frame = bytes(
                imagecodecs.jpeg8_encode(texture(), lossless=True, predictor=predictor, bitspersample=12)
            )
            path = save_packed(dataset(tmp_path), [frame], tmp_path / "a.dcm", samples.JPEG_LOSSLESS_ANY)
            np.testing.assert_array_equal(read_image(path).pixels, texture())

    def test_lossy_jpeg_of_eight_and_twelve_bits_is_close(self, tmp_path: Path) -> None:
        smooth = np.add.outer(np.arange(64), np.arange(48)) * 2
        eight = smooth.astype(np.uint8)
        found = dataset(tmp_path, texture(64, 48), BitsAllocated=8, BitsStored=8, HighBit=7)
        path = save_packed(found, [samples.jpeg_baseline(eight)], tmp_path / "a.dcm", samples.JPEG_BASELINE)
        assert np.abs(read_image(path).pixels.astype(int) - eight).max() <= 2
        twelve = (smooth * 18).astype(np.uint16)
        found = dataset(tmp_path, texture(64, 48))
        path = save_packed(found, [samples.jpeg_extended(twelve)], tmp_path / "b.dcm", samples.JPEG_EXTENDED)
        image = read_image(path)
        assert image.bits_stored == 12 and np.abs(image.pixels.astype(int) - twelve).max() <= 16

    def test_a_codestream_that_announces_more_bits_than_its_samples_hold_keeps_bits_stored(
        self, tmp_path: Path
    ) -> None:
        frame = bytes(imagecodecs.ljpeg_encode(texture(), bitspersample=16))
        image = read_image(save_packed(dataset(tmp_path), [frame], tmp_path / "a.dcm", samples.JPEG_LOSSLESS_ANY))
        assert (image.bits_stored, image.warnings) == (12, ())

    def test_a_codestream_of_more_bits_than_bits_stored_is_read_with_a_warning(self, tmp_path: Path) -> None:
        deep = texture(top=1 << 14)
        frame = bytes(imagecodecs.ljpeg_encode(deep, bitspersample=14))
        image = read_image(save_packed(dataset(tmp_path), [frame], tmp_path / "a.dcm", samples.JPEG_LOSSLESS_ANY))
        np.testing.assert_array_equal(image.pixels, deep)
        assert image.bits_stored == 14 and "14 bits" in image.warnings[0]

    @pytest.mark.parametrize("signed", [False, True])
    def test_jpeg_2000_follows_pixel_representation_and_warns_of_another_sign(
        self, tmp_path: Path, signed: bool
    ) -> None:
        values = texture(top=1 << 12).view(np.int16) - np.int16(1 << 11 if signed else 0)
        unsigned_stream = bytes(
            imagecodecs.jpeg2k_encode(
                values.view(np.uint16) & np.uint16(0xFFF), reversible=True, codecformat="j2k", bitspersample=12
            )
        )
        found = dataset(tmp_path, PixelRepresentation=int(signed))
        image = read_image(save_packed(found, [unsigned_stream], tmp_path / "a.dcm", samples.JPEG_2000))
        np.testing.assert_array_equal(image.pixels, values)
        assert bool(image.warnings) is signed

    def test_the_bits_below_high_bit_count(self, tmp_path: Path) -> None:
        found = dataset(tmp_path, HighBit=15)
        found.PixelData = ((texture() << 4) | 5).tobytes()
        np.testing.assert_array_equal(read_image(save(found, tmp_path / "a.dcm")).pixels, texture())

    def test_overlay_bits_above_high_bit_are_dropped_with_a_warning(self, tmp_path: Path) -> None:
        found = dataset(tmp_path)
        found.PixelData = (texture() | 0x8000).tobytes()
        image = read_image(save(found, tmp_path / "a.dcm"))
        np.testing.assert_array_equal(image.pixels, texture())
        assert "dropped" in image.warnings[0]

    def test_frames_are_chosen_by_number(self, tmp_path: Path) -> None:
        frames = [texture(seed=s) for s in range(3)]
        found = dataset(tmp_path, NumberOfFrames=3)
        found.PixelData = b"".join(f.tobytes() for f in frames)
        native = save(found, tmp_path / "a.dcm")
        codes = [bytes(imagecodecs.ljpeg_encode(f, bitspersample=12)) for f in frames]
        packed = save_packed(found, codes, tmp_path / "b.dcm", samples.JPEG_LOSSLESS_ANY)
        for path in (native, packed):
            for k, frame in enumerate(frames):
                image = read_image(path, frame=k)
                np.testing.assert_array_equal(image.pixels, frame)
                assert (image.frames, image.frame) == (3, k)
            with pytest.raises(RefusedImageError, match="number of its frames is 3"):
                read_image(path, frame=3)

    def test_a_frame_in_several_fragments_is_found_by_the_offset_table(self, tmp_path: Path) -> None:
        codes = [bytes(imagecodecs.ljpeg_encode(texture(seed=s), bitspersample=12)) for s in range(2)]
        found = dataset(tmp_path, NumberOfFrames=2)
        found.file_meta.TransferSyntaxUID = pydicom.uid.UID(samples.JPEG_LOSSLESS_ANY)
        found.PixelData = pydicom.encaps.encapsulate(codes, fragments_per_frame=3, has_bot=True)
        found["PixelData"].is_undefined_length = True
        found["PixelData"].VR = "OB"
        found.save_as(tmp_path / "a.dcm", enforce_file_format=True)
        for k in range(2):
            np.testing.assert_array_equal(read_image(tmp_path / "a.dcm", frame=k).pixels, texture(seed=k))

    def test_a_file_without_a_preamble_is_read(self, tmp_path: Path) -> None:
        whole = save(dataset(tmp_path), tmp_path / "a.dcm", samples.IMPLICIT).read_bytes()
        end_of_meta = 144 + struct.unpack_from("<L", whole, 140)[0]
        image = read_image(written(tmp_path / "b.dcm", whole[end_of_meta:]))
        np.testing.assert_array_equal(image.pixels, texture())
        assert "preamble" in image.warnings[0]


class TestAttributes:
    def test_pixel_spacing_goes_before_imager_pixel_spacing(self, tmp_path: Path) -> None:
        image = read_image(save(dataset(tmp_path, PixelSpacing=[0.07, 0.07]), tmp_path / "a.dcm"))
        assert (image.pixel_spacing_mm, image.spacing_source) == (pytest.approx(0.07), "Pixel Spacing")

    def test_an_uneven_spacing_measures_nothing(self, tmp_path: Path) -> None:
        image = read_image(save(dataset(tmp_path, PixelSpacing=[0.07, 0.14]), tmp_path / "a.dcm"))
        assert image.pixel_spacing_mm is None and "differs" in image.warnings[0]

    def test_the_view_is_read_from_its_code_where_the_word_is_missing(self, tmp_path: Path) -> None:
        found = dataset(tmp_path)
        del found.ViewPosition
        assert read_image(save(found, tmp_path / "a.dcm")).view is ViewPosition.MLO

    def test_monochrome1_is_kept_as_stored(self, tmp_path: Path) -> None:
        image = read_image(save(dataset(tmp_path, PhotometricInterpretation="MONOCHROME1"), tmp_path / "a.dcm"))
        np.testing.assert_array_equal(image.pixels, texture())
        assert image.photometric == "MONOCHROME1"

    def test_a_voi_lut_is_read(self, tmp_path: Path) -> None:
        item = pydicom.Dataset()
        item.add_new("LUTDescriptor", "US", [4, 100, 12])
        item.add_new("LUTData", "US", [0, 1000, 3000, 4095])
        item.LUTExplanation = "HARD"
        image = read_image(save(dataset(tmp_path, VOILUTSequence=[item]), tmp_path / "a.dcm"))
        (table,) = image.voi_luts
        assert (table.first, table.bits, table.explanation) == (100, 12, "HARD")
        assert table.entries.tolist() == [0, 1000, 3000, 4095]

    def test_windows_without_a_width_are_left_out(self, tmp_path: Path) -> None:
        found = dataset(tmp_path, WindowCenter=["5", "6"], WindowWidth=["0", "7"])
        image = read_image(save(found, tmp_path / "a.dcm"))
        assert [w.width for w in image.windows] == [7] and image.warnings

    def test_identity_shows_nothing_as_text(self, tmp_path: Path) -> None:
        found = dataset(tmp_path, PatientName="Canary^Yellow", PatientID="CANARY-7", AccessionNumber="CANARY-8")
        image = read_image(save(found, tmp_path / "a.dcm"))
        assert (image.identity.name, image.identity.patient_id) == ("Canary^Yellow", "CANARY-7")
        assert "anary" not in f"{image!r} {image.identity} {image.identity!r}".lower()
        assert repr(Identity(name="x")) == "Identity(hidden)"

    def test_an_executable_preamble_is_warned_of(self, tmp_path: Path) -> None:
        data = bytearray(mammogram(tmp_path).read_bytes())
        for magic in (b"MZ", b"\x7fELF"):
            data[: len(magic)] = magic
            assert "executable" in read_image(written(tmp_path / "b.dcm", bytes(data))).warnings[0]

    def test_foreign_text_loses_its_control_characters(self, tmp_path: Path) -> None:
        image = read_image(save(dataset(tmp_path, Manufacturer="A\x1b[2JB" + "x" * 50), tmp_path / "a.dcm"))
        assert image.manufacturer == "A[2JB" + "x" * 50


class TestPlainFormats:
    @pytest.mark.parametrize("pixels", [texture(), texture(top=256).astype(np.uint8)])
    def test_png_pgm_and_tiff_keep_the_pixels(self, tmp_path: Path, pixels: np.ndarray) -> None:
        files = {
            "PNG": samples.png(pixels),
            "PGM": samples.pgm(pixels),
            "TIFF": samples.tiff(pixels, compression="tiff_lzw"),
        }
        for kind, data in files.items():
            image = read_image(written(tmp_path / "anything.bin", data))
            np.testing.assert_array_equal(image.pixels, pixels)
            assert (image.format, image.pixels.dtype) == (kind, pixels.dtype)
            assert image.pixels.dtype.isnative and image.identity == Identity()

    def test_a_text_pgm(self, tmp_path: Path) -> None:
        image = read_image(written(tmp_path / "a.pgm", b"P2 # c\n3 2\n# d\n1000\n1 2 3\n4 5 1000\n"))
        assert image.pixels.tolist() == [[1, 2, 3], [4, 5, 1000]] and image.bits_stored == 10

    def test_a_grey_jpeg_coded_in_colour_is_grey(self, tmp_path: Path) -> None:
        grey = np.add.outer(np.arange(64), np.arange(48)).astype(np.uint8)
        data = samples.jpeg_baseline(np.dstack([grey] * 3))
        image = read_image(written(tmp_path / "a.jpg", data))
        assert image.pixels.ndim == 2 and np.abs(image.pixels.astype(int) - grey).max() <= 3

    def test_a_tint_becomes_luminance_with_a_warning(self, tmp_path: Path) -> None:
        grey = texture(top=200).astype(np.uint8)
        tinted = np.dstack([grey, grey, grey + 6])
        image = read_image(written(tmp_path / "a.png", samples.png(tinted)))
        assert "luminance" in image.warnings[0]
        assert np.abs(image.pixels.astype(int) - grey).max() <= 1

    def test_colour_is_refused(self, tmp_path: Path) -> None:
        colour = np.zeros((32, 32, 3), np.uint8)
        colour[..., 0] = 200
        for name, data in (("a.png", samples.png(colour)), ("b.jpg", samples.jpeg_baseline(colour))):
            assert refused(written(tmp_path / name, data)).reason is Refusal.COLOUR

    def test_a_tiff_of_other_compression_is_refused(self, tmp_path: Path) -> None:
        data = samples.tiff(texture(), compression="tiff_adobe_deflate")
        assert refused(written(tmp_path / "a.tif", data)).reason is Refusal.UNSUPPORTED

    def test_palettes_and_animations_are_refused(self, tmp_path: Path) -> None:
        grey = Image.fromarray(texture(top=256).astype(np.uint8))
        grey.convert("P").save(tmp_path / "p.png")
        grey.save(tmp_path / "a.png", save_all=True, append_images=[grey.rotate(90)])
        assert refused(tmp_path / "p.png").reason is Refusal.COLOUR
        assert refused(tmp_path / "a.png").reason is Refusal.UNSUPPORTED


class TestRefusals:
    def test_the_list_is_short(self) -> None:
        assert len(Refusal) <= 12

    def test_what_is_no_image(self, tmp_path: Path) -> None:
        assert refused(written(tmp_path / "a.txt", b"name,x,y\n")).reason is Refusal.NOT_AN_IMAGE
        assert refused(written(tmp_path / "b", b"")).reason is Refusal.NOT_AN_IMAGE
        assert refused(tmp_path / "missing.dcm").reason is Refusal.UNREADABLE
        assert refused(tmp_path).reason is Refusal.UNREADABLE

    def test_dicom_without_an_image_and_in_colour(self, tmp_path: Path) -> None:
        found = dataset(tmp_path)
        del found.PixelData, found.Rows, found.Columns
        assert refused(save(found, tmp_path / "a.dcm")).reason is Refusal.NO_PIXELS
        palette = dataset(tmp_path, PhotometricInterpretation="PALETTE COLOR")
        assert refused(save(palette, tmp_path / "b.dcm")).reason is Refusal.COLOUR

    def test_pixels_shorter_than_announced_name_both_numbers(self, tmp_path: Path) -> None:
        error = refused(save(dataset(tmp_path, Rows=100), tmp_path / "a.dcm"))
        assert error.reason is Refusal.CUT_SHORT
        assert "9,400 bytes" in str(error) and "5,734" in str(error)

    def test_a_codestream_of_another_size_is_refused_before_it_is_decoded(self, tmp_path: Path) -> None:
        data = mammogram(tmp_path, encoding=Encoding.JPEG_2000).read_bytes()
        at = data.index(b"\xff\x4f\xff\x51") + 8
        lied = data[:at] + struct.pack(">2I", 60_000, 60_000) + data[at + 8 :]
        error = refused(written(tmp_path / "a.dcm", lied))
        assert error.reason is Refusal.CONTRADICTORY and "60000" in str(error)

    def test_a_video_is_named(self, tmp_path: Path) -> None:
        path = save_packed(dataset(tmp_path), [b"abcd"], tmp_path / "a.dcm", "1.2.840.10008.1.2.4.100")
        assert refused(path).reason is Refusal.OTHER_OBJECT and "video" in str(refused(path))

    def test_an_unknown_transfer_syntax_is_named(self, tmp_path: Path) -> None:
        path = save_packed(dataset(tmp_path), [b"abcd"], tmp_path / "a.dcm", "1.2.840.10008.1.2.6.1")
        error = refused(path)
        assert error.reason is Refusal.UNSUPPORTED and "1.2.840.10008.1.2.6.1" in str(error)

    def test_bits_that_cannot_be(self, tmp_path: Path) -> None:
        path = save(dataset(tmp_path, BitsStored=17, HighBit=16), tmp_path / "a.dcm")
        assert refused(path).reason is Refusal.CONTRADICTORY


ENCODINGS = [*Encoding, "png", "pgm", "tiff", "jpeg"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_file_that_is_cut_is_never_an_image(tmp_path: Path, encoding: Encoding | str) -> None:
    if isinstance(encoding, Encoding):
        whole = mammogram(tmp_path, encoding=encoding).read_bytes()
    else:
        make = {"png": samples.png, "pgm": samples.pgm, "tiff": samples.tiff, "jpeg": samples.jpeg_baseline}
        pixels = texture(top=256).astype(np.uint8) if encoding == "jpeg" else texture()
        whole = make[encoding](pixels)
    for part in range(64):
        path = written(tmp_path / "cut", whole[: len(whole) * part // 64])
        assert refused(path).reason in Refusal


class TestBombs:
    """How soon, and with how much memory: tests/safety/test_mutants.py (safety_full)."""

    def test_headers_that_announce_too_much(self, tmp_path: Path) -> None:
        for attributes in (
            {"Rows": 60_000, "Columns": 60_000},
            {"NumberOfFrames": 2_000_000_000},
            {"Columns": 20_000},
        ):
            assert refused(save(dataset(tmp_path, **attributes), tmp_path / "a.dcm")).reason is Refusal.TOO_LARGE
        files = {
            "a.png": samples.png_that_lies(50_000, 50_000),
            "b.png": samples.png_that_lies(16_384, 2_000_000),
            "a.pgm": b"P5 50000 50000 65535\n" + bytes(100),
        }
        for name, data in files.items():
            assert refused(written(tmp_path / name, data)).reason is Refusal.TOO_LARGE

    def test_a_png_within_the_limits_that_holds_too_little(self, tmp_path: Path) -> None:
        path = written(tmp_path / "a.png", samples.png_that_lies(8000, 8000))
        assert refused(path).reason in (Refusal.DAMAGED, Refusal.CUT_SHORT)

    def test_a_deflated_file_is_unpacked_to_the_cap_only(self, tmp_path: Path) -> None:
        path = samples.deflated_bomb(tmp_path / "a.dcm", dataset(tmp_path))
        assert path.stat().st_size < 1_000_000
        assert refused(path).reason is Refusal.TOO_LARGE

    def test_a_value_that_announces_two_gigabytes(self, tmp_path: Path) -> None:
        data = bytearray(mammogram(tmp_path).read_bytes())
        at = data.index(struct.pack("<HH2s", 0x7FE0, 0x10, b"OW")) + 8
        data[at : at + 4] = struct.pack("<L", 0x7FFFFFF0)
        np.testing.assert_array_equal(read_image(written(tmp_path / "a.dcm", bytes(data))).pixels, texture())

    @pytest.mark.parametrize("undefined", [False, True])
    def test_sequences_nested_three_thousand_deep(self, tmp_path: Path, undefined: bool) -> None:
        found = dataset(tmp_path)
        del found.ViewPosition, found.ViewCodeSequence
        data = save(found, tmp_path / "a.dcm").read_bytes()
        at = data.index(struct.pack("<HH2s", 0x7FE0, 0x10, b"OW"))
        path = written(tmp_path / "b.dcm", data[:at] + samples.nested(3000, undefined=undefined) + data[at:])
        try:
            np.testing.assert_array_equal(read_image(path).pixels, texture())
        except RefusedImageError as error:
            assert error.reason is Refusal.DAMAGED


@pytest.mark.shared
class TestRealMammograms:
    def test_gh133_has_three_windows_and_three_tables(self, real_mammograms: Path) -> None:
        image = read_image(real_mammograms / "dicom" / "GH133.dcm")
        assert image.pixels.shape == (3062, 2394)
        assert [w.explanation for w in image.windows] == ["NORMAL", "HARDER", "SOFTER"]
        assert len(image.voi_luts) == 3 and image.bits_stored == 12 and not image.warnings
        assert (image.laterality, image.view) == (Laterality.RIGHT, ViewPosition.MLO)

    def test_an_overlay_beyond_the_image_is_no_matter(self, real_mammograms: Path) -> None:
        image = read_image(real_mammograms / "dicom" / "OutOfBoundsOverlay.dcm")
        assert image.pixels.shape == (788, 1318)
        assert image.pixel_spacing_mm == pytest.approx(0.085 / 1.0433386837881)

    def test_gh1376_is_packed_though_its_syntax_says_that_it_is_not(self, real_mammograms: Path) -> None:
        image = read_image(real_mammograms / "dicom" / "GH1376.dcm")
        assert image.pixels.shape == (2457, 1890) and image.modality == "CT"
        assert "packed as JPEG" in image.warnings[0]

    def test_film_and_colour_coded_jpegs_are_read(self, real_mammograms: Path) -> None:
        film = sorted((real_mammograms / "mini-mias").glob("*.pgm"))[0]
        assert read_image(film).pixels.shape == (1024, 1024)
        for path in sorted((real_mammograms / "cdd-cesm" / "full").glob("*.jpg"))[:4]:
            assert read_image(path).pixels.ndim == 2
        deep = read_image(sorted((real_mammograms / "png16").glob("*.png"))[0])
        assert deep.pixels.dtype == np.uint16 and deep.pixels.max() > 255


@pytest.mark.parametrize(
    ("intent", "sop_class", "raw"),
    [
        ("FOR PRESENTATION", "1.2.840.10008.5.1.4.1.1.1.2", False),
        ("FOR PROCESSING", "1.2.840.10008.5.1.4.1.1.1.2.1", True),
        ("", "1.2.840.10008.5.1.4.1.1.13.1.5", True),
    ],
)
def test_raw_values_of_the_detector_are_said_to_be_such(
    tmp_path: Path, intent: str, sop_class: str, raw: bool
) -> None:
    found = samples.dataset(tmp_path, PresentationIntentType=intent, SOPClassUID=sop_class)
    image = read_image(samples.save(found, tmp_path / "a.dcm"))
    assert any("FOR PROCESSING" in note for note in image.warnings) is raw
