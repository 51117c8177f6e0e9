"""The cheapest closed path through a polar picture, by dynamic programming over its rays.

Method: the minimum-cost closed contour of Sun and Pallottino (2003), here exact: the path is computed for every
radius at which it could begin, and must come back to it. Timp and Karssemeijer (2004) use such paths for masses.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_REACH = 3
"""Number of radial steps that the path may take from one ray to the next."""


def closed_path(cost: NDArray[np.floating], stiffness: float) -> NDArray[np.int64]:
    """Return the radius index on each ray of the closed path with the smallest sum of costs.

    ``cost``: (rays, radii), infinite where the path may not pass. A change by ``k`` radii between neighbouring
    rays costs ``stiffness * k**2``; it is at most 3. ValueError if no closed path has a finite cost.
    """
    rays, radii = cost.shape
    # the ray with the fewest possible radii begins, so that an anchored path is computed once
    first = int(np.argmin(np.isfinite(cost).sum(axis=1)))
    turned = np.roll(np.asarray(cost, np.float32), -first, axis=0)
    starts = np.flatnonzero(np.isfinite(turned[0]))
    if len(starts) == 0:
        raise ValueError("no closed path has a finite cost")
    total = np.full((radii, len(starts)), np.inf, np.float32)
    total[starts, np.arange(len(starts))] = turned[0, starts]
    came: list[NDArray[np.int8]] = []
    for ray in range(1, rays + 1):
        total, step = _one_ray(total, stiffness)
        if ray < rays:
            total += turned[ray][:, None]
        came.append(step)
    ends = total[starts, np.arange(len(starts))]
    best = int(np.argmin(ends))
    if not np.isfinite(ends[best]):
        raise ValueError("no closed path has a finite cost")
    place = int(starts[best])
    path = np.empty(rays, np.int64)
    for ray in range(rays - 1, -1, -1):
        place -= int(came[ray][place, best])
        path[ray] = place
    return np.roll(path, first)


def _one_ray(total: NDArray[np.float32], stiffness: float) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Return the costs on the next ray, without its own, and the step that led to each; both (radii, starts)."""
    best, step = total.copy(), np.zeros(total.shape, np.int8)
    for k in range(1, _REACH + 1):
        price = np.float32(stiffness * k * k)
        for sign in (1, -1):
            target = (slice(k, None), slice(None, -k))[::sign][0]
            source = (slice(None, -k), slice(k, None))[::sign][0]
            other = total[source] + price
            better = other < best[target]
            np.copyto(best[target], other, where=better)
            step[target][better] = sign * k
    return best, step


def between_cells(cost: NDArray[np.floating], path: NDArray[np.int64]) -> Floats:
    """Return the path with parts of a radius: the lowest point of the parabola through three costs of each ray."""
    rays = np.arange(len(path))
    k = np.clip(path, 1, cost.shape[1] - 2)
    low, middle, high = (np.asarray(cost[rays, k + d], np.float64) for d in (-1, 0, 1))
    bend = low - 2 * middle + high
    usable = np.isfinite(bend) & (bend > 1e-9)
    part = np.where(usable, 0.5 * (low - high) / np.where(usable, bend, 1.0), 0.0)
    return np.where(k == path, path + np.clip(part, -0.5, 0.5), path)
