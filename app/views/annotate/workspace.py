"""The annotation workspace: worklist, picture with its tools, labels. It shows what the session says."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from app.actions.actions import Actions
from app.actions.catalogue import Need
from app.models.pictures import LoadedPicture
from app.operations.lesions import add_lesion
from app.qt.translation import tr
from app.state.changes import (
    AnnotationChanged,
    Change,
    CheckpointNamed,
    LabelsChanged,
    LesionsChanged,
    ReaderChanged,
    SelectionChanged,
    StorageChanged,
    StudyClosed,
    StudyClosing,
    StudyOpened,
)
from app.state.session import Session
from app.views.annotate.finding_menu import place_of
from app.views.annotate.hanging_controller import HangingController
from app.views.annotate.lesion_list import Listed
from app.views.annotate.overlays import Overlays
from app.views.annotate.pen_strip import PenStrip
from app.views.annotate.side_panel import WIDTH, SidePanel
from app.views.annotate.tool_column import tool_column
from app.views.screen import History, Screen
from app.views.worklist.panel import WorklistPanel
from app.widgets.drawing.canvas import AnnotationCanvas
from app.widgets.drawing.document import AnnotationDocument
from app.widgets.drawing.mask_preview import MaskPreview
from app.widgets.label import Label
from app.widgets.viewer.mammogram_view import MammogramView
from app.widgets.viewer.picture import Display, Voi
from core.data.roi import roi_square
from core.data.roi_set import InputTransform
from core.domain.shapes import Shape
from core.domain.study import Labels, Lesion, LesionOutline
from core.tasks.studies.queries import HistoryEntry

_HISTORY_MS = 250
_AHEAD_MS = 150
"""After a picture is shown; while somebody pages on, nothing is read ahead."""


class AnnotateWorkspace(Screen):
    linked = Signal(str, object)
    """What was linked or separated, in a sentence, and what takes that back."""

    def __init__(self, session: Session, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.worklist = WorklistPanel(session)
        self.wall = HangingController(session, self)
        self.document = AnnotationDocument(self._refuse_commit, parent=self)
        self.canvas = AnnotationCanvas(self.view, self.document, self)
        self.overlays = Overlays(self.view)
        self.mask_frame = preview = QFrame()
        self.preview = MaskPreview(self.document)
        self.panel = SidePanel(actions, preview)
        self.strip = PenStrip(actions)
        self.shown: LoadedPicture | None = None
        self.lesion: Lesion | None = None
        self._mask_on = False
        self._past: list[HistoryEntry] = []
        """Of the lesion in work, as it was read last."""
        self._mask_later = QTimer(self, singleShot=True, interval=0)
        self._later = QTimer(self, singleShot=True, interval=_HISTORY_MS)
        self._ahead = QTimer(self, singleShot=True, interval=_AHEAD_MS)
        self._lay_out(actions, preview)
        self._connect()

    @property
    def view(self) -> MammogramView:
        """The one that is worked in."""
        return self.wall.view

    @property
    def history(self) -> History:
        return self.document

    def available(self) -> frozenset[Need]:
        if self._session.image_id is None or self.shown is None:
            return frozenset()
        return frozenset({"image", "lesion"} if self._session.lesion_id is not None else {"image"})

    # made once

    def _lay_out(self, actions: Actions, preview: QFrame) -> None:
        box = QVBoxLayout(preview)
        box.setContentsMargins(10, 8, 10, 8)
        self.preview.setFixedHeight(190)
        heading = Label(tr("Mask as the network sees it"))
        heading.setObjectName("heading")
        box.addWidget(heading)
        box.addWidget(self.preview)
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
        self.worklist.setMinimumWidth(220)
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
        self._mask_later.timeout.connect(self._update_mask)
        self._later.timeout.connect(self._show_history)
        self._ahead.timeout.connect(self._read_ahead)
        self.canvas.outline_drawn.connect(self._take_outline)
        self.canvas.refused.connect(self.refused)
        self.canvas.pen_changed.connect(self.show_pen)
        self.canvas.tool_chosen.connect(self.show_pen)
        self.strip.pen_edited.connect(self.canvas.set_pen)
        self.strip.voi_chosen.connect(self._choose_window)
        self.panel.lesions.chosen.connect(self._choose_lesion)
        self.panel.form.edited.connect(self._session.set_labels)
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
            case StudyOpened():
                self._show_nothing()
            case SelectionChanged(image_changed=other):
                self._show_selection(image_changed=other)
            case ReaderChanged() if self._session.is_open:
                self._show_lesion()
            case LesionsChanged() if self._session.image_id is not None:
                self._show_lesion(keep_drawing=True)
            case LabelsChanged(image_id=image) if image == self._session.image_id:
                self._show_labels()
                self.actions_changed.emit()
            case AnnotationChanged(lesion_id=lesion, restored=restored) if lesion == self._session.lesion_id:
                if restored:
                    self._load_document()
                self._later.start()
            case CheckpointNamed():
                self._show_history()
            case StorageChanged():
                self._allow_drawing()
                self.actions_changed.emit()
            case StudyClosing():
                self.panel.form.take_typing()
                self._ahead.stop()
                self.wall.pictures.clear()
                self._later.stop()
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
        self._show_labels()
        if session.image_id is not None:
            on_slice = [found for found in reads.lesions(session.image_id) if found.frame == session.frame]
            others = [found for found in on_slice if found.id != session.lesion_id]
            self.overlays.show_outlines([found.outline for found in others])
        self.canvas.set_outline(None if self.lesion is None else self.lesion.outline)
        self.show_others(on=False)
        self._show_mask()
        self._show_history()
        self.wall.refresh()
        self.actions_changed.emit()

    def _load_document(self) -> None:
        lesion, spacing = self.lesion, None
        self._past = []
        if self._session.image_id is not None:
            spacing = self._session.reads.image(self._session.image_id).pixel_spacing_mm
        if lesion is None:
            self.document.load((), commit=self._refuse_commit, spacing_mm=spacing)
        else:
            self._past = self._session.reads.history(lesion.id)
            self.document.load(
                [entry.shapes for entry in reversed(self._past)],
                commit=partial(self._session.commit_shapes, lesion.id),
                spacing_mm=spacing,
            )
        self._allow_drawing()
        self.show_pen()

    def _allow_drawing(self) -> None:
        writable = self.shown is not None and self._session.can_write
        self.document.read_only = not (writable and self.lesion is not None)
        self.canvas.takes_outlines = writable

    def _show_labels(self) -> None:
        session, reads = self._session, self._session.reads
        if session.image_id is None:
            return
        listed = []
        for lesion in reads.lesions(session.image_id):
            own, given = reads.labels(lesion.id)
            said = own if own.margin is not None else given
            places = tuple(place_of(image) for image in reads.seen_in(lesion.id))
            listed.append(Listed(lesion=lesion, said=said, seen_in=places))
        self.panel.lesions.show_lesions(reads.image(session.image_id), listed, session.lesion_id)
        if session.lesion_id is None:
            self.panel.form.show_labels("", Labels(), Labels(), editable=False)
            self.panel.author.setText("")
            return
        own, given = reads.labels(session.lesion_id)
        writable = session.reader is not None and not session.read_only
        self.panel.form.show_labels(session.lesion_id, own, given, editable=writable)
        by = tr("nobody is signed in") if session.reader is None else tr("by {name}", name=session.reader.name)
        self.panel.author.setText(by)

    def _show_mask(self) -> None:
        self.mask_frame.setVisible(self.lesion is not None)
        if self.shown is None or self.lesion is None:
            self.preview.set_lesion(None, None, None)
            return
        picture = self.shown.picture
        self.preview.set_lesion(picture, Display(voi=picture.choices[0]).table(picture), self.lesion.box)
        self._update_mask()

    def _show_history(self) -> None:
        self.overlays.show_past(())
        self.canvas.set_opacity(1.0)
        if self._session.is_open:
            if self._session.lesion_id:
                self._past = self._session.reads.history(self._session.lesion_id, self._past)
            self.panel.history.show_history(self._past)

    def _show_nothing(self) -> None:
        self.shown = self.lesion = None
        self.wall.clear(tr("No image is chosen."))
        self.canvas.set_outline(None)
        self.overlays.clear()
        self.document.load((), commit=self._refuse_commit, spacing_mm=None)
        self.preview.set_lesion(None, None, None)
        self.mask_frame.hide()
        self.panel.lesions.show_nothing()
        self.panel.form.show_labels("", Labels(), Labels(), editable=False)
        self._past = []
        self.panel.history.show_history([])
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
            self.canvas.choose_tool("ellipse")

    def _look_back(self, entry: HistoryEntry | None) -> None:
        """Show a past state over the picture, and what is current faintly."""
        self.overlays.show_past(() if entry is None else entry.shapes)
        self.canvas.set_opacity(1.0 if entry is None else 0.2)

    def _restore(self, revision: int) -> None:
        if self.lesion is not None:
            self._session.restore_revision(self.lesion.id, revision)

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
        """Whether the network's mask lies over the picture."""
        self._mask_on = on
        self._update_mask()

    def _update_mask(self) -> None:
        if self._mask_on and self.lesion is not None:
            self.overlays.show_mask(self.preview.network_mask, roi_square(self.lesion.box, InputTransform()))
        else:
            self.overlays.show_mask(None, None)

    def show_pen(self, _: object = None) -> None:
        self.strip.show_pen(self.canvas.pen, eraser=self.canvas.tool_name == "eraser")

    def _show_window(self, display: Display) -> None:
        self.strip.show_windows(self.view.picture, display)

    def _refuse_commit(self, _shapes: tuple[Shape, ...]) -> None:
        """Without a lesion the document is read-only, and this is never reached."""
