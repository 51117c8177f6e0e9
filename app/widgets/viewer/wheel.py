"""Amount of zooming or paging for a wheel or a trackpad, without unintended movements.

A mouse turns its wheel in notches. A trackpad sends many small steps, sideways ones too, and continues after a
fling when the fingers have left it. Sideways steps and those after the fingers left count nothing. One gesture
counts no more than a few notches.
"""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QInputDevice, QWheelEvent

NOTCH = 120.0
"""Eighths of a degree that one notch of a wheel turns (QWheelEvent)."""
MOST_A_GESTURE = 4.0
"""Notches of one gesture of a trackpad: they zoom by a factor of two."""
MOST_AN_EVENT = 3.0
"""Notches of one event of any device."""
_PAUSE_MS = 200
"""Without an event for so long, the next one begins another gesture."""


class WheelSteps:
    """Keeps the notches of the gesture that is under way."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._last_ms: int | None = None

    def notches(self, event: QWheelEvent, *, sideways_too: bool = False) -> float:
        """Return the event's turn of the wheel in notches.

        ``sideways_too``: with Shift held, some systems turn it sideways."""
        turn = event.angleDelta()
        if sideways_too:
            return (turn.y() or turn.x()) / NOTCH
        return 0.0 if abs(turn.x()) > abs(turn.y()) else turn.y() / NOTCH

    def zoom_notches(self, event: QWheelEvent) -> float:
        """By how much the event zooms: no more than a few notches, however hard the fling."""
        steps = min(max(self.notches(event), -MOST_AN_EVENT), MOST_AN_EVENT)
        return self._within_gesture(event, steps) if is_trackpad(event) else steps

    def _within_gesture(self, event: QWheelEvent, steps: float) -> float:
        phase, now = event.phase(), int(event.timestamp())
        paused = self._last_ms is None or now - self._last_ms > _PAUSE_MS
        if phase == Qt.ScrollPhase.ScrollBegin or (phase == Qt.ScrollPhase.NoScrollPhase and paused):
            self._sum = 0.0
        self._last_ms = now
        if phase == Qt.ScrollPhase.ScrollMomentum:
            return 0.0
        before, self._sum = self._sum, min(max(self._sum + steps, -MOST_A_GESTURE), MOST_A_GESTURE)
        return self._sum - before


def is_trackpad(event: QWheelEvent) -> bool:
    """Return True if fingers on a pad, not a wheel, sent the event."""
    pad = event.device().type() == QInputDevice.DeviceType.TouchPad
    return pad or event.phase() != Qt.ScrollPhase.NoScrollPhase or not event.pixelDelta().isNull()
