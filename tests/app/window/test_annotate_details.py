"""Annotate as it is used all day: layers, widths, the mass, the menu, what is shown and what is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QMenu, QWidget
from pytestqt.qtbot import QtBot

from app.operations.lesions import label_lesion
from app.views.annotate.context_menu import ContextMenu
from app.views.main_window.window import MainWindow
from core.domain.shapes import Line, Rectangle, Role
from core.domain.study import Labels
from core.domain.vocabulary import BiradsCategory, MarginType
from core.store.worklist import WorklistFilter, WorklistOrder
from tests.app.window.conftest import make_study, wait_for_picture
from tests.app.window.test_window import drag, draw_circle

CC = "lesion-patient0-CC"
Key, Left = Qt.Key, Qt.MouseButton.LeftButton


def line(qtbot: QtBot, window: MainWindow, y: float = 220) -> None:
    qtbot.keyClick(window.annotate.view, Key.Key_2)
    drag(qtbot, window, [(110, y), (130, y + 10), (150, y + 5), (180, y + 20)])


def select(qtbot: QtBot, window: MainWindow, at: tuple[float, float]) -> None:
    qtbot.keyClick(window.annotate.view, Key.Key_1)
    qtbot.mouseClick(window.annotate.view, Left, pos=window.annotate.view.sight.to_widget(at).toPoint())


def test_the_layer_that_the_reader_chose_stays_when_the_tool_changes(qtbot: QtBot, opened: MainWindow) -> None:
    view, document = opened.annotate.view, opened.annotate.document
    draw_circle(qtbot, opened)
    line(qtbot, opened)
    assert [shape.role for shape in document.shapes] == [Role.PROMINENT, Role.MARGIN], "at first by the tool"
    qtbot.keyClick(view, Key.Key_Q)
    for key in (Key.Key_5, Key.Key_2):
        qtbot.keyClick(view, key)
        assert opened.actions_["role.prominent"].isChecked()
    line(qtbot, opened, y=260)
    assert document.shapes[-1].role is Role.PROMINENT
    qtbot.keyClick(view, Key.Key_W)
    draw_circle(qtbot, opened, x=190)
    assert document.shapes[-1].role is Role.MARGIN
    qtbot.keyClick(view, Key.Key_Q, Qt.KeyboardModifier.ShiftModifier)
    draw_circle(qtbot, opened, x=120)
    assert document.shapes[-1].role is Role.PROMINENT


def test_layer_and_width_follow_the_selection_and_change_it(qtbot: QtBot, opened: MainWindow) -> None:
    view, document = opened.annotate.view, opened.annotate.document
    line(qtbot, opened)
    pen = opened.annotate.canvas.pen
    select(qtbot, opened, (130, 230))
    before = document.shapes[0]
    assert isinstance(before, Line) and document.selection == {0}
    assert opened.actions_["role.margin"].isChecked()
    qtbot.keyClick(view, Key.Key_BracketRight)
    wider = document.shapes[0]
    assert isinstance(wider, Line) and wider.width.value == pytest.approx(before.width.value * 1.15)
    assert opened.annotate.strip._width.value() == pytest.approx(wider.width.value, abs=0.06)
    opened.annotate.strip._width.setValue(5.0)
    assert document.shapes[0].width.value == 5.0  # type: ignore[union-attr]
    qtbot.keyClick(view, Key.Key_Q)
    assert document.shapes[0].role is Role.PROMINENT
    assert opened.annotate.canvas.pen == pen, "the pen stays as it was"


def test_the_outline_of_the_mass_is_dragged_by_a_handle_and_by_its_edge(qtbot: QtBot, opened: MainWindow) -> None:
    reads = opened.session.reads
    qtbot.keyClick(opened.annotate.view, Key.Key_1)
    drag(qtbot, opened, [(200, 290), (205, 295), (215, 300)])
    box = reads.lesion(CC).box
    assert (box.x0, box.y0) == (100, 190)
    assert (box.x1, box.y1) == pytest.approx((215, 300), abs=1.5)
    drag(qtbot, opened, [(150, 190), (155, 195), (160, 195)])
    moved = reads.lesion(CC).box
    assert moved.width == pytest.approx(box.width, abs=0.01)
    assert moved.x0 == pytest.approx(110, abs=1.5) and moved.y0 == pytest.approx(195, abs=1.5)
    assert opened.annotate.canvas.outline == Rectangle(box=moved)


def test_a_double_click_on_a_vertex_adds_none_and_delete_removes_the_clicked_one(
    qtbot: QtBot, opened: MainWindow
) -> None:
    view, document = opened.annotate.view, opened.annotate.document
    opened.actions_["view.lesion"].trigger()
    qtbot.keyClick(view, Key.Key_3)
    for point in ((110, 200), (150, 210), (190, 200)):
        qtbot.mouseClick(view, Left, pos=view.sight.to_widget(point).toPoint())
    qtbot.keyClick(view, Key.Key_Return)
    select(qtbot, opened, (130, 205))
    middle = view.sight.to_widget(document.shapes[0].points[1]).toPoint()  # type: ignore[union-attr]
    qtbot.mouseDClick(view, Left, pos=middle)
    qtbot.mouseRelease(view, Left, pos=middle)
    assert len(document.shapes[0].points) == 3  # type: ignore[union-attr]
    on_line = view.sight.to_widget((170, 205)).toPoint()
    qtbot.mouseDClick(view, Left, pos=on_line)
    qtbot.mouseRelease(view, Left, pos=on_line)
    assert len(document.shapes[0].points) == 4  # type: ignore[union-attr]
    qtbot.mouseClick(view, Left, pos=middle)
    qtbot.keyClick(view, Key.Key_Delete)
    assert len(document.shapes) == 1 and len(document.shapes[0].points) == 3  # type: ignore[union-attr]
    qtbot.keyClick(view, Key.Key_Delete)
    assert document.shapes == (), "without a clicked vertex the line goes"


def menu_at(window: MainWindow, at: tuple[float, float]) -> list[str]:
    menu = ContextMenu(window.annotate, window.actions_, at)
    texts = [action.text() for action in menu.actions() if not action.isSeparator()]
    menu.deleteLater()
    return texts


def test_the_menu_begins_with_the_shape_and_hides_the_lesion_in_a_menu_of_its_own(
    qtbot: QtBot, opened: MainWindow
) -> None:
    line(qtbot, opened)
    on_shape, beside = menu_at(opened, (131, 230)), menu_at(opened, (250, 100))
    assert on_shape[0] == "Delete shape"
    assert {"Prominent feature", "Rest of the margin", "Wider pen", "Narrower pen"} <= set(on_shape[:8])
    assert not any("Delete" in text for text in beside)
    for texts in (on_shape, beside):
        assert texts[-1] == "Lesion" and "Remove lesion…" not in texts


def test_the_menu_deletes_the_shape_under_the_pointer(qtbot: QtBot, opened: MainWindow) -> None:
    view, document = opened.annotate.view, opened.annotate.document
    line(qtbot, opened)
    line(qtbot, opened, y=260)
    place = view.sight.to_widget((131, 230)).toPoint()
    qtbot.mouseClick(view, Qt.MouseButton.RightButton, pos=place)
    [menu] = [found for found in opened.findChildren(QMenu) if isinstance(found, ContextMenu)]
    kept = document.shapes[1]
    menu.actions()[0].trigger()
    menu.close()
    assert document.shapes == (kept,)


def test_drawing_without_a_mass_says_what_to_do_first(qtbot: QtBot, opened: MainWindow) -> None:
    opened.session.select("patient1-MLO")
    wait_for_picture(qtbot, opened)
    opened.annotate.canvas.choose_tool("ellipse")
    drag(qtbot, opened, [(150, 240), (160, 240), (170, 240)])
    assert opened.status.message == "First draw the mass: 9 for a box, Shift+9 for an outline."


def test_one_tool_is_active_while_measuring_and_esc_ends_it(qtbot: QtBot, opened: MainWindow) -> None:
    view, actions = opened.annotate.view, opened.actions_

    def active() -> list[str]:
        return [s.id for s in actions.specs if s.group == "tool" and actions[s.id].isChecked()]

    qtbot.keyClick(view, Key.Key_1)
    qtbot.keyClick(view, Key.Key_D)
    assert active() == ["tool.caliper"]
    drag(qtbot, opened, [(100, 100), (120, 100), (150, 100)])
    assert view.measure == "10.0 mm, est."
    qtbot.keyClick(view, Key.Key_Escape)
    assert active() == ["tool.select"] and not view.measuring


def test_the_status_bar_says_how_the_tool_is_used_on_its_screen_only(qtbot: QtBot, opened: MainWindow) -> None:
    qtbot.keyClick(opened.annotate.view, Key.Key_3)
    assert "Backspace" in opened.status.message
    opened.actions_["workspace.train"].trigger()
    assert opened.status.message == ""
    opened.actions_["workspace.annotate"].trigger()
    assert "Backspace" in opened.status.message


def test_what_the_data_set_says_is_hidden_until_the_reader_has_said_it(qtbot: QtBot, opened: MainWindow) -> None:
    panel = opened.annotate.panel
    row = opened.annotate.worklist.model.index(0, 0)

    def seen() -> str:
        return panel.form.rows["margin"].note.text() + panel.lesions._list.item(0).text() + str(row.data())

    assert "spiculated" not in seen()
    label_lesion(opened.session, CC, Labels(margin=MarginType.OBSCURED))
    assert "spiculated" in panel.form.rows["margin"].note.text()
    opened.annotate.steps.undo()
    assert "spiculated" not in seen()
    opened.actions_["view.others_first"].trigger()
    assert seen().count("spiculated") == 3


def test_the_breast_is_fitted_and_the_whole_picture_on_demand(qtbot: QtBot, opened: MainWindow) -> None:
    view = opened.annotate.view
    assert view.picture is not None and view.picture.breast is not None
    fitted = view.viewport.zoom
    qtbot.keyClick(view, Key.Key_F, Qt.KeyboardModifier.ShiftModifier)
    assert view.viewport.zoom < fitted
    qtbot.keyClick(view, Key.Key_F)
    assert view.viewport.zoom == fitted


def test_the_window_of_the_lesion_widens_its_greys_and_goes_back(qtbot: QtBot, opened: MainWindow) -> None:
    view = opened.annotate.view
    before = view.display
    assert before is not None and view.table is not None and view.picture is not None
    inside = view.picture.levels[0][190:290, 100:200]
    spread = float(np.std(view.table[inside]))
    shift = Qt.KeyboardModifier.ShiftModifier
    qtbot.keyClick(view, Key.Key_Z, shift)
    assert np.std(view.table[inside]) > 1.2 * spread
    qtbot.keyClick(view, Key.Key_Z, shift)
    assert view.display == before


def test_enlarged_pixels_are_smooth_until_single_ones_are_asked_for(qtbot: QtBot, opened: MainWindow) -> None:
    view = opened.annotate.view
    opened.actions_["view.lesion"].trigger()
    opened.actions_["view.lesion_window"].trigger()
    view.set_viewport(view.viewport.at_zoom(12.0))

    def greys() -> int:
        image = view.grab().toImage()
        row = image.height() // 2
        return len({image.pixelColor(x, row).red() for x in range(100, 220)})

    smooth = greys()
    qtbot.keyClick(view, Key.Key_R, Qt.KeyboardModifier.ShiftModifier)
    assert greys() < smooth / 2


def test_a_case_is_resumed_as_it_was_left(qtbot: QtBot, opened: MainWindow) -> None:
    view = opened.annotate.view
    opened.actions_["view.lesion"].trigger()
    opened.actions_["view.next_window"].trigger()
    left = view.viewport, view.display
    opened.actions_["case.next"].trigger()
    wait_for_picture(qtbot, opened)
    assert view.is_fitted, "a new case is shown as a whole"
    opened.actions_["case.previous"].trigger()
    wait_for_picture(qtbot, opened)
    assert (view.viewport, view.display) == left


def test_the_study_opens_where_it_was_closed_and_another_one_without_its_search(
    qtbot: QtBot, opened: MainWindow, study_folder: Path, tmp_path: Path
) -> None:
    panel = opened.annotate.worklist
    panel.order.setCurrentIndex(panel.order.findData(WorklistOrder.PATIENT.value))
    panel.only.setCurrentIndex(panel.only.findData(WorklistFilter.UNANNOTATED.value))
    opened.session.select("patient1-CC")
    wait_for_picture(qtbot, opened)
    opened.actions_["view.lesion"].trigger()
    zoom = opened.annotate.view.viewport.zoom
    panel.search.setText("P001")
    opened.studies.close()
    opened.open_study(make_study(tmp_path / "other"))
    wait_for_picture(qtbot, opened)
    assert panel.search.text() == "" and panel.order.currentIndex() == 0
    assert opened.session.image_id == "patient0-CC"
    opened.studies.close()
    opened.open_study(study_folder)
    wait_for_picture(qtbot, opened)
    assert opened.session.image_id == "patient1-CC"
    assert opened.annotate.view.viewport.zoom == pytest.approx(zoom)
    assert panel.only.currentData() == WorklistFilter.UNANNOTATED.value
    assert panel.order.currentData() == WorklistOrder.PATIENT.value


def test_a_case_opens_at_its_lesion_where_the_reader_wants_that(qtbot: QtBot, opened: MainWindow) -> None:
    opened.actions_["view.open_at_lesion"].trigger()
    opened.actions_["case.next"].trigger()
    wait_for_picture(qtbot, opened)
    view, lesion = opened.annotate.view, opened.annotate.lesion
    assert lesion is not None and not view.is_fitted
    assert view.viewport.centre == pytest.approx(lesion.box.centre, abs=1)
    assert view.viewport.visible.width < 400


def test_showing_everything_again_chooses_the_row_of_what_is_seen(qtbot: QtBot, opened: MainWindow) -> None:
    panel = opened.annotate.worklist
    panel.search.setText("nobody")
    qtbot.waitUntil(lambda: panel._stack.currentIndex() == 1)
    panel._way_out.click()
    qtbot.waitUntil(lambda: panel._stack.currentIndex() == 0)
    assert panel.list.currentIndex().row() == 0
    assert panel.list.selectionModel().isSelected(panel.model.index(0, 0))


def test_home_and_end_lead_to_the_first_and_last_case(qtbot: QtBot, opened: MainWindow) -> None:
    panel = opened.annotate.worklist
    qtbot.keyClick(panel.list, Key.Key_End)
    assert opened.session.image_id == "patient1-MLO"
    qtbot.keyClick(panel.list, Key.Key_Home)
    assert opened.session.image_id == "patient0-CC"


def test_the_count_of_annotations_says_whose_it_is(qtbot: QtBot, opened: MainWindow) -> None:
    text = opened.annotate.worklist._progress_text
    qtbot.waitUntil(lambda: text.text() == "Mine: 0 of 3 fine annotations")
    draw_circle(qtbot, opened)
    qtbot.waitUntil(lambda: text.text() == "Mine: 1 of 3 fine annotations")


def test_the_history_says_what_was_done_and_shows_a_row_that_is_chosen(qtbot: QtBot, opened: MainWindow) -> None:
    history = opened.annotate.panel.history
    draw_circle(qtbot, opened)
    line(qtbot, opened)
    label_lesion(opened.session, CC, Labels(margin=MarginType.SPICULATED))
    qtbot.waitUntil(lambda: history.list.count() == 3)
    texts = [history.list.item(row).text().split("   ")[0] for row in range(3)]
    assert sorted(texts) == ["Circle", "Line", "Margin: spiculated"]
    past = opened.annotate.overlays._past
    row = texts.index("Circle")
    history.list.setCurrentRow(row)
    assert len(past.shapes) == 1
    history.list.setCurrentRow(texts.index("Line"))
    assert past.shapes == (), "the current state needs no preview"


def positions(window: MainWindow) -> dict[str, tuple[int, int, int, int]]:
    """Where everything that a reader aims at is in the window."""
    panel = window.annotate.panel
    aims: dict[str, QWidget] = {
        "lesions": panel.lesions,
        "form": panel.form,
        "history": panel.foot,
        "strip": window.annotate.strip,
        "view": window.annotate.view,
        "list": window.annotate.worklist.list,
    }
    for field, row in panel.form.rows.items():
        aims |= {f"{field}:{value}": chip for value, chip in row.chips.items()}
    places = {}
    for name, widget in aims.items():
        corner = widget.mapTo(window, QPoint(0, 0))
        places[name] = (corner.x(), corner.y(), widget.width(), widget.height())
    return places


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
def test_nothing_moves_between_cases_with_and_without_masses_shapes_and_labels(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, size: tuple[int, int]
) -> None:
    window.resize(*size)
    window.open_study(make_study(tmp_path / "many", patients=5))
    wait_for_picture(qtbot, window)
    draw_circle(qtbot, window)
    label_lesion(window.session, CC, Labels(margin=MarginType.OBSCURED, comment="dense"))
    qtbot.waitUntil(lambda: window.annotate.panel.history.list.count() == 2)
    expected, seen = positions(window), {window.session.image_id}
    for _ in range(9):
        window.actions_["case.next"].trigger()
        wait_for_picture(qtbot, window)
        seen.add(window.session.image_id)
        assert positions(window) == expected
    assert len(seen) == 10
    assert window.session.lesion_id is None, "the last picture has no mass"
    assert window.annotate.panel.verticalScrollBar().maximum() == 0, "nothing is out of sight"


def test_one_mass_takes_at_most_ten_actions(qtbot: QtBot, opened: MainWindow) -> None:
    """Outline, two circles, a margin line, margin and category, next; each drag, click and key is one."""
    opened.session.select("patient1-MLO")
    wait_for_picture(qtbot, opened)
    session, view, form, actions = opened.session, opened.annotate.view, opened.annotate.panel.form, 0
    qtbot.keyClick(view, Key.Key_9)
    drag(qtbot, opened, [(100, 190), (150, 240), (200, 290)])
    lesion = session.lesion_id or ""
    # the circle is the next tool, and prominent is its layer
    drag(qtbot, opened, [(110, 210), (115, 210), (120, 210)])
    drag(qtbot, opened, [(190, 270), (195, 270), (198, 270)])
    qtbot.keyClick(view, Key.Key_2)
    drag(qtbot, opened, [(110, 250), (130, 270), (150, 280)])
    actions += 6
    qtbot.mouseClick(form.rows["margin"].chips["spiculated"], Left)
    qtbot.mouseClick(form.rows["category"].chips["4b"], Left)
    view.setFocus()
    qtbot.keyClick(view, Key.Key_PageUp)
    actions += 3
    wait_for_picture(qtbot, opened)
    assert actions <= 10
    box = session.reads.lesion(lesion).box
    assert (box.x0, box.y0, box.x1, box.y1) == pytest.approx((100, 190, 200, 290), abs=1.5)
    roles = [shape.role for shape in session.reads.shapes(lesion)]
    assert roles == [Role.PROMINENT, Role.PROMINENT, Role.MARGIN]
    own, _ = session.reads.labels(lesion)
    assert (own.margin, own.category) == (MarginType.SPICULATED, BiradsCategory("4b"))
    assert session.image_id != "patient1-MLO"


def test_the_hint_says_what_comes_first_where_an_image_has_no_mass(qtbot: QtBot, opened: MainWindow) -> None:
    assert opened.annotate.hint.startswith("Drag from the centre")
    opened.session.select("patient1-MLO")
    wait_for_picture(qtbot, opened)
    assert opened.session.lesion_id is None
    assert opened.annotate.hint == "First draw the mass: 9 for a box, Shift+9 for an outline."
    opened.actions_["tool.lesion_box"].trigger()
    assert opened.annotate.hint == "Drag a box around the mass"
    opened.session.select("patient0-CC")
    wait_for_picture(qtbot, opened)
    opened.actions_["tool.ellipse"].trigger()
    assert opened.annotate.hint.startswith("Drag from the centre")
    opened.session.select(None)
    assert opened.annotate.hint == ""


def test_an_operation_without_the_shapes_that_it_needs_says_which(qtbot: QtBot, opened: MainWindow) -> None:
    said: list[str] = []
    opened.workspaces.refused.connect(said.append)
    document = opened.annotate.document
    opened.session.sign_in("A")
    draw_circle(qtbot, opened)
    document.select(frozenset())
    for name in ("duplicate", "smooth", "simplify"):
        opened.actions_[f"edit.{name}"].trigger()
    assert len(said) == 3 and set(said) == {"Select a shape first: choose Select and edit and click the shape."}
    document.select(frozenset({0}))
    opened.actions_["edit.unite"].trigger()
    assert said[-1].startswith("Select two or more shapes first")
    opened.actions_["edit.duplicate"].trigger()
    assert len(said) == 4 and len(document.shapes) == 2
