"""Writes the page of the case that is shown, beside the window's thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from app.qt.background import Background, WorkResult
from app.qt.dialogs import open_dialog
from app.qt.translation import tr
from app.views.review.page import Page


class CaseExport(QObject):
    written = Signal(str)
    """Sentence on the result of the export."""

    def __init__(self, screen: QWidget, page: Callable[[], Page | None]) -> None:
        """Create the export. ``page``: the shown case; None if there is none or its reading is requested."""
        super().__init__(screen)
        self._screen, self._page = screen, page
        self._exporting = Background(self, name="export", most=4)
        self._exporting.done.connect(self._exported)

    def ask_for_file(self) -> None:
        """Ask for a file, then write the page of the case that is shown."""
        page = self._page()
        if page is None:
            return
        dialog = QFileDialog(self._screen, tr("Export this explanation"))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters([tr("Web page (*.html)"), tr("PDF (*.pdf)"), tr("Picture (*.png)")])
        dialog.selectFile(f"lesion-{page.panel.explanation.roi.lesion_id[:8]}.html")
        dialog.fileSelected.connect(lambda name: self.write(Path(name)))
        open_dialog(dialog)

    def write(self, path: Path) -> None:
        """Write the page beside the window's thread; ``written`` follows."""
        from app.views.review.printed import export

        page = self._page()
        if page is not None:
            self._exporting.submit(str(path), lambda: export(page, path))

    def stop(self) -> None:
        self._exporting.stop()

    def _exported(self, outcome: WorkResult) -> None:
        done = tr("Exported to {path}.", path=str(outcome.key))
        self.written.emit(outcome.sentence or done)
