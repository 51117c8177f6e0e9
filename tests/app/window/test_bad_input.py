"""What cannot be used is said in its place, in a sentence, by mouse and keys and without a box to be answered."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QDialogButtonBox, QFileDialog, QLineEdit, QPushButton
from pytestqt.qtbot import QtBot

from app.views.importing.preview import ImportPreview
from app.views.main_window.window import MainWindow
from core.store.study import Study
from tests.app.window.conftest import make_study, preview_of, wait_for_picture
from tests.app.window.test_window import draw_circle

Key, Left = Qt.Key, Qt.MouseButton.LeftButton
CONTROL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier


def choose_folder(qtbot: QtBot, window: MainWindow, folder: Path) -> None:
    """In the file dialog that is open: pasted, and accepted."""
    [dialog] = [found for found in window.findChildren(QFileDialog) if found.isVisible()]
    [edit] = [found for found in dialog.findChildren(QLineEdit) if found.isVisible()]
    # pasted: what is typed is completed by what else lies beside it
    QApplication.clipboard().setText(str(folder))
    edit.selectAll()
    qtbot.keyClick(edit, Key.Key_V, CONTROL)
    accept = dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Open)
    qtbot.waitUntil(accept.isEnabled)  # when the dialog has looked at the folder, in a thread of its own
    qtbot.mouseClick(accept, Left)


def import_by_keys(qtbot: QtBot, window: MainWindow, folder: Path) -> ImportPreview:
    qtbot.keyClick(window.annotate.view, Key.Key_I, CONTROL | SHIFT)
    choose_folder(qtbot, window, folder)
    return preview_of(qtbot, window)


def press(qtbot: QtBot, place: object, text: str) -> None:
    [button] = [one for one in place.findChildren(QPushButton) if one.isVisible() and one.text() == text]  # type: ignore[attr-defined]
    qtbot.mouseClick(button, Left)


def test_a_folder_without_images_is_a_sentence_in_the_import_and_the_study_goes_on(
    qtbot: QtBot, opened: MainWindow, tmp_path: Path
) -> None:
    (tmp_path / "nothing").mkdir()
    dialog = import_by_keys(qtbot, opened, tmp_path / "nothing")
    assert "holds neither images nor a table" in dialog.text.text()
    assert not dialog.table.isVisible() and not dialog.import_button.isEnabled()
    qtbot.mouseClick(dialog.cancel_button, Left)
    assert not dialog.isVisible()
    draw_circle(qtbot, opened)
    assert len(opened.annotate.document.shapes) == 1


def test_a_file_that_is_no_image_has_its_line_with_the_reason(
    qtbot: QtBot, opened: MainWindow, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "letter.png").write_text("Dear colleague, ...")
    (folder / "list.txt").write_text("no image either")
    dialog = import_by_keys(qtbot, opened, folder)
    text = dialog.text.text()
    assert "holds neither images nor a table" in text
    assert "letter.png (" in text and "list.txt (" in text, "each file with its reason"
    qtbot.mouseClick(dialog.cancel_button, Left)
    draw_circle(qtbot, opened)
    assert len(opened.annotate.document.shapes) == 1


@pytest.mark.parametrize("what", ["no study", "damaged study", "nothing there"])
def test_what_is_no_study_is_refused_in_the_banner_and_the_present_one_stays(
    qtbot: QtBot, opened: MainWindow, tmp_path: Path, what: str
) -> None:
    folder = tmp_path / "other"
    if what != "nothing there":
        folder.mkdir()
    if what == "damaged study":
        (folder / "study.db").write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 20)
    if what == "nothing there":  # a recent one that was deleted meanwhile; a file dialog does not take it
        opened.open_study(folder)
    else:
        qtbot.keyClick(opened.annotate.view, Key.Key_O, CONTROL)
        choose_folder(qtbot, opened, folder)
    qtbot.waitUntil(lambda: bool(opened.banner.text))
    assert "study" in opened.banner.text and "Traceback" not in opened.banner.text
    assert QApplication.activeModalWidget() is None
    assert opened.windowTitle() == "Small — Marginalia"
    press(qtbot, opened.banner, "Dismiss")
    assert not opened.banner.isVisible()
    draw_circle(qtbot, opened)
    assert len(opened.annotate.document.shapes) == 1


def test_a_locked_study_says_who_has_it_and_is_writable_when_that_one_has_gone(
    qtbot: QtBot, window: MainWindow, study_folder: Path
) -> None:
    with Study.open(study_folder, holder="Dr. Other"):
        window.open_study(study_folder)
        wait_for_picture(qtbot, window)
        assert "Dr. Other" in window.banner.text and QApplication.activeModalWidget() is None
        draw_circle(qtbot, window)
        assert window.annotate.document.shapes == ()
        for action in ("study.import", "tool.ellipse"):
            assert action != "study.import" or not window.actions_[action].isEnabled()
        press(qtbot, window.banner, "Try again")
        assert "Dr. Other" in window.banner.text  # still there
        wait_for_picture(qtbot, window)
    press(qtbot, window.banner, "Try again")
    wait_for_picture(qtbot, window)
    assert window.banner.text == ""
    draw_circle(qtbot, window)
    assert len(window.annotate.document.shapes) == 1


def test_images_deleted_under_the_program_are_said_in_their_place_and_the_others_are_read(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    folder = make_study(tmp_path / "three", patients=3)
    window.open_study(folder)
    wait_for_picture(qtbot, window)
    for name in ("patient1-CC", "patient2-CC"):  # not the next one, which may be read already
        (folder / "pixels" / f"{name}.h5").unlink()
    view = window.annotate.view
    seen = []
    for _ in range(4):
        qtbot.keyClick(view, Key.Key_PageDown)
        qtbot.waitUntil(lambda: window.annotate.shown is not None or "cannot be shown" in view.message)
        gone = window.annotate.shown is None
        seen.append((window.session.image_id, gone))
        assert not gone or ("is missing from the study" in view.message and view.picture is None)
        assert QApplication.activeModalWidget() is None
        before = len(window.annotate.document.shapes)
        draw_circle(qtbot, window)
        drawn = len(window.annotate.document.shapes) - before
        assert drawn == (0 if gone else 1)
    assert seen == [("patient0-MLO", False), ("patient1-CC", True), ("patient1-MLO", False), ("patient2-CC", True)]
