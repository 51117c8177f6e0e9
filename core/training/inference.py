"""The one inference path: projection, similarity tables, metrics and explanations all go through it.

The network in evaluation mode, float32 with autocast and TF32 off, on the un-augmented crop. A whole set is
streamed in batches (``infer``); one ROI alone is a batch of one (``infer_one``), the path of explanations. On
the CPU both give the same bits (see ``PrototypeNetwork``). A GPU's convolutions choose their kernel by the shape
of the batch and may differ in the last bits; what must hold to the bit (a projected prototype is a patch of its
source) is therefore defined by ``infer_one``. Elsewhere such a difference is a squared distance below 3e-12,
which float32 rounds away beside epsilon, so that the self-similarity is log(1/eps) on either path.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from core.data.roi_set import InputTransform, RoiSet
from core.domain.errors import Cancelled
from core.domain.events import IsCancelled, never
from core.model.accelerator import sent
from core.model.network import Activations, PrototypeNetwork
from core.model.precision import exact_float32

INFERENCE_BATCH = 32
KEPT_BYTES = 1 << 30
"""Bytes of latent cells that are kept between two passes over the training ROIs: 2,600 ROIs of VGG-16 at 224
px."""

Float32 = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Inference:
    """Outputs for ``n`` ROIs, in the order of the set."""

    scores: Float32
    """(n, m) similarity of each prototype, ``s_j`` of eq. 5."""
    logits: Float32
    """(n, K) margin logits."""
    malignancy: Float32
    """(n,) malignancy logit."""
    maps: Float32 | None
    """(n, m, g, g) similarity maps, where asked for."""


def device_of(network: torch.nn.Module) -> torch.device:
    return next(network.parameters()).device


def normalise(grey: torch.Tensor, transform: InputTransform) -> torch.Tensor:
    """Convert (B, I, I) grey values in [0, 1] to the network input (B, 3, I, I), float32: one channel three
    times."""
    mean, std = _constants(transform.mean, transform.std, grey.device)
    return (grey.float().unsqueeze(1) - mean) / std


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def _constants(
    mean: tuple[float, ...], std: tuple[float, ...], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Keep these on the device: what is made there of Python's numbers has to be waited for."""
    return (
        torch.tensor(mean, device=device).view(1, 3, 1, 1),
        torch.tensor(std, device=device).view(1, 3, 1, 1),
    )


def normalise_beside(grey: Float32, transform: InputTransform) -> torch.Tensor:
    """Compute the same as ``normalise``, bit for bit, in a thread beside one that trains.

    It uses NumPy: torch would give that thread a team of threads of its own, and with more threads than cores
    the training's threads sleep after each small piece of work instead of waiting for the next: a step took a
    tenth longer.
    """
    mean, std = (np.array(values, np.float32).reshape(1, 3, 1, 1) for values in (transform.mean, transform.std))
    return torch.from_numpy((grey.astype(np.float32, copy=False)[:, None] - mean) / std)


def network_input(rois: RoiSet, rows: NDArray[np.int64], device: torch.device) -> torch.Tensor:
    """Return the un-augmented network input of these rows, (B, 3, I, I)."""
    crops = np.ascontiguousarray(rois.central(rois.pixels)[rows])
    return normalise(sent(torch.from_numpy(crops), device).float() / 255, rois.transform)


