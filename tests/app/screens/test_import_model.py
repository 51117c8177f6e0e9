"""File, Import model: a shared model comes into the study by the hands of a person, or a sentence says why not."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialogButtonBox, QFileDialog, QLineEdit, QPushButton
from pytestqt.qtbot import QtBot

from app.views.importing.model_dialog import ImportModelDialog
from app.views.main_window.window import MainWindow
from core.exchange.models.share_model import share_model
from core.store.study import Study
from core.tasks.runs.lifecycle import find_run


@pytest.fixture
def shared(trained_study: Path, tmp_path: Path) -> Path:
    path = tmp_path / "theirs.marginalia-model"
    with Study.open(trained_study, writable=False) as study:
        share_model(study, find_run(study, "tiny"), path)
    return path


def chosen_in_the_menu(qtbot: QtBot, window: MainWindow, path: Path) -> ImportModelDialog:
    """The way through the menu and the choice of a file, by keys and clicks."""
    [menu] = [action for action in window.menuBar().actions() if action.text().replace("&", "") == "File"]
    entry = window.actions_["study.import_model"]
    assert entry in menu.menu().actions() and entry.isEnabled()
    entry.trigger()
    [asked] = [one for one in window.findChildren(QFileDialog) if one.isVisible()]
    assert any("marginalia-model" in words for words in asked.nameFilters())
    # not typed: the list of completions grabs the keyboard, which this platform does not have
    asked.findChild(QLineEdit, "fileNameEdit").setText(str(path))
    press(qtbot, asked.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Open))
    dialog = window.studies.model_import
    assert dialog is not None
    qtbot.waitExposed(dialog)
    return dialog


def press(qtbot: QtBot, button: QPushButton) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def ended(qtbot: QtBot, dialog: ImportModelDialog) -> str:
    qtbot.waitUntil(lambda: dialog.task is None and bool(dialog.said.text()), timeout=120_000)
    return dialog.said.text()


def test_a_shared_model_becomes_a_run_that_can_be_reviewed(
    qtbot: QtBot, window: MainWindow, own_study: Path, shared: Path
) -> None:
    window.open_study(own_study)
    dialog = chosen_in_the_menu(qtbot, window, shared)
    qtbot.keyClicks(dialog.name, "theirs")
    dialog.split.setFocus()
    qtbot.keyClick(dialog.split, Qt.Key.Key_Down)
    assert dialog.split.currentText() == "default"
    press(qtbot, dialog.start_button)
    assert ended(qtbot, dialog) == (
        "Imported as run theirs; 6 of its 6 prototypes have their lesion in this study."
    )
    press(qtbot, dialog.close_button)
    assert not dialog.isVisible()
    assert window.desk.runs()[0].name == "theirs"
    window.actions_["workspace.review"].trigger()
    qtbot.waitUntil(lambda: window.desk.model is not None or bool(window.desk.problem), timeout=60_000)
    assert window.desk.model is not None and window.desk.model.run.name == "theirs"


@pytest.mark.parametrize("what", ["foreign", "damaged", "name taken"])
def test_what_cannot_be_taken_is_one_sentence_and_leaves_nothing(
    qtbot: QtBot, window: MainWindow, own_study: Path, shared: Path, what: str
) -> None:
    content = bytearray(shared.read_bytes())
    if what == "foreign":
        shared.write_bytes(b"\x89PNG\r\n\x1a\n and no model")
    elif what == "damaged":
        content[len(content) // 2] ^= 1
        shared.write_bytes(content)
    window.open_study(own_study)
    dialog = chosen_in_the_menu(qtbot, window, shared)
    press(qtbot, dialog.start_button)
    sentence = ended(qtbot, dialog)
    assert sentence.startswith("Nothing was imported: ")
    expected = {
        "foreign": "theirs.marginalia-model is not a Marginalia model, or is damaged",
        "damaged": "theirs.marginalia-model is not a Marginalia model, or is damaged",
        "name taken": "has a run named tiny already; give the model another name",
    }
    assert expected[what] in sentence
    assert [run.name for run in window.session.study.runs.all()] == ["tiny"]
    assert len(list((own_study / "runs").iterdir())) == 1
    # and it can be tried again, or left
    assert dialog.start_button.isEnabled()
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()
