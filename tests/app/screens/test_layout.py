"""No screen cuts a word, shows a widget outside its window, or writes with too little contrast."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QLocale, QRect, Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import (
    QAbstractScrollArea,
    QApplication,
    QCheckBox,
    QDialog,
    QLabel,
    QPushButton,
    QToolButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from app.qt import settings
from app.qt.contrast import TEXT, contrast, over
from app.qt.theme import DARK, LIGHT, Shades, Theme, apply_theme, warning
from app.qt.translation import install
from app.state.session import Session
from app.views.main_window.window import MainWindow
from app.widgets.explain.numbers import class_text
from app.widgets.label import Elided, Label
from app.widgets.rail import WORKSPACES
from tests.app.studies import make_large_study

SMALL, LARGE = (1280, 800), (1920, 1080)
_SLACK = 2
"""Pixels by which a font may be wider than its hint."""


def shown(window: QWidget) -> Iterator[QWidget]:
    for widget in window.findChildren(QWidget):
        if widget.isVisible() and not widget.visibleRegion().isEmpty():
            yield widget


def cut_words(window: QWidget) -> set[str]:
    """Texts of visible labels and buttons that have not the room they need."""
    found = set()
    for widget in shown(window):
        if isinstance(widget, Elided):
            # a path can be of any length; it is whole in its tip
            cut = widget.text() != widget.sentence and not Path(widget.sentence).is_absolute()
        elif isinstance(widget, QLabel) and not widget.wordWrap() and widget.pixmap().isNull():
            cut = widget.sizeHint().width() > widget.width() + _SLACK and bool(widget.text())
        elif isinstance(widget, QPushButton | QCheckBox):
            cut = widget.sizeHint().width() > widget.width() + _SLACK
        elif isinstance(widget, QToolButton) and widget.text() and _shows_text(widget):
            cut = widget.fontMetrics().horizontalAdvance(widget.text().replace("&&", "&")) > widget.width()
        else:
            continue
        if cut:
            text = widget.sentence if isinstance(widget, Elided) else widget.text()
            found.add(f"{type(widget.parent()).__name__}/{type(widget).__name__}: {text}")
    return found


def _shows_text(button: QToolButton) -> bool:
    return button.icon().isNull() or button.toolButtonStyle() != Qt.ToolButtonStyle.ToolButtonIconOnly


def outside(window: QWidget) -> set[str]:
    """Visible widgets that reach beyond the window; what scrolls is cut by its view."""
    found = set()
    for widget in shown(window):
        if _scrolls(widget, window):
            continue
        place = QRect(widget.mapTo(window, widget.rect().topLeft()), widget.size())
        if not window.rect().contains(place):
            found.add(f"{type(widget.parent()).__name__}/{type(widget).__name__} at {place.getRect()}")
    return found


def _scrolls(widget: QWidget, window: QWidget) -> bool:
    parent = widget.parentWidget()
    while parent is not None and parent is not window:
        if isinstance(parent, QAbstractScrollArea):
            return True
        parent = parent.parentWidget()
    return False


@pytest.fixture
def english_afterwards(qapp: QApplication) -> Iterator[None]:
    before = QLocale()
    yield
    install(qapp, "en")
    QLocale.setDefault(before)
    apply_theme(qapp, Theme.DARK)


def settled(qapp: QApplication, window: QWidget) -> set[str]:
    """What is wrong once the window is laid out: texts that just came get their room with the next layout."""
    deadline = time.monotonic() + 3
    while (wrong := cut_words(window) | outside(window)) and time.monotonic() < deadline:
        qapp.processEvents()
        time.sleep(0.01)
    return wrong


def measure(
    qtbot: QtBot, qapp: QApplication, study: Path | None, language: str, size: tuple[int, int]
) -> set[str]:
    install(qapp, language)
    window = MainWindow(Session(), language)
    qtbot.addWidget(window)
    window.resize(*size)
    window.show()
    qtbot.waitExposed(window)
    wrong = {f"welcome {text}" for text in cut_words(window) | outside(window)}
    if study is not None:
        window.open_study(study)
        for name in WORKSPACES:
            window.actions_[f"workspace.{name}"].trigger()
            if name in ("review", "prototypes"):
                qtbot.waitUntil(
                    lambda: window.desk.model is not None or not window.desk.is_opening, timeout=60_000
                )
            if name == "prototypes" and window.desk.model is not None:
                qtbot.waitUntil(lambda: window.desk.surveyed_model is not None, timeout=60_000)
            wrong |= {f"{name} {text}" for text in settled(qapp, window)}
    window.close()
    return wrong


def test_a_word_without_room_and_a_widget_beyond_the_edge_are_found(qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(200, 100)
    word, button = Label("a word that needs room", window), QPushButton("so does this one", window)
    word.setGeometry(0, 0, 20, 20)
    button.setGeometry(150, 50, 200, 30)
    window.show()
    assert cut_words(window) == {"QWidget/Label: a word that needs room"}
    assert outside(window) == {"QWidget/QPushButton at (150, 50, 200, 30)"}


@pytest.mark.usefixtures("english_afterwards")
@pytest.mark.parametrize("language", ["en", "de"])
def test_nothing_is_cut_on_a_small_screen(
    qtbot: QtBot, qapp: QApplication, own_study: Path, language: str
) -> None:
    settings.put("review/ask_first", "off")
    assert measure(qtbot, qapp, own_study, language, SMALL) == set()


DIALOGS = ("help.shortcuts", "help.about", "edit.settings", "edit.shortcuts", "reader.sign_in", "view.calibrate",
           "study.new", "study.demo", "study.export")  # fmt: skip


@pytest.mark.usefixtures("english_afterwards")
@pytest.mark.parametrize("language", [pytest.param("en", marks=pytest.mark.slow), "de"])
def test_nothing_is_cut_in_a_dialog(qtbot: QtBot, qapp: QApplication, tmp_path: Path, language: str) -> None:
    make_large_study(tmp_path / "study", None, lesions=8)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "lesions.csv").write_text("image,margin\ngone.png,\n")
    install(qapp, language)
    window = MainWindow(Session(), language)
    qtbot.addWidget(window)
    window.resize(*SMALL)
    window.show()
    window.open_study(tmp_path / "study")
    wrong = set()
    for name in DIALOGS:
        window.actions_[name].trigger()
        [dialog] = [found for found in window.findChildren(QDialog) if found.isVisible()]
        wrong |= {f"{name} {text}" for text in settled(qapp, dialog)}
        dialog.close()
        dialog.setParent(None)
    window.studies.imports.offer([tmp_path / "in"])
    preview = window.studies.imports.preview
    assert preview is not None
    qtbot.waitUntil(lambda: not preview.busy, timeout=60_000)
    wrong |= {f"preview {text}" for text in settled(qapp, preview)}
    preview.reject()
    window.close()
    assert wrong == set()


@pytest.mark.slow
@pytest.mark.usefixtures("english_afterwards")
@pytest.mark.parametrize("theme", [Theme.DARK, Theme.LIGHT])
@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("full", [True, False])
def test_nothing_is_cut_in_any_look(
    qtbot: QtBot,
    qapp: QApplication,
    own_study: Path,
    tmp_path: Path,
    *,
    theme: Theme,
    size: tuple[int, int],
    language: str,
    full: bool,
) -> None:
    from core.store.study import Study

    settings.put("review/ask_first", "off")
    apply_theme(qapp, theme)
    empty = tmp_path / "empty"
    Study.create(empty, name="Empty").close()
    assert measure(qtbot, qapp, own_study if full else empty, language, size) == set()


@pytest.mark.slow
@pytest.mark.usefixtures("english_afterwards")
@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("language", ["en", "de"])
def test_nothing_is_cut_in_a_large_study(
    qtbot: QtBot, qapp: QApplication, tmp_path: Path, language: str, size: tuple[int, int]
) -> None:
    make_large_study(tmp_path / "large", None, lesions=2_000)
    assert measure(qtbot, qapp, tmp_path / "large", language, size) == set()


@pytest.mark.slow
@pytest.mark.skipif("QT_SCALE_FACTOR" in os.environ, reason="runs inside of itself")
def test_nothing_is_cut_at_150_percent() -> None:
    """In a process of its own: Qt reads the scale when it starts."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-m", "", "-k"]
    environment = os.environ | {"QT_SCALE_FACTOR": "1.5", "QT_QPA_PLATFORM": "offscreen"}
    which = "small_screen or large_study or dialog"
    done = subprocess.run([*command, which], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.parametrize("shades", [DARK, LIGHT], ids=["dark", "light"])
def test_words_have_the_contrast_that_wcag_asks_for(qapp: QApplication, shades: Shades) -> None:
    for ground in (shades.window, shades.panel, shades.raised, shades.field, shades.chosen):
        for words in (shades.text, shades.faint):
            if (words, ground) != (shades.faint, shades.chosen):
                assert contrast(QColor(words), QColor(ground)) >= TEXT, (words, ground)
    assert contrast(QColor(shades.on_accent), QColor(shades.accent)) >= TEXT
    assert contrast(QColor(shades.on_warning), QColor(shades.warning)) >= TEXT
    apply_theme(qapp, Theme.LIGHT if shades is LIGHT else Theme.DARK)
    palette = qapp.palette()
    grounds = [QColor(shades.window), QColor(shades.panel)]
    for index in range(7):
        assert min(contrast(class_text(index, palette), ground) for ground in grounds) >= TEXT
    assert min(contrast(warning(palette), ground) for ground in grounds) >= TEXT
    faint = palette.color(QPalette.ColorRole.PlaceholderText)
    assert contrast(over(faint, grounds[0]), grounds[0]) >= TEXT
    apply_theme(qapp, Theme.DARK)
