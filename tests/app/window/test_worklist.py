"""The worklist: what the queries find, and a hundred thousand lesions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.models.worklist import ROW_ROLE
from app.state.preferences import show_others_first
from app.views.main_window.window import MainWindow
from core.domain.shapes import circle
from core.domain.study import Labels, Split
from core.domain.vocabulary import MarginType, Part
from core.store.study import Study
from core.store.worklist import WorklistFilter, WorklistOrder, WorklistProgress, WorklistQuery
from tests.app.studies import make_large_study
from tests.app.window.conftest import make_study, wait_for_picture


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    with Study.open(make_study(tmp_path / "study", patients=3)) as opened:
        yield opened


def found(study: Study, **query: object) -> list[str]:
    """Image id, and "+" where the entry is a lesion."""
    asked = WorklistQuery(**query)  # type: ignore[arg-type]
    rows = study.worklist.rows(study.worklist.keys(asked)[:], reader_id=asked.reader_id)
    return [f"{row.image_id}{'+' if row.lesion_id else ''}" for row in rows if row is not None]


def test_entries_are_lesions_and_images_without_one_in_the_order_of_entry(study: Study) -> None:
    assert found(study) == [
        "patient0-CC+", "patient0-MLO+", "patient1-CC+", "patient1-MLO+", "patient2-CC+", "patient2-MLO",
    ]  # fmt: skip


def test_filters_go_by_what_the_reader_did(study: Study) -> None:
    me, other = study.readers.ensure("me").id, study.readers.ensure("other").id
    study.annotations.commit("lesion-patient1-CC", me, (circle((150, 240), 9),))
    study.annotations.commit("lesion-patient1-MLO", me, (circle((150, 240), 9),))
    study.annotations.commit("lesion-patient1-MLO", me, ())
    study.annotations.commit("lesion-patient2-CC", other, (circle((150, 240), 9),))
    study.lesions.set_labels("lesion-patient0-CC", Labels(flagged=True), reader_id=me)
    assert found(study, reader_id=me, only=WorklistFilter.MINE) == ["patient0-CC+", "patient1-CC+"]
    assert "patient1-CC+" not in found(study, reader_id=me, only=WorklistFilter.UNANNOTATED)
    assert "patient1-MLO+" in found(study, reader_id=me, only=WorklistFilter.UNANNOTATED)
    assert found(study, reader_id=me, only=WorklistFilter.FLAGGED) == ["patient0-CC+"]
    assert found(study, reader_id=me, only=WorklistFilter.UNLABELLED) == [
        "patient1-CC+", "patient1-MLO+", "patient2-CC+",
    ]  # fmt: skip
    progress = study.worklist.progress(reader_id=me)
    assert progress == WorklistProgress(lesions=5, annotated=1, labelled=0, images=6)


def test_a_search_finds_every_word_and_parts_of_a_split_are_kept_apart(study: Study) -> None:
    assert found(study, text="p001 mlo") == ["patient1-MLO+"]
    assert found(study, text="100%") == []
    parts = {"patient0": Part.TRAINING, "patient1": Part.TEST, "patient2": Part.TRAINING}
    study.splits.add(Split(id="s", name="default", seed=1, parts=parts))
    assert found(study, split_id="s", part=Part.TEST) == ["patient1-CC+", "patient1-MLO+"]


def test_orders(study: Study) -> None:
    assert found(study, order=WorklistOrder.NEWEST)[0] == "patient2-MLO"
    by_margin = found(study, order=WorklistOrder.MARGIN)
    assert by_margin[:2] == ["patient0-CC+", "patient0-MLO+"]


def test_keys_page_through_cases_and_to_the_next_open_one(qtbot: QtBot, opened: MainWindow) -> None:
    session = opened.session
    qtbot.keyClick(opened.annotate.view, Qt.Key.Key_PageDown)
    wait_for_picture(qtbot, opened)
    assert session.image_id == "patient0-MLO"
    qtbot.keyClick(opened.annotate.view, Qt.Key.Key_PageUp)
    wait_for_picture(qtbot, opened)
    assert session.image_id == "patient0-CC"
    qtbot.keyClick(opened.annotate.view, Qt.Key.Key_V)
    wait_for_picture(qtbot, opened)
    assert session.image_id == "patient0-MLO"
    session.set_labels(session.lesion_id or "", Labels(margin=MarginType.OBSCURED))
    row = opened.annotate.worklist.model.row_at(1)
    assert row is not None and row.margin is MarginType.OBSCURED


@pytest.mark.parametrize("many", [12_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_very_many_lesions_are_listed_filtered_and_scrolled(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, many: int
) -> None:
    make_large_study(tmp_path / "large", None, lesions=many)
    window.open_study(tmp_path / "large")
    panel = window.annotate.worklist
    qtbot.waitUntil(lambda: panel.model.rowCount() == many, timeout=20_000)
    for row in (0, many // 2, many - 1):
        panel.list.scrollTo(panel.model.index(row, 0))
        shown = panel.model.row_at(row)
        assert shown is not None and shown.lesion_id == f"lesion{row}"
    # what is painted after a leap is read beside the window, and comes
    for row in (many // 5, many // 4):
        # the first two pages of an answer are read at once
        panel.model.data(panel.model.index(row, 0), ROW_ROLE)
    leap = panel.model.index(many // 3, 0)
    panel.list.scrollTo(leap)
    assert panel.model.data(leap, ROW_ROLE) is None
    with qtbot.waitSignal(panel.model.dataChanged, timeout=20_000):
        panel.list.viewport().repaint()
    assert panel.model.data(leap, ROW_ROLE) == panel.model.row_at(many // 3)
    panel.search.setText("P0000123")
    qtbot.waitUntil(lambda: panel.model.rowCount() == 4, timeout=20_000)
    panel.search.clear()
    panel.only.setCurrentIndex(panel.only.findData(WorklistFilter.UNLABELLED.value))
    # the reader has labelled none; what the data set says counts where it is shown before
    qtbot.waitUntil(lambda: panel.model.rowCount() == many, timeout=20_000)
    show_others_first(True)
    panel.show_whose_labels()
    qtbot.waitUntil(lambda: panel.model.rowCount() == many // 4, timeout=20_000)
    qtbot.waitUntil(lambda: not panel.model.busy)


def test_most_useful_first_without_a_model_is_a_random_order_and_says_so(qtbot: QtBot, opened: MainWindow) -> None:
    said: list[str] = []
    opened.workspaces.refused.connect(said.append)
    worklist = opened.annotate.worklist
    worklist.order.setCurrentIndex(worklist.order.findData(WorklistOrder.RANKING.value))
    qtbot.waitUntil(lambda: bool(worklist.model.reasons) and not worklist.model.busy)
    assert "No model has been trained yet" in said[-1]
    assert set(worklist.model.reasons.values()) == {"drawn at random"}


def test_enter_in_the_search_opens_the_first_hit_and_esc_shows_everything(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    make_large_study(tmp_path / "study", None, lesions=12)
    window.open_study(tmp_path / "study")
    panel = window.annotate.worklist
    qtbot.waitUntil(lambda: panel.model.rowCount() == 12 and window.session.image_id is not None)
    last = panel.model.row_at(11)
    assert last is not None and window.session.image_id != last.image_id
    panel.search.setFocus()
    qtbot.keyClicks(panel.search, last.pseudonym)
    qtbot.keyClick(panel.search, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.session.image_id == panel.model.row_at(0).image_id != "image0")
    assert panel.model.row_at(0).pseudonym == last.pseudonym
    shown = window.session.image_id
    panel.search.setFocus()
    qtbot.keyClick(panel.search, Qt.Key.Key_Escape)
    assert panel.search.text() == "" and not panel.search.hasFocus()
    qtbot.waitUntil(lambda: panel.model.rowCount() == 12)
    assert window.session.image_id == shown


def test_a_step_beyond_the_list_and_to_a_case_that_is_not_there_is_said(qtbot: QtBot, opened: MainWindow) -> None:
    said: list[str] = []
    opened.workspaces.refused.connect(said.append)
    opened.actions_["case.previous"].trigger()
    assert said == ["This is the first case of the list."]
    panel = opened.annotate.worklist
    for _ in range(panel.model.rowCount()):
        opened.actions_["case.next"].trigger()
    assert said[1] == "This was the last case of the list."


def test_where_nothing_is_left_to_annotate_the_key_for_the_next_one_says_so(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    with Study.open(make_study(tmp_path / "study")) as made:
        for number in range(2):
            reader = made.readers.ensure("me").id
            made.annotations.commit(f"lesion-patient{number}-CC", reader, (circle((150, 240), 9),))
    said: list[str] = []
    window.workspaces.refused.connect(said.append)
    window.open_study(tmp_path / "study")
    window.session.sign_in("me")
    panel = window.annotate.worklist
    panel.search.setText("CC")
    qtbot.waitUntil(lambda: panel.model.rowCount() == 2 and not panel.model.busy)
    window.actions_["case.next_open"].trigger()
    assert said == ["Every lesion of this list has your annotation."]
