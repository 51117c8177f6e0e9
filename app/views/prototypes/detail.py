"""One prototype in full: its own picture, its weights, the training and test patches that lie nearest to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetrics, QImage, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import (
    QFrame,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.qt.colours import MASK
from app.qt.flow_layout import FlowLayout
from app.qt.formatting import local_time
from app.qt.translation import tr
from app.services.opened_model import OpenedModel
from app.widgets.explain.heat import RELEVANT, draw_box, fitted, frame_to, grey_picture
from app.widgets.explain.numbers import MISSING, class_text, number, percent, signed
from app.widgets.explain.pictures import PatchPictures
from app.widgets.label import Label
from core.tasks.readers.opinions import Mark
from core.tasks.review.prototype_history import Happening, PrototypeEvent, history_of

if TYPE_CHECKING:
    from core.data.roi_set import RoiSet
    from core.explain.gallery import NearestPatch
    from core.tasks.review.prototype_survey import Surveyed


_LARGEST_SIDE, _GAP, _WORDS = 86, 5, 52
"""Pixels: side of a patch at most, space between two, and height of the lines beneath one."""
_IN_A_ROW = 5


class PrototypeDetail(QScrollArea):
    marked = Signal(int, object)
    """Index in the unpruned model, and a ``Mark``."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.index = -1
        self.title, self.facts, self.reasons = Label(), Label(), Label()
        self.title.setObjectName("heading")
        self.facts.setWordWrap(True)
        self.reasons.setWordWrap(True)
        self.facts.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.portrait = _Portrait()
        self.training, self.test = PatchStrip(), PatchStrip()
        self.history = Label()
        self.history.setWordWrap(True)
        self.history.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.buttons: dict[Mark, QPushButton] = {}
        marks = FlowLayout(gap=6)
        for mark in Mark:
            button = QPushButton(tr(mark.value))
            button.setCheckable(True)
            button.clicked.connect(lambda _checked=False, mark=mark: self.marked.emit(self.index, mark))
            self.buttons[mark] = button
            marks.addWidget(button)
        self.look_here = QPushButton(tr("Look here instead…"))
        self.look_here.setToolTip(tr("Another place becomes this prototype, in a new run"))
        marks.addWidget(self.look_here)
        inner = QWidget()
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(2, 8, 8, 8)
        for part in (self.title, self.portrait, self.facts, self.reasons):
            layout.addWidget(part)
        layout.addLayout(marks)
        headed: tuple[tuple[str, QWidget], ...] = (
            (tr("Nearest training patches"), self.training),
            (tr("Nearest test patches"), self.test),
            (tr("History"), self.history),
        )
        for text, below in headed:
            heading = Label(text)
            heading.setObjectName("heading")
            layout.addWidget(heading)
            layout.addWidget(below)
        layout.addStretch()
        self.setWidget(inner)

    def show_prototype(
        self,
        model: OpenedModel,
        index: int,
        pictures: PatchPictures | None,
        facts: Surveyed | None,
        mark: Mark,
    ) -> None:
        self.index = index
        name = model.class_names[model.pruning.state.prototype_class[index]]
        source = model.pruning.base.card.prototypes[index]
        self.title.setText(tr("Prototype {number}, {name}", number=index + 1, name=tr(name)))
        self.portrait.show_pictures(pictures)
        title = next((case.title for case in model.cases if case.lesion_id == source.lesion_id), "")
        lines = [tr("From lesion {lesion}", lesion=title or source.lesion_id[:8])]
        happened = history_of(model.pruning.study, model.run, index)
        self.history.setText("\n".join([_moved(source.distance_moved), *map(_sentence, happened)]))
        if facts is not None:
            lines += _facts(facts, model.class_names)
        elif index not in model.pruning.state.kept:
            lines.append(tr("It is pruned; undo brings it back."))
        self.facts.setText("\n".join(lines))
        self.reasons.setText("" if facts is None else "\n".join(one.sentence for one in facts.suggestions))
        self.reasons.setVisible(facts is not None and bool(facts.suggestions))
        for value, button in self.buttons.items():
            button.setChecked(value is mark)
        self.look_here.setEnabled(index in model.pruning.state.kept)
        known = facts is not None or index not in model.pruning.state.kept
        self.training.show_patches(model, () if facts is None else facts.training, known=known)
        self.test.show_patches(model, () if facts is None else facts.test, known=known)


