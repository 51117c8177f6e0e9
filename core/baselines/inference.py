"""The one inference path of the classifiers: evaluation mode, float32, un-augmented ROIs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from core.baselines.gradcam import grad_cam, grad_cam_pp, normalised
from core.baselines.network import ClassifierNetwork
from core.data.roi_set import RoiSet
from core.domain.errors import Cancelled
from core.domain.events import IsCancelled, never
from core.training.fixed_draws import EarlyMaps
from core.training.inference import INFERENCE_BATCH, device_of, exact, network_input

Float32 = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassMaps:
    """Maps of one class an image, on the latent grid, each within [0, 1]."""

    grad_cam: Float32
    """(n, H, W)"""
    grad_cam_pp: Float32
    """(n, H, W)"""


def classify(
    network: ClassifierNetwork, rois: RoiSet, *, early: EarlyMaps | None = None, cancelled: IsCancelled = never
) -> Float32:
    """Return (n, K) logits of every un-augmented ROI; Cancelled between batches.

    ``early``: what the first blocks of the trunk make of these ROIs, where that was computed before.
    """
    found = []
    for rows in _batches(len(rois)):
        if cancelled():
            raise Cancelled
        with exact(network):
            found.append(network.from_latent(_latent(network, rois, rows, early)).cpu().numpy())
    return np.concatenate(found) if found else np.zeros((0, len(network.class_names)), np.float32)


def class_maps(
    network: ClassifierNetwork,
    rois: RoiSet,
    classes: NDArray[np.int64],
    *,
    early: EarlyMaps | None = None,
    cancelled: IsCancelled = never,
) -> ClassMaps:
    """Return GradCAM and GradCAM++ of the class ``classes`` (n,) of each ROI; weights and gradients stay.

    ``early``: as for ``classify``.
    """
    plain, plus = [], []
    for rows in _batches(len(rois)):
        if cancelled():
            raise Cancelled
        with exact(network):
            latent = _latent(network, rois, rows, early)
        features, gradients = features_and_gradients(network, latent, torch.from_numpy(classes[rows]))
        plain.append(normalised(grad_cam(features, gradients)).cpu().numpy())
        plus.append(normalised(grad_cam_pp(features, gradients)).cpu().numpy())
    empty = np.zeros((0, *network.grid), np.float32)
    return ClassMaps(
        grad_cam=np.concatenate(plain) if plain else empty, grad_cam_pp=np.concatenate(plus) if plus else empty
    )


def _latent(
    network: ClassifierNetwork, rois: RoiSet, rows: NDArray[np.int64], early: EarlyMaps | None
) -> torch.Tensor:
    """Return the latent cells of these rows, inside ``exact``."""
    device = device_of(network)
    if early is None:
        return network.latent(network_input(rois, rows, device))
    return network.latent_of_features(network.features_of_early(early.maps[rows].to(device), early.blocks))


def features_and_gradients(
    network: ClassifierNetwork, latent: torch.Tensor, classes: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return output A (B, C, H, W) of the last convolutional layer and dS/dA of each image's own class score S.

    ``latent`` is that output, as the network computes it.
    """
    with exact(network), torch.enable_grad():
        watched = latent.detach().requires_grad_()
        logits = network.from_latent(watched)
        chosen = logits.gather(1, classes.to(logits.device).view(-1, 1)).sum()
        (gradients,) = torch.autograd.grad(chosen, watched)
    return watched.detach(), gradients


def _batches(n: int) -> list[NDArray[np.int64]]:
    return [np.arange(first, min(first + INFERENCE_BATCH, n)) for first in range(0, n, INFERENCE_BATCH)]
