"""What is known of every prototype of a run's active model: all that somebody who prunes wants to see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.domain.events import IsCancelled, never
from core.domain.vocabulary import Part
from core.evaluation.judge import judge
from core.evaluation.predictions import ScalePrecision
from core.explain.gallery import Gallery, NearestPatch
from core.model.similarity import largest_similarity
from core.pruning.leave_one_out import leave_one_out
from core.pruning.prune import PreparedTable, PrunableState
from core.pruning.suggest import Reason, Suggestion, removable, suggest
from core.tasks.explaining import ModelInStudy
from core.tasks.prototypes import Pruning, gallery_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Surveyed:
    """One prototype; ``index`` counts from 0 in the unpruned model, as ``Pruning`` does."""

    index: int
    class_index: int
    weights: NDArray[np.float64]
    """(K,)"""
    self_activation: float
    purity: tuple[int, int]
    """(of its class, looked at) among its nearest training patches."""
    inside_margin: tuple[int, int]
    """(most active inside the marked margin, finely annotated training lesions of its class)."""
    lesion_precision: float | None
    """Mean activation precision over the validation and test lesions of its class."""
    fine_precision: float | None
    auroc_cost: float | None
    """Validation margin AUROC that its removal costs; None where undefined or where it must stay."""
    must_stay: bool
    """The last of its class."""
    top_reason: int
    """Validation and test lesions for whose predicted class it adds most."""
    suggestions: tuple[Suggestion, ...]
    group: int
    """The first of the prototypes that say the same; its own index where none does."""
    training: tuple[NearestPatch, ...]
    test: tuple[NearestPatch, ...]

    @property
    def number(self) -> int:
        return self.index + 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Precision:
    """Activation precision of the kept prototypes, as pairs of lesion and prototype."""

    prototype: NDArray[np.int64]
    """Index in the unpruned model."""
    value: NDArray[np.float64]

    def mean(self, kept: tuple[int, ...]) -> float | None:
        """Over the pairs of these prototypes; None without any."""
        chosen = self.value[np.isin(self.prototype, kept)]
        chosen = chosen[~np.isnan(chosen)]
        return float(chosen.mean()) if len(chosen) else None


@dataclass(frozen=True, kw_only=True, eq=False)
class Survey:
    prototypes: tuple[Surveyed, ...]
    """Those of the active model, in its order."""
    removable: tuple[int, ...]
    """Suggested ones that can go together."""
    lesion_precision: Precision | None
    fine_precision: Precision | None
    """Over the validation and test lesions; None where no lesion has a mask of the scale."""

    def suggested(self, reason: Reason) -> tuple[int, ...]:
        return tuple(one.index for one in self.prototypes if any(s.reason is reason for s in one.suggestions))


def survey_prototypes(opened: ModelInStudy, pruning: Pruning, cancelled: IsCancelled = never) -> Survey:
    """Passes over all lesions: nearest patches, purity, duplicates, precision, and the leave-one-out refits."""
    state = pruning.state
    gallery = gallery_of(opened, cancelled)
    found = suggest(opened.model.card, gallery)
    worth = leave_one_out(pruning.table, state, malignancy_fit=pruning.fit, cancelled=cancelled)
    lesion, fine = _precisions(opened, cancelled)
    top = _top_reasons(pruning.table, state)
    groups = _groups(gallery, state.kept)
    entries = []
    for position, index in enumerate(state.kept):
        entry = gallery.prototypes[position]
        entries.append(
            Surveyed(
                index=index,
                class_index=entry.class_index,
                weights=state.heads.weights[:, position],
                self_activation=largest_similarity(opened.model.card.architecture.epsilon),
                purity=entry.purity,
                inside_margin=entry.inside_margin,
                lesion_precision=None if lesion is None else lesion.mean((index,)),
                fine_precision=None if fine is None else fine.mean((index,)),
                auroc_cost=worth[position].auroc_cost(Part.VALIDATION),
                must_stay=worth[position].outcome is None,
                top_reason=top[index],
                suggestions=tuple(one for one in found if one.index == index),
                group=groups.get(index, index),
                training=entry.training,
                test=entry.test,
            )
        )
    return Survey(
        prototypes=tuple(entries),
        removable=removable(found, state),
        lesion_precision=lesion,
        fine_precision=fine,
    )


def _precisions(opened: ModelInStudy, cancelled: IsCancelled) -> tuple[Precision | None, Precision | None]:
    judged = {Part.VALIDATION.value, Part.TEST.value}
    rois = opened.rois.rows(np.array([part in judged for part in opened.parts], dtype=np.bool_))
    if not (rois.label >= 0).any():
        return None, None
    said = judge(opened.model, rois, name="", cancelled=cancelled)
    return _of_pairs(said.lesion_scale), _of_pairs(said.fine_scale)


def _of_pairs(scale: ScalePrecision | None) -> Precision | None:
    """The pairs of ``judge`` carry the numbers of the unpruned model already."""
    if scale is None:
        return None
    return Precision(prototype=scale.pairs.prototype, value=scale.pairs.value)


def _top_reasons(table: PreparedTable, state: PrunableState) -> dict[int, int]:
    """How often each kept prototype adds most to the predicted class."""
    count = dict.fromkeys(state.kept, 0)
    for rows in table.judged.values():
        scores = rows.scores[:, list(state.kept)].astype(np.float64)
        predicted = (scores @ state.heads.weights.T).argmax(axis=1)
        best = (scores * state.heads.weights[predicted]).argmax(axis=1)
        for position in best:
            count[state.kept[position]] += 1
    return count


def _groups(gallery: Gallery, kept: tuple[int, ...]) -> dict[int, int]:
    """Prototypes that hang together as duplicates, to the first of their group."""
    first: dict[int, int] = {}
    for criterion in ("patch", "latent"):
        for group in gallery.groups(criterion):
            own = {first.get(kept[j], kept[j]) for j in group}
            first |= {kept[j]: min(own) for j in group}
    return first
