"""Pictures for the viewer, read beside the window's thread; the last few are kept."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import cast

from PySide6.QtCore import QObject, Signal

from app.qt.background import Background, Outcome
from app.reads import Reads
from app.session import Session
from app.widgets.viewer.picture import Picture
from core.domain.study import Image

_KEPT_BYTES = 400_000_000
_HUNG = 4
"""Pictures that are wanted at once, at most."""
Key = tuple[str, int]
"""Image id and slice."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """An image with the picture of one of its slices."""

    image: Image
    picture: Picture
    frame: int = 0

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
        self._kept: OrderedDict[Key, Shown] = OrderedDict()
        self._wanted: tuple[Key, ...] = ()
        self._reader = Background(self, name="pictures", most=_HUNG)
        self._reader.done.connect(self._take)

    def want(self, *keys: Key) -> None:
        """``ready`` follows for each, the first one first, at once where the picture is kept; a later wish
        overtakes it."""
        self._wanted = keys
        reads = self._session.reads
        unread = [key for key in keys if key not in self._kept]
        self._reader.forget()
        self._reader.submit_all([(key, partial(_read, reads, *key)) for key in unread])
        for key in keys:
            if key in self._kept:
                self._kept.move_to_end(key)
                self.ready.emit(self._kept[key])

    def prepare(self, *keys: Key) -> None:
        """Read them in advance, where nothing else is to be read."""
        reads = self._session.reads
        if not self._reader.has_waiting:
            self._reader.submit_all([(key, partial(_read, reads, *key)) for key in keys if key not in self._kept])

    def clear(self) -> None:
        """Before the study closes."""
        self._wanted = ()
        self._reader.drain()
        self._kept.clear()

    def stop(self) -> None:
        self._reader.stop()

    def _take(self, outcome: Outcome) -> None:
        key = cast(Key, outcome.key)
        if isinstance(outcome.value, Shown):
            self._kept[key] = outcome.value
            while len(self._kept) > 2 and sum(shown.nbytes for shown in self._kept.values()) > _KEPT_BYTES:
                self._kept.popitem(last=False)
        if key not in self._wanted:
            return
        if isinstance(outcome.value, Shown):
            self.ready.emit(outcome.value)
        else:
            self.failed.emit(key[0], outcome.sentence)


def _read(reads: Reads, image_id: str, frame: int) -> Shown:
    loaded = reads.load(image_id, frame)
    title = f"{loaded.patient.pseudonym}" + ("  SYNTHETIC" if loaded.image.synthetic else "")
    picture = Picture.of(loaded.image, loaded.levels, title=title)
    return Shown(image=loaded.image, picture=picture, frame=frame)
