"""Decoding in a child process with limits: whatever a foreign file does to a decoder, the program lives on.

The child stays up between files. It has 4 GB of address space, a limit of processor time, and 20 s of wall time
a file; it may not open sockets, start programs or write files. Pixels come in memory of a fixed size that both
share, or through the pipe. A crash or timeout is a refusal of that one file, and the next file gets a new child.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import IO, Any

import msgspec
import numpy as np

import core
from core.domain.messages import Sentence, message, sentence_from
from core.imaging.decode_child import RETIRE_AFTER_CPU_S, DecodeRequest, PixelSpec, Reply
from core.imaging.decoded import DecodedImage, Refusal, RefusedImageError, check_budget
from core.imaging.watch import Watch
from core.platform.system import fixed_memory, widen_pipe

WALL_S = 20.0
_LONGEST_LINE = 16_000_000
_KEPT_BYTES = 32 << 20
"""Memory that the C library keeps; else it would release and request it for every image (its largest value)."""
SHARED_BYTES = 64 << 20
"""Size of the shared memory for one picture; only the used part takes memory. Larger pictures use the pipe."""
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); from core.imaging.decode_child import main; "
    "main(int(sys.argv[2]))"
)
_TYPES = {"uint8": np.uint8, "uint16": np.uint16, "int16": np.int16}

Outcome = DecodedImage | RefusedImageError


class DecodeWorker:
    """One decoding process, started when first needed. A context manager; use from one thread at a time."""

    def __init__(self, *, wall_s: float = WALL_S) -> None:
        self._wall_s = wall_s
        self._child: subprocess.Popen[bytes] | None = None
        self._watch: Watch | None = None
        self._shared: mmap.mmap | None = None
        self._closed = False
        self._decoder = msgspec.json.Decoder(Reply, dec_hook=_allocate)

    def __enter__(self) -> DecodeWorker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Process ID of the child, None while there is none."""
        return self._child.pid if self._child is not None else None

    def read(self, path: Path, *, frame: int = 0) -> DecodedImage:
        """One frame (from 0) of an image file; RefusedImageError, also where the child crashes or hangs."""
        if self._closed:
            raise RefusedImageError(
                message("{file} was not read: the work was stopped.", file=path.name), Refusal.CRASHED
            )
        try:
            child, watch = self._running()
        except OSError as error:
            raise RefusedImageError(
                message("{file} was not read: the decoding process could not be started.", file=path.name),
                Refusal.CRASHED,
            ) from error
        reply: Reply | None = None
        try:
            with watch:
                reply = self._ask(child, path, frame)
        except (OSError, ValueError, RefusedImageError):
            reply = None  # a broken pipe, or an answer that is none
        finally:
            if reply is None:
                self._stop()
        if reply is None:
            raise self._lost(path, late=watch.late)
        if reply.cpu_s > RETIRE_AFTER_CPU_S:
            self._stop()
        if reply.image is None:
            raise RefusedImageError(reply.sentence, reply.refusal or Refusal.DAMAGED)
        return reply.image

    def close(self) -> None:
        """End the child, also while another thread waits for it; a later ``read`` is refused."""
        self._closed = True
        self._stop()

    def _lost(self, path: Path, *, late: bool) -> RefusedImageError:
        if late:
            return RefusedImageError(
                message(
                    "{file} could not be read: decoding took longer than {seconds:g} s.",
                    file=path.name,
                    seconds=self._wall_s,
                ),
                Refusal.TIMED_OUT,
            )
        return RefusedImageError(
            message(
                "{file} could not be read: it made the decoder crash. The file is damaged or hostile.",
                file=path.name,
            ),
            Refusal.CRASHED,
        )

    def _running(self) -> tuple[subprocess.Popen[bytes], Watch]:
        if self._child is not None and self._child.poll() is not None:
            self._stop()
        if self._child is None or self._watch is None:
            self._child = self._started()
            self._watch = Watch(self._child, self._wall_s)
            assert self._child.stdout is not None
            widen_pipe(self._child.stdout)
            if self._closed:  # by another thread, before there was a child to end
                self._stop()
                raise OSError("closed")
        return self._child, self._watch

    def _started(self) -> subprocess.Popen[bytes]:
        root = Path(core.__file__).resolve().parents[1]
        memory = fixed_memory(SHARED_BYTES)
        try:
            self._shared = None if memory is None else mmap.mmap(memory, SHARED_BYTES, access=mmap.ACCESS_READ)
            # -I: neither the working folder nor PYTHON* variables decide what is imported
            return subprocess.Popen(
                [sys.executable, "-I", "-B", "-c", _START, str(root), str(-1 if memory is None else memory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=quiet_environment(),
                start_new_session=True,  # Ctrl-C is the parent's to handle
                pass_fds=() if memory is None else (memory,),
            )
        finally:
            if memory is not None:
                os.close(memory)

    def _ask(self, child: subprocess.Popen[bytes], path: Path, frame: int) -> Reply | None:
        assert child.stdin is not None and child.stdout is not None
        request = DecodeRequest(path=os.fsencode(path.absolute()), frame=frame)
        child.stdin.write(msgspec.json.encode(request) + b"\n")
        child.stdin.flush()
        line = child.stdout.readline(_LONGEST_LINE)
        if not line.endswith(b"\n"):
            return None
        reply: Reply = self._decoder.decode(line)
        if reply.image is None:
            return reply
        whole = _copied(self._shared, reply.image) if reply.shared else _filled(child.stdout, reply.image)
        return reply if whole else None

    def _stop(self) -> None:
        child, self._child = self._child, None
        watch, self._watch = self._watch, None
        if child is not None:
            child.kill()
            child.wait()
        if watch is not None:
            watch.end()
        if child is None:
            return
        self._shared = None
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was not yet written is of no use
                    pipe.close()


def read_many(
    paths: Iterable[Path], *, workers: int = 2, wall_s: float = WALL_S
) -> Generator[tuple[Path, Outcome], None, None]:
    """The first frame of each file, or its refusal, in the order of ``paths``.

    ``workers`` children decode ahead, at most two files each. Closing the iterator ends them.
    """
    with closing(_read_ahead(((path, 0) for path in paths), workers=workers, wall_s=wall_s)) as outcomes:
        yield from outcomes


def read_frames(
    path: Path, frames: Iterable[int], *, workers: int = 2, wall_s: float = WALL_S
) -> Generator[Outcome, None, None]:
    """These frames (from 0) of one file, as ``read_many`` reads many files."""
    with closing(_read_ahead(((path, k) for k in frames), workers=workers, wall_s=wall_s)) as outcomes:
        for _, outcome in outcomes:
            yield outcome


def _read_ahead(
    requests: Iterable[tuple[Path, int]], *, workers: int, wall_s: float
) -> Generator[tuple[Path, Outcome], None, None]:
    children = [DecodeWorker(wall_s=wall_s) for _ in range(max(1, workers))]
    idle: SimpleQueue[DecodeWorker] = SimpleQueue()
    for child in children:
        idle.put(child)

    def outcome(path: Path, frame: int) -> Outcome:
        child = idle.get()
        try:
            return child.read(path, frame=frame)
        except RefusedImageError as refused:
            return refused
        finally:
            idle.put(child)

    waiting: deque[tuple[Path, Future[Outcome]]] = deque()
    pool = ThreadPoolExecutor(len(children), thread_name_prefix="decode")
    try:
        for path, frame in requests:
            waiting.append((path, pool.submit(outcome, path, frame)))
            if len(waiting) >= 2 * len(children):
                ready, future = waiting.popleft()
                yield ready, future.result()
        while waiting:
            ready, future = waiting.popleft()
            yield ready, future.result()
    finally:
        for _, future in waiting:
            future.cancel()
        for child in children:
            child.close()
        pool.shutdown(wait=True, cancel_futures=True)


def _allocate(kind: type, value: Any) -> Any:
    """msgspec's hook for sentences, and for arrays: room for the pixels, which follow the line."""
    if issubclass(kind, Sentence):
        return sentence_from(value)
    spec = msgspec.convert(value, PixelSpec)
    if kind is not np.ndarray or spec.dtype not in _TYPES:
        raise ValueError("not an array that is sent")
    dtype = np.dtype(_TYPES[spec.dtype])
    check_budget("the answer", rows=spec.shape[0], columns=spec.shape[1], bytes_each=dtype.itemsize)
    return np.empty(spec.shape, dtype)


def _filled(pipe: IO[bytes], image: DecodedImage) -> bool:
    """Return True if all pixels arrived."""
    view = image.pixels.data.cast("B")
    received: int = pipe.readinto(view)  # type: ignore[attr-defined]
    return received == len(view)


def _copied(shared: mmap.mmap | None, image: DecodedImage) -> bool:
    """Take the pixels out of the shared memory, in which the child could change them while they are looked at."""
    flat = image.pixels.reshape(-1).view(np.uint8)
    if shared is None or flat.size > len(shared):
        return False
    np.copyto(flat, np.frombuffer(shared, np.uint8, flat.size))
    return True


def quiet_environment() -> dict[str, str]:
    """The parent's environment, one thread a library; memory of one image is kept for the next."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    keep = {"MALLOC_MMAP_THRESHOLD_": str(_KEPT_BYTES), "MALLOC_TRIM_THRESHOLD_": str(4 * _KEPT_BYTES)}
    return {**os.environ, **threads, **keep}
