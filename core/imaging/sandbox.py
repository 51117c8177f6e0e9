"""Functions that parse foreign files, run in a child process with limits: like the decoder's, for other work.

4 GB of address space, a limit of processor and wall time, no socket, no program, no file written. The function is
named by module, takes one document and gives one; a crash or a timeout is a refusal of that one file, and the
next one gets a new child.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType

import msgspec

import core
from core.domain.messages import decode_sentence, message, named
from core.imaging.decode_child import RETIRE_AFTER_CPU_S
from core.imaging.decoded import MAX_FILE_BYTES, Refusal, RefusedImageError
from core.imaging.sandbox_child import ForeignResult, ForeignTask
from core.imaging.worker import quiet_environment

WALL_S = 60.0
_LONGEST_LINE = 1 << 20
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); from core.imaging.sandbox_child import main; main(sys.argv[2])"
)


class Sandbox:
    """One child for one function, started when first needed. A context manager; from one thread at a time."""

    def __init__(self, entry: str, *, wall_s: float = WALL_S) -> None:
        """``entry``: ``package.module:function`` of ours, ``bytes`` to ``bytes``."""
        self._entry, self._wall_s = entry, wall_s
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def call(self, argument: bytes, *, name: str) -> bytes:
        """Return the function's result for ``argument``; ``name`` is the file's name, for the sentence.

        Raises: RefusedImageError if the function refuses, crashes or takes too long.
        """
        child = self._running()
        late = threading.Event()
        timer = threading.Timer(self._wall_s, _kill_late, (child, late))
        timer.start()
        answer: tuple[ForeignResult, bytes] | None = None
        try:
            answer = _ask(child, argument)
        except (OSError, ValueError, msgspec.MsgspecError):
            answer = None
        finally:
            timer.cancel()
            timer.join()
            if answer is None:
                self.close()
        if answer is None:
            if late.is_set():
                sentence = message(
                    "{name} could not be read: it took longer than {seconds:g} s.", name=name, seconds=self._wall_s
                )
                raise RefusedImageError(sentence, Refusal.TIMED_OUT)
            raise RefusedImageError(
                message(
                    "{name} could not be read: it made the reading process crash. The file is damaged or hostile.",
                    name=name,
                ),
                Refusal.CRASHED,
            )
        done, content = answer
        if done.cpu_s > RETIRE_AFTER_CPU_S:
            self.close()
        if done.refusal is not None:
            raise RefusedImageError(named(done.sentence, name), done.refusal)
        return content

    def close(self) -> None:
        """End the child; a later call starts another."""
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was not yet written is of no use
                    pipe.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self.close()
            root = Path(core.__file__).resolve().parents[1]
            # -I: neither the working folder nor PYTHON* variables decide what is imported
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-B", "-c", _START, str(root), self._entry],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=quiet_environment(),
                start_new_session=True,  # Ctrl-C is the parent's to handle
            )
        return self._child


def _ask(child: subprocess.Popen[bytes], argument: bytes) -> tuple[ForeignResult, bytes] | None:
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write(msgspec.json.encode(ForeignTask(argument=argument)) + b"\n")
    child.stdin.flush()
    line = child.stdout.readline(_LONGEST_LINE)
    if not line.endswith(b"\n"):
        return None
    done = msgspec.json.decode(line, type=ForeignResult, dec_hook=decode_sentence)
    if not 0 <= done.size <= MAX_FILE_BYTES:
        return None
    content = child.stdout.read(done.size)
    return (done, content) if len(content) == done.size else None


def _kill_late(child: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    child.kill()
