"""In what the planned configuration departs from the paper's, as sentences."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from app.qt.translation import tr
from app.views.train.field_names import titled
from app.widgets.explain.numbers import localised
from app.widgets.label import Label
from core.training.presets import Deviation


class DeviationList(QScrollArea):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(tr("Deviations"))
        self.rows: tuple[Deviation, ...] = ()

    def show_deviations(self, rows: Sequence[Deviation]) -> None:
        """One paragraph each: the field, its value here and in the paper, and why."""
        if self.rows == tuple(rows):
            return
        self.rows = tuple(rows)
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(2, 8, 10, 8)
        column.setSpacing(2)
        for row in rows:
            title = Label(titled(row.field))
            title.setObjectName("heading")
            title.setToolTip(row.field)
            values = Label(
                tr("{here} here, {paper} in the paper.", here=_shown(row.here), paper=_shown(row.paper))
            )
            for label in (title, values):
                label.setWordWrap(True)
                column.addWidget(label)
            if row.why:
                why = Label(sentence(tr(row.why)))
                why.setObjectName("faint")
                why.setWordWrap(True)
                column.addWidget(why)
            column.addSpacing(10)
        column.addStretch()
        self.setWidget(page)


def _shown(value: str) -> str:
    return {"True": tr("yes"), "False": tr("no")}.get(value) or localised(tr(value))


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
