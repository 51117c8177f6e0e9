"""Batches made on the device: the training ROIs lie there as uint8, or are sent as uint8 where they do not fit.

Everything random of an epoch is settled before its first step (``begin_epoch``): crops that lose a mask are found
by looking at all of the epoch's masks in large pieces, and the parameters of every batch lie on the device when it
begins. A step itself asks the device nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.data.augment import ALL, REDRAWS, AugmentParameters, Candidates, generator
from core.data.roi_set import RoiSet
from core.domain.events import Emit, Message
from core.domain.messages import message
from core.imaging.raster import irrelevant
from core.model.accelerator import free_memory, is_accelerator, sent
from core.model.trunk import TrunkNetwork
from core.training.batches import Augmented, TrainingBatch, coarse
from core.training.config import TrainingConfig
from core.training.device_augment import cut, lost, sampling
from core.training.fixed_draws import Rows, stored_masks
from core.training.inference import normalise

SHARE_OF_MEMORY = 0.4
"""Share of the device's free memory that the ROIs may take."""
_CHECKED_AT_ONCE = 512
"""Crops whose masks are looked at together before an epoch."""

Home = Literal["resident", "streamed"]


def bytes_of(rois: RoiSet) -> int:
    """Count the bytes of pixels and both masks on the device."""
    return 3 * rois.pixels.nbytes


def plan_home(rois: RoiSet, free_bytes: int) -> Home:
    """Choose the memory that holds the ROIs while the device trains on them."""
    return "resident" if bytes_of(rois) <= SHARE_OF_MEMORY * free_bytes else "streamed"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Epoch:
    position: int
    theta: list[Tensor]
    """(B, 2, 3) a batch, on the device, for the rows of this process."""
    lesion_scale: list[Tensor]
    """(B,) bool a batch: draws of the lesion-scale part."""
    index: list[Tensor]
    """(B,) rows a batch, on the device."""


class OnDevice(Augmented):
    """The draws of ``Augmented``, cut on the device."""

    def __init__(self, training: RoiSet, config: TrainingConfig, device: torch.device, home: Home) -> None:
        self.rois, self.config, self.device, self.home = training, config, device, home
        place = device if home == "resident" else torch.device("cpu")
        self._pixels = torch.from_numpy(training.pixels).to(place)
        self._masks = torch.from_numpy(stored_masks(training, np.arange(len(training)))).to(place)
        self._label = torch.from_numpy(training.label).to(device)
        self._epoch: _Epoch | None = None

    @property
    def at_hand(self) -> bool:
        return self.home == "resident"

    def begin_epoch(self, order: list[Rows], position: int, shares: list[slice]) -> None:
        """Draw everything random of the epoch; the only place that waits for the device."""
        drawn = [
            Candidates(
                generator(self.config.seed, position, batch + 1),
                len(rows),
                self.config.augmentation,
                lesion_share=self.config.transform.lesion_share,
            )
            for batch, rows in enumerate(order)
        ]
        settled = self._settled(order, drawn, shares)
        transform = self.rois.transform
        self._epoch = _Epoch(
            position=position,
            theta=[self._there(torch.from_numpy(sampling(one, transform))) for one in settled],
            lesion_scale=[
                self._there(torch.from_numpy(coarse(rows, share, self.config)))
                for rows, share in zip(order, shares, strict=True)
            ],
            index=[self._there(torch.from_numpy(rows[share])) for rows, share in zip(order, shares, strict=True)],
        )

    def _settled(self, order: list[Rows], drawn: list[Candidates], shares: list[slice]) -> list[AugmentParameters]:
        """Return the parameters of each batch's rows, crops that lost a mask replaced as on the processor."""
        found = [one.of_attempt(0).rows(share) for one, share in zip(drawn, shares, strict=True)]
        rows = [of[share] for of, share in zip(order, shares, strict=True)]
        open_rows = [np.arange(len(of)) for of in rows]
        for attempt in range(1, REDRAWS + 2):
            open_rows = self._lost(rows, found, open_rows)
            if not any(len(of) for of in open_rows):
                break
            for batch, again in enumerate(open_rows):
                if len(again):
                    more = drawn[batch].of_attempt(attempt).rows(shares[batch]).rows(again)
                    found[batch] = found[batch].replaced(again, more)
        return found

    def _lost(
        self, rows: list[Rows], found: list[AugmentParameters], asked: list[NDArray[np.int64]]
    ) -> list[NDArray[np.int64]]:
        """Return which draws of each batch lose a mask; read from the device once a piece."""
        where = [(batch, i) for batch, of in enumerate(asked) for i in of]
        flags = np.zeros(len(where), dtype=np.bool_)
        for first in range(0, len(where), _CHECKED_AT_ONCE):
            piece = where[first : first + _CHECKED_AT_ONCE]
            index = np.array([rows[batch][i] for batch, i in piece])
            theta = np.concatenate(
                [sampling(found[batch].rows(slice(i, i + 1)), self.rois.transform) for batch, i in piece]
            )
            masks = self._rows(self._masks, torch.from_numpy(index))
            gone = lost(masks, self._there(torch.from_numpy(theta)), self.rois.transform.input_size)
            flags[first : first + len(piece)] = gone.cpu().numpy()
        left: list[list[int]] = [[] for _ in asked]
        for (batch, i), gone_here in zip(where, flags, strict=True):
            if gone_here:
                left[batch].append(int(i))
        return [np.array(of, dtype=np.int64) for of in left]

    def load(self, rows: Rows, position: int, batch: int, share: slice = ALL) -> TrainingBatch:
        """Return the batch on the device. ``begin_epoch`` must have settled this epoch."""
        epoch = self._epoch
        if epoch is None or epoch.position != position:
            raise ValueError("call begin_epoch before loading the batches of an epoch")
        index = epoch.index[batch]
        source = torch.from_numpy(rows[share]) if self.home == "streamed" else index
        grey, masks = cut(
            self._rows(self._pixels, source),
            self._rows(self._masks, source),
            epoch.theta[batch],
            self.rois.transform.input_size,
        )
        outlined = (epoch.lesion_scale[batch] & masks[:, 1].flatten(1).any(1).bool())[:, None, None]
        mask = torch.where(outlined, masks[:, 1], masks[:, 0])
        return TrainingBatch(
            inputs=normalise(grey, self.rois.transform),
            label=self._label[index],
            mask=mask,
            lesion=masks[:, 1],
            irrelevant=irrelevant(mask),
            lesion_ids=tuple(self.rois.lesion_ids[row] for row in rows[share]),
            whole=len(rows),
        )

    def latent(self, network: TrunkNetwork, inputs: Tensor) -> Tensor:
        return network.latent(inputs)

    def feature_maps(self, network: TrunkNetwork, inputs: Tensor) -> Tensor:
        return network.feature_maps(inputs)

    def _rows(self, stored: Tensor, index: Tensor) -> Tensor:
        """Return these rows of pixels or masks, on the device."""
        if self.home == "resident":
            return stored[index.to(self.device)]
        return self._there(stored[index])

    def _there(self, tensor: Tensor) -> Tensor:
        return sent(tensor, self.device)


def drawn_source(training: RoiSet, config: TrainingConfig, device: torch.device, emit: Emit) -> Augmented:
    """Return augmented draws of the training ROIs; on an accelerator the augmentation is its work too."""
    if not is_accelerator(device):
        return Augmented(training, config)
    home = plan_home(training, free_memory(device))
    if home == "streamed":
        text = message(
            "The regions of interest do not fit the device's memory beside the network: they are streamed."
        )
        emit(Message(level="info", text=text))
    return OnDevice(training, config, device, home)
