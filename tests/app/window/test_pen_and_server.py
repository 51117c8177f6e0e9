"""The pen of a shared study never waits for its server: no statement is sent from the window's thread."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

import msgspec
import pytest
from pytestqt.qtbot import QtBot
from sqlalchemy import Engine, event

from app.views.main_window.window import MainWindow
from core.domain.shapes import circle
from core.store.postgresql.address import read_address, write_address
from core.store.study import Study
from tests.app.window.conftest import make_study, wait_for_picture
from tests.database_server import USER, DatabaseServer
from tests.line_to_server import SlowLine

pytestmark = pytest.mark.postgresql
STROKES = 4


def test_strokes_go_on_while_the_line_is_cut_and_all_arrive(
    window: MainWindow,
    qtbot: QtBot,
    tmp_path: Path,
    shared_server: DatabaseServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MARGINALIA_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PGUSER", USER)  # the login is kept for the server's own port
    with monkeypatch.context() as shared:
        shared.setattr(Study, "create", partial(Study.create, server=shared_server.address()))
        folder = make_study(tmp_path / "shared")
    asked: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if threading.current_thread() is threading.main_thread():
            asked.append(statement)

    with SlowLine(shared_server.port, round_trip_s=0.1) as line:
        write_address(folder, msgspec.structs.replace(read_address(folder), port=line.port))
        window.open_study(folder)
        session = window.session
        session.sign_in("Dr Anna")
        wait_for_picture(qtbot, window)
        lesion, reader = session.lesion_id, session.reader
        assert lesion is not None and reader is not None and session._kept is not None
        qtbot.wait(1500)  # what is read ahead for the picture
        strokes = [(circle((100.0 + number, 100.0), 20.0),) for number in range(STROKES)]
        event.listen(Engine, "before_cursor_execute", note)
        try:
            for number, stroke in enumerate(strokes):
                if number == STROKES // 2:
                    line.cut()
                assert window.annotate.document.replace(stroke, "Stroke")
                qtbot.wait(1200)  # time for what follows a stroke: the list and the history
            assert session._kept.waiting >= STROKES // 2, "acknowledged, and not at the server"
        finally:
            event.remove(Engine, "before_cursor_execute", note)
            line.mend()
        assert asked == []
        kept = session._kept
        qtbot.waitUntil(lambda: not kept.waiting, timeout=60_000)
        assert [one.shapes for one in session.study.annotations.history(lesion, reader.id)] == strokes
        session.close_study()
