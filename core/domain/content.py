"""The content hash of an image, by which the study knows its pixels again under any name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def content_sha256(pixels: NDArray[Any]) -> str:
    """SHA-256 (hex) of decoded stored values ``(rows, columns)``: of their type and shape, then of the pixels.

    The pixels are hashed row by row in little-endian order, so that the same values give the same hash on every
    machine. 8-bit and 16-bit copies of one picture differ.
    """
    little = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("<"))
    shape = "x".join(str(n) for n in little.shape)
    digest = hashlib.sha256(f"{pixels.dtype.kind}{pixels.dtype.itemsize * 8} {shape}\n".encode("ascii"))
    digest.update(little.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def frames_sha256(hashes: Sequence[str]) -> str:
    """The content hash of an image of several slices, from those of its slices in their order; one slice's own."""
    if len(hashes) == 1:
        return hashes[0]
    return hashlib.sha256("\n".join(["slices", *hashes]).encode("ascii")).hexdigest()
