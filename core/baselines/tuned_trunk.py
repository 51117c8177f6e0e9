"""Which blocks of a classifier's trunk are trained, at which rates, and what its training draws from."""

from __future__ import annotations

from typing import Any

from core.baselines.config import ClassifierConfig
from core.baselines.network import ClassifierNetwork
from core.data.roi_set import RoiSet
from core.domain.errors import TrainingError
from core.domain.events import Emit, IsCancelled
from core.domain.messages import message
from core.training.batches import Cached, Source
from core.training.fixed_draws import KeptFeatures, fixed_draws
from core.training.inference import device_of
from core.training.resident import drawn_source
from core.training.stages import block_groups, fixed_blocks


def frozen_blocks_of(network: ClassifierNetwork, config: ClassifierConfig) -> int:
    """Return the number of blocks of a frozen trunk, from its input, that stay as they are.

    TrainingError where it has too few.
    """
    blocks = len(network.blocks())
    if config.tuned_blocks > blocks:
        raise TrainingError(
            message(
                "tuned_blocks={tuned_blocks} are more than the trunk has: choose {blocks} or fewer.",
                tuned_blocks=config.tuned_blocks,
                blocks=blocks,
            )
        )
    return fixed_blocks(network, config.tuned_blocks)


def trunk_groups(network: ClassifierNetwork, config: ClassifierConfig) -> list[dict[str, Any]]:
    """Return the optimiser's groups of the trunk; every other block is fixed."""
    decay = config.base.rates.weight_decay
    if not config.base.frozen_backbone:
        network.features.requires_grad_(True)
        rate = config.rate_trunk
        return [{"params": list(network.features.parameters()), "lr": rate, "rate": rate, "weight_decay": decay}]
    network.features.requires_grad_(False)
    tuned = network.blocks()[frozen_blocks_of(network, config) :]
    for block in tuned:
        block.requires_grad_(True)
    groups = block_groups(tuned, config.rate_trunk, config.layer_decay)
    return [group | {"weight_decay": decay} for group in groups]


def training_source(
    network: ClassifierNetwork,
    training: RoiSet,
    config: ClassifierConfig,
    kept: KeptFeatures | None,
    *,
    emit: Emit,
    cancelled: IsCancelled,
) -> Source:
    """Return what the training draws from.

    ROIs that are augmented on the fly; or, where the trunk is frozen, fixed draws that its early blocks computed.
    """
    if not config.base.frozen_backbone:
        return drawn_source(training, config.base, device_of(network), emit)
    if kept is not None:
        fixed = kept.of(training)
    else:
        blocks = frozen_blocks_of(network, config)
        fixed = fixed_draws(network, training, config.base, blocks=blocks, cancelled=cancelled)
    return Cached(training, config.base, fixed)
