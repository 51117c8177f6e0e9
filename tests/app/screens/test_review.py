"""Review with real events: what the widgets show is what the network computed."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PySide6.QtCore import QPoint, QRectF, Qt
from pytestqt.qtbot import QtBot

from app.views.main_window.window import MainWindow
from app.widgets.explain.evidence import EvidenceLine
from app.widgets.explain.numbers import read_number
from core.domain.vocabulary import Part
from core.store.database import now_utc
from core.store.study import Study
from core.training.inference import infer_one
from tests.app.screens.conftest import press, wait_for_case, wait_for_model

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


def lines_of(window: MainWindow) -> tuple[EvidenceLine, ...]:
    return window.review.answer.strip.strip.lines


def test_the_numbers_of_the_tiles_add_up_to_the_logit_of_the_forward_pass(
    qtbot: QtBot, opened: MainWindow
) -> None:
    lesion = wait_for_case(qtbot, opened)
    logits, _ = forward(opened, lesion)
    review, lines = opened.review, lines_of(opened)
    assert len(lines) == 6
    texts = [review.answer.strip.strip.index(i).data(Qt.ItemDataRole.AccessibleTextRole) for i in range(6)]
    numbers = [re.search(r": (\S+) × (\S+) = (\S+)\n.* (\S+)\n", text) for text in texts]
    shown = np.array([[read_number(part) for part in found.groups()] for found in numbers if found])
    similarities, weights, contributions, running = shown.T
    assert contributions.sum() == pytest.approx(logits.max(), abs=6 * ROUNDING)
    assert running == pytest.approx(np.cumsum(contributions), abs=6 * ROUNDING)
    assert running[-1] == pytest.approx(logits.max(), abs=ROUNDING + 1e-5)
    largest = np.abs(shown[:, :2]).max()
    assert similarities * weights == pytest.approx(contributions, abs=3 * largest * ROUNDING)
    scores = [line.score.value() for line in review.tabs.what_if.lines]
    assert scores == pytest.approx(logits, abs=ROUNDING + 1e-5)
    assert f"{logits.max():.3f}".replace("-", "−") in review.answer.total.text()


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


def test_a_prototype_that_is_left_out_is_hypothetical_and_can_be_taken_back(
    qtbot: QtBot, opened: MainWindow
) -> None:
    wait_for_case(qtbot, opened)
    review = opened.review
    panel, strip = review.tabs.what_if, review.answer.strip
    before = [line.score.value() for line in panel.lines]
    row = lines_of(opened)[0].shown.row
    tick = strip.tick_area(QRectF(strip.visualRect(strip.strip.index(0)))).center().toPoint()
    qtbot.mouseClick(strip.viewport(), Qt.MouseButton.LeftButton, pos=tick)
    after = [line.score.value() for line in panel.lines]
    assert after == pytest.approx(np.array(before) - row.contributions, abs=2 * ROUNDING)
    assert "HYPOTHETICAL" in review.work.voices.model.name.text()
    assert "HYPOTHETICAL" in review.answer.total.text()
    assert panel.hypothetical.isVisibleTo(panel)
    press(opened, "W")
    assert review.tabs.currentWidget().isAncestorOf(panel)
    qtbot.mouseClick(panel.reset, Qt.MouseButton.LeftButton)
    assert [line.score.value() for line in panel.lines] == before
    assert "HYPOTHETICAL" not in review.work.voices.model.name.text()


def test_a_score_that_is_typed_moves_the_probabilities(qtbot: QtBot, opened: MainWindow) -> None:
    wait_for_case(qtbot, opened)
    press(opened, "W")
    panel = opened.review.tabs.what_if
    last = panel.lines[2]
    last.score.setFocus()
    last.score.selectAll()
    qtbot.keyClicks(last.score, opened.locale().toString(50.0, "f", 3))
    qtbot.keyClick(last.score, Qt.Key.Key_Return)
    assert panel.hypothetical.isVisible()
    assert panel.lines[2].percent.text() in (">99%", "100%")


def test_the_cursor_the_zoom_and_the_place_of_both_pictures_are_linked(qtbot: QtBot, opened: MainWindow) -> None:
    wait_for_case(qtbot, opened)
    lesion, source = opened.review.pair.lesion.view, opened.review.pair.source.view
    qtbot.waitUntil(lambda: lesion.is_mammogram and source.is_mammogram)
    assert lesion.input_sight.zoom == pytest.approx(source.input_sight.zoom)
    place = QPoint(lesion.width() // 3, lesion.height() // 2)
    qtbot.mouseMove(lesion, place + QPoint(1, 0))
    qtbot.mouseMove(lesion, place)
    qtbot.waitUntil(lambda: source.map.cross is not None)
    assert lesion.map.cross is not None and source.map.cross is not None
    assert (source.map.cross.x(), source.map.cross.y()) == (lesion.map.cross.x(), lesion.map.cross.y())
    before = lesion.input_sight.zoom
    press(opened, "+")
    press(opened, "+")
    assert lesion.input_sight.zoom > 1.5 * before
    assert source.input_sight.zoom == pytest.approx(lesion.input_sight.zoom)
    source.pan_by(30, -20)
    assert lesion.input_sight.centre == pytest.approx(source.input_sight.centre)
    press(opened, "F")
    assert lesion.input_sight.zoom == pytest.approx(before)


def test_the_whole_mammogram_is_a_key_away_and_a_window_of_its_own_opens_at_the_lesion(
    qtbot: QtBot, opened: MainWindow
) -> None:
    wait_for_case(qtbot, opened)
    lesion = opened.review.pair.lesion.view
    qtbot.waitUntil(lambda: lesion.is_mammogram)
    assert lesion.picture is not None and lesion.display is not None
    shown = lesion.viewport.visible
    assert shown.intersection(lesion.picture.box) != lesion.picture.box
    assert lesion.display.voi.explanation == "window of the lesion"
    press(opened, "M")
    whole = lesion.picture.breast or lesion.picture.box
    assert lesion.viewport.visible.intersection(whole) == whole, "the air beside the breast may be cut"
    press(opened, "M")
    assert lesion.viewport.visible.centre == pytest.approx(shown.centre)
    press(opened, "I")
    assert lesion.display.inverted and opened.review.pair.source.view.display.inverted  # type: ignore[union-attr]


def test_arrows_choose_the_prototype_and_its_lesion_stands_beside(qtbot: QtBot, opened: MainWindow) -> None:
    wait_for_case(qtbot, opened)
    review, lines = opened.review, lines_of(opened)
    assert review.pair.lesion.row == lines[0].index
    for place in (1, 2, 1):
        press(opened, "Right" if place > 1 or review.pair.lesion.row == lines[0].index else "Left")
        assert review.pair.lesion.row == lines[place].index
        assert f"Prototype {lines[place].shown.row.number}," in review.pair.source.head.sentence
        assert review.pair.source.view.picture is not None


def test_the_scale_of_the_prototypes_own_map_is_chosen_and_named(qtbot: QtBot, opened: MainWindow) -> None:
    wait_for_case(qtbot, opened)
    source, patch = opened.review.pair.source, lines_of(opened)[0].patch
    assert patch is not None and opened.review.pair.pictures is not None
    values = patch.patch.activation
    assert source.ends() == pytest.approx((values.min(), np.quantile(values, 0.98)))
    source.scale.setCurrentIndex(1)
    assert source.ends() == (0.0, opened.review.pair.pictures.panel.highest)
    source.scale.setCurrentIndex(2)
    assert source.ends() == pytest.approx((0.0, values.max()))
    assert source.bar.ends == ("0.00", f"{values.max():.2f}")


def test_hovering_a_line_of_a_sum_shows_its_overlay_too(qtbot: QtBot, opened: MainWindow) -> None:
    wait_for_case(qtbot, opened)
    tabs, roi = opened.review.tabs, opened.review.pair.lesion
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
    opened.review.answer.strip.switched.emit(0, False)
    assert tabs.unchanged[0].isVisible()
    tabs.setCurrentIndex(0)
    assert "HYPOTHETICAL" in opened.review.answer.total.text()


def choose(box: object, text: str) -> None:
    box.setCurrentIndex(box.findText(text))  # type: ignore[attr-defined]


def test_the_list_is_sorted_by_what_is_worth_a_look(qtbot: QtBot, opened: MainWindow) -> None:
    wait_for_case(qtbot, opened)
    cases = opened.review.cases
    assert cases.order.currentText() == "disagreement"
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
    opened.review.export.write(path)
    qtbot.waitUntil(path.exists, timeout=20_000)
    content = path.read_bytes()
    starts = {"html": b"<!", "pdf": b"%PDF", "png": b"\x89PNG"}
    assert content.lower().startswith(starts[suffix].lower())
    if suffix == "html":
        study = opened.session.study
        patient = study.patients.get(study.images.get(study.lesions.get(lesion).image_id).patient_id)
        text = content.decode()
        assert patient.pseudonym in text and "Model tiny" in text and now_utc()[:10] in text
        assert "Data set:" in text


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
    assert len(lines_of(window)) == 6
    assert "not shared" in window.review.pair.source.view.message


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
    assert said.startswith("The model of run tiny has the classes circumscribed, indistinct, spiculated, but")
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
    qtbot.waitUntil(lambda: review.pages_of_case.currentWidget() is review.case_notice)
    assert review.case_notice.text == (
        f"Lesion {lesion[:8]} cannot be explained: its outline lies outside the image. Draw its outline again in "
        "Annotate."
    )
    review.cases.choose(next(case.lesion_id for case in review.cases.cases.cases if case.lesion_id != lesion))
    wait_for_case(qtbot, window)
    assert review.pages_of_case.currentWidget() is not review.case_notice


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
