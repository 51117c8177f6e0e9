"""Ratios of a training step of A1: the whole against the bare backbone, and the fine loss against the whole.

    python -m tests.benchmarks.bench_step [--backbone vgg16] [--size 224] [--batch 10] [--channels 512] [--bf16]

Processor time, so that what else the machine does counts little; each figure is the least of several rounds, and
rounds of both alternate.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from core.model.architecture import Architecture
from core.model.losses import cluster_and_separation, fine_cost
from core.model.network import PrototypeNetwork
from core.model.precision import gradient_precision

NAMES = ("circumscribed", "indistinct", "spiculated")
CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Case:
    backbone: str
    size: int
    batch: int
    channels: int
    bf16: bool
    rounds: int

    def __str__(self) -> str:
        precision = "bf16" if self.bf16 else "float32"
        return f"{self.backbone} {self.size} px, batch {self.batch}, C = {self.channels}, {precision}"


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Seconds of processor time."""

    step: float
    bare: float
    after: float
    """Forward and backward of everything after the backbone."""
    fine: float

    def lines(self) -> str:
        return (
            f"  bare backbone {self.bare:.3f} s, training step {self.step:.3f} s\n"
            f"  step / bare backbone        {self.step / self.bare:.3f}   (at most 1.15)\n"
            f"  after the backbone / bare   {self.after / self.bare:.3f}\n"
            f"  fine loss / step            {self.fine / self.step:.4f}  (at most 0.02)"
        )


def measure(case: Case) -> Figures:
    """Forward and backward, without the optimiser, whose cost is the same for both."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = _network(case)
    x = torch.rand(case.batch, 3, case.size, case.size).contiguous(memory_format=torch.channels_last)
    label = torch.arange(case.batch) % 3
    irrelevant = torch.ones(case.batch, case.size, case.size)
    irrelevant[:, : case.size // 2] = 0
    masked = torch.ones(case.batch, dtype=torch.bool)
    precision = "bfloat16" if case.bf16 else "float32"
    with torch.no_grad():
        maps = network.feature_maps(x)
        similarities = network.from_latent(network.latent_of_features(maps)).similarities

    def fine(given: Tensor) -> Tensor:
        return fine_cost(given, irrelevant, has_mask=masked, prototype_class=network.prototype_class, label=label)

    def loss_of(latent: Tensor) -> Tensor:
        out, classes, k = network.from_latent(latent), network.prototype_class, network.top_k
        cluster, separation = cluster_and_separation(out.distances, classes, label, k)
        told_apart = functional.cross_entropy(out.logits, label)
        return told_apart + 0.8 * cluster + 0.08 * separation + 0.085 * fine(out.similarities)

    def step() -> None:
        with gradient_precision(precision, CPU):
            latent = network.latent(x)
        loss_of(latent).backward()

    def bare() -> None:
        with gradient_precision(precision, CPU):
            out = network.feature_maps(x)
        out.backward(torch.ones_like(out))

    def after() -> None:
        given = maps.detach().requires_grad_()
        with gradient_precision(precision, CPU):
            latent = network.latent_of_features(given)
        loss_of(latent).backward()

    def fine_alone() -> None:
        fine(similarities.detach().requires_grad_()).backward()

    times = _least_times([step, bare, after, fine_alone], case.rounds, network)
    return Figures(step=times[0], bare=times[1], after=times[2], fine=times[3])


def _network(case: Case) -> PrototypeNetwork:
    architecture = Architecture(backbone=case.backbone, weights="random", latent_channels=case.channels)
    classes = [c for c in range(3) for _ in range(5)]
    return PrototypeNetwork(architecture, class_names=NAMES, prototype_class=classes, input_size=case.size).train()


def _least_times(parts: list[Callable[[], None]], rounds: int, network: PrototypeNetwork) -> list[float]:
    least = [float("inf")] * len(parts)
    for turn in range(rounds + 1):
        for i, part in enumerate(parts):
            network.zero_grad(set_to_none=True)
            begin = time.process_time()
            part()
            elapsed = time.process_time() - begin
            if turn > 0:  # the first warms up
                least[i] = min(least[i], elapsed)
    return least


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="vgg16")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--channels", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bf16", action="store_true")
    case = Case(**vars(parser.parse_args(arguments)))
    sys.stdout.write(f"{case}\n{measure(case).lines()}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
