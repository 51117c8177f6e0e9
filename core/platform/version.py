"""Which code made a result: the package's version and, in a checkout, the commit."""

from __future__ import annotations

import subprocess
import tomllib
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@lru_cache(maxsize=1)
def code_version() -> str:
    """ "0.2.0+3f2a9c1d (modified)"; without git, or outside a checkout, the version alone."""
    root = Path(__file__).resolve().parents[2]
    number = _number(root)
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


def _number(root: Path) -> str:
    """The version of a checkout, which may be newer than what was installed from it; else the installed one."""
    declared = root / "pyproject.toml"
    if declared.is_file():
        return str(tomllib.loads(declared.read_text("utf-8"))["project"]["version"])
    try:
        return version("marginalia")
    except PackageNotFoundError:
        return "0"
