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
    QWidget,
)

from app.qt.translation import tr
from app.widgets.label import Label
from core.domain.units import without_unit
from core.training.config import TrainingConfig
from core.training.presets import leaves

_FIXED = ("preset", "label", "labels", "seed", "class_names", "method")
"""Chosen elsewhere."""
_UNIT_WIDTH = 96
Field = QLineEdit | QComboBox | QCheckBox


class ConfigForm(QScrollArea):
    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.fields: dict[str, Field] = {}
        self._values: dict[str, Any] = {}
        page = QWidget()
        self._form = QFormLayout(page)
        self._form.setContentsMargins(2, 6, 10, 6)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._add(msgspec.inspect.type_info(TrainingConfig), "")
        self.setWidget(page)

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

    def changes(self) -> list[str]:
        """Return the changes in the form of ``configure``: ``name=JSON``."""
        found = []
        for name, field in self.fields.items():
            text = self._written(field)
            if text != _written(self._values.get(name)):
                found.append(f"{name}={text}")
        return found

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
            made.setAccessibleName(name)
            made.setToolTip(limits(kind))
            self.fields[name] = made
            label = Label(field.name.replace("_", " "))
            label.setToolTip(name)
            self._form.addRow(label, _with_unit(made, unit) if unit else made)
        for field, name in nested:
            title = Label(field.name.replace("_", " ").capitalize())
            title.setObjectName("heading")
            self._form.addRow(title)
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
