"""Reproduce the paper's Table 1 and figures: train IAIA-BL and its baselines on one split over several seeds,
evaluate them by the same code, and write one page (HTML and Markdown).

  table1   IAIA-BL, ProtoPNet, the black box with GradCAM and GradCAM++, the end-to-end classifier of malignancy,
           and IAIA-BL without any mask; --ablations adds more
  compare  the former name of `run compare`

Parts that are finished are kept in the folder and not repeated: run the same command again to go on, with more
--seeds or --ablations to add to it. The folder holds models and pictures of the study's patients: keep it as you
keep the study. --phantom makes a SYNTHETIC study first whose training images carry a marker
that goes with the class, and evaluates on two test sets: marker at random, and absent. With it loss.fine is 0.004
unless --set says otherwise.

examples:
  marginalia experiment table1 --phantom --out table1-phantom
  marginalia experiment table1 --study breast-margins --folds 5 --seeds 1 --preset pretrained --out table1-real
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli import lookup
from core.cli.console import Console
from core.cli.parsing import add_action, add_actions
from core.domain.messages import as_text

HELP = "train the baselines and reproduce the paper's Table 1 and figures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = add_actions(parser)
    _add_table1(add_action(actions, "table1", "train IAIA-BL and its baselines and write the paper's Table 1"))
    compare = add_action(actions, "compare", "now: run compare", hidden=True)
    compare.add_argument("--study", type=Path, required=True, help="folder of the study")
    compare.add_argument("--runs", nargs="+", required=True, metavar="RUN", help="the first against the others")


def _add_table1(parser: argparse.ArgumentParser) -> None:
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--study", type=Path, help="folder of the study")
    data.add_argument("--phantom", action="store_true", help="make the confounded synthetic study in OUT/study")
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
    parser.add_argument("--seeds", type=int, default=3, help="number of trainings of each model (default: 3)")
    parser.add_argument("--preset", default="compact", help="configuration of IAIA-BL (default: compact)")
    parser.add_argument("--label", choices=("margin", "shape"), default="margin", help="what is classified")
    parser.add_argument("--ablations", action="store_true", help="train the ablations too")
    parser.add_argument("--split", default="", help="name of the split (default: default, made if there is none)")
    parser.add_argument(
        "--folds", type=int, default=0, metavar="N", help="patient-grouped cross-validation instead of a split"
    )
    parser.add_argument(
        "--launcher",
        default="",
        metavar="local:N|slurm|NAME",
        help="train N parts at once in processes that share the cores, or hand all to Slurm as one array of jobs, "
        "with the options of a launcher that you set up (marginalia launchers)",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a value of the configuration"
    )


def look_up(arguments: argparse.Namespace) -> None:
    if arguments.study is not None:
        lookup.check_study(arguments.study)
    if arguments.action == "compare":
        lookup.check_runs_to_compare(arguments.study, arguments.runs)
        return
    lookup.check_preset(arguments.preset)
    lookup.check_settings(arguments.set)
    if arguments.split and arguments.study is not None:
        lookup.check_split(arguments.study, arguments.split)


def run(arguments: argparse.Namespace, console: Console) -> int:
    if arguments.action == "compare":
        from core.cli.commands.run import compare

        console.note("'experiment compare' is now 'run compare'; the old name still works.")
        return compare(arguments.study, arguments.runs, console)
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
        out=out,
        config=config,
        seeds=arguments.seeds,
        ablations=arguments.ablations,
        split=arguments.split,
        folds=arguments.folds,
        launcher=launcher_of(arguments.launcher) if arguments.launcher else None,
    )
    with Study.open(folder) as study:
        outcome = table1(study, request, emit=console.emit, cancelled=console.cancelled)
    lines = ["SYNTHETIC DATA." if outcome.synthetic else ""]
    lines += [f"{title}. {sentence}" for title, said in outcome.verdicts.items() for sentence in said]
    lines.append(f"Trained for {outcome.training_seconds / 60:.1f} minutes. Open {outcome.page} in a browser.")
    console.result(msgspec.to_builtins(outcome, enc_hook=as_text), "\n".join(line for line in lines if line))
    return 0
