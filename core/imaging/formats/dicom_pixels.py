"""One frame of DICOM pixel data as stored values.

One rule determines sign and depth. A stored value is the Bits Stored bits below and including High Bit (native,
RLE) or the low Bits Stored bits of a codestream's sample. It is unsigned or two's complement by Pixel
Representation (0028,0103), whatever the codestream states. The codestream takes precedence in two cases: signed
values of JPEG 2000 have the number of bits that it states, and unsigned values that do not fit into Bits Stored
are read whole. A codestream whose sign or depth disagrees causes a warning.
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from core.domain.messages import Sentence, message
from core.imaging.decoded import Refusal, RefusedImageError, check_budget
from core.imaging.formats.codestream import (
    Codestream,
    is_jpeg,
    is_jpeg2000,
    is_jpeg_xl,
    is_rle,
    jpeg2000_header,
    jpeg_header,
    jpeg_xl_size,
)
from core.imaging.formats.codestream_pixels import decoded, without_end
from core.imaging.formats.dicom_fragments import frame_data, is_encapsulated
from core.imaging.formats.dicom_header import OpenedDicom
from core.imaging.formats.dicom_syntax import NATIVE, PACKED_UNKNOWN
from core.imaging.formats.grey_of_colour import grey_of_rgb, grey_of_ybr
from core.imaging.formats.pixel_layout import PixelLayout, colour_refusal

if TYPE_CHECKING:
    from core.imaging.decoded import Pixels

Unsigned = NDArray[np.unsignedinteger[Any]]

RLE, JPEG, JPEG_2000, JPEG_XL = "RLE", "JPEG or JPEG-LS", "JPEG 2000", "JPEG XL"
PLAIN, DEFLATED_FRAME = "fragments of plain pixels", "deflated frames"
_PACKED = {
    "1.2.840.10008.1.2.5": RLE,
    **{f"1.2.840.10008.1.2.4.{n}": JPEG for n in (50, 51, 57, 70, 80, 81)},
    # 201 to 203: high throughput (ISO 15444-15), which the same decoder reads
    # 92 and 93: part 2, of which one component is coded like part 1
    **{f"1.2.840.10008.1.2.4.{n}": JPEG_2000 for n in (90, 91, 92, 93, 201, 202, 203)},
    **{f"1.2.840.10008.1.2.4.{n}": JPEG_XL for n in (110, 111, 112)},
    "1.2.840.10008.1.2.1.98": PLAIN,
    "1.2.840.10008.1.2.8.1": DEFLATED_FRAME,
}
_VIDEO = tuple(f"1.2.840.10008.1.2.4.10{n}" for n in range(10))
"""Beginnings of the syntaxes of MPEG-2, MPEG-4 and HEVC."""


def read_frame(
    opened: OpenedDicom, layout: PixelLayout, frame: int, name: str, notes: list[Sentence]
) -> tuple[Pixels, int]:
    """Return the stored values ``(rows, columns)`` of one frame and their number of bits; refusals as documented.

    The compression is determined from the bytes of the pixels; if the Transfer Syntax disagrees, a note is added.
    """
    check_budget(
        name,
        rows=layout.rows,
        columns=layout.columns,
        bytes_each=layout.samples * layout.bits_allocated // 8,
        frames=layout.frames,
    )
    if not 0 <= frame < layout.frames:
        raise RefusedImageError(
            message(
                "{name} has no frame {frame}; the number of its frames is {frames}.",
                name=name,
                frames=layout.frames,
                frame=frame + 1,
            ),
            Refusal.CONTRADICTORY,
        )
    syntax = layout.transfer_syntax
    needed = layout.frame_bytes * layout.frames
    # items of a defined length, which is not that of plain pixels, are packed pixels too
    packed = opened.pixel_bytes is None or (
        opened.pixel_bytes not in (needed, needed + 1) and is_encapsulated(opened.file)
    )
    if not packed:
        if syntax not in NATIVE:
            notes.append(
                message("its pixels are not packed, though its Transfer Syntax is {syntax}", syntax=syntax)
            )
        data = _native(opened, layout, frame, name)
        return _of_samples(_array_of(data, layout, little=layout.little_endian), layout, name, notes)
    data = frame_data(opened, layout, frame, name, notes)
    how = _how_packed(data, layout, name, notes)
    if how in (PLAIN, DEFLATED_FRAME):
        return _of_samples(_array_of(_unpacked(data, how, layout, name), layout, little=True), layout, name, notes)
    if how == RLE:
        return _of_samples(_rle(data, layout, name), layout, name, notes)
    raw, bits = _jpeg_xl(data, layout, name) if how == JPEG_XL else _codestream(data, layout, name, notes)
    return stored_values(raw, layout, bits=bits, shift=False, notes=notes), bits


def _of_samples(raw: Unsigned, layout: PixelLayout, name: str, notes: list[Sentence]) -> tuple[Pixels, int]:
    """Stored values and their bits, of samples (rows, columns) or (rows, columns, 3) laid out by the header."""
    if layout.samples == 3:
        grey = grey_of_rgb(raw, name, notes) if layout.photometric == "RGB" else grey_of_ybr(raw, name)
        return grey, 8
    if layout.bits_allocated == 32:
        return _narrowed(raw, layout, name), 16
    return stored_values(raw, layout, bits=layout.bits_stored, shift=True, notes=notes), layout.bits_stored


def _narrowed(raw: Unsigned, layout: PixelLayout, name: str) -> Pixels:
    """Samples of 32 bits in 16; UNSUPPORTED where the values need more."""
    up = np.uint32(31 - layout.high_bit)
    down = np.uint32(32 - layout.bits_stored)
    values: NDArray[Any] = (
        ((raw << up).view(np.int32) >> down.view(np.int32)) if layout.signed else raw << up >> down
    )
    kind = np.dtype(np.int16 if layout.signed else np.uint16)
    least, most = int(values.min()), int(values.max())
    if least < np.iinfo(kind).min or most > np.iinfo(kind).max:
        raise RefusedImageError(
            message(
                "{name} has values from {least:,} to {most:,}, more than the 16 bits that can be read; have it "
                "exported with 16 bits.",
                name=name,
                least=least,
                most=most,
            ),
            Refusal.UNSUPPORTED,
        )
    return values.astype(kind)


def _how_packed(data: bytes, layout: PixelLayout, name: str, notes: list[Sentence]) -> str:
    """Return the coding of a frame; UNSUPPORTED if neither the bytes nor the Transfer Syntax identify it."""
    syntax = layout.transfer_syntax
    announced = _PACKED.get(syntax)
    if announced in (PLAIN, DEFLATED_FRAME):
        return announced
    if syntax.startswith(_VIDEO):
        raise RefusedImageError(message("{name} is a video, not a mammogram.", name=name), Refusal.OTHER_OBJECT)
    checks = ((JPEG_2000, is_jpeg2000), (JPEG, is_jpeg), (JPEG_XL, is_jpeg_xl), (RLE, is_rle))
    found = next((how for how, begins in checks if begins(data)), announced)
    if found is None:
        what = (
            message("no Transfer Syntax says how")
            if syntax == PACKED_UNKNOWN
            else message("transfer syntax {syntax}", syntax=syntax)
        )
        raise RefusedImageError(
            message(
                "{name} is packed in a way that is not supported ({what}); have it sent uncompressed.",
                name=name,
                what=what,
            ),
            Refusal.UNSUPPORTED,
        )
    if found != announced:
        notes.append(message("its pixels are packed as {found}, not as its Transfer Syntax states", found=found))
    return found


def stored_values(raw: Unsigned, layout: PixelLayout, *, bits: int, shift: bool, notes: list[Sentence]) -> Pixels:
    """Sign and depth by the rule above; ``shift``: the bits end at High Bit rather than at bit 0."""
    width = 8 * raw.itemsize
    if shift and layout.high_bit + 1 > bits:
        raw = raw >> raw.dtype.type(layout.high_bit + 1 - bits)
    if not layout.signed:
        if bits < width and int(raw.max()) >> bits:
            notes.append(message("bits above the {bits} that are stored were dropped", bits=bits))
            raw = raw & raw.dtype.type((1 << bits) - 1)
        return raw
    wide: NDArray[np.uint16] = raw.astype(np.uint16) << np.uint16(16 - bits)
    return wide.view(np.int16) >> np.int16(16 - bits)


def _native(opened: OpenedDicom, layout: PixelLayout, frame: int, name: str) -> bytes:
    if layout.photometric.endswith(("422", "420")):
        # colours of several pixels are stored together, so that no grey lies in them as a plane
        raise colour_refusal(layout, name)
    file, length = opened.file, opened.pixel_bytes
    start = file.tell()
    there = file.seek(0, os.SEEK_END) - start
    if length is not None:
        there = min(length, there)
    needed = layout.frame_bytes * layout.frames
    if there < needed:
        raise RefusedImageError(
            message(
                "{name} is cut short: its {columns} x {rows} pixels (frames: {frames}) need "
                "{needed:,} bytes, but only {there:,} are there. Copy it again from its source.",
                name=name,
                columns=layout.columns,
                rows=layout.rows,
                frames=layout.frames,
                needed=needed,
                there=there,
            ),
            Refusal.CUT_SHORT,
        )
    if length is None:
        raise RefusedImageError(
            message("{name} declares pixels that are not packed, but not their length.", name=name),
            Refusal.CONTRADICTORY,
        )
    file.seek(start + frame * layout.frame_bytes)
    return file.read(layout.frame_bytes)


def _unpacked(data: bytes, how: str, layout: PixelLayout, name: str) -> bytes:
    """The plain bytes of a frame that lies in fragments (PS3.5 A.4.11), deflated or not (A.4.12)."""
    needed = layout.frame_bytes
    if how == DEFLATED_FRAME:
        data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, needed)
    if len(data) < needed:
        raise RefusedImageError(
            message(
                "{name} is cut short: a frame needs {needed:,} bytes, but only {count:,} are there. Copy it "
                "again from its source.",
                name=name,
                needed=needed,
                count=len(data),
            ),
            Refusal.CUT_SHORT,
        )
    return data[:needed]


def _array_of(data: bytes, layout: PixelLayout, *, little: bool) -> Unsigned:
    """Plain samples as (rows, columns), or (rows, columns, 3) of colours."""
    kind = np.dtype(("<" if little else ">") + f"u{layout.bits_allocated // 8}")
    array: Unsigned = np.frombuffer(bytearray(data), kind).astype(kind.newbyteorder("="), copy=False)
    if layout.samples == 1:
        return array.reshape(layout.rows, layout.columns)
    if layout.planar:
        return np.moveaxis(array.reshape(3, layout.rows, layout.columns), 0, 2)
    return array.reshape(layout.rows, layout.columns, 3)


def _rle(data: bytes, layout: PixelLayout, name: str) -> Unsigned:
    """PS3.5 annex G. Each segment must give one byte a pixel: a short one would be filled silently."""
    size = layout.bits_allocated // 8 * layout.samples
    if len(data) < 64:
        raise RefusedImageError(
            message("{name} is cut short within its packed pixels.", name=name), Refusal.CUT_SHORT
        )
    count, *offsets = struct.unpack_from("<16L", data)
    ends = [*offsets[1:count], len(data)]
    if count != size or any(not 64 <= a <= b <= len(data) for a, b in zip(offsets[:count], ends, strict=True)):
        raise RefusedImageError(message("The packed pixels of {name} are damaged.", name=name), Refusal.DAMAGED)
    pixels = layout.rows * layout.columns
    out = np.empty((pixels, size), np.uint8)
    for k, (start, end) in enumerate(zip(offsets[:count], ends, strict=True)):
        # a packed byte pair gives at most 128 bytes, so the buffer is bounded by the header's budget
        buffer = bytearray(pixels + 256)
        plane = imagecodecs.packbits_decode(data[start:end], out=buffer)
        if len(plane) < pixels:
            raise RefusedImageError(
                message(
                    "{name} is cut short: {pixels:,} pixels are needed, {count:,} are there.",
                    name=name,
                    pixels=pixels,
                    count=len(plane),
                ),
                Refusal.CUT_SHORT,
            )
        # the most significant byte of a sample comes first; colours, one byte each, come in their order
        out[:, k if layout.samples == 3 else size - 1 - k] = np.frombuffer(plane, np.uint8)[:pixels]
    if layout.samples == 3:
        return out.reshape(layout.rows, layout.columns, 3)
    array = out.view(np.dtype(f"<u{size}")).reshape(layout.rows, layout.columns)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _codestream(data: bytes, layout: PixelLayout, name: str, notes: list[Sentence]) -> tuple[Unsigned, int]:
    jpeg2000 = is_jpeg2000(data)
    header = jpeg2000_header(data) if jpeg2000 else jpeg_header(data)
    if header is None:
        raise RefusedImageError(message("The packed pixels of {name} are damaged.", name=name), Refusal.DAMAGED)
    _check_codestream(header, layout, name)
    if header.end:
        array = decoded(data[: header.end], header)
    else:
        array = without_end(data, header, name)
        notes.append(message("the end mark of its packed pixels is missing; every row is there"))
    if layout.samples == 3 and array.shape == (layout.rows, layout.columns, 3) and array.dtype == np.uint8:
        return grey_of_rgb(array, name, notes).view(np.uint8), 8
    if array.shape != (layout.rows, layout.columns) or array.dtype.kind not in "ui" or array.itemsize > 2:
        raise RefusedImageError(
            message("The packed pixels of {name} are not those that it announces.", name=name),
            Refusal.CONTRADICTORY,
        )
    if header.signed != layout.signed and jpeg2000:
        notes.append(message("the pixels' own sign differs from Pixel Representation, which was followed"))
    unsigned: Unsigned = array.view(np.uint8 if array.itemsize == 1 else np.uint16)
    return unsigned, _depth(unsigned, header, layout, notes)


def _jpeg_xl(data: bytes, layout: PixelLayout, name: str) -> tuple[Unsigned, int]:
    size = jpeg_xl_size(data)
    if size != (layout.columns, layout.rows):
        said = message("of an unknown size") if size is None else f"{size[0]} x {size[1]}"
        raise RefusedImageError(
            message(
                "{name} announces {columns} x {rows} pixels, but its packed pixels are {said}.",
                name=name,
                columns=layout.columns,
                rows=layout.rows,
                said=said,
            ),
            Refusal.CONTRADICTORY,
        )
    array = np.asarray(imagecodecs.jpegxl_decode(data))
    if array.shape != (layout.rows, layout.columns) or array.dtype not in (np.uint8, np.uint16):
        raise RefusedImageError(
            message("The packed pixels of {name} are not those that it announces.", name=name),
            Refusal.CONTRADICTORY,
        )
    unsigned: Unsigned = array.view(np.dtype(f"u{array.itemsize}"))
    return unsigned, min(layout.bits_stored, 8 * array.itemsize)


def _depth(unsigned: Unsigned, header: Codestream, layout: PixelLayout, notes: list[Sentence]) -> int:
    """Return the number of low bits of a codestream's samples that count.

    Encoders often announce 16 bits for samples of 12: the contents of the samples decide.
    """
    announced, stored = min(header.precision, 8 * unsigned.itemsize), layout.bits_stored
    if layout.signed:
        return announced if header.is_2000 else min(stored, 8 * unsigned.itemsize)
    if announced > stored and int(unsigned.max()) >> stored:
        notes.append(
            message(
                "the pixels have {announced} bits, not the {stored} of Bits Stored",
                announced=announced,
                stored=stored,
            )
        )
        return announced
    return min(stored, 8 * unsigned.itemsize)


def _check_codestream(header: Codestream, layout: PixelLayout, name: str) -> None:
    if (header.width, header.height, header.components) != (layout.columns, layout.rows, layout.samples):
        raise RefusedImageError(
            message(
                "{name} announces {columns} x {rows} pixels, but its packed pixels are "
                "{width} x {height} (components: {components}).",
                name=name,
                columns=layout.columns,
                rows=layout.rows,
                width=header.width,
                height=header.height,
                components=header.components,
            ),
            Refusal.CONTRADICTORY,
        )
    if not 2 <= header.precision <= 16:
        raise RefusedImageError(
            message("{name} has {precision} bits a pixel; 16 can be read.", name=name, precision=header.precision),
            Refusal.UNSUPPORTED,
        )
