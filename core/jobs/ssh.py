"""This program on another machine, through the system's ``ssh``: the job protocol, and files to and fro.

The command there is ``main.py job``. ssh asks nothing (BatchMode) and knows the machine already (its key is among
the user's known hosts); when the connection breaks, the job there reads the end of its input and stops after its
checkpoint. What comes back is foreign: names from a list only, sizes within bounds, every file held against
its hash before it takes its name.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shlex
import shutil
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import msgspec

from core.domain.errors import Cancelled, TrainingError
from core.domain.events import TERMINAL, Emit, Event, Failed, IsCancelled, Progress, Started
from core.domain.messages import message
from core.jobs.catalogue import JobRequest
from core.jobs.execution_target import ExecutionTarget
from core.jobs.hosts import RemoteHost
from core.jobs.ssh_refusals import why_refused
from core.jobs.supervisor import supervise
from core.platform.atomic import atomic_write, make_folder
from core.platform.system import kill_session

OPTIONS = ("BatchMode=yes", "ConnectTimeout=20", "ServerAliveInterval=15", "ServerAliveCountMax=4")
HEARTBEAT_S = 15.0
GRACE_S = 60.0
"""For a job there to stop after its batch."""
RESULTS = re.compile(
    r"(?:config|machine|history|run)\.json|table\.h5|projected\.h5|model/(?:model\.json|model-[0-9a-f]{16}\.safetensors)"
)
_WITH_PORT = re.compile(r"[^:]+:\d{1,5}")
_LARGEST, _LARGEST_LIST = 8 << 30, 1 << 20
_BLOCK = 1 << 20
SILENT_S = 600.0
"""Time in which something must come or go on a connection: a host that hangs would keep the run for ever."""
_LOOK_S, _JOIN_S = 0.5, 5.0
_KEPT_LINES, _LONGEST_WORDS = 60, 2_000
WANTED, KEPT = b"wanted\n", b"kept\n"


class File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    size: int
    sha256: str


def command(host: RemoteHost, *arguments: str) -> tuple[str, ...]:
    """ssh with this program's ``job`` there; every word quoted for the shell there."""
    there = f"cd {shlex.quote(host.program)} && exec {shlex.join([host.python, 'main.py', 'job', *arguments])}"
    options = [word for option in OPTIONS for word in ("-o", option)]
    address = f"ssh://{host.address}" if _WITH_PORT.fullmatch(host.address) else host.address
    return ("ssh", "-T", *options, "--", address, there)


def run_there(
    host: RemoteHost, request: JobRequest, *, emit: Emit, cancelled: IsCancelled, grace_s: float = GRACE_S
) -> Event:
    """Carry a job out there; its terminal event, which is emitted last as every other.

    The job there stops about a minute after the connection died, even without a word.
    """
    lost = message(
        "The connection to {host} broke, or the program there was killed; what was saved there is kept, and the "
        "run can be resumed.",
        host=host.name,
    )
    begun = False

    def watch(event: Event) -> None:
        nonlocal begun
        begun = begun or isinstance(event, Started)
        if not isinstance(event, TERMINAL):
            emit(event)

    place = ExecutionTarget(command=command(host), lost=lost)
    kept = msgspec.structs.replace(request, heartbeat_s=HEARTBEAT_S)
    final = supervise(kept, emit=watch, cancelled=cancelled, grace_s=grace_s, place=place)
    if isinstance(final, Failed) and not begun:
        final = Failed(sentence=why_refused(host, final.last_words), last_words=final.last_words)
    emit(final)
    return final


