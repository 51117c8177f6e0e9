"""One step of stage A1 (eq. 6-8): every activation map is upsampled to the size of the image."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from tests.benchmarks.naive.network import Found, NaiveNetwork

CLUSTER, SEPARATION, FINE = 0.8, 0.08, 0.085


def cluster_and_separation(found: Found, prototype_class: Tensor, label: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Eq. 7, one image after another."""
    nearest = -(-found.distances).flatten(2).topk(k, dim=2).values.mean(2)
    cluster, separation = [], []
    for image, own in zip(nearest, label, strict=True):
        cluster.append(image[prototype_class == own].min())
        separation.append(image[prototype_class != own].min())
    return torch.stack(cluster).mean(), -torch.stack(separation).mean()


def fine(found: Found, prototype_class: Tensor, label: Tensor, irrelevant: Tensor) -> Tensor:
    """Eq. 8 through upsampled maps; irrelevant (B, I, I), every image has a mask."""
    up = functional.interpolate(
        found.similarities, size=irrelevant.shape[-2:], mode="bilinear", align_corners=False
    )
    own = (prototype_class[None, :] == label[:, None])[:, :, None, None]
    masked = torch.where(own, up * irrelevant[:, None], up)
    norms = (masked.square().sum((2, 3)) + 1e-12).sqrt() * (224 / irrelevant.shape[-1])
    return norms.sum() / len(label)


def loss(network: NaiveNetwork, x: Tensor, label: Tensor, irrelevant: Tensor) -> Tensor:
    found = network(x)
    cluster, separation = cluster_and_separation(found, network.prototype_class, label, network.top_k)
    total = functional.cross_entropy(found.logits, label) + CLUSTER * cluster + SEPARATION * separation
    return total + FINE * fine(found, network.prototype_class, label, irrelevant)


def make_optimiser(network: NaiveNetwork) -> torch.optim.Optimizer:
    """Adam with the paper's joint rates, one tensor after another."""
    groups = [
        {"params": list(network.features.parameters()), "lr": 2e-4, "weight_decay": 1e-3},
        {"params": list(network.addon.parameters()), "lr": 3e-3, "weight_decay": 1e-3},
        {"params": [network.prototypes], "lr": 3e-3},
    ]
    return torch.optim.Adam(groups, foreach=False)


def step(
    network: NaiveNetwork, optimiser: torch.optim.Optimizer, x: Tensor, label: Tensor, irrelevant: Tensor
) -> float:
    optimiser.zero_grad()
    value = loss(network, x, label, irrelevant)
    value.backward()
    optimiser.step()
    return value.item()
