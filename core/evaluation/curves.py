"""The curves of an evaluation as matplotlib figures, drawn without a display: ROC, calibration, decision,
confusion."""

from __future__ import annotations

import io
from collections.abc import Callable

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from core.evaluation.predictions import Predictions
from core.statistics.agreement import confusion
from core.statistics.auroc import auroc
from core.statistics.bootstrap import resample
from core.statistics.calibration import reliability
from core.statistics.decision import BIOPSY_THRESHOLD, decision_curve
from core.statistics.roc import roc_curve

COLOURS = ("#56b4e9", "#e69f00", "#cc79a7", "#009e73", "#d55e00", "#0072b2")
"""Okabe and Ito's, without the yellow, which cannot be seen on white."""
_GREY = "#94a3b8"
_DRAWS = 1000


def confusion_table(predictions: Predictions) -> NDArray[np.int64]:
    """Return (K, K) lesions, rows the labelled class, columns the predicted one."""
    return confusion(predictions.label, predictions.predicted, len(predictions.class_names))


def roc_figure(predictions: Predictions) -> Figure:
    """Return each class against the others, and malignant against benign, with their areas."""
    outcome, probability = malignancy_of(predictions)
    panels = 2 if len(outcome) else 1
    figure = Figure(figsize=(4.4 * panels, 4.4), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    for k, name in enumerate(predictions.class_names):
        _roc(axes[0], predictions.label == k, predictions.probabilities[:, k], name, COLOURS[k % len(COLOURS)])
    axes[0].set_title("Margin: each class against the others")
    if len(outcome):
        _roc(axes[1], outcome == 1, probability, "malignancy", COLOURS[5])
        axes[1].set_title("Malignant against benign")
    for axis in axes:
        axis.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8, linestyle=":")
        axis.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(0, 1), ylim=(0, 1.01), aspect="equal")
        if axis.get_legend_handles_labels()[0]:
            axis.legend(loc="lower right", fontsize=8, frameon=False)
    return figure


def _roc(axis: Axes, positive: NDArray[np.bool_], score: NDArray[np.float64], name: str, colour: str) -> None:
    if positive.all() or not positive.any():
        return
    curve = roc_curve(positive, score)
    area = auroc(positive, score).value
    axis.plot(
        curve.false_positive, curve.true_positive, color=colour, linewidth=1.6, label=f"{name} (AUROC {area:.3f})"
    )


def calibration_figure(predictions: Predictions) -> Figure | None:
    """Return predicted probability of malignancy against the share that is malignant, in groups of about equal
    size; None without biopsies, or if the model predicts no malignancy."""
    outcome, probability = malignancy_of(predictions)
    if not len(outcome):
        return None
    groups = max(2, min(10, len(outcome) // 10))
    bins = reliability(outcome == 1, probability, bins=groups)
    figure = Figure(figsize=(4.4, 4.4), layout="constrained")
    axis = figure.subplots()
    at, observed = [one.predicted for one in bins], [one.observed for one in bins]
    values = np.array([one.value for one in observed], dtype=np.float64)
    low = np.array([one.value if one.low is None else one.low for one in observed], dtype=np.float64)
    high = np.array([one.value if one.high is None else one.high for one in observed], dtype=np.float64)
    spread = np.clip(np.stack([values - low, high - values]), 0, None)
    axis.errorbar(at, values, yerr=spread, fmt="o-", color=COLOURS[5], linewidth=1.4, capsize=3)
    axis.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8, linestyle=":")
    axis.set(
        title="Calibration of malignancy",
        xlabel="predicted probability",
        ylabel="share that is malignant",
        xlim=(0, 1),
        ylim=(0, 1),
        aspect="equal",
    )
    return figure


def decision_figure(predictions: Predictions, *, draws: int = _DRAWS) -> Figure | None:
    """Return net benefit of a biopsy by the model, of all and of nobody, by threshold; None as
    ``calibration_figure``."""
    outcome, probability = malignancy_of(predictions)
    if not len(outcome):
        return None
    thresholds = np.linspace(0.005, 0.5, 100)
    points = decision_curve(outcome == 1, probability, resample(None, len(outcome), draws=draws), thresholds)
    figure = Figure(figsize=(5.4, 4.2), layout="constrained")
    axis = figure.subplots()
    for name, values, colour in (
        ("model", [one.model.value for one in points], COLOURS[5]),
        ("biopsy all", [one.biopsy_all.value for one in points], COLOURS[1]),
        ("biopsy none", [0.0 for _ in points], _GREY),
    ):
        axis.plot(thresholds, np.array(values, dtype=np.float64), color=colour, linewidth=1.5, label=name)
    axis.axvline(BIOPSY_THRESHOLD, color=_GREY, linewidth=0.8, linestyle=":")
    share = float((outcome == 1).mean())
    axis.set(
        title="Decision curve of malignancy",
        xlabel="threshold of a biopsy (dotted: BI-RADS, 2%)",
        ylabel="net benefit",
        xlim=(0, 0.5),
        ylim=(-0.1, max(0.1, share * 1.1)),
    )
    axis.legend(fontsize=8, frameon=False)
    return figure


def confusion_figure(predictions: Predictions) -> Figure:
    """Return the confusion matrix with counts."""
    table, names = confusion_table(predictions), predictions.class_names
    figure = Figure(figsize=(4.8, 4.4), layout="constrained")
    axis = figure.subplots()
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row in range(len(names)):
        for column in range(len(names)):
            dark = share[row, column] > 0.6
            axis.text(
                column,
                row,
                f"{table[row, column]:,}",
                ha="center",
                va="center",
                color="white" if dark else "black",
            )
    axis.set(
        title="Confusion matrix",
        xlabel="predicted",
        ylabel="labelled",
        xticks=range(len(names)),
        yticks=range(len(names)),
        xticklabels=names,
        yticklabels=names,
    )
    axis.tick_params(axis="x", rotation=20)
    return figure


FIGURES: dict[str, Callable[[Predictions], Figure | None]] = {
    "roc": roc_figure,
    "calibration": calibration_figure,
    "decision-curve": decision_figure,
    "confusion": confusion_figure,
}
"""By the name of the file that a figure is written to."""


def malignancy_of(predictions: Predictions) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return outcome (1 malignant, 0 benign) and predicted probability of the lesions that have both."""
    known = (predictions.malignant >= 0) & ~np.isnan(predictions.malignancy)
    probability = 1 / (1 + np.exp(-predictions.malignancy[known]))
    return predictions.malignant[known], np.asarray(probability, dtype=np.float64)


def svg(figure: Figure) -> bytes:
    """Write without date or random names: equal figures are equal bytes."""
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "marginalia", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=160, metadata={"Software": None})
    return buffer.getvalue()
