"""All that is recorded of a run, for people."""

from __future__ import annotations

import msgspec

from core.domain.errors import ModelError
from core.domain.study import Run
from core.domain.vocabulary import Part
from core.jobs.run_records import RunLine, run_line
from core.model.checkpoint import load_model
from core.store.study import Study
from core.tasks.runs.lifecycle import MODEL, request_of


class RunDescription(msgspec.Struct, frozen=True, kw_only=True):
    """All that is recorded of a run."""

    line: RunLine
    id: str
    folder: str
    code_version: str
    data_fingerprint: str
    model_sha256: str
    """The SHA-256 of the model as trained; "" without a model."""
    patients: dict[str, int]
    """Number of patients in each part of its split."""
    revision: str
    """Reason of the revision in use."""
    config: dict[str, object]
    metrics: dict[str, object]


def describe_run(study: Study, run: Run) -> RunDescription:
    active = study.models.active(run.id)
    try:
        parts = list(request_of(study, run).parts.values())
    except ModelError:
        parts = []
    try:
        sha256 = load_model(study.run_folder(run.id) / MODEL).sha256
    except ModelError:
        sha256 = ""
    return RunDescription(
        line=run_line(study, run),
        id=run.id,
        folder=run.folder,
        code_version=run.code_version,
        data_fingerprint=run.data_fingerprint or "",
        model_sha256=sha256,
        patients={part.value: parts.count(part) for part in Part},
        revision="" if active is None else active.reason,
        config=run.config,
        metrics=run.metrics,
    )
