"""Folders for results: made with those above them, or refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.domain.atomic import make_folder
from core.domain.errors import StorageFullError


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
