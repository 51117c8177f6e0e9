"""Writes the page of the case that is shown, beside the window's thread."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog

from app.qt.background import Background, WorkResult
from app.qt.dialogs import open_dialog
from app.qt.translation import tr
from core.store.database import now_utc

if TYPE_CHECKING:
    from app.views.review.printed import Page
    from app.views.review.screen import ReviewScreen


class CaseExport(QObject):
    written = Signal(str)
    """What became of the page, as a sentence."""

    def __init__(self, screen: ReviewScreen) -> None:
        super().__init__(screen)
        self._screen = screen
        self._exporting = Background(self, name="export", most=4)
        self._exporting.done.connect(self._exported)

    def ask_for_file(self) -> None:
        """Ask for a file, then write the page of the case that is shown."""
        if not self._screen.lesion_shown:
            return
        dialog = QFileDialog(self._screen, tr("Export this explanation"))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters([tr("Web page (*.html)"), tr("PDF (*.pdf)"), tr("Picture (*.png)")])
        dialog.selectFile(f"lesion-{self._screen.lesion_shown[:8]}.html")
        dialog.fileSelected.connect(lambda name: self.write(Path(name)))
        open_dialog(dialog)

    def write(self, path: Path) -> None:
        """Write the page beside the window's thread; ``written`` follows."""
        from app.views.review.printed import export

        page = self._page()
        if page is not None:
            self._exporting.submit(str(path), lambda: export(page, path))

    def _page(self) -> Page | None:
        """The case that is shown, as it is exported; None where there is none or its reading is asked for."""
        from app.views.review.printed import Page

        screen = self._screen
        model, pictures, case = screen.desk.model, screen.pair.pictures, screen.cases.case
        if model is None or pictures is None or case is None or screen.work.is_blind:
            return None
        return Page(
            panel=pictures.panel,
            patches=model.patches,
            provenance=model.opened.provenance,
            title=case.title,
            look=screen.work.controls.look,
            voices=screen.voices(),
            model=model.run.name,
            day=now_utc()[:10],
        )

    def stop(self) -> None:
        self._exporting.stop()

    def _exported(self, outcome: WorkResult) -> None:
        done = tr("Exported to {path}.", path=str(outcome.key))
        self.written.emit(outcome.sentence or done)
