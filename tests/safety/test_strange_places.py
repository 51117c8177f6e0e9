"""C-04, C-12 to C-14, weak places of a folder: links, pipes, dates, permissions, remains, a lost database."""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path

import pytest

from core.cli.main import run_command_line
from core.domain.errors import BadFileError, StorageFullError, StudyError
from core.store.archive import write_archive
from core.store.check import check_study
from core.store.filesystem import kind_in_mounts
from core.store.restore import restore_archive
from core.store.study import Study
from core.store.write_lock import read_holder
from tests.core.store.helpers import add_case

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links and pipes as POSIX has them")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Study.create(tmp_path / "s", name="s") as study:
        add_case(study, 1)
    return tmp_path / "s"


@pytest.mark.parametrize(
    "name", ["runs", "pixels", "derived", "backup", "identity.enc", "study.db", "holder.json"]
)
def test_a_link_in_a_study_is_refused_and_nothing_behind_it_is_packed(
    folder: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    if (folder / name).exists():
        (folder / name).rename(elsewhere)
    elif name in ("identity.enc", "holder.json"):
        elsewhere.write_text("not the study's")
    else:
        elsewhere.mkdir()
    (folder / name).symlink_to(elsewhere)
    for writable in (True, False):
        with pytest.raises(BadFileError, match=f"^{name} .* is a link to another place"):
            Study.open(folder, writable=writable)
    assert run_command_line(["check", str(folder), "--quiet"]) == 1
    assert "is a link" in capsys.readouterr().err


def test_a_link_within_the_runs_is_not_packed(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("not the study's")
    (folder / "runs" / "r").mkdir()
    (folder / "runs" / "r" / "model.json").symlink_to(secret)
    with Study.open(folder) as study, pytest.raises(StudyError, match="is a link"):
        write_archive(study, tmp_path / "backup.zip")


@pytest.mark.parametrize("name", ["holder.json", "study.lock", "identity.enc", "study.db-wal"])
def test_a_pipe_in_the_place_of_a_file_does_not_hang(folder: Path, name: str) -> None:
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    with pytest.raises(BadFileError, match="not a regular file"):
        Study.open(folder)
    assert read_holder(folder) is None


def test_a_pipe_or_a_link_in_the_place_of_pixels_is_named(folder: Path, tmp_path: Path) -> None:
    pixels = folder / "pixels" / "i1.h5"
    pixels.rename(tmp_path / "i1.h5")
    for make in (os.mkfifo, lambda path: Path(path).symlink_to(tmp_path / "i1.h5")):
        make(pixels)
        with Study.open(folder, writable=False) as study:
            assert [p.subject for p in check_study(study).problems] == ["image i1"]
        pixels.unlink()


@pytest.mark.parametrize("year", [1901, 1970, 2200])
def test_a_backup_takes_files_of_any_date(folder: Path, tmp_path: Path, year: int) -> None:
    seconds = (year - 1970) * 365 * 86_400
    os.utime(folder / "pixels" / "i1.h5", (seconds, seconds))
    with Study.open(folder) as study:
        write_archive(study, tmp_path / "backup.zip")
    restore_archive(tmp_path / "backup.zip", tmp_path / "restored")
    assert (tmp_path / "restored" / "pixels" / "i1.h5").is_file()


def test_only_the_user_reads_databases_and_backups(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir(mode=0o755)
    before = os.umask(0o022)
    try:
        with Study.create(tmp_path / "there", name="s") as study:
            add_case(study, 1)
            write_archive(study, tmp_path / "backup.zip")
    finally:
        os.umask(before)
    for path in (tmp_path / "there" / "study.db", tmp_path / "backup.zip", tmp_path / "there" / "pixels"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_what_a_killed_restore_left_is_cleared(folder: Path, tmp_path: Path) -> None:
    with Study.open(folder) as study:
        write_archive(study, tmp_path / "backup.zip")
    left = tmp_path / ".back.abc.part"
    (left / "pixels").mkdir(parents=True)
    (left / "pixels" / "i1.h5").write_bytes(b"a patient")
    restore_archive(tmp_path / "backup.zip", tmp_path / "back")
    assert not left.exists() and [path.name for path in tmp_path.glob(".*.part")] == []


def test_a_database_that_was_deleted_takes_no_more_changes(folder: Path) -> None:
    with Study.open(folder) as study:
        study.readers.ensure("Dr A")
        (folder / "study.db").rename(folder / "kept.db")
        with pytest.raises(StorageFullError, match="was deleted or exchanged"):
            study.readers.ensure("Dr B")
        (folder / "kept.db").rename(folder / "study.db")
        study.readers.ensure("Dr C")


@pytest.mark.parametrize("kind", ["9p", "drvfs", "virtiofs", "grpcfuse", "fuse.grpcfuse"])
def test_folders_of_a_host_count_as_a_network(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from core.store import filesystem

    monkeypatch.setattr(filesystem, "file_system_kind", lambda folder: kind)
    with pytest.raises(StudyError, match=kind):
        filesystem.refuse_network(tmp_path)


@pytest.mark.parametrize("escaped", ["/mnt/a\\040b", "/mnt/a\\043b", "/mnt/a\\011b", "/mnt/a\\134040b"])
def test_mount_points_are_unescaped(escaped: str) -> None:
    plain = escaped.replace("\\134", "\\") if "134" in escaped else escaped.encode().decode("unicode_escape")
    assert kind_in_mounts(f"host {escaped} 9p rw 0 0", Path(plain) / "x") == "9p"


def test_no_backup_holds_what_is_no_file(folder: Path, tmp_path: Path) -> None:
    (folder / "runs" / "r").mkdir()
    os.mkfifo(folder / "runs" / "r" / "pipe")
    with Study.open(folder) as study:
        write_archive(study, tmp_path / "backup.zip")
    with zipfile.ZipFile(tmp_path / "backup.zip") as archive:
        assert all("pipe" not in name for name in archive.namelist())
