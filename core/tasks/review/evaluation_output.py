"""An evaluation as text for a terminal, and as a folder of tables, figures and one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from core.domain.spreadsheet import csv_document
from core.evaluation.curves import FIGURES, confusion_table, png, svg
from core.evaluation.predictions import Predictions
from core.evaluation.report import EvaluationReport, Metric
from core.explain.report import PagePicture, Provenance, Section, Table, render_index, write_page
from core.platform.atomic import atomic_write, make_folder
from core.tasks.review.predict_lesions import PredictionList, csv_of

PAGE = "index.html"
SUMMARY = (
    ("margin_auroc", "Margin AUROC"),
    ("accuracy", "Accuracy"),
    ("kappa", "Cohen's kappa"),
    ("abstention", "Share without a precedent (abstained)"),
    ("lesion_precision", "Activation map inside the lesion (precision)"),
    ("lesion_blob", "  the same for a centred map"),
    ("fine_precision", "Activation map on the marked margin (precision)"),
    ("fine_blob", "  the same for a centred map"),
    ("malignancy_auroc", "Malignancy AUROC"),
    ("brier", "Malignancy Brier score (0 is best)"),
)
"""The figures that a terminal shows, in words that need no glossary; ``--all`` shows every one."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """The figures of one evaluation and what they were computed from."""

    title: str
    """The names of the evaluated runs, or of the evaluated file."""
    part: str
    reports: tuple[EvaluationReport, ...]
    """By data set, then over all lesions, then by finding."""
    predictions: Predictions
    rows: PredictionList | None
    """One row a lesion, with own file names and prototypes; None where a file of predictions was evaluated."""
    provenance: Provenance

    @property
    def main(self) -> EvaluationReport:
        """Over all lesions."""
        return [report for report in self.reports if report.unit == "image"][-1]


def document(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as plain values, for JSON."""
    names = evaluation.predictions.class_names
    return {
        "evaluated": evaluation.title,
        "part": evaluation.part,
        "reports": msgspec.to_builtins(evaluation.reports),
        "confusion": {
            "classes": list(names),
            "labelled_by_predicted": confusion_table(evaluation.predictions).tolist(),
        },
    }


def summary_text(evaluation: Evaluation) -> str:
    """About a dozen lines: the figures that a reader asks for first, each with its interval."""
    report = evaluation.main
    found = _by_key(report)
    rows = [(label, found[key].estimate.text()) for key, label in SUMMARY if key in found]
    width = max(len(label) for label, _ in rows)
    synthetic = "SYNTHETIC DATA. " if report.synthetic else ""
    lines = [
        f"{synthetic}{evaluation.title}, {evaluation.part}: {report.count:,} images of {report.patients:,} "
        f"patients ({report.source})"
    ]
    lines += [f"  {label:<{width}}  {value}" for label, value in rows]
    for other in evaluation.reports:
        if other is not report:
            area = _by_key(other)["margin_auroc"].estimate.text()
            what = "findings" if other.unit == "finding" else other.source
            lines.append(f"  {f'Margin AUROC, {other.count:,} {what}':<{width}}  {area}")
    lines.append("  In brackets: 95% intervals, clustered by patient. --all shows every figure.")
    return "\n".join(lines)


def _by_key(report: EvaluationReport) -> dict[str, Metric]:
    return {metric.key: metric for metric in report.metrics if not metric.as_in_paper}


def write_evaluation(folder: Path, evaluation: Evaluation) -> tuple[Path, ...]:
    """Write metrics.csv, predictions.csv, confusion.csv, each figure as SVG and PNG, and the page; returns the
    files."""
    make_folder(folder)
    files = {
        "metrics.csv": _metrics_csv(evaluation.reports),
        "confusion.csv": _confusion_csv(evaluation.predictions),
    }
    if evaluation.rows is not None:
        files["predictions.csv"] = csv_of(evaluation.rows)
    pictures = {}
    for name, draw in FIGURES.items():
        figure = draw(evaluation.predictions)
        if figure is not None:
            if evaluation.main.synthetic:
                figure.suptitle("Synthetic data", fontsize=9, color="#d55e00")
            pictures[name] = files[f"{name}.svg"] = svg(figure)
            files[f"{name}.png"] = png(figure)
    for name, content in files.items():
        atomic_write(folder / name, content)
    write_page(folder / PAGE, _page(evaluation, pictures))
    return (folder / PAGE, *(folder / name for name in files))


def _metrics_csv(reports: Sequence[EvaluationReport]) -> bytes:
    columns = (
        "data_set",
        "unit",
        "count",
        "patients",
        "metric",
        "description",
        "value",
        "low",
        "high",
        "level",
        "n",
        "undefined",
        "interval",
        "reason",
    )
    rows = []
    for report in reports:
        for metric in (*report.metrics, *report.maps, *report.prototypes):
            one = metric.estimate
            interval = f"{one.method} (as in the paper)" if metric.as_in_paper else one.method
            rows.append(
                (
                    report.source,
                    report.unit,
                    report.count,
                    report.patients,
                    metric.key,
                    metric.label,
                    one.value,
                    one.low,
                    one.high,
                    one.level,
                    one.n,
                    one.undefined,
                    interval,
                    one.reason,
                )
            )
    return csv_document(columns, rows)


def _confusion_csv(predictions: Predictions) -> bytes:
    names = predictions.class_names
    table = confusion_table(predictions).tolist()
    return csv_document(("labelled", *names), [(name, *row) for name, row in zip(names, table, strict=True)])


def _page(evaluation: Evaluation, pictures: dict[str, bytes]) -> str:
    report, names = evaluation.main, evaluation.predictions.class_names
    found = _by_key(report)
    short = Table(
        caption=f"{report.count:,} images of {report.patients:,} patients",
        columns=("Figure", "Value (95% interval)"),
        rows=tuple((label.strip(), found[key].estimate.text()) for key, label in SUMMARY if key in found),
        note="Intervals are clustered by patient.",
    )
    confusion = Table(
        caption="Confusion matrix: rows labelled, columns predicted",
        columns=("", *names),
        rows=tuple(
            (name, *(f"{value:,}" for value in row))
            for name, row in zip(names, confusion_table(evaluation.predictions).tolist(), strict=True)
        ),
    )
    curves = tuple(
        PagePicture(data=data, alt=name.replace("-", " ").capitalize(), wide=True)
        for name, data in pictures.items()
    )
    sections = (
        Section(title="Summary", tables=(short, confusion)),
        Section(title="Curves", pictures=curves),
        *(_all_figures(one) for one in evaluation.reports),
    )
    lead = f"{evaluation.title}, {evaluation.part} part."
    if report.synthetic:
        lead += " Synthetic data: the figures say nothing about patients."
    return render_index(f"Evaluation of {evaluation.title}", lead, sections, evaluation.provenance)


def _all_figures(report: EvaluationReport) -> Section:
    shown = [metric for metric in report.metrics if not metric.as_in_paper]
    rows = tuple(
        (metric.label, metric.estimate.text(), metric.estimate.method)
        for metric in (*shown, *report.maps, *report.prototypes)
    )
    table = Table(
        caption=f"{report.count:,} {report.unit}s of {report.patients:,} patients",
        columns=("Figure", "Value (95% interval)", "Interval"),
        rows=rows,
    )
    return Section(title=f"All figures: {report.source}, per {report.unit}", tables=(table,))
