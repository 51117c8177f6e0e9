"""Fig. 4 as a table: a row a prototype, its pictures and the numbers that add up to the class score."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QPointF, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPalette, QPixmap, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from app.qt.colours import SURROUND
from app.qt.translation import tr
from app.widgets.explain.evidence_model import PICTURES, ROW, Column, EvidenceLine, EvidenceModel
from app.widgets.explain.heat import RELEVANT, HeatLook, coloured, draw_box, draw_cross, fitted, frame_to
from app.widgets.explain.numbers import class_qcolour
from app.widgets.explain.pictures import CasePictures, PatchLibrary
from core.domain.geometry import Box

_GAP = 3
_SMALLEST, _LARGEST = 47, 132
_WIDTHS = {
    Column.PROTOTYPE: 128,
    Column.SIMILARITY: 68,
    Column.WEIGHT: 70,
    Column.CONTRIBUTION: 66,
    Column.RUNNING: 50,
    Column.PRECISION: 72,
}
Index = QModelIndex | QPersistentModelIndex


class EvidenceDelegate(QStyledItemDelegate):
    """Draws the pictures; the texts are Qt's own."""

    def __init__(self, table: EvidenceTable) -> None:
        super().__init__(table)
        self._table = table

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        super().initStyleOption(option, index)
        if index.column() == Column.PROTOTYPE:
            # white on the highlight would hide which class it is
            colour = index.data(Qt.ItemDataRole.ForegroundRole)
            option.palette.setColor(QPalette.ColorRole.HighlightedText, colour)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        column = Column(index.column())
        line: EvidenceLine = index.data(ROW)
        area: QRectF = QRectF(option.rect)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        if chosen:
            painter.fillRect(area, self._table.chosen_colour())
            option.state &= ~QStyle.StateFlag.State_Selected
        if column not in PICTURES:
            super().paint(painter, option, index)
            if column is Column.PROTOTYPE:
                strip = QRectF(area.left(), area.top() + 6, 4, area.height() - 12)
                painter.fillRect(strip, class_qcolour(line.shown.row.class_index))
            return
        place = area.adjusted(_GAP, _GAP, -_GAP, -_GAP)
        if line.off:
            painter.setOpacity(0.35)
        painter.drawPixmap(place.topLeft(), self._table.cell(line, column, place.size()))
        painter.setOpacity(1.0)
        pictures, cross = self._table.evidence.pictures, self._table.cross
        if column in (Column.ROI, Column.ACTIVATION) and pictures is not None and cross is not None:
            shown = fitted((pictures.side, pictures.side), place)
            draw_cross(painter, frame_to(shown, pictures.side, pictures.side).map(cross), shown)

    def draw_picture(self, painter: QPainter, area: QRectF, line: EvidenceLine, column: Column) -> None:
        pictures, look = self._table.evidence.pictures, self._table.look
        if pictures is None:
            return
        if column in (Column.ROI, Column.ACTIVATION):
            heat = None
            if column is Column.ACTIVATION:
                heat = coloured(pictures.map_of(line.shown.row.index, common=look.common), look)
            _draw(painter, area, pictures.roi, heat, line.shown.row.relevant_box)
            return
        patch = line.patch
        if patch is None:
            painter.setPen(self._table.palette().placeholderText().color())
            painter.drawText(area, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, tr("no picture"))
        elif column is Column.PART:
            painter.fillRect(area, SURROUND)
            painter.drawImage(fitted((patch.part.width(), patch.part.height()), area), patch.part)
        else:
            heat = coloured(patch.map, look) if column is Column.SELF else None
            _draw(painter, area, patch.source, heat, patch.patch.relevant_box)


def _draw(painter: QPainter, area: QRectF, picture: QImage, heat: QImage | None, box: Box) -> None:
    place = fitted((picture.width(), picture.height()), area)
    painter.drawImage(place, picture)
    if heat is not None:
        painter.drawImage(place, heat)
    draw_box(painter, box, frame_to(place, picture.width(), picture.height()), RELEVANT)


