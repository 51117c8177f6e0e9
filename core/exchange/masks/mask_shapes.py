"""Shapes that mark exactly the pixels of a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.domain.shapes import Polygon


def shapes_of_mask(mask: NDArray[np.uint8]) -> tuple[Polygon, ...]:
    """Polygons of which ``rasterise`` makes the mask ``(rows, columns)`` again, bit for bit; () for an empty one.

    Their corners lie half-way between the centres of marked and unmarked pixels, so that no centre lies on an
    edge. Holes are polygons that erase, after what is around them and before what lies in them.
    """
    from skimage.measure import find_contours

    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return ()
    top, left = int(rows[0]), int(columns[0])
    cut = np.pad(mask[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1] != 0, 1)
    found = []
    for contour in find_contours(cut.astype(np.float64), 0.5):
        corners = contour[:-1]
        # (row, column) of pixel centres in the padded cut-out, to continuous (x, y)
        x, y = corners[:, 1] + left - 0.5, corners[:, 0] + top - 0.5
        area = float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
        points = tuple(zip(x.tolist(), y.tolist(), strict=True))
        # a contour has the higher values on its left as (row, column) go: holes run the other way round
        found.append((abs(area), Polygon(points=points, erases=area < 0)))
    found.sort(key=lambda one: -one[0])
    return tuple(polygon for _, polygon in found)
