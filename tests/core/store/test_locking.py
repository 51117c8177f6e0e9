from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from core.domain.errors import StudyError, StudyLockedError
from core.store import write_lock as holder_module
from core.store.filesystem import file_system_kind, kind_in_mac_listing, kind_in_mounts
from core.store.study import Study
from core.store.write_lock import HOLDER, LockOwner

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Study.create(tmp_path / "s", name="s").close()
    return tmp_path / "s"


def _claim(folder: Path, *, pid: int, host: str | None = None) -> None:
    claimed = LockOwner(
        holder="Dr Away", user="away", host=host or platform.node(), pid=pid, since_utc="2026-01-02T03:04:05"
    )
    (folder / HOLDER).write_bytes(msgspec.json.encode(claimed))


def _dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_the_second_writer_reads_who_the_first_is(folder: Path) -> None:
    with Study.open(folder, holder="Dr A"):
        with pytest.raises(StudyLockedError, match=rf"Dr A \(.* on .*, process {os.getpid()}, since .* UTC\)"):
            Study.open(folder)
        with Study.open(folder, writable=False) as reading:
            assert reading.holder is not None
            assert reading.holder.holder == "Dr A"
            with pytest.raises(StudyError, match="reading only"):
                reading.readers.ensure("Dr B")
    with Study.open(folder) as study:
        assert study.holder is not None
    assert not (folder / HOLDER).exists()


def test_a_second_process_is_kept_out_also_through_a_link(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    code = (
        "import sys; from pathlib import Path; from core.store.study import Study\n"
        "try: Study.open(Path(sys.argv[1]))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    with Study.open(folder, holder="Dr A"):
        done = subprocess.run(
            [sys.executable, "-c", code, str(link)], cwd=ROOT, capture_output=True, text=True, check=True
        )
    assert done.stdout.startswith("StudyLockedError")
    assert "Dr A" in done.stdout


def test_a_reader_sees_what_the_writer_commits(folder: Path) -> None:
    with Study.open(folder) as writing, Study.open(folder, writable=False) as reading:
        reader = writing.readers.ensure("Dr A")
        assert reading.readers.all() == (reader,)


def test_what_a_dead_process_left_is_cleared(folder: Path) -> None:
    _claim(folder, pid=_dead_pid())
    with Study.open(folder, writable=False) as study:
        assert study.holder is None
    with Study.open(folder, holder="Dr B") as study:
        assert study.holder is not None
        assert study.holder.holder == "Dr B"


def test_a_hold_from_another_computer_is_not_cleared(folder: Path) -> None:
    _claim(folder, pid=_dead_pid(), host="elsewhere")
    with pytest.raises(StudyLockedError, match=rf"Dr Away .*elsewhere.*delete {HOLDER}"):
        Study.open(folder)
    (folder / HOLDER).unlink()
    Study.open(folder).close()


def test_a_copy_of_an_open_study_opens(folder: Path) -> None:
    # the lock in the copy is free although the process that is named in it lives
    _claim(folder, pid=os.getpid())
    Study.open(folder).close()


def test_without_locks_of_the_system_the_process_number_decides(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holder_module, "try_lock", lambda file: True)
    with Study.open(folder, holder="Dr A"), pytest.raises(StudyLockedError, match="Dr A"):
        Study.open(folder)
    _claim(folder, pid=_dead_pid())
    Study.open(folder).close()


def test_an_unreadable_claim_counts_for_nothing(folder: Path) -> None:
    (folder / HOLDER).write_bytes(b"{half")
    Study.open(folder).close()


MOUNTS = """\
/dev/vda / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/vdb /home/me/disk ext4 rw 0 0
//server/share /mnt/my\\040share cifs rw 0 0
me@host: /mnt/ssh fuse.sshfs rw 0 0
/dev/vdc /over ext4 rw 0 0
server:/x /over nfs rw 0 0
"""


@pytest.mark.parametrize(
    "place, kind",
    [
        ("/tmp/study", "ext4"),
        ("/home/me/study", "nfs4"),
        ("/home/me/disk/study", "ext4"),
        ("/homework", "ext4"),
        ("/mnt/my share/a", "cifs"),
        ("/mnt/ssh", "fuse.sshfs"),
        ("/over/a", "nfs"),
    ],
)
def test_the_innermost_mount_decides(place: str, kind: str) -> None:
    assert kind_in_mounts(MOUNTS, Path(place)) == kind


def test_the_listing_of_a_mac_is_understood() -> None:
    listing = "/dev/disk1s1 on / (apfs, local, journaled)\n//me@host/share on /Volumes/my share (smbfs, nodev)\n"
    assert kind_in_mac_listing(listing, Path("/Volumes/my share/study")) == "smbfs"
    assert kind_in_mac_listing(listing, Path("/Users/me")) == "apfs"


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_a_network_file_system_is_refused_with_advice(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("core.store.filesystem.file_system_kind", lambda place: kind)
    with pytest.raises(StudyError, match=rf"\({kind}\).*local disk"):
        Study.open(folder)
    with pytest.raises(StudyError, match="network file system"):
        Study.create(tmp_path / "other", name="n")
    assert not (tmp_path / "other").exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/mounts")
def test_the_file_system_of_this_folder_has_a_name(tmp_path: Path) -> None:
    assert file_system_kind(tmp_path)
