"""The work of a group in the window: queue, finishing, blinding, and the decision of a third reader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.state.session import Session
from app.views.dialogs.adjudication import AdjudicationDialog
from app.views.dialogs.group_work import GroupDialog
from app.views.main_window.window import MainWindow
from core.domain.group import How
from core.domain.shapes import circle
from core.domain.study import Labels
from core.domain.vocabulary import MarginType
from core.store.worklist import WorklistFilter
from tests.app.window.conftest import make_study, wait_for_picture

A, B, C = "Dr Anna", "Dr Bert", "Dr Cleo"


@pytest.fixture
def window(tmp_path: Path, qtbot: QtBot) -> Iterator[MainWindow]:
    """Three readers are known; the last of them is signed in."""
    session = Session()
    made = MainWindow(session)
    qtbot.addWidget(made)
    made.show()
    session.open_study(make_study(tmp_path / "study"))
    for name in (A, B, C):
        session.sign_in(name)
    yield made
    session.close_study()
    made.close()


def assign_by_dialog(window: MainWindow, qtbot: QtBot) -> GroupDialog:
    dialog = GroupDialog(window.session, window)
    qtbot.addWidget(dialog)
    dialog.adjudicator.setCurrentText(C)
    assert not dialog.assign.isEnabled(), "nobody is ticked"
    for row in range(dialog.people.count()):
        item = dialog.people.item(row)
        if item.text() in (A, B):
            item.setCheckState(Qt.CheckState.Checked)
    qtbot.mouseClick(dialog.assign, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dialog.progress.rowCount() == 3, timeout=60_000)
    return dialog


def read(window: MainWindow, qtbot: QtBot, name: str, *margins: MarginType) -> None:
    """Label, draw and finish the lesions of the queue, as this reader."""
    session = window.session
    session.sign_in(name)
    for lesion, margin in zip(session.study.lesions.all(), margins, strict=True):
        session.select(lesion.image_id, lesion.id)
        wait_for_picture(qtbot, window)
        session.set_labels(lesion.id, Labels(margin=margin))
        session.commit_shapes(lesion.id, (circle((150.0, 240.0), 20.0 + len(name)),))
        window.actions_["lesion.finish"].trigger()


def queue(window: MainWindow, qtbot: QtBot) -> int:
    panel = window.annotate.worklist
    panel.only.setCurrentIndex(panel.only.findData(WorklistFilter.QUEUE.value))
    panel.search_again()
    qtbot.waitUntil(lambda: not panel.model.busy, timeout=60_000)
    return panel.model.rowCount()


def test_a_double_reading_is_finished_adjudicated_and_undone(window: MainWindow, qtbot: QtBot) -> None:
    session = window.session
    study, spiculated, obscured = session.study, MarginType.SPICULATED, MarginType.OBSCURED
    dialog = assign_by_dialog(window, qtbot)
    first = study.lesions.all()[0]
    read(window, qtbot, A, spiculated, spiculated, obscured)
    assert queue(window, qtbot) == 0
    session.sign_in(B)
    assert queue(window, qtbot) == 3
    assert session.reads.others(first.id) == {}, "the other drawing stays hidden"
    session.set_labels(first.id, Labels(margin=obscured))
    assert session.reads.others(first.id) == {}, "a margin alone does not end the blinding"
    read(window, qtbot, B, obscured, spiculated, obscured)
    assert set(session.reads.others(first.id)) == {A}
    qtbot.waitUntil(lambda: dialog.agreement.rowCount() == 1, timeout=60_000)
    qtbot.waitUntil(dialog.agree.isEnabled, timeout=60_000)
    qtbot.mouseClick(dialog.agree, Qt.MouseButton.LeftButton)
    assert {one.how for one in study.consensus.all().values()} == {How.AGREED} and len(study.consensus.all()) == 2
    session.sign_in(C)
    assert queue(window, qtbot) == 1
    decision = AdjudicationDialog(session, window)
    qtbot.addWidget(decision)
    assert [side.head.text() for side in decision.sides] == [A, B]
    qtbot.waitUntil(lambda: all(side.view.picture is not None for side in decision.sides), timeout=60_000)
    assert [len(side.shapes.shapes) for side in decision.sides] == [1, 1]
    assert not decision.decide.isEnabled(), "the readers differ: nothing is chosen for the adjudicator"
    decision.margin.choose("obscured")
    assert not decision.decide.isEnabled(), "nor a drawing"
    next(chip for chip in decision.drawings.chips.values() if chip.text() == B).click()
    qtbot.mouseClick(decision.decide, Qt.MouseButton.LeftButton)
    made = study.consensus.of(first.id)
    bert = study.readers.find(B)
    assert made is not None and bert is not None
    assert (made.how, made.who, made.labels.margin, made.drawn_by) == (How.ADJUDICATED, C, obscured, bert.id)
    assert not decision.decide.isEnabled() and queue(window, qtbot) == 0
    session.journal.undo(first.image_id)
    assert study.consensus.of(first.id) is None and queue(window, qtbot) == 1


def test_finishing_without_a_margin_or_assignment_says_why_and_is_undone_from_the_banner(
    window: MainWindow, qtbot: QtBot
) -> None:
    session, refused = window.session, list[str]()
    window.annotate.refused.connect(refused.append)
    lesion = session.study.lesions.all()[0]
    session.sign_in(A)
    session.select(lesion.image_id, lesion.id)
    wait_for_picture(qtbot, window)
    window.actions_["lesion.finish"].trigger()
    assert "not assigned" in refused[-1]
    assign_by_dialog(window, qtbot)
    window.actions_["lesion.finish"].trigger()
    assert "Name the margin" in refused[-1]
    window.actions_["view.others"].trigger()
    assert "when you have finished it" in refused[-1]
    session.set_labels(lesion.id, Labels(margin=MarginType.OBSCURED))
    window.actions_["lesion.finish"].trigger()
    anna = session.reader
    assert anna is not None and not session.study.assignments.of_reader(anna.id)[0].open
    session.journal.undo(lesion.image_id)
    assert session.study.assignments.of_reader(anna.id)[0].open
