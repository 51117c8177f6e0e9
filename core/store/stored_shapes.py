"""Revisions of an annotation as their rows hold them: whole, or as the change from the revision before.

A whole revision is the JSON array of its shapes. A change is ``{"change": [...]}``, whose items are shapes, and
pairs ``[first, end]`` that stand for these shapes of the revision before. A revision is whole again where the
changes since the last whole one would take more room than it: all rows together grow with what was drawn, not with
its square, and no revision takes more than about twice its own size to read.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from hashlib import _Hash

WHOLE, NOTHING = "[", "[]"
"""How the text of a whole revision begins, and that of one without shapes, which is always whole."""


class _ShapeChange(msgspec.Struct, frozen=True):
    change: list[msgspec.Raw]


class StoredShapes:
    """The revisions of one annotation, in their order: read from rows, or turned into them."""

    def __init__(self) -> None:
        self.shapes: list[bytes] | None = None
        """JSON of each shape of the revision that was read or written last; None before the first."""
        self._since = 0
        """Characters of the changes since the last whole revision."""
        self._whole: str | None = None
        """The last revision where its row is whole: it need not be as this program writes JSON."""
        self._hashes = _PrefixHashes()

    @property
    def sha256(self) -> str:
        """SHA-256 of ``text`` in hexadecimal digits."""
        if self._whole is not None:
            return hashlib.sha256(self._whole.encode()).hexdigest()
        return self._hashes.of(self.shapes or [])

    @property
    def text(self) -> str:
        """JSON of the last revision, as it was committed."""
        return _joined(self.shapes or []) if self._whole is None else self._whole

    def read(self, stored: str) -> list[bytes]:
        """The shapes of the next row. Raises: msgspec.MsgspecError, ValueError where it is damaged."""
        if stored.startswith(WHOLE):
            self._since, self._whole, self.shapes = 0, stored, _parts(stored)
        else:
            if self.shapes is None:
                raise ValueError("the revision that this change belongs to is missing")
            self.shapes = _changed(self.shapes, stored)
            self._since, self._whole = self._since + len(stored), None
        return self.shapes

    def write(self, text: str) -> str:
        """Content of the row of the next revision, from its JSON array of shapes."""
        shapes, change = _parts(text), ""
        if _joined(shapes) == text and shapes and self.shapes:
            shapes, change = _change(self.shapes, shapes)
        whole = not change or self._since + len(change) > len(text)
        self._since, self._whole = (0, text) if whole else (self._since + len(change), None)
        self.shapes = shapes
        return text if whole else change


class _PrefixHashes:
    """Hashes of lists of shapes one after the other, each of which mostly begins as the one before.

    The state of the hash is kept behind every shape, so that a list costs what it does not share with the start of
    the one before: all revisions together cost what was drawn, not its square.
    """

    def __init__(self) -> None:
        self._shapes: list[bytes] = []
        self._states: list[_Hash] = [hashlib.sha256(b"[")]
        """Before the first shape, and behind each."""

    def of(self, shapes: list[bytes]) -> str:
        """SHA-256 of the JSON array of these shapes in hexadecimal digits."""
        same = _common_start(self._shapes, shapes)
        del self._states[same + 1 :]
        for place, shape in enumerate(shapes[same:], same):
            state = self._states[-1].copy()
            state.update(shape if place == 0 else b"," + shape)
            self._states.append(state)
        self._shapes = shapes
        end = self._states[-1].copy()
        end.update(b"]")
        return end.hexdigest()


def _common_start(one: list[bytes], other: list[bytes]) -> int:
    """Number of shapes that both lists begin with; shapes that stayed are mostly the same objects."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _parts(text: str) -> list[bytes]:
    return [bytes(raw) for raw in msgspec.json.decode(text, type=list[msgspec.Raw])]


def _joined(shapes: list[bytes]) -> str:
    return (b"[" + b",".join(shapes) + b"]").decode()


def _changed(before: list[bytes], stored: str) -> list[bytes]:
    """The shapes after a change, which must be written exactly as ``_change`` writes it."""
    items = [bytes(item) for item in msgspec.json.decode(stored, type=_ShapeChange).change]
    if _document(items) != stored:
        raise ValueError("the change was not written by this program")
    found: list[bytes] = []
    for item in items:
        if not item.startswith(b"["):
            found.append(item)
            continue
        first, end = msgspec.json.decode(item, type=tuple[int, int])
        if not 0 <= first < end <= len(before):
            raise ValueError("the change refers to a shape that does not exist")
        found += before[first:end]
    return found


def _document(items: list[bytes]) -> str:
    return (b'{"change":[' + b",".join(items) + b"]}").decode()


def _change(before: list[bytes], after: list[bytes]) -> tuple[list[bytes], str]:
    """The shapes of ``after``, those that stayed being the objects of ``before``, and the change as JSON."""
    places = {shape: place for place, shape in enumerate(before)}
    shapes: list[bytes] = []
    items: list[bytes | list[int]] = []
    expected = 0
    for shape in after:
        stays = expected < len(before) and before[expected] == shape
        place = expected if stays else places.get(shape, -1)
        if place < 0:
            items.append(shape)
            shapes.append(shape)
            continue
        last = items[-1] if items else None
        if isinstance(last, list) and last[1] == place:
            last[1] += 1
        else:
            items.append([place, place + 1])
        shapes.append(before[place])
        expected = place + 1
    parts = [item if isinstance(item, bytes) else b"[%d,%d]" % tuple(item) for item in items]
    return shapes, _document(parts)
