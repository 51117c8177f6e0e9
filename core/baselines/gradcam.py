"""GradCAM and GradCAM++ as pure functions of feature maps and gradients.

Selvaraju et al., "Grad-CAM", ICCV 2017, eq. 1 and 2; Chattopadhyay et al., "Grad-CAM++", WACV 2018, eq. 10 and
19. Both are post-hoc: nothing guarantees that a map shows what the network computed its answer from.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def grad_cam(features: Tensor, gradients: Tensor) -> Tensor:
    """Return (B, H, W) ``ReLU(sum_k alpha_k A_k)`` with ``alpha_k`` the mean over the cells of ``dY/dA_k``.

    ``features`` A and ``gradients`` dY/dA of the class score before softmax, both (B, C, H, W).
    """
    weights = gradients.mean((2, 3), keepdim=True)
    return functional.relu((weights * features).sum(1))


def grad_cam_pp(features: Tensor, gradients: Tensor) -> Tensor:
    """Return (B, H, W) ``ReLU(sum_k w_k A_k)``, ``w_k = sum_ab alpha_kab ReLU(g_kab)`` with ``alpha_kab = g^2
    / (2 g^2 + g^3 sum_ij A_kij)``, where g is ``dS/dA`` of the class score S before softmax.

    The score is Y = exp(S), as in the paper: its derivatives are Y g, Y g^2 and Y g^3. The common factor Y
    scales the whole map and is left out. ``alpha`` is 0 where its denominator is.
    """
    square = gradients.square()
    denominator = 2 * square + square * gradients * features.sum((2, 3), keepdim=True)
    known = denominator != 0
    alpha = square / denominator.where(known, denominator.new_ones(())) * known
    weights = (alpha * functional.relu(gradients)).sum((2, 3), keepdim=True)
    return functional.relu((weights * features).sum(1))


def normalised(maps: Tensor) -> Tensor:
    """Return each map (B, H, W), not negative, divided by its largest value: within [0, 1]. A map of zeros
    stays one."""
    largest = maps.flatten(1).amax(1).view(-1, 1, 1)
    return maps / largest.where(largest > 0, largest.new_ones(()))
