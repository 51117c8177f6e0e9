"""Features of ROIs and of fixed augmentations after the early, frozen blocks of a trunk, computed once."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from core.data.augment import AugmentParameters, apply, cut_masks, draw_parameters, generator
from core.data.roi_set import RoiSet, UInt8
from core.domain.errors import Cancelled
from core.domain.events import IsCancelled, never
from core.model.precision import gradient_precision
from core.model.trunk import TrunkNetwork
from core.training.config import TrainingConfig
from core.training.inference import INFERENCE_BATCH, device_of, exact, network_input, normalise
from core.training.machine import usual_precision

Rows = NDArray[np.int64]
CACHE_POSITION = 1 << 20
"""Position of the draws of the frozen mode's cache, apart from every position of a plan."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FixedDraws:
    """Features after the first ``blocks`` blocks of a trunk, of ``n`` ROIs and of ``v`` augmentations of each."""

    blocks: int
    plain: torch.Tensor
    """(n, C, h, w) float32, un-augmented."""
    drawn: torch.Tensor
    """(v, n, C, h, w) float16."""
    masks: UInt8
    """(1 + v, n, 2, I, I / 8): the masks of the un-augmented ROIs and of the draws, a bit a pixel, an eighth of
    the memory."""

    def rows(self, index: Rows) -> FixedDraws:
        """Return the draws of these ROIs, in this order."""
        return FixedDraws(
            blocks=self.blocks, plain=self.plain[index], drawn=self.drawn[:, index], masks=self.masks[:, index]
        )


def fixed_draws(
    network: TrunkNetwork, training: RoiSet, config: TrainingConfig, *, blocks: int, cancelled: IsCancelled = never
) -> FixedDraws:
    """Draw ``config.cached_augmentations`` augmentations of each ROI and compute the first blocks of all.

    Cancelled between batches.

    Augmented features are computed in the precision of gradients of the whole network: on a processor with
    bfloat16 in half the time, 0.8% from float32 for VGG-16.
    """
    drawn = []
    masks = [packed(np.concatenate([training.central(stored_masks(training, r)) for r in pieces(training)]))]
    for version in range(config.cached_augmentations):
        random = generator(config.seed, CACHE_POSITION, version)
        parameters = draw_parameters(
            random, len(training), config.augmentation, lesion_share=config.transform.lesion_share
        )
        found, cut = _augmented_features(network, training, parameters, config, blocks, cancelled)
        drawn.append(found)
        masks.append(packed(cut))
    plain = features_of(network, training, blocks=blocks, cancelled=cancelled)
    return FixedDraws(
        blocks=blocks,
        plain=plain,
        drawn=torch.stack(drawn) if drawn else plain.half()[None][:0],
        masks=np.stack(masks),
    )


def masks_of_draws(training: RoiSet, config: TrainingConfig) -> UInt8:
    """Return the masks of ``fixed_draws`` alone: those of today, where its features were computed before."""
    found = [packed(np.concatenate([training.central(stored_masks(training, r)) for r in pieces(training)]))]
    for version in range(config.cached_augmentations):
        random = generator(config.seed, CACHE_POSITION, version)
        parameters = draw_parameters(
            random, len(training), config.augmentation, lesion_share=config.transform.lesion_share
        )
        cut = [
            cut_masks(parameters.rows(rows), stored_masks(training, rows), training.transform)
            for rows in pieces(training)
        ]
        found.append(packed(np.concatenate(cut)))
    return np.stack(found)


def features_of(
    network: TrunkNetwork, rois: RoiSet, *, blocks: int | None = None, cancelled: IsCancelled = never
) -> torch.Tensor:
    """Return (n, C0, h, w) float32 backbone features of the un-augmented ROIs, on the CPU.

    ``blocks``: the output of so many blocks of the trunk only. Cancelled between batches.
    """
    found = []
    for rows in pieces(rois):
        if cancelled():
            raise Cancelled
        with exact(network):
            x = network_input(rois, rows, device_of(network))
            maps = network.feature_maps(x) if blocks is None else network.early_maps(x, blocks)
            found.append(maps.cpu())
    return torch.cat(found) if found else torch.zeros(0)


