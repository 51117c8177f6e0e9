"""Shapes to masks, and the one place that knows the mask's polarity.

Inside the program a mask is 1 where something is marked (relevant). The paper's masks are the opposite: 0 is
relevant, 1 irrelevant (method.md, "m_i"); ``irrelevant`` converts, in both directions.

The rule: a pixel is marked when its centre lies within the shape. Polygons and boxes take the centres on their
left and upper edge and leave those on the right and lower one, so that polygons that share an edge share no
pixel; discs, ellipses and lines take their whole border. Shapes stay in image coordinates and the grid's pixel
centres are sampled exactly under the affine map, so that no mask is ever resized. Every shape is a set of spans
along pixel rows, found in closed form with correctly rounded operations only (and one sine and cosine for a
turned ellipse): the result does not depend on the platform.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from core.domain.geometry import IDENTITY, Affine, Point
from core.domain.shapes import Ellipse, Length, Line, Polygon, Rectangle, Shape, Stroke
from core.domain.study import LesionOutline

UInt8 = NDArray[np.uint8]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
M = TypeVar("M")

_PAIRS_AT_ONCE = 1_000_000
"""Pairs of (piece of a line, pixel row) in memory at a time."""


def irrelevant(mask: M) -> M:
    """The paper's mask ``m`` (0 relevant, 1 irrelevant) of one of ours (1 marked), or ours of the paper's.

    An array or tensor of any shape and type, which it keeps; soft masks in [0, 1] stay soft.
    """
    flipped: M = 1 - cast(Any, mask)
    return flipped


def rasterise(
    shapes: Iterable[Shape],
    *,
    width: int,
    height: int,
    spacing_mm: float | None = None,
    image_to_grid: Affine = IDENTITY,
) -> UInt8:
    """The mask ``(height, width)``, 1 where marked, of shapes taken in drawing order; erasing ones subtract.

    ``image_to_grid`` leads from the mammogram's frame, in which the shapes are, to the pixel grid of the mask:
    any affine map with an inverse (ValueError without one). ``spacing_mm`` is the mammogram's, for widths in
    millimetres (ValueError where it is needed and missing).

    Lines and strokes are at least one grid pixel wide, so that a thin line drawn on a large mammogram is still
    whole at network resolution. A line, stroke or ellipse so small that it holds no pixel centre marks the
    pixels in which its points (its centre) lie.
    """
    mask = np.zeros((height, width), np.uint8)
    draw_onto(mask, shapes, spacing_mm=spacing_mm, image_to_grid=image_to_grid)
    return mask


def draw_onto(
    mask: UInt8, shapes: Iterable[Shape], *, spacing_mm: float | None = None, image_to_grid: Affine = IDENTITY
) -> None:
    """Draw further shapes onto the mask of those before them, in place; the same as ``rasterise`` of all."""
    height, width = mask.shape
    grid = _Grid(width=width, height=height, forward=image_to_grid, backward=image_to_grid.inverse())
    for shape in shapes:
        _draw(mask, shape, grid, spacing_mm)


def rasterise_outline(
    outline: LesionOutline, *, width: int, height: int, image_to_grid: Affine = IDENTITY
) -> UInt8:
    """The mask ``(height, width)`` of a lesion, 1 inside its outline; see ``rasterise``."""
    return rasterise((outline,), width=width, height=height, image_to_grid=image_to_grid)


@dataclass(frozen=True, kw_only=True)
class _Grid:
    width: int
    height: int
    forward: Affine
    backward: Affine

    @property
    def smallest_radius(self) -> float:
        """Half a grid pixel, in pixels of the mammogram."""
        return 0.5 / self.forward.scale

    @property
    def step(self) -> Point:
        """One grid column, in the mammogram's frame."""
        return self.backward.a, self.backward.d

    def row_starts(self, rows: Ints) -> tuple[Floats, Floats]:
        """Return where the line through the centres of each row meets the grid's left edge, in the mammogram's
        frame."""
        y = rows.astype(np.float64) + 0.5
        return self.backward.b * y + self.backward.c, self.backward.e * y + self.backward.f

    def rows_between(self, low: Floats, high: Floats) -> tuple[Ints, Ints]:
        """First row and number of rows of the grid whose centres lie in ``[low, high]``."""
        first = np.ceil(np.clip(low, -1, self.height + 1) - 0.5).astype(np.int64)
        last = np.floor(np.clip(high, -1, self.height + 1) - 0.5).astype(np.int64)
        first, last = np.maximum(first, 0), np.minimum(last, self.height - 1)
        return first, np.maximum(last - first + 1, 0)