def _facts(facts: Surveyed, names: tuple[str, ...]) -> list[str]:
    weights = ", ".join(f"{tr(n)} {signed(float(w), 2)}" for n, w in zip(names, facts.weights, strict=True))
    inside, images = facts.inside_margin
    lesion = MISSING if facts.lesion_precision is None else percent(facts.lesion_precision)
    fine = MISSING if facts.fine_precision is None else percent(facts.fine_precision)
    return [
        tr("Self-activation {value}", value=number(facts.self_activation, 3)),
        tr("Weights: {weights}", weights=weights),
        tr("Activation precision: {lesion} in the lesion, {fine} in the margin", lesion=lesion, fine=fine),
        tr(
            "Most active inside the marked margin in {inside} of {images} lesions, outside in {outside}",
            inside=inside,
            images=images,
            outside=images - inside,
        ),
        tr(
            "Contributes most to the predicted class of {count} validation and test lesions",
            count=facts.top_reason,
        ),
    ]


def _moved(distance: float) -> str:
    return tr("Moved by {distance} when it was projected onto its patch", distance=number(distance, 3))


def _sentence(one: Happening) -> str:
    match one.turn:
        case PrototypeEvent.LEARNED:
            said = tr("learned")
        case PrototypeEvent.PRUNED:
            said = tr("pruned: {reason}", reason=tr(one.words))
        case PrototypeEvent.BROUGHT_BACK:
            said = tr("brought back")
        case PrototypeEvent.MARKED:
            said = tr("marked: {mark}", mark=tr(one.words))
        case PrototypeEvent.PLACED:
            said = tr("placed by a reader: {reason}", reason=one.words)
    return f"{local_time(one.at_utc)}, {one.who}: {said}"


