"""One frame of DICOM pixel data as stored values.

The one rule for sign and depth. A stored value is the Bits Stored bits below and including High Bit (native, RLE)
or the low Bits Stored bits of a codestream's sample; they are unsigned or two's complement as Pixel Representation
(0028,0103) says, whatever the codestream says. Two cases where the codestream knows better: signed values of
JPEG 2000 have as many bits as it says, and unsigned values that do not fit into Bits Stored are read whole. A
codestream whose sign or depth disagrees leaves a warning.
"""

from __future__ import annotations

import os
import struct
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.imaging.decoded import Refusal, RefusedImageError, check_budget
from core.imaging.formats.codestream import JPEG_LS_SOF, LOSSLESS_SOF, Codestream, jpeg2000_header, jpeg_header
from core.imaging.formats.dicom_header import DEFLATED, IMPLICIT_LITTLE, OpenedDicom, PixelLayout

if TYPE_CHECKING:
    from core.imaging.decoded import Pixels

Unsigned = NDArray[np.unsignedinteger[Any]]

_NATIVE = {IMPLICIT_LITTLE, "1.2.840.10008.1.2.1", DEFLATED, "1.2.840.10008.1.2.2"}
_RLE = "1.2.840.10008.1.2.5"
_JPEG = {f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70, 80, 81)}
_JPEG_2000 = {f"1.2.840.10008.1.2.4.{n}" for n in (90, 91)}


def read_frame(
    opened: OpenedDicom, layout: PixelLayout, frame: int, name: str, notes: list[str]
) -> tuple[Pixels, int]:
    """The stored values ``(rows, columns)`` of one frame and their number of bits; refusals as documented."""
    check_budget(
        name,
        rows=layout.rows,
        columns=layout.columns,
        bytes_each=layout.samples * layout.bits_allocated // 8,
        frames=layout.frames,
    )
    if not 0 <= frame < layout.frames:
        raise RefusedImageError(
            f"{name} has {layout.frames} frame(s); frame {frame + 1} is not among them.", Refusal.CONTRADICTORY
        )
    syntax = layout.transfer_syntax
    if syntax in _NATIVE:
        raw, bits, shift = _native(opened, layout, frame, name), layout.bits_stored, True
    elif syntax not in {_RLE, *_JPEG, *_JPEG_2000}:
        raise RefusedImageError(
            f"{name} is packed in a way that is not supported (transfer syntax {syntax}).", Refusal.UNSUPPORTED
        )
    elif layout.samples != 1:
        raise RefusedImageError(f"{name} is a colour image; mammograms are grey.", Refusal.COLOUR)
    elif syntax == _RLE:
        raw, bits, shift = _rle(_encapsulated(opened, layout, frame, name), layout, name), layout.bits_stored, True
    else:
        raw, bits = _codestream(_encapsulated(opened, layout, frame, name), layout, name, notes)
        shift = False
    return stored_values(raw, layout, bits=bits, shift=shift, notes=notes), bits


def stored_values(raw: Unsigned, layout: PixelLayout, *, bits: int, shift: bool, notes: list[str]) -> Pixels:
    """Sign and depth by the rule above; ``shift``: the bits end at High Bit rather than at bit 0."""
    width = 8 * raw.itemsize
    if shift and layout.high_bit + 1 > bits:
        raw = raw >> raw.dtype.type(layout.high_bit + 1 - bits)
    if not layout.signed:
        if bits < width and int(raw.max()) >> bits:
            notes.append(f"bits above the {bits} that are stored were dropped")
            raw = raw & raw.dtype.type((1 << bits) - 1)
        return raw
    wide: NDArray[np.uint16] = raw.astype(np.uint16) << np.uint16(16 - bits)
    return wide.view(np.int16) >> np.int16(16 - bits)


