"""The state of a folder's job: never submitted, in the queue, or ended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.domain.errors import MarginaliaError, StudyError
from core.domain.messages import message
from core.jobs import detached
from core.jobs.detached import STOP
from core.jobs.slurm import commands
from core.jobs.slurm.commands import SlurmError
from core.jobs.slurm.poller import GONE
from core.jobs.slurm.submission import Submission, found_submission


def in_queue(homes: Sequence[Path]) -> set[Path]:
    """Return those of the folders whose job waits or runs, with one question to Slurm for all of them.

    A job that was cancelled while it waited, and waits still, is wanted again. Raises: StudyError if that is not
    known, since Slurm cannot be asked.
    """
    try:
        records = {home: known for home in homes if (known := _open_record(home)) is not None}
        states = commands.squeue([known.job for known in records.values()])
    except SlurmError as error:
        raise StudyError(
            message(
                "A job in Slurm works on this already, and cannot be asked about ({error}); try again when Slurm "
                "answers, so that it does not run twice.",
                error=error,
            )
        ) from error
    found = set()
    for home, known in records.items():
        state = states.get(known.job, GONE)
        if state.waits:
            (Path(known.folder) / STOP).unlink(missing_ok=True)
        if not state.ended:
            found.add(home)
    return found


def _open_record(home: Path) -> Submission | None:
    """The record of a job whose last event was not written yet."""
    known = found_submission(home)
    if known is None or detached.final_event(Path(known.folder)) is not None:
        return None
    return known


def number_of(home: Path) -> tuple[Path, str]:
    """Return the folder and the number of the job. Raises: MarginaliaError if none was handed in."""
    known = found_submission(home)
    if known is None:
        raise MarginaliaError(message("{folder} has no job in Slurm; hand it in again.", folder=home.name))
    return Path(known.folder), known.job
