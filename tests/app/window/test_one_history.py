"""Ctrl+Z takes back what was last done in Annotate, whatever it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QCheckBox, QMessageBox, QPushButton
from pytestqt.qtbot import QtBot

from app.operations.lesions import change_outline, label_lesion, link_lesion, order_lesions, remove_lesion
from app.views.annotate.removed_menu import RemovedMenu
from app.views.main_window.window import MainWindow
from core.domain.geometry import Box
from core.domain.shapes import Rectangle
from core.domain.study import Labels
from core.domain.vocabulary import MarginType, Pathology
from core.store.check import check_study
from tests.app.window.conftest import wait_for_picture
from tests.app.window.test_window import drag, draw_circle

CC, MLO = "lesion-patient0-CC", "lesion-patient0-MLO"
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def undo(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.keyClick(window.annotate.view, Qt.Key.Key_Z, CTRL)


def redo(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.keyClick(window.annotate.view, Qt.Key.Key_Z, CTRL | SHIFT)


def everything(window: MainWindow) -> object:
    """All that a reader can change on the image that is shown, beside the numbers of revisions."""
    reads, image = window.session.reads, window.session.image_id or ""
    lesions = reads.lesions(image)
    return [(lesion, reads.labels(lesion.id), reads.shapes(lesion.id)) for lesion in lesions], reads.lesion(MLO)


def stroke(qtbot: QtBot, window: MainWindow) -> None:
    draw_circle(qtbot, window)


def label(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.keyClick(window.annotate.view, Qt.Key.Key_M)
    qtbot.keyClick(window.annotate.panel.form.rows["margin"], Qt.Key.Key_3)
    window.annotate.view.setFocus()


def flag(qtbot: QtBot, window: MainWindow) -> None:
    window.actions_["label.flag"].trigger()


def comment(qtbot: QtBot, window: MainWindow) -> None:
    window.annotate.panel.form.comment.setPlainText("dense")
    window.annotate.panel.form.take_typing()


def new_lesion(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.keyClick(window.annotate.view, Qt.Key.Key_9)
    drag(qtbot, window, [(220, 100), (240, 120), (260, 150)])


def outline(qtbot: QtBot, window: MainWindow) -> None:
    """By its upper left handle."""
    qtbot.keyClick(window.annotate.view, Qt.Key.Key_1)
    drag(qtbot, window, [(100, 190), (110, 200), (120, 215)])


def remove(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.keyClick(window.annotate.view, Qt.Key.Key_Delete, CTRL)


def link(qtbot: QtBot, window: MainWindow) -> None:
    reads = window.session.reads
    link_lesion(window.session, MLO, reads.lesion(CC).finding_id)


def restore(qtbot: QtBot, window: MainWindow) -> None:
    draw_circle(qtbot, window)
    draw_circle(qtbot, window, x=170)
    window.annotate.panel.history.restored.emit(1)


ACTS = (stroke, label, flag, comment, new_lesion, outline, remove, link)


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_undo_takes_back_each_kind_of_act_and_redo_does_it_again(
    qtbot: QtBot, opened: MainWindow, act: Callable[[QtBot, MainWindow], None]
) -> None:
    draw_circle(qtbot, opened, x=170)
    before = everything(opened)
    act(qtbot, opened)
    after = everything(opened)
    assert after != before
    undo(qtbot, opened)
    assert everything(opened) == before
    redo(qtbot, opened)
    assert everything(opened) == after
    undo(qtbot, opened)
    assert everything(opened) == before
    # what was done before it is next
    undo(qtbot, opened)
    assert opened.annotate.document.shapes == ()
    assert check_study(opened.session.study).good


def test_acts_of_all_kinds_are_one_history(qtbot: QtBot, opened: MainWindow) -> None:
    states = [everything(opened)]
    for act in (stroke, label, outline, new_lesion, stroke, flag, link, remove, comment):
        act(qtbot, opened)
        states.append(everything(opened))
    for state in reversed(states[:-1]):
        undo(qtbot, opened)
        assert everything(opened) == state
    assert not opened.actions_["edit.undo"].isEnabled()
    for state in states[1:]:
        redo(qtbot, opened)
        assert everything(opened) == state
    assert opened.session.study.audit.verify().good


def test_a_wrong_label_is_taken_back_and_the_stroke_before_it_stays(qtbot: QtBot, opened: MainWindow) -> None:
    draw_circle(qtbot, opened)
    chips = opened.annotate.panel.form.rows["pathology"].chips
    qtbot.mouseClick(chips["malignant"], Qt.MouseButton.LeftButton)
    assert opened.actions_["edit.undo"].text() == "Undo: Pathology: malignant"
    opened.annotate.view.setFocus()
    undo(qtbot, opened)
    own, _ = opened.session.reads.labels(CC)
    assert own.pathology is None
    assert not chips["malignant"].isChecked()
    assert len(opened.annotate.document.shapes) == 1


def test_a_removed_lesion_comes_back_with_the_shapes_of_every_reader(qtbot: QtBot, opened: MainWindow) -> None:
    session = opened.session
    draw_circle(qtbot, opened)
    session.sign_in("Second reader")
    draw_circle(qtbot, opened, x=180)
    label_lesion(session, CC, Labels(margin=MarginType.OBSCURED))
    before = session.reads.others(CC), session.reads.shapes(CC), session.reads.labels(CC)
    remove_lesion(session, CC)
    assert session.lesion_id is None
    undo(qtbot, opened)
    assert session.lesion_id == CC
    assert (session.reads.others(CC), session.reads.shapes(CC), session.reads.labels(CC)) == before
    assert len(opened.annotate.document.shapes) == 1


def test_a_removed_lesion_is_put_back_after_the_study_was_opened_again(qtbot: QtBot, opened: MainWindow) -> None:
    session = opened.session
    draw_circle(qtbot, opened)
    label_lesion(session, CC, Labels(margin=MarginType.OBSCURED))
    before, image = (session.reads.shapes(CC), session.reads.labels(CC)), session.image_id
    opened.actions_["lesion.remove"].trigger()
    assert session.lesion_id is None
    folder = session.study.folder
    opened.studies.close()
    opened.open_study(folder)
    session.select(image)
    wait_for_picture(qtbot, opened)
    opened.actions_["lesion.put_back"].trigger()
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, RemovedMenu)
    heading, lesion = menu.actions()
    assert heading.text() == "Put back" and lesion.text().startswith("Lesion 1 · annotations: 1 · removed ")
    lesion.trigger()
    menu.close()
    assert session.lesion_id == CC
    assert (session.reads.shapes(CC), session.reads.labels(CC)) == before
    undo(qtbot, opened)
    assert session.lesion_id is None and session.reads.removed_lesions(image or "")[0].id == CC


def test_what_another_reader_drew_goes_only_by_an_explicit_tick_and_keep_is_the_default(
    qtbot: QtBot, opened: MainWindow
) -> None:
    draw_circle(qtbot, opened)
    opened.session.sign_in("Second reader")
    opened.actions_["lesion.remove"].trigger()
    [box] = [found for found in opened.findChildren(QMessageBox) if found.isVisible()]
    buttons = {button.text(): button for button in box.findChildren(QPushButton)}
    assert box.defaultButton() is buttons["Keep"]
    assert not buttons["Remove"].isEnabled()
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert [lesion.id for lesion in opened.session.reads.lesions("patient0-CC")] == [CC]
    opened.actions_["lesion.remove"].trigger()
    [box] = [found for found in opened.findChildren(QMessageBox) if found.isVisible()]
    [tick] = box.findChildren(QCheckBox)
    tick.click()
    remove_button = next(button for button in box.findChildren(QPushButton) if button.text() == "Remove")
    qtbot.mouseClick(remove_button, Qt.MouseButton.LeftButton)
    assert opened.session.reads.lesions("patient0-CC") == ()
    assert "was removed" in opened.banner.text
    button = next(one for one in opened.banner.findChildren(QPushButton) if one.text() == "Undo")
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert [lesion.id for lesion in opened.session.reads.lesions("patient0-CC")] == [CC]


def test_undo_shows_the_lesion_that_it_changes(qtbot: QtBot, opened: MainWindow) -> None:
    session = opened.session
    draw_circle(qtbot, opened)
    new_lesion(qtbot, opened)
    other = session.lesion_id
    session.select("patient0-CC", CC)
    label_lesion(session, CC, Labels(pathology=Pathology.BENIGN))
    session.select("patient0-CC", other)
    undo(qtbot, opened)
    assert session.lesion_id == CC
    assert session.reads.labels(CC)[0].pathology is None


def test_the_history_of_one_image_leaves_another_one_alone(qtbot: QtBot, opened: MainWindow) -> None:
    draw_circle(qtbot, opened)
    opened.actions_["case.next"].trigger()
    wait_for_picture(qtbot, opened)
    assert not opened.actions_["edit.undo"].isEnabled()
    undo(qtbot, opened)
    assert len(opened.session.reads.shapes(CC)) == 1
    opened.actions_["case.previous"].trigger()
    wait_for_picture(qtbot, opened)
    undo(qtbot, opened)
    assert opened.annotate.document.shapes == ()


def test_another_reader_cannot_take_back_what_the_first_one_did(qtbot: QtBot, opened: MainWindow) -> None:
    label(qtbot, opened)
    opened.session.sign_in("Second reader")
    assert not opened.actions_["edit.undo"].isEnabled()


def test_going_back_in_the_history_is_an_act_too(qtbot: QtBot, opened: MainWindow) -> None:
    restore(qtbot, opened)
    assert len(opened.annotate.document.shapes) == 1
    undo(qtbot, opened)
    assert len(opened.annotate.document.shapes) == 2


def test_strokes_of_an_earlier_session_are_taken_back_after_the_acts_of_this_one(
    qtbot: QtBot, opened: MainWindow, study_folder: Path
) -> None:
    draw_circle(qtbot, opened)
    draw_circle(qtbot, opened, x=180)
    opened.studies.close()
    opened.open_study(study_folder)
    wait_for_picture(qtbot, opened)
    label(qtbot, opened)
    document = opened.annotate.document
    counts = []
    for _ in range(3):
        undo(qtbot, opened)
        counts.append(len(document.shapes))
    assert counts == [2, 1, 0]
    for _ in range(3):
        redo(qtbot, opened)
    assert len(document.shapes) == 2
    assert opened.session.reads.labels(CC)[0].margin is MarginType.MICROLOBULATED


def test_the_order_of_lesions_is_an_act(qtbot: QtBot, opened: MainWindow) -> None:
    session = opened.session
    new_lesion(qtbot, opened)
    ids = [lesion.id for lesion in session.reads.lesions("patient0-CC")]
    order_lesions(session, "patient0-CC", ids[::-1])
    undo(qtbot, opened)
    assert [lesion.id for lesion in session.reads.lesions("patient0-CC")] == ids


def test_an_outline_that_stays_is_no_act(opened: MainWindow) -> None:
    change_outline(
        opened.session, opened.session.study.lesions.get(CC), Rectangle(box=Box(x0=100, y0=190, x1=200, y1=290))
    )
    assert not opened.actions_["edit.undo"].isEnabled()