def _augmented_features(
    network: TrunkNetwork,
    training: RoiSet,
    parameters: AugmentParameters,
    config: TrainingConfig,
    blocks: int,
    cancelled: IsCancelled,
) -> tuple[torch.Tensor, UInt8]:
    """Return (n, C, h, w) float16 features of the augmented ROIs, and their masks (n, 2, I, I)."""
    device = device_of(network)
    precision = usual_precision(msgspec.structs.replace(config, frozen_backbone=False), device)
    found, masks = [], []
    for rows in pieces(training):
        if cancelled():
            raise Cancelled
        grey, cut = apply(
            parameters.rows(rows), training.pixels[rows], stored_masks(training, rows), training.transform
        )
        inputs = normalise(torch.from_numpy(grey[:, 0]), training.transform).to(device)
        with exact(network), gradient_precision(precision, device):
            found.append(network.early_maps(inputs, blocks).half().cpu())
        masks.append(cut)
    return torch.cat(found), np.concatenate(masks)


def stored_masks(rois: RoiSet, rows: Rows) -> UInt8:
    """Return (B, 2, S, S) of these rows: the mask of the fine-annotation loss (fine where there is one), the
    lesion's.

    Made for each batch: kept, they would take two thirds of the set's memory again.
    """
    lesion = rois.lesion[rows]
    return np.stack([np.where(rois.has_fine[rows, None, None], rois.fine[rows], lesion), lesion], axis=1)


def packed(masks: UInt8) -> UInt8:
    """Return masks of 0 and 1 as one bit a pixel, along the last axis."""
    return np.packbits(masks, axis=-1)


def pieces(rois: RoiSet) -> list[Rows]:
    return [
        np.arange(first, min(first + INFERENCE_BATCH, len(rois))) for first in range(0, len(rois), INFERENCE_BATCH)
    ]


@dataclass(frozen=True, kw_only=True, eq=False)
class EarlyMaps:
    """The output of a trunk's first blocks for ``n`` ROIs, from which inference goes on."""

    blocks: int
    maps: torch.Tensor
    """(n, C, h, w) float32."""

    def features(self, network: TrunkNetwork) -> torch.Tensor:
        """Return (n, C0, h, w) output of the whole trunk, float32."""
        with exact(network):
            pieces = [network.features_of_early(part, self.blocks) for part in self.maps.split(INFERENCE_BATCH)]
        return torch.cat(pieces)


@dataclass(frozen=True, kw_only=True, eq=False)
class KeptFeatures:
    """Fixed draws of a whole set of ROIs, from which several trainings take their parts."""

    fixed: FixedDraws
    lesion_ids: tuple[str, ...]
    """Features of the rows of ``fixed``."""

    def of(self, rois: RoiSet) -> FixedDraws:
        """Return the draws of these ROIs, all of which are in the set."""
        return self.fixed.rows(self._rows(rois))

    def plain_of(self, rois: RoiSet) -> torch.Tensor:
        """Return (n, C, h, w) un-augmented features of these ROIs."""
        return self.fixed.plain[self._rows(rois)]

    def early_of(self, rois: RoiSet) -> EarlyMaps:
        """Return the un-augmented features of these ROIs with the number of blocks that made them."""
        return EarlyMaps(blocks=self.fixed.blocks, maps=self.plain_of(rois))

    def _rows(self, rois: RoiSet) -> Rows:
        row_of = {lesion: row for row, lesion in enumerate(self.lesion_ids)}
        return np.array([row_of[lesion] for lesion in rois.lesion_ids], dtype=np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownFeatures:
    """Features after frozen blocks of the ROIs that a model is evaluated on, where that was computed before."""

    plain: KeptFeatures | None = None
    drawn: KeptFeatures | None = None
    """Features of the same lesions in ROIs with random centre and scale."""

    def of(self, rois: RoiSet, *, drawn: bool = False) -> EarlyMaps | None:
        """Return what is known of the ROIs, or None."""
        kept = self.drawn if drawn else self.plain
        return None if kept is None else kept.early_of(rois)


NOTHING_KNOWN = KnownFeatures()
