"""Proposes the margin line of a mass from its outline or box.

The surroundings of the outline are sampled in polar form, smoothed, and the closed path with the steepest fall of
brightness is found (``closed_path``). Where the fall is wide the line moves outwards: a reader draws the end of a
fading margin, not its steepest place. All places are continuous pixel coordinates of the mammogram; the scales
are shares of the outline's radius, so that the result does not depend on the pixel spacing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from core.domain.geometry import Point
from core.domain.study import LesionOutline
from core.imaging.margin.closed_path import between_cells, closed_path
from core.imaging.margin.frame import RAYS, PolarFrame, frame_of
from core.imaging.opencv import cv2

Floats = NDArray[np.float64]
_STEP = 0.02
"""Distance of the samples on a ray, as a share of the outline's radius."""
_WIDEST = 0.5
"""Largest width of a fall that is reckoned with."""
_BEND = 6.0
"""Rays over which an anchor bends the line (standard deviation)."""


class ProposalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of the proposal; lengths are shares of the outline's radius. Chosen on training data alone
    (``tests.benchmarks.bench_margin``)."""

    inner: float = 0.4
    outer: float = 1.5
    """Range of the radius in which the margin is looked for."""
    scale: float = 0.1
    """Standard deviation of the smoothing along a ray."""
    along: float = 2.0
    """Standard deviation of the smoothing along the margin, in rays of 128."""
    prior: float = 0.04
    """Cost of lying 0.1 away from the outline; it grows with the square."""
    place: float = 1.0
    """Expected radius."""
    stiffness: float = 0.3
    strongest: float = 4.0
    """Multiple of the root mean square that a fall of brightness counts for at most: a marker must not attract
    the line from afar."""
    outwards: float = 0.4
    """Shift outwards for each unit by which the fall is wider than ``sharp``."""
    sharp: float = 0.05
    beside: float = 0.0
    """Shift of the whole line outwards, in pixels of the mammogram: a reader's habit
    (``core.tasks.studies.learned_margin``)."""
    rounds: int = 2
    """Searches, each in the ellipse of what the one before found."""
    smooth: float = 2.0
    """Standard deviation of the final smoothing, in rays."""


DEFAULT = ProposalSettings()


def propose_margin(
    pixels: NDArray[Any],
    outline: LesionOutline,
    *,
    inverted: bool = False,
    anchors: Sequence[Point] = (),
    settings: ProposalSettings = DEFAULT,
) -> Floats:
    """(128, 2) places of the proposed margin, a closed line.

    ``pixels``: (H, W) stored values of the mammogram; ``inverted``: low values are bright (MONOCHROME1).
    ``anchors``: places that the reader set; the line passes through them. ValueError if the outline has no area.
    """
    frame = frame_of(outline)
    unshifted = msgspec.structs.replace(settings, beside=0.0)
    for _ in range(settings.rounds - 1):
        # the outline's box may be off: what was found lies in the middle of its own ellipse; without the anchors,
        # so that far from them the line stays where it is
        frame = frame.ellipse(_shares(pixels, frame, inverted=inverted, anchors=(), settings=unshifted))
    return frame.points(_shares(pixels, frame, inverted=inverted, anchors=anchors, settings=settings))


def _shares(
    pixels: NDArray[Any],
    frame: PolarFrame,
    *,
    inverted: bool,
    anchors: Sequence[Point],
    settings: ProposalSettings,
) -> Floats:
    """The margin as a share of the frame's radius on each ray."""
    cost, brightness = _cost(pixels, frame, inverted=inverted, settings=settings)
    held = [frame.locate(at) for at in anchors]
    path = between_cells(cost, closed_path(_through(cost, held, settings), settings.stiffness))
    shares = gaussian_filter1d(settings.inner + path * _STEP, settings.smooth, mode="wrap")
    if settings.outwards:
        width = _fall_width(brightness, shares, settings)
        shares = shares + settings.outwards * np.maximum(width - settings.sharp, 0)
    if settings.beside:
        shares = np.maximum(shares + settings.beside / frame.radius, 0.02)
    return _bent(shares, held)


def radii_of(settings: ProposalSettings) -> Floats:
    """Return the sampled shares of the radius."""
    return np.arange(settings.inner, settings.outer + _STEP / 2, _STEP)


