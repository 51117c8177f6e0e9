"""How a run begins: with the state of the unfinished run in its folder, or with a new network and a new choice of
how to compute on this machine."""

from __future__ import annotations

from pathlib import Path

import msgspec
import torch

from core.data.roi_set import RoiSet
from core.domain.errors import TrainingError
from core.domain.events import Emit
from core.domain.messages import message
from core.model.accelerator import device_here, resolve_device
from core.model.backbones import backbone_entry
from core.model.network import PrototypeNetwork
from core.training import state as run_state
from core.training.config import TrainingConfig
from core.training.losses import warm_start_head
from core.training.machine import MachineChoice, choose_machine, settle_machine, write_config
from core.training.state import Facts, RunState
from core.training.team import Team, share_statistics

NORMALISATION_TOLERANCE = 0.01
"""Differences of mean and deviation, of grey values in [0, 1], that leave features as they are."""


def begin(
    config: TrainingConfig, folder: Path, fingerprint: str, *, lesions: int, emit: Emit, team: Team
) -> RunState:
    """Return the state of the unfinished run in the folder, or that of a new one on ``lesions`` training ROIs.

    The same in every process of a team. TrainingError where the folder holds another run.
    """
    if team.tell((folder / run_state.STATE_NAME).exists()):
        facts, tensors = run_state.load(folder)
        if facts.config != config or facts.fingerprint != fingerprint:
            raise TrainingError(
                message(
                    "The run in {folder} began with another configuration or other data: train a new run, or "
                    "choose a new folder.",
                    folder=folder,
                )
            )
    else:
        tensors = None
        if team.leads:
            write_config(config, folder)
        batch = config.batch_lesion + config.batch_fine
        facts = Facts(
            config=config,
            fingerprint=fingerprint,
            device=resolve_device(config.device).type,
            at_once=config.machine.images_at_once or batch,
        )
    network = make_network(config, fresh=tensors is None).to(device_here(facts.device))
    check_freezing(config, network)
    if team.size > 1:
        share_statistics(network)
    if tensors is None:
        chosen = None
        if team.leads:
            chosen = settle_machine(folder, lambda: _choose(config, network, lesions), emit)
        facts.machine = msgspec.convert(team.tell(msgspec.to_builtins(chosen)), MachineChoice)
    state = RunState(facts=facts, network=network)
    if tensors is not None:
        run_state.restore(state, tensors, head_for(network, config))
    team.hand_out(network)
    return state


def _choose(config: TrainingConfig, network: PrototypeNetwork, lesions: int) -> MachineChoice:
    """Choose the machine settings on a network of their own: a process of a team waits for the others at every
    batch norm."""
    device = next(network.parameters()).device
    return choose_machine(make_network(config, fresh=False).to(device), config, device, lesions=lesions)


def head_for(network: PrototypeNetwork, config: TrainingConfig) -> torch.nn.Conv2d:
    """Return the temporary head of the warm start, initialised from the configuration's seed."""
    latent = config.architecture.latent_channels
    channels = latent if config.frozen_backbone else network.feature_channels
    cells = config.warm_start == "cells"
    head = warm_start_head(network, channels, cells=cells, seed=config.seed)
    return head.to(next(network.parameters()).device)


def make_network(config: TrainingConfig, *, fresh: bool) -> PrototypeNetwork:
    """Return the network of a configuration, initialised from its seed; not ``fresh``: its weights are about
    to be replaced, so none are downloaded or read."""
    architecture = config.architecture
    if not fresh:
        architecture = msgspec.structs.replace(architecture, weights="random")
    classes = len(config.class_names)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = PrototypeNetwork(
            architecture,
            class_names=config.class_names,
            prototype_class=[c for c in range(classes) for _ in range(architecture.prototypes_per_class)],
            input_size=config.transform.input_size,
        )
    network.architecture = config.architecture
    return network


def check_freezing(config: TrainingConfig, network: PrototypeNetwork) -> None:
    """Raises: TrainingError where more blocks are to stay fixed than the trunk has."""
    blocks = len(network.blocks())
    if config.tuned_blocks > blocks or (config.tuned_blocks and not config.frozen_backbone):
        raise TrainingError(
            message(
                "tuned_blocks={tuned_blocks} asks for the last blocks of a frozen trunk: set "
                "frozen_backbone=true, and no more than its {blocks} blocks.",
                tuned_blocks=config.tuned_blocks,
                blocks=blocks,
            )
        )
    if config.frozen_blocks >= blocks:
        raise TrainingError(
            message(
                "frozen_blocks={frozen_blocks} leaves nothing of the trunk to train: it has {blocks} blocks. "
                "Choose fewer, or set frozen_backbone=true.",
                frozen_blocks=config.frozen_blocks,
                blocks=blocks,
            )
        )


def check_normalisation(config: TrainingConfig) -> None:
    """Raises: TrainingError where ImageNet weights would see an input that is not normalised as theirs was."""
    if config.architecture.weights != "imagenet":
        return
    entry = backbone_entry(config.architecture.backbone)
    wanted = entry.normalisation
    given = (*config.transform.mean, *config.transform.std)
    if max(abs(a - b) for a, b in zip(given, (*wanted.mean, *wanted.std), strict=True)) > NORMALISATION_TOLERANCE:
        raise TrainingError(
            message(
                "The ImageNet weights of {backbone} expect an input normalised with {range}: set "
                "transform.mean={mean} and transform.std={std}.",
                backbone=entry.name,
                range=wanted.words,
                mean=list(wanted.mean),
                std=list(wanted.std),
            )
        )


def check_classes(training: RoiSet) -> None:
    """Raise TrainingError if a class has no training lesion."""
    present = set(training.label.tolist())
    for index, name in enumerate(training.class_names):
        if index not in present:
            raise TrainingError(
                message(
                    "No lesion of the training part has the class {name}: label some, or train without this "
                    "class.",
                    name=name,
                )
            )
