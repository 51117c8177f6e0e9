"""The draws of a frozen trunk's features: computed, or read from the run that is updated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from core.data.roi_set import RoiSet
from core.domain.events import IsCancelled
from core.model.network import PrototypeNetwork
from core.training.batches import Cached, features_of
from core.training.config import TrainingConfig
from core.training.feature_cache import KeptFeatures, keep_features, key_of, read_features


@dataclass(frozen=True, kw_only=True, eq=False)
class ParentRun:
    """A finished run of the same architecture, which an update begins from."""

    network: PrototypeNetwork
    features: Path
    """Folder of the run that keeps the features."""


@dataclass(frozen=True, kw_only=True)
class FeatureFolders:
    """Where an update reads features, and where it keeps those that it had to compute."""

    read: Path
    write: Path | None
    """None in a process that does not lead its team."""


def folders_of(parent: ParentRun | None, own: Path | None) -> FeatureFolders | None:
    """The folders of an update of ``parent``; ``own``: folder of the new run."""
    return None if parent is None else FeatureFolders(read=parent.features, write=own)


def frozen_source(
    network: PrototypeNetwork,
    training: RoiSet,
    validation: RoiSet,
    config: TrainingConfig,
    folders: FeatureFolders | None,
    cancelled: IsCancelled,
) -> tuple[Cached, Tensor]:
    """The training draws, and the features of the validation ROIs. ``folders``: None where nothing is kept."""
    key = "" if folders is None else key_of(network, training, validation, config)
    kept = None if folders is None else read_features(folders.read, key)
    cached = Cached(network, training, config, cancelled, kept=kept)
    if kept is not None:
        return cached, kept.validation
    held_out = features_of(network, validation, cancelled=cancelled)
    if folders is None:
        return cached, held_out
    # in the layout in which they are read again: sums over another layout end in other bits
    cached.plain, cached.features, held_out = (
        tensor.contiguous() for tensor in (cached.plain, cached.features, held_out)
    )
    if folders.write is not None:
        own = KeptFeatures(plain=cached.plain, augmented=cached.features[1:], validation=held_out)
        keep_features(folders.write, key, own)
    return cached, held_out
