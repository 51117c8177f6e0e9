"""Form for the reader's labels of a lesion, in the terms of BI-RADS; made to be filled in without the mouse."""

from __future__ import annotations

from enum import StrEnum

import msgspec
from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QPlainTextEdit, QVBoxLayout, QWidget

from app.qt.formatting import word
from app.qt.translation import tr
from app.widgets.choice_row import Choice, ChoiceRow
from app.widgets.label import Label
from app.widgets.number import DecimalField
from core.domain.study import Labels
from core.domain.vocabulary import BiradsCategory, MarginType, MassDensity, MassShape, Pathology

_KINDS: dict[str, type[StrEnum]] = {
    "margin": MarginType,
    "shape": MassShape,
    "density": MassDensity,
    "category": BiradsCategory,
    "pathology": Pathology,
}
_COLUMNS = {"margin": 3, "shape": 3, "density": 2, "category": 5, "pathology": 2}
_UNKNOWN = -1.0


class LabelForm(QWidget):
    edited = Signal(str, object)
    """Id of the lesion, and the reader's new ``Labels`` of it."""
    finished = Signal()
    """Enter after the last group, or Esc: back to the picture."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lesion_id = ""
        self._labels = Labels()
        self._filling = False
        self.rows: dict[str, ChoiceRow] = {}
        self.probability = DecimalField()
        self.comment = QPlainTextEdit()
        self.flag = QCheckBox(tr("Flag"))
        """Stands beside the heading of the labels."""
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, 4)
        layout.setSpacing(2)
        names = {
            "margin": tr("Margin"),
            "shape": tr("Shape"),
            "density": tr("Density"),
            "category": tr("BI-RADS category"),
            "pathology": tr("Pathology, if known"),
        }
        for field, name in names.items():
            layout.addWidget(self._row(field, name))
        layout.addLayout(self._probability_line())
        layout.addLayout(self._comment_box())
        self.flag.setToolTip(tr("Flag for discussion"))
        self.flag.toggled.connect(lambda on: self._put(flagged=on))
        self._chain()

    def show_labels(self, lesion_id: str, own: Labels, of_data_set: Labels, *, editable: bool) -> None:
        """Show the reader's own labels, with those of the data set beside them in faint text."""
        if lesion_id != self._lesion_id:
            self.take_typing()
        self._filling = True
        self._lesion_id, self._labels = lesion_id, own
        for field, row in self.rows.items():
            value, given = getattr(own, field), getattr(of_data_set, field)
            row.set_value(None if value is None else value.value)
            said = "" if given is None else word(given)
            # as on the buttons: 4B
            said = said.upper() if field == "category" else said
            row.set_note(tr("data set: {word}", word=said) if said else "")
        chance = own.probability_of_malignancy
        self.probability.setValue(_UNKNOWN if chance is None else 100 * chance)
        if self.comment.toPlainText() != own.comment:
            self.comment.setPlainText(own.comment)
        self.flag.setChecked(own.flagged)
        self.setEnabled(editable)
        self._filling = False

    def focus_on(self, field: str) -> None:
        widgets: dict[str, QWidget] = {
            **self.rows,
            "probability": self.probability,
            "comment": self.comment,
        }
        widgets[field].setFocus(Qt.FocusReason.ShortcutFocusReason)

    def take_typing(self) -> None:
        """Keep a comment that is being written, before another lesion is shown."""
        if self._lesion_id and self.comment.toPlainText() != self._labels.comment:
            self._put(comment=self.comment.toPlainText())

    def _row(self, field: str, name: str) -> ChoiceRow:
        kind = _KINDS[field]
        choices = []
        for number, member in enumerate(kind, start=1):
            if kind is BiradsCategory:
                key = member.value[-1]
                choices.append(Choice(value=member.value, text=member.value.upper(), key=key))
            else:
                choices.append(Choice(value=member.value, text=word(member), key=str(number)))
        row = ChoiceRow(name, choices, columns=_COLUMNS[field])
        row.chosen.connect(lambda value, field=field: self._pick(field, value))
        self.rows[field] = row
        return row

    def _probability_line(self) -> QHBoxLayout:
        box = self.probability
        box.setRange(_UNKNOWN, 100.0)
        box.setDecimals(0)
        box.setSingleStep(5)
        box.setSuffix(" %")
        box.setSpecialValueText(tr("not given"))
        box.setAccessibleName(tr("My probability of malignancy"))
        box.setToolTip(tr("Your own estimate, recorded before any output of a model is shown"))
        box.setKeyboardTracking(False)
        box.setFixedWidth(104)
        box.valueChanged.connect(self._estimate)
        box.installEventFilter(self)
        line = QHBoxLayout()
        line.setContentsMargins(6, 4, 6, 2)
        label = Label(tr("Malignant, my estimate"))
        label.setObjectName("faint")
        label.setBuddy(box)
        line.addWidget(label, 1)
        line.addWidget(box)
        return line

    def _comment_box(self) -> QVBoxLayout:
        self.comment.setAccessibleName(tr("Comment"))
        self.comment.setPlaceholderText(tr("Comment"))
        self.comment.setFixedHeight(52)
        self.comment.setTabChangesFocus(True)
        self.comment.installEventFilter(self)
        box = QVBoxLayout()
        box.setContentsMargins(6, 2, 6, 2)
        box.addWidget(self.comment)
        return box

    def _chain(self) -> None:
        """Enter, or a key that chooses, goes on to the next group."""
        rows = list(self.rows.values())
        for row, following in zip(rows, [*rows[1:], self.probability], strict=True):
            row.left.connect(following.setFocus)
            row.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.FocusOut and watched is self.comment:
            self.take_typing()
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            ends = event.key() == Qt.Key.Key_Escape
            if watched is self.probability and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self.probability.interpretText()
                ends = True
            if ends:
                self.take_typing()
                self.finished.emit()
                return True
        return super().eventFilter(watched, event)

    def _pick(self, field: str, value: str | None) -> None:
        self._put(**{field: None if value is None else _KINDS[field](value)})

    def _estimate(self, percent: float) -> None:
        self._put(probability_of_malignancy=None if percent < 0 else round(percent / 100, 4))

    def _put(self, **change: object) -> None:
        if self._filling:
            return
        labels = msgspec.structs.replace(self._labels, **change)
        if labels != self._labels:
            self._labels = labels
            self.edited.emit(self._lesion_id, labels)
