"""Overlays besides the reader's own shapes: other lesions, other readers, past states."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.widgets.viewer.layers import Layer, MaskLayer, OutlineLayer, ShapesLayer
from app.widgets.viewer.mammogram_view import MammogramView
from core.domain.geometry import Box, box_to_grid
from core.domain.shapes import Shape
from core.domain.study import LesionOutline


class Overlays:
    def __init__(self, view: MammogramView) -> None:
        self._view = view
        self._outlines: list[OutlineLayer] = []
        self._others = ShapesLayer(self._repaint)
        self._past = ShapesLayer(self._repaint)
        self._mask = MaskLayer()
        self._others.opacity = 0.45
        self._past.opacity = 0.9
        # below the reader's own shapes, which the canvas added before
        view.layers[:0] = self._layers

    @property
    def _layers(self) -> list[Layer]:
        return [*self._outlines, self._mask, self._others, self._past]

    def move_to(self, view: MammogramView) -> None:
        if view is self._view:
            return
        for layer in self._layers:
            self._view.layers.remove(layer)
        view.layers[:0] = self._layers
        self._view.update()
        self._view = view
        view.update()

    def show_outlines(self, outlines: Sequence[LesionOutline]) -> None:
        """Show the outlines of the lesions that are not chosen."""
        for layer in self._outlines:
            self._view.layers.remove(layer)
        self._outlines = []
        for outline in outlines:
            layer = OutlineLayer()
            layer.outline = outline
            self._outlines.append(layer)
        self._view.layers[:0] = self._outlines
        self._view.update()

    def show_others(self, shapes: tuple[Shape, ...]) -> None:
        self._put(self._others, shapes)

    @property
    def others_shown(self) -> bool:
        """True if layers of other readers lie over the picture."""
        return bool(self._others.shapes)

    def show_past(self, shapes: tuple[Shape, ...]) -> None:
        self._put(self._past, shapes)

    def show_mask(self, mask: NDArray[np.uint8] | None, square: Box | None) -> None:
        """The mask of the network's input over the picture; ``square`` is the part of the image that it covers."""
        to_mask = None
        if mask is not None and square is not None:
            rows, columns = mask.shape
            to_mask = box_to_grid(square, width=columns, height=rows)
        self._mask.set_mask(mask, to_mask)
        self._view.update()

    def clear(self) -> None:
        self.show_outlines([])
        self.show_others(())
        self.show_past(())
        self.show_mask(None, None)

    def _repaint(self, box: Box) -> None:
        self._view.update_box(box)

    def _put(self, layer: ShapesLayer, shapes: tuple[Shape, ...]) -> None:
        spacing = None if self._view.picture is None else self._view.picture.spacing_mm
        if layer.spacing_mm != spacing:
            layer.set_shapes(())
            layer.set_spacing(spacing)
        layer.set_shapes(shapes)
