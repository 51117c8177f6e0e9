"""Verify a study: the database and its references, the hash of every image, the audit trail, every row
that it records, and the files. Shows what is wrong and what would be rebuilt; changes nothing without --compress.
Exit code 1 if the study is damaged.

The audit trail is a chain of hashes. Whoever can write study.db can rewrite all of it; `--against` compares it
with a head that was kept outside the study. Every backup, every exported model and every page of an evaluation
holds one, and with the environment variable MARGINALIA_ANCHORS a file gets a line each time that a study is closed
after a change.

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
from core.domain.messages import as_text

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
    saved = _compress(arguments.study, console) if report.good and arguments.compress else None
    lines = [f"Wrong: {problem.sentence}" for problem in report.problems]
    lines += [f"Would be rebuilt: {sentence}" for sentence in report.rebuild]
    lines += [f"Not needed: {sentence}" for sentence in report.unused]
    word = "sound" if report.good else "damaged"
    checked = f"{count(report.images, 'image')} and {count(report.lesions, 'lesion')}"
    lines.append(f"The study is {word}: {checked} checked.")
    lines.append(f"Head of the audit trail: {verdict.head}")
    result = msgspec.to_builtins(report, enc_hook=as_text)
    if saved is not None:
        lines.append(f"Compressed: {count(saved.files, 'file')}, {saved.saved_bytes / 1e6:.1f} MB less.")
        result["compressed"] = msgspec.to_builtins(saved, enc_hook=as_text)
    console.result(result, "\n".join(lines))
    return 0 if report.good else 1


def _compress(folder: Path, console: Console) -> Compressed:
    from core.store.study import Study
    from core.tasks.studies.compress import compress_pixels

    with Study.open(folder) as study:
        return compress_pixels(study, progress=console.progress("compress"))
