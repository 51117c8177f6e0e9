"""Studies on network file systems are refused with advice wherever one is made, opened or restored."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.cli.main import run_command_line
from core.domain.errors import StudyError
from core.store import filesystem
from core.store.archive import write_archive
from core.store.filesystem import kind_in_mac_listing, kind_in_mounts, refuse_network
from core.store.restore import restore_archive
from core.store.study import Study
from tests.core.store.helpers import add_case

MOUNTS = (
    "rootfs / ext4 rw 0 0\n"
    "server:/home /mnt/nfs nfs4 rw 0 0\n"
    "//server/share /mnt/with\\040space cifs rw 0 0\n"
    "/dev/sdb1 /mnt/nfs/local ext4 rw 0 0\n"
    "me@host:/ /mnt/ssh fuse.sshfs rw 0 0\n"
    "tank /mnt/cluster lustre rw 0 0\n"
    "share /mnt/guest vboxsf rw 0 0\n"
)
ADVICE = "lies on a network file system .* Put the study on a local disk"


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/home/me", "ext4"),
        ("/mnt/nfs", "nfs4"),
        ("/mnt/nfs/a/b", "nfs4"),
        ("/mnt/nfs/local/study", "ext4"),
        ("/mnt/nfsomething", "ext4"),
        ("/mnt/with space/x", "cifs"),
        ("/mnt/ssh/x", "fuse.sshfs"),
    ],
)
def test_the_innermost_mount_counts(place: str, kind: str) -> None:
    assert kind_in_mounts(MOUNTS, Path(place)) == kind


def test_mac_listings_are_read() -> None:
    listing = "/dev/disk1s1 on / (apfs, local)\n//me@host/share on /Volumes/share (smbfs, nodev)\n"
    assert kind_in_mac_listing(listing, Path("/Volumes/share/x")) == "smbfs"
    assert kind_in_mac_listing(listing, Path("/Users/me")) == "apfs"


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the table of mounts gives out as one of a server."""
    place = tmp_path / "share"
    place.mkdir()
    table = f"rootfs / ext4 rw 0 0\nserver:/share {place} nfs4 rw 0 0\n"
    real = Path.read_text

    def read_text(path: Path, *more: object, **others: object) -> str:
        return table if str(path) == "/proc/mounts" else real(path, *more, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(filesystem.sys, "platform", "linux")
    monkeypatch.setattr(Path, "read_text", read_text)
    return place


def test_making_opening_and_restoring_are_refused_with_advice(network: Path, tmp_path: Path) -> None:
    with Study.create(tmp_path / "local", name="s") as study:
        add_case(study, 1)
        # a copy for safe keeping may lie there: it is written once and read whole
        write_archive(study, network / "backup.zip")
    with pytest.raises(StudyError, match=ADVICE):
        Study.create(network / "new", name="s")
    with pytest.raises(StudyError, match=ADVICE):
        restore_archive(network / "backup.zip", network / "restored")
    (tmp_path / "local").rename(network / "moved")
    for writable in (True, False):
        with pytest.raises(StudyError, match=ADVICE):
            Study.open(network / "moved", writable=writable)
    (tmp_path / "link").symlink_to(network / "moved")
    with pytest.raises(StudyError, match=ADVICE):
        Study.open(tmp_path / "link")
    assert sorted(path.name for path in network.iterdir()) == ["backup.zip", "moved"]


@pytest.mark.parametrize("kind", ["lustre", "vboxsf", "cifs", "fuse.rclone"])
def test_other_kinds_of_shared_disks_are_known(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(filesystem, "file_system_kind", lambda folder: kind)
    with pytest.raises(StudyError, match=ADVICE):
        refuse_network(tmp_path)


def test_the_command_line_says_it_in_a_sentence(network: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["study", "create", str(network / "new"), "--quiet"]) == 1
    assert "Put the study on a local disk" in capsys.readouterr().err
    assert list(network.iterdir()) == []
