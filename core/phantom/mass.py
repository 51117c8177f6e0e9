"""The mass: the same body for every class, and a margin that is sharp, fading or spiculated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.domain.vocabulary import MarginType
from core.phantom.boundary import ANGLES, STEPS, Boundary, at, draw_sign
from core.phantom.config import Difficulty
from core.phantom.noise import Float, band_field

OUTLINE_SHARE = 1.1
"""A reader's outline runs a little outside the boundary."""
_REACH = 2.4
"""Half the side of the drawn square over the mean radius of the mass, times its elongation."""


@dataclass(frozen=True, kw_only=True)
class Spicule:
    """One radiating line. Angles in radians, the rest in shares of the mean radius or of the mass's brightness."""

    angle: float
    tilt: float
    bend: float
    length: float
    width: float
    strength: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Margin:
    """The appearance of the margin, around the boundary (tables of ``STEPS`` entries)."""

    kind: MarginType
    sign: NDArray[np.float64]
    width: NDArray[np.float64]
    """Half-width of the edge in shares of the mean radius."""
    spicules: tuple[Spicule, ...]

    @property
    def salience(self) -> NDArray[np.float64]:
        """Return the diagnostic value of each place of the boundary to a reader; (STEPS,)."""
        if not self.spicules:
            return self.sign
        table = np.zeros(STEPS)
        for s in self.spicules:
            away = np.angle(np.exp(1j * (ANGLES - s.angle)))
            table += s.strength * s.length * np.exp(-((away / 0.22) ** 2))
        return table


@dataclass(frozen=True, kw_only=True, eq=False)
class Patch:
    """A square of the image, its upper left pixel and its pixels' offsets from the centre of the mass (px)."""

    row: int
    column: int
    dx: Float
    dy: Float

    @property
    def slices(self) -> tuple[slice, slice]:
        h, w = self.dy.shape[0], self.dx.shape[1]
        return slice(self.row, self.row + h), slice(self.column, self.column + w)


def patch_around(boundary: Boundary, shape: tuple[int, int], reach: float = _REACH) -> Patch:
    """The square that holds the mass and its spicules, cut at the image's edges (``shape`` = H, W)."""
    half = reach * float(boundary.radius.max())
    (x, y), (height, width) = boundary.centre, shape
    c0, c1 = max(0, int(x - half)), min(width, int(np.ceil(x + half)))
    r0, r1 = max(0, int(y - half)), min(height, int(np.ceil(y + half)))
    dx = (np.arange(c0, c1, dtype=np.float32) + np.float32(0.5 - x))[None, :]
    dy = (np.arange(r0, r1, dtype=np.float32) + np.float32(0.5 - y))[:, None]
    return Patch(row=r0, column=c0, dx=dx, dy=dy)


def _draw_spicules(rng: np.random.Generator, sign: NDArray[np.float64], d: Difficulty) -> tuple[Spicule, ...]:
    count = int(rng.integers(d.spicule_count[0], d.spicule_count[1] + 1))
    level = rng.uniform(*d.spicule_strength)
    spicules = []
    shortest, longest = d.spicule_length
    for _ in range(count):
        angle = float(rng.uniform(0, 2 * np.pi))
        if rng.random() > sign[round(angle * STEPS / (2 * np.pi)) % STEPS]:
            continue
        spicules.append(
            Spicule(
                angle=angle,
                tilt=float(rng.normal(0, 0.2)),
                bend=float(rng.normal(0, 0.2)),
                length=float(shortest + (longest - shortest) * rng.random() ** 1.5),
                width=float(rng.uniform(0.028, 0.056)),
                strength=float(level * rng.uniform(0.5, 1.4)),
            )
        )
    return tuple(spicules)


def draw_margin(rng: np.random.Generator, kind: MarginType, share: float, difficulty: Difficulty) -> Margin:
    """One appearance of a margin of this kind that shows its sign on ``share`` of the boundary."""
    sign = draw_sign(rng, share)
    rest = np.log(rng.uniform(*difficulty.rest_width))
    own = {
        MarginType.CIRCUMSCRIBED: np.log(rng.uniform(*difficulty.sharp_width)),
        MarginType.INDISTINCT: np.log(rng.uniform(*difficulty.fade_width)),
        MarginType.SPICULATED: rest,
    }[kind]
    spicules = _draw_spicules(rng, sign, difficulty) if kind is MarginType.SPICULATED else ()
    return Margin(kind=kind, sign=sign, width=np.exp(rest + (own - rest) * sign), spicules=spicules)


