"""Which fragments of encapsulated pixel data (PS3.5, A.4) make up a frame."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

from core.domain.messages import Sentence, message
from core.imaging.decoded import Refusal, RefusedImageError
from core.imaging.formats.codestream import begins_codestream
from core.imaging.formats.dicom_header import OpenedDicom
from core.imaging.formats.pixel_layout import PixelLayout

Fragment = tuple[int, int]
"""First byte in the file, and the byte after the last."""
_ITEM, _DELIMITER = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD)
_HEAD_BYTES = 64


def is_encapsulated(file: BinaryIO) -> bool:
    """Return True if an item follows; the file stays where it is."""
    at = file.tell()
    head = file.read(4)
    file.seek(at)
    return len(head) == 4 and struct.unpack("<HH", head) == _ITEM


def frame_data(opened: OpenedDicom, layout: PixelLayout, frame: int, name: str, notes: list[Sentence]) -> bytes:
    """Return the bytes of one frame; those of other frames are not read.

    Fragments are assigned to frames by the first rule that applies. A single frame has them all. If there are as
    many fragments as frames, each frame has one. Then follow the Extended Offset Table (7FE0,0001), the Basic
    Offset Table, and the fragments that begin a codestream. A table counts only if each of its offsets is that of
    a fragment.
    """
    file = opened.file
    fragments = _fragments(file, opened.pixel_bytes, name, notes)
    if len(fragments) < 2:
        raise RefusedImageError(
            message("{name} has no packed pixels; copy it again.", name=name), Refusal.CUT_SHORT
        )
    table, packed = fragments[0], fragments[1:]
    if layout.frames == 1:
        chosen = packed
    elif len(packed) == layout.frames:
        chosen = [packed[frame]]
    else:
        starts = _starts(opened, table, packed, layout.frames, notes)
        if len(starts) != layout.frames:
            raise RefusedImageError(
                message(
                    "{name} announces {frames} frames, but its {count} fragments cannot be told apart.",
                    name=name,
                    frames=layout.frames,
                    count=len(packed),
                ),
                Refusal.CONTRADICTORY,
            )
        chosen = packed[starts[frame] : starts[frame + 1] if frame + 1 < len(starts) else None]
    return b"".join(_read_at(file, start, end) for start, end in chosen)


def _starts(
    opened: OpenedDicom, table: Fragment, packed: list[Fragment], frames: int, notes: list[Sentence]
) -> list[int]:
    """The index of each frame's first fragment."""
    # offsets count from the first byte of the first item after the table
    places = {start - packed[0][0]: index for index, (start, _) in enumerate(packed)}
    offsets = _offsets(opened, table, frames)
    starts = [places[offset] for offset in offsets if offset in places]
    begins = [k for k, (start, _) in enumerate(packed) if _begins_frame(opened.file, start)]
    sound = len(starts) == frames and starts[0] == 0 and starts == sorted(set(starts))
    if sound and (len(begins) != frames or starts == begins):
        return starts
    if offsets:
        notes.append(
            message("its offset table is wrong; the frames were separated at the start of each codestream")
        )
    return begins


def _begins_frame(file: BinaryIO, start: int) -> bool:
    return begins_codestream(_read_at(file, start, start + _HEAD_BYTES))


def _offsets(opened: OpenedDicom, table: Fragment, frames: int) -> tuple[int, ...]:
    """Return the start of each frame, from the first table that has an entry for each; () without one."""
    extended = opened.tags.value("ExtendedOffsetTable")
    if isinstance(extended, bytes) and len(extended) == 8 * frames:
        return struct.unpack(f"<{frames}Q", extended)
    basic = _read_at(opened.file, *table)
    return struct.unpack(f"<{frames}L", basic) if len(basic) == 4 * frames else ()


def _fragments(file: BinaryIO, length_of_all: int | None, name: str, notes: list[Sentence]) -> list[Fragment]:
    """Each item in the file, the offset table first. Only the items' heads are read.

    The delimiter at the end may be missing, and the last item may be cut, with a note: whether every row is
    there, the decoder finds out.
    """
    at = file.tell()
    size = file.seek(0, os.SEEK_END)
    if length_of_all is not None:
        size = min(size, at + length_of_all)
    found: list[Fragment] = []
    while at + 8 <= size:
        group, element, length = struct.unpack("<HHL", _read_at(file, at, at + 8))
        if (group, element) == _DELIMITER:
            return found
        if (group, element) != _ITEM:
            if len(found) < 2 or group <= 0x7FE0:
                raise RefusedImageError(
                    message("The packed pixels of {name} are damaged.", name=name), Refusal.DAMAGED
                )
            break
        end = min(at + 8 + length, size)
        found.append((at + 8, end))
        at += 8 + length
    if length_of_all is None:
        notes.append(message("the mark at the end of its packed pixels is missing"))
    return found


def _read_at(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start)
