"""Features of a frozen trunk, kept in the folder of a run, so that updates of the run do not compute them again.

The file belongs to one trunk, one list of regions and one set of augmentations; their hash is its key. Masks and
labels are not part of it: they may change between a run and its update.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from torch import Tensor

from core.data.roi_set import RoiSet
from core.domain.errors import ModelError
from core.model.network import PrototypeNetwork
from core.model.tensor_file import decode, encode, read_header
from core.platform.atomic import atomic_write
from core.training.config import TrainingConfig
from core.training.stages import part_hashes

FILE = "features.safetensors"


@dataclass(frozen=True, kw_only=True, eq=False)
class RunFeatures:
    """Computations of a run with its frozen trunk, on the CPU (``core.training.fixed_draws``)."""

    plain: Tensor
    """(n, C0, h, w) float32, of the un-augmented training ROIs."""
    drawn: Tensor
    """(versions, n, C0, h, w) float16, of the augmented ones."""
    validation: Tensor
    """(v, C0, h, w) float32."""


def key_of(network: PrototypeNetwork, training: RoiSet, validation: RoiSet, config: TrainingConfig) -> str:
    """Return the hash of everything that the features depend on."""
    settings = (config.transform, config.augmentation, config.cached_augmentations, config.tuned_blocks)
    digest = hashlib.sha256(msgspec.json.encode((*settings, config.seed, config.precision)))
    digest.update(part_hashes(network)["features"].encode())
    for rois in (training, validation):
        digest.update(np.ascontiguousarray(rois.pixels).tobytes())
    return digest.hexdigest()


def keep_features(folder: Path, key: str, features: RunFeatures) -> None:
    tensors = {"plain": features.plain, "drawn": features.drawn, "validation": features.validation}
    atomic_write(folder / FILE, encode(tensors, {"key": key}))


def read_features(folder: Path, key: str) -> RunFeatures | None:
    """The features in the folder of a run; None where there are none, or where they are those of other regions."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        if read_header(path).metadata.get("key") != key:
            return None
        tensors = decode(FILE, path.read_bytes())
        # in memory of their own, aligned as computed ones are
        return RunFeatures(**{name: tensors[name].clone() for name in ("plain", "drawn", "validation")})
    except (ModelError, KeyError, OSError):
        return None  # a cache: what cannot be read is computed again
