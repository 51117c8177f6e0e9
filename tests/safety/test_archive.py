"""B-15: archives from elsewhere. `backup` and `restore` give the study back; nothing else is unpacked anywhere."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from core.domain.errors import BadFileError, MarginaliaError, StorageFullError, StudyError
from core.store.archive import MANIFEST, safe_name, write_archive
from core.store.check import check_study
from core.store.restore import restore_archive
from core.store.study import Study
from tests.core.store.helpers import add_case, drawing

ROOT = Path(__file__).parents[2]


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    with Study.create(tmp_path / "study", name="A study", synthetic=True) as study:
        for number in (1, 2):
            add_case(study, number)
        study.annotations.commit("l1", study.readers.ensure("Dr Жуков").id, drawing(3))
        (study.folder / "runs" / "r1" / "model").mkdir(parents=True)
        (study.folder / "runs" / "r1" / "model" / "model.json").write_text("{}")
        (study.folder / "runs" / "r1" / ".half.part").write_text("left by a killed writer")
        (study.folder / "identity.enc").write_bytes(b"sealed")
        study.arrays.write_derived("d", {"x": np.zeros(3)})
        write_archive(study, tmp_path / "study.zip")
    return tmp_path / "study.zip"


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_restored_study_is_the_study(backup: Path, tmp_path: Path) -> None:
    restore_archive(backup, tmp_path / "back")
    with Study.open(tmp_path / "back", writable=False) as study, Study.open(tmp_path / "study") as original:
        assert check_study(study).good
        assert study.info == original.info
        assert study.lesions.all() == original.lesions.all()
        assert study.annotations.all_current() == original.annotations.all_current()
        assert list(study.audit.records()) == list(original.audit.records())
        for image in study.images.all():
            np.testing.assert_array_equal(
                study.arrays.read_pixels(image.id), original.arrays.read_pixels(image.id)
            )
    names = set(everything(tmp_path / "back"))
    assert {"identity.enc", "runs/r1/model/model.json", "pixels/i1.h5"} <= names
    assert not any(name.endswith(".part") or name.startswith("derived/") for name in names)
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_a_backup_goes_nowhere_over_something(backup: Path, tmp_path: Path) -> None:
    with Study.open(tmp_path / "study") as study, pytest.raises(StudyError, match="exists already"):
        write_archive(study, backup)
    with pytest.raises(StudyError, match="not empty"):
        restore_archive(backup, tmp_path / "study")


def test_a_study_without_its_pixels_is_not_backed_up(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "study" / "pixels" / "i2.h5").unlink()
    with Study.open(tmp_path / "study") as study, pytest.raises(StudyError, match=r"i2\.h5 is missing"):
        write_archive(study, tmp_path / "second.zip")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["study", "study.zip"]


BAD_NAMES = (
    *(
        "../evil",
        "/etc/evil",
        "pixels/../../evil.h5",
        "C:\\evil",
        "runs\\..\\..\\evil",
        "runs/../evil/x",
        "pixels/",
    ),
    *(
        "pixels/a\0.h5",
        "runs/r/CON",
        "runs/r/nul.txt",
        "runs/a/x.",
        "runs/a/ x",
        "evil",
        "holder.json",
        "study.DB",
    ),
    *("pixels/" + "x" * 300 + ".h5", "runs/\u202egpj.exe/x", "runs/r/.hidden", "runs/x", "study.lock", ""),
)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_outside_the_study_are_no_members(name: str) -> None:
    assert not safe_name(name)


@pytest.mark.parametrize("name", ["study.db", "identity.enc", "pixels/a-1.h5", "runs/r1/model/model.json"])
def test_names_of_the_study_are(name: str) -> None:
    assert safe_name(name)


Change = Callable[[list[tuple[zipfile.ZipInfo, bytes]]], Iterable[tuple[zipfile.ZipInfo, bytes]]]


def rewritten(backup: Path, change: Change, *, compression: int = zipfile.ZIP_STORED) -> Path:
    """The archive with its members changed and a manifest that agrees with them."""
    with zipfile.ZipFile(backup) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist() if info.filename != MANIFEST]
        manifest = json.loads(archive.read(MANIFEST))
    changed = list(change(members))
    manifest["files"] = {
        info.filename: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for info, content in changed
    }
    out = backup.with_name("hostile.zip")
    with zipfile.ZipFile(out, "w") as archive:
        for info, content in changed:
            archive.writestr(info, content, compress_type=compression)
        archive.writestr(MANIFEST, json.dumps(manifest))
    return out


def with_member(name: str, content: bytes = b"x", mode: int = 0) -> Change:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return lambda members: [*members, (info, content)]


def refused(path: Path, tmp_path: Path) -> str:
    before = everything(tmp_path)
    with pytest.raises(BadFileError) as caught:
        restore_archive(path, tmp_path / "back")
    assert everything(tmp_path) == before
    assert not (tmp_path / "back").exists()
    return str(caught.value)


@pytest.mark.parametrize("name", [name for name in BAD_NAMES if "\0" not in name and name])
def test_an_archive_writes_nothing_outside_its_folder(backup: Path, tmp_path: Path, name: str) -> None:
    assert "does not belong in a study" in refused(rewritten(backup, with_member(name)), tmp_path)


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFDIR])
def test_links_and_devices_are_refused(backup: Path, tmp_path: Path, mode: int) -> None:
    change = with_member("runs/r1/link", b"/etc/passwd", mode | 0o777)
    assert "link or a device" in refused(rewritten(backup, change), tmp_path)


def test_a_bomb_is_refused_unopened(backup: Path, tmp_path: Path) -> None:
    path = rewritten(backup, with_member("runs/r1/zeros", bytes(50_000_000)), compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1_000_000
    assert "compressed" in refused(path, tmp_path)


def test_members_that_overlap_are_refused(backup: Path, tmp_path: Path) -> None:
    """One piece of the file listed many times unpacks to more than the file."""
    path = backup.with_name("overlap.zip")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("runs/r1/zeros", bytes(100_000))
        first = archive.getinfo("runs/r1/zeros")
        for number in range(50):
            copy = zipfile.ZipInfo(f"runs/r1/zeros{number}")
            for name in ("header_offset", "file_size", "compress_size", "CRC", "compress_type"):
                setattr(copy, name, getattr(first, name))
            archive.filelist.append(copy)
            archive.NameToInfo[copy.filename] = copy
    assert "overlap" in refused(path, tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["pixels/i1.h5", "pixels/I1.h5"])
def test_doubles_are_refused_also_by_case(backup: Path, tmp_path: Path, name: str) -> None:
    assert "twice" in refused(rewritten(backup, with_member(name)), tmp_path)


def test_a_changed_member_is_named(backup: Path, tmp_path: Path) -> None:
    data = bytearray(backup.read_bytes())
    with zipfile.ZipFile(backup) as archive:
        at = archive.getinfo("pixels/i2.h5").header_offset + 3000
    data[at] ^= 1
    (tmp_path / "bad.zip").write_bytes(data)
    refused(tmp_path / "bad.zip", tmp_path)


def test_a_study_that_is_not_whole_is_refused_though_its_hashes_agree(backup: Path, tmp_path: Path) -> None:
    def without_pixels(members: list[tuple[zipfile.ZipInfo, bytes]]) -> list[tuple[zipfile.ZipInfo, bytes]]:
        return [member for member in members if member[0].filename != "pixels/i2.h5"]

    assert "has a problem" in refused(rewritten(backup, without_pixels), tmp_path)


def test_any_cut_of_a_backup_is_refused(backup: Path, tmp_path: Path) -> None:
    data = backup.read_bytes()
    for part in range(0, 64, 3):
        (tmp_path / "cut.zip").write_bytes(data[: len(data) * part // 64])
        with pytest.raises(MarginaliaError):
            restore_archive(tmp_path / "cut.zip", tmp_path / "back")
        assert not (tmp_path / "back").exists()


def test_without_room_nothing_is_unpacked(backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.store.restore.free_bytes", lambda folder: 1000)
    with pytest.raises(StorageFullError, match="make room"):
        restore_archive(backup, tmp_path / "back")
    assert not (tmp_path / "back").exists()


_LIMITED = """
import resource, signal, sys
from pathlib import Path
from core.domain.errors import StorageFullError
from core.store.archive import write_archive
from core.store.study import Study
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Study.open(Path(sys.argv[1])) as study:
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
    try:
        write_archive(study, Path(sys.argv[2]))
    except StorageFullError as error:
        print(error)
"""


@pytest.mark.skipif(os.name == "nt", reason="limits the size of files as POSIX does")
def test_a_backup_that_does_not_fit_leaves_nothing(backup: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", _LIMITED, str(tmp_path / "study"), str(tmp_path / "second.zip")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "full" in done.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["study", "study.zip"]
