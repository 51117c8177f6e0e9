"""A window on a copy of the trained study; the user's settings are never touched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.qt import settings
from app.qt.theme import Theme, apply_theme
from app.state.session import Session
from app.views.main_window.window import MainWindow


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARGINALIA_SETTINGS", str(tmp_path / "settings.ini"))
    # begun comments of one test are not offered in the next one, whose study is a copy of the same
    monkeypatch.setenv("MARGINALIA_STATE", str(tmp_path / "state"))


@pytest.fixture
def window(qtbot: QtBot, qapp: QApplication) -> Iterator[MainWindow]:
    apply_theme(qapp, Theme.DARK)
    settings.put("review/ask_first", "off")
    shown = MainWindow(Session())
    shown.resize(1500, 900)
    shown.show()
    qtbot.waitExposed(shown)
    yield shown
    shown.close()
    shown.deleteLater()
    qapp.processEvents()


@pytest.fixture
def opened(qtbot: QtBot, window: MainWindow, own_study: Path) -> MainWindow:
    """With the model of the run ``tiny``, on Review."""
    window.open_study(own_study)
    window.actions_["workspace.review"].trigger()
    wait_for_model(qtbot, window)
    return window


def press(window: MainWindow, key: str) -> None:
    """As a keyboard sends it: to the widget with the focus, first as a shortcut of the window."""
    QTest.keySequence(QApplication.focusWidget() or window, QKeySequence(key))


def wait_for_model(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.waitUntil(lambda: window.desk.model is not None or bool(window.desk.problem), timeout=60_000)
    assert not window.desk.problem


def wait_for_case(qtbot: QtBot, window: MainWindow) -> str:
    """Wait until the chosen lesion is explained; its id."""
    review = window.review
    qtbot.waitUntil(lambda: bool(review.cases.lesion_id) and review.lesion_shown == review.cases.lesion_id)
    return review.lesion_shown
