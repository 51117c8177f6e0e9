"""Activation precision of each prototype of a model in an annotation, as soon as it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.domain.events import IsCancelled, never
from core.domain.shapes import Shape
from core.imaging.raster import rasterise
from core.statistics.activation import activation_precision, chance
from core.tasks.review.model_in_study import ModelInStudy


@dataclass(frozen=True, kw_only=True)
class PrototypePrecision:
    number: int
    """From 1, as before any pruning."""
    class_name: str
    value: float
    """Share of the top 5% of its map inside the annotation (eq. 1 of the paper)."""


@dataclass(frozen=True, kw_only=True)
class LivePrecision:
    lesion_id: str
    prototypes: tuple[PrototypePrecision, ...]
    """The highest precision first."""
    chance: float
    """Share of the region that is marked."""


def precision_in(
    opened: ModelInStudy,
    lesion_id: str,
    shapes: Sequence[Shape],
    spacing_mm: float | None,
    cancelled: IsCancelled = never,
) -> LivePrecision | None:
    """Return the precision of every prototype in these shapes; None where they mark nothing of the region.

    ``spacing_mm``: pixel spacing of the mammogram. StudyError where the model cannot see the lesion.
    """
    row = opened.row_of(lesion_id)
    size = opened.rois.transform.input_size
    mask = rasterise(
        shapes, width=size, height=size, spacing_mm=spacing_mm, image_to_grid=opened.rois.image_to_input[row]
    )
    if not mask.any():
        return None
    explanation = opened.explanation(row, cancelled)
    values = activation_precision(np.stack([one.activation for one in explanation.rows]), mask)
    found = [
        PrototypePrecision(number=one.number, class_name=one.class_name, value=float(value))
        for one, value in zip(explanation.rows, values, strict=True)
    ]
    found.sort(key=lambda one: -one.value)
    return LivePrecision(lesion_id=lesion_id, prototypes=tuple(found), chance=float(chance(mask[None])[0]))
