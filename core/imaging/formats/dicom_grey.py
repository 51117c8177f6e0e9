"""Grey values of a DICOM file: Modality LUT, padding, VOI windows and tables, and polarity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.domain.messages import Sentence, message
from core.domain.study import Window
from core.imaging.decoded import VoiLut
from core.imaging.formats.dicom_header import MAX_ITEMS, Attributes
from core.imaging.formats.pixel_layout import PixelLayout

if TYPE_CHECKING:
    from core.imaging.decoded import Pixels

_INVERSE, _IDENTITY = "INVERSE", "IDENTITY"


@dataclass(frozen=True, kw_only=True, eq=False)
class Grey:
    """Pixels after the Modality LUT, where there is one, and what the rest of the display needs."""

    pixels: Pixels
    bits: int
    slope: float
    intercept: float
    padding: tuple[int, int] | None
    """Smallest and largest stored value that is padding."""


def photometric(tags: Attributes, layout: PixelLayout, notes: list[Sentence]) -> str:
    """MONOCHROME1 where low values are shown bright, else MONOCHROME2.

    Presentation LUT Shape (2050,0020) INVERSE stands beside MONOCHROME1 by PS3.3 C.8.11.1: together they invert
    once. INVERSE alone inverts too, as viewers that honour it do; with IDENTITY beside MONOCHROME1 the
    Photometric Interpretation is followed. Both combinations contradict the standard and are noted.
    """
    shape = tags.text("PresentationLUTShape").upper()
    first = layout.photometric == "MONOCHROME1"
    if shape == _INVERSE and not first:
        notes.append(
            message(
                "the header contradicts itself: MONOCHROME2 with Presentation LUT Shape INVERSE; the picture is "
                "shown inverted"
            )
        )
        return "MONOCHROME1"
    if shape == _IDENTITY and first:
        notes.append(
            message(
                "the header contradicts itself: MONOCHROME1 with Presentation LUT Shape IDENTITY; the Photometric "
                "Interpretation was followed"
            )
        )
    return "MONOCHROME1" if first else "MONOCHROME2"


def modality(tags: Attributes, layout: PixelLayout, pixels: Pixels, bits: int, notes: list[Sentence]) -> Grey:
    """Apply the Modality LUT (PS3.3 C.11.1), which goes before Rescale Slope and Intercept, as dcmtk has it."""
    padding = padding_range(tags, layout, bits)
    slope, intercept = tags.number("RescaleSlope") or 1.0, tags.number("RescaleIntercept") or 0.0
    item = tags.item("ModalityLUTSequence", 0)
    if item is None:
        return Grey(pixels=pixels, bits=bits, slope=slope, intercept=intercept, padding=padding)
    low, high = _limits(layout.signed, bits)
    table = _table(item, (low, high), little=layout.little_endian)
    if table is None:
        notes.append(message("a Modality LUT that does not agree with its descriptor was left out"))
        return Grey(pixels=pixels, bits=bits, slope=slope, intercept=intercept, padding=padding)
    looked_up, padding = _looked_up(pixels, table, padding)
    return Grey(pixels=looked_up, bits=table.bits, slope=1.0, intercept=0.0, padding=padding)


def _looked_up(
    pixels: Pixels, table: VoiLut, padding: tuple[int, int] | None
) -> tuple[Pixels, tuple[int, int] | None]:
    entries = table.entries
    kind = np.dtype(np.uint8) if table.bits <= 8 else np.dtype(np.uint16)
    values: Pixels = entries[np.clip(pixels.astype(np.int64) - table.first, 0, len(entries) - 1)].astype(kind)
    if padding is None:
        return values, None
    padded = (pixels >= padding[0]) & (pixels <= padding[1])
    free = np.setdiff1d(np.arange(256 if table.bits <= 8 else 65_536), entries)
    if not padded.any() or not free.size:
        return values, None
    # padding keeps a value of its own, which the table gives to no pixel
    values[padded] = free[0]
    return values, (int(free[0]), int(free[0]))


def padding_range(tags: Attributes, layout: PixelLayout, bits: int) -> tuple[int, int] | None:
    """Pixel Padding Value (0028,0120) to Pixel Padding Range Limit (0028,0121), inclusive, in either order.

    Both are of the VR that Pixel Representation asks for; where a writer took the other one, the bits count.
    """
    value = tags.integer("PixelPaddingValue")
    if value is None:
        return None
    limit = tags.integer("PixelPaddingRangeLimit")
    ends = [_stored(v, layout, bits) for v in (value, value if limit is None else limit)]
    return min(ends), max(ends)


def _stored(value: int, layout: PixelLayout, bits: int) -> int:
    """A value of either sign as a stored value of the pixels'."""
    low, high = _limits(layout.signed, bits)
    if low <= value <= high:
        return value
    if not layout.signed:
        return value & 0xFFFF if value < 0 else value
    # two's complement of 16 bits, or of the bits that are stored
    wrapped = (value & 0xFFFF) - 0x10000 if value & 0x8000 else value
    return (
        wrapped
        if low <= wrapped <= high
        else ((value & ((1 << bits) - 1)) ^ (1 << (bits - 1))) - (1 << (bits - 1))
    )


