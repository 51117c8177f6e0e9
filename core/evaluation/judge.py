"""Runs a model on un-augmented ROIs and keeps what the metrics need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from core.data.roi_set import RoiSet
from core.domain.events import IsCancelled, never
from core.evaluation.localisation import NO_CONTROLS, Controls, position_control, precision_of_map
from core.evaluation.predictions import DRAWN, SCALES, Float, Predictions, ScalePrecision, mask_of_scale
from core.model.checkpoint import LoadedModel
from core.model.similarity import upsample
from core.statistics.activation import (
    activation_precision,
    attainable,
    centre_blob,
    chance,
    energy_inside,
)
from core.statistics.activation_summary import PairTable
from core.training.abstention import largest_own_evidence
from core.training.fixed_draws import NOTHING_KNOWN, EarlyMaps, KnownFeatures
from core.training.inference import Inference, infer

Maps = NDArray[np.float32]
_CHUNK = 64
"""Images whose upsampled maps exist at a time."""


def judge(
    model: LoadedModel,
    rois: RoiSet,
    *,
    name: str,
    controls: Controls = NO_CONTROLS,
    cancelled: IsCancelled = never,
    known: KnownFeatures = NOTHING_KNOWN,
) -> Predictions:
    """Return predictions of the model for every ROI with a trained class; the others are left out.

    ``known``: features of the ROIs by this model's trunk, where they were computed before.
    """
    labelled = rois.rows(rois.label >= 0)
    early = known.of(labelled)
    features = None if early is None else early.features(model.network)
    found = infer(model.network, labelled, keep_maps=True, features=features, cancelled=cancelled)
    prototype_class = np.asarray(model.card.prototype_class, dtype=np.int64)
    maps = found.maps
    assert maps is not None
    threshold = model.card.precedent_threshold
    evidence = largest_own_evidence(found.scores, found.logits, prototype_class)
    drawn = drawn_like(labelled, controls)
    placed = None if drawn is None else (drawn, _maps(model, drawn, known.of(drawn, drawn=True), cancelled))
    scales = scale_precisions(labelled, maps, prototype_class, controls, drawn=placed)
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
        scales={scale: _numbered(one, model) for scale, one in scales.items()},
    )


def _maps(model: LoadedModel, rois: RoiSet, early: EarlyMaps | None, cancelled: IsCancelled) -> Maps:
    features = None if early is None else early.features(model.network)
    found = infer(model.network, rois, keep_maps=True, features=features, cancelled=cancelled).maps
    assert found is not None
    return found


def original_numbers(model: LoadedModel) -> NDArray[np.int64]:
    """Return (m,) number, from 0, that each prototype had before any pruning: its name on every page."""
    known = [prototype.index for prototype in model.card.prototypes]
    return np.array(known or range(len(model.card.prototype_class)), dtype=np.int64)


def _numbered(scale: ScalePrecision, model: LoadedModel) -> ScalePrecision:
    return replace(scale, pairs=replace(scale.pairs, prototype=original_numbers(model)[scale.pairs.prototype]))


def _malignancy(model: LoadedModel, found: Inference) -> Float:
    """NaN where stage B could not be fitted."""
    if model.card.malignancy_ridge is None:
        return np.full(len(found.malignancy), np.nan)
    return found.malignancy.astype(np.float64)


def drawn_like(rois: RoiSet, controls: Controls) -> RoiSet | None:
    """Return the lesions of ``rois``, in its order and with its labels, in ROIs with random placement; None if
    there are none."""
    if controls.drawn is None:
        return None
    row_of = {lesion: row for row, lesion in enumerate(controls.drawn.lesion_ids)}
    drawn = controls.drawn.rows([row_of[lesion] for lesion in rois.lesion_ids])
    return replace(drawn, label=rois.label, class_names=rois.class_names)


def scale_precisions(
    rois: RoiSet,
    maps: Maps,
    prototype_class: NDArray[np.int64],
    controls: Controls,
    *,
    drawn: tuple[RoiSet, Maps] | None,
) -> dict[str, ScalePrecision]:
    """Return precision by scale, of ``SCALES``; a scale that no image has a mask of is missing.

    ``maps`` (n, m, h, w) lie on the latent grid; ``drawn`` are the ROIs with random placement and their maps.
    """
    found: dict[str, ScalePrecision] = {}
    for scale in SCALES:
        where = drawn if scale in DRAWN else (rois, maps)
        one = None if where is None else scale_precision(*where, prototype_class, scale, controls)
        if one is not None:
            found[scale] = one
    return found


def scale_precision(
    rois: RoiSet,
    small: NDArray[np.float32],
    prototype_class: NDArray[np.int64],
    scale: str,
    controls: Controls = NO_CONTROLS,
) -> ScalePrecision | None:
    """Return precision of the maps of each image's own class; None where no image has a mask of this scale.

    ``small`` (n, m, h, w) are maps on the latent grid, ``prototype_class`` (m,) the class that each is for.
    """
    masks = mask_of_scale(rois, scale)
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
        blob=precision_of_map(centre_blob(*masks.shape[1:]), masks),
        energy=np.concatenate([one[3] for one in pairs]),
        position=position_control(controls, scale, masks, rois.patient_ids),
    )


def _pairs(
    small: NDArray[np.float32], rois: RoiSet, masks: NDArray[np.uint8], prototype_class: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], Float, Float]]:
    """Yield image, prototype, activation precision and energy inside the mask of each pair, some images at a
    time."""
    own = prototype_class[None, :] == rois.label[:, None]
    for first in range(0, len(rois), _CHUNK):
        image, prototype = np.nonzero(own[first : first + _CHUNK])
        image = image + first
        chosen = torch.from_numpy(small[image, prototype])[:, None]
        maps = upsample(chosen, masks.shape[1])[:, 0].numpy()
        inside = masks[image]
        yield image, prototype, activation_precision(maps, inside), energy_inside(maps, inside)