def _spicule(s: Spicule, boundary: Boundary, patch: Patch) -> tuple[tuple[slice, slice], Float]:
    """One spicule and the part of the patch that it can touch."""
    r = boundary.mean_radius
    root_x, root_y = (p - c for p, c in zip(boundary.point(s.angle, 0.8), boundary.centre, strict=True))
    direction = s.angle + s.tilt
    cos, sin = np.float32(np.cos(direction)), np.float32(np.sin(direction))
    inside = 0.2 * float(boundary.radius[round(s.angle * STEPS / (2 * np.pi)) % STEPS])
    total = inside + s.length * r
    pad = 0.3 * total + 4
    ends_x = sorted((root_x, root_x + float(cos) * total))
    ends_y = sorted((root_y, root_y + float(sin) * total))
    c0, c1 = np.searchsorted(patch.dx[0], (ends_x[0] - pad, ends_x[1] + pad))
    r0, r1 = np.searchsorted(patch.dy[:, 0], (ends_y[0] - pad, ends_y[1] + pad))
    dx, dy = patch.dx[:, c0:c1] - np.float32(root_x), patch.dy[r0:r1] - np.float32(root_y)
    along = (dx * cos + dy * sin) / np.float32(total)
    across = dy * cos - dx * sin - np.float32(s.bend * total) * along * along
    # a root that spreads into the mass, a tip that thins out
    taper = np.clip(1 - along, 0, 1)
    width = np.float32(s.width * r) * (0.5 + 0.5 * taper + 3.0 * np.clip(0.5 - along, 0, 1) ** 2)
    fade = np.clip(along * 5 + 0.4, 0, 1) * taper**0.7
    line = np.float32(s.strength) * fade * np.exp(-((across / width) ** 2))
    return (slice(r0, r1), slice(c0, c1)), line.astype(np.float32)


def render_mass(rng: np.random.Generator, margin: Margin, boundary: Boundary, patch: Patch) -> Float:
    """Brightness of the mass over the patch: about 1 in its middle, 0 in the tissue around it."""
    r = boundary.mean_radius
    distance = boundary.signed_distance(patch.dx, patch.dy) / np.float32(r)
    angle = np.arctan2(patch.dy, patch.dx)
    width = at(margin.width, angle)
    # edges run unevenly through the tissue: the wider, the more unevenly
    waves = band_field(rng, distance.shape, scale_px=0.7 * r, stretch=1.0)
    # an edge that fades does so towards the inside of where a reader draws it
    shifted = (
        distance + np.float32(0.15) * width * waves + np.float32(0.6) * np.maximum(width - np.float32(0.08), 0)
    )
    edge = 0.5 - 0.5 * np.tanh(shifted / width)
    depth = np.clip(-distance, 0, 1)
    mass = edge * (np.float32(0.8) + np.float32(0.2) * np.sqrt(depth * (2 - depth)))
    lines = np.zeros_like(mass)
    for spicule in margin.spicules:
        where, line = _spicule(spicule, boundary, patch)
        lines[where] = np.maximum(lines[where], line) + np.float32(0.3) * np.minimum(lines[where], line)
    mass = mass + lines * (1 - np.float32(0.8) * edge)
    if margin.kind is MarginType.CIRCUMSCRIBED:
        # the thin dark rim that compressed fat makes around a well-defined edge
        rim = np.exp(-(((distance - 2.0 * width) / (1.6 * width)) ** 2)) * at(margin.sign, angle)
        mass = mass - np.float32(0.07) * rim
    result: Float = mass.astype(np.float32, copy=False)
    return result


def contrast_of(mass: Float, boundary: Boundary, patch: Patch) -> float:
    """Mean inside the outline less three quarters of that in the ring around it up to 1.4 times its radius.

    Scaled by this, masses of all margins are alike both in mean grey and in contrast: a fading edge reaches into
    the ring, so that only one of the two could be made equal.
    """
    rho = np.hypot(patch.dx, patch.dy) / at(boundary.radius * OUTLINE_SHARE, np.arctan2(patch.dy, patch.dx))
    inside, ring = rho <= 1, (rho > 1) & (rho <= 1.4)
    return float(mass[inside].mean() - 0.75 * mass[ring].mean())
