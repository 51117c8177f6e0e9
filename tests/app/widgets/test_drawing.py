from __future__ import annotations

import gc

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QPolygonF
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.widgets.drawing import mask_preview, operations
from app.widgets.drawing.canvas import TOOLS, AnnotationCanvas
from app.widgets.drawing.document import AnnotationDocument
from app.widgets.drawing.mask_preview import MaskPreview
from app.widgets.drawing.pen import Pen
from app.widgets.viewer.bands import Bands
from app.widgets.viewer.mammogram_view import MammogramView
from app.widgets.viewer.picture import Picture
from app.widgets.viewer.pointing import Pointer
from app.widgets.viewer.viewport import Viewport
from core.data.roi import image_to_input, roi_square
from core.data.roi_set import InputTransform
from core.domain.edits import Shapes
from core.domain.errors import StorageFullError
from core.domain.geometry import Box
from core.domain.messages import message
from core.domain.shapes import Ellipse, Length, Line, Polygon, Rectangle, Role, Stroke, circle
from core.imaging.raster import draw_onto, rasterise
from tests.app.conftest import picture_of

Left = Qt.MouseButton.LeftButton
NONE, SHIFT, CTRL = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.ControlModifier,
)


class Disk:
    """Keeps what is committed; can be full."""

    def __init__(self) -> None:
        self.states: list[Shapes] = []
        self.full = False

    def __call__(self, shapes: Shapes) -> None:
        if self.full:
            raise StorageFullError(message("The study could not be written: the disk is full."))
        self.states.append(shapes)


class Desk:
    """A view with a canvas, at one image pixel a screen pixel, image (0, 0) in the view's top left corner."""

    def __init__(self, qtbot: QtBot, picture: Picture) -> None:
        self.disk = Disk()
        self.view = MammogramView()
        qtbot.addWidget(self.view)
        self.view.resize(600, 400)
        self.view.set_picture(picture)
        self.document = AnnotationDocument(self.disk, picture.spacing_mm)
        self.canvas = AnnotationCanvas(self.view, self.document)
        self.view.show()
        qtbot.waitExposed(self.view)
        self.view.set_viewport(Viewport(width=600, height=400, zoom=1.0, centre=(300.0, 200.0)))
        assert self.view.to_image(QPointF(0, 0)) == (0, 0)

    def drag(self, *places: tuple[int, int], modifiers: Qt.KeyboardModifier = NONE) -> None:
        QTest.mousePress(self.view, Left, modifiers, QPoint(*places[0]))
        for place in places[1:]:
            self._move(place, modifiers)
        QTest.mouseRelease(self.view, Left, modifiers, QPoint(*places[-1]))
        QApplication.processEvents()

    def _move(self, place: tuple[int, int], modifiers: Qt.KeyboardModifier) -> None:
        from PySide6.QtCore import QEvent
        from PySide6.QtGui import QMouseEvent

        at = QPointF(*place)
        event = QMouseEvent(
            QEvent.Type.MouseMove, at, self.view.mapToGlobal(at), Qt.MouseButton.NoButton, Left, modifiers
        )
        QApplication.sendEvent(self.view, event)

    def click(self, *places: tuple[int, int], modifiers: Qt.KeyboardModifier = NONE) -> None:
        for place in places:
            QTest.mouseClick(self.view, Left, modifiers, QPoint(*place))
            # so that two clicks are not taken for a double click
            QTest.qWait(0)

    def key(self, key: Qt.Key, modifiers: Qt.KeyboardModifier = NONE) -> None:
        QTest.keyClick(self.view, key, modifiers)


@pytest.fixture
def desk(qtbot: QtBot, picture: Picture) -> Desk:
    return Desk(qtbot, picture)


