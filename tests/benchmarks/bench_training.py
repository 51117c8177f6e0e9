"""A training step of the engine as a run takes it, against the naive float32 step and the bare backbone.

    python -m tests.benchmarks.bench_training [--backbone vgg16] [--size 224] [--batch 10] [--rounds 2] [--choose]

Seconds by the clock on the wall and of the processor (all threads); each is the least of several rounds, in which
all parts alternate. The engine computes as is usual on this machine, or with --choose as its micro-benchmark says
for a long run. Noise, random weights: the time depends on neither.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from core.data.roi_set import InputTransform
from core.model.architecture import Architecture
from core.model.precision import gradient_precision
from core.training.batches import Augmented, Batch, Rows
from core.training.config import Epochs, TrainingConfig
from core.training.epoch import EpochTask, Memory, run_epoch
from core.training.losses import joint_loss
from core.training.machine import MachineChoice, choose_machine, threads_of
from core.training.stages import make_optimiser, prepare
from core.training.start import make_network
from tests.benchmarks.bench_projection import noise_rois
from tests.benchmarks.naive import step as naive
from tests.benchmarks.naive.network import NaiveNetwork

CPU = torch.device("cpu")
BATCHES = 2
"""In an epoch of the engine: the second is prepared while the first is trained on."""


@dataclass(frozen=True, kw_only=True)
class Seconds:
    wall: float
    processor: float

    def over(self, other: Seconds) -> tuple[float, float]:
        return round(self.wall / other.wall, 3), round(self.processor / other.processor, 3)


@dataclass(frozen=True, kw_only=True)
class Figures:
    choice: MachineChoice
    naive: Seconds
    """float32, upsampled maps, optimiser included."""
    step: Seconds
    """The engine's, from ROIs, optimiser included."""
    in_memory: Seconds
    """The same on a batch that is there already."""
    loading: Seconds
    """Preparing one batch from ROIs, which a thread does while another is trained on."""
    gradients: Seconds
    """Forward and backward of the engine's step."""
    bare: Seconds
    """Forward and backward of the backbone alone, in the same precision and layout."""

    def ratios(self) -> dict[str, tuple[float, float]]:
        return {
            "step / naive float32 step": self.step.over(self.naive),
            "forward and backward / bare backbone": self.gradients.over(self.bare),
            "step with real data / with data in memory": self.step.over(self.in_memory),
            "preparing a batch, hidden or not / step": self.loading.over(self.in_memory),
        }


class _InMemory:
    """Gives the same batch each time."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    def order(self, position: int) -> list[Rows]:
        return [np.arange(len(self.batch))] * BATCHES

    def load(self, rows: Rows, position: int, batch: int, share: slice) -> Batch:
        return self.batch


def configuration(backbone: str, size: int, batch: int) -> TrainingConfig:
    channels = 64 if backbone == "compact" else 512
    fine = max(1, round(batch * 10 / 85))
    return TrainingConfig(
        architecture=Architecture(backbone=backbone, weights="random", latent_channels=channels),
        transform=InputTransform(input_size=size), epochs=Epochs(draws=BATCHES * batch),
        batch_lesion=batch - fine, batch_fine=fine, device="cpu",
    )  # fmt: skip


def measure(config: TrainingConfig, *, rounds: int, lesions: int = 1) -> Figures:
    """``lesions`` of the run that the micro-benchmark is told of: of a short one it takes what is usual."""
    batch = config.batch_lesion + config.batch_fine
    rois = noise_rois(4 * batch, config.transform)
    rois.fine[:, 100:150, 100:150] = 1
    rois.lesion[:, 80:200, 80:200] = 1
    network = make_network(config, fresh=True)
    plain = NaiveNetwork(network).train()
    choice = choose_machine(network, config, CPU, lesions=lesions)
    network.prepare_gradients(channels_last=choice.channels_last)
    prepare(network, "A1", frozen_backbone=False)
    source = Augmented(rois, config)
    given = source.load(source.order(0)[0], 0, 0)
    joint = make_optimiser(network, "A1", config.rates, head=None, frozen_backbone=False)
    separate = naive.make_optimiser(plain)

    def loss(batch: Batch) -> dict[str, torch.Tensor]:
        found = network.from_latent(network.latent(batch.inputs))
        return joint_loss(network, found, batch, config.loss)

    task = EpochTask(
        name="benchmark", loss=loss, optimiser=joint, device=CPU, precision=choice.precision,
        memory=Memory(at_once=batch),
    )  # fmt: skip

    def bare() -> None:
        with gradient_precision(choice.precision, CPU):
            out = network.feature_maps(given.inputs)
        out.backward(torch.ones_like(out))
        network.zero_grad(set_to_none=True)

    def gradients() -> None:
        with gradient_precision(choice.precision, CPU):
            parts = loss(given)
        torch.stack(list(parts.values())).sum().backward()
        network.zero_grad(set_to_none=True)

    inputs, mask = given.inputs.contiguous(), given.irrelevant.float()
    memory = _InMemory(given)
    parts: dict[str, tuple[Callable[[], object], int]] = {
        "naive": (lambda: naive.step(plain, separate, inputs, given.label, mask), 1),
        "step": (lambda: run_epoch(task, source, source.order(0), 0), BATCHES),
        "in_memory": (lambda: run_epoch(task, memory, memory.order(0), 0), BATCHES),  # type: ignore[arg-type]
        "loading": (lambda: source.load(source.order(0)[1], 0, 1), 1),
        "gradients": (gradients, 1),
        "bare": (bare, 1),
    }
    with threads_of(choice):
        return Figures(choice=choice, **_least(parts, rounds))


def _least(parts: dict[str, tuple[Callable[[], object], int]], rounds: int) -> dict[str, Seconds]:
    walls: dict[str, list[float]] = {name: [] for name in parts}
    processors: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(rounds):
        for name, (part, steps) in parts.items():
            wall, processor = time.perf_counter(), time.process_time()
            part()
            walls[name].append((time.perf_counter() - wall) / steps)
            processors[name].append((time.process_time() - processor) / steps)
    return {name: Seconds(wall=min(walls[name]), processor=min(processors[name])) for name in parts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="vgg16")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    config = configuration(given.backbone, given.size, given.batch)
    found = measure(config, rounds=given.rounds, lesions=100_000 if given.choose else 1)
    if given.json:
        sys.stdout.write(json.dumps({"choice": found.choice.words, "ratios": found.ratios()}) + "\n")
        return
    sys.stdout.write(f"{given.backbone}, {given.size} px, batch {given.batch}: {found.choice.words}\n")
    sys.stdout.write(f"timed: {found.choice.seconds}\n")
    for name in ("naive", "step", "in_memory", "loading", "gradients", "bare"):
        one: Seconds = getattr(found, name)
        sys.stdout.write(f"  {name:12} {one.wall:8.3f} s by the wall {one.processor:8.3f} s of the processor\n")
    for name, (wall, processor) in found.ratios().items():
        sys.stdout.write(f"  {name:44} {wall:.3f} by the wall, {processor:.3f} of the processor\n")


if __name__ == "__main__":
    main()
