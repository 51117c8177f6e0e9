"""C-08, C-09: the canary run over every kind of hiding place: nothing of it is written, no file is lost."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest

from core.cli.main import run_command_line
from core.deidentify.files import deidentify_files
from core.deidentify.options import Options
from core.store.study import Study
from tests.safety.nasty_files import CANARY, TEXT, holds_canary, write_nasty_files


@pytest.fixture
def nasty(tmp_path: Path) -> list[Path]:
    return write_nasty_files(tmp_path / "in")


@pytest.mark.filterwarnings("ignore")
def test_no_canary_of_any_kind_leaves_the_files(nasty: list[Path], tmp_path: Path) -> None:
    hidden = [path.name for path in nasty if not holds_canary(path.read_bytes())]
    assert len(nasty) >= 34 and hidden == ["high bits and behind the pixels.dcm"] * len(hidden), hidden
    out, study = tmp_path / "out", tmp_path / "study"
    report = deidentify_files(nasty, out, Options(secret=b"s" * 32))
    assert len(report.files) + report.refused == len(nasty) and report.refused == 0
    written = [path for path in out.rglob("*") if path.is_file()]
    assert [path.name for path in written if holds_canary(path.read_bytes())] == []
    assert sum(path.suffix == ".dcm" for path in written) == len(nasty) - 3
    for path in written:
        if path.suffix == ".dcm":
            found = pydicom.dcmread(path)
            assert found.PatientIdentityRemoved == "YES"
    assert run_command_line(["study", "create", str(study), "--quiet"]) == 0
    assert run_command_line(["import", str(study), str(tmp_path / "in"), "--quiet"]) == 0
    assert run_command_line(["backup", str(study), str(tmp_path / "b.zip"), "--quiet"]) == 0
    kept = [*study.rglob("*"), tmp_path / "b.zip"]
    assert [path.name for path in kept if path.is_file() and holds_canary(path.read_bytes())] == []
    with Study.open(study, writable=False) as opened:
        # files of equal pixels are one image; the pictures are others
        assert opened.images.count() >= 1
        for image in opened.images.all():
            assert opened.arrays.read_pixels(image.id).max() < 4096


def test_the_search_finds_what_it_is_for() -> None:
    for hidden in (
        CANARY,
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        b"x" + zlib.compress(TEXT.encode("utf-16-le")),
        zlib.compress(CANARY, 1),
    ):
        assert holds_canary(b"before" + hidden + b"after")
    assert not holds_canary(np.random.default_rng(0).bytes(200_000))
