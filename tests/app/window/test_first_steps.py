"""From nothing to a mammogram: dropped files, recent studies, a window inside its screen; care of the study."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QDialogButtonBox
from pytestqt.qtbot import QtBot

from app.qt import settings
from app.views.dialogs.new_study import NewStudyDialog
from app.views.dialogs.work_dialog import WorkDialog
from app.views.exporting.dialog import target_in
from app.views.importing.outcome_table import problems_first
from app.views.main_window.window import MainWindow
from app.views.welcome.glances import SIDE
from app.widgets.label import Label
from core.data.importers.outcomes import FileResult, ImportOutcome
from core.store.study import Study
from core.store.trusted_studies import mark_trusted
from core.tasks.studies.glance import glance_at
from tests.app.window.conftest import press_import, wait_for_picture


def drop(window: MainWindow, *paths: Path) -> bool:
    """Drag files onto the window and let go; whether the window takes them."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    copy, left, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(50, 50), copy, data, left, none)
    enter.setAccepted(False)
    QApplication.sendEvent(window, enter)
    if not enter.isAccepted():
        return False
    [sheet] = [label for label in window.findChildren(Label) if label.objectName() == "dropsheet"]
    assert sheet.isVisible() and sheet.text().startswith("Let go to ")
    QApplication.sendEvent(window, QDropEvent(QPointF(50, 50), copy, data, left, none))
    assert not sheet.isVisible()
    return True


def test_a_study_that_is_dropped_is_opened_and_listed_by_its_name(
    qtbot: QtBot, window: MainWindow, study_folder: Path
) -> None:
    assert drop(window, study_folder)
    wait_for_picture(qtbot, window)
    [known] = settings.recent()
    assert (known.folder, known.name) == (study_folder, "Small")
    window.studies.close()
    assert window.welcome.recent.item(0).text().startswith("Small\n")
    [recent] = [
        action.menu() for action in window.actions_.menus["File"].actions() if action.text() == "Open recent"
    ]
    recent.aboutToShow.emit()
    assert recent.actions()[0].text().startswith("Small ")
    recent.actions()[0].trigger()
    assert window.session.is_open


def test_a_recent_study_shows_one_of_its_mammograms_and_how_far_it_is(
    qtbot: QtBot, window: MainWindow, study_folder: Path
) -> None:
    window.open_study(study_folder)
    wait_for_picture(qtbot, window)
    lesions = len(window.session.study.lesions.all())
    drawn = sum(one.finely_annotated for one in window.session.study.counts())
    mark_trusted(study_folder)
    window.studies.close()
    item = window.welcome.recent.item(0)
    qtbot.waitUntil(lambda: f"{drawn} of {lesions} annotated" in item.text())
    assert item.text().startswith("Small\n")
    assert window.welcome.recent.horizontalScrollBar().maximum() == 0, "however long the folder is"
    shown = item.icon().pixmap(SIDE, SIDE).toImage()
    levels = {shown.pixelColor(x, y).lightness() for x in range(shown.width()) for y in range(shown.height())}
    assert len(levels) > 10, "a mammogram has many greys, an empty square one"
    with Study.open(study_folder):  # nothing holds it
        pass


