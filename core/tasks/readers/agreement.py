"""Agreement between two readers of a study: kappa of their labels, overlap of their masks."""

from __future__ import annotations

import math
from enum import StrEnum

import msgspec
import numpy as np

from core.data.roi import image_to_input, roi_square
from core.data.roi_set import InputTransform
from core.domain.errors import Cancelled
from core.domain.events import IsCancelled, never
from core.domain.shapes import Shape
from core.domain.study import Labels
from core.domain.vocabulary import BiradsCategory, MarginType, MassDensity, MassShape, Pathology
from core.imaging.raster import rasterise
from core.statistics.agreement import confusion, kappa_of
from core.statistics.masks import dice, mean_border_distance
from core.store.study import Study

FIELDS: dict[str, type[StrEnum]] = {
    "margin": MarginType,
    "shape": MassShape,
    "density": MassDensity,
    "category": BiradsCategory,
    "pathology": Pathology,
}


class LabelAgreement(msgspec.Struct, frozen=True, kw_only=True):
    field: str
    lesions: int
    """That both readers labelled."""
    same: int
    kappa: float | None
    """Cohen's, unweighted; None where it is undefined (no common lesion, or one and the same word only)."""


class MaskAgreement(msgspec.Struct, frozen=True, kw_only=True):
    lesions: int
    """That both readers drew."""
    mean_dice: float | None
    mean_distance_mm: float | None
    """Over lesions: between the borders of both masks, in images with a pixel spacing."""


class ReaderAgreement(msgspec.Struct, frozen=True, kw_only=True):
    labels: tuple[LabelAgreement, ...]
    masks: MaskAgreement


def reader_agreement(
    study: Study, first_id: str, second_id: str, *, cancelled: IsCancelled = never
) -> ReaderAgreement:
    """Over all lesions that both readers worked on; masks at the network's resolution."""
    first, second = (study.lesions.labels_of_reader(reader) for reader in (first_id, second_id))
    labels = tuple(_labels(field, kind, first, second) for field, kind in FIELDS.items())
    return ReaderAgreement(labels=labels, masks=_masks(study, first_id, second_id, cancelled))


def _labels(
    field: str, kind: type[StrEnum], first: dict[str, Labels], second: dict[str, Labels]
) -> LabelAgreement:
    pairs = [(getattr(first[key], field), getattr(second[key], field)) for key in first if key in second]
    said = [(a, b) for a, b in pairs if a is not None and b is not None]
    words = list(kind)
    kappa = math.nan
    if said:
        table = confusion([words.index(a) for a, _ in said], [words.index(b) for _, b in said], len(words))
        kappa = float(kappa_of(table))
    same = sum(a == b for a, b in said)
    return LabelAgreement(field=field, lesions=len(said), same=same, kappa=_known(kappa))


def _masks(study: Study, first_id: str, second_id: str, cancelled: IsCancelled) -> MaskAgreement:
    first, second = (
        {a.lesion_id: a.shapes for a in study.annotations.all_current(reader_id=reader) if a.shapes}
        for reader in (first_id, second_id)
    )
    overlaps, distances = [], []
    both = [lesion_id for lesion_id in first if lesion_id in second]
    for lesion_id in both:
        if cancelled():
            raise Cancelled
        overlap, distance = _compare(study, lesion_id, first[lesion_id], second[lesion_id])
        overlaps.append(overlap)
        distances.append(distance)
    return MaskAgreement(lesions=len(both), mean_dice=_mean(overlaps), mean_distance_mm=_mean(distances))


def _compare(study: Study, lesion_id: str, *layers: tuple[Shape, ...]) -> tuple[float, float]:
    """Dice and the mean distance of the borders in mm (NaN without a pixel spacing)."""
    lesion = study.lesions.get(lesion_id)
    spacing = study.images.get(lesion.image_id).pixel_spacing_mm
    transform = InputTransform()
    square = roi_square(lesion.box, transform)
    to_input = image_to_input(square, transform)
    size = transform.input_size
    a, b = (
        rasterise(shapes, width=size, height=size, spacing_mm=spacing, image_to_grid=to_input) for shapes in layers
    )
    millimetres = math.nan if spacing is None else spacing * square.width / size
    return dice(a, b), mean_border_distance(a, b) * millimetres


def _mean(values: list[float]) -> float | None:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else None


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
