"""Annotation workspace: worklist, picture with its tools, labels. It follows the session."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QVBoxLayout, QWidget

from app.actions.actions import Actions
from app.actions.catalogue import Need
from app.models.pictures import LoadedPicture
from app.operations.edit_history import ReplaceShapes
from app.operations.lesions import add_lesion, change_outline, label_lesion
from app.qt.sentences import translate_message
from app.qt.translation import tr
from app.state.changes import (
    AnnotationChanged,
    Change,
    CheckpointNamed,
    ImageCorrected,
    LabelsChanged,
    LesionsChanged,
    OthersChanged,
    ReaderChanged,
    SelectionChanged,
    StorageChanged,
    StudyClosed,
    StudyClosing,
    StudyOpened,
)
from app.state.session import Session
from app.state.study_place import StudyPlace, read_place, store_place
from app.views.annotate.hanging_controller import HangingController
from app.views.annotate.history import AnnotateHistory
from app.views.annotate.mask_frame import MaskFrame
from app.views.annotate.overlays import Overlays
from app.views.annotate.panel_controller import PanelController
from app.views.annotate.pen_strip import PenStrip
from app.views.annotate.side_panel import WIDTH, SidePanel
from app.views.annotate.tool_column import tool_column
from app.views.dialogs.conflict import ask_which_stays
from app.views.screen import History, Screen
from app.views.worklist.panel import WorklistPanel
from app.widgets.drawing.canvas import AnnotationCanvas
from app.widgets.drawing.document import AnnotationDocument
from app.widgets.drawing.mask_preview import MaskPreview
from app.widgets.drawing.pen import width_of
from app.widgets.viewer.mammogram_view import MammogramView
from app.widgets.viewer.picture import Display, Voi
from core.data.roi import roi_square
from core.data.roi_set import InputTransform
from core.domain.errors import ConflictError, MarginaliaError
from core.domain.shapes import Length, Shape
from core.domain.study import Labels, Lesion, LesionOutline
from core.tasks.studies.queries import HistoryEntry

_AHEAD_MS = 150
"""After a picture is shown; while somebody pages on, nothing is read ahead."""


class AnnotateWorkspace(Screen):
    undo_offered = Signal(str, object)
    """Sentence on the link or removal, and the act that undoes it."""

    def __init__(self, session: Session, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._actions = session, actions
        self.worklist = WorklistPanel(session)
        self.wall = HangingController(session, self)
        self.document = AnnotationDocument(self._refuse_commit, parent=self)
        self.steps = AnnotateHistory(session, self.document, self)
        self.canvas = AnnotationCanvas(self.view, self.document, self)
        self.overlays = Overlays(self.view)
        self.preview = MaskPreview(self.document)
        self.panel = SidePanel(actions, MaskFrame(self.preview))
        self.details = PanelController(session, self.panel, self.preview)
        self.strip = PenStrip(actions)
        self.shown: LoadedPicture | None = None
        self.lesion: Lesion | None = None
        self._mask_on = False
        self._mask_later = QTimer(self, singleShot=True, interval=0)
        self._ahead = QTimer(self, singleShot=True, interval=_AHEAD_MS)
        self._lay_out(actions)
        self._connect()

    @property
    def view(self) -> MammogramView:
        """The one that is worked in."""
        return self.wall.view

    @property
    def history(self) -> History:
        return self.steps

    def available(self) -> frozenset[Need]:
        if self._session.image_id is None or self.shown is None:
            return frozenset()
        return frozenset({"image", "lesion"} if self._session.lesion_id is not None else {"image"})

    # made once

    def _lay_out(self, actions: Actions) -> None:
        picture = QHBoxLayout()
        picture.setSpacing(0)
        picture.addWidget(tool_column(actions))
        picture.addWidget(self.wall.hanging_view, 1)
        middle = QWidget()
        column = QVBoxLayout(middle)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.strip)
        column.addLayout(picture, 1)
        self.splitter = QSplitter()
        self.splitter.setHandleWidth(1)
        for widget in (self.worklist, middle, self.panel):
            self.splitter.addWidget(widget)
        self.splitter.setStretchFactor(1, 1)
        self.splitter.setCollapsible(1, False)
        self.splitter.setSizes([264, 900, WIDTH + 10])
        self.worklist.setMinimumWidth(192)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.splitter)

    def _connect(self) -> None:
        self._session.changed.connect(self._on_change)
        wall = self.wall.hanging_view
        wall.active_changed.connect(self._take_view)
        wall.window_changed.connect(self._show_window)
        wall.page_requested.connect(self.worklist.step)
        self.wall.ready.connect(self._show_picture)
        self.wall.refused.connect(self.refused)
        # the preview, which makes the mask, listens to the same signal before this
        self.document.shapes_changed.connect(self._mask_later.start)
        self.document.undo_changed.connect(self.actions_changed)
        self.document.paused_changed.connect(self.actions_changed)
        self._session.journal.changed.connect(self.actions_changed)
        self.steps.refused.connect(self.refused)
        self._mask_later.timeout.connect(self._update_mask)
        self._ahead.timeout.connect(self._read_ahead)
        self.canvas.outline_drawn.connect(self._take_outline)
        self.canvas.outline_changed.connect(self._change_outline)
        self.canvas.refused.connect(self.refused)
        self.worklist.refused.connect(self.refused)
        self.strip.voi_chosen.connect(self._choose_window)
        self.panel.lesions.chosen.connect(self._choose_lesion)
        self.panel.form.edited.connect(self._label)
        self.panel.form.finished.connect(self._back_to_picture)
        self.panel.history.looked_at.connect(self._look_back)
        self.panel.history.restored.connect(self._restore)

    def stop(self) -> None:
        """Before the window goes."""
        self.panel.form.take_typing()
        self.worklist.stop()
        self.preview.stop()
        self.wall.pictures.stop()

    # what the session says

    def _on_change(self, change: Change) -> None:
        match change:
            case StudyOpened(folder=folder):
                self._show_nothing()
                self._recall_place(folder)
            case SelectionChanged(image_changed=other):
                self._show_selection(image_changed=other)
            case ReaderChanged() if self._session.is_open:
                self._show_lesion()
            case LesionsChanged() if self._session.image_id is not None:
                self._show_lesion(keep_drawing=True)
            case OthersChanged(lesion_ids=lesions) if self._session.lesion_id in lesions:
                self._show_lesion(keep_drawing=True)
            case LabelsChanged(image_id=image) if image == self._session.image_id:
                self.details.show_labels()
                self.actions_changed.emit()
            case AnnotationChanged(lesion_id=lesion, restored=restored) if lesion == self._session.lesion_id:
                if restored:
                    self._load_document()
                self.details.show_history_soon()
            case ImageCorrected(image_id=image):
                self.shown = None
                self.wall.read_again(image)
            case CheckpointNamed():
                self._show_history()
            case StorageChanged():
                self._allow_drawing()
                self.actions_changed.emit()
            case StudyClosing():
                self.panel.form.take_typing()
                self._store_place()
                self._ahead.stop()
                self.wall.pictures.clear()
                self.details.stop()
            case StudyClosed():
                self._show_nothing()
            case _:
                pass

    def _show_selection(self, *, image_changed: bool) -> None:
        image_id = self._session.image_id
        if image_id is None:
            self._show_nothing()
        elif image_changed:
            self.shown = None
            self.wall.show_image(image_id)
            if self.shown is None:
                self.shown = self.wall.shown(image_id)
                self._show_lesion()
        else:
            # until the slice is there, nothing is drawn on the one before
            self.shown = None
            self.wall.show_frame()
            if self.shown is None:
                self.shown = self.wall.shown(image_id)
                self._show_lesion()
                self.wall.show_lesion_of_new_case()

    def _recall_place(self, folder: Path) -> None:
        place = read_place(folder)
        self.wall.seen.clear()
        if place.image_id is not None:
            self.wall.seen.put(place.image_id, place.seen)
        self.worklist.recall(place)

    def _store_place(self) -> None:
        """Store the user's place, for when the study is opened again."""
        session = self._session
        self.wall.remember()
        seen = self.wall.seen.of(session.image_id or "")
        place = StudyPlace(image_id=session.image_id, lesion_id=session.lesion_id, seen=seen)
        store_place(session.study.folder, self.worklist.with_filters(place))

    def _take_view(self, view: MammogramView) -> None:
        """Draw in this one from now on."""
        self.canvas.move_to(view)
        self.overlays.move_to(view)
        if view.display is None:
            self.strip.show_windows(None, None)

    def _show_picture(self, shown: LoadedPicture) -> None:
        self.shown = shown
        self._show_lesion()
        self._ahead.start()

    def _read_ahead(self) -> None:
        """The next case and the one before, so that going there does not wait."""
        if self._session.is_open:
            self.wall.prepare([(row.image_id, row.lesion_id) for row in self.worklist.neighbours()])

    def _show_lesion(self, *, keep_drawing: bool = False) -> None:
        """The chosen lesion: outline, shapes, labels, mask, history."""
        session = self._session
        reads = session.reads
        before = self.lesion
        self.lesion = reads.lesion(session.lesion_id) if session.lesion_id else None
        same = before is not None and self.lesion is not None and before.id == self.lesion.id
        if not (keep_drawing and same):
            self._load_document()
        self.details.show_labels()
        if session.image_id is not None:
            on_slice = [found for found in reads.lesions(session.image_id) if found.frame == session.frame]
            others = [found for found in on_slice if found.id != session.lesion_id]
            self.overlays.show_outlines([found.outline for found in others])
        self.canvas.set_outline(None if self.lesion is None else self.lesion.outline)
        self.show_others(on=False)
        self.details.show_mask(self.shown, self.lesion)
        self._update_mask()
        self._show_history()
        self.wall.refresh()
        self.actions_changed.emit()

    def _load_document(self) -> None:
        lesion, spacing = self.lesion, None
        self.details.past = []
        if self._session.image_id is not None:
            spacing = self._session.reads.image(self._session.image_id).pixel_spacing_mm
        if lesion is None:
            self.document.load((), commit=self._refuse_commit, spacing_mm=spacing)
        else:
            self.details.past = self._session.reads.history(lesion.id)
            self.document.load(
                self._session.states(lesion.id, [entry.shapes for entry in reversed(self.details.past)]),
                commit=partial(self._session.commit_shapes, lesion.id),
                spacing_mm=spacing,
            )
        self._allow_drawing()
        self.show_pen()

    def _allow_drawing(self) -> None:
        writable = self.shown is not None and self._session.can_write
        self.document.read_only = not (writable and self.lesion is not None)
        box, outline = (self._actions.keys_of(f"tool.lesion_{name}") for name in ("box", "outline"))
        first = tr("First draw the mass: {box} for a box, {outline} for an outline.", box=box, outline=outline)
        self.document.nothing_to_draw_on = first if writable and self.lesion is None else ""
        self.canvas.takes_outlines = writable

    def _show_history(self) -> None:
        self.overlays.show_past(())
        self.canvas.set_opacity(1.0)
        self.details.show_history()

    def _show_nothing(self) -> None:
        self.shown = self.lesion = None
        self.wall.clear(tr("No image is chosen."))
        self.canvas.set_outline(None)
        self.overlays.clear()
        self.document.load((), commit=self._refuse_commit, spacing_mm=None)
        self.details.clear()
        self.strip.show_windows(None, None)
        self.actions_changed.emit()

    # what the user does

    def _choose_window(self, voi: Voi) -> None:
        self.view.set_voi(voi)

    def _back_to_picture(self) -> None:
        self.view.setFocus()

    def _choose_lesion(self, lesion_id: str) -> None:
        self._session.select(self._session.image_id, lesion_id)

    def _take_outline(self, outline: LesionOutline) -> None:
        if self._session.image_id is not None and self._session.can_write:
            add_lesion(self._session, self._session.image_id, outline)
            self.canvas.choose_tool("propose" if self.canvas.tool_name == "propose" else "ellipse")

    def _change_outline(self, outline: LesionOutline) -> None:
        if self.lesion is None:
            return
        try:
            change_outline(self._session, self.lesion, outline)
        except ConflictError as conflict:
            self._show_lesion(keep_drawing=True)
            ask_which_stays(conflict, self, partial(self._change_outline, outline))
        except MarginaliaError as error:
            self.canvas.show_outline(None)
            self.refused.emit(translate_message(error))

    def _look_back(self, entry: HistoryEntry | None) -> None:
        """Show a past state over the picture, and what is current faintly."""
        self.overlays.show_past(() if entry is None else entry.shapes)
        self.canvas.set_opacity(1.0 if entry is None else 0.2)

    def _label(self, lesion_id: str, labels: Labels) -> None:
        label_lesion(self._session, lesion_id, labels)

    def _restore(self, revision: int) -> None:
        if self.lesion is not None:
            before = self.document.shapes
            self._session.restore_revision(self.lesion.id, revision)
            self.steps.record_edit(ReplaceShapes(before, self.document.shapes, tr("Restore")))

    def show_others(self, *, on: bool) -> None:
        """The layers of other readers, where the reader's own is finished."""
        shapes: tuple[Shape, ...] = ()
        if on and self.lesion is not None and self._session.reads.own_is_finished(self.lesion.id):
            found = self._session.reads.others(self.lesion.id)
            shapes = tuple(shape for layer in found.values() for shape in layer)
            if self._session.can_write:
                self._session.record_others_shown(self.lesion.id)
        self.overlays.show_others(shapes)

    def show_mask(self, *, on: bool) -> None:
        """Show or hide the network's mask over the picture."""
        self._mask_on = on
        self._update_mask()

    def _update_mask(self) -> None:
        if self._mask_on and self.lesion is not None:
            self.overlays.show_mask(self.preview.network_mask, roi_square(self.lesion.box, InputTransform()))
        else:
            self.overlays.show_mask(None, None)

    @property
    def selected_width(self) -> Length | None:
        """Return the width of the first selected shape that has one."""
        chosen = (self.document.shapes[i] for i in sorted(self.document.selection))
        return next((width for width in map(width_of, chosen) if width is not None), None)

    def show_pen(self) -> None:
        """In the strip: the width of the selection, else that of the pen or the eraser."""
        pen, width = self.canvas.pen, self.selected_width
        if width is not None:
            pen = replace(pen, width=width)
        self.strip.show_pen(pen, eraser=width is None and self.canvas.tool_name == "eraser")

    def _show_window(self, display: Display) -> None:
        self.strip.show_windows(self.view.picture, display)

    def _refuse_commit(self, _shapes: tuple[Shape, ...]) -> None:
        """Without a lesion the document is read-only, and this is never reached."""
