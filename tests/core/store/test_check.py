from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from core.domain.errors import Cancelled
from core.domain.study import Run, RunStatus
from core.store.check import check_study
from core.store.study import Study
from tests.core.store.helpers import add_case, drawing, picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Study.create(tmp_path / "s", name="s") as study:
        for number in (1, 2, 3):
            add_case(study, number)
        reader = study.readers.ensure("Dr A")
        for number in range(3):
            study.annotations.commit("l1", reader.id, drawing(number))
        study.annotations.restore("l1", reader.id, 1)
        study.annotations.commit("l2", reader.id, drawing(7))
        study.lesions.remove("l2")
        study.arrays.write_derived("rois", {"x": np.arange(10)})
    return tmp_path / "s"


def test_a_whole_study_is_good(folder: Path) -> None:
    told: list[tuple[int, int]] = []
    with Study.open(folder, writable=False) as study:
        report = check_study(study, progress=lambda done, total: told.append((done, total)))
    assert report.good
    assert (report.problems, report.rebuild, report.unused) == ((), (), ())
    assert (report.images, report.lesions) == (3, 2)
    assert report.audit.records > 10
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_check_can_be_cancelled_at_any_step_up_to_the_last_row(folder: Path) -> None:
    asked = 0

    def after(steps: int) -> Callable[[], bool]:
        def cancelled() -> bool:
            nonlocal asked
            asked += 1
            return asked > steps

        return cancelled

    with Study.open(folder, writable=False) as study:
        check_study(study, cancelled=after(10**9))
        steps, records = asked, study.audit.count()
        assert steps > records + 3  # images, derived files and each record of the trail
        for stop in (0, 2, steps - records, steps - 1):
            asked = 0
            with pytest.raises(Cancelled):
                check_study(study, cancelled=after(stop))
            assert asked == stop + 1


def test_lost_damaged_and_exchanged_pixels_are_told_apart(folder: Path) -> None:
    pixels = folder / "pixels"
    (pixels / "i1.h5").unlink()
    (pixels / "i2.h5").write_bytes((pixels / "i2.h5").read_bytes()[:1000])
    (pixels / "i3.h5").unlink()
    with Study.open(folder) as study:
        study.arrays.write_pixels("i3", picture(99))
        study.arrays.write_pixels("stray", picture(98))
        report = check_study(study)
    assert [(p.subject, p.sentence.split(";")[0]) for p in report.problems] == [
        ("image i1", "pixels/i1.h5 is missing"),
        ("image i2", "pixels/i2.h5 is damaged"),
        ("image i3", "pixels/i3.h5 does not hold the pixels that were imported"),
    ]
    assert report.unused == ("pixels/stray.h5 belongs to no image of the study and can be deleted.",)


def test_what_can_be_made_again_is_no_problem(folder: Path) -> None:
    (folder / "derived" / "rois.h5").write_bytes(b"half")
    with h5py.File(folder / "pixels" / "i1.h5", "r+") as file:
        file["levels"][...] = 2
    with Study.open(folder) as study:
        report = check_study(study)
    assert report.good
    assert len(report.rebuild) == 2
    assert "pyramid of image i1" in report.rebuild[0]
    assert "derived/rois.h5" in report.rebuild[1]


@pytest.mark.parametrize(
    "statements, words",
    [
        (["DELETE FROM audit WHERE counter = 4"], "record 4 is missing"),
        (
            ["UPDATE annotation SET shapes = '[]'"],
            "Revision 2 of annotation l1",
        ),
        (["DELETE FROM annotation WHERE revision = 4"], "Revision 4 of annotation l1 .* is missing"),
        (["PRAGMA foreign_keys=OFF", "DELETE FROM patient WHERE id = 'p3'"], "refers to a row of patient"),
    ],
)
def test_changes_behind_the_program_are_found(folder: Path, statements: list[str], words: str) -> None:
    connection = sqlite3.connect(folder / "study.db", isolation_level=None)
    for trigger in ("audit_no_delete", "annotation_no_update"):
        connection.execute(f"DROP TRIGGER {trigger}")
    for statement in statements:
        connection.execute(statement)
    connection.close()
    with Study.open(folder) as study:
        report = check_study(study)
    assert not report.good
    assert any(re.search(words, problem.sentence) for problem in report.problems), report.problems


def test_a_finished_run_without_its_folder_is_a_problem(folder: Path) -> None:
    with Study.open(folder) as study:
        for name, status in (("a", RunStatus.FINISHED), ("b", RunStatus.FAILED), ("c", RunStatus.FINISHED)):
            study.runs.add(Run(id=name, name=name, created_utc="t", status=status, folder=f"runs/{name}"))
        study.run_folder("c")
        report = check_study(study)
    assert [problem.subject for problem in report.problems] == ["run a"]