@dataclass(frozen=True)
class _Spans:
    """Stretches of pixel rows: ``left <= column coordinate <= right``; empty where left > right."""

    rows: Ints
    left: Floats
    right: Floats


def _draw(mask: UInt8, shape: Shape, grid: _Grid, spacing_mm: float | None) -> None:
    value = 0 if shape.erases else 1
    match shape:
        case Polygon(points=points):
            _fill_even_odd(mask, _as_array(points), grid, value)
            return
        case Rectangle(box=box):
            _fill_even_odd(mask, _as_array(box.corners()), grid, value)
            return
        case Ellipse():
            points = (shape.centre,)
            spans = iter((_ellipse_spans(shape, grid),))
        case Line(points=points, width=width):
            widths = np.full(len(points), width.in_pixels(spacing_mm))
            spans = _line_spans(_as_array(points), widths, grid)
        case Stroke(points=points, widths=own, unit=unit):
            widths = np.array(own, np.float64) * Length(value=1.0, unit=unit).in_pixels(spacing_mm)
            spans = _line_spans(_as_array(points), widths, grid)
    if sum([_fill_spans(mask, part, value) for part in spans]) == 0:
        _fill_holders(mask, points, grid, value)


def _as_array(points: tuple[Point, ...]) -> Floats:
    array = np.array(points, np.float64).reshape(-1, 2)
    if not np.isfinite(array).all():
        raise ValueError("a shape needs finite coordinates")
    return array


def _fill_holders(mask: UInt8, points: tuple[Point, ...], grid: _Grid, value: int) -> None:
    for point in points:
        x, y = grid.forward(point)
        if 0 <= x < grid.width and 0 <= y < grid.height:
            mask[int(y), int(x)] = value


def _fill_spans(mask: UInt8, spans: _Spans, value: int) -> int:
    """Mark the pixels whose centres lie in the spans; returns how many spans held any, inside the grid or not."""
    width = mask.shape[1]
    first = np.ceil(np.clip(spans.left, -1, width + 1) - 0.5).astype(np.int64)
    end = np.floor(np.clip(spans.right, -1, width + 1) - 0.5).astype(np.int64) + 1
    first, end = np.clip(first, 0, width), np.clip(end, 0, width)
    held = first < end
    if not held.any():
        return 0
    rows, first, end = spans.rows[held], first[held], end[held]
    top, bottom, left, right = rows.min(), rows.max() + 1, first.min(), end.max()
    shape = (int(bottom - top), int(right - left) + 1)
    size = shape[0] * shape[1]
    base = (rows - top) * shape[1] - left
    change = np.bincount(base + first, minlength=size) - np.bincount(base + end, minlength=size)
    covered = np.cumsum(change.reshape(shape), axis=1)[:, :-1] > 0
    mask[top:bottom, left:right][covered] = value
    return int(held.sum())


