"""Calls that differ between operating systems, each with a counterpart where POSIX is not there.

Reading stations run Windows: nothing else in ``core`` imports ``resource``, ``fcntl`` or ``signal`` constants
that exist on POSIX only.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import IO

from core.platform.allocation import allotted_cores, allotted_memory

_fcntl: ModuleType | None
_resource: ModuleType | None
_msvcrt: ModuleType | None
try:
    import fcntl as _fcntl
except ImportError:
    _fcntl = None
try:
    import resource as _resource
except ImportError:
    _resource = None
try:
    import msvcrt as _msvcrt
except ImportError:
    _msvcrt = None


_QUERY_LIMITED_INFORMATION, _ACCESS_DENIED, _STILL_ACTIVE = 0x1000, 5, 259

_BELOW_NORMAL, _NICE = 0x4000, 10


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Constants of GNU's malloc.h."""


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder durable; where folders cannot be synced (Windows), the rename already is."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def limit_this_process(*, memory_bytes: int | None = None, cpu_s: int | None = None) -> None:
    """Limits of address space and processor time for a worker, and no core dump (it would hold pixels).

    Without POSIX limits the supervisor's wall-clock limit is the only one left.
    """
    if _resource is None:
        return
    _resource.setrlimit(_resource.RLIMIT_CORE, (0, 0))
    if memory_bytes is not None:
        _resource.setrlimit(_resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    if cpu_s is not None:
        _resource.setrlimit(_resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))


def peak_memory() -> int | None:
    """Return the peak memory of this process in bytes; None if the system does not report it."""
    if _resource is None:
        return None
    peak = int(_resource.getrusage(_resource.RUSAGE_SELF).ru_maxrss)
    return peak if sys.platform == "darwin" else peak * 1024


def installed_memory() -> int | None:
    """Return the memory of this machine, or of this process's Slurm job, in bytes; None if nothing reports it."""
    return allotted_memory() or _memory_of_machine()


def _memory_of_machine() -> int | None:
    if sys.platform == "win32":
        status = _MemoryStatus()
        status.length = ctypes.sizeof(status)
        kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 (it exists on Windows only)
        return int(status.total) if kernel.GlobalMemoryStatusEx(ctypes.byref(status)) else None
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names or "SC_PAGE_SIZE" not in names:
        return None
    return int(os.sysconf("SC_PHYS_PAGES")) * int(os.sysconf("SC_PAGE_SIZE"))


