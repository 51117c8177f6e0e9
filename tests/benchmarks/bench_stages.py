"""Stages A2 and A3 against a loop over the prototypes that writes pictures, and epochs through the backbone.

    python -m tests.benchmarks.bench_stages [--rois 500] [--backbone compact] [--size 112] [--epochs 20]

Seconds of the processor and by the clock on the wall. Both sides start from the same network and must end in the
same patches; the objective of A3 is that of the refit, on the same similarities. A3 of the engine is measured as a
run does it (the table, from the latent cells that A2 computed, then the fit), and the fit alone, which is what a
refit after pruning costs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from core.data.roi_set import InputTransform, RoiSet
from core.model.architecture import Architecture
from core.model.network import PrototypeNetwork
from core.training.inference import Latents, infer
from core.training.projection import project
from core.training.refit import initial_weights, objective, refit
from tests.benchmarks.bench_projection import CLASSES, noise_rois
from tests.benchmarks.naive import last_layer
from tests.benchmarks.naive import projection as naive
from tests.benchmarks.naive.network import NaiveNetwork

RIDGE = 1e-2
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Seconds:
    wall: float
    processor: float


def timed(work: Callable[[], T]) -> tuple[T, Seconds]:
    wall, processor = time.perf_counter(), time.process_time()
    found = work()
    return found, Seconds(wall=time.perf_counter() - wall, processor=time.process_time() - processor)


def timed_often(work: Callable[[], T], times: int = 5) -> tuple[T, Seconds]:
    """The medians: for what takes so short that a moment of the machine would decide."""
    tries = [timed(work) for _ in range(times)]
    seconds = [one for _, one in tries]
    return tries[0][0], Seconds(
        wall=statistics.median(one.wall for one in seconds),
        processor=statistics.median(one.processor for one in seconds),
    )


@dataclass(frozen=True, kw_only=True)
class Figures:
    projection: Seconds
    loop: Seconds
    loop_own_class: Seconds
    """The loop that spares the network the images of other classes."""
    equal: bool
    """Same lesions and cells from all three."""
    table: Seconds
    fit: Seconds
    epochs: Seconds
    """Through the backbone."""
    objective: float
    objective_of_epochs: float


def network_of(backbone: str, size: int) -> PrototypeNetwork:
    torch.manual_seed(0)
    return PrototypeNetwork(
        Architecture(backbone=backbone, weights="random", latent_channels=64 if backbone == "compact" else 512),
        class_names=CLASSES, prototype_class=[c for c in range(3) for _ in range(5)], input_size=size,
    )  # fmt: skip


def measure(rois: RoiSet, network: PrototypeNetwork, *, epochs: int) -> Figures:
    infer(network, rois.rows(np.arange(min(len(rois), 64))))  # warms up
    plain, spared = NaiveNetwork(network), NaiveNetwork(network)
    with tempfile.TemporaryDirectory() as folder:
        naive.project(NaiveNetwork(network), rois.rows(np.arange(9)), Path(folder))  # the first picture takes long
        patches, loop = timed(lambda: naive.project(plain, rois, Path(folder)))
        own, loop_own = timed(lambda: naive.project(spared, rois, Path(folder), own_class_only=True))
    kept = Latents()
    records, projection = timed(lambda: project(network, rois, kept=kept))
    found = [(r.lesion_id, r.cell) for r in records]
    equal = all([(p.lesion_id, p.cell) for p in side] == found for side in (patches, own))
    anchor = initial_weights(network.prototype_class.tolist(), len(CLASSES))
    scores, table = timed_often(lambda: infer(network, rois, kept=kept).scores)
    weights, fit = timed_often(lambda: refit(scores, rois.label, anchor, ridge=RIDGE))
    slow = NaiveNetwork(network)
    _, by_epochs = timed(lambda: last_layer.fit(slow, rois, epochs=epochs, ridge=RIDGE))
    theirs = slow.last.weight.detach().double().numpy()
    return Figures(
        projection=projection, loop=loop, loop_own_class=loop_own, equal=equal, table=table, fit=fit,
        epochs=by_epochs, objective=objective(weights, scores, rois.label, anchor, RIDGE),
        objective_of_epochs=objective(theirs, scores, rois.label, anchor, RIDGE),
    )  # fmt: skip


def lines(found: Figures) -> str:
    a3 = found.table.processor + found.fit.processor
    p, loop, own = (one.processor for one in (found.projection, found.loop, found.loop_own_class))
    return (
        f"A2: {p:.2f} s; loop {loop:.2f} s, {loop / p:.1f} times; over the own class {own:.2f} s, {own / p:.1f}; "
        f"{'the same patches' if found.equal else 'DIFFERENT patches'}\n"
        f"A3: table {found.table.processor:.2f} s and fit {1000 * found.fit.processor:.1f} ms; epochs "
        f"{found.epochs.processor:.2f} s: {found.epochs.processor / a3:.0f} times both, "
        f"{found.epochs.processor / found.fit.processor:.0f} times the fit;\n"
        f"    objective {found.objective:.6f}, of the epochs {found.objective_of_epochs:.6f}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rois", type=int, default=500)
    parser.add_argument("--backbone", default="compact")
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rois = noise_rois(given.rois, InputTransform(input_size=given.size))
    found = measure(rois, network_of(given.backbone, given.size), epochs=given.epochs)
    sys.stdout.write(json.dumps(asdict(found)) + "\n" if given.json else lines(found))


if __name__ == "__main__":
    main()
