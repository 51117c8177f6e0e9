"""The prototypes as they were projected last, while the training goes on."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from app.qt.translation import tr
from app.widgets.explain.heat import RELEVANT, draw_box, frame_to, grey_picture
from app.widgets.explain.numbers import class_qcolour
from core.domain.geometry import Box
from core.tasks.runs.projection_file import ProjectedPictures

_SIDE, _GAP = 72, 6


class ProjectedStrip(QWidget):
    """One picture a prototype, by class, in as many rows as the width needs."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown: list[tuple[QImage, Box, QColor]] = []
        self.setAccessibleName(tr("Prototypes as they were projected last"))
        self.setToolTip(tr("Prototypes as they were projected last"))
        self.hide()

    @property
    def count(self) -> int:
        return len(self._shown)

    def show_pictures(self, found: ProjectedPictures | None) -> None:
        self._shown = []
        if found is not None:
            for index in sorted(range(len(found.source)), key=lambda j: (int(found.prototype_class[j]), j)):
                colour = class_qcolour(int(found.prototype_class[index]))
                self._shown.append((grey_picture(found.source[index]), found.box_of(index), colour))
        self.setVisible(bool(self._shown))
        self.updateGeometry()
        self.update()

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        across = max(1, (width + _GAP) // (_SIDE + _GAP))
        return -(-len(self._shown) // across) * (_SIDE + _GAP)

    def sizeHint(self) -> QSize:
        return QSize(5 * (_SIDE + _GAP), self.heightForWidth(5 * (_SIDE + _GAP)))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        across = max(1, (self.width() + _GAP) // (_SIDE + _GAP))
        for place, (picture, box, colour) in enumerate(self._shown):
            row, column = divmod(place, across)
            area = QRectF(column * (_SIDE + _GAP), row * (_SIDE + _GAP), _SIDE, _SIDE)
            painter.drawImage(area, picture)
            draw_box(painter, box, frame_to(area, picture.width(), picture.height()), RELEVANT)
            painter.setPen(QPen(colour, 3))
            painter.drawLine(area.bottomLeft(), area.bottomRight())
