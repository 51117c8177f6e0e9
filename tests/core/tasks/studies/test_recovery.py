"""A study that was not closed says what is there of the last sitting; one that was closed says nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.store.study import Study
from core.tasks.studies.recovery import recovery_of
from tests.core.store.helpers import add_case

ROOT = Path(__file__).resolve().parents[4]

_KILLED = """
import os, sys, time
from pathlib import Path
import numpy as np
from core.data.importers.folder import read_folder
from core.data.importers.importing import run_import
from core.domain.study import Run, RunStatus
from core.store.study import Study
from tests.core.store.helpers import drawing
from tests.core.imaging import samples
folder, source = Path(sys.argv[1]), Path(sys.argv[2])
study = Study.open(folder)
reader = study.readers.ensure("Dr A").id
for number in range(3):
    study.annotations.commit("l1", reader, drawing(number))
study.runs.add(Run(id="r", name="night", created_utc="2026-01-01T00:00:00", config={}, folder="runs/r",
                   code_version="1", status=RunStatus.RUNNING))
(folder / "pixels" / ".x.h5.0.part").write_bytes(b"half")
lines = ["image,patient_id"]
for number in range(4):
    (source / f"{number}.png").write_bytes(samples.png(samples.texture(seed=number)))
    lines.append(f"{number}.png,P{number}")
(source / "lesions.csv").write_text("\\n".join(lines))
known = {image.id for image in study.images.all()}
def emit(event):
    if getattr(event, "done", 0) == 2:
        # two are taken and no third is while this waits for the threads that write them
        ends = time.monotonic() + 30
        while sum(name not in known for name in study.arrays.pixel_files()) < 2 and time.monotonic() < ends:
            time.sleep(0.01)
        os.kill(os.getpid(), 9)
run_import(study, read_folder(source, source / "lesions.csv", source="s"), emit=emit)
"""


@pytest.mark.skipif(os.name == "nt", reason="kills as POSIX does")
def test_after_a_kill_all_that_was_under_way_is_listed(tmp_path: Path) -> None:
    folder, source = tmp_path / "s", tmp_path / "in"
    source.mkdir()
    with Study.create(folder, name="s") as study:
        add_case(study, 1)
        assert recovery_of(study) is None
    done = subprocess.run([sys.executable, "-c", _KILLED, str(folder), str(source)], cwd=ROOT, check=False)
    assert done.returncode == -9
    with Study.open(folder, writable=False) as study:
        assert recovery_of(study) is None, "who only reads changes nothing and is told nothing"
    with Study.open(folder) as study:
        found = recovery_of(study)
        assert found is not None
        assert (found.revisions, found.temporary_files, found.runs) == (3, 1, ("night",))
        assert found.unfinished_import is not None
        assert (found.unfinished_import.files, found.unfinished_import.images_without_rows) == (4, 2)
    with Study.open(folder) as study:
        assert recovery_of(study) is None
        assert study.audit.verify().good
