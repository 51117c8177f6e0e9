"""The export dialog: it says what leaves the machine, and writes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.views.exporting.dialog import ExportDialog, what_leaves
from core.exchange.export import export
from core.exchange.formats import BUILT_IN, ExportRequest
from core.store.identity import IdentityFile, Passphrase
from core.store.study import Study
from tests.core.data.export.conftest import study

__all__ = ["study"]


def chosen(dialog: ExportDialog, kind: str) -> None:
    dialog.kind.setCurrentIndex(dialog.kind.findData(kind))


def test_masks_are_written_and_counted(qtbot: QtBot, study: Study, tmp_path: Path) -> None:
    dialog = ExportDialog(study)
    qtbot.addWidget(dialog)
    chosen(dialog, "png")
    dialog.write(tmp_path / "out")
    assert dialog.task is not None
    with qtbot.waitSignal(dialog.task.ended, timeout=60_000):
        pass
    assert dialog.said.text() == f"4 items were written to {tmp_path / 'out'}."
    assert len(list((tmp_path / "out" / "lesion").iterdir())) == 4


def test_identifiers_are_offered_only_with_an_identity_file_and_for_the_archive(
    qtbot: QtBot, study: Study
) -> None:
    dialog = ExportDialog(study)
    qtbot.addWidget(dialog)
    assert not dialog.identifiers.isVisibleTo(dialog)
    IdentityFile.create(study.folder, Passphrase(lambda: "correct horse battery"))
    dialog = ExportDialog(study)
    qtbot.addWidget(dialog)
    for kind in BUILT_IN:
        chosen(dialog, kind.id)
        assert dialog.identifiers.isVisibleTo(dialog) == (kind.id in {"seg", "sr", "gsps"})
        assert not dialog.passphrase.isVisibleTo(dialog)
    chosen(dialog, "seg")
    dialog.identifiers.setChecked(True)
    assert dialog.passphrase.isVisibleTo(dialog)
    assert "ORIGINAL IDENTIFIERS" in dialog.leaves.text()


def test_a_model_needs_a_run_and_says_that_pictures_are_of_patients(qtbot: QtBot, study: Study) -> None:
    dialog = ExportDialog(study)
    qtbot.addWidget(dialog)
    chosen(dialog, "model")
    assert not dialog.start_button.isEnabled()
    dialog.pictures.setChecked(True)
    assert "IMAGES OF PATIENTS" in dialog.leaves.text()
    assert len({what_leaves(kind, identifiers=False, pictures=False) for kind in BUILT_IN}) == 3


def test_no_other_format_takes_identifiers(study: Study, tmp_path: Path) -> None:
    from core.domain.errors import StudyError

    identity = IdentityFile.create(study.folder, Passphrase(lambda: "correct horse battery"))
    for kind in BUILT_IN:
        if "identity" in kind.options:
            continue
        run = "x" if kind.needs_run else ""
        request = ExportRequest(format=kind.id, target=tmp_path / kind.id, run=run, identity=identity)
        with pytest.raises(StudyError, match="never carries identifiers; --identity is for seg, sr, gsps"):
            export(study, request)
        assert not (tmp_path / kind.id).exists()