class EvidenceTable(QTableView):
    row_shown = Signal(object)
    """The row of the explanation (in the layer's order) that is hovered or chosen; None for none."""
    pointed = Signal(object)
    """Where the pointer is on a picture of this lesion, in pixels of the network input; None elsewhere."""

    def __init__(self, library: PatchLibrary, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.look = HeatLook()
        self.cross: QPointF | None = None
        self.evidence = EvidenceModel(library)
        self.setModel(self.evidence)
        self._cells: dict[tuple[int, Column], QPixmap] = {}
        self._patch_cells: dict[tuple[int, Column], tuple[object, QPixmap]] = {}
        """Pictures of the prototypes, which are the same for every case, with what they show."""
        self._delegate = EvidenceDelegate(self)
        self.setItemDelegate(self._delegate)
        self.setAccessibleName(tr("Prototypes by their contribution"))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.horizontalHeader().setMinimumSectionSize(_SMALLEST)
        self.setMouseTracking(True)
        self.viewport().setMouseTracking(True)
        self.selectionModel().currentRowChanged.connect(self._current_changed)

    def chosen_colour(self) -> QColor:
        colour = QColor(self.palette().color(QPalette.ColorRole.Highlight))
        colour.setAlpha(60)
        return colour

    def show_case(
        self, pictures: CasePictures | None, class_index: int, off: frozenset[int] = frozenset()
    ) -> None:
        """Another case, or the same one under a supposition: the chosen prototype stays chosen then."""
        current, same = self.currentIndex(), pictures is self.evidence.pictures
        chosen = self.evidence.lines[current.row()].shown.row.index if current.isValid() and same else -1
        self._cells.clear()
        self.evidence.show_case(pictures, class_index, off)
        if self.evidence.lines:
            self.selectRow(max(0, self.evidence.row_of(chosen)))

    def show_look(self, look: HeatLook) -> None:
        self.look = look
        self._cells.clear()
        self._patch_cells.clear()
        self.viewport().update()

    def cell(self, line: EvidenceLine, column: Column, size: QSizeF) -> QPixmap:
        """The picture of a cell, drawn once: the crosshair moves over it with the mouse."""
        key = (line.shown.row.index, column)
        of_patch = column not in (Column.ROI, Column.ACTIVATION)
        if of_patch:
            shown, found = self._patch_cells.get(key, (None, None))
            if shown is not line.patch:
                found = None
        else:
            found = self._cells.get(key)
        if found is None or found.deviceIndependentSize() != size:
            ratio = self.devicePixelRatioF()
            found = QPixmap((size * ratio).toSize())
            found.setDevicePixelRatio(ratio)
            found.fill(Qt.GlobalColor.transparent)
            painter = QPainter(found)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            self._delegate.draw_picture(painter, QRectF(0, 0, size.width(), size.height()), line, column)
            painter.end()
            if of_patch:
                self._patch_cells[key] = (line.patch, found)
            else:
                self._cells[key] = found
        return found

    def show_cross(self, at: QPointF | None) -> None:
        self.cross = at
        self.viewport().update()

    def choose(self, prototype_row: int) -> None:
        row = self.evidence.row_of(prototype_row)
        if row >= 0:
            self.selectRow(row)

    def sizeHint(self) -> QSize:
        return QSize(760, 480)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        index = self.indexAt(event.position().toPoint())
        if not index.isValid():
            self._leave()
            return
        self.row_shown.emit(self.evidence.lines[index.row()].shown.row.index)
        self.pointed.emit(self._point_at(index, event.position()))

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._leave()

    def _leave(self) -> None:
        self.pointed.emit(None)
        current = self.currentIndex()
        shown = self.evidence.lines[current.row()].shown.row.index if current.isValid() else None
        self.row_shown.emit(shown)

    def _point_at(self, index: QModelIndex, at: QPointF) -> QPointF | None:
        pictures = self.evidence.pictures
        if pictures is None or index.column() not in (Column.ROI, Column.ACTIVATION):
            return None
        area = QRectF(self.visualRect(index)).adjusted(_GAP, _GAP, -_GAP, -_GAP)
        place = fitted((pictures.side, pictures.side), area)
        inverse, _ = frame_to(place, pictures.side, pictures.side).inverted()
        return inverse.map(at) if place.contains(at) else None

    def _current_changed(self, current: QModelIndex) -> None:
        if current.isValid():
            self.row_shown.emit(self.evidence.lines[current.row()].shown.row.index)

    def _fit(self) -> None:
        """Pictures as large as the width allows."""
        room = self.viewport().width() - sum(_WIDTHS.values())
        side = max(_SMALLEST, min(_LARGEST, room // len(PICTURES)))
        for column in Column:
            self.setColumnWidth(column, _WIDTHS.get(column, side))
        if self.verticalHeader().defaultSectionSize() != side:
            self.verticalHeader().setDefaultSectionSize(side)
