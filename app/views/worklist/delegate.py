"""Painting of a worklist entry: thumbnail, patient and view, lesion and margin, finished steps."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QRect, QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics, QPainter, QPalette
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from app.models.thumbnails import Thumbnails
from app.models.worklist import REASON_ROLE, ROW_ROLE, subtitle, title
from app.qt.colours import LESION, PROMINENT
from app.qt.icons import pixmap
from app.qt.theme import chosen, faint
from core.store.worklist import WorklistRow

PICTURE = 48
_GAP, _SIGN = 8, 16
HEIGHT = PICTURE + 2 * _GAP
"""Height of an entry."""


class WorklistDelegate(QStyledItemDelegate):
    def __init__(self, thumbnails: Thumbnails, parent: QWidget) -> None:
        super().__init__(parent)
        self._thumbnails = thumbnails

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(160, HEIGHT)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        row: WorklistRow | None = index.data(ROW_ROLE)
        rect: QRect = option.rect
        palette: QPalette = option.palette
        painter.save()
        if option.state & QStyle.StateFlag.State_Selected:
            edge = palette.color(QPalette.ColorRole.Highlight)
            painter.fillRect(QRect(rect.left(), rect.top(), 3, rect.height()), edge)
            painter.fillRect(rect, chosen(palette))
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(rect, palette.color(QPalette.ColorRole.Button))
        if row is not None:
            self._picture(painter, rect, row)
            self._texts(painter, option, row, index.data(REASON_ROLE))
            self._signs(painter, rect, row, light=palette.color(QPalette.ColorRole.Base).lightness() > 128)
        painter.restore()

    def _picture(self, painter: QPainter, rect: QRect, row: WorklistRow) -> None:
        place = QRect(rect.left() + _GAP + 2, rect.top() + _GAP, PICTURE, PICTURE)
        painter.fillRect(place, Qt.GlobalColor.black)
        picture = self._thumbnails.get(row.image_id)
        if picture is not None:
            size = picture.size().scaled(place.size(), Qt.AspectRatioMode.KeepAspectRatio)
            corner = place.center() - QPoint(size.width() // 2 - 1, size.height() // 2 - 1)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawPixmap(QRect(corner, size), picture)

    def _texts(self, painter: QPainter, option: QStyleOptionViewItem, row: WorklistRow, reason: str) -> None:
        rect, palette, font = option.rect, option.palette, option.font
        left = rect.left() + 2 * _GAP + 4 + PICTURE
        width = rect.right() - left - _GAP - _SIGN - 4
        middle = rect.center().y()
        bold = QFont(font)
        bold.setWeight(QFont.Weight.DemiBold)
        painter.setFont(bold)
        painter.setPen(palette.color(QPalette.ColorRole.Text))
        metrics = QFontMetrics(bold)
        text = metrics.elidedText(title(row), Qt.TextElideMode.ElideMiddle, width)
        painter.drawText(left, middle - metrics.descent() - 2, text)
        painter.setFont(font)
        painter.setPen(faint(palette))
        metrics = QFontMetrics(font)
        text = metrics.elidedText(subtitle(row, reason), Qt.TextElideMode.ElideRight, width)
        painter.drawText(left, middle + metrics.ascent() + 3, text)

    def _signs(self, painter: QPainter, rect: QRect, row: WorklistRow, *, light: bool) -> None:
        ratio = painter.device().devicePixelRatioF()
        left = rect.right() - _GAP - _SIGN + 2
        if row.annotated:
            place = QPoint(left, rect.center().y() - _SIGN - 1)
            painter.drawPixmap(place, pixmap("done", LESION.darker(170) if light else LESION, _SIGN, ratio))
        if row.flagged:
            place = QPoint(left, rect.center().y() + 3)
            painter.drawPixmap(
                place, pixmap("flag-full", PROMINENT.darker(130) if light else PROMINENT, _SIGN, ratio)
            )
