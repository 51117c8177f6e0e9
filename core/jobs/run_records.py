"""Runs of a study as records: found, listed, renamed and deleted, without torch."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from core.domain.errors import StudyError
from core.domain.messages import message
from core.domain.run_groups import in_group
from core.domain.study import Run, RunStatus
from core.jobs import detached
from core.jobs.attended import is_attended
from core.jobs.slurm.submission import read_submission
from core.store.study import Study

LEFT = "left.json"
"""In the folder of a run: it was left on its host, where it goes on without a connection."""
CONTENTS = "contents.json"
"""In the folder of a run whose model another study shared (``core.exchange.models.archive``)."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class RunLine(msgspec.Struct, frozen=True, kw_only=True):
    """A run in a list."""

    name: str
    status: str
    created_utc: str
    preset: str
    label: str
    imported: bool
    prototypes: int | None
    """The number of prototypes of the revision in use; None without a model."""
    pruned: bool
    notes: str


def check_run_name(name: str) -> None:
    """StudyError for a name that is hard to type in a shell or in a path."""
    if _NAME.fullmatch(name) is None:
        raise StudyError(
            message(
                "A run cannot be named {name!r}; use at most 64 letters, digits, dots, hyphens and underscores, "
                "and begin with a letter or digit.",
                name=name,
            )
        )


def is_imported(study: Study, run: Run) -> bool:
    """True if the run is a model that another study shared: its folder then holds the list of what came."""
    return (study.run_folder(run.id) / CONTENTS).is_file()


def find_run(study: Study, name: str) -> Run:
    """By name or by the beginning of the id; StudyError where there is none, or more than one."""
    named = study.runs.find(name)
    if named is not None:
        return named
    found = [run for run in study.runs.all() if run.id.startswith(name)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(run.name for run in study.runs.all()) or "none yet"
    raise StudyError(message("This study has no run {name}; its runs are: {known}.", name=name, known=known))


INTERRUPTED = "interrupted"
"""Status of a run that was being trained by a process that is gone: it was killed, or the power failed."""


def is_worked_on(study: Study, run: Run) -> bool:
    """Return True if this run is being trained now, by whichever process, or was left on a host or in a queue."""
    folder = study.run_folder(run.id)
    if run.status is not RunStatus.FINISHED and (folder / LEFT).is_file():
        return True
    if run.status is not RunStatus.RUNNING:
        return False
    if detached.is_alive(folder) or is_attended(folder):
        return True
    known = read_submission(folder)  # a job in Slurm that has not ended
    return known is not None and detached.final_event(Path(known.folder)) is None


def has_job_elsewhere(study: Study, run: Run) -> bool:
    """Return True if the run is in Slurm's queue or was left on a host, and its end has not come."""
    folder = study.run_folder(run.id)
    if (folder / LEFT).is_file():
        return run.status is not RunStatus.FINISHED
    known = read_submission(folder) if run.status is RunStatus.RUNNING else None
    return known is not None and detached.final_event(Path(known.folder)) is None


def status_word(study: Study, run: Run) -> str:
    """Return the status of a run; ``INTERRUPTED`` for one that counts as running and that nobody trains."""
    if run.status is RunStatus.RUNNING and not is_worked_on(study, run):
        return INTERRUPTED
    return run.status.value


def find_runs(study: Study, names: Sequence[str]) -> list[Run]:
    """The runs of these names, each once; the name of a training stands for its unfinished folds and seeds.

    Raises: StudyError where there is none.
    """
    found: dict[str, Run] = {}
    for name in names:
        group = [run for run in study.runs.all() if in_group(run.name, name)]
        chosen = [find_run(study, name)] if study.runs.find(name) is not None or not group else group
        left = [run for run in chosen if len(chosen) == 1 or run.status is not RunStatus.FINISHED]
        if not left:
            raise StudyError(message("Every run of {name} is finished; there is nothing to resume.", name=name))
        found.update({run.id: run for run in left})
    return list(found.values())


def finished_run(study: Study, name: str) -> Run:
    run = find_run(study, name)
    if run.status is not RunStatus.FINISHED:
        raise StudyError(
            message(
                "Run {run} is {status}, not finished: resume it with train --resume {run}.",
                run=run.name,
                status=status_word(study, run),
            )
        )
    return run


def run_line(study: Study, run: Run) -> RunLine:
    active = study.models.active(run.id)
    return RunLine(
        name=run.name,
        status=status_word(study, run),
        created_utc=run.created_utc,
        preset=str(run.config.get("preset", "")),
        label=str(run.config.get("label", "")),
        imported=is_imported(study, run),
        prototypes=None if active is None else len(active.prototype_indices),
        pruned=active is not None and active.parent_id is not None,
        notes=run.notes,
    )


def run_lines(study: Study, *, archived: bool = False) -> list[RunLine]:
    """The runs in the order of entry; archived ones only on request."""
    return [run_line(study, run) for run in study.runs.all(archived=archived)]


def rename_run(study: Study, run: Run, name: str) -> Run:
    """StudyError if the name is taken or cannot be used."""
    check_run_name(name)
    if study.runs.find(name) is not None:
        raise StudyError(message("This study has a run named {name} already; choose another name.", name=name))
    renamed = msgspec.structs.replace(run, name=name)
    study.runs.update(renamed)
    return renamed


def check_deletable(study: Study, run: Run) -> None:
    """StudyError if the run is being trained, or if a reader study shows its model."""
    if is_worked_on(study, run):
        raise StudyError(message("Run {run} is being trained; stop it first.", run=run.name))
    readers = [made.name for made in study.reader_studies.all() if made.run_id == run.id]
    if readers:
        raise StudyError(
            message(
                "The reader study {reader_studies} shows the model of run {run}, so the run must stay; "
                "archive it in the window instead.",
                reader_studies=", ".join(readers),
                run=run.name,
            )
        )


def delete_run(study: Study, run: Run) -> None:
    """Delete the run's files: model, checkpoints, tables, pictures. Its record stays, archived and renamed,
    because the audit trail and the reviews of its prototypes name it; the name is free again."""
    check_deletable(study, run)
    folder = study.run_folder(run.id)
    gone = msgspec.structs.replace(
        run, archived=True, name=f"{run.name}.deleted-{run.id[:8]}", status=RunStatus.CANCELLED, notes="Deleted."
    )
    study.runs.update(gone)
    shutil.rmtree(folder)
