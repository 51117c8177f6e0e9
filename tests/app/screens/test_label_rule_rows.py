"""Train says whose labels it takes, and takes those that were chosen."""

from __future__ import annotations

from PySide6.QtTest import QSignalSpy
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.views.main_window.window import MainWindow
from app.views.train.label_rule_rows import LabelRuleRows, summary_of
from core.domain.label_rule import LabelRule
from core.domain.study import Labels
from core.domain.vocabulary import MarginType
from core.tasks.runs.training_data import TrainingData


def test_the_chosen_rule_is_the_one_that_is_shown(qtbot: QtBot, qapp: QApplication) -> None:
    box = LabelRuleRows()
    for part in (box.source, box.disagreement, box.summary):
        qtbot.addWidget(part)
    assert box.rule == LabelRule()
    spy = QSignalSpy(box.rule_chosen)
    box.show_readers(("Dr A", "Dr B"))
    wanted = LabelRule(source="readers alone", disagreement="majority", readers=("Dr B",))
    box.show_rule(wanted)
    assert box.rule == wanted and box.source.currentText() == "Dr B alone"
    assert spy.count() == 0
    box.source.setCurrentIndex(box.source.findText("data set alone"))
    box.source.activated.emit(box.source.currentIndex())
    assert spy.at(0) == [LabelRule(source="data set alone", disagreement="majority")]
    box.show_readers(("Dr A",))
    assert box.rule.source == "data set alone"


def test_the_summary_names_every_voice_and_what_differs() -> None:
    data = TrainingData(
        counts=(), left_out=(), forgotten=0, warnings=(), said_by=(("", 40), ("Dr A", 3)), against_data_set=2
    )
    text = summary_of(data)
    assert text.startswith("Labels of the data set: 40. Labels of Dr A: 3. 2 of them differ from the data set.")


def test_train_counts_by_the_chosen_rule(qtbot: QtBot, opened: MainWindow) -> None:
    reader = opened.session.reader
    assert reader is not None
    lesion = next(one for one in opened.session.study.lesions.all() if one.labels.margin is MarginType.SPICULATED)
    opened.session.set_labels(lesion.id, Labels(margin=MarginType.INDISTINCT))
    opened.actions_["workspace.train"].trigger()
    plan = opened.train.plan
    summary = plan.label_rule.summary
    qtbot.waitUntil(lambda: f"Labels of {reader.name}: 1." in summary.text())
    assert "1 of them differ from the data set." in summary.text()
    box = plan.label_rule.source
    box.setCurrentIndex(box.findText("data set alone"))
    box.activated.emit(box.currentIndex())
    assert plan.config is not None and plan.config.labels.source == "data set alone"
    qtbot.waitUntil(lambda: reader.name not in summary.text())
    box.setCurrentIndex(box.findText(f"{reader.name} alone"))
    box.activated.emit(box.currentIndex())
    assert plan.config.labels == LabelRule(source="readers alone", readers=(reader.name,))
