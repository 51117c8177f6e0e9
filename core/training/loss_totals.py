"""The losses of an epoch, added up on the device that computes them."""

from __future__ import annotations

import torch
from torch import Tensor


class LossTotals:
    """Sums without reading: nothing waits for the device before ``first_bad`` or ``means``."""

    def __init__(self, batches: int, device: torch.device) -> None:
        self._batches = batches
        self._names: tuple[str, ...] = ()
        self._sums: Tensor | None = None
        self._first_bad = torch.full((), batches, dtype=torch.float32, device=device)
        self.stopped = torch.zeros((), dtype=torch.float32, device=device)
        """1 from the first batch on whose loss or gradient was not finite: the name and kind that torch's fused
        optimisers take to leave a step out (``found_inf``)."""

    def note(self, index: int, names: tuple[str, ...], values: Tensor, *, finite: Tensor) -> None:
        """Add the parts of one batch's loss, (len(names),), and whether they and the gradient are finite, ()."""
        bad = (~finite).to(torch.float32)
        # not ``where`` of two numbers, which are copied to the device and waited for
        first = self._batches - bad * float(self._batches - index)
        self._first_bad = torch.minimum(self._first_bad, first)
        self.stopped = torch.maximum(self.stopped, bad)
        added = values.double()
        self._sums = added if self._sums is None else self._sums + added
        self._names = names

    def first_bad(self) -> int | None:
        """Return the first batch that was not finite. Waits for the device."""
        index = int(self._first_bad.item())
        return None if index == self._batches else index

    def means(self) -> dict[str, float]:
        """Return the mean of each part over the batches, and their sum as ``loss``. Waits for the device."""
        sums = [] if self._sums is None else self._sums.tolist()
        found = {name: value / self._batches for name, value in zip(self._names, sums, strict=True)}
        return {**found, "loss": sum(found.values())}