class _Watchdog:
    """Ends a connection on which nothing came or went for too long."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process, self.late = process, False
        self._over = threading.Event()
        self.heard()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def heard(self) -> None:
        self._deadline = time.monotonic() + SILENT_S

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_S):
            if time.monotonic() > self._deadline:
                self.late = True
                kill_session(self._process.pid)
                return


def _keep_words(stream: IO[bytes], words: deque[bytes]) -> None:
    while line := stream.readline(_LONGEST_WORDS):
        words.append(line)


@contextlib.contextmanager
def _talking(host: RemoteHost, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[], None]]]:
    """A command there with its two pipes, and what to call whenever something came or went.

    TrainingError where the command, or the connection, fails, or where nothing comes or goes for ``SILENT_S``.
    """
    try:
        process = subprocess.Popen(
            command(host, *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise TrainingError(
            message("ssh could not be started ({reason}); install it, or train here.", reason=error.strerror)
        ) from error
    words: deque[bytes] = deque(maxlen=_KEPT_LINES)
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    reader = threading.Thread(target=_keep_words, args=(process.stderr, words), daemon=True)
    reader.start()
    watchdog = _Watchdog(process)
    try:
        broken = False
        try:
            yield process, watchdog.heard
        except BrokenPipeError:
            broken = True
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        # what comes behind the answer is not kept
        while process.stdout.read(_BLOCK):
            pass
        process.wait()
        reader.join(_JOIN_S)
        if watchdog.late:
            raise TrainingError(
                message(
                    "{host} did not answer for {minutes} minutes, or answered without an end; look "
                    "at it, and resume the run.",
                    host=host.name,
                    minutes=round(SILENT_S / 60),
                )
            )
        if broken or process.returncode != 0:
            raise TrainingError(why_refused(host, b"".join(words).decode("utf-8", "replace")))
    finally:
        watchdog.stop()
        if process.poll() is None:
            kill_session(process.pid)
        process.wait()
        reader.join(_JOIN_S)
        # what ssh started may keep its standard error open, and then nobody can close it here
        for stream in (process.stdin, process.stdout, *(() if reader.is_alive() else (process.stderr,))):
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def follow_there(host: RemoteHost, folder: str, *, emit: Emit, cancelled: IsCancelled) -> Event:
    """Follow the job that was left in this folder there, from its first event; its terminal event.

    Raises: TrainingError if the connection breaks; the job there goes on.
    """
    lost = message(
        "The connection to {host} broke; the run goes on there. Follow it again with train --resume.",
        host=host.name,
    )
    begun = False

    def watch(event: Event) -> None:
        nonlocal begun
        begun = begun or isinstance(event, Started)
        emit(event)

    place = ExecutionTarget(command=command(host, "--in", folder, "--left", "follow"), lost=lost)
    request = JobRequest(job="follow")
    final = supervise(request, emit=watch, cancelled=cancelled, grace_s=GRACE_S, place=place)
    if isinstance(final, Failed) and final.sentence == place.lost:
        raise TrainingError(final.sentence if begun else why_refused(host, final.last_words))
    return final


def ask(host: RemoteHost, *arguments: str, given: bytes = b"") -> str:
    """Return the output of a short command on the host, which reads ``given``."""
    with _talking(host, *arguments) as (process, _):
        assert process.stdout is not None and process.stdin is not None
        process.stdin.write(given)
        process.stdin.flush()
        answer = process.stdout.read(_LARGEST_LIST)
    return answer.decode("utf-8", "replace").strip()


def send(host: RemoteHost, file: Path, *arguments: str, emit: Emit, cancelled: IsCancelled) -> None:
    """Send a file to a command on the host, which first reports if it has the file already."""
    size = file.stat().st_size
    with _talking(host, *arguments) as (process, heard), file.open("rb") as source:
        assert process.stdin is not None and process.stdout is not None
        if process.stdout.readline(_LONGEST_WORDS) == WANTED:
            done = 0
            while block := source.read(_BLOCK):
                if cancelled():
                    raise Cancelled
                process.stdin.write(block)
                heard()
                done += len(block)
                emit(Progress(stage="sending", done=done, total=size))
            process.stdin.flush()


def fetch(host: RemoteHost, folder: Path, *arguments: str, emit: Emit, cancelled: IsCancelled) -> list[str]:
    """Bring the results of a run into its folder; their names. TrainingError for anything that is no result."""
    with _talking(host, *arguments) as (process, heard):
        assert process.stdout is not None
        files = _list(host, process.stdout.readline(_LARGEST_LIST))
        total, done = sum(file.size for file in files), 0
        for file in files:
            if cancelled():
                raise Cancelled
            make_folder((folder / file.name).parent)
            _take(_Heard(process.stdout, heard), host, file, folder / file.name)
            done += file.size
            emit(Progress(stage="fetching", done=done, total=total))
    return [file.name for file in files]


def _list(host: RemoteHost, line: bytes) -> list[File]:
    if not line:
        return []  # the command failed, which its exit code says
    try:
        files = msgspec.json.decode(line, type=list[File])
    except msgspec.MsgspecError as error:
        raise TrainingError(message("{host} did not send back the results of a run.", host=host.name)) from error
    names = [file.name for file in files]
    sizes = [file.size for file in files]
    if not all(RESULTS.fullmatch(name) for name in names) or len(set(names)) != len(names):
        raise TrainingError(
            message("{host} sent back a file that is not a result of a run; nothing was kept.", host=host.name)
        )
    if any(size < 0 for size in sizes) or sum(sizes) > _LARGEST:
        raise TrainingError(
            message("{host} sends back more than the results of a run; nothing was kept.", host=host.name)
        )
    return files


class _Heard:
    """A stream that tells of every block."""

    def __init__(self, stream: IO[bytes], heard: Callable[[], None]) -> None:
        self._stream, self._heard = stream, heard

    def read(self, size: int) -> bytes:
        block = self._stream.read(size)
        self._heard()
        return block


def _take(source: _Heard, host: RemoteHost, file: File, target: Path) -> None:
    def blocks() -> Iterator[bytes]:
        left = file.size
        while left:
            block = source.read(min(left, _BLOCK))
            if not block:
                raise TrainingError(
                    message(
                        "The connection to {host} broke while results were fetched; resume the run to fetch them.",
                        host=host.name,
                    )
                )
            left -= len(block)
            yield block

    def write(temporary: Path) -> None:
        digest = hashlib.sha256()
        with temporary.open("wb") as sink:
            for block in blocks():
                digest.update(block)
                sink.write(block)
        if digest.hexdigest() != file.sha256:
            raise TrainingError(
                message(
                    "{file} was damaged on its way from {host}; resume the run.", file=file.name, host=host.name
                )
            )

    atomic_write(target, write)


def receive(source: IO[bytes], target: Path, check: Callable[[Path], object]) -> None:
    """Put what comes until its end at ``target``, once ``check`` has found it good (it raises where it is not)."""

    def write(temporary: Path) -> None:
        left = _LARGEST
        with temporary.open("wb") as sink:
            while left > 0 and (block := source.read(_BLOCK)):
                sink.write(block)
                left -= len(block)
        check(temporary)

    atomic_write(target, write)


def copy_checked(source: Path, sha256: str, target: Path) -> None:
    """Copy a result to a temporary name. Raises: TrainingError if it does not have its hash."""
    with source.open("rb") as stream, target.open("wb") as sink:
        shutil.copyfileobj(stream, sink, _BLOCK)
    with target.open("rb") as written:
        if hashlib.file_digest(written, "sha256").hexdigest() != sha256:
            raise TrainingError(
                message(
                    "{source} was not copied completely from {folder}; resume the run.",
                    source=source.name,
                    folder=source.parent,
                )
            )


def results_in(folder: Path) -> list[File]:
    """The results of the run in this folder."""
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if RESULTS.fullmatch(name) and path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            found.append(File(name=name, size=path.stat().st_size, sha256=sha256))
    return found
