"""The menu on the picture: first the shape or the outline under the pointer, then the view; the lesion last."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QTimer
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu

from app.actions.actions import Actions
from app.qt.translation import tr
from app.views.annotate.workspace import AnnotateWorkspace
from app.widgets.drawing import operations
from core.domain.edits import on_edge, shape_at, vertex_at, with_vertex_added, without_vertex
from core.domain.geometry import Point
from core.domain.shapes import Polygon

_REACH = 7.0
"""Logical pixels by which the pointer may miss."""
_SHAPE = (
    "role.prominent",
    "role.margin",
    "pen.wider",
    "pen.narrower",
    "",
    "edit.duplicate",
    "edit.smooth",
    "edit.simplify",
    "edit.unite",
    "edit.subtract",
    "",
)
_VIEW = (
    "edit.undo",
    "edit.redo",
    "",
    "view.fit",
    "view.lesion",
    "view.lesion_window",
    "view.one_to_one",
    "view.invert",
    "view.next_window",
    "view.raw",
    "",
)
_LESION = ("lesion.link", "lesion.up", "lesion.down", "", "lesion.remove", "lesion.put_back")


class ContextMenu(QMenu):
    def __init__(self, workspace: AnnotateWorkspace, actions: Actions, at: Point) -> None:
        """``at``: the point of the image that was clicked."""
        super().__init__(workspace)
        self._workspace, self._actions, self._at = workspace, actions, at
        document = workspace.document
        self._reach = _REACH / workspace.view.sight.scale
        found = shape_at(document.shapes, at, tolerance=self._reach, spacing_mm=document.spacing_mm)
        if found is not None and document.editable:
            if found not in document.selection:
                document.select(frozenset({found}))
            self._add_shape_part(found)
        elif workspace.lesion is not None and workspace.canvas.takes_outlines:
            self._add_outline_part()
        self._add(_VIEW)
        lesion = self.addMenu(tr("Lesion"))
        self._add(_LESION, lesion)
        lesion.setEnabled(any(action.isEnabled() for action in lesion.actions()))
        self.aboutToHide.connect(self._leave)

    def _add_shape_part(self, index: int) -> None:
        document, tool = self._workspace.document, self._workspace.canvas.selection_tool
        delete = tr("Delete shape") if len(document.selection) == 1 else tr("Delete shapes")
        self._act(delete, lambda: operations.delete(document))
        shape = document.shapes[index]
        vertex = vertex_at(shape, self._at, tolerance=self._reach)
        if len(document.selection) == 1:
            if vertex is not None and without_vertex(shape, vertex) not in (shape, None):
                self._act(tr("Remove vertex"), lambda: tool.remove_vertex(vertex))
            elif vertex is None and with_vertex_added(shape, self._at) != shape:
                self._act(tr("Add vertex here"), lambda: tool.add_vertex(index, self._at))
        self.addSeparator()
        self._add(_SHAPE)

    def _add_outline_part(self) -> None:
        outline, tool = self._workspace.canvas.outline, self._workspace.canvas.selection_tool
        if not isinstance(outline, Polygon) or not on_edge(outline, self._at, tolerance=self._reach):
            return
        vertex = vertex_at(outline, self._at, tolerance=self._reach)
        if vertex is None:
            self._act(tr("Add vertex here"), lambda: tool.outline.add_vertex(self._at))
        else:
            self._act(tr("Remove vertex"), lambda: tool.outline.remove_vertex(vertex))
        self.addSeparator()

    def _add(self, names: tuple[str, ...], menu: QMenu | None = None) -> None:
        menu = menu or self
        for name in names:
            if name:
                menu.addAction(self._actions[name])
            else:
                menu.addSeparator()

    def _act(self, text: str, act: Callable[[], object]) -> None:
        action = QAction(text, self)
        action.triggered.connect(lambda _checked=False: act())
        self.addAction(action)

    def _leave(self) -> None:
        # what was chosen in the menu acts after it is hidden
        QTimer.singleShot(0, self._forget)

    def _forget(self) -> None:
        """With a tool that draws, a selection would be kept unseen."""
        if self._workspace.canvas.tool_name != "select":
            self._workspace.document.select(frozenset())
        self.deleteLater()