def _fill_even_odd(mask: UInt8, corners: Floats, grid: _Grid, value: int) -> None:
    """Fill a polygon (in the mammogram's frame) by counting the edges to the left of each pixel centre."""
    if len(corners) < 3:
        return
    m = grid.forward
    x = m.a * corners[:, 0] + m.b * corners[:, 1] + m.c
    y = m.d * corners[:, 0] + m.e * corners[:, 1] + m.f
    # an edge counts for the centres with y_low <= centre < y_high; horizontal edges never do
    first_row = np.clip(np.ceil(y - 0.5), 0, grid.height).astype(np.int64)
    start, stop = first_row, np.roll(first_row, -1)
    crossed = start != stop
    if not crossed.any():
        return
    x0, y0, x1, y1 = (v[crossed] for v in (x, y, np.roll(x, -1), np.roll(y, -1)))
    low, high = np.minimum(start, stop)[crossed], np.maximum(start, stop)[crossed]
    edge, rows = _expanded(low, high - low)
    crossing = x0[edge] + (rows + 0.5 - y0[edge]) * ((x1 - x0) / (y1 - y0))[edge]
    columns = np.clip(np.ceil(np.clip(crossing, -1, grid.width + 1) - 0.5), 0, grid.width).astype(np.int64)
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max()
    shape = (int(bottom - top), int(right - left) + 1)
    counts = np.bincount((rows - top) * shape[1] + columns - left, minlength=shape[0] * shape[1])
    inside = np.cumsum(counts.reshape(shape), axis=1)[:, :-1] % 2 == 1
    mask[top:bottom, left:right][inside] = value


def _expanded(first: Ints, count: Ints) -> tuple[Ints, Ints]:
    """For items with ``count`` rows from ``first``: the item and the row of every pair, flat."""
    item = np.repeat(np.arange(len(count)), count)
    within = np.arange(len(item)) - np.repeat(np.cumsum(count) - count, count)
    return item, first[item] + within


def _disc_spans(start: tuple[Floats, Floats], step: Point, radius: Floats | float) -> tuple[Floats, Floats]:
    """Return where rows ``start + u * step`` lie in the disc about the origin, as (left, right); (inf, -inf) if
    never."""
    (wx, wy), (dx, dy) = start, step
    squared = dx * dx + dy * dy
    across = wx * dy - wy * dx
    rest = radius * radius - across * across / squared
    half = np.sqrt(np.maximum(rest, 0.0) / squared)
    nearest = -(wx * dx + wy * dy) / squared
    met = rest >= 0
    return np.where(met, nearest - half, np.inf), np.where(met, nearest + half, -np.inf)


