"""The figures of the page: ROC curves as SVG, rows of maps as PNG. Drawn without any display."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from core.evaluation.repeated import Method
from core.experiment.table import Judged
from core.explain import render
from core.explain.render import HeatStyle
from core.explain.report import CLASS_COLOURS
from core.statistics.repeated import mean_auroc
from core.statistics.roc import roc_curve

_OUTLINE = "#5eead4"
_ON_WHITE = tuple(colour for colour in CLASS_COLOURS if colour != "#f0e442")
"""Without the yellow, which nobody sees on white."""


def line_colour(index: int) -> str:
    """Return the colour of the ``index``-th line of a figure on white."""
    return _ON_WHITE[index % len(_ON_WHITE)]


def roc_figure(judged: Judged, reader: NDArray[np.float64] | None = None) -> bytes:
    """Draw Fig. 3: each class against the rest, then malignancy; one thin line a run. SVG.

    ``reader`` (n,) is a person's estimate of malignancy for the lesions of the first method, NaN where none.
    """
    names = judged.class_names
    figure = Figure(figsize=(3.5 * (len(names) + 1), 3.9), layout="constrained")
    panels = figure.subplots(1, len(names) + 1, squeeze=False)[0]
    seen = [method for i, method in enumerate(judged.methods) if method.margins and not _repeats(judged, i)]
    for k, name in enumerate(names):
        for colour, method in enumerate(seen):
            scores = method.probabilities()[:, :, k]
            _curves(panels[k], method.first.label == k, scores, _black_box_name(method), colour)
        _finish(panels[k], f"{name.capitalize()} versus all")
    for colour, method in enumerate(judged.methods):
        known = (method.first.malignant >= 0) & ~np.isnan(method.malignancy()).any(axis=0)
        if known.any():
            some = method.rows(known)
            name = method.name.rsplit(", ", 1)[-1]
            _curves(panels[-1], some.first.malignant == 1, some.malignancy(), name, colour)
    if reader is not None:
        first = judged.methods[0].first
        known = (first.malignant >= 0) & ~np.isnan(reader)
        _curves(panels[-1], first.malignant[known] == 1, reader[known][None], "Reader's estimate", 5)
    _finish(panels[-1], "Malignant versus benign")
    return svg(figure)


def _repeats(judged: Judged, i: int) -> bool:
    """Return True if a method's answers are those of one before (GradCAM++ beside GradCAM)."""
    mine = judged.methods[i]
    return any(
        earlier.margins and np.array_equal(earlier.probabilities(), mine.probabilities())
        for earlier in judged.methods[:i]
    )


def _black_box_name(method: Method) -> str:
    return method.name.split(" with ")[0] if method.post_hoc else method.name


def _curves(panel: Axes, positive: NDArray[np.bool_], scores: NDArray[np.float64], name: str, colour: int) -> None:
    if positive.all() or not positive.any():
        return
    area = mean_auroc(positive, scores).value
    for i, run in enumerate(scores):
        curve = roc_curve(positive, run)
        panel.plot(
            curve.false_positive,
            curve.true_positive,
            color=line_colour(colour),
            linewidth=1.6 if len(scores) == 1 else 1.0,
            label=f"{name} ({area:.2f})" if i == 0 else None,
        )


def _finish(panel: Axes, title: str) -> None:
    panel.plot([0, 1], [0, 1], color="#94a3b8", linewidth=0.8, linestyle=":")
    panel.set(title=title, xlabel="1 - specificity", ylabel="sensitivity", xlim=(0, 1), ylim=(0, 1.01))
    panel.set_aspect("equal")
    if len(panel.get_legend_handles_labels()[0]):
        panel.legend(loc="lower right", fontsize=8, frameon=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class MapPanel:
    """One picture of a grid of maps."""

    grey: NDArray[np.uint8] | None = None
    """(I, I)"""
    activation: NDArray[np.floating] | None = None
    """(I, I), coloured up to its own largest value."""
    mask: NDArray[np.uint8] | None = None
    """(I, I) drawn as an outline, 1 = marked."""
    note: str = ""
    picture: NDArray[np.uint8] | None = None
    """(h, w, 3) shown as it is instead of all of these."""


def grid_figure(titles: Sequence[str], rows: Sequence[tuple[str, Sequence[MapPanel]]]) -> bytes:
    """Return rows of panels under common titles, each row named at its left. PNG."""
    figure = Figure(figsize=(2.1 * len(titles) + 0.4, 2.25 * len(rows) + 0.4), layout="constrained", dpi=110)
    axes = figure.subplots(len(rows), len(titles), squeeze=False)
    for i, (name, panels) in enumerate(rows):
        for j, panel in enumerate(panels):
            _draw(axes[i][j], panel)
            if i == 0:
                axes[i][j].set_title(titles[j], fontsize=8)
        axes[i][0].set_ylabel(name, fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _draw(axis: Axes, panel: MapPanel) -> None:
    picture = panel.picture
    if picture is None:
        assert panel.grey is not None
        picture = render.as_rgb(panel.grey)
    if panel.activation is not None and panel.grey is not None:
        high = float(panel.activation.max())
        picture = render.overlay(panel.grey, panel.activation, HeatStyle(high=high))
    axis.imshow(picture, interpolation="nearest")
    if panel.mask is not None and panel.mask.any():
        axis.contour(panel.mask, levels=[0.5], colors=[_OUTLINE], linewidths=0.8)
    axis.set(xticks=[], yticks=[])
    axis.set_xlabel(panel.note, fontsize=7)


def svg(figure: Figure) -> bytes:
    """Write without date or random names: equal figures are equal bytes."""
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "marginalia", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