def test_a_recent_study_that_is_gone_foreign_or_damaged_is_listed_without_a_picture(
    study_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARGINALIA_STATE", str(tmp_path / "state"))
    assert glance_at(tmp_path / "gone", None, 48) is None
    assert glance_at(study_folder, None, 48) is None, "nobody here made or checked it"
    mark_trusted(study_folder)
    assert glance_at(study_folder, None, 48) is not None
    with Study.open(study_folder, writable=False) as study:
        for image in study.images.all():
            for file in (study_folder / "pixels").glob(f"{image.id}*"):
                file.unlink()
    without = glance_at(study_folder, None, 48)
    assert without is not None and without.picture is None


def test_first_start_to_first_mammogram_is_three_actions(
    qtbot: QtBot, window: MainWindow, synthetic_source: Path, tmp_path: Path
) -> None:
    settings.put("place/studies", str(tmp_path / "studies"))
    assert drop(window, synthetic_source)  # one
    [dialog] = window.findChildren(NewStudyDialog)
    dialog._place.setText(str(tmp_path / "studies"))
    box = dialog.findChild(QDialogButtonBox)
    assert box is not None
    qtbot.mouseClick(box.button(QDialogButtonBox.StandardButton.Ok), Qt.MouseButton.LeftButton)  # two
    qtbot.waitUntil(lambda: window.session.is_open)
    press_import(qtbot, window)  # three
    qtbot.waitUntil(lambda: window.annotate.shown is not None, timeout=120_000)
    importing = window.studies.imports.dialog
    assert importing is not None
    qtbot.waitUntil(lambda: importing.result_value is not None, timeout=120_000)


def test_nothing_is_imported_into_a_study_that_is_open_for_reading_only(
    qtbot: QtBot, window: MainWindow, study_folder: Path, tmp_path: Path
) -> None:
    from core.store.study import Study

    with Study.open(study_folder):
        window.open_study(study_folder)
        assert window.session.read_only
        assert not drop(window, tmp_path)


def test_the_first_window_lies_inside_its_screen(window: MainWindow) -> None:
    room = window.screen().availableGeometry()
    assert window.minimumWidth() <= room.width()
    assert window.minimumHeight() < room.height()
    settings.put("window/geometry", "")
    window.resize(5000, 4000)
    window._restore_place()
    assert window.width() <= room.width()
    assert window.height() < room.height(), "the title bar needs room too"
    assert room.contains(window.geometry().topLeft())


def test_a_backup_is_written_and_restored_and_the_study_checked_from_the_menus(
    qtbot: QtBot, opened: MainWindow, tmp_path: Path
) -> None:
    care = opened.care

    def finished() -> WorkDialog:
        [dialog] = opened.findChildren(WorkDialog)
        qtbot.waitUntil(lambda: dialog.task is None, timeout=60_000)
        return dialog

    opened.actions_["study.check"].trigger()
    dialog = finished()
    assert dialog.text.text().startswith("The study is sound: 4 images and 3 lesions")
    dialog.close()
    dialog.setParent(None)
    care.back_up(tmp_path / "small.zip")
    dialog = finished()
    assert "written to" in dialog.text.text()
    dialog.close()
    dialog.setParent(None)
    care.restore(tmp_path / "small.zip", tmp_path / "again")
    dialog = finished()
    assert dialog.text.text().startswith("Small was restored")
    assert opened.session.study.folder == tmp_path / "again"


def test_an_export_goes_into_the_chosen_folder_where_it_is_empty_and_beside_what_is_there_else(
    tmp_path: Path,
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert target_in(empty, "coco") == empty
    (tmp_path / "coco").mkdir()
    assert target_in(tmp_path, "coco") == tmp_path / "coco-2"
    assert target_in(tmp_path, "png") == tmp_path / "png"


def test_what_went_wrong_comes_first_in_the_report_of_an_import() -> None:
    fates = (ImportOutcome.IMPORTED, ImportOutcome.NOTE, ImportOutcome.LEFT_OUT, ImportOutcome.WRONG)
    files = [FileResult(name=fate.value, fate=fate, sentences=()) for fate in fates]
    assert [found.fate for found in problems_first(files)] == [fates[3], fates[1], fates[2], fates[0]]


@pytest.mark.parametrize("menu", ["File", "Edit", "Tools", "View"])
def test_long_menus_are_parted_by_lines(window: MainWindow, menu: str) -> None:
    actions = window.actions_.menus[menu].actions()
    longest = run = 0
    for action in actions:
        run = 0 if action.isSeparator() else run + 1
        longest = max(longest, run)
    assert longest <= 12


def test_another_language_is_spoken_by_the_next_window_on_the_same_study(opened: MainWindow) -> None:
    folder = opened.session.study.folder
    opened.set_language("de")
    assert (opened.next_language, opened.next_study) == ("de", folder)
    assert not opened.isVisible()
