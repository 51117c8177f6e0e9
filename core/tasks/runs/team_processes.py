"""The processes of a run that several devices of this machine train, started by the command itself.

As with torchrun, the command leads and the others run the same jobs; without torchrun a killed process and Ctrl-C
end in one sentence.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO

from core.domain.errors import TrainingError
from core.domain.messages import Sentence, joined, message
from core.jobs.supervisor import ROOT, child_environment

_END_S = 20.0
_ERROR = "Error: "
_SAME = "Another process of this training ended"


@contextlib.contextmanager
def helpers(count: int, command_line: Sequence[str]) -> Iterator[None]:
    """Start ``count - 1`` processes of this command line that help this one, and end them with it.

    Raises: TrainingError with the message of a helper that failed, where one did.
    """
    from core.training.team import held_meeting_point

    store, team = held_meeting_point()
    team["WORLD_SIZE"] = str(count)
    with contextlib.ExitStack() as stack:
        sinks = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(count - 1)]
        processes = [
            subprocess.Popen(
                [sys.executable, str(ROOT / "main.py"), *command_line],
                env={**child_environment(), **team, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=sink,
                start_new_session=True,
            )
            for rank, sink in enumerate(sinks, start=1)
        ]
        os.environ.update(team | {"RANK": "0", "LOCAL_RANK": "0"})
        try:
            yield
        except TrainingError as error:
            _wait(processes)
            raise TrainingError(joined([error, *_ends(processes, sinks)])) from error
        finally:
            for name in (*team, "RANK", "LOCAL_RANK"):
                os.environ.pop(name, None)
            _wait(processes)
            del store


def _wait(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        try:
            process.wait(timeout=_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ends(processes: Sequence[subprocess.Popen[bytes]], sinks: Sequence[IO[bytes]]) -> list[Sentence]:
    """How helpers ended that did not end well: killed by a signal, or with the message that they wrote."""
    found = []
    for number, (process, sink) in enumerate(zip(processes, sinks, strict=True), start=2):
        sink.seek(0)
        lines = [line for line in sink.read().decode("utf-8", "replace").splitlines() if line.startswith(_ERROR)]
        if process.returncode < 0:
            said = message(
                "Process {number} was killed (signal {signal}).", number=number, signal=-process.returncode
            )
            found.append(said)
        elif process.returncode and lines and _SAME not in lines[-1]:
            said = message("Process {number}: {said}", number=number, said=lines[-1].removeprefix(_ERROR))
            found.append(said)
    return found
