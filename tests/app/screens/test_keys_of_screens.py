"""Keys act on the screen that is seen: every shortcut is pressed on every screen, and the audit trail compared."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.views.main_window.window import MainWindow
from core.domain.study import Labels
from core.domain.vocabulary import MarginType
from tests.app.screens.conftest import press, wait_for_case, wait_for_model
from tests.app.screens.test_prototypes import active, gallery, tick, wait_for_revision
from tests.app.window.conftest import wait_for_picture
from tests.app.window.test_window import draw_circle

__all__ = ["gallery"]

_OF_ANNOTATE = ("annotation.", "lesion.", "finding.")
"""Actions of the trail that only Annotate may cause."""
_VIEW_KEYS = ("Esc", "Return", "Backspace", "Del", "Space", "G", "Left", "Right", "Up", "Down", "Tab")


def keys_of_annotate(window: MainWindow) -> list[str]:
    """Every key of Annotate's actions and of its picture, and the two of the history."""
    actions = window.actions_
    own = [key for spec in actions.specs if spec.screen == "annotate" for key in actions.keymap[spec.id]]
    history = [*actions.keymap["edit.undo"], *actions.keymap["edit.redo"]]
    return [*dict.fromkeys([*own, *history, *_VIEW_KEYS])]


def drawn_and_labelled(window: MainWindow) -> list[tuple[int, str, str]]:
    trail = window.session.study.audit.records()
    return [(r.counter, r.action, r.subject) for r in trail if r.action.startswith(_OF_ANNOTATE)]


@pytest.fixture
def annotated(qtbot: QtBot, window: MainWindow, own_study: object) -> MainWindow:
    """On Annotate, with one circle drawn and one margin given."""
    window.open_study(own_study)  # type: ignore[arg-type]
    wait_for_picture(qtbot, window)
    draw_on_lesion(qtbot, window)
    window.session.set_labels(window.session.lesion_id or "", Labels(margin=MarginType.SPICULATED))
    return window


def draw_on_lesion(qtbot: QtBot, window: MainWindow) -> None:
    assert window.annotate.lesion is not None
    x, y = window.annotate.lesion.box.centre
    draw_circle(qtbot, window, x, y, 15)


def show_screen(qtbot: QtBot, window: MainWindow, name: str) -> None:
    window.actions_[f"workspace.{name}"].trigger()
    if name in ("review", "prototypes"):
        wait_for_model(qtbot, window)
    if name == "review":
        wait_for_case(qtbot, window)
    QApplication.processEvents()


@pytest.mark.parametrize("name", ["train", "review", "prototypes"])
def test_no_key_of_annotate_changes_what_is_drawn_while_another_screen_is_shown(
    qtbot: QtBot, annotated: MainWindow, name: str
) -> None:
    show_screen(qtbot, annotated, name)
    before, place = drawn_and_labelled(annotated), (annotated.session.image_id, annotated.session.lesion_id)
    tool = annotated.annotate.canvas.tool_name
    # where the screen that is shown has the key itself, it means what it means there
    for key in [key for key in keys_of_annotate(annotated) if key not in keys_of(annotated, name)]:
        press(annotated, key)
        # a label is two keys: the group, then the word
        press(annotated, "1")
        assert drawn_and_labelled(annotated) == before, key
    assert (annotated.session.image_id, annotated.session.lesion_id) == place
    assert annotated.annotate.canvas.tool_name == tool
    assert annotated.workspaces.shown_name == name
    # the same keys work where they belong
    annotated.actions_["workspace.annotate"].trigger()
    press(annotated, "M")
    press(annotated, "1")
    assert len(drawn_and_labelled(annotated)) == len(before) + 1


_OF_SCREEN = {"review": "review.", "prototypes": "model."}
"""Beginnings of the actions of the trail that only this screen may cause."""


def keys_of(window: MainWindow, screen: str) -> set[str]:
    actions = window.actions_
    return {key for spec in actions.specs if spec.screen == screen for key in actions.keymap[spec.id]}


def test_no_key_of_review_or_prototypes_acts_on_another_screen(qtbot: QtBot, annotated: MainWindow) -> None:
    show_screen(qtbot, annotated, "review")
    show_screen(qtbot, annotated, "prototypes")
    seen = annotated.review.lesion_shown, annotated.prototypes.grid.ticked

    def caused(owner: str) -> list[int]:
        trail = annotated.session.study.audit.records()
        return [record.counter for record in trail if record.action.startswith(_OF_SCREEN[owner])]

    for owner, other in (("review", "prototypes"), ("prototypes", "review")):
        before = caused(owner)
        for name in ("annotate", "train", other):
            show_screen(qtbot, annotated, name)
            # where the screen that is shown has the key itself, it means what it means there
            for key in sorted(keys_of(annotated, owner) - keys_of(annotated, name)):
                press(annotated, key)
            assert caused(owner) == before, (owner, name)
            assert annotated.workspaces.shown_name == name
            if owner == "review":
                assert annotated.review.lesion_shown == seen[0], name
            elif name != "review":
                assert annotated.prototypes.grid.ticked == seen[1], name


@pytest.mark.parametrize("name", ["train", "review", "prototypes"])
def test_actions_and_menus_of_annotate_are_off_on_another_screen(
    qtbot: QtBot, annotated: MainWindow, name: str
) -> None:
    show_screen(qtbot, annotated, name)
    actions = annotated.actions_
    assert [s.id for s in actions.specs if s.screen == "annotate" and actions[s.id].isEnabled()] == []
    assert not actions.menus["Tools"].menuAction().isEnabled()
    assert not actions.menus["Label"].menuAction().isEnabled()
    assert actions.menus["Edit"].menuAction().isEnabled()
    annotated.actions_["workspace.annotate"].trigger()
    assert actions["tool.ellipse"].isEnabled()
    assert actions.menus["Tools"].menuAction().isEnabled()


def test_undo_in_prototypes_takes_back_the_pruning_and_leaves_the_drawing(
    qtbot: QtBot, gallery: MainWindow
) -> None:
    gallery.actions_["workspace.annotate"].trigger()
    wait_for_picture(qtbot, gallery)
    draw_on_lesion(qtbot, gallery)
    shapes, trail = gallery.annotate.document.shapes, drawn_and_labelled(gallery)
    show_screen(qtbot, gallery, "prototypes")
    assert not gallery.actions_["edit.undo"].isEnabled()
    tick(qtbot, gallery, 1, 2)
    gallery.prototypes.reason.setText("vessels")
    gallery.prototypes.prune.click()
    wait_for_revision(qtbot, gallery, (0, 3, 4, 5))
    assert gallery.actions_["edit.undo"].text() == "Undo: Pruning"
    gallery.prototypes.grid.setFocus()
    press(gallery, "Ctrl+Z")
    assert active(gallery) == (0, 1, 2, 3, 4, 5)
    wait_for_revision(qtbot, gallery, (0, 1, 2, 3, 4, 5))
    press(gallery, "Ctrl+Shift+Z")
    assert active(gallery) == (0, 3, 4, 5)
    assert gallery.annotate.document.shapes == shapes
    assert drawn_and_labelled(gallery) == trail


def test_undo_is_named_by_what_it_takes_back_on_the_screen_that_is_shown(
    qtbot: QtBot, annotated: MainWindow
) -> None:
    undo = annotated.actions_["edit.undo"]
    assert undo.text() == "Undo: Circle"
    show_screen(qtbot, annotated, "train")
    assert undo.text() == "Undo" and not undo.isEnabled()
    annotated.actions_["workspace.annotate"].trigger()
    assert undo.text() == "Undo: Circle" and undo.isEnabled()
