"""Classifiers judged by the code that judges prototype networks: one "prototype" a class, its map GradCAM's."""

from __future__ import annotations

from functools import partial
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from core.baselines.checkpoint import LoadedClassifier
from core.baselines.inference import class_maps, classify
from core.baselines.trainer import target_rois
from core.data.roi_set import RoiSet
from core.domain.events import IsCancelled, never
from core.evaluation.judge import scale_precision
from core.evaluation.map_tests import Explainer, OwnMaps, softmax
from core.evaluation.predictions import Float, Predictions
from core.training.inference import device_of, exact, normalise

PostHoc = Literal["GradCAM", "GradCAM++"]


def judge_classifier(
    model: LoadedClassifier, rois: RoiSet, *, name: str, cancelled: IsCancelled = never
) -> dict[PostHoc, Predictions]:
    """Predictions for every ROI with a trained margin, once with the maps of each post-hoc method.

    The map is that of the true class, as in the paper. Such a model has no malignancy and knows no precedents.
    """
    labelled = target_rois(rois, "margin")
    logits = classify(model.network, labelled, cancelled=cancelled).astype(np.float64)
    own = class_maps(model.network, labelled, labelled.label, cancelled=cancelled)
    classes = np.arange(len(labelled.class_names))
    found: dict[PostHoc, Predictions] = {}
    methods: tuple[tuple[PostHoc, np.ndarray[tuple[int, ...], np.dtype[np.float32]]], ...] = (
        ("GradCAM", own.grad_cam), ("GradCAM++", own.grad_cam_pp),
    )  # fmt: skip
    for method, maps in methods:
        # only the map of an image's own class is looked at: the others may be anything
        of_class = np.repeat(maps[:, None], len(classes), axis=1)
        found[method] = _predictions(
            f"{name} with {method}", labelled, logits, np.full(len(labelled), np.nan), of_class
        )
    return found


def judge_malignancy(
    model: LoadedClassifier, rois: RoiSet, *, name: str, cancelled: IsCancelled = never
) -> Predictions:
    """Predictions of the end-to-end classifier for the biopsied ROIs; the classes are the two outcomes."""
    biopsied = target_rois(rois, "malignancy")
    logits = classify(model.network, biopsied, cancelled=cancelled).astype(np.float64)
    odds = logits[:, 1] - logits[:, 0] + (model.card.prior_logit or 0.0)
    return _predictions(name, biopsied, logits, odds, None)


def _predictions(
    name: str,
    rois: RoiSet,
    logits: Float,
    malignancy: Float,
    maps: np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None,
) -> Predictions:
    classes = np.arange(len(rois.class_names))
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
        lesion_scale=None if maps is None else scale_precision(rois, maps, classes, fine=False),
        fine_scale=None if maps is None else scale_precision(rois, maps, classes, fine=True),
    )


def explainers_of(model: LoadedClassifier, *, name: str) -> dict[PostHoc, Explainer]:
    """The classifier with the maps of each post-hoc method, of the true class."""
    network = model.network

    def own(method: PostHoc, rois: RoiSet) -> OwnMaps:
        found = class_maps(network, rois, rois.label)
        rows = np.arange(len(rois))
        return OwnMaps(
            image=rows, prototype=rois.label, maps=found.grad_cam if method == "GradCAM" else found.grad_cam_pp,
            predicted=classify(network, rois).argmax(axis=1).astype(np.int64),
        )  # fmt: skip

    def probabilities(grey: NDArray[np.float32]) -> Float:
        inputs = normalise(torch.from_numpy(grey).to(device_of(network)), model.card.config.base.transform)
        with exact(network):
            return softmax(network(inputs))

    methods: tuple[PostHoc, ...] = ("GradCAM", "GradCAM++")
    return {
        method: Explainer(name=f"{name} with {method}", maps=partial(own, method), probabilities=probabilities)
        for method in methods
    }
