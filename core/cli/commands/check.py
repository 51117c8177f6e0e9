"""Verify a study: the database and its references, the hash of every image, the audit trail, the files. Shows
what is wrong and what would be rebuilt; changes nothing. Exit code 1 if the study is damaged.

example:
  marginalia check breast-margins
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli import lookup
from core.cli.console import Console
from core.cli.text import count

HELP = "verify a study's files, references and audit trail"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")


def look_up(arguments: argparse.Namespace) -> None:
    lookup.check_study(arguments.study)


def run(arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.store.check import check_study
    from core.store.study import Study
    from core.tasks.studies.trusted_studies import mark_trusted

    with Study.open(arguments.study, writable=False) as study:
        report = check_study(study, progress=console.progress("check"))
    if report.good:
        mark_trusted(arguments.study)
    lines = [f"Wrong: {problem.sentence}" for problem in report.problems]
    lines += [f"Would be made again: {sentence}" for sentence in report.rebuild]
    lines += [f"Not needed: {sentence}" for sentence in report.unused]
    verdict = "sound" if report.good else "damaged"
    checked = f"{count(report.images, 'image')} and {count(report.lesions, 'lesion')}"
    lines.append(f"The study is {verdict}: {checked} checked.")
    console.result(msgspec.to_builtins(report), "\n".join(lines))
    return 0 if report.good else 1
