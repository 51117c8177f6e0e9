"""Run the cases of the emulated device in a process of their own.

The autograd engine counts the devices when it first computes gradients; a device that is registered later, after
other tests, has no queue in it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CASES = Path(__file__).with_name("emulated_device_cases.py")


def test_everything_that_a_gpu_computes_runs_on_the_emulated_device() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", str(CASES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    assert done.returncode == 0, done.stdout + done.stderr
