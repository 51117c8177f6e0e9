"""One epoch of gradient steps: accumulation, finite checks, memory, cancelling, progress; one process or more."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from torch import nn

from core.domain.errors import Cancelled, TrainingError
from core.domain.events import IsCancelled, never
from core.domain.messages import message
from core.model.accelerator import fixed_shapes, release_unused
from core.model.precision import Precision, gradient_precision
from core.training.batches import Source, TrainingBatch, prefetched
from core.training.fixed_draws import Rows
from core.training.loss_totals import LossTotals
from core.training.losses import Parts
from core.training.memory import out_of_memory
from core.training.stages import describe_lesions
from core.training.team import ALONE, SharedLoss, Team

LossFunction = Callable[[TrainingBatch], Parts]
"""From a batch on the device to the named parts of its mean loss."""
BeforeBatch = Callable[[int, int], None]
"""Callback(batch from 0, number of batches); it sets learning rates and reports progress."""


@dataclass(kw_only=True)
class Memory:
    """How many images go through the network at once; halved whenever the memory does not suffice."""

    at_once: int
    halvings: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class EpochTask:
    """Inputs of an epoch beside its batches."""

    name: str
    """Named in errors: "epoch 3 of A1"."""
    loss: LossFunction | SharedLoss
    optimiser: torch.optim.Optimizer
    device: torch.device
    precision: Precision
    memory: Memory
    before_batch: BeforeBatch = field(default=lambda batch, batches: None)
    cancelled: IsCancelled = never
    team: Team = ALONE
    unwatched: bool = False
    """Nothing is read from the device before the epoch is over: a loss that is not finite stops every later update
    there (which needs a fused optimiser) and is told at the end."""


def run_epoch(task: EpochTask, source: Source, order: list[Rows], position: int) -> dict[str, float]:
    """Train on every batch of ``order``; returns the mean of each part of the loss, and their sum as ``loss``.

    Cancelled before any batch; TrainingError where the loss or its gradient is not finite, raised before the
    step that would have spoilt the weights, or after the epoch, in which no such step was made.
    """
    ledger = LossTotals(len(order), task.device)
    with fixed_shapes(task.device):
        for index, batch in enumerate(prefetched(source, order, position, task.team.share)):
            if task.team.anybody(task.cancelled()):
                raise Cancelled
            task.before_batch(index, len(order))
            _train_on(task, batch, index, ledger)
    if task.unwatched and (bad := ledger.first_bad()) is not None:
        rows = order[bad]
        raise _not_finite(task, source.load(rows, position, bad, task.team.share(len(rows))), bad)
    return ledger.means()


def _train_on(task: EpochTask, batch: TrainingBatch, index: int, ledger: LossTotals) -> None:
    """Do one optimiser step; with too little memory in several smaller passes whose gradients add up."""
    while True:
        values = _gradients(task, batch)
        if values is not None:
            break
        # outside the except block: the error's traceback held the tensors that filled the memory
        _halve(task, len(batch))
    norm = nn.utils.get_total_norm(_grads(task.optimiser))
    found = task.team.total(torch.stack(list(values.values())))
    ledger.note(index, tuple(values), found, finite=torch.isfinite(norm + found.sum()))
    if task.unwatched:
        task.optimiser.found_inf = ledger.stopped  # type: ignore[attr-defined]
    elif ledger.first_bad() is not None:
        task.optimiser.zero_grad(set_to_none=True)
        raise _not_finite(task, batch, index)
    task.optimiser.step()
    task.optimiser.zero_grad(set_to_none=True)


def _gradients(task: EpochTask, batch: TrainingBatch) -> Parts | None:
    """Return accumulated gradients of the batch's mean loss; None where the memory did not suffice."""
    task.optimiser.zero_grad(set_to_none=True)
    values: Parts = {}
    try:
        for first in range(0, len(batch), task.memory.at_once):
            piece = batch.part(first, first + task.memory.at_once).to(task.device)
            share = len(piece) / batch.whole
            last = first + task.memory.at_once >= len(batch)
            alone = (
                task.loss.without_exchange() if isinstance(task.loss, SharedLoss) and not last else nullcontext()
            )
            with alone:
                with gradient_precision(task.precision, task.device):
                    parts = task.loss(piece)
                # the exchange takes the mean over the processes, of which a sum is wanted
                (torch.stack(list(parts.values())).sum() * (share * task.team.size)).backward()
            for name, part in parts.items():
                values[name] = values.get(name, 0.0) + part.detach() * share
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        return None
    return values


def _halve(task: EpochTask, size: int) -> None:
    task.optimiser.zero_grad(set_to_none=True)
    current = min(task.memory.at_once, size)
    if current <= 1:
        raise TrainingError(
            message(
                "There is not enough memory for a single image: choose a smaller input size or backbone, or free "
                "memory."
            )
        )
    if task.team.size > 1:  # the others are in the middle of an exchange
        raise TrainingError(
            message(
                "One of the processes has too little memory for {current} images at once: go on with "
                "machine.images_at_once={fewer}.",
                current=current,
                fewer=current // 2,
            )
        )
    task.memory.at_once = (current + 1) // 2
    task.memory.halvings += 1
    release_unused(task.device)


def _grads(optimiser: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [p.grad for group in optimiser.param_groups for p in group["params"] if p.grad is not None]


def _not_finite(task: EpochTask, batch: TrainingBatch, index: int) -> TrainingError:
    return TrainingError(
        message(
            "Training stopped: the loss is not a finite number in {stage}, batch {batch} (lesions "
            "{lesions}). The last finite state is kept; check the images named, or lower "
            "the learning rates.",
            stage=task.name,
            batch=index + 1,
            lesions=describe_lesions(_culprits(batch)),
        )
    )


def _culprits(batch: TrainingBatch) -> list[str]:
    """Return the lesions whose input is itself not finite, else all of the batch."""
    bad = ~torch.isfinite(batch.inputs.flatten(1)).all(1)
    named = [name for name, is_bad in zip(batch.lesion_ids, bad.tolist(), strict=True) if is_bad]
    return named or list(batch.lesion_ids)
