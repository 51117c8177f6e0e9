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
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag, Tag

from core.domain.study import Window
from core.domain.vocabulary import Laterality, ViewPosition
from core.imaging.decoded import FOREIGN_ERRORS, Identity, Refusal, RefusedImageError, VoiLut, clean_text

_RAW = {f"1.2.840.10008.5.1.4.1.1.{n}" for n in ("1.2.1", "1.1.1", "13.1.5")}
"""Mammography, Digital X-Ray and Breast Projection, each For Processing."""
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
MAX_INFLATED_BYTES = 64_000_000
"""What a deflated file may unpack to: more than the largest mammogram (5,625 x 4,096 x 2 bytes) needs."""
PARSER_ERRORS = (*FOREIGN_ERRORS, BytesLengthException, InvalidDicomError)
"""With those of the parser that derive from nothing but Exception."""
_MAX_ITEMS = 16

_KEYWORDS = (
    "SpecificCharacterSet ImageType SOPClassUID SOPInstanceUID StudyDate AcquisitionDate ContentDate "
    "AccessionNumber Modality Manufacturer ManufacturerModelName PatientName PatientID PatientBirthDate "
    "PatientSex ViewPosition EstimatedRadiographicMagnificationFactor ImagerPixelSpacing StudyInstanceUID "
    "SeriesInstanceUID Laterality ImageLaterality SamplesPerPixel PhotometricInterpretation "
    "PlanarConfiguration NumberOfFrames Rows Columns PixelSpacing BitsAllocated BitsStored HighBit "
    "PixelRepresentation PixelPaddingValue WindowCenter WindowWidth RescaleIntercept RescaleSlope "
    "WindowCenterWidthExplanation VOILUTFunction ModalityLUTSequence VOILUTSequence ViewCodeSequence "
    "PresentationLUTShape ExtendedOffsetTable SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence "
    "StudyID StudyTime PatientOrientation PresentationIntentType "
)
_TAGS: list[int | BaseTag] = [Tag(keyword) for keyword in _KEYWORDS.split()]

_VIEW_CODES = {
    # SNOMED RT and CT identifiers of context group CID 4014
    "R-10242": ViewPosition.CC,
    "399162004": ViewPosition.CC,
    "R-10226": ViewPosition.MLO,
    "399368009": ViewPosition.MLO,
}


@dataclass(frozen=True, kw_only=True)
class PixelLayout:
    """How the stored values lie in the pixel data (PS3.3 C.7.6.3)."""

    rows: int
    columns: int
    samples: int
    planar: bool
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    frames: int
    photometric: str
    little_endian: bool
    transfer_syntax: str

    @property
    def frame_bytes(self) -> int:
        return self.rows * self.columns * self.samples * self.bits_allocated // 8


@dataclass(frozen=True, kw_only=True)
class OpenedDicom:
    file: BinaryIO
    tags: Attributes
    little_endian: bool
    transfer_syntax: str
    has_pixels: bool
    """The file then stands at the first byte of the pixel data."""
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
            found = [float(v) for v in self.values(keyword)]
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
            return [Attributes(item) for item in list(value or [])[:_MAX_ITEMS] if isinstance(item, Dataset)]
        except PARSER_ERRORS:
            self.unreadable.append(keyword)
            return []


def open_dicom(file: BinaryIO, name: str) -> OpenedDicom:
    """Read the allow-listed attributes up to the pixel data, and leave the file at the pixels."""
    syntax, end_of_meta = meta_information(file)
    if syntax == DEFLATED:
        file.seek(end_of_meta)
        file = inflated(file, name)
        dataset = read_dataset(
            file, is_implicit_VR=False, is_little_endian=True, stop_when=_at_pixels, specific_tags=list(_TAGS)
        )
        implicit, little = False, True
    else:
        whole = dcmread(file, stop_before_pixels=True, specific_tags=list(_TAGS), force=True)
        implicit, little = whole.original_encoding[0] is not False, whole.original_encoding[1] is not False
        dataset = whole
    has_pixels, pixel_bytes = _pixel_element(file, implicit=implicit, little=little)
    if not syntax:
        syntax = IMPLICIT_LITTLE if implicit else "1.2.840.10008.1.2.1" if little else "1.2.840.10008.1.2.2"
    return OpenedDicom(
        file=file,
        tags=Attributes(dataset),
        little_endian=little,
        transfer_syntax=syntax,
        has_pixels=has_pixels,
        pixel_bytes=pixel_bytes,
    )