def test_freehand_draws_one_line_of_the_pens_width_and_commits_it_once(desk: Desk) -> None:
    desk.canvas.choose_tool("freehand")
    desk.drag((100, 100), (120, 110), (140, 130), (200, 130))
    (line,) = desk.document.shapes
    assert isinstance(line, Line)
    assert line.points[0] == (100, 100) and line.points[-1] == (200, 130)
    assert line.width == Length(value=2.0, unit="mm") and line.role is Role.MARGIN
    assert desk.disk.states == [desk.document.shapes]


def test_escape_in_the_middle_of_a_stroke_leaves_no_trace(desk: Desk) -> None:
    before = desk.view.grab().toImage()
    desk.canvas.choose_tool("brush")
    QTest.mousePress(desk.view, Left, NONE, QPoint(100, 100))
    QTest.mouseMove(desk.view, QPoint(150, 120))
    desk.key(Qt.Key.Key_Escape)
    QTest.mouseRelease(desk.view, Left, NONE, QPoint(150, 120))
    desk.canvas.choose_tool("select")
    assert desk.document.shapes == () and desk.disk.states == []
    assert desk.view.grab().toImage() == before


def test_a_shape_that_is_gone_leaves_nothing_in_memory(desk: Desk) -> None:
    def drawn_and_taken_back(k: int) -> int:
        for tool in ("freehand", "brush", "polygon"):
            desk.canvas.choose_tool(tool)
            if tool == "polygon":
                desk.click((100, 100), (200, 100 + k), (150, 200))
                desk.key(Qt.Key.Key_Return)
            else:
                desk.drag((100, 100), (120, 110 + k), (140, 130), (200, 130))
            desk.view.grab()
            assert len(desk.document.shapes) == 1
            assert desk.document.undo()
            desk.view.grab()
        gc.collect()
        return sum(type(one) is QPolygonF for one in gc.get_objects())

    # what other tests left is neither collected nor counted
    gc.collect()
    gc.freeze()
    try:
        counts = [drawn_and_taken_back(k) for k in range(24)]
    finally:
        gc.unfreeze()
    assert counts[-1] <= counts[7], "the few outlines kept for the next frame are all there after some"


def test_circle_grows_from_its_centre_and_is_prominent(desk: Desk) -> None:
    desk.canvas.choose_tool("ellipse")
    desk.drag((200, 200), (230, 240))
    assert desk.document.shapes == (circle((200, 200), 50),)
    assert desk.document.shapes[0].role is Role.PROMINENT


def test_shift_makes_an_ellipse_and_a_click_stamps_the_last_size(desk: Desk) -> None:
    desk.canvas.choose_tool("ellipse")
    desk.click((50, 50))
    assert desk.document.shapes == ()
    desk.drag((200, 200), (230, 220), modifiers=SHIFT)
    desk.click((400, 100))
    first, second = desk.document.shapes
    assert first == Ellipse(centre=(200, 200), radius_x=30, radius_y=20, role=Role.PROMINENT)
    assert second == circle((400, 100), 30)


def test_polyline_takes_clicks_backspace_and_enter(desk: Desk) -> None:
    desk.canvas.choose_tool("polyline")
    desk.click((100, 100), (200, 100), (200, 300))
    desk.key(Qt.Key.Key_Backspace)
    desk.click((300, 150))
    desk.key(Qt.Key.Key_Return)
    (line,) = desk.document.shapes
    assert isinstance(line, Line) and line.points == ((100, 100), (200, 100), (300, 150))
    assert len(desk.disk.states) == 1


def test_double_click_ends_a_polyline_without_a_vertex_twice(desk: Desk) -> None:
    desk.canvas.choose_tool("polyline")
    desk.click((100, 100), (250, 160))
    QTest.mouseDClick(desk.view, Left, NONE, QPoint(300, 50))
    QTest.mouseRelease(desk.view, Left, NONE, QPoint(300, 50))
    (line,) = desk.document.shapes
    assert isinstance(line, Line) and len(line.points) <= 3 and len(set(line.points)) == len(line.points)


