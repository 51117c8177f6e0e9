"""Stage A2 as a loop over the prototypes: each asks the whole training set, and writes pictures on the way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from core.data.roi_set import RoiSet
from core.training.inference import network_input
from tests.benchmarks.naive.network import NaiveNetwork

BATCH = 75
"""As many as the authors' batches of training images."""


@dataclass(frozen=True, kw_only=True)
class Patch:
    lesion_id: str
    cell: tuple[int, int]
    distance: float


def project(
    network: NaiveNetwork, rois: RoiSet, folder: Path | None, *, own_class_only: bool = False
) -> list[Patch]:
    """Move every prototype onto its nearest patch. ``folder`` receives the pictures; None leaves them out.

    The loader gives every image to every prototype, which then looks at those of its class; ``own_class_only``
    spares the network the others.
    """
    network.eval()
    return [_project_one(network, rois, j, folder, own_class_only) for j in range(len(network.prototypes))]


def _project_one(network: NaiveNetwork, rois: RoiSet, j: int, folder: Path | None, own_only: bool) -> Patch:
    own = int(network.prototype_class[j])
    rows = np.flatnonzero(rois.label == own) if own_only else np.arange(len(rois))
    best: Patch | None = None
    chosen = network.prototypes[j].detach()
    for first in range(0, len(rows), BATCH):
        part = rows[first : first + BATCH]
        with torch.no_grad():
            found = network(network_input(rois, part, torch.device("cpu")))
        for i, row in enumerate(part):
            if rois.label[row] != own:
                continue
            at = int(found.distances[i, j].argmin())
            distance = float(found.distances[i, j].flatten()[at])
            if best is None or distance < best.distance:
                row_of, column_of = divmod(at, found.distances.shape[-1])
                best = Patch(lesion_id=rois.lesion_ids[row], cell=(row_of, column_of), distance=distance)
                chosen = found.latent[i, :, row_of, column_of].reshape(chosen.shape).clone()
                if folder is not None:
                    _write_pictures(folder / f"prototype{j}", rois, row, found.similarities[i, j], best.cell)
    assert best is not None
    with torch.no_grad():
        network.prototypes[j] = chosen
    return best


def _write_pictures(stem: Path, rois: RoiSet, row: int, similarities: torch.Tensor, cell: tuple[int, int]) -> None:
    """The ROI, its activation map over it, and the patch, each time a nearer one is found."""
    from matplotlib import pyplot as plt

    grey = rois.central(rois.pixels[row]).astype(np.float64) / 255
    size = grey.shape[0]
    up = functional.interpolate(similarities[None, None], size=(size, size), mode="bilinear")[0, 0].numpy()
    shown = (up - up.min()) / max(float(up.max() - up.min()), 1e-12)
    heat = plt.get_cmap("jet")(shown)[:, :, :3]
    side = size // similarities.shape[-1]
    patch = grey[cell[0] * side : (cell[0] + 1) * side, cell[1] * side : (cell[1] + 1) * side]
    plt.imsave(f"{stem}-original.png", grey, cmap="gray", vmin=0, vmax=1)
    plt.imsave(f"{stem}-activation.png", 0.5 * grey[:, :, None] + 0.3 * heat)
    plt.imsave(f"{stem}-patch.png", patch, cmap="gray", vmin=0, vmax=1)
