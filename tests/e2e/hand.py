"""A reader's first session with the program and the next one, driven through ``main()`` in a process of its own.

    python -m tests.e2e.hand first|again FOLDER REPORT

Every mouse button and key goes to the window's handle, as the windowing system would deliver it: which widget is
hit, where the focus goes and which shortcut is meant is for Qt and the program to find out. What was seen is
written to REPORT as JSON.
"""

from __future__ import annotations

import hashlib
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtGui import QWindow
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QFileDialog, QLineEdit, QPushButton, QWidget

import main
from app.views.dialogs.new_study import NewStudyDialog
from app.views.main_window.window import MainWindow
from core.domain.shapes import Shape
from core.imaging.raster import rasterise

Left = Qt.MouseButton.LeftButton
Nothing = Qt.KeyboardModifier.NoModifier
Control = Qt.KeyboardModifier.ControlModifier
Shift = Qt.KeyboardModifier.ShiftModifier
Key = Qt.Key
_PATIENCE_S = 100


class Report(msgspec.Struct, kw_only=True):
    """What one session saw of the first case."""

    platform: str
    entries: int
    window: tuple[float, float]
    """Centre and width of what was chosen and shown."""
    second_window: tuple[float, float]
    """Of the file."""
    shapes: tuple[Shape, ...]
    mask_sha256: str
    """Of the mask at the image's own size: the shape as int64, then the bytes."""
    undone: tuple[int, ...] = ()
    """How many shapes there were after undo and after redo."""
    margin: str | None = None
    category: str | None = None
    redo_text: str = ""


