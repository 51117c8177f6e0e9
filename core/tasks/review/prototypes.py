"""The prototypes of a run: where they come from, what they are worth, which to prune, and the pruning itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from core.domain.errors import StudyError
from core.domain.events import IsCancelled, never
from core.domain.messages import message
from core.domain.study import ModelRevision, Run
from core.domain.vocabulary import Part
from core.explain.gallery import Gallery, analyse
from core.model.accelerator import resolve_device
from core.model.checkpoint import LoadedModel
from core.pruning.figures import PartFigures
from core.pruning.leave_one_out import leave_one_out
from core.pruning.prune import JUDGED, PreparedTable, PrunableState, PruneOutcome, prepare, prune
from core.pruning.revision import Revision, load_revision, make_revision, revised_state, save_revision
from core.pruning.suggest import Suggestion, removable, suggest
from core.store.study import Study
from core.tasks.readers.opinions import kept_by_mark
from core.tasks.review.model_in_study import ModelInStudy, open_model
from core.tasks.runs.lifecycle import is_imported, request_of, trained_model
from core.training.similarity_table import SimilarityTable, load_table

TABLE = "table.h5"


class PrototypeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table of prototypes; numbers count from 1, as people do."""

    number: int
    class_name: str
    lesion_id: str
    cell: tuple[int, int]
    distance_moved: float
    weights: dict[str, float]
    """To each class."""
    purity: str
    """ "4 of 5" nearest training patches are of its class; "" if this study holds none of the training lesions."""
    auroc_cost: float | None
    """Validation margin AUROC that its removal would cost; None where undefined or where it must stay."""
    suggestions: tuple[str, ...]


class Pruning:
    """A run's table, its model and its active revision: all that pruning needs, read once."""

    def __init__(self, study: Study, run: Run) -> None:
        folder = study.run_folder(run.id)
        self.study, self.run = study, run
        self.fit = request_of(study, run).config.malignancy_fit
        self.base: LoadedModel = trained_model(study, run)
        self.table: PreparedTable = prepare(_prunable_table(study, run))
        self.active = active_revision(study, run)
        pruned = self.active.parent_id is not None
        self.revision: Revision | None = load_revision(folder, self.active.id) if pruned else None
        self.state: PrunableState = revised_state(self.base, self.revision)

    def outcome(self, remove: set[int]) -> PruneOutcome:
        """Return the effect of removing these prototypes (indices from 0); nothing is written."""
        return prune(self.table, self.state, remove, malignancy_fit=self.fit)

    def commit(self, outcome: PruneOutcome, *, reason: str) -> ModelRevision:
        """Make the outcome the run's active revision; the one before stays, and undo returns to it."""
        made = make_revision(outcome, self.base, run_id=self.run.id, parent=self.revision, reason=reason)
        save_revision(self.study.run_folder(self.run.id), made)
        record = msgspec.structs.replace(made.record, parent_id=self.active.id)
        self.study.models.add(record)
        return record


def active_revision(study: Study, run: Run) -> ModelRevision:
    """StudyError where the run has no model yet."""
    found = study.models.active(run.id)
    if found is None:
        raise StudyError(message("Run {run} has no model yet: finish it with train --resume {run}.", run=run.name))
    return found


def undo(study: Study, run: Run) -> ModelRevision:
    """Back to the parent of the active revision; StudyError where it is the model as trained."""
    active = active_revision(study, run)
    if active.parent_id is None:
        raise StudyError(message("Run {run} is as trained: there is no pruning to undo.", run=run.name))
    study.models.activate(active.parent_id)
    return study.models.get(active.parent_id)


def redo(study: Study, run: Run) -> ModelRevision:
    """Forward to the newest revision made from the active one; StudyError where there is none."""
    active = active_revision(study, run)
    children = [one for one in study.models.of_run(run.id) if one.parent_id == active.id]
    if not children:
        raise StudyError(message("Run {run} has no later revision to go forward to.", run=run.name))
    study.models.activate(children[-1].id)
    return children[-1]


def gallery_of(opened: ModelInStudy, cancelled: IsCancelled = never) -> Gallery:
    """Nearest patches, purity and duplicates over the training and test ROIs with a trained class."""
    training, test = opened.rows_of(Part.TRAINING), opened.rows_of(Part.TEST)
    return analyse(
        opened.model.network,
        opened.model.card,
        training.rows(training.label >= 0),
        test.rows(test.label >= 0) if (test.label >= 0).any() else None,
        cancelled=cancelled,
    )


def describe(
    study: Study, run: Run, *, cancelled: IsCancelled = never
) -> tuple[tuple[PrototypeFacts, ...], tuple[int, ...]]:
    """The prototypes of the active revision, and the numbers of those that could be pruned together."""
    opened = open_model(study, run, device=resolve_device("auto"), cancelled=cancelled)
    if not has_training_rows(study, run):
        return _listed_only(opened), ()
    pruning = Pruning(study, run)
    found = suggest(opened.model.card, gallery := gallery_of(opened, cancelled), kept_by_mark(study, run))
    worth = {one.index: one for one in leave_one_out(pruning.table, pruning.state, cancelled=cancelled)}
    facts = []
    for position, index in enumerate(pruning.state.kept):
        prototype = opened.model.card.prototypes[position]
        facts.append(
            PrototypeFacts(
                number=index + 1,
                class_name=prototype.class_name,
                lesion_id=prototype.lesion_id,
                cell=prototype.cell,
                distance_moved=prototype.distance_moved,
                weights=_weights(pruning.state, position),
                purity="{} of {}".format(*gallery.prototypes[position].purity),
                auroc_cost=worth[index].auroc_cost(Part.VALIDATION),
                suggestions=_sentences(found, index),
            )
        )
    return tuple(facts), tuple(index + 1 for index in removable(found, pruning.state))


