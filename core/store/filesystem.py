"""Detection of network file systems, where write-ahead logging loses data."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

from core.domain.errors import StudyError
from core.domain.messages import message

_NETWORK = frozenset(
    {
        *("nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "smbclient", "afpfs", "ncpfs", "ncp"),
        *("webdav", "davfs", "coda", "afs", "gfs2", "ocfs2", "ceph", "glusterfs", "fuse.sshfs", "fuse.davfs"),
        *("fuse.davfs2", "fuse.rclone", "fuse.smbnetfs", "fuse.s3fs", "fuse.gcsfuse", "fuse.glusterfs"),
        *("lustre", "gpfs", "beegfs", "pvfs2", "vboxsf", "prl_fs", "vmhgfs", "fuse.vmhgfs-fuse"),
        # folders of the host in a virtual machine, a container or the Linux of Windows
        *("9p", "drvfs", "virtiofs", "grpcfuse", "fuse.grpcfuse", "osxfs", "fuse.osxfs", "fakeowner", "hgfs"),
        *("fuse.virtiofs", "v9fs", "wslfs", "prl_fs_freeze", "fuse.hgfs"),
        *("fuse.ceph", "fuse.gvfsd-fuse", "fuse.curlftpfs", "remote"),
    }
)
_DRIVE_REMOTE = 4


def refuse_network(folder: Path) -> None:
    """StudyError with advice where ``folder`` (or the nearest existing parent) is on a network file system."""
    kind = file_system_kind(folder)
    if kind in _NETWORK:
        raise StudyError(
            message(
                "{folder} lies on a network file system ({kind}), on which the database of a study can be "
                "damaged. Put the study on a local disk and copy the closed study to the network for safe "
                "keeping.",
                folder=folder,
                kind=kind,
            )
        )


def file_system_kind(folder: Path) -> str:
    """Return the system's name of the file system that holds ``folder``; empty if the system gives none."""
    folder = folder.resolve()
    if sys.platform == "win32":
        return _windows_kind(folder)
    try:
        if sys.platform == "darwin":
            done = subprocess.run(["/sbin/mount"], capture_output=True, text=True, timeout=5, check=False)
            return kind_in_mac_listing(done.stdout, folder)
        return kind_in_mounts(Path("/proc/mounts").read_text(encoding="utf-8", errors="replace"), folder)
    except (OSError, subprocess.SubprocessError):
        return ""


def kind_in_mounts(mounts: str, folder: Path) -> str:
    """Return the kind of ``folder``'s innermost mount, given /proc/mounts text; the last of equals counts."""
    fields = [line.split(" ") for line in mounts.splitlines()]
    return _innermost([(_unescaped(f[1]), f[2]) for f in fields if len(f) > 2], folder)


def kind_in_mac_listing(listing: str, folder: Path) -> str:
    """The same from lines such as ``//me@host/share on /Volumes/share (smbfs, nodev)``."""
    found = []
    for line in listing.splitlines():
        place, _, options = line.rpartition(" (")
        found.append((place.partition(" on ")[2], options.split(",")[0].rstrip(")")))
    return _innermost(found, folder)


def _innermost(mounts: list[tuple[str, str]], folder: Path) -> str:
    best, kind = -1, ""
    for place, name in mounts:
        if place and folder.is_relative_to(place) and len(Path(place).parts) >= best:
            best, kind = len(Path(place).parts), name
    return kind


def _unescaped(place: str) -> str:
    """The system writes blanks, backslashes and some other bytes as three octal digits."""
    return re.sub(r"\\([0-3][0-7]{2})", lambda found: chr(int(found[1], 8)), place)


def _windows_kind(folder: Path) -> str:
    if folder.drive.startswith("\\\\"):
        return "remote"
    # windll exists on Windows only
    kind = getattr(ctypes, "windll").kernel32.GetDriveTypeW(folder.drive + os.sep)  # noqa: B009
    return "remote" if kind == _DRIVE_REMOTE else "local"
