"""Sentences about where a model looks, made from the figures: each stands beside the position-only control."""

from __future__ import annotations

from collections.abc import Mapping

from core.evaluation.predictions import SCALES
from core.statistics.estimate import Estimate

_WHERE = {
    "lesion": "Lesion scale",
    "fine": "Fine scale",
    "lesion_drawn": "Lesion scale, random ROIs",
    "fine_drawn": "Fine scale, random ROIs",
}


def localisation_claims(estimates: Mapping[str, Estimate], model: str = "the model") -> list[str]:
    """Return one sentence a scale that has the control: the figure, position only, the paired difference, the
    conclusion.

    ``estimates`` are keyed as in ``core.evaluation.report``. Only a difference above 0 with its whole interval
    is said to show where the model looks.
    """
    found = []
    for scale in SCALES:
        own, alone = estimates.get(f"{scale}_precision"), estimates.get(f"{scale}_position")
        gap = estimates.get(f"{scale}_over_position")
        if own is None or alone is None or gap is None or gap.value is None:
            continue
        found.append(
            f"{_WHERE[scale]}: activation precision of {model} {own.text()}, of a constant map of position "
            f"only {alone.text()}, paired difference {gap.text()}: {conclusion(gap)}."
        )
    return found


def conclusion(gap: Estimate) -> str:
    """Draw the conclusion from a paired difference, model minus position only."""
    if gap.low is None or gap.high is None:
        return "without an interval nothing is shown"
    if gap.low > 0:
        return "the maps follow the image, beyond what position explains"
    if gap.high < 0:
        return "position alone does better, so this figure does not show where the model looks"
    return "no difference is shown, so this figure does not show where the model looks"
