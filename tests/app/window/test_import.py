"""The import dialog says of every file what happened to it."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture
from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QDialogButtonBox, QFileDialog, QLineEdit, QPushButton
from pytestqt.qtbot import QtBot

from app.views.importing.data_set_dialog import DataSetDialog
from app.views.importing.dialog import ImportDialog
from app.views.importing.results import ImportResult
from app.views.main_window.window import MainWindow
from core.data.importers.outcomes import ImportOutcome
from core.domain.events import Emit, IsCancelled
from core.phantom.config import PhantomConfig
from core.phantom.source import write_study_source
from tests.app.window.conftest import press_import, preview_of


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
    window.studies.imports.import_from(folder)
    result = finished(qtbot, window.studies.imports.dialog)
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
    dialog = window.studies.imports.dialog
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
    press_import(qtbot, window)
    result = finished(qtbot, window.studies.imports.dialog)
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
        preview = preview_of(qtbot, window)
        said.append(preview.text.text() or preview.import_button.text())
    assert "Info.txt" in said[0]
    assert said[1] == "Import 1 image"


def test_a_folder_without_images_is_said_in_place(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    window.studies.create(tmp_path / "study", "New")
    window.studies.imports.import_from(tmp_path / "nothing")
    dialog = window.studies.imports.dialog
    assert dialog is not None
    qtbot.waitUntil(lambda: dialog.button.text() == "Close" and not dialog.task.running)
    assert "holds neither images nor a table" in dialog.text.text()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_phantom_study_is_imported_while_the_window_lives(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    write_study_source(tmp_path / "source", PhantomConfig(patients=1), workers=1)
    window.studies.create(tmp_path / "study", "Phantom", synthetic=True)
    window.studies.imports.import_from(tmp_path / "source")
    result = finished(qtbot, window.studies.imports.dialog)
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
        window.studies.imports.import_from(folder)
        finished(qtbot, window.studies.imports.dialog)
        window.studies.stop()
        qtbot.wait(1)  # the loop deletes what is to be deleted later
        return len(window.findChildren(QObject))

    first = objects_after_an_import()
    assert [objects_after_an_import() for _ in range(3)] == [first] * 3


def write_folder_with_table(folder: Path) -> None:
    """Two images; one lesion that is imported, one row whose image is missing, a file that no row names."""
    folder.mkdir()
    for name, seed in (("a7.png", 1), ("b8.png", 2), ("c9.png", 3)):
        write_png(folder / name, seed)
    lines = ("image,patient_id,laterality,view,margin,x,y,radius", "a7.png,P1,L,CC,spiculated,30,40,10")
    lines += ("b8.png,P2,R,CC,,,,", "gone.png,P2,R,MLO,,,,")
    (folder / "lesions.csv").write_text("\n".join(lines))


def test_before_an_import_the_page_shows_what_comes_and_what_does_not_and_why(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    write_folder_with_table(tmp_path / "site")
    window.studies.create(tmp_path / "study", "New")
    window.studies.imports.offer([tmp_path / "site"])
    preview = preview_of(qtbot, window)
    assert [label.text() for label in preview.figures.values] == ["2", "2", "1", "0", "1"]
    assert preview.margins.text() == "Margins: spiculated 1"
    fates = {found.name: found.fate for found in preview.table.files}
    assert fates["row 4"] is ImportOutcome.WRONG
    assert "c9.png" in preview.table.item(1, 2).text(), "files that no row names are named"
    assert window.session.study.images.count() == 0
    assert not preview.names.isChecked(), "own file names may name patients"
    preview.source.setText("Site A")
    qtbot.mouseClick(preview.check_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not preview.busy, timeout=60_000)
    assert preview.found is not None and preview.found.checked
    assert window.session.study.images.count() == 0
    qtbot.mouseClick(preview.import_button, Qt.MouseButton.LeftButton)
    finished(qtbot, window.studies.imports.dialog)
    assert {patient.source for patient in window.session.study.patients.all()} == {"Site A"}
    assert window.session.reads.file_name(window.session.study.images.all()[0].id) == ""


def test_images_are_found_by_their_file_and_opened_from_the_report(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    write_folder_with_table(tmp_path / "site")
    window.studies.create(tmp_path / "study", "New")
    window.studies.imports.offer([tmp_path / "site"])
    preview = preview_of(qtbot, window)
    preview.names.setChecked(True)
    press_import(qtbot, window)
    result = finished(qtbot, window.studies.imports.dialog)
    images = {found.name: found.image_id for found in result.files if found.image_id}
    panel = window.annotate.worklist
    qtbot.waitUntil(lambda: panel.model.rowCount() == 2)
    panel.search.setText("B8")
    qtbot.waitUntil(lambda: panel.model.rowCount() == 1)
    assert "File: b8.png" in panel.model.index(0, 0).data(Qt.ItemDataRole.ToolTipRole)
    dialog = window.studies.imports.dialog
    assert dialog is not None
    for name, image in images.items():
        [item] = dialog.table.findItems(name, Qt.MatchFlag.MatchExactly)
        place = dialog.table.visualItemRect(item).center()
        qtbot.mouseClick(dialog.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
        assert window.session.image_id == image


def test_the_next_folder_is_looked_for_beside_the_last(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    write_folder_with_table(tmp_path / "site")
    window.studies.create(tmp_path / "study", "New")
    window.studies.imports.offer([tmp_path / "site"])
    preview = preview_of(qtbot, window)
    preview.reject()
    window.actions_["study.import"].trigger()
    [asked] = [one for one in window.findChildren(QFileDialog) if one.isVisible()]
    assert Path(asked.directory().absolutePath()) == tmp_path
    asked.close()


def test_a_folder_that_is_no_study_can_be_imported_at_once(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    write_folder_with_table(tmp_path / "site")
    window.studies.create(tmp_path / "study", "New")
    window.open_study(tmp_path / "site")
    assert window.session.is_open
    [button] = [one for one in window.banner.findChildren(QPushButton) if one.text() == "Import its images…"]
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert preview_of(qtbot, window).import_button.text() == "Import 2 images"


def test_the_report_of_an_import_can_be_opened_again_until_the_study_is_closed(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    write_png(tmp_path / "images" / "a.png", 1)
    (tmp_path / "images" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing more")
    window.studies.create(tmp_path / "study", "New")
    again = window.actions_["study.import_report"]
    assert not again.isEnabled()
    window.studies.imports.import_from(tmp_path / "images")
    dialog = window.studies.imports.dialog
    finished(qtbot, dialog)
    assert dialog is not None
    qtbot.mouseClick(dialog.button, Qt.MouseButton.LeftButton)
    assert not dialog.isVisible() and again.isEnabled()
    again.trigger()
    assert dialog.isVisible()
    assert dialog.table.item(0, 0).text() == "broken.png"
    dialog.close()
    window.studies.close()
    assert not again.isEnabled()
