"""Where gradient batches come from: augmented on the fly, or from the cache of a frozen backbone.

Every random number follows from (seed, position in the plan, batch), so that an interrupted run goes on with
exactly the batches it would have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from core.data.augment import (
    ALL,
    BatchPlan,
    Float32,
    augment,
    epoch_batches,
    generator,
)
from core.data.roi_set import RoiSet, UInt8
from core.imaging.raster import irrelevant
from core.model.trunk import TrunkNetwork
from core.training.config import TrainingConfig
from core.training.fixed_draws import CACHE_POSITION, FixedDraws, Rows, stored_masks
from core.training.inference import normalise_beside

TABLE_POSITION = CACHE_POSITION + 1
"""Position of the draws of an augmented similarity table."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingBatch:
    """B draws, on the CPU until ``to``."""

    inputs: torch.Tensor
    """(B, 3, I, I) network input; or (B, C0, h, w) features of a frozen backbone."""
    label: torch.Tensor
    """(B,)"""
    mask: torch.Tensor
    """(B, I, I) uint8, 1 = relevant: the fine mask in the fine part of the batch, else the lesion mask."""
    lesion: torch.Tensor
    """(B, I, I) uint8, 1 = inside the lesion."""
    irrelevant: torch.Tensor
    """(B, I, I) uint8, ``mask`` in the paper's polarity: 1 = irrelevant."""
    lesion_ids: tuple[str, ...]
    whole: int
    """Draws of the whole batch, of which these may be a share: what its means are taken over."""

    def __len__(self) -> int:
        return len(self.label)

    def part(self, first: int, last: int) -> TrainingBatch:
        return self._each(lambda tensor: tensor[first:last], self.lesion_ids[first:last])

    def to(self, device: torch.device) -> TrainingBatch:
        if device.type == "cpu":
            return self
        return self._each(lambda tensor: tensor.to(device, non_blocking=True), self.lesion_ids)

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor], lesion_ids: tuple[str, ...]) -> TrainingBatch:
        return TrainingBatch(
            inputs=change(self.inputs),
            label=change(self.label),
            mask=change(self.mask),
            lesion=change(self.lesion),
            irrelevant=change(self.irrelevant),
            lesion_ids=lesion_ids,
            whole=self.whole,
        )

    @property
    def has_mask(self) -> torch.Tensor:
        """(B,) bool"""
        return self.mask.flatten(1).any(1)


class Source(Protocol):
    """Data that the gradient stages draw from."""

    def order(self, position: int) -> list[Rows]:
        """Return the rows of each batch of the epoch at this position of the plan."""
        ...

    def load(self, rows: Rows, position: int, batch: int, share: slice = ALL) -> TrainingBatch:
        """Return the draws of these rows; with ``share`` those of them only, as they are in the whole batch.

        In a thread beside the one that trains: on a processor nothing in it computes with torch.
        """
        ...

    def latent(self, network: TrunkNetwork, inputs: torch.Tensor) -> torch.Tensor:
        """The latent cells of a batch's inputs."""
        ...

    def feature_maps(self, network: TrunkNetwork, inputs: torch.Tensor) -> torch.Tensor:
        """The trunk's output for a batch's inputs."""
        ...


@runtime_checkable
class Settling(Protocol):
    """A source that does before an epoch what would make its steps wait."""

    @property
    def at_hand(self) -> bool:
        """Return True if ``load`` only gives the device work."""
        ...

    def begin_epoch(self, order: list[Rows], position: int, shares: list[slice]) -> None: ...


class Augmented:
    """Class-balanced draws from the training ROIs, augmented on the fly."""

    def __init__(self, training: RoiSet, config: TrainingConfig) -> None:
        self.rois = training
        self.config = config

    def order(self, position: int) -> list[Rows]:
        config = self.config
        batches = BatchPlan(
            batch_lesion=config.batch_lesion, batch_fine=config.batch_fine, draws=config.epochs.draws
        )
        random = generator(config.seed, position, 0)
        return epoch_batches(self.rois.label, self.rois.has_fine, batches, random)

    def load(self, rows: Rows, position: int, batch: int, share: slice = ALL) -> TrainingBatch:
        random, mine = generator(self.config.seed, position, batch + 1), rows[share]
        grey, masks, _ = augment(
            random,
            self.rois.pixels[mine],
            stored_masks(self.rois, mine),
            self.rois.transform,
            self.config.augmentation,
            share=share,
            draws=len(rows),
        )
        inputs = normalise_beside(grey[:, 0], self.rois.transform)
        return _batch(self.rois, mine, inputs, of_part(masks, coarse(rows, share, self.config)), len(rows))

    def latent(self, network: TrunkNetwork, inputs: torch.Tensor) -> torch.Tensor:
        return network.latent(inputs)

    def feature_maps(self, network: TrunkNetwork, inputs: torch.Tensor) -> torch.Tensor:
        return network.feature_maps(inputs)


