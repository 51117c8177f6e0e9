from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.core.data.export.conftest import study

__all__ = ["study"]

Validate = Callable[[Path], list[str]]


@pytest.fixture
def errors_of() -> Validate:
    """What the independent validator of the package dicom3tools finds wrong with a DICOM object."""
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy is not installed (package dicom3tools)")

    def validate(path: Path) -> list[str]:
        done = subprocess.run([program, str(path)], capture_output=True, text=True, check=False)
        said = (done.stdout + done.stderr).splitlines()
        assert any(line.strip() in ("Segmentation", "ComprehensiveSR", "GrayscaleSoftcopyPresentationState")
                   for line in said), said  # fmt: skip
        return [line for line in said if line.startswith("Error")]

    return validate
