"""Painting of a run in the list of runs: name above preset and date, state, and AUROC with its course."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics, QPainter, QPalette, QPen, QPolygonF
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from app.qt.theme import faint, warning
from core.domain.study import RunStatus

ABOUT = Qt.ItemDataRole.UserRole + 1
"""Role of the line under the name."""
COURSE = Qt.ItemDataRole.UserRole + 2
"""Role of the values of the AUROC, epoch by epoch."""
STATUS = Qt.ItemDataRole.UserRole + 3
"""Role of the value of the run's ``RunStatus``."""
HEIGHT = 46
"""Height of a run, logical pixels."""
_BOX = 46
"""Room of the box to tick and the air around the name."""
_WIDEST = 260
"""A longer name is shortened in its middle; it is whole in its tip."""
_COURSE = 110
_AIR = 6
Index = QModelIndex | QPersistentModelIndex


class RunColumn(IntEnum):
    NAME = 0
    STATE = 1
    AUROC = 2
    IN_MARGIN = 3
    NOTES = 4


class RunDelegate(QStyledItemDelegate):
    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        size = super().sizeHint(option, index)
        if index.column() == RunColumn.NAME:
            lines = (
                QFontMetrics(_bold(option.font)).horizontalAdvance(str(index.data())),
                QFontMetrics(option.font).horizontalAdvance(str(index.data(ABOUT))),
            )
            size.setWidth(min(max(lines), _WIDEST) + _BOX)
        elif index.column() == RunColumn.AUROC:
            size.setWidth(size.width() + _COURSE + _AIR)
        size.setHeight(HEIGHT)
        return size

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        if index.column() not in (RunColumn.NAME, RunColumn.STATE, RunColumn.AUROC):
            super().paint(painter, option, index)
            return
        self.initStyleOption(option, index)
        style, text = option.widget.style(), option.text
        place = style.subElementRect(QStyle.SubElement.SE_ItemViewItemText, option, option.widget)
        place.setRight(option.rect.right() - _AIR)
        if index.column() != RunColumn.NAME:
            # below its heading
            place.setLeft(option.rect.left() + _AIR)
        option.text = ""
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, option.widget)
        painter.save()
        match RunColumn(index.column()):
            case RunColumn.NAME:
                _paint_name(painter, option, place, (text, str(index.data(ABOUT))))
            case RunColumn.STATE:
                failed = index.data(STATUS) == RunStatus.FAILED.value
                palette = option.palette
                painter.setPen(warning(palette) if failed else palette.color(QPalette.ColorRole.Text))
                painter.setFont(option.font)
                painter.drawText(place, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)
            case _:
                painter.setFont(_bold(option.font))
                painter.setPen(option.palette.color(QPalette.ColorRole.Text))
                painter.drawText(place, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)
                area = QRectF(place)
                area.setLeft(area.right() - _COURSE)
                _paint_course(painter, area.adjusted(0, 9, -4, -9), index.data(COURSE) or (), option.palette)
        painter.restore()


def _bold(font: QFont) -> QFont:
    bold = QFont(font)
    bold.setWeight(QFont.Weight.DemiBold)
    return bold


def _paint_name(painter: QPainter, option: QStyleOptionViewItem, place: QRect, texts: tuple[str, str]) -> None:
    middle = option.rect.center().y()
    for text, font, below in ((texts[0], _bold(option.font), False), (texts[1], option.font, True)):
        metrics = QFontMetrics(font)
        colour = faint(option.palette) if below else option.palette.color(QPalette.ColorRole.Text)
        painter.setPen(colour)
        painter.setFont(font)
        top = middle + 2 if below else middle - metrics.height()
        shown = metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, place.width())
        line = QRect(place.left(), top, place.width(), metrics.height())
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, shown)


def _paint_course(painter: QPainter, area: QRectF, values: Sequence[float], palette: QPalette) -> None:
    """Draw the values from left to right on a scale of their own, with a point at the last one."""
    if len(values) < 2:
        return
    low, high = min(values), max(values)
    across, up = area.width() / (len(values) - 1), area.height() / ((high - low) or 1.0)
    points = [QPointF(area.left() + i * across, area.bottom() - (v - low) * up) for i, v in enumerate(values)]
    colour = palette.color(QPalette.ColorRole.Accent)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(colour, 1.5))
    painter.drawPolyline(QPolygonF(points))
    painter.setBrush(colour)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.drawEllipse(points[-1], 2.5, 2.5)
