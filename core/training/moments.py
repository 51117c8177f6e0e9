"""Moments of an optimiser: read back from a state file, and in the memory layout of their weights."""

from __future__ import annotations

from typing import Any

import torch


def load_moments(optimiser: torch.optim.Optimizer, moments: dict[str, torch.Tensor]) -> None:
    """Put moments back, named "number of the weight.name of the moment" as ``moments_of`` names them."""
    described: dict[str, Any] = optimiser.state_dict()
    for name, value in moments.items():
        index, key = name.split(".", 1)
        described["state"].setdefault(int(index), {})[key] = value
    optimiser.load_state_dict(described)


def moments_of(optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """The moments by name, for a state file."""
    found = optimiser.state_dict()["state"]
    return {f"{index}.{name}": value for index, moments in found.items() for name, value in moments.items()}


def lay_out_moments(optimiser: torch.optim.Optimizer) -> None:
    """Give every moment the strides of its weight, as CUDA's fused Adam requires; no value changes.

    Needed after the layout of the weights was chosen: a resumed run reads moments as they were written, and a
    network lays its weights out anew for gradients.
    """
    for group in optimiser.param_groups:
        for weight in group["params"]:
            moments = optimiser.state.get(weight, {})
            for name, value in moments.items():
                if value.shape == weight.shape and value.stride() != weight.stride():
                    moments[name] = torch.empty_like(weight, requires_grad=False).copy_(value)
