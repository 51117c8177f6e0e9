"""An explanation with what a screen shows beside its numbers: pictures, outlines, precision in the annotation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.data.roi_set import RoiSet, UInt8
from core.explain.explanation import Explanation, PrototypeRow
from core.explain.prototype_patches import PrototypePatch, patches_for
from core.imaging.opencv import cv2
from core.statistics.activation import precision_of_top, top_count

Outline = NDArray[np.float32]
"""(p, 2) corners x, y of a closed line, in continuous pixel coordinates of the network input."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PanelRow:
    row: PrototypeRow
    patch: PrototypePatch | None
    """None where the model came without its sources."""
    outlines: tuple[Outline, ...]
    """The outlines of the top 5% of the map."""
    fine_precision: float | None
    """Share of the top 5% inside the fine annotation (eq. 1); None where there is none."""
    lesion_precision: float | None
    """The same inside the lesion's outline."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    explanation: Explanation
    rows: tuple[PanelRow, ...]
    """In the order of the prototype layer."""
    fine: tuple[Outline, ...]
    """The outlines of the reader's fine annotation; () if there is none."""
    lesion: tuple[Outline, ...]
    highest: float
    """Largest similarity of all maps: the hot end of the common scale."""


def make_panel(explanation: Explanation, patches: Sequence[PrototypePatch], rois: RoiSet, row: int) -> Panel:
    """The panel of an explanation of ``rois``' row; ModelError where a patch is of another model."""
    fine = np.ascontiguousarray(rois.central(rois.fine[row])) if rois.has_fine[row] else None
    lesion = np.ascontiguousarray(rois.central(rois.lesion[row]))
    pictured = patches_for(explanation, patches)
    return Panel(
        explanation=explanation,
        rows=tuple(
            PanelRow(
                row=one,
                patch=pictured[j],
                outlines=outlines((one.activation >= one.lowest_relevant).astype(np.uint8)),
                fine_precision=_precision(one, fine),
                lesion_precision=_precision(one, lesion),
            )
            for j, one in enumerate(explanation.rows)
        ),
        fine=() if fine is None else outlines(fine),
        lesion=outlines(lesion),
        highest=max(float(one.activation.max()) for one in explanation.rows),
    )


def _precision(row: PrototypeRow, mask: UInt8 | None) -> float | None:
    """Return the value of ``activation_precision``; the lowest value of the top is already available."""
    if mask is None or not mask.any():
        return None
    count = top_count(row.activation.size)
    return precision_of_top(row.activation, mask, cut=row.lowest_relevant, count=count)


def outlines(mask: UInt8) -> tuple[Outline, ...]:
    """The borders of the marked pixels (1), outer and inner, through the middle of the border pixels."""
    found, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return tuple((line[:, 0, :] + 0.5).astype(np.float32) for line in found)
