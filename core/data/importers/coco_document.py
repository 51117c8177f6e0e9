"""A COCO document of instances, of this program or of another: its parts, and their shapes.

The field ``marginalia`` of an annotation holds the vector shapes that this program wrote.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.data.mask_shapes import shapes_of_mask
from core.domain.errors import BadFileError
from core.domain.messages import message
from core.domain.shapes import Polygon, Shape

_LARGEST = 1 << 28
"""Bytes of a document, and pixels of a bitmap: more than a mammogram of 16,384 x 16,384 has."""


class Rle(msgspec.Struct, frozen=True, kw_only=True):
    """Run lengths, down the columns, unmarked first."""

    counts: tuple[int, ...] | str
    """Plain, or in the text that pycocotools packs them into (``unpacked_counts``)."""
    size: tuple[int, int]
    """(height, width)"""


class Original(msgspec.Struct, frozen=True, kw_only=True):
    """The field ``marginalia`` of an annotation."""

    lesion: str
    """Name of the lesion in this export."""
    kind: Literal["outline", "fine"]
    shapes: tuple[Shape, ...]


class CocoImage(msgspec.Struct, frozen=True, kw_only=True):
    id: int | str
    file_name: str
    width: int = 0
    height: int = 0
    """0: not given."""
    pseudonym: str = ""
    pixel_spacing_mm: float | None = None
    sha256: str = ""
    synthetic: bool = False


class CocoAnnotation(msgspec.Struct, frozen=True, kw_only=True):
    id: int | str
    image_id: int | str
    category_id: int | str
    segmentation: Rle | tuple[tuple[float, ...], ...] | None = ()
    """Polygons of x and y in turns; empty where only the box is given."""
    bbox: tuple[float, ...] = ()
    """(x, y, width, height)"""
    area: float | None = None
    iscrowd: int | bool = 0
    attributes: dict[str, Any] = {}
    """Values that an annotator chose in CVAT."""
    marginalia: Original | None = None

    def shapes(self) -> tuple[Shape, ...]:
        """The readers' shapes; of a foreign file its polygons, or shapes that make its bitmap to the bit."""
        if self.marginalia is not None:
            return self.marginalia.shapes
        if isinstance(self.segmentation, Rle):
            return shapes_of_mask(mask_of_rle(self.segmentation))
        rings = self.segmentation or ()
        return tuple(Polygon(points=tuple(zip(ring[0::2], ring[1::2], strict=True))) for ring in rings)


class CocoCategory(msgspec.Struct, frozen=True, kw_only=True):
    id: int | str
    name: str
    supercategory: str | None = ""


class CocoDocument(msgspec.Struct, frozen=True, kw_only=True):
    info: dict[str, Any] | None = None
    images: tuple[CocoImage, ...]
    annotations: tuple[CocoAnnotation, ...]
    categories: tuple[CocoCategory, ...]


def run_lengths(mask: NDArray[np.uint8]) -> Rle:
    """Return the run lengths of a mask (height, width) of 0 and 1."""
    flat = np.concatenate([[0], mask.T.ravel(), [2]])
    edges = np.flatnonzero(np.diff(flat))
    counts = np.diff(np.concatenate([[0], edges]))
    return Rle(counts=tuple(counts.tolist()), size=(mask.shape[0], mask.shape[1]))


def mask_of_rle(rle: Rle) -> NDArray[np.uint8]:
    """Inverse of ``run_lengths``; BadFileError where the runs do not fill the size."""
    height, width = rle.size
    counts = unpacked_counts(rle.counts) if isinstance(rle.counts, str) else rle.counts
    sound = min(height, width) >= 0 and min(counts, default=0) >= 0
    if not sound or height * width > _LARGEST or sum(counts) != height * width:
        raise BadFileError(message("A bitmap of the COCO file does not have the size that it declares."))
    values = np.arange(len(counts)) % 2
    return np.repeat(values, counts).astype(np.uint8).reshape(width, height).T


def unpacked_counts(text: str) -> tuple[int, ...]:
    """Return the run lengths of a text of pycocotools (``rleFrString``): five bits a character from "0" on, the
    sixth says that more follow, the sign is extended; from the fourth run on differences to the last but one.

    Raises: BadFileError for another text.
    """
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64 or shift > 35:
            raise BadFileError(message("A bitmap of the COCO file is not packed as COCO packs it."))
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise BadFileError(message("A bitmap of the COCO file is cut off."))
    return tuple(counts)


def read_coco(path: Path) -> CocoDocument:
    """The document at ``path``; BadFileError where it is missing, too large or none."""
    try:
        if path.stat().st_size > _LARGEST:
            raise BadFileError(
                message("{file} is too large for a COCO document and was not opened.", file=path.name)
            )
        return msgspec.json.decode(path.read_bytes(), type=CocoDocument)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadFileError(
            message("{file} is not a COCO document of instances: {error}.", file=path.name, error=error)
        ) from error
