"""The question before a window closes over a change that could not be written."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox
from pytestqt.qtbot import QtBot

from app.views.main_window.closing import may_lose_change
from app.views.main_window.window import MainWindow


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Escape])
def test_enter_and_esc_keep_the_window_open(
    qtbot: QtBot, window: MainWindow, monkeypatch: pytest.MonkeyPatch, key: Qt.Key
) -> None:
    defaults: list[str] = []

    def press(box: QMessageBox) -> int:
        defaults.append(box.defaultButton().text())
        box.show()
        qtbot.keyClick(box, key)
        return 0

    monkeypatch.setattr(QMessageBox, "exec", press)
    assert not may_lose_change(window)
    assert defaults == ["Keep open"]
