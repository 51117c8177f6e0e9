"""The proposed margin in the window, with real events; and where no proposal may appear."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.state.preferences import show_others_first
from app.views.main_window.window import MainWindow
from app.widgets.drawing.tools.proposal import ProposalTool
from app.widgets.viewer.mammogram_view import MammogramView
from core.domain.geometry import Point
from core.domain.reading import Condition, ReaderStudy, StudyReading
from core.domain.shapes import Length, Line, Origin
from core.domain.study import Labels
from core.domain.vocabulary import MarginType
from core.tasks.studies.learned_margin import LearnedMargin, keep_learned
from core.tasks.studies.proposals import why_no_proposal
from tests.app.window.conftest import wait_for_picture
from tests.app.window.test_window import drag

CENTRE = (150.0, 240.0)
"""Of the bright mass in every picture of the study."""


def tool_of(window: MainWindow) -> ProposalTool:
    tool = window.annotate.view.tool
    assert isinstance(tool, ProposalTool)
    return tool


def key(qtbot: QtBot, window: MainWindow, name: Qt.Key) -> None:
    qtbot.keyClick(window.annotate.view, name)


def click(qtbot: QtBot, window: MainWindow, at: Point) -> None:
    view = window.annotate.view
    qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=view.sight.to_widget(at).toPoint())


def lines_of(window: MainWindow) -> list[Line]:
    return [shape for shape in window.annotate.document.shapes if isinstance(shape, Line)]


@pytest.fixture
def unlabelled(qtbot: QtBot, opened: MainWindow) -> MainWindow:
    """On a lesion that nobody has labelled."""
    opened.session.select("patient1-CC")
    wait_for_picture(qtbot, opened)
    return opened


def test_two_keys_make_a_fine_annotation_of_an_outline(qtbot: QtBot, unlabelled: MainWindow) -> None:
    key(qtbot, unlabelled, Qt.Key.Key_A)
    ring = tool_of(unlabelled).line
    assert len(ring) > 60 and unlabelled.annotate.document.shapes == ()
    away = np.hypot(*(np.asarray(ring) - CENTRE).T)
    assert away.min() > 10 and away.max() < 70
    key(qtbot, unlabelled, Qt.Key.Key_Return)
    (line,) = lines_of(unlabelled)
    assert line.points == (*ring, ring[0]) and line.origin is Origin.PROPOSED
    assert tool_of(unlabelled).line == ()
    stored = unlabelled.session.reads.shapes("lesion-patient1-CC")
    assert stored == (line,)
    unlabelled.actions_["edit.undo"].trigger()
    assert unlabelled.annotate.document.shapes == ()
    unlabelled.actions_["edit.redo"].trigger()
    assert lines_of(unlabelled) == [line]


def test_from_a_bare_image_to_an_accepted_annotation_in_four_actions(qtbot: QtBot, opened: MainWindow) -> None:
    opened.session.select("patient1-MLO")
    wait_for_picture(qtbot, opened)
    key(qtbot, opened, Qt.Key.Key_9)
    drag(qtbot, opened, [(105, 195), (150, 240), (195, 285)])
    key(qtbot, opened, Qt.Key.Key_A)
    key(qtbot, opened, Qt.Key.Key_Return)
    assert [line.origin for line in lines_of(opened)] == [Origin.PROPOSED]


def test_without_a_box_a_click_proposes_the_outline_first(qtbot: QtBot, opened: MainWindow) -> None:
    session = opened.session
    session.select("patient1-MLO")
    wait_for_picture(qtbot, opened)
    key(qtbot, opened, Qt.Key.Key_A)
    assert not tool_of(opened).busy
    click(qtbot, opened, CENTRE)
    outline = tool_of(opened).outline
    assert outline is not None and session.reads.lesions("patient1-MLO") == ()
    key(qtbot, opened, Qt.Key.Key_Return)
    (lesion,) = session.reads.lesions("patient1-MLO")
    assert lesion.outline == outline and lesion.box.contains(CENTRE)
    assert outline.origin is Origin.PROPOSED
    assert tool_of(opened).line, "the margin follows at once"
    key(qtbot, opened, Qt.Key.Key_Return)
    assert [line.origin for line in lines_of(opened)] == [Origin.PROPOSED]


def test_a_drag_along_the_line_accepts_that_part_and_enter_the_rest(qtbot: QtBot, unlabelled: MainWindow) -> None:
    key(qtbot, unlabelled, Qt.Key.Key_A)
    ring = tool_of(unlabelled).line
    drag(qtbot, unlabelled, [ring[i] for i in range(4, 44, 4)])
    (part,) = lines_of(unlabelled)
    assert part.origin is Origin.PROPOSED and 30 <= len(part.points) <= 42
    assert set(part.points) <= set(ring)
    assert len(tool_of(unlabelled).left[0]) + len(part.points) == len(ring) + 2
    key(qtbot, unlabelled, Qt.Key.Key_Return)
    assert len(lines_of(unlabelled)) == 2
    unlabelled.actions_["edit.undo"].trigger()
    assert lines_of(unlabelled) == [part]


def test_an_anchor_pulls_the_line_and_makes_it_an_edited_one(qtbot: QtBot, unlabelled: MainWindow) -> None:
    key(qtbot, unlabelled, Qt.Key.Key_A)
    free = np.asarray(tool_of(unlabelled).line)
    anchor = (CENTRE[0] + 62, CENTRE[1])
    click(qtbot, unlabelled, anchor)
    pulled = np.asarray(tool_of(unlabelled).line)
    assert np.hypot(*(pulled - anchor).T).min() < 2 < np.hypot(*(free - anchor).T).min()
    key(qtbot, unlabelled, Qt.Key.Key_Backspace)
    np.testing.assert_allclose(tool_of(unlabelled).line, free)
    click(qtbot, unlabelled, anchor)
    key(qtbot, unlabelled, Qt.Key.Key_Return)
    assert [line.origin for line in lines_of(unlabelled)] == [Origin.EDITED]


def test_a_refused_proposal_leaves_nothing_but_a_record(qtbot: QtBot, unlabelled: MainWindow) -> None:
    key(qtbot, unlabelled, Qt.Key.Key_A)
    key(qtbot, unlabelled, Qt.Key.Key_Escape)
    assert tool_of(unlabelled).line == () and unlabelled.annotate.document.shapes == ()
    study = unlabelled.session.study
    assert [r.action for r in study.audit.records() if "proposal" in r.action] == ["annotation.proposal_refused"]


def test_it_is_as_wide_as_the_readers_last_line(qtbot: QtBot, unlabelled: MainWindow) -> None:
    session = unlabelled.session
    line = Line(points=((10, 10), (20, 20)), width=Length(value=3.3, unit="mm"))
    session.commit_shapes("lesion-patient0-CC", (line,))
    key(qtbot, unlabelled, Qt.Key.Key_A)
    key(qtbot, unlabelled, Qt.Key.Key_Return)
    assert lines_of(unlabelled)[0].width == line.width


def test_a_changed_proposal_counts_as_edited(qtbot: QtBot, unlabelled: MainWindow) -> None:
    key(qtbot, unlabelled, Qt.Key.Key_A)
    key(qtbot, unlabelled, Qt.Key.Key_Return)
    document = unlabelled.annotate.document
    document.select(frozenset({0}))
    unlabelled.actions_["edit.smooth"].trigger()
    (line,) = lines_of(unlabelled)
    assert line.origin is Origin.EDITED


def test_blind_work_has_no_proposal_before_the_own_label(qtbot: QtBot, opened: MainWindow) -> None:
    """The first patient's lesions are labelled by the data set, which is hidden."""
    refused: list[str] = []
    opened.annotate.refused.connect(refused.append)
    key(qtbot, opened, Qt.Key.Key_A)
    assert tool_of(opened).line == () and "Name the margin first" in refused[-1]
    click(qtbot, opened, CENTRE)
    assert not tool_of(opened).busy
    lesion = opened.session.lesion_id or ""
    opened.session.set_labels(lesion, Labels(margin=MarginType.INDISTINCT))
    key(qtbot, opened, Qt.Key.Key_A)
    assert tool_of(opened).line


