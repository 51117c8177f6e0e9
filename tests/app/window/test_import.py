"""The import dialog says of every file what happened to it."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture
from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QDialogButtonBox, QFileDialog, QLineEdit
from pytestqt.qtbot import QtBot

from app.views.importing.data_set_dialog import DataSetDialog
from app.views.importing.dialog import ImportDialog
from app.views.importing.results import ImportResult
from app.views.main_window.window import MainWindow
from core.data.importers.outcomes import ImportOutcome
from core.domain.events import Emit, IsCancelled
from core.phantom.config import PhantomConfig
from core.phantom.source import write_study_source


def write_png(path: Path, seed: int) -> None:
    grey = np.random.default_rng(seed).integers(0, 255, (90, 70), dtype=np.uint8)
    Picture.fromarray(grey).save(path)


def finished(qtbot: QtBot, dialog: ImportDialog | None) -> ImportResult:
    assert dialog is not None
    qtbot.waitUntil(lambda: dialog.result_value is not None or not dialog.task.running, timeout=60_000)
    qtbot.waitUntil(lambda: dialog.button.text() == "Close")
    assert dialog.result_value is not None, dialog.text.text()
    return dialog.result_value


def test_every_file_of_a_folder_is_in_the_result(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    write_png(folder / "a.png", 1)
    write_png(folder / "b.png", 2)
    (folder / "c.png").write_bytes((folder / "a.png").read_bytes())
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing more")
    (folder / "notes.txt").write_text("no image")
    window.studies.create(tmp_path / "study", "New")
    window.studies.import_from(folder)
    result = finished(qtbot, window.studies.importing)
    fates = {found.name: found.fate for found in result.files}
    assert fates == {
        "a.png": ImportOutcome.IMPORTED,
        "b.png": ImportOutcome.IMPORTED,
        "c.png": ImportOutcome.LEFT_OUT,
        "broken.png": ImportOutcome.WRONG,
        "notes.txt": ImportOutcome.LEFT_OUT,
        "images": ImportOutcome.NOTE,  # of the folder: nobody knows whose the images are
    }
    assert all(found.sentences for found in result.files if found.fate is not ImportOutcome.IMPORTED)
    assert result.images == 2
    panel = window.annotate.worklist
    qtbot.waitUntil(lambda: panel.model.rowCount() == 2)
    dialog = window.studies.importing
    assert dialog is not None
    dialog.which.setCurrentIndex(dialog.which.findData(ImportOutcome.WRONG.value))
    assert [dialog.table.isRowHidden(row) for row in range(5)].count(False) == 1


def test_single_files_are_imported_and_no_others(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    for seed in range(3):
        write_png(tmp_path / f"{seed}.png", seed)
    window.studies.create(tmp_path / "study", "New")
    window.actions_["study.import_files"].trigger()
    [asked] = [one for one in window.findChildren(QFileDialog) if one.isVisible()]
    names = " ".join(f'"{tmp_path / name}"' for name in ("0.png", "2.png"))
    asked.findChild(QLineEdit, "fileNameEdit").setText(names)
    open_button = asked.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Open)
    qtbot.mouseClick(open_button, Qt.MouseButton.LeftButton)
    result = finished(qtbot, window.studies.importing)
    assert [(found.name, found.fate) for found in result.files if found.name.endswith("png")] == [
        ("0.png", ImportOutcome.IMPORTED),
        ("2.png", ImportOutcome.IMPORTED),
    ]


def test_a_data_set_is_imported_by_the_layout_that_was_chosen(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    write_png(source / "a.png", 1)
    window.studies.create(tmp_path / "study", "New")
    said = []
    # two rows below: the first layout of a data set, whose table is not there; then the last, images alone
    for key, times in ((Qt.Key.Key_Down, 2), (Qt.Key.Key_End, 1)):
        window.actions_["study.import_data_set"].trigger()
        [dialog] = [one for one in window.findChildren(DataSetDialog) if one.isVisible()]
        for _ in range(times):
            qtbot.keyClick(dialog.layout_choice, key)
        qtbot.mouseClick(dialog.choose_button, Qt.MouseButton.LeftButton)
        [asked] = dialog.findChildren(QFileDialog)
        asked.findChild(QLineEdit, "fileNameEdit").setText(str(source))
        button = asked.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Open)
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        importing = window.studies.importing
        assert importing is not None
        qtbot.waitUntil(lambda it=importing: it.button.text() == "Close", timeout=60_000)  # type: ignore[misc]
        said.append(importing.text.text())
    assert "Info.txt" in said[0]
    assert said[1].startswith("1 images imported")


def test_a_folder_without_images_is_said_in_place(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    window.studies.create(tmp_path / "study", "New")
    window.studies.import_from(tmp_path / "nothing")
    dialog = window.studies.importing
    assert dialog is not None
    qtbot.waitUntil(lambda: dialog.button.text() == "Close" and not dialog.task.running)
    assert "holds neither images nor a table" in dialog.text.text()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_phantom_study_is_imported_while_the_window_lives(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    write_study_source(tmp_path / "source", PhantomConfig(patients=1), workers=1)
    window.studies.create(tmp_path / "study", "Phantom", synthetic=True)
    window.studies.import_from(tmp_path / "source")
    result = finished(qtbot, window.studies.importing)
    assert (result.images, result.lesions, result.annotations) == (2, 2, 2)
    assert {found.fate for found in result.files} <= {ImportOutcome.IMPORTED, ImportOutcome.NOTE}
    assert window.status._badge.isVisible()


def test_cancelling_stops_the_work_and_the_dialog_says_so(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    from core.domain.errors import Cancelled

    begun = threading.Event()

    def job(_emit: Emit, cancelled: IsCancelled) -> object:
        begun.set()
        while not cancelled():
            threading.Event().wait(0.005)
        raise Cancelled

    dialog = ImportDialog(tmp_path, job, window)
    qtbot.addWidget(dialog)
    dialog.start()
    qtbot.waitUntil(begun.is_set)
    dialog.button.click()
    qtbot.waitUntil(lambda: dialog.button.text() == "Close")
    assert "Cancelled" in dialog.text.text()


def test_an_import_that_is_over_leaves_nothing_in_the_window(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    write_png(folder / "a.png", 1)
    window.studies.create(tmp_path / "study", "New")

    def objects_after_an_import() -> int:
        window.studies.import_from(folder)
        finished(qtbot, window.studies.importing)
        window.studies.stop()
        qtbot.wait(1)  # the loop deletes what is to be deleted later
        return len(window.findChildren(QObject))

    first = objects_after_an_import()
    assert [objects_after_an_import() for _ in range(3)] == [first] * 3
