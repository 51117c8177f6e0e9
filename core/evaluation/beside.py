"""Rows of a report that stand beside the model: simple comparators on the same lesions, and the reader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
import numpy as np

from core.evaluation.predictions import Float, Predictions
from core.evaluation.report import EvaluationReport, Metric
from core.statistics.auroc import auroc, compare_aurocs
from core.statistics.multiclass import compare_multiclass, multiclass_auroc


def with_comparators(
    report: EvaluationReport,
    predictions: Predictions,
    others: Mapping[str, Predictions],
    readers: Mapping[str, Float],
) -> EvaluationReport:
    """Return the report with the AUROCs of the comparators and paired differences, model minus comparator.

    ``others``: by name, on the lesions of ``predictions`` in the same order. ``readers``: by name, (n,) values
    that rise with suspicion, NaN where a lesion has none.
    """
    rows = [*_of_margins(predictions, others), *_of_malignancy(predictions, others, readers)]
    return msgspec.structs.replace(report, metrics=(*report.metrics, *rows))


def slug(name: str) -> str:
    """Return a comparator's name in a key: its letters and digits, joined by underscores."""
    return "_".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def _of_margins(predictions: Predictions, others: Mapping[str, Predictions]) -> Iterator[Metric]:
    label, names, patients = predictions.label, predictions.class_names, predictions.patient_ids
    for name, other in others.items():
        if other.lesion_ids != predictions.lesion_ids:
            raise ValueError(f"{name} was evaluated on different lesions")
        areas = multiclass_auroc(label, other.probabilities, names, patients)
        gap = compare_multiclass(label, predictions.probabilities, other.probabilities, names, patients)
        key = f"margin_auroc_{slug(name)}"
        yield Metric(key=key, label=f"AUROC of: {name}", estimate=areas.mean)
        yield Metric(key=f"{key}_gap", label=f"AUROC, model minus: {name} (paired)", estimate=gap.difference)


def _of_malignancy(
    predictions: Predictions, others: Mapping[str, Predictions], readers: Mapping[str, Float]
) -> Iterator[Metric]:
    own = predictions.malignancy
    values = {name: other.malignancy for name, other in others.items()} | dict(readers)
    for name, scores in values.items():
        biopsied = (predictions.malignant >= 0) & ~np.isnan(scores)
        if not biopsied.any():
            continue
        patients = tuple(p for p, b in zip(predictions.patient_ids, biopsied, strict=True) if b)
        outcome, key = predictions.malignant[biopsied] == 1, f"malignancy_auroc_{slug(name)}"
        estimate = auroc(outcome, scores[biopsied], patients)
        yield Metric(key=key, label=f"Malignancy AUROC of: {name}", estimate=estimate)
        if np.isnan(own[biopsied]).any():
            continue
        gap = compare_aurocs(outcome, own[biopsied], scores[biopsied], patients)
        label = f"Malignancy AUROC, model minus: {name} (paired)"
        yield Metric(key=f"{key}_gap", label=label, estimate=gap.difference)
