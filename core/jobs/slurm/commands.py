"""The commands of Slurm, each with a time limit, and what they answer.

A command that is missing, that refuses or that does not answer is a ``SlurmError``, never a process that waits
for ever.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence

import msgspec

from core.domain.errors import MarginaliaError
from core.domain.messages import joined, message, verbatim

NEEDED = ("sbatch", "squeue", "scancel")
ASK_S, SUBMIT_S = 5.0, 60.0
"""Time limits in seconds; slurmctld may answer sbatch late where many hand in at once."""
WAITING = frozenset(
    {
        "PENDING",
        "CONFIGURING",
        "REQUEUED",
        "REQUEUE_HOLD",
        "REQUEUE_FED",
        "RESV_DEL_HOLD",
        "SPECIAL_EXIT",
        "SUSPENDED",
        "STOPPED",
    }
)
RUNNING = frozenset({"RUNNING", "COMPLETING", "SIGNALING", "STAGE_OUT", "RESIZING"})
_JOB = re.compile(r"\d+(?:_\d+)?")
_UNKNOWN_JOB = "Invalid job id"


class SlurmError(MarginaliaError):
    """Slurm cannot be used: a command is missing, refuses, or does not answer."""


class SlurmSilentError(SlurmError):
    """A command of Slurm did not answer in time: whether it had an effect is not known."""


class QueueState(msgspec.Struct, frozen=True, kw_only=True):
    """A job as Slurm reports it."""

    state: str
    """The state in Slurm's words, such as PENDING; "": Slurm no longer knows the job."""
    reason: str = ""
    """Why it waits or ended, in Slurm's words; "" where Slurm gives none."""
    node: str = ""

    @property
    def waits(self) -> bool:
        return self.state in WAITING

    @property
    def runs(self) -> bool:
        return self.state in RUNNING

    @property
    def ended(self) -> bool:
        return not self.waits and not self.runs


def call(*words: str, limit_s: float = ASK_S) -> str:
    """Return the output of a command of Slurm.

    Raises: SlurmError if it is missing or refuses; SlurmSilentError if it does not answer within ``limit_s``.
    """
    name = words[0]
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=limit_s, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as error:
        raise SlurmSilentError(
            message("{name} did not answer within {seconds:.0f} seconds", name=name, seconds=limit_s)
        ) from error
    except OSError as error:
        raise SlurmError(
            message(
                "{name} could not be started ({reason})", name=name, reason=(error.strerror or "error").lower()
            )
        ) from error
    if done.returncode != 0:
        said = _said(name, done.stderr)
        ended = message("{name} ended with code {code}", name=name, code=done.returncode)
        raise SlurmError(verbatim(said) if said else ended)
    return done.stdout


def _said(name: str, text: str) -> str:
    """Output of a command, as one sentence without its own prefixes."""
    lines = [line.removeprefix(f"{name}: ").removeprefix("error: ").strip() for line in text.splitlines()]
    return "; ".join(line.rstrip(".") for line in lines if line)


def sbatch(options: Sequence[str], script: str) -> str:
    """Hand in a job that runs ``script``; return its number. Raises: SlurmError."""
    answer = call("sbatch", "--parsable", *options, "--wrap", script, limit_s=SUBMIT_S)
    number = answer.strip().splitlines()[-1].split(";")[0] if answer.strip() else ""
    if not _JOB.fullmatch(number):
        raise SlurmError(message("sbatch answered {answer!r} instead of a job number", answer=answer.strip()))
    return number


def squeue(jobs: Sequence[str]) -> dict[str, QueueState]:
    """Return the states of these jobs, array tasks one by one; a job that Slurm no longer knows is left out.

    Raises: SlurmError if Slurm cannot be asked.
    """
    numbers = sorted({job.split("_")[0] for job in jobs}, key=int)
    if not numbers:
        return {}
    try:
        answer = call(
            "squeue", "--noheader", "--array", "--states=all", "--jobs", ",".join(numbers), "--format=%i|%T|%r|%N"
        )
    except SlurmError as error:
        # with one job alone squeue refuses a number that it no longer knows
        if _UNKNOWN_JOB in str(error):
            return {}
        raise
    return _states(answer)


def _states(answer: str) -> dict[str, QueueState]:
    found = {}
    for line in answer.splitlines():
        job, state, reason, node = (*line.strip().split("|"), "", "", "")[:4]
        if _JOB.fullmatch(job) and state:
            known = "" if reason in ("None", "(null)") else reason
            found[job] = QueueState(state=state, reason=known, node=node)
    return found


def jobs_named(name: str) -> list[str]:
    """Return the numbers of the jobs with this name that Slurm still knows. Raises: SlurmError."""
    answer = call("squeue", "--noheader", "--states=all", f"--name={name}", "--format=%F")
    return sorted({line.strip() for line in answer.splitlines() if _JOB.fullmatch(line.strip())}, key=int)


def scancel(jobs: Sequence[str], *, waiting_only: bool = False) -> None:
    """Take jobs out of the queue. Raises: SlurmError if that could not be asked for."""
    states = ["--state=PENDING"] if waiting_only else []
    try:
        call("scancel", "--quiet", *states, *jobs)
    except SlurmSilentError:
        raise
    except SlurmError as error:
        if _UNKNOWN_JOB not in str(error):
            raise


def why_ended(job: str) -> str:
    """Return the reason why a job ended, from sacct; "" where the site keeps no accounts."""
    try:
        answer = call("sacct", "--noheader", "--parsable2", "--allocations", "--jobs", job, "--format=State")
    except SlurmError:
        return ""
    lines = answer.split()
    return lines[0] if lines else ""


def check_present(names: Sequence[str]) -> None:
    """Raises: SlurmError that names the commands that are not on the PATH."""
    absent = [name for name in names if shutil.which(name) is None]
    if absent:
        raise SlurmError(
            joined(
                [
                    message("{command} is not on the PATH:", command=absent[0])
                    if len(absent) == 1
                    else message("{commands} are not on the PATH:", commands=", ".join(absent)),
                    message(
                        "jobs are handed in, followed and cancelled with Slurm's commands {names}; run this "
                        "where they are installed, such as a login node.",
                        names=", ".join(names),
                    ),
                ]
            )
        )
