"""A training step of the engine as a run takes it, against the naive float32 step and the bare backbone.

    python -m tests.benchmarks.bench_training [--backbone vgg16] [--size 224] [--batch 10] [--rounds 2] [--pairs 6]
        [--choose] [--loading]

Seconds by the clock on the wall and of the processor (all threads); each is the least of several rounds, in
which all parts alternate. Loading costs less than one round differs from the next, and what came before a part
(the naive step fills and frees gigabytes) changes its time. So epochs with real data and with data in memory
follow each other in pairs, in turns this one and that one first, after a pair that does not count; the median of
the pairs' ratios is the figure. ``--loading`` measures that alone. The engine computes as is usual on this
machine, or with --choose as its micro-benchmark says for a long run. Noise, random weights: the time depends on
neither.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from core.data.roi_set import InputTransform
from core.model.architecture import Architecture
from core.model.precision import gradient_precision
from core.training.batches import Augmented, TrainingBatch
from core.training.begin_or_resume import make_network
from core.training.config import Epochs, TrainingConfig
from core.training.epoch import EpochTask, Memory, run_epoch
from core.training.fixed_draws import Rows
from core.training.losses import joint_loss
from core.training.machine import MachineChoice, choose_machine, threads_of
from core.training.stages import make_optimiser, prepare
from tests.benchmarks.bench_projection import noise_rois
from tests.benchmarks.naive import step as naive
from tests.benchmarks.naive.network import NaiveNetwork

CPU = torch.device("cpu")
BATCHES = 2
"""In an epoch of the engine: the second is prepared while the first is trained on."""
Part = Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Seconds:
    wall: float
    processor: float

    def over(self, other: Seconds) -> tuple[float, float]:
        return round(self.wall / other.wall, 3), round(self.processor / other.processor, 3)


@dataclass(frozen=True)
class Pairs:
    """Epochs that followed each other: with real data, with data in memory."""

    pairs: tuple[tuple[Seconds, Seconds], ...]

    def median(self) -> tuple[float, float]:
        ratios = [real.over(there) for real, there in self.pairs]
        return statistics.median(wall for wall, _ in ratios), statistics.median(work for _, work in ratios)

    def __str__(self) -> str:
        return ", ".join(f"{real.over(there)[0]:.3f}" for real, there in self.pairs)


@dataclass(frozen=True, kw_only=True)
class Figures:
    choice: MachineChoice
    naive: Seconds
    """float32, upsampled maps, optimiser included."""
    step: Seconds
    """The engine's, from ROIs, optimiser included."""
    loading: Seconds
    """Preparing one batch from ROIs, which a thread does while another is trained on."""
    gradients: Seconds
    """Forward and backward of the engine's step."""
    bare: Seconds
    """Forward and backward of the backbone alone, in the same precision and layout."""
    pairs: Pairs

    def ratios(self) -> dict[str, tuple[float, float]]:
        return {
            "step / naive float32 step": self.step.over(self.naive),
            "forward and backward / bare backbone": self.gradients.over(self.bare),
            "step with real data / with data in memory": self.pairs.median(),
            "preparing a batch, hidden or not / step": self.loading.over(self.step),
        }


class _InMemory:
    """Gives the same batch each time."""

    def __init__(self, batch: TrainingBatch) -> None:
        self.batch = batch

    def order(self, position: int) -> list[Rows]:
        return [np.arange(len(self.batch))] * BATCHES

    def load(self, rows: Rows, position: int, batch: int, share: slice) -> TrainingBatch:
        return self.batch


def configuration(backbone: str, size: int, batch: int) -> TrainingConfig:
    channels = 64 if backbone == "compact" else 512
    fine = max(1, round(batch * 10 / 85))
    return TrainingConfig(
        architecture=Architecture(backbone=backbone, weights="random", latent_channels=channels),
        transform=InputTransform(input_size=size), epochs=Epochs(draws=BATCHES * batch),
        batch_lesion=batch - fine, batch_fine=fine, device="cpu",
    )  # fmt: skip


