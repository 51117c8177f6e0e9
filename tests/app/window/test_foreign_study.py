"""A study that this computer does not know is checked in a process of its own before the window opens it."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.views.dialogs.foreign_study import ForeignStudyDialog
from app.views.main_window.window import MainWindow
from core.cli.main import run_command_line
from core.store.study import Study
from core.store.trusted_studies import is_known, mark_trusted
from tests.app.window.conftest import make_study, wait_for_picture
from tests.conftest import ROOT

pytestmark = pytest.mark.foreign


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A copy, as from a stick."""
    shutil.copytree(make_study(tmp_path / "made"), tmp_path / "copied")
    return tmp_path / "copied"


def asked(window: MainWindow) -> ForeignStudyDialog | None:
    found = [dialog for dialog in window.findChildren(ForeignStudyDialog) if dialog.isVisible()]
    return found[0] if found else None


def test_a_whole_study_opens_after_the_check_and_is_not_asked_about_again(
    qtbot: QtBot, window: MainWindow, foreign: Path
) -> None:
    window.open_study(foreign)
    dialog = asked(window)
    assert dialog is not None and not window.session.is_open
    dialog.check.click()
    wait_for_picture(qtbot, window)
    assert asked(window) is None
    window.studies.close()
    window.open_study(foreign)
    assert asked(window) is None and window.session.is_open


def test_what_is_wrong_is_said_and_nothing_opened(qtbot: QtBot, window: MainWindow, foreign: Path) -> None:
    path = foreign / "pixels" / "patient0-CC.h5"
    path.write_bytes(path.read_bytes()[:3000])
    window.open_study(foreign)
    dialog = asked(window)
    assert dialog is not None
    dialog.check.click()
    qtbot.waitUntil(lambda: "pixels/patient0-CC.h5 is damaged" in dialog.found.text(), timeout=60_000)
    assert not window.session.is_open and not is_known(foreign)
    dialog.cancel.click()
    assert not window.session.is_open
    window.open_study(foreign)
    again = asked(window)
    assert again is not None
    again.trust.click()
    assert window.session.is_open and is_known(foreign)


def test_a_study_that_kills_its_reader_is_a_sentence(
    qtbot: QtBot, window: MainWindow, foreign: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.domain.events import Started
    from core.tasks.studies import check_job

    def supervise(request: object, *, emit: object, **more: object) -> object:
        def die(event: object) -> None:
            if isinstance(event, Started):
                os.kill(event.pid, signal.SIGSEGV)

        return real(request, emit=die, **more)  # type: ignore[arg-type]

    real = check_job.supervise
    monkeypatch.setattr(check_job, "supervise", supervise)
    window.open_study(foreign)
    dialog = asked(window)
    assert dialog is not None
    dialog.check.click()
    qtbot.waitUntil(lambda: "was killed (signal 11)" in dialog.found.text(), timeout=60_000)
    assert not window.session.is_open
    dialog.reject()


def test_closing_ends_a_check_that_is_under_way(qtbot: QtBot, window: MainWindow, foreign: Path) -> None:
    window.open_study(foreign)
    dialog = asked(window)
    assert dialog is not None
    dialog.check.click()
    dialog.reject()
    assert dialog._task is not None and not dialog._task.running
    assert not window.session.is_open


def test_a_study_made_here_is_known_and_another_in_its_place_is_not(
    window: MainWindow, tmp_path: Path, foreign: Path
) -> None:
    assert window.studies.create(tmp_path / "new", "New")
    assert is_known(tmp_path / "new")
    window.studies.close()
    shutil.rmtree(tmp_path / "new")
    shutil.copytree(foreign, tmp_path / "new")
    assert not is_known(tmp_path / "new")
    assert not is_known(tmp_path / "nowhere")


def test_commands_that_make_or_check_a_study_vouch_for_it(tmp_path: Path, foreign: Path) -> None:
    assert not is_known(foreign)
    assert run_command_line(["check", str(foreign), "--quiet"]) == 0
    assert is_known(foreign)
    assert run_command_line(["study", "create", str(tmp_path / "a"), "--quiet"]) == 0
    assert is_known(tmp_path / "a")
    assert run_command_line(["backup", str(tmp_path / "a"), str(tmp_path / "a.zip"), "--quiet"]) == 0
    assert run_command_line(["restore", str(tmp_path / "a.zip"), str(tmp_path / "b"), "--quiet"]) == 0
    assert is_known(tmp_path / "b")
    path = foreign / "pixels" / "patient0-CC.h5"
    path.write_bytes(path.read_bytes()[:3000])
    shutil.copytree(foreign, tmp_path / "damaged")
    assert run_command_line(["check", str(tmp_path / "damaged"), "--quiet"]) == 1
    assert not is_known(tmp_path / "damaged")


def test_a_study_that_was_changed_in_place_is_not_known(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    Study.create(folder, name="a").close()
    assert not is_known(folder)
    mark_trusted(folder)
    with Study.open(folder) as study:  # this program may change it
        study.readers.ensure("Dr A")
        assert is_known(folder)
    assert is_known(folder)
    with Study.open(folder, writable=False):
        assert is_known(folder)
    before = (folder / "study.db").stat()
    with closing(sqlite3.connect(folder / "study.db")) as database:
        database.execute("UPDATE reader SET name = 'Dr B'")
        database.commit()
    os.utime(folder / "study.db", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not is_known(folder)
    with Study.open(folder) as study:  # a command line does not ask, and vouches for nothing
        study.readers.ensure("Dr C")
    assert not is_known(folder)
    mark_trusted(folder)
    assert is_known(folder)


def test_a_study_stays_known_while_it_is_open_and_after_a_kill(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    Study.create(folder, name="a").close()
    mark_trusted(folder)
    script = (
        "import os, sys; from pathlib import Path; from core.store.study import Study\n"
        "study = Study.open(Path(sys.argv[1])); study.readers.ensure('Dr A'); print('open', flush=True)\n"
        "sys.stdin.readline()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", script, folder], stdin=pipe, stdout=pipe, cwd=ROOT) as other:
        assert other.stdout is not None and other.stdout.readline() == b"open\n"
        assert is_known(folder)
        other.kill()
    assert is_known(folder)


def test_the_database_of_another_is_not_the_known_one(tmp_path: Path) -> None:
    Study.create(tmp_path / "a", name="a").close()
    Study.create(tmp_path / "b", name="b").close()
    mark_trusted(tmp_path / "a")
    content = (tmp_path / "b" / "study.db").read_bytes()
    with (tmp_path / "a" / "study.db").open("r+b") as file:  # the same file, with what another one holds
        file.write(content)
    assert not is_known(tmp_path / "a")
