"""The black box with IAIA-BL's warm start: its trunk first learns, cell by cell, what the masks say.

What a comparison without it would credit to prototypes may be the masks'.
"""

from __future__ import annotations

import torch

from core.baselines.config import ClassifierConfig
from core.baselines.network import ClassifierNetwork
from core.baselines.tuned_trunk import trunk_groups
from core.domain.events import Emit, IsCancelled, Progress
from core.model.accelerator import is_accelerator
from core.training.batches import Source, TrainingBatch
from core.training.epoch import EpochTask, Memory, run_epoch
from core.training.inference import device_of
from core.training.losses import Parts, cell_loss
from core.training.machine import MachineChoice
from core.training.stages import StageStep, adam, rate_factor, set_rates

_POSITION = 1 << 18
"""Number of the warm start among the draws, apart from those of every epoch of the classifier."""


def warm_start_on_masks(
    network: ClassifierNetwork,
    source: Source,
    config: ClassifierConfig,
    machine: MachineChoice,
    emit: Emit,
    cancelled: IsCancelled,
) -> None:
    """Train the trunk, with a temporary head of one output a class and one for background, for
    ``config.mask_warm_start`` epochs. An interrupted warm start begins anew. Of a frozen trunk the last blocks are
    trained, at the rates of the classifier."""
    device, rates, epochs = device_of(network), config.base.rates, config.mask_warm_start
    head = _head(network, config.base.seed).to(device)
    both = {"lr": rates.warm_start, "rate": rates.warm_start}
    if config.base.frozen_backbone:
        trunk = trunk_groups(network, config)
    else:
        trunk = [{"params": list(network.features.parameters()), "weight_decay": rates.weight_decay, **both}]
    groups = [*trunk, {"params": list(head.parameters()), "weight_decay": 0.0, **both}]
    optimiser = adam(groups, rate=rates.warm_start)
    memory = Memory(at_once=config.base.batch_lesion + config.base.batch_fine)

    def loss(batch: TrainingBatch) -> Parts:
        return cell_loss(head(source.feature_maps(network, batch.inputs)), batch)

    network.prepare_gradients(channels_last=machine.channels_last, compiled=machine.compiled)
    network.train()
    try:
        for epoch in range(epochs):
            step = StageStep(stage="warm start", epoch=epoch + 1, epochs=epochs)

            def before_batch(batch: int, batches: int, step: StageStep = step) -> None:
                set_rates(optimiser, rate_factor(step, batch, batches, rates.schedule))

            emit(Progress(stage="warm start", done=epoch, total=epochs))
            task = EpochTask(
                name=f"epoch {epoch + 1} of the warm start",
                loss=loss,
                optimiser=optimiser,
                device=device,
                precision=machine.precision,
                memory=memory,
                before_batch=before_batch,
                cancelled=cancelled,
                unwatched=is_accelerator(device),
            )
            run_epoch(task, source, source.order(_POSITION + epoch), _POSITION + epoch)
    finally:
        network.prepare_inference()


def _head(network: ClassifierNetwork, seed: int) -> torch.nn.Conv2d:
    first = network.addon[0]
    assert isinstance(first, torch.nn.Conv2d)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return torch.nn.Conv2d(first.in_channels, len(network.class_names) + 1, 1)
