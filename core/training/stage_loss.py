"""The loss of each stage that follows gradients."""

from __future__ import annotations

from torch import nn

from core.model.network import PrototypeNetwork
from core.training.batches import Source, TrainingBatch
from core.training.config import TrainingConfig
from core.training.losses import Parts, cell_loss, image_loss, joint_loss
from core.training.stages import StageStep
from core.training.team import SharedLoss, Team


def stage_loss(
    step: StageStep,
    network: PrototypeNetwork,
    head: nn.Module | None,
    source: Source,
    config: TrainingConfig,
    team: Team,
) -> SharedLoss:
    """Return the loss of a step: of the ``head`` alone in the warm start, else that of eq. 1.

    ``head``: the classifier of cells or images that the warm start trains; None in the other stages.
    """
    if step.stage == "warm start":
        assert head is not None
        level = cell_loss if config.warm_start == "cells" else image_loss

        def supervised(batch: TrainingBatch) -> Parts:
            if config.frozen_backbone:
                return level(head(source.latent(network, batch.inputs)), batch)
            return level(head(source.feature_maps(network, batch.inputs)), batch)

        return SharedLoss.of(team, {"network": network, "head": head}, supervised)

    def joint(batch: TrainingBatch) -> Parts:
        found = network.from_latent(source.latent(network, batch.inputs))
        return joint_loss(network, found, batch, config.loss)

    return SharedLoss.of(team, {"network": network}, joint)
