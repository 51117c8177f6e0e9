"""How well a patch can be rebuilt from the latent vector of a prototype, by whoever has the network.

A prototype equals the latent cell of a training patch to the bit. A model that is shared without pictures still
holds these vectors. Whoever has the network and mammograms of others can learn the way back from cells to patches
(Dosovitskiy and Brox 2016; here by least squares) and apply it to the vectors. How much of a patch comes back is
measured against the patches of other patients: mammograms resemble each other, so that a correlation with the
source says nothing alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from core.data.roi_set import RoiSet
from core.domain.errors import Cancelled
from core.domain.events import IsCancelled, never
from core.domain.study import Prototype
from core.imaging.opencv import cv2
from core.model.network import PrototypeNetwork
from core.training.inference import exact, network_input

SIDE = 12
"""Side of a rebuilt patch in values: coarse, as a picture of 144 values that is recognised shows somebody."""
MOST_ROWS = 200
"""ROIs of others that the way back is learned from, and that a patch is compared with."""
_AROUND = 1.0
"""Cells around the patch's own that belong to the picture: a cell sees more than its square."""
_RIDGE = 1e-3
_BATCH = 16

Float64 = NDArray[np.float64]


class Inversion(msgspec.Struct, frozen=True, kw_only=True):
    """Reconstruction of the patches of a model's prototypes."""

    prototypes: int
    """Prototypes whose source was there to compare with."""
    learned_from: int
    """ROIs of other patients that the way back was learned from."""
    own: float
    """Mean correlation of a rebuilt patch with its source."""
    others: float
    """Mean correlation of a rebuilt patch with the patches at the same place of other patients: the control."""
    recognised: int
    """Prototypes whose source is more like the rebuilt patch than any patch of the other patients."""
    by_chance: float
    """Expected number of these where nothing comes back."""

    @property
    def sentence(self) -> str:
        """Return the measurement for the card of a model."""
        return (
            f"Patches were rebuilt from the vectors of {self.prototypes} prototypes by least squares, learned "
            f"from {self.learned_from} regions of other patients: mean correlation {self.own:.2f} with the "
            f"source, {self.others:.2f} with other patients; {self.recognised} of {self.prototypes} sources were "
            f"told from all others by it ({self.by_chance:.1f} by chance). Other methods may do better."
        )


def measure(
    network: PrototypeNetwork, prototypes: Sequence[Prototype], rois: RoiSet, *, cancelled: IsCancelled = never
) -> Inversion | None:
    """Rebuild the patches of the prototypes whose source is among ``rois``.

    None where no source is there, or too few regions of other patients to learn from.
    """
    row_of = {lesion: row for row, lesion in enumerate(rois.lesion_ids)}
    known = [(one, row_of[one.lesion_id]) for one in prototypes if one.lesion_id in row_of]
    sources = {rois.patient_ids[row] for _, row in known}
    others = np.array([row for row, patient in enumerate(rois.patient_ids) if patient not in sources])
    if not known or len(others) < 2:
        return None
    if len(others) > MOST_ROWS:
        others = np.sort(np.random.default_rng(0).choice(others, MOST_ROWS, replace=False))
    cells, patches = _pairs(network, rois, others, cancelled)
    way_back = _least_squares(cells.reshape(-1, cells.shape[-1]), patches.reshape(-1, SIDE * SIDE))
    own, beside, recognised = [], [], 0
    sought = _patches(rois, np.array([row for _, row in known]), network.grid)
    vectors = network.prototypes.detach()[:, :, 0, 0].double().cpu().numpy()
    index_of = {one.index: place for place, one in enumerate(prototypes)}
    for (one, _), source in zip(known, sought, strict=True):
        vector = vectors[index_of[one.index]]
        rebuilt = np.append(vector, 1.0) @ way_back
        place = one.cell[0] * network.grid[1] + one.cell[1]
        here = _correlation(rebuilt, source[place][None])[0]
        there = _correlation(rebuilt, patches[:, place])
        own.append(here)
        beside.append(float(there.mean()))
        recognised += bool(here > there.max())
    return Inversion(
        prototypes=len(known),
        learned_from=len(others),
        own=float(np.mean(own)),
        others=float(np.mean(beside)),
        recognised=recognised,
        by_chance=len(known) / (len(others) + 1),
    )


def _pairs(
    network: PrototypeNetwork, rois: RoiSet, rows: NDArray[np.int64], cancelled: IsCancelled
) -> tuple[Float64, Float64]:
    """(n, g*g, C) latent cells of these rows, and (n, g*g, SIDE*SIDE) the patches around them."""
    cells = []
    device = next(network.parameters()).device
    with exact(network), torch.no_grad():
        for start in range(0, len(rows), _BATCH):
            if cancelled():
                raise Cancelled
            found = network.latent(network_input(rois, rows[start : start + _BATCH], device))
            cells.append(found.flatten(2).transpose(1, 2).double().cpu().numpy())
    return np.concatenate(cells), _patches(rois, rows, network.grid)


def _patches(rois: RoiSet, rows: NDArray[np.int64], grid: tuple[int, int]) -> Float64:
    crops = np.asarray(rois.central(rois.pixels)[rows])
    return np.stack([_patches_of(crop, grid) for crop in crops])


def _patches_of(crop: NDArray[np.uint8], grid: tuple[int, int]) -> Float64:
    """(g*g, SIDE*SIDE) the crop around each cell, reduced."""
    size = crop.shape[0]
    step = size / grid[0]
    margin = round(step * _AROUND)
    padded = cv2.copyMakeBorder(crop, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    width = round(step) + 2 * margin
    found = []
    for row in range(grid[0]):
        for column in range(grid[1]):
            top, left = round(row * step), round(column * step)
            part = padded[top : top + width, left : left + width].astype(np.float32)
            found.append(cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA).ravel())
    return np.stack(found).astype(np.float64)


def _least_squares(inputs: Float64, outputs: Float64) -> Float64:
    """(C + 1, SIDE*SIDE) with a little ridge; the last row is the constant."""
    x = np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1)
    gram = x.T @ x
    gram[np.diag_indices_from(gram)] += _RIDGE * np.trace(gram) / len(gram)
    return np.linalg.solve(gram, x.T @ outputs)


def _correlation(one: Float64, many: Float64) -> Float64:
    """(n,) Pearson correlation of a picture with each of ``many``; 0 where one of them is flat."""
    a, b = one - one.mean(), many - many.mean(1, keepdims=True)
    length = np.linalg.norm(a) * np.linalg.norm(b, axis=1)
    return np.where(length > 1e-9, (b @ a) / np.maximum(length, 1e-9), 0.0)
