"""The one DICOM object in the body of an answer (PS3.18, 8.6.1.2)."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import IO

from core.domain.errors import PacsError
from core.domain.messages import message

_BLOCK = 1 << 20
_HEADER_ROOM = 16_384


def half(name: str) -> PacsError:
    return PacsError(
        message(
            "{name} broke off in the middle of an image; nothing of that image is kept. Get the examination "
            "again: complete images are not sent twice.",
            name=name,
        )
    )


def take_part(body: Path, path: Path, kind: str, name: str) -> None:
    """Copy the one part of a multipart body to ``path``.

    ``kind``: the Content-Type. Raises: PacsError for a body without its end and for one of several parts.
    """
    size = body.stat().st_size
    media, _, parameters = kind.partition(";")
    with body.open("rb") as source:
        begin, end = 0, size
        if media.strip().lower() != "application/dicom":
            boundary = _boundary(parameters)
            if media.strip().lower() != "multipart/related" or not boundary:
                what = media.strip()[:40] or message("something")
                raise PacsError(
                    message("{name} sends {what} where a DICOM object was asked for.", name=name, what=what)
                )
            begin, end = _first_part(source, size, b"--" + boundary, name)
        source.seek(begin)
        with path.open("rb+") as target:
            _copy(source, target, end - begin)


def _first_part(source: IO[bytes], size: int, dashed: bytes, name: str) -> tuple[int, int]:
    if not size:
        raise half(name)
    with mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as content:
        first = content.find(dashed, 0, _HEADER_ROOM)
        begin = content.find(b"\r\n\r\n", max(0, first), max(0, first) + _HEADER_ROOM) + 4
        end = content.find(b"\r\n" + dashed, max(0, begin - 2))
        if first < 0 or begin < 4 or end < 0:
            raise half(name)
        after = end + 2 + len(dashed)
        if content[after : after + 2] != b"--":
            raise PacsError(
                message("{name} sends several objects where one was asked for; none of them was kept.", name=name)
            )
        return begin, max(begin, end)


def _boundary(parameters: str) -> bytes:
    for part in parameters.split(";"):
        key, _, value = part.strip().partition("=")
        if key.lower() == "boundary":
            return value.strip('"').encode("ascii", "ignore")
    return b""


def _copy(source: IO[bytes], target: IO[bytes], count: int) -> None:
    while count > 0:
        chunk = source.read(min(_BLOCK, count))
        if not chunk:
            return
        target.write(chunk)
        count -= len(chunk)
