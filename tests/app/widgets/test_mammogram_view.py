from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QContextMenuEvent, QImage, QPainter, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.widgets.viewer.bindings import PACS
from app.widgets.viewer.layers import MaskLayer, ShapesLayer
from app.widgets.viewer.mammogram_view import MammogramView
from app.widgets.viewer.picture import Display, Picture, as_window
from app.widgets.viewer.pixel_probe import PixelProbe
from app.widgets.viewer.pointing import Pointer, Tool
from app.widgets.viewer.view_transform import ViewTransform
from core.domain.geometry import IDENTITY, Box
from core.domain.shapes import circle
from core.domain.study import Window
from tests.app.conftest import picture_of, ramp

Left, Middle, Right = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton, Qt.MouseButton.RightButton
NONE = Qt.KeyboardModifier.NoModifier


@pytest.fixture
def view(qtbot: QtBot, picture: Picture) -> MammogramView:
    widget = MammogramView()
    qtbot.addWidget(widget)
    widget.resize(600, 400)
    widget.set_picture(picture)
    widget.show()
    qtbot.waitExposed(widget)
    widget.set_viewport(widget.viewport.at_zoom(1.0))
    return widget


def drag(view: MammogramView, button: Qt.MouseButton, *places: tuple[int, int]) -> None:
    """Press at the first place, go along the others, release at the last, and let the moves settle."""
    first, *rest = (QPoint(*place) for place in places)
    QTest.mousePress(view, button, NONE, first)
    for place in rest:
        QTest.mouseMove(view, place)
    QTest.mouseRelease(view, button, NONE, QPoint(*places[-1]))
    QApplication.processEvents()


