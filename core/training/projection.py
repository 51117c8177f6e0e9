"""Stage A2: every prototype becomes the nearest latent patch of its own class.

One streamed pass over the un-augmented training ROIs finds, for each prototype, the ROIs that hold its nearest
patch to within rounding; those few (normally one) are computed once more alone (``infer_one``), and the patch
is taken from there. So a prototype is bit-equal to the patch as an explanation of its source computes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from core.data.roi_set import RoiSet
from core.domain.errors import TrainingError
from core.domain.events import IsCancelled, never
from core.domain.geometry import Box
from core.domain.messages import message
from core.domain.study import Prototype
from core.model.distances import distances
from core.model.network import PrototypeNetwork
from core.training.distinct_patches import Distinct, NearestPatches, TrainingPatch, assign_patches
from core.training.forgotten_patches import Cells
from core.training.inference import INFERENCE_BATCH, Latents, exact, infer_one, stream_latents

_RELATIVE, _ABSOLUTE = 1e-4, 1e-7
"""Largest difference between a distance of the streamed pass and that of the single ROI (measured: 1e-6
relative)."""


def project(
    network: PrototypeNetwork,
    training: RoiSet,
    *,
    batch: int = INFERENCE_BATCH,
    features: torch.Tensor | None = None,
    kept: Latents | None = None,
    forbidden: Cells | None = None,
    distinct: Distinct | Literal["no"] = "no",
    cancelled: IsCancelled = never,
) -> tuple[Prototype, ...]:
    """Move the prototypes of ``network`` onto patches of ``training`` and say where each comes from.

    ``training`` holds the ROIs of the training part and no others; only those of a prototype's own class are
    candidates, without the cells (n, H, W) that are ``forbidden``. ``distinct`` keeps two prototypes of a class
    off one patch, lesion or patient. Ties resolve by (lesion id, cell). Nothing of the network but the prototypes
    changes, and they change together at the end: cancelled half-way, none has moved. TrainingError where a class
    that has prototypes has no lesion.
    """
    own = network.prototype_class.cpu().numpy()
    missing = sorted(set(own.tolist()) - set(training.label.tolist()))
    if missing:
        raise TrainingError(
            message(
                "The prototypes of class {name} cannot be projected: no lesion of the "
                "training part has this class.",
                name=training.class_names[missing[0]],
            )
        )
    passes = stream_latents(network, training, batch=batch, features=features, kept=kept, cancelled=cancelled)
    nearest = _nearest(network, training, passes, own, forbidden, several=distinct != "no")
    if not np.isfinite(nearest.distance.min(axis=(0, 2))).all():
        raise TrainingError(
            message(
                "The prototypes cannot be projected: the network's output is not finite, or every patch of a "
                "class is marked as not medically relevant."
            )
        )
    if distinct != "no":
        chosen = assign_patches(nearest, own, training, distinct)
        return _move(network, training, chosen, _patches_of(network, training, chosen))
    return _move(
        network, training, *_nearest_alone(network, training, _shortlist(nearest.distance[..., 0]), forbidden)
    )


def _nearest(
    network: PrototypeNetwork,
    training: RoiSet,
    passes: Iterator[tuple[NDArray[np.int64], torch.Tensor]],
    own: NDArray[np.int64],
    forbidden: Cells | None,
    *,
    several: bool,
) -> NearestPatches:
    """Return the nearest cells of every ROI of a prototype's own class: one, or as many as its class has
    prototypes."""
    kept = int(np.bincount(own).max()) if several else 1
    kept = min(kept, network.grid[0] * network.grid[1])
    distance = np.full((len(training), len(own), kept), np.inf, np.float32)
    cell = np.zeros(distance.shape, np.int64)
    for rows, latent in passes:
        with exact(network):
            found = distances(latent.float(), network.prototypes, network.architecture.distance).flatten(2)
        if forbidden is not None:
            found[_flat(forbidden[rows], found)] = torch.inf
        values, cells = found.topk(kept, dim=2, largest=False)
        distance[rows], cell[rows] = values.cpu().numpy(), cells.cpu().numpy()
    distance[training.label[:, None] != own[None, :]] = np.inf
    return NearestPatches(distance=distance, cell=cell)


def _flat(forbidden: Cells, distances: torch.Tensor) -> torch.Tensor:
    """Return (n, H, W) as an index of distances (n, m, H * W)."""
    cells = torch.from_numpy(forbidden.reshape(len(forbidden), 1, -1)).to(distances.device)
    return cells.expand(-1, distances.shape[1], -1)


def _shortlist(nearest: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return (n, m): ROIs whose nearest patch may be the winner once computed alone."""
    best = nearest.min(axis=0)
    found: NDArray[np.bool_] = nearest <= best * (1 + _RELATIVE) + _ABSOLUTE
    return found


