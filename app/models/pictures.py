"""Pictures for the viewer, read beside the window's thread; the last few are kept."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QObject, Signal

from app.qt.background import Background, Outcome
from app.reads import Reads
from app.session import Session
from app.widgets.viewer.picture import Picture
from core.domain.study import Image

_KEPT_BYTES = 400_000_000
_HUNG = 4
"""Pictures that are wanted at once, at most."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """An image with its picture."""

    image: Image
    picture: Picture

    @property
    def nbytes(self) -> int:
        return sum(level.nbytes for level in self.picture.levels)


class Pictures(QObject):
    ready = Signal(object)
    """A ``Shown`` that was asked for."""
    failed = Signal(str, str)
    """Image id, and the sentence that says why it cannot be shown."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._kept: OrderedDict[str, Shown] = OrderedDict()
        self._wanted: tuple[str, ...] = ()
        self._reader = Background(self, name="pictures", most=_HUNG)
        self._reader.done.connect(self._take)

    def want(self, *image_ids: str) -> None:
        """``ready`` follows for each, the first one first, at once where the picture is kept; a later wish
        overtakes it."""
        self._wanted = image_ids
        reads = self._session.reads
        unread = [image_id for image_id in image_ids if image_id not in self._kept]
        self._reader.forget()
        self._reader.submit_all([(image_id, partial(_read, reads, image_id)) for image_id in unread])
        for image_id in image_ids:
            if image_id in self._kept:
                self._kept.move_to_end(image_id)
                self.ready.emit(self._kept[image_id])

    def prepare(self, image_id: str) -> None:
        """Read it in advance, where nothing else is to be read."""
        if image_id not in self._kept:
            reads = self._session.reads
            self._reader.submit(image_id, lambda: _read(reads, image_id))

    def clear(self) -> None:
        """Before the study closes."""
        self._wanted = ()
        self._reader.drain()
        self._kept.clear()

    def stop(self) -> None:
        self._reader.stop()

    def _take(self, outcome: Outcome) -> None:
        key = str(outcome.key)
        if isinstance(outcome.value, Shown):
            self._kept[key] = outcome.value
            while len(self._kept) > 2 and sum(shown.nbytes for shown in self._kept.values()) > _KEPT_BYTES:
                self._kept.popitem(last=False)
        if key not in self._wanted:
            return
        if isinstance(outcome.value, Shown):
            self.ready.emit(outcome.value)
        else:
            self.failed.emit(key, outcome.sentence)


def _read(reads: Reads, image_id: str) -> Shown:
    loaded = reads.load(image_id)
    title = f"{loaded.patient.pseudonym}" + ("  SYNTHETIC" if loaded.image.synthetic else "")
    return Shown(image=loaded.image, picture=Picture.of(loaded.image, loaded.levels, title=title))
