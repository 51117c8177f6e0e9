"""The region of a lesion as the model sees it, on which the reader points at one cell."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.qt.translation import tr
from app.widgets.explain.heat import RELEVANT, draw_box, fitted, frame_to
from core.domain.geometry import Box

Cell = tuple[int, int]
_SIDE = 260
_STEPS = {
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
}


class PlacePicker(QWidget):
    """A click or the arrow keys choose a cell; ``grid`` () means that the picture is only looked at."""

    chosen = Signal(object)
    """The cell (row, column)."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.cell: Cell | None = None
        self._picture: QImage | None = None
        self._grid: Cell | tuple[()] = ()
        self._box: Box | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(200, 200)

    def show_picture(self, picture: QImage | None, *, box: Box | None = None, grid: Cell | tuple[()] = ()) -> None:
        """``box``: in pixels of the picture; ``grid``: rows and columns of cells that can be chosen."""
        self._picture, self._box, self._grid, self.cell = picture, box, grid, None
        choosing = bool(grid)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if choosing else Qt.FocusPolicy.NoFocus)
        self.setCursor(Qt.CursorShape.CrossCursor if choosing else Qt.CursorShape.ArrowCursor)
        self.update()

    def choose(self, cell: Cell) -> None:
        if self._picture is None or not self._grid:
            return
        self.cell = cell
        self._box = self.box_of(cell)
        self.setAccessibleDescription(tr("Row {row}, column {column}", row=cell[0] + 1, column=cell[1] + 1))
        self.update()
        self.chosen.emit(cell)

    def box_of(self, cell: Cell) -> Box:
        """The square of a cell in pixels of the picture."""
        assert self._picture is not None and self._grid
        height, width = self._picture.height() / self._grid[0], self._picture.width() / self._grid[1]
        row, column = cell
        return Box(x0=column * width, y0=row * height, x1=(column + 1) * width, y1=(row + 1) * height)

    def cell_at(self, x: float, y: float) -> Cell | None:
        """The cell under a place of the widget; None beside the picture."""
        if self._picture is None or not self._grid:
            return None
        area = self._area(self._picture)
        across, down = (x - area.x()) / area.width(), (y - area.y()) / area.height()
        if not (0 <= across < 1 and 0 <= down < 1):
            return None
        return int(down * self._grid[0]), int(across * self._grid[1])

    def sizeHint(self) -> QSize:
        return QSize(_SIDE, _SIDE)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        found = self.cell_at(event.position().x(), event.position().y())
        if found is not None and event.button() is Qt.MouseButton.LeftButton:
            self.choose(found)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = _STEPS.get(Qt.Key(event.key()))
        if step is None or not self._grid:
            super().keyPressEvent(event)
            return
        row, column = self.cell or (self._grid[0] // 2, self._grid[1] // 2)
        moved = (row + step[0], column + step[1]) if self.cell is not None else (row, column)
        self.choose((min(max(moved[0], 0), self._grid[0] - 1), min(max(moved[1], 0), self._grid[1] - 1)))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        if self._picture is None:
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, tr("no picture"))
            return
        area = self._area(self._picture)
        painter.drawImage(area, self._picture)
        if self._box is not None:
            draw_box(painter, self._box, frame_to(area, self._picture.width(), self._picture.height()), RELEVANT)
        if self.hasFocus():
            painter.setPen(self.palette().color(QPalette.ColorRole.Highlight))
            painter.drawRect(area.adjusted(0, 0, -1, -1))

    def _area(self, picture: QImage) -> QRectF:
        return fitted((picture.width(), picture.height()), QRectF(self.rect()))
