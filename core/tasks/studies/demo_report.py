"""The demo's first page: what was done, the figures with their intervals, the prototypes, the explained cases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.domain.vocabulary import Part
from core.evaluation.claims import localisation_claims
from core.evaluation.report import EvaluationReport
from core.explain.explanation import Explanation
from core.explain.report import Figure, Section, Table, render_index, write_page
from core.explain.sections import case_link, prototype_section
from core.statistics.estimate import Estimate
from core.tasks.review.model_in_study import ModelInStudy
from core.tasks.review.prototypes import gallery_of

_HEADLINES = (
    ("margin_auroc", "Margin AUROC"),
    ("lesion_precision", "Lesion-scale activation precision"),
    ("fine_precision", "Fine-scale activation precision"),
    ("malignancy_auroc", "Malignancy AUROC"),
)


def write_demo_report(
    folder: Path,
    opened: ModelInStudy,
    reports: Sequence[EvaluationReport],
    plain: Estimate,
    pages: Sequence[tuple[Path, Explanation]],
    seconds: dict[str, float],
) -> Path:
    """Write ``index.html`` beside the case pages and return its path."""
    sections = (
        _figures(reports[0], plain),
        _made_of(opened, seconds),
        prototype_section(opened.model.card, opened.patches(), gallery_of(opened)),
        _cases(folder, pages),
        *(_table(report) for report in reports),
    )
    page = render_index(
        "Marginalia demo: a model of mass margins",
        "A synthetic study was made, a model was trained on it from random weights, and this is what it learned.",
        sections,
        opened.provenance,
    )
    write_page(folder / "index.html", page)
    return folder / "index.html"


def _short(estimate: Estimate) -> tuple[str, str]:
    if estimate.value is None:
        return "undefined", estimate.reason
    note = f"95% interval {estimate.low:.3f} to {estimate.high:.3f}" if estimate.low is not None else ""
    return f"{estimate.value:.3f}", note


def _figures(report: EvaluationReport, plain: Estimate) -> Section:
    shown = {metric.key: metric.estimate for metric in report.metrics if not metric.as_in_paper}
    figures = []
    for key, label in _HEADLINES:
        if key in shown:
            value, note = _short(shown[key])
            figures.append(Figure(label=label, value=value, note=note))
    text = [
        f"Synthetic data: {report.count} test images of {report.patients} patients whom the model never saw. "
        "Intervals are clustered by patient.",
        "Control: a logistic regression on size, contrast and density of the lesion alone reaches a margin AUROC "
        f"of {plain.text()}: the task is the margin.",
    ]
    text += localisation_claims(shown)
    return Section(title="What the model achieves", text=tuple(text), figures=tuple(figures))


def _made_of(opened: ModelInStudy, seconds: dict[str, float]) -> Section:
    rows = []
    for part in Part:
        rois = opened.rows_of(part)
        counts = [str(int((rois.label == c).sum())) for c in range(len(rois.class_names))]
        rows.append((part.value, str(len(set(rois.patient_ids))), *counts, str(int(rois.has_fine.sum()))))
    lesions = Table(
        caption="Lesions (images) of each class",
        columns=("Part", "Patients", *opened.rois.class_names, "finely annotated"),
        rows=tuple(rows),
    )
    times = Table(
        caption="Time on this machine",
        columns=("Step", "Seconds"),
        rows=tuple((name, f"{value:.0f}") for name, value in seconds.items()),
    )
    return Section(title="What it was made from", tables=(lesions, times))


def _cases(folder: Path, pages: Sequence[tuple[Path, Explanation]]) -> Section:
    links = []
    for path, explanation in pages:
        said = explanation.class_names[explanation.predicted]
        verdict = "right" if explanation.roi.class_name == said else "wrong"
        title = f"{said.capitalize()}, {verdict}"
        links.append(case_link(explanation, path.relative_to(folder).as_posix(), title))
    return Section(
        title="Explained cases",
        text=("Of each class the case with most evidence, and the case that the model gets most wrong.",),
        links=tuple(links),
    )


def _table(report: EvaluationReport) -> Section:
    rows = tuple(
        (metric.label, metric.estimate.text(), metric.estimate.method)
        for metric in report.metrics
        if not metric.as_in_paper
    )
    table = Table(
        caption=f"{report.count} {report.unit}s of {report.patients} patients",
        columns=("Figure", "Value (95% interval)", "Interval"),
        rows=rows,
        note="Synthetic data." if report.synthetic else "",
    )
    return Section(title=f"All figures per {report.unit}", tables=(table,))
