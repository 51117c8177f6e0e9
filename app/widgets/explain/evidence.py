"""The prototypes of a case by what they contribute to a class, with the sum so far: the rows of Fig. 4."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.widgets.explain.pictures import CasePictures, PatchLibrary, PatchPictures

if TYPE_CHECKING:
    from core.explain.panel import PanelRow


@dataclass(frozen=True, kw_only=True, eq=False)
class EvidenceLine:
    shown: PanelRow
    patch: PatchPictures | None
    """None where the model came without its sources."""
    weight: float
    contribution: float
    running: float
    """The class score so far: this contribution and all before it."""
    off: bool
    """Left out by the user: it counts nothing here."""

    @property
    def index(self) -> int:
        """Row of the explanation, in the order of the prototype layer."""
        return self.shown.row.index


def evidence_lines(
    pictures: CasePictures, library: PatchLibrary, class_index: int, off: frozenset[int] = frozenset()
) -> tuple[EvidenceLine, ...]:
    """All prototypes, the largest contribution first; those that are ``off`` add nothing."""
    running, lines = 0.0, []
    for row in pictures.panel.explanation.ranked(class_index):
        shown = pictures.panel.rows[row.index]
        gone = row.index in off
        value = 0.0 if gone else float(row.contributions[class_index])
        running += value
        lines.append(
            EvidenceLine(
                shown=shown,
                patch=None if shown.patch is None else library.of(shown.patch),
                weight=float(row.weights[class_index]),
                contribution=value,
                running=running,
                off=gone,
            )
        )
    return tuple(lines)
