"""Every dependency has an upper bound, and the lock file holds a version of each within its bounds."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
LOCK = (ROOT / ".ci" / "requirements-linux-x86_64-py311.txt").read_text("utf-8")
BY_BUILD = {"torch", "torchvision"}
"""Their CPU and CUDA builds differ, so the lock leaves them to pyproject.toml."""


def requirements(*extras: str) -> list[Requirement]:
    optional = PROJECT["optional-dependencies"]
    return [
        Requirement(text) for text in (*PROJECT["dependencies"], *(t for name in extras for t in optional[name]))
    ]


def locked() -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9.-]+)(?:\[[a-z,]+\])?==(\S+)", LOCK, re.M))


def test_every_dependency_has_an_upper_bound() -> None:
    for one in requirements(*PROJECT["optional-dependencies"]):
        assert any(part.operator in ("<", "==") for part in one.specifier), one


def test_the_lock_holds_every_dependency_with_hashes() -> None:
    versions = locked()
    for one in requirements("dev"):
        if one.name not in BY_BUILD:
            assert one.specifier.contains(versions[one.name.lower()]), one
    assert not BY_BUILD & versions.keys()
    assert len(re.findall(r"==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", LOCK)) == len(versions) > 90
