"""Unpack a backup into a new folder. Every file is verified, and the study checked, before the folder appears; a
file that is not a backup of this program, or was changed, is refused.

example:
  marginalia restore breast-margins-2026-03-01.zip breast-margins
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli import lookup
from core.cli.console import Console

HELP = "unpack and verify a backup of a study"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="file that 'backup' wrote")
    parser.add_argument("folder", type=Path, help="new folder for the study")


def look_up(arguments: argparse.Namespace) -> None:
    lookup.check_input(arguments.file)


def run(arguments: argparse.Namespace, console: Console) -> int:
    from core.store.trusted_studies import mark_trusted
    from core.tasks.studies.check_job import restore_apart

    manifest = restore_apart(arguments.file, arguments.folder, emit=console.emit, cancelled=console.cancelled)
    mark_trusted(arguments.folder)
    console.result(
        {"study": str(arguments.folder), "name": manifest.study_name, "files": len(manifest.files)},
        f"Restored the study {manifest.study_name} of {manifest.created_utc[:19]} UTC to {arguments.folder}; "
        f"{len(manifest.files)} files and the study itself were verified.",
    )
    return 0
