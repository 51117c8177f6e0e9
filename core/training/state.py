"""The state of a run between two steps: all that a resumed run needs, in one file that is replaced in one step.

Random numbers have no state of their own: each step draws from a generator made of (seed, position in the plan,
batch), so that the position is all there is to remember.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import torch
from torch import nn

from core.domain.errors import TrainingError
from core.domain.messages import message
from core.domain.study import Prototype
from core.model.network import PrototypeNetwork
from core.model.tensor_file import load_state, save_state
from core.platform.atomic import atomic_write
from core.training.config import TrainingConfig
from core.training.forgotten_patches import ForgottenPatch
from core.training.machine import MachineChoice
from core.training.moments import load_moments, moments_of
from core.training.stages import StageName, freezing, make_optimiser
from core.training.validation import Validation

STATE_NAME, HISTORY_NAME = "state.safetensors", "history.json"
Tensors = dict[str, torch.Tensor]


class EpochRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Losses and validation figures after a step; None where undefined."""

    stage: str
    epoch: int
    values: dict[str, float | None]


class Facts(msgspec.Struct, kw_only=True):
    """The part of the state that is no tensor."""

    config: TrainingConfig
    fingerprint: str
    """Fingerprint of the ROIs and their parts."""
    device: str
    machine: MachineChoice = MachineChoice()
    position: int = 0
    """Steps of the plan that are done."""
    optimiser_stage: str = ""
    at_once: int = 0
    """Images that go through the network together; less than the batch after memory ran out."""
    halvings: int = 0
    ridge: float | None = None
    ridge_cross_entropy: tuple[float, ...] = ()
    prototypes: tuple[Prototype, ...] = ()
    """Prototypes of the last projection."""
    forgotten: tuple[ForgottenPatch, ...] = ()
    """Patches that no prototype may start from or become."""
    steered: tuple[str, ...] = ()
    """Prototypes that a reader placed (``core.training.steering``)."""
    best_prototypes: tuple[Prototype, ...] = ()
    best_epoch: int | None = None
    """Joint epoch whose projected network is kept."""
    best_figures: dict[str, float | None] = {}
    malignancy_used: int = 0
    malignancy_left_out: int = 0
    history: list[EpochRecord] = []
    seconds: dict[str, float] = {}
    """Time of each stage, interruptions not counted."""


@dataclass(kw_only=True, eq=False)
class RunState:
    """Mutable; the trainer's only state."""

    facts: Facts
    network: PrototypeNetwork
    head: nn.Conv2d | None = None
    """Head of the warm start, while it lasts."""
    optimiser: torch.optim.Adam | None = None
    best: Tensors = field(default_factory=dict)
    """The network's tensors at the best projected epoch."""

    def best_validation(self) -> Validation | None:
        return Validation(**self.facts.best_figures) if self.facts.best_epoch is not None else None


def save(folder: Path, state: RunState) -> None:
    """Replace the state file; StorageFullError leaves the one before."""
    tensors: Tensors = {f"network.{name}": value for name, value in state.network.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in state.best.items()}
    if state.head is not None:
        tensors |= {f"head.{name}": value for name, value in state.head.state_dict().items()}
    if state.optimiser is not None:
        tensors |= {f"optimiser.{name}": value for name, value in moments_of(state.optimiser).items()}
    save_state(folder / STATE_NAME, tensors, msgspec.to_builtins(state.facts))
    # after the state: figures of an epoch that is not saved would be drawn twice when the run goes on
    save_history(folder, state.facts.history)


def save_history(folder: Path, history: Sequence[EpochRecord]) -> None:
    """Save the figures of every epoch and stage so far, for the charts."""
    atomic_write(folder / HISTORY_NAME, msgspec.json.format(msgspec.json.encode(history), indent=1))


def load(folder: Path) -> tuple[Facts, Tensors]:
    """Load what ``save`` wrote.

    Raises: ModelError if it is cut short or altered, TrainingError if it has another layout.
    """
    tensors, meta = load_state(folder / STATE_NAME)
    try:
        return msgspec.convert(meta, Facts), tensors
    except msgspec.ValidationError as error:
        raise TrainingError(
            message(
                "The run in {folder} was written by another version of the program: start it in a new folder.",
                folder=folder,
            )
        ) from error


def restore(state: RunState, tensors: Tensors, head: nn.Conv2d | None) -> None:
    """Put the tensors of a state file back into a network (and head) of the same configuration."""
    facts = state.facts
    state.network.load_state_dict(_under(tensors, "network."))
    state.best = _under(tensors, "best.")
    saved_head = _under(tensors, "head.")
    if head is not None and saved_head:
        head.load_state_dict(saved_head)
        state.head = head
    if facts.optimiser_stage:
        stage: StageName = facts.optimiser_stage  # type: ignore[assignment]
        state.optimiser = optimiser_for(state, stage)
        load_moments(state.optimiser, _under(tensors, "optimiser."))


def optimiser_for(state: RunState, stage: StageName) -> torch.optim.Adam:
    config = state.facts.config
    frozen, blocks = freezing(config, state.network, stage)
    return make_optimiser(
        state.network, stage, config.rates, head=state.head, frozen_backbone=frozen, frozen_blocks=blocks
    )


def _under(tensors: Tensors, prefix: str) -> Tensors:
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
