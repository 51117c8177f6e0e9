"""Two processes of torchrun do what one does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from core.domain.errors import TrainingError
from core.model.checkpoint import load_model
from core.training.inference import infer
from core.training.team import ALONE, Team
from core.training.trainer import train
from tests.core.training.team_child import RUN, gradients
from tests.core.training.tiny import tiny_parts, tiny_rois

ROOT = Path(__file__).resolve().parents[3]
SCORES = 2e-3
"""How far similarities (up to 9.2) of whole runs may lie apart: where a gradient is nearly 0, Adam turns its
rounding into a step of full size."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def torchrun(*command: str) -> None:
    run = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(free_port()))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *run, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=560,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("team")
    torchrun("-m", "tests.core.training.team_child", str(folder))
    return folder


@pytest.mark.parametrize(("name", "tolerance"), [("float64", 1e-6), ("float32", 1e-4)])
def test_two_processes_have_the_gradients_of_one(together: Path, name: str, tolerance: float) -> None:
    first, second = (torch.load(together / f"gradients-{rank}.pt")[name] for rank in (0, 1))
    alone = gradients(ALONE, getattr(torch, name))
    assert alone.keys() == first.keys() and len(alone) > 20
    for key, value in alone.items():
        assert torch.equal(first[key], second[key]), key
        apart = (value.double() - first[key].double()).norm() / value.double().norm()
        assert apart <= tolerance, (key, apart)


def test_two_processes_train_the_model_of_one(together: Path, tmp_path: Path) -> None:
    train(tiny_rois(), tiny_parts(), RUN, tmp_path)
    mine, theirs = (load_model(folder / "model") for folder in (tmp_path, together / "run"))
    assert [(p.lesion_id, p.cell) for p in mine.card.prototypes] == [
        (p.lesion_id, p.cell) for p in theirs.card.prototypes
    ]
    apart = abs(infer(mine.network, tiny_rois()).scores - infer(theirs.network, tiny_rois()).scores)
    assert apart.max() < SCORES
    one, two = (json.loads((folder / "history.json").read_bytes()) for folder in (tmp_path, together / "run"))
    assert [(e["stage"], e["epoch"]) for e in one] == [(e["stage"], e["epoch"]) for e in two]


def test_a_batch_is_divided_whole_and_one_that_is_too_small_is_refused() -> None:
    shares = [Team(rank=rank, size=3).share(85) for rank in range(3)]
    assert [row for share in shares for row in range(85)[share]] == list(range(85))
    assert max(len(range(85)[share]) for share in shares) == 29
    with pytest.raises(TrainingError, match="divided among 3"):
        Team(rank=0, size=3).share(2)