def test_polygon_closes_on_its_first_vertex(desk: Desk) -> None:
    desk.canvas.choose_tool("polygon")
    desk.click((100, 100), (200, 100), (150, 200), (101, 102))
    assert desk.document.shapes == (Polygon(points=((100, 100), (200, 100), (150, 200))),)


def test_brush_and_eraser_have_their_own_widths_and_the_mask_follows(desk: Desk) -> None:
    desk.canvas.set_pen(Pen(width=Length(value=4, unit="mm"), eraser=Length(value=2, unit="mm")))
    desk.canvas.choose_tool("brush")
    desk.drag((100, 200), (150, 200), (300, 200))
    desk.canvas.choose_tool("eraser")
    desk.key(Qt.Key.Key_BracketRight)
    desk.drag((200, 150), (200, 200), (200, 250))
    painted, erased = desk.document.shapes
    assert isinstance(painted, Stroke) and set(painted.widths) == {4} and not painted.erases
    assert isinstance(erased, Stroke) and set(erased.widths) == {2 * 1.15} and erased.erases
    mask = rasterise(desk.document.shapes, width=600, height=400, spacing_mm=0.1)
    assert mask[200, 120] == 1 and mask[200, 200] == 0


def test_the_eraser_is_seen_on_screen(desk: Desk) -> None:
    plain = desk.view.grab().toImage().pixelColor(200, 200)
    desk.document.replace((circle((200, 200), 60),), "Circle")
    tinted = desk.view.grab().toImage().pixelColor(200, 200)
    desk.canvas.choose_tool("eraser")
    desk.click((200, 200))
    desk.canvas.choose_tool("select")
    assert tinted != plain
    assert desk.view.grab().toImage().pixelColor(200, 200) == plain


def test_a_pen_tablets_pressure_becomes_widths(desk: Desk) -> None:
    desk.canvas.choose_tool("freehand")
    tool = desk.view.tool
    for i, pressure in enumerate((0.0, 0.5, 1.0)):
        pointer = Pointer((100.0 + 20 * i, 100.0), QPointF(100 + 20 * i, 100), pressure=pressure)
        tool.press(pointer) if i == 0 else tool.move(pointer)
    tool.release(Pointer((140.0, 100.0), QPointF(140, 100), pressure=1.0))
    (stroke,) = desk.document.shapes
    assert isinstance(stroke, Stroke)
    assert stroke.widths == pytest.approx((0.6, 1.3, 2.0)) and stroke.unit == "mm"


def test_lesion_box_and_outline_are_handed_on_and_not_drawn_into_the_annotation(qtbot: QtBot, desk: Desk) -> None:
    desk.canvas.choose_tool("lesion_box")
    with qtbot.waitSignal(desk.canvas.outline_drawn) as box:
        desk.drag((100, 100), (180, 160))
    assert box.args == [Rectangle(box=Box(x0=100, y0=100, x1=180, y1=160))]
    desk.canvas.choose_tool("lesion_outline")
    with qtbot.waitSignal(desk.canvas.outline_drawn) as contour:
        desk.drag((100, 100), (200, 100), (200, 200), (100, 200))
    assert contour.args is not None and isinstance(contour.args[0], Polygon)
    assert desk.document.shapes == () and desk.disk.states == []


def test_live_wire_follows_an_edge_that_a_straight_line_would_cut(qtbot: QtBot) -> None:
    y, x = np.mgrid[:400, :600]
    disc = np.where((x - 300) ** 2 + (y - 200) ** 2 < 100**2, 4000, 800).astype(np.uint16)
    desk = Desk(qtbot, picture_of(disc))
    desk.canvas.choose_tool("livewire")
    desk.click((200, 200), (300, 100))
    desk.key(Qt.Key.Key_Enter)
    (line,) = desk.document.shapes
    assert isinstance(line, Line) and len(line.points) > 4
    distances = np.hypot(*(np.array(line.points) - (300, 200)).T)
    assert np.abs(distances - 100).max() < 6