class Cached:
    """The same draws of frozen features: each is one of a ROI's fixed augmentations, the first being none.
    ``feature_dropout`` sets channels of a draw to their mean over the un-augmented ROIs.

    ``plain`` (n, C0, h, w) float32 are the un-augmented features; the augmented ones serve gradients only.
    """

    def __init__(
        self,
        training: RoiSet,
        config: TrainingConfig,
        fixed: FixedDraws,
    ) -> None:
        """``fixed``: the draws of these ROIs."""
        self.rois = training
        self.config = config
        self.draws = Augmented(training, config)
        self.blocks, self.plain = fixed.blocks, fixed.plain
        self.mean = self.plain.mean((0, 2, 3)).view(1, -1, 1, 1).numpy()
        self.features = torch.cat([self.plain.half()[None], fixed.drawn])
        self.masks = fixed.masks

    def order(self, position: int) -> list[Rows]:
        return self.draws.order(position)

    def load(self, rows: Rows, position: int, batch: int, share: slice = ALL) -> TrainingBatch:
        random, whole, among = generator(self.config.seed, position, batch + 1), len(rows), rows
        version = random.integers(0, len(self.features), whole)[share]
        rows = rows[share]
        there = self.masks[version, rows].any(axis=(2, 3))
        version[(there < self.masks[0, rows].any(axis=(2, 3))).any(axis=1)] = 0  # a crop that lost its mask
        features = self.features.numpy()[version, rows].astype(np.float32)
        if self.config.feature_dropout > 0:
            features = self._dropped(features, random.random((whole, features.shape[1]))[share])
        masks = np.unpackbits(self.masks[version, rows], axis=-1, count=self.config.transform.input_size)
        masks = of_part(masks, coarse(among, share, self.config))
        return _batch(self.rois, rows, torch.from_numpy(features), masks, whole)

    def _dropped(self, features: Float32, chance: NDArray[np.float64]) -> Float32:
        """Return features (B, C, h, w) with some channels at their mean and the others scaled up about it."""
        rate = self.config.feature_dropout
        factor = np.where(chance < rate, 0.0, 1 / (1 - rate)).astype(np.float32)[:, :, None, None]
        dropped: Float32 = self.mean + (features - self.mean) * factor
        return dropped

    def latent(self, network: TrunkNetwork, inputs: torch.Tensor) -> torch.Tensor:
        return network.latent_of_features(self.feature_maps(network, inputs))

    def feature_maps(self, network: TrunkNetwork, inputs: torch.Tensor) -> torch.Tensor:
        return network.features_of_early(inputs, self.blocks)


def coarse(rows: Rows, share: slice, config: TrainingConfig) -> NDArray[np.bool_]:
    """Return which of the share's draws are in the lesion-scale part of the batch, its first rows."""
    found: NDArray[np.bool_] = (np.arange(len(rows)) < len(rows) - config.batch_fine)[share]
    return found


def of_part(masks: UInt8, lesion_scale: NDArray[np.bool_]) -> UInt8:
    """Return (B, 2, I, I): the lesion part of the batch takes the lesion masks where there are any.

    ``epoch_batches`` draws that part from ROIs without a fine annotation as long as these show every class, so
    that this is the rule "a finely annotated image uses its fine mask". Where all images are finely annotated
    it keeps the batch's ratio of lesion-scale to fine masks (75 to 10 in the paper).
    """
    chosen = masks.copy()
    outlined = np.flatnonzero(lesion_scale & masks[:, 1].any(axis=(1, 2)))
    chosen[outlined, 0] = masks[outlined, 1]
    return chosen


def _batch(rois: RoiSet, rows: Rows, inputs: torch.Tensor, masks: UInt8, whole: int) -> TrainingBatch:
    return TrainingBatch(
        inputs=inputs,
        label=torch.from_numpy(rois.label[rows]),
        mask=torch.from_numpy(np.ascontiguousarray(masks[:, 0])),
        lesion=torch.from_numpy(np.ascontiguousarray(masks[:, 1])),
        irrelevant=torch.from_numpy(irrelevant(masks[:, 0])),
        lesion_ids=tuple(rois.lesion_ids[row] for row in rows),
        whole=whole,
    )


Share = Callable[[int], slice]
"""From the size of a batch to the rows that this process trains on."""


def everything(size: int) -> slice:
    return slice(0, size)


def prefetched(
    source: Source, order: list[Rows], position: int, share: Share = everything
) -> Iterator[TrainingBatch]:
    """Yield the epoch's batches; the next is prepared in a thread while one is trained on.

    A source that settles its epochs is told of this one; what lies on the device already needs no thread.
    """
    if isinstance(source, Settling):
        source.begin_epoch(order, position, [share(len(rows)) for rows in order])
        if source.at_hand:
            yield from (source.load(rows, position, index, share(len(rows))) for index, rows in enumerate(order))
            return
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:

        def prepare(index: int) -> Future[TrainingBatch]:
            rows = order[index]
            return pool.submit(source.load, rows, position, index, share(len(rows)))

        waiting = prepare(0)
        for index in range(len(order)):
            ready = waiting.result()
            if index + 1 < len(order):
                waiting = prepare(index + 1)
            yield ready
