"""Measures of a window that is shown: words without room, widgets beyond its edge, words with too little contrast.

What widgets of Qt show is compared with the room that Qt gives it. What the program paints itself is recorded
while the window is painted: every text that ``elidedText`` shortened, and the place and colour of every text.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QModelIndex, QPoint, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetrics, QFontMetricsF, QImage, QPainter
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractScrollArea,
    QCheckBox,
    QComboBox,
    QGroupBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QListView,
    QPushButton,
    QRadioButton,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionComboBox,
    QTabBar,
    QTextEdit,
    QToolButton,
    QWidget,
)

from app.qt.contrast import TEXT, contrast
from app.widgets.label import Elided

_SLACK = 2
"""Pixels by which a font may be wider than its hint."""
_SCALE = 3
"""A window is painted so many times larger, so that thin letters reach their full colour."""
_TOLERANCE = 0.1
"""What smoothing of letters may take from a ratio."""


def shown(window: QWidget) -> Iterator[QWidget]:
    """Yield the widgets of a window of which something is seen."""
    for widget in window.findChildren(QWidget):
        if widget.isVisible() and not _seen(widget).isEmpty():
            yield widget


def _seen(widget: QWidget) -> QRect:
    """The part of a widget that is in sight, in its own coordinates; what scrolls covers its view wholly."""
    if isinstance(widget, QAbstractScrollArea):
        view = widget.viewport()
        return view.visibleRegion().boundingRect().translated(view.pos())
    return widget.visibleRegion().boundingRect()


def outside(window: QWidget) -> set[str]:
    """Visible widgets that reach beyond the window; what scrolls is cut by its view."""
    found = set()
    for widget in window.findChildren(QWidget):
        if not widget.isVisible() or widget.size().isEmpty() or widget.window() is not window:
            continue
        place = QRect(widget.mapTo(window, widget.rect().topLeft()), widget.size())
        if not window.rect().contains(place) and not _scrolls(widget, window):
            found.add(f"{_name(widget)} at {place.getRect()}")
    return found


def cut_words(window: QWidget) -> set[str]:
    """Texts that have not the room they need."""
    found = set()
    for widget in shown(window):
        if widget.window() is window:
            found |= {f"{_name(widget)}: {text}" for text in _cut(widget)}
    with _painting() as record:
        _picture(window, 1)
    return found | {f"painted: {text}" for text in record.shortened}


def pale_words(window: QWidget) -> set[str]:
    """Texts with a contrast below WCAG's 4.5:1, as painted. What cannot be used is exempt there and here."""
    with _painting() as record:
        pixels = _picture(window, _SCALE)
    found = set()
    for place, colour, text in record.drawn:
        ground = _ground(_part(pixels, place))
        if ground is not None and contrast(QColor(ground), colour) < TEXT:
            found.add(f"painted: {text} {colour.name()} on {QColor(ground).name()}")
    for widget in shown(window):
        if not widget.isEnabled() or widget.window() is not window or _scrolls_over(widget):
            continue
        for rect, text in _texts(widget):
            seen = rect.intersected(_seen(widget))
            corner = widget.mapTo(window, seen.topLeft())
            area = QRectF(corner.x(), corner.y(), seen.width(), seen.height())
            ratio = _ratio(_part(pixels, _enlarged(area)))
            if ratio is not None and ratio < TEXT - _TOLERANCE:
                found.add(f"{_name(widget)}: {text} {ratio:.1f}:1")
    return found


def painted_texts(window: QWidget) -> list[str]:
    """Texts that the program itself paints in a window."""
    with _painting() as record:
        _picture(window, 1)
    return [text for _, _, text in record.drawn]


@dataclass(frozen=True)
class _Painted:
    shortened: set[str]
    drawn: list[tuple[QRectF, QColor, str]]
    """Place in the picture, colour and text of what the program painted."""


@contextmanager
def _painting() -> Iterator[_Painted]:
    """Record the texts that the program's own painting writes."""
    record = _Painted(set(), [])
    elided, drawn = QFontMetrics.elidedText, QPainter.drawText

    def elide(metrics: QFontMetrics, text: str, *more: Any) -> str:
        short = elided(metrics, text, *more)
        if short != text:
            record.shortened.add(text)
        return short

    def draw(painter: QPainter, *arguments: Any) -> Any:
        texts = [part for part in arguments if isinstance(part, str)]
        places = [part for part in arguments if isinstance(part, QRect | QRectF)]
        if texts and not places:
            at = QPointF(*(float(part) for part in arguments[:2])) if len(arguments) > 2 else QPointF(arguments[0])
            places = [QFontMetricsF(painter.font()).boundingRect(texts[0]).translated(at)]
        opaque = painter.pen().color().alpha() == 255 and painter.opacity() == 1
        wraps = any(isinstance(part, int) and part & Qt.TextFlag.TextWordWrap.value for part in arguments)
        if texts and places and not wraps and "\n" not in texts[0]:
            wide = QFontMetricsF(painter.font()).horizontalAdvance(texts[0])
            if wide > places[0].width() + _SLACK:
                record.shortened.add(texts[0])
        if texts and texts[0].strip() and places and opaque and _enabled(painter):
            place = painter.deviceTransform().mapRect(QRectF(places[0]))
            record.drawn.append((place, painter.pen().color(), texts[0]))
        return drawn(painter, *arguments)

    QFontMetrics.elidedText, QPainter.drawText = elide, draw  # type: ignore[method-assign, assignment]
    try:
        yield record
    finally:
        QFontMetrics.elidedText, QPainter.drawText = elided, drawn  # type: ignore[method-assign]


