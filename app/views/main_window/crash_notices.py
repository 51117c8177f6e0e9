"""Tells the user of defects: of the present sitting as they happen, of the last one at the start."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QWidget

from app.qt.dialogs import open_dialog
from app.qt.translation import tr
from app.views.dialogs.crash_report import CrashReportDialog
from app.widgets.banner import Banner
from core.platform.crash import report_text
from core.tasks.studies.crash_log import CrashLog, LeftReport

DEFECT, LAST_TIME = "defect", "last time"
OF_THE_PROGRAM = (DEFECT, LAST_TIME)
"""Subjects of the banner that concern the program itself, and not the study that is open."""


class CrashNotices(QObject):
    """Lives in the window's thread, where the signals of others arrive."""

    def __init__(self, window: QWidget, banner: Banner, log: CrashLog) -> None:
        super().__init__(window)
        self._window, self._banner, self._log = window, banner, log
        self._left: tuple[LeftReport, ...] = ()

    @Slot(object)
    def show(self, _incident: object) -> None:
        sentence = tr("Something went wrong in the program itself. What was saved is safe; go on or start again.")
        self._banner.say(DEFECT, sentence, tr("What went wrong"), self._look)

    def offer(self, left: Sequence[LeftReport]) -> None:
        """Reports of sittings that are over; the newest is shown first."""
        self._left = tuple(left)
        if not left:
            return
        sentence = (
            tr("Last time something went wrong in the program itself. There is a report without patient data.")
            if left[-1].report.ended
            else tr("The program ended unexpectedly last time. There is a report without patient data.")
        )
        self._banner.say(LAST_TIME, sentence, tr("What went wrong"), self._look_back)

    def _look(self) -> None:
        self._banner.say(DEFECT, "")
        # still running, so that it did end well as far as it is known
        open_dialog(CrashReportDialog(report_text(self._log.report), self._window, can_delete=False))

    def _look_back(self) -> None:
        self._banner.say(LAST_TIME, "")
        text = "\n".join(left.text for left in reversed(self._left))
        dialog = CrashReportDialog(text, self._window)
        dialog.deleted.connect(self._delete)
        open_dialog(dialog)

    def _delete(self) -> None:
        for left in self._left:
            left.delete()
        self._left = ()