@contextmanager
def exact(network: torch.nn.Module) -> Iterator[None]:
    """Switch to evaluation mode without gradients, autocast or TF32; restore everything afterwards."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.no_grad(), exact_float32():
            yield
    finally:
        for module, training in modes:
            module.training = training


class Latents:
    """The latent cells of a set, kept from one pass for the next: between a projection and the fit of the last
    layer only the prototypes change. More than ``most_bytes`` are not kept; the next pass computes them again."""

    def __init__(self, most_bytes: int = KEPT_BYTES) -> None:
        self.most_bytes = most_bytes
        self._pieces: list[torch.Tensor] = []
        self._rows = self._bytes = 0
        self._full = False

    def add(self, rows: NDArray[np.int64], latent: torch.Tensor) -> None:
        """Add the next rows of a pass, in its order."""
        self._bytes += latent.numel() * latent.element_size()
        if self._bytes > self.most_bytes or int(rows[0]) != self._rows:
            self.forget()
            self._full = True
        if not self._full:
            self._pieces.append(latent)
            self._rows += len(rows)

    def of(self, n: int) -> list[torch.Tensor] | None:
        """Return the pieces of a whole pass over ``n`` ROIs, where they were kept."""
        return self._pieces if self._rows == n and n > 0 else None

    def forget(self) -> None:
        """Drop the kept cells: the layers before them have changed."""
        self._pieces, self._rows, self._bytes, self._full = [], 0, 0, False


def stream_latents(
    network: PrototypeNetwork,
    rois: RoiSet,
    *,
    batch: int = INFERENCE_BATCH,
    features: torch.Tensor | None = None,
    kept: Latents | None = None,
    cancelled: IsCancelled = never,
) -> Iterator[tuple[NDArray[np.int64], torch.Tensor]]:
    """Yield rows and their latent cells (B, C, H, W), batch by batch in the order of the set; Cancelled in
    between.

    ``kept`` holds the cells of an earlier pass, or receives those of this one.

    ``features`` (n, C0, H, W) are the backbone's outputs for these ROIs where they are cached (frozen mode).
    """
    device = device_of(network)
    known = kept.of(len(rois)) if kept is not None else None
    if known is not None:
        first = 0
        for latent in known:
            yield np.arange(first, first + len(latent)), latent
            first += len(latent)
        return
    if kept is not None:
        kept.forget()
    for first in range(0, len(rois), batch):
        if cancelled():
            raise Cancelled
        rows = np.arange(first, min(first + batch, len(rois)))
        with exact(network):
            if features is None:
                latent = network.latent(network_input(rois, rows, device))
            else:
                latent = network.latent_of_features(features[rows].to(device, torch.float32))
        if kept is not None:
            kept.add(rows, latent)
        yield rows, latent


def stream(
    network: PrototypeNetwork,
    rois: RoiSet,
    *,
    batch: int = INFERENCE_BATCH,
    features: torch.Tensor | None = None,
    kept: Latents | None = None,
    cancelled: IsCancelled = never,
) -> Iterator[tuple[NDArray[np.int64], Activations]]:
    """Yield rows and all of their activations; the rest as ``stream_latents``."""
    passes = stream_latents(network, rois, batch=batch, features=features, kept=kept, cancelled=cancelled)
    for rows, latent in passes:
        with exact(network):
            activations = network.from_latent(latent)
        yield rows, activations


def infer(
    network: PrototypeNetwork,
    rois: RoiSet,
    *,
    batch: int = INFERENCE_BATCH,
    keep_maps: bool = False,
    features: torch.Tensor | None = None,
    kept: Latents | None = None,
    cancelled: IsCancelled = never,
) -> Inference:
    """Return the outputs of the network for every un-augmented ROI of the set."""
    scores, logits, malignancy, maps = [], [], [], []
    for _, found in stream(network, rois, batch=batch, features=features, kept=kept, cancelled=cancelled):
        scores.append(found.scores)
        logits.append(found.logits)
        malignancy.append(found.malignancy.reshape(-1))
        if keep_maps:
            maps.append(found.similarities)
    m, classes = len(network.prototypes), network.last.out_features
    return Inference(
        scores=_joined(scores, (m,)),
        logits=_joined(logits, (classes,)),
        malignancy=_joined(malignancy, ()),
        maps=_joined(maps, (m, *network.grid)) if keep_maps else None,
    )


def infer_one(network: PrototypeNetwork, rois: RoiSet, row: int) -> Activations:
    """Return everything the network computes for one ROI, as a batch of one."""
    with exact(network):
        return network.from_latent(network.latent(network_input(rois, np.array([row]), device_of(network))))


def _joined(parts: list[torch.Tensor], shape: tuple[int, ...]) -> Float32:
    """Read from the device once, after the last batch."""
    return torch.cat(parts).cpu().numpy() if parts else np.zeros((0, *shape), np.float32)
