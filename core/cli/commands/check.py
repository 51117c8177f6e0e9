"""Verify a study: the database and its references, the hash of every image, the audit trail, every row
that it records, and the files. Shows what is wrong and what would be rebuilt; changes nothing. Exit code 1 if the
study is damaged.

The audit trail is a chain of hashes. Whoever can write study.db can rewrite all of it; `--against` compares it
with a head that was kept outside the study. Every backup, every exported model and every page of an evaluation
holds one, and with the environment variable MARGINALIA_ANCHORS a file gets a line each time that a study is closed
after a change.

examples:
  marginalia check breast-margins
  marginalia check breast-margins --against backups/2026-03.zip
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
    parser.add_argument(
        "--against",
        metavar="HEAD",
        default="",
        help="a head of the audit trail that was kept outside: NUMBER:SHA256, a backup, an exported model, a page "
        "of an evaluation, or a file of anchors",
    )


def look_up(arguments: argparse.Namespace) -> None:
    lookup.check_study(arguments.study)


def run(arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.store.trusted_studies import mark_trusted
    from core.tasks.studies.check_job import check_apart

    # in a child with limits: the study may be from anybody
    verdict = check_apart(
        arguments.study, against=arguments.against, emit=console.emit, cancelled=console.cancelled
    )
    report = verdict.report
    if report.good:
        mark_trusted(arguments.study)
    lines = [f"Wrong: {problem.sentence}" for problem in report.problems]
    lines += [f"Would be rebuilt: {sentence}" for sentence in report.rebuild]
    lines += [f"Not needed: {sentence}" for sentence in report.unused]
    word = "sound" if report.good else "damaged"
    checked = f"{count(report.images, 'image')} and {count(report.lesions, 'lesion')}"
    lines.append(f"The study is {word}: {checked} checked.")
    lines.append(f"Head of the audit trail: {verdict.head}")
    console.result(msgspec.to_builtins(report), "\n".join(lines))
    return 0 if report.good else 1
