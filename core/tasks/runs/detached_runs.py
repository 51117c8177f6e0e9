"""Runs whose job continues without its window. Free of torch: a window lists them when it opens a study."""

from __future__ import annotations

from pathlib import Path

from core.domain.study import Run, RunStatus
from core.jobs import detached
from core.jobs.slurm.submission import read_submission
from core.store.study import Study


def unsettled(study: Study) -> tuple[Run, ...]:
    """Return the runs whose job still runs, or ended without a record of its outcome."""
    runs = study.runs.all(archived=True)
    return tuple(r for r in runs if r.status is RunStatus.RUNNING and _had_job(study.run_folder(r.id)))


def is_worked_on(study: Study, run: Run) -> bool:
    """Return True if a detached job trains this run now, or a job in Slurm has not ended."""
    if run.status is not RunStatus.RUNNING:
        return False
    folder = study.run_folder(run.id)
    if detached.is_alive(folder):
        return True
    known = read_submission(folder)
    return known is not None and detached.final_event(Path(known.folder)) is None


def _had_job(folder: Path) -> bool:
    return detached.was_here(folder) or read_submission(folder) is not None
