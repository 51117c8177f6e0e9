"""From the welcome page to an exported page without the command line, as a person would go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.qt.theme import Theme, apply_theme
from app.state.session import Session
from app.views.main_window.window import MainWindow
from core.domain.study import RunStatus
from core.store.study import Study
from tests.e2e.patience import Patience
from tests.e2e.steps import Way, click
from tests.trained_study import TINY


@pytest.fixture
def way(qtbot: QtBot, qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    monkeypatch.setenv("MARGINALIA_SETTINGS", str(tmp_path / "settings.ini"))
    apply_theme(qapp, Theme.DARK)
    window = MainWindow(Session())
    window.resize(1500, 900)
    window.show()
    qtbot.waitExposed(window)
    yield Way(window, Patience(window), tmp_path / "studies")
    window.training.stop_all()  # after a failure: nothing may ask whether it shall go on
    window.close()
    window.deleteLater()
    qapp.processEvents()


@pytest.mark.parametrize(
    ("patients", "changes"),
    [
        pytest.param(15, TINY, id="tiny"),
        # the configuration as it is in the preset, on the demo's own number of patients
        pytest.param(60, (), id="compact", marks=[pytest.mark.slow, pytest.mark.timeout(1200)]),
    ],
)
def test_demo_train_review_prune_undo_prune_again_export(
    way: Way, tmp_path: Path, patients: int, changes: Sequence[str]
) -> None:
    window = way.window
    way.make_demo(patients)
    assert window.session.study.info.synthetic
    assert window.session.study.images.count() == 2 * patients
    way.go_to("train")
    way.plan("first", changes)
    way.train()
    way.wait_for_the_end()
    lesion = way.review()
    before = window.review.answer.strip.strip.rowCount()
    per_class = before // 3
    way.go_to("prototypes")
    way.until(lambda: window.desk.surveyed_model is not None)
    way.tick((0, per_class))
    way.prune("fires on a vessel")
    way.wait_for_prototypes(before - 2)
    click(window.prototypes.undo)
    way.wait_for_prototypes(before)
    way.tick((1, per_class))
    way.prune("a near duplicate")
    way.wait_for_prototypes(before - 2)
    way.go_to("review")
    way.until(lambda: window.review.answer.strip.strip.rowCount() == before - 2)
    way.export(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "a near duplicate" in page
    assert page.count("SYNTHETIC") > 0
    folder = window.session.study.folder
    window.close()
    with Study.open(folder) as study:
        [run] = study.runs.all()
        assert (run.name, run.status) == ("first", RunStatus.FINISHED)
        revisions = study.models.of_run(run.id)
        assert [one.reason for one in revisions] == ["As trained", "fires on a vessel", "a near duplicate"]
        active = study.models.active(run.id)
        assert active == revisions[2]
        assert active.parent_id == revisions[0].id
        assert study.audit.verify().good
        assert study.lesions.get(lesion) is not None
