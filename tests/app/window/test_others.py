"""Two windows on one study: what one reader does appears in front of the other."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from PySide6.QtWidgets import QMessageBox
from pytestqt.qtbot import QtBot

from app.operations.group import finish_lesion
from app.operations.lesions import change_outline
from app.state.changes import OthersChanged, StorageChanged
from app.state.session import Session
from app.views.main_window.window import MainWindow
from core.domain.errors import StudyError
from core.domain.geometry import Box
from core.domain.group import Assignment, Purpose
from core.domain.shapes import Rectangle, circle
from core.domain.study import Labels
from core.domain.vocabulary import MarginType
from core.store.study import Study
from tests.app.window.conftest import make_study, wait_for_picture
from tests.database_server import DatabaseServer, database_server

pytestmark = pytest.mark.postgresql


@pytest.fixture
def folder(tmp_path: Path, shared_server: DatabaseServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(Study, "create", partial(Study.create, server=shared_server.address()))
    return make_study(tmp_path / "shared")


@pytest.fixture
def windows(folder: Path, qtbot: QtBot) -> Iterator[tuple[MainWindow, MainWindow]]:
    made = []
    for name in ("Dr Anna", "Dr Bert"):
        session = Session()
        window = MainWindow(session)
        qtbot.addWidget(window)
        window.show()
        session.open_study(folder)
        session.sign_in(name)
        made.append(window)
    yield made[0], made[1]
    for window in made:
        window.session.close_study()
        window.close()


def test_what_one_draws_and_labels_comes_into_the_others_list(
    windows: tuple[MainWindow, MainWindow], qtbot: QtBot
) -> None:
    anna, bert = (window.session for window in windows)
    changes: list[object] = []
    bert.changed.connect(changes.append)
    lesion = anna.study.lesions.all()[0]
    anna.commit_shapes(lesion.id, (circle((100.0, 100.0), 20.0),))
    anna.study.lesions.set_labels(lesion.id, Labels(margin=MarginType.OBSCURED), reader_id=None)
    qtbot.waitUntil(lambda: _told(changes, lesion.id, "Dr Anna"), timeout=20_000)
    panel = windows[1].annotate.worklist
    qtbot.waitUntil(lambda: _margin(panel, lesion.id) == MarginType.OBSCURED, timeout=20_000)


def test_the_second_to_change_an_outline_chooses_which_stays(
    windows: tuple[MainWindow, MainWindow], qtbot: QtBot
) -> None:
    anna, bert = windows
    lesion = anna.session.study.lesions.all()[0]
    bert.session.select(lesion.image_id, lesion.id)
    wait_for_picture(qtbot, bert)
    bert.workspaces.followed.stop()  # the change of the other comes while the hand is still moving
    first, second = (Rectangle(box=Box(x0=100, y0=100, x1=100 + side, y1=150)) for side in (60, 70))
    change_outline(anna.session, lesion, first)
    bert.annotate._change_outline(second)
    (box,) = bert.findChildren(QMessageBox)
    assert box.isVisible() and bert.annotate.lesion is not None
    assert bert.annotate.lesion.outline == first, "the other's outline is shown behind the question"
    assert bert.session.study.lesions.get(lesion.id).outline == first
    next(button for button in box.buttons() if button.text() == "Use mine").click()
    assert anna.session.study.lesions.get(lesion.id).outline == second


def _told(changes: list[object], lesion_id: str, name: str) -> bool:
    return any(
        isinstance(change, OthersChanged) and lesion_id in change.lesion_ids and name in change.names
        for change in changes
    )


def _margin(panel: object, lesion_id: str) -> MarginType | None:
    model = panel.model  # type: ignore[attr-defined]
    rows = [model.row_at(row) for row in range(model.rowCount())]
    return next((row.margin for row in rows if row is not None and row.lesion_id == lesion_id), None)


def test_strokes_are_kept_while_the_server_is_gone_and_sent_when_it_is_back(
    tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database_server() as server:
        monkeypatch.setattr(Study, "create", partial(Study.create, server=server.address()))
        folder = make_study(tmp_path / "shared")
        session, problems = Session(), list[str]()
        session.changed.connect(
            lambda change: problems.append(change.problem) if isinstance(change, StorageChanged) else None
        )
        session.open_study(folder)
        session.sign_in("Dr Anna")
        lesion = session.study.lesions.all()[0].id
        strokes = [(circle((100.0 + number, 100.0), 20.0),) for number in range(4)]
        mine, history = session.study.readers.find("Dr Anna"), session.study.annotations.history
        assert mine is not None
        session.commit_shapes(lesion, strokes[0])
        qtbot.waitUntil(lambda: len(history(lesion, mine.id)) == 1, timeout=60_000)
        server.kill()
        session.commit_shapes(lesion, strokes[1])
        session.commit_shapes(lesion, strokes[2])
        qtbot.waitUntil(lambda: problems[-1:] != [""] and len(problems) > 0, timeout=60_000)
        assert "2 strokes are kept on this computer" in problems[-1]
        # what the study has not got yet is shown where the lesion is looked at again
        assert session.states(lesion, strokes[:1]) == session.states(lesion, strokes[:2]) == strokes[:3]
        session.close_study()  # as a computer that is switched off: what is kept stays kept
        server.start()
        session.open_study(folder)
        session.sign_in("Dr Bert")
        reader = session.study.readers.find("Dr Anna")
        assert reader is not None
        history = session.study.annotations.history
        qtbot.waitUntil(lambda: len(history(lesion, reader.id)) == 3, timeout=60_000)
        qtbot.waitUntil(lambda: problems[-1] == "", timeout=60_000)
        assert [one.shapes for one in history(lesion, reader.id)] == strokes[:3]
        assert {record.who for record in session.study.audit.all_of("annotation.commit")} == {"Dr Anna"}
        session.close_study()


def test_a_lesion_is_finished_with_every_stroke_at_the_server_or_not_at_all(
    tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database_server() as server:
        monkeypatch.setattr(Study, "create", partial(Study.create, server=server.address()))
        session = Session()
        session.open_study(make_study(tmp_path / "shared"))
        session.sign_in("Dr Anna")
        study, lesion = session.study, session.study.lesions.all()[0].id
        mine = study.readers.find("Dr Anna")
        assert mine is not None
        given = Assignment(lesion_id=lesion, reader_id=mine.id, purpose=Purpose.LABEL, created_utc="2026-01-01")
        study.assignments.add_many([given])
        session.set_labels(lesion, Labels(margin=MarginType.OBSCURED))
        server.kill()
        for number in range(3):
            session.commit_shapes(lesion, (circle((100.0 + number, 100.0), 20.0),))
        with pytest.raises(StudyError, match="cannot be reached"):
            finish_lesion(session, lesion)
        server.start()
        finish_lesion(session, lesion)
        first = study.assignments.find(lesion, mine.id)
        assert first is not None and first.revision == 3, "the last stroke is part of the first drawing"
        session.close_study()
