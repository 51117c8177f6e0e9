"""One prototype as a card that can be ticked: where it comes from, how well it behaves, what it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QEnterEvent, QFocusEvent, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QAbstractButton, QWidget

from app.qt.theme import warning
from app.qt.translation import tr
from app.widgets.explain.heat import RELEVANT, draw_box, fitted, frame_to
from app.widgets.explain.numbers import MISSING, class_qcolour, number, percent, signed
from app.widgets.explain.pictures import PatchPictures
from app.widgets.label import tip
from core.tasks.readers.opinions import Mark

if TYPE_CHECKING:
    from core.tasks.review.prototype_survey import Surveyed

SIZE = QSize(244, 194)
_SIDE, _GAP = 72.0, 4.0
_SOURCE, _SELF, _PART = (QRectF(10 + i * (_SIDE + _GAP), 32, _SIDE, _SIDE) for i in range(3))
_LINES, _LINE = 110, 18
"""Where the words begin beneath the pictures, and how far one line is from the next."""


class PrototypeCard(QAbstractButton):
    looked_at = Signal(int)
    """Its index, when it gets the focus or the pointer."""

    def __init__(self, index: int, class_index: int, class_name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.index, self.class_index = index, class_index
        self._name = f"{index + 1}  {tr(class_name)}"
        self._pictures: PatchPictures | None = None
        self._facts: Surveyed | None = None
        self._mark = Mark.NONE
        self._alike: tuple[int, ...] = ()
        self._pruned = False
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setFixedSize(SIZE)
        self._describe()

    def show_pictures(self, pictures: PatchPictures | None) -> None:
        self._pictures = pictures
        self.update()

    def show_facts(self, facts: Surveyed | None, mark: Mark, alike: Sequence[int] = ()) -> None:
        """``alike``: indices of the other prototypes of its group of duplicates."""
        self._facts, self._mark, self._alike = facts, mark, tuple(alike)
        self._describe()
        self.update()

    def show_pruned(self, pruned: bool) -> None:
        """Whether it is no longer in the model; it cannot be ticked then."""
        self._pruned = pruned
        self.setCheckable(not pruned)
        self._describe()
        self.update()

    def lines(self) -> list[str]:
        """What stands beneath the pictures, in words."""
        facts = self._facts
        if self._pruned:
            return [tr("pruned")]
        if facts is None:
            return [tr("is being looked at …")]
        lesion, margin = (
            MISSING if share is None else percent(share)
            for share in (facts.lesion_precision, facts.fine_precision)
        )
        own, looked_at = facts.purity
        if facts.must_stay:
            cost = tr("last of its class")
        elif facts.auroc_cost is None:
            cost = tr("AUROC cost undefined")
        else:
            cost = tr("AUROC {change}", change=signed(-facts.auroc_cost, 4))
        return [
            tr(
                "itself {value} · lesion {lesion} · margin {margin}",
                value=number(facts.self_activation, 2),
                lesion=lesion,
                margin=margin,
            ),
            " · ".join(
                (tr("pure {own}/{all}", own=own, all=looked_at), tr("top {count}×", count=facts.top_reason), cost)
            ),
        ]

    def weights(self) -> list[str]:
        """To each class, in the order of the classes."""
        return [] if self._facts is None else [signed(float(weight), 2) for weight in self._facts.weights]

    def sizeHint(self) -> QSize:
        return SIZE

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self.looked_at.emit(self.index)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.looked_at.emit(self.index)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        palette, role = self.palette(), QPalette.ColorRole
        edge = palette.color(role.Mid)
        if self.isChecked() or self.hasFocus():
            edge = palette.color(role.Highlight)
        elif self.underMouse():
            edge = palette.color(role.PlaceholderText)
        painter.setPen(QPen(edge, 2 if self.isChecked() else 1))
        painter.setBrush(palette.color(role.AlternateBase))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 7, 7)
        if self._pruned:
            painter.setOpacity(0.45)
        self._draw_head(painter)
        self._draw_pictures(painter)
        self._draw_lines(painter)

    def _draw_head(self, painter: QPainter) -> None:
        painter.setPen(class_qcolour(self.class_index))
        painter.drawText(QRectF(12, 6, 190, 22), Qt.AlignmentFlag.AlignVCenter, self._name)
        if self._pruned:
            return
        box = QRectF(self.width() - 28, 9, 16, 16)
        accent = self.palette().color(QPalette.ColorRole.Highlight)
        painter.setPen(QPen(accent if self.isChecked() else self.palette().color(QPalette.ColorRole.Mid), 1.5))
        painter.setBrush(accent if self.isChecked() else QColor(0, 0, 0, 0))
        painter.drawRoundedRect(box, 3, 3)
        if self.isChecked():
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.HighlightedText), 2))
            foot = QPointF(box.left() + 7, box.bottom() - 4)
            painter.drawLine(QPointF(box.left() + 4, box.center().y()), foot)
            painter.drawLine(foot, QPointF(box.right() - 3, box.top() + 4))

    def _draw_pictures(self, painter: QPainter) -> None:
        pictures = self._pictures
        if pictures is None:
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            painter.drawText(_SOURCE, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, tr("no picture"))
            return
        for place in (_SOURCE, _SELF):
            painter.drawImage(place, pictures.source)
            if place is _SELF:
                painter.drawImage(place, pictures.itself)
            draw_box(painter, pictures.patch.relevant_box, frame_to(place, pictures.side, pictures.side), RELEVANT)
        painter.drawImage(fitted((pictures.part.width(), pictures.part.height()), _PART), pictures.part)

    def _draw_lines(self, painter: QPainter) -> None:
        font = painter.font()
        font.setPointSizeF(font.pointSizeF() * 0.88)
        painter.setFont(font)
        palette = self.palette()
        painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
        if self._mark is not Mark.NONE:
            text = tr("keep") if self._mark is Mark.KEEP else tr("not relevant")
            area = QRectF(self.width() - 134, 6, 100, 22)
            painter.drawText(area, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, text)
        lines, metrics, left = self.lines(), painter.fontMetrics(), 10.0
        for row, line in enumerate(lines):
            self._draw_line(painter, row, line)
        if self._pruned or self._facts is None:
            return
        for class_index, weight in enumerate(self.weights()):
            painter.setPen(class_qcolour(class_index))
            area = QRectF(left, _LINES + _LINE * len(lines), 60, _LINE)
            painter.drawText(area, Qt.AlignmentFlag.AlignVCenter, weight)
            left += metrics.horizontalAdvance(weight) + 6
        reasons = ", ".join(tr(one.reason.value) for one in self._facts.suggestions)
        painter.setPen(warning(palette) if reasons else palette.color(QPalette.ColorRole.Text))
        self._draw_line(painter, len(lines) + 1, " · ".join(part for part in (reasons, self.likeness()) if part))

    def likeness(self) -> str:
        """Which prototypes say the same; empty where none does."""
        numbers = ", ".join(str(index + 1) for index in self._alike)
        return tr("says the same as {numbers}", numbers=numbers) if numbers else ""

    def _draw_line(self, painter: QPainter, row: int, text: str) -> None:
        width = self.width() - 18
        shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, width)
        painter.drawText(QRectF(10, _LINES + _LINE * row, width, _LINE), Qt.AlignmentFlag.AlignVCenter, shown)

    def _describe(self) -> None:
        reasons = [one.sentence for one in self._facts.suggestions] if self._facts is not None else []
        said = [*self.lines()]
        if not self._pruned and self._facts is not None:
            said.append(", ".join(self.weights()))
        self.setAccessibleName(
            ". ".join([self._name, *said, *reasons, *([self.likeness()] if self._alike else [])])
        )
        self.setToolTip(tip("\n".join([*reasons, *_meaning(self._facts)])))


def _meaning(facts: Surveyed | None) -> list[str]:
    """What the lines of the card say, at length."""
    if facts is None:
        return []
    own, looked_at = facts.purity
    return [
        tr("{own} of its {all} nearest training patches are of its class.", own=own, all=looked_at),
        tr("Left to right: its lesion, its activation there, its most relevant part."),
        tr("Mean share of its most active 5% in the lesion and in the marked margin, over lesions of its class."),
        tr("Itself: its similarity to itself. Last: its weight to each class, in the class's colour."),
        tr("AUROC: how the validation margin AUROC changes without it, everything refitted."),
        tr("It adds most to the predicted class of {count} validation and test lesions.", count=facts.top_reason),
    ]
