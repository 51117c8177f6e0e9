"""A world small enough to compute by hand in a moment: 32-pixel ROIs, an 8 x 8 grid, six prototypes."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from core.data.roi_set import InputTransform, RoiSet
from core.domain.geometry import Affine
from core.model.architecture import Architecture
from core.model.card import ModelCard
from core.model.network import PrototypeNetwork
from core.training.projection import project

CLASSES = ("circumscribed", "indistinct", "spiculated")
OWN = (0, 0, 1, 1, 2, 2)
TRANSFORM = InputTransform(input_size=32)


def make_rois(count: int = 12, seed: int = 0, *, first: int = 0) -> RoiSet:
    """ROIs of random texture; ROI i is of class i modulo 3 and lies at (10 i, 20 i) at two pixels a pixel."""
    rng = np.random.default_rng(seed)
    size, offset = TRANSFORM.stored_size, TRANSFORM.crop_offset
    names = tuple(f"lesion-{first + i:03d}" for i in range(count))
    maps = tuple(Affine(a=0.5, b=0, c=-5.0 * i, d=0, e=0.5, f=-10.0 * i) for i in range(count))
    inside = np.zeros((count, size, size), np.uint8)
    inside[:, offset + 8 : offset + 24, offset + 8 : offset + 24] = 1
    label = np.arange(count) % len(CLASSES)
    return RoiSet(
        transform=TRANSFORM,
        class_names=CLASSES,
        pixels=rng.integers(0, 256, (count, size, size), dtype=np.uint8),
        lesion=inside,
        fine=np.zeros_like(inside),
        has_fine=np.zeros(count, np.bool_),
        label=label.astype(np.int64),
        malignant=(label == 2).astype(np.int64),
        lesion_ids=names,
        patient_ids=tuple(f"patient-{(first + i) // 2:03d}" for i in range(count)),
        finding_ids=names,
        sources=("phantom",) * count,
        image_to_input=maps,
    )


def make_network(seed: int = 0) -> PrototypeNetwork:
    torch.manual_seed(seed)
    backbone = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1),
    )
    network = PrototypeNetwork(
        Architecture(backbone="compact", weights="random", latent_channels=8, top_k=4),
        class_names=CLASSES,
        prototype_class=OWN,
        input_size=TRANSFORM.input_size,
        backbone=backbone,
    )
    with torch.no_grad():
        network.last.weight.add_(0.1 * torch.randn_like(network.last.weight))
        network.malignancy.weight.copy_(torch.tensor([[-0.16, -0.10, 0.06]]))
        network.malignancy.bias.fill_(-1.55)
    return network


def make_world() -> tuple[PrototypeNetwork, ModelCard, RoiSet]:
    """A network projected onto its ROIs, with its card."""
    network, rois = make_network(), make_rois()
    prototypes = project(network, rois)
    card = ModelCard(
        method="iaia-bl",
        label="margin",
        class_names=CLASSES,
        prototype_class=OWN,
        transform=TRANSFORM,
        architecture=network.architecture,
        prototypes=prototypes,
        ridge=0.01,
        precedent_threshold=0.0,
        synthetic=True,
        training_lesions=len(rois),
    )
    return network, card, rois
