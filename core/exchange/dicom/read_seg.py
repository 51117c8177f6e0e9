"""Reading Segmentation objects of any maker. The file is foreign: only ``reading``'s child does it.

One mask is unpacked at a time: 250 kB can describe 500 segments of 12 million pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from core.domain.errors import BadFileError
from core.domain.messages import A_FILE, Sentence, message
from core.exchange.dicom.bitmaps import Bitmap
from core.imaging.decoded import check_budget

SEG_CLASS = "1.2.840.10008.5.1.4.1.1.66.4"
LABELMAP_CLASS = "1.2.840.10008.5.1.4.1.1.66.7"
MARGINS = "111037"
"""DCM code of the property that this program gives to segments of fine annotations."""
MOST_SEGMENTS, _MOST_BYTES = 10_000, 500_000_000
_FINE = "fine annotation"
_NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2")

Mask = NDArray[np.uint8]
_Source = tuple[str, int | None]
"""SOP Instance UID of an image and its slice, from 0."""


class SegmentRead(msgspec.Struct, frozen=True, kw_only=True):
    """One segment in one image."""

    number: int
    label: str
    tracking_id: str
    tracking_uid: str
    """"" where the maker gave none."""
    fine: bool
    """True if it is the fine annotation of a lesion and not its outline."""
    source_uid: str
    """SOP Instance UID of the image."""
    frame: int | None
    """Slice of the image, from 0; None where the file names none."""
    bitmap: Bitmap


class SegRead(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of a Segmentation object; ``rows`` and ``columns``: of every mask."""

    rows: int
    columns: int
    study_uid: str
    orientation: tuple[str, ...]
    segments: tuple[SegmentRead, ...]
    notes: tuple[Sentence, ...] = ()
    """Sentences without their subject, the file."""

    @property
    def source_uid(self) -> str:
        """The image of the first segment."""
        return self.segments[0].source_uid

    @property
    def masks(self) -> Mask:
        """All masks at once: (segments, rows, columns)."""
        return np.stack([one.bitmap.mask(self.rows, self.columns) for one in self.segments])


@dataclass(kw_only=True)
class _Masks:
    """The masks read so far, by image and segment."""

    found: dict[tuple[_Source, int], Bitmap] = field(default_factory=dict)
    size: int = 0

    def add(self, source: _Source, number: int, mask: Mask) -> None:
        bitmap = Bitmap.of(mask)
        known = self.found.get((source, number))
        if known is not None:
            bitmap = known.joined(bitmap)
        self.size += len(bitmap.bits)
        if self.size > _MOST_BYTES:
            raise BadFileError(message("{file} holds more mask data than can be kept in memory.", file=A_FILE))
        self.found[source, number] = bitmap


def segmentation_of(found: Dataset) -> SegRead:
    """The segments of a binary, fractional or label-map Segmentation; BadFileError for anything else."""
    kind = _kind(found)
    rows, columns = int(found.Rows), int(found.Columns)
    check_budget("A file", rows=rows, columns=columns, bytes_each=1)
    described = _described(found)
    masks = _Masks()
    sources = _Sources(found)
    for frame, (item, mask) in enumerate(zip(_items(found), _frames(found, kind, rows, columns), strict=True)):
        source = sources.of(item, frame)
        if kind == "LABELMAP":
            for number in np.unique(mask[mask > 0]).tolist():
                _known(number, described)
                masks.add(source, number, (mask == number).astype(np.uint8))
        else:
            number = _number(item, found)
            _known(number, described)
            masks.add(source, number, mask.astype(np.uint8))
    notes = [message("is fractional: what is marked by half or more was taken.")] if kind == "FRACTIONAL" else []
    segments = tuple(
        _segment(number, described[number], source, bitmap) for (source, number), bitmap in masks.found.items()
    )
    without = sorted(described.keys() - {segment.number for segment in segments})
    if without:
        notes.append(message("describes segments without a mask: {without}.", without=_listed(without)))
    if not segments:
        raise BadFileError(message("{file} is a Segmentation in which no mask can be found.", file=A_FILE))
    return SegRead(
        rows=rows,
        columns=columns,
        study_uid=str(found.StudyInstanceUID),
        orientation=tuple(str(v) for v in found.get("PatientOrientation") or ()),
        segments=segments,
        notes=tuple(notes),
    )


def _kind(found: Dataset) -> str:
    sop_class, kind = str(found.get("SOPClassUID", "")), str(found.get("SegmentationType", ""))
    if sop_class == LABELMAP_CLASS:
        kind = "LABELMAP"
    if sop_class not in (SEG_CLASS, LABELMAP_CLASS) or kind not in ("BINARY", "FRACTIONAL", "LABELMAP"):
        raise BadFileError(message("{file} is not a Segmentation object of a known kind.", file=A_FILE))
    return kind


def _described(found: Dataset) -> dict[int, Dataset]:
    """The descriptions by Segment Number (0062,0004), which need neither begin at 1 nor follow each other."""
    items = found.get("SegmentSequence") or []
    if len(items) > MOST_SEGMENTS:
        raise BadFileError(
            message(
                "{file} describes {described:,} segments; the limit is {limit:,}.",
                file=A_FILE,
                described=len(items),
                limit=MOST_SEGMENTS,
            )
        )
    described = {int(item.SegmentNumber): item for item in items}
    if len(described) != len(items):
        raise BadFileError(message("{file} describes two segments with the same number.", file=A_FILE))
    return described


def _known(number: int, described: dict[int, Dataset]) -> None:
    if number not in described:
        raise BadFileError(
            message(
                "{file} refers to a segment that it does not describe (number {number}).",
                file=A_FILE,
                number=number,
            )
        )