class Hand:
    def __init__(self, application: QApplication, folder: Path) -> None:
        self.application, self.folder = application, folder

    @property
    def window(self) -> MainWindow:
        [found] = [w for w in self.application.topLevelWidgets() if isinstance(w, MainWindow) and w.isVisible()]
        return found

    def wait(self, there: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + _PATIENCE_S
        while not there():
            if time.monotonic() > end:
                raise AssertionError(f"waited in vain for: {what}")
            QTest.qWait(5)

    # mouse and keys

    def click(self, widget: QWidget, place: QPoint | None = None) -> None:
        at = widget.mapTo(widget.window(), place or widget.rect().center())
        QTest.mouseClick(_handle(widget), Left, Nothing, at)

    def drag(self, points: list[tuple[float, float]]) -> None:
        """Over the picture, in its own coordinates, with the button held."""
        places = [self._on_window(point) for point in points]
        handle = _handle(self.window)
        QTest.mouseMove(handle, places[0])
        QTest.mousePress(handle, Left, Nothing, places[0])
        for place in places[1:]:
            QTest.mouseMove(handle, place)
            QTest.qWait(1)
        QTest.mouseRelease(handle, Left, Nothing, places[-1])

    def click_at(self, point: tuple[float, float]) -> None:
        place = self._on_window(point)
        QTest.mouseMove(_handle(self.window), place)
        QTest.mouseClick(_handle(self.window), Left, Nothing, place)
        # two clicks of a hand are no double click
        QTest.qWait(self.application.doubleClickInterval() + 50)

    def key(self, key: Qt.Key, modifiers: Qt.KeyboardModifier = Nothing, *, on: QWidget | None = None) -> None:
        widget = on or self.window
        self._activate(widget)
        QTest.keyClick(_handle(widget), key, modifiers)

    def type(self, text: str, on: QWidget) -> None:
        self._activate(on)
        handle = _handle(on)
        for letter in text:
            QTest.keyClick(handle, letter)  # type: ignore[arg-type]

    def _activate(self, widget: QWidget) -> None:
        """As a window manager does when a dialog before it closes; there is none under a bare X server."""
        window = widget.window()
        if not window.isActiveWindow():
            window.activateWindow()
            self.wait(window.isActiveWindow, "the window to become active")

    def _on_window(self, point: tuple[float, float]) -> QPoint:
        view = self.window.annotate.view
        return view.mapTo(self.window, view.sight.to_widget(point).toPoint())

    # what a reader does

    def make_study(self) -> None:
        [new] = [b for b in self.window.welcome.findChildren(QPushButton) if b.text().startswith("New study")]
        self.click(new)
        dialog = self._dialog(NewStudyDialog)
        name, place = (edit for edit in dialog.findChildren(QLineEdit) if edit.isVisible())
        self.click(name)
        self.type("First", dialog)
        self.click(place)
        self.key(Key.Key_A, Control, on=dialog)
        self.type(str(self.folder), dialog)
        self.key(Key.Key_Return, on=dialog)
        self.wait(lambda: self.window.session.is_open, "the new study")

    def import_images(self) -> None:
        self.key(Key.Key_I, Control | Shift)
        chooser = self._dialog(QFileDialog)
        chooser.activateWindow()
        [edit] = [e for e in chooser.findChildren(QLineEdit) if e.isVisible()]
        self.click(edit)
        self.key(Key.Key_A, Control, on=chooser)
        self.type(str(self.folder / "images"), chooser)
        self.key(Key.Key_Return, on=chooser)
        imports = self.window.studies.imports
        self.wait(lambda: imports.preview is not None and not imports.preview.busy, "the page before the import")
        assert imports.preview is not None
        self.click(imports.preview.import_button)
        self.wait(lambda: imports.dialog is not None, "the import")
        dialog = imports.dialog
        assert dialog is not None
        self.wait(lambda: dialog.result_value is not None or not dialog.task.running, "the end of the import")
        self.wait(lambda: dialog.button.text() == "Close", "the result of the import")
        QTest.qWait(200)  # the dialog grows for the result
        self.click(dialog.button)
        self.wait(lambda: not dialog.isVisible(), "the dialog to close")

    def see_a_case(self) -> None:
        annotate, session = self.window.annotate, self.window.session
        self.wait(
            lambda: annotate.shown is not None and annotate.shown.image.id == session.image_id, "the picture"
        )
        QTest.qWait(50)

    def choose_second_window(self) -> None:
        combo = self.window.annotate.strip._windows
        self.click(combo)
        popup = combo.view().window()
        self.wait(popup.isVisible, "the list of windows")
        list_view = combo.view()
        row = list_view.visualRect(list_view.model().index(1, 0)).center()
        # a popup that has only just opened takes the release of the click that opened it for its own
        QTest.qWait(self.application.doubleClickInterval() + 50)
        place = list_view.viewport().mapTo(popup, row)
        QTest.mouseMove(_handle(popup), place)
        QTest.mouseClick(_handle(popup), Left, Nothing, place)
        self.wait(lambda: combo.currentIndex() == 1, "the second window")

    def draw(self) -> tuple[int, ...]:
        """A lesion with circle, line and live wire; how many shapes there were after undo and after redo."""
        document = self.window.annotate.document
        x, y, r = self._mass()
        self.key(Key.Key_9)
        self.drag([(x - 2 * r, y - 2 * r), (x, y), (x + 2 * r, y + 2 * r)])
        self.wait(lambda: self.window.session.lesion_id is not None, "the lesion")
        self.key(Key.Key_Z)
        QTest.qWait(50)
        self.key(Key.Key_4)
        self.drag([(x, y), (x + r / 3, y), (x + 0.6 * r, y + 0.1 * r)])
        self.key(Key.Key_2)
        self.drag([(x - r, y - r + i * r / 10 + (i % 3) * r / 20) for i in range(20)])
        self.key(Key.Key_8)
        for point in ((x - 0.6 * r, y + 1.2 * r), (x, y + 1.4 * r), (x + 0.7 * r, y + 1.1 * r)):
            self.click_at(point)
        self.key(Key.Key_Return)
        self.wait(lambda: len(document.shapes) == 3, "three shapes")
        self.key(Key.Key_Z, Control)
        undone = len(document.shapes)
        self.key(Key.Key_Y, Control)
        return undone, len(document.shapes)

    def label(self) -> None:
        self.key(Key.Key_M)
        self.key(Key.Key_5)  # spiculated
        self.key(Key.Key_B)
        self.key(Key.Key_5)  # category 5

    def quit(self) -> None:
        self.key(Key.Key_Q, Control)

    def report(self, **more: Any) -> Report:
        annotate = self.window.annotate
        shown = annotate.shown
        assert shown is not None and annotate.view.display is not None
        shapes = annotate.document.shapes
        mask = rasterise(
            shapes, width=shown.image.width, height=shown.image.height, spacing_mm=shown.image.pixel_spacing_mm
        )
        digest = hashlib.sha256(np.array(mask.shape, np.int64).tobytes() + mask.tobytes()).hexdigest()
        seen, second = annotate.view.display.voi, shown.image.windows[1]
        own, _ = self.window.session.reads.labels(self.window.session.lesion_id or "")
        return Report(
            platform=self.application.platformName(),
            entries=annotate.worklist.model.rowCount(),
            window=(getattr(seen, "centre", 0.0), getattr(seen, "width", 0.0)),
            second_window=(second.centre, second.width),
            shapes=shapes,
            mask_sha256=digest,
            margin=None if own.margin is None else own.margin.value,
            category=None if own.category is None else own.category.value,
            redo_text=annotate.document.redo_text,
            **more,
        )

    def _mass(self) -> tuple[float, float, float]:
        """Somewhere in the middle of the tissue: the centre of what is bright, and a tenth of the width."""
        shown = self.window.annotate.shown
        assert shown is not None
        level = shown.picture.levels[-1]
        rows, columns = np.nonzero(level > np.percentile(level, 75))
        scale = shown.image.width / level.shape[1]
        return float(np.median(columns)) * scale, float(np.median(rows)) * scale, shown.image.width / 12

    def _dialog(self, kind: type[QDialog]) -> Any:
        self.wait(lambda: any(d.isVisible() for d in self.window.findChildren(kind)), kind.__name__)
        [found] = [d for d in self.window.findChildren(kind) if d.isVisible()]
        QTest.qWaitForWindowExposed(found)
        return found


def _handle(widget: QWidget) -> QWindow:
    handle = widget.window().windowHandle()
    assert handle is not None
    return handle


def first_session(hand: Hand) -> Report:
    hand.make_study()
    hand.import_images()
    hand.see_a_case()
    hand.choose_second_window()
    undone = hand.draw()
    hand.label()
    seen = hand.report(undone=undone)
    first = hand.window.session.image_id
    hand.key(Key.Key_PageDown)
    hand.wait(lambda: hand.window.session.image_id != first, "the next case")
    hand.see_a_case()
    assert hand.window.annotate.document.shapes == ()
    hand.quit()
    return seen


def next_session(hand: Hand) -> Report:
    hand.see_a_case()
    # the study is resumed at the case that was seen last, which is the second one
    resumed = hand.window.session.image_id
    assert hand.window.annotate.document.shapes == ()
    hand.key(Key.Key_PageUp)
    hand.wait(lambda: hand.window.session.image_id != resumed, "the first case")
    hand.see_a_case()
    hand.choose_second_window()
    seen = hand.report()
    hand.quit()
    return seen


SESSIONS = {"first": first_session, "again": next_session}


def run(session: str, folder: Path, report: Path) -> int:
    application = QApplication([])
    hand = Hand(application, folder)

    def drive() -> None:
        try:
            hand.wait(lambda: any(isinstance(w, MainWindow) for w in application.topLevelWidgets()), "the window")
            QTest.qWaitForWindowActive(hand.window)
            report.write_bytes(msgspec.json.encode(SESSIONS[session](hand)))
        except Exception:  # noqa: BLE001 (a defect must end the process, which waits for events otherwise)
            traceback.print_exc()
            for number, widget in enumerate(application.topLevelWidgets()):
                if widget.isVisible():
                    widget.grab().save(str(report.with_suffix(f".{number}.png")))
            application.exit(1)

    QTimer.singleShot(0, drive)
    return main.main([] if session == "first" else [str(folder / "first")])


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
