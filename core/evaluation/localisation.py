"""Controls of localisation: a constant map that knows positions alone, and ROIs with random centre and scale.

With one fixed context the margin lies at one radius of every ROI, so that one constant map, the mean mask of the
training lesions, scores higher than many a model (method.md, "What an independent audit found"). Every figure of
localisation is therefore compared, pair by pair, with that map on the same ROIs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from core.data.roi_set import RoiSet
from core.evaluation.predictions import DRAWN, Float, Position, mask_of_scale
from core.statistics.activation import lowest_of_top, precision_of_top, top_count

FloatMap = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Controls:
    """Controls that the maps of a model are compared with."""

    position: Mapping[str, FloatMap] = field(default_factory=dict)
    """(I, I) mean mask of the training lesions, by scale; empty where no training ROI is at hand."""
    others: bool = False
    """True to use, where ``position`` lacks a scale, the mean mask of the other evaluated patients."""
    drawn: RoiSet | None = None
    """The judged lesions once more, in ROIs with random centre and scale; None: not judged on such ROIs."""


NO_CONTROLS = Controls()


def position_map(training: RoiSet, scale: str) -> FloatMap | None:
    """Return (I, I) mean mask over the ROIs that have one of this scale; None where none has."""
    masks = mask_of_scale(training, scale)
    marked = masks.any(axis=(1, 2)) if len(masks) else np.zeros(0, np.bool_)
    if not marked.any():
        return None
    return np.asarray(masks[marked].mean(axis=0, dtype=np.float64))


def controls_of(
    training: RoiSet, *, training_drawn: RoiSet | None = None, drawn: RoiSet | None = None
) -> Controls:
    """Return the controls from training ROIs; without any, the mean mask of the other evaluated patients is
    taken.

    ``training_drawn`` are training lesions in random ROIs, for the constant map that suits ``drawn`` best.
    """
    found = {}
    for scale, rois in (("lesion", training), ("fine", training), *((s, training_drawn) for s in DRAWN)):
        one = None if rois is None else position_map(rois, scale)
        if one is not None:
            found[scale] = one
    return Controls(position=found, others=True, drawn=drawn)


def precision_of_map(constant: NDArray[np.floating], masks: NDArray[np.uint8]) -> Float:
    """Return (n,) activation precision of one map (I, I) on every mask (n, I, I); NaN where the mask is empty."""
    cut, count = lowest_of_top(constant), top_count(constant.size)
    found = [precision_of_top(constant, mask, cut=cut, count=count) if mask.any() else np.nan for mask in masks]
    return np.array(found, dtype=np.float64)


def precision_of_others(masks: NDArray[np.uint8], patient_ids: tuple[str, ...]) -> Float:
    """Return (n,) activation precision, on each mask, of the mean mask of all other patients; NaN without any."""
    patients = np.array(patient_ids)
    marked = masks.any(axis=(1, 2))
    total = masks[marked].sum(axis=0, dtype=np.float64)
    found = np.full(len(masks), np.nan)
    for patient in np.unique(patients[marked]):
        rows = np.flatnonzero(marked & (patients == patient))
        if len(rows) < int(marked.sum()):
            found[rows] = precision_of_map(total - masks[rows].sum(axis=0, dtype=np.float64), masks[rows])
    return found


def position_control(
    controls: Controls, scale: str, masks: NDArray[np.uint8], patient_ids: tuple[str, ...]
) -> Position | None:
    """Return precision of the position-only map on these masks; None where the controls have no such map."""
    known = controls.position.get(scale)
    if known is not None:
        return Position(precision=precision_of_map(known, masks), source="training")
    if controls.others:
        return Position(precision=precision_of_others(masks, patient_ids), source="others")
    return None
