"""B-07, B-08, B-15: foreign files and names through the window's own import."""

from __future__ import annotations

import ctypes
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PySide6 import QtGui
from PySide6.QtCore import QAbstractListModel, QModelIndex, Qt
from PySide6.QtWidgets import QAbstractItemView, QLabel, QWidget
from pytestqt.qtbot import QtBot

from app.qt.task import LongTask
from app.views.importing.results import ImportResult
from app.views.main_window.window import MainWindow
from core.data.importers.outcomes import ImportOutcome
from core.domain.events import Emit, IsCancelled
from core.domain.shapes import circle
from core.domain.study import Labels
from core.imaging.decoded import Refusal
from core.store.study import Study
from tests.app.window.conftest import make_study
from tests.core.imaging import samples
from tests.core.imaging.test_worker import bundled, mutated
from tests.safety.kept import go_on
from tests.safety.test_long_runs import resident_kb
from tests.safety.test_names import NAMES
from tests.safety.window.hands import PATIENCE_MS, belongings, no_defects, wait_for_picture

WARM = 4
"""Imports until the C library holds what such imports need: of what is in use nothing grows from the first on."""
HOSTILE = '<img src="file:///etc/passwd"><b>bold</b><a href="https://example.org">x</a>'


def imported(qtbot: QtBot, window: MainWindow, folder: Path) -> ImportResult:
    window.studies.imports.import_from(folder)
    dialog = window.studies.imports.dialog
    assert dialog is not None
    qtbot.waitUntil(lambda: not dialog.task.running and dialog.button.text() == "Close", timeout=10 * PATIENCE_MS)
    assert dialog.result_value is not None, dialog.text.text()
    return dialog.result_value


def write_mutants(folder: Path, count: int, seed: int) -> None:
    random, pixels = np.random.default_rng([14, seed]), samples.texture()
    files = [path.read_bytes() for path in bundled() if path.stat().st_size <= 50_000]
    files += [samples.png(pixels), samples.pgm(pixels), samples.tiff(pixels, compression="tiff_lzw")]
    folder.mkdir()
    for number in range(count):
        data = mutated(files[int(random.integers(len(files)))], random)
        (folder / f"m{number:04}.dcm").write_bytes(data)


def outcomes(result: ImportResult, folder: Path) -> Counter[str]:
    """By fate; asserts that each file has one, and a sentence where it is not simply imported."""
    there = {path.name for path in folder.iterdir()}
    found = {one.name: one for one in result.files if one.name in there}
    assert set(found) == there
    for one in found.values():
        assert one.fate is ImportOutcome.IMPORTED or one.sentences, one
        assert not any("Traceback" in sentence or "defect" in sentence for sentence in one.sentences), one
    return Counter(one.fate.name for one in found.values())


def page_through(qtbot: QtBot, window: MainWindow, most: int) -> None:
    """Look at what was imported: the viewer paints whatever came in."""
    panel = window.annotate.worklist
    qtbot.waitUntil(lambda: panel.model.rowCount() > 0 and not panel.model.busy, timeout=PATIENCE_MS)
    for _ in range(min(most, panel.model.rowCount())):
        window.actions_["case.next"].trigger()
        wait_for_picture(qtbot, window)


