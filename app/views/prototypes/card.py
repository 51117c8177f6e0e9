"""One prototype of the gallery: its part on its lesion, its state as the colour of the frame, and a box that marks
it for pruning. A click looks at it; the box, or the key X, marks it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QAbstractButton, QWidget

from app.qt.colours import ERASER, LESION
from app.qt.contrast import readable
from app.qt.formatting import listed
from app.qt.theme import faint, warning
from app.qt.translation import tr
from app.widgets.explain.heat import RELEVANT, draw_box, fitted, frame_to
from app.widgets.explain.numbers import MISSING, class_text, percent, signed
from app.widgets.explain.pictures import PatchPictures
from app.widgets.label import tip
from core.tasks.readers.opinions import Mark

if TYPE_CHECKING:
    from core.tasks.review.prototype_survey import Surveyed

LEAST, MOST, USUAL = 110, 340, 150
"""Side of the picture, in pixels."""
_AIR, _LINE, _HEAD, _BOX, _LINES = 9, 17, 24, 18, 3
_STALE = 0.45
"""Opacity of what belongs to the revision before, or is pruned."""


_SHORT: dict[str, Callable[[], str]] = {
    "exact duplicate": lambda: tr("duplicate"),
    "near duplicate": lambda: tr("similar"),
    "impure": lambda: tr("impure"),
    "never inside the margin": lambda: tr("off margin"),
}
"""Why a prototype is suggested for pruning, in a word that a small card has room for."""


class State(Enum):
    """State that the frame shows; the first that applies."""

    PRUNED = 0
    MARKED = 1
    SUGGESTED = 2
    KEPT = 3
    PLAIN = 4


class PrototypeCard(QAbstractButton):
    looked_at = Signal(int)
    """Its index, when it gets the focus."""
    wanted_back = Signal(int)
    """Its index: it is pruned and its box was pressed."""

    def __init__(self, index: int, class_index: int, class_name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.index, self.class_index, self.class_name = index, class_index, class_name
        self.side = USUAL
        self._pictures: PatchPictures | None = None
        self._facts: Surveyed | None = None
        self._mark = Mark.NONE
        self._alike: tuple[int, ...] = ()
        self._pruned = self._stale = self._current = False
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.resize_to(USUAL)
        self._describe()

    # what is shown

    def resize_to(self, side: int) -> None:
        """``side`` of the picture, in pixels."""
        self.side = side
        self.setFixedSize(self.sizeHint())

    def show_pictures(self, pictures: PatchPictures | None) -> None:
        self._pictures = pictures
        self.update()

    @property
    def pictures(self) -> PatchPictures | None:
        return self._pictures

    def show_facts(
        self, facts: Surveyed | None, mark: Mark, alike: Sequence[int] = (), *, stale: bool = False
    ) -> None:
        """``alike``: indices of the other prototypes of its group of duplicates; ``stale``: the figures are those
        of the revision before, and new ones are on their way."""
        self._facts, self._mark, self._alike, self._stale = facts, mark, tuple(alike), stale
        self._describe()
        self.update()

    def show_pruned(self, pruned: bool) -> None:
        """A pruned one is no longer in the model; its box brings it back."""
        self._pruned = pruned
        self.setCheckable(not pruned)
        self._describe()
        self.update()

    def show_current(self, current: bool) -> None:
        """The one that is looked at."""
        self._current = current
        self.update()

    @property
    def is_stale(self) -> bool:
        return self._stale

    @property
    def is_pruned(self) -> bool:
        return self._pruned

    @property
    def state(self) -> State:
        if self._pruned:
            return State.PRUNED
        if self.isChecked():
            return State.MARKED
        if self._mark is Mark.KEEP:
            return State.KEPT
        suggested = self._mark is Mark.NOT_RELEVANT or (self._facts is not None and bool(self._facts.suggestions))
        return State.SUGGESTED if suggested else State.PLAIN

    def lines(self) -> list[tuple[str, str]]:
        """Words and figure of each line below the picture."""
        facts = self._facts
        if facts is None:
            return [(tr("pruned"), "")] if self._pruned else [(tr("Computing figures …"), "")]
        margin = MISSING if facts.fine_precision is None else percent(facts.fine_precision)
        own, looked_at = facts.purity
        if facts.must_stay:
            cost = tr("last")
        else:
            cost = MISSING if facts.auroc_cost is None else signed(-facts.auroc_cost, 4)
        return [
            (tr("In the margin"), margin),
            (tr("Own class"), tr("{own} of {all}", own=own, all=looked_at)),
            (tr("Δ AUROC"), cost),
        ]

    def weights(self) -> list[str]:
        """To each class, in the order of the classes."""
        return [] if self._facts is None else [signed(float(weight), 2) for weight in self._facts.weights]

    def likeness(self) -> str:
        """Which prototypes are duplicates of it; empty where none is."""
        numbers = listed([str(index + 1) for index in self._alike])
        return tr("like {numbers}", numbers=numbers) if numbers else ""

    @property
    def note(self) -> str:
        """Word in the frame's colour over the picture; empty for no state."""
        if self._pruned:
            return tr("pruned")
        if self.isChecked():
            return tr("prune")
        if self._mark is not Mark.NONE:
            return tr("keep") if self._mark is Mark.KEEP else tr("irrelevant")
        if self._alike:
            return self.likeness()
        suggestions = () if self._facts is None else self._facts.suggestions
        return _SHORT[suggestions[0].reason.value]() if suggestions else ""

    # Qt

    def sizeHint(self) -> QSize:
        return QSize(self.side + 2 * _AIR, self.side + _HEAD + _LINES * _LINE + 2 * _AIR)

    @property
    def box(self) -> QRectF:
        """Marks it for pruning; brings it back where it is pruned."""
        return QRectF(self.width() - _BOX - _AIR, (_HEAD + _AIR - _BOX) / 2, _BOX, _BOX)

    def hitButton(self, at: object) -> bool:
        return self.box.adjusted(-5, -5, 5, 5).contains(QPointF(at))  # type: ignore[call-overload]

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        if self._pruned and self.hitButton(event.position()):
            self.wanted_back.emit(self.index)
            return
        super().mousePressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.looked_at.emit(self.index)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        palette, role = self.palette(), QPalette.ColorRole
        frame = QRectF(self.rect()).adjusted(1.5, 1.5, -1.5, -1.5)
        painter.setPen(QPen(frame_colour(self.state, palette), 2 if self.state is not State.PLAIN else 1))
        painter.setBrush(palette.color(role.Midlight if self._current else role.AlternateBase))
        painter.drawRoundedRect(frame, 7, 7)
        if self._current:
            painter.setPen(QPen(palette.color(role.Highlight), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(frame.adjusted(3, 3, -3, -3), 5, 5)
        self._draw_head(painter)
        painter.setOpacity(_STALE if self._pruned else 1.0)
        self._draw_picture(painter, QRectF(_AIR, _HEAD + _AIR / 2, self.side, self.side))
        painter.setOpacity(_STALE if self._stale or self._pruned else 1.0)
        self._draw_lines(painter)

    def _draw_head(self, painter: QPainter) -> None:
        palette = self.palette()
        painter.setPen(class_text(self.class_index, palette))
        head = QRectF(_AIR + 4, 3, self.width() - _BOX - 3 * _AIR, _HEAD + 3)
        number = str(self.index + 1)
        painter.drawText(head, Qt.AlignmentFlag.AlignVCenter, number)
        if self.note:
            painter.save()
            head.adjust(painter.fontMetrics().horizontalAdvance(number) + 8, 0, 0, 0)
            painter.setPen(readable(frame_colour(self.state, palette), palette))
            small = painter.font()
            small.setPointSizeF(small.pointSizeF() * 0.9)
            painter.setFont(small)
            text = painter.fontMetrics().elidedText(self.note, Qt.TextElideMode.ElideRight, int(head.width()))
            painter.drawText(head, Qt.AlignmentFlag.AlignVCenter, text)
            painter.restore()
        self._draw_box(painter)

    def _draw_box(self, painter: QPainter) -> None:
        """Empty, with an X where it is marked, with an arrow back where it is pruned."""
        box, palette = self.box, self.palette()
        marked = self.isChecked()
        edge = ERASER if marked else faint(palette)
        painter.setPen(QPen(edge, 1.5))
        painter.setBrush(ERASER if marked else QColor(0, 0, 0, 0))
        painter.drawRoundedRect(box, 3, 3)
        inner = box.adjusted(5, 5, -5, -5)
        if marked:
            painter.setPen(QPen(QColor(0, 0, 0), 2))
            painter.drawLine(inner.topLeft(), inner.bottomRight())
            painter.drawLine(inner.topRight(), inner.bottomLeft())
        elif self._pruned:
            painter.drawArc(inner.adjusted(-1, -1, 1, 1), -60 * 16, 280 * 16)
            tail = inner.topLeft()
            painter.drawLine(tail, tail + QPointF(0, 4))
            painter.drawLine(tail + QPointF(0, 4), tail + QPointF(4, 4))

    def _draw_picture(self, painter: QPainter, place: QRectF) -> None:
        """The lesion with its most relevant part framed, and that part enlarged in the corner."""
        pictures = self._pictures
        if pictures is None:
            painter.setPen(faint(self.palette()))
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, tr("no picture"))
            return
        painter.drawImage(place, pictures.source)
        draw_box(painter, pictures.patch.relevant_box, frame_to(place, pictures.side, pictures.side), RELEVANT)
        part = self._corner(pictures, place)
        painter.drawImage(part, pictures.part)
        painter.setPen(QPen(RELEVANT, 1.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(part)

    @staticmethod
    def _corner(pictures: PatchPictures, place: QRectF) -> QRectF:
        """Return the place of the enlarged part: the corner that hides least of the place where it was found."""
        size, box = place.width() * 0.36, pictures.patch.relevant_box
        inner = place.adjusted(3, 3, -3, -3)
        framed = frame_to(place, pictures.side, pictures.side).mapRect(
            QRectF(box.x0, box.y0, box.width, box.height)
        )
        part = fitted((pictures.part.width(), pictures.part.height()), QRectF(0, 0, size, size))
        corners = []
        for x in (inner.right() - part.width(), inner.left()):
            for y in (inner.bottom() - part.height(), inner.top()):
                corners.append(QRectF(x, y, part.width(), part.height()))

        def hidden(corner: QRectF) -> float:
            both = corner.intersected(framed)
            return both.width() * both.height()

        return min(corners, key=hidden)

    def _draw_lines(self, painter: QPainter) -> None:
        font, palette = painter.font(), self.palette()
        font.setPointSizeF(font.pointSizeF() * 0.9)
        painter.setFont(font)
        top = _HEAD + _AIR / 2 + self.side + 5
        for row, (words, figure) in enumerate(self.lines()[:_LINES]):
            area = QRectF(_AIR + 1, top + row * _LINE, self.side - 2, _LINE)
            painter.setPen(palette.color(QPalette.ColorRole.Text))
            painter.drawText(area, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, figure)
            room = int(area.width() - painter.fontMetrics().horizontalAdvance(figure) - 6)
            painter.setPen(faint(palette))
            shown = painter.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, room)
            painter.drawText(area, Qt.AlignmentFlag.AlignVCenter, shown)

    def _describe(self) -> None:
        name = f"{self.index + 1}  {tr(self.class_name)}"
        reasons = [one.sentence for one in self._facts.suggestions] if self._facts is not None else []
        figures = [" ".join(part for part in line if part) for line in self.lines()]
        marked = [self.note] if self.note else []
        self.setAccessibleName(". ".join([name, *marked, *figures, ", ".join(self.weights()), *reasons]))
        self.setToolTip(tip("\n".join([*reasons, *_meaning(self._facts)])))


def frame_colour(state: State, palette: QPalette) -> QColor:
    """Return the frame colour of a prototype: marked for pruning, suggested for it, to be kept, or none."""
    colours = {
        State.MARKED: ERASER,
        State.SUGGESTED: warning(palette),
        State.KEPT: LESION,
        State.PRUNED: faint(palette),
    }
    return colours.get(state, palette.color(QPalette.ColorRole.Mid))


def _meaning(facts: Surveyed | None) -> list[str]:
    """Return the meaning of the card's lines, at length."""
    if facts is None:
        return []
    own, looked_at = facts.purity
    return [
        tr("Its lesion with its most relevant part framed; in the corner that part enlarged."),
        tr("In the margin: mean share of its most active 5% in the marked margin, over lesions of its class."),
        tr("Own class: {own} of its {all} nearest training patches are of its class.", own=own, all=looked_at),
        tr("Δ AUROC: change of the validation margin AUROC without it, everything refitted."),
        tr(
            "It contributes most to the predicted class of {count} validation and test lesions.",
            count=facts.top_reason,
        ),
    ]