def test_who_sees_the_labels_of_others_first_gets_proposals(qtbot: QtBot, opened: MainWindow) -> None:
    show_others_first(True)
    key(qtbot, opened, Qt.Key.Key_A)
    assert tool_of(opened).line


def test_no_proposal_for_a_lesion_of_a_reader_study_that_is_not_read(qtbot: QtBot, unlabelled: MainWindow) -> None:
    session = unlabelled.session
    study, reader, lesion = session.study, session.reader, session.lesion_id or ""
    assert reader is not None
    made = ReaderStudy(
        id="r", name="Spring", run_id="run", revision_id="rev", lesion_ids=(lesion,), seed=1, created_utc="2026"
    )

    def why() -> str:
        return why_no_proposal(study, reader.id, "patient1-CC", lesion, blind=True)

    class Studies:
        """The reader studies of the study, of which the schema wants a run."""

        def __init__(self) -> None:
            self.read: list[StudyReading] = []

        def all(self) -> tuple[ReaderStudy, ...]:
            return (made,)

        def readings(self, _id: str) -> tuple[StudyReading, ...]:
            return tuple(self.read)

    studies = Studies()
    study.reader_studies = studies  # type: ignore[assignment]
    assert "Spring" in why()
    reading = StudyReading(
        reader_study_id="r", lesion_id=lesion, reader_id=reader.id, condition=Condition.ALONE,
        margin=MarginType.SPICULATED, probability_of_malignancy=0.5, seconds=3, created_utc="2026",
    )  # fmt: skip
    studies.read.append(reading)
    assert "Spring" in why(), "it is still to be read with the model"
    studies.read.append(msgspec.structs.replace(reading, condition=Condition.WITH_MODEL))
    assert why() == ""


