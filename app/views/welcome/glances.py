"""Pictures and progress of recent studies, read beside the window's thread."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage, QPixmap

from app.qt.background import Background, WorkResult
from app.state.study_place import read_place
from core.tasks.studies.glance import StudyGlance, glance_at

SIDE = 48
"""Longer side of a picture, logical pixels."""


class Glances(QObject):
    found = Signal(object, object, object)
    """The folder, a ``StudyGlance``, and its picture as a pixmap (None where there is none)."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._reader = Background(self, name="recent studies", most=16)
        self._reader.done.connect(self._take)

    def ask(self, folders: Sequence[Path], ratio: float) -> None:
        """``ratio``: pixels of the device in a logical one."""
        self._reader.forget()
        side = round(SIDE * ratio)
        self._reader.submit_all(
            [(folder, partial(glance_at, folder, read_place(folder).image_id, side)) for folder in folders]
        )

    @property
    def is_idle(self) -> bool:
        """True if all studies that were asked for are read."""
        return self._reader.is_idle

    def stop(self) -> None:
        self._reader.stop()

    def _take(self, outcome: WorkResult) -> None:
        glance = outcome.value
        if not isinstance(glance, StudyGlance):
            return
        picture = None
        if glance.picture is not None:
            rows, columns = glance.picture.shape
            data, step = glance.picture.data, glance.picture.strides[0]
            shared = QImage(data, columns, rows, step, QImage.Format.Format_Grayscale8)
            picture = QPixmap.fromImage(shared.copy())
        self.found.emit(outcome.key, glance, picture)
