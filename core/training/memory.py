"""Whether an allocation failed, however the library that tried says it."""

from __future__ import annotations

import re

import torch

_ALLOCATION = re.compile(
    r"can't allocate memory|out of memory|\b(?:CUBLAS|CUDNN|CUSOLVER|CUSPARSE|CUFFT)\w*_ALLOC(?:ATION)?_FAILED"
)
"""As the processor's allocator, torch's and the CUDA libraries put it."""


def out_of_memory(error: BaseException) -> bool:
    """Return True if the error says that an allocation failed, on an accelerator or on the CPU."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return _ALLOCATION.search(str(error)) is not None
