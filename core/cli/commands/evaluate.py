"""Evaluate trained models on the test part: margin AUROC, kappa, accuracy, precision of the activation maps
at both scales beside a centred map, malignancy AUROC and calibration, each with an interval clustered by patient.

About a dozen figures are printed; --all prints every one, prototype by prototype too. --out writes all of them as
CSV, the predictions, the confusion matrix, ROC, calibration and decision curves (SVG and PNG), and one page to
open.

Several runs are read as the folds of one cross-validation and pooled; a lesion that two of them tested is
refused. Figures are given for each data set. --predictions evaluates a table that `predict` wrote, or another
program: columns patient, lesion, labelled, p_CLASS for each class; optional finding, source, part, malignant,
malignancy. It has no maps, so their figures are missing.

examples:
  marginalia evaluate breast-margins compact-1
  marginalia evaluate breast-margins compact-1 --out evaluation
  marginalia evaluate breast-margins compact-1 --maps --all    # are the maps stable and faithful?
  marginalia evaluate breast-margins real-fold1 real-fold2 real-fold3 real-fold4 real-fold5
  marginalia evaluate --predictions predictions.csv --part test
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli import lookup
from core.cli.console import Console
from core.cli.outputs import add_overwrite, check_output
from core.domain.errors import MarginaliaError
from core.domain.messages import message

if TYPE_CHECKING:
    from core.tasks.review.evaluation_output import Evaluation

HELP = "evaluate trained models on their test lesions"
PARTS = ("test", "validation", "training")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, nargs="?", help="folder of the study")
    parser.add_argument("runs", nargs="*", help="names of runs; several are pooled as folds")
    parser.add_argument("--predictions", type=Path, metavar="CSV", help="evaluate this table instead of a run")
    parser.add_argument(
        "--part", choices=PARTS, help="part of the split (default: test; of --predictions: all rows)"
    )
    parser.add_argument(
        "--maps",
        action="store_true",
        help="also measure whether the maps are stable (noise, recompression, a small shift) and faithful "
        "(deletion and insertion against a random order), on at most 60 lesions of each data set",
    )
    parser.add_argument("--draws", type=int, default=5000, help="bootstrap resamples (default: 5000)")
    parser.add_argument("--all", action="store_true", help="print every figure")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write tables, figures and a page to this folder")
    add_overwrite(parser)


def look_up(arguments: argparse.Namespace) -> None:
    if (arguments.predictions is None) == (arguments.study is None):
        raise MarginaliaError(message("Name a study and its runs, or a table with --predictions."))
    if arguments.out is not None:
        check_output(arguments.out, overwrite=arguments.overwrite)
    if arguments.predictions is not None:
        lookup.check_input(arguments.predictions)
        if arguments.maps:
            raise MarginaliaError(message("--maps needs a run: a table of predictions holds no maps."))
        return
    lookup.check_study(arguments.study)
    if not arguments.runs:
        lookup.check_run(arguments.study, "")
    for name in arguments.runs:
        lookup.check_run(arguments.study, name, finished=True)


def run(arguments: argparse.Namespace, console: Console) -> int:
    from core.evaluation.report import report_text
    from core.tasks.review.evaluation_output import document, summary_text, write_evaluation

    evaluation = _of_table(arguments) if arguments.predictions is not None else _of_runs(arguments, console)
    shown = document(evaluation)
    lines = [summary_text(evaluation)]
    if arguments.all:
        lines = ["\n\n".join(report_text(report) for report in evaluation.reports)]
    if arguments.out is not None:
        files = write_evaluation(arguments.out, evaluation)
        shown["files"] = [str(file) for file in files]
        lines.append(f"Wrote {len(files)} files to {arguments.out}. Open {files[0]} in a browser.")
    console.result(shown, "\n".join(lines))
    return 0


def _of_runs(arguments: argparse.Namespace, console: Console) -> Evaluation:
    from core.domain.vocabulary import Part
    from core.store.study import Study
    from core.tasks.review.evaluation import evaluation_of_runs

    with Study.open(arguments.study, writable=False) as study:
        return evaluation_of_runs(
            study,
            arguments.runs,
            part=Part(arguments.part or "test"),
            draws=arguments.draws,
            maps=arguments.maps,
            rows=arguments.out is not None,
            emit=console.emit,
            cancelled=console.cancelled,
        )


def _of_table(arguments: argparse.Namespace) -> Evaluation:
    from core.tasks.review.evaluation import evaluation_of_table

    return evaluation_of_table(arguments.predictions, part=arguments.part or "", draws=arguments.draws)
