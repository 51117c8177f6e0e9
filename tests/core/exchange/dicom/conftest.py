from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.exchange.dicom import read_results
from core.imaging.sandbox import Sandbox
from tests.core.data.export.conftest import study

__all__ = ["study"]


@pytest.fixture(scope="module")
def kept_child() -> Iterator[Sandbox]:
    with Sandbox(read_results.ENTRY) as child:
        yield child


@pytest.fixture
def one_child(kept_child: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """All readings of a module share a child process, whose start takes longer than what it does."""

    class Shared:
        call = kept_child.call

        def __init__(self, entry: str) -> None:
            assert entry == read_results.ENTRY

        def close(self) -> None: ...

    monkeypatch.setattr(read_results, "Sandbox", Shared)


Validate = Callable[[Path], list[str]]
VALIDATOR = "dciodvfy"


@pytest.fixture
def errors_of() -> Validate:
    """Errors that the independent validator of the package dicom3tools finds in a DICOM object.

    Without it nothing is validated and the rest of a test still runs; one test is skipped and says so.
    """
    program = shutil.which(VALIDATOR)
    if program is None:
        return lambda path: []

    def validate(path: Path) -> list[str]:
        done = subprocess.run([program, str(path)], capture_output=True, text=True, check=False)
        said = (done.stdout + done.stderr).splitlines()
        assert any(line.strip() in ("Segmentation", "ComprehensiveSR", "GrayscaleSoftcopyPresentationState")
                   for line in said), said  # fmt: skip
        return [line for line in said if line.startswith("Error")]

    return validate
