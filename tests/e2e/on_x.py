"""What only an X server with a window manager shows: frame, focus, and a folder that another program drops.

    python -m tests.e2e.on_x FOLDER REPORT

Keys and mouse buttons come from xdotool, so that the server and the window manager decide where they go.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QDrag, QMouseEvent
from PySide6.QtWidgets import QApplication, QWidget

_PATIENCE_S = 120
_SOURCE = "drag from here"


class XReport(msgspec.Struct, kw_only=True):
    framed: bool
    """True if the window manager drew a frame around the window."""
    inside: bool
    """True if the frame lies in the part of the screen that windows may have."""
    size: tuple[int, int]
    """Of the window, in logical pixels."""
    active: tuple[str, str, str]
    """Classes of the windows that had the focus: at the start, after Ctrl+N, after Esc."""
    offered: str
    """What the window said while a folder was held over it."""
    named: str
    """Name of the study that the dialog proposed after the folder was dropped."""


class Source(QWidget):
    """Another program, from which a folder is dragged."""

    def __init__(self, folder: Path) -> None:
        super().__init__(None, Qt.WindowType.WindowStaysOnTopHint | Qt.WindowType.FramelessWindowHint)
        self.setWindowTitle(_SOURCE)
        self._folder = folder
        self.setGeometry(4, 4, 60, 60)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        drag, data = QDrag(self), QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(self._folder))])
        drag.setMimeData(data)
        drag.exec(Qt.DropAction.CopyAction)


def xdotool(*arguments: object) -> str:
    done = subprocess.run(["xdotool", *map(str, arguments)], capture_output=True, text=True, check=True)
    return done.stdout


def until(there: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not there():
        assert time.monotonic() < deadline, what
        QApplication.processEvents()
        time.sleep(0.02)


def main(arguments: list[str]) -> int:
    if arguments[0] == "--source":
        application = QApplication([])
        source = Source(Path(arguments[1]))
        source.show()
        return application.exec()
    look(Path(arguments[0]), Path(arguments[1]))
    return 0


def look(folder: Path, report: Path) -> None:
    from app.state.session import Session
    from app.views.dialogs.new_study import NewStudyDialog
    from app.views.main_window.window import MainWindow

    application = QApplication([])
    window = MainWindow(Session())
    window.show()
    until(lambda: window.frameGeometry() != window.geometry() and window.isActiveWindow(), "a frame and the focus")
    room, frame = window.screen().availableGeometry(), window.frameGeometry()
    active = [focused()]

    def dialogs() -> list[NewStudyDialog]:
        return [one for one in window.findChildren(NewStudyDialog) if one.isVisible()]

    xdotool("key", "ctrl+n")
    until(lambda: bool(dialogs()) and dialogs()[0].isActiveWindow(), "the dialog of Ctrl+N")
    active.append(focused())
    xdotool("key", "Escape")
    until(lambda: not dialogs() and window.isActiveWindow(), "the window after Esc")
    active.append(focused())
    offered = drag(window, folder)
    until(lambda: bool(dialogs()), "the dialog after the drop")
    made = XReport(
        framed=True,
        inside=room.contains(frame),
        size=(window.width(), window.height()),
        active=(active[0], active[1], active[2]),
        offered=offered,
        named=dialogs()[0].name,
    )
    report.write_bytes(msgspec.json.encode(made))
    dialogs()[0].reject()
    window.close()
    application.processEvents()


def focused() -> str:
    found = QApplication.activeWindow()
    return "" if found is None else type(found).__name__


def drag(window: QWidget, folder: Path) -> str:
    """Drag the folder from the other program into the middle of the window; what the window says meanwhile."""
    sheet = next(one for one in window.findChildren(QWidget, "dropsheet"))
    with subprocess.Popen([sys.executable, "-m", "tests.e2e.on_x", "--source", str(folder)]) as other:
        try:
            until(_is_there, "the other program")
            ratio = window.devicePixelRatioF()
            middle = window.mapToGlobal(window.rect().center()) * ratio
            for act in (("mousemove", 20, 20), ("mousedown", 1), *_way(QPoint(20, 20), middle)):
                xdotool(*act)
                QApplication.processEvents()
            until(sheet.isVisible, "what letting go does")
            offered = str(sheet.property("text"))
            xdotool("mouseup", 1)
            until(lambda: not sheet.isVisible(), "the drop")
        finally:
            other.terminate()
    return offered


def _is_there() -> bool:
    found = subprocess.run(["xdotool", "search", "--name", _SOURCE], capture_output=True, check=False)
    return found.returncode == 0


def _way(first: QPoint, last: QPoint, steps: int = 12) -> list[tuple[object, ...]]:
    places = [first + (last - first) * (place / steps) for place in range(1, steps + 1)]
    return [("mousemove", place.x(), place.y()) for place in places]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
