"""Runs a model on un-augmented ROIs and keeps what the metrics need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from core.data.roi_set import RoiSet
from core.domain.events import IsCancelled, never
from core.evaluation.predictions import Float, Predictions, ScalePrecision
from core.model.checkpoint import LoadedModel
from core.model.similarity import upsample
from core.statistics.activation import (
    activation_precision,
    attainable,
    centre_blob,
    chance,
    energy_inside,
    lowest_of_top,
    precision_of_top,
    top_count,
)
from core.statistics.activation_summary import PairTable
from core.training.inference import Inference, infer
from core.training.precedent import largest_own_evidence

_CHUNK = 64
"""Images whose upsampled maps exist at a time."""


def judge(model: LoadedModel, rois: RoiSet, *, name: str, cancelled: IsCancelled = never) -> Predictions:
    """Predictions of the model for every ROI with a trained class; the others are left out."""
    labelled = rois.rows(rois.label >= 0)
    found = infer(model.network, labelled, keep_maps=True, cancelled=cancelled)
    prototype_class = np.asarray(model.card.prototype_class, dtype=np.int64)
    maps = found.maps
    assert maps is not None
    threshold = model.card.precedent_threshold
    evidence = largest_own_evidence(found.scores, found.logits, prototype_class)
    return Predictions(
        model=name,
        class_names=model.card.class_names,
        lesion_ids=labelled.lesion_ids,
        finding_ids=labelled.finding_ids,
        patient_ids=labelled.patient_ids,
        sources=labelled.sources,
        label=labelled.label,
        malignant=labelled.malignant,
        logits=found.logits.astype(np.float64),
        malignancy=_malignancy(model, found),
        no_precedent=np.zeros(len(evidence), np.bool_) if threshold is None else evidence < threshold,
        evidence=None if threshold is None else evidence - threshold,
        lesion_scale=_numbered(scale_precision(labelled, maps, prototype_class, fine=False), model),
        fine_scale=_numbered(scale_precision(labelled, maps, prototype_class, fine=True), model),
    )


def original_numbers(model: LoadedModel) -> NDArray[np.int64]:
    """(m,) number, from 0, that each prototype had before any pruning: its name on every page."""
    known = [prototype.index for prototype in model.card.prototypes]
    return np.array(known or range(len(model.card.prototype_class)), dtype=np.int64)


def _numbered(scale: ScalePrecision | None, model: LoadedModel) -> ScalePrecision | None:
    if scale is None:
        return None
    return replace(scale, pairs=replace(scale.pairs, prototype=original_numbers(model)[scale.pairs.prototype]))


def _malignancy(model: LoadedModel, found: Inference) -> Float:
    """NaN where stage B could not be fitted."""
    if model.card.malignancy_ridge is None:
        return np.full(len(found.malignancy), np.nan)
    return found.malignancy.astype(np.float64)


def scale_precision(
    rois: RoiSet, small: NDArray[np.float32], prototype_class: NDArray[np.int64], *, fine: bool
) -> ScalePrecision | None:
    """Precision of the maps of each image's own class; None where no image has a mask of this scale.

    ``small`` (n, m, h, w) are maps on the latent grid, ``prototype_class`` (m,) the class that each is for.
    """
    masks = rois.central(rois.fine if fine else rois.lesion)
    if len(rois) == 0 or not masks.any():
        return None
    pairs = list(_pairs(small, rois, masks, prototype_class))
    return ScalePrecision(
        pairs=PairTable(
            image=np.concatenate([one[0] for one in pairs]),
            prototype=np.concatenate([one[1] for one in pairs]),
            klass=np.concatenate([prototype_class[one[1]] for one in pairs]),
            value=np.concatenate([one[2] for one in pairs]),
        ),
        chance=chance(masks),
        attainable=attainable(masks),
        blob=_of_blob(masks),
        energy=np.concatenate([one[3] for one in pairs]),
    )


def _of_blob(masks: NDArray[np.uint8]) -> Float:
    """(n,) activation precision of a map that only says "the middle"; NaN where the mask is empty."""
    blob = centre_blob(*masks.shape[1:])
    cut, count = lowest_of_top(blob), top_count(blob.size)
    found = [precision_of_top(blob, mask, cut=cut, count=count) if mask.any() else np.nan for mask in masks]
    return np.array(found, dtype=np.float64)


def _pairs(
    small: NDArray[np.float32], rois: RoiSet, masks: NDArray[np.uint8], prototype_class: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], Float, Float]]:
    """Image, prototype, activation precision and energy inside the mask of each pair, some images at a time."""
    own = prototype_class[None, :] == rois.label[:, None]
    for first in range(0, len(rois), _CHUNK):
        image, prototype = np.nonzero(own[first : first + _CHUNK])
        image = image + first
        chosen = torch.from_numpy(small[image, prototype])[:, None]
        maps = upsample(chosen, masks.shape[1])[:, 0].numpy()
        inside = masks[image]
        yield image, prototype, activation_precision(maps, inside), energy_inside(maps, inside)