def _nearest_alone(
    network: PrototypeNetwork, training: RoiSet, shortlist: NDArray[np.bool_], forbidden: Cells | None
) -> tuple[list[TrainingPatch], torch.Tensor]:
    """Return the exact comparison on the shortlisted ROIs, in the order of their lesion ids."""
    m = shortlist.shape[1]
    best: list[tuple[float, int, int]] = [(np.inf, -1, -1)] * m  # distance, row, flat cell
    patches: list[torch.Tensor | None] = [None] * m
    rows = np.flatnonzero(shortlist.any(axis=1)).tolist()
    for row in sorted(rows, key=lambda row: training.lesion_ids[row]):
        found = infer_one(network, training, row)
        flat = found.distances[0].flatten(1).cpu().numpy()
        if forbidden is not None:
            flat[:, forbidden[row].ravel()] = np.inf
        latent = found.latent[0].flatten(1)
        for j in np.flatnonzero(shortlist[row]):
            at = int(flat[j].argmin())  # the first of equals
            if flat[j, at] < best[j][0]:
                best[j] = (float(flat[j, at]), row, at)
                patches[j] = latent[:, at].clone()
    return [TrainingPatch(row, cell) for _, row, cell in best], torch.stack([p for p in patches if p is not None])


def _patches_of(network: PrototypeNetwork, training: RoiSet, chosen: Sequence[TrainingPatch]) -> torch.Tensor:
    """Return (m, C): the latent cells, each as the network computes it for its ROI alone."""
    latents = {row: infer_one(network, training, row).latent[0].flatten(1) for row in {p.row for p in chosen}}
    return torch.stack([latents[patch.row][:, patch.cell] for patch in chosen])


def _move(
    network: PrototypeNetwork, training: RoiSet, chosen: Sequence[TrainingPatch], patches: torch.Tensor
) -> tuple[Prototype, ...]:
    """Put the prototypes on these patches (m, C) and record where each comes from."""
    patches = patches.reshape(network.prototypes.shape)
    with exact(network):
        moved = (patches.double() - network.prototypes.double()).square().flatten(1).sum(1).cpu().numpy()
        network.prototypes.copy_(patches)
    records = []
    for index, patch in enumerate(chosen):
        cell = divmod(patch.cell, network.grid[1])
        records.append(patch_record(network, training, patch.row, cell, index=index, moved=float(moved[index])))
    return tuple(records)


def patch_record(
    network: PrototypeNetwork, rois: RoiSet, row: int, cell: tuple[int, int], *, index: int, moved: float
) -> Prototype:
    """Record that prototype ``index`` (from 0) is this cell (row, column); ``moved``: squared distance."""
    box = _cell_box(cell, network.grid, rois.transform.input_size)
    return Prototype(
        index=index,
        class_name=rois.class_names[int(network.prototype_class[index])],
        lesion_id=rois.lesion_ids[row],
        roi_sha256=rois.roi_sha256(row),
        cell=cell,
        patch_box_roi=box,
        patch_box_image=rois.image_to_input[row].inverse().of_box(box),
        distance_moved=moved,
    )


def _cell_box(cell: tuple[int, int], grid: tuple[int, int], input_size: int) -> Box:
    """Return the square of a latent cell in network-input pixels."""
    height, width = input_size / grid[0], input_size / grid[1]
    row, column = cell
    return Box(x0=column * width, y0=row * height, x1=(column + 1) * width, y1=(row + 1) * height)
