"""The pictures of one explained case, made when they are first looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QImage

from app.widgets.explain.heat import HeatLook, coloured, grey_picture, map_picture
from core.explain.render import own_scale

if TYPE_CHECKING:
    from core.explain.panel import Panel
    from core.explain.prototype_patches import PrototypePatch


class CasePictures:
    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.roi = grey_picture(panel.explanation.roi.pixels)
        self.side = panel.explanation.roi.pixels.shape[0]
        self._maps: dict[tuple[int, bool], QImage] = {}

    def scale(self, row: int, *, common: bool) -> tuple[float, float]:
        """Similarities at the cold and the hot end of a row's colours."""
        if common:
            return 0.0, self.panel.highest
        activation = self.panel.rows[row].row.activation
        return float(activation.min()), float(activation.max())

    def map_of(self, row: int, *, common: bool) -> QImage:
        key = (row, common)
        if key not in self._maps:
            low, high = self.scale(row, common=common)
            self._maps[key] = map_picture(self.panel.rows[row].row.activation, low, high)
        return self._maps[key]


class PatchPictures:
    """A prototype as its source shows it; the same for every case of a model."""

    def __init__(self, patch: PrototypePatch) -> None:
        self.patch = patch
        self.source = grey_picture(patch.source)
        self.side = patch.source.shape[0]
        self.part = grey_picture(patch.crop())
        self.own_scale = own_scale(patch.activation)
        """Similarities at the cold and the hot end of the map's own scale."""
        self._maps: dict[tuple[float, float], QImage] = {}
        self.map = self.map_of(*self.own_scale)
        self.itself = coloured(self.map, HeatLook())
        """The map in its usual colours on its own scale, to be laid over ``source``."""

    def map_of(self, low: float, high: float) -> QImage:
        """The map in 256 steps between these similarities."""
        if (low, high) not in self._maps:
            self._maps[low, high] = map_picture(self.patch.activation, low, high)
        return self._maps[low, high]


class PatchLibrary:
    """Pictures of a model's prototypes, by where they come from."""

    def __init__(self) -> None:
        self._known: dict[int, PatchPictures] = {}

    def of(self, patch: PrototypePatch) -> PatchPictures:
        found = self._known.get(id(patch))
        if found is None:
            # the pictures hold the patch, so that no other object gets its id
            found = self._known[id(patch)] = PatchPictures(patch)
        return found

    def clear(self) -> None:
        self._known.clear()