def wheel(view: MammogramView, at: tuple[int, int], notches: int, modifiers: Qt.KeyboardModifier = NONE) -> None:
    place = QPointF(*at)
    event = QWheelEvent(
        place,
        view.mapToGlobal(place),
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        modifiers,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(view, event)


def grey_at(view: MammogramView, x: int, y: int) -> int:
    return view.grab().toImage().pixelColor(x, y).red()


def test_pixels_on_screen_are_the_windowed_stored_values(view: MammogramView) -> None:
    view.set_display(Display(voi=Window(centre=3000, width=6000, function="LINEAR_EXACT")))
    x, y = 300, 200
    at = view.to_image(QPointF(x + 0.5, y + 0.5))
    stored = 10 * math.floor(at[0]) + math.floor(at[1])
    assert grey_at(view, x, y) == pytest.approx(255 * stored / 6000, abs=1)


def test_signed_pixels_are_shown_by_the_same_tables(view: MammogramView) -> None:
    pixels = (ramp().astype(np.int32) - 3000).astype(np.int16)
    signed = picture_of(pixels)  # type: ignore[arg-type]
    view.set_picture(signed, Display(voi=Window(centre=0, width=6000, function="LINEAR_EXACT")))
    view.one_to_one()
    assert grey_at(view, 300, 200) == pytest.approx(255 * (10 * 300 + 200) / 6000, abs=2)


def test_right_drag_widens_the_window_and_moves_its_centre(view: MammogramView) -> None:
    before = as_window(view.display.voi)  # type: ignore[union-attr]
    drag(view, Right, (200, 200), (240, 200), (300, 240))
    after = as_window(view.display.voi)  # type: ignore[union-attr]
    assert after.width == pytest.approx(before.width * math.exp(100 / 250), rel=0.02)
    assert after.centre > before.centre


def test_many_moves_between_two_turns_of_the_loop_change_the_window_once(
    qtbot: QtBot, view: MammogramView
) -> None:
    seen: list[object] = []
    view.window_changed.connect(seen.append)
    QTest.mousePress(view, Right, NONE, QPoint(200, 200))
    QApplication.processEvents()
    gestures = view._gestures
    for x in range(210, 310, 10):
        event = _move_event(view, x, 200, Right)
        gestures.move(event)
    QApplication.processEvents()
    assert len(seen) == 1
    QTest.mouseRelease(view, Right, NONE, QPoint(300, 200))


def _move_event(view: MammogramView, x: int, y: int, button: Qt.MouseButton):  # type: ignore[no-untyped-def]
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import QMouseEvent

    place = QPointF(x, y)
    return QMouseEvent(
        QEvent.Type.MouseMove, place, view.mapToGlobal(place), Qt.MouseButton.NoButton, button, NONE
    )


def test_right_click_asks_for_a_menu_and_leaves_the_window_alone(qtbot: QtBot, view: MammogramView) -> None:
    before = view.display
    with qtbot.waitSignal(view.menu_requested) as asked:
        QTest.mouseClick(view, Right, NONE, QPoint(120, 80))
    assert asked.args is not None and asked.args[0] == QPoint(120, 80)
    assert view.display == before


def test_middle_drag_moves_the_picture_with_the_pointer(view: MammogramView) -> None:
    grabbed = view.to_image(QPointF(300, 200))
    drag(view, Middle, (300, 200), (340, 180), (360, 170))
    assert view.to_image(QPointF(360, 170)) == pytest.approx(grabbed)


def test_space_makes_the_left_button_pan(view: MammogramView) -> None:
    grabbed = view.to_image(QPointF(300, 200))
    QTest.keyPress(view, Qt.Key.Key_Space)
    drag(view, Left, (300, 200), (350, 220))
    QTest.keyRelease(view, Qt.Key.Key_Space)
    assert view.to_image(QPointF(350, 220)) == pytest.approx(grabbed)


def test_wheel_zooms_about_the_pointer(view: MammogramView) -> None:
    held = view.to_image(QPointF(150, 300))
    wheel(view, (150, 300), 3)
    assert view.viewport.zoom == pytest.approx(1.2**3)
    assert view.to_image(QPointF(150, 300)) == pytest.approx(held)


def test_keys_fit_invert_and_show_one_to_one(view: MammogramView) -> None:
    QTest.keyClick(view, Qt.Key.Key_F)
    assert view.viewport.visible.x0 <= 0 and view.viewport.visible.y1 >= 400
    QTest.keyClick(view, Qt.Key.Key_0, Qt.KeyboardModifier.ControlModifier)
    assert view.viewport.zoom == 1.0
    dark = grey_at(view, 60, 200)
    QTest.keyClick(view, Qt.Key.Key_I)
    assert grey_at(view, 60, 200) == pytest.approx(255 - dark, abs=1)


def test_a_fitted_picture_stays_fitted_when_the_view_grows(view: MammogramView) -> None:
    view.fit()
    view.resize(900, 700)
    QApplication.processEvents()
    box = view.viewport.visible
    assert box.x0 <= 0 and box.y0 <= 0 and box.x1 >= 600 and box.y1 >= 400


def test_real_size_follows_the_screen_and_the_spacing(view: MammogramView) -> None:
    assert not view.real_size()
    view.real_size_mm = 0.25
    assert view.real_size()
    assert view.viewport.zoom == pytest.approx(0.1 / 0.25)


def test_the_cursor_reads_the_stored_value_under_it(qtbot: QtBot, view: MammogramView) -> None:
    with qtbot.waitSignal(view.cursor_moved, check_params_cb=lambda r: r is not None) as moved:
        QTest.mouseMove(view, QPoint(300, 200))
    reading = moved.args[0]  # type: ignore[index]
    assert isinstance(reading, PixelProbe)
    assert reading.value == 10 * math.floor(reading.at[0]) + math.floor(reading.at[1])


def test_caliper_measures_in_mm_and_names_its_basis(qtbot: QtBot, view: MammogramView) -> None:
    QTest.keyClick(view, Qt.Key.Key_D)
    with qtbot.waitSignal(view.announced) as told:
        drag(view, Left, (100, 100), (150, 150), (200, 100))
    assert told.args == ["Distances rest on: Imager Pixel Spacing"]
    assert view.measure == "10.0 mm, est."
    QTest.keyClick(view, Qt.Key.Key_Escape)
    assert view.measure == "" and not view.measuring


def test_caliper_measures_pixels_where_the_file_has_no_spacing(view: MammogramView) -> None:
    view.set_picture(picture_of(ramp(), spacing_mm=None))
    view.one_to_one()
    view.toggle_caliper()
    drag(view, Left, (100, 100), (200, 100))
    assert view.measure.startswith("100 px")


def test_lens_follows_the_pointer_and_goes_away(view: MammogramView) -> None:
    plain = view.grab().toImage()
    QTest.keyClick(view, Qt.Key.Key_L)
    QTest.mouseMove(view, QPoint(301, 201))
    QApplication.processEvents()
    assert view.grab().toImage() != plain
    QTest.keyClick(view, Qt.Key.Key_L)
    assert view.grab().toImage() == plain


def test_holding_g_hides_every_layer(view: MammogramView) -> None:
    plain = view.grab().toImage()
    layer = ShapesLayer(view.update_box)
    view.layers.append(layer)
    layer.set_shapes((circle((300, 200), 50),))
    assert view.grab().toImage() != plain
    QTest.keyPress(view, Qt.Key.Key_G)
    assert view.grab().toImage() == plain
    QTest.keyRelease(view, Qt.Key.Key_G)
    assert view.grab().toImage() != plain


def test_a_mask_tints_exactly_the_marked_pixels(view: MammogramView) -> None:
    plain = view.grab().toImage()
    mask = np.zeros((400, 600), np.uint8)
    mask[100:110, 200:220] = 1
    layer = MaskLayer()
    layer.set_mask(mask, IDENTITY)
    view.layers.append(layer)
    changed = _changed(plain, view.grab().toImage())
    origin = view.sight.to_widget((200, 100))
    x, y = round(origin.x()), round(origin.y())
    assert changed[y : y + 10, x : x + 20].all() and changed.sum() == 200


def _changed(a: QImage, b: QImage) -> np.ndarray:  # type: ignore[type-arg]
    def array(image: QImage) -> np.ndarray:  # type: ignore[type-arg]
        image = image.convertToFormat(QImage.Format.Format_RGB32)
        data = np.frombuffer(image.constBits(), np.uint32).reshape(image.height(), -1)
        return data[:, : image.width()].copy()

    return np.asarray(array(a) != array(b))


def test_partial_repaints_give_the_same_picture_as_a_whole_one(view: MammogramView) -> None:
    layer = ShapesLayer(view.update_box)
    view.layers.append(layer)
    layer.set_shapes((circle((250, 200), 50), circle((300, 210), 40)))
    view.grab()
    layer.set_shapes((circle((250, 200), 50), circle((320, 230), 30)))
    repaired = view.grab().toImage()
    fresh = ShapesLayer(view.update_box)
    fresh.set_shapes(layer.shapes)
    view.layers[:] = [fresh]
    difference = _changed(repaired, view.grab().toImage())
    assert difference.sum() == 0


def test_wheel_turns_pages_in_the_pacs_preset(qtbot: QtBot, view: MammogramView) -> None:
    view.bindings = PACS
    with qtbot.waitSignal(view.page_requested) as page:
        wheel(view, (100, 100), -1)
    assert page.args == [1]
    zoom = view.viewport.zoom
    wheel(view, (100, 100), 1, Qt.KeyboardModifier.ControlModifier)
    assert view.viewport.zoom > zoom


class _Recorder(Tool):
    def __init__(self) -> None:
        self.told: list[str] = []

    def press(self, pointer: Pointer) -> None:
        self.told.append("press")

    def move(self, pointer: Pointer) -> None:
        self.told.append("move")

    def release(self, pointer: Pointer) -> None:
        self.told.append("release")

    def cancel(self) -> None:
        self.told.append("cancel")

    def change_width(self, steps: float) -> None:
        self.told.append(f"width {steps:+.0f}")

    def paint(self, painter: QPainter, sight: ViewTransform) -> None: ...


@pytest.mark.parametrize(
    ("key", "told"), [(Qt.Key.Key_BracketRight, "width +1"), (Qt.Key.Key_BracketLeft, "width -1")]
)
def test_brackets_change_the_pen(view: MammogramView, key: Qt.Key, told: str) -> None:
    tool = _Recorder()
    view.set_tool(tool)
    QTest.keyClick(view, key)
    assert tool.told == [told]


def test_left_button_belongs_to_the_tool_and_shift_wheel_to_its_width(view: MammogramView) -> None:
    tool = _Recorder()
    view.set_tool(tool)
    drag(view, Left, (10, 10), (20, 20))
    wheel(view, (20, 20), 1, Qt.KeyboardModifier.ShiftModifier)
    assert tool.told == ["press", "move", "release", "width +1"]


def test_another_picture_cancels_what_the_tool_has_begun(view: MammogramView, picture: Picture) -> None:
    tool = _Recorder()
    view.set_tool(tool)
    view.set_picture(picture)
    assert tool.told == ["cancel"]


def test_a_view_without_a_picture_paints_black_and_takes_every_gesture(qtbot: QtBot) -> None:
    view = MammogramView()
    qtbot.addWidget(view)
    view.resize(300, 200)
    view.show()
    drag(view, Right, (10, 10), (50, 50))
    wheel(view, (10, 10), 1)
    for key in (Qt.Key.Key_F, Qt.Key.Key_I, Qt.Key.Key_L):
        QTest.keyClick(view, key)
    assert grey_at(view, 100, 100) == 0


@pytest.mark.parametrize("action", ["repaint", "signal", "display"])
def test_ordinary_calls_keep_the_counts_of_references(view: MammogramView, action: str) -> None:
    """PySide6 6.12.0 loses references to None and True in ordinary calls, which aborts the interpreter."""
    import sys

    actions: dict[str, Callable[[], object]] = {
        "repaint": lambda: (view.update(), view.repaint()),
        "signal": lambda: view.cursor_moved.emit(None),
        "display": lambda: (view.setEnabled(True), view.isVisible(), view.parent()),
    }
    count = 300
    for _ in range(10):
        actions[action]()
    before = [sys.getrefcount(value) for value in (None, True, False)]
    for _ in range(count):
        actions[action]()
    after = [sys.getrefcount(value) for value in (None, True, False)]
    assert all(abs(a - b) < count / 4 for a, b in zip(after, before, strict=True)), (before, after)


def test_show_box_holds_the_box(view: MammogramView) -> None:
    box = Box(x0=100, y0=50, x1=300, y1=150)
    view.show_box(box)
    visible = view.viewport.visible
    assert visible.x0 <= 100 and visible.x1 >= 300 and visible.y0 <= 50 and visible.y1 >= 150


def test_the_menu_key_asks_for_the_menu_in_the_middle(qtbot: QtBot, view: MammogramView) -> None:
    event = QContextMenuEvent(QContextMenuEvent.Reason.Keyboard, QPoint(1, 1), view.mapToGlobal(QPoint(1, 1)))
    with qtbot.waitSignal(view.menu_requested) as asked:
        QApplication.sendEvent(view, event)
    assert asked.args is not None and asked.args[0] == view.rect().center()


def test_a_right_click_draws_and_asks_for_nothing_in_the_pacs_preset(qtbot: QtBot, view: MammogramView) -> None:
    view.bindings = PACS
    tool = _Recorder()
    view.set_tool(tool)
    with qtbot.assertNotEmitted(view.menu_requested):
        QTest.mouseClick(view, Right, NONE, QPoint(50, 50))
    assert tool.told[:1] == ["press"] and "release" in tool.told


def test_views_that_are_closed_are_collected(qtbot: QtBot, picture: Picture) -> None:
    """Nothing keeps a view alive: not its tools, layers or gestures."""
    import gc
    import weakref

    from app.widgets.drawing.canvas import AnnotationCanvas
    from app.widgets.drawing.document import AnnotationDocument

    def open_and_close() -> list[weakref.ref[object]]:
        view = MammogramView()
        document = AnnotationDocument(lambda _: None, 0.1)
        canvas = AnnotationCanvas(view, document)
        canvas.choose_tool("freehand")
        view.resize(300, 200)
        view.set_picture(picture)
        view.show()
        drag(view, Left, (10, 10), (50, 50), (90, 20))
        view.close()
        view.deleteLater()
        return [weakref.ref(view), weakref.ref(document), weakref.ref(canvas)]

    references = open_and_close()
    QApplication.sendPostedEvents(None, 52)  # QEvent.DeferredDelete
    QApplication.processEvents()
    gc.collect()
    assert [reference() for reference in references] == [None, None, None]
