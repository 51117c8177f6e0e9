"""B-13: HDF5 files made by somebody who means harm. No file beside the study is read, nothing is unpacked."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from core.domain.errors import ArrayLostError, BadFileError, ModelError
from core.explain.prototype_patches import load_patches
from core.store.array_check import ArrayChecker
from core.store.check import check_study
from core.store.hdf5 import read_arrays, write_arrays
from core.store.study import Study
from core.training.similarity_table import load_table
from tests.core.store.helpers import add_case, picture
from tests.safety.kept import go_on

ROOT = Path(__file__).parents[2]
Make = Callable[[h5py.File, Path], None]


def external_storage(file: h5py.File, secret: Path) -> None:
    file.create_dataset("level0", (5, 5), "u1", external=[(str(secret), 0, 25)])


def external_link(file: h5py.File, secret: Path) -> None:
    file["level0"] = h5py.ExternalLink(str(secret), "/level0")


def soft_link(file: h5py.File, secret: Path) -> None:
    file["level0"] = h5py.SoftLink("/elsewhere")


def virtual(file: h5py.File, secret: Path) -> None:
    layout = h5py.VirtualLayout(shape=(5, 5), dtype="u1")
    layout[:] = h5py.VirtualSource(str(secret), "level0", shape=(5, 5))
    file.create_virtual_dataset("level0", layout)


def virtual_without_end(file: h5py.File, secret: Path) -> None:
    """The size of this one is found by opening the other file."""
    layout = h5py.VirtualLayout(shape=(5, 5), dtype="u1", maxshape=(None, 5))
    source = h5py.VirtualSource(str(secret), "level0", shape=(5, 5), maxshape=(None, 5))
    layout[0 : h5py.h5s.UNLIMITED] = source[0 : h5py.h5s.UNLIMITED]
    file.create_virtual_dataset("level0", layout)


def shape_bomb(file: h5py.File, secret: Path) -> None:
    file.create_dataset("level0", (200_000, 200_000), "u1", chunks=(256, 256))


def deflate_bomb(file: h5py.File, secret: Path) -> None:
    """Announced a hundred times over what its one chunk could hold."""
    array = file.create_dataset("level0", (4000, 4000), "u1", chunks=(100, 100), compression="gzip")
    array[:100, :100] = 0


def foreign_filter(file: h5py.File, secret: Path) -> None:
    file.create_dataset("level0", (5, 5), "u1", chunks=(5, 5), scaleoffset=0)[:] = 1


def references(file: h5py.File, secret: Path) -> None:
    file.create_dataset("level0", (2,), h5py.ref_dtype)


def objects(file: h5py.File, secret: Path) -> None:
    file.create_dataset("level0", (2,), h5py.vlen_dtype(np.uint8))


def group(file: h5py.File, secret: Path) -> None:
    file.create_group("level0")


HOSTILE: tuple[Make, ...] = (
    *(external_storage, external_link, soft_link, virtual, virtual_without_end, shape_bomb, deflate_bomb),
    *(foreign_filter, references, objects, group),
)


def hostile(make: Make, path: Path) -> Path:
    """The file; beside it the one that it wants read, which would keep a reader waiting for ever (a FIFO)."""
    secret = path.with_name("secret")
    if not secret.exists():
        os.mkfifo(secret)
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs["schema"], file.attrs["sha256"] = 1, "0" * 64
        make(file, secret)
    return path


_OPEN_ALL = """
import sys
from pathlib import Path
from core.domain.errors import MarginaliaError
from core.explain.prototype_patches import load_patches
from core.store.hdf5 import read_arrays
from core.training.similarity_table import load_table
for path in map(Path, sys.argv[1:]):
    for read in (read_arrays, load_table, lambda p: load_patches(p, "")):
        try:
            read(path)
        except MarginaliaError as error:
            print(type(error).__name__)
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the bait is a FIFO of POSIX")
def test_no_hostile_file_is_read_and_no_file_beside_it_opened(tmp_path: Path) -> None:
    paths = [hostile(make, tmp_path / f"{make.__name__}.h5") for make in HOSTILE]
    command = [sys.executable, "-c", _OPEN_ALL, *map(str, paths)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert Counter(done.stdout.split()) == {
        "ArrayLostError": len(HOSTILE),
        "ModelError": len(HOSTILE),
        "BadFileError": len(HOSTILE),
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the bait is a FIFO of POSIX")
@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_the_refusal_says_that_the_file_was_not_read(tmp_path: Path, make: Make) -> None:
    if make is virtual_without_end:
        pytest.skip("opened in a process of its own by the test above")
    path = hostile(make, tmp_path / "a.h5")
    with pytest.raises(ArrayLostError, match="was not read"):
        read_arrays(path)
    with pytest.raises(ModelError):
        load_table(path)
    with pytest.raises(BadFileError):
        load_patches(path, "")


def test_filters_are_loaded_from_nowhere() -> None:
    """What HDF5 documents for this: the variable, set before the library starts."""
    code = "import os, core.store.hdf5; print(os.environ['HDF5_PLUGIN_PRELOAD'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "::\n"


def mutated(data: bytes, seed: int) -> bytes:
    """Up to five changes, nine of ten of them among the structures at the head."""
    random = np.random.default_rng(seed)
    out = bytearray(data)
    for _ in range(int(random.integers(1, 6))):
        at = int(random.integers(6000 if random.random() < 0.9 else len(out))) % len(out)
        match int(random.integers(4)):
            case 0:
                out[at] ^= 1 << int(random.integers(8))
            case 1:
                out[at] = int(random.integers(256))
            case 2:
                out[at : at + 4] = b"\xff\xff\xff\x7f"
            case _ if random.random() < 0.2:
                del out[max(at, 1) :]
            case _:
                out[at : at + 8] = b"\xff" * 8
    return bytes(out)


def fuzz(folder: Path, seeds: range) -> Counter[str]:
    (folder / "pixels").mkdir(exist_ok=True)
    path = folder / "pixels" / "a.h5"
    pixels = picture(rows=120, columns=90)
    write_arrays(path, {"level0": pixels, "levels": np.array(1)}, sha256="0" * 64)
    data, outcomes = path.read_bytes(), Counter[str]()
    with ArrayChecker(folder, wall_s=3) as vetter:
        good = vetter.vet("pixels", "a").sha256
        for seed in seeds:
            path.write_bytes(mutated(data, seed))
            found = vetter.vet("pixels", "a")
            if found.readable:
                outcomes["unchanged pixels" if found.sha256 == good else "other pixels"] += 1
            else:
                outcomes["refused" if "process" not in found.sentence else "child died"] += 1
                outcomes["child hung"] += "longer" in found.sentence
    return outcomes


def test_damaged_files_are_met_in_a_child(tmp_path: Path) -> None:
    assert fuzz(tmp_path, range(1400, 1440)).total() >= 40


@pytest.mark.safety_full
@pytest.mark.timeout(3600)
def test_two_thousand_damaged_files_are_met_in_a_child(tmp_path: Path) -> None:
    outcomes = go_on("B-13", 2000, lambda start: fuzz(tmp_path, range(start, start + 100)), at_once=100)
    assert outcomes["child died"] + outcomes["child hung"] <= 20, outcomes


def test_a_child_that_dies_or_hangs_costs_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Study.create(tmp_path / "s", name="s") as study:
        add_case(study, 1)
        with ArrayChecker(study.folder, wall_s=0.0) as vetter:
            assert "longer than" in vetter.vet("pixels", "i1").sentence
        with ArrayChecker(study.folder) as vetter:
            vetter._running().kill()
            vetter._running().wait()
            assert vetter.vet("pixels", "i1").readable


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the bait is a FIFO of POSIX")
def test_the_check_of_a_foreign_study_names_the_hostile_file(tmp_path: Path) -> None:
    with Study.create(tmp_path / "s", name="s") as study:
        add_case(study, 1)
        hostile(external_storage, study.folder / "pixels" / "i1.h5")
        [problem] = check_study(study).problems
    assert "lies in other files" in problem.sentence


def test_a_database_cannot_point_outside_the_study(tmp_path: Path) -> None:
    """Names of image files and folders of runs come from a database that somebody else may have made."""
    with Study.create(tmp_path / "s", name="s") as study:
        add_case(study, 1)
    with sqlite3.connect(tmp_path / "s" / "study.db") as database:
        database.execute("PRAGMA foreign_keys=OFF")
        database.execute("UPDATE image SET id = '../../secret'")
    database.close()
    with Study.open(tmp_path / "s", writable=False) as study, pytest.raises(ValueError, match="cannot name"):
        study.arrays.read_pixels(study.images.all()[0].id)