def meta_information(file: BinaryIO) -> tuple[str, int]:
    """Transfer Syntax UID (0002,0010) and where the file meta information ends (PS3.10, 7.1); "" and 0 without."""
    data = file.read(65_536)
    file.seek(0)
    if data[128:132] != b"DICM":
        return "", 0
    at, syntax = 132, ""
    while at + 12 <= len(data):
        group, element, vr, length = struct.unpack_from("<HH2sH", data, at)
        if group != 2:
            break
        at += 8
        if vr in (b"OB", b"UN", b"UT"):
            (length,) = struct.unpack_from("<L", data, at)
            at += 4
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
            f"{name} is a deflated DICOM file that unpacks to more than {MAX_INFLATED_BYTES:,} bytes.",
            Refusal.TOO_LARGE,
        )
    return BytesIO(data)


def _pixel_element(file: BinaryIO, *, implicit: bool, little: bool) -> tuple[bool, int | None]:
    """Whether pixel data follow, and their length, None where undefined (PS3.5, 7.1)."""
    order = "<" if little else ">"
    head = file.read(8)
    if len(head) < 8 or struct.unpack(order + "HH", head[:4]) != (0x7FE0, 0x0010):
        return False, None
    if implicit or not head[4:6].isalpha():
        (length,) = struct.unpack(order + "L", head[4:])
    else:
        (length,) = struct.unpack(order + "L", file.read(4))
    return True, None if length == 0xFFFFFFFF else length


def pixel_layout(opened: OpenedDicom, name: str) -> PixelLayout:
    """The layout, or a refusal where the attributes are missing or contradict each other."""
    tags = opened.tags
    rows, columns = tags.integer("Rows"), tags.integer("Columns")
    if not opened.has_pixels or rows is None or columns is None:
        if rows and columns:
            raise RefusedImageError(
                f"{name} ends before its pixel data; copy it again from its source.", Refusal.CUT_SHORT
            )
        raise RefusedImageError(f"{name} is a DICOM file without an image.", Refusal.NO_PIXELS)
    allocated = tags.integer("BitsAllocated") or 16
    stored = tags.integer("BitsStored") or allocated
    high = tags.integer("HighBit")
    layout = PixelLayout(
        rows=rows,
        columns=columns,
        samples=tags.integer("SamplesPerPixel") or 1,
        planar=tags.integer("PlanarConfiguration") == 1,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=stored - 1 if high is None else high,
        signed=tags.integer("PixelRepresentation") == 1,
        frames=tags.integer("NumberOfFrames") or 1,
        photometric=tags.text("PhotometricInterpretation").upper() or "MONOCHROME2",
        little_endian=opened.little_endian,
        transfer_syntax=opened.transfer_syntax,
    )
    _check_layout(layout, name)
    return layout


def _check_layout(layout: PixelLayout, name: str) -> None:
    grey = layout.samples == 1 and layout.photometric in ("MONOCHROME1", "MONOCHROME2")
    if not grey and not (layout.samples == 3 and layout.photometric == "RGB"):
        raise RefusedImageError(
            f"{name} is a colour image ({layout.photometric}); mammograms are grey.", Refusal.COLOUR
        )
    if layout.bits_allocated not in (8, 16):
        raise RefusedImageError(
            f"{name} stores {layout.bits_allocated} bits a pixel; 8 and 16 can be read.", Refusal.UNSUPPORTED
        )
    if not (1 <= layout.bits_stored <= layout.high_bit + 1 <= layout.bits_allocated):
        raise RefusedImageError(
            f"{name} says that {layout.bits_stored} bits up to bit {layout.high_bit} are stored in "
            f"{layout.bits_allocated}, which cannot be.",
            Refusal.CONTRADICTORY,
        )


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


