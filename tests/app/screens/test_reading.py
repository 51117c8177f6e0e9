"""A reader study with real events: alone, then with the model, kept once, in the order of the seed."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.views.main_window.window import MainWindow
from app.views.reading.window import ReadingWindow
from core.domain.reading import Condition
from tests.app.screens.conftest import wait_for_case


def answer(qtbot: QtBot, reading: ReadingWindow, margin: str, trust: int | None) -> None:
    panel = reading.answer
    assert not panel.next.isEnabled()
    qtbot.mouseClick(panel.margins.chips[margin], Qt.MouseButton.LeftButton)
    assert not panel.next.isEnabled(), "a probability that nobody chose is no answer"
    panel.probability.setFocus()
    QTest.keyClick(panel.probability, "5")
    QTest.keyClick(panel.probability, Qt.Key.Key_Right)
    if trust is not None:
        assert not panel.next.isEnabled()
        qtbot.mouseClick(panel.trusts.chips[str(trust)], Qt.MouseButton.LeftButton)
    qtbot.mouseClick(panel.next, Qt.MouseButton.LeftButton)


def test_a_reader_study_is_made_read_exported_and_evaluated(
    qtbot: QtBot, opened: MainWindow, tmp_path: Path
) -> None:
    wait_for_case(qtbot, opened)
    qtbot.mouseClick(opened.review.study_button, Qt.MouseButton.LeftButton)
    reading = opened.review.reading
    assert reading is not None
    qtbot.keyClicks(reading.setup.name, "pilot")
    reading.setup.most.setValue(2)
    reading.setup.seed.setValue(5)
    qtbot.mouseClick(reading.setup.make, Qt.MouseButton.LeftButton)
    study = opened.session.study
    [made] = study.reader_studies.all()
    assert (made.name, made.seed, len(made.lesion_ids)) == ("pilot", 5, 2)
    assert opened.session.reader is not None
    for lesion in made.order_for(opened.session.reader.id):
        qtbot.waitUntil(lambda: reading.pages.currentWidget() is reading._reading, timeout=20_000)
        assert reading.step is not None
        assert reading.step.lesion_id == lesion
        assert reading.verdict.isHidden() and reading.evidence.isHidden()
        assert reading.pair.lesion.row is None
        answer(qtbot, reading, "spiculated", None)
        assert reading.step.condition is Condition.WITH_MODEL
        assert reading.verdict.isVisible() and reading.evidence.model().rowCount() == 6
        assert "annotated" not in str(reading.evidence.strip.index(0).data(Qt.ItemDataRole.ToolTipRole))
        answer(qtbot, reading, "indistinct", 2)
    assert reading.pages.currentWidget() is reading.results
    kept = study.reader_studies.readings(made.id)
    assert [one.margin.value for one in kept] == ["spiculated", "indistinct"] * 2
    assert [one.trust for one in kept] == [None, 2, None, 2]
    assert all(one.probability_of_malignancy == 0.55 and one.seconds > 0 for one in kept)
    reading.export_to(tmp_path / "pilot.csv")
    assert (tmp_path / "pilot.csv").read_bytes().count(b"\r\n") == 5
    qtbot.mouseClick(reading.evaluate, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "reader with the model" in reading.figures.toPlainText(), timeout=30_000)
    assert study.audit.verify().good
    reading.close()


def test_another_revision_is_refused_in_place(qtbot: QtBot, opened: MainWindow) -> None:
    from core.tasks.readers.reader_study import make_reader_study
    from core.tasks.review.prototypes import Pruning
    from core.tasks.runs.lifecycle import request_of

    wait_for_case(qtbot, opened)
    study, model = opened.session.study, opened.desk.model
    assert model is not None
    made = make_reader_study(study, model.run, request_of(study, model.run).parts, name="old", seed=1)
    pruning = Pruning(study, model.run)
    pruning.commit(pruning.outcome({0}), reason="vessel")
    qtbot.mouseClick(opened.review.study_button, Qt.MouseButton.LeftButton)
    reading = opened.review.reading
    assert reading is not None
    assert reading.setup.studies.currentItem().text().startswith(made.name)
    qtbot.mouseClick(reading.setup.begin, Qt.MouseButton.LeftButton)
    assert "“As trained”" in reading.notice.text
    reading.close()
