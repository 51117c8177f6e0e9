"""The process in which foreign files are decoded. Started by ``core.imaging.worker`` and by nobody else.

Protocol, over standard input and output: a request is one line of JSON; so is the reply. The bytes of the pixels,
in the machine's own order, lie in the memory that the parent shares where they fit into it; else they follow the
line.
"""

from __future__ import annotations

import logging
import mmap
import os
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace

from core.domain.messages import NOTHING, Sentence, encode_sentence, message
from core.imaging.decoded import DecodedImage, Refusal, RefusedImageError
from core.platform.system import limit_this_process

MEMORY_BYTES = 4_000_000_000
CPU_S = 600
"""CPU time limit of one process; the parent replaces it long before, after ``RETIRE_AFTER_CPU_S``."""
RETIRE_AFTER_CPU_S = 300
_FORBIDDEN = ("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "pty.")


class DecodeRequest(msgspec.Struct, frozen=True, kw_only=True):
    path: bytes
    """Path in the encoding of the file system, which need not be UTF-8."""
    frame: int = 0


class PixelSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Pixel description that replaces the pixels in the JSON."""

    dtype: str
    shape: tuple[int, int]


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    image: DecodedImage | None = None
    refusal: Refusal | None = None
    sentence: Sentence = NOTHING
    shared: bool = False
    """True if the pixels are in the shared memory."""
    cpu_s: float = 0.0
    """Used by this process so far."""


def describe_pixels(value: Any) -> object:
    """msgspec's hook for arrays and sentences."""
    if not isinstance(value, np.ndarray):
        return encode_sentence(value)
    return PixelSpec(dtype=value.dtype.name, shape=(value.shape[0], value.shape[1]))


def main(shared: int) -> None:
    """Answer requests until standard input ends. ``shared``: descriptor of memory for pixels, -1 without."""
    # what a library prints must not run into the protocol, and must not be seen: it may quote the file
    out = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    logging.disable(logging.CRITICAL)
    limit_this_process(memory_bytes=MEMORY_BYTES, cpu_s=CPU_S)
    # imported before the doors are shut
    from core.imaging.reader import read_image

    room = None if shared < 0 else mmap.mmap(shared, os.fstat(shared).st_size)
    sys.addaudithook(shut_doors)
    decoder = msgspec.json.Decoder(DecodeRequest)
    encoder = msgspec.json.Encoder(enc_hook=describe_pixels)
    for line in sys.stdin.buffer:
        request = decoder.decode(line)
        path = Path(os.fsdecode(request.path))
        reply = _answer(read_image, path, request.frame)
        content = None if reply.image is None else reply.image.pixels.reshape(-1).view(np.uint8).data
        if content is not None and room is not None and len(content) <= len(room):
            room[: len(content)] = content
            reply, content = replace(reply, shared=True), None
        out.write(encoder.encode(reply) + b"\n")
        if content is not None:
            out.write(content)
        out.flush()


def _answer(read_image: Any, path: Path, frame: int) -> Reply:
    try:
        return Reply(image=read_image(path, frame=frame), cpu_s=time.process_time())
    except RefusedImageError as refused:
        return Reply(refusal=refused.reason, sentence=refused.sentence, cpu_s=time.process_time())
    except BaseException as error:  # noqa: BLE001 (the boundary: extension modules raise what they like)
        return Reply(
            refusal=Refusal.DAMAGED,
            sentence=message(
                "{file} is damaged and could not be read ({error}).", file=path.name, error=type(error).__name__
            ),
            cpu_s=time.process_time(),
        )


def shut_doors(event: str, args: tuple[Any, ...]) -> None:
    """No network, no program, no file written: nothing that a decoder has any business with."""
    if event.startswith(_FORBIDDEN):
        raise PermissionError(f"{event} is not allowed while decoding")
    if event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        raise PermissionError("writing is not allowed while decoding")