def _enabled(painter: QPainter) -> bool:
    device = painter.device()
    return not isinstance(device, QWidget) or device.isEnabled()


def _picture(window: QWidget, scale: int) -> NDArray[np.uint32]:
    """The window as painted: rows x columns, each 0xRRGGBB."""
    image = QImage(window.size() * scale, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    painter.scale(scale, scale)
    window.render(painter, QPoint())
    painter.end()
    rows = np.frombuffer(image.constBits(), np.uint32).reshape(image.height(), image.width())
    return rows & 0xFFFFFF


def _cut(widget: QWidget) -> Iterator[str]:
    match widget:
        case Elided():
            # a path can be of any length; it is whole in its tip
            if widget.text() != widget.sentence and not Path(widget.sentence).is_absolute():
                yield widget.sentence
        case QLabel() if widget.text() and widget.pixmap().isNull():
            if widget.wordWrap():
                small = widget.heightForWidth(widget.width()) > widget.height() + _SLACK
            else:
                small = widget.sizeHint().width() > widget.width() + _SLACK
            if small:
                yield widget.text()
        case QPushButton() | QCheckBox() | QRadioButton() if widget.text():
            if widget.sizeHint().width() > widget.width() + _SLACK:
                yield widget.text()
        case QToolButton() if widget.text() and _shows_text(widget):
            if widget.fontMetrics().horizontalAdvance(widget.text().replace("&&", "&")) > widget.width():
                yield widget.text()
        case QComboBox():
            if _wide(widget, widget.currentText()) > _combo_room(widget) + _SLACK:
                yield widget.currentText()
        case QLineEdit() if not widget.text():
            if _wide(widget, widget.placeholderText()) > widget.contentsRect().width():
                yield widget.placeholderText()
        case QTabBar():
            for place in range(widget.count()):
                tab = widget.tabRect(place)
                beyond = tab.left() < 0 or tab.right() > widget.width() + _SLACK
                if widget.isTabVisible(place) and (beyond or _wide(widget, widget.tabText(place)) > tab.width()):
                    yield widget.tabText(place)
        case QGroupBox() if widget.title():
            if _wide(widget, widget.title()) > widget.width():
                yield widget.title()
        case QHeaderView():
            yield from _cut_headers(widget)
        case QTextEdit():
            yield from _broken_words(widget)
        case QAbstractItemView() if not isinstance(widget.parentWidget(), QComboBox):
            yield from _cut_cells(widget)
            if _scrolls_sideways(widget):
                yield "is wider than its place"


def _broken_words(view: QTextEdit) -> Iterator[str]:
    """Texts of which a line ends within a word, as in a column that is too narrow."""
    document = view.document()
    document.size()  # lays it out
    block = document.begin()
    while block.isValid():
        text, layout = block.text(), block.layout()
        ends = [layout.lineAt(i).textStart() + layout.lineAt(i).textLength() for i in range(layout.lineCount())]
        if any(text[end - 1].isalnum() and text[end].isalnum() for end in ends if 0 < end < len(text)):
            yield text
        block = block.next()


def _scrolls_sideways(view: QAbstractItemView) -> bool:
    """True of a table that hides columns; what is laid out from left to right is meant to be scrolled."""
    across = isinstance(view, QListView) and view.flow() is QListView.Flow.LeftToRight
    return not across and view.horizontalScrollBar().maximum() > 0


def _cut_headers(header: QHeaderView) -> Iterator[str]:
    model = header.model()
    if model is None or header.orientation() is not Qt.Orientation.Horizontal:
        return
    for place in range(header.count()):
        text = str(model.headerData(place, header.orientation()) or "")
        if (
            not header.isSectionHidden(place)
            and header.sectionSizeHint(place) > header.sectionSize(place) + _SLACK
        ):
            yield text


def _cut_cells(view: QAbstractItemView) -> Iterator[str]:
    for index, place in _cells(view):
        need = view.sizeHintForIndex(index)
        wraps = bool(getattr(view, "wordWrap", bool)())
        short = need.width() > place.width() + _SLACK
        if wraps:
            need = view.fontMetrics().boundingRect(
                QRect(0, 0, place.width() - 6, 10_000), int(Qt.TextFlag.TextWordWrap), str(index.data())
            )
            short = need.height() > place.height() + _SLACK or need.width() > place.width()
        if short and not _whole_in_tip(index):
            yield str(index.data())


def _whole_in_tip(index: QModelIndex) -> bool:
    """True of names that a user gave, which can be of any length."""
    return str(index.data()) in str(index.data(Qt.ItemDataRole.ToolTipRole))


def _cells(view: QAbstractItemView) -> Iterator[tuple[QModelIndex, QRect]]:
    """Cells in sight that Qt paints; what the program paints is recorded."""
    model, area = view.model(), view.viewport().rect()
    if model is None:
        return
    for row in range(min(model.rowCount(view.rootIndex()), 300)):
        for column in range(1 if isinstance(view, QListView) else model.columnCount(view.rootIndex())):
            index = model.index(row, column, view.rootIndex())
            place = view.visualRect(index)
            delegate = view.itemDelegateForIndex(index)
            painted = type(delegate).paint is not QStyledItemDelegate.paint
            if not painted and index.data() and place.intersects(area) and view.indexWidget(index) is None:
                yield index, place


def _texts(widget: QWidget) -> Iterator[tuple[QRect, str]]:
    """Places, in the widget, of the texts that Qt paints."""
    match widget:
        case QLabel() if widget.text() and widget.pixmap().isNull():
            yield widget.contentsRect(), widget.text()
        case QCheckBox() | QRadioButton() if widget.text():
            yield widget.rect().adjusted(22, 2, 0, -2), widget.text()
        case QAbstractButton() if widget.text() and (not isinstance(widget, QToolButton) or _shows_text(widget)):
            yield widget.rect().adjusted(5, 5, -5, -5), widget.text()
        case QComboBox() if widget.currentText():
            yield widget.rect().adjusted(5, 5, -24, -5), widget.currentText()
        case QLineEdit() if widget.text() or widget.placeholderText():
            yield widget.rect().adjusted(4, 4, -4, -4), widget.text() or widget.placeholderText()
        case QTabBar():
            for place in range(widget.count()):
                if widget.isTabVisible(place) and widget.isTabEnabled(place):
                    yield widget.tabRect(place).adjusted(4, 4, -4, -4), widget.tabText(place)
        case QHeaderView() if widget.orientation() is Qt.Orientation.Horizontal and widget.model() is not None:
            for place in range(widget.count()):
                text = str(widget.model().headerData(place, Qt.Orientation.Horizontal) or "")
                if text and not widget.isSectionHidden(place):
                    left, wide = widget.sectionViewportPosition(place), widget.sectionSize(place)
                    yield QRect(left + 3, 2, wide - 6, widget.height() - 4), text
        case QAbstractItemView() if not isinstance(widget, QHeaderView):
            for index, place in _cells(widget):
                # of a cell that is half out of sight, half a letter may be seen
                whole = widget.viewport().rect().contains(place)
                if whole and index.flags() & Qt.ItemFlag.ItemIsEnabled:
                    yield place.adjusted(2, 2, -2, -2).translated(widget.viewport().pos()), str(index.data())


def _scrolls_over(widget: QWidget) -> bool:
    """True of the parts of a table, whose texts are asked of the table."""
    return isinstance(widget.parentWidget(), QAbstractItemView) and not isinstance(widget, QHeaderView)


def _enlarged(area: QRectF) -> QRectF:
    return QRectF(area.x() * _SCALE, area.y() * _SCALE, area.width() * _SCALE, area.height() * _SCALE)


def _part(pixels: NDArray[np.uint32], place: QRectF) -> NDArray[np.uint32]:
    y, x = max(int(place.top()), 0), max(int(place.left()), 0)
    return pixels[y : max(int(place.bottom()), 0), x : max(int(place.right()), 0)]


def _ground(part: NDArray[np.uint32]) -> int | None:
    """The colour that most of it has; None of nothing, and of a picture, where no colour prevails."""
    if not part.size:
        return None
    colours, counts = np.unique(part, return_counts=True)
    return int(colours[counts.argmax()]) if counts.max() >= 0.3 * counts.sum() else None


def _ratio(part: NDArray[np.uint32]) -> float | None:
    """The largest contrast of any colour with the ground; None where there is no ground or nothing on it."""
    ground = _ground(part)
    colours = np.unique(part)
    if ground is None or len(colours) == 1:
        return None
    bright = _luminance(colours) + 0.05
    own = _luminance(np.array([ground])) + 0.05
    return float(np.maximum(bright / own, own / bright).max())


def _luminance(colours: NDArray[np.uint32]) -> NDArray[np.float64]:
    values = np.stack([colours >> shift & 0xFF for shift in (16, 8, 0)], -1) / 255.0
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def _wide(widget: QWidget, text: str) -> int:
    return widget.fontMetrics().horizontalAdvance(text)


def _combo_room(box: QComboBox) -> int:
    option = QStyleOptionComboBox()
    box.initStyleOption(option)
    field = QStyle.SubControl.SC_ComboBoxEditField
    return box.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, field, box).width()


def _shows_text(button: QToolButton) -> bool:
    return button.icon().isNull() or button.toolButtonStyle() != Qt.ToolButtonStyle.ToolButtonIconOnly


def _scrolls(widget: QWidget, window: QWidget) -> bool:
    parent = widget.parentWidget()
    while parent is not None and parent is not window:
        if isinstance(parent, QAbstractScrollArea):
            return True
        parent = parent.parentWidget()
    return False


def _name(widget: QWidget) -> str:
    return f"{type(widget.parent()).__name__}/{type(widget).__name__}"
