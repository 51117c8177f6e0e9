"""Pictures for the viewer, read beside the window's thread; the last few are kept, the next ones read ahead."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

from PySide6.QtCore import QObject, Signal

from app.qt.background import Background, WorkResult
from app.qt.translation import tr
from app.state.session import Session
from app.widgets.viewer.picture import Picture
from core.domain.study import Image
from core.tasks.studies.queries import StudyQueries

_KEPT_BYTES = 400_000_000
"""Limit in bytes for all cached pictures, including those read ahead."""
_HUNG = 4
"""Pictures that are wanted at once, at most."""
Key = tuple[str, int]
"""Image id and slice."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedPicture:
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
    """Image id, and a sentence with the reason why it cannot be shown."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._kept: OrderedDict[Key, LoadedPicture] = OrderedDict()
        self._wanted: tuple[Key, ...] = ()
        self._under_way: set[Key] = set()
        self._ahead: deque[Key] = deque()
        self._reader = Background(self, name="pictures", most=_HUNG)
        self._reader.done.connect(self._take)

    def want(self, *keys: Key) -> None:
        """``ready`` follows for each, the first one first, at once where the picture is kept; a later wish
        overtakes it."""
        self._wanted = keys
        self._ahead.clear()
        self._under_way.difference_update(cast(tuple[Key, ...], self._reader.forget()))
        self._submit([key for key in keys if key not in self._kept and key not in self._under_way])
        for key in keys:
            if key in self._kept:
                self._kept.move_to_end(key)
                self.ready.emit(self._kept[key])

    def prepare(self, *keys: Key) -> None:
        """Read them ahead, one after another when nothing else is to be read, until there is no room for more.

        The next wish (``want``) ends it: but for one that is being read, which another tenth of a second ends.
        """
        sizes = [self._kept[key].nbytes for key in self._wanted if key in self._kept]
        room = (_KEPT_BYTES - sum(sizes)) // max(sizes) if sizes else 0
        ahead = keys[: max(room, 0)]
        for key in ahead:
            if key in self._kept:  # there already, and not to go next
                self._kept.move_to_end(key)
        self._ahead = deque(ahead)
        self._read_ahead()

    def has(self, key: Key) -> bool:
        """Return True if the picture can be shown at once."""
        return key in self._kept

    def forget(self, image_id: str) -> None:
        """Read the pictures of an image anew when they are wanted again."""
        for key in [key for key in self._kept if key[0] == image_id]:
            del self._kept[key]

    def clear(self) -> None:
        """Before the study closes."""
        self._wanted = ()
        self._ahead.clear()
        self._under_way.clear()
        self._reader.drain()
        self._kept.clear()

    def stop(self) -> None:
        self._reader.stop()

    def _submit(self, keys: Sequence[Key]) -> None:
        reads, synthetic = self._session.reads, tr("SYNTHETIC")
        self._under_way.update(keys)
        self._reader.submit_all([(key, partial(_read, reads, *key, synthetic=synthetic)) for key in keys])

    def _read_ahead(self) -> None:
        while self._ahead and not self._under_way:
            key = self._ahead.popleft()
            if key not in self._kept:
                self._submit([key])

    def _make_room(self) -> None:
        """Remove the least recently used pictures from the cache; pictures that are wanted stay."""
        for key in [key for key in self._kept if key not in self._wanted]:
            if len(self._kept) <= 2 or sum(shown.nbytes for shown in self._kept.values()) <= _KEPT_BYTES:
                return
            del self._kept[key]

    def _take(self, outcome: WorkResult) -> None:
        key = cast(Key, outcome.key)
        if key not in self._under_way:
            return  # of a study that was closed meanwhile
        self._under_way.discard(key)
        if isinstance(outcome.value, LoadedPicture):
            self._kept[key] = outcome.value
            self._make_room()
        self._tell(key, outcome)
        self._read_ahead()

    def _tell(self, key: Key, outcome: WorkResult) -> None:
        if key not in self._wanted:
            return
        if isinstance(outcome.value, LoadedPicture):
            self.ready.emit(outcome.value)
        else:
            self.failed.emit(key[0], outcome.sentence)


def _read(reads: StudyQueries, image_id: str, frame: int, *, synthetic: str) -> LoadedPicture:
    loaded = reads.load(image_id, frame)
    title = f"{loaded.patient.pseudonym}" + (f"  {synthetic}" if loaded.image.synthetic else "")
    picture = Picture.of(loaded.image, loaded.levels, voi_luts=loaded.voi_luts, title=title)
    return LoadedPicture(image=loaded.image, picture=picture, frame=frame)
