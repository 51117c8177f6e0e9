"""A small synthetic training set and network: 32-pixel ROIs whose class is the texture inside their mask."""

from __future__ import annotations

import msgspec
import numpy as np
import torch

from core.data.roi_set import InputTransform, RoiSet
from core.domain.geometry import IDENTITY
from core.domain.vocabulary import Part
from core.model.architecture import Architecture
from core.model.network import PrototypeNetwork
from core.training.batches import Cached
from core.training.config import Epochs, TrainingConfig
from core.training.fixed_draws import fixed_draws
from core.training.stages import fixed_blocks

CLASSES = ("circumscribed", "indistinct", "spiculated")
TRANSFORM = InputTransform(input_size=32)
CONFIG = TrainingConfig(
    transform=TRANSFORM,
    architecture=Architecture(backbone="compact", weights="random", latent_channels=8, top_k=2),
    epochs=Epochs(warm_start=1, warm_up=1, joint=2, project_every=1, draws=24),
    batch_lesion=6,
    batch_fine=2,
    prototype_start="kmeans",
    device="cpu",
    precision="float32",
    preset="tiny",
)


def tiny_rois(n: int = 24, *, seed: int = 0, labels: list[int] | None = None) -> RoiSet:
    """``n`` ROIs of ``n / 2`` patients: vertical stripes, horizontal stripes or a checkerboard in a disc."""
    random = np.random.default_rng(seed)
    side = TRANSFORM.stored_size
    y, x = np.mgrid[:side, :side]
    label = np.array(labels if labels is not None else [i % 3 for i in range(n)], dtype=np.int64)
    disc = ((x - side / 2) ** 2 + (y - side / 2) ** 2 < (side / 5) ** 2).astype(np.uint8)
    ring = disc & ((x - side / 2) ** 2 + (y - side / 2) ** 2 > (side / 9) ** 2).astype(np.uint8)
    textures = np.stack([x // 2 % 2, y // 2 % 2, (x // 2 + y // 2) % 2]) * 120
    noise = random.integers(60, 120, (n, side, side))
    pixels = (noise + disc * textures[np.maximum(label, 0)]).astype(np.uint8)
    has_fine = np.arange(n) % 2 == 0
    return RoiSet(
        transform=TRANSFORM,
        class_names=CLASSES,
        pixels=pixels,
        lesion=np.repeat(disc[None], n, axis=0),
        fine=np.where(has_fine[:, None, None], ring[None], 0).astype(np.uint8),
        has_fine=has_fine,
        label=label,
        malignant=np.where(np.arange(n) % 7 == 0, -1, (label + np.arange(n) % 2 >= 2).astype(np.int64)),
        lesion_ids=tuple(f"lesion{i:03d}" for i in range(n)),
        patient_ids=tuple(f"patient{i // 2:03d}" for i in range(n)),
        finding_ids=tuple(f"finding{i:03d}" for i in range(n)),
        sources=("synthetic",) * n,
        image_to_input=(IDENTITY,) * n,
        synthetic=True,
    )


def tiny_parts(n: int = 24) -> np.ndarray:
    """Of every four patients, two train, one validates, one tests."""
    names = (Part.TRAINING, Part.TRAINING, Part.VALIDATION, Part.TEST)
    return np.array([names[i // 2 % 4].value for i in range(n)])


def cached_draws(network: PrototypeNetwork, rois: RoiSet, config: TrainingConfig) -> Cached:
    """The draws of these regions that a run with this configuration makes once."""
    blocks = fixed_blocks(network, config.tuned_blocks)
    return Cached(rois, config, fixed_draws(network, rois, config, blocks=blocks))


def tiny_network(*, seed: int = 0, per_class: int = 2) -> PrototypeNetwork:
    torch.manual_seed(seed)
    return PrototypeNetwork(
        CONFIG.architecture,
        class_names=CLASSES,
        prototype_class=[c for c in range(3) for _ in range(per_class)],
        input_size=TRANSFORM.input_size,
    )


def changed(config: TrainingConfig = CONFIG, **values: object) -> TrainingConfig:
    return msgspec.structs.replace(config, **values)
