"""Look here instead, with real events: figures before and after, a new run that is shown, undo and redo."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.views.main_window.window import MainWindow
from app.views.steering.dialog import SteeringDialog
from app.views.steering.picker import PlacePicker
from core.domain.vocabulary import Part
from core.tasks.readers.opinions import Mark, marks_of
from core.tasks.review.prototype_history import PrototypeEvent, history_of
from tests.app.screens.conftest import wait_for_case, wait_for_model

WAIT = 120_000


def _point(picker: PlacePicker, cell: tuple[int, int], grid: tuple[int, int]) -> QPoint:
    for y in range(picker.height()):
        for x in range(picker.width()):
            if picker.cell_at(x, y) == cell:
                return QPoint(x + 1, y + 1)
    raise AssertionError(f"cell {cell} of {grid} is nowhere")


def _dialog(window: MainWindow, action: str) -> SteeringDialog:
    window.actions_[action].trigger()
    screen = window.prototypes if action.startswith("prototypes") else window.review
    assert screen.steering.dialog is not None
    return screen.steering.dialog


@pytest.fixture
def gallery(qtbot: QtBot, window: MainWindow, own_study: Path) -> MainWindow:
    window.open_study(own_study)
    window.actions_["workspace.prototypes"].trigger()
    wait_for_model(qtbot, window)
    return window


def test_a_place_becomes_the_prototype_of_a_new_run_and_undo_goes_back(qtbot: QtBot, gallery: MainWindow) -> None:
    window, model = gallery, gallery.desk.model
    assert model is not None
    index = window.prototypes.grid.current
    dialog = _dialog(window, "prototypes.look_here")
    grid = model.pruning.base.network.grid
    source = model.pruning.base.card.prototypes[index]
    rois = model.opened.rois
    other = next(k for k, row in enumerate(dialog.rows) if rois.lesion_ids[row] != source.lesion_id)
    dialog.lesions.setCurrentIndex(other)
    assert not dialog.make.isEnabled()
    cell = (grid[0] // 2, grid[1] // 2 - 1)
    qtbot.mouseClick(dialog.picker, Qt.MouseButton.LeftButton, pos=_point(dialog.picker, cell, grid))
    qtbot.waitUntil(lambda: dialog.outcome is not None, timeout=WAIT)
    before, after = (dialog.effect.text_of("auroc_mean", column) for column in (1, 2))
    assert before and after and dialog.effect.text_of("auroc_mean", 4)
    assert dialog.effect.text_of("lesion_precision", 2)
    assert not dialog.make.isEnabled(), "a reason is needed"
    qtbot.keyClicks(dialog.reason, "the spicules")
    qtbot.mouseClick(dialog.make, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(
        lambda: window.desk.model is not None and window.desk.model.run.name == "tiny-steered1", timeout=WAIT
    )
    steered = window.desk.model
    assert steered is not None
    made = steered.pruning.base.card.prototypes[index]
    assert made.lesion_id == rois.lesion_ids[dialog.rows[other]] and made.cell == cell
    happened = history_of(window.session.study, steered.run, index)
    assert [one.words for one in happened if one.turn is PrototypeEvent.PLACED] == ["the spicules"]
    assert window.prototypes.undo.isEnabled()
    qtbot.mouseClick(window.prototypes.undo, Qt.MouseButton.LeftButton)
    study = window.session.study
    assert [run.name for run in study.runs.all()] == ["tiny"]
    assert window.desk.run_id == model.run.id


def test_the_arrow_keys_choose_the_place(qtbot: QtBot, gallery: MainWindow) -> None:
    dialog = _dialog(gallery, "prototypes.look_here")
    for _ in range(2):
        qtbot.keyClick(dialog.picker, Qt.Key.Key_Left)
    grid = gallery.desk.model.pruning.base.network.grid  # type: ignore[union-attr]
    assert dialog.picker.cell == (grid[0] // 2, grid[1] // 2 - 1)
    dialog.reject()
    QApplication.processEvents()
    assert gallery.prototypes.steering.dialog is None
    assert [run.name for run in gallery.session.study.runs.all()] == ["tiny"]


def test_review_offers_the_lesion_that_is_shown_and_refuses_unseen_parts(qtbot: QtBot, opened: MainWindow) -> None:
    review, model = opened.review, opened.desk.model
    assert model is not None
    parts = dict(zip(model.opened.rois.lesion_ids, model.opened.parts, strict=True))
    lesion = next(case.lesion_id for case in model.cases if parts[case.lesion_id] == Part.TEST.value)
    review.cases.choose(lesion)
    assert wait_for_case(qtbot, opened) == lesion
    opened.actions_["review.next_prototype"].trigger()
    dialog = _dialog(opened, "review.look_here")
    assert "validation and test stay unseen" in dialog.said.text()
    shown = {model.opened.rois.lesion_ids[row] for row in dialog.rows}
    assert shown and all(parts[one] == Part.TRAINING.value for one in shown)
    dialog.reject()


def test_not_this_is_a_mark_that_can_be_taken_back(qtbot: QtBot, opened: MainWindow) -> None:
    wait_for_case(qtbot, opened)
    opened.actions_["review.next_prototype"].trigger()
    index, run = opened.review.chosen_prototype, opened.desk.model.run  # type: ignore[union-attr]
    assert index is not None
    opened.actions_["review.not_this"].trigger()
    assert marks_of(opened.session.study, run) == {index: Mark.NOT_RELEVANT}
    opened.actions_["review.not_this"].trigger()
    assert marks_of(opened.session.study, run) == {}
