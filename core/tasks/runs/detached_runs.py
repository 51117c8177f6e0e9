"""Runs whose job was left alone by its window. Without torch: a window asks for them when it opens a study."""

from __future__ import annotations

from core.domain.study import Run, RunStatus
from core.jobs import detached
from core.store.study import Study


def unsettled(study: Study) -> tuple[Run, ...]:
    """Runs whose job works still, or ended and nobody recorded what became of it."""
    runs = study.runs.all(archived=True)
    return tuple(r for r in runs if r.status is RunStatus.RUNNING and detached.was_here(study.run_folder(r.id)))


def is_worked_on(study: Study, run: Run) -> bool:
    """Whether a job that nobody need watch trains this run now."""
    return run.status is RunStatus.RUNNING and detached.is_alive(study.run_folder(run.id))
