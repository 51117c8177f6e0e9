"""Calibration of predicted probabilities: reliability diagram, slope and intercept, Brier score.

Cox, Biometrika 45 (1958) 562: logit P(y) = a + b logit(p); b = 1 and a = 0 where the predictions are right, b < 1
where they are overconfident. Calibration in the large is a with b held at 1 (Van Calster et al., J. Clin.
Epidemiol. 74 (2016) 167). Brier, Mon. Weather Rev. 78 (1950) 1.

Simulated, the 95% bootstrap interval of the slope covers about 92% at 78 images of 39 patients and 95% at 300.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from core.statistics.bootstrap import Resamples, interval, mean_estimate
from core.statistics.estimate import Estimate
from core.statistics.grouping import Bool, Clusters, Float, yes_or_no
from core.statistics.proportion import proportion

_STEPS = 40
_CLOSE = 1e-9
_LONGEST = 2.0
"""Newton steps are cut to this. Where they do not end, the slope grows without limit: separable, undefined."""
_SMALLEST = 1e-12
"""Probabilities of exactly 0 and 1 have no logit; they are moved this far inside."""


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    predicted: float
    """Mean predicted probability of the bin's images."""
    observed: Estimate
    """Share of positives among them."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    slope: Estimate
    intercept: Estimate
    """Intercept of the line with that slope."""
    in_the_large: Estimate
    """Intercept with the slope held at 1."""
    brier: Estimate


def calibration(
    positive: ArrayLike, probability: ArrayLike, resamples: Resamples, *, level: float = 0.95
) -> Calibration:
    """Slope, intercepts and Brier score of ``probability`` (n,) against ``positive`` (n,).

    Slope and intercept are undefined, with the reason, where one class is missing or the logits separate the
    classes (the slope then grows without limit).
    """
    y, p = _checked(positive, probability)
    line, large = calibration_draws(y, p, resamples)
    whole = np.ones((1, len(y)))
    at = fit_line(y, p, whole)[0]
    level_only = fit_line(y, p, whole, slope=1.0)[0]

    def estimate(value: float, draws: Float) -> Estimate:
        found = interval(value, draws, resamples, level=level)
        if found.value is not None:
            return found
        reason = "one class only, or predictions that separate the classes"
        return Estimate(value=None, level=level, method=found.method, n=len(y), undefined=1, reason=reason)

    return Calibration(
        slope=estimate(float(at[1]), line[:, 1]),
        intercept=estimate(float(at[0]), line[:, 0]),
        in_the_large=estimate(float(level_only[0]), large),
        brier=mean_estimate((p - y) ** 2, resamples, level=level),
    )


def recalibrated(positive: ArrayLike, probability: ArrayLike) -> Float:
    """(n,) the probabilities with one intercept added to their logits: their mean is the share of positives.

    Recalibration in the large (Van Calster et al. 2016): the slope stays 1 and no ranking changes. NaN where one
    class is missing.
    """
    y, p = _checked(positive, probability)
    offset = fit_line(y, p, np.ones((1, len(y))), slope=1.0)[0, 0]
    shifted: Float = expit(logit(np.clip(p, _SMALLEST, 1 - _SMALLEST)) + offset)
    return shifted


def calibration_draws(positive: ArrayLike, probability: ArrayLike, resamples: Resamples) -> tuple[Float, Float]:
    """(B, 2) intercept and slope, and (B,) calibration in the large, on every resample; NaN where undefined."""
    y, p = _checked(positive, probability)
    line, large = np.empty((resamples.draws, 2)), np.empty(resamples.draws)
    whole = np.ones((1, len(y)))
    start, start_large = fit_line(y, p, whole)[0], fit_line(y, p, whole, slope=1.0)[0]
    for rows, weights in resamples.chunks():
        line[rows] = fit_line(y, p, weights, start=start)
        large[rows] = fit_line(y, p, weights, slope=1.0, start=start_large)[:, 0]
    return line, large


def fit_line(
    positive: Bool,
    probability: Float,
    weights: Float,
    *,
    slope: float | None = None,
    start: Float | None = None,
) -> Float:
    """(b, 2) intercept and slope by Newton's method, for each row of ``weights`` (b, n); NaN where undefined.

    With ``slope`` it is held there and only the intercept is fitted.
    """
    x = logit(np.clip(probability, _SMALLEST, 1 - _SMALLEST))
    y = positive.astype(np.float64)
    # in units of the spread of the logits, and from 0: Newton's method overshoots from a steep start
    centre, scale = (0.0, 1.0) if slope is not None else (float(x.mean()), float(x.std()) or 1.0)
    x = (x - centre) / scale
    at = np.tile([0.0, slope or 0.0], (len(weights), 1))
    if start is not None and np.isfinite(start).all():
        at[:] = start[0] + start[1] * centre, start[1] * scale
    alive = (weights @ y > 0) & (weights @ (1 - y) > 0)
    moved = np.full(len(weights), np.inf)
    for _ in range(_STEPS):
        if not (going := np.flatnonzero(alive & (moved > _CLOSE))).size:
            break
        step = _newton_step(at[going], x, y, weights[going], slope is None)
        moved[going] = np.abs(step).max(axis=1)
        alive[going] &= np.isfinite(moved[going])
        at[going] += np.clip(step, -_LONGEST, _LONGEST)
    fitted = np.stack([at[:, 0] - at[:, 1] * centre / scale, at[:, 1] / scale], axis=1)
    return np.where((alive & (moved <= _CLOSE))[:, None], fitted, np.nan)


def _newton_step(at: Float, x: Float, y: Float, weights: Float, with_slope: bool) -> Float:
    mu = expit(at[:, :1] + at[:, 1:] * x)
    residual, curve = weights * (y - mu), weights * mu * (1 - mu)
    g0, h00 = residual.sum(axis=1), curve.sum(axis=1)
    step = np.zeros_like(at)
    if not with_slope:
        step[:, 0] = np.divide(g0, h00, out=np.full(len(at), np.inf), where=h00 > 0)
        return step
    g1, h01, h11 = residual @ x, curve @ x, curve @ x**2
    det = h00 * h11 - h01**2
    # flat: a constant prediction, or separable data on their way to infinity
    flat = det <= 1e-14 * h00 * h11
    safe = np.where(flat, 1, det)
    step[:, 0] = np.where(flat, np.inf, (h11 * g0 - h01 * g1) / safe)
    step[:, 1] = np.where(flat, np.inf, (h00 * g1 - h01 * g0) / safe)
    return step


def reliability(
    positive: ArrayLike,
    probability: ArrayLike,
    clusters: Clusters | None = None,
    *,
    bins: int = 10,
    strategy: Literal["uniform", "quantile"] = "quantile",
) -> tuple[ReliabilityBin, ...]:
    """The reliability diagram: non-empty bins of equal width or of about equally many images, from low to high."""
    y, p = _checked(positive, probability)
    ids = None if clusters is None else np.asarray(clusters)
    share = np.linspace(0, 1, bins + 1)
    edges = share if strategy == "uniform" else np.quantile(p, share)
    which = np.searchsorted(edges[1:-1], p)
    return tuple(
        ReliabilityBin(
            predicted=float(p[which == b].mean()),
            observed=proportion(y[which == b], None if ids is None else ids[which == b]),
        )
        for b in np.unique(which)
    )


def _checked(positive: ArrayLike, probability: ArrayLike) -> tuple[Bool, Float]:
    y, p = yes_or_no(positive), np.asarray(probability, dtype=np.float64)
    if y.shape != p.shape or y.ndim != 1 or not y.size:
        raise ValueError(f"labels {y.shape} do not match probabilities {p.shape}")
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("probabilities lie in [0, 1]")
    return y, p
