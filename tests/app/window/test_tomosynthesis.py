"""A tomosynthesis in the window: the wheel goes through its slices, and a lesion lives on one of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.operations.lesions import add_lesion, remove_lesion
from app.views.main_window.window import MainWindow
from core.domain.content import content_sha256, frames_sha256
from core.domain.geometry import Box
from core.domain.shapes import Rectangle
from core.domain.study import Finding, Image, Lesion, Patient, Window
from core.domain.vocabulary import Laterality, ViewPosition
from core.store.study import Study

SLICES, ROWS, COLUMNS = 9, 480, 360
FIRST, SECOND = 2, 6
"""Slices that have a lesion."""


@pytest.fixture
def tomosynthesis(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> MainWindow:
    folder = tmp_path / "study"
    pixels = [np.full((ROWS, COLUMNS), 100 * (k + 1), np.uint16) for k in range(SLICES)]
    with Study.create(folder, name="Tomo", synthetic=True) as study, study.batch():
        study.patients.add(Patient(id="p", pseudonym="P000", source="test"))
        image = Image(
            id="volume",
            patient_id="p",
            content_sha256=frames_sha256([content_sha256(part) for part in pixels]),
            width=COLUMNS,
            height=ROWS,
            bits_stored=12,
            pixel_spacing_mm=0.2,
            laterality=Laterality.LEFT,
            view=ViewPosition.CC,
            windows=(Window(centre=500, width=1000),),
            synthetic=True,
            frames=SLICES,
        )
        for k, part in enumerate(pixels):
            study.arrays.write_pixels(image.id, part, frame=k)
        study.images.add(image)
        for number, frame in enumerate((FIRST, SECOND), start=1):
            study.lesions.add_finding(Finding(id=f"f{number}", patient_id="p"))
            box = Rectangle(box=Box(x0=100, y0=100 * number, x1=180, y1=100 * number + 80))
            study.lesions.add(
                Lesion(id=f"l{number}", finding_id=f"f{number}", image_id="volume", outline=box, number=number,
                       frame=frame)
            )  # fmt: skip
    window.open_study(folder)
    wait_for_slice(qtbot, window, FIRST)
    return window


def wait_for_slice(qtbot: QtBot, window: MainWindow, frame: int) -> None:
    def there() -> bool:
        shown = window.annotate.shown
        return shown is not None and shown.frame == frame == window.session.frame

    qtbot.waitUntil(there, timeout=10_000)
    picture = window.annotate.view.picture
    assert picture is not None and picture.value_at(5, 5) == 100 * (frame + 1)


def turn(
    window: MainWindow, notches: int, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
) -> None:
    view = window.annotate.view
    place = QPointF(view.width() / 2, view.height() / 2)
    event = QWheelEvent(
        place, QPointF(view.mapToGlobal(place.toPoint())), QPoint(), QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton, modifiers, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(view, event)


def test_it_opens_at_the_slice_of_its_first_lesion(tomosynthesis: MainWindow) -> None:
    assert tomosynthesis.session.lesion_id == "l1"
    bar = tomosynthesis.annotate.view.slices
    assert bar.isVisible() and bar.text.text() == "3/9" and bar.slider.value() == FIRST


def test_the_wheel_goes_through_slices_and_leaves_the_sight(qtbot: QtBot, tomosynthesis: MainWindow) -> None:
    view = tomosynthesis.annotate.view
    turn(tomosynthesis, 2, Qt.KeyboardModifier.ControlModifier)
    zoomed, display = view.viewport, view.display
    assert not view.is_fitted and tomosynthesis.session.frame == FIRST, "Ctrl and the wheel zooms"
    turn(tomosynthesis, -1)
    wait_for_slice(qtbot, tomosynthesis, FIRST + 1)
    turn(tomosynthesis, -20)
    wait_for_slice(qtbot, tomosynthesis, SLICES - 1)
    turn(tomosynthesis, 1)
    wait_for_slice(qtbot, tomosynthesis, SLICES - 2)
    assert (view.viewport, view.display) == (zoomed, display)


def test_keys_and_slider_go_to_slices_too(qtbot: QtBot, tomosynthesis: MainWindow) -> None:
    tomosynthesis.actions_["view.next_slice"].trigger()
    wait_for_slice(qtbot, tomosynthesis, FIRST + 1)
    tomosynthesis.actions_["view.previous_slice"].trigger()
    tomosynthesis.actions_["view.previous_slice"].trigger()
    wait_for_slice(qtbot, tomosynthesis, FIRST - 1)
    tomosynthesis.annotate.view.slices.slider.setValue(7)
    wait_for_slice(qtbot, tomosynthesis, 7)


def test_a_lesion_is_there_on_its_own_slice_only(qtbot: QtBot, tomosynthesis: MainWindow) -> None:
    workspace, session = tomosynthesis.annotate, tomosynthesis.session
    turn(tomosynthesis, -1)
    wait_for_slice(qtbot, tomosynthesis, FIRST + 1)
    assert session.lesion_id is None and workspace.lesion is None and workspace.document.read_only
    session.select("volume", "l2")
    wait_for_slice(qtbot, tomosynthesis, SECOND)
    assert workspace.lesion is not None and not workspace.document.read_only
    session.show_frame(FIRST)
    wait_for_slice(qtbot, tomosynthesis, FIRST)
    assert session.lesion_id == "l1"


def test_a_new_lesion_lies_on_the_slice_that_is_looked_at(qtbot: QtBot, tomosynthesis: MainWindow) -> None:
    session = tomosynthesis.session
    session.show_frame(4)
    wait_for_slice(qtbot, tomosynthesis, 4)
    lesion_id = add_lesion(session, "volume", Rectangle(box=Box(x0=10, y0=10, x1=60, y1=60)))
    assert session.lesion_id == lesion_id and session.reads.lesion(lesion_id).frame == 4
    assert tomosynthesis.annotate.lesion is not None
    remove_lesion(session, lesion_id)
    assert (session.frame, session.lesion_id) == (4, None), "the slice stays"


def test_a_mammogram_has_no_bar_and_the_wheel_zooms(opened: MainWindow) -> None:
    view = opened.annotate.view
    assert not view.slices.isVisible()
    before = view.viewport.zoom
    turn(opened, 1)
    assert view.viewport.zoom > before
