"""Launchers for `train --launcher NAME` and `experiment --launcher NAME`: what a site's Slurm is asked for.

Jobs get what the options of sbatch in --slurm ask for: graphics cards, processor cores, memory, time, account and
partition. sbatch's own environment variables (SBATCH_PARTITION and so on) work too, but there is none for the
number of cores. Two minutes before its time limit a job stops after its step, keeps its checkpoint and is queued
again; a --signal=B:USR1@SECONDS of your own changes the time. Threads and graphics cards are those of the job, not
those of the node.

The program and its python must exist at the same path on the nodes, or where --program and --python say. The nodes
read and write files of the job alone, never the study's database: regions of interest, their masks, classes and
parts under random identifiers. They lie in the folder of the run; if the nodes do not see it, --folder names a
folder that they see, and results are copied from there.

`local` and `slurm` exist without being set up: `local:4` are four jobs at once on this machine, `slurm` is Slurm
with its defaults. Entries are kept for you on this computer.

examples:
  marginalia launchers add gpus --slurm "--gres=gpu:1 --cpus-per-task=8 --time=12:00:00 -A radiology"
  marginalia launchers add image --slurm "--cpus-per-task=8" --prefix "apptainer exec --nv marginalia.sif"
  marginalia launchers test gpus
  marginalia train breast-margins --folds 5 --launcher gpus --detach
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from core.cli.console import Console
from core.cli.parsing import add_action, add_actions

if TYPE_CHECKING:
    from core.jobs.slurm.options import SlurmOptions

HELP = "set up and test what trainings ask a Slurm cluster for"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = add_actions(parser)
    texts = {
        "add": "set up a launcher, or change the one of the same name",
        "list": "list the launchers",
        "test": "hand in a job that reports what it was given",
        "remove": "remove a launcher",
    }
    made = {name: add_action(actions, name, text) for name, text in texts.items()}
    for name, one in made.items():
        if name != "list":
            one.add_argument("name")
    add = made["add"]
    add.add_argument("--slurm", default="", metavar="OPTIONS", help="options of sbatch, in one pair of quotes")
    add.add_argument("--prefix", default="", metavar="WORDS", help="words before the program, such as a container")
    add.add_argument("--python", default="", help="python on the nodes (default: that of this program)")
    add.add_argument("--program", default="", help="folder of the program on the nodes (default: as here)")
    add.add_argument("--folder", default="", help="folder for jobs that the nodes see (default: that of the run)")
    add.add_argument("--at-once", type=int, default=0, metavar="N", help="at most N jobs of an array at once")
    made["test"].add_argument(
        "--seconds", type=int, default=300, help="how long to wait for the job to end (default: 300)"
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.jobs.launcher_profiles import LauncherProfiles

    profiles = LauncherProfiles()
    match arguments.action:
        case "add":
            from core.jobs.slurm.options import SlurmOptions

            made = SlurmOptions(
                name=arguments.name, slurm=arguments.slurm, prefix=arguments.prefix, python=arguments.python,
                program=arguments.program, folder=arguments.folder, at_once=max(0, arguments.at_once),
            )  # fmt: skip
            profiles.put(made)
            text = f"Set up {made.name}. Next: marginalia launchers test {made.name}"
            console.result(msgspec.to_builtins(made), text)
        case "list":
            known = profiles.all()
            text = "\n".join(f"{one.name}  {_words(one)}" for one in known)
            empty = "There are no launchers but local and slurm. Next: marginalia launchers add --help"
            console.result({"launchers": msgspec.to_builtins(known)}, text or empty)
        case "test":
            _test(arguments, console)
        case "remove":
            profiles.remove(arguments.name)
            console.result({"removed": arguments.name}, f"Removed {arguments.name}.")
    return 0


def _words(one: SlurmOptions) -> str:
    words = [f"sbatch {one.slurm}".strip()]
    words += [f"{what} {text}" for what, text in (("prefix", one.prefix), ("python", one.python)) if text]
    words += [f"{what} {text}" for what, text in (("program", one.program), ("folder", one.folder)) if text]
    return ", ".join([*words, *([f"at most {one.at_once} at once"] if one.at_once else [])])


def _test(arguments: argparse.Namespace, console: Console) -> None:
    import msgspec

    from core.jobs.launcher import launcher_of
    from core.jobs.slurm.trial import try_launcher

    launcher = launcher_of(arguments.name)
    found = try_launcher(launcher.slurm, arguments.seconds, emit=console.emit, cancelled=console.cancelled)
    text = (
        f"{arguments.name} works: job {found.job} ran on {found.node} with {found.words}; its program is "
        f"{found.code_version}."
    )
    console.result(msgspec.to_builtins(found), text)
