"""Devices of a machine on which several people train: one job for each graphics card, or for the processor.

A lock is a file that every user of the machine may lock, and that the system frees when its holder dies. Which
trainings take one: ``core.tasks.runs.held_device``.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from core.domain.errors import Cancelled
from core.domain.events import Emit, IsCancelled, Message
from core.domain.messages import message
from core.platform.system import try_lock, unlock

PLACE = "MARGINALIA_DEVICES"
"""Environment variable with the folder of the locks; all users of a machine need the same one."""
PROCESSOR = "processor"
_WAIT_S = 2.0
_LONGEST = 200
_FLAGS = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
"""A link in a folder that all may write could lead to a file of this user's, which would be emptied."""


def card_names(count: int) -> list[str]:
    """Return the names of the ``count`` graphics cards that this process sees, as every process here names them.

    Where CUDA_VISIBLE_DEVICES chooses cards, the first of them is another card than the first of the machine.
    """
    chosen = [word.strip() for word in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    known = len(chosen) >= count and all(word.isdigit() for word in chosen[:count])
    return [f"graphics card {chosen[index] if known else index}" for index in range(count)]


def busy_devices(devices: Sequence[str]) -> dict[str, str]:
    """Return the devices that are in use, each with who uses it since when."""
    found = {}
    for device in devices:
        file = _opened(device)
        if file is None:
            continue
        with file:
            if try_lock(file):
                unlock(file)
            else:
                found[device] = _holder(device)
    return found


@contextlib.contextmanager
def one_of(devices: Sequence[str], *, emit: Emit, cancelled: IsCancelled, waits: bool = True) -> Iterator[str]:
    """Hold the first of the devices that is free. If none is, wait for one, or share the first (``waits`` False).

    Raises: Cancelled while it waits.
    """
    told = False
    while True:
        for device in devices:
            file = _opened(device)
            if file is None:
                emit(
                    Message(
                        level="warning",
                        text=message("Locks cannot be kept in {folder}: devices may be shared.", folder=_folder()),
                    )
                )
                yield device
                return
            with file:
                if try_lock(file):
                    _sign(file)
                    yield device
                    return
        if cancelled():
            raise Cancelled
        used = "; ".join(f"{device} by {holder}" for device, holder in busy_devices(devices).items())
        if not waits:
            emit(Message(level="info", text=message("Sharing a device that is in use: {used}.", used=used)))
            yield devices[0]
            return
        if not told:
            told = True
            emit(Message(level="info", text=message("Waiting for a free device: {used}.", used=used)))
        time.sleep(_WAIT_S)


def _folder() -> Path:
    named = os.environ.get(PLACE)
    return Path(named) if named else Path(tempfile.gettempdir()) / "marginalia-devices"


def _file(device: str) -> Path:
    return _folder() / f"{device.replace(' ', '-')}.lock"


def _opened(device: str) -> BinaryIO | None:
    """The lock file, made if there is none; None if this user may not have one."""
    folder, path = _folder(), _file(device)
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o1777)
        try:
            # without O_CREAT: in a folder that all may write, systems refuse it for the files of others
            descriptor = os.open(path, _FLAGS)
        except FileNotFoundError:
            descriptor = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o666)
            path.chmod(0o666)
    except OSError:
        return None
    return os.fdopen(descriptor, "r+b")


def _sign(file: BinaryIO) -> None:
    who = f"{getpass.getuser()} since {datetime.now(UTC).isoformat(timespec='minutes')}"
    file.seek(0)
    file.truncate()
    file.write(who.encode())
    file.flush()


def _holder(device: str) -> str:
    try:
        text = _file(device).read_bytes()[:_LONGEST].decode("utf-8", "replace").strip()
    except OSError:
        text = ""
    return text if text and text.isprintable() else "somebody else"