def _cost(
    pixels: NDArray[Any], frame: PolarFrame, *, inverted: bool, settings: ProposalSettings
) -> tuple[Floats, Floats]:
    """Cost and smoothed brightness of every sample, (RAYS, radii)."""
    radii = radii_of(settings)
    polar = sampled(pixels, frame, radii)
    polar = gaussian_filter1d(-polar if inverted else polar, settings.along, axis=0, mode="wrap")
    fall = -gaussian_filter1d(polar, settings.scale / _STEP, axis=1, order=1, mode="nearest")
    usual = float(np.sqrt(np.mean(np.maximum(fall, 0) ** 2))) + 1e-9
    away = ((radii - settings.place) / 0.1) ** 2
    steep = np.maximum(fall / usual, -0.5)
    # bounded, but so that the steepest place stays the steepest
    bounded = np.where(steep > 0, steep * settings.strongest / (np.abs(steep) + settings.strongest), steep)
    return -bounded + settings.prior * away, polar


def sampled(pixels: NDArray[Any], frame: PolarFrame, radii: Floats) -> Floats:
    """Brightness at these shares of every ray's radius, averaged over about one sample's distance."""
    reach = float(radii[-1] * frame.radius.max()) + 8
    (x, y), (rows, columns) = frame.centre, pixels.shape
    left, top = (int(np.clip(v - reach, 0, size - 1)) for v, size in ((x, columns), (y, rows)))
    right, bottom = (int(np.clip(v + reach, 1, size)) for v, size in ((x, columns), (y, rows)))
    crop = np.ascontiguousarray(pixels[top : max(bottom, top + 1), left : max(right, left + 1)], np.float32)
    blur = 0.5 * _STEP * frame.mean_radius
    if blur > 0.4:
        crop = np.asarray(cv2.GaussianBlur(crop, (0, 0), blur), np.float32)
    # pixel centres lie at half numbers
    places = np.stack([frame.points(np.full(RAYS, share)) for share in radii], axis=1) - 0.5
    map_x, map_y = (np.ascontiguousarray(v, np.float32) for v in (places[..., 0] - left, places[..., 1] - top))
    return np.asarray(cv2.remap(crop, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float64)


def _through(cost: Floats, held: Sequence[tuple[float, float]], settings: ProposalSettings) -> Floats:
    """The costs, infinite on the rays of the anchors except near them."""
    if not held:
        return cost
    cost = cost.copy()
    for ray, share in held:
        row = round(ray) % RAYS
        place = int(np.clip(round((share - settings.inner) / _STEP), 0, cost.shape[1] - 1))
        kept = cost[row, place]
        cost[row] = np.inf
        cost[row, place] = kept
    return cost


def _bent(shares: Floats, held: Sequence[tuple[float, float]]) -> Floats:
    """The line bent so that it passes through the anchors exactly, however far from its search range."""
    if not held:
        return shares
    rays, wanted = (np.array(values, np.float64) for values in zip(*held, strict=True))
    here = np.interp(rays, np.arange(RAYS + 1), np.append(shares, shares[0]))
    away = np.abs(rays[:, None] - rays[None, :])
    pull = np.exp(-0.5 * (np.minimum(away, RAYS - away) / _BEND) ** 2)
    weights = np.linalg.lstsq(pull, wanted - here, rcond=None)[0]
    from_ray = np.abs(np.arange(RAYS)[:, None] - rays[None, :])
    reach = np.exp(-0.5 * (np.minimum(from_ray, RAYS - from_ray) / _BEND) ** 2)
    return np.asarray(np.maximum(shares + reach @ weights, 0.02), np.float64)


def _fall_width(brightness: Floats, shares: Floats, settings: ProposalSettings) -> Floats:
    """Half the width of the fall of brightness across the line on each ray: its height over twice its slope."""
    offsets = np.arange(-0.3, 0.301, _STEP)
    at = np.clip((shares[:, None] + offsets - settings.inner) / _STEP, 0, brightness.shape[1] - 1.001)
    low = at.astype(np.int64)
    rows = np.arange(RAYS)[:, None]
    profile = brightness[rows, low] * (1 - (at - low)) + brightness[rows, low + 1] * (at - low)
    profile = gaussian_filter1d(profile, RAYS / 16, axis=0, mode="wrap")
    slope = np.maximum(-np.gradient(profile, _STEP, axis=1), 0).max(axis=1)
    height = profile.max(axis=1) - profile.min(axis=1)
    return np.asarray(np.clip(height / np.maximum(2 * slope, 1e-9), 0, _WIDEST))
