"""Which code made a result: the package's version and, in a checkout, the commit."""

from __future__ import annotations

import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@lru_cache(maxsize=1)
def code_version() -> str:
    """ "0.1.0+3f2a9c1d (modified)"; without git, or outside a checkout, the version alone."""
    try:
        number = version("marginalia")
    except PackageNotFoundError:
        number = "0"
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return number
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty= (modified)", "--exclude=*"],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return number
    return f"{number}+{described}"
