"""Whether an array of a model is a picture of a training image (safety.md, B-19)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.imaging.opencv import cv2

LIMIT = 0.9
SMALLEST = 8
"""Side in values: a 3 x 3 kernel is like any edge, a picture of under 8 x 8 shows nobody."""
_LARGEST = 64
_FLAT = 1e-6

Array = NDArray[Any]
Float32 = NDArray[np.float32]


class Memorisation(msgspec.Struct, frozen=True, kw_only=True):
    """The closest pair of an array of the model and a training crop."""

    correlation: float
    """Largest absolute Pearson correlation; 0 where nothing could be compared."""
    tensor: str
    view: str
    """Arrangement in which the tensor was compared, such as "row 3 as 16 x 16"."""
    crop: int
    """Row of the crop."""
    compared: int
    """Pairs that were compared."""

    @property
    def is_picture(self) -> bool:
        return self.correlation > LIMIT


def closest_picture(tensors: Mapping[str, Array], crops: Array) -> Memorisation:
    """Hold every array that could be a picture against every crop ``(n, side, side)``.

    Of a tensor these are looked at: its last two axes, it as a matrix (first axis by the rest), each row of its
    first axis and all of it as a square; each of at least 8 x 8 values, both sides reduced to at most 64 by areas
    and correlated. Crops and their middle halves are compared. Pictures that are turned, encoded or spread over
    several tensors are not found.
    """
    best = Memorisation(correlation=0.0, tensor="", view="", crop=-1, compared=0)
    compared = 0
    side = crops.shape[-1]
    middle = crops[:, side // 4 : side - side // 4, side // 4 : side - side // 4]
    references: dict[tuple[int, int], Float32] = {}
    for name, tensor in tensors.items():
        for view, stack in _views(np.asarray(tensor)):
            shape = (min(stack.shape[1], _LARGEST), min(stack.shape[2], _LARGEST))
            if shape not in references:
                references[shape] = np.concatenate([_standard(crops, shape), _standard(middle, shape)])
            found = np.abs(_standard(stack, shape) @ references[shape].T)
            compared += found.size
            index, crop = np.unravel_index(int(found.argmax()), found.shape)
            if found[index, crop] > best.correlation:
                best = Memorisation(
                    correlation=min(1.0, float(found[index, crop])),
                    tensor=name,
                    view=f"{view} {index}, {stack.shape[1]} x {stack.shape[2]}",
                    crop=int(crop) % len(crops),
                    compared=0,
                )
    return msgspec.structs.replace(best, compared=compared)


def _views(tensor: Array) -> Iterator[tuple[str, Array]]:
    """Yield stacks (k, height, width) of what could be pictures."""
    if tensor.ndim == 0 or tensor.dtype.kind not in "fiu":
        return
    rows = tensor.reshape(tensor.shape[0], -1) if tensor.ndim > 1 else tensor[None]
    if tensor.ndim > 1 and min(tensor.shape[-2:]) >= SMALLEST:
        yield "last axes", tensor.reshape(-1, *tensor.shape[-2:])
    if tensor.ndim > 2 and min(rows.shape) >= SMALLEST:
        yield "matrix", rows[None]
    for view, flat in (("row", rows), ("whole", tensor.reshape(1, -1))):
        square = math.isqrt(flat.shape[1])
        if square >= SMALLEST and square * square == flat.shape[1]:
            yield view, flat.reshape(-1, square, square)


def _standard(stack: Array, shape: tuple[int, int]) -> Float32:
    """Return (k, height x width): each picture reduced to ``shape``, of mean 0 and length 1; constant ones are
    0."""
    size = (shape[1], shape[0])
    small = [cv2.resize(one.astype(np.float32), size, interpolation=cv2.INTER_AREA) for one in stack]
    flat = np.stack(small).reshape(len(stack), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.where(length > _FLAT, flat / np.maximum(length, _FLAT), 0).astype(np.float32)
