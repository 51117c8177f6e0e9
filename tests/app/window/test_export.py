"""The export dialog: it says what leaves the machine, and writes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.views.exporting.dialog import ExportDialog, what_leaves
from core.exchange.export import OBJECTS, ExportRequest, Format, export
from core.store.identity import IdentityFile, Passphrase
from core.store.study import Study
from tests.core.data.export.conftest import study

__all__ = ["study"]


def chosen(dialog: ExportDialog, kind: Format) -> None:
    dialog.kind.setCurrentIndex(list(Format).index(kind))


def test_masks_are_written_and_counted(qtbot: QtBot, study: Study, tmp_path: Path) -> None:
    dialog = ExportDialog(study)
    qtbot.addWidget(dialog)
    chosen(dialog, Format.PNG)
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
    for kind in Format:
        chosen(dialog, kind)
        assert dialog.identifiers.isVisibleTo(dialog) == (kind in OBJECTS)
        assert not dialog.passphrase.isVisibleTo(dialog)
    chosen(dialog, Format.SEG)
    dialog.identifiers.setChecked(True)
    assert dialog.passphrase.isVisibleTo(dialog)
    assert "ORIGINAL IDENTIFIERS" in dialog.leaves.text()


def test_a_model_needs_a_run_and_says_that_pictures_are_of_patients(qtbot: QtBot, study: Study) -> None:
    dialog = ExportDialog(study)
    qtbot.addWidget(dialog)
    chosen(dialog, Format.MODEL)
    assert not dialog.start_button.isEnabled()
    dialog.pictures.setChecked(True)
    assert "IMAGES OF PATIENTS" in dialog.leaves.text()
    assert len({what_leaves(kind, identifiers=False, pictures=False) for kind in Format}) == 3


def test_no_other_format_takes_identifiers(study: Study, tmp_path: Path) -> None:
    from core.domain.errors import StudyError

    identity = IdentityFile.create(study.folder, Passphrase(lambda: "correct horse battery"))
    for kind in set(Format) - set(OBJECTS):
        with pytest.raises(StudyError, match="Only DICOM objects"):
            export(study, ExportRequest(format=kind, target=tmp_path / kind.value), identity=identity)
        assert not (tmp_path / kind.value).exists()
