"""One choice widget: what is painted as chosen is what is chosen, and nothing is chosen before it is touched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QKeySequence, QPalette, QShortcut
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from app.qt.theme import Theme, apply_theme
from app.views.reading.answer import ReadingForm, margin_choices
from app.widgets.chance_field import ChanceField
from app.widgets.choice_row import ChoiceRow
from core.domain.reading import Condition
from core.domain.vocabulary import MarginType

WORDS = [margin.value for margin in MarginType]


@pytest.fixture(params=[Theme.DARK, Theme.LIGHT])
def themed(qapp: QApplication, request: pytest.FixtureRequest) -> Iterator[QApplication]:
    apply_theme(qapp, request.param)
    yield qapp
    apply_theme(qapp, Theme.DARK)


def in_dialog(qtbot: QtBot, *parts: QWidget) -> QDialog:
    """Where Qt makes every push button a default button."""
    dialog = QDialog()
    layout = QVBoxLayout(dialog)
    for part in parts:
        layout.addWidget(part)
    dialog.resize(900, 300)
    dialog.show()
    qtbot.addWidget(dialog)
    qtbot.waitExposed(dialog)
    return dialog


def seen_as_chosen(row: ChoiceRow) -> list[str]:
    """The words whose chips are painted in the accent colour, read off the picture."""
    accent = row.palette().color(QPalette.ColorRole.Highlight)
    picture = row.grab().toImage()
    ratio = picture.devicePixelRatio()

    def filled(chip: QWidget) -> bool:
        # beside the word and its key
        at = chip.mapTo(row, QPoint(chip.width() - 6, chip.height() // 2)) * ratio
        return near(picture.pixelColor(at), accent)

    return [word for word, chip in row.chips.items() if filled(chip)]


def near(a: QColor, b: QColor) -> bool:
    return max(abs(a.red() - b.red()), abs(a.green() - b.green()), abs(a.blue() - b.blue())) < 12


def test_the_chosen_word_alone_is_painted_as_chosen_whatever_has_the_focus(
    qtbot: QtBot, themed: QApplication
) -> None:
    row, chance = ChoiceRow("Margin", margin_choices(), columns=5, keys_always=True), ChanceField("Chance")
    _dialog = in_dialog(qtbot, row, chance)
    row.setFocus()
    assert (row.value, seen_as_chosen(row)) == (None, [])
    for act in (
        lambda: qtbot.mouseClick(row.chips["indistinct"], Qt.MouseButton.LeftButton),
        lambda: qtbot.mouseClick(chance, Qt.MouseButton.LeftButton, pos=chance.place_of(70).toPoint()),
        chance.setFocus,
    ):
        act()
        assert (row.value, seen_as_chosen(row)) == ("indistinct", ["indistinct"])
    row.setFocus()
    for digit, word in enumerate(WORDS, start=1):
        QTest.keyClick(row, str(digit))
        assert (row.value, seen_as_chosen(row)) == (word, [word])
    qtbot.mouseClick(row.chips["spiculated"], Qt.MouseButton.LeftButton)
    assert (row.value, seen_as_chosen(row)) == (None, [])


def test_each_word_has_its_digit_printed_on_it(qtbot: QtBot, qapp: QApplication) -> None:
    row = ChoiceRow("Margin", margin_choices(), columns=5, keys_always=True)
    _dialog = in_dialog(qtbot, row)
    chip = row.chips["spiculated"]
    assert (chip.choice.key, chip.shows_key) == ("5", True)
    with_key = chip.grab().toImage()
    chip.show_key(False)
    assert chip.grab().toImage() != with_key
    assert chip.width() >= chip.sizeHint().width()


def test_keys_are_printed_only_where_they_act(qtbot: QtBot, qapp: QApplication) -> None:
    row, other = ChoiceRow("Margin", margin_choices(), columns=3), ChanceField("Chance")
    dialog = in_dialog(qtbot, row, other)
    dialog.activateWindow()
    row.setFocus()
    qtbot.waitUntil(row.hasFocus)
    assert all(chip.shows_key for chip in row.chips.values())
    other.setFocus()
    assert not any(chip.shows_key for chip in row.chips.values())


def test_a_choice_by_key_is_told_once_and_goes_on(qtbot: QtBot, qapp: QApplication) -> None:
    row = ChoiceRow("Margin", margin_choices(), columns=5)
    _dialog = in_dialog(qtbot, row)
    row.setFocus()
    told: list[object] = []
    row.chosen.connect(told.append)
    row.left.connect(lambda: told.append("left"))
    QTest.keyClick(row, "2")
    assert (row.value, told) == ("obscured", ["obscured", "left"])
    QTest.keyClick(row, Qt.Key.Key_Backspace)
    assert (row.value, told[2:]) == (None, [None])
    row.set_value("spiculated")
    assert told[3:] == []


def test_a_digit_that_no_choice_has_neither_chooses_nor_leaves_nor_reaches_a_tool(
    qtbot: QtBot, qapp: QApplication
) -> None:
    row = ChoiceRow("Margin", margin_choices(), columns=5)
    dialog = in_dialog(qtbot, row)
    used = []
    shortcut = QShortcut(QKeySequence("8"), dialog)
    shortcut.activated.connect(lambda: used.append("8"))
    row.setFocus()
    with qtbot.assertNotEmitted(row.left):
        qtbot.keyClick(row, Qt.Key.Key_8)
    assert used == [] and seen_as_chosen(row) == []


def test_a_probability_has_no_handle_before_it_is_touched(qtbot: QtBot, themed: QApplication) -> None:
    chance = ChanceField("Chance")
    _dialog = in_dialog(qtbot, chance)
    accent = chance.palette().color(QPalette.ColorRole.Highlight)
    chance.clearFocus()
    assert (chance.value, chance.handle(), chance.text) == (None, None, "not given")
    picture = chance.grab().toImage()
    colours = [picture.pixelColor(x, picture.height() // 2) for x in range(picture.width() - 100)]
    assert not any(near(colour, accent) for colour in colours)
    for percent in (0, 50, 85):
        at = chance.place_of(percent).toPoint()
        qtbot.mouseClick(chance, Qt.MouseButton.LeftButton, pos=at)
        assert chance.value == pytest.approx(percent / 100, abs=0.01)
        assert near(chance.grab().toImage().pixelColor(at), accent)


def test_a_probability_is_given_by_keys_from_an_end_of_the_scale(qtbot: QtBot, qapp: QApplication) -> None:
    chance = ChanceField("Chance")
    _dialog = in_dialog(qtbot, chance)
    chance.setFocus()
    QTest.keyClick(chance, Qt.Key.Key_Right)
    assert chance.value == 0.0
    QTest.keyClick(chance, Qt.Key.Key_Right)
    assert chance.value == 0.05
    QTest.keyClick(chance, "7")
    assert chance.value == 0.7
    QTest.keyClick(chance, Qt.Key.Key_Backspace)
    assert chance.value is None
    QTest.keyClick(chance, Qt.Key.Key_Left)
    assert chance.value == 1.0


def test_the_answers_of_a_reader_study_are_those_that_the_widgets_show(qtbot: QtBot, themed: QApplication) -> None:
    panel = ReadingForm()
    _dialog = in_dialog(qtbot, panel)
    answers: list[object] = []
    panel.answered.connect(answers.append)
    for condition, digit, tens, trust in (
        (Condition.ALONE, "4", "6", None),
        (Condition.WITH_MODEL, "5", "3", "2"),
    ):
        panel.ask(condition, 0, 2)
        assert seen_as_chosen(panel.margins) == [] and panel.probability.handle() is None
        assert not panel.next.isEnabled()
        panel.margins.setFocus()
        QTest.keyClick(panel.margins, digit)
        QTest.keyClick(panel.probability, tens)
        if trust is not None:
            assert seen_as_chosen(panel.trusts) == [] and not panel.next.isEnabled()
            QTest.keyClick(panel.trusts, trust)
        seen = seen_as_chosen(panel.margins)
        trusted = seen_as_chosen(panel.trusts) if trust is not None else [None]
        shown = panel.probability.text
        qtbot.mouseClick(panel.next, Qt.MouseButton.LeftButton)
        answer = answers.pop()
        assert seen == [answer.margin.value]  # type: ignore[attr-defined]
        assert shown == f"{round(100 * answer.probability)}%"  # type: ignore[attr-defined]
        assert trusted == [None if answer.trust is None else str(answer.trust)]  # type: ignore[attr-defined]
