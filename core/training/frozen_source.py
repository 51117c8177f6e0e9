"""The draws of a frozen trunk's features: computed, or read from the run that is updated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from core.data.roi_set import RoiSet
from core.domain.events import IsCancelled
from core.model.network import PrototypeNetwork
from core.training.batches import Cached
from core.training.config import TrainingConfig
from core.training.feature_cache import RunFeatures, keep_features, key_of, read_features
from core.training.fixed_draws import (
    EarlyMaps,
    FixedDraws,
    features_of,
    fixed_draws,
    masks_of_draws,
)
from core.training.stages import fixed_blocks


@dataclass(frozen=True, kw_only=True, eq=False)
class ParentRun:
    """A finished run of the same architecture, which an update begins from."""

    network: PrototypeNetwork
    features: Path
    """Folder of the run that keeps the features."""


@dataclass(frozen=True, kw_only=True)
class FeatureFolders:
    """Folders that an update reads features from, and writes those to that it had to compute."""

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
) -> tuple[Cached, EarlyMaps]:
    """The training draws, and the features of the validation ROIs. ``folders``: None where nothing is kept."""
    key = "" if folders is None else key_of(network, training, validation, config)
    found = None if folders is None else read_features(folders.read, key)
    blocks = fixed_blocks(network, config.tuned_blocks)
    if found is not None:
        masks = masks_of_draws(training, config)
        fixed = FixedDraws(blocks=blocks, plain=found.plain, drawn=found.drawn, masks=masks)
        held_out = found.validation
    else:
        fixed = fixed_draws(network, training, config, blocks=blocks, cancelled=cancelled)
        held_out = features_of(network, validation, blocks=blocks, cancelled=cancelled)
        if folders is not None:
            # in the layout in which they are read again: sums over another layout end in other bits
            plain, drawn, held_out = (one.contiguous() for one in (fixed.plain, fixed.drawn, held_out))
            fixed = replace(fixed, plain=plain, drawn=drawn)
            if folders.write is not None:
                keep_features(folders.write, key, RunFeatures(plain=plain, drawn=drawn, validation=held_out))
    return Cached(training, config, fixed), EarlyMaps(blocks=blocks, maps=held_out)
