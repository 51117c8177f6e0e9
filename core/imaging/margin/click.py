"""Proposes the outline of a mass from one place in it.

Circles of several sizes about the place are tried. The ring with the steepest fall of brightness, compared with
the brightness's own variation around it, is kept and searched once more from its own middle.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.domain.geometry import Point
from core.domain.shapes import Ellipse, Origin, Polygon
from core.domain.study import LesionOutline
from core.imaging.margin.frame import RAYS, Floats, as_points, frame_of
from core.imaging.margin.proposal import DEFAULT, ProposalSettings, propose_margin, sampled

RADII_MM = (2.5, 3.6, 5.2, 7.5, 10.8, 15.5)
"""Sizes that are tried; without a pixel spacing a millimetre counts as 10 px."""
_PX_PER_MM = 10.0
OUTSIDE = 1.05
"""A reader's outline runs a little outside the margin."""
_WIDE = msgspec.structs.replace(DEFAULT, prior=DEFAULT.prior / 2)


def propose_outline(
    pixels: NDArray[Any], at: Point, *, spacing_mm: float | None, inverted: bool = False
) -> Polygon | None:
    """Return the outline of the mass around ``at`` (px); None if no size fits into the image.

    ``pixels``: (H, W) stored values; ``inverted``: low values are bright (MONOCHROME1).
    """
    rows, columns = pixels.shape
    px_per_mm = _PX_PER_MM if spacing_mm is None else 1 / spacing_mm
    best: tuple[float, LesionOutline] | None = None
    for size in RADII_MM:
        radius = size * px_per_mm
        if not 3 <= radius <= min(rows, columns) / 2:
            continue
        circle: LesionOutline = Ellipse(centre=at, radius_x=radius, radius_y=radius)
        ring = _ring(pixels, circle, _WIDE, inverted=inverted)
        fall = _fall(pixels, ring, inverted=inverted)
        if best is None or fall > best[0]:
            best = fall, ring
    if best is None:
        return None
    again = _ring(pixels, best[1], DEFAULT, inverted=inverted)
    frame = frame_of(again)
    return Polygon(points=as_points(frame.points(np.full(RAYS, OUTSIDE))), origin=Origin.PROPOSED)


def _ring(pixels: NDArray[Any], outline: LesionOutline, settings: ProposalSettings, *, inverted: bool) -> Polygon:
    return Polygon(points=as_points(propose_margin(pixels, outline, inverted=inverted, settings=settings)))


def _fall(pixels: NDArray[Any], ring: LesionOutline, *, inverted: bool) -> float:
    """Mean brightness inside the ring less that around it, over the spread of both along the ring."""
    polar: Floats = sampled(pixels, frame_of(ring), np.array([0.6, 0.7, 0.8, 1.2, 1.3, 1.4]))
    inside, outside = polar[:, :3].mean(axis=1), polar[:, 3:].mean(axis=1)
    fall = (outside - inside) if inverted else (inside - outside)
    return float(fall.mean() / (fall.std() + 0.25 * polar.std() + 1e-9))
