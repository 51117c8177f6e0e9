"""In fresh interpreters: whether torchvision's own operators load differs between machines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_imports_torchvision_whatever_its_build() -> None:
    assert "resnet18" in run("from core.model.torchvision_shim import models; print(models.list_models())")


def test_declares_nothing_where_the_operators_exist() -> None:
    """Declaring twice would fail, so operators that another library has declared stand for the real ones."""
    run(
        "import torch\n"
        "own = torch.library.Library('torchvision', 'FRAGMENT')\n"
        "for name, signature in (('nms', '(Tensor dets, Tensor scores, float iou_threshold) -> Tensor'),\n"
        "                        ('qnms', '(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')):\n"
        "    try: own.define(name + signature)\n"
        "    except RuntimeError: pass\n"
        "from core.model import torchvision_shim\n"
        "assert not torchvision_shim._declared\n"
        "assert torchvision_shim.models.resnet18\n"
    )
