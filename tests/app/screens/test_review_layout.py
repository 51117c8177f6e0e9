"""Review keeps to its window: nothing is cut or stands outside, in both themes, languages and sizes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QRect
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QTabBar, QWidget
from pytestqt.qtbot import QtBot

from app.qt import settings
from app.qt.theme import Theme, apply_theme
from app.qt.translation import install
from app.state.session import Session
from app.views.main_window.window import MainWindow
from app.widgets.choice_row import Chip
from app.widgets.label import Elided
from tests.app.screens.conftest import press, wait_for_case, wait_for_model


@pytest.fixture(
    params=[
        pytest.param(("en", Theme.DARK), id="english-dark", marks=pytest.mark.slow),
        pytest.param(("de", Theme.LIGHT), id="german-light"),
    ]
)
def reviewed(
    qtbot: QtBot, qapp: QApplication, own_study: Path, request: pytest.FixtureRequest
) -> Iterator[MainWindow]:
    language, theme = request.param
    install(qapp, language)
    apply_theme(qapp, theme)
    settings.put("review/ask_first", "on")
    window = MainWindow(Session(), language)
    window.resize(1280, 800)
    window.show()
    window.open_study(own_study)
    window.actions_["workspace.review"].trigger()
    wait_for_model(qtbot, window)
    wait_for_case(qtbot, window)
    yield window
    window.close()
    window.deleteLater()
    qapp.processEvents()
    install(qapp, "en")
    apply_theme(qapp, Theme.DARK)


def shown(window: MainWindow) -> list[QWidget]:
    return [widget for widget in window.review.findChildren(QWidget) if widget.isVisible()]


def cut(widget: QWidget) -> bool:
    """Whether words on this widget have too little room."""
    wide = widget.fontMetrics().horizontalAdvance
    match widget:
        case Elided():
            return widget.text() != widget.sentence
        case QLabel() if not widget.wordWrap():
            return bool(widget.text()) and widget.width() + 1 < wide(widget.text())
        case QLabel():
            return widget.heightForWidth(widget.width()) > widget.height() + 1
        case Chip():
            return widget.width() < wide(widget.text()) + 10
        case QAbstractButton():
            return widget.width() + 1 < widget.minimumSizeHint().width()
        case QTabBar():
            return any(widget.tabRect(i).right() > widget.width() for i in range(widget.count()))
    return False


def name_of(widget: QWidget) -> str:
    text = getattr(widget, "text", lambda: "")()
    return f"{type(widget).__name__} {text!r} {widget.width()}x{widget.height()}"


def outside(window: MainWindow) -> list[str]:
    room = QRect(QPoint(0, 0), window.size())
    kept = [widget for widget in shown(window) if not widget.visibleRegion().isEmpty()]
    return [
        name_of(widget)
        for widget in kept
        if isinstance(widget, QLabel | QAbstractButton)
        and not room.contains(QRect(widget.mapTo(window, QPoint(0, 0)), widget.size()))
    ]


def test_no_words_are_cut_and_nothing_is_outside(qtbot: QtBot, reviewed: MainWindow) -> None:
    window = reviewed
    for size in ((1280, 800), (1920, 1080)):
        window.resize(*size)
        QApplication.processEvents()
        wait_for_case(qtbot, window)
        check(window)
        press(window, "3")
        press(window, "Return")
        press(window, "P")
        check(window)
        for place in range(1, window.review.tabs.count()):
            window.review.tabs.setCurrentIndex(place)
            check(window)
        window.review.tabs.setCurrentIndex(0)
        press(window, "Space")


def check(window: MainWindow) -> None:
    QApplication.processEvents()
    assert [name_of(widget) for widget in shown(window) if cut(widget)] == []
    assert outside(window) == []