@pytest.mark.filterwarnings("ignore")
def test_bundled_files_and_mutants_through_the_window(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    folder, errors = tmp_path / "in", list[BaseException]()
    write_mutants(folder, 60, 0)
    for number, path in enumerate(bundled()):
        if path.stat().st_size <= 50_000:
            (folder / f"b{number:03}.dcm").write_bytes(path.read_bytes())
    with no_defects(errors):
        assert window.studies.create(tmp_path / "study", "Foreign")
        counted = outcomes(imported(qtbot, window, folder), folder)
        page_through(qtbot, window, 4)
    assert errors == []
    assert counted["WRONG"] >= 50 and counted["IMPORTED"] + counted["NOTE"] >= 5, counted


@pytest.mark.safety_full
@pytest.mark.timeout(0)
@pytest.mark.filterwarnings("ignore")
def test_five_thousand_mutants_through_the_window(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    errors = list[BaseException]()
    assert window.studies.create(tmp_path / "study", "Foreign")
    for number in range(WARM):
        write_mutants(tmp_path / f"warm{number}", 250, 999 + number)
        imported(qtbot, window, tmp_path / f"warm{number}")
    before = belongings(window)

    def step(start: int) -> Counter[str]:
        folder = tmp_path / str(start)
        write_mutants(folder, 250, start)
        found = outcomes(imported(qtbot, window, folder), folder)
        gained = (belongings(window).resident_kb - before.resident_kb) // 1000
        return found + Counter({"most MB gained by the window": max(0, gained)})

    with no_defects(errors):
        counted = go_on("B-08-window", 5000, step, at_once=250)
    assert errors == []
    assert counted["most MB gained by the window"] <= 30, counted


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="of GNU's C library")
def test_what_a_long_task_freed_is_the_systems_again(qtbot: QtBot) -> None:
    """The C library would keep it: below something that lives on, or, after an import, up to 256 MB."""
    left: list[bytes] = []

    def job(emit: Emit, cancelled: IsCancelled) -> None:
        pieces = [bytes(2000) for _ in range(50_000)]
        left.append(pieces[-1])

    before = resident_kb()
    task = LongTask(job, name="a task that frees much")
    with qtbot.waitSignal(task.ended, timeout=PATIENCE_MS):
        task.start()
    task.join()
    assert len(left) == 1 and resident_kb() - before < 50_000


def test_reasons_for_refusal_are_a_closed_list() -> None:
    assert len(Refusal) <= 16


def hostile_study(folder: Path) -> Path:
    """A study whose every free word is markup, or turns the reading, or is long."""
    make_study(folder)
    with Study.open(folder) as study:
        reader = study.readers.ensure(f"{HOSTILE} reader")
        study.actor = reader.name
        for number, lesion in enumerate(study.lesions.all()):
            words = f"{HOSTILE} {NAMES[number % len(NAMES)]}".replace("\0", "")
            study.lesions.set_labels(lesion.id, Labels(comment=words), reader_id=reader.id)
            study.annotations.commit(lesion.id, reader.id, (circle((150.0, 240.0), 9.0),))
        study._database._engine.dispose()
    import sqlite3

    with sqlite3.connect(folder / "study.db") as database:
        database.execute("UPDATE study_info SET name = ?", (f"{HOSTILE}\u202egpj\n[*]" + "x" * 300,))
        database.execute("UPDATE patient SET pseudonym = ? || id", (HOSTILE,))
        database.execute("UPDATE image SET detector = ?", (HOSTILE,))
    database.close()
    return folder


def words_of(view: QAbstractItemView) -> list[str]:
    model, none = view.model(), QModelIndex()
    if model is None:
        return []
    columns = 1 if isinstance(model, QAbstractListModel) else min(8, model.columnCount(none))
    rows = range(min(5, model.rowCount(none)))
    indices = [model.index(row, column, none) for row in rows for column in range(columns)]
    return [str(model.data(index, Qt.ItemDataRole.ToolTipRole) or "") for index in indices]


def read_as_markup(window: MainWindow) -> list[str]:
    """Labels and tool tips in which Qt would see the hostile words as markup."""
    found = []
    for label in window.findChildren(QLabel):
        plain = label.textFormat() is Qt.TextFormat.PlainText
        if not plain and QtGui.Qt.mightBeRichText(label.text()):
            found.append(f"label {label.text()[:60]}")
    tips = [widget.toolTip() for widget in window.findChildren(QWidget)]
    tips += [tip for view in window.findChildren(QAbstractItemView) for tip in words_of(view)]
    found += [f"tool tip {tip[:60]}" for tip in tips if "<img" in tip or "<b>bold" in tip]
    return found


def test_foreign_words_are_words_in_every_place_of_the_window(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    folder = hostile_study(tmp_path / "study")
    window.open_study(folder)
    wait_for_picture(qtbot, window)
    title = window.windowTitle()
    assert "<img" in title and "\n" not in title and "\u202e" not in title and len(title) < 140
    for workspace in ("annotate", "train", "review", "prototypes"):
        window.actions_[f"workspace.{workspace}"].trigger()
        qtbot.wait(20)
        assert read_as_markup(window) == []
    assert HOSTILE in window.session.reads.lesion(window.session.lesion_id or "").labels.comment or any(
        HOSTILE in reader.name for reader in window.session.readers()
    )
    window.annotate.panel.author.setText(HOSTILE)
    assert window.annotate.panel.author.textFormat() is Qt.TextFormat.PlainText


def test_the_search_for_markup_finds_it(window: MainWindow) -> None:
    label = QLabel(HOSTILE, window)
    assert len(read_as_markup(window)) == 1
    label.setTextFormat(Qt.TextFormat.PlainText)
    assert read_as_markup(window) == []
    label.setToolTip(HOSTILE)
    assert len(read_as_markup(window)) == 1


def test_hostile_file_names_are_shown_as_they_are(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    name = "<img src=x onerror=y>.png"
    (folder / name).write_bytes(b"\x89PNG\r\n\x1a\n and nothing more")
    (folder / "good.png").write_bytes(samples.png(samples.texture()))
    assert window.studies.create(tmp_path / "study", "s")
    result = imported(qtbot, window, folder)
    dialog = window.studies.imports.dialog
    assert dialog is not None and name in {one.name for one in result.files}
    assert read_as_markup(window) == []
    tips = [dialog.table.item(row, 2).toolTip() for row in range(dialog.table.rowCount())]
    assert any("&lt;img" in tip for tip in tips) and not any("<img" in tip for tip in tips)


def test_a_study_on_a_network_disk_is_refused_with_advice_in_the_window(
    window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_study(tmp_path / "study")
    monkeypatch.setattr("core.store.filesystem.file_system_kind", lambda place: "nfs4")
    window.open_study(folder)
    assert "Put the study on a local disk" in window.banner.text and not window.session.is_open
    assert not window.studies.create(tmp_path / "new", "New")
    assert "Put the study on a local disk" in window.banner.text
    assert not (tmp_path / "new").exists()
