"""The stages of a run in their order, what each may change, and at which rates."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from core.model.accelerator import is_accelerator
from core.model.network import PrototypeNetwork
from core.model.trunk import TrunkNetwork
from core.training.config import Rates, TrainingConfig

StageName = Literal["warm start", "prototypes", "warm-up", "A1", "A2", "A3", "selection", "B"]
GRADIENT_STAGES: tuple[StageName, ...] = ("warm start", "warm-up", "A1")

CHANGES: dict[StageName, tuple[str, ...]] = {
    "warm start": ("features",),
    "prototypes": ("prototypes",),
    "warm-up": ("addon", "prototypes"),
    "A1": ("features", "addon", "prototypes"),
    "A2": ("prototypes",),
    "A3": ("last",),
    "selection": ("features", "addon", "prototypes", "last"),
    "B": ("malignancy",),
}
"""The parts of the network that a stage may change, where the trunk is not frozen."""
PARTS = ("features", "addon", "prototypes", "last", "malignancy")

_AUTHORS_PERIOD = 5
HEAD_FACTOR = 5
"""Rate of the warm start's temporary head over the add-on's, where the trunk is frozen: on the few steps of a warm
start a head at the add-on's rate is still near its random start when it ends."""


def changed_parts(stage: StageName, *, frozen_backbone: bool, joint_last: bool = False) -> set[str]:
    """Return the parts that a stage may change. With a frozen trunk the warm start is the add-on's;
    ``joint_last``: A1 trains ``h1`` too."""
    if frozen_backbone and stage == "warm start":
        return {"addon"}
    trained = set(CHANGES[stage]) - ({"features"} if frozen_backbone else set())
    return trained | ({"last"} if joint_last and stage == "A1" else set())


@dataclass(frozen=True, kw_only=True)
class StageStep:
    """One entry of the plan: an epoch of a gradient stage, or a whole stage of another kind."""

    stage: StageName
    epoch: int = 1
    """From 1 within the stage; for A2 and A3 the joint epochs done so far."""
    epochs: int = 1
    """Epochs of the stage in all."""


def plan(config: TrainingConfig) -> tuple[StageStep, ...]:
    """Warm start and prototype start where asked for, warm-up, A1 with A2 and A3 in between, B."""
    epochs = config.epochs
    steps: list[StageStep] = []
    if epochs.warm_start:
        steps += [
            StageStep(stage="warm start", epoch=e + 1, epochs=epochs.warm_start) for e in range(epochs.warm_start)
        ]
    if config.prototype_start == "kmeans":
        steps.append(StageStep(stage="prototypes"))
    steps += [StageStep(stage="warm-up", epoch=e + 1, epochs=epochs.warm_up) for e in range(epochs.warm_up)]
    for epoch in range(1, epochs.joint + 1):
        steps.append(StageStep(stage="A1", epoch=epoch, epochs=epochs.joint))
        if epoch % epochs.project_every == 0 or epoch == epochs.joint:
            if config.project:
                steps.append(StageStep(stage="A2", epoch=epoch, epochs=epochs.joint))
            steps.append(StageStep(stage="A3", epoch=epoch, epochs=epochs.joint))
    steps += [StageStep(stage="selection"), StageStep(stage="B")]
    return tuple(steps)


def part_parameters(network: PrototypeNetwork, part: str) -> list[nn.Parameter]:
    """Return the parameters of one of ``PARTS``."""
    held = getattr(network, part)
    return [held] if isinstance(held, nn.Parameter) else list(held.parameters())


def part_hashes(network: PrototypeNetwork) -> dict[str, str]:
    """Return a hash of each part's tensors, buffers included: what a stage did not change keeps its hash."""
    digests = {part: hashlib.sha256() for part in PARTS}
    for name, tensor in network.state_dict().items():
        part = name.split(".")[0]
        if part in digests:
            digests[part].update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return {part: digest.hexdigest() for part, digest in digests.items()}


def prepare(
    network: PrototypeNetwork,
    stage: StageName,
    *,
    frozen_backbone: bool,
    joint_last: bool = False,
    frozen_blocks: int = 0,
) -> None:
    """Set modes and gradients for a gradient stage: what it must not change is fixed, batch statistics
    included."""
    trained = changed_parts(stage, frozen_backbone=frozen_backbone, joint_last=joint_last)
    for part in PARTS:
        for parameter in part_parameters(network, part):
            parameter.requires_grad_(part in trained)
    network.train()
    if "features" not in trained:
        network.features.eval()
    for block in network.blocks()[:frozen_blocks]:
        block.requires_grad_(False).eval()


