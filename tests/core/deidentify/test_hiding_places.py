"""C-08 and C-09: places of a file in which text survives a profile that only looks at attributes."""

from __future__ import annotations

import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames

from core.deidentify.child import deidentify_file
from core.deidentify.codestream import CodestreamError, rewritten
from core.deidentify.files import deidentify_files
from core.deidentify.options import Options
from core.domain.events import Message
from core.domain.vocabulary import Laterality, ViewPosition
from core.imaging.decoded import RefusedImageError
from core.imaging.write_dicom import MammogramHeader, write_mammogram

pytestmark = [
    # as in the child process, where what the parser says of a foreign file is not shown
    pytest.mark.filterwarnings("ignore:Invalid value for VR"),
    pytest.mark.filterwarnings("ignore:The decoded RLE segment"),
]
CANARY = b"KOWALSKI^ANNA"
TEXT = CANARY.decode()
OPTIONS = Options(secret=b"s" * 32)
PIXELS = (np.add.outer(np.arange(60), np.arange(80)) * 7 % 4000).astype(np.uint16)
SYNTAXES = {
    "1.2.840.10008.1.2.4.90": lambda x: imagecodecs.jpeg2k_encode(x, level=0, codecformat="j2k"),
    "1.2.840.10008.1.2.4.80": imagecodecs.jpegls_encode,
    "1.2.840.10008.1.2.4.70": imagecodecs.ljpeg_encode,
}


@pytest.fixture
def source(tmp_path: Path) -> Dataset:
    header = MammogramHeader(
        patient_id="P", laterality=Laterality.LEFT, view=ViewPosition.CC, spacing_mm=0.1, synthetic=True
    )
    write_mammogram(tmp_path / "made.dcm", PIXELS, header)
    return pydicom.dcmread(tmp_path / "made.dcm")


def cleaned(source: Dataset, folder: Path) -> Dataset:
    source.save_as(folder / "in.dcm", enforce_file_format=True)
    content = deidentify_file(folder / "in.dcm", OPTIONS).content
    (folder / "out.dcm").write_bytes(content)
    wide = TEXT.encode("utf-16-le")
    assert CANARY not in content and wide not in content
    found = pydicom.dcmread(folder / "out.dcm")
    assert found.PatientIdentityRemoved == "YES"
    return found


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


@pytest.mark.parametrize("marker", [0xFE, *range(0xE0, 0xF0), 0xF0, 0xF2, 0xFD])
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.70"])
def test_segments_of_a_jpeg_go_and_its_pixels_stay(syntax: str, marker: int) -> None:
    plain = bytes(SYNTAXES[syntax](PIXELS))
    scan = plain.index(b"\xff\xda")
    for at in (2, scan):
        hidden = plain[:at] + segment(marker, b"Adobe" + CANARY) + plain[at:]
        made = rewritten(hidden + CANARY)
        assert CANARY not in made and made == rewritten(plain)
    decode = imagecodecs.jpegls_decode if syntax.endswith("80") else imagecodecs.ljpeg_decode
    np.testing.assert_array_equal(decode(rewritten(plain)), PIXELS)


def test_what_follows_the_tables_of_a_segment_goes() -> None:
    plain = bytes(imagecodecs.jpeg8_encode((PIXELS >> 4).astype(np.uint8)))
    at = plain.index(b"\xff\xdb")
    length = struct.unpack_from(">H", plain, at + 2)[0]
    body = plain[at + 4 : at + 2 + length]
    hidden = plain[:at] + segment(0xDB, body + CANARY) + plain[at + 2 + length :]
    spare = segment(0xDB, b"\x03" + (CANARY * 5)[:64])  # a table that no component uses
    made = rewritten(hidden[:2] + spare + hidden[2:])
    assert CANARY not in made
    np.testing.assert_array_equal(imagecodecs.jpeg8_decode(made), imagecodecs.jpeg8_decode(plain))


def test_a_codestream_of_jpeg_2000_keeps_only_what_decodes_it() -> None:
    plain = bytes(SYNTAXES["1.2.840.10008.1.2.4.90"](PIXELS))
    boxed = bytes(imagecodecs.jpeg2k_encode(PIXELS, level=0, codecformat="jp2"))
    tile = plain.index(b"\xff\x90\x00\x0a")
    comment = struct.pack(">HHH", 0xFF64, len(CANARY) + 4, 1) + CANARY
    size = struct.unpack_from(">L", plain, tile + 6)[0] + len(comment)
    in_tile = plain[: tile + 6] + struct.pack(">L", size) + plain[tile + 10 : tile + 12] + comment
    in_tile += plain[tile + 12 :]
    in_main = plain[:tile] + comment + plain[tile:]
    for hidden in (in_main, in_tile, plain + CANARY, boxed + CANARY):
        made = rewritten(hidden)
        assert CANARY not in made and made.startswith(b"\xff\x4f\xff\x51")
        np.testing.assert_array_equal(imagecodecs.jpeg2k_decode(made), PIXELS)


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 64, b"\xff\xd8", b"\xff\xd8\xff\xda\0\x08", b"\xff\x4f\xff\x51\0"]
)
def test_what_is_no_codestream_is_refused(content: bytes) -> None:
    with pytest.raises(CodestreamError):
        rewritten(content)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_extra_fragments_and_tables_of_offsets_go(source: Dataset, tmp_path: Path, syntax: str) -> None:
    frame = bytes(SYNTAXES[syntax](PIXELS))
    source.PixelData = encapsulate([frame, CANARY + b"\0"], has_bot=False)
    source["PixelData"].is_undefined_length = True
    source.ExtendedOffsetTable, source.ExtendedOffsetTableLengths = CANARY + b"\0" * 3, b"\0" * 8
    source.file_meta.TransferSyntaxUID = syntax
    found = cleaned(source, tmp_path)
    [kept] = generate_frames(found.PixelData, number_of_frames=1)
    assert kept.rstrip(b"\0") == rewritten(frame).rstrip(b"\0") and "ExtendedOffsetTable" not in found


