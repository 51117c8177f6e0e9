"""B-27: a dialog that was closed is gone: its widgets, and the memory of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication, QDialog
from pytestqt.qtbot import QtBot

from app.views.dialogs.foreign_study import ForeignStudyDialog
from app.views.main_window.crash_notices import CrashNotices
from app.views.main_window.window import MainWindow
from app.views.pacs.dialog import PacsDialog
from core.tasks.studies.crash_log import CrashLog
from core.tasks.studies.recovery import Recovery
from tests.safety.kept import keep
from tests.safety.test_long_runs import slope_kb
from tests.safety.window.hands import wait_for_picture

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc")

WARM = 1


def _pacs(window: MainWindow) -> PacsDialog:
    window.studies.ask_pacs()
    assert window.studies.pacs is not None
    return window.studies.pacs


def _foreign(window: MainWindow, patch: pytest.MonkeyPatch) -> None:
    folder = window.session.study.folder
    with patch.context() as here:
        here.setattr("app.views.main_window.file_menu.is_known", lambda _: False)
        window.studies.open(folder)
    assert any(isinstance(one, ForeignStudyDialog) for one in shown())


@dataclass(frozen=True)
class Opener:
    """What opens a dialog, by an action's name or by itself."""

    name: str
    act: Callable[[MainWindow], object] | None = None

    def open(self, window: MainWindow) -> None:
        if self.act is None:
            window.actions_[self.name].trigger()
        else:
            self.act(window)


ACTIONS = (
    "study.new", "study.open", "study.import", "study.import_model", "study.export", "study.demo",
    "study.import_files", "study.import_data_set", "study.checkpoint", "study.pacs", "lesion.remove",
    "edit.shortcuts", "help.shortcuts", "help.about",
    "reader.sign_in", "reader.password", "reader.agreement", "view.calibrate",
)  # fmt: skip


def openers(patch: pytest.MonkeyPatch, incidents: CrashNotices) -> list[Opener]:
    utc = "2026-01-02T03:04:05+00:00"
    recovered = Recovery(since_utc=utc, revisions=3, last_saved_utc=utc, runs=("a",), temporary_files=2)
    return [
        *(Opener(name) for name in ACTIONS),
        Opener("recovery", lambda window: window.studies._show_recovery(recovered)),
        Opener("foreign study", lambda window: _foreign(window, patch)),
        Opener("defect", lambda window: incidents._look()),
        Opener("defect of the last sitting", lambda window: incidents._look_back()),
        Opener("profile of a PACS", lambda window: _pacs(window)._set_up(None)),
        Opener("removal of a PACS", lambda window: _pacs(window)._ask_remove()),
        Opener("password of a PACS", lambda window: _pacs(window)._ask_secret("Password")),
    ]


def shown() -> list[QDialog]:
    return [one for one in QApplication.topLevelWidgets() if isinstance(one, QDialog) and one.isVisible()]


def settle() -> None:
    QApplication.processEvents()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    QApplication.processEvents()


def cycle(window: MainWindow, opener: Opener) -> None:
    opener.open(window)
    QApplication.processEvents()
    assert shown(), f"{opener.name} opened no dialog"
    for dialog in reversed(shown()):
        dialog.close()
    settle()
    assert not shown(), opener.name


def gained(window: MainWindow, opener: Opener, times: int) -> tuple[int, float]:
    """Widgets, and kB a time, after the first few times."""
    for _ in range(WARM):
        cycle(window, opener)
    widgets = len(QApplication.allWidgets())
    grown = slope_kb(times, 0, lambda number: cycle(window, opener))
    return len(QApplication.allWidgets()) - widgets, grown


@pytest.fixture
def asked(qtbot: QtBot, window: MainWindow, own_study: Path) -> MainWindow:
    window.open_study(own_study)
    window.actions_["workspace.annotate"].trigger()
    wait_for_picture(qtbot, window)
    return window


@pytest.fixture
def every(asked: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Opener]]:
    monkeypatch.setattr(PacsDialog, "raise_", lambda dialog: None)  # the offscreen platform cannot, and says so
    log = CrashLog(tmp_path / "crashes")
    yield openers(monkeypatch, CrashNotices(asked, asked.banner, log))
    log.close()


def test_a_dialog_that_was_closed_is_gone(asked: MainWindow, every: list[Opener]) -> None:
    left = {one.name: gained(asked, one, 4)[0] for one in every}
    assert {name: widgets for name, widgets in left.items() if widgets > 0} == {}


@pytest.mark.safety_full
@pytest.mark.timeout(0)
def test_two_hundred_of_each_dialog_leave_nothing(asked: MainWindow, every: list[Opener]) -> None:
    for one in every:
        gained(asked, one, 20)
    found = {one.name: gained(asked, one, 200) for one in every}
    worst = max(found, key=lambda name: found[name][1])
    widgets = sum(max(0, one[0]) for one in found.values())
    keep("B-27-dialogs", {
        "dialogs": len(found), "times each": 200, "widgets gained": widgets,
        "kB a time at most": round(found[worst][1], 1),
        # says which of them it is
        f"kB a time of {worst}": round(found[worst][1], 1),
    })  # fmt: skip
    assert widgets == 0, found
    assert found[worst][1] < 20, found
