"""Whose labels a training takes: the choice, what happens where readers differ, and what it means in numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import get_args

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QComboBox, QFormLayout

from app.qt.translation import tr
from app.widgets.label import Label
from core.domain.label_rule import Disagreement, LabelRule, LabelSource
from core.tasks.runs.training_data import TrainingData

_SOURCES: tuple[LabelSource, ...] = get_args(LabelSource)
_RULES: tuple[Disagreement, ...] = get_args(Disagreement)


class LabelRuleRows(QObject):
    """Rows of a form: ``add_to`` puts them into it."""

    rule_chosen = Signal(object)
    """A ``LabelRule``."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.source, self.disagreement, self.summary = QComboBox(), QComboBox(), Label()
        self.source.setAccessibleName(tr("Whose labels"))
        self.disagreement.setAccessibleName(tr("Where readers differ"))
        self.summary.setObjectName("faint")
        self.summary.setWordWrap(True)
        for box in (self.source, self.disagreement):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(12)
        self._rules = [LabelRule(source=source) for source in _SOURCES]
        self.disagreement.addItems([tr(rule) for rule in _RULES])
        self.show_readers(())
        self.source.activated.connect(self._choose)
        self.disagreement.activated.connect(self._choose)

    def add_to(self, form: QFormLayout) -> None:
        form.addRow(tr("Whose labels"), self.source)
        form.addRow(tr("Where readers differ"), self.disagreement)
        form.addRow(self.summary)

    @property
    def rule(self) -> LabelRule:
        """The chosen rule."""
        chosen = self._rules[max(self.source.currentIndex(), 0)]
        differ = _RULES[max(self.disagreement.currentIndex(), 0)]
        return LabelRule(source=chosen.source, disagreement=differ, readers=chosen.readers)

    def changes(self) -> list[str]:
        """The rule as ``configure`` takes it, ``name=JSON``; nothing where it is the usual one."""
        rule = self.rule
        fields = (("source", rule.source), ("disagreement", rule.disagreement), ("readers", list(rule.readers)))
        return [] if rule == LabelRule() else [f"labels.{name}={json.dumps(value)}" for name, value in fields]

    def show_readers(self, names: Sequence[str]) -> None:
        """Offer each reader of the study alone, beside the rules for all of them; the choice stays."""
        before = self.rule if self.source.count() else LabelRule()
        alone = [LabelRule(source="readers alone", readers=(name,)) for name in names]
        self._rules = [*(LabelRule(source=source) for source in _SOURCES), *alone]
        self.source.clear()
        self.source.addItems([tr(source) for source in _SOURCES])
        self.source.addItems([tr("{name} alone", name=name) for name in names])
        self.show_rule(before)

    def show_rule(self, rule: LabelRule) -> None:
        """Show this rule without emitting; the usual one where its reader is not offered."""
        places = [
            i for i, one in enumerate(self._rules) if (one.source, one.readers) == (rule.source, rule.readers)
        ]
        self.source.setCurrentIndex(places[0] if places else 0)
        self.disagreement.setCurrentIndex(_RULES.index(rule.disagreement))

    def show_data(self, data: TrainingData | None) -> None:
        """In words, whose labels would be trained on."""
        self.summary.setText("" if data is None else summary_of(data))

    def _choose(self) -> None:
        self.rule_chosen.emit(self.rule)


def summary_of(data: TrainingData) -> str:
    """Such as "Labels of the data set: 140 lesions. Labels of Dr X: 12 lesions."."""
    parts = [
        tr("Labels of the data set: {count}.", count=count)
        if not who
        else tr("Labels of {name}: {count}.", name=who, count=count)
        for who, count in data.said_by
    ]
    if data.against_data_set:
        parts.append(tr("{count} of them differ from the data set.", count=data.against_data_set))
    parts.append(tr("Readings in Review and in reader studies are not labels."))
    return " ".join(parts)
