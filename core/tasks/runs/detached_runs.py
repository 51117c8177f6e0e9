"""Runs whose job continues without its window. Free of torch: a window lists them when it opens a study."""

from __future__ import annotations

from pathlib import Path

from core.domain.study import Run, RunStatus
from core.jobs import detached
from core.jobs.run_records import LEFT
from core.jobs.slurm.submission import read_submission
from core.store.study import Study


def unsettled(study: Study) -> tuple[Run, ...]:
    """Return the runs whose job still runs, or ended without a record of its outcome."""
    runs = study.runs.all(archived=True)
    return tuple(r for r in runs if r.status is RunStatus.RUNNING and _had_job(study.run_folder(r.id)))


def _had_job(folder: Path) -> bool:
    return detached.was_here(folder) or read_submission(folder) is not None or (folder / LEFT).is_file()
