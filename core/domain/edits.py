"""Edits of shapes as pure functions: each takes a value and returns another one. Lengths are pixels of the
mammogram unless otherwise stated.

*Vertices* are the points that a user can drag: the points of a line, stroke or polygon, the corners of a box, and
the ends of an ellipse's axes. These ends are right, bottom, left, top before the ellipse is turned.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.domain.geometry import Box, Point, box_around
from core.domain.shapes import Ellipse, Length, Line, Origin, Polygon, Rectangle, Role, Shape, Stroke, bounds

Shapes = tuple[Shape, ...]
_ELLIPSE_PIECES = 72
"""Number of sides of the polygon that replaces the edge of an ellipse: within 0.1% of its radius."""
S = TypeVar("S", bound=Shape)


def _replace(shape: S, **changes: object) -> S:
    """The shape with some fields changed; one that was proposed is an edited one then."""
    changed = msgspec.structs.replace(shape, **changes)
    if shape.origin is not Origin.PROPOSED or changed == shape:
        return changed
    return msgspec.structs.replace(changed, origin=Origin.EDITED)


def moved(shape: Shape, dx: float, dy: float) -> Shape:
    match shape:
        case Ellipse(centre=(x, y)):
            return _replace(shape, centre=(x + dx, y + dy))
        case Rectangle(box=b):
            return _replace(shape, box=Box(x0=b.x0 + dx, y0=b.y0 + dy, x1=b.x1 + dx, y1=b.y1 + dy))
        case Line() | Stroke() | Polygon():
            return _replace(shape, points=tuple((x + dx, y + dy) for x, y in shape.points))


def with_role(shape: Shape, role: Role) -> Shape:
    return _replace(shape, role=role)


def with_width(shape: Shape, width: Length, spacing_mm: float | None = None) -> Shape:
    """A line of this width; a stroke whose widest dab has it, its other dabs in proportion; others as they are.

    ValueError where mm meet an image without a spacing (for strokes in another unit only).
    """
    if isinstance(shape, Line):
        return _replace(shape, width=width)
    if isinstance(shape, Stroke):
        value = width.value
        if width.unit != shape.unit:
            if spacing_mm is None:
                raise ValueError("a width in another unit than the stroke's needs an image with a pixel spacing")
            pixels = width.in_pixels(spacing_mm)
            value = pixels if shape.unit == "px" else pixels * spacing_mm
        widest = max(shape.widths)
        return _replace(shape, widths=tuple(w * value / widest if widest > 0 else value for w in shape.widths))
    return shape


def vertices(shape: Shape) -> tuple[Point, ...]:
    match shape:
        case Rectangle(box=box):
            return box.corners()
        case Ellipse(centre=(x, y), radius_x=rx, radius_y=ry, angle_deg=angle):
            cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            right, down = (rx * cos, rx * sin), (-ry * sin, ry * cos)
            return (
                (x + right[0], y + right[1]),
                (x + down[0], y + down[1]),
                (x - right[0], y - right[1]),
                (x - down[0], y - down[1]),
            )
        case Line() | Stroke() | Polygon():
            return shape.points


def with_vertex(shape: Shape, index: int, to: Point, *, keep_round: bool = True) -> Shape:
    """The shape with one vertex moved. A box keeps its opposite corner; ``keep_round`` is for circles."""
    match shape:
        case Rectangle(box=box):
            return _replace(shape, box=box_around((to, box.corners()[(index + 2) % 4])))
        case Ellipse(centre=centre, radius_x=rx, radius_y=ry):
            radius = max(math.dist(centre, to), 0.5)
            if keep_round and rx == ry:
                return _replace(shape, radius_x=radius, radius_y=radius)
            return _replace(shape, radius_x=radius) if index % 2 == 0 else _replace(shape, radius_y=radius)
        case Line() | Stroke() | Polygon():
            return _replace(shape, points=(*shape.points[:index], to, *shape.points[index + 1 :]))


def with_vertex_added(shape: Shape, at: Point) -> Shape:
    """A vertex at ``at`` between the two ends of the nearest piece; boxes and ellipses stay as they are."""
    if isinstance(shape, Ellipse | Rectangle) or len(shape.points) < 2:
        return shape
    place = nearest_piece(shape.points, at, closed=isinstance(shape, Polygon)) + 1
    points = (*shape.points[:place], at, *shape.points[place:])
    if isinstance(shape, Stroke):
        width = (shape.widths[place - 1] + shape.widths[place]) / 2
        return _replace(shape, points=points, widths=(*shape.widths[:place], width, *shape.widths[place:]))
    return _replace(shape, points=points)


def without_vertex(shape: Shape, index: int) -> Shape | None:
    """Without this vertex; None where too few would be left (two of a line, three of a polygon)."""
    if isinstance(shape, Ellipse | Rectangle):
        return shape
    points = (*shape.points[:index], *shape.points[index + 1 :])
    if len(points) < (3 if isinstance(shape, Polygon) else 2):
        return None
    if isinstance(shape, Stroke):
        return _replace(shape, points=points, widths=(*shape.widths[:index], *shape.widths[index + 1 :]))
    return _replace(shape, points=points)


def kept_by_simplifying(points: Sequence[Point], tolerance: float) -> NDArray[np.int64]:
    """Which points stay so that none that goes is further than ``tolerance`` from the simpler line
    (Douglas and Peucker, 1973). The first and last always stay."""
    array = np.asarray(points, np.float64).reshape(-1, 2)
    keep = np.zeros(len(array), np.bool_)
    keep[[0, -1]] = True
    stretches = [(0, len(array) - 1)]
    while stretches:
        first, last = stretches.pop()
        if last - first < 2:
            continue
        away = _distances(array[first + 1 : last], array[first], array[last])
        furthest = int(np.argmax(away))
        if away[furthest] > tolerance:
            middle = first + 1 + furthest
            keep[middle] = True
            stretches += [(first, middle), (middle, last)]
    return np.flatnonzero(keep)


def simplified(shape: Shape, tolerance: float) -> Shape:
    """Fewer points, none of the old ones further than ``tolerance`` from the new line. Boxes and ellipses stay."""
    if isinstance(shape, Ellipse | Rectangle) or len(shape.points) < 3:
        return shape
    if isinstance(shape, Polygon):
        # the ring is cut at its two points furthest apart from the first, so that neither half degenerates
        ring = shape.points
        far = max(range(len(ring)), key=lambda i: math.dist(ring[0], ring[i]))
        halves = (ring[: far + 1], (*ring[far:], ring[0]))
        first, second = ([half[i] for i in kept_by_simplifying(half, tolerance)] for half in halves)
        points = (*first, *second[1:-1])
        return shape if len(points) < 3 else _replace(shape, points=points)
    kept = [int(i) for i in kept_by_simplifying(shape.points, tolerance)]
    points = tuple(shape.points[i] for i in kept)
    if isinstance(shape, Stroke):
        return _replace(shape, points=points, widths=tuple(shape.widths[i] for i in kept))
    return _replace(shape, points=points)


def smoothed(shape: Shape, rounds: int = 2) -> Shape:
    """Every point moved to (1, 2, 1)/4 of itself and its neighbours, ``rounds`` times; the ends of a line stay.
    Boxes and ellipses stay as they are."""
    if isinstance(shape, Ellipse | Rectangle) or len(shape.points) < 3:
        return shape
    array = np.asarray(shape.points, np.float64)
    for _ in range(rounds):
        smooth = (np.roll(array, 1, axis=0) + 2 * array + np.roll(array, -1, axis=0)) / 4
        if not isinstance(shape, Polygon):
            smooth[[0, -1]] = array[[0, -1]]
        array = smooth
    return _replace(shape, points=tuple((float(x), float(y)) for x, y in array))


def hits(shape: Shape, at: Point, *, tolerance: float = 0.0, spacing_mm: float | None = None) -> bool:
    """Return True if a click at ``at`` selects this shape: within it, or within ``tolerance`` of it."""
    if not bounds(shape, spacing_mm).grown(tolerance).contains(at):
        return False
    match shape:
        case Rectangle():
            return True
        case Ellipse(centre=(cx, cy), radius_x=rx, radius_y=ry, angle_deg=angle):
            cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            x, y = at[0] - cx, at[1] - cy
            u, v = (x * cos + y * sin) / (rx + tolerance), (y * cos - x * sin) / (ry + tolerance)
            return u * u + v * v <= 1
        case Polygon(points=points):
            return _encloses(points, at) or _line_distance((*points, points[0]), at) <= tolerance
        case Line(points=points, width=width):
            return _line_distance(points, at) <= width.in_pixels(spacing_mm) / 2 + tolerance
        case Stroke(points=points, widths=widths, unit=unit):
            radius = Length(value=max(widths), unit=unit).in_pixels(spacing_mm) / 2
            return _line_distance(points, at) <= radius + tolerance


def on_edge(shape: Ellipse | Rectangle | Polygon, at: Point, *, tolerance: float) -> bool:
    """Return True if a point lies within ``tolerance`` of the edge of an area, inside or outside."""
    if isinstance(shape, Ellipse):
        (cx, cy), rx, ry = shape.centre, shape.radius_x, shape.radius_y
        cos, sin = math.cos(math.radians(shape.angle_deg)), math.sin(math.radians(shape.angle_deg))
        turns = (2 * math.pi * i / _ELLIPSE_PIECES for i in range(_ELLIPSE_PIECES))
        ring = [(rx * math.cos(t), ry * math.sin(t)) for t in turns]
        points = tuple((cx + u * cos - v * sin, cy + u * sin + v * cos) for u, v in ring)
    else:
        points = vertices(shape)
    return _line_distance((*points, points[0]), at) <= tolerance


def shape_at(shapes: Shapes, at: Point, *, tolerance: float = 0.0, spacing_mm: float | None = None) -> int | None:
    """The index of the topmost shape under the point, or None; marking shapes come before erasing ones."""
    found = [i for i, shape in enumerate(shapes) if hits(shape, at, tolerance=tolerance, spacing_mm=spacing_mm)]
    marking = [i for i in found if not shapes[i].erases]
    below = marking or found
    return below[-1] if below else None


def vertex_at(shape: Shape, at: Point, *, tolerance: float) -> int | None:
    """The index of the nearest vertex within ``tolerance``, or None."""
    away = [math.dist(vertex, at) for vertex in vertices(shape)]
    nearest = min(range(len(away)), key=away.__getitem__)
    return nearest if away[nearest] <= tolerance else None


def nearest_piece(points: Sequence[Point], at: Point, *, closed: bool) -> int:
    """The index of the point at which the piece nearest to ``at`` begins; at least two points."""
    array = np.asarray(points, np.float64)
    starts = array if closed else array[:-1]
    ends = np.roll(array, -1, axis=0) if closed else array[1:]
    return int(np.argmin(_piece_distances(starts, ends, at)))


def replaced(shapes: Shapes, chosen: frozenset[int], change: Callable[[Shape], Shape]) -> Shapes:
    """The shapes with the chosen ones changed."""
    return tuple(change(shape) if i in chosen else shape for i, shape in enumerate(shapes))


def without(shapes: Shapes, chosen: frozenset[int]) -> Shapes:
    return tuple(shape for i, shape in enumerate(shapes) if i not in chosen)


def duplicated(shapes: Shapes, chosen: frozenset[int], *, offset: float) -> Shapes:
    """The shapes with copies of the chosen ones at the end, ``offset`` to the right and down."""
    return (*shapes, *(moved(shapes[i], offset, offset) for i in sorted(chosen)))


def replay(revisions: Sequence[Shapes]) -> tuple[tuple[Shapes, ...], int]:
    """The states that undo and redo lead through, and which one is current, from all revisions ever committed.

    Undo and redo were committed as revisions too: one that equals the state before is an undo, one that equals
    the state after a redo, and anything else an edit, which forgets what could be redone. The first state is
    the empty annotation.
    """
    states: list[Shapes] = [()]
    current = 0
    for shapes in revisions:
        if shapes == states[current]:
            continue
        if current and shapes == states[current - 1]:
            current -= 1
        elif current + 1 < len(states) and shapes == states[current + 1]:
            current += 1
        else:
            del states[current + 1 :]
            states.append(shapes)
            current += 1
    return tuple(states), current


def _distances(
    points: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the distance of each point from the segment between ``start`` and ``end``."""
    along = end - start
    squared = float(along @ along)
    if squared == 0:
        return _lengths(points - start)
    share = np.clip((points - start) @ along / squared, 0, 1)
    return _lengths(points - start - share[:, None] * along)


def _piece_distances(starts: NDArray[np.float64], ends: NDArray[np.float64], at: Point) -> NDArray[np.float64]:
    along = ends - starts
    squared = np.maximum((along * along).sum(axis=1), 1e-12)
    offset = np.asarray(at) - starts
    share = np.clip((offset * along).sum(axis=1) / squared, 0, 1)
    return _lengths(offset - share[:, None] * along)


def _lengths(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths: NDArray[np.float64] = np.hypot(vectors[:, 0], vectors[:, 1])
    return lengths


def _line_distance(points: Sequence[Point], at: Point) -> float:
    if len(points) == 1:
        return math.dist(points[0], at)
    array = np.asarray(points, np.float64)
    return float(_piece_distances(array[:-1], array[1:], at).min())


def _encloses(points: Sequence[Point], at: Point) -> bool:
    """By the even-odd rule."""
    x, y = at
    inside = False
    for (x0, y0), (x1, y1) in zip(points, (*points[1:], points[0]), strict=True):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            inside = not inside
    return inside
