"""Write a whole study into one file, and verify it: database, pixels, runs, and the encrypted identity file where
there is one. Derived arrays are left out; they are computed again. Nobody else may be writing in the
study; one on a read-only disk is only read.

example:
  marginalia backup breast-margins breast-margins-2026-03-01.zip
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli import lookup
from core.cli.console import Console

HELP = "write a study into one verified file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")
    parser.add_argument("file", type=Path, help="new file, outside the study")


def look_up(arguments: argparse.Namespace) -> None:
    lookup.check_study(arguments.study)


def run(arguments: argparse.Namespace, console: Console) -> int:
    from core.platform.system import on_read_only_disk
    from core.store.archive import write_archive
    from core.store.study import Study

    with Study.open(arguments.study, writable=not on_read_only_disk(arguments.study)) as study:
        manifest = write_archive(
            study,
            arguments.file,
            progress=console.progress("backup"),
        )
    size = sum(member.size for member in manifest.files.values())
    console.result(
        {"file": str(arguments.file), "files": len(manifest.files), "bytes": size, "verified": True},
        f"Wrote {len(manifest.files)} files ({size:,} bytes) to {arguments.file} and verified them. It holds "
        "patients' images: keep it as you keep the study.",
    )
    return 0
