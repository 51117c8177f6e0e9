"""Drawing without a mouse: real key events through the window."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.views.main_window.window import MainWindow
from core.domain.shapes import Ellipse, Line, Role
from tests.app.window.conftest import wait_for_picture

Key, SHIFT = Qt.Key, Qt.KeyboardModifier.ShiftModifier


class Keys:
    def __init__(self, qtbot: QtBot, window: MainWindow) -> None:
        wait_for_picture(qtbot, window)
        self._bot, self._window = qtbot, window
        self.view = window.annotate.view
        self.view.setFocus()

    def press(self, *keys: Qt.Key, times: int = 1, shift: bool = False) -> None:
        modifiers = SHIFT if shift else Qt.KeyboardModifier.NoModifier
        for _ in range(times):
            for key in keys:
                self._bot.keyClick(self.view, key, modifiers)

    @property
    def said(self) -> str:
        return self._window.status.message


def test_a_circle_and_a_line_are_drawn_and_stored_with_keys_alone(qtbot: QtBot, opened: MainWindow) -> None:
    keys = Keys(qtbot, opened)
    document, scale = opened.annotate.document, keys.view.sight.scale
    keys.press(Key.Key_X)
    assert keys.view.hand.active and "Space or Enter sets a point" in keys.said
    keys.press(Key.Key_Space)
    assert "pen is down" in keys.said
    keys.press(Key.Key_Right, times=3, shift=True)
    keys.press(Key.Key_Right, times=2)
    keys.press(Key.Key_Space)
    assert "lifted" in keys.said
    (circle,) = document.shapes
    assert isinstance(circle, Ellipse) and circle.role is Role.PROMINENT
    assert circle.radius_x == pytest.approx(32 / scale, abs=0.01)
    middle = keys.view.to_image(keys.view.rect().center().toPointF())
    assert circle.centre == pytest.approx(middle, abs=1.01 / scale)
    keys.press(Key.Key_3)
    keys.press(Key.Key_Down, times=2, shift=True)
    keys.press(Key.Key_Space)
    keys.press(Key.Key_Left, times=4, shift=True)
    keys.press(Key.Key_Return)
    assert "point is set" in keys.said and len(document.shapes) == 1
    keys.press(Key.Key_Return)
    assert keys.said == "The line is finished."
    line = document.shapes[1]
    assert isinstance(line, Line) and line.role is Role.MARGIN and len(line.points) == 2
    assert line.points[0][0] - line.points[1][0] == pytest.approx(40 / scale, abs=0.01)
    session = opened.session
    assert session.reads.shapes(session.lesion_id or "") == document.shapes


def test_escape_cancels_the_stroke_and_then_the_drawing_with_keys(qtbot: QtBot, opened: MainWindow) -> None:
    keys = Keys(qtbot, opened)
    keys.press(Key.Key_X, Key.Key_2, Key.Key_Space)
    keys.press(Key.Key_Up, times=5, shift=True)
    keys.press(Key.Key_Escape)
    assert keys.view.hand.active and "cancelled" in keys.said
    keys.press(Key.Key_Escape)
    assert not keys.view.hand.active and "is off" in keys.said
    keys.press(Key.Key_Right, Key.Key_Space)
    assert opened.annotate.document.shapes == ()


def test_the_cursor_stays_in_view_and_says_where_it_is(qtbot: QtBot, opened: MainWindow) -> None:
    keys = Keys(qtbot, opened)
    keys.view.one_to_one()
    keys.press(Key.Key_X)
    keys.press(Key.Key_Left, times=80, shift=True)
    assert keys.view.rect().contains(keys.view.hand.place.toPoint())
    qtbot.waitUntil(lambda: "mm" in opened.status._pointer.text())
    before = keys.view.grab().toImage()
    keys.press(Key.Key_X)
    assert not keys.view.hand.active and keys.view.grab().toImage() != before
