"""Remove prototypes and refit both last layers from the cached similarities, while the mouse is still down.

Everything here works on a run's similarity table, whose columns are the prototypes of the unpruned model, and
numbers prototypes as that model does, however many were pruned since.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import ModelError
from core.domain.messages import message
from core.domain.vocabulary import Part
from core.model.card import ModelCard
from core.model.network import PrototypeNetwork
from core.platform.blas import one_thread
from core.pruning.figures import PartFigures, part_figures
from core.training.abstention import precedent_threshold
from core.training.last_layers import Heads, MalignancyFit
from core.training.refit import Malignancy, fit_malignancy, initial_weights, refit
from core.training.ridge import out_of_fold_logits, patient_folds
from core.training.similarity_table import SimilarityTable

Float = NDArray[np.float64]
JUDGED = (Part.VALIDATION, Part.TEST)


@dataclass(frozen=True, kw_only=True, eq=False)
class PrunableState:
    """The part of a model that pruning changes. Weights are float32: the evaluated values are the saved ones."""

    class_names: tuple[str, ...]
    prototype_class: tuple[int, ...]
    """Class of every prototype of the unpruned model."""
    kept: tuple[int, ...]
    """Indices of the prototypes that are left, ascending."""
    heads: Heads
    """``weights`` (K, kept)."""
    precedent_threshold: float | None

    def logits(self, table: SimilarityTable) -> Float:
        """(n, K) of the rows of the unpruned table."""
        logits: Float = table.scores[:, list(self.kept)].astype(np.float64) @ self.heads.weights.T
        return logits


@dataclass(frozen=True, kw_only=True)
class Flip:
    """A lesion whose predicted class changes."""

    lesion_id: str
    part: Part
    label: int
    before: int
    after: int


@dataclass(frozen=True, kw_only=True, eq=False)
class PruneOutcome:
    """The effect of a removal, computed before the decision about it."""

    removed: tuple[int, ...]
    before: PrunableState
    after: PrunableState
    figures_before: dict[Part, PartFigures]
    figures_after: dict[Part, PartFigures]
    """The figures of the parts that have rows in the table."""
    flips: tuple[Flip, ...]


def prunable_state(network: PrototypeNetwork, card: ModelCard) -> PrunableState:
    """The state of an unpruned model; that of a pruned one comes from its revision (``revision.revised_state``).

    ModelError where the model has no ridge strength (it was never fitted, stage A3).
    """
    if card.ridge is None:
        raise ModelError(
            message("The model's last layer was never fitted (stage A3): train it to the end before pruning.")
        )
    weights = network.last.weight.detach().cpu().numpy().astype(np.float64)
    v = network.malignancy.weight.detach().cpu().numpy().astype(np.float64)[0]
    bias = float(network.malignancy.bias.detach()[0])
    head = Malignancy(weights=v, bias=bias, used=0, left_out=0) if v.any() else None
    return PrunableState(
        class_names=card.class_names,
        prototype_class=card.prototype_class,
        kept=tuple(range(len(card.prototype_class))),
        heads=Heads(weights=weights, ridge=card.ridge, malignancy=head),
        precedent_threshold=card.precedent_threshold,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedTable:
    """A run's similarity table taken apart once, so that each pruning of it is arithmetic only."""

    scores: Float
    """(n, m) of the rows that the heads are fitted on, float64."""
    label: NDArray[np.int64]
    malignant: NDArray[np.int64]
    patient_ids: tuple[str, ...]
    fold: NDArray[np.int64]
    """Patient-grouped fold of each row, for the out-of-fold logits of stage B."""
    judged: dict[Part, SimilarityTable]
    """Validation and test rows, where there are any."""


def prepare(table: SimilarityTable) -> PreparedTable:
    """Split a run's table into rows to fit and rows to evaluate on. Raises: ModelError without any to fit on."""
    training = table.of_part(Part.TRAINING)
    if len(training) == 0:
        raise ModelError(
            message("The similarity table holds no training lesions: train or project again to rebuild it.")
        )
    judged = {part: table.of_part(part) for part in JUDGED}
    return PreparedTable(
        scores=training.scores.astype(np.float64),
        label=training.label,
        malignant=training.malignant,
        patient_ids=training.patient_ids,
        fold=patient_folds(training.patient_ids, training.label),
        judged={part: rows for part, rows in judged.items() if len(rows)},
    )


