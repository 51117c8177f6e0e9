"""How much a ROI looks like anything the model knows (method.md, "No precedent")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PRECEDENT_PERCENTILE = 5.0
"""Percentile of the validation ROIs' largest own evidence; a ROI below it has no precedent."""


def largest_own_evidence(
    scores: NDArray[np.floating], logits: NDArray[np.floating], prototype_class: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return (n,) largest similarity ``s_j`` of each ROI to any prototype of the class that is predicted for
    it.

    ``scores`` (n, m), ``logits`` (n, K), ``prototype_class`` (m,). Prototypes of other classes only argue
    against: a ROI that looks like nothing can have a large logit through them, and no evidence of its own.
    """
    own = prototype_class[None, :] == logits.argmax(axis=1)[:, None]
    largest: NDArray[np.float64] = np.where(own, scores, -np.inf).max(axis=1).astype(np.float64)
    return largest


def precedent_threshold(
    scores: NDArray[np.floating], logits: NDArray[np.floating], prototype_class: NDArray[np.int64]
) -> float | None:
    """Return 5th percentile, over validation ROIs (n, m) and (n, K), of the largest own evidence; None without
    any."""
    if len(scores) == 0:
        return None
    return float(np.percentile(largest_own_evidence(scores, logits, prototype_class), PRECEDENT_PERCENTILE))
