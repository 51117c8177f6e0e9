"""Reported form of a statistic: a value with its interval, its method and what could not be computed."""

from __future__ import annotations

import msgspec


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A value with its confidence interval. Undefined is None with a reason, never 0 or 1."""

    value: float | None
    low: float | None = None
    high: float | None = None
    """Limits of the interval; None if there is none, and ``reason`` then gives the cause."""
    level: float = 0.95
    method: str = ""
    """Method of the interval, with its source: "DeLong, clustered by patient (Obuchowski 1997)"."""
    n: int = 0
    """Images (or findings, pairs) behind the value."""
    clusters: int | None = None
    """Patients behind the value; None where the interval takes every image for independent."""
    undefined: int = 0
    """Number left out because they have no value: resamples of a bootstrap, images without a mask, classes."""
    reason: str = ""

    def text(self, digits: int = 3) -> str:
        """ "0.951 (0.905-0.976)"; a missing value or interval is named, with its reason."""
        because = f": {self.reason}" if self.reason else ""
        if self.value is None:
            return f"undefined{because}"
        shown = f"{self.value:.{digits}f}"
        if self.low is None or self.high is None:
            return f"{shown} (no interval{because})"
        dash = " to " if self.low < 0 else "-"
        return f"{shown} ({self.low:.{digits}f}{dash}{self.high:.{digits}f})"

    def __str__(self) -> str:
        return self.text()


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A paired comparison, first minus second, on the same images."""

    difference: Estimate
    p_value: float | None
    """Two-sided p-value; None if the test is undefined, and ``difference.reason`` then gives the cause."""
    statistic: float | None = None

    def text(self, digits: int = 3) -> str:
        shown = "p undefined" if self.p_value is None else p_text(self.p_value)
        return f"{self.difference.text(digits)}, {shown}"


def p_text(p: float) -> str:
    """ "p = 0.031" or "p < 0.001"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def without_value(reason: str, *, method: str = "", n: int = 0, undefined: int = 1) -> Estimate:
    """An estimate that could not be computed."""
    return Estimate(value=None, method=method, n=n, undefined=undefined, reason=reason)
