"""No screen on which somebody reads blind shows a proposal, or even computes one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.state.preferences import show_others_first
from app.views.dialogs.adjudication import AdjudicationDialog
from app.views.main_window.window import MainWindow
from app.widgets.drawing.tools.proposal import ProposalTool
from app.widgets.viewer.mammogram_view import MammogramView
from core.domain.group import Assignment, Purpose
from core.domain.study import Labels
from core.domain.vocabulary import MarginType
from core.imaging.margin import click, proposal
from tests.app.screens.conftest import press, wait_for_case
from tests.app.screens.test_reading import answer


@pytest.fixture
def proposed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the proposals that were computed, wherever that was asked for."""
    calls: list[str] = []
    for module, name in ((proposal, "propose_margin"), (click, "propose_outline")):
        original = getattr(module, name)

        def counted(*given: Any, _name: str = name, _original: Any = original, **named: Any) -> Any:
            calls.append(_name)
            return _original(*given, **named)

        monkeypatch.setattr(module, name, counted)
    yield calls


def ask_everywhere(root: QWidget) -> int:
    """Press A on a screen and click into each of its mammograms; their number."""
    QTest.keyClick(root, Qt.Key.Key_A)
    seen = [view for view in root.findChildren(MammogramView) if view.isVisible()]
    for view in seen:
        QTest.keyClick(view, Qt.Key.Key_A)
        QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPoint(view.width() // 2, view.height() // 2))
        QApplication.processEvents()
        tool = view.tool
        assert not (isinstance(tool, ProposalTool) and tool.busy), view
    return len(seen)


def annotate(qtbot: QtBot, window: MainWindow, lesion_id: str) -> None:
    """Choose a lesion in Annotate, and wait until it can be drawn on."""
    window.actions_["workspace.annotate"].trigger()
    session = window.session
    image = session.study.lesions.get(lesion_id).image_id
    session.select(image, lesion_id)
    shown = window.annotate
    qtbot.waitUntil(lambda: shown.view.picture is not None and shown.canvas.outline is not None, timeout=20_000)


def asked_in_annotate(qtbot: QtBot, window: MainWindow, lesion_id: str) -> None:
    annotate(qtbot, window, lesion_id)
    press(window, "A")
    window.actions_["tool.propose"].trigger()
    assert ask_everywhere(window.annotate) > 0


def test_a_reader_study_is_read_without_proposals(qtbot: QtBot, opened: MainWindow, proposed: list[str]) -> None:
    """In its window alone and with the model, in Annotate beside it, until the lesion is read both ways."""
    wait_for_case(qtbot, opened)
    show_others_first(True)
    qtbot.mouseClick(opened.review.study_button, Qt.MouseButton.LeftButton)
    reading = opened.review.reading
    assert reading is not None
    qtbot.keyClicks(reading.setup.name, "pilot")
    reading.setup.most.setValue(1)
    assert ask_everywhere(reading) == 0
    qtbot.mouseClick(reading.setup.make, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: reading.pages.currentWidget() is reading._reading, timeout=20_000)
    assert reading.step is not None
    lesion = reading.step.lesion_id
    for trust in (None, 2):
        qtbot.waitUntil(lambda: reading.pair.lesion.view.picture is not None, timeout=20_000)
        assert ask_everywhere(reading) > 0
        asked_in_annotate(qtbot, opened, lesion)
        answer(qtbot, reading, "spiculated", trust)
    assert ask_everywhere(reading) == 0 and reading.pages.currentWidget() is reading.results
    reading.close()
    assert proposed == []
    annotate(qtbot, opened, lesion)
    opened.actions_["tool.select"].trigger()
    opened.actions_["tool.propose"].trigger()
    assert proposed == ["propose_margin"], "what was read both ways may be proposed: the test can fail"


def test_an_assigned_lesion_has_no_proposal_before_the_own_label(
    qtbot: QtBot, opened: MainWindow, proposed: list[str]
) -> None:
    """Whether or not the reader chose to see the labels of others, which the assignment hides anyway."""
    session = opened.session
    assert session.reader is not None
    reader, lesion = session.reader.id, session.study.lesions.all()[0].id
    given = Assignment(
        lesion_id=lesion, reader_id=reader, purpose=Purpose.LABEL, created_utc="2026-01-01T00:00:00Z"
    )
    session.study.assignments.add_many([given])
    for others_first in (True, False):
        show_others_first(others_first)
        asked_in_annotate(qtbot, opened, lesion)
    assert proposed == []
    session.set_labels(lesion, Labels(margin=MarginType.INDISTINCT))
    opened.actions_["tool.select"].trigger()
    opened.actions_["tool.propose"].trigger()
    assert proposed == ["propose_margin"]


def test_the_other_screens_cannot_propose(qtbot: QtBot, opened: MainWindow, proposed: list[str]) -> None:
    """Review blind and after the answer, Prototypes, Train, a place for a prototype, adjudication."""
    wait_for_case(qtbot, opened)
    show_others_first(True)
    seen = 0
    for name in ("review", "prototypes", "train"):
        opened.actions_[f"workspace.{name}"].trigger()
        qtbot.wait(50)
        assert not opened.actions_["tool.propose"].isEnabled(), name
        page = opened.pages.currentWidget()
        seen += ask_everywhere(page)
    assert seen > 0
    decision = AdjudicationDialog(opened.session, opened)
    qtbot.addWidget(decision)
    decision.show()
    ask_everywhere(decision)
    decision.close()
    assert proposed == []
