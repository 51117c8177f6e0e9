"""The experiment as a job: in a child process, followed and cancelled like a training.

The parent, which may hold the study's writer lock, makes the splits that are missing; the child opens the study
for reading only. What is finished when it is cancelled is kept, and the same request goes on from there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from core.data.training_set import build_drawn_rois, build_roi_set
from core.domain.errors import Cancelled, TrainingError
from core.domain.events import CancelledByUser, Emit, Event, Failed, IsCancelled, Succeeded
from core.domain.messages import joined, message
from core.experiment.page import ExperimentOutcome
from core.experiment.request import TableRequest, splits_of
from core.experiment.run import table1
from core.jobs.catalogue import JobRequest
from core.jobs.supervisor import supervise
from core.platform.atomic import make_folder
from core.store.study import Study
from core.tasks.runs.run_data import roi_request
from core.training.config import TrainingConfig

LOG = "log.txt"


class ExperimentRequest(msgspec.Struct, frozen=True, kw_only=True):
    """All that the child needs; the fields are those of ``Request``."""

    study: str
    out: str
    config: TrainingConfig
    seeds: int
    ablations: bool
    split: str
    folds: int
    draws: int


def experiment_job(arguments: dict[str, Any], emit: Emit, cancelled: IsCancelled) -> dict[str, object]:
    """Return the child's side; returns the ``Outcome`` as builtins."""
    asked = msgspec.convert(arguments, ExperimentRequest)
    request = TableRequest(
        out=Path(asked.out),
        config=asked.config,
        seeds=asked.seeds,
        ablations=asked.ablations,
        split=asked.split,
        folds=asked.folds,
        draws=asked.draws,
    )
    with Study.open(Path(asked.study), writable=False) as study:
        outcome = table1(study, request, emit=emit, cancelled=cancelled)
    found: dict[str, object] = msgspec.to_builtins(outcome)
    return found


def carry_out_experiment(
    study: Study, request: TableRequest, *, emit: Emit, cancelled: IsCancelled
) -> ExperimentOutcome:
    """Run ``table1`` in a child process and relay its events.

    Cancelled where the user asked for it: the parts that are finished and the last epoch of the one under way are
    kept. TrainingError with the child's sentence where it failed.
    """
    make_folder(request.out)
    splits_of(study, request)
    # kept here, where the study can be written, for the child that may only read it
    wanted = roi_request(request.config)
    built = build_roi_set(study, wanted, emit=emit, cancelled=cancelled)
    build_drawn_rois(study, wanted, built.rois.lesion_ids, emit=emit, cancelled=cancelled)
    asked = ExperimentRequest(
        study=str(study.folder),
        out=str(request.out.absolute()),
        config=request.config,
        seeds=request.seeds,
        ablations=request.ablations,
        split=request.split,
        folds=request.folds,
        draws=request.draws,
    )

    def relay(event: Event) -> None:
        if not isinstance(event, Succeeded | Failed | CancelledByUser):
            emit(event)

    final = supervise(
        JobRequest(job="experiment", arguments=msgspec.to_builtins(asked)),
        emit=relay,
        cancelled=cancelled,
        log=request.out / LOG,
    )
    match final:
        case Succeeded(result=result):
            return msgspec.convert(result, ExperimentOutcome)
        case Failed(sentence=sentence, last_words=words):
            hint = message("Its log is {path}.", path=request.out / LOG)
            raise TrainingError(joined([sentence, hint]) if words else sentence)
        case _:
            raise Cancelled
