"""Layout of the stored values in the pixel data (PS3.3 C.7.6.3), as the header announces it."""

from __future__ import annotations

from dataclasses import dataclass

from core.domain.messages import message
from core.imaging.decoded import Refusal, RefusedImageError
from core.imaging.formats.dicom_header import OpenedDicom

GREY_PERHAPS = frozenset(("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT", "XYB"))
"""Colours in which programs store grey pictures too; the pixels decide."""
_ELSEWHERE = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (94, 95, 204, 205))
"""JPIP: the pixels lie on a server."""


@dataclass(frozen=True, kw_only=True)
class PixelLayout:
    """Layout of the stored values in the pixel data (PS3.3 C.7.6.3)."""

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


def pixel_layout(opened: OpenedDicom, name: str) -> PixelLayout:
    """The layout, or a refusal where the attributes are missing or contradict each other."""
    tags = opened.tags
    rows, columns = tags.integer("Rows"), tags.integer("Columns")
    if opened.transfer_syntax in _ELSEWHERE:
        raise RefusedImageError(
            message(
                "{name} names a server (JPIP) that has its pixels, and contains none; have it sent with its "
                "pixels.",
                name=name,
            ),
            Refusal.NO_PIXELS,
        )
    if opened.floating:
        raise RefusedImageError(
            message(
                "{name} stores its pixels as floating-point numbers; have it exported with integers of 8 or 16 "
                "bits.",
                name=name,
            ),
            Refusal.UNSUPPORTED,
        )
    if not opened.has_pixels or rows is None or columns is None:
        if rows and columns:
            raise RefusedImageError(
                message("{name} ends before its pixel data; copy it again from its source.", name=name),
                Refusal.CUT_SHORT,
            )
        raise RefusedImageError(message("{name} is a DICOM file without an image.", name=name), Refusal.NO_PIXELS)
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
        photometric="".join(tags.text("PhotometricInterpretation").upper().split()) or "MONOCHROME2",
        little_endian=opened.little_endian,
        transfer_syntax=opened.transfer_syntax,
    )
    _check_layout(layout, name)
    return layout


def colour_refusal(layout: PixelLayout, name: str) -> RefusedImageError:
    """Return the refusal of an image whose values are colours."""
    return RefusedImageError(
        message(
            "{name} is a colour image ({photometric}); mammograms are grey. Have it exported as grey.",
            name=name,
            photometric=layout.photometric,
        ),
        Refusal.COLOUR,
    )


def _check_layout(layout: PixelLayout, name: str) -> None:
    grey = layout.samples == 1 and layout.photometric in ("MONOCHROME1", "MONOCHROME2")
    if not grey and not (layout.samples == 3 and layout.photometric in GREY_PERHAPS):
        raise colour_refusal(layout, name)
    if layout.bits_allocated not in (8, 16, 32) or (layout.samples == 3 and layout.bits_allocated != 8):
        raise RefusedImageError(
            message(
                "{name} stores {allocated} bits a pixel; 8, 16 and 32 can be read, of colours 8.",
                name=name,
                allocated=layout.bits_allocated,
            ),
            Refusal.UNSUPPORTED,
        )
    if not (1 <= layout.bits_stored <= layout.high_bit + 1 <= layout.bits_allocated):
        raise RefusedImageError(
            message(
                "{name} declares that {stored} bits up to bit {high_bit} are stored in "
                "{allocated}, which is impossible.",
                name=name,
                stored=layout.bits_stored,
                high_bit=layout.high_bit,
                allocated=layout.bits_allocated,
            ),
            Refusal.CONTRADICTORY,
        )
