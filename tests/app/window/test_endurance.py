"""A day of reading leaves nothing behind: memory, threads, widgets and open files stay what they were."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.app.endurance import Sample

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the memory is read from /proc")
@pytest.mark.timeout(2500)
@pytest.mark.parametrize("images", [24, pytest.param(1000, marks=pytest.mark.slow)])
def test_images_that_were_opened_and_closed_leave_nothing_behind(tmp_path: Path, images: int) -> None:
    command = [sys.executable, "-m", "tests.app.endurance", str(tmp_path / "study"), str(images)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=2400)
    assert done.returncode == 0, done.stderr
    samples = msgspec.json.decode(done.stdout, type=list[Sample])
    # the first fifth hangs one picture, the second two: from there on every kind of work was done once
    warm, *rest = samples[1:]
    print(done.stdout)  # noqa: T201 (shown where the test fails, and with -s)
    for later in rest:
        assert later.memory_mb - warm.memory_mb < 12, samples
        assert later.threads == warm.threads
        assert later.widgets <= warm.widgets
        assert later.files <= warm.files + 2
