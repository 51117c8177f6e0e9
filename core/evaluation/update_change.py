"""Paired change between a model and its update, on the same validation lesions."""

from __future__ import annotations

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax

from core.data.roi_set import RoiSet
from core.domain.events import IsCancelled, never
from core.evaluation.judge import scale_precisions
from core.evaluation.localisation import NO_CONTROLS
from core.evaluation.predictions import Float, ScalePrecision
from core.model.network import PrototypeNetwork
from core.statistics.bootstrap import mean_estimate, resample
from core.statistics.estimate import Estimate
from core.statistics.multiclass import compare_multiclass
from core.training.inference import infer


class UpdateChange(msgspec.Struct, frozen=True, kw_only=True):
    """Updated model minus its parent; intervals clustered by patient."""

    auroc: Estimate
    lesion_precision: Estimate
    fine_precision: Estimate
    """Mean over images of the activation precision of the prototypes of the lesion's class."""


def change_by_update(
    parent: PrototypeNetwork,
    updated: PrototypeNetwork,
    rois: RoiSet,
    features: torch.Tensor | None = None,
    *,
    cancelled: IsCancelled = never,
) -> UpdateChange | None:
    """The change on the ROIs with a trained class; None if there is none.

    ``features``: of the frozen trunk, for all of ``rois``; None computes them.
    """
    known = rois.label >= 0
    if not known.any():
        return None
    judged = rois.rows(known)
    kept = None if features is None else features[torch.from_numpy(np.flatnonzero(known))]
    before, after = (
        infer(n, judged, keep_maps=True, features=kept, cancelled=cancelled) for n in (parent, updated)
    )
    # the areas are those that a run records: of the classes' probabilities, not of their logits
    shares = softmax(after.logits.astype(np.float64), axis=1), softmax(before.logits.astype(np.float64), axis=1)
    area = compare_multiclass(judged.label, *shares, judged.class_names, judged.patient_ids)
    resamples = resample(judged.patient_ids, len(judged))
    new, old = (_precisions(judged, n, maps.maps) for n, maps in ((updated, after), (parent, before)))
    lesion, fine = (mean_estimate(new[scale] - old[scale], resamples) for scale in ("lesion", "fine"))
    return UpdateChange(auroc=area.difference, lesion_precision=lesion, fine_precision=fine)


def _precisions(rois: RoiSet, network: PrototypeNetwork, maps: NDArray[np.float32] | None) -> dict[str, Float]:
    """By scale (n,) the mean precision of each image's own prototypes; NaN where it has no mask."""
    assert maps is not None
    found = scale_precisions(rois, maps, network.prototype_class.cpu().numpy(), NO_CONTROLS, drawn=None)
    return {scale: _by_image(found.get(scale), len(rois)) for scale in ("lesion", "fine")}


def _by_image(scale: ScalePrecision | None, images: int) -> Float:
    if scale is None:
        return np.full(images, np.nan)
    value, image = scale.pairs.value, scale.pairs.image
    known = ~np.isnan(value)
    total = np.bincount(image[known], weights=value[known], minlength=images)
    count = np.bincount(image[known], minlength=images)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
