"""Divide a study's patients into training, validation and test (the paper: 73, 12 and 15%), stratified by
class. A patient, and an identical image, stands in one part only. The study keeps every split by name.

example:
  marginalia split breast-margins --seed 3
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli import lookup
from core.cli.console import Console

HELP = "divide the patients into training, validation and test"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")
    parser.add_argument("--name", default="default", help="name of the split (default: default)")
    parser.add_argument("--seed", type=int, default=1, help="random seed (default: 1)")
    parser.add_argument(
        "--fractions",
        type=float,
        nargs=3,
        default=(0.73, 0.12, 0.15),
        metavar=("TRAINING", "VALIDATION", "TEST"),
        help="shares of the patients (default: 0.73 0.12 0.15)",
    )
    parser.add_argument("--label", choices=("margin", "shape"), default="margin", help="stratify by this label")
    parser.add_argument(
        "--classes",
        nargs="+",
        default=(),
        metavar="WORD",
        help="stratify by these words of the label alone, for a model of fewer classes (default: all)",
    )


def look_up(arguments: argparse.Namespace) -> None:
    lookup.check_study(arguments.study)


def run(arguments: argparse.Namespace, console: Console) -> int:
    from core.store.study import Study
    from core.tasks.runs.splits import make_split, split_text

    with Study.open(arguments.study) as study:
        split, counts = make_split(
            study,
            name=arguments.name,
            label=arguments.label,
            fractions=tuple(arguments.fractions),
            seed=arguments.seed,
            class_names=arguments.classes,
        )
    console.result({"split": split.name, "seed": split.seed, "counts": counts}, split_text(split, counts))
    return 0
