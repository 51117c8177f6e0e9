"""Whatever a hand does, in whatever order: what is shown is what was committed, and undo leads back to nothing."""

from __future__ import annotations

import random

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.widgets.drawing import operations
from app.widgets.drawing.canvas import TOOLS, AnnotationCanvas
from app.widgets.drawing.document import AnnotationDocument
from app.widgets.viewer.mammogram_view import MammogramView
from app.widgets.viewer.picture import Picture
from core.domain.edits import Shapes
from core.domain.errors import StorageFullError
from core.domain.messages import message
from core.domain.shapes import Role

Button = Qt.MouseButton
_KEYS = (
    Qt.Key.Key_Escape,
    Qt.Key.Key_Return,
    Qt.Key.Key_Backspace,
    Qt.Key.Key_Delete,
    Qt.Key.Key_BracketLeft,
    Qt.Key.Key_BracketRight,
    Qt.Key.Key_I,
    Qt.Key.Key_L,
    Qt.Key.Key_D,
    Qt.Key.Key_G,
    Qt.Key.Key_Space,
)
_MODIFIERS = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.AltModifier,
)


class _Hands:
    def __init__(self, view: MammogramView, canvas: AnnotationCanvas, picture: Picture, seed: int) -> None:
        self.view, self.canvas, self.picture = view, canvas, picture
        self.random = random.Random(seed)
        self.down = Button.NoButton

    def act(self) -> None:
        chance = self.random.random()
        if chance < 0.55:
            self.mouse()
        elif chance < 0.70:
            QTest.keyClick(self.view, self.random.choice(_KEYS))
        elif chance < 0.78:
            self.canvas.choose_tool(self.random.choice(list(TOOLS)))
        elif chance < 0.85:
            self.wheel()
        elif chance < 0.95:
            self.operate()
        elif chance < 0.97:
            self.view.set_picture(self.picture)
        else:
            self.view.grab()
        if self.random.random() < 0.3:
            QApplication.processEvents()

    def place(self) -> QPointF:
        return QPointF(self.random.randrange(-20, 420), self.random.randrange(-20, 320))

    def mouse(self) -> None:
        at, modifiers = self.place(), self.random.choice(_MODIFIERS)
        if self.down == Button.NoButton and self.random.random() < 0.4:
            self.down = self.random.choice((Button.LeftButton, Button.LeftButton, Button.RightButton))
            kind, button = QEvent.Type.MouseButtonPress, self.down
            if self.random.random() < 0.15:
                kind = QEvent.Type.MouseButtonDblClick
        elif self.down != Button.NoButton and self.random.random() < 0.4:
            kind, button, self.down = QEvent.Type.MouseButtonRelease, self.down, Button.NoButton
        else:
            kind, button = QEvent.Type.MouseMove, Button.NoButton
        event = QMouseEvent(kind, at, self.view.mapToGlobal(at), button, self.down, modifiers)
        QApplication.sendEvent(self.view, event)

    def wheel(self) -> None:
        at = self.place()
        turn = QPoint(0, self.random.choice((-240, -120, 120, 240)))
        event = QWheelEvent(
            at,
            self.view.mapToGlobal(at),
            QPoint(),
            turn,
            Button.NoButton,
            self.random.choice(_MODIFIERS),
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(self.view, event)

    def operate(self) -> None:
        document = self.canvas.document
        count = len(document.shapes)
        document.select(frozenset(self.random.sample(range(count), min(count, self.random.randrange(3)))))
        choices = (
            document.undo,
            document.redo,
            lambda: operations.duplicate(document),
            lambda: operations.simplify(document),
            lambda: operations.smooth(document),
            lambda: operations.set_role(document, Role.PROMINENT),
            lambda: operations.unite(document),
            lambda: operations.subtract(document),
            lambda: operations.delete(document),
        )
        self.random.choice(choices)()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("reliable", [True, False])
def test_what_is_shown_is_what_was_committed(qtbot: QtBot, picture: Picture, seed: int, reliable: bool) -> None:
    committed: list[Shapes] = [()]
    disk = random.Random(seed + 100)

    def commit(shapes: Shapes) -> None:
        if not reliable and disk.random() < 0.1:
            raise StorageFullError(message("The disk is full."))
        committed.append(shapes)

    view = MammogramView()
    qtbot.addWidget(view)
    view.resize(400, 300)
    view.set_picture(picture)
    document = AnnotationDocument(commit, picture.spacing_mm)
    canvas = AnnotationCanvas(view, document)
    view.show()
    hands = _Hands(view, canvas, picture, seed)
    for _ in range(250):
        hands.act()
        assert document.shapes == committed[-1]
        if document.paused and hands.random.random() < 0.3:
            document.retry()
    while document.paused:
        document.retry()
    while document.undo() or document.paused:
        document.retry()
    assert document.shapes == () == committed[-1]
    later = AnnotationDocument(commit, picture.spacing_mm)
    later.load(committed, spacing_mm=picture.spacing_mm)
    assert later.shapes == ()
