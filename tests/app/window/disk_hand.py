"""Somebody draws while the disk under the study takes nothing more, and goes on drawing when it does again.

    python -m tests.app.window.disk_hand full|limit|read-only FOLDER

``full``: FOLDER is made a disk of its own of two megabytes (by root, in its own mount namespace), which is filled.
``limit``: no file of this process may grow (RLIMIT_FSIZE). ``read-only``: the files of the open study may no
longer be changed by anybody (``chattr +i``). FOLDER/../study is copied to FOLDER/study first.
What was seen is printed as JSON.
"""

from __future__ import annotations

import contextlib
import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.state.session import Session
from app.views.main_window.window import MainWindow

Left = Qt.MouseButton.LeftButton
_MOST = 400
"""Strokes that fit into what was left of the disk, at most."""


class Disk:
    def __init__(self, how: str, folder: Path) -> None:
        self.how, self.folder, self.study = how, folder, folder / "study"
        if how == "full":
            options = ["-t", "tmpfs", "-o", "size=2m", "marginalia", str(folder)]
            subprocess.run(["mount", *options], check=True)
        shutil.copytree(folder.parent / "study", self.study)

    def refuse(self) -> None:
        if self.how == "full":
            with (self.folder / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(bytes(4096))
        elif self.how == "limit":
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            most = (self.study / "study.db-wal").stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
        else:
            self._immutable("+i")

    def relent(self) -> None:
        if self.how == "full":
            (self.folder / "ballast").unlink()
        elif self.how == "limit":
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        else:
            self._immutable("-i")

    def _immutable(self, sign: str) -> None:
        # not the shared memory of the database: a process that maps a file which may not be written dies of it
        files = [str(self.study / name) for name in ("study.db", "study.db-wal")]
        subprocess.run(["chattr", sign, *files], check=True)


def wait(there: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 60
    while not there():
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain for: {what}")
        QTest.qWait(5)


def draw(window: MainWindow, number: int) -> None:
    """A freehand line with the mouse."""
    view = window.annotate.view
    x, y = 60 + number % 7 * 12, 60 + number * 7 % 350
    places: list[QPoint] = [view.sight.to_widget((x + i * 9, y + i % 3 * 4)).toPoint() for i in range(6)]
    QTest.mousePress(view, Left, pos=places[0])
    for place in places[1:]:
        QTest.mouseMove(view, place)
    QTest.mouseRelease(view, Left, pos=places[-1])


def main(how: str, folder: Path) -> None:
    disk = Disk(how, folder)
    application = QApplication([])
    window = MainWindow(Session())
    window.resize(900, 700)
    window.show()
    window.studies.open_trusted(disk.study)
    wait(lambda: window.annotate.shown is not None, "the picture")
    QTest.keyClick(window.annotate.view, Qt.Key.Key_2)
    document, banner = window.annotate.document, window.banner
    draw(window, 0)
    try:
        disk.refuse()
        strokes = 1
        while not banner.text and strokes < _MOST:
            draw(window, strokes)
            strokes += 1
        acknowledged, said, paused = document.shapes, banner.text, document.paused
        draw(window, strokes)  # the banner says that drawing waits
        waited = document.shapes == acknowledged
        unsaved, box = window.session.unsaved, application.activeModalWidget()
    finally:
        disk.relent()
    wait(lambda: not banner.text, "the banner to go by itself")
    resumed = document.shapes
    draw(window, strokes + 1)
    after = document.shapes
    lesion, reader = window.session.lesion_id, window.session.reader
    assert lesion is not None and reader is not None
    stored = window.session.study.annotations.current(lesion, reader.id)
    window.close()
    report = {
        "acknowledged": len(acknowledged),
        "said": said,
        "paused": paused,
        "waited": waited,
        "unsaved": unsaved,
        "modal": box is not None,
        "kept": resumed[: len(acknowledged)] == acknowledged,
        "resumed": len(resumed),
        "after": len(after),
        "stored": stored is not None and stored.shapes == after,
    }
    print(json.dumps(report))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
