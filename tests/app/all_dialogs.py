"""Every dialog of the window, opened one after another on a study with a model: to be measured or photographed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import msgspec
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QDialog, QWidget

from app.services.training_service import TrainingService
from app.views.dialogs.conflict import ask_which_stays
from app.views.dialogs.crash_report import CrashReportDialog
from app.views.dialogs.foreign_study import ForeignStudyDialog
from app.views.dialogs.recovery import RecoveryDialog
from app.views.importing.model_dialog import ImportModelDialog
from app.views.main_window.closing import may_lose_change
from app.views.main_window.window import MainWindow
from app.views.pacs.profile_dialog import ProfileDialog
from app.views.train.comparison import RunComparisonView
from app.views.train.leaving import may_leave_training
from app.views.train.machine_dialog import MachineDialog
from app.views.train.machines_dialog import MachinesDialog
from app.views.train.validation import ExternalValidationView
from core.data.data_snapshot import DataChanges
from core.domain.errors import ConflictError, TrainingError
from core.domain.messages import message, verbatim
from core.domain.study import Labels
from core.domain.vocabulary import MarginType
from core.jobs.machine_report import GraphicsCard, MachineReport
from core.pacs.profile import DicomwebProfile, Profiles
from core.tasks.runs.run_data import ChangedData
from core.tasks.studies.recovery import Recovery, UnfinishedImport

Visit = Callable[[str, QWidget], object]
Until = Callable[[Callable[[], bool]], object]

BY_ACTION = (
    "study.new", "study.demo", "study.import_data_set", "study.export", "study.checkpoint", "study.pacs",
    "edit.settings", "edit.shortcuts", "reader.sign_in", "reader.password", "reader.agreement", "view.calibrate",
    "help.shortcuts", "help.manual", "help.about",
)  # fmt: skip
_WEB = DicomwebProfile(
    name="archive", url="http://pacs.example.org/dicom-web", login="password", user="reader", source="hospital"
)
_REPORT = (
    'Marginalia 0.2.0\nTraceback (most recent call last):\n  File "app/views/main_window/window.py", line 1\n'
)


def visit_dialogs(window: MainWindow, source: Path, visit: Visit, until: Until) -> None:
    """Open each dialog, call ``visit`` with its name and the dialog, close it.

    ``source``: a folder of images with some that cannot be used. ``until`` waits, with events.
    """
    for action in BY_ACTION:
        until(window.actions_[action].isEnabled)
        window.actions_[action].trigger()
        [dialog] = [found for found in window.findChildren(QDialog) if found.isVisible()]
        _close_after(visit, action.replace(".", "-"), dialog)
    _visit_questions(window, visit)
    _visit_tasks(window, visit, until)
    _visit_imports(window, source, visit, until)
    for name, widget in _made(window, until).items():
        widget.show()
        _close_after(visit, name, widget)


def _close_after(visit: Visit, name: str, widget: QWidget) -> None:
    visit(name, widget)
    widget.close()


def _visit_questions(window: MainWindow, visit: Visit) -> None:
    conflict = ConflictError(
        message("Somebody else changed these labels of the lesion meanwhile; choose which ones it keeps."),
        present=Labels(margin=MarginType.SPICULATED),
        wanted=Labels(margin=MarginType.INDISTINCT),
    )
    _close_after(visit, "conflict", ask_which_stays(conflict, window, lambda: None))
    [run, *_] = window.session.study.runs.all()
    changes = ChangedData(changes=DataChanges(labels=2, annotations=1, added=11), missing=0)
    question = window.train._resuming.question(run, changes)
    question.show()
    _close_after(visit, "resume-changed", question)
    running = cast("TrainingService", SimpleNamespace(running=True))
    _modal("leave-training", visit, lambda: may_leave_training(running, window))
    _modal("close-unsaved", visit, lambda: may_lose_change(window))


def _modal(name: str, visit: Visit, ask: Callable[[], object]) -> None:
    def look() -> None:
        dialog = QApplication.activeModalWidget()
        assert dialog is not None
        _close_after(visit, name, dialog)

    QTimer.singleShot(50, look)
    ask()


def _visit_tasks(window: MainWindow, visit: Visit, until: Until) -> None:
    """The check of the study, at its end."""
    window.actions_["study.check"].trigger()
    [dialog] = [found for found in window.findChildren(QDialog) if found.isVisible()]
    until(lambda: getattr(dialog, "task", None) is None)
    _close_after(visit, "study-check", dialog)


def _visit_imports(window: MainWindow, source: Path, visit: Visit, until: Until) -> None:
    imports = window.studies.imports
    imports.offer([source])
    preview = imports.preview
    assert preview is not None
    until(lambda: not preview.busy)
    visit("before-import", preview)
    preview.reject()
    imports.import_from(source)
    report = imports.dialog
    assert report is not None
    until(lambda: report.result_value is not None or not report.task.running)
    _close_after(visit, "import", report)


def _made(window: MainWindow, until: Until) -> dict[str, QWidget]:
    """Those that open after something that a test machine does not have, made with values of that kind."""
    study = window.session.study
    [run, *_] = study.runs.all()
    recovery = Recovery(
        since_utc="2025-04-01T08:00:00Z", revisions=41, last_saved_utc="2025-04-01T09:12:00Z", temporary_files=2,
        runs=("first",), unfinished_import=UnfinishedImport(
            begun_utc="2025-04-01T08:30:00Z", files=259, images_without_rows=3
        ),
    )  # fmt: skip
    elsewhere = Path("/media/reader/from-a-colleague/study")
    profile = partial(ProfileDialog, Profiles(study.folder.parent / "profiles.json"))
    return {
        "foreign-study": ForeignStudyDialog(elsewhere, window),
        "recovery": RecoveryDialog(recovery, window),
        "crash-report": CrashReportDialog(_REPORT, window),
        "import-model": ImportModelDialog(study, elsewhere / "first.mgmodel", window),
        "pacs-new": profile(None, window),
        "pacs-change": profile(_WEB, window),
        "machine": MachineDialog(window),
        "machines": _machines(window, until),
        "compare": RunComparisonView([run, run], window),
        "validate": ExternalValidationView(study.folder, run, study.folder, window),
    }


def _machines(window: MainWindow, until: Until) -> MachinesDialog:
    """With the answers of three machines: one card of two in use, a processor that is free, a refused login."""
    dialog = MachinesDialog((), window)
    until(dialog.again.isEnabled)
    dialog.show_answers(ANSWERS)
    return dialog


_CARD = GraphicsCard(name="NVIDIA RTX A5000", memory_bytes=24_000_000_000)
_TWO_CARDS = MachineReport(
    node="reading-room", code_version="0.2.0", torch="2.9.0", cores=16, memory_bytes=64_000_000_000,
    cards=(_CARD, _CARD), free_bytes=820_000_000_000, device_names=("graphics card 0", "graphics card 1"),
    busy={"graphics card 1": "ann since 2026-11-30T14:05+00:00"},
)  # fmt: skip
_PROCESSOR = msgspec.structs.replace(
    _TWO_CARDS, node="office", cores=8, cards=(), device_names=("processor",), busy={}, free_bytes=95_000_000_000
)
ANSWERS = {
    "reading-room": _TWO_CARDS,
    "office": _PROCESSOR,
    "lab-3": TrainingError(
        verbatim("lab-3 refused the login: it accepts no key of yours; log in once by hand with ssh.")
    ),
}
