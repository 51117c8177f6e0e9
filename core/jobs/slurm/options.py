"""Requests to a site's Slurm: resources, account, container; options of sbatch as a person writes them."""

from __future__ import annotations

import shlex
from pathlib import Path

import msgspec

from core.domain.errors import MarginaliaError
from core.domain.messages import message

SIGNAL = "--signal=B:USR1@120"
"""Two minutes before its time limit the job is asked to stop after its step and is queued again."""
_OURS = ("array", "output", "error", "input", "job-name", "chdir", "wrap", "parsable", "open-mode", "dependency")
_SHORT = {
    "a": "array",
    "o": "output",
    "e": "error",
    "i": "input",
    "J": "job-name",
    "D": "chdir",
    "d": "dependency",
}


class SlurmOptions(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="slurm"
):
    name: str = "slurm"
    """Name of the launcher."""
    slurm: str = ""
    """Options of sbatch, such as "--gres=gpu:1 --cpus-per-task=8 --time=12:00:00 -A radiology"."""
    prefix: str = ""
    """Words before the program on the node, such as "apptainer exec --nv image.sif"."""
    python: str = ""
    """The python on the nodes; "": that of this program."""
    program: str = ""
    """The folder of the program on the nodes; "": the same as here."""
    folder: str = ""
    """A folder that the nodes see under the same path, for the files of jobs; "": that of each run."""
    at_once: int = 0
    """How many tasks of an array may run at the same time; 0: as Slurm decides."""

    def words(self) -> list[str]:
        """Return the options for sbatch: those given, and those by which a job goes on after its time limit."""
        given = shlex.split(self.slurm)
        if not any(word.startswith("--signal") for word in given):
            given.append(SIGNAL)
        if not {"--requeue", "--no-requeue"} & set(given):
            given.append("--requeue")
        return given

    def prefix_words(self) -> list[str]:
        return shlex.split(self.prefix)


def checked_options(options: SlurmOptions) -> SlurmOptions:
    """Return the options if they can be used. Raises: MarginaliaError with what is wrong."""
    for what, text in (
        (message("options for sbatch"), options.slurm),
        (message("words before the program"), options.prefix),
    ):
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise MarginaliaError(
                message("The {what} of {launcher} have an open quotation mark.", what=what, launcher=options.name)
            ) from error
        if not text.isprintable():
            raise MarginaliaError(
                message(
                    "The {what} of {launcher} hold characters that cannot be printed.",
                    what=what,
                    launcher=options.name,
                )
            )
        if what == "options for sbatch" and words and not words[0].startswith("-"):
            raise MarginaliaError(
                message("{option} is not an option of sbatch; options begin with a hyphen.", option=words[0])
            )
    for option, path in (("--folder", options.folder), ("--program", options.program)):
        if path and (not Path(path).expanduser().is_absolute() or not path.isprintable()):
            raise MarginaliaError(
                message(
                    "{option} of {launcher} needs a full path, which is the same on the nodes.",
                    option=option,
                    launcher=options.name,
                )
            )
    for word in shlex.split(options.slurm):
        if _of_this_program(word):
            raise MarginaliaError(
                message("{word} is set by this program; leave it out of the options for sbatch.", word=word)
            )
    return options


def _of_this_program(word: str) -> bool:
    if word.startswith("--"):
        return word[2:].split("=")[0] in _OURS
    return word.startswith("-") and word[1:2] in _SHORT
