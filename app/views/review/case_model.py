"""The rows of the queue: a lesion, and the voices on it as coloured dots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPalette, QPen
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from app.qt.theme import chosen, warning
from app.qt.translation import tr
from app.widgets.explain.numbers import class_qcolour, percent
from app.widgets.label import tip
from core.domain.opinion import GivenOpinion, Verdict

if TYPE_CHECKING:
    from core.tasks.review.case_list import ReviewCase

Index = QModelIndex | QPersistentModelIndex
CASE = Qt.ItemDataRole.UserRole + 1
_DOT = 15
_ON_COLOUR = QColor("#0b1117")
"""Colour of a letter on the colour of a class: all of them are light."""


class CaseModel(QAbstractListModel):
    def __init__(self) -> None:
        super().__init__()
        self.cases: tuple[ReviewCase, ...] = ()
        self.class_names: tuple[str, ...] = ()
        self.said: Mapping[str, tuple[GivenOpinion, ...]] = {}
        self.ask_first = False

    def show(self, cases: tuple[ReviewCase, ...]) -> None:
        """Another queue."""
        self.beginResetModel()
        self.cases = cases
        self.endResetModel()

    def update_cases(self, cases: tuple[ReviewCase, ...]) -> None:
        """The same lesions in the same order, as they are known now: no row moves and the choice stays."""
        self.cases = cases
        if cases:
            self.dataChanged.emit(self.index(0), self.index(len(cases) - 1))

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's signature)
        return 0 if parent.isValid() else len(self.cases)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        case = self.cases[index.row()]
        if role == CASE:
            return case
        if role == Qt.ItemDataRole.DisplayRole:
            return case.title
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.ToolTipRole):
            return tip(f"{case.title}. {self.readings(case)}")
        return None

    def is_hidden(self, case: ReviewCase) -> bool:
        """Return True if the model's answer and the data set's label are hidden until the reader's own call."""
        return self.ask_first and case.own is None

    def readings(self, case: ReviewCase) -> str:
        """The voices in words."""
        if not case.can_be_seen:
            return tr("outside its image")
        if self.is_hidden(case):
            return tr("not read yet")
        parts = [tr("you: {word}", word=tr(case.own) if case.own else "–")]
        parts.append(tr("data set: {word}", word=tr(case.label) if case.label else "–"))
        if case.predicted is not None and case.probabilities is not None:
            share = percent(float(case.probabilities[case.predicted]))
            word = f"{tr(self.class_names[case.predicted])} {share}" if case.has_precedent else tr("no precedent")
            parts.append(tr("model: {word}", word=word))
        return " · ".join(parts)

    def dots(self, case: ReviewCase) -> tuple[tuple[str, str | None], ...]:
        """Letter and word of each voice; None where nothing is known, or where it would lead the reader."""
        if self.is_hidden(case):
            return ()
        model = None
        if case.predicted is not None and case.has_precedent:
            model = self.class_names[case.predicted]
        return (tr("M"), model), (tr("Y"), case.own), (tr("D"), case.label)

    def colour(self, word: str | None) -> QColor | None:
        """The colour of a trained class; None for another word."""
        return class_qcolour(self.class_names.index(word)) if word in self.class_names else None

    def verdict(self, case: ReviewCase) -> str:
        """The last verdict in a mark; empty where there is none."""
        marks = {Verdict.AGREE: "✓", Verdict.COMMENT: "…"}
        given = self.said.get(case.lesion_id, ())
        return marks.get(given[-1].opinion.verdict, "✗") if given else ""


class CaseDelegate(QStyledItemDelegate):
    def __init__(self, cases: CaseModel, parent: QWidget) -> None:
        super().__init__(parent)
        self._cases = cases

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(210, option.fontMetrics.height() + _DOT + 16)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        case: ReviewCase = index.data(CASE)
        area, palette = QRectF(option.rect), option.palette
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if option.state & QStyle.StateFlag.State_Selected:
            colour = QColor(palette.color(QPalette.ColorRole.Highlight))
            painter.fillRect(QRectF(area.left(), area.top(), 3, area.height()), colour)
            painter.fillRect(area, chosen(palette))
        inner = area.adjusted(12, 5, -8, -6)
        metrics = option.fontMetrics
        painter.setPen(palette.color(QPalette.ColorRole.Text))
        mark = self._cases.verdict(case)
        room = int(inner.width()) - metrics.horizontalAdvance(mark) - 6
        title = metrics.elidedText(case.title, Qt.TextElideMode.ElideRight, room)
        painter.drawText(inner, Qt.AlignmentFlag.AlignTop, title)
        painter.drawText(inner, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignRight, mark)
        below = QRectF(inner.left(), inner.bottom() - _DOT, inner.width(), _DOT)
        self._voices(painter, option, below, case)
        painter.restore()

    def _voices(self, painter: QPainter, option: QStyleOptionViewItem, below: QRectF, case: ReviewCase) -> None:
        palette, x = option.palette, below.left()
        for letter, word in self._cases.dots(case):
            dot = QRectF(x, below.top(), _DOT, _DOT)
            colour = self._cases.colour(word)
            line = palette.color(QPalette.ColorRole.Text if word else QPalette.ColorRole.Mid)
            painter.setPen(Qt.PenStyle.NoPen if colour else QPen(line, 1))
            painter.setBrush(colour or Qt.BrushStyle.NoBrush)
            painter.drawEllipse(dot.adjusted(0.5, 0.5, -0.5, -0.5))
            font = QFont(option.font)
            font.setPixelSize(9)
            font.setBold(True)
            painter.setFont(font)
            faint = palette.color(QPalette.ColorRole.PlaceholderText)
            painter.setPen(_ON_COLOUR if colour else (line if word else faint))
            painter.drawText(dot, int(Qt.AlignmentFlag.AlignCenter), letter)
            x += _DOT + 4
        painter.setFont(option.font)
        faint = palette.color(QPalette.ColorRole.PlaceholderText)
        hidden = self._cases.is_hidden(case)
        text = ""
        if not case.can_be_seen or hidden:
            text = self._cases.readings(case)
        elif not case.has_precedent:
            faint, text = warning(palette), tr("no precedent")
        painter.setPen(faint)
        part = tr(case.part) if case.part else ""
        painter.drawText(below, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, part)
        painter.setPen(faint)
        room = below.right() - x - option.fontMetrics.horizontalAdvance(part) - 8
        text = option.fontMetrics.elidedText(text, Qt.TextElideMode.ElideRight, int(max(room, 0)))
        left = QRectF(x, below.top(), below.width(), _DOT)
        painter.drawText(left, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, text)
