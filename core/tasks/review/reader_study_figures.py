"""The results of a reader study: each reader alone, with the model, and the model alone, on the same lesions."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.data.labels import Opinions
from core.domain.events import IsCancelled, never
from core.domain.reading import ReaderStudy, StudyReading
from core.statistics.auroc import auroc, compare_aurocs
from core.statistics.bootstrap import compare, interval, mean_draws, resample
from core.statistics.estimate import Comparison, Estimate, without_value
from core.statistics.multiplicity import holm
from core.store.study import Study
from core.tasks.readers.reader_study import check_model, paired
from core.tasks.review.model_in_study import open_model
from core.training.inference import infer

ALONE, TOGETHER, MODEL = "reader alone", "reader with the model", "model alone"
WAYS = (ALONE, TOGETHER, MODEL)
_FEW = 2


class ReadingMode(msgspec.Struct, frozen=True, kw_only=True):
    """One way of reading: by whom and with what."""

    name: str
    malignancy_auroc: Estimate
    margin_accuracy: Estimate
    """Share of the lesions whose margin is called as it is labelled."""


class Versus(msgspec.Struct, frozen=True, kw_only=True):
    """First minus second, paired by lesion, clustered by patient."""

    first: str
    second: str
    malignancy_auroc: Comparison
    adjusted_p: float | None
    """The p-value of the malignancy AUROC, after Holm over the comparisons of this reader."""
    margin_accuracy: Comparison


class ReaderFigures(msgspec.Struct, frozen=True, kw_only=True):
    reader: str
    lesions: int
    """Read under both conditions."""
    biopsied: int
    """The number of these lesions with a known result, on which the malignancy figures are computed."""
    ways: tuple[ReadingMode, ...]
    against: tuple[Versus, ...]
    changed: int
    """Lesions whose margin the reader called otherwise after seeing the model."""
    changed_to_label: int
    mean_trust: float
    median_seconds: tuple[float, float]
    """Alone, with the model."""


class ReaderStudyFigures(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    readers: tuple[ReaderFigures, ...]
    unfinished: tuple[str, ...]
    """Readers with fewer than two lesions under both conditions, who are not evaluated."""


class _Rows(msgspec.Struct, frozen=True):
    """The rows of one reader's lesions, in one order."""

    malignant: NDArray[np.int64]
    patients: list[str]
    scores: dict[str, NDArray[np.float64]]
    right: dict[str, NDArray[np.float64]]


def evaluate_reader_study(
    study: Study, made: ReaderStudy, *, cancelled: IsCancelled = never
) -> ReaderStudyFigures:
    """StudyError where the model that was shown is not the one in use (``check_model``)."""
    opened = open_model(study, check_model(study, made), cancelled=cancelled)
    place = {lesion: row for row, lesion in enumerate(opened.rois.lesion_ids)}
    said = infer(
        opened.model.network,
        opened.rois.rows(np.array([place[lesion] for lesion in made.lesion_ids], dtype=np.int64)),
        cancelled=cancelled,
    )
    names = opened.model.card.class_names
    knows_malignancy = bool(opened.model.network.malignancy.weight.any())
    model = {
        lesion: (names[int(said.logits[row].argmax())], float(said.malignancy[row]) if knows_malignancy else None)
        for row, lesion in enumerate(made.lesion_ids)
    }
    readings = study.reader_studies.readings(made.id)
    found, unfinished = [], []
    for reader in study.readers.all():
        pairs = paired(readings, reader.id)
        if len(pairs) >= _FEW:
            found.append(_figures(study, reader.name, pairs, model))
        elif any(one.reader_id == reader.id for one in readings):
            unfinished.append(reader.name)
    return ReaderStudyFigures(name=made.name, readers=tuple(found), unfinished=tuple(unfinished))


def _figures(
    study: Study,
    reader: str,
    pairs: Sequence[tuple[StudyReading, StudyReading]],
    model: dict[str, tuple[str, float | None]],
) -> ReaderFigures:
    truth, patients = _truth(study, [alone.lesion_id for alone, _ in pairs])
    calls: dict[str, list[tuple[str, float | None]]] = {
        ALONE: [(a.margin.value, a.probability_of_malignancy) for a, _ in pairs],
        TOGETHER: [(b.margin.value, b.probability_of_malignancy) for _, b in pairs],
        MODEL: [model[a.lesion_id] for a, _ in pairs],
    }
    rows = _Rows(
        np.array([malignant for _, malignant in truth], dtype=np.int64),
        patients,
        {way: np.array([np.nan if p is None else p for _, p in said]) for way, said in calls.items()},
        {
            way: np.array([float(word == label) for (word, _), (label, _) in zip(said, truth, strict=True)])
            for way, said in calls.items()
        },
    )
    labels = [label for label, _ in truth]
    return ReaderFigures(
        reader=reader,
        lesions=len(pairs),
        biopsied=int((rows.malignant >= 0).sum()),
        ways=tuple(_way(way, rows) for way in WAYS),
        against=_against(rows),
        changed=sum(a.margin is not b.margin for a, b in pairs),
        changed_to_label=sum(
            a.margin is not b.margin and b.margin.value == label
            for (a, b), label in zip(pairs, labels, strict=True)
        ),
        mean_trust=float(np.mean([b.trust for _, b in pairs if b.trust is not None])),
        median_seconds=(
            float(np.median([a.seconds for a, _ in pairs])),
            float(np.median([b.seconds for _, b in pairs])),
        ),
    )


