"""Review with real events: what the widgets show is what the network computed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.views.main_window.window import MainWindow
from app.widgets.explain.evidence_model import Column
from app.widgets.explain.numbers import read_number
from core.domain.opinion import Verdict
from core.domain.vocabulary import Part
from core.store.study import Study
from core.tasks.readers.opinions import opinions_of
from core.training.inference import infer_one
from tests.app.screens.conftest import wait_for_case, wait_for_model

ROUNDING = 0.0005
"""Of a number with three digits."""


def number_of(text: str) -> float:
    return read_number(text.removeprefix("× ").removeprefix("= "))


def forward(window: MainWindow, lesion_id: str) -> tuple[np.ndarray, float]:
    """Logits and malignancy logit of the lesion, by the network itself."""
    model = window.desk.model
    assert model is not None
    opened = model.opened
    found = infer_one(opened.model.network, opened.rois, opened.row_of(lesion_id))
    return found.logits[0].numpy().astype(float), float(found.malignancy.reshape(-1)[0])


def cell(window: MainWindow, row: int, column: Column) -> str:
    table = window.review.tabs.evidence
    return str(table.model().index(row, column).data())


def test_the_numbers_of_the_rows_add_up_to_the_logit_of_the_forward_pass(qtbot: QtBot, opened: MainWindow) -> None:
    lesion = wait_for_case(qtbot, opened)
    logits, _ = forward(opened, lesion)
    review = opened.review
    rows = review.tabs.evidence.model().rowCount()
    assert rows == 6
    similarities = [number_of(cell(opened, r, Column.SIMILARITY)) for r in range(rows)]
    weights = [number_of(cell(opened, r, Column.WEIGHT)) for r in range(rows)]
    contributions = [number_of(cell(opened, r, Column.CONTRIBUTION)) for r in range(rows)]
    running = [number_of(cell(opened, r, Column.RUNNING)) for r in range(rows)]
    assert sum(contributions) == pytest.approx(logits.max(), abs=rows * ROUNDING)
    assert running == pytest.approx(np.cumsum(contributions), abs=rows * ROUNDING)
    assert running[-1] == pytest.approx(logits.max(), abs=ROUNDING + 1e-5)
    largest = max(map(abs, [*similarities, *weights]))
    assert np.multiply(similarities, weights) == pytest.approx(contributions, abs=3 * largest * ROUNDING)
    scores = [line.score.value() for line in review.verdict.lines]
    assert scores == pytest.approx(logits, abs=ROUNDING + 1e-5)


def test_why_not_malignancy_and_all_prototypes_add_up(qtbot: QtBot, opened: MainWindow) -> None:
    logits, malignancy = forward(opened, wait_for_case(qtbot, opened))
    tabs = opened.review.tabs
    tabs.setCurrentIndex(1)
    assert tabs.other.count() == len(logits) - 1
    for place in range(tabs.other.count()):
        tabs.other.setCurrentIndex(place)
        sums = tabs.difference.sums
        column = sums.columnCount() - 2
        shares = [number_of(str(sums.index(r, column).data())) for r in range(sums.rowCount())]
        expected = logits.max() - logits[tabs.other.itemData(place)]
        assert shares[-1] == pytest.approx(expected, abs=ROUNDING + 1e-5)
        assert sum(shares[:-1]) == pytest.approx(expected, abs=len(shares) * ROUNDING)
    tabs.setCurrentIndex(3)
    table, names = tabs.everything, len(logits)
    texts = [[table.item(r, c).text() for c in range(2, 2 + names)] for r in range(table.rowCount())]
    last = [read_number(text) for text in texts[-1]]
    assert last == pytest.approx(logits, abs=ROUNDING + 1e-5)
    parts = np.array([[read_number(text) for text in row] for row in texts[:6]])
    assert parts.sum(axis=0) == pytest.approx(logits, abs=6 * ROUNDING)
    model = opened.desk.model
    assert model is not None
    if model.opened.model.network.malignancy.weight.any():
        tabs.setCurrentIndex(2)
        sums = tabs.malignancy.sums
        column = sums.columnCount() - 2
        shares = [number_of(str(sums.index(r, column).data())) for r in range(sums.rowCount())]
        assert shares[-1] == pytest.approx(malignancy, abs=ROUNDING + 1e-5)
        assert sum(shares[:-1]) == pytest.approx(malignancy, abs=len(shares) * ROUNDING)


def test_a_prototype_that_is_switched_off_is_hypothetical_and_can_be_taken_back(
    qtbot: QtBot, opened: MainWindow
) -> None:
    wait_for_case(qtbot, opened)
    review = opened.review
    model = review.tabs.evidence.model()
    before = [line.score.value() for line in review.verdict.lines]
    assert review.verdict.hypothetical.isHidden()
    row = review.tabs.evidence.evidence.lines[0].shown.row
    assert model.setData(model.index(0, Column.PROTOTYPE), Qt.CheckState.Unchecked, Qt.ItemDataRole.CheckStateRole)
    after = [line.score.value() for line in review.verdict.lines]
    assert after == pytest.approx(np.array(before) - row.contributions, abs=2 * ROUNDING)
    assert review.verdict.hypothetical.isVisible()
    qtbot.mouseClick(review.verdict.reset, Qt.MouseButton.LeftButton)
    assert [line.score.value() for line in review.verdict.lines] == before
    assert review.verdict.hypothetical.isHidden()


def test_a_score_that_is_typed_moves_the_probabilities(qtbot: QtBot, opened: MainWindow) -> None:
    wait_for_case(qtbot, opened)
    verdict = opened.review.verdict
    last = verdict.lines[2]
    last.score.setFocus()
    last.score.selectAll()
    qtbot.keyClicks(last.score, opened.locale().toString(50.0, "f", 3))
    qtbot.keyClick(last.score, Qt.Key.Key_Return)
    assert verdict.hypothetical.isVisible()
    assert verdict.lines[2].percent.text() in (">99%", "100%")


def test_hovering_a_row_shows_its_overlay_large_with_a_linked_crosshair(qtbot: QtBot, opened: MainWindow) -> None:
    wait_for_case(qtbot, opened)
    table, roi = opened.review.tabs.evidence, opened.review.roi
    index = table.model().index(2, Column.ACTIVATION)
    centre = table.visualRect(index).center()
    qtbot.mouseMove(table.viewport(), centre + QPoint(1, 0))
    qtbot.mouseMove(table.viewport(), centre)
    qtbot.waitUntil(lambda: roi.row == table.evidence.lines[2].shown.row.index)
    side = opened.review.roi._pictures.side  # type: ignore[union-attr]
    assert roi._cross is not None
    assert (roi._cross.x(), roi._cross.y()) == pytest.approx((side / 2, side / 2), abs=3)


def test_hovering_a_line_of_a_sum_shows_its_overlay_too(qtbot: QtBot, opened: MainWindow) -> None:
    wait_for_case(qtbot, opened)
    tabs, roi = opened.review.tabs, opened.review.roi
    tabs.setCurrentIndex(1)
    for table in (tabs.difference, tabs.everything):
        tabs.setCurrentIndex(1 if table is tabs.difference else 3)
        for row in (3, 1):
            place = table.visualRect(table.model().index(row, 0)).center()
            qtbot.mouseMove(table.viewport(), place + QPoint(1, 0))
            qtbot.mouseMove(table.viewport(), place)
            wanted = tabs.difference.sums.lines[row].row if table is tabs.difference else row
            qtbot.waitUntil(lambda wanted=wanted: roi.row == wanted)  # type: ignore[misc]


def test_what_is_supposed_is_marked_wherever_its_numbers_are_not_shown(qtbot: QtBot, opened: MainWindow) -> None:
    wait_for_case(qtbot, opened)
    tabs = opened.review.tabs
    tabs.setCurrentIndex(1)
    assert not tabs.unchanged[0].isVisible()
    tabs.switched.emit(0, False)
    assert tabs.unchanged[0].isVisible()
    tabs.setCurrentIndex(0)
    assert "HYPOTHETICAL" in tabs.total.text()


def test_the_readers_own_call_comes_first_and_is_kept(qtbot: QtBot, opened: MainWindow, own_study: Path) -> None:
    wait_for_case(qtbot, opened)
    review = opened.review
    review.ask_first.setChecked(True)
    lesion = review.cases.lesion_id
    assert review.right.currentWidget() is review.ask
    assert not review.verdict.isVisible()
    assert review.ask.words is not None
    qtbot.mouseClick(review.ask.words.chips["indistinct"], Qt.MouseButton.LeftButton)
    QTest.keyClick(review.ask.probability, "7")
    qtbot.mouseClick(review.ask.done, Qt.MouseButton.LeftButton)
    assert review.right.currentWidget() is not review.ask
    assert review.cases.lesion_id == lesion
    reader = opened.session.reader
    assert reader is not None
    own = opened.session.study.reviews.readings_of_reader(reader.id)[lesion]
    assert (own.word, own.probability_of_malignancy) == ("indistinct", 0.7)
    assert opened.session.study.lesions.labels(lesion, reader_id=reader.id) is None, "a reading is no label"
    assert review.verdict.reader.isVisible()
    assert review.verdict.reader.text() == "You say indistinct, malignant with 70%"


def test_an_opinion_is_kept_in_the_audit_trail_and_filters_the_list(qtbot: QtBot, opened: MainWindow) -> None:
    lesion = wait_for_case(qtbot, opened)
    review, model = opened.review, opened.desk.model
    assert model is not None
    qtbot.keyClicks(review.opinions.comment, "looks at the vessel")
    qtbot.mouseClick(review.opinions.buttons[Verdict.WRONG_REGION], Qt.MouseButton.LeftButton)
    [given] = opinions_of(opened.session.study, model.run)[lesion]
    assert (given.opinion.verdict, given.opinion.comment) == (Verdict.WRONG_REGION, "looks at the vessel")
    assert "looks at the vessel" in review.opinions.past.text()
    assert opened.session.study.audit.verify().good
    choose(review.cases.which, "said: wrong region")
    assert [case.lesion_id for case in review.cases.cases.cases] == [lesion]


def choose(box: object, text: str) -> None:
    box.setCurrentIndex(box.findText(text))  # type: ignore[attr-defined]


def test_the_list_is_sorted_by_what_is_worth_a_look(qtbot: QtBot, opened: MainWindow) -> None:
    wait_for_case(qtbot, opened)
    cases = opened.review.cases
    assert {case.part for case in cases.cases.cases} == {Part.TEST.value}
    choose(cases.which, "all lesions")
    names = cases.cases.class_names
    shares = [
        float(case.probabilities[names.index(case.label)])
        for case in cases.cases.cases
        if case.probabilities is not None and case.label in names
    ]
    assert shares == sorted(shares)
    choose(cases.order, "low evidence")
    evidence = [case.evidence for case in cases.cases.cases if case.evidence is not None]
    assert evidence == sorted(evidence)


@pytest.mark.parametrize("suffix", ["html", "pdf", "png"])
def test_a_page_is_exported(qtbot: QtBot, opened: MainWindow, tmp_path: Path, suffix: str) -> None:
    lesion = wait_for_case(qtbot, opened)
    path = tmp_path / f"page.{suffix}"
    opened.review.export_to(path)
    qtbot.waitUntil(path.exists, timeout=20_000)
    content = path.read_bytes()
    starts = {"html": b"<!", "pdf": b"%PDF", "png": b"\x89PNG"}
    assert content.lower().startswith(starts[suffix].lower())
    if suffix == "html":
        study = opened.session.study
        patient = study.patients.get(study.images.get(study.lesions.get(lesion).image_id).patient_id)
        assert patient.pseudonym.encode() not in content


def test_an_opening_says_what_it_does_and_can_be_stopped(
    qtbot: QtBot, window: MainWindow, own_study: Path
) -> None:
    window.open_study(own_study)
    said: list[str] = []
    window.desk.opening.connect(lambda progress: said.append(progress.stage))
    window.actions_["workspace.review"].trigger()
    notice = window.review.notice
    assert notice.button.isVisible()
    qtbot.mouseClick(notice.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.desk.was_stopped, timeout=60_000)
    assert not window.desk.problem
    assert window.review.pages.currentWidget() is notice
    assert notice.text == "You stopped it."
    qtbot.mouseClick(notice.button, Qt.MouseButton.LeftButton)
    wait_for_model(qtbot, window)
    assert said[-1] == "the list of lesions"
    wait_for_case(qtbot, window)


def test_a_damaged_checkpoint_is_one_sentence_in_place(qtbot: QtBot, window: MainWindow, own_study: Path) -> None:
    with Study.open(own_study) as study:
        [run] = study.runs.all()
        weights = next((own_study / run.folder / "model").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:1000])
    window.open_study(own_study)
    window.actions_["workspace.review"].trigger()
    qtbot.waitUntil(lambda: bool(window.desk.problem), timeout=60_000)
    assert window.review.pages.currentWidget() is window.review.notice
    said = window.review.notice.text
    assert said == window.desk.problem
    assert "Traceback" not in said
    assert said.endswith(".")


def test_a_prototype_whose_source_patient_was_removed_is_said_and_the_rest_works(
    qtbot: QtBot, window: MainWindow, own_study: Path
) -> None:
    from core.model.checkpoint import load_model

    with Study.open(own_study) as study:
        [run] = study.runs.all()
        source = load_model(own_study / run.folder / "model").card.prototypes[0].lesion_id
        study.remove_patient(study.images.get(study.lesions.get(source).image_id).patient_id)
    window.open_study(own_study)
    window.actions_["workspace.review"].trigger()
    wait_for_model(qtbot, window)
    model = window.desk.model
    assert model is not None
    assert model.patches == ()
    assert source in model.no_patches
    assert window.review.missing.isVisible()
    assert window.review.missing.text() == model.no_patches
    wait_for_case(qtbot, window)
    assert window.review.tabs.evidence.model().rowCount() == 6


def test_without_a_run_the_page_says_what_to_do(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    Study.create(tmp_path / "empty", name="Empty", synthetic=True).close()
    window.open_study(tmp_path / "empty")
    window.actions_["workspace.review"].trigger()
    qtbot.waitUntil(lambda: "trained" in window.review.notice.text)


def refused_model(qtbot: QtBot, window: MainWindow, study: Path) -> str:
    """What stands in the place of the model."""
    window.open_study(study)
    window.actions_["workspace.review"].trigger()
    qtbot.waitUntil(lambda: bool(window.desk.problem), timeout=60_000)
    assert window.review.pages.currentWidget() is window.review.notice
    return window.review.notice.text


def test_a_model_of_another_class_list_is_one_sentence_in_place(
    qtbot: QtBot, window: MainWindow, own_study: Path
) -> None:
    with Study.open(own_study) as study:
        [run] = study.runs.all()
    request = own_study / run.folder / "request.json"
    request.write_text(request.read_text("utf-8").replace('"indistinct"', '"obscured"'), "utf-8")
    said = refused_model(qtbot, window, own_study)
    assert said.startswith("The model of run tiny knows the classes circumscribed, indistinct, spiculated, but")
    assert said.endswith("train again.")


def test_a_lesion_outside_the_image_says_so_in_place_and_the_others_are_explained(
    qtbot: QtBot, window: MainWindow, own_study: Path
) -> None:
    from core.domain.geometry import Box
    from core.domain.shapes import Rectangle

    with Study.open(own_study) as study:
        lesion = study.lesions.all()[0].id
        study.lesions.set_outline(lesion, Rectangle(box=Box(x0=9000, y0=9000, x1=9100, y1=9100)))
    window.open_study(own_study)
    window.actions_["workspace.review"].trigger()
    wait_for_model(qtbot, window)
    review = window.review
    choose(review.cases.which, "all lesions")
    wait_for_case(qtbot, window)
    review.cases.choose(lesion)
    qtbot.waitUntil(lambda: review.right.currentWidget() is review.case_notice)
    assert review.case_notice.text == (
        f"Lesion {lesion[:8]} cannot be explained: its outline lies outside the image. Draw its outline again in "
        "Annotate."
    )
    review.cases.choose(next(case.lesion_id for case in review.cases.cases.cases if case.lesion_id != lesion))
    wait_for_case(qtbot, window)
    assert review.right.currentWidget() is not review.case_notice


def test_a_model_of_another_study_is_one_sentence_in_place(
    qtbot: QtBot, window: MainWindow, own_study: Path
) -> None:
    from core.model.checkpoint import load_model, save_model

    with Study.open(own_study) as study:
        [run] = study.runs.all()
    folder = own_study / run.folder / "model"
    other = load_model(folder)
    save_model(folder, other.network, msgspec.structs.replace(other.card, data_fingerprint="of another study"))
    said = refused_model(qtbot, window, own_study)
    assert said.startswith("The model in the folder of run tiny was trained on other data than the run")
    assert said.endswith("train again.")
