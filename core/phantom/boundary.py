"""Closed boundaries in polar form: the shape of a mass, and which part of its margin shows the sign."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.domain.geometry import Point
from core.domain.vocabulary import MassShape
from core.phantom.noise import Float

STEPS = 720
"""Table entries per turn."""
ANGLES: NDArray[np.float64] = np.arange(STEPS, dtype=np.float64) * (2 * np.pi / STEPS)


def at(table: NDArray[np.floating], angle: Float) -> Float:
    """The periodic table at these angles (radians, any turn), by linear interpolation."""
    position = np.mod(angle * np.float32(STEPS / (2 * np.pi)), np.float32(STEPS))
    low = position.astype(np.int32)
    part = position - low
    values = table.astype(np.float32)
    result: Float = values[low % STEPS] * (1 - part) + values[(low + 1) % STEPS] * part
    return result


@dataclass(frozen=True, kw_only=True, eq=False)
class Boundary:
    """``radius[i]`` (px) at ``ANGLES[i]`` about ``centre`` (px of the image, x right, y down)."""

    centre: Point
    radius: NDArray[np.float64]

    @property
    def mean_radius(self) -> float:
        """Return the radius of the circle of the same area, px."""
        return float(np.sqrt(np.mean(self.radius**2)))

    def point(self, angle: float, share: float = 1.0) -> Point:
        """The point on the boundary at an angle, moved from the centre by ``share``."""
        r = share * float(self.radius[round(angle * STEPS / (2 * np.pi)) % STEPS])
        return self.centre[0] + r * float(np.cos(angle)), self.centre[1] + r * float(np.sin(angle))

    def polygon(self, share: float = 1.0, vertices: int = 72) -> tuple[Point, ...]:
        angles = ANGLES[:: STEPS // vertices]
        return tuple(self.point(float(angle), share) for angle in angles)

    def signed_distance(self, dx: Float, dy: Float) -> Float:
        """Distance to the boundary, negative inside, exact to first order; offsets from the centre, px."""
        rho, angle = np.hypot(dx, dy), np.arctan2(dy, dx)
        slope = np.gradient(np.concatenate([self.radius[-1:], self.radius, self.radius[:1]]))[1:-1]
        tilt = np.sqrt(1 + (slope * STEPS / (2 * np.pi) / self.radius) ** 2)
        result: Float = (rho - at(self.radius, angle)) / at(tilt, angle)
        return result


def draw_boundary(rng: np.random.Generator, shape: MassShape, *, centre: Point, radius: float) -> Boundary:
    """A boundary of this BI-RADS shape whose area is that of a circle of ``radius`` (px).

    Irregular means a few broad bulges (harmonics 2 to 5): never anything as fine as a spicule.
    """
    aspect = {
        MassShape.OVAL: rng.uniform(1.25, 1.55),
        MassShape.ROUND: rng.uniform(1.0, 1.1),
        MassShape.IRREGULAR: rng.uniform(1.05, 1.35),
    }[shape]
    bulge = {MassShape.OVAL: 0.012, MassShape.ROUND: 0.012, MassShape.IRREGULAR: 0.085}[shape]
    a, b = np.sqrt(aspect), 1 / np.sqrt(aspect)
    turned = ANGLES - rng.uniform(0, 2 * np.pi)
    table = a * b / np.sqrt((b * np.cos(turned)) ** 2 + (a * np.sin(turned)) ** 2)
    for order in (2, 3, 4, 5):
        size = bulge * rng.uniform(0.6, 1.3) * (3 / (order + 1))
        table = table * (1 + size * np.cos(order * ANGLES + rng.uniform(0, 2 * np.pi)))
    return Boundary(centre=centre, radius=table * (radius / np.sqrt(np.mean(table**2))))


def draw_sign(rng: np.random.Generator, share: float) -> NDArray[np.float64]:
    """(STEPS,) 1 where the margin shows its sign, 0 where it does not, with soft ends; mean about ``share``.

    One to three stretches of the boundary: the level set of a random periodic function of low order.
    """
    wave = np.zeros(STEPS)
    for order in (1, 2, 3):
        wave += rng.normal() / order**0.5 * np.cos(order * ANGLES + rng.uniform(0, 2 * np.pi))
    level = np.quantile(wave, 1 - share)
    steepness = np.abs(np.gradient(wave)).max() * STEPS / (2 * np.pi)
    soft: NDArray[np.float64] = 1 / (1 + np.exp(-(wave - level) / (0.12 * steepness)))
    return soft
