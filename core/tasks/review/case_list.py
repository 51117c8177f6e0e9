"""The lesions that a model can classify, with its predictions, sorted by their interest for review."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import Cancelled
from core.domain.events import IsCancelled, never
from core.store.study import Study
from core.tasks.readers.voices import own_calls
from core.tasks.review.model_in_study import ModelInStudy
from core.tasks.review.prototypes import TABLE
from core.tasks.runs.lifecycle import request_of
from core.training.abstention import largest_own_evidence
from core.training.inference import infer
from core.training.similarity_table import SimilarityTable, load_table

_BATCH = 64


class Order(StrEnum):
    """The sort order of the list."""

    DISAGREEMENT = "disagreement"
    """The model gives the reader's class the least probability."""
    LOW_EVIDENCE = "low evidence"
    """No prototype is similar."""
    ERROR = "error"
    """The model gives the class of the data set the least probability."""
    STUDY = "order of the study"
    BLIND = "shuffled"
    """An order drawn from the lesions' identifiers; it does not depend on the model or the labels."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ReviewCase:
    lesion_id: str
    title: str
    """Pseudonym of the patient, view and number of the lesion."""
    part: str
    """The part of the run's split; "" if the patient was in none."""
    label: str | None
    """Margin (or shape) of the data set, in its own word."""
    own: str | None
    """The class given by the current reader: their reading in Review, else their label; None for neither."""
    probabilities: NDArray[np.float64] | None
    """(K,); None while the model has not been asked."""
    evidence: float | None
    has_precedent: bool = True
    annotated: bool = False
    can_be_seen: bool = True
    """False where no ROI can be made of it: the model has no answer."""

    @property
    def predicted(self) -> int | None:
        return None if self.probabilities is None else int(self.probabilities.argmax())


def list_cases(study: Study, opened: ModelInStudy, *, reader_id: str = "") -> tuple[ReviewCase, ...]:
    """Every lesion that the model can see; what the run's table knows of them comes with it, without a forward
    pass. ``reader_id``: whose own calls to show."""
    scores = _known_scores(study, opened)
    rois = opened.rois
    parts = request_of(study, opened.run).parts
    seen = {lesion: row for row, lesion in enumerate(rois.lesion_ids)}
    images = {image.id: image for image in study.images.all()}
    patients = {patient.id: patient.pseudonym for patient in study.patients.all()}
    lesions = {lesion.id: lesion for lesion in study.lesions.all()}
    label = opened.model.card.label
    own = own_calls(study, reader_id, label)
    found = []
    for lesion_id in (*rois.lesion_ids, *(one.lesion_id for one in opened.exclusions)):
        lesion, row = lesions[lesion_id], seen.get(lesion_id)
        image = images[lesion.image_id]
        part = parts.get(image.patient_id)
        view = " ".join(v.value for v in (image.laterality, image.view) if v is not None)
        said = getattr(lesion.labels, label)
        case = ReviewCase(
            lesion_id=lesion_id,
            title=" · ".join(part for part in (patients[image.patient_id], view, str(lesion.number)) if part),
            part="" if part is None else part.value,
            label=None if said is None else said.value,
            own=own[lesion_id].word if lesion_id in own else None,
            probabilities=None,
            evidence=None,
            annotated=row is not None and bool(rois.has_fine[row]),
            can_be_seen=row is not None,
        )
        found.append(case if lesion_id not in scores else judged(case, opened, scores[lesion_id]))
    return tuple(found)


def judged(case: ReviewCase, opened: ModelInStudy, scores: NDArray[np.floating]) -> ReviewCase:
    """Return the case with the model's prediction, from its similarities (m,) to the model's prototypes."""
    card = opened.model.card
    weights = opened.model.network.last.weight.detach().cpu().numpy().astype(np.float64)
    values = np.asarray(scores, dtype=np.float64)
    logits = weights @ values
    raised = np.exp(logits - logits.max())
    evidence = float(largest_own_evidence(values[None], logits[None], np.array(card.prototype_class))[0])
    threshold = card.precedent_threshold
    return replace(
        case,
        probabilities=raised / raised.sum(),
        evidence=evidence,
        has_precedent=threshold is None or evidence >= threshold,
    )


def complete(
    cases: tuple[ReviewCase, ...], opened: ModelInStudy, cancelled: IsCancelled = never
) -> tuple[ReviewCase, ...]:
    """Return the cases, with predictions for those that the run's table does not hold.

    Raises: Cancelled between batches.
    """
    row_of = {lesion: row for row, lesion in enumerate(opened.rois.lesion_ids)}
    done = {case.lesion_id: case for case in cases}
    missing = [case for case in cases if case.probabilities is None and case.can_be_seen]
    for first in range(0, len(missing), _BATCH):
        if cancelled():
            raise Cancelled
        some = missing[first : first + _BATCH]
        rows = np.array([row_of[case.lesion_id] for case in some])
        scores = infer(opened.model.network, opened.rois.rows(rows), cancelled=cancelled).scores
        for case, values in zip(some, scores, strict=True):
            done[case.lesion_id] = judged(case, opened, values)
    return tuple(done[case.lesion_id] for case in cases)


def sort_cases(
    cases: tuple[ReviewCase, ...], order: Order, class_names: tuple[str, ...]
) -> tuple[ReviewCase, ...]:
    """Return the cases in a new order; cases without a value come last, and ties keep their order."""
    if order is Order.BLIND:
        return tuple(sorted(cases, key=lambda case: hashlib.sha256(case.lesion_id.encode()).digest()))
    index = {name: c for c, name in enumerate(class_names)}

    def key(case: ReviewCase) -> tuple[bool, float]:
        if order is Order.STUDY or case.probabilities is None or case.evidence is None:
            return order is not Order.STUDY, 0.0
        if order is Order.LOW_EVIDENCE:
            return False, case.evidence
        word = case.label if order is Order.ERROR else case.own or case.label
        if word not in index:
            return True, 0.0
        return False, float(case.probabilities[index[word]])

    return tuple(sorted(cases, key=key))


def _known_scores(study: Study, opened: ModelInStudy) -> dict[str, NDArray[np.float32]]:
    """Lesion to its un-augmented similarities to the prototypes that the model has now."""
    table = load_table(study.run_folder(opened.run.id) / TABLE)
    kept = np.array([p.index for p in opened.model.card.prototypes], dtype=np.int64)
    if len(kept) != len(opened.model.card.prototype_class) or table.scores.shape[1] <= kept.max(initial=-1):
        return {}
    return _once(table.columns(kept))


def _once(table: SimilarityTable) -> dict[str, NDArray[np.float32]]:
    """Lesions with one row only: those that the heads were fitted on may be there as several augmented draws."""
    rows: dict[str, list[int]] = {}
    for row, lesion in enumerate(table.lesion_ids):
        rows.setdefault(lesion, []).append(row)
    return {lesion: table.scores[found[0]] for lesion, found in rows.items() if len(found) == 1}
