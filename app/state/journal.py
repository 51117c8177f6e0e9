"""Journal of the acts on each image since the study was opened, for undo step by step.

Strokes, labels, outlines, lesions and links are acts of one journal. It lives in memory. Strokes of earlier
sessions are undone by the revisions that the study keeps.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from PySide6.QtCore import QObject, Signal

_MOST_ACTS = 1000
_MOST_IMAGES = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class Act:
    """One step on one image. ``undo`` and ``redo`` write to the study and record nothing; they raise a
    ``MarginaliaError`` if the step cannot be made."""

    text: str
    """Names the step in the user's language, such as "Margin: spiculated"."""
    image_id: str
    lesion_id: str
    """The lesion that it was done to; it is chosen, if it is there, when the step is taken back."""
    undo: Callable[[], object]
    redo: Callable[[], object]


@dataclass
class _Timeline:
    """Acts that were done, up to ``done``; those behind it were taken back."""

    acts: list[Act] = field(default_factory=list)
    done: int = 0
    new: bool = False
    """Flag: an act was done since the study was opened; else all acts are of earlier sessions."""


class Journal(QObject):
    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._timelines: OrderedDict[str, _Timeline] = OrderedDict()

    def record(self, act: Act) -> None:
        """Add an act that was just done; what could be done again on its image is forgotten."""
        timeline = self._timeline(act.image_id)
        timeline.acts[timeline.done :] = [act]
        del timeline.acts[:-_MOST_ACTS]
        timeline.done, timeline.new = len(timeline.acts), True
        self.changed.emit()

    def put_before(self, act: Act) -> None:
        """Add an act that was done before all others of its image: of an earlier session."""
        timeline = self._timeline(act.image_id)
        timeline.acts.insert(0, act)
        timeline.done += 1
        self.changed.emit()

    def put_after(self, act: Act) -> None:
        """Add an act of an earlier session that was done again: nothing new was done."""
        timeline = self._timeline(act.image_id)
        timeline.acts.append(act)
        timeline.done = len(timeline.acts)
        self.changed.emit()

    def has_new(self, image_id: str) -> bool:
        """Return True if an act was done on this image since the study was opened."""
        return image_id in self._timelines and self._timelines[image_id].new

    def undoes(self, image_id: str) -> Act | None:
        """The act that ``undo`` takes back."""
        timeline = self._timelines.get(image_id)
        return timeline.acts[timeline.done - 1] if timeline and timeline.done else None

    def redoes(self, image_id: str) -> Act | None:
        """The act that ``redo`` does again."""
        timeline = self._timelines.get(image_id)
        return timeline.acts[timeline.done] if timeline and timeline.done < len(timeline.acts) else None

    def undo(self, image_id: str) -> None:
        """Take back the last act of an image. If it raises, it stays the last act."""
        self._step(self.undoes(image_id), -1)

    def redo(self, image_id: str) -> None:
        self._step(self.redoes(image_id), 1)

    def take_back(self, act: Act) -> None:
        """Take back this act, also where others followed: then as a step of its own."""
        if self.undoes(act.image_id) is act:
            self.undo(act.image_id)
            return
        act.undo()
        self.record(
            Act(text=act.text, image_id=act.image_id, lesion_id=act.lesion_id, undo=act.redo, redo=act.undo)
        )

    def clear(self) -> None:
        """Another reader or another study: their acts are not this reader's to take back."""
        self._timelines.clear()
        self.changed.emit()

    def _step(self, act: Act | None, by: int) -> None:
        if act is None:
            return
        act.undo() if by < 0 else act.redo()
        self._timelines[act.image_id].done += by
        self.changed.emit()

    def _timeline(self, image_id: str) -> _Timeline:
        timeline = self._timelines.setdefault(image_id, _Timeline())
        self._timelines.move_to_end(image_id)
        while len(self._timelines) > _MOST_IMAGES:
            self._timelines.popitem(last=False)
        return timeline
