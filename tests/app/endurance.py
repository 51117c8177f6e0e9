"""Opens image after image as a reader pages through a study, and writes down what the process holds meanwhile.

    python -m tests.app.endurance FOLDER IMAGES

FOLDER holds the study, or is where it is made. Prints JSON: a ``Sample`` for every fifth of the images.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from pathlib import Path

import msgspec
import numpy as np
from PySide6.QtWidgets import QApplication

from app.models import pictures
from app.state.session import Session
from app.views.main_window.window import MainWindow
from core.store.study import Study
from tests.app.studies import fill_rows, link_or_copy

ROWS, COLUMNS = 900, 700
KEPT_BYTES = 40_000_000
"""The pictures that are kept are so few that the memory is full of them after the first tenth."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    images: int
    """Opened so far."""
    memory_mb: float
    """Resident."""
    threads: int
    widgets: int
    files: int
    """Open file descriptors, at rest: images that are read ahead in the background open and close some."""


def make(folder: Path, images: int) -> None:
    """As many images as are opened, all with the same pixels."""
    pixels = (np.add.outer(np.arange(ROWS), np.arange(COLUMNS)) % 4096).astype(np.uint16)
    with Study.create(folder, name="Many", synthetic=True) as study:
        fill_rows(study, 2 * images)
        study.arrays.write_pixels("image0", pixels)
        [file] = (folder / "pixels").glob("*.h5")
        for number in range(1, images):
            link_or_copy(file, file.with_name(f"image{number}.h5"))


def sample(application: QApplication, images: int) -> Sample:
    gc.collect()
    memory = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return Sample(
        images=images,
        memory_mb=round(memory, 1),
        threads=threading.active_count(),
        widgets=len(application.allWidgets()),
        files=_files_at_rest(application),
    )


def _files_at_rest(application: QApplication, rest_s: float = 1.0) -> int:
    """Smallest number of open file descriptors within ``rest_s``; a leak raises the smallest number too."""
    fewest, end = sys.maxsize, time.monotonic() + rest_s
    while time.monotonic() < end:
        application.processEvents()
        fewest = min(fewest, len(list(Path("/proc/self/fd").iterdir())))
        time.sleep(0.02)
    return fewest


def run(folder: Path, images: int) -> list[Sample]:
    pictures._KEPT_BYTES = KEPT_BYTES
    application = QApplication([])
    window = MainWindow(Session())
    window.resize(1280, 800)
    window.show()
    samples = []
    tenth = images // 10
    for number in range(images):
        if number % (2 * tenth) == 0:
            # closed in between: a day has more than one study
            window.studies.close()
            window.studies.open_trusted(folder)
            _wait(application, lambda: window.session.is_open, "the study")
            window.actions_[("hanging.single", "hanging.views")[number // (2 * tenth) % 2]].trigger()
        window.session.select(f"image{number}")
        _wait(application, lambda: window.annotate.shown is not None, f"image {number}")
        application.processEvents()
        if (number + 1) % (2 * tenth) == 0:
            samples.append(sample(application, number + 1))
    window.studies.close()
    window.close()
    return samples


def _wait(application: QApplication, there: object, what: str) -> None:
    end = time.monotonic() + 60
    while not there():  # type: ignore[operator]
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain for {what}")
        application.processEvents()
        time.sleep(0.001)


if __name__ == "__main__":
    if not Path(sys.argv[1]).exists():
        make(Path(sys.argv[1]), int(sys.argv[2]))
    sys.stdout.write(msgspec.json.encode(run(Path(sys.argv[1]), int(sys.argv[2]))).decode())
