"""One run by several processes, and several runs at once, as they are asked for on the command line."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from core.data.training_set import RoiRequest, build_roi_set
from core.model.checkpoint import LoadedModel, load_model
from core.store.study import Study
from core.training.inference import infer
from tests.core.cli.conftest import TINY, Run
from tests.core.training.test_team import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
ROOT = Path(__file__).resolve().parents[3]
FIXED = (*TINY, "precision=float32", "machine.threads=1", "machine.layout=channels_last", "device=cpu")
RATES = ("warm_start", "warm_addon", "warm_prototypes", "joint_features", "joint_addon", "joint_prototypes")
SLOW = tuple(part for rate in RATES for part in ("--set", f"rates.{rate}=1e-5"))
"""Adam turns the rounding of a gradient that is nearly 0 into a step of full size: at ordinary rates two runs part
within an epoch. With steps as small as these what is compared is the computation."""
LOSSES, SCORES = 1e-3, 5e-3
"""How far losses (relative) and similarities (up to 9.2) of whole runs may lie apart."""
CHANGES = tuple(part for change in FIXED for part in ("--set", change))


def model_of(study: Path, name: str) -> LoadedModel:
    with Study.open(study, writable=False) as opened:
        [run] = [one for one in opened.runs.all() if one.name == name]
        return load_model(opened.folder / run.folder / "model")


def losses_of(study: Path, name: str) -> list[float]:
    """Of every epoch of gradients."""
    with Study.open(study, writable=False) as opened:
        [run] = [one for one in opened.runs.all() if one.name == name]
        history = json.loads((opened.folder / run.folder / "history.json").read_bytes())
    return [entry["values"]["loss"] for entry in history if "loss" in entry["values"]]


def test_torchrun_trains_the_model_of_one_process(marginalia: Run, own_study: Path) -> None:
    """Two processes of gloo, by the command of the README."""
    marginalia("train", own_study, "--name", "alone", *CHANGES, *SLOW)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--master-port",
        str(free_port()),
    ]
    command += ["main.py", "train", str(own_study), "--name", "together", "--json", "--quiet", *CHANGES, *SLOW]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert [one["name"] for one in json.loads(done.stdout)["runs"]] == ["together"]
    alone, together = (model_of(own_study, name) for name in ("alone", "together"))
    with Study.open(own_study, writable=False) as study:
        card = alone.card
        rois = build_roi_set(study, RoiRequest(transform=card.transform, class_names=card.class_names)).rois
    mine, theirs = (infer(one.network, rois) for one in (alone, together))
    assert [(p.lesion_id, p.cell) for p in alone.card.prototypes] == [
        (p.lesion_id, p.cell) for p in together.card.prototypes
    ]
    assert np.abs(mine.scores - theirs.scores).max() < SCORES
    one, two = (losses_of(own_study, name) for name in ("alone", "together"))
    assert len(one) == 4 and one == pytest.approx(two, rel=LOSSES)


def test_folds_at_once_are_the_folds_one_by_one(marginalia: Run, own_study: Path) -> None:
    marginalia("train", own_study, "--folds", "3", "--name", "turns", *CHANGES)
    marginalia("train", own_study, "--folds", "3", "--name", "once", "--launcher", "local:2", *CHANGES)
    for fold in (1, 2, 3):
        turns, once = (
            model_of(own_study, f"{name}-fold{fold}").network.state_dict() for name in ("turns", "once")
        )
        assert turns.keys() == once.keys()
        assert all(bool((turns[name] == once[name]).all()) for name in turns)


def _team(own_study: Path, name: str) -> subprocess.Popen[str]:
    words = ["train", str(own_study), "--name", name, "--processes", "2", *CHANGES, "--set", "epochs.joint=400"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "main.py"), *words], env=environment, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def _helpers(own_study: Path) -> list[int]:
    """Processes of the second rank on this study: the command that helps, and its job."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdigit() and b"RANK=1\0" in (process / "environ").read_bytes():
                words = (process / "cmdline").read_bytes()
                if str(own_study).encode() in words or b"core.jobs.child" in words:
                    found.append(int(process.name))
    return found


@pytest.mark.parametrize("end", ["kill", "interrupt"])
def test_a_killed_process_of_a_team_and_ctrl_c_end_in_one_sentence(own_study: Path, end: str) -> None:
    leader = _team(own_study, "team")
    deadline = time.monotonic() + 600
    while not list(own_study.glob("runs/*/history.json")) or len(list(own_study.glob("runs/*/history.json"))) < 2:
        assert time.monotonic() < deadline and leader.poll() is None
        time.sleep(0.2)
    helping = _helpers(own_study)
    assert len(helping) == 2
    if end == "kill":
        for pid in helping:
            os.kill(pid, signal.SIGKILL)
    else:
        leader.send_signal(signal.SIGINT)
    said, _ = leader.communicate(timeout=300)
    assert "Traceback" not in said and "defect" not in said
    if end == "kill":
        assert leader.returncode == 1 and said.count("Error: ") == 1
        assert "Another process of this training ended" in said and "was killed (signal 9)" in said
    else:
        assert leader.returncode == 130 and "Cancelled." in said
    assert not _helpers(own_study)