class Bench:
    """The parts that are timed, on one network."""

    def __init__(self, config: TrainingConfig, *, lesions: int = 1) -> None:
        """``lesions`` of the run that the micro-benchmark is told of: of a short one it takes what is usual."""
        batch = config.batch_lesion + config.batch_fine
        rois = noise_rois(4 * batch, config.transform)
        rois.fine[:, 100:150, 100:150] = 1
        rois.lesion[:, 80:200, 80:200] = 1
        self.network = network = make_network(config, fresh=True)
        self.plain = NaiveNetwork(network).train()
        self.choice = choose_machine(network, config, CPU, lesions=lesions)
        network.prepare_gradients(channels_last=self.choice.channels_last)
        prepare(network, "A1", frozen_backbone=False)
        self.source = Augmented(rois, config)
        self.given = self.source.load(self.source.order(0)[0], 0, 0)
        self.memory = _InMemory(self.given)
        self.separate = naive.make_optimiser(self.plain)
        self.loss_config = config.loss
        self.task = EpochTask(
            name="benchmark", loss=self.loss, device=CPU, precision=self.choice.precision,
            optimiser=make_optimiser(network, "A1", config.rates, head=None, frozen_backbone=False),
            memory=Memory(at_once=batch),
        )  # fmt: skip

    def loss(self, batch: TrainingBatch) -> dict[str, torch.Tensor]:
        found = self.network.from_latent(self.network.latent(batch.inputs))
        return joint_loss(self.network, found, batch, self.loss_config)

    def naive(self) -> object:
        given = self.given
        inputs, mask = given.inputs.contiguous(), given.irrelevant.float()
        return naive.step(self.plain, self.separate, inputs, given.label, mask)

    def real(self) -> object:
        return run_epoch(self.task, self.source, self.source.order(0), 0)

    def in_memory(self) -> object:
        return run_epoch(self.task, self.memory, self.memory.order(0), 0)  # type: ignore[arg-type]

    def loading(self) -> object:
        return self.source.load(self.source.order(0)[1], 0, 1)

    def gradients(self) -> None:
        with gradient_precision(self.choice.precision, CPU):
            parts = self.loss(self.given)
        torch.stack(list(parts.values())).sum().backward()
        self.network.zero_grad(set_to_none=True)

    def bare(self) -> None:
        with gradient_precision(self.choice.precision, CPU):
            out = self.network.feature_maps(self.given.inputs)
        out.backward(torch.ones_like(out))
        self.network.zero_grad(set_to_none=True)

    def pairs(self, count: int) -> Pairs:
        """``count`` pairs after one that does not count, the order changing from pair to pair."""
        found: list[tuple[Seconds, Seconds]] = []
        for number in range(count + 1):
            if number % 2:
                there, real = timed(self.in_memory, BATCHES), timed(self.real, BATCHES)
            else:
                real, there = timed(self.real, BATCHES), timed(self.in_memory, BATCHES)
            found.append((real, there))
        return Pairs(tuple(found[1:]))


def measure(config: TrainingConfig, *, rounds: int, pairs: int = 4, lesions: int = 1) -> Figures:
    bench = Bench(config, lesions=lesions)
    parts: dict[str, tuple[Part, int]] = {
        "naive": (bench.naive, 1),
        "step": (bench.real, BATCHES),
        "loading": (bench.loading, 1),
        "gradients": (bench.gradients, 1),
        "bare": (bench.bare, 1),
    }
    with threads_of(bench.choice):
        return Figures(choice=bench.choice, pairs=bench.pairs(pairs), **_least(parts, rounds))


def timed(part: Part, steps: int) -> Seconds:
    wall, processor = time.perf_counter(), time.process_time()
    part()
    return Seconds(wall=(time.perf_counter() - wall) / steps, processor=(time.process_time() - processor) / steps)


def _least(parts: dict[str, tuple[Part, int]], rounds: int) -> dict[str, Seconds]:
    found: dict[str, list[Seconds]] = {name: [] for name in parts}
    for _ in range(rounds):
        for name, (part, steps) in parts.items():
            found[name].append(timed(part, steps))
    return {
        name: Seconds(wall=min(one.wall for one in all_), processor=min(one.processor for one in all_))
        for name, all_ in found.items()
    }


def _loading_alone(config: TrainingConfig, pairs: int, lesions: int) -> None:
    bench = Bench(config, lesions=lesions)
    with threads_of(bench.choice):
        found = bench.pairs(pairs)
    wall, processor = found.median()
    sys.stdout.write(
        f"{bench.choice.words}: step with real data / with data in memory, median of {pairs} pairs: "
        f"{wall:.3f} by the wall, {processor:.3f} of the processor ({found})\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="vgg16")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--loading", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    config = configuration(given.backbone, given.size, given.batch)
    lesions = 100_000 if given.choose else 1
    if given.loading:
        _loading_alone(config, given.pairs, lesions)
        return
    found = measure(config, rounds=given.rounds, pairs=given.pairs, lesions=lesions)
    if given.json:
        sys.stdout.write(json.dumps({"choice": found.choice.words, "ratios": found.ratios()}) + "\n")
        return
    sys.stdout.write(f"{given.backbone}, {given.size} px, batch {given.batch}: {found.choice.words}\n")
    sys.stdout.write(f"timed: {found.choice.seconds}\n")
    for name in ("naive", "step", "loading", "gradients", "bare"):
        one: Seconds = getattr(found, name)
        sys.stdout.write(f"  {name:12} {one.wall:8.3f} s by the wall {one.processor:8.3f} s of the processor\n")
    for name, (wall, processor) in found.ratios().items():
        sys.stdout.write(f"  {name:44} {wall:.3f} by the wall, {processor:.3f} of the processor\n")


if __name__ == "__main__":
    main()
