"""The attributes of a DICOM file that the program knows, and nothing else of it.

A foreign dataset is never printed, logged, walked or copied: a small file of nested sequences makes ``str(ds)``
eat all memory (safety.md, F12). Only the tags of ``_TAGS`` are looked at; private groups, overlays, curves and
everything else fall away here.
"""

from __future__ import annotations

import math
import re
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any, BinaryIO

from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag, Tag

from core.domain.messages import Sentence, message
from core.imaging.decoded import FOREIGN_ERRORS, Identity, Refusal, RefusedImageError, clean_text
from core.imaging.formats.dicom_syntax import (
    DEFLATED,
    NATIVE,
    PACKED_UNKNOWN,
    SyntaxEncoding,
    encoding_announced,
    encoding_of,
)

_RAW = {f"1.2.840.10008.5.1.4.1.1.{n}" for n in ("1.2.1", "1.1.1", "13.1.5")}
"""Mammography, Digital X-Ray and Breast Projection, each For Processing."""
MAX_INFLATED_BYTES = 64_000_000
"""Maximum size of an unpacked deflated file: more than the largest mammogram (5,625 x 4,096 x 2 bytes) needs."""
PARSER_ERRORS = (*FOREIGN_ERRORS, BytesLengthException, InvalidDicomError)
"""With those of the parser that derive from nothing but Exception."""
MAX_ITEMS = 16
_FIRST_BYTES = 4096
_FLOATING = (0x7FE00008, 0x7FE00009)
_LARGEST_VALUE = 16_000_000
"""Values longer than this are not loaded: a private sequence may hold all slices of a tomosynthesis."""

_KEYWORDS = (
    "SpecificCharacterSet ImageType SOPClassUID SOPInstanceUID StudyDate AcquisitionDate ContentDate "
    "AccessionNumber Modality Manufacturer ManufacturerModelName PatientName PatientID PatientBirthDate "
    "PatientSex ViewPosition EstimatedRadiographicMagnificationFactor ImagerPixelSpacing StudyInstanceUID "
    "SeriesInstanceUID Laterality SeriesDescription ProtocolName BodyPartExamined FieldOfViewHorizontalFlip "
    "DistanceSourceToDetector DistanceSourceToPatient NominalScannedPixelSpacing AnatomicRegionSequence "
    "PixelPaddingRangeLimit AcquisitionDeviceProcessingDescription ImageLaterality "
    "SamplesPerPixel PhotometricInterpretation "
    "PlanarConfiguration NumberOfFrames Rows Columns PixelSpacing BitsAllocated BitsStored HighBit "
    "PixelRepresentation PixelPaddingValue WindowCenter WindowWidth RescaleIntercept RescaleSlope "
    "WindowCenterWidthExplanation VOILUTFunction ModalityLUTSequence VOILUTSequence ViewCodeSequence "
    "PresentationLUTShape ExtendedOffsetTable SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence "
    "StudyID StudyTime PatientOrientation PresentationIntentType "
)
_TAGS: list[int | BaseTag] = [
    *(Tag(keyword) for keyword in _KEYWORDS.split()),
    Tag(0x0004, 0x1200),
    *(Tag(0x7E01, block) for block in range(0x10, 0x20)),
    *(Tag(0x7E01, block << 8 | 0x10) for block in range(0x10, 0x20)),
]
"""With what ``dicom_kind`` looks for: the first record of a directory, and Hologic's slices in group 7E01."""


@dataclass(frozen=True, kw_only=True)
class OpenedDicom:
    file: BinaryIO
    tags: Attributes
    little_endian: bool
    transfer_syntax: str
    has_pixels: bool
    """The file then stands at the first byte of the pixel data."""
    floating: bool
    """The pixels are Float or Double Float Pixel Data, (7FE0,0008) or (7FE0,0009)."""
    pixel_bytes: int | None
    """Length of the pixel data as announced; None where it is undefined (encapsulated) or there is none."""


