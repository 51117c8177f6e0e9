"""The facts about every prototype of a run's active model that are relevant for pruning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import Cancelled
from core.domain.events import Emit, IsCancelled, Progress, never, silent
from core.domain.vocabulary import Part
from core.evaluation.judge import judge
from core.evaluation.predictions import ScalePrecision
from core.explain.gallery import Gallery, NearestPatch
from core.model.similarity import largest_similarity
from core.pruning.compare import DRAWS, Difference
from core.pruning.leave_one_out import leave_one_out
from core.pruning.prune import PreparedTable, PrunableState, PruneOutcome
from core.pruning.suggest import Reason, Suggestion, removable, suggest
from core.statistics.activation_summary import PairTable, compare_tables
from core.statistics.bootstrap import resample
from core.statistics.estimate import Comparison
from core.tasks.readers.opinions import kept_by_mark
from core.tasks.review.model_in_study import ModelInStudy
from core.tasks.review.prototypes import Pruning, gallery_of


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
    """The first index of the group of equivalent prototypes; the prototype's own index if it has no duplicate."""
    training: tuple[NearestPatch, ...]
    test: tuple[NearestPatch, ...]

    @property
    def number(self) -> int:
        return self.index + 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Precision:
    """Activation precision of the kept prototypes, as pairs of lesion and prototype."""

    pairs: PairTable
    """Prototypes by their index in the unpruned model."""
    patients: tuple[str, ...]
    """The patient of each image that the pairs count."""

    def mean(self, kept: tuple[int, ...]) -> float | None:
        """Over the pairs of these prototypes; None without any."""
        chosen = self._of(kept).value
        chosen = chosen[~np.isnan(chosen)]
        return float(chosen.mean()) if len(chosen) else None

    def change(self, before: tuple[int, ...], after: tuple[int, ...]) -> Comparison:
        """Mean over the pairs of ``after`` minus that of ``before``, on the same resamples of patients."""
        resamples = resample(self.patients, len(self.patients), draws=DRAWS)
        return compare_tables(self._of(after), self._of(before), resamples).over_pairs

    def only(self, kept: tuple[int, ...]) -> Precision:
        """That of these prototypes alone."""
        return replace(self, pairs=self._of(kept))

    def _of(self, kept: tuple[int, ...]) -> PairTable:
        return self.pairs.rows(np.isin(self.pairs.prototype, kept))


class HasPrecision(Protocol):
    """Whatever the activation precision of prototypes was measured for."""

    @property
    def lesion_precision(self) -> Precision | None: ...
    @property
    def fine_precision(self) -> Precision | None: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """Results of the network's passes over the lesions."""

    gallery: Gallery
    lesion_precision: Precision | None
    fine_precision: Precision | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Survey:
    prototypes: tuple[Surveyed, ...]
    """Those of the active model, in its order."""
    removable: tuple[int, ...]
    """Suggested ones that can go together."""
    lesion_precision: Precision | None
    fine_precision: Precision | None
    """Over the validation and test lesions; None where no lesion has a mask of the scale."""
    gallery: Gallery

    def measured(self, kept: tuple[int, ...]) -> Measured | None:
        """Return the results for these prototypes alone; None where one of them is not in this survey."""
        places = {one.index: place for place, one in enumerate(self.prototypes)}
        if not places.keys() >= set(kept):
            return None
        lesion, fine = self.lesion_precision, self.fine_precision
        return Measured(
            gallery=self.gallery.of([places[index] for index in kept]),
            lesion_precision=None if lesion is None else lesion.only(kept),
            fine_precision=None if fine is None else fine.only(kept),
        )

    def suggested(self, reason: Reason) -> tuple[int, ...]:
        return tuple(one.index for one in self.prototypes if any(s.reason is reason for s in one.suggestions))


def survey_prototypes(
    opened: ModelInStudy,
    pruning: Pruning,
    cancelled: IsCancelled = never,
    *,
    known: Survey | None = None,
    emit: Emit = silent,
) -> Survey:
    """Nearest patches, purity, duplicates and precision over all lesions, and the leave-one-out refits.

    ``known``: a survey of another revision of the same run over the same lesions. Where it has every prototype of
    this one, the passes over the lesions are left out: pruning changes neither the trunk nor the other prototypes.
    Emits Progress in prototypes; the passes over the lesions count as one more.
    """
    state = pruning.state
    total = len(state.kept) + 1

    def done(count: int) -> None:
        emit(Progress(stage="prototypes", done=count, total=total))

    done(0)
    measured = None if known is None else known.measured(state.kept)
    measured = measured or _measured(opened, cancelled)
    gallery, lesion, fine = measured.gallery, measured.lesion_precision, measured.fine_precision
    found = suggest(opened.model.card, gallery, kept_by_mark(pruning.study, pruning.run))
    done(1)
    worth = leave_one_out(
        pruning.table, state, malignancy_fit=pruning.fit, done=lambda count: done(count + 1), cancelled=cancelled
    )
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
        gallery=gallery,
    )


def remarked(survey: Survey, opened: ModelInStudy, pruning: Pruning) -> Survey:
    """The survey with its suggestions as the marks of the prototypes are now."""
    found = suggest(opened.model.card, survey.gallery, kept_by_mark(pruning.study, pruning.run))
    prototypes = tuple(
        replace(one, suggestions=tuple(s for s in found if s.index == one.index)) for one in survey.prototypes
    )
    return replace(survey, prototypes=prototypes, removable=removable(found, pruning.state))


def precision_differences(
    survey: HasPrecision, outcome: PruneOutcome, cancelled: IsCancelled = never
) -> tuple[Difference, ...]:
    """Return the differences of activation precision at both scales, over all lesions of the survey together.

    They are therefore the same for all parts. Raises: Cancelled between the scales."""
    states = outcome.before.kept, outcome.after.kept
    found = []
    for key in ("lesion_precision", "fine_precision"):
        if cancelled():
            raise Cancelled
        precision: Precision | None = getattr(survey, key)
        if precision is not None:
            change = precision.change(*states)
            found += [Difference(part=part, key=key, comparison=change) for part in outcome.figures_before]
    return tuple(found)


def _measured(opened: ModelInStudy, cancelled: IsCancelled) -> Measured:
    gallery = gallery_of(opened, cancelled)
    lesion, fine = _precisions(opened, cancelled)
    return Measured(gallery=gallery, lesion_precision=lesion, fine_precision=fine)


def _precisions(opened: ModelInStudy, cancelled: IsCancelled) -> tuple[Precision | None, Precision | None]:
    judged = {Part.VALIDATION.value, Part.TEST.value}
    rois = opened.rois.rows(np.array([part in judged for part in opened.parts], dtype=np.bool_))
    if not (rois.label >= 0).any():
        return None, None
    said = judge(opened.model, rois, name="", cancelled=cancelled)
    return _of_pairs(said.lesion_scale, said.patient_ids), _of_pairs(said.fine_scale, said.patient_ids)


def _of_pairs(scale: ScalePrecision | None, patients: tuple[str, ...]) -> Precision | None:
    """Return the precision of the pairs; the pairs of ``judge`` already carry the unpruned model's numbers."""
    return None if scale is None else Precision(pairs=scale.pairs, patients=patients)


def _top_reasons(table: PreparedTable, state: PrunableState) -> dict[int, int]:
    """Count how often each kept prototype adds most to the predicted class."""
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
