"""Features of frozen trunks, computed once for every part of an experiment that begins with the same weights.

Several models on several folds see the same augmentations of the same lesions, so that most of the work of a
training on frozen features is done once.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import msgspec
import torch

from core.baselines.config import ClassifierConfig
from core.data.roi_set import RoiSet
from core.domain.errors import ModelError
from core.domain.events import Emit, IsCancelled, Message
from core.domain.messages import message
from core.model.accelerator import resolve_device
from core.model.tensor_file import load_state, save_state
from core.platform.atomic import make_folder
from core.training.begin_or_resume import make_network
from core.training.config import TrainingConfig
from core.training.fixed_draws import (
    NOTHING_KNOWN,
    FixedDraws,
    KeptFeatures,
    KnownFeatures,
    fixed_draws,
)
from core.training.stages import fixed_blocks

FEATURES = "features"


def keep_features(
    out: Path, config: TrainingConfig | ClassifierConfig, rois: RoiSet, *, emit: Emit, cancelled: IsCancelled
) -> Path | None:
    """Return the file of what the frozen blocks of this trunk make of the ROIs, computed where it is missing.

    None where nothing is shared: no frozen trunk, one of random weights (which are a model's own), or masks that
    the training changes. Cancelled between batches.
    """
    base = config.base if isinstance(config, ClassifierConfig) else config
    tuned = config.tuned_blocks
    if not base.frozen_backbone or base.architecture.weights == "random" or base.automatic_bands:
        return None
    path = out / FEATURES / f"{_key(base, tuned, rois)}.safetensors"
    if not path.is_file():
        emit(
            Message(
                level="info", text=message("Computing the features of the frozen blocks once for every model.")
            )
        )
        network = make_network(base, fresh=True).to(resolve_device(base.device))
        blocks = fixed_blocks(network, tuned)
        found = fixed_draws(network, rois, base, blocks=blocks, cancelled=cancelled)
        tensors = {"plain": found.plain, "drawn": found.drawn, "masks": torch.from_numpy(found.masks)}
        make_folder(path.parent)
        save_state(path, tensors, {"blocks": blocks})
    return path


def kept_features(
    out: Path, config: TrainingConfig | ClassifierConfig, rois: RoiSet, *, emit: Emit, cancelled: IsCancelled
) -> KeptFeatures | None:
    """Return what ``keep_features`` keeps; a damaged file is computed again."""
    path = keep_features(out, config, rois, emit=emit, cancelled=cancelled)
    if path is None:
        return None
    try:
        tensors, meta = load_state(path)
    except ModelError:
        path.unlink(missing_ok=True)
        return kept_features(out, config, rois, emit=emit, cancelled=cancelled)
    masks = tensors["masks"].numpy()
    fixed = FixedDraws(blocks=int(meta["blocks"]), plain=tensors["plain"], drawn=tensors["drawn"], masks=masks)
    return KeptFeatures(fixed=fixed, lesion_ids=rois.lesion_ids)


def known_features(
    out: Path,
    config: TrainingConfig | ClassifierConfig,
    kept: KeptFeatures | None,
    drawn: RoiSet | None,
    *,
    emit: Emit,
    cancelled: IsCancelled,
) -> KnownFeatures:
    """Return what is known of the ROIs that a model of this configuration is evaluated on.

    ``kept``: the answer of ``kept_features``. Cancelled between batches.
    """
    if kept is None:
        return NOTHING_KNOWN
    placed = None
    if drawn is not None:
        placed = kept_features(out, without_draws(config), drawn, emit=emit, cancelled=cancelled)
    return KnownFeatures(plain=kept, drawn=placed)


def without_draws(config: TrainingConfig | ClassifierConfig) -> TrainingConfig | ClassifierConfig:
    """Return the configuration with un-augmented features only."""
    replace = msgspec.structs.replace
    if isinstance(config, ClassifierConfig):
        return replace(config, base=replace(config.base, cached_augmentations=0))
    return replace(config, cached_augmentations=0)


def drop_features(out: Path) -> None:
    """Delete them, once every part is trained: they are made anew where a part is added."""
    shutil.rmtree(out / FEATURES, ignore_errors=True)


def _key(base: TrainingConfig, tuned: int, rois: RoiSet) -> str:
    """Return a hash of everything that the features follow from; weights are those of the trunk's name."""
    told = (
        rois.fingerprint(),
        base.transform,
        base.augmentation,
        base.cached_augmentations,
        base.seed,
        base.architecture.backbone,
        base.architecture.weights,
        base.precision,
        tuned,
    )
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:24]