class Attributes:
    """Guarded access to a foreign dataset: a value that cannot be read is absent, and its keyword is noted."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self.unreadable: list[str] = []

    def value(self, keyword: str) -> Any:
        try:
            return self._dataset.get(keyword)
        except PARSER_ERRORS:
            self.unreadable.append(keyword)
            return None

    def has(self, group: int, element: int) -> bool:
        """True where the attribute is there; its value is not looked at."""
        return (group, element) in self._dataset

    def private(self, group: int, element: int) -> str:
        """The text of a private attribute, "" where there is none."""
        try:
            found = self._dataset.get((group, element))
            return "" if found is None else clean_text(str(found.value or ""))
        except PARSER_ERRORS:
            return ""

    def values(self, keyword: str) -> list[Any]:
        value = self.value(keyword)
        if value is None or value == "":
            return []
        if isinstance(value, str | bytes) or not isinstance(value, Iterable):
            return [value]
        return list(value)

    def text(self, keyword: str, *, limit: int = 64) -> str:
        try:
            return clean_text(str(self.value(keyword) or ""), limit=limit)
        except PARSER_ERRORS:
            self.unreadable.append(keyword)
            return ""

    def texts(self, keyword: str) -> list[str]:
        return [clean_text(str(v)) for v in self.values(keyword)]

    def number(self, keyword: str) -> float | None:
        numbers = self.numbers(keyword)
        return numbers[0] if numbers else None

    def numbers(self, keyword: str) -> list[float]:
        """The finite numbers of a multi-valued attribute; none where any is not a number."""
        try:
            found = [_number(v) for v in self.values(keyword)]
        except PARSER_ERRORS:
            self.unreadable.append(keyword)
            return []
        return found if all(math.isfinite(v) for v in found) else []

    def integer(self, keyword: str) -> int | None:
        number = self.number(keyword)
        return int(number) if number is not None else None

    def item(self, keyword: str, index: int) -> Attributes | None:
        """One item of a sequence; None where it has fewer."""
        value = self.value(keyword)
        try:
            if value is None or index >= len(value) or not isinstance(value[index], Dataset):
                return None
            return Attributes(value[index])
        except PARSER_ERRORS:
            self.unreadable.append(keyword)
            return None

    def items(self, keyword: str) -> list[Attributes]:
        """The first items of a sequence; what they nest is not followed."""
        value = self.value(keyword)
        try:
            return [Attributes(item) for item in list(value or [])[:MAX_ITEMS] if isinstance(item, Dataset)]
        except PARSER_ERRORS:
            self.unreadable.append(keyword)
            return []


def _number(value: Any) -> float:
    """A number, also of a Decimal String with a comma (``0,07``), which PS3.5 6.2 forbids and devices write."""
    return float(value.replace(",", ".") if isinstance(value, str) and value.count(",") == 1 else value)


def open_dicom(file: BinaryIO, name: str, notes: list[Sentence]) -> OpenedDicom:
    """Read the allow-listed attributes up to the pixel data, and leave the file at the pixels.

    How the data set is encoded is taken from its first element, not from the Transfer Syntax: where the two
    disagree, a note is added, as dcmtk and pydicom do.
    """
    syntax, start = meta_information(file)
    file, found = _data_set(file, start, syntax, name)
    dataset = read_dataset(
        file,
        is_implicit_VR=found.implicit,
        is_little_endian=found.little,
        stop_when=_at_pixels,
        defer_size=_LARGEST_VALUE,
        specific_tags=list(_TAGS),
    )
    element, pixel_bytes = _pixel_element(file, implicit=found.implicit, little=found.little)
    has_pixels = element == 0x7FE00010
    return OpenedDicom(
        file=file,
        tags=Attributes(dataset),
        little_endian=found.little,
        transfer_syntax=_syntax_in_use(syntax, found, packed=has_pixels and pixel_bytes is None, notes=notes),
        has_pixels=has_pixels,
        floating=element in _FLOATING,
        pixel_bytes=pixel_bytes,
    )


def _data_set(file: BinaryIO, start: int, syntax: str, name: str) -> tuple[BinaryIO, SyntaxEncoding]:
    """The file at its data set, unpacked where that is deflated, and the encoding."""
    file.seek(start)
    # deflated bytes may look like anything, and are tried first where they are announced
    found = None if syntax == DEFLATED else encoding_of(file.read(_FIRST_BYTES), announced=syntax)
    if found is None:
        file.seek(start)
        try:
            unpacked = inflated(file, name)
            found = encoding_of(unpacked.read(_FIRST_BYTES), announced="")
        except zlib.error:
            found = None
        if found is not None:
            unpacked.seek(0)
            return unpacked, replace(found, deflated=True)
    file.seek(start)
    found = encoding_of(file.read(_FIRST_BYTES), announced="")
    file.seek(start)
    # where it begins with a group of its own kind, the Transfer Syntax is all that there is to go by
    return file, found or encoding_announced(syntax)


def _syntax_in_use(announced: str, found: SyntaxEncoding, *, packed: bool, notes: list[Sentence]) -> str:
    """Return the Transfer Syntax of the bytes. The compression is determined later, from the codestreams."""
    if not announced:
        return PACKED_UNKNOWN if packed else found.syntax
    if announced in NATIVE and announced != found.syntax:
        notes.append(
            message(
                "its Transfer Syntax is {announced}, but its data set is encoded as {syntax}",
                announced=announced,
                syntax=found.syntax,
            )
        )
    elif announced not in NATIVE and (found.implicit or not found.little):
        notes.append(
            message(
                "its data set is encoded as {syntax}, which its Transfer Syntax does not allow",
                syntax=found.syntax,
            )
        )
    if packed:
        return PACKED_UNKNOWN if announced in NATIVE else announced
    return found.syntax if announced in NATIVE else announced


def meta_information(file: BinaryIO) -> tuple[str, int]:
    """Transfer Syntax UID (0002,0010) and where the file meta information ends (PS3.10, 7.1).

    Also of a file without preamble that begins with group 2. "" and 0 (132 after a preamble) without.
    """
    data = file.read(65_536)
    file.seek(0)
    at, syntax = (132 if data[128:132] == b"DICM" else 0), ""
    while at + 12 <= len(data):
        group, element, vr, length = struct.unpack_from("<HH2sH", data, at)
        if group != 2:
            break
        at += 8
        if vr in (b"OB", b"UN", b"UT"):
            (length,) = struct.unpack_from("<L", data, at)
            at += 4
        elif not vr.isalpha():
            # implicit, which PS3.10 forbids here
            (length,) = struct.unpack_from("<L", data, at - 4)
        if element == 0x0010:
            syntax = data[at : at + length].rstrip(b"\0 ").decode("ascii", "replace")
        at += length
    return syntax, at


def _at_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
    del vr, length
    return tag in (0x7FE00008, 0x7FE00009, 0x7FE00010)


def inflated(file: BinaryIO, name: str) -> BinaryIO:
    """The dataset after the file meta information, unpacked up to the cap (PS3.5 A.5: raw deflate)."""
    unpack = zlib.decompressobj(-zlib.MAX_WBITS)
    data = unpack.decompress(file.read(), MAX_INFLATED_BYTES + 1)
    if len(data) > MAX_INFLATED_BYTES:
        raise RefusedImageError(
            message(
                "{name} is a deflated DICOM file that unpacks to more than {limit:,} bytes.",
                name=name,
                limit=MAX_INFLATED_BYTES,
            ),
            Refusal.TOO_LARGE,
        )
    return BytesIO(data)


def _pixel_element(file: BinaryIO, *, implicit: bool, little: bool) -> tuple[int, int | None]:
    """The tag at which reading stopped, 0 at the end, and its length, None where undefined (PS3.5, 7.1)."""
    order = "<" if little else ">"
    head = file.read(8)
    if len(head) < 8:
        return 0, None
    group, number = struct.unpack(order + "HH", head[:4])
    # the element itself tells: some writers change to the other form within a data set
    explicit = head[4:6] in (b"OW", b"OB", b"UN", b"OF", b"OD", b"OL", b"OV") and head[6:8] == b"\0\0"
    if explicit or (not implicit and head[4:6].isalpha()):
        (length,) = struct.unpack(order + "L", file.read(4))
    else:
        (length,) = struct.unpack(order + "L", head[4:])
    tag = (group << 16) | number
    if tag in _FLOATING and length != 0xFFFFFFFF:
        # integer pixels that stand beside floating ones, which they may not, are read
        at = file.tell()
        file.seek(length, 1)
        following = _pixel_element(file, implicit=implicit, little=little)
        if following[0] == 0x7FE00010:
            return following
        file.seek(at)
    return tag, None if length == 0xFFFFFFFF else length


def identity(tags: Attributes) -> Identity:
    return Identity(
        patient_id=tags.text("PatientID"),
        name=tags.text("PatientName", limit=3 * 64 + 2),  # three groups, PS3.5, 6.2.1
        birth_date=tags.text("PatientBirthDate"),
        sex=tags.text("PatientSex"),
        accession=tags.text("AccessionNumber"),
        study_uid=tags.text("StudyInstanceUID"),
        series_uid=tags.text("SeriesInstanceUID"),
        sop_uid=tags.text("SOPInstanceUID"),
        sop_class=tags.text("SOPClassUID"),
        study_id=tags.text("StudyID"),
        study_date=tags.text("StudyDate"),
        study_time=tags.text("StudyTime"),
        patient_orientation=tuple(tags.texts("PatientOrientation")[:2]),
    )


def for_processing(tags: Attributes) -> bool:
    """Return True for the detector's raw values, by Presentation Intent Type (0008,0068) or the class."""
    return tags.text("PresentationIntentType").upper() == "FOR PROCESSING" or tags.text("SOPClassUID") in _RAW


def acquired(tags: Attributes) -> str | None:
    for keyword in ("AcquisitionDate", "ContentDate", "StudyDate"):
        if match := re.fullmatch(r"(\d{4})\.?(\d{2})\.?(\d{2})", tags.text(keyword)):
            return "-".join(match.groups())
    return None
