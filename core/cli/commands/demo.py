"""Make a SYNTHETIC study, train a model on it from random weights, evaluate and explain it, and open the result.

Takes a few minutes on two cores, without a GPU. The folder then holds `study/`, a study like any other, and
`report/index.html`, the page to open first. Where there is no display the window is not opened.

example:
  marginalia demo my-demo
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli.console import Console
from core.domain.messages import as_text, message

HELP = "make a synthetic study, train on it, explain it, and open the result"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, nargs="?", default=Path("demo-study"), help="new folder (demo-study)")
    parser.add_argument("--patients", type=int, default=330, help="patients of the study (default: 330)")
    parser.add_argument("--seed", type=int, default=2026, help="seed of study, split and training (2026)")
    parser.add_argument("--preset", default="compact", help="configuration of the training (default: compact)")
    parser.add_argument("--overwrite", action="store_true", help="replace a demo that is in the folder already")
    parser.add_argument("--no-window", action="store_true", help="do not open the window at the end")


def run(arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.domain.errors import MarginaliaError
    from core.evaluation.report import report_text
    from core.phantom.config import PhantomConfig
    from core.tasks.studies.demo import make_demo

    try:
        config = PhantomConfig(patients=arguments.patients, seed=arguments.seed)
    except ValueError as error:
        raise MarginaliaError(message("{error}.", error=error)) from error
    result = make_demo(
        arguments.folder,
        config=config,
        preset=arguments.preset,
        overwrite=arguments.overwrite,
        emit=console.emit,
        cancelled=console.cancelled,
    )
    lines = [report_text(report) for report in result.reports]
    lines.append(
        f"Control (synthetic): a logistic regression on size, contrast and density alone: AUROC {result.control}"
    )
    times = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in result.seconds.items())
    lines.append(f"Time: {times}.")
    lines.append(f"Report: {result.report} (open it in a browser). Study: {result.study}")
    console.result(msgspec.to_builtins(result, enc_hook=as_text), "\n\n".join(lines))
    return 0