class _MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX of Windows."""

    _fields_ = (
        ("length", ctypes.c_ulong),
        ("load", ctypes.c_ulong),
        ("total", ctypes.c_ulonglong),
        ("rest", ctypes.c_ulonglong * 6),
    )


def usable_cores() -> int:
    """Return the number of processor cores that this process may run on, or that Slurm allotted to its job."""
    affinity = getattr(os, "sched_getaffinity", None)
    found = len(affinity(0)) if affinity is not None else (os.cpu_count() or 1)
    return min(found, allotted_cores() or found)


def has_cuda_driver() -> bool:
    """Return True if the driver of a CUDA card can be loaded here: without it no further check is useful."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def try_lock(file: IO[bytes]) -> bool:
    """Take the exclusive advisory lock of an open file without waiting; it goes with the process."""
    try:
        if _fcntl is not None:
            _fcntl.flock(file.fileno(), _fcntl.LOCK_EX | _fcntl.LOCK_NB)
        elif _msvcrt is not None:
            file.seek(0)
            _msvcrt.locking(file.fileno(), _msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True


def unlock(file: IO[bytes]) -> None:
    with contextlib.suppress(OSError):
        if _fcntl is not None:
            _fcntl.flock(file.fileno(), _fcntl.LOCK_UN)
        elif _msvcrt is not None:
            file.seek(0)
            _msvcrt.locking(file.fileno(), _msvcrt.LK_UNLCK, 1)


def process_alive(pid: int) -> bool:
    """Return True if a process of this machine with this number runs."""
    if pid <= 0:
        return False
    if sys.platform == "win32":
        return _windows_process_alive(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OSError):
        return True
    return True


def _windows_process_alive(pid: int) -> bool:
    # os.kill(pid, 0) would send a console event there instead of asking
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 (it exists on Windows only)
    handle = kernel.OpenProcess(_QUERY_LIMITED_INFORMATION, False, pid)
    if not handle:
        return bool(kernel.GetLastError() == _ACCESS_DENIED)
    code = ctypes.c_ulong()
    kernel.GetExitCodeProcess(handle, ctypes.byref(code))
    kernel.CloseHandle(handle)
    return code.value == _STILL_ACTIVE


def kill_process(pid: int) -> None:
    """End a process of this machine at once; nothing happens where it is gone already."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        # Windows knows no SIGKILL; there every signal but two ends the process
        os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def kill_session(pid: int) -> None:
    """End a process that began a session of its own and was not waited for, with all that it started."""
    kill_group = getattr(os, "killpg", None)
    if kill_group is None:
        kill_process(pid)
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        kill_group(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def yield_to_others() -> None:
    """From now on this process gets what processor time the others leave; a window beside it stays smooth."""
    if sys.platform == "win32":
        kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 (it exists on Windows only)
        kernel.SetPriorityClass(kernel.GetCurrentProcess(), _BELOW_NORMAL)
        return
    os.nice(_NICE)


def free_bytes(folder: Path) -> int:
    """Room that this user may fill on the file system of an existing folder."""
    return shutil.disk_usage(folder).free


def keep_freed_memory(size: int = 32 << 20) -> None:
    """Let the C library keep freed blocks of up to ``size`` bytes for the next ones, where it is GNU's.

    For work on one large picture after the other: it would give each back to the system and have every page of
    the next one cleared, which took a quarter of an import's time.
    """
    tune = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if tune is not None:
        tune(_M_MMAP_THRESHOLD, size)
        tune(_M_TRIM_THRESHOLD, 8 * size)


def give_back_freed_memory() -> None:
    """Return to the system what this process has freed, where the C library is GNU's, which keeps much of it.

    For a process that lives all day, after work that it does once: milliseconds, in which other threads go on.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


def fixed_memory(size: int) -> int | None:
    """Descriptor of anonymous memory to share with a child, zeros at first; None where the system has none.

    Its size is sealed: if the child could make it smaller, looking at what is gone would end this process.
    """
    create, seal = getattr(os, "memfd_create", None), getattr(_fcntl, "F_ADD_SEALS", None)
    if create is None or seal is None or _fcntl is None:
        return None
    descriptor = -1
    try:
        descriptor = create("pixels", getattr(os, "MFD_CLOEXEC", 0) | getattr(os, "MFD_ALLOW_SEALING", 0))
        os.ftruncate(descriptor, size)
        _fcntl.fcntl(
            descriptor, seal, sum(getattr(_fcntl, f"F_SEAL_{what}") for what in ("SHRINK", "GROW", "SEAL"))
        )
    except OSError:  # without sealing, or without room for it, there is none
        if descriptor >= 0:
            os.close(descriptor)
        return None
    return int(descriptor)


def write_past_cache(path: Path, content: memoryview, size: int) -> bool:
    """Write ``size`` bytes into an existing file without the system's cache; whether that can be done here.

    ``content`` holds them, begins at a page of memory and ends with one. OSError as of any other writing.
    """
    flag = getattr(os, "O_DIRECT", 0)
    if not flag:
        return False
    descriptor = -1
    try:
        descriptor = os.open(path, os.O_WRONLY | flag)
        at = 0
        while at < len(content):
            at += os.write(descriptor, content[at:])
        os.ftruncate(descriptor, size)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return False  # a file system that knows only its cache
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    return True


def widen_pipe(end: IO[bytes], size: int = 1 << 20) -> None:
    """Let a pipe hold more than its 64 KB, where the system can: pictures then pass it in fewer pieces."""
    set_size = getattr(_fcntl, "F_SETPIPE_SZ", None)
    if _fcntl is not None and set_size is not None:
        with contextlib.suppress(OSError):  # the user's share of pipe memory is used up: it stays as it was
            _fcntl.fcntl(end.fileno(), set_size, size)


@contextlib.contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Hold back Ctrl-C while a process is started, which then never receives it: its parent does, and stops it.

    A terminal sends it to every process in the foreground; one that still imports would die with a traceback. At
    the end this process receives the signals that came in between, unless another of its threads may receive them
    at once. Without POSIX signals nothing is held back.
    """
    mask = getattr(signal, "pthread_sigmask", None)
    if mask is None:
        yield
        return
    # the helper of multiprocessing lets interrupts through again when it starts, so it is started before
    import_module("multiprocessing.resource_tracker").ensure_running()
    before = mask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        mask(signal.SIG_SETMASK, before)


def on_read_only_disk(folder: Path) -> bool:
    """Return True if nobody can write the folder's file system. False on Windows, which does not report it."""
    if not hasattr(os, "statvfs") or not folder.exists():
        return False
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
