"""Evaluate a model on a whole study that it never saw: the figures of `evaluate` with their intervals, calibration
of malignancy before and after recalibration in the large, how far the inputs differ from those of the training,
and how often the model abstains.

The model is a run of the first study: trained there, or taken in with `model import`, also into the study that it
is evaluated on. A study that holds an image of a training patient is refused.

examples:
  marginalia validate breast-margins final --on other-hospital
  marginalia model import other-hospital shared.marginalia-model --name shared
  marginalia validate other-hospital shared --on other-hospital
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path

from core.cli import lookup
from core.cli.console import Console
from core.domain.messages import as_text

HELP = "evaluate a model on a study that it never saw"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study that has the run")
    parser.add_argument("run", help="name of the run")
    parser.add_argument(
        "--on", type=Path, required=True, metavar="STUDY", help="folder of the study to evaluate on"
    )
    parser.add_argument("--draws", type=int, default=5000, help="bootstrap resamples (default: 5000)")


def look_up(arguments: argparse.Namespace) -> None:
    lookup.check_study(arguments.study)
    lookup.check_run(arguments.study, arguments.run, finished=True)
    lookup.check_study(arguments.on)


def run(arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.evaluation.report import report_text
    from core.store.study import Study
    from core.tasks.review.external_validation import external_text, validate_externally
    from core.tasks.runs.lifecycle import finished_run

    with ExitStack() as opened:
        home = opened.enter_context(Study.open(arguments.study, writable=False))
        same = arguments.on.resolve() == arguments.study.resolve()
        other = home if same else opened.enter_context(Study.open(arguments.on, writable=False))
        found = validate_externally(
            home,
            finished_run(home, arguments.run),
            other,
            draws=arguments.draws,
            emit=console.emit,
            cancelled=console.cancelled,
        )
    texts = [*(report_text(report) for report in found.reports), external_text(found)]
    console.result(msgspec.to_builtins(found, enc_hook=as_text), "\n\n".join(texts))
    return 0
