"""Answer of the model for a case: class, probabilities and scores, malignancy, presence of a precedent.

The scores can be set by hand; the results are then marked as hypothetical.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.qt.translation import tr
from app.widgets.explain.numbers import class_qcolour, number, percent
from app.widgets.label import Label
from app.widgets.number import DecimalField

if TYPE_CHECKING:
    from core.explain.explanation import Explanation
    from core.explain.hypothetical import Supposed


class ShareBar(QWidget):
    """A share of one as a bar."""

    def __init__(self, colour: QColor, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._colour, self._share = colour, 0.0
        self.setMinimumWidth(24)

    def show_share(self, share: float) -> None:
        self._share = share
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(120, 14)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        area = QRectF(self.rect())
        area.setTop(area.center().y() - 5)
        area.setHeight(10)
        painter.fillRect(area, self.palette().color(QPalette.ColorRole.Base))
        area.setWidth(area.width() * self._share)
        painter.fillRect(area, self._colour)


class _ClassLine:
    """The widgets of one class."""

    def __init__(self, index: int, name: str) -> None:
        self.name = Label(tr(name))
        self.bar = ShareBar(class_qcolour(index))
        self.percent = Label()
        self.percent.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.score = DecimalField()
        self.score.setRange(-999.0, 999.0)
        self.score.setDecimals(3)
        self.score.setSingleStep(0.5)
        self.score.setKeyboardTracking(False)
        self.score.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.score.setMaximumWidth(84)
        self.score.setAccessibleName(tr("Score of {name}", name=tr(name)))
        self.score.setToolTip(tr("Type another score to see what the model would say"))


class VerdictPanel(QFrame):
    score_set = Signal(int, float)
    """A class and the score that the user puts in the place of the model's."""
    reset_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.headline, self.precedent = Label(), Label()
        self.malignancy = Label()
        self.headline.setObjectName("heading")
        self.precedent.setWordWrap(True)
        self.hypothetical = Label(tr("HYPOTHETICAL"))
        self.hypothetical.setObjectName("badge")
        self.reset = QPushButton(tr("Back to the model"))
        self.reset.clicked.connect(self.reset_wanted)
        for kept in (self.hypothetical, self.reset):
            # their room stays, so that nothing moves when something is supposed
            policy = kept.sizePolicy()
            policy.setRetainSizeWhenHidden(True)
            kept.setSizePolicy(policy)
        self.lines: list[_ClassLine] = []
        self._grid = QGridLayout()
        self._grid.setColumnStretch(1, 1)
        self._grid.setVerticalSpacing(3)
        top = QHBoxLayout()
        top.addWidget(self.headline, 1)
        top.addWidget(self.hypothetical)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(top)
        layout.addWidget(self.precedent)
        layout.addLayout(self._grid)
        bottom = QHBoxLayout()
        bottom.addWidget(self.malignancy, 1)
        bottom.addWidget(self.reset)
        layout.addLayout(bottom)

    def show_verdict(
        self, explanation: Explanation, supposed: Supposed | None, scores: Mapping[int, float]
    ) -> None:
        """Show the model's answer, or the result of a supposition; ``scores`` are those that were set by hand."""
        self._make_lines(explanation.class_names)
        said = explanation if supposed is None else supposed
        name = tr(explanation.class_names[said.predicted])
        share = float(said.probabilities[said.predicted])
        if explanation.precedent.found or supposed is not None:
            self.headline.setText(f"{name} · {percent(share)}")
        else:
            self.headline.setText(tr("No prediction"))
        self.precedent.setVisible(supposed is None and not explanation.precedent.found)
        self.precedent.setText(
            tr(
                "The model has no precedent for this: the most similar prototype of {name} reaches {evidence}, "
                "below the {threshold} that it needs.",
                name=name,
                evidence=number(explanation.precedent.evidence),
                threshold=number(explanation.precedent.threshold or 0.0),
            )
        )
        for c, line in enumerate(self.lines):
            line.bar.show_share(float(said.probabilities[c]))
            line.percent.setText(percent(float(said.probabilities[c])))
            line.score.blockSignals(True)
            line.score.setValue(float(said.logits[c]))
            line.score.blockSignals(False)
            font = line.score.font()
            font.setBold(c in scores)
            line.score.setFont(font)
        chance = said.malignancy_probability
        self.malignancy.setText(
            tr("Malignancy: not predicted by this model")
            if chance is None
            else tr("Malignancy: {share}", share=percent(chance))
        )
        self.hypothetical.setVisible(supposed is not None)
        self.reset.setVisible(supposed is not None)

    def _make_lines(self, names: tuple[str, ...]) -> None:
        if [line.name.text() for line in self.lines] == [tr(name) for name in names]:
            return
        for line in self.lines:
            for widget in (line.name, line.bar, line.percent, line.score):
                widget.deleteLater()
        self.lines = [_ClassLine(c, name) for c, name in enumerate(names)]
        for c, line in enumerate(self.lines):
            self._grid.addWidget(line.name, c, 0)
            self._grid.addWidget(line.bar, c, 1)
            self._grid.addWidget(line.percent, c, 2)
            self._grid.addWidget(line.score, c, 3)
            line.score.valueChanged.connect(partial(self.score_set.emit, c))