def spacing(tags: Attributes, notes: list[str]) -> tuple[float | None, str]:
    """Millimetres between pixel centres in the breast, and the attributes that say so."""
    in_plane, at_detector = tags.numbers("PixelSpacing"), tags.numbers("ImagerPixelSpacing")
    if len(in_plane) == 2:
        pair, factor, source = in_plane, 1.0, "Pixel Spacing"
    elif len(at_detector) == 2:
        pair, factor, source = at_detector, 1.0, "Imager Pixel Spacing"
        magnification = tags.number("EstimatedRadiographicMagnificationFactor")
        if magnification is not None and 1 <= magnification <= 10:
            factor, source = magnification, f"{source} / Estimated Radiographic Magnification Factor"
    else:
        return None, ""
    if min(pair) <= 0 or max(pair) > 10:
        notes.append(f"{source} is not a plausible length and was left out")
        return None, ""
    if max(pair) > 1.01 * min(pair):
        notes.append(f"{source} differs between rows and columns; lengths are not measured in this image")
        return None, ""
    return (pair[0] + pair[1]) / 2 / factor, source


def for_processing(tags: Attributes) -> bool:
    """Whether these are the detector's raw values, by Presentation Intent Type (0008,0068) or the class."""
    return tags.text("PresentationIntentType").upper() == "FOR PROCESSING" or tags.text("SOPClassUID") in _RAW


def laterality(tags: Attributes) -> Laterality | None:
    for keyword in ("ImageLaterality", "Laterality"):
        if (found := tags.text(keyword).upper()) in ("L", "R"):
            return Laterality(found)
    return None


def view(tags: Attributes) -> ViewPosition | None:
    """View Position (0018,5101), else the code of View Code Sequence (0054,0220)."""
    if position := tags.text("ViewPosition").upper():
        return ViewPosition(position) if position in ("CC", "MLO") else ViewPosition.OTHER
    for item in tags.items("ViewCodeSequence"):
        return _VIEW_CODES.get(item.text("CodeValue"), ViewPosition.OTHER)
    return None


def windows(tags: Attributes, notes: list[str]) -> tuple[Window, ...]:
    centres, widths = tags.numbers("WindowCenter"), tags.numbers("WindowWidth")
    function = tags.text("VOILUTFunction").upper() or "LINEAR"
    explanations = tags.texts("WindowCenterWidthExplanation")
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        notes.append("the VOI LUT Function is unknown and was taken as LINEAR")
        function = "LINEAR"
    found = []
    for k, (centre, width) in enumerate(zip(centres, widths, strict=False)):
        if width >= 1 or (width > 0 and function != "LINEAR"):
            explanation = explanations[k] if k < len(explanations) else ""
            found.append(Window(centre=centre, width=width, function=function, explanation=explanation))
        else:
            notes.append("a window without a positive width was left out")
    return tuple(found[:_MAX_ITEMS])


def voi_luts(tags: Attributes, notes: list[str]) -> tuple[VoiLut, ...]:
    tables = []
    for item in tags.items("VOILUTSequence"):
        table = _voi_lut(item)
        if table is None:
            notes.append("a VOI LUT that does not agree with its descriptor was left out")
        else:
            tables.append(table)
    return tuple(tables)


def _voi_lut(item: Attributes) -> VoiLut | None:
    descriptor = item.numbers("LUTDescriptor")
    if len(descriptor) != 3:
        return None
    count, first, bits = int(descriptor[0]) or 65_536, int(descriptor[1]), int(descriptor[2])
    value = item.value("LUTData")
    if isinstance(value, bytes):
        data = value
    else:
        numbers = [int(v) & 0xFFFF for v in item.numbers("LUTData")]
        data = struct.pack(f"<{len(numbers)}H", *numbers)
    if not (1 <= bits <= 16 and 0 < count <= 65_536 and len(data) >= 2 * count):
        return None
    return VoiLut(first=first, bits=bits, data=data[: 2 * count], explanation=item.text("LUTExplanation"))


def acquired(tags: Attributes) -> str | None:
    for keyword in ("AcquisitionDate", "ContentDate", "StudyDate"):
        if match := re.fullmatch(r"(\d{4})\.?(\d{2})\.?(\d{2})", tags.text(keyword)):
            return "-".join(match.groups())
    return None
