"""How long a run would take here, and how much memory: one batch of each gradient stage and one pass of each other
stage of the very configuration, on the very ROIs, timed and counted up over the plan."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from core.data.roi_set import RoiSet
from core.domain.events import Emit, IsCancelled, never, silent
from core.platform.system import peak_memory
from core.training.config import TrainingConfig
from core.training.machine import computing
from core.training.request import check_request
from core.training.stages import GRADIENT_STAGES, plan
from core.training.trainer import Trainer
from core.training.validation import evaluate


class Rehearsed(msgspec.Struct, frozen=True, kw_only=True):
    """All seconds are of the wall clock, on the machine as busy as it was."""

    seconds: float
    """Seconds of the whole run."""
    epoch_seconds: float
    """Seconds of a joint epoch (A1) with its validation."""
    batch_seconds: float
    """Seconds of the joint stage's batch that was timed."""
    batch: int
    """Images of that batch."""
    batches_an_epoch: int
    memory_bytes: int | None
    """The most that the process held (of a CUDA device: that torch reserved there); None where the system does not
    say it."""
    device: str
    lesions: int
    """Training ROIs."""


def rehearse_run(
    rois: RoiSet,
    parts: NDArray[np.str_],
    config: TrainingConfig,
    folder: Path,
    *,
    emit: Emit = silent,
    cancelled: IsCancelled = never,
) -> Rehearsed:
    """Time the steps of a run; ``folder`` is an empty one, of no use afterwards. TrainingError and Cancelled
    as ``train`` raises them.

    A run stops early nowhere, so the plan is the whole of it; extracting the ROIs is not counted.
    """
    check_request(rois, parts, config)
    batch = config.batch_lesion + config.batch_fine
    short = msgspec.structs.replace(
        config.epochs,
        warm_start=min(config.epochs.warm_start, 1),
        warm_up=min(config.epochs.warm_up, 1),
        joint=1,
        project_every=1,
        draws=batch,
    )
    began = time.monotonic()
    trainer = Trainer(rois, parts, msgspec.structs.replace(config, epochs=short), folder, emit, cancelled)
    whole = time.monotonic() - began
    took: dict[str, float] = {}
    with computing(trainer.state.facts.machine):
        while True:
            began = time.monotonic()
            step = trainer.advance()
            if step is None:
                break
            took[step.stage] = time.monotonic() - began
        began = time.monotonic()
        evaluate(trainer.network, trainer.data.validation, features=trainer.validation_features())
        validated = time.monotonic() - began
    count = max(1, round((config.epochs.draws or len(trainer.data.training)) / batch))
    for step in plan(config):
        whole += _of_step(took[step.stage], step.stage, count, validated)
    joint = took["A1"]
    return Rehearsed(
        seconds=whole,
        epoch_seconds=_of_step(joint, "A1", count, validated),
        batch_seconds=max(joint - validated, 0.0),
        batch=batch,
        batches_an_epoch=count,
        memory_bytes=_memory(trainer.device),
        device=trainer.device.type,
        lesions=len(trainer.data.training),
    )


def _of_step(took: float, stage: str, batches: int, validated: float) -> float:
    """Return seconds of a step of the plan; gradient stages were timed on one batch, the warm start is not
    validated."""
    if stage not in GRADIENT_STAGES:
        return took
    fixed = 0.0 if stage == "warm start" else min(validated, took)
    return fixed + (took - fixed) * batches


def _memory(device: torch.device) -> int | None:
    return int(torch.cuda.max_memory_reserved(device)) if device.type == "cuda" else peak_memory()
