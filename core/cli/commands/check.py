"""Verify a study: the database and its references, the hash of every image, the audit trail, the files. Says
what is wrong and what would be rebuilt by itself; changes nothing.

example:
  main.py check breast-margins
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli.console import Console

HELP = "verify a study's files, references and audit trail"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")


def run(arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.domain.events import Progress
    from core.store.check import check_study
    from core.store.study import Study
    from core.tasks.studies.trusted_studies import mark_trusted

    with Study.open(arguments.study, writable=False) as study:
        report = check_study(
            study, progress=lambda done, total: console.emit(Progress(stage="check", done=done, total=total))
        )
    if report.good:
        mark_trusted(arguments.study)
    lines = [f"Wrong: {problem.sentence}" for problem in report.problems]
    lines += [f"Would be made again: {sentence}" for sentence in report.rebuild]
    lines += [f"Not needed: {sentence}" for sentence in report.unused]
    verdict = "sound" if report.good else "damaged"
    lines.append(f"The study is {verdict}: {report.images} images and {report.lesions} lesions were checked.")
    console.result(msgspec.to_builtins(report), "\n".join(lines))
    return 0 if report.good else 1
