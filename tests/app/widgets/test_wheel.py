"""Wheels and trackpads: what a hand does not mean changes nothing."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.widgets.viewer.mammogram_view import MammogramView
from app.widgets.viewer.picture import Picture

Phase = Qt.ScrollPhase
CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def view(qtbot: QtBot, picture: Picture) -> MammogramView:
    widget = MammogramView()
    qtbot.addWidget(widget)
    widget.resize(600, 400)
    widget.set_picture(picture)
    return widget


def turn(
    view: MammogramView,
    x: int,
    y: int,
    *,
    at_ms: int = 0,
    phase: Qt.ScrollPhase = Phase.NoScrollPhase,
    pad: bool = False,
    modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
) -> float:
    """Send one event; the factor by which the view was zoomed. ``pad``: with the pixels that a trackpad gives."""
    before = view.viewport.zoom
    place = QPointF(300, 200)
    pixels = QPoint(x // 4, y // 4) if pad else QPoint()
    button = Qt.MouseButton.NoButton
    event = QWheelEvent(place, place, pixels, QPoint(x, y), button, modifiers, phase, False)
    event.setTimestamp(at_ms)
    QApplication.sendEvent(view, event)
    return view.viewport.zoom / before


def test_a_notch_of_a_mouse_zooms_and_ten_of_them_zoom_ten_times(view: MammogramView) -> None:
    assert turn(view, 0, 120) == pytest.approx(1.2)
    for number in range(1, 10):
        assert turn(view, 0, 120, at_ms=10 * number) == pytest.approx(1.2)


@pytest.mark.parametrize("modifiers", [Qt.KeyboardModifier.NoModifier, CTRL])
def test_a_sideways_swipe_zooms_nothing(view: MammogramView, modifiers: Qt.KeyboardModifier) -> None:
    for number, (x, y) in enumerate(((120, 0), (-300, 40), (90, -80), (600, 0))):
        assert turn(view, x, y, at_ms=20 * number, pad=True, modifiers=modifiers) == 1.0


def test_a_fling_zooms_by_two_at_most_and_not_after_the_fingers_have_left(view: MammogramView) -> None:
    total = turn(view, 0, 60, phase=Phase.ScrollBegin, pad=True)
    for number in range(1, 20):
        total *= turn(view, 0, 200, at_ms=15 * number, phase=Phase.ScrollUpdate, pad=True)
    assert 1.9 < total < 2.2
    for number in range(20, 60):
        assert turn(view, 0, 120, at_ms=15 * number, phase=Phase.ScrollMomentum, pad=True) == 1.0
    # the next gesture zooms again, and back within one works at once
    assert turn(view, 0, 120, at_ms=2000, phase=Phase.ScrollBegin, pad=True) == pytest.approx(1.2)
    assert turn(view, 0, -120, at_ms=2015, phase=Phase.ScrollUpdate, pad=True) == pytest.approx(1 / 1.2)


def test_a_pad_that_names_no_phases_begins_anew_after_a_pause(view: MammogramView) -> None:
    total = 1.0
    for number in range(20):
        total *= turn(view, 0, 120, at_ms=10 * number, pad=True)
    assert total == pytest.approx(1.2**4)
    assert turn(view, 0, 120, at_ms=1000, pad=True) == pytest.approx(1.2)


def test_one_event_of_a_free_spinning_wheel_is_capped(view: MammogramView) -> None:
    assert turn(view, 0, 1800) == pytest.approx(1.2**3)
