"""One prototype in full: its own picture, its weights, the training and test patches that lie nearest to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from app.model_desk import OpenedModel
from app.qt.translation import tr
from app.widgets.explain.heat import RELEVANT, HeatLook, coloured, draw_box, fitted, frame_to, grey_picture
from app.widgets.explain.numbers import MISSING, class_qcolour, number, percent, signed
from app.widgets.explain.pictures import PatchPictures
from app.widgets.label import Label
from core.tasks.opinions import Mark

if TYPE_CHECKING:
    from core.explain.gallery import NearestPatch
    from core.tasks.survey import Surveyed


class PrototypeDetail(QScrollArea):
    marked = Signal(int, object)
    """Index in the unpruned model, and a ``Mark``."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.index = -1
        self.title, self.facts, self.reasons = Label(), Label(), Label()
        self.title.setObjectName("heading")
        self.facts.setWordWrap(True)
        self.reasons.setWordWrap(True)
        self.facts.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.portrait = _Portrait()
        self.training, self.test = PatchStrip(), PatchStrip()
        self.buttons: dict[Mark, QPushButton] = {}
        marks = QHBoxLayout()
        for mark in Mark:
            button = QPushButton(tr(mark.value))
            button.setCheckable(True)
            button.clicked.connect(lambda _checked=False, mark=mark: self.marked.emit(self.index, mark))
            self.buttons[mark] = button
            marks.addWidget(button)
        marks.addStretch()
        inner = QWidget()
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(2, 8, 8, 8)
        for part in (self.title, self.portrait, self.facts, self.reasons):
            layout.addWidget(part)
        layout.addLayout(marks)
        for text, strip in (
            (tr("Nearest training patches"), self.training),
            (tr("Nearest test patches"), self.test),
        ):
            heading = Label(text)
            heading.setObjectName("heading")
            layout.addWidget(heading)
            layout.addWidget(strip)
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
        lines = [tr("From lesion {lesion}", lesion=source.lesion_id[:8])]
        if facts is not None:
            lines += _facts(facts, model.class_names)
        elif index not in model.pruning.state.kept:
            lines.append(tr("It is pruned; undo brings it back."))
        self.facts.setText("\n".join(lines))
        self.reasons.setText("" if facts is None else "\n".join(one.sentence for one in facts.suggestions))
        self.reasons.setVisible(facts is not None and bool(facts.suggestions))
        for value, button in self.buttons.items():
            button.setChecked(value is mark)
        self.training.show_patches(model, () if facts is None else facts.training)
        self.test.show_patches(model, () if facts is None else facts.test)


def _facts(facts: Surveyed, names: tuple[str, ...]) -> list[str]:
    weights = ", ".join(f"{tr(n)} {signed(float(w), 2)}" for n, w in zip(names, facts.weights, strict=True))
    inside, images = facts.inside_margin
    lesion = MISSING if facts.lesion_precision is None else percent(facts.lesion_precision)
    fine = MISSING if facts.fine_precision is None else percent(facts.fine_precision)
    return [
        tr("Self-activation {value}", value=number(facts.self_activation, 3)),
        tr("Weights: {weights}", weights=weights),
        tr("Activation precision: {lesion} in the lesion, {fine} in the margin", lesion=lesion, fine=fine),
        tr("Most active inside the marked margin in {inside} of {images} lesions", inside=inside, images=images),
        tr("Adds most to the predicted class of {count} validation and test lesions", count=facts.top_reason),
    ]


class _Portrait(QWidget):
    """Source, self-activation and most relevant part, side by side."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pictures: PatchPictures | None = None
        self.setFixedHeight(150)

    def show_pictures(self, pictures: PatchPictures | None) -> None:
        self._pictures = pictures
        self.update()

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
                painter.drawImage(area, coloured(found.map, HeatLook()))
            draw_box(painter, found.patch.relevant_box, frame_to(area, found.side, found.side), RELEVANT)


class PatchStrip(QWidget):
    """Patches on the lesions that they were found in, nearest first."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown: list[tuple[QImage, NearestPatch, str]] = []
        self.setFixedHeight(122)

    def show_patches(self, model: OpenedModel, patches: Sequence[NearestPatch]) -> None:
        rois = model.opened.rois
        row_of = {lesion: row for row, lesion in enumerate(rois.lesion_ids)}
        self._shown = [
            (
                grey_picture(rois.central(rois.pixels[row_of[patch.lesion_id]])),
                patch,
                model.class_names[patch.class_index] if patch.class_index >= 0 else "",
            )
            for patch in patches
            if patch.lesion_id in row_of
        ]
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(400, 122)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not self._shown:
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, tr("none"))
            return
        side = min(86.0, (self.width() - 4 * 5) / 5)
        for place, (picture, patch, name) in enumerate(self._shown):
            area = QRectF(place * (side + 5), 0, side, side)
            painter.drawImage(area, picture)
            frame = frame_to(area, picture.width(), picture.height())
            draw_box(painter, patch.patch_box, frame, RELEVANT)
            below = QRectF(area.left(), side + 2, side, 17)
            colour = class_qcolour(patch.class_index) if patch.class_index >= 0 else self.palette().text().color()
            painter.setPen(colour)
            text = painter.fontMetrics().elidedText(
                tr(name) if name else MISSING, Qt.TextElideMode.ElideRight, int(side)
            )
            painter.drawText(below, Qt.AlignmentFlag.AlignLeft, text)
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            painter.drawText(below.translated(0, 16), Qt.AlignmentFlag.AlignLeft, number(patch.similarity, 2))