@one_thread()
def prune(
    table: PreparedTable,
    state: PrunableState,
    remove: Collection[int],
    *,
    malignancy_fit: MalignancyFit = "out-of-fold",
) -> PruneOutcome:
    """Take these prototypes away and refit ``h1`` and ``h2`` at the stored strength; nothing is written.

    ModelError, one sentence, where a prototype does not exist or is gone already, where nothing is removed, or
    where a class would lose its last prototype.
    """
    gone = _checked(table, state, remove)
    after = _refitted(table, state, gone, malignancy_fit)
    validation = table.judged.get(Part.VALIDATION)
    if validation is not None and state.precedent_threshold is not None:
        after = replace(after, precedent_threshold=_threshold(after, validation))
    return compare_states(table, state, after)


@one_thread()
def compare_states(table: PreparedTable, before: PrunableState, after: PrunableState) -> PruneOutcome:
    """Compare two states of one run's model, such as two of its revisions, on the evaluation rows."""
    return PruneOutcome(
        removed=tuple(sorted(set(before.kept) - set(after.kept))),
        before=before,
        after=after,
        figures_before={part: _figures(before, rows) for part, rows in table.judged.items()},
        figures_after={part: _figures(after, rows) for part, rows in table.judged.items()},
        flips=tuple(flip for part, rows in table.judged.items() for flip in _flips(before, after, part, rows)),
    )


def _refitted(
    table: PreparedTable, state: PrunableState, gone: set[int], malignancy_fit: MalignancyFit
) -> PrunableState:
    kept = tuple(j for j in state.kept if j not in gone)
    scores = np.ascontiguousarray(table.scores[:, kept])
    anchor = initial_weights([state.prototype_class[j] for j in kept], len(state.class_names))
    ridge = state.heads.ridge
    begin = np.ascontiguousarray(state.heads.weights[:, [j not in gone for j in state.kept]])
    weights = refit(scores, table.label, anchor, ridge=ridge, start=begin)
    malignancy = None
    if state.heads.malignancy is not None:
        if malignancy_fit == "in-sample":
            logits = scores @ weights.T
        else:
            logits = out_of_fold_logits(
                scores, table.label, table.patient_ids, anchor, ridge=ridge, start=weights, fold=table.fold
            )
        malignancy = fit_malignancy(logits, table.malignant, start=state.heads.malignancy)
    heads = Heads(weights=weights, ridge=ridge, malignancy=malignancy)
    return replace(state, kept=kept, heads=as_saved(heads))


def as_saved(heads: Heads) -> Heads:
    """The heads with their numbers rounded to the float32 of the network."""
    malignancy = heads.malignancy
    if malignancy is not None:
        malignancy = replace(
            malignancy,
            weights=malignancy.weights.astype(np.float32).astype(np.float64),
            bias=float(np.float32(malignancy.bias)),
        )
    return replace(heads, weights=heads.weights.astype(np.float32).astype(np.float64), malignancy=malignancy)


def _checked(table: PreparedTable, state: PrunableState, remove: Collection[int]) -> set[int]:
    gone = set(remove)
    if table.scores.shape[1] != len(state.prototype_class):
        raise ModelError(
            message(
                "The similarity table has {in_table} prototypes, but the model was trained with "
                "{count}: use the table of the same run.",
                in_table=table.scores.shape[1],
                count=len(state.prototype_class),
            )
        )
    if not gone:
        raise ModelError(message("No prototype was named: choose at least one to prune."))
    missing = sorted(gone - set(state.kept))
    if missing:
        raise ModelError(
            message(
                "Prototype {prototype} is not in the model: it never was, or it was pruned before.",
                prototype=missing[0] + 1,
            )
        )
    left = {state.prototype_class[j] for j in state.kept if j not in gone}
    for c, name in enumerate(state.class_names):
        if c not in left:
            raise ModelError(
                message(
                    "Class {name} would lose its last prototype: every class keeps at least one, so leave one of "
                    "it.",
                    name=name,
                )
            )
    return gone


def _threshold(state: PrunableState, validation: SimilarityTable) -> float | None:
    own = np.array([state.prototype_class[j] for j in state.kept])
    return precedent_threshold(validation.scores[:, list(state.kept)], state.logits(validation), own)


def _figures(state: PrunableState, rows: SimilarityTable) -> PartFigures:
    return part_figures(state.logits(rows), rows.label, rows.malignant, state.heads.malignancy)


def _flips(before: PrunableState, after: PrunableState, part: Part, rows: SimilarityTable) -> list[Flip]:
    old, new = before.logits(rows).argmax(axis=1), after.logits(rows).argmax(axis=1)
    return [
        Flip(
            lesion_id=rows.lesion_ids[i],
            part=part,
            label=int(rows.label[i]),
            before=int(old[i]),
            after=int(new[i]),
        )
        for i in np.flatnonzero(old != new)
    ]