def _native(opened: OpenedDicom, layout: PixelLayout, frame: int, name: str) -> Unsigned:
    file, length = opened.file, opened.pixel_bytes
    start = file.tell()
    there = file.seek(0, os.SEEK_END) - start
    if length is not None:
        there = min(length, there)
    needed = layout.frame_bytes * layout.frames
    if there < needed:
        raise RefusedImageError(
            f"{name} is cut short: its {layout.columns} x {layout.rows} pixels in {layout.frames} frame(s) need "
            f"{needed:,} bytes, but only {there:,} are there. Copy it again from its source.",
            Refusal.CUT_SHORT,
        )
    if length is None:
        raise RefusedImageError(
            f"{name} says that its pixels are not packed, but gives them no length.", Refusal.CONTRADICTORY
        )
    file.seek(start + frame * layout.frame_bytes)
    data = bytearray(file.read(layout.frame_bytes))
    order = "<" if layout.little_endian else ">"
    array = np.frombuffer(data, np.uint8 if layout.bits_allocated == 8 else np.dtype(order + "u2"))
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if layout.samples == 1:
        return array.reshape(layout.rows, layout.columns)
    if layout.planar:
        array = array.reshape(3, layout.rows, layout.columns)
    else:
        array = np.moveaxis(array.reshape(layout.rows, layout.columns, 3), 2, 0)
    if not ((array[0] == array[1]).all() and (array[0] == array[2]).all()):
        raise RefusedImageError(f"{name} is a colour image; mammograms are grey.", Refusal.COLOUR)
    return np.ascontiguousarray(array[0])


def _encapsulated(opened: OpenedDicom, layout: PixelLayout, frame: int, name: str) -> bytes:
    """The bytes of one frame, from the fragments of PS3.5 A.4; those of other frames are not read.

    Which fragments are whose is told, in this order: one frame has them all; as many fragments as frames are one
    each; the Extended Offset Table (7FE0,0001); the Basic Offset Table.
    """
    file = opened.file
    fragments = _fragments(file, name)
    if len(fragments) < 2:
        raise RefusedImageError(f"{name} has no packed pixels; copy it again.", Refusal.CUT_SHORT)
    table, packed = fragments[0], fragments[1:]
    if layout.frames == 1:
        chosen = packed
    elif len(packed) == layout.frames:
        chosen = [packed[frame]]
    else:
        offsets = _offsets(opened, table, layout.frames)
        if not offsets:
            raise RefusedImageError(
                f"{name} announces {layout.frames} frames, but its {len(packed)} fragments cannot be told apart.",
                Refusal.CONTRADICTORY,
            )
        # offsets count from the first byte of the first item after the table
        first = packed[0][0] - 8
        low = first + offsets[frame]
        high = first + offsets[frame + 1] if frame + 1 < layout.frames else packed[-1][1]
        chosen = [fragment for fragment in packed if low <= fragment[0] - 8 < high]
    return b"".join(_read_at(file, start, end) for start, end in chosen)


def _read_at(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start)


def _offsets(opened: OpenedDicom, table: tuple[int, int], frames: int) -> tuple[int, ...]:
    """Where each frame begins, from the first table that has an entry for each; () without one."""
    extended = opened.tags.value("ExtendedOffsetTable")
    if isinstance(extended, bytes) and len(extended) == 8 * frames:
        return struct.unpack(f"<{frames}Q", extended)
    basic = _read_at(opened.file, *table)
    return struct.unpack(f"<{frames}L", basic) if len(basic) == 4 * frames else ()


def _fragments(file: BinaryIO, name: str) -> list[tuple[int, int]]:
    """Start and end of each item in the file, the offset table first; a refusal where one is cut.

    Only the items' heads are read.
    """
    at = first = file.tell()
    size = file.seek(0, os.SEEK_END)
    found: list[tuple[int, int]] = []
    while at + 8 <= size:
        group, element, length = struct.unpack("<HHL", _read_at(file, at, at + 8))
        if (group, element) == (0xFFFE, 0xE0DD):
            return found
        if (group, element) != (0xFFFE, 0xE000):
            raise RefusedImageError(f"The packed pixels of {name} are damaged.", Refusal.DAMAGED)
        if at + 8 + length > size:
            break
        found.append((at + 8, at + 8 + length))
        at += 8 + length
    raise RefusedImageError(
        f"{name} is cut short: its packed pixels end after {size - first:,} bytes without their end mark. "
        "Copy it again from its source.",
        Refusal.CUT_SHORT,
    )


