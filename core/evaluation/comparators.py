"""Simple models that stand beside the network: logistic regressions on frozen features and on hand-made ones.

Whoever judges a model must see what is reached without it. Both see the same training lesions as the model, choose
their ridge by patient-grouped cross-validation there, and are judged on the same test lesions. They are given the
outline of the lesion (its mean is taken inside), as the network is given the ROI about it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from core.data.roi_set import RoiSet
from core.domain.errors import Cancelled
from core.domain.events import IsCancelled, never
from core.evaluation.hand_features import hand_made_features
from core.evaluation.predictions import Predictions
from core.model.trunk import TrunkNetwork
from core.training.inference import INFERENCE_BATCH, device_of, exact, network_input
from core.training.ridge import patient_folds

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Features = Callable[[RoiSet], Float]
"""From ROIs to a row of features each; NaN in a row that cannot be measured."""

PROBE, HAND_MADE = "Linear probe on the same trunk, frozen", "72 hand-made features"
RIDGES = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0)
"""Multiplies half the squared norm of the weights of standardised features; the loss is a mean over lesions."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearModel:
    """Multinomial logistic regression on standardised features."""

    mean: Float
    spread: Float
    weights: Float
    """(K, d + 1); the last column is the intercept, which is not penalised."""
    ridge: float

    def logits(self, features: Float) -> Float:
        """Return (n, K); a feature that is missing counts as its training mean."""
        scaled = (np.where(np.isnan(features), self.mean, features) - self.mean) / self.spread
        found: Float = scaled @ self.weights[:, :-1].T + self.weights[:, -1]
        return found


def fit_linear(features: Float, label: Int, patient_ids: tuple[str, ...], classes: int) -> LinearModel:
    """Fit with the ridge that has the smallest cross-entropy over patient-grouped folds of these rows."""
    known = np.where(np.isnan(features), np.nanmean(features, axis=0), features)
    mean, spread = known.mean(axis=0), known.std(axis=0)
    spread = np.where(spread > 1e-9, spread, 1.0)
    scaled = (known - mean) / spread
    fold = patient_folds(patient_ids, label)
    ridge = RIDGES[-2]
    if fold.max(initial=0) > 0:
        losses = [_held_out_loss(scaled, label, fold, classes, one) for one in RIDGES]
        ridge = RIDGES[int(np.argmin(losses))]
    return LinearModel(mean=mean, spread=spread, weights=_solve(scaled, label, classes, ridge), ridge=ridge)


def _held_out_loss(scaled: Float, label: Int, fold: Int, classes: int, ridge: float) -> float:
    loss = 0.0
    for index in range(int(fold.max()) + 1):
        held = fold == index
        weights = _solve(scaled[~held], label[~held], classes, ridge)
        logits = scaled[held] @ weights[:, :-1].T + weights[:, -1]
        loss += float(_cross_entropy(logits, label[held]).sum())
    return loss / len(label)


def _cross_entropy(logits: Float, label: Int) -> Float:
    shifted = logits - logits.max(axis=1, keepdims=True)
    found: Float = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(label)), label]
    return found


def _solve(scaled: Float, label: Int, classes: int, ridge: float) -> Float:
    """Return (K, d + 1) weights at the minimum of mean cross-entropy plus ridge / 2 |W|^2."""
    n, d = scaled.shape
    hot = label[:, None] == np.arange(classes)

    def value(flat: Float) -> tuple[float, Float]:
        weights = flat.reshape(classes, d + 1)
        logits = scaled @ weights[:, :-1].T + weights[:, -1]
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        residual = (shifted / shifted.sum(axis=1, keepdims=True) - hot) / n
        gradient = np.empty_like(weights)
        gradient[:, :-1] = residual.T @ scaled + ridge * weights[:, :-1]
        gradient[:, -1] = residual.sum(axis=0)
        loss = float(_cross_entropy(logits, label).mean() + 0.5 * ridge * (weights[:, :-1] ** 2).sum())
        return loss, gradient.ravel()

    start = np.zeros(classes * (d + 1))
    found = minimize(value, start, jac=True, method="L-BFGS-B", options={"maxiter": 500, "ftol": 1e-10})
    solution: Float = found.x.reshape(classes, d + 1)
    return solution


def linear_predictions(name: str, features: Features, training: RoiSet, test: RoiSet) -> Predictions:
    """Return predictions for the test ROIs of margin and, where the biopsied training lesions show both
    outcomes, of malignancy; both by ``fit_linear`` on the training ROIs. All ROIs have a trained class."""
    known, asked = features(training), features(test)
    classes = len(training.class_names)
    margin = fit_linear(known, training.label, training.patient_ids, classes)
    biopsied = training.malignant >= 0
    malignancy = np.full(len(test), np.nan)
    if len(set(training.malignant[biopsied].tolist())) == 2:
        patients = tuple(p for p, b in zip(training.patient_ids, biopsied, strict=True) if b)
        two = fit_linear(known[biopsied], training.malignant[biopsied], patients, 2).logits(asked)
        malignancy = two[:, 1] - two[:, 0]
    return Predictions(
        model=name,
        class_names=test.class_names,
        lesion_ids=test.lesion_ids,
        finding_ids=test.finding_ids,
        patient_ids=test.patient_ids,
        sources=test.sources,
        label=test.label,
        malignant=test.malignant,
        logits=margin.logits(asked),
        malignancy=malignancy,
        no_precedent=np.zeros(len(test), np.bool_),
    )


def pooled_features(network: TrunkNetwork, rois: RoiSet, *, cancelled: IsCancelled = never) -> Float:
    """Return (n, C0): mean of the backbone's maps over the lesion's cells, cell by cell weighted by its share
    of mask.

    Over all cells where the lesion has no outline.
    """
    device, found = device_of(network), []
    masks = rois.central(rois.lesion)
    for first in range(0, len(rois), INFERENCE_BATCH):
        if cancelled():
            raise Cancelled
        rows = np.arange(first, min(first + INFERENCE_BATCH, len(rois)))
        with exact(network):
            maps = network.feature_maps(network_input(rois, rows, device)).float().cpu()
        share = torch.nn.functional.adaptive_avg_pool2d(
            torch.from_numpy(masks[rows]).float()[:, None], (maps.shape[2], maps.shape[3])
        )
        share = torch.where(share.sum((2, 3), keepdim=True) > 0, share, torch.ones_like(share))
        pooled = (maps * share).sum((2, 3)) / share.sum((2, 3))
        found.append(pooled.double().numpy())
    return np.concatenate(found) if found else np.zeros((0, 0))


def comparators(
    network: TrunkNetwork, training: RoiSet, test: RoiSet, *, cancelled: IsCancelled = never
) -> tuple[Predictions, ...]:
    """Return the linear probe on ``network``'s backbone, as it was before any training, and the hand-made
    features."""

    def probe(rois: RoiSet) -> Float:
        return pooled_features(network, rois, cancelled=cancelled)

    return (
        linear_predictions(PROBE, probe, training, test),
        linear_predictions(HAND_MADE, hand_made_features, training, test),
    )
