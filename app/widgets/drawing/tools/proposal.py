"""Proposes the margin of the chosen lesion as a dashed line, which the reader accepts, pulls or refuses.

Choosing the tool proposes at once. Enter accepts the line, a drag along it accepts that part. A click, or the end
of a drag from beside it, sets an anchor that the line then passes through. Backspace takes the last one back, Esc
refuses. Without a lesion a click proposes an outline first. Nothing is in the annotation before it is accepted, as
one edit.
"""

from __future__ import annotations

import math

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPainter, QPen

from app.qt.colours import LESION, OF_ROLE, RIM
from app.qt.translation import tr
from app.widgets.drawing.handles import paint_handles
from app.widgets.drawing.tool_context import DrawingTool, ToolContext
from app.widgets.drawing.tools.proposed_line import ProposedLine
from app.widgets.viewer.layers import draw_outline
from app.widgets.viewer.pointing import Pointer
from app.widgets.viewer.view_transform import ViewTransform
from core.domain.geometry import Box, Point, box_around
from core.domain.shapes import Line, Origin, Polygon
from core.domain.study import LesionOutline

_CLICK = 4.0
"""Logical pixels that the pointer may move in a click."""
_BESIDE = 16.0
"""Logical pixels from the line within which a drag goes along it."""
_REACH = 9.0
"""Logical pixels around an anchor within which a press takes hold of it."""


