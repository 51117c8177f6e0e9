"""The two large pictures of Review: this lesion, and the lesion that the chosen prototype was learned from."""

from __future__ import annotations

from enum import StrEnum

from PySide6.QtWidgets import QComboBox, QHBoxLayout, QVBoxLayout, QWidget

from app.qt.colours import MASK
from app.qt.translation import tr
from app.widgets.explain.colour_bar import ColourBar
from app.widgets.explain.heat import RECEPTIVE, RELEVANT, HeatLook, coloured
from app.widgets.explain.lesion_view import LesionView
from app.widgets.explain.map_layer import Frame, MapLine
from app.widgets.explain.pictures import CasePictures, PatchPictures
from app.widgets.label import Elided

HEAD, FOOT = 26, 28
"""Heights of the lines over and under each picture, in logical pixels."""


class SelfScale(StrEnum):
    """Upper end of the colour scale of a prototype's map on its own lesion."""

    OWN = "its own scale"
    LESION = "as this lesion"
    FULL = "to its highest value"


class ExplainPane(QWidget):
    """A picture with a line of words over it and its colour scale under it; of one size whatever is shown."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.view = LesionView(name)
        self.head = Elided()
        self.head.setFixedHeight(HEAD)
        self.bar = ColourBar()
        policy = self.bar.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.bar.setSizePolicy(policy)
        self.bar.setFixedHeight(FOOT)
        self.foot = QHBoxLayout()
        self.foot.addWidget(self.bar, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.head)
        layout.addWidget(self.view, 1)
        layout.addLayout(self.foot)


class LesionPane(ExplainPane):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(tr("This lesion"), parent)
        self._pictures: CasePictures | None = None
        self._row: int | None = None
        self._look = HeatLook()
        self._blind = False

    @property
    def row(self) -> int | None:
        """The row of the explanation whose map is shown; None for the plain picture."""
        return self._row

    def show_case(self, pictures: CasePictures | None, *, blind: bool) -> None:
        """``blind``: nothing of the model and no annotation lies over the picture."""
        self._pictures, self._blind = pictures, blind
        self._row = None
        self._refresh()

    def show_row(self, row: int | None) -> None:
        if row != self._row:
            self._row = row
            self._refresh()

    def show_look(self, look: HeatLook) -> None:
        self._look = look
        self._refresh()

    def _refresh(self) -> None:
        pictures, look, layer = self._pictures, self._look, self.view.map
        row = None if self._blind else self._row
        layer.heat, layer.lines, layer.frames = None, (), ()
        self.bar.setVisible(row is not None)
        if pictures is not None and not self._blind and look.annotation:
            layer.lines = [MapLine(corners=line, colour=MASK) for line in pictures.panel.fine]
        if pictures is not None and row is not None:
            shown = pictures.panel.rows[row]
            layer.heat = coloured(pictures.map_of(row, common=look.common), look)
            if look.contour:
                layer.lines = [*layer.lines, *(MapLine(corners=line, colour=RELEVANT) for line in shown.outlines)]
            if look.receptive:
                layer.frames = [Frame(box=shown.row.receptive_box, colour=RECEPTIVE, dashed=True)]
            if look.receptive or not look.contour:
                layer.frames = [*layer.frames, Frame(box=shown.row.relevant_box, colour=RELEVANT)]
            what = tr("one scale for all maps") if look.common else tr("scale of this map")
            self.bar.show_scale(look, *pictures.scale(row, common=look.common), what)
        self.view.update()


class SourcePane(ExplainPane):
    """The prototype's own lesion with the part boxed and its map, whose scale is chosen and named."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(tr("Lesion that the prototype was learned from"), parent)
        self._patch: PatchPictures | None = None
        self._look = HeatLook()
        self._highest = 0.0
        self.scale = QComboBox()
        self.scale.setAccessibleName(tr("Scale of the prototype's own map"))
        self.scale.setToolTip(
            tr(
                "A prototype is so similar to its own cell that on a scale to its highest value everything else "
                "is black. Its own scale ends where the hottest 2% of the map begin."
            )
        )
        for choice in SelfScale:
            self.scale.addItem(tr(choice.value), choice)
        self.scale.setFixedHeight(FOOT)
        self.foot.addSpacing(8)
        self.foot.addWidget(self.scale)
        self.scale.currentIndexChanged.connect(self._refresh)

    def show_patch(self, patch: PatchPictures | None, highest: float) -> None:
        """``highest``: hot end of the common scale of this lesion's maps."""
        self._patch, self._highest = patch, highest
        self._refresh()

    def show_look(self, look: HeatLook) -> None:
        self._look = look
        self._refresh()

    def ends(self) -> tuple[float, float]:
        """Similarities at the cold and the hot end of the colours, as they are shown."""
        assert self._patch is not None
        match SelfScale(self.scale.currentData()):
            case SelfScale.OWN:
                return self._patch.own_scale
            case SelfScale.LESION:
                return 0.0, self._highest
            case SelfScale.FULL:
                return 0.0, float(self._patch.patch.activation.max())

    def _refresh(self) -> None:
        layer, patch = self.view.map, self._patch
        layer.heat, layer.frames = None, ()
        self.bar.setVisible(patch is not None)
        if patch is not None:
            layer.heat = coloured(patch.map_of(*self.ends()), self._look)
            layer.frames = [Frame(box=patch.patch.relevant_box, colour=RELEVANT)]
            self.bar.show_scale(self._look, *self.ends(), tr("similarity"))
        self.view.update()
