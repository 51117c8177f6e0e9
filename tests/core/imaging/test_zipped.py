"""Archives are read as folders, within limits, and nothing of them reaches the disk."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from core.data.importers.images import read_files, read_images
from core.imaging import zipped
from core.imaging.decoded import Refusal, RefusedImageError
from core.imaging.reader import read_image
from core.imaging.zipped import members
from tests.core.imaging.samples import mammogram, png, texture


def archive(path: Path, files: dict[str, bytes], *, packing: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return path


def as_bytes(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name, content in files.items():
            made.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def dicom(tmp_path: Path) -> bytes:
    return mammogram(tmp_path).read_bytes()


def test_members_are_read_where_they_lie(tmp_path: Path, dicom: bytes) -> None:
    inner = as_bytes({"deep/IM1": dicom, "notes.txt": b"hello"})
    path = archive(
        tmp_path / "study.zip",
        {"IMG/0001": dicom, "IMG/": b"", "a b/ü.png": png(texture()), "in.zip": inner, "lesions.csv": b"image\n"},
    )
    plan = read_files([path], source="s")
    assert [image.where for image in plan.images] == [
        "study.zip/IMG/0001",
        "study.zip/a b/ü.png",
        "study.zip/in.zip/deep/IM1",
    ]
    for image in plan.images:
        np.testing.assert_array_equal(read_image(image.path).pixels, texture())
    reasons = {one.name: one.reason for one in plan.passed_over}
    assert reasons["study.zip/in.zip/notes.txt"] == "text"
    assert "unpack it to have it read" in reasons["study.zip/lesions.csv"]
    assert any("Files that were skipped (2)" in issue.sentence for issue in plan.issues)
    folder = tmp_path / "folder" / "b"
    folder.mkdir(parents=True)
    path.rename(folder / "x.bin")
    assert len(read_images(tmp_path / "folder", source="s").images) == 3


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_packings(tmp_path: Path, dicom: bytes, packing: int) -> None:
    path = archive(tmp_path / "a.zip", {"one": dicom}, packing=packing)
    np.testing.assert_array_equal(read_image(path / "one").pixels, texture())


@pytest.mark.parametrize("name", ["../up.dcm", "/etc/x.dcm", "a/../../b.dcm"])
def test_names_that_lead_out_are_passed_over(tmp_path: Path, dicom: bytes, name: str) -> None:
    path = archive(tmp_path / "a.zip", {name: dicom, "good": dicom})
    found = list(members(path))
    assert [(m.path.name, bool(m.reason)) for m in found] == [(Path(name).name, True), ("good", False)]
    assert "leads out" in found[0].reason and found[0].path.parent == path


def test_an_encrypted_member_says_so(tmp_path: Path, dicom: bytes) -> None:
    path = archive(tmp_path / "a.zip", {"one": dicom}, packing=zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    path.write_bytes(bytes(data))
    (member,) = members(path)
    assert "password" in member.reason
    with pytest.raises(RefusedImageError, match="password"):
        read_image(path / "one")


def test_bombs_are_refused_from_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipped, "_SMALL", 1 << 20)
    path = archive(tmp_path / "a.zip", {"one": bytes(8 << 20)})
    monkeypatch.setattr(zipped, "MOST_PACKED", 500)
    with pytest.raises(RefusedImageError, match="damaged or hostile") as caught:
        list(members(path))
    assert caught.value.reason is Refusal.TOO_LARGE
    monkeypatch.setattr(zipped, "MOST_MEMBERS", 3)
    many = archive(tmp_path / "b.zip", {str(k): b"" for k in range(4)})
    with pytest.raises(RefusedImageError, match="4 files"):
        list(members(many))


def test_a_member_that_lies_about_its_size_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipped, "MAX_FILE_BYTES", 1000)
    path = archive(tmp_path / "a.zip", {"one": os.urandom(4000)})
    with pytest.raises(RefusedImageError, match="4,000 bytes"):
        read_image(path / "one")


def test_nesting_has_an_end(tmp_path: Path, dicom: bytes) -> None:
    content = dicom
    for _ in range(5):
        content = as_bytes({"in.zip" if content is not dicom else "one": content})
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    (member,) = members(path)
    assert "within archives" in member.reason


def test_damaged_archives_say_so(tmp_path: Path, dicom: bytes) -> None:
    path = archive(tmp_path / "a.zip", {"one": dicom})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(RefusedImageError, match="download it again"):
        list(members(path))
    plan = read_files([path], source="s")
    assert not plan.images and "download it again" in plan.passed_over[0].reason
    inner = archive(tmp_path / "b.zip", {"in.zip": data[: len(data) // 2], "one": dicom})
    assert [bool(member.reason) for member in members(inner)] == [True, False]


def test_an_archive_that_is_gone_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(RefusedImageError) as caught:
        read_image(tmp_path / "gone.zip" / "one")
    assert caught.value.reason is Refusal.UNREADABLE