class ProposalTool(DrawingTool):
    rings = False
    clicks = True

    def __init__(self, host: ToolContext) -> None:
        super().__init__(host)
        self._outline: Polygon | None = None
        """The proposed outline of a new lesion."""
        self._line: ProposedLine | None = None
        self._width = self.width
        self._anchors: list[Point] = []
        self._held: int | None = None
        """The anchor under the pressed button."""
        self._start: Pointer | None = None
        self._dragged: tuple[int, int] | None = None
        """First ray and number of rays of the part that is dragged along."""

    @property
    def busy(self) -> bool:
        return self._line is not None or self._outline is not None

    @property
    def line(self) -> tuple[Point, ...]:
        """The proposed margin, closed; () if none is shown."""
        return () if self._line is None else self._line.ring

    @property
    def left(self) -> tuple[tuple[Point, ...], ...]:
        """The stretches of the margin that are not accepted yet."""
        return () if self._line is None else self._line.left()

    @property
    def outline(self) -> Polygon | None:
        """The proposed outline of a new lesion."""
        return self._outline

    @property
    def anchors(self) -> tuple[Point, ...]:
        return tuple(self._anchors)

    def chosen(self) -> None:
        outline = self.host.outline
        if outline is not None and self.host.may_propose(new=False):
            self._drop()
            self._propose(outline)

    def press(self, pointer: Pointer) -> None:
        if self._line is None:
            if self.host.outline is None and self.host.may_propose(new=True):
                self._propose_outline(pointer.at)
            elif self.host.outline is not None:
                self.chosen()
            return
        self._start, self._dragged = pointer, None
        self._held = next((i for i, at in enumerate(self._anchors) if self.near(at, pointer.at, _REACH)), None)

    def move(self, pointer: Pointer) -> None:
        if self._start is None or self._line is None:
            return
        if self._held is not None:
            self._anchors[self._held] = pointer.at
            self._propose_again()
        elif self._dragged is not None or (self._on_line(self._start) and not self._still(pointer)):
            self._drag_to(pointer)

    def release(self, pointer: Pointer) -> None:
        start, self._start = self._start, None
        if start is None or self._line is None:
            return
        if self._dragged is not None:
            part, self._dragged = self._dragged, None
            self._accept_part(*part)
        elif self._held is None:
            # a click, or a drag that pulls from beside the line
            self._anchors.append(pointer.at)
            self._propose_again()
        self._held = None

    def finish(self) -> None:
        """Accept what is left of the margin; of a new lesion, its outline."""
        if self._outline is not None:
            outline = self._outline
            self._drop()
            self.host.finish_outline(outline)
        elif self._line is not None:
            lines = tuple(self._as_line(points) for points in self.left)
            accepted = self.host.may_draw()
            if accepted:
                self._drop()
                self.host.replace((*self.host.shapes, *lines), tr("Proposed margin"), frozenset())

    def step_back(self) -> None:
        if self._anchors:
            self._anchors.pop()
            self._propose_again()

    delete = step_back

    def cancel(self) -> None:
        refused = self._line is not None and self._line.untouched
        self._drop()
        if refused:
            self.host.refuse_proposal()

    def paint(self, painter: QPainter, sight: ViewTransform) -> None:
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if self._outline is not None:
            _paint_dashed(painter, sight, self._outline, LESION)
        for points in self.left:
            _paint_dashed(painter, sight, self._as_line(points), OF_ROLE[self.role()])
        painter.restore()
        paint_handles(painter, sight, self._anchors)

    # proposing

    def _propose(self, outline: LesionOutline) -> None:
        # scipy takes its time to load, for which a window that proposes nothing need not wait
        from core.imaging.margin.frame import as_points
        from core.imaging.margin.proposal import DEFAULT, propose_margin

        picture = self.host.picture
        if picture is None:
            return
        settings = self.host.proposal_settings or DEFAULT
        try:
            ring = propose_margin(
                picture.levels[0],
                outline,
                inverted=picture.inverted,
                anchors=tuple(self._anchors),
                settings=settings,
            )
        except ValueError:
            self.host.say(tr("No margin can be proposed here; draw the outline larger."))
            return
        self._repaint()
        accepted = None if self._line is None else self._line.accepted
        self._width = self.host.line_width
        self._line = ProposedLine(as_points(ring), accepted)
        self._repaint()

    def _propose_again(self) -> None:
        outline = self.host.outline
        if outline is not None:
            self._propose(outline)

    def _propose_outline(self, at: Point) -> None:
        from core.imaging.margin.click import propose_outline

        picture = self.host.picture
        if picture is None:
            return
        self._repaint()
        self._outline = propose_outline(
            picture.levels[0], at, spacing_mm=picture.spacing_mm, inverted=picture.inverted
        )
        if self._outline is None:
            self.host.say(tr("No outline can be proposed here; draw it."))
        self._repaint()

    # accepting

    def _on_line(self, pointer: Pointer) -> bool:
        line = self._line
        return line is not None and self.near(line.ring[line.nearest(pointer.at)], pointer.at, _BESIDE)

    def _still(self, pointer: Pointer) -> bool:
        start = self._start
        if start is None:
            return False
        return math.dist((start.place.x(), start.place.y()), (pointer.place.x(), pointer.place.y())) < _CLICK

    def _drag_to(self, pointer: Pointer) -> None:
        if self._line is None or self._start is None:
            return
        here = self._line.nearest(pointer.at)
        first, count = self._dragged or (self._line.nearest(self._start.at), 0)
        self._dragged = first, self._line.followed(first, count, here)
        self.host.set_live((self._as_line(self._line.part(*self._dragged)),))

    def _accept_part(self, first: int, count: int) -> None:
        self.host.set_live(())
        if self._line is None or abs(count) < 1 or not self.host.may_draw():
            return
        shape = self._as_line(self._line.part(first, count))
        self._line.accept(first, count)
        self._repaint()
        if not self.left:
            self._drop()
        self.host.replace((*self.host.shapes, shape), tr("Part of the proposed margin"), frozenset())

    def _as_line(self, points: tuple[Point, ...]) -> Line:
        """A line that the reader pulled counts as edited."""
        origin = Origin.EDITED if self._anchors else Origin.PROPOSED
        return Line(points=points, width=self._width, role=self.role(), origin=origin)

    def _drop(self) -> None:
        self._repaint()
        if self._dragged is not None:
            self.host.set_live(())
        self._line = self._outline = self._start = self._held = self._dragged = None
        self._anchors = []

    def _repaint(self) -> None:
        points: list[Point] = [*self.line, *self._anchors]
        if self._outline is not None:
            points += self._outline.points
        if points:
            box: Box = box_around(points)
            self.host.repaint(box, margin=10.0)


def _paint_dashed(painter: QPainter, sight: ViewTransform, shape: Line | Polygon, colour: QColor) -> None:
    rim = QColor(RIM)
    rim.setAlphaF(0.55)
    painter.setPen(QPen(rim, 4.0))
    draw_outline(painter, shape, sight)
    pen = QPen(colour, 2.0, Qt.PenStyle.CustomDashLine)
    pen.setDashPattern([5, 4])
    painter.setPen(pen)
    draw_outline(painter, shape, sight)
