"""Folders for results: made with those above them, or refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.domain.errors import StorageFullError
from core.platform.atomic import atomic_write, make_folder


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for wish in (tmp_path / "thesis.txt", tmp_path / "thesis.txt" / "pages"):
        with pytest.raises(StorageFullError, match=r"thesis\.txt is a file"):
            make_folder(wish)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_folders_above_are_made(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a place that holds no files")
def test_a_place_that_holds_no_files_is_a_sentence() -> None:
    for write in (lambda: make_folder(Path("/proc/x")), lambda: atomic_write(Path("/proc/x"), b"")):
        with pytest.raises(StorageFullError, match="/proc cannot hold it"):
            write()


def test_a_name_that_is_too_long_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StorageFullError, match="shorter"):
        atomic_write(tmp_path / ("a" * 300), b"")
    with pytest.raises(StorageFullError, match="shorter"):
        make_folder(tmp_path / ("a" * 300))


def test_what_is_missing_for_the_content_is_not_said_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        atomic_write(tmp_path / "a", lambda path: (tmp_path.parent / "not there").read_bytes() and None)


def test_the_names_of_new_folders_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a power loss left of a pruning was a row in the database, and no folder with its model."""
    synced: list[Path] = []
    monkeypatch.setattr("core.platform.atomic.sync_folder", synced.append)
    make_folder(tmp_path / "a" / "b" / "c")
    assert set(synced) == {tmp_path, tmp_path / "a", tmp_path / "a" / "b"}
    make_folder(tmp_path / "a" / "b" / "c")
    assert len(synced) == 3
