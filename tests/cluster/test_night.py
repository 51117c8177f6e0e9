"""A night's worth: 5 models x 3 seeds x 5 folds as one array, with one poller."""

from __future__ import annotations

import os
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from core.jobs.slurm.poller import EVERY_S
from tests.cluster.conftest import CHANGES, Program
from tests.cluster.real_slurm import RealSlurm

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(7200)]


def test_75_parts_of_an_experiment_complete_with_one_squeue_call_in_ten_seconds(
    slurm: RealSlurm, program: Program, own_study: Path, tmp_path: Path
) -> None:
    own = tmp_path / "bin"
    own.mkdir()
    squeue = shutil.which("squeue")
    (own / "squeue").write_text(f'#!/bin/sh\ndate +%s.%N >> "{own}/calls"\nexec {squeue} "$@"\n')
    (own / "squeue").chmod(0o755)
    out = tmp_path / "table 1"
    process = program.begin(
        "experiment", "table1", "--study", own_study, "--out", out, "--seeds", "3", "--folds", "5",
        "--launcher", "slurm", *CHANGES, PATH=f"{own}:{os.environ['PATH']}",
    )  # fmt: skip
    said, _ = process.communicate(timeout=7000)
    assert process.returncode == 0, said[-3000:]
    assert len(list(out.glob("parts/*/part.json"))) == 75 and (out / "table1.html").is_file()
    assert len(slurm.call("squeue", "-h", "-r", "--states=all", "-o", "%i").split()) == 75
    calls = [float(line) for line in (own / "calls").read_text().split()]
    # squeue is asked once before anything is handed in: whether a part has a job
    assert all(later - earlier > EVERY_S - 1 for earlier, later in pairwise(calls[1:])), calls