def _ellipse_spans(ellipse: Ellipse, grid: _Grid) -> _Spans:
    """The ellipse is the unit disc of its own frame, to which the rows are carried."""
    (cx, cy), rx, ry = ellipse.centre, ellipse.radius_x, ellipse.radius_y
    _as_array((ellipse.centre, (rx, ry)))
    if rx <= 0 or ry <= 0:
        return _Spans(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
    angle = math.radians(ellipse.angle_deg)
    cos, sin = (1.0, 0.0) if ellipse.angle_deg == 0 else (math.cos(angle), math.sin(angle))
    d, e = grid.forward.d, grid.forward.e
    # half the height of the ellipse in the grid
    along, across = rx * (d * cos + e * sin), ry * (e * cos - d * sin)
    reach, middle = math.sqrt(along * along + across * across), grid.forward((cx, cy))[1]
    first, count = grid.rows_between(np.array([middle - reach]), np.array([middle + reach]))
    rows = first[0] + np.arange(count[0])
    ox, oy = grid.row_starts(rows)
    ox, oy, (dx, dy) = ox - cx, oy - cy, grid.step
    start = (ox * cos + oy * sin) / rx, (oy * cos - ox * sin) / ry
    step = (dx * cos + dy * sin) / rx, (dy * cos - dx * sin) / ry
    left, right = _disc_spans(start, step, 1.0)
    return _Spans(rows, left, right)


def _line_spans(points: Floats, widths: Floats, grid: _Grid) -> Iterator[_Spans]:
    """A line as pieces between neighbouring points, each the hull of the discs at its two ends."""
    if len(points) == 0:
        return
    if not (np.isfinite(widths).all() and len(widths) == len(points)):
        raise ValueError("a stroke needs one finite width a point")
    radii = np.maximum(widths / 2, grid.smallest_radius)
    if len(points) == 1:
        points, radii = np.repeat(points, 2, axis=0), np.repeat(radii, 2)
    m = grid.forward
    y = m.d * points[:, 0] + m.e * points[:, 1] + m.f
    reach = radii * math.sqrt(m.d * m.d + m.e * m.e)
    low, high = y - reach, y + reach
    first, count = grid.rows_between(np.minimum(low[:-1], low[1:]), np.maximum(high[:-1], high[1:]))
    block = np.cumsum(count) // _PAIRS_AT_ONCE
    for number in np.unique(block):
        chosen = np.flatnonzero((block == number) & (count > 0))
        if len(chosen):
            piece, rows = _expanded(first[chosen], count[chosen])
            yield _piece_spans(points, radii, chosen[piece], rows, grid)


def _piece_spans(points: Floats, radii: Floats, piece: Ints, rows: Ints, grid: _Grid) -> _Spans:
    ox, oy = grid.row_starts(rows)
    spans = []
    for end in (piece, piece + 1):
        centre = points[end]
        spans.append(_disc_spans((ox - centre[:, 0], oy - centre[:, 1]), grid.step, radii[end]))
    spans.append(_between_spans(_tangent_corners(points, radii, grid), piece, rows.astype(np.float64) + 0.5))
    left = np.minimum(np.minimum(spans[0][0], spans[1][0]), spans[2][0])
    right = np.maximum(np.maximum(spans[0][1], spans[1][1]), spans[2][1])
    return _Spans(rows, left, right)


def _tangent_corners(points: Floats, radii: Floats, grid: _Grid) -> Floats:
    """Per piece the four points where the common tangents touch its discs, in the grid: (pieces, 4, 2).

    NaN where one disc holds the other. With the unit vector ``e`` along the piece, ``n`` across it and
    ``s = (r0 - r1) / length``, they are ``c + r (s e +- sqrt(1 - s^2) n)``.
    """
    delta, change = np.diff(points, axis=0), -np.diff(radii)
    length = np.sqrt(delta[:, 0] * delta[:, 0] + delta[:, 1] * delta[:, 1])
    hull = length > np.abs(change)
    safe = np.where(hull, length, 1.0)
    ex, ey = delta[:, 0] / safe, delta[:, 1] / safe
    s = np.where(hull, change / safe, np.nan)
    c = np.sqrt(1.0 - s * s)
    corners = []
    for at, side in ((0, 1), (1, 1), (1, -1), (0, -1)):
        centre, radius = points[at : len(points) - 1 + at], radii[at : len(points) - 1 + at]
        x = centre[:, 0] + radius * (s * ex - side * c * ey)
        y = centre[:, 1] + radius * (s * ey + side * c * ex)
        m = grid.forward
        corners.append(np.stack([m.a * x + m.b * y + m.c, m.d * x + m.e * y + m.f], axis=1))
    return np.stack(corners, axis=1)


def _between_spans(corners: Floats, piece: Ints, y: Floats) -> tuple[Floats, Floats]:
    """Return where rows at height ``y`` cross the convex quadrilaterals of their pieces; (inf, -inf) if never."""
    left, right = np.full(len(y), np.inf), np.full(len(y), -np.inf)
    for k in range(4):
        (x0, y0), (x1, y1) = corners[:, k].T, corners[:, (k + 1) % 4].T
        rise = y1 - y0
        slope = (x1 - x0) / np.where(rise == 0, np.nan, rise)
        x = x0[piece] + (y - y0[piece]) * slope[piece]
        met = (np.minimum(y0, y1)[piece] <= y) & (y <= np.maximum(y0, y1)[piece]) & ~np.isnan(x)
        left = np.where(met, np.minimum(left, x), left)
        right = np.where(met, np.maximum(right, x), right)
    return left, right
