"""Check of the weights that are here: features of a fixed test image beside recorded values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from core.model.backbones import backbone_entry, make_backbone
from core.model.import_weights import networks
from core.model.precision import exact_float32
from core.model.weights import weights_at_hand
from core.model.weights_places import LITE0

PROBE_SIZE = 96
PROBES: dict[str, tuple[float, float, float]] = {LITE0: (0.271131, 7.031065, 25.180981)}
"""Network to mean, standard deviation and largest value of its features of ``probe_image``."""
_TOLERANCE = 2e-3


@dataclass(frozen=True, kw_only=True)
class WeightsCheck:
    """Features of the test image for one network."""

    network: str
    mean: float
    deviation: float
    largest: float
    passed: bool | None
    """True if the features equal the recorded ones; None if none are recorded for this network."""

    @property
    def words(self) -> str:
        figures = f"mean {self.mean:.5g}, deviation {self.deviation:.5g}, largest {self.largest:.5g}"
        if self.passed is None:
            return f"no recorded values to compare with ({figures})"
        return f"as recorded ({figures})" if self.passed else f"NOT as recorded: import them again ({figures})"


def probe_image(size: int = PROBE_SIZE) -> torch.Tensor:
    """Return (size, size) grey values in [0, 1]: a soft disc on a ramp with a fine ripple; no random numbers."""
    y, x = torch.meshgrid(*(torch.linspace(-1, 1, size, dtype=torch.float64),) * 2, indexing="ij")
    disc = torch.sigmoid(20 * (0.5 - (x * x + 1.5 * y * y).sqrt()))
    return (0.2 + 0.1 * x + 0.5 * disc + 0.05 * torch.sin(40 * x + 25 * y)).clamp(0, 1).float()


def check_weights() -> list[WeightsCheck]:
    """Return one row for each network whose ImageNet weights are on this computer."""
    return [_check(network) for network in networks() if weights_at_hand(network)]


def _check(network: str) -> WeightsCheck:
    entry = backbone_entry(network)
    trunk = make_backbone(network, weights="imagenet", input_size=PROBE_SIZE).module.eval()
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (entry.normalisation.mean, entry.normalisation.std))
    with torch.no_grad(), exact_float32():
        features = trunk((probe_image().expand(1, 3, -1, -1) - mean) / std)
    found = (float(features.mean()), float(features.std()), float(features.max()))
    recorded = PROBES.get(network)
    scale = abs(recorded[2]) if recorded else 1.0
    passed = None if recorded is None else bool(np.allclose(found, recorded, rtol=0, atol=_TOLERANCE * scale))
    return WeightsCheck(network=network, mean=found[0], deviation=found[1], largest=found[2], passed=passed)
