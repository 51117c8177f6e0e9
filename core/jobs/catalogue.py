"""Which jobs exist: a name to the function that does it, imported when it is needed."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import msgspec

from core.domain.errors import MarginaliaError
from core.domain.events import Emit, IsCancelled
from core.domain.messages import message

Job = Callable[[dict[str, Any], Emit, IsCancelled], dict[str, object]]

_JOBS = {
    "train": "core.tasks.runs.train_job:train_job",
    "devices": "core.tasks.runs.devices:devices_job",
    "estimate": "core.tasks.runs.estimate:estimate_job",
    "train elsewhere": "core.tasks.runs.remote_submit:train_elsewhere_job",
    "begin elsewhere": "core.tasks.runs.remote_submit:begin_elsewhere_job",
    "follow elsewhere": "core.tasks.runs.remote_submit:follow_elsewhere_job",
    "train sent": "core.tasks.runs.remote_worker:train_sent_job",
    "train packed": "core.tasks.runs.remote_worker:train_packed_job",
    "experiment": "core.experiment.job:experiment_job",
    "check": "core.tasks.studies.check_job:check_job",
    "restore": "core.tasks.studies.check_job:restore_job",
    "experiment part": "core.experiment.launch:part_job",
    "report": "core.jobs.machine_report:report_job",
    "rehearsal": "core.jobs.test_job:rehearse",
}


MISSED = 4


class JobRequest(msgspec.Struct, frozen=True, kw_only=True):
    job: str
    arguments: dict[str, Any] = {}
    heartbeat_s: float = 0.0
    """The interval in seconds of the empty lines that a follower writes to the job; 0: none.

    A job that misses ``MISSED`` of them stops, since its connection died silently.
    """


def find_job(name: str) -> Job:
    """The function of this job; MarginaliaError where there is none of that name."""
    if name not in _JOBS:
        raise MarginaliaError(
            message("There is no job named {name}; use one of {known}.", name=name, known=", ".join(sorted(_JOBS)))
        )
    module, function = _JOBS[name].split(":")
    job: Job = getattr(import_module(module), function)
    return job
