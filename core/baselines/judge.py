"""Classifiers judged by the code that judges prototype networks: one "prototype" a class, its map GradCAM's."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from core.baselines.checkpoint import LoadedClassifier
from core.baselines.inference import ClassMaps, class_maps, classify
from core.baselines.trainer import target_rois
from core.data.roi_set import RoiSet
from core.domain.events import IsCancelled, never
from core.evaluation.judge import drawn_like, scale_precisions
from core.evaluation.localisation import NO_CONTROLS, Controls
from core.evaluation.map_tests import Explainer, OwnMaps, softmax
from core.evaluation.predictions import Float, Predictions
from core.training.fixed_draws import NOTHING_KNOWN, KnownFeatures
from core.training.inference import device_of, exact, normalise

PostHoc = Literal["GradCAM", "GradCAM++"]
POST_HOC: tuple[PostHoc, ...] = ("GradCAM", "GradCAM++")


def judge_classifier(
    model: LoadedClassifier,
    rois: RoiSet,
    *,
    name: str,
    controls: Controls = NO_CONTROLS,
    cancelled: IsCancelled = never,
    known: KnownFeatures = NOTHING_KNOWN,
) -> dict[PostHoc, Predictions]:
    """Return predictions for every ROI with a trained margin, once with the maps of each post-hoc method.

    The map is that of the true class, as in the paper. Such a model has no malignancy and knows no precedents.
    ``known``: as in ``core.evaluation.judge``.
    """
    labelled = target_rois(rois, "margin")
    early = known.of(labelled)
    logits = classify(model.network, labelled, early=early, cancelled=cancelled).astype(np.float64)
    classes, nothing = np.arange(len(labelled.class_names)), np.full(len(labelled), np.nan)
    drawn = drawn_like(labelled, controls)
    maps = class_maps(model.network, labelled, labelled.label, early=early, cancelled=cancelled)
    again = None
    if drawn is not None:
        placed_early = known.of(drawn, drawn=True)
        again = class_maps(model.network, drawn, drawn.label, early=placed_early, cancelled=cancelled)
    found: dict[PostHoc, Predictions] = {}
    for method in POST_HOC:
        placed = None if drawn is None or again is None else (drawn, _repeated(again, method, len(classes)))
        own = _repeated(maps, method, len(classes))
        scales = scale_precisions(labelled, own, classes, controls, drawn=placed)
        plain = _predictions(f"{name} with {method}", labelled, logits, nothing)
        found[method] = replace(plain, scales=scales)
    return found


def _repeated(maps: ClassMaps, method: PostHoc, classes: int) -> NDArray[np.float32]:
    """Return (n, K, h, w): the map of the true class in the place of every class; only an image's own is
    looked at."""
    own = maps.grad_cam if method == "GradCAM" else maps.grad_cam_pp
    return np.repeat(own[:, None], classes, axis=1)


def judge_malignancy(
    model: LoadedClassifier,
    rois: RoiSet,
    *,
    name: str,
    cancelled: IsCancelled = never,
    known: KnownFeatures = NOTHING_KNOWN,
) -> Predictions:
    """Return predictions of the end-to-end classifier for the biopsied ROIs; the classes are the two outcomes."""
    biopsied = target_rois(rois, "malignancy")
    early = known.of(biopsied)
    logits = classify(model.network, biopsied, early=early, cancelled=cancelled).astype(np.float64)
    odds = logits[:, 1] - logits[:, 0] + (model.card.prior_logit or 0.0)
    return _predictions(name, biopsied, logits, odds)


def _predictions(name: str, rois: RoiSet, logits: Float, malignancy: Float) -> Predictions:
    """Return predictions without maps."""
    return Predictions(
        model=name,
        class_names=rois.class_names,
        lesion_ids=rois.lesion_ids,
        finding_ids=rois.finding_ids,
        patient_ids=rois.patient_ids,
        sources=rois.sources,
        label=rois.label,
        malignant=rois.malignant,
        logits=logits,
        malignancy=malignancy,
        no_precedent=np.zeros(len(rois), dtype=np.bool_),
    )


def explainers_of(model: LoadedClassifier, *, name: str) -> dict[PostHoc, Explainer]:
    """Return the classifier with the maps of each post-hoc method, of the true class."""
    network = model.network

    def own(method: PostHoc, rois: RoiSet) -> OwnMaps:
        found = class_maps(network, rois, rois.label)
        rows = np.arange(len(rois))
        return OwnMaps(
            image=rows,
            prototype=rois.label,
            maps=found.grad_cam if method == "GradCAM" else found.grad_cam_pp,
            predicted=classify(network, rois).argmax(axis=1).astype(np.int64),
        )

    def probabilities(grey: NDArray[np.float32]) -> Float:
        inputs = normalise(torch.from_numpy(grey).to(device_of(network)), model.card.config.base.transform)
        with exact(network):
            return softmax(network(inputs))

    return {
        method: Explainer(name=f"{name} with {method}", maps=partial(own, method), probabilities=probabilities)
        for method in POST_HOC
    }
