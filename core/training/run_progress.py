"""How far a run is, in batches, and how long the rest takes."""

from __future__ import annotations

import time
from collections.abc import Sequence

from core.training.stages import GRADIENT_STAGES, StageStep

_EVERY_S = 0.2


class Clock:
    """Counts a batch as one unit and any other step as one; speaks at most five times a second."""

    def __init__(self, steps: Sequence[StageStep], position: int, batches: int) -> None:
        sizes = [batches if step.stage in GRADIENT_STAGES else 1 for step in steps]
        self.before = [sum(sizes[:index]) for index in range(len(sizes) + 1)]
        self.first = self.before[position]
        self.began = time.monotonic()
        self.spoke = float("-inf")
        self.step_began = self.began
        self.speed: float | None = None

    def tick(self, position: int, batch: int) -> tuple[int, int, float | None] | None:
        """Return (units done, units in all, seconds left where known), or None where it is too early to speak
        again.

        The start of a step is always told.
        """
        now = time.monotonic()
        if batch > 0 and now - self.spoke < _EVERY_S:
            return None
        self.spoke = now
        if batch == 0:
            self.step_began = now
        done, total = self.before[position] + batch, self.before[-1]
        worked = done - self.first
        eta = (now - self.began) / worked * (total - done) if worked > 0 else None
        return done, total, eta

    def rate(self, batch: int) -> float | None:
        """Return batches a second since the step began; before its first, those of the last step that had any."""
        if batch:
            self.speed = batch / max(time.monotonic() - self.step_began, 1e-9)
        return self.speed
