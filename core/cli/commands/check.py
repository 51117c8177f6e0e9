"""Verify a study: the database and its references, the hash of every image, the audit trail and every row that it
tells of, the files. Shows what is wrong and what would be rebuilt; changes nothing without --compress. Exit code 1
if the study is damaged.

The audit trail is a chain of hashes. Whoever can write study.db can write all of it anew; `--against` compares it
with a head that was kept outside the study. Every backup holds one, and with the environment variable
MARGINALIA_ANCHORS a file gets a line each time that a study is closed after a change.

examples:
  marginalia check breast-margins
  marginalia check breast-margins --against backups/2026-03.zip
  marginalia check breast-margins --compress
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli import lookup
from core.cli.console import Console
from core.cli.text import count

if TYPE_CHECKING:
    from core.tasks.studies.compress import Compressed

HELP = "verify a study's files, references and audit trail"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")
    parser.add_argument(
        "--compress",
        action="store_true",
        help="after a check that finds nothing wrong, store the pixels of earlier versions in less space",
    )
    parser.add_argument(
        "--against",
        metavar="HEAD",
        default="",
        help="a head of the audit trail that was kept outside: NUMBER:SHA256, a backup, or a file of anchors",
    )


def look_up(arguments: argparse.Namespace) -> None:
    lookup.check_study(arguments.study)


def run(arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.store.anchor import read_anchor
    from core.store.check import check_study
    from core.store.study import Study
    from core.tasks.studies.trusted_studies import mark_trusted

    with Study.open(arguments.study, writable=False) as study:
        against = read_anchor(arguments.against, study.info.id) if arguments.against else None
        report = check_study(study, progress=console.progress("check"), against=against)
        head = study.audit.head()
    if report.good:
        mark_trusted(arguments.study)
    saved = _compress(arguments.study, console) if report.good and arguments.compress else None
    lines = [f"Wrong: {problem.sentence}" for problem in report.problems]
    lines += [f"Would be made again: {sentence}" for sentence in report.rebuild]
    lines += [f"Not needed: {sentence}" for sentence in report.unused]
    verdict = "sound" if report.good else "damaged"
    checked = f"{count(report.images, 'image')} and {count(report.lesions, 'lesion')}"
    lines.append(f"The study is {verdict}: {checked} checked.")
    lines.append(f"Head of the audit trail: {head}")
    result = msgspec.to_builtins(report)
    if saved is not None:
        lines.append(f"Compressed: {count(saved.files, 'file')}, {saved.saved_bytes / 1e6:.1f} MB less.")
        result["compressed"] = msgspec.to_builtins(saved)
    console.result(result, "\n".join(lines))
    return 0 if report.good else 1


def _compress(folder: Path, console: Console) -> Compressed:
    from core.store.study import Study
    from core.tasks.studies.compress import compress_pixels

    with Study.open(folder) as study:
        return compress_pixels(study, progress=console.progress("compress"))
