"""Previews a model whose prototype looks at another place, before and after on the validation part.

Both sides are measured anew on the ROIs and labels as they are now. The test part is left out, because a choice
made with its figures in view would make them too good.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.domain.events import IsCancelled, never
from core.domain.study import Prototype
from core.domain.vocabulary import Part
from core.evaluation.judge import scale_precisions
from core.evaluation.localisation import NO_CONTROLS
from core.model.network import PrototypeNetwork
from core.pruning.compare import Difference, differences
from core.pruning.prune import PreparedTable, PrunableState, PruneOutcome, compare_states, prepare, prune
from core.store.study import Study
from core.tasks.review.model_in_study import ModelInStudy
from core.tasks.review.prototype_survey import Precision, precision_differences
from core.tasks.review.prototypes import Pruning
from core.tasks.runs.lifecycle import forgotten_patches
from core.training.inference import Latents, infer
from core.training.refit import initial_weights
from core.training.similarity_table import SimilarityTable, make_table
from core.training.steering import SteeredPlace, move_prototypes


@dataclass(frozen=True, kw_only=True, eq=False)
class SteeringOutcome:
    """The effect of a placed prototype; nothing is written."""

    places: tuple[SteeredPlace, ...]
    prototypes: tuple[Prototype, ...]
    """Records of the placed prototypes."""
    outcome: PruneOutcome
    """``after`` numbers the placed prototypes behind those of the unpruned model."""
    judged: dict[Part, SimilarityTable]
    """The validation rows with a column for each placed prototype."""
    lesion_precision: Precision | None
    fine_precision: Precision | None
    """Over the validation lesions, of all prototypes and the placed ones; None without a mask of the scale."""

    def differences(self, cancelled: IsCancelled = never) -> tuple[Difference, ...]:
        """Paired differences on the validation part with their intervals. Raises: Cancelled between figures."""
        known = differences(self.outcome, self.judged, cancelled=cancelled)
        return (*known, *precision_differences(self, self.outcome, cancelled))


class SteeringPreview:
    """Previews on one opened model; the latent cells of its ROIs are computed once."""

    def __init__(self, study: Study, opened: ModelInStudy, pruning: Pruning) -> None:
        self.opened, self.pruning = opened, pruning
        self.forgotten = forgotten_patches(study)
        rois = opened.rois
        self._rows = {
            part: rois.rows(np.array([p == part.value for p in opened.parts], np.bool_) & (rois.label >= 0))
            for part in (Part.TRAINING, Part.VALIDATION)
        }
        self._latents = {part: Latents() for part in self._rows}

    def outcome(self, places: Sequence[SteeredPlace], cancelled: IsCancelled = never) -> SteeringOutcome:
        """Return the model before and after. TrainingError where a place cannot be used (``move_prototypes``)."""
        base = self.pruning.base
        network = copy.deepcopy(base.network).to(next(self.opened.model.network.parameters()).device)
        moved = copy.deepcopy(network)
        training = self._rows[Part.TRAINING]
        records = move_prototypes(moved, base.card.prototypes, training, places, self.forgotten)
        indices = [one.number - 1 for one in places]
        table = self._table(network, moved, indices, cancelled)
        lesion, fine = self._precisions(network, moved, indices, cancelled)
        before = self.pruning.state
        extended = replace(
            before, prototype_class=(*before.prototype_class, *(before.prototype_class[j] for j in indices))
        )
        after = prune(table, _with_placed(extended, len(indices)), set(indices), malignancy_fit=self.pruning.fit)
        return SteeringOutcome(
            places=tuple(places),
            prototypes=tuple(records[j] for j in indices),
            outcome=compare_states(table, extended, after.after),
            judged=table.judged,
            lesion_precision=lesion,
            fine_precision=fine,
        )

    def _precisions(
        self, network: PrototypeNetwork, moved: PrototypeNetwork, indices: list[int], cancelled: IsCancelled
    ) -> tuple[Precision | None, Precision | None]:
        """Return the precision of all prototypes and, numbered behind them, of the placed ones."""
        rois, kept = self._rows[Part.VALIDATION], self._latents[Part.VALIDATION]
        if len(rois) == 0:
            return None, None
        own = network.prototype_class.cpu().numpy()
        maps = []
        for one in (network, moved):
            found = infer(one, rois, keep_maps=True, kept=kept, cancelled=cancelled).maps
            assert found is not None
            maps.append(found)
        joined = np.concatenate([maps[0], maps[1][:, indices]], axis=1)
        classes = np.concatenate([own, own[indices]])
        scales = scale_precisions(rois, joined, classes, NO_CONTROLS, drawn=None)
        found_of = {name: Precision(pairs=one.pairs, patients=rois.patient_ids) for name, one in scales.items()}
        return found_of.get("lesion"), found_of.get("fine")

    def _table(
        self, network: PrototypeNetwork, moved: PrototypeNetwork, indices: list[int], cancelled: IsCancelled
    ) -> PreparedTable:
        """The similarities to all prototypes and, behind them, to the placed ones."""
        tables = []
        for part, rois in self._rows.items():
            kept = self._latents[part]
            old, new = (infer(n, rois, kept=kept, cancelled=cancelled).scores for n in (network, moved))
            scores = np.concatenate([old, new[:, indices]], axis=1)
            tables.append(make_table(scores, rois, np.full(len(rois), part.value)))
        first, second = tables
        return prepare(
            SimilarityTable(
                scores=np.concatenate([first.scores, second.scores]),
                label=np.concatenate([first.label, second.label]),
                malignant=np.concatenate([first.malignant, second.malignant]),
                patient_ids=first.patient_ids + second.patient_ids,
                lesion_ids=first.lesion_ids + second.lesion_ids,
                part=first.part + second.part,
            )
        )


def _with_placed(state: PrunableState, count: int) -> PrunableState:
    """The state with the placed prototypes as well, at the weights that a refit begins from."""
    first = len(state.prototype_class) - count
    placed = tuple(range(first, first + count))
    columns = initial_weights([state.prototype_class[j] for j in placed], len(state.class_names))
    heads = replace(state.heads, weights=np.concatenate([state.heads.weights, columns], axis=1))
    return replace(state, kept=state.kept + placed, heads=heads)
