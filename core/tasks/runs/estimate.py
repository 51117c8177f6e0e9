"""The estimate of a training's cost before its start: a trial run on the study's own ROIs, in a child process."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from core.data.training_set import build_roi_set
from core.domain.errors import Cancelled, TrainingError
from core.domain.events import CancelledByUser, Emit, Failed, IsCancelled, Succeeded, silent
from core.domain.vocabulary import Part
from core.jobs.catalogue import JobRequest
from core.jobs.supervisor import supervise
from core.store.study import Study
from core.tasks.runs.run_data import roi_request
from core.tasks.runs.train_job import rows_of_parts
from core.training.config import TrainingConfig
from core.training.run_estimate import Rehearsed, rehearse_run


class EstimateRequest(msgspec.Struct, frozen=True, kw_only=True):
    study: str
    config: TrainingConfig
    parts: dict[str, Part] | None
    """Patient id to part; None before a split: every patient trains."""


def estimate(
    study: Study,
    config: TrainingConfig,
    parts: dict[str, Part] | None,
    *,
    emit: Emit = silent,
    cancelled: IsCancelled,
) -> Rehearsed:
    """Time and memory of such a run on this machine. TrainingError with the child's sentence; Cancelled."""
    request = EstimateRequest(study=str(study.folder), config=config, parts=parts)
    job = JobRequest(job="estimate", arguments=msgspec.to_builtins(request))
    match supervise(job, emit=emit, cancelled=cancelled):
        case Succeeded(result=result):
            return msgspec.convert(result, Rehearsed)
        case Failed(sentence=sentence):
            raise TrainingError(sentence)
        case CancelledByUser():
            raise Cancelled
        case other:
            raise AssertionError(f"a job ended with {other}")


def estimate_job(arguments: dict[str, Any], emit: Emit, cancelled: IsCancelled) -> dict[str, object]:
    request = msgspec.convert(arguments, EstimateRequest)
    config = request.config
    with Study.open(Path(request.study), writable=False) as study:
        rois = build_roi_set(study, roi_request(config), emit=emit, cancelled=cancelled).rois
    if request.parts is None:
        parts = np.full(len(rois), Part.TRAINING.value)
    else:
        rois, parts = rows_of_parts(rois, request.parts)
    with tempfile.TemporaryDirectory() as folder:
        found = rehearse_run(rois, parts, config, Path(folder), emit=emit, cancelled=cancelled)
    known: dict[str, object] = msgspec.to_builtins(found)
    return known
