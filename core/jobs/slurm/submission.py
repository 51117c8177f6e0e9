"""Handing jobs in: one array for many, and a record in the folder of each, so that any program finds it again.

The record is written before sbatch is called, under a name that Slurm keeps too: a program that dies between
sbatch and its answer leaves a job that is found by this name, and never a second one.
"""

from __future__ import annotations

import re
import secrets
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from core.domain.errors import BadFileError, MarginaliaError
from core.domain.messages import message
from core.jobs.catalogue import JobRequest
from core.jobs.detached import forget
from core.jobs.slurm import commands
from core.jobs.slurm.options import SlurmOptions
from core.platform.atomic import atomic_write

ROOT = Path(__file__).resolve().parents[3]
RECORD, REQUEST, ARRAY, LOG = "slurm-job.json", "slurm-request.json", "slurm-array.json", "slurm-log.txt"
_LONGEST_NAME = 60


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """The job of a folder."""

    name: str
    """Its name in Slurm."""
    job: str
    """Its number, "7" or "7_3" in an array; "" where sbatch's answer did not come."""
    task: int | None
    """Its place in an array; None outside of one."""
    handed_in_utc: str
    launcher: str
    """Name of the launcher, by which the run goes on later."""
    folder: str
    """The folder of the job's files, which the nodes see too."""


@dataclass(frozen=True, kw_only=True)
class SlurmTask:
    """A job to hand in."""

    home: Path
    """The folder that keeps the record of the job."""
    folder: Path
    """The folder of the job's files, which the nodes see under the same path; it may be ``home``."""
    request: JobRequest


def read_submission(folder: Path) -> Submission | None:
    """Return the record of the folder's job; None where none was handed in. Raises: BadFileError if damaged."""
    try:
        return msgspec.json.decode((folder / RECORD).read_bytes(), type=Submission)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise BadFileError(
            message("{path} cannot be read; find the job with squeue, then delete it.", path=folder / RECORD)
        ) from error


def forget_submission(folder: Path) -> None:
    """Remove the record of a job that has left the queue for certain."""
    (folder / RECORD).unlink(missing_ok=True)


def found_submission(folder: Path) -> Submission | None:
    """Return the folder's record like ``read_submission``, with its number looked up where the answer was lost.

    None too if the job never reached Slurm. Raises: SlurmError if Slurm cannot be asked about it.
    """
    known = read_submission(folder)
    if known is None or known.job:
        return known
    numbers = commands.jobs_named(known.name)
    if not numbers:
        forget_submission(folder)
        return None
    return _keep(folder, known, numbers[-1])


def submit(tasks: Sequence[SlurmTask], options: SlurmOptions, *, title: str) -> list[Submission]:
    """Hand in the jobs, several as one array, and keep the record of each in its folder.

    ``title`` becomes part of the name in Slurm. None of the folders may have a job in the queue. Raises:
    MarginaliaError with sbatch's message if it refuses; nothing is then kept.
    """
    name, first = _job_name(title), tasks[0].folder
    made = [
        Submission(
            name=name,
            job="",
            task=place if len(tasks) > 1 else None,
            launcher=options.name,
            handed_in_utc=datetime.now(UTC).isoformat(timespec="seconds"),
            folder=str(task.folder.resolve()),
        )
        for place, task in enumerate(tasks)
    ]
    for task, record in zip(tasks, made, strict=True):
        forget(task.folder)
        atomic_write(task.folder / REQUEST, msgspec.json.encode(task.request))
        atomic_write(task.home / RECORD, msgspec.json.encode(record))
    array = first / ARRAY
    atomic_write(array, msgspec.json.encode([str(task.folder.resolve()) for task in tasks]))
    try:
        job = commands.sbatch(_options(options, name, first, len(tasks)), _script(options, array))
    except commands.SlurmSilentError as error:
        raise MarginaliaError(
            message(
                "It is not known whether Slurm took the job ({error}); resume the run later, which looks for it.",
                error=error,
            )
        ) from error
    except commands.SlurmError as error:
        for task in tasks:
            forget_submission(task.home)
        raise MarginaliaError(message("The job could not be handed to Slurm: {error}.", error=error)) from error
    return [_keep(task.home, record, job) for task, record in zip(tasks, made, strict=True)]


def _keep(folder: Path, record: Submission, number: str) -> Submission:
    job = number if record.task is None else f"{number}_{record.task}"
    kept = msgspec.structs.replace(record, job=job)
    atomic_write(folder / RECORD, msgspec.json.encode(kept))
    return kept


def _job_name(title: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", title)[:_LONGEST_NAME]
    return f"marginalia-{plain}-{secrets.token_hex(4)}"


def _options(options: SlurmOptions, name: str, folder: Path, count: int) -> list[str]:
    words = [
        f"--job-name={name}",
        f"--chdir={options.program or ROOT}",
        f"--output={output_pattern(folder / LOG)}",
        "--open-mode=append",
        *options.words(),
    ]
    if count > 1:
        limit = f"%{options.at_once}" if options.at_once else ""
        words.append(f"--array=0-{count - 1}{limit}")
    return words


def output_pattern(path: Path) -> str:
    """Return a path for sbatch, which replaces %j and other letters after a per cent sign, and nothing after a
    backslash."""
    text = str(path.absolute())
    return text if "\\" in text else text.replace("%", "%%")


def _script(options: SlurmOptions, array: Path) -> str:
    program = Path(options.program) if options.program else ROOT
    run = [*options.prefix_words(), options.python or sys.executable, str(program / "main.py"), "job", "--array"]
    return f"exec {shlex.join([*run, str(array.resolve())])}"