def test_bytes_behind_native_pixels_and_bits_above_them_go(source: Dataset, tmp_path: Path) -> None:
    letters = np.frombuffer((CANARY * 800)[: PIXELS.size // 2 * 2], np.uint8)[: PIXELS.size].astype(np.uint16)
    padded = np.zeros(PIXELS.size, np.uint16)
    padded[: len(letters)] = letters >> 4
    source.PixelData = (PIXELS.ravel() | (padded << 12)).tobytes() + CANARY * 2
    found = cleaned(source, tmp_path)
    np.testing.assert_array_equal(found.pixel_array, PIXELS)
    assert len(found.PixelData) == PIXELS.nbytes


def test_signed_pixels_keep_their_sign(source: Dataset, tmp_path: Path) -> None:
    signed = (PIXELS.astype(np.int16) - 2000).clip(-2048, 2047)
    source.PixelRepresentation, source.PixelData = 1, (signed.astype(np.uint16) & 0x0FFF).tobytes()
    np.testing.assert_array_equal(cleaned(source, tmp_path).pixel_array, signed)


def test_run_lengths_are_unpacked(source: Dataset, tmp_path: Path) -> None:
    source.compress("1.2.840.10008.1.2.5", generate_instance_uid=False)
    [frame] = generate_frames(source.PixelData, number_of_frames=1)
    source.PixelData = encapsulate([frame + CANARY + b"\0"])
    source["PixelData"].is_undefined_length = True
    np.testing.assert_array_equal(cleaned(source, tmp_path).pixel_array, PIXELS)


def test_an_unknown_coding_is_refused(source: Dataset, tmp_path: Path) -> None:
    source.PixelData = encapsulate([CANARY + b"\0"])
    source["PixelData"].is_undefined_length = True
    source.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.50"
    with pytest.raises(RefusedImageError, match="cannot be cleaned"):
        cleaned(source, tmp_path)


def test_text_in_attributes_that_the_table_does_not_name_goes(source: Dataset, tmp_path: Path) -> None:
    source.WindowCenterWidthExplanation = TEXT
    source.ImageType = ["ORIGINAL", "PRIMARY", TEXT]
    source.PatientBirthDateInAlternativeCalendar = TEXT
    source.PatientDeathDateInAlternativeCalendar = TEXT
    source.ICCProfile = CANARY + b"\0"
    source.FilterMaterial = "RHODIUM"
    code, table, icon = Dataset(), Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "99MINE", TEXT
    source.AnatomicRegionSequence = [code]
    table.LUTDescriptor, table.LUTExplanation = [13, 0, 8], TEXT
    table.add_new("LUTData", "OW", CANARY + b"\0")
    source.VOILUTSequence = [table]
    icon.Rows, icon.Columns, icon.BitsAllocated, icon.PixelRepresentation = 1, 13, 8, 0
    icon.add_new("PixelData", "OB", CANARY + b"\0")
    source.ReferencedImageSequence = [icon]
    author = Dataset()
    author.add_new(0x00400555, "SQ", [])
    source.EvaluatorName = TEXT
    found = cleaned(source, tmp_path)
    assert list(found.ImageType) == ["ORIGINAL", "PRIMARY", ""]
    assert found.FilterMaterial == "RHODIUM"
    assert found.AnatomicRegionSequence[0].CodeMeaning == "REMOVED"


def test_a_table_that_rises_stays(source: Dataset, tmp_path: Path) -> None:
    table = Dataset()
    table.LUTDescriptor = [4096, 0, 12]
    table.add_new("LUTData", "OW", np.arange(4096, dtype="<u2").tobytes() + CANARY + b"\0")
    source.VOILUTSequence = [table]
    kept = cleaned(source, tmp_path).VOILUTSequence[0]
    assert kept.LUTData == np.arange(4096, dtype="<u2").tobytes()


def test_every_file_of_one_identifier_is_written(source: Dataset, tmp_path: Path) -> None:
    """C-09."""
    (tmp_path / "in").mkdir()
    (tmp_path / "made.dcm").unlink()
    for number in range(4):
        source.PixelData = (PIXELS + number).tobytes()
        source.save_as(tmp_path / "in" / f"{number}.dcm", enforce_file_format=True)
    told: list[str] = []
    report = deidentify_files(
        sorted((tmp_path / "in").iterdir()),
        tmp_path / "out",
        OPTIONS,
        emit=lambda event: told.append(event.text) if isinstance(event, Message) else None,
    )
    written = sorted((tmp_path / "out").rglob("*.dcm"))
    assert len(report.files) == len(written) == 4 and len({one.name for one in report.files}) == 4
    assert len({path.read_bytes() for path in written}) == 4
    assert sum("SOP Instance UID of an earlier file" in text for text in told) == 3
