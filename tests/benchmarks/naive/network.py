"""The network of Extended Data Fig. 6 with the weights of an engine's network, in torch's usual memory layout."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.model.network import PrototypeNetwork

EPSILON = 1e-4


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    latent: Tensor
    """(B, C, H, W)"""
    distances: Tensor
    """(B, m, H, W), squared (eq. 4)."""
    similarities: Tensor
    """(B, m, H, W)"""
    scores: Tensor
    """(B, m), eq. 5."""
    logits: Tensor
    """(B, n)"""


class NaiveNetwork(nn.Module):
    """Copies of the engine's layers: training it changes nothing of the engine's network."""

    def __init__(self, network: PrototypeNetwork) -> None:
        super().__init__()
        self.features = copy.deepcopy(network.features).to(memory_format=torch.contiguous_format)
        self.addon = copy.deepcopy(network.addon).to(memory_format=torch.contiguous_format)
        self.prototypes = nn.Parameter(network.prototypes.detach().clone().contiguous())
        self.last = copy.deepcopy(network.last)
        self.prototype_class = network.prototype_class.clone()
        self.top_k = network.top_k

    def distances(self, latent: Tensor) -> Tensor:
        """||z||^2 - 2 z.p + ||p||^2 by a convolution, as the lineage of ProtoPNet computes it."""
        squares = latent.square().sum(1, keepdim=True)
        own = self.prototypes.square().sum((1, 2, 3)).view(1, -1, 1, 1)
        return functional.relu(squares - 2 * functional.conv2d(latent, self.prototypes) + own)

    def forward(self, x: Tensor) -> Found:
        latent = self.addon(self.features(x))
        distances = self.distances(latent)
        similarities = torch.log((distances + 1) / (distances + EPSILON))
        scores = similarities.flatten(2).topk(self.top_k, dim=2).values.mean(2)
        return Found(
            latent=latent, distances=distances, similarities=similarities, scores=scores, logits=self.last(scores)
        )
