"""Polar frame of a lesion: a centre and, on each ray, the radius of its outline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.domain.edits import vertices
from core.domain.geometry import Box, Point
from core.domain.shapes import Ellipse, Polygon, Rectangle, bounds
from core.domain.study import LesionOutline

Floats = NDArray[np.float64]
RAYS = 128
ANGLES: Floats = np.arange(RAYS, dtype=np.float64) * (2 * np.pi / RAYS)
_DIRECTIONS: Floats = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class PolarFrame:
    """Places around a lesion as an angle and a share of the outline's radius there.

    ``centre`` and ``radius`` ((RAYS,), at ``ANGLES``) are in pixels of the mammogram, x right, y down.
    """

    centre: Point
    radius: Floats

    @property
    def mean_radius(self) -> float:
        """Return the radius of the circle of about the same area, px."""
        return float(np.sqrt(np.mean(self.radius**2)))

    def points(self, shares: Floats) -> Floats:
        """(..., 2) places of these shares of the radius; ``shares``: (RAYS,)."""
        away = (shares * self.radius)[:, None] * _DIRECTIONS
        return np.asarray(self.centre) + away

    def ellipse(self, shares: Floats) -> PolarFrame:
        """The frame of the ellipse that has the middle and the second moments of the area within these shares."""
        r = shares * self.radius
        area = float(np.sum(r**2) / 2)
        x, y = (float(np.sum(r**3 * _DIRECTIONS[:, axis]) / 3 / area) for axis in (0, 1))
        moments = np.einsum("i,ij,ik->jk", r**4 / 4, _DIRECTIONS, _DIRECTIONS) / area - np.outer((x, y), (x, y))
        # of a filled ellipse, the second moment along an axis is a quarter of its squared radius
        values = np.einsum("ij,jk,ik->i", _DIRECTIONS, np.linalg.inv(4 * moments), _DIRECTIONS)
        return PolarFrame(centre=(self.centre[0] + x, self.centre[1] + y), radius=1 / np.sqrt(values))

    def locate(self, at: Point) -> tuple[float, float]:
        """Return the ray (a number with parts, in [0, RAYS)) and the share of the radius of a place."""
        dx, dy = at[0] - self.centre[0], at[1] - self.centre[1]
        ray = (math.atan2(dy, dx) % (2 * math.pi)) * RAYS / (2 * math.pi) % RAYS
        low = int(ray) % RAYS
        part = ray - int(ray)
        radius = self.radius[low] * (1 - part) + self.radius[(low + 1) % RAYS] * part
        return ray, math.hypot(dx, dy) / float(radius)


def frame_of(outline: LesionOutline) -> PolarFrame:
    """The frame of an outline; of a box, that of the ellipse within it. ValueError if it has no area."""
    box = bounds(outline)
    if min(box.width, box.height) < 1:
        raise ValueError("an outline needs a width and a height of at least one pixel")
    match outline:
        case Rectangle():
            return _ellipse_frame(box)
        case Polygon(points=points):
            return _ring_frame(np.asarray(points, np.float64))
        case Ellipse():
            if outline.angle_deg == 0:
                return _ellipse_frame(box)
            return _ring_frame(_turned_ellipse(outline))


def _ellipse_frame(box: Box) -> PolarFrame:
    rx, ry = box.width / 2, box.height / 2
    return PolarFrame(centre=box.centre, radius=rx * ry / np.hypot(ry * np.cos(ANGLES), rx * np.sin(ANGLES)))


def _turned_ellipse(ellipse: Ellipse) -> Floats:
    right, down = (np.subtract(vertices(ellipse)[i], ellipse.centre) for i in (0, 1))
    ring = np.asarray(ellipse.centre) + np.cos(ANGLES)[:, None] * right + np.sin(ANGLES)[:, None] * down
    return np.asarray(ring, np.float64)


def _ring_frame(ring: Floats) -> PolarFrame:
    """About the middle of the area; a ray that meets the ring several times ends at the last one."""
    centre = _middle(ring)
    start, end = ring - centre, np.roll(ring, -1, axis=0) - centre
    edge = end - start
    # the ray's direction u meets start + s * edge where cross(u, start + s * edge) = 0
    across_start = _DIRECTIONS[:, :1] * start[:, 1] - _DIRECTIONS[:, 1:] * start[:, 0]
    across_edge = _DIRECTIONS[:, :1] * edge[:, 1] - _DIRECTIONS[:, 1:] * edge[:, 0]
    usable = np.abs(across_edge) > 1e-12
    s = np.where(usable, -across_start / np.where(usable, across_edge, 1.0), -1.0)
    along = _DIRECTIONS @ start.T + s * (_DIRECTIONS @ edge.T)
    met = (s >= 0) & (s <= 1) & (along > 0)
    radius = np.where(met, along, 0.0).max(axis=1)
    floor = 0.05 * float(np.sqrt(np.mean(radius**2)))
    return PolarFrame(centre=(float(centre[0]), float(centre[1])), radius=np.maximum(radius, max(floor, 0.5)))


def _middle(ring: Floats) -> Floats:
    x, y = ring.T
    cross = x * np.roll(y, -1) - np.roll(x, -1) * y
    area = cross.sum() / 2
    if abs(area) < 1e-9:
        return np.asarray(ring.mean(axis=0))
    centre = [((x + np.roll(x, -1)) * cross).sum(), ((y + np.roll(y, -1)) * cross).sum()]
    return np.asarray(centre, np.float64) / float(6 * area)


def ring_of(outline: LesionOutline) -> Floats:
    """(RAYS, 2) places of the outline; of a box, those of the ellipse within it."""
    return frame_of(outline).points(np.ones(RAYS))


def as_points(ring: Floats | Sequence[Sequence[float]]) -> tuple[Point, ...]:
    """The places as points, rounded to 0.01 px."""
    return tuple((round(float(x), 2), round(float(y), 2)) for x, y in ring)
