"""Judge trained models on the test part: margin AUROC, kappa, activation precision at both scales beside a blob
in the middle of the ROI, malignancy AUROC and calibration, each with an interval clustered by patient; the same
prototype by prototype.

Several runs are taken for the folds of one cross-validation and pooled; a lesion that two of them tested is
refused. Figures are given per data set.

examples:
  main.py evaluate breast-margins compact-1
  main.py evaluate breast-margins compact-1 --maps       # do the maps hold still, and do they matter?
  main.py evaluate breast-margins real-fold1 real-fold2 real-fold3 real-fold4 real-fold5
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli.console import Console

HELP = "judge trained models on their test lesions"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")
    parser.add_argument("runs", nargs="+", help="names of runs; several are pooled as folds")
    parser.add_argument(
        "--part", choices=("test", "validation", "training"), default="test", help="part of the split to judge"
    )
    parser.add_argument(
        "--maps",
        action="store_true",
        help="also measure the maps: stability under noise, recompression and a small shift, deletion and "
        "insertion curves against a random order (on at most 60 lesions of each data set)",
    )
    parser.add_argument("--draws", type=int, default=5000, help="bootstrap resamples (default: 5000)")


def run(arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.domain.vocabulary import Part
    from core.evaluation.report import report_text
    from core.store.study import Study
    from core.tasks.review.evaluate_runs import evaluate_runs

    with Study.open(arguments.study, writable=False) as study:
        reports = evaluate_runs(
            study, arguments.runs, part=Part(arguments.part), draws=arguments.draws, maps=arguments.maps,
            emit=console.emit, cancelled=console.cancelled,
        )  # fmt: skip
    console.result(msgspec.to_builtins(reports), "\n\n".join(report_text(report) for report in reports))
    return 0
