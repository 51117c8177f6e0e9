"""No screen cuts a word, shows a widget outside its window, or writes with too little contrast."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PySide6.QtCore import QLocale, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QTextOption
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QTextBrowser,
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
from app.widgets.label import Label
from core.store.study import Study
from tests.app.all_dialogs import Until, visit_dialogs
from tests.app.all_screens import visit_plain_screens, visit_screens
from tests.app.measuring import cut_words, outside, pale_words
from tests.app.studies import make_large_study

SMALL, LARGE = (1280, 800), (1920, 1080)


@pytest.fixture
def english_afterwards(qapp: QApplication) -> Iterator[None]:
    before = QLocale()
    yield
    install(qapp, "en")
    QLocale.setDefault(before)
    apply_theme(qapp, Theme.DARK)


class Measure:
    """What is wrong on the screens and dialogs that it visits, each with the name of its place."""

    def __init__(self, qapp: QApplication) -> None:
        self.qapp = qapp
        self.wrong: set[str] = set()
        self.visited: list[str] = []

    def __call__(self, name: str, widget: QWidget) -> None:
        self.visited.append(name)
        # texts that just came get their room with the next layout
        deadline = time.monotonic() + 3
        while (wrong := cut_words(widget) | outside(widget)) and time.monotonic() < deadline:
            self.qapp.processEvents()
            time.sleep(0.01)
        self.wrong |= {f"{name} {text}" for text in wrong | pale_words(widget)}


@contextmanager
def shown_window(
    qtbot: QtBot, qapp: QApplication, language: str, size: tuple[int, int], theme: Theme = Theme.DARK
) -> Iterator[tuple[MainWindow, Measure, Until]]:
    install(qapp, language)
    apply_theme(qapp, theme)
    settings.put("review/ask_first", "off")
    window = MainWindow(Session(), language)
    qtbot.addWidget(window)
    window.resize(*size)
    window.show()
    qtbot.waitExposed(window)
    try:
        yield window, Measure(qapp), lambda there: qtbot.waitUntil(there, timeout=120_000)
    finally:
        window.close()


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A folder with a table, whose images are missing."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "lesions.csv").write_text("image,margin\ngone.png,\nunread.png,spiculated\n")
    (folder / "unread.png").write_bytes(b"no image")
    return folder


def test_a_word_without_room_and_a_widget_beyond_the_edge_are_found(qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(200, 100)
    word, button = Label("a word that needs room", window), QPushButton("so does this one", window)
    word.setGeometry(0, 0, 20, 20)
    button.setGeometry(150, 50, 200, 30)
    beyond = QPushButton("gone", window)
    beyond.setGeometry(300, 50, 60, 30)
    window.show()
    assert cut_words(window) == {"QWidget/Label: a word that needs room"}
    places = ("(150, 50, 200, 30)", "(300, 50, 60, 30)")
    assert outside(window) == {f"QWidget/QPushButton at {place}" for place in places}


def test_cells_choices_and_painted_words_without_room_are_found(qtbot: QtBot) -> None:
    class Painted(QWidget):
        def paintEvent(self, event: QPaintEvent) -> None:
            painter = QPainter(self)
            short = self.fontMetrics().elidedText("painted too long", Qt.TextElideMode.ElideRight, 40)
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignLeft, short)

    window = QWidget()
    qtbot.addWidget(window)
    window.resize(300, 200)
    table = QTableWidget(1, 2, window)
    table.setHorizontalHeaderLabels(["a heading that is long", "b"])
    table.setItem(0, 0, QTableWidgetItem("a cell that is too long for it"))
    table.setItem(0, 1, QTableWidgetItem("c"))
    table.setWordWrap(False)
    table.setColumnWidth(0, 50)
    choice = QComboBox(window)
    choice.addItem("a choice without room")
    choice.setGeometry(0, 150, 60, 24)
    Painted(window).setGeometry(100, 150, 100, 20)
    window.show()
    qtbot.waitExposed(window)
    found = {text.rpartition(": ")[2] for text in cut_words(window)}
    assert found == {
        "a heading that is long", "a cell that is too long for it", "a choice without room", "painted too long",
    }  # fmt: skip


def test_a_line_that_ends_within_a_word_is_found(qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(300, 200)
    text = QTextBrowser(window)
    text.setPlainText("round circumscribed")
    text.setGeometry(0, 0, 60, 150)
    text.setWordWrapMode(QTextOption.WrapMode.WrapAnywhere)
    window.show()
    qtbot.waitExposed(window)
    assert cut_words(window) == {"QWidget/QTextBrowser: round circumscribed"}
    text.setGeometry(0, 0, 250, 150)
    assert cut_words(window) == set()


def test_words_with_little_contrast_are_found(qtbot: QtBot) -> None:
    class Painted(QWidget):
        def paintEvent(self, event: QPaintEvent) -> None:
            painter = QPainter(self)
            painter.fillRect(self.rect(), QColor("#ffffff"))
            painter.setPen(QColor("#999999"))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignLeft, "painted pale")

    window = QWidget()
    qtbot.addWidget(window)
    window.setStyleSheet("QWidget { background: #ffffff; color: #000000 } #pale { color: #8a8a8a }")
    window.resize(300, 100)
    dark, pale = Label("dark", window), Label("pale", window)
    pale.setObjectName("pale")
    unused = QPushButton("not to be used", window)
    for place, widget in enumerate((dark, pale, unused, Painted(window))):
        widget.setGeometry(0, 24 * place, 200, 24)
    unused.setEnabled(False)
    window.show()
    found = {text.partition(": ")[2] for text in pale_words(window)}
    assert found == {"pale 3.5:1", "painted pale #999999 on #ffffff"}


@pytest.mark.usefixtures("english_afterwards")
@pytest.mark.parametrize("language", [pytest.param("en", marks=pytest.mark.slow), "de"])
def test_nothing_is_cut_on_a_small_screen(
    qtbot: QtBot, qapp: QApplication, own_study: Path, language: str
) -> None:
    with shown_window(qtbot, qapp, language, SMALL) as (window, measure, until):
        measure("welcome", window)
        window.open_study(own_study)
        visit_screens(window, measure, until)
    assert measure.wrong == set()
    assert {"review-blind", "train-advanced", "prototypes-loupe", "reader-study-alone"} < set(measure.visited)


@pytest.mark.usefixtures("english_afterwards")
@pytest.mark.parametrize("language", [pytest.param("en", marks=pytest.mark.slow), "de"])
@pytest.mark.parametrize("theme", [Theme.DARK, pytest.param(Theme.LIGHT, marks=pytest.mark.slow)])
def test_nothing_is_cut_in_a_dialog(
    qtbot: QtBot, qapp: QApplication, own_study: Path, damaged: Path, language: str, theme: Theme
) -> None:
    with shown_window(qtbot, qapp, language, SMALL, theme) as (window, measure, until):
        window.open_study(own_study)
        window.session.sign_in("A")
        until(lambda: window.annotate.shown is not None)
        visit_dialogs(window, damaged, measure, until)
    assert measure.wrong == set()
    assert len(measure.visited) == len(set(measure.visited)) >= 30


@pytest.mark.slow
@pytest.mark.usefixtures("english_afterwards")
@pytest.mark.parametrize("theme", [Theme.DARK, Theme.LIGHT])
@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("language", ["en", "de"])
def test_nothing_is_cut_in_any_look(
    qtbot: QtBot, qapp: QApplication, own_study: Path, *, theme: Theme, size: tuple[int, int], language: str
) -> None:
    with shown_window(qtbot, qapp, language, size, theme) as (window, measure, until):
        window.open_study(own_study)
        visit_screens(window, measure, until)
    assert measure.wrong == set()


@pytest.mark.usefixtures("english_afterwards")
@pytest.mark.parametrize("theme", [Theme.DARK, pytest.param(Theme.LIGHT, marks=pytest.mark.slow)])
@pytest.mark.parametrize("size", [SMALL, pytest.param(LARGE, marks=pytest.mark.slow)])
@pytest.mark.parametrize("language", [pytest.param("en", marks=pytest.mark.slow), "de"])
@pytest.mark.parametrize("lesions", [0, 2_000], ids=["empty", "large"])
def test_nothing_is_cut_in_an_empty_and_a_large_study(
    qtbot: QtBot,
    qapp: QApplication,
    tmp_path: Path,
    *,
    theme: Theme,
    size: tuple[int, int],
    language: str,
    lesions: int,
) -> None:
    if lesions:
        make_large_study(tmp_path / "study", None, lesions=lesions)
    else:
        Study.create(tmp_path / "study", name="Empty").close()
    with shown_window(qtbot, qapp, language, size, theme) as (window, measure, _):
        measure("welcome", window)
        window.open_study(tmp_path / "study")
        visit_plain_screens(window, measure)
    assert measure.wrong == set()


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
