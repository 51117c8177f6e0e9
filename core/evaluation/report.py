"""From predictions to figures: every metric of the paper with its interval, per image and per finding.

The primary intervals are clustered by patient. Those that take every image for independent are computed too,
marked "as in the paper".
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from core.domain.errors import MarginaliaError
from core.domain.messages import message
from core.evaluation.map_figures import faithfulness, stability
from core.evaluation.map_tests import MapRecord
from core.evaluation.predictions import DRAWN, SCALES, Bool, Float, Predictions, ScalePrecision
from core.statistics.activation_summary import over_images, over_pairs, summarise
from core.statistics.agreement import agreement
from core.statistics.auroc import auroc
from core.statistics.bootstrap import DRAWS, Resamples, mean_estimate, resample
from core.statistics.calibration import calibration
from core.statistics.coverage import coverage_curve
from core.statistics.decision import decision_curve
from core.statistics.estimate import Estimate
from core.statistics.grouping import by_finding, first_rows, label_by_finding
from core.statistics.multiclass import multiclass_auroc
from core.statistics.proportion import proportion

COVERAGES = (0.9, 0.75, 0.5)
"""Shares of the lesions, those of most evidence, on which the margin AUROC is given too."""
FEWEST_DRAWS = 10
_OF_MAPS = ("lesion_", "fine_", "stability_")
"""Keys of figures that are means over what has a value; their ``undefined`` counts what has none."""
SCALE_WORDS = {
    "lesion": "Lesion-scale",
    "fine": "Fine-scale",
    "lesion_drawn": "Random ROIs: lesion-scale",
    "fine_drawn": "Random ROIs: fine-scale",
}
POSITION_WORDS = {
    "training": "of position only (mean mask of the training lesions)",
    "others": "of position only (mean mask of the other patients)",
}
DECISIONS = (0.01, 0.02, 0.05)
"""Thresholds of the decision curve that are reported: BI-RADS recommends a biopsy above 2%."""


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of a report."""

    key: str
    """Stable name for programs: "margin_auroc", "fine_precision"."""
    label: str
    """For people: "Margin AUROC, mean weighted by class size"."""
    estimate: Estimate
    as_in_paper: bool = False
    """True where the interval takes every image for independent, as the paper's does."""


