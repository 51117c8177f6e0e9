"""The next case and the one before are read while the reader looks at this one."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.models import pictures
from app.views.annotate.arrangement import Hanging
from app.views.main_window.window import MainWindow
from core.tasks.studies.queries import StudyQueries
from tests.app.window.conftest import make_examinations, make_study, wait_for_picture

NEXT = Qt.Key.Key_PageDown


@pytest.fixture
def study_folder(tmp_path: Path) -> Path:
    return make_study(tmp_path / "study", patients=3)


def has(window: MainWindow, image: str) -> bool:
    return window.annotate.wall.pictures.has((image, 0))


def test_the_next_case_is_there_before_it_is_asked_for_and_shown_at_once(qtbot: QtBot, opened: MainWindow) -> None:
    assert opened.session.image_id == "patient0-CC"
    qtbot.waitUntil(lambda: has(opened, "patient0-MLO"))
    qtbot.keyClick(opened.annotate.view, NEXT)
    # within the key's own event: nothing was waited for
    assert opened.annotate.shown is not None and opened.annotate.shown.image.id == "patient0-MLO"
    assert opened.annotate.view.picture is opened.annotate.shown.picture
    qtbot.waitUntil(lambda: has(opened, "patient1-CC") and has(opened, "patient0-CC"))


def test_what_a_hanging_shows_beside_the_next_case_is_read_ahead_too(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    window.open_study(make_examinations(tmp_path / "twice"))
    wait_for_picture(qtbot, window)
    window.annotate.wall.set_hanging(Hanging.VIEWS)
    wait_for_picture(qtbot, window)
    here = window.session.image_id
    after = window.annotate.worklist.neighbours()[0].image_id
    qtbot.waitUntil(lambda: has(window, after))
    assert after != here
    window.session.select(after)
    shown = [image.id for image in window.annotate.wall.images]
    assert len(shown) == 2 and all(window.annotate.wall.shown(image) for image in shown)


def test_nothing_is_read_ahead_where_there_is_no_room_for_it(
    qtbot: QtBot, opened: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = opened.annotate.shown
    assert shown is not None
    monkeypatch.setattr(pictures, "_KEPT_BYTES", 2 * shown.nbytes - 1)
    opened.annotate.wall.pictures._kept.popitem()
    opened.annotate.wall.pictures.want((shown.image.id, 0))
    read: list[str] = []
    load = StudyQueries.load
    monkeypatch.setattr(
        StudyQueries, "load", lambda self, name, frame=0: read.append(name) or load(self, name, frame)
    )
    qtbot.waitUntil(lambda: has(opened, shown.image.id))
    opened.annotate._read_ahead()
    qtbot.wait(50)
    assert read == [] or set(read) == {shown.image.id}


def test_kept_pictures_stay_within_the_room_however_far_one_pages(
    qtbot: QtBot, opened: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = opened.annotate.shown
    assert shown is not None
    room = 3 * shown.nbytes
    monkeypatch.setattr(pictures, "_KEPT_BYTES", room)
    held = opened.annotate.wall.pictures
    for _ in range(5):
        qtbot.keyClick(opened.annotate.view, NEXT)
        wait_for_picture(qtbot, opened)
        ahead = opened.annotate.worklist.neighbours()[0].image_id
        qtbot.waitUntil(lambda ahead=ahead: has(opened, ahead))
        assert sum(kept.nbytes for kept in held._kept.values()) <= room
        assert has(opened, opened.session.image_id or "")


def test_going_elsewhere_ends_the_reading_ahead(
    qtbot: QtBot, opened: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    qtbot.waitUntil(lambda: has(opened, "patient0-MLO"))
    opened.session.select("patient1-CC")
    wait_for_picture(qtbot, opened)
    read: list[str] = []
    begun, go_on = threading.Event(), threading.Event()
    load = StudyQueries.load

    def slow(self: StudyQueries, name: str, frame: int = 0) -> object:
        read.append(name)
        if name == "patient1-MLO":
            begun.set()
            go_on.wait(10)
        return load(self, name, frame)

    monkeypatch.setattr(StudyQueries, "load", slow)
    opened.annotate.wall.pictures._kept.pop(("patient0-MLO", 0))
    qtbot.waitUntil(begun.is_set)  # the next case; the one before waits its turn
    opened.session.select("patient2-CC")
    go_on.set()
    wait_for_picture(qtbot, opened)
    assert read[:2] == ["patient1-MLO", "patient2-CC"]
