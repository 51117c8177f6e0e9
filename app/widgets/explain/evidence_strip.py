"""The prototypes of a case side by side, largest contribution first: a picture each, and its numbers under it."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QPointF,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPalette, QPen
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from app.qt.colours import SURROUND
from app.qt.theme import chosen
from app.qt.translation import tr
from app.widgets.explain.evidence import EvidenceLine, evidence_lines
from app.widgets.explain.heat import fitted
from app.widgets.explain.numbers import MISSING, class_qcolour, number, percent, signed
from app.widgets.explain.pictures import CasePictures, PatchLibrary
from app.widgets.explain.sum_table import AGAINST, FOR
from app.widgets.label import tip

Index = QModelIndex | QPersistentModelIndex
LINE = Qt.ItemDataRole.UserRole + 1
"""An ``EvidenceLine``."""
_TICK = 14
_AIR = 7
_BAR = 6


class StripModel(QAbstractListModel):
    def __init__(self, library: PatchLibrary) -> None:
        super().__init__()
        self._library = library
        self.lines: tuple[EvidenceLine, ...] = ()
        self.shows_precision = True
        """Flag: tool tips show how much of a map lies in the annotation."""

    def show_case(
        self, pictures: CasePictures | None, class_index: int, off: frozenset[int] = frozenset()
    ) -> None:
        self.beginResetModel()
        self.lines = () if pictures is None else evidence_lines(pictures, self._library, class_index, off)
        self.endResetModel()

    def place_of(self, row: int) -> int:
        """Return the position of a row of the explanation; -1 if it is not there."""
        return next((i for i, line in enumerate(self.lines) if line.index == row), -1)

    @property
    def ends(self) -> tuple[float, float]:
        """The smallest and the largest sum on the way, with zero."""
        sums = [0.0, *(line.running for line in self.lines)]
        return min(sums), max(sums)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's signature)
        return 0 if parent.isValid() else len(self.lines)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        line = self.lines[index.row()]
        if role == LINE:
            return line
        if role == Qt.ItemDataRole.DisplayRole:
            return name_of(line)
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.ToolTipRole):
            return tip(self._words(line))
        return None

    def _words(self, line: EvidenceLine) -> str:
        words = [f"{name_of(line)}: {_product(line)}", tr("sum so far {sum}", sum=number(line.running, 3))]
        if line.off:
            words.append(tr("left out by you"))
        if self.shows_precision:
            for text, share in (
                (tr("of its map's top 5% in the annotated margin"), line.shown.fine_precision),
                (tr("of its map's top 5% in the lesion"), line.shown.lesion_precision),
            ):
                words.append(f"{MISSING if share is None else percent(share)} {text}")
        words.append(tr("Untick it to see what the model would say without it"))
        return "\n".join(words)


def name_of(line: EvidenceLine) -> str:
    """Such as "8 indistinct"."""
    return f"{line.shown.row.number} {tr(line.shown.row.class_name)}"


class EvidenceStrip(QListView):
    row_shown = Signal(object)
    """The row of the explanation (in the layer's order) that is pointed at, else the chosen one; None for none."""
    row_chosen = Signal(object)
    """The row of the explanation that is chosen; None where there is none."""
    switched = Signal(int, bool)
    """A row of the explanation, and whether it counts from now on."""

    def __init__(self, library: PatchLibrary, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.can_switch = True
        """Flag: prototypes can be left out by their tick."""
        self.picture_side = 72
        self.strip = StripModel(library)
        self.setModel(self.strip)
        self.setItemDelegate(_Tile(self))
        self.setAccessibleName(tr("Prototypes by their contribution"))
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(False)
        self.setUniformItemSizes(True)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setMouseTracking(True)
        self.selectionModel().currentChanged.connect(self._current_changed)

    @property
    def line(self) -> EvidenceLine | None:
        """The chosen one."""
        index = self.currentIndex()
        return self.strip.lines[index.row()] if index.isValid() else None

    def show_case(
        self,
        pictures: CasePictures | None,
        class_index: int,
        off: frozenset[int] = frozenset(),
        *,
        keep: bool = False,
    ) -> None:
        """Another case, with its strongest prototype chosen; ``keep``: the chosen prototype stays chosen."""
        chosen = self.line.index if keep and self.line is not None else -1
        self.blockSignals(True)
        self.strip.show_case(pictures, class_index, off)
        self.blockSignals(False)
        if self.strip.lines:
            self.choose_place(max(0, self.strip.place_of(chosen)))
        else:
            self.row_chosen.emit(None)

    def choose(self, row: int) -> None:
        """A row of the explanation, where it is shown."""
        place = self.strip.place_of(row)
        if place >= 0:
            self.choose_place(place)

    def step(self, by: int) -> None:
        """To the next or the previous prototype."""
        place = self.currentIndex().row() + by
        if 0 <= place < len(self.strip.lines):
            self.choose_place(place)

    def choose_place(self, place: int) -> None:
        index = self.strip.index(place)
        self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        self.scrollTo(index)

    def set_picture_side(self, side: int) -> None:
        self.picture_side = side
        self.setFixedHeight(self.tile_size().height() + self.horizontalScrollBar().sizeHint().height() + 2)
        self.scheduleDelayedItemsLayout()

    def tile_size(self) -> QSize:
        line = self.fontMetrics().height()
        wide = self.fontMetrics().horizontalAdvance("0.000 × −0.000 = +0.000")
        return QSize(max(self.picture_side, wide) + 2 * _AIR, self.picture_side + 3 * line + _BAR + 3 * _AIR)

    def tick_area(self, tile: QRectF) -> QRectF:
        """Return the area of a tile's tick."""
        return QRectF(tile.right() - _AIR - _TICK, tile.top() + _AIR, _TICK, _TICK)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        index = self.indexAt(event.position().toPoint())
        if index.isValid() and self.can_switch:
            tile = QRectF(self.visualRect(index))
            if self.tick_area(tile).adjusted(-4, -4, 4, 4).contains(event.position()):
                line = self.strip.lines[index.row()]
                self.switched.emit(line.index, line.off)
                return
        super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        index = self.indexAt(event.position().toPoint())
        if index.isValid():
            self.row_shown.emit(self.strip.lines[index.row()].index)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.row_shown.emit(None if self.line is None else self.line.index)

    def _current_changed(self, current: QModelIndex) -> None:
        if current.isValid():
            self.row_chosen.emit(self.strip.lines[current.row()].index)


class _Tile(QStyledItemDelegate):
    def __init__(self, strip: EvidenceStrip) -> None:
        super().__init__(strip)
        self._strip = strip

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return self._strip.tile_size()

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        line: EvidenceLine = index.data(LINE)
        tile, palette = QRectF(option.rect), option.palette
        colour = class_qcolour(line.shown.row.class_index)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setPen(QPen(palette.color(QPalette.ColorRole.Highlight), 1.5))
            painter.setBrush(chosen(palette))
            painter.drawRoundedRect(tile.adjusted(2, 1, -2, -1), 5, 5)
        painter.setOpacity(0.45 if line.off else 1.0)
        side = self._strip.picture_side
        frame = QRectF(tile.left() + _AIR, tile.top() + _AIR, side, side)
        self._picture(painter, frame, line, colour, palette)
        y = frame.bottom() + 3
        for place, (text, bold) in enumerate(_texts(line)):
            self._text(painter, option, QRectF(frame.left(), y, tile.width() - 2 * _AIR, 0), text, bold, place)
            y += option.fontMetrics.height()
            if place == 1:
                self._bar(painter, QRectF(frame.left(), y + 1, tile.width() - 2 * _AIR, _BAR - 1), line, palette)
                y += _BAR + 1
        if self._strip.can_switch:
            self._tick(painter, self._strip.tick_area(tile), line, palette)
        painter.restore()

    def _picture(
        self, painter: QPainter, frame: QRectF, line: EvidenceLine, colour: QColor, palette: QPalette
    ) -> None:
        painter.fillRect(frame, SURROUND)
        if line.patch is None:
            painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
            flags = int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap)
            painter.drawText(frame.adjusted(3, 3, -3, -3), flags, tr("picture not shared"))
        else:
            part = line.patch.part
            painter.drawImage(fitted((part.width(), part.height()), frame), part)
        painter.fillRect(QRectF(frame.left(), frame.top(), 4, frame.height()), colour)

    @staticmethod
    def _text(
        painter: QPainter, option: QStyleOptionViewItem, at: QRectF, text: str, bold: bool, place: int
    ) -> None:
        font = option.font
        font.setBold(bold)
        painter.setFont(font)
        role = QPalette.ColorRole.PlaceholderText if place == 2 else QPalette.ColorRole.Text
        painter.setPen(option.palette.color(role))
        at.setHeight(option.fontMetrics.height())
        painter.drawText(at, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, text)

    def _bar(self, painter: QPainter, area: QRectF, line: EvidenceLine, palette: QPalette) -> None:
        low, high = self._strip.strip.ends
        scale = area.width() / ((high - low) or 1.0)
        start, end = line.running - line.contribution, line.running
        left, right = min(start, end), max(start, end)
        painter.fillRect(area, palette.color(QPalette.ColorRole.Mid))
        bar = QRectF(
            area.left() + (left - low) * scale, area.top(), max((right - left) * scale, 1.5), area.height()
        )
        painter.fillRect(bar, FOR if line.contribution >= 0 else AGAINST)

    @staticmethod
    def _tick(painter: QPainter, area: QRectF, line: EvidenceLine, palette: QPalette) -> None:
        painter.setOpacity(1.0)
        painter.setPen(QPen(palette.color(QPalette.ColorRole.PlaceholderText), 1))
        painter.setBrush(palette.color(QPalette.ColorRole.Base))
        painter.drawRoundedRect(area, 3, 3)
        if not line.off:
            painter.setPen(QPen(palette.color(QPalette.ColorRole.Text), 1.8))
            points = [(0.22, 0.52), (0.43, 0.74), (0.8, 0.28)]
            painter.drawPolyline(
                [area.topLeft() + QPointF(area.width() * x, area.height() * y) for x, y in points]
            )


def _texts(line: EvidenceLine) -> tuple[tuple[str, bool], ...]:
    """The lines under a picture, and whether each is bold."""
    so_far = number(line.running, 3)
    if line.off:
        rest = tr("left out by you")
    elif line.contribution < 0:
        rest = tr("against; so far {sum}", sum=so_far)
    else:
        rest = tr("sum so far {sum}", sum=so_far)
    return (name_of(line), True), (_product(line), False), (rest, False)


def _product(line: EvidenceLine) -> str:
    """Such as "1.516 × 0.787 = +1.193"; without a result where it is left out."""
    factors = f"{number(line.shown.row.score, 3)} × {number(line.weight, 3)}"
    return factors if line.off else f"{factors} = {signed(line.contribution, 3)}"
