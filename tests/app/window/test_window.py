"""Opening, drawing, labelling, closing and reopening with real mouse and key events."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from app.operations.lesions import remove_lesion
from app.state.session import Session
from app.views.main_window.window import MainWindow
from core.domain.errors import StorageFullError
from core.domain.messages import message
from core.domain.study import Labels
from core.domain.vocabulary import BiradsCategory, MarginType, MassDensity, MassShape, Pathology
from core.imaging.raster import rasterise
from core.store.study import Study
from tests.app.window.conftest import COLUMNS, ROWS, wait_for_picture


def draw_circle(qtbot: QtBot, window: MainWindow, x: float = 150, y: float = 240, radius: float = 20) -> None:
    """By dragging with the circle tool, in image coordinates."""
    qtbot.keyClick(window.annotate.view, Qt.Key.Key_4)
    drag(qtbot, window, [(x, y), (x + radius / 2, y), (x + radius, y)])


def drag(qtbot: QtBot, window: MainWindow, points: list[tuple[float, float]]) -> None:
    view = window.annotate.view
    places = [view.sight.to_widget(point).toPoint() for point in points]
    left = Qt.MouseButton.LeftButton
    qtbot.mousePress(view, left, pos=places[0])
    for place in places[1:]:
        qtbot.mouseMove(view, place)
    qtbot.mouseRelease(view, left, pos=places[-1])


def mask_of(window: MainWindow) -> np.ndarray:
    spacing = window.annotate.document.spacing_mm
    return rasterise(window.annotate.document.shapes, width=COLUMNS, height=ROWS, spacing_mm=spacing)


def test_the_window_opens_a_study_shows_its_first_image_and_closes_it(
    qtbot: QtBot, window: MainWindow, study_folder: Path
) -> None:
    assert window.pages.currentWidget() is window.welcome
    window.open_study(study_folder)
    wait_for_picture(qtbot, window)
    assert window.annotate.view.picture is not None
    assert window.windowTitle() == "Small — Marginalia"
    window.actions_["study.close"].trigger()
    assert window.pages.currentWidget() is window.welcome
    assert str(study_folder) in window.welcome.recent.item(0).toolTip()
    with Study.open(study_folder):  # the hold on it is given back
        pass


def test_a_new_study_is_made_and_says_that_it_is_empty(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    assert window.studies.create(tmp_path / "new", "New")
    panel = window.annotate.worklist
    qtbot.waitUntil(lambda: "no images yet" in panel._nothing.text())
    assert not window.actions_["tool.ellipse"].isEnabled()


def test_a_folder_that_is_no_study_is_refused_in_the_banner(window: MainWindow, tmp_path: Path) -> None:
    window.open_study(tmp_path)
    assert "is not a study" in window.banner.text
    assert window.pages.currentWidget() is window.welcome


def test_a_stroke_is_in_the_study_when_the_button_is_released(qtbot: QtBot, opened: MainWindow) -> None:
    draw_circle(qtbot, opened)
    session = opened.session
    assert session.lesion_id is not None and session.reader is not None
    stored = session.study.annotations.current(session.lesion_id, session.reader.id)
    assert stored is not None
    assert stored.shapes == opened.annotate.document.shapes
    assert len(stored.shapes) == 1


def test_shapes_mask_and_undo_are_the_same_after_reopening(
    qtbot: QtBot, opened: MainWindow, study_folder: Path
) -> None:
    view, document = opened.annotate.view, opened.annotate.document
    draw_circle(qtbot, opened)
    qtbot.keyClick(view, Qt.Key.Key_2)
    drag(qtbot, opened, [(110, 200), (130, 210), (150, 205), (180, 220)])
    draw_circle(qtbot, opened, x=180, y=270, radius=12)
    qtbot.keyClick(view, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    shapes, mask = document.shapes, mask_of(opened)
    assert len(shapes) == 2
    opened.studies.close()
    opened.open_study(study_folder)
    wait_for_picture(qtbot, opened)
    assert document.shapes == shapes
    assert np.array_equal(mask_of(opened), mask)
    qtbot.keyClick(view, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    assert len(document.shapes) == 3
    for _ in range(3):
        qtbot.keyClick(view, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert document.shapes == ()


def test_labels_are_given_by_keys_alone_and_stored_for_the_reader(qtbot: QtBot, opened: MainWindow) -> None:
    form = opened.annotate.panel.form
    qtbot.keyClick(opened.annotate.view, Qt.Key.Key_M)
    for row, key in zip(form.rows.values(), "424c2", strict=True):
        assert row.hasFocus()
        qtbot.keyClicks(row, key)
    assert form.probability.hasFocus()
    qtbot.keyClick(form.probability, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClicks(form.probability, "70")
    qtbot.keyClick(form.probability, Qt.Key.Key_Return)
    assert opened.annotate.view.hasFocus()
    own, given = opened.session.reads.labels(opened.session.lesion_id or "")
    assert own == Labels(
        margin=MarginType.INDISTINCT,
        shape=MassShape.ROUND,
        density=MassDensity.HIGH,
        category=BiradsCategory.HIGH_SUSPICION,
        pathology=Pathology.MALIGNANT,
        probability_of_malignancy=0.7,
    )
    assert given.margin is MarginType.SPICULATED


def test_a_comment_stays_with_its_lesion_when_the_case_changes(qtbot: QtBot, opened: MainWindow) -> None:
    first = opened.session.lesion_id
    opened.annotate.panel.form.comment.setPlainText("dense tissue")
    opened.actions_["case.next"].trigger()
    wait_for_picture(qtbot, opened)
    assert opened.session.lesion_id != first
    assert opened.annotate.panel.form.comment.toPlainText() == ""
    assert opened.session.reads.labels(first or "")[0].comment == "dense tissue"


def test_a_study_that_somebody_else_holds_opens_for_reading_and_says_who(
    qtbot: QtBot, window: MainWindow, study_folder: Path
) -> None:
    with Study.open(study_folder, holder="Dr. Other"):
        window.open_study(study_folder)
        wait_for_picture(qtbot, window)
        assert "Dr. Other" in window.banner.text
        draw_circle(qtbot, window)
        assert window.annotate.document.shapes == ()
        assert not window.annotate.panel.form.isEnabled()
    window.banner._act()
    wait_for_picture(qtbot, window)
    assert window.banner.text == ""
    draw_circle(qtbot, window)
    assert len(window.annotate.document.shapes) == 1


def test_a_full_disk_pauses_drawing_and_nothing_drawn_is_lost(
    qtbot: QtBot, opened: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = opened.session.study.annotations
    commit = repository.commit

    def full(*_: object) -> None:
        raise StorageFullError(message("study.db could not be written: the disk is full."))

    monkeypatch.setattr(repository, "commit", full)
    draw_circle(qtbot, opened)
    assert "disk is full" in opened.banner.text
    draw_circle(qtbot, opened, x=180)  # waits, as the banner says
    monkeypatch.setattr(repository, "commit", commit)
    opened.banner._act()
    assert opened.banner.text == ""
    assert len(opened.annotate.document.shapes) == 1
    draw_circle(qtbot, opened, x=180)
    lesion, reader = opened.session.lesion_id, opened.session.reader
    assert lesion is not None and reader is not None
    stored = repository.current(lesion, reader.id)
    assert stored is not None and len(stored.shapes) == 2


def test_what_could_not_be_written_is_written_after_going_on_to_another_case(
    qtbot: QtBot, opened: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = opened.session.study.annotations
    commit, first, reader = repository.commit, opened.session.lesion_id, opened.session.reader

    def full(*_: object) -> None:
        raise StorageFullError(message("The disk is full."))

    monkeypatch.setattr(repository, "commit", full)
    draw_circle(qtbot, opened)
    opened.actions_["case.next"].trigger()
    wait_for_picture(qtbot, opened)
    assert opened.session.unsaved == 1
    monkeypatch.setattr(repository, "commit", commit)
    opened.session.retry()
    assert opened.session.unsaved == 0
    assert first is not None and reader is not None
    stored = repository.current(first, reader.id)
    assert stored is not None and len(stored.shapes) == 1
    draw_circle(qtbot, opened)
    assert len(opened.annotate.document.shapes) == 1


def test_an_image_whose_pixels_are_gone_says_so_in_its_place(
    qtbot: QtBot, window: MainWindow, study_folder: Path
) -> None:
    (study_folder / "pixels" / "patient0-CC.h5").unlink()
    window.open_study(study_folder)
    qtbot.waitUntil(lambda: "cannot be shown" in window.annotate.view.message, timeout=10_000)
    window.actions_["case.next"].trigger()
    wait_for_picture(qtbot, window)


def test_a_box_drawn_on_the_picture_is_a_new_lesion(qtbot: QtBot, opened: MainWindow) -> None:
    session = opened.session
    qtbot.keyClick(opened.annotate.view, Qt.Key.Key_9)
    drag(qtbot, opened, [(220, 100), (240, 120), (260, 150)])
    assert session.image_id is not None
    lesions = session.reads.lesions(session.image_id)
    assert [lesion.number for lesion in lesions] == [1, 2]
    assert session.lesion_id == lesions[1].id
    opened.actions_["lesion.up"].trigger()
    assert session.reads.lesions(session.image_id)[0].id == session.lesion_id
    remove_lesion(session, session.lesion_id or "")
    assert [lesion.id for lesion in session.reads.lesions(session.image_id)] == [lesions[0].id]


def test_the_first_lesion_of_an_image_can_be_drawn(qtbot: QtBot, opened: MainWindow) -> None:
    session = opened.session
    session.select("patient1-MLO")
    wait_for_picture(qtbot, opened)
    assert session.lesion_id is None
    opened.actions_["tool.lesion_box"].trigger()
    drag(qtbot, opened, [(120, 200), (150, 220), (190, 280)])
    assert [lesion.number for lesion in session.reads.lesions("patient1-MLO")] == [1]
    draw_circle(qtbot, opened)
    assert len(opened.annotate.document.shapes) == 1


def test_a_past_state_is_restored_as_a_new_revision(qtbot: QtBot, opened: MainWindow) -> None:
    document, session = opened.annotate.document, opened.session
    draw_circle(qtbot, opened)
    draw_circle(qtbot, opened, x=180)
    session.name_checkpoint(session.lesion_id or "", "both circles")
    session.restore_revision(session.lesion_id or "", 1)
    assert len(document.shapes) == 1
    history = session.reads.history(session.lesion_id or "")
    assert [entry.revision for entry in history] == [3, 2, 1]
    assert history[1].names == ("both circles",)
    assert document.undo_text


def test_others_layers_are_shown_only_when_the_own_is_finished(qtbot: QtBot, opened: MainWindow) -> None:
    session = opened.session
    draw_circle(qtbot, opened)
    session.sign_in("Second reader")
    assert opened.annotate.document.shapes == ()
    opened.actions_["view.others"].trigger()
    assert not opened.actions_["view.others"].isChecked()
    assert opened.annotate.overlays._others.shapes == ()
    draw_circle(qtbot, opened, x=180)
    session.set_labels(session.lesion_id or "", Labels(margin=MarginType.OBSCURED))
    opened.actions_["view.others"].trigger()
    assert len(opened.annotate.overlays._others.shapes) == 1


def test_a_reader_with_a_password_signs_in_with_it_only(opened: MainWindow, study_folder: Path) -> None:
    session: Session = opened.session
    name = session.reader.name if session.reader else ""
    session.set_password("secret")
    opened.studies.close()
    opened.open_study(study_folder)
    assert session.reader is None
    assert "signed in" in opened.banner.text
    with pytest.raises(Exception, match="not the password"):
        session.sign_in(name, "wrong")
    session.sign_in(name, "secret")
    assert opened.banner.text == ""
    assert b"secret" not in (study_folder / "passwords.json").read_bytes()


def test_the_status_line_says_place_in_mm_and_value(qtbot: QtBot, opened: MainWindow) -> None:
    view = opened.annotate.view
    place = view.sight.to_widget((150.5, 240.5)).toPoint()
    qtbot.mouseMove(view, QPoint(place.x() - 1, place.y()))
    qtbot.mouseMove(view, place)
    text = opened.status._pointer.text()
    assert "mm" in text and "value" in text
