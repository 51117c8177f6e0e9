"""Summary of the training data, with warnings to read before starting."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.qt.flow_layout import FlowLayout
from app.qt.sentences import translate_message
from app.qt.translation import tr
from app.widgets.label import Label
from core.tasks.runs.training_data import LeftOut, TrainingData


class DataPanel(QWidget):
    lesion_wanted = Signal(str)
    """Id of the first lesion that is left out for a reason; it is to be shown."""
    class_wanted = Signal(str)
    """A class that is to be trained too."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = QTableWidget(0, 5)
        for column, text in enumerate((tr("Part"), tr("Class"), tr("Patients"), tr("Lesions"), tr("Fine"))):
            heading = QTableWidgetItem(text)
            # as what stands below it: words left, numbers right
            side = Qt.AlignmentFlag.AlignRight if column > 1 else Qt.AlignmentFlag.AlignLeft
            heading.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
            heading.setToolTip(tr("finely annotated") if column == 4 else "")
            self.table.setHorizontalHeaderItem(column, heading)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.setAccessibleName(tr("Training data"))
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.table.setShowGrid(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(22)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        # the part gives way where there is little room: it stands beside the first of its classes alone
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.warnings, self.exclusions = Label(), Label()
        self.warnings.setWordWrap(True)
        self.warnings.setObjectName("badge")
        self.warnings.setMargin(4)
        self.exclusions.setWordWrap(True)
        self.exclusions.setObjectName("faint")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.table)
        layout.addWidget(self.warnings)
        layout.addWidget(self.exclusions)
        self.links = QWidget()
        """For each reason: its lesions, and the class that could be trained too."""
        self._links = FlowLayout(self.links, gap=6)
        layout.addWidget(self.links)
        self.show_data(None)

    def show_data(self, data: TrainingData | None) -> None:
        counts = () if data is None else data.counts
        self.table.setRowCount(len(counts))
        before = ""
        for row, count in enumerate(counts):
            part = tr(count.part) if count.part != before else ""
            before = count.part
            values = (part, tr(count.class_name), count.patients, count.lesions, count.finely_annotated)
            for column, value in enumerate(values):
                item = QTableWidgetItem(str(value))
                if column > 1:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.table.setItem(row, column, item)
        height = self.table.horizontalHeader().sizeHint().height() + 22 * max(len(counts), 1) + 4
        self.table.setFixedHeight(height)
        warnings = () if data is None else data.warnings
        self.warnings.setText("\n".join(map(translate_message, warnings)))
        self.warnings.setVisible(bool(warnings))
        left_out = () if data is None else data.exclusions
        lines = [
            tr("{count} left out: {reason}", count=count, reason=translate_message(reason))
            for reason, count in left_out
        ]
        if data is not None and data.forgotten:
            lines.append(
                tr(
                    "{count} prototypes marked as not medically relevant are forgotten: none starts from, or is "
                    "projected onto, their patches.",
                    count=data.forgotten,
                )
            )
        self._show_links(() if data is None else data.left_out)
        self.exclusions.setText("\n".join(lines))
        self.exclusions.setVisible(bool(lines))

    def _show_links(self, left_out: Sequence[LeftOut]) -> None:
        while (item := self._links.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()
        for found in left_out:
            # reasons that have no class stand in the order of the lines above
            name = tr(found.word) if found.word else translate_message(found.reason)
            first = found.lesion_ids[0]
            show = self._link(tr("Show: {what}", what=name))
            show.clicked.connect(lambda _checked=False, first=first: self.lesion_wanted.emit(first))
            if found.word:
                train = self._link(tr("Train {name} too", name=tr(found.word)))
                train.clicked.connect(lambda _checked=False, word=found.word: self.class_wanted.emit(word))
        self.links.setVisible(bool(left_out))

    def _link(self, text: str) -> QToolButton:
        button = QToolButton()
        button.setText(text)
        button.setObjectName("fold")
        self._links.addWidget(button)
        return button