def _limits(signed: bool, bits: int) -> tuple[int, int]:
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def windows(tags: Attributes, notes: list[Sentence]) -> tuple[Window, ...]:
    """Window Center and Width with their function and names; those without a positive width are left out."""
    centres, widths = tags.numbers("WindowCenter"), tags.numbers("WindowWidth")
    function = tags.text("VOILUTFunction").upper() or "LINEAR"
    explanations = tags.texts("WindowCenterWidthExplanation")
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        notes.append(message("the VOI LUT Function is unknown and was taken as LINEAR"))
        function = "LINEAR"
    found = []
    for k, (centre, width) in enumerate(zip(centres, widths, strict=False)):
        if width >= 1 or (width > 0 and function != "LINEAR"):
            explanation = explanations[k] if k < len(explanations) else ""
            found.append(Window(centre=centre, width=width, function=function, explanation=explanation))
        else:
            notes.append(message("a window without a positive width was left out"))
    return tuple(found[:MAX_ITEMS])


def voi_luts(tags: Attributes, layout: PixelLayout, grey: Grey, notes: list[Sentence]) -> tuple[VoiLut, ...]:
    """The items of VOI LUT Sequence (0028,3010); their first values are modality values of ``grey``."""
    looked_up = tags.item("ModalityLUTSequence", 0) is not None
    low, high = _limits(layout.signed and not looked_up, grey.bits)
    ends = sorted((low * grey.slope + grey.intercept, high * grey.slope + grey.intercept))
    tables = []
    for item in tags.items("VOILUTSequence"):
        table = _table(item, (ends[0], ends[1]), little=layout.little_endian)
        if table is None:
            notes.append(message("a VOI LUT that does not agree with its descriptor was left out"))
        else:
            tables.append(table)
    return tuple(tables)


def _table(item: Attributes, values: tuple[float, float], *, little: bool) -> VoiLut | None:
    """Return a LUT (PS3.3 C.11.1.1.1 and C.11.2.1.1); ``values``: smallest and largest value that is looked up in
    it.

    Return None if the data are shorter than the descriptor states.
    """
    descriptor = item.numbers("LUTDescriptor")
    if len(descriptor) != 3:
        return None
    # the first and third entry are unsigned whatever the VR; 0 entries are 65,536
    count, bits = (int(descriptor[0]) & 0xFFFF) or 65_536, int(descriptor[2]) & 0xFFFF
    entries = _entries(item, count, bits, little=little)
    if entries is None or not 1 <= bits <= 16:
        return None
    # some writers announce fewer bits than their entries have
    bits = max(bits, int(entries.max()).bit_length())
    return VoiLut(
        first=_first(int(descriptor[1]), count, values),
        bits=bits,
        data=entries.astype("<u2").tobytes(),
        explanation=item.text("LUTExplanation"),
    )


def _first(value: int, count: int, values: tuple[float, float]) -> int:
    """The value of the first entry, of the sign that makes the table cover more of ``values``.

    The descriptor's VR is US or SS by the sign of the values, but writers take either: -2048 as US is 63488.
    """
    unsigned = value & 0xFFFF
    signed = unsigned - 0x10000 if unsigned & 0x8000 else unsigned
    if signed == unsigned:
        return unsigned

    def covered(first: int) -> float:
        return max(min(first + count - 1, values[1]) - max(first, values[0]) + 1, 0.0)

    if covered(signed) == covered(unsigned):
        return signed if values[0] < 0 else unsigned
    return max((signed, unsigned), key=covered)


def _entries(item: Attributes, count: int, bits: int, *, little: bool) -> NDArray[np.uint16] | None:
    """LUT Data (0028,3006) of US, SS or OW: a word an entry, or for 8 bits also two entries a word."""
    value = item.value("LUTData")
    order = "<" if little else ">"
    if isinstance(value, bytes):
        words = np.frombuffer(value[: len(value) // 2 * 2], order + "u2").astype(np.uint16)
        odd = value[-1:] if len(value) % 2 else b""
    else:
        numbers = [int(v) & 0xFFFF for v in item.numbers("LUTData")]
        words, odd = np.array(numbers, np.uint16), b""
    if len(words) >= count:
        return words[:count]
    # packed: the first of two entries lies in the low byte of its word
    packed = words.astype("<u2").tobytes() + odd
    if bits <= 8 and len(packed) >= count:
        return np.frombuffer(packed[:count], np.uint8).astype(np.uint16)
    return None