def test_live_wire_steps_back_click_by_click(desk: Desk) -> None:
    desk.canvas.choose_tool("livewire")
    desk.click((200, 200), (250, 200))
    desk.key(Qt.Key.Key_Backspace)
    desk.key(Qt.Key.Key_Backspace)
    assert not desk.view.tool.busy
    desk.key(Qt.Key.Key_Enter)
    assert desk.document.shapes == ()


def test_a_click_selects_a_drag_moves_and_delete_deletes(desk: Desk) -> None:
    desk.document.replace((circle((100, 100), 30), circle((300, 200), 30)), "Circles")
    desk.canvas.choose_tool("select")
    desk.click((300, 200))
    assert desk.document.selection == {1}
    desk.drag((300, 200), (310, 200), (320, 240))
    assert desk.document.shapes[1] == circle((320, 240), 30)
    assert desk.document.selection == {1}
    desk.key(Qt.Key.Key_Delete)
    assert desk.document.shapes == (circle((100, 100), 30),)
    assert [len(state) for state in desk.disk.states] == [2, 2, 1]


def test_dragging_a_handle_moves_one_vertex_and_ctrl_click_removes_it(desk: Desk) -> None:
    points = ((100.0, 100.0), (200.0, 100.0), (300.0, 100.0))
    desk.document.replace((Line(points=points, width=Length(value=1, unit="mm")),), "Line")
    desk.canvas.choose_tool("select")
    desk.click((150, 100))
    desk.drag((200, 100), (200, 130), (200, 150))
    (line,) = desk.document.shapes
    assert isinstance(line, Line) and line.points == ((100, 100), (200, 150), (300, 100))
    desk.click((200, 150), modifiers=CTRL)
    (line,) = desk.document.shapes
    assert isinstance(line, Line) and line.points == ((100, 100), (300, 100))


def test_double_click_on_a_line_adds_a_vertex(desk: Desk) -> None:
    line = Line(points=((100.0, 100.0), (300.0, 100.0)), width=Length(value=1, unit="mm"))
    desk.document.replace((line,), "Line")
    desk.canvas.choose_tool("select")
    QTest.mouseDClick(desk.view, Left, NONE, QPoint(200, 101))
    (longer,) = desk.document.shapes
    assert isinstance(longer, Line) and longer.points == ((100, 100), (200, 101), (300, 100))


def test_a_frame_selects_what_lies_within_it_and_shift_adds(desk: Desk) -> None:
    desk.document.replace((circle((100, 100), 20), circle((200, 100), 20), circle((400, 300), 20)), "Circles")
    desk.canvas.choose_tool("select")
    desk.drag((50, 50), (150, 120), (250, 150))
    assert desk.document.selection == {0, 1}
    desk.click((400, 300), modifiers=SHIFT)
    assert desk.document.selection == {0, 1, 2}


def test_dragging_a_selection_and_pressing_escape_leaves_it_where_it_was(desk: Desk) -> None:
    desk.document.replace((circle((100, 100), 30),), "Circle")
    before = desk.view.grab().toImage()
    desk.canvas.choose_tool("select")
    QTest.mousePress(desk.view, Left, NONE, QPoint(100, 100))
    QTest.mouseMove(desk.view, QPoint(180, 160))
    desk.key(Qt.Key.Key_Escape)
    QTest.mouseRelease(desk.view, Left, NONE, QPoint(180, 160))
    desk.key(Qt.Key.Key_Escape)
    assert desk.document.shapes == (circle((100, 100), 30),)
    assert desk.view.grab().toImage() == before


