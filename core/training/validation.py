"""Figures of the validation part after an epoch, and what chooses between projected epochs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from core.data.roi_set import RoiSet
from core.domain.events import IsCancelled, never
from core.model.network import PrototypeNetwork
from core.model.similarity import upsample
from core.statistics.activation import activation_precision
from core.statistics.multiclass import multiclass_auroc
from core.training.abstention import precedent_threshold
from core.training.inference import Inference, infer


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Undefined figures (no ROIs, one class, no masks) are None."""

    auroc: float | None = None
    """AUROC one against the rest, mean weighted by class size, on softmax probabilities."""
    cross_entropy: float | None = None
    lesion_precision: float | None = None
    """Activation precision (eq. 1) at lesion scale, mean over pairs (image, prototype of its class)."""
    fine_precision: float | None = None
    precedent_threshold: float | None = None
    """5th percentile of the ROIs' largest own evidence."""

    def values(self) -> dict[str, float | None]:
        return {
            "validation_auroc": self.auroc,
            "validation_cross_entropy": self.cross_entropy,
            "validation_lesion_precision": self.lesion_precision,
            "validation_fine_precision": self.fine_precision,
        }

    def better_than(self, other: Validation | None) -> bool:
        """Return True if the AUROC is higher, or equal with a lower cross-entropy."""
        if other is None:
            return True
        return _rank(self) > _rank(other)


def _rank(found: Validation) -> tuple[float, float]:
    auroc = -1.0 if found.auroc is None else found.auroc
    return auroc, -np.inf if found.cross_entropy is None else -found.cross_entropy


def evaluate(
    network: PrototypeNetwork,
    rois: RoiSet,
    *,
    features: torch.Tensor | None = None,
    cancelled: IsCancelled = never,
) -> Validation:
    """Return the figures of these ROIs, all of which have a trained class."""
    if len(rois) == 0:
        return Validation()
    found = infer(network, rois, keep_maps=True, features=features, cancelled=cancelled)
    logits = found.logits.astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    own = probabilities[np.arange(len(rois)), rois.label]
    prototype_class = network.prototype_class.cpu().numpy()
    lesion, fine = _precisions(found, rois, prototype_class)
    return Validation(
        auroc=multiclass_auroc(rois.label, probabilities, rois.class_names).mean.value,
        cross_entropy=float(-np.log(np.maximum(own, 1e-300)).mean()),
        lesion_precision=lesion,
        fine_precision=fine,
        precedent_threshold=precedent_threshold(found.scores, found.logits, prototype_class),
    )


def _precisions(
    found: Inference, rois: RoiSet, prototype_class: NDArray[np.int64]
) -> tuple[float | None, float | None]:
    """Return mean activation precision at lesion and at fine scale."""
    assert found.maps is not None
    image, prototype = np.nonzero(rois.label[:, None] == prototype_class[None, :])
    maps = upsample(torch.from_numpy(found.maps[image, prototype][:, None]), rois.transform.input_size)[:, 0]
    lesion = activation_precision(maps.numpy(), rois.central(rois.lesion)[image])
    marked = rois.has_fine[image]
    fine = activation_precision(maps.numpy()[marked], rois.central(rois.fine)[image[marked]])
    return _mean(lesion), _mean(fine)


def _mean(values: NDArray[np.float64]) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None
