"""What a person does in the window, and what the window then belongs of the system."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QAbstractAnimation, QObject, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.views.main_window.window import MainWindow

PATIENCE_MS = 120_000
"""On a loaded machine."""


def wait_for_picture(qtbot: QtBot, window: MainWindow) -> None:
    def there() -> bool:
        shown = window.annotate.shown
        return shown is not None and shown.image.id == window.session.image_id

    qtbot.waitUntil(there, timeout=PATIENCE_MS)


def draw(qtbot: QtBot, window: MainWindow, x: float, y: float) -> float:
    """A freehand stroke of six points with the mouse; ms from the release until it is in the study."""
    window.actions_["tool.freehand"].trigger()
    view, left = window.annotate.view, Qt.MouseButton.LeftButton
    places = [view.sight.to_widget((x + 7 * step, y + (step * step) % 9)).toPoint() for step in range(6)]
    qtbot.mousePress(view, left, pos=places[0])
    for place in places[1:]:
        qtbot.mouseMove(view, place)
    began = time.perf_counter()
    qtbot.mouseRelease(view, left, pos=places[-1])
    return 1000 * (time.perf_counter() - began)


@dataclass(frozen=True)
class Belongings:
    objects: int
    widgets: int
    threads: int
    descriptors: int
    resident_kb: int


def belongings(window: MainWindow) -> Belongings:
    QApplication.processEvents()
    return Belongings(
        # an animation of Qt's own style, as of a scroll bar, ends by itself
        objects=sum(not isinstance(one, QAbstractAnimation) for one in window.findChildren(QObject)),
        widgets=len(QApplication.allWidgets()),
        threads=threading.active_count(),
        descriptors=len(list(Path("/proc/self/fd").iterdir())),
        resident_kb=int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]),
    )


@contextmanager
def no_defects(errors: list[BaseException]) -> Iterator[None]:
    """Collect what work beside the window's thread met and would only have shown as a sentence."""
    from app.qt import error_reports
    from core.domain.errors import Cancelled, MarginaliaError

    def ear(error: BaseException, where: str) -> None:
        if not isinstance(error, MarginaliaError | Cancelled):
            errors.append(error)

    deaf = error_reports.add_listener(ear)
    try:
        yield
    finally:
        deaf()
