"""Interface of the canvas for drawing tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPainter, QPen

from app.qt.colours import ERASER, OF_ROLE, RIM
from app.widgets.drawing.pen import Pen
from app.widgets.viewer.picture import Picture, UInt8
from app.widgets.viewer.pointing import Pointer, Tool
from app.widgets.viewer.view_transform import ViewTransform
from core.domain.edits import Shapes
from core.domain.geometry import Box, Point
from core.domain.shapes import Length, Role, Shape
from core.domain.study import LesionOutline

if TYPE_CHECKING:
    from core.imaging.margin.proposal import ProposalSettings


class ToolContext(Protocol):
    @property
    def shapes(self) -> Shapes: ...
    @property
    def selection(self) -> frozenset[int]: ...
    @property
    def pen(self) -> Pen: ...
    @property
    def spacing_mm(self) -> float | None: ...
    @property
    def picture(self) -> Picture | None: ...
    @property
    def table(self) -> UInt8 | None:
        """From stored values to grey, as shown."""

    @property
    def scale(self) -> float:
        """Logical pixels in a pixel of the image."""

    def may_draw(self) -> bool:
        """Return True if an edit can begin; else the user sees the reason."""

    takes_outlines: bool
    """Flag: outlines can be drawn and changed now."""

    def may_outline(self) -> bool:
        """The same for outlines of lesions, for which nothing need be drawn yet."""

    def may_propose(self, *, new: bool) -> bool:
        """Return True if the program may propose a margin, or the outline of a ``new`` lesion; else the user sees
        the reason."""

    @property
    def proposal_settings(self) -> ProposalSettings | None:
        """Settings learned from the reader's own margins; None for the default ones."""

    @property
    def line_width(self) -> Length:
        """Width of the reader's last lines, in the unit of the image."""

    def say(self, sentence: str) -> None:
        """Show the user why nothing happened."""

    def refuse_proposal(self) -> None:
        """A proposal was shown and nothing of it was accepted."""

    def set_live(self, shapes: Shapes) -> None: ...
    def add_live(self, piece: Shape) -> None: ...
    def hide(self, indices: frozenset[int]) -> None: ...
    def add(self, shape: Shape, text: str) -> None:
        """A finished shape: one edit."""

    def replace(self, shapes: Shapes, text: str, select: frozenset[int]) -> None: ...
    def select(self, indices: frozenset[int]) -> None: ...
    def finish_outline(self, outline: LesionOutline) -> None:
        """A new lesion's outline is drawn."""

    @property
    def outline(self) -> LesionOutline | None:
        """That of the chosen lesion, as it is stored."""

    def show_outline(self, outline: LesionOutline | None) -> None:
        """In the place of the stored one while it is dragged; None shows the stored one again."""

    def change_outline(self, outline: LesionOutline) -> None:
        """The chosen lesion gets this outline."""

    def show_cursor(self, shape: Qt.CursorShape) -> None: ...
    def change_pen(self, steps: float, *, eraser: bool) -> None: ...
    def repaint(self, box: Box, margin: float = 3.0) -> None: ...


class DrawingTool(Tool):
    """A tool with a ring of the pen's width around the pointer."""

    erases = False
    own_role = Role.MARGIN
    """Role of the tool's shapes if the user leaves the layer to the tool."""
    rings = True

    def __init__(self, host: ToolContext) -> None:
        self.host = host
        self._over: Point | None = None

    @property
    def width(self) -> Length:
        return self.host.pen.eraser if self.erases else self.host.pen.width

    def may_begin(self) -> bool:
        return self.host.may_draw()

    def role(self) -> Role:
        """Role of the next shape: the layer that the user chose, else the tool's own."""
        return self.host.pen.role or self.own_role

    def hover(self, pointer: Pointer) -> None:
        self._ring_to(pointer.at)

    def move(self, pointer: Pointer) -> None:
        self._ring_to(pointer.at)

    def leave(self) -> None:
        self._ring_to(None)

    def change_width(self, steps: float) -> None:
        self._repaint_ring()
        self.host.change_pen(steps, eraser=self.erases)
        self._repaint_ring()

    def paint(self, painter: QPainter, sight: ViewTransform) -> None:
        if self.rings and self._over is not None:
            colour = ERASER if self.erases else OF_ROLE[self.role()]
            paint_ring(painter, sight, self._over, self._across() / 2, colour)

    def near(self, a: Point, b: Point, reach: float = 8.0) -> bool:
        """Return True if two image points are within ``reach`` logical pixels of each other on screen."""
        return (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 <= (reach / self.host.scale) ** 2

    def _across(self) -> float:
        """The pen's width in pixels of the image."""
        return self.width.in_pixels(self.host.spacing_mm)

    def _ring_to(self, at: Point | None) -> None:
        self._repaint_ring()
        self._over = at
        self._repaint_ring()

    def _repaint_ring(self) -> None:
        if self.rings and self._over is not None:
            x, y = self._over
            self.host.repaint(Box(x0=x, y0=y, x1=x, y1=y).grown(self._across() / 2), margin=4.0)


def paint_ring(painter: QPainter, sight: ViewTransform, at: Point, radius: float, colour: QColor) -> None:
    """A thin circle in the colour of the layer, with a dark rim; ``radius`` in pixels of the image."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    across = max(radius * sight.scale, 1.5)
    for shade, width in ((RIM, 3.0), (colour, 1.4)):
        painter.setPen(QPen(shade, width))
        painter.drawEllipse(sight.to_widget(at), across, across)
    painter.restore()
