"""Blind reading and verdicts by keyboard: what is kept, what is shown, and what is taken back."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.state.changes import ReaderChanged
from app.state.session import Session
from app.views.main_window.window import MainWindow
from core.domain.study import Labels
from core.domain.vocabulary import MarginType, Part
from core.tasks.readers.opinions import opinions_of
from core.tasks.runs.lifecycle import request_of
from core.tasks.runs.training_data import TrainingData, look_at_data
from core.training.presets import load_preset
from tests.app.screens.conftest import press, wait_for_case, wait_for_model
from tests.app.widgets.test_choice_row import seen_as_chosen


@pytest.fixture
def blind(qtbot: QtBot, opened: MainWindow) -> MainWindow:
    """The model is open and readings come first."""
    wait_for_case(qtbot, opened)
    opened.review.ask_first.setChecked(True)
    opened.activateWindow()
    opened.review.pair.lesion.view.setFocus()
    wait_for_case(qtbot, opened)
    assert opened.review.work.is_blind
    return opened


def plan(window: MainWindow) -> TrainingData:
    """What Train would count."""
    study, model = window.session.study, window.desk.model
    assert model is not None
    return look_at_data(study, load_preset("compact"), request_of(study, model.run).parts)


def own_reading(window: MainWindow, lesion: str) -> str | None:
    reader = window.session.reader
    assert reader is not None
    found = window.session.study.reviews.readings_of_reader(reader.id).get(lesion)
    return None if found is None else found.word


def verdicts(window: MainWindow, lesion: str) -> list[str]:
    model = window.desk.model
    assert model is not None
    given = opinions_of(window.session.study, model.run).get(lesion, ())
    return [one.opinion.verdict.value for one in given]


def test_a_blind_reading_with_a_verdict_and_the_next_lesion_are_four_keys(qtbot: QtBot, blind: MainWindow) -> None:
    review, lesion = blind.review, blind.review.lesion_shown
    words = review.ask.words
    assert words is not None and seen_as_chosen(words) == []
    assert review.ask.probability.handle() is None
    press(blind, "4")
    assert seen_as_chosen(words) == ["indistinct"]
    press(blind, "Return")
    assert not review.work.is_blind and review.lesion_shown == lesion
    press(blind, "D")
    assert verdicts(blind, lesion) == ["disagree"]
    press(blind, "Space")
    assert review.cases.lesion_id != lesion
    assert own_reading(blind, lesion) == "indistinct"
    wait_for_case(qtbot, blind)
    assert review.work.is_blind and seen_as_chosen(words) == []


def test_readings_change_no_figure_of_the_plan_and_no_label(qtbot: QtBot, blind: MainWindow) -> None:
    before, labels = plan(blind), [one.labels for one in blind.session.study.lesions.all()]
    for digit in ("2", "1", "5"):
        lesion = wait_for_case(qtbot, blind)
        press(blind, digit)
        press(blind, "Return")
        assert own_reading(blind, lesion) is not None
        press(blind, "Space")
    assert plan(blind) == before
    assert [one.labels for one in blind.session.study.lesions.all()] == labels


def test_nothing_of_the_model_is_seen_before_the_reading(qtbot: QtBot, blind: MainWindow) -> None:
    review, model = blind.review, blind.desk.model
    assert model is not None
    voices = review.work.voices
    for chip in (voices.model, voices.data_set, voices.malignancy):
        assert chip.word.text() == "after your reading"
    assert review.pair.lesion.view.map.heat is None and not review.pair.lesion.view.map.lines
    assert not review.answer.isVisible() and not review.tabs.isVisible()
    press(blind, "A")
    press(blind, "W")
    press(blind, "Right")
    assert verdicts(blind, review.lesion_shown) == [] and review.work.is_blind
    # no order and no filter that betrays what the model answers
    orders = [review.cases.order.itemText(i) for i in range(review.cases.order.count())]
    assert orders == ["shuffled", "order of the study"]
    assert review.cases.cases.dots(review.cases.case) == ()  # type: ignore[arg-type]
    # not even by the order itself: it is the same whatever the model answers
    shown = [case.lesion_id for case in review.cases.cases.cases]
    from core.tasks.review.case_list import Order, sort_cases

    test_part = tuple(case for case in model.cases if case.part == Part.TEST.value)
    flipped = tuple(reversed(test_part))
    assert [c.lesion_id for c in sort_cases(flipped, Order.BLIND, model.class_names)] == shown


def test_the_queue_stays_while_it_is_read_and_is_sorted_when_asked(qtbot: QtBot, opened: MainWindow) -> None:
    wait_for_case(qtbot, opened)
    review = opened.review
    cases = review.cases
    before = [case.lesion_id for case in cases.cases.cases]
    # a label that makes the model's answer right: by disagreement the lesion would go to the end
    first = cases.cases.cases[0]
    assert first.predicted is not None
    word = MarginType(cases.cases.class_names[first.predicted])
    opened.session.set_labels(first.lesion_id, Labels(margin=word))
    qtbot.waitUntil(lambda: cases.case is not None and cases.case.own == word.value)
    assert [case.lesion_id for case in cases.cases.cases] == before
    assert cases.lesion_id == first.lesion_id
    press(opened, "Space")
    assert cases.lesion_id == before[1]
    assert cases.again.isEnabled()
    qtbot.mouseClick(cases.again, Qt.MouseButton.LeftButton)
    assert [case.lesion_id for case in cases.cases.cases] != before
    assert cases.lesion_id == before[1]


def test_a_verdict_is_a_state_that_is_shown_and_can_be_withdrawn(qtbot: QtBot, opened: MainWindow) -> None:
    lesion = wait_for_case(qtbot, opened)
    bar = opened.review.answer.verdicts
    assert seen_as_chosen(bar.verdicts) == []
    press(opened, "A")
    assert (verdicts(opened, lesion), seen_as_chosen(bar.verdicts)) == (["agree"], ["agree"])
    press(opened, "R")
    assert (verdicts(opened, lesion), seen_as_chosen(bar.verdicts)) == (["wrong region"], ["wrong region"])
    press(opened, "Space")
    wait_for_case(qtbot, opened)
    assert seen_as_chosen(bar.verdicts) == []
    press(opened, "PgUp")
    wait_for_case(qtbot, opened)
    assert seen_as_chosen(bar.verdicts) == ["wrong region"]
    qtbot.mouseClick(bar.verdicts.chips["wrong region"], Qt.MouseButton.LeftButton)
    assert (verdicts(opened, lesion), seen_as_chosen(bar.verdicts)) == ([], [])
    assert opened.session.study.audit.verify().good


def test_a_comment_is_kept_beside_the_verdict_and_filters_the_list(qtbot: QtBot, opened: MainWindow) -> None:
    lesion = wait_for_case(qtbot, opened)
    review = opened.review
    press(opened, "P")
    press(opened, "C")
    assert review.answer.verdicts.comment.hasFocus()
    qtbot.keyClicks(review.answer.verdicts.comment, "a draw of lines: 1 2 3")
    assert verdicts(opened, lesion) == ["wrong prototype"], "what is typed is no key of the screen"
    qtbot.keyClick(review.answer.verdicts.comment, Qt.Key.Key_Return)
    assert verdicts(opened, lesion) == ["wrong prototype", "comment"]
    assert "a draw of lines" in review.answer.verdicts.past.sentence
    which = review.cases.which
    which.setCurrentIndex(which.findText("said: wrong prototype"))
    assert [case.lesion_id for case in review.cases.cases.cases] == [lesion]


def test_undo_takes_back_verdicts_and_the_reading_on_the_lesion_they_belong_to(
    qtbot: QtBot, blind: MainWindow
) -> None:
    review, lesion = blind.review, blind.review.lesion_shown
    for key in ("3", "Return", "A", "D", "Space"):
        press(blind, key)
    wait_for_case(qtbot, blind)
    undo = blind.actions_["edit.undo"]
    assert undo.text() == "Undo: verdict: disagree"
    press(blind, "Ctrl+Z")
    assert review.cases.lesion_id == lesion, "what is taken back is seen"
    assert verdicts(blind, lesion) == ["agree"]
    press(blind, "Ctrl+Z")
    assert verdicts(blind, lesion) == []
    press(blind, "Ctrl+Shift+Z")
    assert verdicts(blind, lesion) == ["agree"]
    press(blind, "Ctrl+Z")
    assert undo.text() == "Undo: your reading: microlobulated"
    wait_for_case(qtbot, blind)
    press(blind, "Ctrl+Z")
    assert own_reading(blind, lesion) is None and review.work.is_blind
    assert not undo.isEnabled()
    assert blind.session.study.audit.verify().good


def test_model_reader_and_data_set_stand_side_by_side_by_name(qtbot: QtBot, blind: MainWindow) -> None:
    review, model = blind.review, blind.desk.model
    assert model is not None and review.cases.case is not None
    case = review.cases.case
    other = next(
        word for word in ("5", "1") if word != {"spiculated": "5", "circumscribed": "1"}.get(case.label or "")
    )
    press(blind, other)
    press(blind, "Return")
    voices = review.work.voices
    assert voices.own.word.text() == {"5": "spiculated", "1": "circumscribed"}[other]
    assert voices.own.name.text() == "You · reading in Review"
    assert voices.data_set.word.text() == case.label
    assert case.predicted is not None
    predicted = model.class_names[case.predicted]
    assert predicted in voices.model.word.text() or voices.model.word.text() == "no prediction"
    if predicted != case.label and voices.remark.text().startswith("The model"):
        assert "the data set" in voices.remark.text()


@pytest.mark.parametrize(("size", "least"), [((1920, 1080), 420), ((1280, 800), 300)])
def test_both_pictures_are_large_and_no_part_moves_between_cases(
    qtbot: QtBot, opened: MainWindow, size: tuple[int, int], least: int
) -> None:
    wait_for_case(qtbot, opened)
    opened.resize(*size)
    review = opened.review
    review.ask_first.setChecked(True)
    QApplication.processEvents()
    pair = (review.pair.lesion.view, review.pair.source.view)
    places: list[list[tuple[int, ...]]] = []
    for step in range(6):
        wait_for_case(qtbot, opened)
        if review.work.is_blind:
            press(opened, "1")
            places.append([place(opened, review.pair.lesion.view), place(opened, review.work.below)])
            press(opened, "Return")
        if step % 2:
            press(opened, "X")
            press(opened, "D")
        for view in pair:
            assert min(view.width(), view.height()) >= least
        places.append([place(opened, review.pair.lesion.view), place(opened, review.work.below)])
        press(opened, "Space")
    assert all(found == places[0] for found in places)
    assert abs(pair[0].width() - pair[1].width()) <= 1


def place(window: MainWindow, widget: QWidget) -> tuple[int, ...]:
    at = widget.mapTo(window, QPoint(0, 0))
    return at.x(), at.y(), widget.width(), widget.height()


def test_the_colours_of_sums_are_no_colours_of_classes() -> None:
    from PySide6.QtGui import QColor

    from app.widgets.explain.sum_table import AGAINST, FOR
    from core.explain.report import CLASS_COLOURS

    for colour in CLASS_COLOURS:
        for mine in (FOR, AGAINST):
            other = QColor(colour)
            distance = sum(
                abs(a - b)
                for a, b in zip(mine.getRgb()[:3], other.getRgb()[:3], strict=True)  # type: ignore[arg-type]
            )
            assert distance > 80, colour
    assert abs(FOR.lightness() - AGAINST.lightness()) > 20


def test_a_comment_that_was_begun_stays_with_its_lesion_and_enter_gives_the_keys_back(
    qtbot: QtBot, opened: MainWindow
) -> None:
    lesion = wait_for_case(qtbot, opened)
    comment = opened.review.answer.verdicts.comment
    press(opened, "C")
    qtbot.keyClicks(comment, "spicules at")
    press(opened, "PgDown")
    other = wait_for_case(qtbot, opened)
    assert (other == lesion, comment.text()) == (False, "")
    press(opened, "PgUp")
    wait_for_case(qtbot, opened)
    assert comment.text() == "spicules at"
    qtbot.keyClicks(comment, " noon")
    qtbot.keyClick(comment, Qt.Key.Key_Return)
    assert not comment.hasFocus()
    assert verdicts(opened, lesion) == ["comment"] and verdicts(opened, other) == []
    press(opened, "C")
    qtbot.keyClick(comment, Qt.Key.Key_Escape)
    press(opened, "A")
    assert verdicts(opened, lesion) == ["comment", "agree"]


def test_a_comment_that_was_begun_is_there_again_after_the_window_closed_and_for_its_reader_alone(
    qtbot: QtBot, opened: MainWindow, own_study: Path
) -> None:
    lesion = wait_for_case(qtbot, opened)
    reader = opened.session.reader
    assert reader is not None
    comment = opened.review.answer.verdicts.comment
    press(opened, "C")
    qtbot.keyClicks(comment, "spicules at")
    opened.session.sign_in("Somebody else")
    assert comment.text() == ""
    qtbot.keyClicks(comment, "mine")
    opened.session.sign_in(reader.name)
    assert comment.text() == "spicules at"
    opened.close()
    again = MainWindow(Session())
    qtbot.addWidget(again)
    again.resize(1500, 900)
    again.show()
    again.open_study(own_study)
    again.session.sign_in(reader.name)
    again.actions_["workspace.review"].trigger()
    wait_for_model(qtbot, again)
    wait_for_case(qtbot, again)
    again.review.cases.choose(lesion)
    wait_for_case(qtbot, again)
    comment = again.review.answer.verdicts.comment
    assert comment.text() == "spicules at"
    qtbot.keyClick(comment, Qt.Key.Key_Return)
    assert comment.text() == ""
    assert verdicts(again, lesion) == ["comment"]
    again.close()


def test_a_comment_that_nobody_signed_stays_in_its_field_and_is_sent_after_signing_in(
    qtbot: QtBot, opened: MainWindow
) -> None:
    lesion = wait_for_case(qtbot, opened)
    opened.session.reader = None
    opened.session.changed.emit(ReaderChanged(reader=None))
    comment = opened.review.answer.verdicts.comment
    qtbot.keyClicks(comment, "round")
    qtbot.keyClick(comment, Qt.Key.Key_Return)
    assert comment.text() == "round", "it was not kept, so it is not lost"
    opened.session.sign_in("A")
    assert comment.text() == "round"
    qtbot.keyClick(comment, Qt.Key.Key_Return)
    assert comment.text() == ""
    assert verdicts(opened, lesion) == ["comment"]


def test_a_reading_is_of_the_lesion_that_is_seen_while_the_next_one_is_not_there_yet(
    qtbot: QtBot, blind: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    review, lesion = blind.review, blind.review.lesion_shown
    said: list[str] = []
    blind.workspaces.refused.connect(said.append)
    press(blind, "Return")
    assert said == ["Choose a word for it first, with the keys 1 to 5."]
    monkeypatch.setattr(blind.desk, "ask", lambda *_: None)
    press(blind, "Space")
    assert review.cases.lesion_id != lesion == review.lesion_shown
    press(blind, "3")
    press(blind, "Return")
    assert own_reading(blind, lesion) is not None
    assert own_reading(blind, review.cases.lesion_id) is None
