"""Every screen of the window in the states that a study with a model has: to be measured or photographed."""

from __future__ import annotations

from collections.abc import Callable

from app.views.main_window.window import MainWindow
from app.widgets.rail import WORKSPACES
from tests.app.all_dialogs import Until, Visit
from tests.e2e.steps import click

_ANNOTATOR = "A"


def visit_plain_screens(window: MainWindow, visit: Visit) -> None:
    """The four screens as a study without a model shows them."""
    for name in WORKSPACES:
        window.actions_[f"workspace.{name}"].trigger()
        visit(name, window)


def visit_screens(window: MainWindow, visit: Visit, until: Until) -> None:
    """Go through the screens of the open study, which has a model; nothing in the study changes but readings."""
    until(lambda: window.annotate.shown is not None)
    _visit_annotate(window, visit, until)
    _visit_train(window, visit, until)
    _visit_review(window, visit, until)
    _visit_prototypes(window, visit, until)
    _visit_reader_study(window, visit, until)


def _visit_annotate(window: MainWindow, visit: Visit, until: Until) -> None:
    act, panel = window.actions_, window.annotate.panel
    act["workspace.annotate"].trigger()
    visit("annotate", window)
    act["view.lesion"].trigger()
    act["tool.freehand"].trigger()
    act["view.mask"].trigger()
    panel.form.focus_on("category")
    visit("annotate-labelling", window)
    bar = panel.verticalScrollBar()
    bar.setValue(bar.maximum())
    visit("annotate-history", window)
    act["view.mask"].trigger()
    for name in ("views", "four", "prior", "single"):
        act[f"hanging.{name}"].trigger()
        views = window.annotate.wall.hanging_view
        until(_pictures_of(views))
        visit(f"annotate-hanging-{name}", window)


def _pictures_of(hanging: object) -> Callable[[], bool]:
    return lambda: all(view.picture is not None for view in hanging.views)  # type: ignore[attr-defined]


def _visit_train(window: MainWindow, visit: Visit, until: Until) -> None:
    train = window.train
    window.actions_["workspace.train"].trigger()
    until(lambda: train.plan.data.table.rowCount() > 0)
    visit("train-plan", window)
    until(lambda: train.runs.table.rowCount() > 0)
    train.runs.table.selectRow(0)
    for place, name in ((1, "deviations"), (2, "advanced")):
        train.plan.tabs.setCurrentIndex(place)
        visit(f"train-{name}", window)
    train.plan.tabs.setCurrentIndex(0)
    visit("train-run", window)


def _visit_review(window: MainWindow, visit: Visit, until: Until) -> None:
    review = window.review
    window.actions_["workspace.review"].trigger()
    until(lambda: window.desk.model is not None and bool(review.cases.lesion_id))
    until(lambda: review.lesion_shown == review.cases.lesion_id)
    review.ask_first.setChecked(True)
    visit("review-blind", window)
    review.ask_first.setChecked(False)
    until(lambda: not review.work.is_blind)
    for place, name in enumerate(("why", "why-not", "malignancy", "all", "what-if")):
        review.tabs.setCurrentIndex(place)
        visit(f"review-{name}", window)
    review.switch_chosen()
    visit("review-hypothetical", window)
    review._reset()
    review.tabs.setCurrentIndex(0)


def _visit_prototypes(window: MainWindow, visit: Visit, until: Until) -> None:
    screen = window.prototypes
    window.actions_["workspace.prototypes"].trigger()
    until(lambda: window.desk.surveyed_model is not None)
    visit("prototypes", window)
    screen.grid.tick(frozenset({next(iter(screen.grid.cards))}))
    until(lambda: screen.outcome is not None)
    visit("prototypes-marked", window)
    screen.tabs.setCurrentWidget(screen.revisions)
    visit("prototypes-revisions", window)
    screen.tabs.setCurrentWidget(screen.detail)
    window.actions_["prototypes.enlarge"].trigger()
    visit("prototypes-loupe", window)
    window.actions_["prototypes.enlarge"].trigger()
    screen.grid.tick(frozenset())


def _visit_reader_study(window: MainWindow, visit: Visit, until: Until) -> None:
    review = window.review
    if window.session.reader is None:
        window.session.sign_in(_ANNOTATOR)
    window.actions_["workspace.review"].trigger()
    review.study_button.click()
    reading = review.reading
    assert reading is not None
    reading.resize(window.size())
    visit("reader-study", reading)
    reading.setup.name.setText("pilot")
    reading.setup.most.setValue(1)
    reading.setup.make.click()
    until(lambda: reading.pages.currentWidget() is reading._reading)
    visit("reader-study-alone", reading)
    for name, trust in (("with-model", ""), ("results", "2")):
        reading.answer.margins.choose("circumscribed")
        click(reading.answer.probability, reading.answer.probability.place_of(30).toPoint())
        if trust:
            reading.answer.trusts.choose(trust)
        reading.answer.next.click()
        visit(f"reader-study-{name}", reading)
    reading.close()