def test_no_other_screen_can_propose(qtbot: QtBot, unlabelled: MainWindow) -> None:
    action = unlabelled.actions_["tool.propose"]
    assert action.isEnabled()
    for name in ("train", "review", "prototypes"):
        unlabelled.actions_[f"workspace.{name}"].trigger()
        qtbot.wait(0)
        assert not action.isEnabled(), name
        page = unlabelled.pages.currentWidget()
        for view in page.findChildren(MammogramView):
            if view.isVisible():
                assert not isinstance(view.tool, ProposalTool)
        qtbot.keyClick(page, Qt.Key.Key_A)
    assert unlabelled.session.reads.shapes("lesion-patient1-CC") == ()


def test_a_proposal_goes_with_its_lesion(qtbot: QtBot, unlabelled: MainWindow) -> None:
    key(qtbot, unlabelled, Qt.Key.Key_A)
    tool = tool_of(unlabelled)
    assert tool.line
    key(qtbot, unlabelled, Qt.Key.Key_9)
    drag(qtbot, unlabelled, [(220, 100), (240, 120), (260, 150)])
    assert unlabelled.session.lesion_id != "lesion-patient1-CC"
    assert tool.line == ()
    key(qtbot, unlabelled, Qt.Key.Key_Return)
    assert unlabelled.annotate.document.shapes == ()


def test_a_learned_habit_moves_the_proposal_and_is_said(qtbot: QtBot, unlabelled: MainWindow) -> None:
    key(qtbot, unlabelled, Qt.Key.Key_A)
    usual = np.asarray(tool_of(unlabelled).line)
    key(qtbot, unlabelled, Qt.Key.Key_Escape)
    session = unlabelled.session
    assert session.reader is not None and session.image_id is not None
    spacing = session.reads.image(session.image_id).pixel_spacing_mm
    assert spacing is not None
    learned = LearnedMargin(
        outwards=0.4, shift_mm=8 * spacing, lesions=12, patients=9, change_mm=-0.5, low_mm=-0.7, high_mm=-0.3
    )
    said: list[str] = []
    unlabelled.annotate.canvas.refused.connect(said.append)
    for used, expected in ((False, 0.0), (True, 8.0)):
        keep_learned(session.study, session.reader.id, msgspec.structs.replace(learned, used=used))
        key(qtbot, unlabelled, Qt.Key.Key_A)
        line = np.asarray(tool_of(unlabelled).line)
        key(qtbot, unlabelled, Qt.Key.Key_Escape)
        away = np.hypot(*(line - CENTRE).T).mean() - np.hypot(*(usual - CENTRE).T).mean()
        assert away == pytest.approx(expected, abs=0.5)
        assert any("follow your own margins" in one for one in said) is used
