"""The fine annotation of a synthetic mass, drawn as the paper's annotator does (paper, Fig. 2b)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.domain.shapes import Length, Line, Role, Shape, circle
from core.domain.vocabulary import MarginType
from core.phantom.boundary import STEPS, Boundary
from core.phantom.mass import Margin

_APART = np.deg2rad(55.0)
"""Least angle between two circles."""


def _telling_places(rng: np.random.Generator, salience: NDArray[np.float64], count: int) -> list[float]:
    """Up to ``count`` angles of greatest salience (with a reader's whim), well apart."""
    angles = np.arange(STEPS) * (2 * np.pi / STEPS)
    wish = salience / salience.max() + 0.15 * np.cos(3 * angles + rng.uniform(0, 2 * np.pi))
    chosen: list[float] = []
    for i in np.argsort(-wish):
        angle = float(angles[i])
        if all(abs(np.angle(np.exp(1j * (angle - other)))) >= _APART for other in chosen):
            chosen.append(angle)
        if len(chosen) == count:
            break
    return sorted(chosen)


def _line(rng: np.random.Generator, boundary: Boundary, start: float, end: float, width: Length) -> Line:
    """A freehand line along the boundary between two angles; the hand strays by about 2% of the radius."""
    count = max(3, round((end - start) / np.deg2rad(9.0)))
    stray = 1 + np.convolve(rng.normal(0, 0.025, count + 2), np.full(3, 1 / 3), mode="valid")
    points = [
        boundary.point(float(a), float(s)) for a, s in zip(np.linspace(start, end, count), stray, strict=True)
    ]
    return Line(points=tuple((round(x, 1), round(y, 1)) for x, y in points), width=width)


def fine_annotation(
    rng: np.random.Generator, margin: Margin, boundary: Boundary, spacing_mm: float
) -> tuple[Shape, ...]:
    """Two to four circles on the most telling places of the margin and lines along the rest of it."""
    r = boundary.mean_radius
    radius = r * rng.uniform(0.26, 0.34)
    outwards = 1.12 if margin.kind is MarginType.SPICULATED else 1.0
    places = _telling_places(rng, margin.salience, int(rng.integers(2, 5)))
    circles: list[Shape] = []
    for angle in places:
        x, y = boundary.point(angle, outwards)
        circles.append(circle((round(x, 1), round(y, 1)), round(radius, 1), role=Role.PROMINENT))
    width = Length(value=round(float(np.clip(0.28 * r * spacing_mm, 1.2, 3.2)), 1), unit="mm")
    half = radius / r
    lines: list[Shape] = []
    for here, following in zip(places, [*places[1:], places[0] + 2 * np.pi], strict=True):
        if following - here > 2 * half + 0.2:
            lines.append(_line(rng, boundary, here + half, following - half, width))
    return (*circles, *lines)
