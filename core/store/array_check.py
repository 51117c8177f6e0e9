"""Reading every array file of a study in a child process with limits.

A copied study is a foreign one. Of 2,000 damaged copies of a pixel file one kept the HDF5 library busy for ever;
whoever opens a study that somebody else made checks it first, and the check survives what it meets.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from core.domain.messages import decode_sentence, message
from core.store.array_check_child import ArrayCheck, ArrayCheckRequest

WALL_S = 60.0
_ROOT = Path(__file__).resolve().parents[2]
_LONGEST_LINE = 1 << 16


class ArrayChecker:
    """A child that reads files one after the other; one that dies or hangs is replaced."""

    def __init__(self, folder: Path, *, wall_s: float = WALL_S) -> None:
        self._folder = folder
        self._wall_s = wall_s
        self._child: subprocess.Popen[bytes] | None = None

    def vet(self, kind: str, name: str) -> ArrayCheck:
        """Read ``<kind>/<name>.h5`` to the end and return the result of the check."""
        late = threading.Event()
        child = self._running()
        timer = threading.Timer(self._wall_s, _kill_late, (child, late))
        timer.start()
        try:
            answer = _ask(child, ArrayCheckRequest(folder=str(self._folder), kind=kind, name=name))
        except (OSError, msgspec.MsgspecError):
            answer = None
        finally:
            timer.cancel()
            timer.join()
        if answer is None:
            self.close()
            why = (
                message("took longer than {seconds:.0f} s", seconds=self._wall_s)
                if late.is_set()
                else message("ended the process that read it")
            )
            return ArrayCheck(
                readable=False,
                sentence=message("{kind}/{name}.h5 {why}; do not use it.", kind=kind, name=name, why=why),
            )
        return answer

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self.close()
            self._child = subprocess.Popen(
                [sys.executable, "-m", "core.store.array_check_child"],
                cwd=_ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is the parent's to handle
            )
        return self._child

    def close(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _ask(child: subprocess.Popen[bytes], request: ArrayCheckRequest) -> ArrayCheck | None:
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write(msgspec.json.encode(request) + b"\n")
    child.stdin.flush()
    line = child.stdout.readline(_LONGEST_LINE)
    return msgspec.json.decode(line, type=ArrayCheck, dec_hook=decode_sentence) if line.endswith(b"\n") else None


def _kill_late(child: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    child.kill()
