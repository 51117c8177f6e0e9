"""The tab "Effect": what is marked for pruning, what the model would be without it, and the pruning itself."""

from __future__ import annotations

from PySide6.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.qt.translation import tr
from app.views.prototypes.effect import EffectTable
from app.widgets.label import Label
from app.widgets.line_field import LineField


class EffectPage(QWidget):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.suggested = QComboBox()
        self.suggested.setAccessibleName(tr("Suggested set"))
        self.select, self.clear = QPushButton(tr("Mark")), QPushButton(tr("Clear"))
        self.select.setToolTip(tr("Mark the suggested set for pruning"))
        self.state, self.problem, self.reason = Label(), Label(), LineField()
        self.effect = EffectTable()
        self.prune = QPushButton(tr("Prune"))
        self.prune.setObjectName("primary")
        self.problem.setWordWrap(True)
        self.problem.setObjectName("badge")
        self.problem.setMargin(4)
        self.problem.hide()
        self.state.setWordWrap(True)
        self.reason.setPlaceholderText(tr("Reason, kept with the revision"))
        choose = QHBoxLayout()
        choose.addWidget(self.suggested, 1)
        choose.addWidget(self.select)
        choose.addWidget(self.clear)
        act = QHBoxLayout()
        act.addWidget(self.reason, 1)
        act.addWidget(self.prune)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 8, 0, 0)
        layout.setSpacing(8)
        layout.addLayout(choose)
        layout.addWidget(self.state)
        layout.addWidget(self.problem)
        layout.addWidget(self.effect, 1)
        layout.addLayout(act)

    def show_count(self, count: int) -> None:
        """Show the number of prototypes that are marked for pruning."""
        self.prune.setText(tr("Prune {count}", count=count) if count else tr("Prune"))

    def refuse(self, sentence: str) -> None:
        self.problem.setText(sentence)
        self.problem.setVisible(bool(sentence))
