"""Ratio of a projection (stage A2) to one forward pass over the same ROIs, through the same inference path.

    python -m tests.benchmarks.bench_projection [--rois 500]

Processor time, the least of several alternating rounds.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from core.data.roi_set import InputTransform, RoiSet
from core.domain.geometry import IDENTITY
from core.model.architecture import Architecture
from core.model.network import PrototypeNetwork
from core.training.inference import infer
from core.training.projection import project

CLASSES = ("circumscribed", "indistinct", "spiculated")


def noise_rois(n: int, transform: InputTransform) -> RoiSet:
    side = transform.stored_size
    pixels = np.random.default_rng(0).integers(0, 256, (n, side, side), dtype=np.uint8)
    names = tuple(f"synthetic{i:04d}" for i in range(n))
    nothing = np.zeros((n, side, side), np.uint8)
    return RoiSet(
        transform=transform,
        class_names=CLASSES,
        pixels=pixels,
        lesion=nothing,
        fine=nothing,
        has_fine=np.zeros(n, dtype=np.bool_),
        label=np.arange(n) % 3,
        malignant=np.full(n, -1),
        lesion_ids=names,
        patient_ids=names,
        finding_ids=names,
        sources=("synthetic",) * n,
        image_to_input=(IDENTITY,) * n,
    )


def _seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def measure(rois: int = 500, rounds: int = 3) -> tuple[float, float]:
    """Seconds of processor time of (one forward pass, one projection)."""
    transform = InputTransform(input_size=112)
    torch.manual_seed(0)
    network = PrototypeNetwork(
        Architecture(backbone="compact", weights="random", latent_channels=64),
        class_names=CLASSES,
        prototype_class=[c for c in range(3) for _ in range(5)],
        input_size=112,
    )
    data = noise_rois(rois, transform)
    infer(network, data.rows(np.arange(min(rois, 64))))
    forward, projection = [], []
    for _ in range(rounds):
        forward.append(_seconds(lambda: infer(network, data)))
        projection.append(_seconds(lambda: project(network, data)))
    return min(forward), min(projection)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rois", type=int, default=500)
    forward, projection = measure(parser.parse_args().rois)
    ratio = projection / forward
    sys.stdout.write(f"forward {forward:.2f} s, projection {projection:.2f} s, ratio {ratio:.3f} (at most 1.1)\n")


if __name__ == "__main__":
    main()
