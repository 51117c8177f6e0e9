"""Ranks agree with SciPy's, whose module of statistics no training loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from core.statistics.ranks import average_ranks

ROOT = Path(__file__).resolve().parents[3]


@given(st.lists(st.integers(-4, 4) | st.floats(-1e300, 1e300), min_size=1, max_size=40))
def test_equal_values_share_the_mean_of_their_ranks(values: list[float]) -> None:
    some = np.asarray(values, dtype=float)
    assert np.array_equal(average_ranks(some), rankdata(some))


def test_no_command_and_no_training_loads_the_statistics_of_scipy() -> None:
    program = "import sys, core.tasks.runs.train_job, core.cli.commands.train; print('scipy.stats' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.strip() == "False", done.stdout + done.stderr
