"""Kill a training many times and hold its weights against an uninterrupted one (safety.md, B-03).

A program of its own, so that each training is a fork that need not import torch again: ``python -m
tests.core.training.killed FOLDER``. For each number read from standard input, five kills at times that the number
decides, then a line of JSON: how many, and how many weights were compared.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import torch

from core.training.trainer import train
from tests.core.training.test_trainer import _same, _weights
from tests.core.training.tiny import CONFIG, tiny_parts, tiny_rois

KILLS = 5


def trained(folder: Path, kill_after_s: float | None) -> bool:
    """Train in a fork; whether it came to its end before it was killed."""
    child = os.fork()
    if child == 0:
        try:
            train(tiny_rois(), tiny_parts(), CONFIG, folder)
        except BaseException as error:  # noqa: BLE001 (a fork must not come back into the parent's code)
            sys.stderr.write(f"{error!r}\n")
            os._exit(1)
        os._exit(0)
    ends = time.monotonic() + (float("inf") if kill_after_s is None else kill_after_s)
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0, "the training failed"
            return True
        if time.monotonic() > ends:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            return os.WIFEXITED(status)
        time.sleep(0.005)


def kill_and_compare(folder: Path, whole: Path, chance: random.Random, lasts_s: float) -> dict[str, int]:
    """A training that ends before its next kill is compared and begun anew."""
    weights, kills, compared = _weights(whole), 0, 0
    shutil.rmtree(folder, ignore_errors=True)
    while kills < KILLS:
        if trained(folder, chance.uniform(0.02, lasts_s / 3)):
            assert _same(_weights(folder), weights), "other weights"
            compared += 1
            shutil.rmtree(folder)
        else:
            kills += 1
    assert trained(folder, None)
    assert _same(_weights(folder), weights), "other weights"
    histories = [json.loads((one / "history.json").read_bytes()) for one in (folder, whole)]
    assert histories[0] == histories[1], "another history"
    return {"kills": kills, "trainings equal to the bit": compared + 1}


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    assert trained(folder / "warm", None)
    began = time.monotonic()
    assert trained(folder / "whole", None)
    lasts_s = time.monotonic() - began
    assert _same(_weights(folder / "warm"), _weights(folder / "whole"))
    for line in sys.stdin:
        counted = kill_and_compare(folder / "killed", folder / "whole", random.Random(int(line)), lasts_s)
        sys.stdout.write(json.dumps(counted) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