def test_undo_and_redo_swap_values_and_are_committed_too(desk: Desk) -> None:
    one, two = (circle((100, 100), 30),), (circle((100, 100), 30), circle((200, 200), 30))
    desk.document.replace(one, "One")
    desk.document.replace(two, "Two")
    assert desk.document.undo_text == "Two"
    assert desk.document.undo() and desk.document.shapes is one
    assert desk.document.redo() and desk.document.shapes is two
    assert not desk.document.redo()
    assert desk.disk.states == [one, two, one, two]


def test_the_way_back_survives_a_restart(desk: Desk) -> None:
    one, two = (circle((100, 100), 30),), (circle((200, 200), 30),)
    desk.document.replace(one, "One")
    desk.document.replace(two, "Two")
    desk.document.undo()
    later = AnnotationDocument(Disk(), 0.1)
    later.load(desk.disk.states, spacing_mm=0.1)
    assert later.shapes == one
    assert later.redo() and later.shapes == two
    assert later.undo() and later.undo() and later.shapes == ()
    assert not later.undo()


def test_a_full_disk_rolls_back_pauses_says_so_once_and_goes_on_when_there_is_room(
    qtbot: QtBot, desk: Desk
) -> None:
    sentences: list[str] = []
    refusals: list[str] = []
    desk.document.commit_failed.connect(sentences.append)
    desk.canvas.refused.connect(refusals.append)
    desk.canvas.choose_tool("ellipse")
    desk.drag((100, 100), (130, 100))
    kept = desk.document.shapes
    desk.disk.full = True
    desk.drag((300, 200), (330, 200))
    assert desk.document.shapes == kept and desk.document.paused
    assert sentences == ["The study could not be written: the disk is full."]
    desk.drag((300, 300), (330, 300))
    assert desk.document.shapes == kept and refusals
    assert not desk.document.undo() and not desk.document.retry()
    assert len(sentences) == 1
    desk.disk.full = False
    with qtbot.waitSignal(desk.document.paused_changed, timeout=4000) as changed:
        pass
    assert changed.args == [False]
    assert desk.document.shapes == (*kept, circle((300, 200), 30))
    assert desk.disk.states[-1] == desk.document.shapes


def test_a_failed_undo_leaves_the_shapes_and_the_stack(desk: Desk) -> None:
    one = (circle((100, 100), 30),)
    desk.document.replace(one, "One")
    desk.disk.full = True
    assert not desk.document.undo() and desk.document.shapes == one
    desk.disk.full = False
    assert desk.document.retry() and desk.document.shapes == ()


def test_nothing_is_drawn_in_an_annotation_open_for_reading_only(desk: Desk) -> None:
    desk.document.read_only = True
    for name in TOOLS:
        desk.canvas.choose_tool(name)
        desk.drag((100, 100), (150, 120), (200, 150))
        desk.key(Qt.Key.Key_Return)
    assert desk.document.shapes == () and desk.disk.states == []


def test_operations_on_a_selection_are_one_edit_each(desk: Desk) -> None:
    document = desk.document
    line = Line(points=((10.0, 10.0), (20.0, 10.2), (30.0, 10.0)), width=Length(value=1, unit="mm"))
    document.replace((line,), "Line")
    document.select(frozenset({0}))
    assert operations.set_width(document, Length(value=3, unit="mm"))
    assert operations.set_role(document, Role.PROMINENT)
    assert operations.simplify(document)
    assert document.shapes == (
        Line(points=((10, 10), (30, 10)), width=Length(value=3, unit="mm"), role=Role.PROMINENT),
    )
    assert operations.duplicate(document) and document.selection == {1}
    assert operations.nudge(document, 5, 0)
    assert not operations.smooth(document)
    for _ in range(6):
        assert document.undo()
    assert document.shapes == () and not document.undo()