def _items(found: Dataset) -> list[Dataset]:
    items = list(found.get("PerFrameFunctionalGroupsSequence") or [])
    count = int(found.get("NumberOfFrames") or 1)
    if len(items) != count:
        raise BadFileError(
            message(
                "{file} announces {count:,} frames and describes {described:,}.",
                file=A_FILE,
                count=count,
                described=len(items),
            )
        )
    return items


def _number(item: Dataset, found: Dataset) -> int:
    # of a single segment the frame's number may stand among what all frames share
    for place in (item, *(found.get("SharedFunctionalGroupsSequence") or [])):
        for identification in place.get("SegmentIdentificationSequence") or []:
            return int(identification.ReferencedSegmentNumber)
    raise BadFileError(message("{file} does not name the segment of a frame.", file=A_FILE))


def _frames(found: Dataset, kind: str, rows: int, columns: int) -> Iterator[NDArray[Any]]:
    """The frames one by one, each (rows, columns)."""
    size, count = rows * columns, int(found.get("NumberOfFrames") or 1)
    syntax = str(found.file_meta.get("TransferSyntaxUID", _NATIVE[0]))
    allocated = int(found.get("BitsAllocated", 1))
    if syntax not in _NATIVE:
        if allocated == 1 or count * size * allocated // 8 > _MOST_BYTES:
            raise BadFileError(
                message(
                    "{file} holds compressed masks of a kind that is not read; export it uncompressed.",
                    file=A_FILE,
                )
            )
        values = found.pixel_array.reshape(count, rows, columns)
        frames: Iterator[NDArray[Any]] = iter(values)
    elif allocated == 1:
        frames = _bits(bytes(found.PixelData), size, count, rows, columns)
    else:
        frames = _numbers(bytes(found.PixelData), allocated, size, count, (rows, columns))
    least = (int(found.get("MaximumFractionalValue", 255)) + 1) // 2
    for frame in frames:
        yield frame if kind == "LABELMAP" else frame >= (least if kind == "FRACTIONAL" else 1)


def _bits(content: bytes, size: int, count: int, rows: int, columns: int) -> Iterator[Mask]:
    """Frames of one bit a pixel follow each other without a gap (PS3.5, 8.1.1)."""
    if len(content) * 8 < size * count:
        raise BadFileError(message("{file} is cut short: its masks are not all there.", file=A_FILE))
    packed = np.frombuffer(content, np.uint8)
    for frame in range(count):
        first = frame * size
        part = np.unpackbits(packed[first // 8 : (first + size + 7) // 8], bitorder="little")
        yield part[first % 8 :][:size].reshape(rows, columns)


def _numbers(
    content: bytes, allocated: int, size: int, count: int, shape: tuple[int, int]
) -> Iterator[NDArray[Any]]:
    if allocated not in (8, 16):
        raise BadFileError(
            message(
                "{file} stores masks with {allocated} bits a pixel, which no Segmentation does.",
                file=A_FILE,
                allocated=allocated,
            )
        )
    if len(content) * 8 < size * count * allocated:
        raise BadFileError(message("{file} is cut short: its masks are not all there.", file=A_FILE))
    values = np.frombuffer(content, np.uint8 if allocated == 8 else np.dtype("<u2"))
    for frame in range(count):
        yield values[frame * size :][:size].reshape(shape)


class _Sources:
    """The image of each frame: by its Derivation Image Sequence, else by that of all frames or of the file."""

    def __init__(self, found: Dataset) -> None:
        shared = [one for item in found.get("SharedFunctionalGroupsSequence") or [] for one in _derived(item)]
        whole = [_source(item) for item in found.get("SourceImageSequence") or []]
        listed = [
            _source(item)
            for series in found.get("ReferencedSeriesSequence") or []
            for item in series.get("ReferencedInstanceSequence") or []
        ]
        images = [_source(item) for item in found.get("ReferencedImageSequence") or []]
        self._common = next((names for names in map(_unique, (shared, whole, listed, images)) if names), [])

    def of(self, item: Dataset, frame: int) -> _Source:
        names = _unique(_derived(item)) or self._common
        if len(names) != 1:
            what = message("no image") if not names else message("several images")
            raise BadFileError(
                message(
                    "{file} names {what} for frame {frame}, so its mask belongs to none.",
                    file=A_FILE,
                    what=what,
                    frame=frame + 1,
                )
            )
        return names[0]


def _derived(item: Dataset) -> list[_Source]:
    return [
        _source(source)
        for derivation in item.get("DerivationImageSequence") or []
        for source in derivation.get("SourceImageSequence") or []
    ]


def _source(item: Dataset) -> _Source:
    frames = item.get("ReferencedFrameNumber")
    one = int(frames) - 1 if isinstance(frames, (int, str)) else None
    return str(item.get("ReferencedSOPInstanceUID") or ""), one


def _unique(names: list[_Source]) -> list[_Source]:
    return [name for name in dict.fromkeys(names) if name[0]]


def _segment(number: int, item: Dataset, source: _Source, bitmap: Bitmap) -> SegmentRead:
    label = str(item.get("SegmentLabel") or "")
    codes = item.get("SegmentedPropertyTypeCodeSequence") or []
    return SegmentRead(
        number=number,
        label=label,
        tracking_id=str(item.get("TrackingID") or ""),
        tracking_uid=str(item.get("TrackingUID") or ""),
        fine=label.endswith(_FINE) or any(str(code.get("CodeValue") or "") == MARGINS for code in codes),
        source_uid=source[0],
        frame=source[1],
        bitmap=bitmap,
    )


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:8]))
    return shown if len(numbers) <= 8 else f"{shown} and {len(numbers) - 8} more"
