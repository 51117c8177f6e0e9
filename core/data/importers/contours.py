"""Outlines from region masks, and fine masks derived from hand-drawn contours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.geometry import Point
from core.domain.shapes import Ellipse, Length, Line, Polygon, Rectangle, Role
from core.domain.study import LesionOutline

CONTOUR_BAND = "contour band"
"""Reader of fine annotations that were derived from a contour and not drawn by anyone."""
BAND_SHARE = 0.12
"""Width of the band over the larger side of the lesion."""
SMALLEST_REGION = 2e-4
"""Share of the image below which a region of a mask is taken for an artefact of its compression."""
_ELLIPSE_EXCESS = 1.01


def outline_area(outline: LesionOutline) -> float:
    """In square pixels."""
    match outline:
        case Rectangle(box=box):
            return box.area
        case Ellipse(radius_x=rx, radius_y=ry):
            return math.pi * rx * ry
        case Polygon(points=points):
            return abs(_moments(points)[0])


def crosses_itself(polygon: Polygon) -> bool:
    """Return True if two sides of the polygon cross, or it touches itself."""
    from shapely import LinearRing

    return len(set(polygon.points)) > 2 and not LinearRing(polygon.points).is_simple


def filled_area(polygon: Polygon) -> float:
    """Return the area of a polygon by the even-odd rule, in square pixels."""
    from shapely import make_valid
    from shapely.geometry import Polygon as Filled

    return float(make_valid(Filled(polygon.points)).area)


def fine_band(outline: LesionOutline, width: Length) -> tuple[Line, ...]:
    """Return a band along a hand-drawn contour, in place of a fine annotation; () for boxes, circles and ellipses.

    Boxes, circles and ellipses were not traced along the margin and do not show where it lies.
    """
    if not isinstance(outline, Polygon) or is_ellipse(outline):
        return ()
    closed = (*outline.points, outline.points[0])
    return (Line(points=closed, width=width, role=Role.MARGIN),)


def band_width(outline: LesionOutline, share: float = BAND_SHARE) -> Length:
    """A width in proportion to the lesion, for images without a pixel spacing."""
    points = outline.points if isinstance(outline, Polygon) else ()
    if not points:
        return Length(value=1.0, unit="px")
    extent = np.ptp(np.asarray(points), axis=0).max()
    return Length(value=max(2.0, float(extent) * share), unit="px")


def is_ellipse(polygon: Polygon) -> bool:
    """Return True if a polygon is the outline of an ellipse or circle that was drawn with two clicks.

    Among all figures with the same second moments, only the ellipse has an area of 4 pi sqrt(det covariance).
    """
    area, covariance = _moments(polygon.points)
    if area == 0:
        return False
    return bool(4 * math.pi * math.sqrt(max(np.linalg.det(covariance), 0.0)) <= _ELLIPSE_EXCESS * abs(area))


def _moments(points: tuple[Point, ...]) -> tuple[float, NDArray[np.float64]]:
    """Signed area and covariance of a filled polygon (Green's theorem)."""
    p = np.asarray(points, dtype=np.float64)
    p = p - p.mean(axis=0)
    q = np.roll(p, -1, axis=0)
    cross = p[:, 0] * q[:, 1] - q[:, 0] * p[:, 1]
    area = cross.sum() / 2
    if area == 0:
        return 0.0, np.zeros((2, 2))
    mean = ((p + q) * cross[:, None]).sum(axis=0) / (6 * area)
    x, y, u, v = p[:, 0], p[:, 1], q[:, 0], q[:, 1]
    xx = ((x * x + x * u + u * u) * cross).sum() / (12 * area)
    yy = ((y * y + y * v + v * v) * cross).sum() / (12 * area)
    xy = ((x * v + 2 * x * y + 2 * u * v + u * y) * cross).sum() / (24 * area)
    return float(area), np.array([[xx, xy], [xy, yy]]) - np.outer(mean, mean)


def breast_area(image: NDArray[Any], black: int = 12) -> float:
    """Area, in pixels, of the largest connected part brighter than ``black`` (JPEG's noise on black)."""
    from skimage.measure import label

    parts = np.bincount(label(np.asarray(image) > black, connectivity=2).ravel())
    return float(parts[1:].max(initial=0))


def mask_outline(mask: NDArray[np.uint8]) -> tuple[Polygon | None, int]:
    """The outer contour of the largest region of a mask (255 within, 0 outside), and how many regions it has.

    None and 0 for an empty mask. Only the part around what is marked is traced.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None, 0
    top, left = int(rows[0]), int(columns[0])
    outlines = traced_outlines(mask[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1])
    if not outlines:
        return None, 0
    points = tuple((x + left, y + top) for x, y in outlines[0].points)
    return Polygon(points=points), len(outlines)


def traced_outlines(mask: NDArray[Any], threshold: int = 127) -> tuple[Polygon, ...]:
    """The outer contour of each region brighter than ``threshold``, the largest region first.

    Traced between the pixels where the grey value crosses the threshold, which keeps the contour where a lossy
    mask blurs it. Holes are filled; specks are dropped (``SMALLEST_REGION``).
    """
    from skimage.measure import approximate_polygon, find_contours, label, regionprops

    padded = np.pad(np.asarray(mask, dtype=np.float64), 1)
    regions = sorted(regionprops(label(padded > threshold)), key=lambda region: (-region.area, region.bbox))
    outlines = []
    for region in regions:
        if region.area < SMALLEST_REGION * mask.size:
            break
        top, left, bottom, right = region.bbox
        # other regions in the cut-out are taken away; what is below the threshold stays, since the contour
        # crosses between it and the region
        around = padded[top - 1 : bottom + 1, left - 1 : right + 1]
        own = np.where(np.pad(region.image, 1) | (around <= threshold), around, 0.0)
        contours = [c for c in find_contours(own, threshold + 0.5, fully_connected="high") if len(c) > 3]
        longest = max(contours, key=len)
        corners = approximate_polygon(longest, tolerance=0.3)[:-1]
        # (row, column) of pixel centres in the padded cut-out, to continuous (x, y)
        points = tuple((float(c) + left - 2 + 0.5, float(r) + top - 2 + 0.5) for r, c in corners)
        if len(points) >= 3:
            outlines.append(Polygon(points=points))
    return tuple(outlines)
