"""Pruning with real events: figures at once, a revision in the store, undo and redo."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PySide6.QtCore import QLocale, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.operations import models
from app.qt.translation import install
from app.views.main_window.window import MainWindow
from app.views.prototypes.screen import without
from app.widgets.explain.numbers import read_number
from core.domain.vocabulary import Part
from core.tasks.readers.opinions import Mark, marks_of
from core.tasks.review.prototypes import Pruning
from core.tasks.runs.configure import configure
from core.tasks.runs.lifecycle import plan_run, request_of
from tests.app.screens.conftest import press, wait_for_case, wait_for_model


@pytest.fixture
def gallery(qtbot: QtBot, window: MainWindow, own_study: Path) -> MainWindow:
    window.open_study(own_study)
    window.actions_["workspace.prototypes"].trigger()
    wait_for_model(qtbot, window)
    qtbot.waitUntil(lambda: window.desk.surveyed_model is not None, timeout=60_000)
    return window


def active(window: MainWindow) -> tuple[int, ...]:
    [run] = window.session.study.runs.all()
    found = window.session.study.models.active(run.id)
    assert found is not None
    return found.prototype_indices


def press_box(qtbot: QtBot, window: MainWindow, index: int) -> None:
    grid = window.prototypes.grid
    card = grid.cards[index]
    grid.ensureWidgetVisible(card)
    qtbot.mouseClick(card, Qt.MouseButton.LeftButton, pos=card.box.center().toPoint())


def tick(qtbot: QtBot, window: MainWindow, *indices: int) -> None:
    screen = window.prototypes
    for index in indices:
        press_box(qtbot, window, index)
    wanted = tuple(sorted(screen.grid.ticked))
    qtbot.waitUntil(lambda: screen.outcome is not None and screen.outcome.removed == wanted)


def wait_for_revision(qtbot: QtBot, window: MainWindow, kept: tuple[int, ...]) -> None:
    def there() -> bool:
        model = window.desk.model
        return model is not None and model.pruning.state.kept == kept

    qtbot.waitUntil(there, timeout=30_000)


def test_ticking_shows_the_figures_that_the_engine_computes_then_their_intervals(
    qtbot: QtBot, gallery: MainWindow
) -> None:
    screen, model, survey = gallery.prototypes, gallery.desk.model, gallery.desk.surveyed_model
    assert model is not None
    assert survey is not None
    tick(qtbot, gallery, 0, 3)
    expected = Pruning(gallery.session.study, model.run).outcome({0, 3})
    for column, figures in ((1, expected.figures_before), (2, expected.figures_after)):
        found = figures[Part.VALIDATION]
        assert found.auroc_mean is not None
        shown = read_number(screen.effect.text_of("auroc_mean", column))
        assert shown == pytest.approx(found.auroc_mean, abs=5e-5)
    assert screen.effect.flips.rowCount() == sum(f.part is Part.VALIDATION for f in expected.flips)
    qtbot.waitUntil(lambda: screen.effect.text_of("auroc_mean", 4) != "", timeout=10_000)
    for key in ("brier", "calibration_slope", "lesion_precision", "fine_precision"):
        assert screen.effect.text_of(key, 4) != ""
    fine = survey.fine_precision
    assert fine is not None
    shown = read_number(screen.effect.text_of("fine_precision", 2))
    assert shown == pytest.approx(fine.mean((1, 2, 4, 5)), abs=5e-5)
    assert not screen.effect.once.isVisible()
    screen.effect.part.setCurrentIndex(1)
    assert screen.effect.once.isVisible()


@pytest.mark.parametrize(
    ("language", "one", "two"),
    [
        ("en", "Without prototype 1, refitted:", "Without prototypes 1 and 3, refitted:"),
        ("de", "Ohne Prototyp 1, neu angepasst:", "Ohne die Prototypen 1 und 3, neu angepasst:"),
    ],
)
def test_what_the_figures_are_without_is_named_in_the_right_number(
    qapp: QApplication, language: str, one: str, two: str
) -> None:
    before = QLocale()
    install(qapp, language)
    try:
        assert [without([0]), without([2, 0])] == [one, two]
        assert "2, 3 " in without([2, 1, 4]) and without([2, 1, 4]).count(",") == 2
    finally:
        install(qapp, "en")
        QLocale.setDefault(before)


def test_pruning_undo_and_redo_change_the_store(qtbot: QtBot, gallery: MainWindow) -> None:
    screen = gallery.prototypes
    assert active(gallery) == (0, 1, 2, 3, 4, 5)
    tick(qtbot, gallery, 1, 2)
    assert not screen.prune.isEnabled()  # a reason is missing
    qtbot.keyClicks(screen.reason, "vessels")
    qtbot.mouseClick(screen.prune, Qt.MouseButton.LeftButton)
    assert active(gallery) == (0, 3, 4, 5)
    wait_for_revision(qtbot, gallery, (0, 3, 4, 5))
    model = gallery.desk.model
    assert model is not None
    assert model.revision.reason == "vessels"
    assert not screen.grid.cards[1].isCheckable()
    assert screen.reason.text() == ""
    qtbot.mouseClick(screen.undo, Qt.MouseButton.LeftButton)
    assert active(gallery) == (0, 1, 2, 3, 4, 5)
    wait_for_revision(qtbot, gallery, (0, 1, 2, 3, 4, 5))
    assert not screen.undo.isEnabled()
    qtbot.mouseClick(screen.redo, Qt.MouseButton.LeftButton)
    assert active(gallery) == (0, 3, 4, 5)
    wait_for_revision(qtbot, gallery, (0, 3, 4, 5))
    gallery.actions_["workspace.review"].trigger()
    wait_for_case(qtbot, gallery)
    assert len(gallery.review.answer.strip.strip.lines) == 4


def test_the_last_prototype_of_a_class_is_refused_in_a_sentence(qtbot: QtBot, gallery: MainWindow) -> None:
    screen = gallery.prototypes
    press_box(qtbot, gallery, 0)
    press_box(qtbot, gallery, 1)
    qtbot.waitUntil(screen.problem.isVisible)
    assert screen.problem.text().startswith("Class circumscribed would lose its last prototype")
    screen.reason.setText("anyway")
    assert not screen.prune.isEnabled()
    press_box(qtbot, gallery, 1)
    qtbot.waitUntil(lambda: screen.outcome is not None)
    assert not screen.problem.isVisible()


def test_a_mark_is_kept_with_the_run(qtbot: QtBot, gallery: MainWindow) -> None:
    screen, model = gallery.prototypes, gallery.desk.model
    assert model is not None
    screen.tabs.setCurrentWidget(screen.detail)
    screen.grid.cards[4].setFocus()
    qtbot.waitUntil(lambda: screen.detail.index == 4)
    qtbot.mouseClick(screen.detail.buttons[Mark.NOT_RELEVANT], Qt.MouseButton.LeftButton)
    assert marks_of(gallery.session.study, model.run) == {4: Mark.NOT_RELEVANT}
    qtbot.mouseClick(screen.detail.buttons[Mark.NONE], Qt.MouseButton.LeftButton)
    assert marks_of(gallery.session.study, model.run) == {}
    told = screen.detail.history.text().splitlines()
    assert [line.split(": ", 1)[1] for line in told[1:]] == [
        "learned",
        "marked: not medically relevant",
        "marked: no mark",
    ]


def test_what_is_kept_is_not_suggested_and_what_is_irrelevant_is_left_out_of_the_next_training(
    qtbot: QtBot, gallery: MainWindow
) -> None:
    screen, model, survey = gallery.prototypes, gallery.desk.model, gallery.desk.surveyed_model
    assert model is not None
    assert survey is not None
    offered = survey.removable[0]
    models.mark(gallery.session, model.run, offered, Mark.KEEP)
    assert gallery.desk.surveyed_model is not None
    assert offered not in gallery.desk.surveyed_model.removable
    screen.suggested.setCurrentIndex(0)
    qtbot.mouseClick(screen.select, Qt.MouseButton.LeftButton)
    assert offered not in screen.grid.ticked
    models.mark(gallery.session, model.run, 4, Mark.NOT_RELEVANT)
    run = plan_run(
        gallery.session.study, configure("compact", label="margin", seed=1, changes=()), {}, name="next"
    )
    [left_out] = request_of(gallery.session.study, run).forgotten
    source = model.pruning.base.card.prototypes[4]
    assert (left_out.run, left_out.number, left_out.lesion_id) == ("tiny", 5, source.lesion_id)
    assert left_out.box == source.patch_box_image
    gallery.actions_["workspace.train"].trigger()
    qtbot.waitUntil(lambda: "not medically relevant" in gallery.train.plan.data.exclusions.text(), timeout=20_000)


def test_two_revisions_are_compared_and_an_older_one_is_taken(qtbot: QtBot, gallery: MainWindow) -> None:
    screen = gallery.prototypes
    tick(qtbot, gallery, 5)
    screen.tabs.setCurrentWidget(screen.page)
    screen.reason.setFocus()
    qtbot.waitUntil(screen.reason.hasFocus)
    qtbot.keyClicks(screen.reason, "impure")
    qtbot.keyClick(screen.reason, Qt.Key.Key_Return)
    wait_for_revision(qtbot, gallery, (0, 1, 2, 3, 4))
    screen.tabs.setCurrentWidget(screen.revisions)
    tree = screen.revisions.tree
    top = tree.topLevelItem(0)
    assert top is not None
    tree.selectAll()
    with qtbot.waitSignal(screen.preview.found, timeout=10_000) as found:
        qtbot.mouseClick(screen.revisions.compare, Qt.MouseButton.LeftButton)
    assert found.args is not None
    assert found.args[0].removed == (5,)
    screen.tabs.setCurrentWidget(screen.revisions)
    tree.clearSelection()
    top.setSelected(True)
    qtbot.mouseClick(screen.revisions.use, Qt.MouseButton.LeftButton)
    assert active(gallery) == (0, 1, 2, 3, 4, 5)


def test_a_card_says_what_is_known_and_a_strip_where_the_patches_lie(gallery: MainWindow) -> None:
    screen, survey = gallery.prototypes, gallery.desk.surveyed_model
    assert survey is not None
    for facts in survey.prototypes:
        card = screen.grid.cards[facts.index]
        assert [read_number(text) for text in card.weights()] == pytest.approx(facts.weights, abs=0.005)
        alike = [one.index for one in survey.prototypes if one.group == facts.group and one is not facts]
        assert card.likeness().removeprefix("like ") == ", ".join(str(index + 1) for index in alike)
        screen._show_detail(facts.index)
        strip = screen.detail.training
        assert len(strip.inside) == len(facts.training)
        assert None not in strip.inside  # every lesion of the study is finely annotated
        inside, images = facts.inside_margin
        assert f"{inside} of {images} lesions, outside in {images - inside}" in screen.detail.facts.text()


def test_suggested_prototypes_can_go_together(qtbot: QtBot, gallery: MainWindow) -> None:
    screen, survey = gallery.prototypes, gallery.desk.surveyed_model
    assert survey is not None
    screen.suggested.setCurrentIndex(0)
    qtbot.mouseClick(screen.select, Qt.MouseButton.LeftButton)
    assert screen.grid.ticked == set(survey.removable)
    if survey.removable:
        qtbot.waitUntil(lambda: screen.outcome is not None)


def test_fifteen_looks_are_fifteen_arrow_keys_and_none_marks(qtbot: QtBot, gallery: MainWindow) -> None:
    screen = gallery.prototypes
    order = list(screen.grid.cards)
    seen = [screen.grid.current]
    for _ in order[1:]:
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Right)
        seen.append(screen.detail.index)
    assert seen == order == sorted(order)
    qtbot.mouseClick(screen.grid.cards[2], Qt.MouseButton.LeftButton, pos=screen.grid.cards[2].rect().center())
    assert screen.detail.index == 2
    assert screen.grid.ticked == frozenset(), "to look is not to mark"
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Up)
    assert screen.detail.index == 0


def test_the_loupe_is_opened_walked_and_closed_by_keys_and_x_marks_in_it(
    qtbot: QtBot, gallery: MainWindow
) -> None:
    screen = gallery.prototypes
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Space)
    assert screen.wall.is_enlarged
    assert min(place.width() for place in screen.wall.loupe.places[:1]) >= 420
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Right)
    assert screen.detail.index == 1
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_X)
    assert screen.grid.ticked == {1}
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_X)
    assert screen.grid.ticked == frozenset()
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Space)
    assert not screen.wall.is_enlarged
    assert QApplication.focusWidget() is screen.grid.cards[1]


def test_after_a_pruning_every_card_stays_in_its_place_with_its_figures_until_new_ones_come(
    qtbot: QtBot, gallery: MainWindow
) -> None:
    screen = gallery.prototypes
    cards, places = dict(screen.grid.cards), {i: card.pos() for i, card in screen.grid.cards.items()}
    figures = {index: card.lines() for index, card in cards.items()}
    tick(qtbot, gallery, 5)
    qtbot.keyClicks(screen.reason, "impure")
    states = []
    screen.desk.model_changed.connect(lambda: states.append([card.is_stale for card in cards.values()]))
    steps: list[int] = []
    screen.desk.surveying.connect(lambda progress: steps.append(progress.done))
    qtbot.mouseClick(screen.prune, Qt.MouseButton.LeftButton)
    wait_for_revision(qtbot, gallery, (0, 1, 2, 3, 4))
    assert screen.grid.cards == cards, "the very same cards"
    qtbot.waitUntil(lambda: gallery.desk.surveyed_model is not None, timeout=60_000)
    assert all(states[-1]), "figures of the revision before are grey"
    assert cards[0].lines()[0] == figures[0][0]
    assert not cards[0].is_stale
    assert {index: card.pos() for index, card in cards.items()} == places
    assert cards[5].is_pruned and cards[5].isVisible()
    assert sorted(set(steps)) == list(range(7))
    press_box(qtbot, gallery, 5)
    assert active(gallery) == (0, 1, 2, 3, 4, 5), "its box brings it back"


def test_ctrl_z_takes_back_the_last_mark_then_the_pruning_and_nothing_in_annotate(
    qtbot: QtBot, gallery: MainWindow
) -> None:
    screen, model = gallery.prototypes, gallery.desk.model
    assert model is not None
    study = gallery.session.study
    drawn = study.annotations.all_current()
    tick(qtbot, gallery, 2)
    qtbot.keyClicks(screen.reason, "vessel")
    qtbot.mouseClick(screen.prune, Qt.MouseButton.LeftButton)
    wait_for_revision(qtbot, gallery, (0, 1, 3, 4, 5))
    qtbot.waitUntil(lambda: gallery.desk.surveyed_model is not None, timeout=60_000)
    screen.grid.look_at(4)
    screen.wall.focus()
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_K)
    assert marks_of(study, model.run) == {4: Mark.KEEP}
    assert gallery.actions_["edit.undo"].text() == "Undo: mark of prototype 5"
    control = Qt.KeyboardModifier.ControlModifier
    qtbot.keyClick(gallery, Qt.Key.Key_Z, control)
    assert marks_of(study, model.run) == {}
    qtbot.keyClick(gallery, Qt.Key.Key_Z, control | Qt.KeyboardModifier.ShiftModifier)
    assert marks_of(study, model.run) == {4: Mark.KEEP}
    qtbot.keyClick(gallery, Qt.Key.Key_Z, control)
    qtbot.keyClick(gallery, Qt.Key.Key_Z, control)
    assert active(gallery) == (0, 1, 2, 3, 4, 5)
    assert study.annotations.all_current() == drawn


def test_the_three_figures_show_their_change_and_its_interval(qtbot: QtBot, gallery: MainWindow) -> None:
    screen = gallery.prototypes
    bar = screen.effect.bars["fine_precision"]
    assert bar.change_text == ""
    tick(qtbot, gallery, 3)
    qtbot.waitUntil(lambda: bar.comparison is not None, timeout=20_000)
    survey, outcome = gallery.desk.surveyed_model, screen.outcome
    assert survey is not None and outcome is not None and survey.fine_precision is not None
    change = survey.fine_precision.change(outcome.before.kept, outcome.after.kept).difference
    assert bar.change == pytest.approx(change.value)
    assert change.low is not None and change.high is not None
    shown = [read_number(text) for text in re.findall(r"[+−][0-9.]+", bar.change_text)]
    assert shown == pytest.approx([change.value, change.low, change.high], abs=5e-4)
    assert bar.scale >= bar.reach
    assert not screen.effect.table.isVisible()
    qtbot.mouseClick(screen.effect.more, Qt.MouseButton.LeftButton)
    assert screen.effect.table.isVisible()


def test_a_study_for_reading_only_shows_everything_and_prunes_nothing(
    qtbot: QtBot, window: MainWindow, own_study: Path
) -> None:
    from core.store.study import Study

    with Study.open(own_study):  # somebody else writes in it
        window.open_study(own_study)
        window.actions_["workspace.prototypes"].trigger()
        wait_for_model(qtbot, window)
        tick(qtbot, window, 0)
        window.prototypes.reason.setText("why not")
        assert not window.prototypes.prune.isEnabled()
        window.studies.close()


def test_a_pruning_and_its_undo_by_keys_alone(qtbot: QtBot, gallery: MainWindow) -> None:
    screen = gallery.prototypes
    said: list[str] = []
    gallery.workspaces.refused.connect(said.append)
    gallery.activateWindow()
    screen.wall.focus()
    before = active(gallery)
    press(gallery, "Return")
    assert said == ["Mark at least one prototype first, with X."]
    press(gallery, "X")
    qtbot.waitUntil(lambda: screen.outcome is not None, timeout=30_000)
    press(gallery, "Return")
    assert screen.reason.hasFocus()
    press(gallery, "Return")
    assert said[-1] == "Give a reason first"
    press(gallery, "Escape")
    assert not screen.reason.hasFocus()
    press(gallery, "Return")
    qtbot.keyClicks(screen.reason, "vessel")
    press(gallery, "Return")
    wait_for_revision(qtbot, gallery, before[1:])
    assert not screen.reason.hasFocus()
    press(gallery, "Ctrl+Z")
    wait_for_revision(qtbot, gallery, before)