def _rle(data: bytes, layout: PixelLayout, name: str) -> Unsigned:
    """PS3.5 annex G. Each segment must give one byte a pixel: a short one would be filled silently."""
    size = layout.bits_allocated // 8
    if len(data) < 64:
        raise RefusedImageError(f"{name} is cut short within its packed pixels.", Refusal.CUT_SHORT)
    count, *offsets = struct.unpack_from("<16L", data)
    ends = [*offsets[1:count], len(data)]
    if count != size or any(not 64 <= a <= b <= len(data) for a, b in zip(offsets[:count], ends, strict=True)):
        raise RefusedImageError(f"The packed pixels of {name} are damaged.", Refusal.DAMAGED)
    pixels = layout.rows * layout.columns
    out = np.empty((pixels, size), np.uint8)
    for k, (start, end) in enumerate(zip(offsets[:count], ends, strict=True)):
        # a packed byte pair gives at most 128 bytes, so the buffer is bounded by the header's budget
        buffer = bytearray(pixels + 256)
        plane = imagecodecs.packbits_decode(data[start:end], out=buffer)
        if len(plane) < pixels:
            raise RefusedImageError(
                f"{name} is cut short: {pixels:,} pixels are needed, {len(plane):,} are there.", Refusal.CUT_SHORT
            )
        out[:, size - 1 - k] = np.frombuffer(plane, np.uint8)[:pixels]
    array = out.view(np.uint8 if size == 1 else np.dtype("<u2")).reshape(layout.rows, layout.columns)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _codestream(data: bytes, layout: PixelLayout, name: str, notes: list[str]) -> tuple[Unsigned, int]:
    jpeg2000 = layout.transfer_syntax in _JPEG_2000
    header = jpeg2000_header(data) if jpeg2000 else jpeg_header(data)
    if header is None:
        raise RefusedImageError(f"The packed pixels of {name} are damaged.", Refusal.DAMAGED)
    _check_codestream(header, layout, name)
    array = imagecodecs.jpeg2k_decode(data) if jpeg2000 else decode_jpeg(data, header)
    if array.shape != (layout.rows, layout.columns) or array.dtype.kind not in "ui" or array.itemsize > 2:
        raise RefusedImageError(
            f"The packed pixels of {name} are not those that it announces.", Refusal.CONTRADICTORY
        )
    if header.signed != layout.signed and jpeg2000:
        notes.append("the pixels' own sign differs from Pixel Representation, which was followed")
    unsigned: Unsigned = array.view(np.uint8 if array.itemsize == 1 else np.uint16)
    return unsigned, _depth(unsigned, header, layout, notes)


def _depth(unsigned: Unsigned, header: Codestream, layout: PixelLayout, notes: list[str]) -> int:
    """How many low bits of a codestream's samples count.

    Encoders often announce 16 bits for samples of 12: what the samples hold decides.
    """
    announced, stored = min(header.precision, 8 * unsigned.itemsize), layout.bits_stored
    if layout.signed:
        return announced if layout.transfer_syntax in _JPEG_2000 else min(stored, 8 * unsigned.itemsize)
    if announced > stored and int(unsigned.max()) >> stored:
        notes.append(f"the pixels have {announced} bits, not the {stored} of Bits Stored")
        return announced
    return min(stored, 8 * unsigned.itemsize)


def _check_codestream(header: Codestream, layout: PixelLayout, name: str) -> None:
    if not header.complete:
        raise RefusedImageError(
            f"{name} is cut short: its packed pixels have no end mark. Copy it again from its source.",
            Refusal.CUT_SHORT,
        )
    if (header.width, header.height, header.components) != (layout.columns, layout.rows, 1):
        raise RefusedImageError(
            f"{name} announces {layout.columns} x {layout.rows} pixels, but its packed pixels are "
            f"{header.width} x {header.height} with {header.components} component(s).",
            Refusal.CONTRADICTORY,
        )
    if not 2 <= header.precision <= 16:
        raise RefusedImageError(
            f"{name} has {header.precision} bits a pixel; 16 can be read.", Refusal.UNSUPPORTED
        )


def decode_jpeg(data: bytes, header: Codestream) -> NDArray[np.integer[Any]]:
    """A JPEG or JPEG-LS codestream by the process that its start-of-frame marker names."""
    if header.marker == JPEG_LS_SOF:
        return np.asarray(imagecodecs.jpegls_decode(data))
    if header.precision == 8 and header.marker != LOSSLESS_SOF:
        with Image.open(BytesIO(data), formats=("JPEG",)) as image:
            return np.array(image)
    # extended 12 bit and lossless: the same library, three times as fast as the lossless-only decoder
    return np.asarray(imagecodecs.jpeg8_decode(data))
