"""Below the mask: how much of each prototype's attention lies in the annotation, when it is finished."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from app.qt.translation import tr
from app.services.model_service import ModelService
from app.state.changes import AnnotationChanged, Change, LabelsChanged, SelectionChanged, StudyClosing
from app.state.session import Session
from app.widgets.label import Elided, tip

if TYPE_CHECKING:
    from core.tasks.review.live_precision import LivePrecision

_SOON_MS = 300
_SHOWN = 4


class LivePrecisionLine(QObject):
    """Follows the session. Nothing is measured before the reader has drawn the lesion and named its margin, so
    that the model does not lead them."""

    def __init__(self, session: Session, models: ModelService, line: Elided) -> None:
        super().__init__(line)
        self._session, self._models, self._line = session, models, line
        self._soon = QTimer(self, singleShot=True, interval=_SOON_MS)
        self._soon.timeout.connect(self._measure)
        session.changed.connect(self._follow)
        models.model_changed.connect(self._begin)
        models.precision_measured.connect(self._show)

    def _follow(self, change: Change) -> None:
        match change:
            case SelectionChanged() | AnnotationChanged() | LabelsChanged():
                self._begin()
            case StudyClosing():
                self._soon.stop()
                self._say("", "")
            case _:
                pass

    def _begin(self) -> None:
        self._say("", "")
        self._soon.start()

    def _measure(self) -> None:
        session = self._session
        lesion = session.lesion_id
        if not session.is_open or lesion is None or self._models.model is None:
            return
        reads = session.reads
        if reads.own_is_finished(lesion):
            spacing = reads.image(reads.lesion(lesion).image_id).pixel_spacing_mm
            self._models.measure_precision(lesion, reads.shapes(lesion), spacing)

    def _show(self, found: LivePrecision | None) -> None:
        if found is None or found.lesion_id != self._session.lesion_id:
            return
        rows = [f"{one.number} {one.value:.0%}" for one in found.prototypes[:_SHOWN]]
        text = tr("Prototypes in it: {best}; chance {chance}", best=" · ".join(rows), chance=f"{found.chance:.0%}")
        lines = [f"{one.number} {tr(one.class_name)}: {one.value:.0%}" for one in found.prototypes]
        what = tr("Share of the top 5% of each prototype's map that lies in your annotation")
        self._say(text, "\n".join([what, *lines]))

    def _say(self, text: str, details: str) -> None:
        self._line.say(text)
        self._line.setToolTip(tip(details))
