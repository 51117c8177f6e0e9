"""Tomosyntheses from the phantom's files to a trained model that explains a lesion on its slice."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.cli.main import run_command_line
from core.domain.shapes import circle
from core.domain.study import RunStatus
from core.phantom.config import PhantomConfig
from core.phantom.source import write_study_source
from core.store.study import Study
from tests.trained_study import TINY


@pytest.mark.slow
def test_a_slice_is_annotated_and_trained_on(tmp_path: Path) -> None:
    source, folder = tmp_path / "source", tmp_path / "study"
    config = PhantomConfig(patients=18, slices=5, seed=5, height=480, width=440)
    write_study_source(source, config, workers=1)
    for arguments in (
        ["study", "create", str(folder)],
        ["import", str(folder), str(source), "--quiet"],
        ["split", str(folder), "--fractions", "0.5", "0.25", "0.25"],
    ):
        assert run_command_line(arguments) == 0
    with Study.open(folder) as study:
        lesion = study.lesions.all()[0]
        reader = study.readers.ensure("Dr Slice")
        study.annotations.commit(lesion.id, reader.id, (circle(lesion.box.centre, 6.0),))
        assert study.images.get(lesion.image_id).frames == 5
    changes = [part for change in TINY for part in ("--set", change)]
    assert run_command_line(["train", str(folder), "--name", "tomo", "--quiet", *changes]) == 0
    assert run_command_line(["explain", str(folder), "tomo", "--out", str(tmp_path / "pages")]) == 0
    with Study.open(folder, writable=False) as study:
        (run,) = study.runs.all()
        assert run.status is RunStatus.FINISHED
    assert any((tmp_path / "pages").iterdir())