def has_training_rows(study: Study, run: Run) -> bool:
    """False for a model that was imported without a split: this study holds none of its training lesions."""
    return len(load_table(study.run_folder(run.id) / TABLE).of_part(Part.TRAINING)) > 0


def _prunable_table(study: Study, run: Run) -> SimilarityTable:
    """The run's similarity table. StudyError if it is an imported model without training lesions."""
    table = load_table(study.run_folder(run.id) / TABLE)
    if is_imported(study, run) and len(table.of_part(Part.TRAINING)) == 0:
        raise StudyError(
            message(
                "Run {run} was imported without a split, so it has no training lesions here to refit on: import "
                "the model again with --split NAME, under another --name.",
                run=run.name,
            )
        )
    return table


def _listed_only(opened: ModelInStudy) -> tuple[PrototypeFacts, ...]:
    """Class, origin and weights of each prototype, where purity and cost cannot be computed."""
    card = opened.model.card
    weights = opened.model.network.last.weight.detach().cpu().numpy()
    return tuple(
        PrototypeFacts(
            number=one.index + 1,
            class_name=one.class_name,
            lesion_id=one.lesion_id,
            cell=one.cell,
            distance_moved=one.distance_moved,
            weights={name: float(w) for name, w in zip(card.class_names, weights[:, j], strict=True)},
            purity="",
            auroc_cost=None,
            suggestions=(),
        )
        for j, one in enumerate(card.prototypes)
    )


def _weights(state: PrunableState, position: int) -> dict[str, float]:
    column = state.heads.weights[:, position]
    return {name: float(weight) for name, weight in zip(state.class_names, column, strict=True)}


def _sentences(found: tuple[Suggestion, ...], index: int) -> tuple[str, ...]:
    return tuple(f"{one.reason.value}: {one.sentence}" for one in found if one.index == index)


def facts_text(facts: tuple[PrototypeFacts, ...], together: tuple[int, ...]) -> str:
    lines = [f"{'':>3}  {'class':<14} {'lesion':<10} {'purity':<7} {'AUROC cost':>10}  weights"]
    for one in facts:
        cost = "" if not one.purity else "must stay" if one.auroc_cost is None else f"{one.auroc_cost:+.4f}"
        weights = ", ".join(f"{name} {weight:+.2f}" for name, weight in one.weights.items())
        lines.append(
            f"{one.number:>3}  {one.class_name:<14} {one.lesion_id[:8]:<10} {one.purity:<7} {cost:>10}  {weights}"
        )
        lines += [f"     {sentence}" for sentence in one.suggestions]
    if together:
        lines.append("Can be pruned together: prototypes " + ", ".join(map(str, together)))
    if facts and not facts[0].purity:
        lines.append("Purity and AUROC cost need the training lesions, which are not in this study.")
    return "\n".join(lines)


def outcome_document(outcome: PruneOutcome, parts: Collection[Part] = JUDGED) -> dict[str, object]:
    """The outcome on these parts as plain values, prototypes numbered from 1."""
    names = outcome.before.class_names
    return {
        "removed": [index + 1 for index in outcome.removed],
        "kept": [index + 1 for index in outcome.after.kept],
        "before": _figures(outcome.figures_before, parts),
        "after": _figures(outcome.figures_after, parts),
        "flips": [
            {
                "lesion": flip.lesion_id,
                "part": flip.part.value,
                "labelled": names[flip.label],
                "before": names[flip.before],
                "after": names[flip.after],
            }
            for flip in outcome.flips
            if flip.part in parts
        ],
    }


def _figures(found: Mapping[Part, PartFigures], parts: Collection[Part]) -> dict[str, object]:
    return {part.value: msgspec.to_builtins(figures) for part, figures in found.items() if part in parts}


def outcome_text(outcome: PruneOutcome, parts: Collection[Part] = JUDGED) -> str:
    lines = [f"{'':<12}{'margin AUROC':>20}{'kappa':>18}{'malignancy AUROC':>22}"]
    for part, before in outcome.figures_before.items():
        if part not in parts:
            continue
        after = outcome.figures_after[part]
        cells = [
            f"{_number(getattr(before, key))} -> {_number(getattr(after, key))}"
            for key in ("auroc_mean", "kappa", "malignancy_auroc")
        ]
        lines.append(f"{part.value:<12}{cells[0]:>20}{cells[1]:>18}{cells[2]:>22}")
    flips = sum(flip.part in parts for flip in outcome.flips)
    where = " and ".join(part.value for part in JUDGED if part in parts)
    lines.append(f"{flips} of the {where} lesions change their predicted class.")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
