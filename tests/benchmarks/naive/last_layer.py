"""Stage A3 as epochs of gradient steps on ``h1``, every image through the whole network each time (eq. 9)."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from core.data.roi_set import RoiSet
from core.training.inference import network_input
from tests.benchmarks.naive.network import NaiveNetwork

RATE = 1e-2
"""A hundred times the authors' 1e-4, with which twenty epochs hardly move."""
BATCH = 75


def fit(network: NaiveNetwork, rois: RoiSet, *, epochs: int, ridge: float) -> None:
    """Adam on the mean cross-entropy and the ridge towards the initial weights, as the engine's refit."""
    network.eval()
    anchor = network.last.weight.detach().clone()
    optimiser = torch.optim.Adam([network.last.weight], lr=RATE)
    for epoch in range(epochs):
        order = np.random.default_rng(epoch).permutation(len(rois))
        for first in range(0, len(order), BATCH):
            rows = order[first : first + BATCH]
            with torch.no_grad():
                scores = network(network_input(rois, rows, torch.device("cpu"))).scores
            value = functional.cross_entropy(network.last(scores), torch.from_numpy(rois.label[rows]))
            value = value + 0.5 * ridge * (network.last.weight - anchor).square().sum()
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
