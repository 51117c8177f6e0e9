"""An annotation document on a view: hands the tools what they need and keeps the layers up to date."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal

from app.qt.translation import tr
from app.widgets.drawing.document import AnnotationDocument
from app.widgets.drawing.pen import Pen
from app.widgets.drawing.tool_context import DrawingTool, ToolContext
from app.widgets.drawing.tools.areas import BoxTool, EllipseTool, LesionBoxTool
from app.widgets.drawing.tools.live_wire import LiveWireTool
from app.widgets.drawing.tools.proposal import ProposalTool
from app.widgets.drawing.tools.select import Select
from app.widgets.drawing.tools.strokes import Brush, Eraser, Freehand, LesionOutlineTool
from app.widgets.drawing.tools.vertices import PolygonTool, Polyline
from app.widgets.viewer.layers import OutlineLayer, ShapesLayer
from app.widgets.viewer.mammogram_view import MammogramView
from app.widgets.viewer.picture import Picture, UInt8
from app.widgets.viewer.pointing import Tool
from core.domain.edits import Shapes
from core.domain.geometry import Box
from core.domain.shapes import Length, Role, Shape, bounds
from core.domain.study import LesionOutline

if TYPE_CHECKING:
    from core.imaging.margin.proposal import ProposalSettings

TOOLS: dict[str, Callable[[ToolContext], Tool]] = {
    "select": Select,
    "freehand": Freehand,
    "polyline": Polyline,
    "ellipse": EllipseTool,
    "livewire": LiveWireTool,
    "brush": Brush,
    "eraser": Eraser,
    "polygon": PolygonTool,
    "box": BoxTool,
    "lesion_box": LesionBoxTool,
    "lesion_outline": LesionOutlineTool,
    "propose": ProposalTool,
}
"""By name, in the order of a tool bar."""


@dataclass(kw_only=True)
class ProposalRules:
    """Answers of the study to a tool that proposes; set by whoever knows the study."""

    why_not: Callable[[], str] = str
    """Reason why nothing may be proposed now, as a sentence; "" if it may."""
    width: Callable[[], Length | None] = lambda: None
    """Width of the reader's last lines, if there are any."""
    settings: Callable[[], ProposalSettings | None] = lambda: None
    """Settings learned from the reader's own margins; None for the default ones."""


_HANDLES = 12.0
"""Logical pixels around an outline that its handles may cover."""