class EvaluationReport(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one model on one set of lesions."""

    model: str
    source: str
    """The data set; "all" where several are pooled."""
    unit: str
    """image or finding."""
    count: int
    patients: int
    abstained: int
    """Lesions for which the model has no precedent; they are judged like the others here."""
    synthetic: bool
    metrics: tuple[Metric, ...]
    prototypes: tuple[Metric, ...] = ()
    """Activation precision prototype by prototype, numbered from 1 as before pruning; pooled folds count on."""
    maps: tuple[Metric, ...] = ()
    """Stability and faithfulness of the maps, where they were measured."""

    def __getitem__(self, key: str) -> Estimate:
        """Return the estimate of this metric with the clustered interval; KeyError where the report has none."""
        for metric in self.metrics:
            if metric.key == key and not metric.as_in_paper:
                return metric.estimate
        raise KeyError(key)


def evaluate(
    predictions: Predictions, *, source: str = "all", synthetic: bool = False, draws: int = DRAWS
) -> EvaluationReport:
    """Return every metric of the predictions, per image. MarginaliaError if there is nothing to evaluate."""
    if draws < FEWEST_DRAWS:
        raise MarginaliaError(
            message(
                "{draws} resamples give no interval: take at least {least} (5000 is usual).",
                draws=draws,
                least=FEWEST_DRAWS,
            )
        )
    if len(predictions) == 0:
        raise MarginaliaError(message("There are no labelled lesions in this part: nothing can be evaluated."))
    resamples = resample(predictions.patient_ids, len(predictions), draws=draws)
    metrics = [
        *_margin(predictions, resamples, clusters=predictions.patient_ids),
        *_abstention(predictions, clusters=predictions.patient_ids),
        *(
            metric
            for key, label, scale in _scales(predictions)
            for metric in _precision(key, label, scale, resamples, predictions)
        ),
        *_malignancy(predictions, resamples, clusters=predictions.patient_ids),
        *_as_in_paper(predictions, draws),
    ]
    return EvaluationReport(
        model=predictions.model,
        source=source,
        unit="image",
        count=len(predictions),
        patients=len(set(predictions.patient_ids)),
        abstained=int(predictions.no_precedent.sum()),
        synthetic=synthetic,
        metrics=tuple(metrics),
        prototypes=tuple(_per_prototype(predictions, resamples)),
    )


def evaluate_findings(
    predictions: Predictions, *, source: str = "all", synthetic: bool = False, draws: int = DRAWS
) -> EvaluationReport:
    """Return margin and malignancy per finding: the mean of the logits over its views. Activation is per image
    only."""
    return msgspec.structs.replace(
        evaluate(merged_by_finding(predictions), source=source, synthetic=synthetic, draws=draws), unit="finding"
    )


def merged_by_finding(predictions: Predictions) -> Predictions:
    """Return one row a finding: the mean of its views' logits; findings whose views differ in label are left
    out."""
    ids = predictions.finding_ids
    label = label_by_finding(predictions.label, ids)
    first = first_rows(ids)
    merged = Predictions(
        model=predictions.model,
        class_names=predictions.class_names,
        lesion_ids=tuple(predictions.lesion_ids[i] for i in first),
        finding_ids=tuple(ids[i] for i in first),
        patient_ids=tuple(predictions.patient_ids[i] for i in first),
        sources=tuple(predictions.sources[i] for i in first),
        label=label,
        malignant=predictions.malignant[first],
        logits=by_finding(predictions.logits, ids),
        malignancy=by_finding(predictions.malignancy, ids),
        no_precedent=by_finding(predictions.no_precedent.astype(np.float64), ids) == 1.0,
        evidence=None if predictions.evidence is None else by_finding(predictions.evidence, ids),
    )
    return merged.rows(label >= 0)


def _margin(
    predictions: Predictions, resamples: Resamples, *, clusters: tuple[str, ...] | None, as_in_paper: bool = False
) -> Iterator[Metric]:
    names = predictions.class_names
    areas = multiclass_auroc(predictions.label, predictions.probabilities, names, clusters)
    yield Metric(
        key="margin_auroc",
        label="AUROC, mean weighted by class size",
        estimate=areas.mean,
        as_in_paper=as_in_paper,
    )
    for name in names:
        yield Metric(
            key=f"auroc_{name}",
            label=f"AUROC, {name} against the rest",
            estimate=areas.per_class[name],
            as_in_paper=as_in_paper,
        )
    kappa = agreement(predictions.label, predictions.predicted, names, resamples)
    yield Metric(key="kappa", label="Cohen's kappa", estimate=kappa.overall, as_in_paper=as_in_paper)
    for name in names:
        yield Metric(
            key=f"kappa_{name}",
            label=f"Cohen's kappa, {name}",
            estimate=kappa.per_class[name],
            as_in_paper=as_in_paper,
        )
    yield Metric(key="accuracy", label="Accuracy", estimate=kappa.accuracy, as_in_paper=as_in_paper)


def _abstention(predictions: Predictions, *, clusters: tuple[str, ...]) -> Iterator[Metric]:
    """Report how often the model has no precedent, and its margin AUROC on the lesions of most evidence."""
    if predictions.evidence is None:
        return
    abstained = proportion(predictions.no_precedent, clusters)
    yield Metric(key="abstention", label="Share without a precedent (abstained)", estimate=abstained)

    def on(kept: Bool) -> Estimate:
        chosen = predictions.rows(kept)
        return multiclass_auroc(chosen.label, chosen.probabilities, chosen.class_names, chosen.patient_ids).mean

    for share, point in zip(COVERAGES, coverage_curve(predictions.evidence, on, COVERAGES), strict=True):
        yield Metric(
            key=f"margin_auroc_coverage_{share * 100:.0f}",
            label=f"AUROC on the {share:.0%} with most evidence",
            estimate=point.statistic,
        )


def _precision(
    key: str, label: str, scale: ScalePrecision | None, resamples: Resamples, predictions: Predictions
) -> Iterator[Metric]:
    if scale is None:
        return
    summary = summarise(scale.pairs, predictions.class_names, resamples)
    name = f"{label} activation precision"
    yield Metric(key=f"{key}_precision", label=f"{name}, mean over pairs", estimate=summary.over_pairs)
    yield Metric(key=f"{key}_precision_images", label=f"{name}, mean over images", estimate=summary.over_images)
    for class_name, estimate in summary.per_class.items():
        yield Metric(key=f"{key}_precision_{class_name}", label=f"{name}, {class_name}", estimate=estimate)
    for suffix, text, values in (
        ("blob", "of a centred map", scale.blob),
        ("chance", "by chance", scale.chance),
        ("attainable", "best attainable value", scale.attainable),
    ):
        yield Metric(key=f"{key}_{suffix}", label=f"{name} {text}", estimate=mean_estimate(values, resamples))
    margin = scale.pairs.value - scale.blob[scale.pairs.image]
    yield Metric(
        key=f"{key}_over_blob",
        label=f"{name}, difference from a centred map",
        estimate=mean_estimate(margin, resamples, resamples.cluster[scale.pairs.image]),
    )
    yield from _over_position(key, name, scale, resamples)
    if scale.energies is not None:
        energy = over_pairs(scale.energies, resamples)
        yield Metric(key=f"{key}_energy", label=f"{label} share of the map's energy inside", estimate=energy)
    fires = over_pairs(scale.fires, resamples)
    yield Metric(key=f"{key}_fires", label=f"{label} share of prototype maps that reach the mask", estimate=fires)
    ever = over_images(scale.fires, resamples, how="max")
    text = f"{label} share of annotated images where a prototype map reaches the mask"
    yield Metric(key=f"{key}_ever_fires", label=text, estimate=ever)


def _over_position(key: str, name: str, scale: ScalePrecision, resamples: Resamples) -> Iterator[Metric]:
    """Yield the position-only map beside the model, and their paired difference: above 0 where the model
    looks."""
    if scale.position is None:
        return
    alone, pairs = scale.position.precision, scale.pairs
    yield Metric(
        key=f"{key}_position",
        label=f"{name} {POSITION_WORDS[scale.position.source]}",
        estimate=mean_estimate(alone, resamples),
    )
    yield Metric(
        key=f"{key}_over_position",
        label=f"{name}, model minus position only (paired)",
        estimate=mean_estimate(pairs.value - alone[pairs.image], resamples, resamples.cluster[pairs.image]),
    )


def _per_prototype(predictions: Predictions, resamples: Resamples) -> Iterator[Metric]:
    for key, label, scale in _scales(predictions):
        if scale is None or key in DRAWN:
            continue
        pairs = scale.pairs
        owner = dict(zip(pairs.prototype.tolist(), pairs.klass.tolist(), strict=True))
        for j, estimate in summarise(pairs, predictions.class_names, resamples).per_prototype.items():
            name = predictions.class_names[owner[j]]
            yield Metric(
                key=f"{key}_precision_prototype_{j + 1}",
                label=f"{label} activation precision, prototype {j + 1} ({name})",
                estimate=estimate,
            )


def _scales(predictions: Predictions) -> tuple[tuple[str, str, ScalePrecision | None], ...]:
    """Return key, name and precision of each scale, in their order."""
    return tuple((key, SCALE_WORDS[key], predictions.scales.get(key)) for key in SCALES)


def with_maps(report: EvaluationReport, record: MapRecord, *, draws: int = DRAWS) -> EvaluationReport:
    """Return the report with the figures of stability and faithfulness; MarginaliaError for a record without a
    lesion."""
    metrics = []
    for one in stability(record, draws=draws):
        for suffix, text, estimate in (
            ("", "Overlap of the top 5%", one.overlap),
            ("_rank", "Rank correlation of the maps", one.correlation),
            ("_class", "Predicted class kept", one.kept_class),
        ):
            label = f"{text} after {one.label}"
            metrics.append(Metric(key=f"stability_{one.key}{suffix}", label=label, estimate=estimate))
    found = faithfulness(record, draws=draws)
    for key, label, estimate in (
        ("deletion", "Deletion, area under the curve (lower is better)", found.deletion),
        ("deletion_gain", "Deletion, random order minus map", found.deletion_gain),
        ("insertion", "Insertion, area under the curve (higher is better)", found.insertion),
        ("insertion_gain", "Insertion, map minus random order", found.insertion_gain),
    ):
        metrics.append(Metric(key=key, label=label, estimate=estimate))
    return msgspec.structs.replace(report, maps=tuple(metrics))


def _malignancy(
    predictions: Predictions, resamples: Resamples, *, clusters: tuple[str, ...] | None, as_in_paper: bool = False
) -> Iterator[Metric]:
    known = (predictions.malignant >= 0) & ~np.isnan(predictions.malignancy)
    if not known.any():
        return
    outcome = predictions.malignant[known]
    logit: Float = predictions.malignancy[known]
    ids = None if clusters is None else tuple(c for c, k in zip(clusters, known, strict=True) if k)
    yield Metric(
        key="malignancy_auroc",
        label="Malignancy AUROC",
        estimate=auroc(outcome == 1, logit, ids),
        as_in_paper=as_in_paper,
    )
    if as_in_paper:
        return
    probability = 1 / (1 + np.exp(-logit))
    drawn = resample(ids, int(known.sum()), draws=resamples.draws)
    found = calibration(outcome == 1, probability, drawn)
    yield Metric(key="brier", label="Malignancy Brier score", estimate=found.brier)
    yield Metric(key="calibration_slope", label="Malignancy calibration slope", estimate=found.slope)
    yield Metric(key="calibration_intercept", label="Malignancy calibration intercept", estimate=found.intercept)
    for point in decision_curve(outcome == 1, probability, drawn, DECISIONS):
        yield Metric(
            key=f"decision_gain_{point.threshold * 100:g}",
            label=f"Net benefit at a biopsy threshold of {point.threshold:.0%}, gain over biopsying all or none",
            estimate=point.gain,
        )


def _as_in_paper(predictions: Predictions, draws: int) -> Iterator[Metric]:
    """Yield the same figures with intervals over images, as the paper gives them."""
    images = resample(None, len(predictions), draws=draws)
    yield from _margin(predictions, images, clusters=None, as_in_paper=True)
    for key, label, scale in _scales(predictions):
        if scale is not None and key not in DRAWN:
            name = f"{label} activation precision"
            yield Metric(
                key=f"{key}_precision",
                label=f"{name}, mean over pairs",
                estimate=over_pairs(scale.pairs, images),
                as_in_paper=True,
            )
            yield Metric(
                key=f"{key}_precision_images",
                label=f"{name}, mean over images",
                estimate=over_images(scale.pairs, images),
                as_in_paper=True,
            )
    yield from _malignancy(predictions, images, clusters=None, as_in_paper=True)


def report_text(report: EvaluationReport) -> str:
    """Return the report for a terminal: one line a figure, with its interval."""
    head = f"{report.model}, {report.source}: {report.count} {report.unit}s of {report.patients} patients"
    lines = [("SYNTHETIC DATA. " if report.synthetic else "") + head]
    primary = [metric for metric in report.metrics if not metric.as_in_paper]
    shown = [*primary, *report.maps, *report.prototypes]
    width = max(len(metric.label) for metric in shown)
    lines += [f"  {metric.label:<{width}}  {metric.estimate}{_left_out(metric)}" for metric in shown]
    lines.append("  Intervals: 95%, clustered by patient.")
    return "\n".join(lines)


def _left_out(metric: Metric) -> str:
    """Count the pairs or images that have no value where others have: no mask, or a constant map."""
    estimate = metric.estimate
    if estimate.value is None or not estimate.undefined or not metric.key.startswith(_OF_MAPS):
        return ""
    return f" [n = {estimate.n:,}; {estimate.undefined:,} undefined]"
