"""Which action does what in the annotation workspace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from PySide6.QtCore import QObject, QPoint, QPointF

from app.actions.actions import Actions
from app.actions.keymap import KeymapPreset
from app.operations.lesions import order_lesions
from app.qt.translation import tr
from app.state.journal import Act
from app.state.preferences import (
    open_at_lesion,
    opens_at_lesion,
    show_others_first,
    shows_others_first,
)
from app.state.session import Session
from app.views.annotate import arrangement
from app.views.annotate.arrangement import Hanging
from app.views.annotate.context_menu import ContextMenu
from app.views.annotate.finding_menu import FindingMenu
from app.views.annotate.finishing import finish_shown, why_others_hidden
from app.views.annotate.hints import WITHOUT_LESION, hint_of
from app.views.annotate.lesion_removal import LesionRemoval
from app.views.annotate.proposing import ProposalController
from app.views.annotate.removed_menu import RemovedMenu
from app.views.annotate.workspace import AnnotateWorkspace
from app.widgets.drawing import operations
from app.widgets.drawing.canvas import TOOLS
from app.widgets.drawing.pen import Pen
from app.widgets.viewer.bindings import KEYS, PACS, Bindings, ViewCommand
from app.widgets.viewer.caliper import Caliper
from app.widgets.viewer.mammogram_view import MammogramView
from app.widgets.viewer.picture import Voi, window_of
from core.data.roi import roi_square
from core.data.roi_set import InputTransform
from core.domain.geometry import Point
from core.domain.shapes import Role

_VIEW_KEYS = {ViewCommand.CANCEL, ViewCommand.FINISH, ViewCommand.STEP_BACK, ViewCommand.DELETE}
"""Commands that the view handles by itself; all other keys are actions, which can be remapped."""
_ZOOM = 1.25


class AnnotateWiring(QObject):
    def __init__(self, session: Session, actions: Actions, workspace: AnnotateWorkspace) -> None:
        super().__init__(workspace)
        self._session, self._actions, self._workspace = session, actions, workspace
        self._hanging = workspace.wall.hanging_view
        self._removal = LesionRemoval(session, workspace, removed=self._offer_undo, refused=workspace.refused.emit)
        self._lesion_window: Voi | None = None
        self._before_lesion: Voi | None = None
        ProposalController(session, workspace.canvas)
        self._connect_drawing()
        self._connect_view()
        self._connect_cases()
        workspace.canvas.tool_chosen.connect(self._show_tool)
        self._hanging.tool_changed.connect(self._show_tool)
        workspace.actions_changed.connect(self._show_layers)
        workspace.actions_changed.connect(self._show_hint)
        self._hanging.window_changed.connect(self._show_view)
        self._hanging.menu_requested.connect(self._ask_menu)
        workspace.canvas.pen_changed.connect(self._show_layer)
        workspace.document.selection_changed.connect(self._show_layer)
        workspace.strip.pen_edited.connect(self._take_pen)
        workspace.canvas.choose_tool("ellipse")

    def set_preset(self, preset: KeymapPreset) -> None:
        """Mouse and wheel of the standard layout, or as on a reading station."""
        base = PACS if preset is KeymapPreset.PACS else Bindings()
        keys = {key: command for key, command in KEYS.items() if command in _VIEW_KEYS}
        self._hanging.set_bindings(replace(base, keys=keys))

    def set_role(self, role: Role | None) -> None:
        """The layer of the selected shapes; without a selection that of new ones (None: each tool has its own)."""
        canvas = self._workspace.canvas
        if canvas.document.selection and role is not None:
            operations.set_role(canvas.document, role)
        else:
            canvas.set_role(role)
        self._show_layer()

    def _connect_drawing(self) -> None:
        actions = self._actions
        for name in TOOLS:
            actions.connect_to(f"tool.{name}", partial(self._choose_tool, name))
        self._connect_to_view("tool.caliper", MammogramView.toggle_caliper)
        self._connect_to_view("tool.keys", MammogramView.toggle_hand)
        actions.connect_to("role.prominent", lambda: self.set_role(Role.PROMINENT))
        actions.connect_to("role.margin", lambda: self.set_role(Role.MARGIN))
        actions.connect_to("role.auto", lambda: self.set_role(None))
        actions.connect_to("pen.narrower", lambda: self._workspace.view.tool.change_width(-1))
        actions.connect_to("pen.wider", lambda: self._workspace.view.tool.change_width(1))
        for name in ("duplicate", "simplify", "smooth", "unite", "subtract"):
            actions.connect_to(f"edit.{name}", partial(self._operate, name))
        for field in ("margin", "shape", "density", "category", "pathology", "probability", "comment"):
            actions.connect_to(f"label.{field}", partial(self._focus_label, field))
        actions.connect_checked("label.flag", self._workspace.panel.form.flag.setChecked)
        self._workspace.panel.form.flag.toggled.connect(actions["label.flag"].setChecked)

    def _connect_view(self) -> None:
        actions, workspace = self._actions, self._workspace
        actions.connect_to("view.fit", self._hanging.fit_breast)
        actions.connect_to("view.fit_image", partial(self._hanging.fit_breast, whole_picture=True))
        actions.connect_to("view.lesion_window", self._window_of_lesion)
        actions.connect_checked("view.raw", lambda raw: self._hanging.set_smooth(not raw))
        actions["view.open_at_lesion"].setChecked(opens_at_lesion())
        actions.connect_checked("view.open_at_lesion", open_at_lesion)
        actions.connect_to("view.lesion", self._zoom_to_lesion)
        self._connect_to_view("view.one_to_one", MammogramView.one_to_one)
        actions.connect_to("view.real_size", self._real_size)
        actions.connect_to("view.zoom_in", lambda: self._zoom(_ZOOM))
        actions.connect_to("view.zoom_out", lambda: self._zoom(1 / _ZOOM))
        self._connect_to_view("view.invert", MammogramView.invert)
        actions.connect_to("view.next_window", self._next_window)
        self._connect_to_view("view.lens", MammogramView.toggle_lens)
        actions.connect_to("view.next_slice", lambda: self._workspace.view.ask_for_slice(1))
        actions.connect_to("view.previous_slice", lambda: self._workspace.view.ask_for_slice(-1))
        actions.connect_checked("view.mask", lambda on: self._workspace.show_mask(on=on))
        actions.connect_checked("view.others", self._show_others)
        actions["view.others_first"].setChecked(shows_others_first())
        actions.connect_checked("view.others_first", self._show_others_first)
        actions.connect_checked("view.worklist", self._workspace.worklist.setVisible)
        actions.connect_checked("view.panel", self._workspace.panel.setVisible)
        for name in ("view.worklist", "view.panel"):
            actions[name].setChecked(True)
        for hanging in Hanging:
            actions.connect_to(f"hanging.{hanging.value}", partial(workspace.wall.set_hanging, hanging))
        actions[f"hanging.{workspace.wall.hanging.value}"].setChecked(True)
        actions["hanging.link_zoom"].setChecked(self._hanging.linked)
        actions.connect_checked("hanging.link_zoom", partial(setattr, self._hanging, "linked"))
        actions.connect_checked("hanging.link_windows", partial(setattr, self._hanging, "windows_linked"))

    def _connect_to_view(self, action: str, act: Callable[[MammogramView], None]) -> None:
        """Connect an action to the active view."""
        self._actions.connect_to(action, lambda: act(self._workspace.view))

    def _connect_cases(self) -> None:
        actions, worklist = self._actions, self._workspace.worklist
        actions.connect_to("case.next", lambda: worklist.step(1))
        actions.connect_to("case.previous", lambda: worklist.step(-1))
        actions.connect_to("case.next_open", worklist.step_to_open)
        actions.connect_to("lesion.finish", self._finish)
        actions.connect_to("case.search", self._search)
        actions.connect_to("case.other_view", lambda: self._go_to(other_view=True))
        actions.connect_to("case.other_side", lambda: self._go_to(other_view=False))
        actions.connect_to("lesion.next", lambda: self._step_lesion(1))
        actions.connect_to("lesion.previous", lambda: self._step_lesion(-1))
        actions.connect_to("lesion.up", lambda: self._move_lesion(-1))
        actions.connect_to("lesion.down", lambda: self._move_lesion(1))
        actions.connect_to("lesion.link", self._ask_finding)
        actions.connect_to("lesion.remove", self._removal.start)
        actions.connect_to("lesion.put_back", self._ask_removed)

    # drawing

    def _choose_tool(self, name: str) -> None:
        self._workspace.canvas.choose_tool(name)
        self._workspace.view.setFocus()

    def _operate(self, name: str) -> None:
        """Carry out an operation on the selected shapes, or say what has to be selected for it."""
        document = self._workspace.document
        missing = document.nothing_to_draw_on or operations.missing(document, name)
        if missing:
            self._workspace.refused.emit(missing)
        else:
            getattr(operations, name)(document)

    def _show_tool(self, _: object) -> None:
        workspace = self._workspace
        measuring = isinstance(workspace.view.tool, Caliper)
        name = "caliper" if measuring else workspace.canvas.tool_name
        if name:
            self._actions[f"tool.{name}"].setChecked(True)
        self._show_hint()
        self._show_layer()

    def _show_hint(self) -> None:
        """How the tool is used; where the image has no mass yet, what comes first."""
        workspace = self._workspace
        measuring = isinstance(workspace.view.tool, Caliper)
        name = "caliper" if measuring else workspace.canvas.tool_name
        first = "" if name in WITHOUT_LESION else workspace.document.nothing_to_draw_on
        hint = "" if self._session.image_id is None else first or hint_of(name)
        if hint != workspace.hint:
            workspace.show_hint(hint)

    def _show_layer(self, _: object = None) -> None:
        """The chips and the width in the strip follow the selection, else the pen."""
        canvas = self._workspace.canvas
        by_tool = canvas.pen.role is None and not canvas.document.selection
        name = "role.auto" if by_tool else f"role.{canvas.layer.value}"
        self._actions[name].setChecked(True)
        self._workspace.show_pen()

    def _take_pen(self, pen: Pen) -> None:
        """The width field was changed: for the selected lines, else for what is drawn next."""
        document = self._workspace.document
        if document.selection and self._workspace.selected_width is not None:
            operations.set_width(document, pen.width)
        else:
            self._workspace.canvas.set_pen(pen)

    def _focus_label(self, field: str) -> None:
        self._workspace.panel.setVisible(True)
        self._actions["view.panel"].setChecked(True)
        self._workspace.panel.form.focus_on(field)

    # the view

    def _zoom(self, factor: float) -> None:
        view = self._workspace.view
        view.zoom_by(factor, QPointF(view.width() / 2, view.height() / 2))

    def _zoom_to_lesion(self) -> None:
        if self._workspace.lesion is not None:
            self._workspace.view.show_box(self._workspace.lesion.box)

    def _window_of_lesion(self) -> None:
        """The window of the lesion and what is around it; once more, the one before."""
        view, lesion = self._workspace.view, self._workspace.lesion
        if view.picture is None or view.display is None or lesion is None:
            return
        if self._before_lesion is not None and view.display.voi is self._lesion_window:
            view.set_voi(self._before_lesion)
            return
        window = window_of(view.picture, roi_square(lesion.box, InputTransform()), tr("lesion"))
        if window is not None:
            self._before_lesion, self._lesion_window = view.display.voi, window
            view.set_voi(window)

    def _real_size(self) -> None:
        if not self._workspace.view.real_size():
            self._workspace.refused.emit(
                tr("Real size needs an image with a pixel spacing, and the size of this screen (menu View).")
            )

    def _next_window(self) -> None:
        view = self._workspace.view
        if view.picture is None or view.display is None:
            return
        choices, voi = view.picture.choices, view.display.voi
        place = next((i for i, choice in enumerate(choices) if choice is voi), -1)
        view.set_voi(choices[(place + 1) % len(choices)])

    def _show_view(self, _: object) -> None:
        display = self._workspace.view.display
        self._actions["view.invert"].setChecked(display is not None and display.inverted)

    def _show_others_first(self, on: bool) -> None:
        show_others_first(on)
        self._workspace.details.show_labels()
        self._workspace.worklist.show_whose_labels()

    def _show_layers(self) -> None:
        self._actions["view.others"].setChecked(self._workspace.overlays.others_shown)

    def _show_others(self, on: bool) -> None:
        workspace, lesion = self._workspace, self._workspace.lesion
        if on and lesion is not None and (why := why_others_hidden(self._session, lesion)):
            self._actions["view.others"].setChecked(False)
            workspace.refused.emit(why)
            return
        workspace.show_others(on=on)

    def _finish(self) -> None:
        workspace = self._workspace
        refused = workspace.refused.emit
        finish_shown(self._session, workspace.lesion, finished=self._offer_undo, refused=refused)

    def _ask_menu(self, place: QPoint, at: Point) -> None:
        ContextMenu(self._workspace, self._actions, at).popup(place)

    # cases

    def _search(self) -> None:
        self._workspace.worklist.setVisible(True)
        self._actions["view.worklist"].setChecked(True)
        self._workspace.worklist.search.setFocus()
        self._workspace.worklist.search.selectAll()

    def _go_to(self, *, other_view: bool) -> None:
        """To the picture of the same patient with the other view of this breast, or this view of the other."""
        if self._session.image_id is None:
            return
        reads = self._session.reads
        here = reads.image(self._session.image_id)
        images = reads.images_of_patient(here.patient_id)
        found = arrangement.other_view(here, images) if other_view else arrangement.other_side(here, images)
        if found is None:
            what = (
                tr("The study has no other view of this breast.")
                if other_view
                else tr("The study has no picture of the other breast in this view.")
            )
            self._workspace.refused.emit(what)
            return
        self._session.select(found.id, reads.partner(self._session.lesion_id, found.id))

    def _step_lesion(self, by: int) -> None:
        ids = self._lesion_ids()
        if self._session.lesion_id in ids:
            self._session.select(self._session.image_id, ids[(ids.index(self._session.lesion_id) + by) % len(ids)])

    def _move_lesion(self, by: int) -> None:
        ids, lesion_id, image_id = self._lesion_ids(), self._session.lesion_id, self._session.image_id
        if lesion_id is None or image_id is None or lesion_id not in ids:
            return
        place = ids.index(lesion_id)
        if 0 <= place + by < len(ids):
            ids.insert(place + by, ids.pop(place))
            order_lesions(self._session, image_id, ids)

    def _ask_finding(self) -> None:
        """Which lesions of other pictures are the chosen one."""
        if self._session.lesion_id is None:
            return
        menu = FindingMenu(self._session, self._session.lesion_id, self._workspace)
        menu.linked.connect(self._offer_undo)
        menu.refused.connect(self._workspace.refused)
        menu.aboutToHide.connect(menu.deleteLater)
        view = self._workspace.view
        menu.popup(view.mapToGlobal(view.rect().center()))

    def _ask_removed(self) -> None:
        """Which lesion of the image comes back."""
        if self._session.image_id is not None:
            menu = RemovedMenu(self._session, self._session.image_id, self._workspace)
            menu.refused.connect(self._workspace.refused)
            menu.aboutToHide.connect(menu.deleteLater)
            view = self._workspace.view
            menu.popup(view.mapToGlobal(view.rect().center()))

    def _offer_undo(self, sentence: str, act: Act) -> None:
        self._workspace.undo_offered.emit(sentence, partial(self._workspace.steps.take_back, act))

    def _lesion_ids(self) -> list[str]:
        image_id = self._session.image_id
        return [] if image_id is None else [lesion.id for lesion in self._session.reads.lesions(image_id)]
