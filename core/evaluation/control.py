"""The control: how far size, contrast and density of the lesion alone would go.

A study whose margins could be told from these says nothing about margins. Measured on the ROIs themselves:
area inside the outline, mean grey inside, and mean grey inside less that of a ring around the lesion; a
multinomial logistic regression on the three, fitted on the training part and judged on the test part.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.data.roi_set import RoiSet
from core.imaging.opencv import cv2
from core.statistics.estimate import Estimate, without_value
from core.statistics.multiclass import multiclass_auroc
from core.training.refit import refit

_RING = 0.06
"""Width of the ring around the lesion, as a share of the ROI's side."""
_RIDGE = 1e-3

Float = NDArray[np.float64]


def plain_features(rois: RoiSet) -> Float:
    """Return (n, 3): log area in pixels of the mammogram, mean grey minus that of the ring around, mean grey
    inside."""
    pixels, lesion = rois.central(rois.pixels), rois.central(rois.lesion)
    reach = 2 * max(1, round(_RING * rois.transform.input_size)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    features = np.empty((len(rois), 3))
    for i, (grey, mask, affine) in enumerate(zip(pixels, lesion, rois.image_to_input, strict=True)):
        ring = (cv2.dilate(mask, kernel) > 0) & (mask == 0)
        inside = grey[mask > 0]
        density = float(inside.mean()) if inside.size else np.nan
        around = float(grey[ring].mean()) if ring.any() else np.nan
        area = max(int(mask.sum()), 1) / affine.scale**2
        features[i] = np.log(area), density - around, density
    return features


def control(training: RoiSet, test: RoiSet) -> Estimate:
    """Return weighted mean AUROC, on the test ROIs, of a logistic regression on size, contrast and density
    alone."""
    training, test = training.rows(training.label >= 0), test.rows(test.label >= 0)
    known, asked = plain_features(training), plain_features(test)
    usable, judged = _complete(known), _complete(asked)
    if not usable.any() or not judged.any():
        return without_value("no lesion has an outline to measure", n=len(test))
    mean, spread = known[usable].mean(axis=0), known[usable].std(axis=0) + 1e-12

    def design(features: Float) -> Float:
        return np.column_stack([(features - mean) / spread, np.ones(len(features))])

    classes = len(training.class_names)
    weights = refit(design(known[usable]), training.label[usable], np.zeros((classes, 4)), ridge=_RIDGE)
    logits = design(asked[judged]) @ weights.T
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    patients = tuple(p for p, j in zip(test.patient_ids, judged, strict=True) if j)
    return multiclass_auroc(
        test.label[judged], shifted / shifted.sum(axis=1, keepdims=True), test.class_names, patients
    ).mean


def _complete(features: Float) -> NDArray[np.bool_]:
    return np.asarray(~np.isnan(features).any(axis=1))
