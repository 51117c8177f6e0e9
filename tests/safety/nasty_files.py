"""Files with a canary in every place where text survives somebody's cleaning: one kind a file."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import generate_uid

from core.domain.vocabulary import Laterality, ViewPosition
from core.imaging.write_dicom import MammogramHeader, write_mammogram

CANARY = b"KOWALSKI^ANNA"
TEXT = CANARY.decode()
_PIXELS = (np.add.outer(np.arange(60), np.arange(80)) * 7 % 4000).astype(np.uint16)
_LS, _LOSSLESS, _J2K = (f"1.2.840.10008.1.2.4.{end}" for end in (80, 70, 90))


def _set(**values: object) -> Dataset:
    made = Dataset()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def _names(found: Dataset) -> None:
    for keyword in ("PatientName", "InstitutionName", "OperatorsName", "PatientComments", "StudyDescription"):
        setattr(found, keyword, TEXT)


def _private(found: Dataset) -> None:
    block = found.private_block(0x0009, TEXT, create=True)
    block.add_new(1, "LO", TEXT)
    block.add_new(2, "SQ", [_set(PatientName=TEXT)])


def _unknown(found: Dataset) -> None:
    found.add_new(0x00100010, "UN", CANARY + b" ")
    found.add_new(0x00104000, "UN", CANARY + b" ")


def _overlay(found: Dataset) -> None:
    found.add_new((0x6000, 0x3000), "OW", CANARY + b" ")
    found.add_new((0x6000, 0x1500), "LO", TEXT)


def _icon(found: Dataset) -> None:
    icon = _set(Rows=1, Columns=13, BitsAllocated=8, PixelRepresentation=0)
    icon.add_new("PixelData", "OB", CANARY + b"\0")
    found.IconImageSequence = [icon]
    found.ReferencedImageSequence = [icon]


def _high_bits(found: Dataset) -> None:
    letters = np.frombuffer((CANARY * 800)[: _PIXELS.size], np.uint8).astype(np.uint16)
    words = np.zeros(_PIXELS.size, np.uint16)
    words[0::2], words[1::2] = letters[: len(words[0::2])] >> 4, letters[: len(words[1::2])] & 0xF
    found.PixelData = (_PIXELS.ravel() | (words << 12)).tobytes() + CANARY * 2


def _table(found: Dataset) -> None:
    table = _set(LUTDescriptor=[13, 0, 8], LUTExplanation=TEXT)
    table.add_new("LUTData", "OW", CANARY + b"\0")
    found.VOILUTSequence = [table]


def _calendar(found: Dataset) -> None:
    found.PatientBirthDateInAlternativeCalendar = TEXT
    found.PatientDeathDateInAlternativeCalendar = TEXT


def _codes(found: Dataset) -> None:
    found.AnatomicRegionSequence = [_set(CodeValue="1", CodingSchemeDesignator="99MINE", CodeMeaning=TEXT)]
    found.AcquisitionContextSequence = [_set(TextValue=TEXT)]


def _element(tag: int, vr: str, value: bytes) -> Callable[[Dataset], None]:
    return lambda found: found.add_new(tag, vr, value)


_PLAIN: dict[str, Callable[[Dataset], None]] = {
    "names": _names,
    "private elements": _private,
    "names of unknown type": _unknown,
    "overlay": _overlay,
    "curve": _element(0x50003000, "OW", CANARY + b" "),
    "document": _element(0x00420011, "OB", CANARY + b"\0"),
    "icon": _icon,
    "high bits and behind the pixels": _high_bits,
    "table of grey values": _table,
    "colour profile": _element(0x00282000, "OB", CANARY + b"\0"),
    "alternative calendar": _calendar,
    "meanings of codes": _codes,
    "explanation of a window": lambda found: setattr(found, "WindowCenterWidthExplanation", TEXT),
    "third type of image": lambda found: setattr(found, "ImageType", ["ORIGINAL", "PRIMARY", TEXT]),
    "author": lambda found: setattr(found, "EvaluatorName", TEXT),
    "padding of the data set": _element(0xFFFCFFFC, "OB", CANARY * 3 + b"\0"),
    "nested deeply": lambda found: setattr(
        found, "ReferencedPatientSequence", [_set(ReferencedImageSequence=[_set(PatientName=TEXT)])]
    ),
}


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _coded() -> dict[str, tuple[str, list[bytes]]]:
    """Transfer syntax and fragments."""
    ls, lossless = bytes(imagecodecs.jpegls_encode(_PIXELS)), bytes(imagecodecs.ljpeg_encode(_PIXELS))
    j2k = bytes(imagecodecs.jpeg2k_encode(_PIXELS, level=0, codecformat="j2k"))
    boxed = bytes(imagecodecs.jpeg2k_encode(_PIXELS, level=0, codecformat="jp2"))
    tile, scan = j2k.index(b"\xff\x90\x00\x0a"), lossless.index(b"\xff\xda")
    comment = struct.pack(">HHH", 0xFF64, len(CANARY) + 4, 1) + CANARY
    longer = struct.pack(">L", struct.unpack_from(">L", j2k, tile + 6)[0] + len(comment))
    in_tile = j2k[: tile + 6] + longer + j2k[tile + 10 : tile + 12] + comment + j2k[tile + 12 :]
    return {
        "application segment of JPEG-LS": (_LS, [ls[:2] + _segment(0xE8, CANARY) + ls[2:]]),
        "comment of a JPEG": (_LOSSLESS, [lossless[:2] + _segment(0xFE, CANARY) + lossless[2:]]),
        "comment before the scan": (_LOSSLESS, [lossless[:scan] + _segment(0xFE, CANARY) + lossless[scan:]]),
        "segment of Adobe": (_LOSSLESS, [lossless[:2] + _segment(0xEE, b"Adobe" + CANARY) + lossless[2:]]),
        "reserved marker": (_LOSSLESS, [lossless[:2] + _segment(0xF2, CANARY) + lossless[2:]]),
        "behind the end of a JPEG": (_LOSSLESS, [lossless + CANARY]),
        "comment of JPEG 2000": (_J2K, [j2k[:tile] + comment + j2k[tile:]]),
        "comment of a tile": (_J2K, [in_tile]),
        "behind the end of JPEG 2000": (_J2K, [j2k + CANARY]),
        "box of JP2": (_J2K, [boxed + struct.pack(">L4s", 8 + len(CANARY), b"uuid") + CANARY]),
        "fragment of its own": (_LS, [ls, CANARY + b"\0"]),
    }


def _whole_files(made: Path) -> dict[str, bytes]:
    """Kinds that lie outside the data set."""
    plain = made.read_bytes()
    marked = pydicom.dcmread(made)
    marked.file_meta.ImplementationVersionName = TEXT
    marked.file_meta.PrivateInformationCreatorUID = "1.2.3"
    marked.file_meta.PrivateInformation = CANARY + b"\0"
    meta = BytesIO()
    marked.save_as(meta, enforce_file_format=True)
    info = PngInfo()
    info.add_text("Comment", TEXT)
    info.add_text("Title", TEXT * 20, zip=True)
    info.add_itxt("Author", TEXT, zip=True)
    picture, png, jpeg, tiff = Image.fromarray((_PIXELS >> 4).astype(np.uint8)), BytesIO(), BytesIO(), BytesIO()
    picture.save(png, "PNG", pnginfo=info)
    picture.save(jpeg, "JPEG", comment=CANARY, quality=95)
    picture.save(tiff, "TIFF", description=TEXT, artist=TEXT)
    return {
        "preamble.dcm": CANARY.ljust(128, b"\0") + plain[128:],
        "file meta.dcm": meta.getvalue(),
        "behind the data set.dcm": plain + b"\x01\x00\xfe\xffLO\x0e\x00" + CANARY + b" ",
        "picture.png": png.getvalue() + CANARY,
        "picture.jpg": jpeg.getvalue() + CANARY,
        "picture.tif": tiff.getvalue(),
    }


def write_nasty_files(folder: Path) -> list[Path]:
    """One file of each kind, with identifiers of their own."""
    folder.mkdir()
    header = MammogramHeader(
        patient_id="P", laterality=Laterality.LEFT, view=ViewPosition.CC, spacing_mm=0.1, synthetic=True
    )
    made = folder.with_name("made.dcm")
    write_mammogram(made, _PIXELS, header)

    def save(found: Dataset, name: str) -> None:
        found.SOPInstanceUID = found.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[name])
        found.save_as(folder / f"{name}.dcm", enforce_file_format=True)

    for name, change in _PLAIN.items():
        found = pydicom.dcmread(made)
        change(found)
        save(found, name)
    for name, (syntax, fragments) in _coded().items():
        found = pydicom.dcmread(made)
        padded = [one + b"\0" * (len(one) % 2) for one in fragments]
        found.PixelData = encapsulate(padded, has_bot=False)
        found["PixelData"].is_undefined_length = True
        found.file_meta.TransferSyntaxUID = syntax
        save(found, name)
    for name, content in _whole_files(made).items():
        (folder / name).write_bytes(content)
    return sorted(folder.iterdir())


def streams(content: bytes) -> Iterator[bytes]:
    """The bytes, and whatever in them unpacks as zlib or gzip does."""
    yield content
    for head in (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda", b"\x1f\x8b\x08"):
        at = content.find(head)
        while at >= 0:
            unpack = zlib.decompressobj(47)
            with suppress(zlib.error):
                yield unpack.decompress(content[at:], 1 << 22)
            at = content.find(head, at + 1)


def holds_canary(content: bytes) -> bool:
    """Whether the canary is there in bytes, in UTF-16 of either order, or in what unpacks."""
    words = (CANARY, TEXT.encode("utf-16-le"), TEXT.encode("utf-16-be"))
    return any(word in stream for stream in streams(content) for word in words)
