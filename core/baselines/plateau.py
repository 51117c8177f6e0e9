"""When a classifier has converged: its rates fall on plateaus of validation, and it ends on the last of them."""

from __future__ import annotations

import msgspec

from core.baselines.config import RATE_STEP, RATE_STEPS, ClassifierConfig
from core.data.roi_set import RoiSet


class Plateau(msgspec.Struct, frozen=True, kw_only=True):
    """State of the schedule after some epochs."""

    best: float | None = None
    """Smallest validation cross-entropy so far."""
    waited: int = 0
    """Epochs since then, or since the rates were divided."""
    steps: int = 0
    """Number of times that the rates were divided."""

    @property
    def factor(self) -> float:
        """Factor of the learning rates."""
        return float(RATE_STEP ** -min(self.steps, RATE_STEPS))

    @property
    def over(self) -> bool:
        """True once validation has stopped improving at the smallest rates."""
        return self.steps > RATE_STEPS

    def after(self, cross_entropy: float | None, *, patience: int) -> Plateau:
        """Return the state after an epoch with this validation cross-entropy."""
        if cross_entropy is not None and (self.best is None or cross_entropy < self.best):
            return msgspec.structs.replace(self, best=cross_entropy, waited=0)
        if self.waited + 1 < patience:
            return msgspec.structs.replace(self, waited=self.waited + 1)
        return msgspec.structs.replace(self, waited=0, steps=self.steps + 1)


def waits(config: ClassifierConfig, validation: RoiSet) -> bool:
    """Return True if validation ends the training: there is some, it selects the epoch, and a patience is set."""
    return config.patience > 0 and config.base.select_on_validation and len(validation) > 0
