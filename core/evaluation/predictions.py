"""Predictions of a model for a set of lesions, as plain arrays: the input of every metric.

One model on one test part gives one ``Predictions``; the parts of a cross-validation are joined by ``pooled``
into out-of-fold predictions, in which every lesion was predicted by a model that never saw its patient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.data.roi_set import RoiSet
from core.domain.errors import MarginaliaError
from core.domain.messages import message
from core.statistics.activation_summary import PairTable

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]
DRAWN = ("lesion_drawn", "fine_drawn")
SCALES = ("lesion", "fine", *DRAWN)
"""Lesion's outline and fine annotation, each in the ROI of the input transform and in an ROI with random centre
and scale (``core.data.random_roi``)."""


def mask_of_scale(rois: RoiSet, scale: str) -> NDArray[np.uint8]:
    """Return (n, I, I) masks of the un-augmented ROIs that a scale is measured by."""
    return rois.central(rois.fine if scale.startswith("fine") else rois.lesion)


@dataclass(frozen=True, kw_only=True, eq=False)
class Position:
    """Precision of a constant map, which knows where masks usually lie and nothing of the image."""

    precision: Float
    """(n,) NaN where the image has no mask."""
    source: Literal["training", "others"]
    """training: mean mask of the training lesions; others: of the other judged patients."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ScalePrecision:
    """Activation precision (eq. 1) of pairs (image, prototype of the image's class), at one scale of mask."""

    pairs: PairTable
    """``image`` is the row of the predictions; prototypes of several pooled models count on."""
    chance: Float
    """(n,) share of the ROI that is marked; NaN where the image has no mask."""
    attainable: Float
    """(n,) the largest precision that any map could have; NaN where the image has no mask."""
    blob: Float
    """(n,) precision of a map that peaks in the centre; NaN where the image has no mask."""
    energy: Float | None = None
    """(r,) share of each pair's map that lies inside the mask (``core.statistics.activation.energy_inside``); None
    where it was not measured."""
    position: Position | None = None
    """The position-only control; None where it was not measured."""

    @property
    def energies(self) -> PairTable | None:
        """The pairs with their energy as value."""
        return None if self.energy is None else replace(self.pairs, value=self.energy)

    @property
    def fires(self) -> PairTable:
        """The pairs with 1 where the map fires inside the mask, else 0: some of its top 5% lies there."""
        value = self.pairs.value
        return replace(self.pairs, value=np.where(np.isnan(value), np.nan, value > 0))


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """Predictions for ``n`` lesions, each in one image; K classes."""

    model: str
    """Name of the model for tables: "IAIA-BL"."""
    class_names: tuple[str, ...]
    lesion_ids: tuple[str, ...]
    finding_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    sources: tuple[str, ...]
    label: Int
    """(n,) true class."""
    malignant: Int
    """(n,) 1 malignant, 0 benign, -1 no biopsy."""
    logits: Float
    """(n, K) margin logits."""
    malignancy: Float
    """(n,) malignancy logit; NaN where the model has none."""
    no_precedent: Bool
    """(n,) True where no prototype is similar enough and the program gives no prediction."""
    evidence: Float | None = None
    """(n,) largest own evidence less the threshold of the model that judged the lesion, so that the lesions of
    several folds can be ordered; None where a model has no threshold (trained without validation)."""
    scales: Mapping[str, ScalePrecision] = field(default_factory=dict)
    """Activation precision by scale, of ``SCALES``; those that were not measured, or have no mask, are missing."""

    @property
    def lesion_scale(self) -> ScalePrecision | None:
        return self.scales.get("lesion")

    @property
    def fine_scale(self) -> ScalePrecision | None:
        return self.scales.get("fine")

    def __len__(self) -> int:
        return len(self.lesion_ids)

    @property
    def probabilities(self) -> Float:
        """(n, K) softmax of the logits."""
        shifted = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))

    @property
    def predicted(self) -> Int:
        return np.asarray(self.logits.argmax(axis=1), dtype=np.int64)

    def of_source(self, source: str) -> Predictions:
        return self.rows(np.array([s == source for s in self.sources], dtype=np.bool_))

    def rows(self, chosen: Bool) -> Predictions:
        index = np.flatnonzero(chosen)

        def text(values: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(values[i] for i in index)

        return Predictions(
            model=self.model,
            class_names=self.class_names,
            lesion_ids=text(self.lesion_ids),
            finding_ids=text(self.finding_ids),
            patient_ids=text(self.patient_ids),
            sources=text(self.sources),
            label=self.label[index],
            malignant=self.malignant[index],
            logits=self.logits[index],
            malignancy=self.malignancy[index],
            no_precedent=self.no_precedent[index],
            evidence=None if self.evidence is None else self.evidence[index],
            scales={name: _rows_of_pairs(scale, chosen) for name, scale in self.scales.items()},
        )


def _rows_of_pairs(scale: ScalePrecision, chosen: Bool) -> ScalePrecision:
    chosen_pairs = chosen[scale.pairs.image]
    kept = scale.pairs.rows(chosen_pairs)
    new_row = np.cumsum(chosen) - 1
    return ScalePrecision(
        pairs=replace(kept, image=new_row[kept.image]),
        chance=scale.chance[chosen],
        attainable=scale.attainable[chosen],
        blob=scale.blob[chosen],
        energy=None if scale.energy is None else scale.energy[chosen_pairs],
        position=None
        if scale.position is None
        else replace(scale.position, precision=scale.position.precision[chosen]),
    )


def pooled(folds: Sequence[Predictions]) -> Predictions:
    """Return the folds of a cross-validation as one set; a lesion that stands in two of them is refused."""
    lesions = [lesion for fold in folds for lesion in fold.lesion_ids]
    if len(lesions) != len(set(lesions)):
        raise MarginaliaError(
            message(
                "These runs were tested on the same lesions; only the folds of one cross-validation can be pooled."
            )
        )
    if len({fold.class_names for fold in folds}) != 1:
        raise MarginaliaError(message("These runs have different classes and cannot be pooled."))
    return Predictions(
        model=folds[0].model,
        class_names=folds[0].class_names,
        lesion_ids=tuple(lesions),
        finding_ids=tuple(finding for fold in folds for finding in fold.finding_ids),
        patient_ids=tuple(patient for fold in folds for patient in fold.patient_ids),
        sources=tuple(source for fold in folds for source in fold.sources),
        label=np.concatenate([fold.label for fold in folds]),
        malignant=np.concatenate([fold.malignant for fold in folds]),
        logits=np.concatenate([fold.logits for fold in folds]),
        malignancy=np.concatenate([fold.malignancy for fold in folds]),
        no_precedent=np.concatenate([fold.no_precedent for fold in folds]),
        evidence=_pooled_evidence([fold.evidence for fold in folds]),
        scales={
            name: _pooled_pairs([fold.scales.get(name) for fold in folds], [len(fold) for fold in folds])
            for name in SCALES
            if any(name in fold.scales for fold in folds)
        },
    )


def _pooled_evidence(folds: Sequence[Float | None]) -> Float | None:
    present = [fold for fold in folds if fold is not None]
    return np.concatenate(present) if len(present) == len(folds) else None


def _pooled_positions(folds: Sequence[ScalePrecision | None], sizes: Sequence[int]) -> Position | None:
    """Return the position-only control of all folds; None where a fold with masks was evaluated without it."""
    judged = [fold.position for fold in folds if fold is not None]
    known = [one for one in judged if one is not None]
    if len(known) < len(judged) or not known:
        return None
    parts = [
        np.full(size, np.nan) if fold is None or fold.position is None else fold.position.precision
        for fold, size in zip(folds, sizes, strict=True)
    ]
    trained = all(one.source == "training" for one in known)
    return Position(precision=np.concatenate(parts), source="training" if trained else "others")


def _unmarked(images: int) -> ScalePrecision:
    """Return the figures of a fold none of whose images has a mask of the scale: no pairs, and undefined
    values."""
    none, undefined = np.empty(0, dtype=np.int64), np.full(images, np.nan)
    return ScalePrecision(
        pairs=PairTable(image=none, prototype=none, klass=none, value=np.empty(0)),
        chance=undefined,
        attainable=undefined,
        blob=undefined,
        energy=np.empty(0),
    )


def _pooled_pairs(folds: Sequence[ScalePrecision | None], sizes: Sequence[int]) -> ScalePrecision:
    present = [_unmarked(size) if fold is None else fold for fold, size in zip(folds, sizes, strict=True)]
    tables = [fold.pairs for fold in present]
    first_row = np.cumsum([0, *sizes[:-1]])
    counts = [int(table.prototype.max(initial=-1)) + 1 for table in tables]
    first_prototype = np.cumsum([0, *counts[:-1]])
    return ScalePrecision(
        pairs=PairTable(
            image=np.concatenate([table.image + row for table, row in zip(tables, first_row, strict=True)]),
            prototype=np.concatenate(
                [table.prototype + first for table, first in zip(tables, first_prototype, strict=True)]
            ),
            klass=np.concatenate([table.klass for table in tables]),
            value=np.concatenate([table.value for table in tables]),
        ),
        chance=np.concatenate([fold.chance for fold in present]),
        attainable=np.concatenate([fold.attainable for fold in present]),
        blob=np.concatenate([fold.blob for fold in present]),
        energy=_pooled_evidence([fold.energy for fold in present]),
        position=_pooled_positions(folds, sizes),
    )
