"""Results that depend on margin scores alone, given by the model or assumed by a reader."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


class Scored:
    """Something with margin logits and, where the model predicts it, a malignancy logit."""

    logits: NDArray[np.float64]
    malignancy_logit: float | None

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """(K,) softmax of the logits."""
        raised: NDArray[np.float64] = np.exp(self.logits - self.logits.max())
        share: NDArray[np.float64] = raised / raised.sum()
        return share

    @property
    def predicted(self) -> int:
        """The class of the largest logit, also where there is no precedent: callers look at ``precedent``."""
        return int(self.logits.argmax())

    @property
    def malignancy_probability(self) -> float | None:
        logit = self.malignancy_logit
        return None if logit is None else 0.5 * (1 + math.tanh(logit / 2))
