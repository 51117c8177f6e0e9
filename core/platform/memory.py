"""How the C library hands out memory in processes that compute."""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
"""Parameters of glibc's ``mallopt`` (malloc.h)."""
_LARGEST = 2**31 - 1
_STEP = 64 << 20


def keep_freed_memory() -> bool:
    """Keep what is freed for the next request of this process; return False where the C library is not glibc.

    A training step frees hundreds of megabytes and asks for them again. By default they go back to the system in
    between, which then has to clear every page anew: a third of the processor time of a step. The process stays as
    large as it was at its largest, so this is for processes that compute and end, not for the window.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    set_option = ctypes.CDLL(None).mallopt
    # large blocks too come from the heap and not from mappings of their own, which are given back at once
    options = {_MMAP_MAX: 0, _TRIM_THRESHOLD: _LARGEST, _TOP_PAD: _STEP}
    return all(bool(set_option(option, value)) for option, value in options.items())