class _Portrait(QWidget):
    """Source, self-activation and most relevant part, side by side."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pictures: PatchPictures | None = None
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def show_pictures(self, pictures: PatchPictures | None) -> None:
        self._pictures = pictures
        self.update()

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return (width - 12) // 3

    def sizeHint(self) -> QSize:
        return QSize(400, self.heightForWidth(400))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        found = self._pictures
        if found is None:
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, tr("no picture"))
            return
        side = min(float(self.height()), (self.width() - 12) / 3)
        for place in range(3):
            area = QRectF(place * (side + 6), 0, side, side)
            if place == 2:
                painter.drawImage(fitted((found.part.width(), found.part.height()), area), found.part)
                continue
            painter.drawImage(area, found.source)
            if place == 1:
                painter.drawImage(area, found.itself)
            draw_box(painter, found.patch.relevant_box, frame_to(area, found.side, found.side), RELEVANT)


@dataclass(frozen=True, kw_only=True)
class _Shown:
    patch: NearestPatch
    picture: QImage
    margin: QImage | None
    """Margin of the fine annotation; None if the lesion has none."""
    inside: bool
    """Flag: some of the patch lies in the margin."""
    class_name: str


class PatchStrip(QWidget):
    """Patches on the lesions that they were found in, nearest first, over the marked margins."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown: list[_Shown] = []
        self._known = True
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def show_patches(self, model: OpenedModel, patches: Sequence[NearestPatch], *, known: bool = True) -> None:
        """``known``: whether they were looked for already."""
        self._known = known
        rois = model.opened.rois
        row_of = {lesion: row for row, lesion in enumerate(rois.lesion_ids)}
        self._shown = [
            _shown(rois, row_of[patch.lesion_id], patch, model.class_names)
            for patch in patches
            if patch.lesion_id in row_of
        ]
        self.setAccessibleName("; ".join(f"{tr(one.class_name)} {_where(one)}" for one in self._shown))
        self.updateGeometry()
        self.update()

    @property
    def inside(self) -> list[bool | None]:
        """Return for each patch True if some of it lies in the marked margin; None if nothing is marked."""
        return [None if one.margin is None else one.inside for one in self._shown]

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        columns, side = self._columns(width)
        return max(1, ceil(len(self._shown) / columns)) * ceil(side + _WORDS)

    def sizeHint(self) -> QSize:
        return QSize(400, self.heightForWidth(400))

    def _small_font(self) -> QFont:
        font = self.font()
        font.setPointSizeF(font.pointSizeF() * 0.88)
        return font

    def _columns(self, width: int) -> tuple[int, float]:
        """Patches in a row of this width, and their side: no word beneath a patch is wider than it."""
        metrics = QFontMetrics(self._small_font())
        words = (text for one in self._shown for text, _ in self._lines(one))
        widest = max((metrics.horizontalAdvance(text) + 1 for text in words), default=0)
        fitting = int((width + _GAP) // (max(widest, 1) + _GAP))
        columns = max(1, min(_IN_A_ROW, fitting))
        return columns, min(float(_LARGEST_SIDE), (width - (columns - 1) * _GAP) / columns)

    def _lines(self, one: _Shown) -> tuple[tuple[str, QColor], ...]:
        """The lines beneath a patch and their colours."""
        faint, index = self.palette().color(QPalette.ColorRole.PlaceholderText), one.patch.class_index
        own = class_text(index, self.palette()) if index >= 0 else self.palette().text().color()
        return (
            (tr(one.class_name) or MISSING, own),
            (number(one.patch.similarity, 2), faint),
            (_where(one), faint),
        )

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not self._shown:
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            text = tr("none") if self._known else tr("Computing figures …")
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, text)
            return
        painter.setFont(self._small_font())
        columns, side = self._columns(self.width())
        for place, one in enumerate(self._shown):
            row, column = divmod(place, columns)
            area = QRectF(column * (side + _GAP), row * (side + _WORDS), side, side)
            painter.drawImage(area, one.picture)
            if one.margin is not None:
                painter.drawImage(area, one.margin)
            frame = frame_to(area, one.picture.width(), one.picture.height())
            draw_box(painter, one.patch.patch_box, frame, RELEVANT)
            for line, (text, colour) in enumerate(self._lines(one)):
                painter.setPen(colour)
                shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, ceil(side))
                below = QRectF(area.left(), area.bottom() + 2 + 16 * line, ceil(side), 17)
                painter.drawText(below, Qt.AlignmentFlag.AlignLeft, shown)


def _shown(rois: RoiSet, row: int, patch: NearestPatch, names: Sequence[str]) -> _Shown:
    mask = rois.central(rois.fine[row]) if rois.has_fine[row] else None
    box = patch.patch_box
    within = None if mask is None else mask[int(box.y0) : ceil(box.y1), int(box.x0) : ceil(box.x1)]
    return _Shown(
        patch=patch,
        picture=grey_picture(rois.central(rois.pixels[row])),
        margin=None if mask is None else _margin_picture(mask),
        inside=within is not None and bool(within.any()),
        class_name=names[patch.class_index] if patch.class_index >= 0 else "",
    )


def _margin_picture(mask: NDArray[np.uint8]) -> QImage:
    """The marked margin as a veil that the image is seen through."""
    held = np.ascontiguousarray(mask)
    height, width = held.shape
    veil = QColor(MASK)
    veil.setAlpha(90)
    picture = QImage(held.data, width, height, width, QImage.Format.Format_Indexed8).copy()
    picture.setColorTable([0, veil.rgba()])
    return picture.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)


def _where(one: _Shown) -> str:
    if one.margin is None:
        return tr("not marked")
    return tr("in margin") if one.inside else tr("outside it")
