"""Whether predicted probabilities of malignancy are right, and whether acting on them would help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import expit

from core.evaluation.predictions import Bool, Float
from core.experiment.plots import line_colour, svg
from core.experiment.table import Judged, short
from core.explain.report import PagePicture, Table
from core.statistics.bootstrap import Resamples, resample
from core.statistics.calibration import calibration, reliability
from core.statistics.decision import BIOPSY_THRESHOLD, THRESHOLDS, decision_curve
from core.statistics.estimate import Estimate

_BINS = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Risk:
    """Probabilities of malignancy of one model's first training, on the biopsied lesions."""

    name: str
    positive: Bool
    probability: Float
    patients: tuple[str, ...]
    resamples: Resamples


def risks(judged: Judged) -> list[Risk]:
    """Draw every model that predicts malignancy; none where no lesion is biopsied."""
    found = []
    for method in judged.methods:
        run = method.first
        known = (run.malignant >= 0) & ~np.isnan(run.malignancy)
        if not known.any():
            continue
        patients = tuple(p for p, k in zip(run.patient_ids, known, strict=True) if k)
        found.append(
            Risk(
                name=method.name,
                positive=run.malignant[known] == 1,
                probability=expit(run.malignancy[known]),
                patients=patients,
                resamples=resample(patients, len(patients), draws=judged.draws),
            )
        )
    return found


def risk_table(judged: Judged, found: Sequence[Risk]) -> Table:
    rows = []
    for one in found:
        right = calibration(one.positive, one.probability, one.resamples)
        [point] = decision_curve(one.positive, one.probability, one.resamples, [BIOPSY_THRESHOLD])
        rows.append(
            (
                one.name,
                short(right.brier),
                short(right.slope, 2),
                short(right.intercept, 2),
                short(point.model),
                short(point.gain),
            )
        )
    at = f"{BIOPSY_THRESHOLD:.0%}"
    return Table(
        caption=f"{judged.test_set.title}: are the probabilities right, and would acting on them help?",
        columns=(
            "",
            "Brier score",
            "calibration slope",
            "intercept",
            f"net benefit at {at}",
            "gain over the better",
        ),
        rows=tuple(rows),
        note="First training of each model. Right probabilities have a slope of 1 and an intercept of 0; a slope "
        f"below 1 is overconfidence. Net benefit of a biopsy above {at}, in true positives an image, and what it "
        "gains over the better of biopsying all and nobody. Undefined where an outcome is missing or the scores "
        "separate the two.",
    )


def risk_picture(judged: Judged, found: Sequence[Risk]) -> PagePicture:
    """Return reliability diagram and decision curve of the models. SVG."""
    figure = Figure(figsize=(10.4, 4.2), layout="constrained")
    panels: Sequence[Axes] = figure.subplots(1, 2)
    _reliability(panels[0], found)
    _decision(panels[1], found)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8, frameon=False
    )
    title = judged.test_set.title
    return PagePicture(
        data=svg(figure),
        alt=f"Reliability diagram and decision curve of malignancy: {title}",
        caption=title,
        wide=True,
    )


def _reliability(panel: Axes, found: Sequence[Risk]) -> None:
    panel.plot([0, 1], [0, 1], color="#94a3b8", linewidth=0.8, linestyle=":")
    for colour, one in enumerate(found):
        bins = reliability(one.positive, one.probability, one.patients, bins=_BINS)
        known = [b for b in bins if b.observed.value is not None]
        centre = [b.observed.value or 0.0 for b in known]
        # Wilson's limits of 0 and 1 lie within rounding of the share itself
        low = [max(0.0, c - _or(b.observed.low, c)) for b, c in zip(known, centre, strict=True)]
        high = [max(0.0, _or(b.observed.high, c) - c) for b, c in zip(known, centre, strict=True)]
        panel.errorbar(
            [b.predicted for b in known],
            centre,
            yerr=[low, high],
            color=line_colour(colour),
            marker="o",
            markersize=4,
            linewidth=1.2,
            capsize=2,
            label=one.name,
        )
    panel.set(
        title="Reliability",
        xlabel="predicted probability of malignancy",
        ylabel="share malignant",
        xlim=(0, 1),
        ylim=(-0.02, 1.02),
    )


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _known(estimate: Estimate) -> float:
    return float("nan") if estimate.value is None else estimate.value


def _decision(panel: Axes, found: Sequence[Risk]) -> None:
    thresholds = np.array(THRESHOLDS)
    for colour, one in enumerate(found):
        points = decision_curve(one.positive, one.probability, one.resamples, thresholds)
        panel.plot(thresholds, [_known(p.model) for p in points], color=line_colour(colour), linewidth=1.6)
        if colour == 0:
            every = [_known(p.biopsy_all) for p in points]
            panel.plot(thresholds, every, color="#64748b", linewidth=1.0, linestyle="--")
            panel.annotate("biopsy all", (thresholds[-1], every[-1]), fontsize=8, color="#64748b", ha="right")
    panel.axhline(0, color="#94a3b8", linewidth=0.8, linestyle=":")
    panel.axvline(BIOPSY_THRESHOLD, color="#94a3b8", linewidth=0.8)
    panel.set(
        title="Decision curve", xlabel="threshold of the biopsy (line: 2%)", ylabel="net benefit", xlim=(0, 0.5)
    )
