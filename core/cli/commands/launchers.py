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

--hosts makes a pool of machines that you set up and confirmed (marginalia hosts): each run goes to one with a free
graphics card, or a free processor where it has no card. With --detach the runs are left there, most where most is
free, and wait for a device. Trainings never share a graphics card, except several at once by local:N.

`local` and `slurm` exist without being set up: `local:4` are four jobs at once on this machine, `slurm` is Slurm
with its defaults. Entries are kept for you on this computer.

examples:
  marginalia launchers add gpus --slurm "--gres=gpu:1 --cpus-per-task=8 --time=12:00:00 -A radiology"
  marginalia launchers add image --slurm "--cpus-per-task=8" --prefix "apptainer exec --nv marginalia.sif"
  marginalia launchers add lab --hosts reading-room workstation-2 workstation-3
  marginalia launchers test gpus
  marginalia train breast-margins --folds 5 --launcher gpus --detach
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from core.cli.console import Console
from core.cli.parsing import add_named_actions
from core.domain.messages import as_text, message

if TYPE_CHECKING:
    from core.jobs.launcher_profiles import StoredLauncher

HELP = "set up and test Slurm clusters and pools of hosts for trainings"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    texts = {
        "add": "set up a launcher, or change the one of the same name",
        "list": "list the launchers",
        "test": "hand in a job that reports what it was given",
        "remove": "remove a launcher",
    }
    made = add_named_actions(parser, texts)
    add = made["add"]
    add.add_argument("--slurm", default="", metavar="OPTIONS", help="options of sbatch, in one pair of quotes")
    add.add_argument("--prefix", default="", metavar="WORDS", help="words before the program, such as a container")
    add.add_argument("--python", default="", help="python on the nodes (default: that of this program)")
    add.add_argument("--program", default="", help="folder of the program on the nodes (default: as here)")
    add.add_argument("--folder", default="", help="folder for jobs that the nodes see (default: that of the run)")
    add.add_argument("--at-once", type=int, default=0, metavar="N", help="at most N jobs of an array at once")
    add.add_argument(
        "--hosts", nargs="+", default=[], metavar="HOST", help="machines that form a pool, without Slurm"
    )
    made["test"].add_argument(
        "--seconds", type=int, default=300, help="how long to wait for the job to end (default: 300)"
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.jobs.launcher_profiles import LauncherProfiles

    profiles = LauncherProfiles()
    match arguments.action:
        case "add":
            made = _made(arguments)
            profiles.put(made)
            text = f"Set up {made.name}. Next: marginalia launchers test {made.name}"
            console.result(msgspec.to_builtins(made, enc_hook=as_text), text)
        case "list":
            known = profiles.all()
            text = "\n".join(f"{one.name}  {_words(one)}" for one in known)
            empty = "There are no launchers but local and slurm. Next: marginalia launchers add --help"
            console.result({"launchers": msgspec.to_builtins(known, enc_hook=as_text)}, text or empty)
        case "test":
            _test(arguments, console)
        case "remove":
            profiles.remove(arguments.name)
            console.result({"removed": arguments.name}, f"Removed {arguments.name}.")
    return 0


def _made(arguments: argparse.Namespace) -> StoredLauncher:
    from core.domain.errors import TrainingError
    from core.jobs.hosts import Hosts
    from core.jobs.launcher_profiles import HostPool
    from core.jobs.slurm.options import SlurmOptions

    made = SlurmOptions(
        name=arguments.name,
        slurm=arguments.slurm,
        prefix=arguments.prefix,
        python=arguments.python,
        program=arguments.program,
        folder=arguments.folder,
        at_once=max(0, arguments.at_once),
    )
    if not arguments.hosts:
        return made
    if made != SlurmOptions(name=arguments.name):
        raise TrainingError(
            message("--hosts makes a pool of machines; the other options are for Slurm: leave them out.")
        )
    for name in arguments.hosts:
        Hosts().get(name)
    return HostPool(name=arguments.name, hosts=tuple(arguments.hosts))


def _words(one: StoredLauncher) -> str:
    from core.jobs.launcher_profiles import HostPool

    if isinstance(one, HostPool):
        return f"hosts {' '.join(one.hosts)}"
    words = [f"sbatch {one.slurm}".strip()]
    words += [f"{what} {text}" for what, text in (("prefix", one.prefix), ("python", one.python)) if text]
    words += [f"{what} {text}" for what, text in (("program", one.program), ("folder", one.folder)) if text]
    return ", ".join([*words, *([f"at most {one.at_once} at once"] if one.at_once else [])])


def _test(arguments: argparse.Namespace, console: Console) -> None:
    import msgspec

    from core.jobs.launcher import launcher_of
    from core.jobs.slurm.trial import try_launcher

    launcher = launcher_of(arguments.name)
    if launcher.hosts:
        _test_hosts(launcher.hosts, console)
        return
    found = try_launcher(launcher.slurm, arguments.seconds, emit=console.emit, cancelled=console.cancelled)
    text = (
        f"{arguments.name} works: job {found.job} ran on {found.node} with {found.words}; its program is "
        f"{found.code_version}."
    )
    console.result(msgspec.to_builtins(found, enc_hook=as_text), text)


def _test_hosts(names: tuple[str, ...], console: Console) -> None:
    """Show what each host of a pool has; one that cannot be used is shown with the reason."""
    import msgspec

    from core.domain.errors import MarginaliaError
    from core.jobs.host_check import check_host, problems_of
    from core.jobs.hosts import Hosts

    documents: list[object] = []
    lines = []
    for name in names:
        try:
            found = check_host(Hosts().usable(name), emit=console.emit, cancelled=console.cancelled)
        except MarginaliaError as error:
            documents.append({"host": name, "works": False, "problem": str(error)})
            lines.append(f"{name}: {error}")
            continue
        documents.append({"host": name, "works": True, **msgspec.to_builtins(found, enc_hook=as_text)})
        lines.append(" ".join([f"{name}: {found.words}.", *problems_of(found)]))
    console.result({"hosts": documents}, "\n".join(lines))
