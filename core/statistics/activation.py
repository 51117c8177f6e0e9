"""Share of a model's attention that lies inside a mask, map by map.

Masks here are 1 where relevant (the reader marked it), the opposite of the paper's ``m``; R = 1 - m. Maps are at
the size of the mask (upsampled as in method.md), NaN-free, higher for more activation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.statistics.grouping import Bool, Float

TOP_SHARE = 0.05
"""Share of a map's pixels that count as its most activated ones (eq. 1)."""


def top_count(pixels: int, share: float = TOP_SHARE) -> int:
    """n of the n most activated pixels, at least one."""
    return max(1, round(share * pixels))


def top_membership(maps: ArrayLike, share: float = TOP_SHARE) -> NDArray[np.float32]:
    """(n, H, W) share to which each pixel belongs to the top of its map (n, H, W); sums to exactly n.

    1 above the n-th largest value t, 0 below, and (n - |A > t|) / |A = t| at t: ties share what is left.
    """
    a = np.asarray(maps)
    flat = a.reshape(len(a), -1)
    n = top_count(flat.shape[1], share)
    cut = np.partition(flat, -n, axis=1)[:, -n, None]
    above, tied = flat > cut, flat == cut
    left = (n - above.sum(axis=1, keepdims=True)) / tied.sum(axis=1, keepdims=True)
    membership: NDArray[np.float32] = (above + left.astype(np.float32) * tied).astype(np.float32)
    return membership.reshape(a.shape)


def activation_precision(maps: ArrayLike, relevant: ArrayLike, share: float = TOP_SHARE) -> Float:
    """(n,) share of the top of each map (n, H, W) that lies inside its mask; NaN where the mask is empty.

    method.md, "Metrics": AP = (sum over A > t of R + (n - |A > t|) / |A = t| sum over A = t of R) / n, with t the
    n-th largest value and n = round(0.05 H W). ``relevant``: (n, H, W) or (H, W), 1 inside, soft masks allowed.
    A constant map scores the area of the mask; a strictly increasing function of the map changes nothing.
    """
    a, r = _pair(maps, relevant)
    out = np.full(len(a), np.nan)
    size = a.shape[1] * a.shape[2]
    n = top_count(size, share)
    # map by map: the temporaries of all maps at once would not fit in the cache
    for i in range(len(a)):
        one, mask = a[i].ravel(), r[i].ravel()
        if np.isnan(one.max()):
            raise ValueError("a map holds NaN")
        if mask.any():
            out[i] = precision_of_top(one, mask, cut=np.partition(one, size - n)[size - n], count=n)
    return out


def precision_of_top(
    one: NDArray[np.floating], mask: NDArray[np.generic], *, cut: np.floating | float, count: int
) -> float:
    """Eq. 1 of one map and its mask, of the same shape, where the ``count``-th largest value is known."""
    above = one > cut
    left = count - np.count_nonzero(above)
    inside = mask[above].sum(dtype=np.float64) + left * mask[one == cut].mean(dtype=np.float64)
    return float(inside / count)


def lowest_of_top(one: NDArray[np.floating], share: float = TOP_SHARE) -> np.floating:
    """The ``top_count``-th largest value of a map."""
    place = one.size - top_count(one.size, share)
    lowest: np.floating = np.partition(one, place, axis=None)[place]
    return lowest


def chance(relevant: ArrayLike) -> Float:
    """(n,) expected precision of a map that knows nothing: |R| / (H W); NaN where the mask is empty."""
    r = _as_mask(relevant).astype(np.float64)
    return np.where(_has_mask(r), r.mean(axis=(-2, -1)), np.nan)


def attainable(relevant: ArrayLike, share: float = TOP_SHARE) -> Float:
    """(n,) best possible precision of the mask: its n largest values over n, min(1, |R| / n) for a hard mask."""
    given = _as_mask(relevant)
    n = top_count(given.shape[-2] * given.shape[-1], share)
    if given.dtype.kind in "bui" and given.max(initial=0) <= 1:
        # nothing to sort in a mask that says yes or no
        marked = np.count_nonzero(given, axis=(-2, -1))
        return np.where(marked > 0, np.minimum(marked, n) / n, np.nan)
    r = given.astype(np.float64)
    flat = r.reshape(*r.shape[:-2], -1)
    best = np.partition(flat, -n, axis=-1)[..., -n:].sum(axis=-1) / n
    return np.where(_has_mask(r), best, np.nan)


def centre_blob(height: int, width: int) -> Float:
    """Return a map (H, W) of the centre alone: 1 at the centre, falling with the distance to it.

    Activation precision depends on the order of the values alone, so that the blob's profile does not matter.
    """
    y = np.arange(height) + 0.5 - height / 2
    x = np.arange(width) + 0.5 - width / 2
    distance = np.hypot(y[:, None], x[None, :])
    blob: Float = 1 - distance / distance.max()
    return blob


def energy_inside(maps: ArrayLike, relevant: ArrayLike) -> Float:
    """(n,) share of the sum of each map that lies inside its mask; NaN where mask or map is 0 everywhere.

    The energy-based pointing game (Wang et al., CVPR Workshops 2020). ValueError for negative maps.
    """
    a, r = _pair(maps, relevant)
    out = np.full(len(a), np.nan)
    for i, one in enumerate(a):
        if not one.min() >= 0:
            raise ValueError("energy is defined for maps without negative values and NaN")
        total = one.sum(dtype=np.float64)
        if total > 0 and r[i].any():
            out[i] = np.vdot(one.astype(np.float64), r[i]) / total
    return out


def fires_inside(maps: ArrayLike, relevant: ArrayLike, share: float = TOP_SHARE) -> Float:
    """(n,) 1 where some of the map's top pixels lie inside the mask, else 0; NaN where the mask is empty."""
    precision = activation_precision(maps, relevant, share)
    return np.where(np.isnan(precision), np.nan, precision > 0)


def _has_mask(relevant: NDArray[np.generic]) -> Bool:
    found: Bool = np.asarray((relevant != 0).any(axis=(-2, -1)))
    return found


def _as_mask(relevant: ArrayLike) -> NDArray[np.generic]:
    """The mask as it is; ValueError where a value lies outside [0, 1]: 0 and 255 would give shares of 255."""
    mask = np.asarray(relevant)
    if mask.dtype != np.bool_ and mask.size and not (mask.min() >= 0 and mask.max() <= 1):
        raise ValueError("a mask has values from 0 to 1: divide one of 0 and 255 by 255")
    return mask


def _pair(maps: ArrayLike, relevant: ArrayLike) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    """Both as (n, H, W), one mask repeated without a copy; ValueError where the sizes differ."""
    a, r = np.asarray(maps), _as_mask(relevant)
    if a.ndim != 3 or r.shape not in (a.shape, a.shape[1:]):
        raise ValueError(f"maps {a.shape} do not match masks {r.shape}")
    return a, np.broadcast_to(r, a.shape)
