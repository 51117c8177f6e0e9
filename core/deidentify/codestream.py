"""Compressed frames rewritten marker by marker: only what a decoder needs stays, in the length that it needs.

JPEG (ISO 10918-1), JPEG-LS (ISO 14495-1) and JPEG 2000 (ISO 15444-1, also of high throughput) carry comments,
application data, previews and reserved segments, in the main header, between scans and in tiles, and anything can
follow the end mark. Boxes around a codestream go too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_SOI, _EOI, _SOS, _DQT, _DHT, _DAC, _DRI, _DNL = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xCC, 0xDD, 0xDC
_SOF55, _LSE, _APP8, _APP14 = 0xF7, 0xF8, 0xE8, 0xEE
_FRAMES = {*range(0xC0, 0xD0)} - {_DHT, 0xC8, _DAC} | {_SOF55}
_LOSSLESS = {0xC3, 0xC7, 0xCB, 0xCF, _SOF55}
"""Frames without quantisation."""
_MAPPING = b"mrfx"
"""Name of the colour transform in APP8 of JPEG-LS."""

_SOC, _SIZ, _SOT, _SOD, _EOC = 0xFF4F, 0xFF51, 0xFF90, 0xFF93, 0xFFD9
_COD, _COC, _QCD, _QCC, _RGN, _POC, _PPM, _PPT = 0xFF52, 0xFF53, 0xFF5C, 0xFF5D, 0xFF5E, 0xFF5F, 0xFF60, 0xFF61
_CAP, _CPF = 0xFF50, 0xFF59
_MAIN = {_SIZ, _COD, _COC, _QCD, _QCC, _RGN, _POC, _PPM, _CAP, _CPF}
_TILE = {_COD, _COC, _QCD, _QCC, _RGN, _POC, _PPT}


class CodestreamError(ValueError):
    """The bytes are not a codestream that can be rewritten."""


def rewritten(frame: bytes) -> bytes:
    """One frame without anything that its pixels do not need.

    Raises: CodestreamError if it is of another coding, or cut short.
    """
    try:
        if frame.startswith(b"\xff\xd8"):
            return b"".join(_jpeg(frame))
        at = 0 if frame.startswith(b"\xff\x4f\xff\x51") else -1
        if at < 0 and frame[4:8] == b"jP  ":
            at = frame.find(b"\xff\x4f\xff\x51")
        if at >= 0:
            return b"".join(_jpeg_2000(frame[at:]))
    except (struct.error, IndexError) as error:
        raise CodestreamError("a codestream is cut short") from error
    raise CodestreamError("a frame has an unknown coding")


def _jpeg(frame: bytes) -> Iterator[bytes]:
    yield frame[:2]
    quantisation: dict[int, bytes] = {}
    entropy: dict[int, bytes] = {}
    at, kind, used = 2, 0, set[int]()
    while True:
        if frame[at] != 0xFF:
            raise CodestreamError("a segment does not begin with a marker")
        marker = frame[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker == _EOI:
            yield b"\xff\xd9"
            return
        length = struct.unpack_from(">H", frame, at + 2)[0]
        body = frame[at + 4 : at + 2 + length]
        if length < 2 or len(body) != length - 2:
            raise CodestreamError("a segment is cut short")
        at += 2 + length
        if marker == _DQT:
            quantisation |= _quantisation_tables(body)
        elif marker == _DHT:
            entropy |= _entropy_tables(body)
        elif marker in _FRAMES:
            kind, components = marker, body[5]
            used = {body[8 + 3 * k] for k in range(components)}
            if marker not in _LOSSLESS:
                yield from (_segment(_DQT, quantisation[key]) for key in sorted(used & quantisation.keys()))
            yield _segment(marker, body[: 6 + 3 * components])
        elif marker == _SOS:
            if kind not in _LOSSLESS:
                # tables may be given between the frame and its scans, and anew
                yield from (_segment(_DQT, quantisation[key]) for key in sorted(used & quantisation.keys()))
            wanted = [] if kind == _SOF55 else _tables_of_scan(body)
            yield from (_segment(_DHT, entropy[key]) for key in wanted if key in entropy)
            yield _segment(_SOS, body[: 4 + 2 * body[0]])
            end = _end_of_scan(frame, at, is_ls=kind == _SOF55)
            yield frame[at:end]
            at = end
        elif (kept := _small(marker, body)) is not None:
            yield _segment(marker, kept)


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _small(marker: int, body: bytes) -> bytes | None:
    """Return the part that stays of a segment of fixed contents; None for all others."""
    match marker:
        case _ if marker in (_DRI, _DNL):
            return body[:2]
        case _ if marker == _DAC:
            return body[: len(body) // 2 * 2][:16]
        case _ if marker == _LSE and body[:1] == b"\x01":
            return body[:11]
        case _ if marker == _APP8 and body[:4] == _MAPPING:
            return body[:5]
        case _ if marker == _APP14 and body[:5] == b"Adobe" and body[11:12] in (b"\0", b"\1", b"\2"):
            return b"Adobe\0\x64\0\0\0\0" + body[11:12]
        case _:
            return None


def _quantisation_tables(body: bytes) -> dict[int, bytes]:
    found, at = {}, 0
    while at < len(body):
        size = 1 + (128 if body[at] >> 4 else 64)
        if at + size > len(body):
            break  # what follows the tables belongs to none
        found[body[at] & 0x0F] = body[at : at + size]
        at += size
    return found


def _entropy_tables(body: bytes) -> dict[int, bytes]:
    found, at = {}, 0
    while at + 17 <= len(body) and body[at] & 0xEC == 0:
        size = 17 + sum(body[at + 1 : at + 17])
        if at + size > len(body):
            break
        found[body[at]] = body[at : at + size]
        at += size
    return found


def _tables_of_scan(body: bytes) -> list[int]:
    """Class and number of the tables that the components of a scan name."""
    pairs = [body[2 + 2 * k] for k in range(body[0])]
    return sorted({pair >> 4 for pair in pairs} | {0x10 | (pair & 0x0F) for pair in pairs})


def _end_of_scan(frame: bytes, at: int, *, is_ls: bool) -> int:
    """Return the position of the next marker that is no restart: packed samples have 00 after FF (JPEG-LS: below
    80)."""
    while True:
        at = frame.find(b"\xff", at)
        if at < 0 or at + 1 >= len(frame):
            raise CodestreamError("a scan has no end")
        follower = frame[at + 1]
        if 0xD0 <= follower <= 0xD7 or (follower < 0x80 if is_ls else follower == 0):
            at += 2
        else:
            return at


def _jpeg_2000(stream: bytes) -> Iterator[bytes]:
    yield stream[:2]
    at = 2
    while (marker := _marker(stream, at)) != _SOT:
        at, segment = _segment_2000(stream, at, marker, _MAIN)
        yield segment
    while marker == _SOT:
        length = struct.unpack_from(">L", stream, at + 6)[0]
        last = length == 0
        head, begin = [], at + 12
        while (inner := _marker(stream, begin)) != _SOD:
            begin, segment = _segment_2000(stream, begin, inner, _TILE)
            head.append(segment)
        # in packed samples FF is followed by 8F at most
        end = stream.find(b"\xff\xd9", begin) if last else at + length
        if not begin + 2 <= end <= len(stream):
            raise CodestreamError("a tile-part is cut short")
        body = b"".join(head) + stream[begin:end]
        yield stream[at : at + 6] + struct.pack(">L", 0 if last else 12 + len(body)) + stream[at + 10 : at + 12]
        yield body
        at = end
        marker = _marker(stream, at) if at + 2 <= len(stream) else _EOC
    if marker != _EOC:
        raise CodestreamError("a tile-part is followed by neither another one nor the end")
    yield b"\xff\xd9"


def _marker(stream: bytes, at: int) -> int:
    marker: int = struct.unpack_from(">H", stream, at)[0]
    if marker < 0xFF00:
        raise CodestreamError("a segment does not begin with a marker")
    return marker


def _segment_2000(stream: bytes, at: int, marker: int, kept: set[int]) -> tuple[int, bytes]:
    """The place after a segment, and the segment where it stays."""
    if 0xFF30 <= marker <= 0xFF3F:
        return at + 2, b""
    length = struct.unpack_from(">H", stream, at + 2)[0]
    body = stream[at + 4 : at + 2 + length]
    if length < 2 or len(body) != length - 2:
        raise CodestreamError("a segment is cut short")
    if marker not in kept:
        return at + 2 + length, b""
    body = body[: _needed(marker, body)]
    return at + 2 + length, struct.pack(">HH", marker, len(body) + 2) + body


def _needed(marker: int, body: bytes) -> int:
    """Return the number of bytes that the contents of a segment need (ISO 15444-1, A.5 and A.6)."""
    match marker:
        case _ if marker == _SIZ:
            return 36 + 3 * int(struct.unpack_from(">H", body, 34)[0])
        case _ if marker == _COD:
            return 10 + (int(body[5]) + 1 if body[0] & 1 else 0)
        case _ if marker == _QCD and body[0] & 0x1F == 1:
            return 3
        case _ if marker == _CAP:
            return 4 + 2 * int(struct.unpack_from(">L", body, 0)[0]).bit_count()
        case _:
            return len(body)