def fixed_blocks(network: TrunkNetwork, tuned: int) -> int:
    """Return the number of blocks that stay fixed while the last ``tuned`` ones of the trunk are trained."""
    return len(network.blocks()) - tuned


def freezing(config: TrainingConfig, network: PrototypeNetwork, stage: StageName) -> tuple[bool, int]:
    """Return whether a stage leaves the whole trunk as it is, and how many blocks it leaves if not."""
    if not (config.frozen_backbone and config.tuned_blocks and stage == "A1"):
        return config.frozen_backbone, config.frozen_blocks
    return False, fixed_blocks(network, config.tuned_blocks)


def _feature_groups(network: PrototypeNetwork, rate: float, decay: float, frozen: int) -> list[dict[str, Any]]:
    """Return groups of the trunk's blocks that are trained; ``decay`` is the factor on the rate from each to
    the one before it."""
    if decay == 1 and frozen == 0:
        return [{"params": part_parameters(network, "features"), "lr": rate, "rate": rate}]
    return block_groups(network.blocks()[frozen:], rate, decay)


def block_groups(blocks: Sequence[nn.Module], rate: float, decay: float) -> list[dict[str, Any]]:
    """Return groups of an optimiser, one a block.

    The last block learns at ``rate``, any other at ``decay`` times the rate of the next one.
    """
    rates = [rate * decay ** (len(blocks) - 1 - index) for index in range(len(blocks))]
    return [
        {"params": list(block.parameters()), "lr": own, "rate": own}
        for block, own in zip(blocks, rates, strict=True)
    ]


def make_optimiser(
    network: PrototypeNetwork,
    stage: StageName,
    rates: Rates,
    *,
    head: nn.Module | None,
    frozen_backbone: bool,
    frozen_blocks: int = 0,
) -> torch.optim.Adam:
    """Return Adam (or AdamW) with the stage's groups; weight decay on features and add-on only."""
    base = {
        "warm start": {"features": rates.warm_start},
        "warm-up": {"addon": rates.warm_addon, "prototypes": rates.warm_prototypes},
        "A1": {
            "features": rates.joint_features,
            "addon": rates.joint_addon,
            "prototypes": rates.joint_prototypes,
        },
    }[stage]
    if stage == "warm start" and frozen_backbone:
        base = {"addon": rates.warm_start}
    if stage == "A1" and rates.joint_last > 0:
        base["last"] = rates.joint_last
    groups: list[dict[str, Any]] = []
    for part, rate in base.items():
        if part == "features":
            if not frozen_backbone:
                block_decay = rates.layer_decay if stage == "A1" else 1.0
                trained = _feature_groups(network, rate, block_decay, frozen_blocks)
                groups += [group | {"weight_decay": rates.weight_decay} for group in trained]
            continue
        decay = 0.0 if part in ("prototypes", "last") else rates.weight_decay
        groups.append({"params": part_parameters(network, part), "lr": rate, "rate": rate, "weight_decay": decay})
    if head is not None:
        rate = rates.warm_start * (HEAD_FACTOR if frozen_backbone else 1)
        groups.append({"params": list(head.parameters()), "lr": rate, "rate": rate})
    return adam(groups, rate=rates.joint_features, decoupled_decay=rates.decoupled_decay)


def adam(groups: list[dict[str, Any]], *, rate: float, decoupled_decay: bool = False) -> torch.optim.Adam:
    """Return Adam, all tensors in one kernel on a GPU, which can leave out a step without asking the
    processor."""
    fused = any(is_accelerator(parameter.device) for group in groups for parameter in group["params"])
    return torch.optim.Adam(
        groups,
        lr=rate,
        decoupled_weight_decay=decoupled_decay,
        fused=fused or None,
        foreach=None if fused else True,
    )


def rate_factor(step: StageStep, batch: int, batches: int, schedule: str) -> float:
    """Return the factor of the learning rates at a batch (from 0); warm-up runs at constant rates."""
    if step.stage == "warm-up" or schedule == "constant":
        return 1.0
    if schedule == "authors" and step.stage == "A1":
        return float(0.1 ** ((step.epoch - 1) // _AUTHORS_PERIOD))
    done = (step.epoch - 1 + batch / max(batches, 1)) / step.epochs
    return 0.5 * (1 + math.cos(math.pi * done))


def set_rates(optimiser: torch.optim.Optimizer, factor: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = group["rate"] * factor


def describe_lesions(lesion_ids: Sequence[str], limit: int = 5) -> str:
    """Return some of the names, and how many more there are."""
    named = ", ".join(lesion_ids[:limit])
    more = len(lesion_ids) - limit
    return f"{named} and {more} more" if more > 0 else named