def test_unite_and_subtract_give_the_masks_of_sets(desk: Desk) -> None:
    a, b = circle((200, 200), 60), circle((250, 200), 40)
    document = desk.document
    document.replace((a, b), "Circles")
    masks = [rasterise((s,), width=600, height=400).astype(bool) for s in (a, b)]
    for operation, expected in (
        (operations.unite, masks[0] | masks[1]),
        (operations.subtract, masks[0] & ~masks[1]),
    ):
        document.select(frozenset({0, 1}))
        assert operation(document)
        mask = rasterise(document.shapes, width=600, height=400).astype(bool)
        assert (mask != expected).sum() < 0.01 * expected.sum()
        document.undo()


def test_preview_shows_the_mask_of_the_roi_and_its_share(qtbot: QtBot, desk: Desk) -> None:
    preview = MaskPreview(desk.document)
    qtbot.addWidget(preview)
    assert preview.share is None
    preview.set_lesion(desk.view.picture, desk.view.table, Box(x0=250, y0=150, x1=350, y1=250))
    assert preview.share == 0
    preview.show()
    desk.document.replace((Rectangle(box=Box(x0=150, y0=50, x1=300, y1=350)),), "Box")
    qtbot.waitUntil(lambda: preview.share == 0.5)
    assert preview.caption.startswith("50.0%")
    qtbot.waitUntil(lambda: preview.has_picture)
    preview.stop()
    assert preview.grab().toImage().pixelColor(40, 100) != preview.grab().toImage().pixelColor(200, 100)