class AnnotationCanvas(QObject):
    pen_changed = Signal(object)
    """The new ``Pen``."""
    tool_chosen = Signal(str)
    """A name of ``TOOLS``."""
    outline_drawn = Signal(object)
    """A finished ``LesionOutline`` of a new lesion; whoever keeps lesions sets it with ``set_outline``."""
    outline_changed = Signal(object)
    """The new ``LesionOutline`` of the chosen lesion; shown until ``set_outline`` is called."""
    proposal_refused = Signal()
    """A proposed margin was shown and nothing of it was accepted."""
    refused = Signal(str)
    """Why nothing can be drawn just now, as a sentence."""

    def __init__(self, view: MammogramView, document: AnnotationDocument, parent: QObject | None = None) -> None:
        super().__init__(parent or view)
        self._view = view
        self._document = document
        self._pen = Pen()
        self._layer = ShapesLayer(self.repaint, document.spacing_mm)
        self._outline = OutlineLayer()
        self._stored_outline: LesionOutline | None = None
        self._hidden: frozenset[int] = frozenset()
        view.layers += [self._outline, self._layer]
        self._tools = {name: make(self) for name, make in TOOLS.items()}
        self._name = ""
        self.takes_outlines = True
        """Flag: the owner of the lesions can take a new one."""
        self.proposal_rules = ProposalRules()
        document.shapes_changed.connect(self._refresh)
        document.selection_changed.connect(self._repaint_selection)
        self._refresh()

    # for the workspace

    @property
    def document(self) -> AnnotationDocument:
        return self._document

    @property
    def tool_name(self) -> str:
        """The chosen tool; empty before the first choice."""
        return self._name

    @property
    def selection_tool(self) -> Select:
        """The tool that edits what is there, chosen or not."""
        tool = self._tools["select"]
        assert isinstance(tool, Select)
        return tool

    def choose_tool(self, name: str) -> None:
        """One of ``TOOLS``; what another tool has begun is cancelled, and for drawing nothing stays selected."""
        self._view.set_tool(self._tools[name])
        if name != "select":
            self._document.select(frozenset())
        self._name = name
        self.tool_chosen.emit(name)
        self._tools[name].chosen()

    def move_to(self, view: MammogramView) -> None:
        """Draw on another view; what is begun on this one is cancelled."""
        if view is self._view:
            return
        measuring = self._view.measuring
        self._view.set_tool(Tool())
        for layer in (self._outline, self._layer):
            self._view.layers.remove(layer)
        self._view = view
        view.layers += [self._outline, self._layer]
        if self._name:
            view.set_tool(self._tools[self._name])
        if measuring:
            view.toggle_caliper()

    def set_pen(self, pen: Pen) -> None:
        if pen != self._pen:
            self._pen = pen
            self._view.update()
            self.pen_changed.emit(pen)

    def set_role(self, role: Role | None) -> None:
        """Set the role of new shapes of every tool; None leaves it to the tool."""
        self.set_pen(replace(self._pen, role=role))

    @property
    def layer(self) -> Role:
        """Return the role of the selected shapes, if all have the same; else the role of the next shape."""
        roles = {self.shapes[i].role for i in self.selection}
        if len(roles) == 1:
            return roles.pop()
        tool = self._tools.get(self._name)
        return tool.role() if isinstance(tool, DrawingTool) else Role.MARGIN

    def set_outline(self, outline: LesionOutline | None) -> None:
        """That of the chosen lesion, as it is stored."""
        if outline != self._stored_outline:
            # a proposal belongs to one outline
            self._tools["propose"].cancel()
        self._stored_outline = outline
        self.show_outline(None)

    def set_opacity(self, opacity: float) -> None:
        """Set the opacity of the shapes, from 0 to 1."""
        self._layer.opacity = opacity
        self._view.update()

    # for the tools

    @property
    def shapes(self) -> Shapes:
        return self._document.shapes

    @property
    def selection(self) -> frozenset[int]:
        return self._document.selection

    @property
    def pen(self) -> Pen:
        return self._pen.for_image(self.spacing_mm)

    @property
    def spacing_mm(self) -> float | None:
        return self._document.spacing_mm

    @property
    def picture(self) -> Picture | None:
        return self._view.picture

    @property
    def table(self) -> UInt8 | None:
        return self._view.table

    @property
    def scale(self) -> float:
        return self._view.sight.scale

    def may_draw(self) -> bool:
        if self._view.picture is None:
            return False
        if self._document.read_only:
            reason = self._document.nothing_to_draw_on
            self.refused.emit(reason or tr("This annotation is open for reading only."))
        elif self._document.paused:
            self.refused.emit(tr("Drawing is paused until the study can be written again."))
        return self._document.editable

    def may_outline(self) -> bool:
        if self._view.picture is None:
            return False
        if not self.takes_outlines:
            self.refused.emit(tr("No lesion can be added now: sign in to a study that can be changed."))
        return self.takes_outlines

    def may_propose(self, *, new: bool) -> bool:
        if not (self.may_outline() if new else self.may_draw()):
            return False
        reason = self.proposal_rules.why_not()
        if reason:
            self.refused.emit(reason)
        return not reason

    @property
    def proposal_settings(self) -> ProposalSettings | None:
        return self.proposal_rules.settings()

    @property
    def line_width(self) -> Length:
        return self.proposal_rules.width() or self.pen.width

    def say(self, sentence: str) -> None:
        self.refused.emit(sentence)

    def refuse_proposal(self) -> None:
        self.proposal_refused.emit()

    def set_live(self, shapes: Shapes) -> None:
        self._layer.set_live(shapes)

    def add_live(self, piece: Shape) -> None:
        self._layer.add_live(piece)

    def hide(self, indices: frozenset[int]) -> None:
        self._hidden = indices
        self._layer.set_shapes(self.shapes, indices)

    def add(self, shape: Shape, text: str) -> None:
        self._document.replace((*self.shapes, shape), text)

    def replace(self, shapes: Shapes, text: str, select: frozenset[int]) -> None:
        self._document.replace(shapes, text, select=select)

    def select(self, indices: frozenset[int]) -> None:
        self._document.select(indices)

    @property
    def outline(self) -> LesionOutline | None:
        return self._stored_outline

    def show_outline(self, outline: LesionOutline | None) -> None:
        shown = outline or self._stored_outline
        for shape in (self._outline.outline, shown):
            if shape is not None:
                self._view.update_box(bounds(shape), margin=_HANDLES)
        self._outline.outline = shown

    def change_outline(self, outline: LesionOutline) -> None:
        self.show_outline(outline)
        self.outline_changed.emit(outline)

    def show_cursor(self, shape: Qt.CursorShape) -> None:
        self._view.show_cursor(shape)

    def finish_outline(self, outline: LesionOutline) -> None:
        self.outline_drawn.emit(outline)

    def change_pen(self, steps: float, *, eraser: bool) -> None:
        self.set_pen(self.pen.stepped(steps, eraser=eraser))

    def repaint(self, box: Box, margin: float = 3.0) -> None:
        self._view.update_box(box, margin=margin)

    def _refresh(self) -> None:
        if self._layer.spacing_mm != self.spacing_mm:
            # what goes is measured by the spacing that it was drawn with
            self._layer.set_shapes(())
            self._layer.set_spacing(self.spacing_mm)
        self._layer.set_shapes(self.shapes, self._hidden)

    def _repaint_selection(self) -> None:
        self._view.update()
