"""One prototype as large as there is room: its lesion with its part framed, its activation there, and the part."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QWidget

from app.qt.contrast import readable
from app.qt.theme import faint
from app.qt.translation import tr
from app.views.prototypes.card import PrototypeCard, frame_colour
from app.widgets.explain.heat import RELEVANT, draw_box, fitted, frame_to
from app.widgets.explain.numbers import class_text
from app.widgets.explain.pictures import PatchPictures

_Key = Qt.Key
_STEPS = {_Key.Key_Left: -1, _Key.Key_Up: -1, _Key.Key_Right: 1, _Key.Key_Down: 1}
_HEAD, _FOOT, _GAP = 34, 24, 12


class Loupe(QWidget):
    closed = Signal()
    stepped = Signal(int)
    """To the next prototype (1) or the one before (-1)."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._card: PrototypeCard | None = None
        self._pictures: PatchPictures | None = None

    def show_card(self, card: PrototypeCard | None, pictures: PatchPictures | None) -> None:
        self._card, self._pictures = card, pictures
        self.setAccessibleName("" if card is None else card.accessibleName())
        self.update()

    @property
    def places(self) -> tuple[QRectF, QRectF, QRectF]:
        """Return the areas of the lesion, as large as there is room, and of its activation and the part beside
        it."""
        width, height = self.width() - 3 * _GAP, self.height() - _HEAD - _GAP
        side = min(width * 0.67, height - _FOOT)
        small = min(width - side, (height - 2 * _FOOT - _GAP) / 2)
        beside = 2 * _GAP + side
        return (
            QRectF(_GAP, _HEAD, side, side),
            QRectF(beside, _HEAD, small, small),
            QRectF(beside, _HEAD + small + _FOOT + _GAP, small, small),
        )

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = _Key(event.key())
        if key in _STEPS:
            self.stepped.emit(_STEPS[key])
        elif key in (_Key.Key_Space, _Key.Key_Escape):
            self.closed.emit()
        else:
            super().keyPressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.closed.emit()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, palette = QPainter(self), self.palette()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        card, pictures = self._card, self._pictures
        if card is None:
            return
        self._draw_head(painter, card)
        lesion, activation, part = self.places
        if pictures is None:
            painter.setPen(faint(palette))
            painter.drawText(lesion, Qt.AlignmentFlag.AlignCenter, tr("no picture"))
            return
        for place in (lesion, activation):
            painter.drawImage(place, pictures.source)
            if place is activation:
                painter.drawImage(place, pictures.itself)
            draw_box(painter, pictures.patch.relevant_box, frame_to(place, pictures.side, pictures.side), RELEVANT)
        inside = fitted((pictures.part.width(), pictures.part.height()), part)
        inside.moveTopLeft(part.topLeft())
        painter.drawImage(inside, pictures.part)
        painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
        words = (tr("Its lesion, the part framed"), tr("Where it is active there"), tr("The part"))
        for place, text in zip((lesion, activation, inside), words, strict=True):
            below = QRectF(place.left(), place.bottom() + 3, max(place.width(), 160), _FOOT)
            painter.drawText(below, Qt.AlignmentFlag.AlignLeft, text)

    def _draw_head(self, painter: QPainter, card: PrototypeCard) -> None:
        palette, font = self.palette(), painter.font()
        font.setPointSizeF(font.pointSizeF() * 1.25)
        painter.save()
        painter.setFont(font)
        name = tr("Prototype {number}, {name}", number=card.index + 1, name=tr(card.class_name))
        painter.setPen(class_text(card.class_index, palette))
        head = QRectF(_GAP, 0, self.width() - 2 * _GAP, _HEAD)
        painter.drawText(head, Qt.AlignmentFlag.AlignVCenter, name)
        painter.setPen(readable(frame_colour(card.state, palette), palette))
        head.adjust(painter.fontMetrics().horizontalAdvance(name) + _GAP, 0, 0, 0)
        painter.drawText(head, Qt.AlignmentFlag.AlignVCenter, card.note)
        painter.restore()
