"""Files and folders that a command writes: refused where they exist, unless ``--overwrite`` allows it."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from core.domain.errors import StudyError
from core.domain.messages import message
from core.store.names import is_study

EXPORTED = "exported by Marginalia"
"""In the first line of the README of every export."""


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--overwrite", action="store_true", help="replace what is there under this name")


def check_output(path: Path, *, overwrite: bool) -> None:
    """StudyError if there is something at ``path`` that was not to be replaced, or if it cannot be replaced.

    An empty folder counts as nothing.
    """
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if not overwrite:
        raise StudyError(
            message("{path} exists already; choose another name, or add --overwrite to replace it.", path=path)
        )
    if is_study(path):
        raise StudyError(message("{path} is a study and is not replaced; choose another name.", path=path))


def remove_output(path: Path) -> None:
    """Remove an earlier result, which ``--overwrite`` replaces. StudyError for a folder that is not an export."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
    elif any(path.iterdir()):
        readme = path / "README.txt"
        if not readme.is_file() or EXPORTED not in readme.read_text("utf-8", errors="replace"):
            raise StudyError(
                message(
                    "{path} holds other files than an export and is not replaced; choose another name.", path=path
                )
            )
        shutil.rmtree(path)