def _truth(study: Study, lesion_ids: Sequence[str]) -> tuple[list[tuple[str | None, int]], list[str]]:
    """(labelled margin, 1 malignant / 0 benign / -1 no biopsy) and patient of each lesion."""
    opinions = Opinions(study, label="margin")
    found, patients = [], []
    for lesion_id in lesion_ids:
        lesion = study.lesions.get(lesion_id)
        said = opinions.of(lesion)
        found.append((said.word, said.malignant))
        patients.append(study.images.get(lesion.image_id).patient_id)
    return found, patients


def _way(name: str, rows: _Rows) -> ReadingMode:
    known = rows.malignant >= 0
    scores = rows.scores[name]
    if np.isnan(scores).any():
        area = without_value("the model predicts no malignancy", n=int(known.sum()))
    elif len(set(rows.malignant[known].tolist())) < 2:
        area = without_value("the biopsied lesions do not show both outcomes", n=int(known.sum()))
    else:
        area = auroc(rows.malignant[known] == 1, scores[known], _of(rows.patients, known))
    draws = resample(rows.patients, len(rows.patients))
    right = rows.right[name]
    return ReadingMode(
        name=name,
        malignancy_auroc=area,
        margin_accuracy=interval(float(right.mean()), mean_draws(right, draws)[:, 0], draws),
    )


def _against(rows: _Rows) -> tuple[Versus, ...]:
    pairs = [(TOGETHER, ALONE), (MODEL, ALONE), (TOGETHER, MODEL)]
    known = rows.malignant >= 0
    draws = resample(rows.patients, len(rows.patients))
    areas, shares = [], []
    for first, second in pairs:
        a, b = rows.scores[first], rows.scores[second]
        if np.isnan(a).any() or np.isnan(b).any() or not known.any():
            none = without_value("the model predicts no malignancy, or no lesion has a biopsy result")
            areas.append(Comparison(difference=none, p_value=None))
        else:
            areas.append(compare_aurocs(rows.malignant[known] == 1, a[known], b[known], _of(rows.patients, known)))
        right = [(float(rows.right[w].mean()), mean_draws(rows.right[w], draws)[:, 0]) for w in (first, second)]
        shares.append(compare(right[0], right[1], draws))
    adjusted = holm([one.p_value for one in areas])
    return tuple(
        Versus(first=f, second=s, malignancy_auroc=area, adjusted_p=p, margin_accuracy=share)
        for (f, s), area, p, share in zip(pairs, areas, adjusted, shares, strict=True)
    )


def _of(patients: Sequence[str], known: NDArray[np.bool_]) -> list[str]:
    return [patient for patient, there in zip(patients, known, strict=True) if there]


def figures_text(found: ReaderStudyFigures) -> str:
    lines = [f"Reader study {found.name}"]
    for one in found.readers:
        lines.append(f"\n{one.reader}: {one.lesions} lesions, {one.biopsied} with a biopsy result")
        for way in one.ways:
            lines.append(
                f"  {way.name:<22} malignancy AUROC {way.malignancy_auroc}, "
                f"margin as labelled {way.margin_accuracy}"
            )
        for pair in one.against:
            adjusted = "" if pair.adjusted_p is None else f", {pair.adjusted_p:.3f} after Holm"
            lines.append(
                f"  {pair.first} - {pair.second}: AUROC {pair.malignancy_auroc.text()}{adjusted}; "
                f"margin {pair.margin_accuracy.text()}"
            )
        alone, together = one.median_seconds
        lines.append(
            f"  margin changed in {one.changed} lesions, {one.changed_to_label} of them to the label; trust "
            f"{one.mean_trust:.1f} of 5; median time {alone:.0f} s alone, {together:.0f} s with the model"
        )
    if found.unfinished:
        lines.append("Not evaluated, too few lesions read: " + ", ".join(found.unfinished))
    if not found.readers and not found.unfinished:
        lines.append("Nobody has read yet.")
    return "\n".join(lines)
