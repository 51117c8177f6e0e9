"""The advanced form: one field for every value of the configuration, with its limits, made from its types."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.qt.translation import tr
from app.views.train.field_names import field_explained, field_name, group_name, titled
from app.widgets.label import Label
from core.domain.units import without_unit
from core.training.config import TrainingConfig
from core.training.presets import leaves

_FIXED = ("preset", "label", "labels", "seed", "class_names", "method")
"""Chosen elsewhere."""
_UNIT_WIDTH = 96
Field = QLineEdit | QComboBox | QCheckBox


class ConfigForm(QWidget):
    """Groups of fields under a search; ``changed_only`` leaves those that differ from the preset."""

    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.fields: dict[str, Field] = {}
        self._values: dict[str, Any] = {}
        self._labels: dict[str, Label] = {}
        self._titles: dict[str, Label] = {}
        self._words: dict[str, str] = {}
        """By field, what a search looks in."""
        self.search, self.changed_only = QLineEdit(), QCheckBox(tr("Changed only"))
        self.search.setPlaceholderText(tr("Search settings"))
        self.search.setAccessibleName(tr("Search settings"))
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._filter)
        self.changed_only.toggled.connect(self._filter)
        self._nothing = Label(tr("No setting matches."))
        self._nothing.setObjectName("faint")
        page = QWidget()
        self._form = QFormLayout(page)
        self._form.setContentsMargins(2, 0, 10, 6)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._add(msgspec.inspect.type_info(TrainingConfig), "")
        self._lay_out(page)
        self._filter()

    def _lay_out(self, page: QWidget) -> None:
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(page)
        scroll.setAccessibleName(tr("Advanced"))
        line = QHBoxLayout()
        line.setSpacing(12)
        line.addWidget(self.search, 1)
        line.addWidget(self.changed_only)
        column = QVBoxLayout(self)
        column.setContentsMargins(2, 8, 0, 0)
        column.setSpacing(8)
        column.addLayout(line)
        column.addWidget(self._nothing)
        column.addWidget(scroll, 1)

    def show_config(self, config: TrainingConfig) -> None:
        """The values that changes are counted from."""
        self._values = leaves(config)
        for name, field in self.fields.items():
            field.blockSignals(True)
            value = self._values[name]
            if isinstance(field, QCheckBox):
                field.setChecked(bool(value))
            elif isinstance(field, QComboBox):
                field.setCurrentText(str(value))
            else:
                field.setText(_text(value))
            field.blockSignals(False)
        self._filter()

    def changes(self) -> list[str]:
        """Return the changes in the form of ``configure``: ``name=JSON``."""
        return [f"{name}={self._written(self.fields[name])}" for name in self._changed()]

    def _changed(self) -> list[str]:
        return [
            name for name, field in self.fields.items() if self._written(field) != _written(self._values.get(name))
        ]

    def _filter(self) -> None:
        """Show the fields in whose words every word of the search occurs, under the titles of their groups."""
        words = self.search.text().lower().split()
        changed = set(self._changed()) if self.changed_only.isChecked() else None
        shown: set[str] = set()
        for name, label in self._labels.items():
            visible = all(word in self._words[name] for word in words) and (changed is None or name in changed)
            self._form.setRowVisible(label, visible)
            if visible:
                shown.add(name.rpartition(".")[0])
        for group, title in self._titles.items():
            self._form.setRowVisible(title, group in shown)
        self._nothing.setVisible(not shown)

    @staticmethod
    def _written(field: Field) -> str:
        if isinstance(field, QCheckBox):
            return "true" if field.isChecked() else "false"
        if isinstance(field, QComboBox):
            return json.dumps(field.currentText())
        return _as_json(field.text().strip())

    def _add(self, kind: msgspec.inspect.Type, prefix: str) -> None:
        assert isinstance(kind, msgspec.inspect.StructType)
        nested = []
        title = Label(group_name(prefix.removesuffix(".")))
        title.setObjectName("heading")
        title.setContentsMargins(0, 10, 0, 2)
        self._titles[prefix.removesuffix(".")] = title
        self._form.addRow(title)
        for field in kind.fields:
            name = prefix + field.name
            if name in _FIXED:
                continue
            if isinstance(field.type, msgspec.inspect.StructType):
                nested.append((field, name))
                continue
            kind, unit = without_unit(field.type)
            made = self._make(kind)
            made.setObjectName(name)
            label = Label(field_name(name))
            made.setAccessibleName(label.text())
            explained = "\n".join(part for part in (field_explained(name), limits(kind), name) if part)
            for widget in (made, label):
                widget.setToolTip(explained)
            self.fields[name], self._labels[name] = made, label
            self._words[name] = f"{name} {titled(name)} {explained}".lower()
            self._form.addRow(label, _with_unit(made, unit) if unit else made)
        for field, name in nested:
            self._add(field.type, f"{name}.")

    def _make(self, kind: msgspec.inspect.Type) -> Field:
        if isinstance(kind, msgspec.inspect.BoolType):
            box = QCheckBox()
            box.toggled.connect(self.edited)
            return box
        if isinstance(kind, msgspec.inspect.LiteralType):
            choice = QComboBox()
            choice.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            choice.addItems([str(value) for value in kind.values])
            choice.currentTextChanged.connect(self.edited)
            return choice
        line = QLineEdit()
        line.setPlaceholderText(limits(kind))
        line.editingFinished.connect(self.edited)
        return line


def _with_unit(field: Field, unit: str) -> QHBoxLayout:
    line = QHBoxLayout()
    line.addWidget(field, 1)
    label = Label(tr(unit))
    label.setObjectName("faint")
    label.setFixedWidth(_UNIT_WIDTH)
    line.addWidget(label)
    return line


def limits(kind: msgspec.inspect.Type) -> str:
    """Return the limits of a number, in words; empty for other types."""
    if not isinstance(kind, msgspec.inspect.IntType | msgspec.inspect.FloatType):
        return ""
    words = [tr("whole number")] if isinstance(kind, msgspec.inspect.IntType) else []
    for bound, text in ((kind.gt, ">"), (kind.ge, "≥"), (kind.lt, "<"), (kind.le, "≤")):
        if bound is not None:
            words.append(f"{text} {bound:g}")
    return ", ".join(words)


def _text(value: object) -> str:
    return json.dumps(value)[1:-1] if isinstance(value, str | list | tuple) else f"{value!r}"


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, str) else _as_json(_text(value))


def _as_json(text: str) -> str:
    """A number as it is, several as a list, anything else as a text."""
    try:
        value = json.loads(text)
    except ValueError:
        try:
            value = json.loads(f"[{text}]")
        except ValueError:
            return json.dumps(text)
    return json.dumps(value)
