"""One process of a team, for tests: ``torchrun ... tests/core/training/team_child.py FOLDER``."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch

from core.training.batches import Augmented
from core.training.epoch import EpochTask, Memory, run_epoch
from core.training.losses import joint_loss
from core.training.stages import prepare
from core.training.team import SharedLoss, Team, share_statistics, team_of
from core.training.trainer import assist, train
from tests.core.training.tiny import CONFIG, changed, tiny_network, tiny_parts, tiny_rois

Tensors = dict[str, torch.Tensor]
CPU = torch.device("cpu")
RUN = changed(batch_fine=1)
"""Batches of 7, which two processes cannot halve."""


def gradients(team: Team, dtype: torch.dtype, *, at_once: int = 8) -> Tensors:
    """Of the loss of A1 on a batch of 7, in the precision given, by way of an epoch."""
    network = tiny_network().to(dtype)
    if team.size > 1:
        share_statistics(network)
    prepare(network, "A1", frozen_backbone=False)
    kept: Tensors = {}

    class Keep(torch.optim.SGD):
        def step(self, closure: object = None) -> None:  # type: ignore[override]
            kept.update({n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None})

    class Typed(Augmented):
        def load(self, *arguments: object) -> object:  # type: ignore[override]
            batch = super().load(*arguments)  # type: ignore[arg-type]
            return replace(batch, inputs=batch.inputs.to(dtype))

    def loss(batch: object) -> Tensors:
        found = network.from_latent(network.latent(batch.inputs))  # type: ignore[attr-defined]
        return joint_loss(network, found, batch, CONFIG.loss)  # type: ignore[arg-type]

    trained = [p for p in network.parameters() if p.requires_grad]
    task = EpochTask(
        name="test", loss=SharedLoss.of(team, {"network": network}, loss), optimiser=Keep(trained, lr=0.0),
        device=CPU, precision="float32", memory=Memory(at_once=at_once), team=team,
    )  # fmt: skip
    source = Typed(tiny_rois(), CONFIG)
    order = [source.order(0)[0][:7]]
    means = run_epoch(task, source, order, 0)  # type: ignore[arg-type]
    kept["loss"] = torch.tensor(means["loss"], dtype=torch.float64)
    kept |= {f"statistics.{n}": b.clone() for n, b in network.named_buffers() if "running" in n}
    return kept


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    with team_of("gradients", device="cpu") as team:
        found = {name: gradients(team, getattr(torch, name)) for name in ("float32", "float64")}
        torch.save(found, folder / f"gradients-{team.rank}.pt")
    with team_of("run", device="cpu") as team:
        work = train if team.leads else assist
        work(tiny_rois(), tiny_parts(), RUN, folder / "run", team=team)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
