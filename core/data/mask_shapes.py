"""Shapes that mark exactly the pixels of a mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.domain.shapes import Polygon

Ring = NDArray[np.float64]
"""(corners, 2) of x and y."""


@dataclass(frozen=True, eq=False)
class _Contour:
    ring: Ring
    area: float
    """Square pixels; negative for a hole."""


def shapes_of_mask(mask: NDArray[np.uint8], *, left: int = 0, top: int = 0) -> tuple[Polygon, ...]:
    """Polygons of which ``rasterise`` makes the mask ``(rows, columns)`` again, bit for bit; () for an empty one.

    Their corners lie half-way between the centres of marked and unmarked pixels, so that no centre lies on an
    edge. Holes are polygons that erase, after what is around them and before what lies in them. ``left`` and
    ``top``: where the mask lies in its image.
    """
    contours = sorted(_contours(mask, left, top), key=lambda contour: -abs(contour.area))
    return tuple(Polygon(points=_points(contour.ring), erases=contour.area < 0) for contour in contours)


def regions_of_mask(mask: NDArray[np.uint8], *, left: int = 0, top: int = 0) -> tuple[Polygon, ...]:
    """One polygon for each region of a mask that hangs together, the largest first; () for an empty one.

    A region with holes is one polygon whose border runs to each hole and back along one line: under the even-odd
    rule the line encloses nothing, and the polygon marks the pixels of the region alone.
    """
    from skimage.measure import label

    regions = []
    # contours separate pixels that touch at a corner only, and so does this
    numbered, count = label(np.pad(mask, 1) != 0, connectivity=1, return_num=True)
    for number, (rows, columns) in enumerate(_boxes(numbered, count), start=1):
        own = (numbered[rows, columns] == number).astype(np.uint8)
        contours = list(_contours(own, left + columns.start - 1, top + rows.start - 1))
        outer = max(contours, key=lambda contour: contour.area)
        ring = outer.ring
        for hole in contours:
            if hole is not outer:
                ring = _with_hole(ring, hole.ring)
        regions.append((int(own.sum()), Polygon(points=_points(ring))))
    return tuple(polygon for _, polygon in sorted(regions, key=lambda region: -region[0]))


def count_regions(mask: NDArray[np.uint8]) -> int:
    """The number of regions that ``regions_of_mask`` returns."""
    from skimage.measure import label

    return int(label(mask != 0, connectivity=1, return_num=True)[1])


def _boxes(numbered: NDArray[np.int64], count: int) -> list[tuple[slice, slice]]:
    from scipy.ndimage import find_objects

    found = find_objects(numbered, max_label=count)
    return [(rows, columns) for rows, columns in found]


def _contours(mask: NDArray[np.uint8], left: int, top: int) -> list[_Contour]:
    from skimage.measure import find_contours

    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return []
    up, aside = int(rows[0]), int(columns[0])
    cut = np.pad(mask[up : int(rows[-1]) + 1, aside : int(columns[-1]) + 1] != 0, 1)
    found = []
    for contour in find_contours(cut.astype(np.float64), 0.5):
        corners = contour[:-1]
        # (row, column) of pixel centres in the padded cut-out, to continuous (x, y)
        ring = np.stack([corners[:, 1] + left + aside - 0.5, corners[:, 0] + top + up - 0.5], axis=1)
        x, y = ring.T
        # a contour has the higher values on its left as (row, column) go: holes run the other way round
        found.append(_Contour(ring, float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2))
    return found


def _with_hole(ring: Ring, hole: Ring) -> Ring:
    """The ring with a way from its corner nearest to the hole's first one, around the hole, and back.

    The way has an upright and a level part: of those no rounding marks a pixel to one side of the way.
    """
    at = int(np.argmin(((ring - hole[0]) ** 2).sum(axis=1)))
    bend = np.array([[hole[0, 0], ring[at, 1]]])
    return np.concatenate([ring[: at + 1], bend, hole, hole[:1], bend, ring[at:]])


def _points(ring: Ring) -> tuple[tuple[float, float], ...]:
    return tuple(map(tuple, ring.tolist()))
