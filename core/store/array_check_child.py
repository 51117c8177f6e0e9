"""Child process that reads array files of a study that is not trusted. Started by ``core.store.array_check``.

A request is one line of JSON, and so is the reply. A malicious file can make the HDF5 library hang or crash.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from core.domain.messages import NOTHING, Sentence, encode_sentence, sentence_of
from core.platform.system import limit_this_process

MEMORY_BYTES = 6_000_000_000


class ArrayCheckRequest(msgspec.Struct, frozen=True, kw_only=True):
    folder: str
    kind: str
    name: str


class ArrayCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Result of reading the whole file."""

    readable: bool
    sha256: str = ""
    """Hash of the pixels of level 0, as they are now."""
    shape: tuple[int, ...] = ()
    pyramid: bool = True
    """True if every level can be read."""
    sentence: Sentence = NOTHING
    """Why it cannot be read."""


def vet(request: ArrayCheckRequest) -> ArrayCheck:
    """Read one file of pixels or derived arrays to the end."""
    from core.domain.content import content_sha256
    from core.domain.errors import ArrayLostError
    from core.store.arrays import PIXELS, ArrayStore

    arrays = ArrayStore(Path(request.folder), writable=False)
    try:
        if request.kind != PIXELS:
            arrays.read_derived(request.name)
            return ArrayCheck(readable=True)
    except (ArrayLostError, ValueError) as error:
        return ArrayCheck(readable=False, sentence=sentence_of(error))
    try:
        pixels, whole = arrays.read_pyramid(request.name)[0], True
    except (ArrayLostError, ValueError):
        whole = False
        try:
            pixels = arrays.read_pixels(request.name)
        except (ArrayLostError, ValueError) as error:
            return ArrayCheck(readable=False, sentence=sentence_of(error))
    return ArrayCheck(readable=True, sha256=content_sha256(pixels), shape=pixels.shape, pyramid=whole)


def main() -> None:
    """Answer requests until standard input ends."""
    limit_this_process(memory_bytes=MEMORY_BYTES)
    for line in sys.stdin.buffer:
        answer = vet(msgspec.json.decode(line, type=ArrayCheckRequest))
        sys.stdout.buffer.write(msgspec.json.encode(answer, enc_hook=encode_sentence) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
