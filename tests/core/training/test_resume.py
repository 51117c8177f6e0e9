"""A run killed in any stage goes on to the same weights, bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.training.test_trainer import _same, _weights

ROOT = Path(__file__).resolve().parents[3]
STAGES = ("warm start", "prototypes", "warm-up", "A1", "A2", "A3", "selection", "B")

_SCRIPT = """
import os, signal, sys
from pathlib import Path
import torch
import torch._dynamo  # what training imports late, before the forks
from core.domain.events import Progress
from core.training.trainer import train
from tests.core.training.tiny import CONFIG, tiny_parts, tiny_rois

def run(folder, die_in):
    # in a process of its own, forked before anything was computed
    pid = os.fork()
    if pid == 0:
        def killer(event):
            if isinstance(event, Progress) and event.stage == die_in and (die_in != "A1" or event.done % 3 == 1):
                os.kill(os.getpid(), signal.SIGKILL)
        torch.set_num_threads(1)
        train(tiny_rois(), tiny_parts(), CONFIG, folder, emit=killer)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)

folder = Path(sys.argv[1])
for stage in sys.argv[2].split(","):
    assert run(folder / "killed", stage) == -signal.SIGKILL, stage
assert run(folder / "killed", "") == 0
assert run(folder / "whole", "") == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX only")
def test_a_run_killed_once_in_every_stage_ends_in_the_weights_of_an_uninterrupted_run(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _SCRIPT, str(tmp_path), ",".join(STAGES)]
    subprocess.run(command, env=environment, cwd=ROOT, check=True, timeout=120)
    assert _same(_weights(tmp_path / "killed"), _weights(tmp_path / "whole"))
    killed, whole = (json.loads((tmp_path / name / "history.json").read_bytes()) for name in ("killed", "whole"))
    assert killed == whole
