"""Reproduce the paper's Table 1 and figures: train IAIA-BL and its baselines on one split over several seeds,
judge them by the same code, and write one page (HTML and Markdown).

  table1   IAIA-BL, ProtoPNet, the black box with GradCAM and GradCAM++, the end-to-end classifier of malignancy,
           and IAIA-BL without any mask; --ablations adds more
  compare  paired tests of runs that `train` made, on the test patients that they share

Parts that are finished are kept in the folder and not repeated: run the same command again to go on, with more
--seeds or --ablations to add to it. The folder holds models and pictures of the study's patients: keep it as you
keep the study. --phantom makes a SYNTHETIC study first whose training images carry a marker
that goes with the class, and judges on two test sets: marker at random, and absent. With it loss.fine is 0.004
unless --set says otherwise.

examples:
  main.py experiment table1 --phantom --out table1-phantom
  main.py experiment table1 --study breast-margins --folds 5 --seeds 1 --out table1-real
  main.py experiment compare --study breast-margins --runs compact-1 protopnet-compact-1
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli.console import Console

HELP = "train the baselines and reproduce the paper's Table 1 and figures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("table1", "compare"), help="what to do")
    parser.add_argument("--study", type=Path, help="folder of the study")
    parser.add_argument("--phantom", action="store_true", help="make the confounded synthetic study in OUT/study")
    parser.add_argument("--patients", type=int, default=370, help="with --phantom: patients (default: 370)")
    parser.add_argument(
        "--test-patients", type=int, default=250, help="with --phantom: of them, in the test part (default: 250)"
    )
    parser.add_argument("--phantom-seed", type=int, default=1, help="with --phantom: its seed (default: 1)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("table1"),
        help="folder of the models and the page (default: table1)",
    )
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each model (default: 3)")
    parser.add_argument("--preset", default="compact", help="configuration of IAIA-BL (default: compact)")
    parser.add_argument("--label", choices=("margin", "shape"), default="margin", help="what is classified")
    parser.add_argument("--ablations", action="store_true", help="train the ablations too")
    parser.add_argument("--split", default="", help="name of the split (default: default, made if there is none)")
    parser.add_argument("--folds", type=int, default=0, help="patient-grouped cross-validation instead of a split")
    parser.add_argument(
        "--launcher",
        default="",
        metavar="local:N|slurm",
        help="train the parts N at once in processes that share the cores, or hand each to Slurm",
    )
    parser.add_argument(
        "--runs", nargs="+", default=[], metavar="RUN", help="compare: the first run against each of the others"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a value of the configuration"
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    from core.domain.errors import MarginaliaError

    if arguments.phantom == (arguments.study is not None):
        raise MarginaliaError("Name a study with --study, or ask for a synthetic one with --phantom.")
    if arguments.what == "compare":
        return _compare(arguments, console)
    return _table1(arguments, console)


def _table1(arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.experiment.phantom_study import CHANGES, confounded, make_confounded_study
    from core.experiment.request import TableRequest
    from core.experiment.run import table1
    from core.jobs.launcher import launcher_of
    from core.store.study import Study
    from core.tasks.runs.configure import configure

    changes = [*(CHANGES if arguments.phantom else ()), *arguments.set]
    config = configure(arguments.preset, label=arguments.label, seed=1, changes=changes)
    folder, out = arguments.study, arguments.out
    if arguments.phantom:
        wanted = confounded(
            patients=arguments.patients, test_patients=arguments.test_patients, seed=arguments.phantom_seed
        )
        folder = make_confounded_study(out / "study", wanted, emit=console.emit, cancelled=console.cancelled)
    request = TableRequest(
        out=out, config=config, seeds=arguments.seeds,
        ablations=arguments.ablations, split=arguments.split, folds=arguments.folds,
        launcher=launcher_of(arguments.launcher) if arguments.launcher else None,
    )  # fmt: skip
    with Study.open(folder) as study:
        outcome = table1(study, request, emit=console.emit, cancelled=console.cancelled)
    lines = ["SYNTHETIC DATA." if outcome.synthetic else ""]
    lines += [f"{title}. {sentence}" for title, said in outcome.verdicts.items() for sentence in said]
    lines.append(f"Trained for {outcome.training_seconds / 60:.1f} minutes. Open {outcome.page} in a browser.")
    console.result(msgspec.to_builtins(outcome), "\n".join(line for line in lines if line))
    return 0


def _compare(arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.domain.errors import MarginaliaError
    from core.experiment.compare import compare_runs, comparison_text
    from core.store.study import Study

    if arguments.study is None or len(arguments.runs) < 2:
        raise MarginaliaError("Name a study with --study and at least two of its runs with --runs.")
    with Study.open(arguments.study, writable=False) as study:
        found = compare_runs(study, arguments.runs, cancelled=console.cancelled)
    console.result(msgspec.to_builtins(found), comparison_text(found))
    return 0
