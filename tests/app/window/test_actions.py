"""Every action is somewhere, does something, and no two share a key."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QLocale, Qt
from PySide6.QtGui import QAccessible, QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialogButtonBox, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from app.actions.catalogue import ActionSpec, ScreenName, read_actions
from app.actions.keymap import KeymapPreset, conflicts, load_keymap, preset_keymap
from app.qt.icons import FOLDER
from app.qt.translation import install
from app.state.preferences import opens_at_lesion, shows_others_first
from app.views.dialogs.keymap_dialog import KeymapDialog
from app.views.dialogs.new_study import study_place
from app.views.dialogs.settings_dialog import SettingsDialog
from app.views.dialogs.shortcut_sheet import ShortcutSheet, sheet_groups, sheet_html
from app.views.main_window.window import MainWindow
from app.widgets.rail import WORKSPACES
from tests.app.measuring import cut_words


@pytest.mark.parametrize("azerty", [False, True])
def test_no_preset_gives_one_key_to_two_actions_or_takes_a_key_of_the_view(azerty: bool) -> None:
    for preset in KeymapPreset:
        assert conflicts(preset_keymap(read_actions(), preset, azerty=azerty), read_actions()) == ()


_AZERTY = "&é\"'(-è_çà"
"""What the keys 1 to 0 of a French keyboard give without Shift."""


def test_every_tool_is_reached_on_a_french_keyboard_without_shift(qtbot: QtBot, opened: MainWindow) -> None:
    actions = opened.actions_
    actions.set_keymap(preset_keymap(actions.specs, KeymapPreset.STANDARD, azerty=True))
    wanted = [
        "select",
        "freehand",
        "polyline",
        "ellipse",
        "brush",
        "eraser",
        "polygon",
        "livewire",
        "lesion_box",
        "box",
    ]
    reached = []
    for letter in _AZERTY:
        QTest.keySequence(opened.annotate.view, QKeySequence(letter.upper()))
        reached.append(opened.annotate.canvas.tool_name)
    assert reached == wanted
    qtbot.keyClick(opened.annotate.view, Qt.Key.Key_E)
    assert opened.annotate.canvas.tool_name == "lesion_outline"
    # the printed digits, which are typed with Shift there, work too
    qtbot.keyClick(opened.annotate.view, Qt.Key.Key_5, Qt.KeyboardModifier.NoModifier)
    assert opened.annotate.canvas.tool_name == "brush"
    zoom = opened.annotate.view.viewport.zoom
    QTest.keySequence(opened.annotate.view, QKeySequence(")"))
    assert opened.annotate.view.viewport.zoom < zoom


def test_two_actions_with_one_key_are_a_conflict_however_it_is_written() -> None:
    a, b = spec("a"), spec("b", "annotate")
    [found] = conflicts({"a": ("Ctrl+Shift+A",), "b": ("Shift+Ctrl+a",)}, (a, b))
    assert found.actions == ("a", "b")
    [reserved] = conflicts({"a": ("Esc",)}, (a,))
    assert reserved.actions == ("a",)


def test_two_screens_may_use_one_key_and_one_screen_may_not() -> None:
    keymap = {"a": ("1",), "b": ("1",), "c": ("1",)}
    a, b, c = spec("a", "annotate"), spec("b", "review"), spec("c", "review")
    assert conflicts(keymap, (a, b)) == ()
    [found] = conflicts(keymap, (a, b, c))
    assert found.actions == ("b", "c")
    # the picture of Annotate has Space for itself; Review, which has none, may use it
    assert conflicts({"b": ("Space",)}, (b,)) == ()
    assert len(conflicts({"a": ("Space",)}, (a,))) == 1


def spec(action: str, screen: ScreenName = "") -> ActionSpec:
    return ActionSpec(id=action, text=action, menu="Edit", screen=screen)


def test_every_action_has_a_unique_name_and_its_icon_exists() -> None:
    specs = read_actions()
    assert len({spec.id for spec in specs}) == len(specs)
    assert [spec.icon for spec in specs if spec.icon and not (FOLDER / f"{spec.icon}.svg").is_file()] == []


def test_every_action_is_in_a_menu_and_does_something(window: MainWindow, study_folder: Path) -> None:
    # what acts on a study is there when one is opened; until then it is switched off
    for spec in window.actions_.specs:
        assert spec.id in window.actions_.connected or spec.needs
    window.open_study(study_folder)
    for name in WORKSPACES:
        window.workspaces.page(name)
    in_menus = {action.objectName() for menu in window.actions_.menus.values() for action in menu.actions()}
    for spec in window.actions_.specs:
        assert spec.id in in_menus
        assert spec.id in window.actions_.connected


def test_every_control_of_the_window_has_a_name_for_screen_readers(opened: MainWindow) -> None:
    nameless = set()
    for name in WORKSPACES:
        opened.actions_[f"workspace.{name}"].trigger()
        for widget in opened.findChildren(QWidget):
            if not widget.isVisible() or not widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
                continue
            if widget.objectName() == "qt_spinbox_lineedit":  # a part of Qt's own, named by the spin box around it
                widget = widget.parentWidget()
            # what a screen reader asks for, with what Qt itself derives from text and buddy
            seen = QAccessible.queryAccessibleInterface(widget)
            if not seen.text(QAccessible.Text.Name):
                nameless.add(f"{type(widget.parent()).__name__}/{type(widget).__name__} {widget.objectName()}")
    assert not nameless


def test_a_conflict_cannot_be_applied_and_a_free_key_works_and_is_remembered(
    qtbot: QtBot, opened: MainWindow
) -> None:
    dialog = KeymapDialog(opened.actions_, opened)
    dialog.applied.connect(opened.take_keymap)
    qtbot.addWidget(dialog)
    good = dialog._buttons.button(QDialogButtonBox.StandardButton.Ok)
    dialog.choose("view.fit")
    dialog.assign("I")
    assert "two meanings" in dialog.problem.text()
    assert not good.isEnabled()
    dialog.assign("Ctrl+Shift+F")
    assert good.isEnabled() and dialog.problem.text() == ""
    good.click()
    assert opened.actions_["view.fit"].shortcut() == QKeySequence("Ctrl+Shift+F")
    assert load_keymap(opened.actions_.specs)["view.fit"] == ("Ctrl+Shift+F",)
    view = opened.annotate.view
    whole = view.viewport
    qtbot.keyClick(view, Qt.Key.Key_Plus)
    assert view.viewport != whole
    qtbot.keyClick(view, Qt.Key.Key_F)
    assert view.viewport != whole
    qtbot.keyClick(view, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert view.viewport == whole


def test_the_sheet_names_every_action_that_has_a_key(window: MainWindow) -> None:
    html = sheet_html(sheet_groups(window.actions_), "#999999")
    for spec in window.actions_.specs:
        if window.actions_.keymap[spec.id]:
            assert spec.label in html


@pytest.mark.parametrize("language", ["en", "de"])
def test_no_word_of_the_sheet_is_broken_and_nothing_lies_aside(
    qtbot: QtBot, qapp: QApplication, window: MainWindow, language: str
) -> None:
    before = QLocale()
    install(qapp, language)
    try:
        sheet = ShortcutSheet(window.actions_, window)
        qtbot.addWidget(sheet)
        sheet.show()
        qtbot.waitExposed(sheet)
        assert cut_words(sheet) == set()
        assert sheet.text.horizontalScrollBar().maximum() == 0
    finally:
        install(qapp, "en")
        QLocale.setDefault(before)


def test_the_sheet_is_searched_by_key_and_by_deed_and_leads_to_the_keymap(
    qtbot: QtBot, window: MainWindow
) -> None:
    qtbot.keyClick(window, Qt.Key.Key_F1)
    [sheet] = window.findChildren(ShortcutSheet)
    qtbot.keyClicks(sheet.search, "verdict nothing")
    assert sheet.text.toPlainText().strip() == "No key does this."
    sheet.search.clear()
    qtbot.keyClicks(sheet.search, "wrong reg")
    assert [line for line in sheet.text.toPlainText().splitlines() if line] == ["Review", "Wrong region", "R"]
    sheet.search.clear()
    qtbot.keyClicks(sheet.search, "ctrl+del")
    assert "Remove lesion" in sheet.text.toPlainText() and "Undo" not in sheet.text.toPlainText()
    [change] = [one for one in sheet.findChildren(QPushButton) if one.text() == "Change keys…"]
    change.click()
    assert any(dialog.isVisible() for dialog in window.findChildren(KeymapDialog))


def test_one_key_and_all_keys_go_back_to_the_preset(qtbot: QtBot, window: MainWindow) -> None:
    dialog = KeymapDialog(window.actions_, window)
    qtbot.addWidget(dialog)
    standard = dict(dialog.keymap)
    for action, key in (("view.fit", "Ctrl+Shift+F"), ("view.invert", "Ctrl+Shift+G")):
        dialog.choose(action)
        dialog.assign(key)
    dialog.choose("view.fit")
    dialog.standard.click()
    assert dialog.keymap["view.fit"] == standard["view.fit"]
    assert dialog.keymap["view.invert"] == ("Ctrl+Shift+G",)
    dialog.reset.click()
    assert dialog.keymap == standard


_QWERTZ = set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ÄÖÜß+#,.-<^" + "°!\"§$%&/()=?`*';:_>")
"""What a German keyboard types without AltGr."""


@pytest.mark.parametrize("preset", list(KeymapPreset))
def test_a_german_keyboard_reaches_every_action_that_has_a_key(preset: KeymapPreset) -> None:
    for action, keys in preset_keymap(read_actions(), preset, azerty=False).items():
        ends = [key.rsplit("+", 1)[-1] or "+" for key in keys]
        assert not keys or any(len(end) > 1 or end.upper() in _QWERTZ for end in ends), (action, keys)


def test_settings_count_at_once_on_whatever_screen_is_shown(qtbot: QtBot, opened: MainWindow) -> None:
    opened.actions_["workspace.train"].trigger()
    qtbot.keyClick(opened, Qt.Key.Key_Comma, Qt.KeyboardModifier.ControlModifier)
    [dialog] = opened.findChildren(SettingsDialog)
    dialog.theme.setCurrentIndex(dialog.theme.findData("light"))
    dialog.theme.activated.emit(dialog.theme.currentIndex())
    assert opened.palette().window().color().lightness() > 128
    for box, action, chosen in (
        (dialog.at_lesion, "view.open_at_lesion", opens_at_lesion),
        (dialog.others_first, "view.others_first", shows_others_first),
    ):
        before = chosen()
        box.click()
        assert chosen() is not before and opened.actions_[action].isChecked() is not before
    assert opened.annotate.worklist.order.findText("By margin") >= 0
    dialog.place.setText("/somewhere/studies")
    dialog.place.editingFinished.emit()
    assert study_place() == "/somewhere/studies"
