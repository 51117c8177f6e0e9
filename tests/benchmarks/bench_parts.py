"""Small parts of the engine against the plain way of doing each: the loss on maps, augmentation, a start.

    python -m tests.benchmarks.bench_parts

Processor time, the least of several alternating rounds, except for starts, which are by the clock on the wall.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from core.data.augment import Augmentation, apply, draw_parameters, generator
from core.data.roi_set import InputTransform
from core.model.losses import fine_cost
from tests.benchmarks.naive import augmentation
from tests.benchmarks.naive import step as naive
from tests.benchmarks.naive.network import Found

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 5
_WINDOW = """
import sys, time
began = time.perf_counter()
import app.application
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
application = QApplication([])
def painted():
    shown = [w for w in application.topLevelWidgets() if w.isVisible()]
    if not shown:
        QTimer.singleShot(0, painted)
        return
    shown[0].grab()
    sys.stdout.write(f"{time.perf_counter() - began} {time.process_time()} {'torch' in sys.modules}")
    sys.stdout.flush()
    import os
    os._exit(0)
QTimer.singleShot(0, painted)
app.application.main([])
"""


def least(parts: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Seconds of the processor; the first round warms up."""
    found = dict.fromkeys(parts, float("inf"))
    for turn in range(rounds + 1):
        for name, part in parts.items():
            began = time.process_time()
            part()
            if turn > 0:
                found[name] = min(found[name], time.process_time() - began)
    return found


def fine_loss(images: int = 10) -> tuple[float, float]:
    """Value and gradient of eq. 8 for 15 prototypes at 224 px: (quadratic form, upsampled maps), seconds."""
    classes, label = torch.arange(15) // 5, torch.arange(images) % 3
    irrelevant = torch.ones(images, 224, 224)
    irrelevant[:, :100] = 0
    maps = torch.rand(images, 15, 14, 14)
    masked = torch.ones(images, dtype=torch.bool)

    def quadratic() -> None:
        given = maps.clone().requires_grad_()
        fine_cost(given, irrelevant, has_mask=masked, prototype_class=classes, label=label).backward()

    def upsampled() -> None:
        given = maps.clone().requires_grad_()
        found = Found(latent=given, distances=given, similarities=given, scores=given, logits=given)
        naive.fine(found, classes, label, irrelevant).backward()

    took = least({"quadratic": quadratic, "upsampled": upsampled})
    return took["quadratic"], took["upsampled"]


def augmented(rois: int = 10) -> tuple[float, float]:
    """ROIs of 224 px with two masks each: (one affine map a plane, one image after another), seconds."""
    transform = InputTransform(input_size=224)
    size = transform.stored_size
    pixels = np.random.default_rng(0).integers(0, 256, (rois, size, size)).astype(np.uint8)
    masks = np.stack([pixels > 200, pixels > 100], axis=1).astype(np.uint8)
    parameters = draw_parameters(generator(1, 0, 0), rois, Augmentation())
    took = least(
        {
            "engine": lambda: apply(parameters, pixels, masks, transform),
            "naive": lambda: augmentation.apply(parameters, pixels, masks, transform),
        },
        rounds=2,
    )
    return took["engine"], took["naive"]


def started(*command: str, times: int = 3) -> float:
    """Seconds by the wall until ``command`` of this interpreter has ended, the least of several."""
    found = []
    for _ in range(times + 1):
        began = time.perf_counter()
        subprocess.run([sys.executable, *command], cwd=ROOT, check=True, capture_output=True)
        found.append(time.perf_counter() - began)
    return min(found[1:])


def window_up(times: int = 3) -> tuple[float, float, bool]:
    """Seconds from the first import to the painted window, offscreen: by the wall and of the processor (the
    interpreter's own start included), the least of several; and whether torch was loaded by then."""
    found = []
    with tempfile.TemporaryDirectory() as place:
        # a file of its own: Qt replaces the file of its settings, whatever it is
        own = {"MARGINALIA_SETTINGS": f"{place}/settings.ini", "MARGINALIA_STATE": f"{place}/state"}
        environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", **own}
        for _ in range(times):
            done = subprocess.run(
                [sys.executable, "-c", _WINDOW], cwd=ROOT, env=environment, check=True, capture_output=True,
                text=True,
            )  # fmt: skip
            wall, processor, torch_loaded = done.stdout.split()
            found.append((float(wall), float(processor), torch_loaded == "True"))
    walls, processors, loaded = zip(*found, strict=True)
    return min(walls), min(processors), any(loaded)


def main() -> None:
    torch.set_num_threads(1)
    for name, (engine, plain) in (("fine loss", fine_loss()), ("augmentation", augmented())):
        sys.stdout.write(
            f"{name}: {1000 * engine:.2f} ms, naive {1000 * plain:.2f} ms, ratio {engine / plain:.3f}\n"
        )
    bare, spoken = started("-c", "pass"), started("main.py", "--help")
    sys.stdout.write(f"--help: {spoken:.3f} s, bare interpreter {bare:.3f} s\n")
    wall, processor, loaded = window_up()
    sys.stdout.write(
        f"window: {wall:.3f} s by the wall, {processor:.3f} s of the processor, "
        f"torch {'LOADED' if loaded else 'not loaded'}\n"
    )


if __name__ == "__main__":
    main()
