"""Verify a study: the database and its references, the hash of every image, the audit trail and every row that it
tells of, the files. Says what is wrong and what would be rebuilt by itself; changes nothing.

The audit trail is a chain of hashes. Whoever can write study.db can write all of it anew; `--against` compares it
with a head that was kept outside the study. Every backup and every trained model holds one, and with the
environment variable MARGINALIA_ANCHORS a file gets a line each time that a study is closed after a change.

examples:
  main.py check breast-margins
  main.py check breast-margins --against backups/2026-03.zip
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli.console import Console

HELP = "verify a study's files, references and audit trail"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")
    parser.add_argument(
        "--against",
        metavar="HEAD",
        default="",
        help="a head of the audit trail that was kept outside: NUMBER:SHA256, a backup, or a file of anchors",
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.domain.events import Progress
    from core.store.anchor import read_anchor
    from core.store.check import check_study
    from core.store.study import Study
    from core.tasks.studies.trusted_studies import mark_trusted

    with Study.open(arguments.study, writable=False) as study:
        against = read_anchor(arguments.against, study.info.id) if arguments.against else None
        report = check_study(
            study,
            progress=lambda done, total: console.emit(Progress(stage="check", done=done, total=total)),
            against=against,
        )
        head = study.audit.head()
    if report.good:
        mark_trusted(arguments.study)
    lines = [f"Wrong: {problem.sentence}" for problem in report.problems]
    lines += [f"Would be made again: {sentence}" for sentence in report.rebuild]
    lines += [f"Not needed: {sentence}" for sentence in report.unused]
    verdict = "sound" if report.good else "damaged"
    lines.append(f"The study is {verdict}: {report.images} images and {report.lesions} lesions were checked.")
    lines.append(f"Head of the audit trail: {head}")
    console.result(msgspec.to_builtins(report), "\n".join(lines))
    return 0 if report.good else 1
