"""Comments inside compressed pixel data: JPEG and JPEG 2000 codestreams carry text that no attribute shows."""

from __future__ import annotations

import struct

_COMMENT, _FIRST_APP, _LAST_APP = 0xFE, 0xE0, 0xEF
_KEPT_APPS = (0xE8, 0xEE)
"""APP8 (SPIFF, colour transforms of JPEG-LS) and APP14 (Adobe's colour transform) tell how to decode."""
_START_OF_SCAN, _END = 0xDA, 0xD9
_J2K_COMMENT, _J2K_TILE = 0xFF64, 0xFF90


def without_comments(frame: bytes) -> bytes:
    """One frame without comment and application segments in its main header; of other codings, as it is."""
    if frame.startswith(b"\xff\xd8"):
        return _jpeg(frame)
    if frame.startswith(b"\xff\x4f\xff\x51"):
        return _jpeg_2000(frame)
    return frame


def _jpeg(frame: bytes) -> bytes:
    kept, at = [frame[:2]], 2
    while at + 4 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker in (_START_OF_SCAN, _END):
            break
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        end = at + 2 + struct.unpack_from(">H", frame, at + 2)[0]
        application = _FIRST_APP <= marker <= _LAST_APP and marker not in _KEPT_APPS
        if not application and marker != _COMMENT:
            kept.append(frame[at:end])
        at = end
    return b"".join((*kept, frame[at:]))


def _jpeg_2000(frame: bytes) -> bytes:
    kept, at = [frame[:2]], 2
    while at + 4 <= len(frame):
        marker, length = struct.unpack_from(">HH", frame, at)
        if marker == _J2K_TILE or marker < 0xFF00:
            break
        if marker != _J2K_COMMENT:
            kept.append(frame[at : at + 2 + length])
        at += 2 + length
    return b"".join((*kept, frame[at:]))
