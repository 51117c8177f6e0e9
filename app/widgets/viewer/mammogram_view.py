"""The view of one mammogram: picture, layers over it, a tool, a lens, and what is written in its corners."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, Qt, Signal
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QContextMenuEvent,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QTabletEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from app.qt.colours import SURROUND
from app.qt.translation import tr
from app.widgets.viewer.bindings import Bindings, ViewCommand
from app.widgets.viewer.caliper import Caliper, basis_text
from app.widgets.viewer.corner_texts import paint_corners, paint_message
from app.widgets.viewer.gestures import Gestures
from app.widgets.viewer.keyboard_cursor import KeyboardCursor
from app.widgets.viewer.layers import Layer
from app.widgets.viewer.lens import Lens
from app.widgets.viewer.picture import Display, Picture
from app.widgets.viewer.picture_view import PictureView
from app.widgets.viewer.pixel_probe import PixelProbe
from app.widgets.viewer.pointing import Tool
from app.widgets.viewer.slice_bar import SliceBar
from core.domain.geometry import Box


class MammogramView(PictureView):
    cursor_moved = Signal(object)
    """A ``Reading``, or None where the pointer left."""
    menu_requested = Signal(QPoint, object)
    """Place in the view, and the image point there."""
    page_requested = Signal(object)
    """Steps, as an int, that the wheel asks for: 1 is the next image."""
    tool_changed = Signal(object)
    """The ``Tool`` that the pointer has now."""
    slice_requested = Signal(object)
    """The slice, an int from 0, that the wheel, a key or the slider asks for."""
    announced = Signal(str)
    """Result of drawing with keys, for the status bar and screen readers."""
    peeked = Signal(bool)
    """True while everything over the picture is hidden for the moment."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAccessibleName(tr("Mammogram"))
        self.bindings = Bindings()
        self.layers: list[Layer] = []
        self.calibrated = False
        """Flag: the user confirmed that the display is calibrated to the GSDF; a notice stands here until then."""
        self.has_notice = True
        """False where the view beside this one shows that notice for both."""
        self.caption = ""
        """Beside the name of the view, such as the date of an earlier examination."""
        self.message = ""
        """Stands in the place of a picture that is not there."""
        self.framed = False
        """Flag: a thin frame marks this one of several views as the active one."""
        self._peeking = False
        self._tool = Tool()
        self._measuring = False
        self._lens: Lens | None = None
        self._caliper = Caliper(self._repaint_caliper)
        self._caliper_area = QRect()
        self.hand = KeyboardCursor(self)
        self._gestures = Gestures(self, self)
        self.slices = SliceBar(self)
        self.slices.moved.connect(self.slice_requested)

    def set_picture(self, picture: Picture | None, display: Display | None = None) -> None:
        """Show this picture as a whole, with its first VOI choice or with ``display``."""
        self.tool.cancel()
        self._caliper.cancel()
        self._gestures.abandon()
        self._lens = None if picture is None or self._lens is None else Lens(picture)
        if picture is not None:
            self._caliper.spacing_mm, self._caliper.source = picture.spacing_mm, picture.spacing_source
        super().set_picture(picture, display)

    def exchange_picture(self, picture: Picture) -> None:
        self.tool.cancel()
        self._gestures.abandon()
        self._lens = None if self._lens is None else Lens(picture)
        super().exchange_picture(picture)

    # what lies over it

    @property
    def tool(self) -> Tool:
        """Current tool of the pointer: the caliper while measuring, else the tool that was set."""
        return self._caliper if self._measuring else self._tool

    def set_tool(self, tool: Tool) -> None:
        """Also ends measuring; who draws with keys goes on with the new tool."""
        self.tool.cancel()
        self.hand.lift()
        self._tool, self._measuring = tool, False
        self.setCursor(tool.cursor)
        self.update()
        self.tool_changed.emit(tool)

    @property
    def measuring(self) -> bool:
        return self._measuring

    def toggle_caliper(self) -> None:
        self.tool.cancel()
        self._measuring = not self._measuring
        self.setCursor(self.tool.cursor)
        self.tool_changed.emit(self.tool)

    @property
    def measure(self) -> str:
        """Return the caliper's measure, with its basis; empty without a measure."""
        return self._caliper.text

    def toggle_lens(self) -> None:
        if self._picture is None:
            return
        self._lens = None if self._lens is not None else Lens(self._picture)
        if self._lens is not None and self.underMouse():
            self._lens.move_to(QPointF(self.mapFromGlobal(self.cursor().pos())))
        self.update()

    @property
    def peeking(self) -> bool:
        """True while everything over the picture is hidden for the moment."""
        return self._peeking

    def set_peeking(self, peeking: bool) -> None:
        if peeking != self._peeking:
            self._peeking = peeking
            self.update()
            self.peeked.emit(peeking)

    def update_box(self, box: Box, *, margin: float = 2.0) -> None:
        """Paint anew what shows this box of the image, with a margin in logical pixels."""
        self.update(self.sight.widget_rect(box, margin=margin))

    # asked for by gestures

    def run(self, command: ViewCommand) -> None:
        actions: dict[ViewCommand, Callable[[], None]] = {
            ViewCommand.CANCEL: self._cancel,
            ViewCommand.FINISH: self.tool.finish,
            ViewCommand.STEP_BACK: self.tool.step_back,
            ViewCommand.DELETE: self.tool.delete,
            ViewCommand.NARROWER: lambda: self.tool.change_width(-1),
            ViewCommand.WIDER: lambda: self.tool.change_width(1),
            ViewCommand.INVERT: self.invert,
            ViewCommand.FIT: self.fit,
            ViewCommand.ONE_TO_ONE: self.one_to_one,
            ViewCommand.LENS: self.toggle_lens,
            ViewCommand.CALIPER: self.toggle_caliper,
        }
        actions[command]()

    def point_at(self, place: QPointF | None) -> None:
        if self._lens is not None:
            for area in self._lens.move_to(place):
                self.update(area)
        if self._picture is None or place is None:
            self.cursor_moved.emit(None)
            return
        at = self.to_image(place)
        self.cursor_moved.emit(PixelProbe(at, self._picture.value_at(*at)))

    def ask_for_menu(self, place: QPoint) -> None:
        self.menu_requested.emit(place, self.to_image(QPointF(place)))

    def ask_for_page(self, steps: int) -> None:
        self.page_requested.emit(steps)

    @property
    def has_slices(self) -> bool:
        return self.slices.count > 1

    def set_slice(self, frame: int, count: int) -> None:
        """Which slice of how many is shown; the bar beside it is hidden where there is one alone."""
        self.slices.show_slice(frame, count)

    def ask_for_slice(self, steps: int) -> None:
        """``steps`` further into the stack, as far as it goes."""
        wish = min(max(self.slices.frame + steps, 0), self.slices.count - 1)
        if wish != self.slices.frame:
            self.slices.show_slice(wish, self.slices.count)
            self.slice_requested.emit(wish)

    def toggle_hand(self) -> None:
        """Draw with keys, or no longer."""
        if self.hand.active or self._picture is None:
            self.hand.stop()
        else:
            self.hand.start()
            self.setFocus()

    def repaint_hand(self, area: QRect) -> None:
        self.update(area)

    def announce(self, sentence: str) -> None:
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, sentence))
        self.announced.emit(sentence)

    def show_cursor(self, shape: Qt.CursorShape) -> None:
        self.setCursor(shape)

    def _cancel(self) -> None:
        """Cancel the shape that is begun; while measuring, remove the measure and stop measuring."""
        self.tool.cancel()
        if self._measuring:
            self.toggle_caliper()

    # Qt

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.slices.place()

    def paintEvent(self, event: QPaintEvent) -> None:
        exposed, sight = event.rect(), self.sight
        painter = QPainter(self)
        if not self.paint_picture(painter, sight) or self._table is None:
            painter.fillRect(exposed, SURROUND)
            paint_message(self, painter)
            painter.end()
            return
        if not self._peeking:
            for layer in self.layers:
                layer.paint(painter, sight, exposed)
            self.tool.paint(painter, sight)
        self.hand.paint(painter)
        if self._lens is not None and self._lens.area.intersects(exposed):
            self._lens.paint(painter, sight, self._table, SURROUND.lightness())
        paint_corners(self, painter, exposed)
        if self.framed:
            painter.setPen(self.palette().highlight().color())
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._gestures.press(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._gestures.move(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._gestures.release(event)
        if self._measuring and self._caliper.busy:
            self.announce(basis_text(self._caliper.spacing_mm, self._caliper.source))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._gestures.double_click(event)

    def tabletEvent(self, event: QTabletEvent) -> None:
        self._gestures.tablet(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        self._gestures.wheel(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not self._gestures.key_press(event):
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        self._gestures.key_release(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """The menu key; a right click asks when it is released, since it may become a drag."""
        if event.reason() == QContextMenuEvent.Reason.Keyboard:
            self.ask_for_menu(self.rect().center())
        event.accept()

    def leaveEvent(self, event: QEvent) -> None:
        self._gestures.leave()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._gestures.let_go()
        super().focusOutEvent(event)

    def _repaint_caliper(self) -> None:
        area = self._caliper.area(self.sight)
        self.update(area.united(self._caliper_area))
        self._caliper_area = area