def test_the_preview_draws_what_was_added_only_and_is_the_mask_of_all(
    qtbot: QtBot, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []

    def counting(mask: np.ndarray, shapes: Shapes, **options: object) -> None:
        drawn.append(len(shapes))
        draw_onto(mask, shapes, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(mask_preview, "draw_onto", counting)
    preview, box = MaskPreview(desk.document), Box(x0=250, y0=150, x1=350, y1=250)
    qtbot.addWidget(preview)
    preview.set_lesion(desk.view.picture, desk.view.table, box)
    size, to_input = (
        InputTransform().input_size,
        image_to_input(roi_square(box, InputTransform()), InputTransform()),
    )
    one, two = circle((300, 200), 40), circle((330, 200), 30)
    states = [(one,), (one, two), (one, two, circle((300, 210), 20)), (two,), (two, one), (), (one,)]
    for shapes in states:
        before, count = preview.network_mask, len(drawn)
        desk.document.replace(shapes, "step")
        qtbot.waitUntil(lambda count=count: len(drawn) > count)
        expected = rasterise(shapes, width=size, height=size, spacing_mm=0.1, image_to_grid=to_input)
        np.testing.assert_array_equal(preview.network_mask, expected)
        assert preview.network_mask is not before
    preview.stop()
    assert drawn == [0, 1, 1, 1, 1, 1, 0, 1]


def test_width_keys_and_alt_drag_change_the_pen(desk: Desk) -> None:
    desk.canvas.choose_tool("freehand")
    desk.key(Qt.Key.Key_BracketRight)
    assert desk.canvas.pen.width.value == pytest.approx(2.3)
    desk.drag((100, 100), (110, 100), (150, 100), modifiers=Qt.KeyboardModifier.AltModifier)
    assert desk.canvas.pen.width.value > 2.3
    assert desk.document.shapes == ()


def test_widths_are_pixels_where_the_image_has_no_spacing(qtbot: QtBot) -> None:
    desk = Desk(qtbot, picture_of(np.zeros((400, 600), np.uint16), spacing_mm=None))
    desk.canvas.choose_tool("freehand")
    desk.drag((100, 100), (150, 120))
    (line,) = desk.document.shapes
    assert isinstance(line, Line) and line.width == Length(value=20, unit="px")


def test_zooming_in_the_middle_of_a_stroke_keeps_it_whole(desk: Desk) -> None:
    desk.canvas.choose_tool("freehand")
    QTest.mousePress(desk.view, Left, NONE, QPoint(100, 100))
    desk._move((200, 100), NONE)
    desk.view.zoom_by(2.0, QPointF(200, 100))
    desk.view.grab()
    QTest.mouseRelease(desk.view, Left, NONE, QPoint(200, 200))
    (line,) = desk.document.shapes
    assert isinstance(line, Line)
    assert line.points[0] == (100, 100) and line.points[-1] == pytest.approx((200, 150))


def test_while_the_wheel_turns_the_tile_stands_in_and_at_rest_the_shapes_are_drawn_anew(
    desk: Desk, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.document.replace((circle((200, 150), 60), circle((300, 200), 40)), "Circles")
    desk.view.grab()
    drawn: list[int] = []
    draw = Bands.draw
    monkeypatch.setattr(Bands, "draw", lambda *given: (drawn.append(1), draw(*given))[1])
    for _ in range(3):
        desk.view.zoom_by(1.2, QPointF(250, 180))
        rough = desk.view.grab().toImage()
    assert not drawn
    qtbot.waitUntil(lambda: len(drawn) == 1)
    exact = desk.view.grab().toImage()
    assert not desk.view.sight.moving
    place = desk.view.sight.to_widget((300, 200)).toPoint()
    for moved in (QPoint(0, 0), QPoint(30, 20), QPoint(-20, 10)):
        # within the circle both are tinted alike, and both differ from the picture alone
        assert rough.pixelColor(place + moved) == exact.pixelColor(place + moved)
    desk.view.set_peeking(True)
    assert desk.view.grab().toImage().pixelColor(place) != rough.pixelColor(place)


def test_zooming_out_to_shapes_that_the_tile_does_not_hold_draws_them_at_once(desk: Desk) -> None:
    desk.document.replace((circle((200, 150), 60), circle((300, 200), 40)), "Circles")
    desk.view.set_viewport(desk.view.viewport.zoomed(6.0, (200, 150)))
    desk.view.grab()
    desk.view.zoom_by(1 / 3, QPointF(200, 150))
    seen = desk.view.grab().toImage()
    place = desk.view.sight.to_widget((300, 200)).toPoint()
    desk.view.set_peeking(True)
    assert desk.view.grab().toImage().pixelColor(place) != seen.pixelColor(place)


def test_tablet_events_draw_a_stroke_of_changing_width(desk: Desk) -> None:
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import QPointingDevice, QTabletEvent

    desk.canvas.choose_tool("freehand")
    device = QPointingDevice.primaryPointingDevice()
    way = (
        (QEvent.Type.TabletPress, 100, 0.2, Left),
        (QEvent.Type.TabletMove, 150, 0.6, Qt.MouseButton.NoButton),
        (QEvent.Type.TabletRelease, 200, 1.0, Left),
    )
    for kind, x, pressure, button in way:
        at = QPointF(x, 100)
        event = QTabletEvent(
            kind, device, at, desk.view.mapToGlobal(at), pressure, 0, 0, 0.0, 0.0, 0.0, NONE, button, Left
        )
        QApplication.sendEvent(desk.view, event)
    (stroke,) = desk.document.shapes
    assert isinstance(stroke, Stroke)
    assert stroke.points == ((100, 100), (150, 100), (200, 100))
    assert stroke.widths[0] < stroke.widths[1] < stroke.widths[2] == 2.0


def test_arrow_keys_move_the_selection_and_else_the_view(desk: Desk) -> None:
    desk.document.replace((circle((100, 100), 30),), "Circle")
    desk.canvas.choose_tool("select")
    desk.key(Qt.Key.Key_Right)
    assert desk.view.to_image(QPointF(0, 0)) == (60, 0)
    assert desk.document.shapes == (circle((100, 100), 30),)
    desk.document.select(frozenset({0}))
    desk.key(Qt.Key.Key_Right)
    desk.key(Qt.Key.Key_Down, SHIFT)
    assert desk.document.shapes == (circle((101, 110), 30),) and desk.document.selection == {0}
    assert desk.view.to_image(QPointF(0, 0)) == (60, 0)
