"""PNG, PGM, TIFF and JPEG: pixels without identity. Text, profiles and other chunks are dropped unread."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from core.domain.messages import Sentence, message
from core.imaging.decoded import MAX_SIDE, Refusal, RefusedImageError, check_budget
from core.imaging.formats.codestream import jpeg_header
from core.imaging.formats.grey_of_colour import grey_of_rgb

if TYPE_CHECKING:
    from core.imaging.decoded import Pixels

# the budget is checked here, from the header and before anything is unpacked
Image.MAX_IMAGE_PIXELS = MAX_SIDE * MAX_SIDE

_TIFF_UNCOMPRESSED, _TIFF_LZW = 1, 5


@dataclass(frozen=True, kw_only=True)
class PlainImage:
    pixels: Pixels
    bits: int
    photometric: str = "MONOCHROME2"
    frames: int = 1
    notes: tuple[Sentence, ...] = field(default=())


def read_png(data: bytes, name: str) -> PlainImage:
    """Grey PNG of up to 16 bits; 8-bit RGB where the channels agree. Animated files are refused."""
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise _cut_short(name)
    width, height, depth, kind = struct.unpack_from(">IIBB", data, 16)
    check_budget(name, rows=height, columns=width, bytes_each=(2 if depth == 16 else 1) * (3 if kind & 2 else 1))
    if b"acTL" in data[33:4096]:
        raise RefusedImageError(message("{name} is an animated PNG.", name=name), Refusal.UNSUPPORTED)
    if kind not in (0, 2) or (kind == 2 and depth == 16) or depth == 1:
        raise RefusedImageError(
            message(
                "{name} is a PNG with a palette, transparency, 1-bit or 16-bit colour pixels; save it as plain "
                "grey.",
                name=name,
            ),
            Refusal.COLOUR if kind != 0 else Refusal.UNSUPPORTED,
        )
    with Image.open(BytesIO(data), formats=("PNG",)) as image:
        array = np.array(image)
    if kind == 2:
        return _grey_of_rgb(array, name)
    return PlainImage(pixels=array.astype(np.uint16 if depth == 16 else np.uint8, copy=False), bits=max(depth, 8))


def read_jpeg(data: bytes, name: str) -> PlainImage:
    """8-bit JPEG, grey or coded in colour: the luminance, with a warning where the channels differ."""
    header = jpeg_header(data)
    if header is None:
        raise _cut_short(name)
    if header.precision != 8 or header.marker not in (0xC0, 0xC1, 0xC2) or header.components not in (1, 3):
        raise RefusedImageError(
            message("{name} is a JPEG of a kind that is not supported.", name=name), Refusal.UNSUPPORTED
        )
    check_budget(name, rows=header.height, columns=header.width, bytes_each=header.components)
    with Image.open(BytesIO(data), formats=("JPEG",)) as image:
        array = np.array(image)
    return PlainImage(pixels=array, bits=8) if array.ndim == 2 else _grey_of_rgb(array, name)


def read_tiff(data: bytes, name: str, frame: int) -> PlainImage:
    """Grey TIFF of 8 or 16 bits, uncompressed or LZW; 8-bit RGB where the channels agree."""
    with Image.open(BytesIO(data), formats=("TIFF",)) as image:
        frames = int(getattr(image, "n_frames", 1))
        if not 0 <= frame < frames:
            raise RefusedImageError(
                message(
                    "{name} has no picture {frame}; the number of its pictures is {frames}.",
                    name=name,
                    frames=frames,
                    frame=frame + 1,
                ),
                Refusal.CONTRADICTORY,
            )
        image.seek(frame)
        tags = image.tag_v2  # type: ignore[attr-defined]
        compression, white_is_zero = tags.get(259, _TIFF_UNCOMPRESSED), tags.get(262) == 0
        check_budget(name, rows=image.height, columns=image.width, bytes_each=3, frames=frames)
        if compression not in (_TIFF_UNCOMPRESSED, _TIFF_LZW):
            raise RefusedImageError(
                message(
                    "{name} is a TIFF with compression {compression}; save it uncompressed or with LZW.",
                    name=name,
                    compression=compression,
                ),
                Refusal.UNSUPPORTED,
            )
        mode, array = image.mode, np.array(image)
    if mode == "RGB":
        return _grey_of_rgb(array, name)
    if mode == "L":  # already turned where white was zero
        return PlainImage(pixels=array, bits=8, frames=frames)
    if mode.startswith("I;16"):
        pixels = array.astype(np.uint16)
        return PlainImage(
            pixels=pixels, bits=16, frames=frames, photometric="MONOCHROME1" if white_is_zero else "MONOCHROME2"
        )
    raise RefusedImageError(
        message("{name} is a TIFF of kind {mode}; save it as 8- or 16-bit grey.", name=name, mode=mode),
        Refusal.UNSUPPORTED,
    )


def read_pgm(data: bytes, name: str) -> PlainImage:
    """PGM, binary (P5) or text (P2), with a largest value of up to 65,535."""
    header = re.match(rb"P([25])" + rb"(?:\s|#[^\n]*\n)+(\d{1,9})" * 3 + rb"\s", data[:65_536])
    if header is None:
        raise RefusedImageError(message("The header of {name} is damaged.", name=name), Refusal.DAMAGED)
    width, height, largest = (int(v) for v in header.groups()[1:])
    size = 2 if largest > 255 else 1
    check_budget(name, rows=height, columns=width, bytes_each=size)
    if not 1 <= largest <= 65_535:
        raise RefusedImageError(
            message("{name} announces grey values up to {largest}.", name=name, largest=largest),
            Refusal.CONTRADICTORY,
        )
    dtype = np.dtype(">u2" if size == 2 else np.uint8)
    needed, body = width * height, data[header.end() :]
    if header.group(1) == b"5":
        count = len(body) // size
        values = np.frombuffer(body[: needed * size], dtype) if count >= needed else None
    else:
        words = body.split()
        count = len(words)
        values = np.array([int(w) for w in words[:needed]], np.uint32) if count >= needed else None
    if values is None:
        raise RefusedImageError(
            message(
                "{name} is cut short: its {width} x {height} pixels need {needed:,} values, but only {count:,} "
                "are there. Copy it again from its source.",
                name=name,
                width=width,
                height=height,
                needed=needed,
                count=count,
            ),
            Refusal.CUT_SHORT,
        )
    if int(values.max()) > largest:
        raise RefusedImageError(
            message("{name} has values above the {largest} that it announces.", name=name, largest=largest),
            Refusal.CONTRADICTORY,
        )
    grid = values.reshape(height, width)
    pixels: Pixels = grid.astype(np.uint16) if size == 2 else grid.astype(np.uint8)
    return PlainImage(pixels=pixels, bits=max(largest.bit_length(), 8) if size == 1 else largest.bit_length())


def _grey_of_rgb(array: Pixels, name: str) -> PlainImage:
    notes: list[Sentence] = []
    grey = grey_of_rgb(array, name, notes)
    return PlainImage(pixels=grey, bits=8, notes=tuple(notes))


def _cut_short(name: str) -> RefusedImageError:
    return RefusedImageError(
        message("{name} ends within its header. Copy it again from its source.", name=name), Refusal.CUT_SHORT
    )
